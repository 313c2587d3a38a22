//! Files of a command line → the gateway's topology.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::resolve::Resolve;
use crate::cli::{Exit, files};
use crate::kube::{self, ENVIRONMENT, Given, RealHosts};
use crate::lint;
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Diagnostics, FileId, Sources, yaml};
use crate::topology::{Backend, Personality, Provider, Topology};
use crate::world::secure::{Certificates, Secure};

/// What the files describe, and the warnings as a person reads them.
pub(super) struct Loaded {
    pub(super) topology: Topology,
    pub(super) findings: String,
}

/// Reads the files.
///
/// # Errors
/// The exit status, after telling what is wrong.
pub(super) fn load(paths: &[PathBuf], personality: Personality, resolve: &[Resolve]) -> Result<Loaded, Exit> {
    let (sources, ids) = read(paths)?;
    let mut findings = Diagnostics::default();
    let given = Given { secrets: environment(), real_hosts: RealHosts::All, ..Given::default() };
    let mut topology = kube::load(&sources, &ids, &given, &mut findings);
    super::resolve::settle(resolve, &mut topology);
    check(&topology, personality, resolve, &mut findings);
    let text = findings.render(&sources, false);
    if findings.has_errors() {
        eprint!("{text}");
        return Err(Exit::Invalid);
    }
    Ok(Loaded { topology, findings: text })
}

/// The files; of a folder those that hold manifests.
fn read(paths: &[PathBuf]) -> Result<(Sources, Vec<FileId>), Exit> {
    let candidates = files::expand(paths).map_err(|(path, error)| {
        eprintln!("{}", unreadable(&path, &error).render(&Sources::default(), false));
        Exit::Usage
    })?;
    let (mut sources, mut ids) = (Sources::default(), Vec::new());
    for candidate in candidates {
        let text = std::fs::read_to_string(&candidate.path).map_err(|error| {
            eprintln!("{}", unreadable(&candidate.path, &error).render(&Sources::default(), false));
            Exit::Usage
        })?;
        let id = sources.add(candidate.path.display().to_string(), text);
        let holds = |documents: Vec<_>| documents.iter().any(kube::is_manifest);
        // What is not YAML is told of.
        if candidate.named || yaml::parse(&sources, id).map_or(true, holds) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        eprintln!("error: there are no manifests in these folders");
        return Err(Exit::Usage);
    }
    Ok((sources, ids))
}

/// The variables of the environment, for keys that refer to them.
fn environment() -> kube::GivenSecrets {
    let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    BTreeMap::from([(ENVIRONMENT.to_owned(), std::env::vars_os().filter_map(readable).collect())])
}

/// The ports at which nobody expects to be called in the clear.
const SECURE_PORTS: [u16; 2] = [443, 8443];

/// The error for a provider that would get its key in the clear, where that can hardly be meant.
fn in_the_clear(provider: &Provider) -> Diagnostic {
    let endpoint = &provider.endpoint;
    let message = format!("no policy has `{endpoint}` called over TLS, so its key would go out in the clear");
    Diagnostic::error(message)
        .at(provider.name.place, "this provider")
        .help("write `tls: {}` under its `policies`, or `backendTLS: {}` in a configuration of agentgateway")
        .help(format!("or, if it is to be plain HTTP: `--resolve {endpoint}=http://{endpoint}`"))
}

/// The error for TLS that cannot be spoken.
fn no_tls(provider: &Provider, why: &str) -> Diagnostic {
    let place = provider.tls.as_ref().and_then(|tls| tls.origin.0).unwrap_or(provider.name.place);
    let message = format!("`{}` cannot be called over TLS: {why}", provider.endpoint);
    Diagnostic::error(message).at(place, "how it is to be called")
}

/// What only a gateway in real time minds.
fn check(topology: &Topology, personality: Personality, resolve: &[Resolve], findings: &mut Diagnostics) {
    for (_, provider) in topology.backends.iter().flat_map(Backend::providers) {
        match &provider.tls {
            None => {
                let is_meant = super::resolve::is_plain(resolve, &provider.endpoint);
                let odd = SECURE_PORTS.contains(&provider.endpoint.port) && !is_meant;
                findings.extend(odd.then(|| in_the_clear(provider)));
            }
            Some(tls) => findings.extend(Secure::new(tls).err().map(|why| no_tls(provider, &why))),
        }
    }
    for listener in &topology.listeners {
        if let Err(why) = Certificates::of([listener]) {
            findings.push(Diagnostic::error(format!("the listener `{}` cannot serve HTTPS: {why}", listener.name)));
        }
    }
    for backend in lint::stuck(topology, personality) {
        let message = format!("under {personality} the backend `{}` never fails over", backend.name);
        findings.push(
            Diagnostic::warning(message).at(backend.place, "has no health policy").help("`labsim check` says more"),
        );
    }
    for one in resolve.iter().filter(|one| !one.means_any(topology)) {
        findings.push(Diagnostic::warning(format!("no provider is at `{one}`, which `--resolve` names")));
    }
    if topology.routes.is_empty() {
        findings.push(Diagnostic::warning("the files have no route: every request will be answered with 404"));
    }
}
