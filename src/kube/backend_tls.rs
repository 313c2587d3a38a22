//! `BackendTLSPolicy` of the Gateway API: how TLS is spoken to what stands behind a Service, or to the
//! providers of a backend. What those say themselves, or an `AgentgatewayPolicy` does, goes before it.

use super::backend::Links;
use super::fields::{Fields, did_you_mean, list};
use super::hosts::Hosts;
use super::kinds::{AGENTGATEWAY, ENTERPRISE};
use super::object::{self, Object};
use super::policy::Sections;
use super::service::Service;
use super::target::{self, Target};
use super::tls::{self, Wish};
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology::{Provider, Topology};

/// A policy.
pub(super) struct TlsPolicy {
    namespace: String,
    targets: Vec<Target<TargetKind>>,
    wish: Option<Wish>,
    place: Place,
}

/// The kinds of things that a policy can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetKind {
    /// A Service, or one of its ports.
    Service,
    /// A backend, or one of its providers.
    Backend(&'static str),
}

const KINDS: [(&str, &str, TargetKind); 3] = [
    ("", "Service", TargetKind::Service),
    (AGENTGATEWAY, "AgentgatewayBackend", TargetKind::Backend("AgentgatewayBackend")),
    (ENTERPRISE, "EnterpriseAgentgatewayBackend", TargetKind::Backend("EnterpriseAgentgatewayBackend")),
];
const MAX_TARGETS: usize = 16;

/// Reads a policy.
pub(super) fn read(object: Object<'_>) -> TlsPolicy {
    let Object { name, namespace, fields, .. } = object;
    let mut policy = TlsPolicy { namespace, targets: Vec::new(), wish: None, place: name.place };
    let Some(spec) = fields.need_map("spec") else { return policy };
    policy.targets = spec.need_maps("targetRefs", MAX_TARGETS).iter().filter_map(target).collect();
    policy.wish = spec.need_map("validation").map(|fields| tls::read_validation(&fields));
    policy
}

fn target(fields: &Fields<'_>) -> Option<Target<TargetKind>> {
    let (group, target) = target::read(fields)?;
    let (kind, group) = (&target.kind, group.map(|group| group.value).unwrap_or_default());
    let found = KINDS.into_iter().find(|one| (one.0, one.1) == (group.as_str(), kind.value.as_str()));
    if let Some((_, _, kind)) = found {
        return Some(target.of_kind(kind));
    }
    let known = KINDS.map(|(_, kind, _)| kind);
    let message =
        format!("labsim does not model a BackendTLSPolicy for the kind `{}` of the group `{group}`", kind.value);
    let diagnostic = Diagnostic::warning(message).at(kind.place, "no effect here");
    fields.log().push(diagnostic.help(format!("it can be for {}", list(&known))));
    None
}

/// Gives each policy to its targets: parts of one before the whole, and of two for the same the first.
pub(super) fn apply(policies: &[TlsPolicy], sections: &Sections, links: &Links<'_>, topology: &mut Topology) {
    if !links.hosts.are_called() {
        for policy in policies {
            let diagnostic = Diagnostic::warning("a lab speaks no TLS: this BackendTLSPolicy has no effect here");
            let diagnostic = diagnostic.at(policy.place, "not modelled");
            links.log.push(diagnostic.help("`labsim gateway`, which calls real hosts, heeds it"));
        }
        return;
    }
    let mut all: Vec<(&TlsPolicy, &Target<TargetKind>)> =
        policies.iter().flat_map(|policy| policy.targets.iter().map(move |target| (policy, target))).collect();
    all.sort_by_key(|(_, target)| target.section.is_none());
    for (policy, target) in all {
        let Some(tls) = policy.wish.as_ref().and_then(|wish| tls::link(wish, &policy.namespace, links)) else {
            continue;
        };
        let providers = match target.kind {
            TargetKind::Service => behind_service(policy, target, links, topology),
            TargetKind::Backend(kind) => {
                of_backend(policy, target, |index| sections.is_of_kind(index, kind), links, topology)
            }
        };
        for provider in providers {
            if provider.tls.as_ref().is_none_or(|tls| tls.is_implied()) {
                provider.tls = Some(tls.clone());
                provider.h2c = false;
            }
        }
    }
}

