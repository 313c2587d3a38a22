//! Nodes → the parts of a scenario.

mod changes;
pub(super) mod expectations;
mod invariants;
pub(super) mod load;
mod personality;
mod prices;
pub(super) mod steps;
mod vars;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::fields::{Fields, Reader, not_among};
use super::{GatewaySpec, MAX_REPLICAS, Spread};
use crate::kube::{Answering, Given, GivenSecrets, GivenSimulator};
use crate::source::{Diagnostic, Entry, Node, Place, Spanned, Value};
use crate::topology::{Authority, BUGS, Topology};

#[cfg(test)]
pub(super) use changes::OBJECT;
pub(super) use changes::{Changes, changes};
pub(super) use expectations::run_expectations;
#[cfg(test)]
pub(super) use invariants::OF_INVARIANTS;
pub(super) use invariants::invariants_off;
#[cfg(test)]
pub(super) use prices::OF_PRICE;
pub(super) use prices::prices;
pub(super) use steps::{schedule, steps};
pub(super) use vars::vars;

/// What may stand at the top of a scenario.
pub(super) const TOP: &[&str] = &[
    "name",
    "id",
    "about",
    "why",
    "links",
    "extends",
    "seed",
    "start",
    "vars",
    "lab",
    "prices",
    "steps",
    "schedule",
    "expect",
    "invariants",
];

/// What may stand under `lab`.
pub(super) const OF_LAB: &[&str] = &["manifests", "secrets", "simulators", "gateway"];
/// What may stand under an address of `lab.simulators`.
pub(super) const OF_SIMULATOR: &[&str] = &["name", "args", "replicas"];
/// What may stand under `lab.gateway`.
pub(super) const OF_GATEWAY: &[&str] = &["replicas", "personality", "personalities", "spread", "break"];

/// What stands above the steps.
#[derive(Default)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) about: Option<String>,
    pub(super) why: Option<String>,
    pub(super) links: Vec<String>,
    pub(super) seed: Option<Spanned<u64>>,
    pub(super) start: Option<Timestamp>,
}

/// The `lab` of a scenario.
#[derive(Default)]
pub(super) struct Lab<'n> {
    pub(super) manifests: Vec<Spanned<String>>,
    pub(super) given: Given,
    gateway: Option<Fields<'n>>,
    /// Where to say what the gateway should be told.
    place: Option<Place>,
}

/// Begins to read a scenario.
pub(super) fn top<'n>(reader: &'n Reader<'n>, root: &'n Node) -> Option<Fields<'n>> {
    reader.fields(root, "a scenario", TOP)
}

/// The scenario's name, and what goes with it.
pub(super) fn head(top: Fields<'_>) -> Head {
    Head {
        name: top.required_text("name", "Failover to OpenAI").map(|name| name.value).unwrap_or_default(),
        id: top.get("id"),
        about: top.get("about"),
        why: top.get("why"),
        links: links(top),
        seed: top.whole("seed", 0..=u64::MAX),
        start: start(top),
    }
}

/// Addresses on the web.
fn links(top: Fields<'_>) -> Vec<String> {
    let reader = top.reader();
    let items = top.value("links").map_or(&[][..], |entry| reader.items(&entry.value, "of addresses on the web"));
    let links = items.iter().filter_map(|item| reader.decode::<Spanned<String>>(item));
    links
        .map(|link| {
            if !link.value.starts_with("https://") {
                let diagnostic = Diagnostic::error(format!("`{}` is no address on the web", link.value));
                reader.push(diagnostic.at(link.place, "").help("it begins with `https://`"));
            }
            link.value
        })
        .collect()
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
    let Some(fields) = reader.fields(&entry.value, "the lab", OF_LAB) else {
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
        given: Given {
            secrets: fields.value("secrets").map(|entry| secrets(reader, entry)).unwrap_or_default(),
            simulators: fields.value("simulators").map(|entry| simulators(reader, entry)).unwrap_or_default(),
            ..Given::default()
        },
        gateway: fields.value("gateway").and_then(|entry| reader.fields(&entry.value, "the gateway", OF_GATEWAY)),
        place: Some(fields.entry("gateway").unwrap_or(entry).key_place),
    }
}

