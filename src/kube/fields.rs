//! Reads the fields of a map and finds every mistake in it, not only the first.
//!
//! A reader asks a [`Fields`] for what it knows, field by field. When it lets go of it, the fields
//! that it did not ask for are judged by the published schema.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::hidden::Hidden;
use super::schema::{self, Field};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Diagnostics, Entry, Node, Place, Severity, Sources, Spanned, Value};

/// What is found while manifests are read.
pub(super) struct Log<'r> {
    sources: &'r Sources,
    found: RefCell<Vec<Diagnostic>>,
    hidden: Hidden,
}

/// A map of a manifest in the course of being read.
pub(super) struct Fields<'r> {
    log: &'r Log<'r>,
    node: &'r Node,
    /// Where to point when something is missing.
    at: Place,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

/// A number or a name, as a Service's `targetPort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NumberOrName {
    /// A number.
    Number(u16),
    /// A name.
    Name(String),
}

/// TCP ports.
pub(super) const PORTS: RangeInclusive<u64> = 1..=65_535;

/// More fields than this are not listed.
const MAX_LISTED: usize = 12;

impl<'r> Log<'r> {
    /// An empty log; nothing of `hidden` is ever shown.
    pub(super) fn new(sources: &'r Sources, hidden: Hidden) -> Self {
        Self { sources, found: RefCell::default(), hidden }
    }

    /// Keeps a finding.
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// How many errors there are so far.
    pub(super) fn errors(&self) -> usize {
        self.found.borrow().iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// All findings in the order of the files.
    pub(super) fn finish(self, findings: &mut Diagnostics) {
        let mut found = self.found.into_inner();
        found.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|(place, _)| (place.file, place.start)));
        findings.extend(found.into_iter().map(|diagnostic| self.hidden.keep_out_of(diagnostic)));
    }

    /// What stands at a node, in words; without its value if it is a credential.
    fn found(&self, node: &Node) -> String {
        let text = self.text_at(node.place);
        match &node.value {
            _ if self.hidden.is_at(node.place) => node.kind().to_owned(),
            Value::Bool(_) => format!("`{text}`"),
            Value::Int(_) | Value::Float(_) => format!("the number `{text}`"),
            Value::String(text) if text.is_empty() => "an empty text".to_owned(),
            Value::String(text) => format!("the text `{}`", shortened(text)),
            _ => node.kind().to_owned(),
        }
    }

    /// What the file has at a place, as it is written there.
    pub(super) fn text_at(&self, place: Place) -> &'r str {
        let text = &self.sources.file(place.file).text;
        text.get(place.start as usize..place.end as usize).unwrap_or_default()
    }

    /// An error: `node`, the value of `name`, is not what it should be.
    fn mismatch(&self, name: &str, node: &Node, expected: &str) {
        let found = self.found(node);
        let mut diagnostic = Diagnostic::error(format!("`{name}` must be {expected}, found {found}"))
            .at(node.place, format!("expected {expected}"));
        let hidden = self.hidden.is_at(node.place);
        match &node.value {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) if expected.starts_with("text") => {
                let example = if hidden { String::new() } else { format!(": `\"{}\"`", self.text_at(node.place)) };
                diagnostic = diagnostic.help(format!("put it in quotes{example}"));
            }
            Value::String(text) if expected.contains("number") && text.parse::<u64>().is_ok() && !hidden => {
                diagnostic = diagnostic.help(format!("write it without quotes: `{text}`"));
            }
            _ => {}
        }
        self.push(diagnostic);
    }
}

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

impl<'r> Fields<'r> {
    /// The top of a document.
    pub(super) fn document(log: &'r Log<'r>, node: &'r Node, at: Place, kind: &str) -> Self {
        Self { log, node, at, path: kind.to_owned(), asked: RefCell::default() }
    }

    /// Where findings go.
    pub(super) fn log(&self) -> &'r Log<'r> {
        self.log
    }

