//! Policies → topology: each is given to what it is for. What one for routes says of the way to providers
//! reaches those behind the routes, after what policies for backends say.

use std::time::Duration;

use super::{BackendPart, Policy, Sections, Target, TargetKind, TrafficPart};
use crate::kube::backend::{self, Links};
use crate::kube::object::dangling;
use crate::kube::tls;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{Auth, Filter, Provider, Rule, Topology};

/// Gives each policy to its targets: backends first, Gateways last, and parts of one before the whole.
pub(in crate::kube) fn apply(policies: &[Policy], sections: &Sections, links: &Links<'_>, topology: &mut Topology) {
    let rank = |target: &Target<TargetKind>| match (target.kind, &target.section) {
        (TargetKind::Backend(_), Some(_)) => 0,
        (TargetKind::Backend(_), None) => 1,
        (TargetKind::Route, Some(_)) => 2,
        (TargetKind::Route, None) => 3,
        (TargetKind::Gateway, Some(_)) => 4,
        (TargetKind::Gateway, None) => 5,
    };
    let mut all: Vec<(&Policy, &Target<TargetKind>)> =
        policies.iter().flat_map(|policy| policy.targets.iter().map(move |target| (policy, target))).collect();
    // A stable sort: equals stay in the order of the manifests.
    all.sort_by_key(|(_, target)| rank(target));
    for (policy, target) in all {
        let mut one = Application { policy, target, sections, links, topology };
        match target.kind {
            TargetKind::Backend(kind) => one.reach_backend(kind),
            TargetKind::Route => one.reach_route(),
            TargetKind::Gateway => one.reach_gateway(),
        }
    }
    let backends = topology.backends.iter_mut();
    backends.flat_map(|backend| &mut backend.groups).flat_map(|group| &mut group.providers).for_each(tls::settle);
}

/// A policy on its way to one of its targets.
struct Application<'a, 'l> {
    policy: &'a Policy,
    target: &'a Target<TargetKind>,
    sections: &'a Sections,
    links: &'a Links<'l>,
    topology: &'a mut Topology,
}

impl Application<'_, '_> {
    fn reach_backend(&mut self, kind: &'static str) {
        if !self.policy.traffic.is_empty() {
            self.misplaced("traffic", "it is for a Gateway or an HTTPRoute");
        }
        let backends = self.topology.backends.iter_mut().zip(&self.sections.kinds).enumerate();
        let mut of_kind =
            backends.filter(|(_, (_, other))| **other == kind).map(|(index, (backend, _))| (index, backend));
        let (name, namespace) = (&self.target.name, self.policy.namespace.as_str());
        let Some((index, backend)) = of_kind.find(|(_, one)| one.name == name.value && one.namespace == namespace)
        else {
            let known = self.topology.backends.iter().zip(&self.sections.kinds).filter(|(_, other)| **other == kind);
            let known = known.map(|(backend, _)| (backend.namespace.as_str(), backend.name.as_str()));
            self.links.log.push(dangling(kind, name, namespace, known));
            return;
        };
        let part = &self.policy.backend;
        let Some(section) = &self.target.section else {
            if backend.health.is_none() {
                backend.health.clone_from(&part.health);
            }
            for provider in backend.groups.iter_mut().flat_map(|group| &mut group.providers) {
                to_provider(part, provider, namespace, self.links);
            }
            for route in &mut self.topology.routes {
                route.rules.iter_mut().for_each(|rule| limit_attempts(rule, index, part.request_timeout));
            }
            return;
        };
        let mut providers = backend.groups.iter_mut().flat_map(|group| &mut group.providers);
        if let Some(provider) = providers.find(|provider| provider.name.value == section.value) {
            if provider.health.is_none() {
                provider.health.clone_from(&part.health);
            }
            to_provider(part, provider, namespace, self.links);
        } else {
            let names: Vec<String> = backend.providers().map(|(_, provider)| provider.name.value.clone()).collect();
            self.no_section(section, &format!("the backend `{}` has no provider", name.value), &names);
        }
    }

    fn reach_route(&mut self) {
        let (name, namespace) = (&self.target.name, self.policy.namespace.as_str());
        let found = self.topology.routes.iter().position(|one| one.name == name.value && one.namespace == namespace);
        let Some(index) = found else {
            let known = self.topology.routes.iter().map(|route| (route.namespace.as_str(), route.name.as_str()));
            self.links.log.push(dangling("HTTPRoute", name, namespace, known));
            return;
        };
        let names = self.sections.rules.get(index).map(Vec::as_slice).unwrap_or_default();
        let chosen = |position: usize| match &self.target.section {
            None => true,
            Some(section) => names.get(position).and_then(Option::as_ref) == Some(&section.value),
        };
        let rules = self.topology.routes.get_mut(index).map(|route| route.rules.as_mut_slice()).unwrap_or_default();
        let mut hit = Vec::new();
        for (position, rule) in rules.iter_mut().enumerate().filter(|(position, _)| chosen(*position)) {
            to_rule(self.policy, rule);
            hit.push((index, position));
        }
        self.reach_behind(&hit);
        if let Some(section) = self.target.section.as_ref().filter(|_| hit.is_empty()) {
            let names: Vec<String> = names.iter().flatten().cloned().collect();
            self.no_section(section, &format!("the route `{}` has no rule", name.value), &names);
        }
    }

