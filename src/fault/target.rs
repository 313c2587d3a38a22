//! Whom a fault meets, as people write it, and what that means in a lab.
//!
//! | spelling | whom |
//! | --- | --- |
//! | `openai-provider`, `backend/openai-provider` | a provider: its answers, or every link to it |
//! | `mock-gpt-4o`, `mock-gpt-4o-0`, `api.openai.com:443` | a simulator, one of its pods, an address |
//! | `gpt-4o`, `model:gpt-4o` | a model: answers to requests for it, or links to the providers that have it |
//! | `gateway`, `gateway/1` | links from clients to the gateway, or to one replica |
//! | `client` | links from clients |
//! | `gateway/1 -> openai-provider` | the links from one end to the other |
//! | `*` | everything |

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::source::Diagnostic;
use crate::topology::{Provider, Topology};

/// The host name of the clients of a lab.
pub const CLIENT_HOST: &str = "client";
/// The host name of the gateway; its replicas are `agentgateway-proxy-0` and so on.
pub const GATEWAY_HOST: &str = "agentgateway-proxy";

/// Whom a fault meets, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Everything there is.
    #[default]
    Everything,
    /// Somebody: who answers, or where links lead.
    To(End),
    /// Links between two.
    Link {
        /// Who connects.
        from: End,
        /// To whom.
        to: End,
    },
}

/// One end of a link, or somebody who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Anybody.
    Any,
    /// A client.
    Client,
    /// The gateway, or one of its replicas, from 0.
    Gateway(Option<u32>),
    /// A provider, a simulator, a pod, an address, or a model.
    Named(String),
    /// A model.
    Model(String),
}

/// Whom a fault meets, as hosts of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aim {
    /// Who connects, for faults of links.
    pub from: Ends,
    /// Who answers, or to whom a link leads.
    pub to: Ends,
    /// The model that is asked for, for faults of answers; any where absent.
    pub model: Option<String>,
}

/// Hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ends {
    /// All.
    #[default]
    Any,
    /// Clients.
    Client,
    /// The gateway, or one of its replicas.
    Gateway(Option<u32>),
    /// Hosts of these names.
    Hosts(Vec<String>),
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// A sentence that says what is wrong, for a diagnostic.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("->").or_else(|| text.split_once('>')) {
            Some((from, to)) => Ok(Self::Link { from: End::parse(from)?, to: End::parse(to)? }),
            None => Ok(match End::parse(text)? {
                End::Any => Self::Everything,
                End::Client => Self::Link { from: End::Client, to: End::Any },
                end => Self::To(end),
            }),
        }
    }

    /// Why nobody ever connects so, where nobody does.
    fn is_no_link(&self) -> Option<&'static str> {
        let Self::Link { from, to } = self else { return None };
        match (from, to) {
            (_, End::Client) => Some("nobody connects to a client"),
            (End::Named(_) | End::Model(_), _) => Some("providers connect to nobody"),
            (End::Client, End::Named(_) | End::Model(_)) => Some("clients connect to the gateway alone"),
            (End::Gateway(_), End::Gateway(_)) => Some("the gateway does not connect to itself"),
            _ => None,
        }
    }

    /// What it means in a lab of this topology.
    ///
    /// # Errors
    /// A name that the lab does not have, one that could mean several things, or a link that nobody makes.
    pub fn aim(&self, topology: &Topology) -> Result<Aim, Diagnostic> {
        match self {
            Self::Everything => Ok(Aim::default()),
            Self::To(end) => {
                let (to, model) = end.hosts(topology)?;
                Ok(Aim { from: Ends::Any, to, model })
            }
            Self::Link { from, to } => {
                let (from, _) = from.hosts(topology)?;
                let (to, model) = to.hosts(topology)?;
                if let Some(why) = self.is_no_link() {
                    let diagnostic = Diagnostic::error(format!("`{self}` never strikes: {why}"));
                    let help = "whoever connects stands on the left: `client -> gateway`, `gateway/0 -> a-provider`";
                    return Err(diagnostic.help(help));
                }
                Ok(Aim { from, to, model })
            }
        }
    }
}

