//! Kubernetes manifests → [`Topology`]: what a cluster would run, a lab runs.
//!
//! Stands between `source`, which reads the text, and `scenario` and `lab`, which use the topology.
//! Each kind has a file: `read` turns a manifest into a part and finds what is wrong in it alone,
//! `link` follows its references. Every mistake of all files is found at once.
//!
//! ```text
//!   HTTPRoute ─ parentRefs ─▶ Gateway
//!       └───── backendRefs ─▶ AgentgatewayBackend ─ secretRef ─▶ Secret
//!                                    └─ host, port ─▶ Service ─ selector ─▶ Deployment
//! ```
//!
//! agentgateway's own configuration file ([`standalone`]) is read into the same topology. What answers
//! at addresses that no manifest describes is said from outside ([`Given`]).

mod backend;
mod backend_tls;
pub mod change;
mod deployment;
mod duration;
mod fields;
mod gateway;
mod hidden;
mod hosts;
mod kinds;
mod object;
mod parameters;
mod policy;
mod route;
mod schema;
mod secret;
mod service;
mod simulators;
mod standalone;
mod target;
mod tls;

use std::collections::BTreeMap;

use crate::source::{Diagnostic, Diagnostics, FileId, Node, Sources, Spanned, yaml};
use crate::topology::Topology;

use backend::{Backend, Links};
use backend_tls::TlsPolicy;
use deployment::Deployment;
use fields::Log;
use gateway::Gateway;
use hidden::{Hidden, hide_values};
use hosts::Hosts;
use kinds::Role;
use object::Object;
use policy::Policy;
use route::HttpRoute;
use secret::Secret;
use service::Service;
use tls::ConfigMap;

pub use change::{Change, Manifests, ObjectName};
pub use hidden::secret_places;
pub use simulators::{Answering, GivenSimulator};

/// Secrets that a scenario gives: name → key → value. Each stands for a Secret of that name in any
/// namespace, and before one that a manifest has.
pub type GivenSecrets = BTreeMap<String, BTreeMap<String, String>>;

/// The name under which [`GivenSecrets`] hold the variables of the environment, for keys such as
/// `$OPENAI_API_KEY`.
pub const ENVIRONMENT: &str = "env";

/// What is known besides the files.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Secrets.
    pub secrets: GivenSecrets,
    /// What answers at addresses that no manifest describes.
    pub simulators: Vec<GivenSimulator>,
    /// Which hosts may be anywhere. Else a host that the lab does not have is an error.
    pub real_hosts: RealHosts,
}

/// Which hosts may be anywhere, rather than be a part of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RealHosts {
    /// None: the lab has all that is called.
    #[default]
    None,
    /// Those that agentgateway's own configuration names: what answers there is said elsewhere.
    OfConfigurations,
    /// All, as for a gateway that calls real ones.
    All,
}

/// Whether a document describes a part of a lab: a Kubernetes manifest, which has `apiVersion`, or a
/// configuration of agentgateway.
#[must_use]
pub fn is_manifest(node: &Node) -> bool {
    node.get("apiVersion").is_some() || standalone::is_config(node)
}

/// Reads all manifests of the files into one topology. Errors and warnings go to `findings`; the
/// topology is complete only if there are no errors among them.
///
/// Of two objects with the same kind, namespace and name the later one counts, as with `kubectl apply`.
pub fn load(sources: &Sources, files: &[FileId], given: &Given, findings: &mut Diagnostics) -> Topology {
    let changes: Vec<Change<FileId>> = files.iter().copied().map(Change::Apply).collect();
    load_changed(sources, &changes, given, findings)
}

/// The same after one change after the other.
pub fn load_changed(
    sources: &Sources,
    changes: &[Change<FileId>],
    given: &Given,
    findings: &mut Diagnostics,
) -> Topology {
    let mut documents: Vec<Vec<Node>> = Vec::new();
    let (mut repeated, mut all_read) = (Vec::new(), true);
    for change in changes {
        let Some(file) = change.file() else {
            documents.push(Vec::new());
            continue;
        };
        match yaml::parse_on(&sources.file(*file).text, *file) {
            Ok(parsed) => {
                repeated.extend(parsed.repeated);
                documents.push(parsed.documents);
            }
            Err(diagnostic) => {
                all_read = false;
                findings.push(hide_values(diagnostic, sources));
                documents.push(Vec::new());
            }
        }
    }
    let files: Vec<FileId> = changes.iter().filter_map(Change::file).copied().collect();
    let log = Log::new(sources, Hidden::find(sources, &files, documents.iter().flatten()));
    for finding in repeated {
        log.push(finding);
    }
    let (mut objects, mut gone, mut configs) = (Vec::new(), Vec::new(), Vec::new());
    for (change, documents) in changes.iter().zip(&documents) {
        let (own, manifests): (Vec<&Node>, Vec<&Node>) = documents.iter().partition(|one| standalone::is_meant(one));
        change::make(change, &manifests, &log, &mut objects, &mut gone);
        change::configure(change, own, &mut configs);
    }
    let parts = read(objects, gone, &log);
    // What a file has that is not YAML is unknown: a reference may lead there.
    let references = Log::new(sources, Hidden::default());
    let configs: Vec<&Node> = configs.into_iter().map(|(_, config)| config).collect();
    let topology = link(parts, &configs, given, if all_read { &log } else { &references }, &log);
    log.finish(findings);
    topology
}

