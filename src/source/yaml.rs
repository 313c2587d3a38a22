//! YAML text → nodes that know their place.
//!
//! Scalars follow the YAML 1.2 core schema. Duplicate keys are errors, aliases and merge keys
//! (`<<`) are resolved, and nesting and alias growth are bounded, so that no input can exhaust the
//! machine.

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};
use std::collections::BTreeMap;

use super::{Diagnostic, FileId, Place, Sources};

/// A YAML value together with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

/// Nodes that aliases may copy in one file, at most.
const MAX_ALIASED_NODES: usize = 100_000;
/// How deep flow and block collections may nest.
const MAX_NESTING: usize = 100;

impl Node {
    /// What it is, in words: `text`, `a list`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::String(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The value of `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries of a map; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a string node.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is empty (`null`).
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Applies `change` to every string in the tree (values, not keys).
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map_strings<E>(
        &mut self,
        change: &mut impl FnMut(&str, Place) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        match &mut self.value {
            Value::String(text) => {
                if let Some(new) = change(text, self.place)? {
                    *text = new;
                }
                Ok(())
            }
            Value::Seq(items) => items.iter_mut().try_for_each(|item| item.try_map_strings(change)),
            Value::Map(entries) => entries.iter_mut().try_for_each(|entry| entry.value.try_map_strings(change)),
            _ => Ok(()),
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Seq(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
            _ => 0,
        }
    }
}

/// Parses every document of a file. Empty documents are left out.
///
/// # Errors
/// The first place that is not YAML, as a diagnostic.
pub fn parse(sources: &Sources, file: FileId) -> Result<Vec<Node>, Diagnostic> {
    parse_text(&sources.file(file).text, file)
}

/// Parses every document of a text whose places are in `file`.
///
/// # Errors
/// As [`parse`].
pub fn parse_text(text: &str, file: FileId) -> Result<Vec<Node>, Diagnostic> {
    let Parsed { documents, repeated } = parse_on(text, file)?;
    repeated.into_iter().next().map_or(Ok(documents), Err)
}

/// What a text holds, where keys may stand twice in a map.
#[derive(Debug)]
pub struct Parsed {
    /// Its documents. Of a key that stands twice both entries are there, in order.
    pub documents: Vec<Node>,
    /// Each key that has stood before, as a finding.
    pub repeated: Vec<Diagnostic>,
}

/// Parses every document of a text, and goes on where a key stands twice: more may be wrong.
///
/// # Errors
/// The first place that is not YAML, as a diagnostic.
pub fn parse_on(text: &str, file: FileId) -> Result<Parsed, Diagnostic> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_NESTING;
    options.block_nesting_limit = MAX_NESTING;
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        file,
        text,
        anchors: BTreeMap::new(),
        aliased: 0,
        repeated: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamEnd => return Ok(Parsed { documents, repeated: composer.repeated }),
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => {
                composer.anchors.clear();
                let node = composer.node(event, span)?;
                if !node.is_null() {
                    documents.push(node);
                }
            }
        }
    }
}

struct Composer<'t> {
    events: Parser<'t, granit_parser::StrInput<'t>>,
    file: FileId,
    text: &'t str,
    anchors: BTreeMap<usize, Node>,
    aliased: usize,
    repeated: Vec<Diagnostic>,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Diagnostic> {
        match self.events.next() {
            Some(Ok((Event::Comment(..) | Event::Anchor(..), _))) => self.next(),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let start = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let place = self.place(start, start);
        // The library repeats line and column in its message; the diagnostic has them already.
        let message = error.to_string();
        let message = message.split(" at char ").next().unwrap_or(&message).to_owned();
        Diagnostic::error(format!("this is not valid YAML: {message}")).at(place, "here")
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let clip = |at: usize| u32::try_from(at.min(self.text.len())).unwrap_or(u32::MAX);
        Place { file: self.file, start: clip(start), end: clip(end.max(start)) }
    }

    fn place_of(&self, span: Span) -> Place {
        let range = span.byte_range().unwrap_or(0..0);
        self.place(range.start, range.end)
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Diagnostic> {
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = tag.is_some_and(|tag| tag.to_string().ends_with("str"));
                let value = if style == ScalarStyle::Plain && !tagged_text {
                    plain(&text)
                } else {
                    Value::String(text.into_owned())
                };
                (Node { value, place: self.place_of(span) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (items, end) = self.sequence()?;
                (Node { value: Value::Seq(items), place: self.covering(span, end) }, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, end) = self.mapping()?;
                (Node { value: Value::Map(entries), place: self.covering(span, end) }, anchor)
            }
            Event::Alias(id) => return self.alias(id, span),
            other => {
                return Err(
                    Diagnostic::error(format!("unexpected YAML event {other:?}")).at(self.place_of(span), "here")
                );
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn covering(&self, start: Span, end: Span) -> Place {
        let first = self.place_of(start).start as usize;
        let last = (self.place_of(end).end as usize).min(self.text.len());
        let last = super::floor_char_boundary(self.text, last);
        // A block collection's end event stands at the next token: trim what lies between.
        let trimmed = self.text.get(first..last).map_or(last, |part| first + part.trim_end().len());
        self.place(first, trimmed)
    }

    fn sequence(&mut self) -> Result<(Vec<Node>, Span), Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, span) => return Ok((items, span)),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<(Vec<Entry>, Span), Diagnostic> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                for entry in merged {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry);
                    }
                }
                return Ok((entries, span));
            }
            let key_place = self.place_of(span);
            let Event::Scalar(key, style, ..) = event else {
                return Err(Diagnostic::error("a key must be plain text").at(key_place, "this is not"));
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            if key == "<<" && style == ScalarStyle::Plain {
                merged.extend(merge_entries(value)?);
                continue;
            }
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                self.repeated.push(
                    Diagnostic::error(format!("`{key}` stands twice in the same map"))
                        .at(key_place, "again here")
                        .note_at(first.key_place, "first here"),
                );
            }
            entries.push(Entry { key: key.into_owned(), key_place, value });
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Diagnostic> {
        let place = self.place_of(span);
        let Some(node) = self.anchors.get(&id) else {
            return Err(Diagnostic::error("this alias refers to itself").at(place, "here"));
        };
        self.aliased += node.size();
        if self.aliased > MAX_ALIASED_NODES {
            return Err(Diagnostic::error("aliases make this file too large").at(place, "here"));
        }
        Ok(Node { value: node.value.clone(), place })
    }
}