fn twice(reader: &Reader<'_>, manifests: &[Spanned<String>]) {
    for (index, manifest) in manifests.iter().enumerate() {
        if let Some(first) = manifests[..index]
            .iter()
            .find(|first| first.value == manifest.value && first.place.file == manifest.place.file)
        {
            let diagnostic = Diagnostic::error(format!("`{}` is named twice", manifest.value));
            reader.push(diagnostic.at(manifest.place, "again here").note_at(first.place, "first here"));
        }
    }
}

/// What answers at addresses that no manifest describes.
fn simulators(reader: &Reader<'_>, entry: &Entry) -> Vec<GivenSimulator> {
    let mut given = Vec::new();
    for one in reader.entries(&entry.value, "from an address to what answers there") {
        let authority = authority(&one.key);
        if authority.is_none() {
            let diagnostic = Diagnostic::error(format!("`{}` is not a host with its port", one.key));
            reader.push(diagnostic.at(one.key_place, "").help("such as `\"127.0.0.1:4101\"`"));
        }
        if let (Some(authority), Some(answers)) = (authority, answering(reader, one)) {
            given.push(GivenSimulator { authority: Spanned::new(authority, one.key_place), answers });
        }
    }
    given
}

fn authority(text: &str) -> Option<Authority> {
    let (host, port) = text.rsplit_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && host.chars().all(plain)).then(|| Authority::new(host, port))
}

/// Who answers: `openai`, or a simulator with its arguments.
fn answering(reader: &Reader<'_>, entry: &Entry) -> Option<Answering> {
    if let Value::String(_) = entry.value.value {
        let word = reader.text(entry)?;
        if word.value == "openai" {
            return Some(Answering::Openai);
        }
        reader
            .push(not_among(&word, "simulator", &["openai"]).help("or a vLLM simulator: `{ args: [--model, NAME] }`"));
        return None;
    }
    let fields = reader.fields(&entry.value, "of a simulator", OF_SIMULATOR)?;
    let args = fields.value("args").map_or_else(Vec::new, |entry| {
        let items = reader.items(&entry.value, "of arguments");
        items.iter().filter_map(|item| argument(reader, item)).collect()
    });
    if fields.entry("args").is_none() {
        let diagnostic = Diagnostic::error("`args` is missing here").at(entry.key_place, "");
        reader.push(diagnostic.help("such as `args: [--model, mock-gpt-4o]`"));
    }
    if let Some(port) = args.iter().find(|arg| arg.value == "--port" || arg.value.starts_with("--port=")) {
        let diagnostic = Diagnostic::error("the port of a simulator is that of its address").at(port.place, "");
        reader.push(diagnostic);
    }
    let replicas = fields.whole("replicas", 0..=1_000).and_then(|count| u32::try_from(count.value).ok());
    let name = fields.get::<String>("name");
    Some(Answering::Vllm { name, args, replicas: replicas.unwrap_or(1) })
}

fn argument(reader: &Reader<'_>, item: &Node) -> Option<Spanned<String>> {
    let text = reader.scalar(item);
    if text.is_none() {
        reader.push(reader.expected(item, "an argument"));
    }
    text.map(|text| Spanned::new(text, item.place))
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
        personality: personality::own(reader, fields, lab.place.unwrap_or(top.first_line())),
        named: fields
            .is_some_and(|fields| ["personality", "personalities"].iter().any(|key| fields.entry(key).is_some())),
        spread: fields.and_then(|fields| fields.choice("spread", &Spread::ALL)).unwrap_or_default(),
        broken: fields.and_then(|fields| fields.choice("break", &BUGS.map(|about| (about.name, about.bug)))),
    }
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
