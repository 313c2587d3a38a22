//! agentgateway's own configuration → topology: what it runs without Kubernetes.
//!
//! ```text
//!   binds ─ listeners ─ routes ─┬─ matches, policies
//!   gateways ◀─ routes ─────────┴─ backends ─ ai ─ groups ─ providers ─ hostOverride
//!                                     └─ backend: NAME ─▶ backends
//! ```
//!
//! `gateways` with `routes` beside them is how later releases write the same as `binds`.

mod backend;
mod policies;
mod route;

use super::backend::Links;
use super::fields::{Fields, Log, did_you_mean};
use super::gateway::no_tls_in_a_lab;
use super::tls::own_identity;
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Node, Place, Value};
use crate::topology::{Identity, Listener, Sampling, Topology, Tracing};

use route::Spot;

/// What may stand at the top, as far as it says that a file is such a configuration.
const TELLING: [&str; 9] =
    ["binds", "gateways", "routes", "frontendPolicies", "routeGroups", "tcpRoutes", "llm", "config", "backends"];
/// What only other files have at the top.
const OTHERS: [&str; 5] = ["apiVersion", "kind", "lab", "steps", "extends"];
/// Levels of the log under which requests are not written.
const QUIET: [&str; 3] = ["warn", "error", "off"];
/// The name of the gateway that has the listeners, and its namespace.
const GATEWAY: &str = "default/default";
/// The namespace of what names none.
const NAMESPACE: &str = "default";
/// The gateway that routes are attached to which name none.
const DEFAULT_GATEWAY: &str = "default";

/// Whether a document is a configuration of agentgateway.
pub(super) fn is_config(node: &Node) -> bool {
    has_none_of_others(node) && node.entries().iter().any(|entry| TELLING.contains(&entry.key.as_str()))
}

/// Whether a document among manifests is meant as one, though its author cannot spell.
pub(super) fn is_meant(node: &Node) -> bool {
    let near = |key: &str| nearest(key, TELLING).is_some();
    is_config(node)
        || (has_none_of_others(node)
            && node.get("metadata").is_none()
            && node.entries().iter().any(|entry| near(&entry.key)))
}

fn has_none_of_others(node: &Node) -> bool {
    !node.entries().iter().any(|entry| OTHERS.contains(&entry.key.as_str()))
}

/// Where the parts of a configuration go.
struct Target<'t, 'l> {
    links: &'t Links<'l>,
    topology: &'t mut Topology,
    /// Backends that routes name: the name, and which of the topology's it is.
    shared: Vec<(String, usize)>,
}

/// Reads a configuration and adds what it describes.
pub(super) fn add<'r>(node: &'r Node, log: &'r Log<'r>, links: &Links<'_>, topology: &mut Topology) {
    let top = Fields::document(log, node, first_line(node), "Standalone");
    let mut target = Target { links, topology, shared: Vec::new() };
    if let Some(logging) = top.map("config").and_then(|config| config.map("logging")) {
        let format = logging.choice("format", &["text", "json"]);
        target.topology.json_log |= format.is_some_and(|format| format.value == "json");
    }
    target.topology.own_files.push(node.place.file);
    target.topology.unlogged = unlogged(node).or(target.topology.unlogged);
    if let Some(frontend) = top.map("frontendPolicies") {
        target.topology.tracing = tracing(&frontend).or(target.topology.tracing.take());
    }
    for fields in top.maps("backends") {
        backend::shared(&fields, &mut target);
    }
    let binds = top.maps("binds");
    for fields in &binds {
        bind(fields, binds.len() > 1, &mut target);
    }
    let gateways = gateways(&top, &mut target);
    for (index, fields) in top.maps("routes").iter().enumerate() {
        let listeners = attached(fields, &gateways, &target);
        if listeners.is_empty() {
            route::add(fields, index, Spot::default(), &mut target);
        }
        // A route at several listeners is one route at each of them, with backends of its own.
        for listener in listeners {
            let before = target.topology.routes.iter().filter(|route| route.listeners == [listener]).count();
            let name = gateways.iter().find(|(_, one)| *one == listener).map_or("", |(name, _)| name.as_str());
            let scope = if gateways.len() > 1 { format!("gateway/{name}/") } else { String::new() };
            let label = format!("gateway/{name}");
            let spot = Spot { listeners: &[listener], scope: &scope, label: Some(&label) };
            route::add(fields, before, spot, &mut target);
        }
    }
    if let Some(entry) = top.find_even_null("llm") {
        let diagnostic = Diagnostic::error("labsim does not read the `llm` form of a configuration");
        let diagnostic = diagnostic.at(entry.key_place, "not modelled");
        log.push(diagnostic.help("write it as `binds` with `listeners`, `routes` and `ai` backends"));
    } else if top.find_any(&["binds", "gateways"]).is_empty() && !top.is_any_misspelt(&["binds", "gateways"]) {
        log.push(
            Diagnostic::error("this configuration listens nowhere")
                .at(top.place(), "incomplete")
                .help("it needs `binds`, or `gateways` and `routes`"),
        );
    }
}

