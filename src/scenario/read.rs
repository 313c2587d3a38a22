//! Nodes → the parts of a scenario.

mod expectations;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::fields::{Fields, Reader, not_among};
use super::{Content, DEFAULT_PROMPT, GatewaySpec, MAX_REPLICAS, MAX_TIMES, Restart, Send, Spread, Step};
use crate::kube::GivenSecrets;
use crate::source::{Diagnostic, Entry, Node, Place, Span, Spanned, Value};
use crate::topology::{Credential, Personality, Topology};

pub(super) use expectations::run_expectations;

/// What stands above the steps.
#[derive(Default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) about: Option<String>,
    pub(super) seed: Option<Spanned<u64>>,
    pub(super) start: Option<Timestamp>,
}

/// The `lab` of a scenario.
#[derive(Default)]
pub(super) struct Lab<'n> {
    pub(super) manifests: Vec<Spanned<String>>,
    pub(super) secrets: GivenSecrets,
    gateway: Option<Fields<'n>>,
    /// Where to say what the gateway should be told.
    place: Option<Place>,
}

/// The reference of a client's own key in events.
const CLIENT: &str = "client";
/// From the end of one answer to the next request, where a step does not say.
const GAP: Span = Span(std::time::Duration::from_millis(50));

/// Begins to read a scenario.
pub(super) fn top<'n>(reader: &'n Reader<'n>, root: &'n Node) -> Option<Fields<'n>> {
    reader.fields(root, "a scenario", &["name", "about", "seed", "start", "lab", "steps", "expect"])
}

/// The scenario's name, and what goes with it.
pub(super) fn head(top: Fields<'_>) -> Head {
    Head {
        name: top.required_text("name", "Failover to OpenAI").map(|name| name.value).unwrap_or_default(),
        about: top.get("about"),
        seed: top.whole("seed", 0..=u64::MAX),
        start: start(top),
    }
}

fn start(top: Fields<'_>) -> Option<Timestamp> {
    let text: Spanned<String> = top.get("start")?;
    let parsed = text.value.parse::<Timestamp>();
    if parsed.is_err() {
        let diagnostic = Diagnostic::error(format!("`{}` is not a moment", text.value)).at(text.place, "");
        top.reader().push(diagnostic.help("write it as `2026-01-01T00:00:00Z`"));
    }
    parsed.ok()
}

/// What the lab is made from.
pub(super) fn lab<'n>(reader: &'n Reader<'n>, top: Fields<'n>) -> Lab<'n> {
    let missing = |place| {
        let diagnostic = Diagnostic::error("the scenario names no manifests").at(place, "");
        reader.push(diagnostic.help("such as `lab: { manifests: [manifests/gateway.yaml] }`"));
    };
    let Some(entry) = top.entry("lab") else {
        missing(top.first_line());
        return Lab::default();
    };
    let Some(fields) = reader.fields(&entry.value, "the lab", &["manifests", "secrets", "gateway"]) else {
        return Lab::default();
    };
    let manifests = fields.value("manifests").map_or_else(Vec::new, |entry| {
        let items = reader.items(&entry.value, "of files");
        items.iter().filter_map(|item| reader.decode::<Spanned<String>>(item)).collect()
    });
    let named = fields.entry("manifests").is_some_and(|entry| !reader.items(&entry.value, "of files").is_empty());
    if !named && fields.entry("manifests").is_none_or(|entry| matches!(entry.value.value, Value::Seq(_))) {
        missing(entry.key_place);
    }
    twice(reader, &manifests);
    Lab {
        manifests,
        secrets: fields.value("secrets").map(|entry| secrets(reader, entry)).unwrap_or_default(),
        gateway: fields
            .value("gateway")
            .and_then(|entry| reader.fields(&entry.value, "the gateway", &["replicas", "personality", "spread"])),
        place: Some(fields.entry("gateway").unwrap_or(entry).key_place),
    }
}

