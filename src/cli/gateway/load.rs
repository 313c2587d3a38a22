//! Files of a command line → the gateway's topology.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::resolve::Resolve;
use crate::cli::{Exit, files};
use crate::kube::{self, ENVIRONMENT, Given, RealHosts};
use crate::lint;
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Diagnostics, FileId, Sources, yaml};
use crate::topology::{Authority, Backend, Personality, Topology};

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
    let topology = kube::load(&sources, &ids, &given, &mut findings);
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

/// What only a gateway in real time minds.
fn check(topology: &Topology, personality: Personality, resolve: &[Resolve], findings: &mut Diagnostics) {
    for (_, provider) in topology.backends.iter().flat_map(Backend::providers) {
        let resolved = super::resolve::targets(resolve, topology).iter().any(|(name, _)| *name == provider.endpoint);
        if provider.endpoint == Authority::openai() && !resolved {
            let message =
                format!("`{}` is reached over TLS, which this gateway does not speak", provider.endpoint.host);
            findings.push(
                Diagnostic::error(message)
                    .at(provider.name.place, "this provider")
                    .help("have something beside it do that, and say where: `--resolve api.openai.com=127.0.0.1:8001`"),
            );
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