fn merge_entries(node: Node) -> Result<Vec<Entry>, Diagnostic> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::Seq(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(merge_entries(item)?);
            }
            Ok(all)
        }
        _ => Err(Diagnostic::error("`<<` merges a map, or a list of maps").at(node.place, "this is neither")),
    }
}

/// A plain scalar by the YAML 1.2 core schema.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    if let Some(hex) = text.strip_prefix("0x")
        && let Ok(number) = i128::from_str_radix(hex, 16)
    {
        return Value::Int(number);
    }
    if let Some(octal) = text.strip_prefix("0o")
        && let Ok(number) = i128::from_str_radix(octal, 8)
    {
        return Value::Int(number);
    }
    if let Ok(number) = text.parse::<i128>() {
        return Value::Int(number);
    }
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if numeric => Value::Float(number),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Sources, Result<Vec<Node>, Diagnostic>) {
        let mut sources = Sources::default();
        let file = sources.add("test.yaml", text);
        let nodes = parse(&sources, file);
        (sources, nodes)
    }

    fn ok(text: &str) -> Vec<Node> {
        one(text).1.expect("valid YAML")
    }

    #[test]
    fn scalars_keep_their_kind_and_their_place() {
        let text = "a: 8000\nb: \"8000\"\nc: yes\nd: 1.5\ne:\n  - x\n  - true\n";
        let nodes = ok(text);
        let root = &nodes[0];
        assert_eq!(root.get("a").unwrap().value, Value::Int(8000));
        assert_eq!(root.get("b").unwrap().value, Value::String("8000".into()));
        assert_eq!(root.get("c").unwrap().value, Value::String("yes".into()));
        assert_eq!(root.get("d").unwrap().value, Value::Float(1.5));
        let place = root.get("b").unwrap().place;
        assert_eq!(&text[place.start as usize..place.end as usize], "\"8000\"");
        let list = root.get("e").unwrap().place;
        assert_eq!(&text[list.start as usize..list.end as usize], "- x\n  - true");
    }

    #[test]
    fn documents_are_separate_and_empty_ones_are_left_out() {
        let nodes = ok("---\na: 1\n---\n# nothing\n---\nb: 2\n");
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1].get("b").unwrap().value, Value::Int(2));
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_with_both_places() {
        let (sources, result) = one("a: 1\nb: 2\na: 3\n");
        let text = result.unwrap_err().render(&sources, false);
        assert!(text.contains("`a` stands twice"), "{text}");
        assert!(text.contains("test.yaml:3:1"), "{text}");
        assert!(text.contains("first here"), "{text}");
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved() {
        let nodes = ok("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n");
        let used = nodes[0].get("use").unwrap();
        assert_eq!(used.get("x").unwrap().value, Value::Int(1));
        assert_eq!(used.get("y").unwrap().value, Value::Int(3));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..9 {
            let before = level - 1;
            let ten = vec![format!("*a{before}"); 10].join(",");
            text = format!("{text}a{level}: &a{level} [{ten}]\n");
        }
        let (_, result) = one(&text);
        assert!(result.unwrap_err().message.contains("too large"));
    }

    #[test]
    fn what_is_not_yaml_says_where() {
        let (sources, result) = one("a: [1, 2\nb: 3\n");
        let text = result.unwrap_err().render(&sources, false);
        assert!(text.contains("not valid YAML"), "{text}");
        assert!(text.contains("test.yaml:"), "{text}");
    }
}
