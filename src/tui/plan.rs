//! The steps of a scenario as its file has them, for showing what is still to come.

use crate::event::log::Header;
use crate::source::{FileId, Node, Value, yaml};

/// A scenario's steps with their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) about: Option<String>,
    pub(super) steps: Vec<Planned>,
    /// Whether they are played.
    pub(super) played: bool,
    /// The file's lines.
    pub(super) lines: Vec<String>,
    /// The file's name.
    pub(super) file: String,
}

/// A step that is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) verb: String,
    pub(super) summary: String,
    /// First and last line in the file, from 0.
    pub(super) lines: (usize, usize),
}

impl Plan {
    /// Reads the scenario file of a header. One that cannot be read gives lines and no steps.
    pub(super) fn of(header: &Header) -> Self {
        let Some(file) = header.sources.files().first() else { return Self { played: true, ..Self::default() } };
        let lines = file.text.lines().map(str::to_owned).collect();
        let mut plan = Self { lines, file: file.name.clone(), played: true, ..Self::default() };
        let Ok(documents) = yaml::parse(&header.sources, FileId(0)) else { return plan };
        let Some(root) = documents.first() else { return plan };
        plan.about = root.get("about").and_then(Node::as_str).map(str::to_owned);
        if let Some(Value::Seq(steps)) = root.get("steps").map(|node| &node.value) {
            plan.steps = steps.iter().map(|step| planned(header, step)).collect();
        }
        plan
    }
}

fn planned(header: &Header, step: &Node) -> Planned {
    let first = header.sources.line_column(step.place).line - 1;
    let end = crate::source::Place { start: step.place.end.saturating_sub(1).max(step.place.start), ..step.place };
    let last = header.sources.line_column(end).line - 1;
    let (verb, summary) = match step.entries() {
        [entry, ..] => (entry.key.clone(), summary(&entry.value)),
        [] => (String::new(), String::new()),
    };
    Planned { verb, summary, lines: (first, last.max(first)) }
}

fn summary(node: &Node) -> String {
    if let Some(text) = node.as_str() {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let said = |key: &str| node.get(key).and_then(|node| scalar(&node.value));
    // As it is told once it has begun.
    let method = said("method").unwrap_or_else(|| "POST".to_owned());
    match (said("times"), said("path")) {
        (Some(times), Some(path)) if times != "1" => format!("{times} × {method} {path}"),
        (_, Some(path)) => format!("{method} {path}"),
        (Some(times), None) => format!("{times} requests"),
        (None, None) => scalar(&node.value).unwrap_or_default(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Seq(_) | Value::Map(_) | Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
    }
}
