//! What holds under one personality only.
//!
//! `lab.gateway.personalities` names those under which a scenario holds, and an `expect` may have a
//! key `under`, from a personality to what is expected otherwise then. It is merged into the `expect`
//! as a scenario is into the one that it extends. This happens before anything is read, so that the
//! readers of expectations know nothing of it.

use super::compose::merged;
use super::fields::{Reader, not_among};
use crate::source::{Diagnostic, Entry, Node, Spanned, Value};
use crate::topology::Personality;

/// The word for every personality.
pub(super) const ALL: &str = "all";
/// Where a personality says what it does otherwise.
pub(super) const UNDER: &str = "under";

/// The personalities that a scenario names: the one that is played first, each once. What is wrong with
/// them is told where the gateway is read.
pub(super) fn named(root: &Node) -> Vec<Personality> {
    let gateway = root.get("lab").and_then(|lab| lab.get("gateway"));
    let get = |key| gateway.and_then(|gateway| gateway.get(key));
    let one = |node: &Node| node.as_str().and_then(|name| name.parse().ok());
    let several: Vec<Personality> = match get("personalities").map(|node| &node.value) {
        Some(Value::Seq(items)) => items.iter().filter_map(one).collect(),
        Some(Value::String(word)) if word == ALL => Personality::ALL.to_vec(),
        _ => Vec::new(),
    };
    let own = get("personality").and_then(one);
    let mut all: Vec<Personality> = Vec::new();
    for personality in own.into_iter().chain(several) {
        if !all.contains(&personality) {
            all.push(personality);
        }
    }
    if all.is_empty() { vec![Personality::newest()] } else { all }
}

/// Whether anything is expected under one personality only.
pub(super) fn is_anywhere(root: &Node) -> bool {
    match &root.value {
        Value::Map(entries) => entries.iter().any(|entry| entry.key == UNDER || is_anywhere(&entry.value)),
        Value::Seq(items) => items.iter().any(is_anywhere),
        _ => false,
    }
}

/// Puts in place what is expected under `played`; `known` are the personalities of the scenario.
pub(super) fn resolve(root: &mut Node, reader: &Reader<'_>, played: Personality, known: &[Personality]) {
    let resolving = Resolving { reader, played, known };
    let Value::Map(entries) = &mut root.value else { return };
    for entry in entries {
        match entry.key.as_str() {
            "expect" => resolving.expect(entry),
            "steps" | "schedule" => resolving.steps(&mut entry.value),
            _ => {}
        }
    }
}

struct Resolving<'r> {
    reader: &'r Reader<'r>,
    played: Personality,
    known: &'r [Personality],
}

impl Resolving<'_> {
    /// Steps, and those within them.
    fn steps(&self, node: &mut Node) {
        match &mut node.value {
            Value::Seq(items) => items.iter_mut().for_each(|item| self.steps(item)),
            Value::Map(entries) => {
                for entry in entries {
                    match entry.key.as_str() {
                        "expect" => self.expect(entry),
                        "send" | "load" | "parallel" | "repeat" | "steps" => self.steps(&mut entry.value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn expect(&self, entry: &mut Entry) {
        let Value::Map(entries) = &mut entry.value.value else { return };
        let Some(at) = entries.iter().position(|entry| entry.key == UNDER) else { return };
        let under = entries.remove(at);
        if under.value.entries().is_empty() {
            let diagnostic = self.reader.expected(&under.value, "a map from a personality to what is expected");
            self.reader.push(diagnostic.help("such as `under: { reference: { pattern: \"200\" } }`"));
        }
        for one in under.value.entries() {
            if self.is_known(one) && one.key == self.played.name() {
                let before = std::mem::replace(&mut entry.value, Node { value: Value::Null, place: one.value.place });
                let place = before.place;
                entry.value = merged(before, one.value.clone());
                entry.value.place = place;
            }
        }
    }

    /// Whether the key is one of the scenario's personalities; told if not.
    fn is_known(&self, one: &Entry) -> bool {
        let key = Spanned::new(one.key.clone(), one.key_place);
        let Ok(personality) = one.key.parse::<Personality>() else {
            self.reader.push(not_among(&key, "personality", &Personality::ALL.map(Personality::name)));
            return false;
        };
        if !self.known.contains(&personality) {
            let diagnostic = Diagnostic::error(format!("this scenario is not played under {personality}"));
            let help = format!("name it under `lab.gateway.personalities`, beside {}", self.known[0]);
            self.reader.push(diagnostic.at(one.key_place, "").help(help));
        }
        true
    }
}
