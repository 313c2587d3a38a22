//! `AgentgatewayPolicy` and its Enterprise twin: what is changed about routes, backends and providers
//! that other manifests describe.
//!
//! What stands in a manifest itself goes before a policy for it, the policy for a part before the one
//! for the whole, and of two for the same the first.

mod apply;
mod condition;
mod health;
mod traffic;

use super::backend::{Backend, Login};
use super::fields::{Fields, list};
use super::kinds::{AGENTGATEWAY, ENTERPRISE, GATEWAY_API};
use super::object::Object;
use super::route::HttpRoute;
use super::target::{self, Target};
use crate::source::{Diagnostic, Origin, Place};
use crate::topology::{Filter, HealthPolicy, RateLimit, Retry};

pub(super) use apply::{apply, limit_attempts};
pub(super) use condition::{condition, of_request};
pub(super) use health::health;
pub(super) use traffic::{codes, direct_response, retry};

/// A policy.
pub(super) struct Policy {
    namespace: String,
    targets: Vec<Target<TargetKind>>,
    backend: BackendPart,
    traffic: TrafficPart,
}

/// The kinds of things that a policy can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TargetKind {
    /// All routes at a Gateway, or at one of its listeners.
    Gateway,
    /// A route, or one of its rules.
    Route,
    /// A backend, or one of its providers.
    Backend(&'static str),
}

/// What is changed about the way to a provider.
#[derive(Default)]
pub(super) struct BackendPart {
    /// When providers are evicted.
    pub(super) health: Option<HealthPolicy>,
    /// Which credential is sent.
    pub(super) login: Option<Login>,
    /// How long connecting may take.
    pub(super) connect_timeout: Option<std::time::Duration>,
    /// How long an attempt may take.
    pub(super) request_timeout: Option<std::time::Duration>,
    /// Whether HTTP/2 is spoken, or HTTP/1.1.
    pub(super) http2: Option<bool>,
    /// How TLS is spoken.
    pub(super) tls: Option<super::tls::Wish>,
}

/// What is changed about requests.
#[derive(Default)]
struct TrafficPart {
    retry: Option<Retry>,
    request_timeout: Option<std::time::Duration>,
    timeout_origin: Origin,
    filters: Vec<Filter>,
    rate_limits: Vec<RateLimit>,
}

/// Names of parts to which policies can refer: rules of routes, kinds of backends.
pub(super) struct Sections {
    rules: Vec<Vec<Option<String>>>,
    kinds: Vec<&'static str>,
}

impl Sections {
    /// The names of these.
    pub(super) fn of(routes: &[HttpRoute], backends: &[Backend]) -> Self {
        Self {
            rules: routes.iter().map(HttpRoute::rule_names).collect(),
            kinds: backends.iter().map(|backend| backend.kind).collect(),
        }
    }

    /// Whether the topology's backend of this index is of the kind.
    pub(super) fn is_of_kind(&self, index: usize, kind: &str) -> bool {
        self.kinds.get(index).is_some_and(|one| *one == kind)
    }
}

const MAX_TARGETS: usize = 16;

/// Reads a policy.
pub(super) fn read(object: Object<'_>) -> Policy {
    let Object { namespace, fields, .. } = object;
    let mut policy =
        Policy { namespace, targets: Vec::new(), backend: BackendPart::default(), traffic: TrafficPart::default() };
    let Some(spec) = fields.need_map("spec") else { return policy };
    policy.targets = targets(&spec);
    if let Some(backend) = spec.map("backend") {
        policy.backend = backend_part(&backend);
    }
    if let Some(traffic) = spec.map("traffic") {
        policy.traffic = traffic::read(&traffic);
    }
    if spec.find_any(&["backend", "traffic"]).is_empty() && spec.find_even_null("frontend").is_none() {
        spec.log().push(
            Diagnostic::error("this policy changes nothing")
                .at(spec.place(), "incomplete")
                .help("it needs one of `backend`, `traffic` and `frontend`"),
        );
    }
    if let Some(frontend) = spec.find("frontend") {
        spec.not_modelled(frontend);
    }
    policy
}

