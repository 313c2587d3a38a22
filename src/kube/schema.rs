//! Which fields the published schemas have, so that a field that labsim does not model can be told
//! from one that does not exist.
//!
//! The tables are `fields.txt` and, for agentgateway's own configuration, `standalone/fields.txt`; they
//! are read only when a file has a field that labsim does not ask for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::source::{Entry, Node, Value};

/// One field of a kind or a shape.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it has no bearing on a lab, so that nothing is said about it.
    pub(super) silent: bool,
    below: Below,
}

/// What may stand below a field.
#[derive(Debug)]
enum Below {
    /// A value that has no fields of its own.
    Nothing,
    /// Whatever the author likes.
    Anything,
    /// These fields.
    Fields(Vec<Field>),
    /// The fields of a shape.
    Shape(&'static str),
}

/// A field that the schema lacks, below one that labsim does not model.
pub(super) struct Stray<'n> {
    /// The field.
    pub(super) entry: &'n Entry,
    /// What the schema has in its place.
    pub(super) known: &'static [Field],
}

static TABLE: LazyLock<BTreeMap<&'static str, Vec<Field>>> =
    LazyLock::new(|| parse(&[include_str!("fields.txt"), include_str!("standalone/fields.txt")]));

/// The fields at a dotted path that begins with a kind, such as `HTTPRoute.spec.rules`. None where
/// anything may stand and where nothing is known.
pub(super) fn fields_at(path: &str) -> Option<&'static [Field]> {
    let mut names = path.split('.');
    let mut fields = TABLE.get(names.next()?)?.as_slice();
    for name in names {
        fields = fields.iter().find(|field| field.name == name)?.fields()?;
    }
    Some(fields)
}

impl Field {
    /// The fields below this one, where the schema says which.
    pub(super) fn fields(&'static self) -> Option<&'static [Field]> {
        match &self.below {
            Below::Nothing | Below::Anything => None,
            Below::Fields(fields) => Some(fields),
            Below::Shape(shape) => TABLE.get(shape).map(Vec::as_slice),
        }
    }

    /// Collects the fields of `node`, a value of this field, that the schema lacks at any depth.
    pub(super) fn strays<'n>(&'static self, node: &'n Node, found: &mut Vec<Stray<'n>>) {
        let Some(known) = self.fields() else { return };
        match &node.value {
            Value::Seq(items) => items.iter().for_each(|item| self.strays(item, found)),
            Value::Map(entries) => {
                for entry in entries {
                    match known.iter().find(|field| field.name == entry.key) {
                        Some(field) => field.strays(&entry.value, found),
                        None => found.push(Stray { entry, known }),
                    }
                }
            }
            _ => {}
        }
    }
}

/// One line of the table.
struct Line {
    depth: usize,
    field: Field,
}

fn parse(texts: &[&'static str]) -> BTreeMap<&'static str, Vec<Field>> {
    let mut lines = texts.iter().flat_map(|text| text.lines()).filter_map(line).peekable();
    let mut table = BTreeMap::new();
    let mut objects = Vec::new();
    while let Some(Line { field, .. }) = lines.next() {
        if matches!(field.below, Below::Shape("@object")) {
            objects.push(field.name);
        }
        let mut fields = Vec::new();
        while let Some(below) = take(&mut lines, 1) {
            fields.push(below);
        }
        table.insert(field.name, fields);
    }
    let object: Vec<Field> = table.remove("@object").unwrap_or_default();
    for name in objects {
        table.entry(name).or_default().extend(object.iter().map(Field::again));
    }
    table
}

impl Field {
    /// The same field once more; `@object` has shapes only, no fields of fields.
    fn again(&self) -> Self {
        let below = match &self.below {
            Below::Shape(shape) => Below::Shape(shape),
            Below::Anything => Below::Anything,
            Below::Nothing | Below::Fields(_) => Below::Nothing,
        };
        Self { name: self.name, silent: self.silent, below }
    }
}

fn line(text: &'static str) -> Option<Line> {
    let body = text.trim_start();
    if body.is_empty() || body.starts_with('#') {
        return None;
    }
    let depth = (text.len() - body.len()) / 2;
    let (silent, body) = match body.strip_prefix("~ ") {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let (name, below) = match body.split_once(' ') {
        None => (body, Below::Nothing),
        Some((name, "*")) => (name, Below::Anything),
        Some((name, shape)) => (name, Below::Shape(shape)),
    };
    Some(Line { depth, field: Field { name, silent, below } })
}

/// Takes the next line, with what is indented below it, if it stands at `depth`.
fn take(lines: &mut std::iter::Peekable<impl Iterator<Item = Line>>, depth: usize) -> Option<Field> {
    let Line { mut field, .. } = lines.next_if(|line| line.depth == depth)?;
    let mut below = Vec::new();
    while let Some(inner) = take(lines, depth + 1) {
        below.push(inner);
    }
    if !below.is_empty() {
        field.below = Below::Fields(below);
    }
    Some(field)
}

#[cfg(test)]
mod tests;