fn twice(reader: &Reader<'_>, manifests: &[Spanned<String>]) {
    for (index, manifest) in manifests.iter().enumerate() {
        if let Some(first) = manifests[..index].iter().find(|first| first.value == manifest.value) {
            let diagnostic = Diagnostic::error(format!("`{}` is named twice", manifest.value));
            reader.push(diagnostic.at(manifest.place, "again here").note_at(first.place, "first here"));
        }
    }
}

fn secrets(reader: &Reader<'_>, entry: &Entry) -> GivenSecrets {
    let mut given = GivenSecrets::new();
    for secret in reader.entries(&entry.value, "from a Secret's name to its keys") {
        let mut keys = BTreeMap::new();
        for key in reader.entries(&secret.value, "from a key to its value") {
            keys.extend(reader.secret(key).map(|value| (key.key.clone(), value)));
        }
        if keys.is_empty() && matches!(secret.value.value, Value::Map(_) | Value::Null) {
            reader.push(
                Diagnostic::error(format!("the secret `{}` is empty", secret.key))
                    .at(secret.key_place, "")
                    .help(format!("such as `{}: {{ Authorization: \"Bearer sk-labsim\" }}`", secret.key)),
            );
        }
        given.insert(secret.key.clone(), keys);
    }
    given
}

/// The gateway: what the scenario says, else what the manifests say.
pub(super) fn gateway(reader: &Reader<'_>, lab: &Lab<'_>, top: Fields<'_>, topology: &Topology) -> GatewaySpec {
    let manifest = topology.replicas.as_ref();
    let fields = lab.gateway;
    let own = fields.and_then(|fields| fields.whole("replicas", 1..=u64::from(MAX_REPLICAS)));
    let own = own.and_then(|count| u32::try_from(count.value).ok());
    if let (None, Some(count)) = (own, manifest)
        && !(1..=MAX_REPLICAS).contains(&count.value)
    {
        let message = format!("a lab has from 1 to {MAX_REPLICAS} replicas of the gateway, here it is {}", count.value);
        let diagnostic = Diagnostic::error(message).at(count.place, "");
        reader.push(diagnostic.help("a scenario can say otherwise: `lab: { gateway: { replicas: 1 } }`"));
    }
    GatewaySpec {
        replicas: own.or(manifest.map(|count| count.value)).unwrap_or(1),
        personality: personality(reader, fields, lab.place.unwrap_or(top.first_line()), topology),
        spread: fields.and_then(|fields| fields.choice("spread", &Spread::ALL)).unwrap_or_default(),
    }
}

fn personality(reader: &Reader<'_>, fields: Option<Fields<'_>>, place: Place, topology: &Topology) -> Personality {
    let newest = Personality::newest();
    let Some(entry) = fields.and_then(|fields| fields.value("personality")) else {
        let diagnostic = Diagnostic::warning(format!("no personality is named, so the gateway behaves as {newest}"));
        let diagnostic = diagnostic.help(format!("write `gateway: {{ personality: {newest} }}` to keep it so"));
        reader.push(diagnostic.at(place, ""));
        never_fails_over(reader, newest, topology);
        return newest;
    };
    let Some(name) = reader.text(entry) else { return newest };
    name.value.parse().unwrap_or_else(|_| {
        reader.push(not_among(&name, "personality", &Personality::ALL.map(Personality::name)));
        newest
    })
}

/// Warns of backends whose other providers are never used, under a personality that nobody chose.
fn never_fails_over(reader: &Reader<'_>, personality: Personality, topology: &Topology) {
    for backend in topology.without_failover(personality) {
        let message = format!("under {personality} the backend `{}` never fails over", backend.name);
        let diagnostic = Diagnostic::warning(message).at(backend.place, "has no health policy");
        reader.push(diagnostic.help(
            "from 1.0 on only a health policy evicts a provider, whatever `Retry-After` says: give the backend one in \
             an AgentgatewayPolicy, or name an earlier personality",
        ));
    }
}