fn first_line(node: &Node) -> Place {
    node.entries().first().map_or(node.place, |entry| entry.key_place)
}

/// The collector of traces; agentgateway speaks gRPC to one where nothing is said.
fn tracing(frontend: &Fields<'_>) -> Option<Tracing> {
    let tracing = frontend.map("tracing")?;
    let protocol = tracing.choice("protocol", &["http", "grpc"]);
    let host = tracing.text("host")?;
    let collector = backend::authority(&host, tracing.log())?;
    Some(Tracing {
        collector,
        grpc: protocol.is_none_or(|protocol| protocol.value == "grpc"),
        random: sampling(&tracing, "randomSampling").unwrap_or(Sampling::NONE),
        client: sampling(&tracing, "clientSampling").unwrap_or(Sampling::ALL),
    })
}

/// A switch, or a share of the requests; expressions that ask for more are not modelled.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is at most 1")]
fn sampling(fields: &Fields<'_>, name: &'static str) -> Option<Sampling> {
    let entry = fields.find(name)?;
    let share = match &entry.value.value {
        Value::Bool(on) => Some(f64::from(u8::from(*on))),
        Value::Int(whole) => Some(if *whole > 0 { 1.0 } else { 0.0 }),
        Value::Float(share) => Some(*share),
        Value::String(text) => match text.trim() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            text => text.parse().ok(),
        },
        _ => None,
    };
    let Some(share) = share.filter(|share| (0.0..=1.0).contains(share)) else {
        fields.not_modelled(entry);
        return None;
    };
    Some(Sampling((share * f64::from(Sampling::ALL.0)) as u32))
}

/// Where the access log is turned off, unless traces or fields of metrics have requests looked at nonetheless.
fn unlogged(node: &Node) -> Option<Place> {
    let config = node.get("config")?;
    let level = config.get("logging")?.get("level")?;
    let is_off = level.as_str().is_some_and(|level| QUIET.contains(&level.trim().to_ascii_lowercase().as_str()));
    let traces = config.get("tracing").or_else(|| node.get("frontendPolicies")?.get("tracing"));
    let looks = traces.or_else(|| config.get("metrics")?.get("fields")).is_some();
    (is_off && !looks).then_some(level.place)
}

/// Adds the listeners of a port, with their routes.
fn bind(fields: &Fields<'_>, several: bool, target: &mut Target<'_, '_>) {
    let port = fields.need("port", fields.port("port")).map(|port| port.value);
    let listeners = fields.need_maps("listeners", 64);
    let several = several || listeners.len() > 1;
    for (index, fields) in listeners.iter().enumerate() {
        let name = fields.need_text_if_there("name").map_or_else(|| format!("listener{index}"), |name| name.value);
        let bind = format!("bind/{}/{name}", port.unwrap_or_default());
        let scope = if several { format!("{bind}/") } else { String::new() };
        let label = format!("{GATEWAY}/{bind}");
        let (serves, tls) = serves_http(fields, target.links);
        let listener = port.map(|port| listener(fields, (name, port), tls, target));
        let listeners: Vec<usize> = listener.filter(|_| serves).into_iter().collect();
        for (index, fields) in fields.maps("routes").iter().enumerate() {
            let spot = Spot { listeners: &listeners, scope: &scope, label: Some(&label) };
            route::add(fields, index, spot, target);
        }
    }
}

/// Adds a listener; says which it is.
fn listener(
    fields: &Fields<'_>,
    (name, port): (String, u16),
    tls: Option<Identity>,
    target: &mut Target<'_, '_>,
) -> usize {
    let hostname = fields.text("hostname").map(|host| host.value.to_ascii_lowercase());
    if let Some(other) = target.topology.listeners.iter().find(|other| other.port == port)
        && other.tls.is_some() != tls.is_some()
    {
        let message = format!("HTTP and HTTPS are both to be served at the port {port}");
        fields.log().push(Diagnostic::error(message).at(fields.place(), "give it a port of its own"));
    }
    target.topology.listeners.push(Listener { gateway: GATEWAY.to_owned(), name, port, hostname, tls });
    target.topology.listeners.len() - 1
}