    fn reach_gateway(&mut self) {
        let gateway = format!("{}/{}", self.policy.namespace, self.target.name.value);
        let section = self.target.section.as_ref();
        let listeners = self.topology.listeners.iter().enumerate();
        let own: Vec<usize> = listeners
            .filter(|(_, listener)| listener.gateway == gateway)
            .filter(|(_, listener)| section.is_none_or(|section| section.value == listener.name))
            .map(|(index, _)| index)
            .collect();
        if own.is_empty() {
            let known = self.topology.listeners.iter().filter_map(|listener| listener.gateway.split_once('/'));
            self.links.log.push(dangling("Gateway", &self.target.name, &self.policy.namespace, known));
            return;
        }
        if let Some(place) = self.policy.traffic.timeout_origin.0 {
            let message = "the published schema has `timeouts` for an HTTPRoute, and says that others ignore them";
            let diagnostic = Diagnostic::warning(message).at(place, "here all routes of the Gateway get it");
            self.links.log.push(diagnostic.help("aim a policy at the routes, or write `timeouts` in their rules"));
        }
        let mut hit = Vec::new();
        let routes = self.topology.routes.iter_mut().enumerate();
        for (index, route) in routes.filter(|(_, route)| route.listeners.iter().any(|one| own.contains(one))) {
            for (position, rule) in route.rules.iter_mut().enumerate() {
                to_rule(self.policy, rule);
                hit.push((index, position));
            }
        }
        self.reach_behind(&hit);
    }

    /// Gives the providers behind these rules, by route and position, what nothing closer to them says.
    fn reach_behind(&mut self, rules: &[(usize, usize)]) {
        let part = &self.policy.backend;
        let BackendPart { login, connect_timeout, request_timeout: _, http2, tls, health: _ } = part;
        if login.is_none() && connect_timeout.is_none() && http2.is_none() && tls.is_none() {
            return;
        }
        let mut behind: Vec<usize> = Vec::new();
        let mut elsewhere: Vec<usize> = Vec::new();
        for (index, route) in self.topology.routes.iter().enumerate() {
            for (position, rule) in route.rules.iter().enumerate() {
                let found = if rules.contains(&(index, position)) { &mut behind } else { &mut elsewhere };
                found.extend(rule.backends.iter().map(|one| one.backend));
            }
        }
        behind.sort_unstable();
        behind.dedup();
        for index in behind {
            let Some(backend) = self.topology.backends.get_mut(index) else { continue };
            if elsewhere.contains(&index) {
                let message = format!("this policy reaches the backend `{}` from other routes too", backend.name);
                let diagnostic = Diagnostic::warning(message).at(self.target.name.place, "its `backend` does");
                self.links.log.push(diagnostic.help("in a lab the way to a provider is the same from all routes"));
            }
            for provider in backend.groups.iter_mut().flat_map(|group| &mut group.providers) {
                to_provider(part, provider, &self.policy.namespace, self.links);
            }
        }
    }

    fn misplaced(&self, field: &str, help: &str) {
        let message = format!("`{field}` has no effect in a policy for a backend");
        let diagnostic = Diagnostic::error(message).at(self.target.name.place, "a backend");
        self.links.log.push(diagnostic.help(help.to_owned()));
    }

    fn no_section(&self, section: &Spanned<String>, what: &str, names: &[String]) {
        let diagnostic =
            Diagnostic::error(format!("{what} `{}`", section.value)).at(section.place, "dangling reference");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.links.log.push(match crate::source::diagnostic::nearest(&section.value, names.iter().copied()) {
            Some(_) => diagnostic.suggest(&section.value, names),
            None => diagnostic,
        });
    }
}

/// Gives a provider what it does not say itself, besides its health policy.
fn to_provider(part: &BackendPart, provider: &mut Provider, namespace: &str, links: &Links<'_>) {
    provider.connect_timeout = provider.connect_timeout.or(part.connect_timeout);
    provider.http2 = provider.http2.or(part.http2);
    if provider.tls.as_ref().is_none_or(|tls| tls.is_implied())
        && let Some(tls) = part.tls.as_ref().and_then(|wish| tls::link(wish, namespace, links))
    {
        provider.tls = Some(tls);
    }
    if provider.auth == Auth::None
        && let Some(login) = &part.login
    {
        provider.auth = backend::auth(login, &provider.name.value, namespace, links);
    }
}

/// Has attempts at a backend take no longer than its policy says, where the rule says nothing. Of several backends
/// of a rule all have to do with the one timeout that it has.
pub(in crate::kube) fn limit_attempts(rule: &mut Rule, backend: usize, timeout: Option<Duration>) {
    if rule.backends.iter().any(|one| one.backend == backend) {
        rule.backend_request_timeout = rule.backend_request_timeout.or(timeout);
    }
}

/// Gives a rule what it does not say itself.
fn to_rule(policy: &Policy, rule: &mut Rule) {
    let TrafficPart { retry, request_timeout, timeout_origin, filters, rate_limits } = &policy.traffic;
    if rule.retry.is_none() {
        rule.retry.clone_from(retry);
    }
    if rule.request_timeout.is_none() && request_timeout.is_some() {
        rule.request_timeout = *request_timeout;
        rule.timeout_origin = *timeout_origin;
    }
    for filter in filters {
        let same = |other: &Filter| std::mem::discriminant(other) == std::mem::discriminant(filter);
        if !rule.filters.iter().any(same) {
            rule.filters.push(filter.clone());
        }
    }
    if rule.rate_limits.is_empty() {
        rule.rate_limits.clone_from(rate_limits);
    }
    if rule.health.is_none() {
        rule.health.clone_from(&policy.backend.health);
    }
    rule.backend_request_timeout = rule.backend_request_timeout.or(policy.backend.request_timeout);
}

impl TrafficPart {
    fn is_empty(&self) -> bool {
        self.retry.is_none() && self.request_timeout.is_none() && self.filters.is_empty() && self.rate_limits.is_empty()
    }
}