    /// Where to point when something is wrong with the whole map.
    pub(super) fn place(&self) -> Place {
        self.at
    }

    /// The entry of a field that is there and not null.
    pub(super) fn find(&self, name: &'static str) -> Option<&'r Entry> {
        self.asked.borrow_mut().push(name);
        self.node.entries().iter().find(|entry| entry.key == name && !entry.value.is_null())
    }

    /// The entry of a field that is there, even if it is null.
    pub(super) fn find_even_null(&self, name: &'static str) -> Option<&'r Entry> {
        self.asked.borrow_mut().push(name);
        self.node.entries().iter().find(|entry| entry.key == name)
    }

    /// The first of `names` that is there.
    pub(super) fn find_any(&self, names: &[&'static str]) -> Vec<&'r Entry> {
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    /// An error unless `value` is there. A misspelt field is reported as such and not as missing, too.
    pub(super) fn need<T>(&self, name: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.find(name).is_none() && !self.is_misspelt(name) {
            self.log
                .push(Diagnostic::error(format!("`{name}` is missing here")).at(self.at, format!("needs `{name}`")));
        }
        value
    }

    /// Whether a field that does not exist may stand for one of `names`.
    pub(super) fn is_any_misspelt(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is_misspelt(name))
    }

    fn is_misspelt(&self, name: &str) -> bool {
        let known = schema::fields_at(&self.path).unwrap_or_default();
        let exists = |key: &str| known.iter().any(|field| field.name == key);
        self.node.entries().iter().any(|entry| !exists(&entry.key) && nearest(&entry.key, [name]).is_some())
    }

    /// A text.
    pub(super) fn text(&self, name: &'static str) -> Option<Spanned<String>> {
        self.find(name).and_then(|entry| self.text_of(name, &entry.value))
    }

    /// A text that must be there and have at least one character.
    pub(super) fn need_text(&self, name: &'static str) -> Option<Spanned<String>> {
        let text = self.need(name, self.text(name))?;
        if text.is_empty() {
            self.log.push(Diagnostic::error(format!("`{name}` is empty")).at(text.place, "needs a value"));
            return None;
        }
        Some(text)
    }

    /// A text with at least one character, if it is there.
    pub(super) fn need_text_if_there(&self, name: &'static str) -> Option<Spanned<String>> {
        self.find(name).and_then(|_| self.need_text(name))
    }

    fn text_of(&self, name: &str, node: &Node) -> Option<Spanned<String>> {
        if let Value::String(text) = &node.value {
            return Some(Spanned::new(text.clone(), node.place));
        }
        self.log.mismatch(name, node, "text");
        None
    }

    /// One of `choices`, by its text.
    pub(super) fn choice(&self, name: &'static str, choices: &[&'static str]) -> Option<Spanned<&'static str>> {
        let text = self.text(name)?;
        if let Some(choice) = choices.iter().find(|choice| **choice == text.value) {
            return Some(Spanned::new(*choice, text.place));
        }
        let diagnostic = Diagnostic::error(format!("`{name}` cannot be `{}`", shortened(&text.value)))
            .at(text.place, "no such value");
        self.log.push(did_you_mean(diagnostic, &text.value, choices));
        None
    }

    /// A whole number in `range`.
    pub(super) fn number(&self, name: &'static str, range: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        let node = &self.find(name)?.value;
        if let Value::Int(number) = node.value
            && let Ok(number) = u64::try_from(number)
            && range.contains(&number)
        {
            return Some(Spanned::new(number, node.place));
        }
        self.log.mismatch(name, node, &format!("a whole number from {} to {}", range.start(), range.end()));
        None
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, name: &'static str) -> Option<f64> {
        let node = &self.find(name)?.value;
        match node.value {
            Value::Float(share) if (0.0..=1.0).contains(&share) => Some(share),
            Value::Int(0) => Some(0.0),
            Value::Int(1) => Some(1.0),
            _ => {
                self.log.mismatch(name, node, "a number from 0 to 1");
                None
            }
        }
    }

    /// Whether a switch is on; one that is not there is off.
    pub(super) fn flag(&self, name: &'static str) -> bool {
        let Some(entry) = self.find(name) else { return false };
        let Value::Bool(on) = entry.value.value else {
            self.log.mismatch(name, &entry.value, "`true` or `false`");
            return false;
        };
        on
    }

    /// A TCP port.
    pub(super) fn port(&self, name: &'static str) -> Option<Spanned<u16>> {
        let number = self.number(name, PORTS)?;
        u16::try_from(number.value).ok().map(|port| Spanned::new(port, number.place))
    }

    /// A TCP port by its number or its name.
    pub(super) fn port_or_name(&self, name: &'static str) -> Option<Spanned<NumberOrName>> {
        let node = &self.find(name)?.value;
        if let Value::String(text) = &node.value {
            return Some(Spanned::new(NumberOrName::Name(text.clone()), node.place));
        }
        self.port(name).map(|port| port.map(NumberOrName::Number))
    }

    /// A map.
    pub(super) fn map(&self, name: &'static str) -> Option<Fields<'r>> {
        let entry = self.find(name)?;
        self.map_of(name, &entry.value, entry.key_place)
    }

    /// A map that must be there.
    pub(super) fn need_map(&self, name: &'static str) -> Option<Fields<'r>> {
        self.need(name, self.map(name))
    }

    fn map_of(&self, name: &str, node: &'r Node, at: Place) -> Option<Fields<'r>> {
        if !matches!(node.value, Value::Map(_)) {
            self.log.mismatch(name, node, "a map");
            return None;
        }
        let path = format!("{}.{name}", self.path);
        Some(Fields { log: self.log, node, at, path, asked: RefCell::default() })
    }

    /// The items of a list, if the field is there and is a list.
    fn items(&self, name: &'static str) -> Option<&'r [Node]> {
        match &self.find(name)?.value {
            Node { value: Value::Seq(items), .. } => Some(items),
            node => {
                self.log.mismatch(name, node, "a list");
                None
            }
        }
    }

    /// A list of maps; empty if it is not there.
    pub(super) fn maps(&self, name: &'static str) -> Vec<Fields<'r>> {
        let items = self.items(name).unwrap_or_default();
        items.iter().filter_map(|item| self.map_of(name, item, item.place)).collect()
    }

    /// A list of maps that must be there, with at least one item and at most `most`.
    pub(super) fn need_maps(&self, name: &'static str, most: usize) -> Vec<Fields<'r>> {
        let Some(items) = self.need(name, self.items(name)) else { return Vec::new() };
        if items.is_empty()
            && let Some(entry) = self.find(name)
        {
            self.log
                .push(Diagnostic::error(format!("`{name}` is empty")).at(entry.key_place, "needs at least one item"));
        }
        if let Some(item) = items.get(most) {
            let message = format!("`{name}` takes at most {most} items, found {}", items.len());
            self.log.push(Diagnostic::error(message).at(item.place, "one too many"));
        }
        self.maps(name)
    }

    /// A list of texts; empty if it is not there.
    pub(super) fn texts(&self, name: &'static str) -> Vec<Spanned<String>> {
        let items = self.items(name).unwrap_or_default();
        items.iter().filter_map(|item| self.text_of(name, item)).collect()
    }

    /// A map of names to texts, such as labels; empty if it is not there.
    pub(super) fn labels(&self, name: &'static str) -> Vec<(String, Spanned<String>)> {
        let Some(entry) = self.find(name) else { return Vec::new() };
        if !matches!(entry.value.value, Value::Map(_)) {
            self.log.mismatch(name, &entry.value, "a map");
        }
        let pairs = entry.value.entries().iter();
        pairs.filter_map(|pair| Some((pair.key.clone(), self.text_of(&pair.key, &pair.value)?))).collect()
    }

    /// A warning that `entry` is real and has no effect here.
    pub(super) fn not_modelled(&self, entry: &Entry) {
        self.log.push(not_modelled(&entry.key, entry.key_place));
    }

    /// Passes over the whole map: says nothing about any of its fields.
    pub(super) fn pass_over(mut self) {
        self.path.clear();
    }

    /// Judges a field that nobody asked for.
    fn judge(&self, entry: &'r Entry, known: &'static [Field]) {
        match known.iter().find(|field| field.name == entry.key) {
            None => self.log.push(self.unknown(entry, known)),
            Some(field) => {
                if !field.silent && !entry.value.is_null() {
                    self.not_modelled(entry);
                }
                let mut strays = Vec::new();
                field.strays(&entry.value, &mut strays);
                for stray in strays {
                    self.log.push(unknown_among(stray.entry, stray.known, &[]));
                }
            }
        }
    }

    /// The error for a field that the schema lacks here.
    fn unknown(&self, entry: &Entry, known: &'static [Field]) -> Diagnostic {
        let mut diagnostic = unknown_among(entry, known, &self.asked.borrow());
        if diagnostic.replacement.is_none()
            && let Some(path) = self.elsewhere(&entry.key, known)
        {
            diagnostic = diagnostic.help(format!("`{}` is a field of `{path}`; is the indentation right?", entry.key));
        }
        diagnostic
    }

    /// The path of a map around this one, or of one below it, that has such a field.
    fn elsewhere(&self, name: &str, known: &'static [Field]) -> Option<String> {
        let has = |fields: &[Field]| fields.iter().any(|field| field.name == name);
        let shown = |path: &str| path.split_once('.').map(|(_, rest)| rest.to_owned());
        let mut path = self.path.as_str();
        while let Some((outer, _)) = path.rsplit_once('.') {
            path = outer;
            if schema::fields_at(path).is_some_and(has) {
                return shown(path);
            }
        }
        let below = known.iter().find(|field| field.fields().is_some_and(has))?;
        shown(&format!("{}.{}", self.path, below.name))
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        let asked = self.asked.borrow();
        let mut rest = self.node.entries().iter().filter(|entry| !asked.contains(&entry.key.as_str())).peekable();
        if rest.peek().is_none() {
            return;
        }
        if let Some(known) = schema::fields_at(&self.path) {
            rest.for_each(|entry| self.judge(entry, known));
        }
    }
}

/// The warning for something that the schema has and labsim does not model.
pub(super) fn not_modelled(what: &str, place: Place) -> Diagnostic {
    Diagnostic::warning(format!("labsim does not model `{what}`; it has no effect here")).at(place, "not modelled")
}

/// Adds "did you mean" or, if nothing is near, what there is.
pub(super) fn did_you_mean(diagnostic: Diagnostic, wrong: &str, known: &[&str]) -> Diagnostic {
    if nearest(wrong, known.iter().copied()).is_some() {
        return diagnostic.suggest(wrong, known.iter().copied());
    }
    if known.is_empty() {
        return diagnostic;
    }
    diagnostic.help(format!("known here: {}", list(known)))
}

/// Names in a sentence: `` `a`, `b` ``.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The error for a field that does not exist; a long list of those that do is cut to those `read`.
fn unknown_among(entry: &Entry, known: &'static [Field], read: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("unknown field `{}`", shortened(&entry.key)))
        .at(entry.key_place, "there is no such field");
    let names: Vec<&str> = known.iter().map(|field| field.name).collect();
    if nearest(&entry.key, names.iter().copied()).is_some() || names.len() <= MAX_LISTED {
        return did_you_mean(diagnostic, &entry.key, &names);
    }
    let read: Vec<&str> = names.into_iter().filter(|name| read.contains(name)).collect();
    if read.is_empty() { diagnostic } else { diagnostic.help(format!("labsim reads here: {}", list(&read))) }
}