/// Reads the value of a verb.
type ReadStep = fn(&Reader<'_>, &Entry) -> Option<Step>;

/// The verbs of steps.
const VERBS: [(&str, ReadStep, &str); 4] = [
    ("send", send, "{ path: /openai }"),
    ("wait", wait, "61s"),
    ("note", note, "A sentence for the person watching"),
    ("restart", restart, "gateway"),
];

/// What is done, in order.
pub(super) fn steps(reader: &Reader<'_>, top: Fields<'_>) -> Vec<Spanned<Step>> {
    let items = top.entry("steps").map_or(&[][..], |entry| reader.items(&entry.value, "of steps"));
    if items.is_empty()
        && top.entry("steps").is_none_or(|entry| matches!(entry.value.value, Value::Seq(_) | Value::Null))
    {
        let place = top.entry("steps").map_or_else(|| top.first_line(), |entry| entry.key_place);
        reader.push(Diagnostic::warning("the scenario has no steps").at(place, "nothing will happen"));
    }
    items.iter().filter_map(|item| Some(Spanned::new(step(reader, item)?, item.place))).collect()
}

fn step(reader: &Reader<'_>, node: &Node) -> Option<Step> {
    let verbs: Vec<&str> = VERBS.iter().map(|(verb, ..)| *verb).collect();
    let entry = match (&node.value, node.entries()) {
        (Value::Map(_), [entry]) => entry,
        (Value::Map(_), [first, rest @ ..]) => {
            let other = rest.iter().find(|_| verbs.contains(&first.key.as_str())).unwrap_or(first);
            reader.push(
                Diagnostic::error("a step has one verb")
                    .at(other.key_place, format!("`{}` does not belong here", other.key))
                    .help("begin another step with `- `, or indent it under its verb"),
            );
            return None;
        }
        (Value::String(word), _) if verbs.contains(&word.as_str()) => {
            let example = VERBS.iter().find(|(verb, ..)| verb == word).map_or("", |(.., example)| *example);
            let diagnostic = Diagnostic::error(format!("`{word}` needs a value")).at(node.place, "");
            reader.push(diagnostic.help(format!("such as `- {word}: {example}`")));
            return None;
        }
        _ => {
            let diagnostic = reader.expected(node, "a step, a map with one verb");
            reader.push(diagnostic.help("such as `- wait: 61s`"));
            return None;
        }
    };
    let Some((_, read, example)) = VERBS.iter().find(|(verb, ..)| *verb == entry.key) else {
        reader.push(not_among(&Spanned::new(entry.key.clone(), entry.key_place), "step", &verbs));
        return None;
    };
    if entry.value.is_null() {
        let diagnostic = Diagnostic::error(format!("`{}` needs a value", entry.key)).at(entry.key_place, "");
        reader.push(diagnostic.help(format!("such as `- {}: {example}`", entry.key)));
        return None;
    }
    read(reader, entry)
}

fn wait(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    reader.decode(&entry.value).map(Step::Wait)
}

fn note(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    reader.decode(&entry.value).map(Step::Note)
}

fn restart(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let text = reader.text(entry)?;
    let found = match text.value.split_once('/') {
        None if text.value == "gateway" => Some(Restart::Gateway),
        Some(("gateway", replica)) => replica.parse().ok().map(Restart::Replica),
        _ => None,
    };
    if found.is_none() {
        let diagnostic = Diagnostic::error(format!("`{}` cannot be restarted", text.value)).at(text.place, "");
        reader.push(diagnostic.help("write `gateway` for all its replicas, `gateway/0` for the first one"));
    }
    found.map(Step::Restart)
}

const SEND: &[&str] =
    &["path", "prompt", "times", "gap", "stream", "model", "headers", "key", "body", "method", "expect"];

fn send(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let fields = reader.fields(&entry.value, "a request", SEND)?;
    let said = fields.whole("times", 1..=u64::from(MAX_TIMES)).map(|times| times.value);
    let times = if fields.entry("times").is_some() { said } else { Some(1) };
    let stream: Option<bool> = fields.get("stream");
    let method = method(fields);
    let expect = fields
        .entry("expect")
        .map_or_else(Vec::new, |entry| expectations::read(reader, &entry.value, &expectations::Scope::Step { times }));
    let content = content(fields, &method);
    let stream = match &content {
        Content::Body(body) => body.get("stream").and_then(Json::as_bool).unwrap_or(false),
        Content::Prompt { .. } => stream.unwrap_or(false),
        Content::Nothing => false,
    };
    Some(Step::Send(Box::new(Send {
        path: path(reader, fields),
        method,
        content,
        stream,
        headers: fields.value("headers").map(|entry| headers(reader, entry)).unwrap_or_default(),
        key: fields.entry("key").and_then(|entry| reader.secret(entry)).map(|key| Credential::new(CLIENT, &key)),
        times: times.and_then(|times| u32::try_from(times).ok()).unwrap_or(1),
        gap: fields.get("gap").unwrap_or(GAP),
        expect,
    })))
}

fn method(fields: Fields<'_>) -> String {
    let Some(method) = fields.get::<Spanned<String>>("method") else { return "POST".to_owned() };
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    if !known.contains(&method.value.as_str()) {
        fields.reader().push(not_among(&method, "method", &known));
    }
    method.value
}

fn path(reader: &Reader<'_>, fields: Fields<'_>) -> String {
    let Some(path) = fields.required_text("path", "/openai") else { return "/".to_owned() };
    let valid = path.value.starts_with('/') && path.value.parse::<http::uri::PathAndQuery>().is_ok();
    if !valid {
        let diagnostic = Diagnostic::error(format!("`{}` is not a path", path.value)).at(path.place, "");
        reader.push(diagnostic.help("a path begins with `/`, has no host before it, and no spaces in it"));
    }
    path.value
}

/// What is asked: a prompt, a body as it is, or nothing.
fn content(fields: Fields<'_>, method: &str) -> Content {
    let asks = ["prompt", "model", "stream"].into_iter().filter_map(|key| fields.entry(key));
    if let Some(entry) = fields.value("body") {
        for other in asks {
            let message = format!("`{}` has no meaning beside `body`", other.key);
            let diagnostic = Diagnostic::error(message).at(other.key_place, "").note_at(entry.key_place, "");
            fields.reader().push(diagnostic.help(format!("write it into the body: `{}: …`", other.key)));
        }
        return Content::Body(fields.get("body").unwrap_or_default());
    }
    if ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method) {
        for other in asks {
            let message = format!("a {method} has no body, so `{}` has no meaning", other.key);
            fields.reader().push(Diagnostic::error(message).at(other.key_place, ""));
        }
        return Content::Nothing;
    }
    Content::Prompt {
        prompt: fields.get("prompt").unwrap_or_else(|| DEFAULT_PROMPT.to_owned()),
        model: fields.get("model").unwrap_or_default(),
    }
}

fn headers(reader: &Reader<'_>, entry: &Entry) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for header in reader.entries(&entry.value, "from a header's name to its value") {
        let name = header_name(reader, header);
        let Some(value) = reader.text(header) else { continue };
        if http::HeaderValue::from_str(&value.value).is_err() {
            let diagnostic = Diagnostic::error("this is not the value of a header").at(value.place, "");
            reader.push(diagnostic.help("it has no line breaks or other control characters"));
        }
        headers.extend(name.map(|name| (name, value.value)));
    }
    headers
}

/// The name of a header, in lower case.
fn header_name(reader: &Reader<'_>, header: &Entry) -> Option<String> {
    let name = http::HeaderName::from_bytes(header.key.as_bytes());
    if name.is_err() {
        reader
            .push(Diagnostic::error(format!("`{}` is not the name of a header", header.key)).at(header.key_place, ""));
    }
    name.ok().map(|name| name.as_str().to_owned())
}