impl End {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(model) = text.strip_prefix("model:") {
            return Ok(Self::Model(model.trim().to_owned()));
        }
        if let Some(replica) = text.strip_prefix("gateway/") {
            return match replica.parse() {
                Ok(replica) => Ok(Self::Gateway(Some(replica))),
                Err(_) => Err(format!("`{text}` is no replica: write `gateway/0`, `gateway/1`, …")),
            };
        }
        match text {
            "" => Err("a target is missing: write a provider, `client -> gateway`, `gateway/0 -> a-provider`, or `*`"
                .to_owned()),
            "*" => Ok(Self::Any),
            "client" => Ok(Self::Client),
            "gateway" => Ok(Self::Gateway(None)),
            name => Ok(Self::Named(name.to_owned())),
        }
    }

    fn hosts(&self, topology: &Topology) -> Result<(Ends, Option<String>), Diagnostic> {
        match self {
            Self::Any => Ok((Ends::Any, None)),
            Self::Client => Ok((Ends::Client, None)),
            Self::Gateway(replica) => Ok((Ends::Gateway(*replica), None)),
            Self::Named(name) => named(topology, name),
            Self::Model(model) => match of_model(topology, model) {
                Some(hosts) => Ok((Ends::Hosts(hosts), Some(model.clone()))),
                None => Err(unknown(topology, model)),
            },
        }
    }
}

