//! Reads maps field by field, so that one mistake does not hide the next.
//!
//! A wrong value is reported and left out; its reader goes on with what stands there by default. A
//! file with any error never becomes a scenario, so a default that stands in is never played.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::{Range, RangeInclusive};

use serde::de::DeserializeOwned;

use super::expand::Expansion;
use super::names::Names;
use super::read::Changes;
use crate::source::decode::UnknownField;
use crate::source::diagnostic::nearest_or_all;
use crate::source::yaml::plain;
use crate::source::{Decoder, Diagnostic, Diagnostics, Entry, Node, Place, Sources, Spanned, Value};

/// What reading a scenario needs: its files' texts, the lab's names, and where findings go.
pub(super) struct Reader<'r> {
    sources: &'r Sources,
    names: OnceCell<Names>,
    changes: OnceCell<Changes>,
    priced: Cell<bool>,
    /// Scalars with variables, and what they became.
    values: Vec<(Place, String)>,
    /// Scalars whose variables have no value.
    broken: Vec<Place>,
    findings: RefCell<Diagnostics>,
}

/// A map that is being read.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    reader: &'n Reader<'n>,
    entries: &'n [Entry],
    /// Where the map stands.
    pub(super) place: Place,
}

impl<'r> Reader<'r> {
    pub(super) fn new(sources: &'r Sources) -> Self {
        Self {
            sources,
            names: OnceCell::new(),
            changes: OnceCell::new(),
            priced: Cell::new(false),
            values: Vec::new(),
            broken: Vec::new(),
            findings: RefCell::default(),
        }
    }

    /// Tells the names that expectations may use, once the manifests are read.
    pub(super) fn know(&self, names: Names) {
        // Only the first call counts, and there is only one.
        let _ = self.names.set(names);
    }

    /// Tells what `apply` and `delete` steps do.
    pub(super) fn know_changes(&self, changes: Changes) {
        // Only the first call counts, and there is only one.
        let _ = self.changes.set(changes);
    }

    /// What `apply` and `delete` steps do.
    pub(super) fn changes(&self) -> &Changes {
        self.changes.get_or_init(Changes::default)
    }

    /// Tells that the scenario has prices.
    pub(super) fn has_price(&self) {
        self.priced.set(true);
    }

    /// Whether the scenario has prices.
    pub(super) fn has_prices(&self) -> bool {
        self.priced.get()
    }

    /// Names that expectations may use.
    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(Names::unchecked)
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        // What is wrong with a value whose variable is not set is only that.
        let follows = |(place, _): &(Place, String)| self.broken.contains(place);
        let mut findings = self.findings.borrow_mut();
        // What holds under several personalities is read once for each of them.
        if !diagnostic.primary.as_ref().is_some_and(follows) && !findings.all().contains(&diagnostic) {
            findings.push(diagnostic);
        }
    }

    pub(super) fn extend(&self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.borrow().has_errors()
    }

    pub(super) fn finish(self) -> Diagnostics {
        self.findings.into_inner()
    }

    /// Tells where variables were expanded, and where they could not be.
    pub(super) fn expanded(&mut self, variables: &Expansion) {
        self.extend(variables.findings.iter().cloned());
        self.values.clone_from(&variables.values);
        self.broken.clone_from(&variables.broken);
    }

    /// Decodes a value through serde.
    pub(super) fn decode<T: DeserializeOwned>(&self, node: &Node) -> Option<T> {
        let decoder = Decoder::default();
        let value = decoder.decode(node);
        if value.is_none()
            && let Some(unquoted) = unquoted(node)
            && let Some(value) = Decoder::default().decode(&unquoted)
        {
            return Some(value);
        }
        self.extend(decoder.finish_strict().all().iter().cloned());
        value
    }

    /// Reports that something else was expected here.
    pub(super) fn expected(&self, node: &Node, expected: &str) -> Diagnostic {
        Diagnostic::error(format!("expected {expected}, found {}", self.found(node))).at(node.place, "")
    }

    fn found(&self, node: &Node) -> String {
        match &node.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => format!("`{}`", self.written(node.place)),
            Value::String(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
            _ => node.kind().to_owned(),
        }
    }

    /// The file's own text at a place.
    pub(super) fn written(&self, place: Place) -> &'r str {
        written(self.sources, place)
    }

    /// The text of a scalar; a number as it is written, so that `429` needs no quotes.
    pub(super) fn scalar(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::String(text) => Some(text.clone()),
            Value::Int(_) | Value::Float(_) => {
                let expanded = self.values.iter().find(|(place, _)| *place == node.place);
                Some(expanded.map_or_else(|| self.written(node.place).to_owned(), |(_, value)| value.clone()))
            }
            _ => None,
        }
    }

    /// The place of a part of a scalar's text: exact where the scalar is written out on one line,
    /// the whole scalar otherwise.
    pub(super) fn part(&self, text: &str, place: Place, part: Range<usize>) -> Place {
        let written = self.written(place);
        // A block ends with what is left of its last line.
        if written.trim_end() == text {
            return place.part(part);
        }
        let quoted = written.get(1..written.len().saturating_sub(1)) == Some(text);
        if quoted && written.starts_with(['"', '\'']) {
            return place.part(part.start + 1..part.end + 1);
        }
        place
    }

    /// Begins to read a map with the keys `known`; every other key is an error.
    pub(super) fn fields<'n>(
        &'n self,
        node: &'n Node,
        what: &str,
        known: &'static [&'static str],
    ) -> Option<Fields<'n>> {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let some: Vec<_> = known.iter().take(3).map(|key| format!("`{key}`")).collect();
            self.push(self.expected(node, &format!("a map, {what} with {}", some.join(", "))));
            return None;
        }
        for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let unknown = UnknownField { path: String::new(), name: entry.key.clone(), place: entry.key_place, known };
            self.push(unknown.error());
        }
        Some(Fields { reader: self, entries: node.entries(), place: node.place })
    }

    /// The entries of a map whose keys are free.
    pub(super) fn entries<'n>(&self, node: &'n Node, what: &str) -> &'n [Entry] {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            // What was found is not shown: it may be a secret.
            self.push(Diagnostic::error(format!("expected a map, {what}, found {}", node.kind())).at(node.place, ""));
        }
        node.entries()
    }

    /// The items of a list.
    pub(super) fn items<'n>(&self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::Seq(items) => items,
            Value::Null => &[],
            _ => {
                self.push(self.expected(node, &format!("a list {what}")));
                &[]
            }
        }
    }

    /// The text of a value that must not be shown, whatever it is.
    pub(super) fn secret(&self, entry: &Entry) -> Option<String> {
        if entry.value.is_null() {
            self.push(no_value(entry));
            return None;
        }
        let text = entry.value.as_str();
        if text.is_none() {
            let diagnostic =
                Diagnostic::error(format!("expected text under `{}`", entry.key)).at(entry.value.place, "");
            self.push(diagnostic.help("put it in quotes"));
        }
        text.map(str::to_owned)
    }

    /// The text of a value that must be text.
    pub(super) fn text(&self, entry: &Entry) -> Option<Spanned<String>> {
        if entry.value.is_null() {
            self.push(no_value(entry));
            return None;
        }
        self.decode(&entry.value)
    }
}