/// Reads what a policy, a backend or a provider says of the way to a provider.
pub(super) fn backend_part(fields: &Fields<'_>) -> BackendPart {
    let connect_timeout = fields.map("tcp").and_then(|tcp| tcp.gateway_duration("connectTimeout"));
    let http = fields.map("http");
    let version = http.as_ref().and_then(|http| http.choice("version", &["HTTP1", "HTTP2"]));
    let request_timeout = http.as_ref().and_then(|http| http.gateway_duration("requestTimeout"));
    BackendPart {
        health: fields.map("health").map(|fields| health(&fields)),
        login: super::backend::login(fields),
        connect_timeout: connect_timeout.map(|timeout| timeout.value).filter(|timeout| !timeout.is_zero()),
        request_timeout: request_timeout.map(|timeout| timeout.value).filter(|timeout| !timeout.is_zero()),
        http2: version.map(|version| version.value == "HTTP2"),
        tls: fields.map("tls").map(|fields| super::tls::read(&fields)),
    }
}

fn targets(spec: &Fields<'_>) -> Vec<Target<TargetKind>> {
    if spec.find("targetRefs").is_none() && spec.find_even_null("targetSelectors").is_some() {
        if let Some(entry) = spec.find_even_null("targetSelectors") {
            let message = "labsim does not model `targetSelectors`; this policy has no effect here";
            let diagnostic = Diagnostic::warning(message).at(entry.key_place, "not modelled");
            spec.log().push(diagnostic.help("name the targets under `targetRefs`"));
        }
        return Vec::new();
    }
    let found: Vec<_> = spec.need_maps("targetRefs", MAX_TARGETS).iter().map(target).collect();
    let kinds: Vec<(Place, &str)> = found.iter().flatten().map(|(target, kind)| (target.name.place, *kind)).collect();
    if let [(first, kind), rest @ ..] = kinds.as_slice()
        && let Some((place, other)) = rest.iter().find(|(_, other)| other != kind)
    {
        spec.log().push(
            Diagnostic::error("all targets of a policy are of one kind")
                .at(*place, format!("a {other}"))
                .note_at(*first, format!("a {kind}")),
        );
    }
    found.into_iter().flatten().map(|(target, _)| target).collect()
}

fn target(fields: &Fields<'_>) -> Option<(Target<TargetKind>, &'static str)> {
    const KINDS: [(&str, &str, TargetKind); 4] = [
        (GATEWAY_API, "Gateway", TargetKind::Gateway),
        (GATEWAY_API, "HTTPRoute", TargetKind::Route),
        (AGENTGATEWAY, "AgentgatewayBackend", TargetKind::Backend("AgentgatewayBackend")),
        (ENTERPRISE, "EnterpriseAgentgatewayBackend", TargetKind::Backend("EnterpriseAgentgatewayBackend")),
    ];
    const OTHERS: [&str; 4] = ["Service", "GRPCRoute", "ListenerSet", "InferencePool"];
    let (group, target) = target::read(fields)?;
    let kind = &target.kind;
    let Some((right, text, found)) = KINDS.into_iter().find(|(_, text, _)| *text == kind.value) else {
        let log = fields.log();
        if OTHERS.contains(&kind.value.as_str()) {
            let message = format!("labsim does not model policies for the kind {}", kind.value);
            log.push(Diagnostic::warning(message).at(kind.place, "no effect here"));
        } else {
            let known = KINDS.map(|(_, text, _)| text);
            let diagnostic = Diagnostic::error(format!("a policy cannot be for the kind `{}`", kind.value));
            let diagnostic = diagnostic.at(kind.place, "no such target");
            log.push(match crate::source::diagnostic::nearest(&kind.value, known) {
                Some(_) => diagnostic.suggest(&kind.value, known),
                None => diagnostic.help(format!("it can be for {}", list(&known))),
            });
        }
        return None;
    };
    let given = group.as_ref().map_or("", |group| group.value.as_str());
    if given != right {
        fields.log().push(
            Diagnostic::error(format!("{text} is not in the group `{given}`"))
                .at(group.as_ref().map_or(kind.place, |group| group.place), "the group is wrong")
                .help(format!("write `group: {right}`")),
        );
    }
    Some((target.of_kind(found), text))
}

#[cfg(test)]
mod tests;
