//! Whose decisions the gateway takes, and under which personalities a scenario holds.

use crate::scenario::fields::{Fields, Reader, not_among};
use crate::scenario::under;
use crate::source::{Diagnostic, Place, Spanned, Value};
use crate::topology::Personality;

/// The personality of the gateway: the one that is named, else the first of those under which the scenario
/// holds, else the newest.
pub(super) fn own(reader: &Reader<'_>, fields: Option<Fields<'_>>, place: Place) -> Personality {
    let newest = Personality::newest();
    let several = fields.map(personalities).unwrap_or_default();
    let Some(entry) = fields.and_then(|fields| fields.value("personality")) else {
        if let Some((first, _)) = several.first() {
            return *first;
        }
        if fields.is_some_and(|fields| fields.entry("personalities").is_some()) {
            return newest;
        }
        let diagnostic = Diagnostic::warning(format!("no personality is named, so the gateway behaves as {newest}"));
        let diagnostic = diagnostic.help(format!("write `gateway: {{ personality: {newest} }}` to keep it so"));
        reader.push(diagnostic.at(place, "").code("personality-unnamed"));
        return newest;
    };
    let Some(name) = reader.text(entry) else { return newest };
    let Some(own) = known_personality(reader, &name) else { return newest };
    // The command line may play a scenario as anybody.
    if let Some((_, place)) = several.first().filter(|(_, place)| place.file == name.place.file)
        && several.iter().all(|(one, _)| *one != own)
    {
        let diagnostic = Diagnostic::error(format!("`{own}` is not among the scenario's personalities"));
        reader.push(diagnostic.at(name.place, "").note_at(*place, "they are named here"));
    }
    own
}

/// The personalities under which a scenario holds, each with its place.
fn personalities(fields: Fields<'_>) -> Vec<(Personality, Place)> {
    let reader = fields.reader();
    let Some(entry) = fields.value("personalities") else { return Vec::new() };
    if entry.value.as_str() == Some(under::ALL) {
        return Personality::ALL.map(|one| (one, entry.value.place)).to_vec();
    }
    let Value::Seq(items) = &entry.value.value else {
        let diagnostic = reader.expected(&entry.value, "a list of personalities");
        reader.push(diagnostic.help("such as `[agentgateway-1.4, reference]`, or `all`"));
        return Vec::new();
    };
    let mut named: Vec<(Personality, Place)> = Vec::new();
    for name in items.iter().filter_map(|item| reader.decode::<Spanned<String>>(item)) {
        let Some(one) = known_personality(reader, &name) else { continue };
        if let Some((_, first)) = named.iter().find(|(other, _)| *other == one) {
            let diagnostic = Diagnostic::error(format!("`{one}` is named twice"));
            reader.push(diagnostic.at(name.place, "again here").note_at(*first, "first here"));
        }
        named.push((one, name.place));
    }
    if items.is_empty() {
        let diagnostic = Diagnostic::error("the scenario holds under no personality").at(entry.key_place, "");
        reader.push(diagnostic.help("such as `personalities: [agentgateway-1.4, reference]`, or `all`"));
    }
    named
}

fn known_personality(reader: &Reader<'_>, name: &Spanned<String>) -> Option<Personality> {
    let known = name.value.parse().ok();
    if known.is_none() {
        reader.push(not_among(name, "personality", &Personality::ALL.map(Personality::name)));
    }
    known
}