/// The text at a place.
pub(super) fn written(sources: &Sources, place: Place) -> &str {
    let file = sources.files().get(place.file.0 as usize);
    file.and_then(|file| file.text.get(place.start as usize..place.end as usize)).unwrap_or("")
}

/// What a value would be without its quotes, if that is no text. A value with a variable in it often
/// has to be quoted, since `{` means something else between brackets.
fn unquoted(node: &Node) -> Option<Node> {
    let value = plain(node.as_str()?);
    Some(Node { value, place: node.place }).filter(|node| node.as_str().is_none())
}

/// A whole number, also one that a variable stands for.
pub(super) fn whole_number(node: &Node) -> Option<u64> {
    let unquoted = unquoted(node);
    match unquoted.as_ref().unwrap_or(node).value {
        Value::Int(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

fn no_value(entry: &Entry) -> Diagnostic {
    Diagnostic::error(format!("`{}` has no value", entry.key)).at(entry.key_place, "a value is missing")
}

/// From the key to the end of the value.
pub(super) fn whole_entry(entry: &Entry) -> Place {
    let end = entry.value.place.end.max(entry.key_place.end);
    // The value of an alias may stand elsewhere.
    if entry.value.place.start >= entry.key_place.start { Place { end, ..entry.key_place } } else { entry.key_place }
}

impl<'n> Fields<'n> {
    pub(super) fn reader(&self) -> &'n Reader<'n> {
        self.reader
    }

    /// Where the map begins, for what concerns it as a whole.
    pub(super) fn first_line(&self) -> Place {
        self.entries.first().map_or(self.place, |entry| entry.key_place)
    }

    /// The entry of `key`, if it is there at all.
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of `key`; a key without one is reported.
    pub(super) fn value(&self, key: &str) -> Option<&'n Entry> {
        let entry = self.entry(key)?;
        if entry.value.is_null() {
            self.reader.push(no_value(entry));
            return None;
        }
        Some(entry)
    }

    /// A value that serde knows how to read.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.reader.decode(&self.value(key)?.value)
    }

    /// Text that may not be left out.
    pub(super) fn required_text(&self, key: &str, example: &str) -> Option<Spanned<String>> {
        if self.entry(key).is_none() {
            let missing = Diagnostic::error(format!("`{key}` is missing here")).at(self.first_line(), "");
            self.reader.push(missing.help(format!("such as `{key}: {example}`")));
        }
        self.get(key)
    }

    /// A whole number within a range.
    pub(super) fn whole(&self, key: &str, range: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        let node = &self.value(key)?.value;
        if let Some(number) = whole_number(node).filter(|number| range.contains(number)) {
            return Some(Spanned::new(number, node.place));
        }
        let expected = match range.end() {
            &u64::MAX => format!("a whole number from {}", range.start()),
            most => format!("a whole number from {} to {most}", range.start()),
        };
        self.reader.push(self.reader.expected(node, &expected));
        None
    }

    /// One word of a table.
    pub(super) fn choice<T: Copy>(&self, key: &str, table: &[(&'static str, T)]) -> Option<T> {
        let word: Spanned<String> = self.get(key)?;
        let found = table.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            self.reader.push(not_among(&word, key, &names));
        }
        found
    }
}

/// A word that is none of the known ones.
pub(super) fn not_among(word: &Spanned<String>, what: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("unknown {what} `{}`", word.value)).at(word.place, "");
    let suggested = diagnostic.clone().suggest(&word.value, known.iter().copied());
    if suggested.help.is_empty() { diagnostic.help(nearest_or_all(&word.value, known)) } else { suggested }
}