/// The providers behind a Service, or behind one of its ports.
fn behind_service<'t>(
    policy: &TlsPolicy,
    target: &Target<TargetKind>,
    links: &Links<'_>,
    topology: &'t mut Topology,
) -> Vec<&'t mut Provider> {
    let wanted = (policy.namespace.as_str(), target.name.value.as_str());
    let service = links.hosts.service_at(wanted);
    let port = match target.section.as_ref().map(|section| port(section, &target.name, service, links)) {
        None => None,
        Some(Some(port)) => Some(port),
        Some(None) => return Vec::new(),
    };
    let mut providers = Vec::new();
    for backend in &mut topology.backends {
        let namespace = backend.namespace.clone();
        let of_backend = backend.groups.iter_mut().flat_map(|group| &mut group.providers);
        providers.extend(of_backend.filter(|provider| {
            let at = &provider.endpoint;
            Hosts::is_of_service(at, &namespace, wanted) && port.is_none_or(|port| port == at.port)
        }));
    }
    if providers.is_empty() {
        if service.is_none() {
            links.log.push(object::dangling("Service", &target.name, &policy.namespace, links.hosts.services()));
        } else {
            let message = format!("no provider is behind the Service `{}`", target.name.value);
            let diagnostic = Diagnostic::warning(message).at(target.name.place, "this BackendTLSPolicy has no effect");
            links.log.push(diagnostic.help("a provider is, whose `host` is the Service's name"));
        }
    }
    providers
}

/// The port of a Service that has this name.
fn port(
    section: &Spanned<String>,
    name: &Spanned<String>,
    service: Option<&Service>,
    links: &Links<'_>,
) -> Option<u16> {
    let Some(service) = service else {
        let message = format!("which port `{}` is, only the Service `{}` tells", section.value, name.value);
        let diagnostic = Diagnostic::error(message).at(section.place, "no manifest has it");
        links.log.push(diagnostic.help("add the Service, or leave `sectionName` out"));
        return None;
    };
    let found = service.ports.iter().find(|port| port.name.as_ref() == Some(&section.value));
    if found.is_none() && !service.unsure {
        let message = format!("the Service `{}` has no port named `{}`", name.value, section.value);
        let known: Vec<&str> = service.ports.iter().filter_map(|port| port.name.as_deref()).collect();
        let diagnostic = Diagnostic::error(message).at(section.place, "dangling reference");
        let diagnostic = diagnostic.note_at(service.name.place, "this Service").code("service-port");
        links.log.push(did_you_mean(diagnostic, &section.value, &known));
    }
    found.map(|port| port.number.value)
}

/// The providers of a backend, or the one that is named.
fn of_backend<'t>(
    policy: &TlsPolicy,
    target: &Target<TargetKind>,
    is_of_kind: impl Fn(usize) -> bool,
    links: &Links<'_>,
    topology: &'t mut Topology,
) -> Vec<&'t mut Provider> {
    let TargetKind::Backend(kind) = target.kind else { return Vec::new() };
    let of_kind = topology.backends.iter_mut().enumerate().filter(|(index, _)| is_of_kind(*index));
    let mut of_kind: Vec<_> = of_kind.map(|(_, backend)| backend).collect();
    let wanted = (policy.namespace.as_str(), target.name.value.as_str());
    let Some(index) = of_kind.iter().position(|one| (one.namespace.as_str(), one.name.as_str()) == wanted) else {
        let known = of_kind.iter().map(|one| (one.namespace.as_str(), one.name.as_str()));
        links.log.push(object::dangling(kind, &target.name, &policy.namespace, known));
        return Vec::new();
    };
    let backend = of_kind.swap_remove(index);
    let names: Vec<String> = backend.providers().map(|(_, provider)| provider.name.value.clone()).collect();
    let is_meant = |provider: &Provider| match &target.section {
        None => true,
        Some(section) => provider.name.value == section.value,
    };
    if let Some(section) = target.section.as_ref().filter(|section| !names.contains(&section.value)) {
        let message = format!("the backend `{}` has no provider `{}`", target.name.value, section.value);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let diagnostic = Diagnostic::error(message).at(section.place, "dangling reference");
        links.log.push(did_you_mean(diagnostic, &section.value, &names));
    }
    backend.groups.iter_mut().flat_map(|group| &mut group.providers).filter(|one| is_meant(one)).collect()
}
