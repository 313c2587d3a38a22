//! Nodes → YAML text, as a person would write it: short things on one line, the rest in blocks.

use super::yaml::plain;
use super::{Node, Sources, Value};

/// Columns that a line may have.
const WIDE: usize = 100;

/// A map as a block, an entry after the other, `indent` columns in.
///
/// `sources` is what the nodes were read from: a scalar with a variable in it keeps its quotes, or has
/// none, since that decides whether it may become a number.
#[must_use]
pub fn block(node: &Node, indent: usize, sources: &Sources) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                out.push_str(&" ".repeat(indent));
                out.push_str(&entry_text(&entry.key, &entry.value, indent, sources));
            }
        }
        Value::Seq(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&" ".repeat(indent));
                out.push_str("- ");
                out.push_str(item_text(item, indent, sources).trim_start());
            }
        }
        _ => {
            out.push_str(&flow(node, sources).unwrap_or_default());
            out.push('\n');
        }
    }
    out
}

/// `key: value`, with its line break.
#[must_use]
pub fn entry_text(key: &str, value: &Node, indent: usize, sources: &Sources) -> String {
    let key = scalar(key);
    match flow(value, sources) {
        Some(text) if fits(value, indent + key.len() + 2 + text.chars().count()) => format!("{key}: {text}\n"),
        _ => match variable(value, sources) {
            Some(text) => format!("{key}: {text}\n"),
            None => format!("{key}:\n{}", block(value, indent + 2, sources)),
        },
    }
}

fn item_text(item: &Node, indent: usize, sources: &Sources) -> String {
    match flow(item, sources) {
        Some(text) if fits(item, indent + 2 + text.chars().count()) => format!("{text}\n"),
        _ => match variable(item, sources) {
            Some(text) => format!("{text}\n"),
            None => block(item, indent + 2, sources),
        },
    }
}

/// What has no parts stands on its line, however long.
fn fits(node: &Node, columns: usize) -> bool {
    match &node.value {
        Value::Map(entries) => entries.is_empty() || columns <= WIDE,
        Value::Seq(items) => items.is_empty() || columns <= WIDE,
        _ => true,
    }
}

/// A value on one line; none where that cannot be.
fn flow(node: &Node, sources: &Sources) -> Option<String> {
    if variable(node, sources).is_some() {
        return None;
    }
    Some(match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::String(text) => scalar(text),
        Value::Seq(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| flow(item, sources)).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let one = |entry: &super::Entry| Some(format!("{}: {}", scalar(&entry.key), flow(&entry.value, sources)?));
            let entries: Option<Vec<_>> = entries.iter().map(one).collect();
            format!("{{ {} }}", entries?.join(", "))
        }
    })
}

fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        _ => format!("{value:?}"),
    }
}

/// The text of a scalar that has a variable in it and no quotes around it.
fn variable(node: &Node, sources: &Sources) -> Option<String> {
    let text = node.as_str().filter(|text| text.contains('$') && !text.contains('\n'))?;
    let file = sources.files().get(node.place.file.0 as usize)?;
    let written = file.text.get(node.place.start as usize..node.place.end as usize)?;
    (written == text).then(|| text.to_owned())
}

/// A text as a scalar that is read as this text, in flow and in block.
fn scalar(text: &str) -> String {
    let safe = |one: char| one.is_alphanumeric() || "-_./ ;=()+".contains(one);
    let begins = text.trim_start_matches('.').starts_with(|first: char| first.is_alphanumeric() || first == '/');
    let bare =
        begins && !text.ends_with(' ') && text.chars().all(safe) && plain(text) == Value::String(text.to_owned());
    if bare { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::yaml;

    fn values(node: &Node) -> String {
        match &node.value {
            Value::Seq(items) => format!("{:?}", items.iter().map(values).collect::<Vec<_>>()),
            Value::Map(entries) => {
                format!("{:?}", entries.iter().map(|one| (one.key.clone(), values(&one.value))).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut sources = Sources::default();
        let text = r#"
a: plain text
"b c": ["1", 1, 1.5, 1e9, true, "true", null, "null", ~, "", "- x", "a: b", "a #b", "é", "x\ny", '{', "0x10"]
long: { first: [1, 2, 3], second: "a text that is rather long, so that all of this cannot stand on one line", third: {} }
deep: [[1, [2]], { x: [] }, [{ y: { z: "a text that is rather long, so that all of this cannot stand on one line" } }]]
n: ${NUMBER}
q: "${TEXT}"
list: [1, 2]
"#;
        let file = sources.add("test.yaml", text);
        let nodes = yaml::parse(&sources, file).expect("YAML");
        let written = block(&nodes[0], 0, &sources);
        assert!(written.contains("\nn: ${NUMBER}\n") && written.contains("\nq: \"${TEXT}\"\n"), "{written}");
        assert!(written.lines().all(|line| line.chars().count() <= 120), "{written}");
        let again = yaml::parse_text(&written, file).unwrap_or_else(|error| panic!("{}\n{written}", error.message));
        assert_eq!(values(&again[0]), values(&nodes[0]), "{written}");
    }
}
