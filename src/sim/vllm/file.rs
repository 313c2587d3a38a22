//! The YAML file of `--config`: keys are flag names, types are checked as the original's parser does.

use std::io;

use serde_json::{Map, Value as Json};

use super::config::{Config, LoraModule};
use super::flags::{self, Slot};
use super::go::GoDuration;
use crate::source::diagnostic::nearest;
use crate::source::{Node, Place, Sources, Value, yaml};

/// Reads the file and sets what it says in `config`; the error is the original's text. Keys that are no flags
/// are passed over, as there; here they are told.
pub(crate) fn apply(
    config: &mut Config,
    path: &str,
    read: impl FnOnce(&str) -> io::Result<String>,
) -> Result<Vec<String>, String> {
    let text = read(path).map_err(|error| {
        let cause = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        format!("failed to read configuration file: open {path}: {cause}")
    })?;
    let mut sources = Sources::default();
    let file = sources.add(path, text);
    let documents = yaml::parse(&sources, file)
        .map_err(|diagnostic| format!("failed to unmarshal configuration: yaml: {}", diagnostic.message))?;
    let Some(root) = documents.first() else { return Ok(Vec::new()) };
    let line = |place: Place| sources.line_column(place).line;
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    if !matches!(root.value, Value::Map(_)) {
        wrong.push(mismatch(root, "config.Configuration", line));
    }
    for entry in root.entries() {
        let Some(flag) = flags::find(&entry.key) else {
            unknown.push(unknown_key(path, line(entry.key_place), &entry.key));
            continue;
        };
        if entry.value.is_null() {
            continue;
        }
        match (flag.slot)(config).set_yaml(&entry.value) {
            Ok(()) => {}
            Err(Wrong::Type(node, wanted)) => wrong.push(mismatch(node, wanted, line)),
            Err(Wrong::Text(text)) => return Err(format!("failed to unmarshal configuration: {text}")),
        }
    }
    if wrong.is_empty() {
        return Ok(unknown);
    }
    Err(format!("failed to unmarshal configuration: yaml: unmarshal errors:\n  {}", wrong.join("\n  ")))
}

fn unknown_key(path: &str, line: usize, key: &str) -> String {
    let near = nearest(key, flags::FLAGS.iter().map(|flag| flag.name));
    let hint = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    format!("{path}, line {line}: `{key}` is no flag and has no effect{hint}")
}

enum Wrong<'n> {
    Type(&'n Node, &'static str),
    Text(String),
}

fn mismatch(node: &Node, wanted: &str, line: impl Fn(Place) -> usize) -> String {
    let (tag, shown) = match &node.value {
        Value::Null => ("!!null", String::new()),
        Value::Bool(value) => ("!!bool", format!(" `{value}`")),
        Value::Int(value) => ("!!int", format!(" `{value}`")),
        Value::Float(value) => ("!!float", format!(" `{value}`")),
        Value::String(value) => ("!!str", format!(" `{value}`")),
        Value::Seq(_) => ("!!seq", String::new()),
        Value::Map(_) => ("!!map", String::new()),
    };
    format!("line {}: cannot unmarshal {tag}{shown} into {wanted}", line(node.place))
}

impl Slot<'_> {
    fn set_yaml<'n>(&mut self, node: &'n Node) -> Result<(), Wrong<'n>> {
        let int = |wanted: &'static str| match node.value {
            Value::Int(value) => i64::try_from(value).map_err(|_| Wrong::Type(node, wanted)),
            _ => Err(Wrong::Type(node, wanted)),
        };
        match self {
            Slot::Text(field) => **field = scalar_text(node).ok_or(Wrong::Type(node, "string"))?,
            Slot::Int(field) => **field = int("int")?,
            Slot::Seed(field) => **field = Some(int("int64")?),
            Slot::Float(field) => **field = float(node).ok_or(Wrong::Type(node, "float64"))?,
            Slot::Bool(field) | Slot::Toggle(field) => match node.value {
                Value::Bool(value) => **field = value,
                _ => return Err(Wrong::Type(node, "bool")),
            },
            Slot::Duration(field) => {
                let text = node.as_str().ok_or(Wrong::Type(node, "time.Duration"))?;
                **field = GoDuration::parse(text).map_err(|_| Wrong::Type(node, "time.Duration"))?;
            }
            Slot::List(field) | Slot::Each(field) => **field = texts(node)?,
            Slot::Loras(field) => {
                let modules = texts(node)?;
                **field = modules
                    .iter()
                    .map(|text| LoraModule::parse(text))
                    .collect::<Result<_, _>>()
                    .map_err(Wrong::Text)?;
            }
            Slot::Fake(field) => match json(node) {
                Json::Object(map) => **field = Some(map),
                _ => return Err(Wrong::Type(node, "common.Metrics")),
            },
        }
        Ok(())
    }
}

/// A scalar as text, as Go's parser puts numbers into strings.
fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn float(node: &Node) -> Option<f64> {
    match node.value {
        #[expect(clippy::cast_precision_loss, reason = "as Go's parser does")]
        Value::Int(value) => Some(value as f64),
        Value::Float(value) => Some(value),
        _ => None,
    }
}

fn texts(node: &Node) -> Result<Vec<String>, Wrong<'_>> {
    let Value::Seq(items) = &node.value else { return Err(Wrong::Type(node, "[]string")) };
    items.iter().map(|item| scalar_text(item).ok_or(Wrong::Type(item, "string"))).collect()
}

/// A YAML value as JSON. Two keys of made-up metrics go by other names in the original's files.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => i64::try_from(*value).map_or(Json::Null, Json::from),
        Value::Float(value) => Json::from(*value),
        Value::String(value) => Json::from(value.as_str()),
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let key = |key: &str| match key {
                "totalprompttokens" => "total-prompt-tokens".to_owned(),
                "totalgenerationtokens" => "total-generation-tokens".to_owned(),
                other => other.to_owned(),
            };
            Json::Object(entries.iter().map(|entry| (key(&entry.key), json(&entry.value))).collect::<Map<_, _>>())
        }
    }
}