/// The manifests of a lab, read and not yet linked.
#[derive(Default)]
struct Parts {
    deployments: Vec<Deployment>,
    services: Vec<Service>,
    secrets: Vec<Secret>,
    config_maps: Vec<ConfigMap>,
    gateways: Vec<Gateway>,
    routes: Vec<HttpRoute>,
    backends: Vec<Backend>,
    policies: Vec<Policy>,
    tls_policies: Vec<TlsPolicy>,
    replicas: Vec<Spanned<u32>>,
}

fn read<'r>(objects: Vec<Object<'r>>, gone: Vec<Object<'r>>, log: &Log<'_>) -> Parts {
    let mut parts = Parts::default();
    // What a later object replaces, or what is deleted, is read for its mistakes and then forgotten.
    let mut forgotten = Parts::default();
    let gone = gone.into_iter().map(|object| (object, false));
    for (object, counts) in replace(objects, log).into_iter().chain(gone) {
        let parts = if counts { &mut parts } else { &mut forgotten };
        match object.kind.role {
            Role::Deployment => parts.deployments.push(deployment::read(object)),
            Role::Service => parts.services.push(service::read(object)),
            Role::Secret => parts.secrets.push(secret::read(object)),
            Role::ConfigMap => parts.config_maps.push(tls::config_map(object)),
            Role::Gateway => parts.gateways.push(gateway::read(object)),
            Role::HttpRoute => parts.routes.push(route::read(object)),
            Role::Backend => parts.backends.push(backend::read(object)),
            Role::Policy => parts.policies.push(policy::read(object)),
            Role::BackendTls => parts.tls_policies.push(backend_tls::read(object)),
            Role::Parameters => parts.replicas.extend(parameters::read(&object)),
            Role::List | Role::NotModelled => {}
        }
    }
    parts
}

/// Marks each object with whether it counts; one that is replaced does not, and the one that replaces
/// it takes its position.
fn replace<'r>(objects: Vec<Object<'r>>, log: &Log<'_>) -> Vec<(Object<'r>, bool)> {
    let mut kept: Vec<(Object<'r>, bool)> = Vec::new();
    for object in objects {
        let twin = kept.iter_mut().find(|(other, counts)| *counts && other.is_same(&object));
        let Some(twin) = twin.filter(|_| !object.name.is_empty()) else {
            kept.push((object, true));
            continue;
        };
        if twin.0.name.place.file == object.name.place.file {
            log.push(
                Diagnostic::warning(format!("{} `{}` stands twice in this file", object.kind.name, object.name.value))
                    .at(object.name.place, "this one counts")
                    .note_at(twin.0.name.place, "this one has no effect"),
            );
        }
        let replaced = std::mem::replace(twin, (object, true));
        kept.push((replaced.0, false));
    }
    kept
}

/// `log` takes what is wrong with references between the parts, `reading` what is wrong in `configs`.
fn link<'r>(parts: Parts, configs: &[&'r Node], given: &Given, log: &Log<'_>, reading: &'r Log<'r>) -> Topology {
    let Parts {
        mut deployments,
        mut services,
        secrets,
        config_maps,
        mut gateways,
        routes,
        backends,
        policies,
        tls_policies,
        replicas,
    } = parts;
    tls::pass_over(&config_maps, log);
    let mut simulators = Vec::new();
    let indices: Vec<Option<usize>> = deployments
        .iter_mut()
        .map(|deployment| {
            simulators.push(deployment.simulator.take()?);
            Some(simulators.len() - 1)
        })
        .collect();
    route::imply(&routes, &mut gateways, log);
    let linked_services = service::link(&mut services, &deployments, (&indices, given.real_hosts), log);
    let links = Links {
        hosts: Hosts::new(&services, given),
        secrets: &secrets,
        config_maps: &config_maps,
        given: &given.secrets,
        log,
    };
    let mut listeners = gateway::link(&gateways, &links);
    // A configuration brings its own.
    if listeners.is_empty() && configs.is_empty() {
        listeners.push(gateway::implied());
    }
    let sections = policy::Sections::of(&routes, &backends);
    let mut topology = Topology {
        simulators,
        services: linked_services,
        routes: route::link(routes, &backends, &gateways, &listeners, log),
        listeners,
        backends: backend::link(&backends, &links),
        replicas: parameters::link(replicas, log),
        ..Topology::default()
    };
    policy::apply(&policies, &sections, &links, &mut topology);
    backend_tls::apply(&tls_policies, &sections, &links, &mut topology);
    for config in configs {
        standalone::add(config, reading, &links, &mut topology);
    }
    if topology.listeners.is_empty() {
        topology.listeners.push(gateway::implied());
    }
    simulators::add(&given.simulators, &mut topology);
    topology
}

#[cfg(test)]
mod tests;