/// What a name means: each different thing that it could be.
fn named(topology: &Topology, name: &str) -> Result<(Ends, Option<String>), Diagnostic> {
    let mut found: Vec<(&'static str, Vec<String>, Option<String>)> = Vec::new();
    let mut add = |kind, mut hosts: Vec<String>, model: Option<String>| {
        hosts.sort();
        hosts.dedup();
        if !hosts.is_empty() && !found.iter().any(|(_, known, _)| *known == hosts) {
            found.push((kind, hosts, model));
        }
    };
    for (backend, provider) in providers(topology) {
        let [namespace, backend] = backend;
        let short = provider.name.value.as_str();
        if [short.to_owned(), format!("{backend}/{short}"), format!("{namespace}/{backend}/{short}")]
            .iter()
            .any(|one| one == name)
        {
            add("a provider", hosts_of(topology, provider), own_model(topology, provider));
        }
    }
    for (_, provider) in providers(topology) {
        if provider.endpoint.to_string() == name || provider.endpoint.host == name {
            add("an address", hosts_of(topology, provider), None);
        }
    }
    for service in &topology.services {
        if service.names().iter().any(|one| one.to_string() == name || one.host == name) {
            add("a service", pods_of(topology, service.simulator), None);
        }
    }
    for (index, simulator) in topology.simulators.iter().enumerate() {
        if simulator.name == name {
            add("a simulator", pods_of(topology, index), None);
        }
        for pod in pods_of(topology, index).into_iter().filter(|pod| pod == name) {
            add("a pod", vec![pod], None);
        }
    }
    if let Some(hosts) = of_model(topology, name) {
        add("a model", hosts, Some(name.to_owned()));
    }
    match found.len() {
        1 => found
            .into_iter()
            .next()
            .map(|(_, hosts, model)| (Ends::Hosts(hosts), model))
            .ok_or_else(|| unknown(topology, name)),
        0 => Err(unknown(topology, name)),
        _ => Err(ambiguous(name, &found)),
    }
}

/// All providers, each with the namespace and the name of its backend.
fn providers(topology: &Topology) -> impl Iterator<Item = ([&str; 2], &Provider)> {
    topology.backends.iter().flat_map(|backend| {
        backend.providers().map(|(_, provider)| ([backend.namespace.as_str(), backend.name.as_str()], provider))
    })
}

/// The hosts behind a provider: its address, and the pods that the address leads to.
fn hosts_of(topology: &Topology, provider: &Provider) -> Vec<String> {
    let service = topology.services.iter().find(|service| service.names().contains(&provider.endpoint));
    match service {
        Some(service) => pods_of(topology, service.simulator),
        None => vec![provider.endpoint.host.clone()],
    }
}

fn pods_of(topology: &Topology, simulator: usize) -> Vec<String> {
    let simulator = topology.simulators.get(simulator);
    simulator.map(|one| (0..one.replicas).map(|pod| one.pod_name(pod)).collect()).unwrap_or_default()
}

/// The model of a provider, if it takes that to tell it from another at the same address.
fn own_model(topology: &Topology, provider: &Provider) -> Option<String> {
    let shared =
        providers(topology).any(|(_, other)| other.endpoint == provider.endpoint && other.model != provider.model);
    provider.model.clone().filter(|_| shared)
}

/// The hosts of the providers that have a model, if any does.
fn of_model(topology: &Topology, model: &str) -> Option<Vec<String>> {
    let with = providers(topology).filter(|(_, provider)| provider.model.as_deref() == Some(model));
    let hosts: Vec<_> = with.flat_map(|(_, provider)| hosts_of(topology, provider)).collect();
    (!hosts.is_empty()).then_some(hosts)
}

fn unknown(topology: &Topology, name: &str) -> Diagnostic {
    let mut known: Vec<String> = Vec::new();
    for (_, provider) in providers(topology) {
        known.push(provider.name.value.clone());
        known.push(provider.endpoint.to_string());
        known.extend(provider.model.clone());
    }
    known.extend(topology.simulators.iter().map(|simulator| simulator.name.clone()));
    known.extend(["gateway".to_owned(), "client".to_owned()]);
    let plain = Diagnostic::error(format!("the lab has no `{name}`"));
    let suggested = plain.clone().suggest(name, known.iter().map(String::as_str));
    if !suggested.help.is_empty() {
        return suggested;
    }
    let listed: Vec<_> = providers(topology).map(|(_, provider)| format!("`{}`", provider.name.value)).collect();
    plain
        .help(format!("write one of {}, `gateway`, `client`, or a link such as `client -> gateway`", listed.join(", ")))
}

fn ambiguous(name: &str, found: &[(&'static str, Vec<String>, Option<String>)]) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("`{name}` could mean several things"));
    for (kind, hosts, _) in found {
        diagnostic = diagnostic.help(format!("{kind} at {}", hosts.join(", ")));
    }
    diagnostic.help("write a provider as `backend/provider`, a model as `model:name`")
}

impl Aim {
    /// Answers of this host, and links to it.
    #[must_use]
    pub fn host(host: impl Into<String>) -> Self {
        Self { to: Ends::Hosts(vec![host.into()]), ..Self::default() }
    }

    /// Whether an answer of `host` to a request for `model` is meant.
    #[must_use]
    pub fn meets_answer(&self, host: &str, model: Option<&str>) -> bool {
        self.to.contains(host) && self.model.as_deref().is_none_or(|wanted| model == Some(wanted))
    }

    /// Whether the link between two hosts is meant. `to` goes by every name that it has.
    #[must_use]
    pub fn meets_link(&self, from: &str, to: &[&str]) -> bool {
        self.from.contains(from) && to.iter().any(|name| self.to.contains(name))
    }
}

impl Ends {
    fn contains(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Client => host == CLIENT_HOST,
            Self::Gateway(None) => {
                host.strip_prefix(GATEWAY_HOST).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }
            Self::Gateway(Some(replica)) => {
                let number = host.strip_prefix(GATEWAY_HOST).and_then(|rest| rest.strip_prefix('-'));
                number.is_some_and(|number| number.parse() == Ok(*replica))
            }
            Self::Hosts(hosts) => hosts.iter().any(|one| one == host),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::To(end) => end.fmt(f),
            Self::Link { from: End::Client, to: End::Any } => f.write_str("client"),
            Self::Link { from, to } => write!(f, "{from} -> {to}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Client => f.write_str("client"),
            Self::Gateway(None) => f.write_str("gateway"),
            Self::Gateway(Some(replica)) => write!(f, "gateway/{replica}"),
            Self::Named(name) => f.write_str(name),
            Self::Model(model) => write!(f, "model:{model}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TargetVisitor;

        impl de::Visitor<'_> for TargetVisitor {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a provider, a link such as `client -> gateway`, or `*`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Target::parse(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(TargetVisitor)
    }
}
