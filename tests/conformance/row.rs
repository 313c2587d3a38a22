//! A row of a file, read.

use std::collections::BTreeMap;
use std::path::Path;

use labsim::sim::openai::{Config, Key, LatencyModel, Limit, RateLimits};
use labsim::source::{Node, Sources, Value, yaml};
use serde_json::Value as Json;

/// Which simulator a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Vllm,
    Openai,
}

impl Kind {
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Openai => "openai",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Vllm => &["name", "args", "env", "config", "rejects", "only-virtual", "steps"],
            Self::Openai => &["name", "keys", "limits", "realistic", "faults", "only-virtual", "steps"],
        }
    }
}

/// One case: a simulator, and steps with what must come back.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The fake OpenAI's keys, each with its organisations.
    keys: Json,
    limits: Json,
    realistic: bool,
    pub(crate) faults: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// The text of the file that `--config` names.
    pub(crate) config: String,
    /// A part of the text with which the configuration is refused.
    pub(crate) rejects: Option<String>,
    /// Whether it is not played over TCP; the row says why.
    pub(crate) only_virtual: bool,
    pub(crate) steps: Vec<Json>,
}

pub(crate) fn read(path: &Path, kind: Kind) -> Vec<Row> {
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), std::fs::read_to_string(path).unwrap());
    let documents = yaml::parse(&sources, file).unwrap_or_else(|wrong| panic!("{}", wrong.render(&sources, false)));
    let rows = json(documents.first().unwrap_or_else(|| panic!("{} is empty", path.display())));
    rows.as_array().unwrap().iter().map(|one| row(one, kind)).collect()
}

fn row(row: &Json, kind: Kind) -> Row {
    let name = row["name"].as_str().unwrap_or_else(|| panic!("a row without a name: {row}")).to_owned();
    for key in row.as_object().unwrap().keys() {
        assert!(kind.keys().contains(&key.as_str()), "{name}: unknown key {key}");
    }
    let words = |value: &Json| match value {
        Json::String(line) => line.split_whitespace().map(str::to_owned).collect(),
        Json::Array(words) => words.iter().map(text).collect(),
        _ => Vec::new(),
    };
    let mut args: Vec<String> = words(&row["args"]);
    if !args.iter().any(|word| word == "--model") && !row["config"].is_string() {
        args.splice(0..0, ["--model".to_owned(), "testmodel".to_owned()]);
    }
    if row["config"].is_string() {
        args.extend(["--config".to_owned(), "config.yaml".to_owned()]);
    }
    let env = row["env"].as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value)));
    Row {
        kind,
        keys: row["keys"].clone(),
        limits: row["limits"].clone(),
        realistic: row["realistic"] == true,
        faults: words(&row["faults"]),
        args,
        env: env.collect(),
        config: row["config"].as_str().unwrap_or_default().to_owned(),
        rejects: row["rejects"].as_str().map(str::to_owned),
        only_virtual: row["only-virtual"].is_string(),
        steps: row["steps"].as_array().cloned().unwrap_or_default(),
        name,
    }
}

/// The key that the fake OpenAI accepts, and that requests carry, unless a row says otherwise.
pub(crate) const KEY: &str = "sk-right";

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Row {
    /// The fake OpenAI that it asks for: one that accepts [`KEY`] and takes no time, unless it says otherwise.
    pub(crate) fn openai(&self) -> Config {
        let key = |(key, organizations): (&String, &Json)| {
            let organizations = organizations.as_array().unwrap().iter().map(text);
            Key::new(key).of(organizations)
        };
        let mut keys: Vec<Key> = self.keys.as_object().into_iter().flatten().map(key).collect();
        if keys.is_empty() {
            keys.push(Key::new(KEY));
        }
        let limit = |of: &Json| Limit {
            requests_per_minute: of["requests"].as_u64().unwrap_or(1_000_000),
            tokens_per_minute: of["tokens"].as_u64().unwrap_or(1_000_000_000),
        };
        let models = self.limits["models"].as_object().into_iter().flatten();
        let rate_limits = self.limits.is_object().then(|| RateLimits {
            default: limit(&self.limits),
            models: models.map(|(model, of)| (model.clone(), limit(of))).collect(),
        });
        let latency = if self.realistic { LatencyModel::default() } else { LatencyModel::none() };
        Config { keys, rate_limits, latency, ..Config::default() }
    }
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => i64::try_from(*value).unwrap().into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_str().into(),
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
    }
}
