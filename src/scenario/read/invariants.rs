//! Invariants that a scenario turns off.

use crate::scenario::fields::{Fields, not_among};
use crate::scenario::invariants::{NAMES, TurnedOff};
use crate::source::{Diagnostic, Entry, Spanned};

/// What may stand under `invariants`.
pub(in crate::scenario) const OF_INVARIANTS: &[&str] = &["off"];

/// The invariants under `invariants: { off: … }`.
pub(in crate::scenario) fn invariants_off(top: Fields<'_>) -> Vec<TurnedOff> {
    let reader = top.reader();
    let fields = top.value("invariants").and_then(|entry| reader.fields(&entry.value, "invariants", OF_INVARIANTS));
    let Some(entry) = fields.and_then(|fields| fields.value("off")) else { return Vec::new() };
    let entries = reader.entries(&entry.value, "from an invariant to the reason why it is off");
    entries.iter().filter_map(|one| turned_off(top, one)).collect()
}

fn turned_off(top: Fields<'_>, one: &Entry) -> Option<TurnedOff> {
    let reader = top.reader();
    let name = NAMES.into_iter().find(|name| *name == one.key);
    if name.is_none() {
        let wrong = Spanned::new(one.key.clone(), one.key_place);
        reader.push(not_among(&wrong, "invariant", &NAMES));
    }
    let reason = reader.text(one)?;
    if reason.value.trim().is_empty() {
        let diagnostic = Diagnostic::error(format!("`{}` is turned off without a reason", one.key));
        reader
            .push(diagnostic.at(reason.place, "say why").help("such as `priority: \"it is what this file is about\"`"));
    }
    Some(TurnedOff { name: name?, reason: reason.value })
}