/// Whether a listener serves HTTP, which is all that labsim knows, and with which certificate if any.
fn serves_http(fields: &Fields<'_>, links: &Links<'_>) -> (bool, Option<Identity>) {
    let protocol = fields.choice("protocol", &["HTTP", "HTTPS", "TLS", "TCP", "HBONE"]);
    let entry = fields.find("tls");
    let Some(protocol) = protocol.filter(|protocol| protocol.value != "HTTP") else {
        if let Some(entry) = entry {
            let diagnostic = Diagnostic::warning("`tls` has no effect without `protocol: HTTPS`");
            fields.log().push(diagnostic.at(entry.key_place, "this listener serves plain HTTP"));
        }
        return (true, None);
    };
    if protocol.value != "HTTPS" {
        let message = format!("labsim does not model {}; this listener serves nothing", protocol.value);
        fields.log().push(Diagnostic::warning(message).at(protocol.place, "not modelled"));
        return (false, None);
    }
    let tls = fields.map("tls");
    let identity = tls.as_ref().and_then(own_identity);
    if let Some(root) = tls.as_ref().and_then(|tls| tls.find("root")) {
        let diagnostic = Diagnostic::warning("labsim asks clients for no certificate");
        fields.log().push(diagnostic.at(root.key_place, "not modelled"));
    }
    if !links.hosts.are_called() {
        fields.log().push(no_tls_in_a_lab(protocol.place));
        return (true, None);
    }
    if identity.is_none() && tls.is_none_or(|tls| tls.find_any(&["cert", "key"]).is_empty()) {
        let diagnostic = Diagnostic::error("a listener for HTTPS needs a certificate").at(protocol.place, "has none");
        fields.log().push(diagnostic.help("write `tls: { cert: FILE, key: FILE }` beside it"));
    }
    (true, identity)
}

/// Adds the listeners of `gateways`; gives the names by which routes refer to them.
fn gateways(top: &Fields<'_>, target: &mut Target<'_, '_>) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let Some(entry) = top.find("gateways") else { return names };
    if !matches!(entry.value.value, Value::Map(_)) {
        top.map("gateways");
    }
    for gateway in entry.value.entries() {
        let fields = Fields::document(top.log(), &gateway.value, gateway.key_place, "StandaloneGateway");
        let port = fields.need("port", fields.port("port")).map_or(0, |port| port.value);
        let listeners = fields.maps("listeners");
        for (index, own) in listeners.iter().enumerate() {
            let name = own.need_text_if_there("name").map_or_else(|| format!("listener{index}"), |name| name.value);
            let reference = format!("{}/{name}", gateway.key);
            let (_, tls) = serves_http(own, target.links);
            names.push((reference.clone(), listener(own, (reference, port), tls, target)));
        }
        if listeners.is_empty() {
            let (_, tls) = serves_http(&fields, target.links);
            let listener = listener(&fields, (gateway.key.clone(), port), tls, target);
            names.push((gateway.key.clone(), listener));
        }
    }
    names
}

/// The listeners that a route of the top is attached to.
fn attached(fields: &Fields<'_>, gateways: &[(String, usize)], target: &Target<'_, '_>) -> Vec<usize> {
    let named = match fields.find("gateways").map(|entry| &entry.value.value) {
        Some(Value::String(_)) => fields.text("gateways").into_iter().collect(),
        _ => fields.texts("gateways"),
    };
    let leads = |wanted: &str| -> Vec<usize> {
        let below = format!("{wanted}/");
        let found = gateways.iter().filter(|(name, _)| name == wanted || name.starts_with(&below));
        found.map(|(_, listener)| *listener).collect()
    };
    if named.is_empty() {
        let found = leads(DEFAULT_GATEWAY);
        if found.is_empty() {
            let diagnostic = Diagnostic::warning("this route is attached to no gateway").at(fields.place(), "");
            fields.log().push(diagnostic.help("name one under `gateways`, or call one `default`"));
        }
        return found;
    }
    let mut listeners = Vec::new();
    for name in named {
        let found = leads(&name.value);
        if found.is_empty() {
            let diagnostic = Diagnostic::error(format!("there is no gateway `{}`", name.value));
            let known: Vec<&str> = gateways.iter().map(|(name, _)| name.as_str()).collect();
            target.links.log.push(did_you_mean(diagnostic.at(name.place, "dangling reference"), &name.value, &known));
        }
        listeners.extend(found);
    }
    listeners.sort_unstable();
    listeners.dedup();
    listeners
}

#[cfg(test)]
mod tests;
