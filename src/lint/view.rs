//! A configuration as a version of the gateway takes it: which policy a provider is under, which
//! rules lead to a backend.

use super::Subject;
use super::words::{KUBERNETES, STANDALONE, Words};
use crate::gateway::personality::{Behaviour, Policies};
use crate::scenario::Scenario;
use crate::source::{Diagnostic, Origin, Place};
use crate::topology::{Backend, Filter, HeaderChange, HealthPolicy, Personality, Provider, Retry, Rule, Topology};

/// What the lints look at.
pub(super) struct View<'s> {
    pub(super) topology: &'s Topology,
    pub(super) personality: Personality,
    pub(super) behaviour: &'static Behaviour,
    pub(super) scenario: Option<&'s Scenario>,
}

/// A health policy that the version heeds, and whom it is for.
pub(super) struct InForce<'s> {
    pub(super) policy: &'s HealthPolicy,
    pub(super) backend: &'s Backend,
    /// The rules by which it comes to be in force.
    pub(super) rules: Vec<&'s Rule>,
}

impl<'s> View<'s> {
    pub(super) fn new(subject: &Subject<'s>) -> Self {
        let Subject { topology, personality, scenario } = *subject;
        Self { topology, personality, behaviour: Behaviour::of(personality), scenario }
    }

    /// Whether the scenario is also for a personality of which `heeds` is so: what a file has for that one
    /// need not mean anything to this one.
    pub(super) fn is_also_for(&self, heeds: impl Fn(Policies) -> bool) -> bool {
        let personalities = self.scenario.map_or(&[][..], |scenario| &scenario.personalities);
        personalities.iter().any(|other| heeds(Behaviour::of(*other).policies))
    }

    /// Backends that have a provider, with their indices.
    pub(super) fn backends(&self) -> impl Iterator<Item = (usize, &'s Backend)> {
        self.topology.backends.iter().enumerate().filter(|(_, backend)| backend.providers().next().is_some())
    }

    /// Backends in which there is somebody else to turn to.
    pub(super) fn with_alternatives(&self) -> impl Iterator<Item = (usize, &'s Backend)> {
        self.backends().filter(|(_, backend)| backend.providers().count() > 1)
    }

    /// All rules of all routes.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'s Rule> + use<'s> {
        self.topology.routes.iter().flat_map(|route| &route.rules)
    }

    /// The rules that lead to a backend.
    pub(super) fn rules_to(&self, backend: usize) -> Vec<&'s Rule> {
        let leads = |rule: &&Rule| rule.backends.iter().any(|one| one.backend == backend && one.weight > 0);
        self.rules().filter(leads).collect()
    }

    /// The policies that a provider is under, one for each way to it: a provider's own, its backend's,
    /// or the rule's. None among them where there is a way without one.
    pub(super) fn policies(&self, index: usize, provider: &'s Provider) -> Vec<Option<&'s HealthPolicy>> {
        let heeded = self.behaviour.policies;
        let own = provider.health.as_ref().filter(|_| heeded == Policies::BackendsAndProviders);
        let backend = self.topology.backends.get(index).and_then(|backend| backend.health.as_ref());
        if heeded == Policies::None {
            return vec![None];
        }
        if let Some(policy) = own.or(backend) {
            return vec![Some(policy)];
        }
        let rules = self.rules_to(index);
        if rules.is_empty() { vec![None] } else { rules.iter().map(|rule| rule.health.as_ref()).collect() }
    }

    /// Whether a provider can be evicted at all, so far as policies go.
    pub(super) fn is_under_a_policy(&self, index: usize, provider: &'s Provider) -> bool {
        self.policies(index, provider).iter().all(Option::is_some)
    }

    /// Whether no provider of a backend is under any policy.
    pub(super) fn has_no_policy(&self, index: usize) -> bool {
        let providers = self.topology.backends.get(index).into_iter().flat_map(Backend::providers);
        providers.into_iter().all(|(_, provider)| self.policies(index, provider).iter().all(Option::is_none))
    }

    /// All policies that are in force in backends with an alternative, each once.
    pub(super) fn in_force(&self) -> Vec<InForce<'s>> {
        let mut found: Vec<InForce<'s>> = Vec::new();
        for (index, backend) in self.with_alternatives() {
            for (_, provider) in backend.providers() {
                for policy in self.policies(index, provider).into_iter().flatten() {
                    if !found.iter().any(|one| std::ptr::eq(one.policy, policy)) {
                        found.push(InForce { policy, backend, rules: self.rules_to(index) });
                    }
                }
            }
        }
        found
    }

    /// The words of the file that a finding is about.
    pub(super) fn words(&self, diagnostic: &Diagnostic) -> &'static Words {
        let file = diagnostic.primary.as_ref().map(|(place, _)| place.file);
        if file.is_some_and(|file| self.topology.own_files.contains(&file)) { &STANDALONE } else { &KUBERNETES }
    }

    /// A finding at an origin, or at a backend where that is nowhere.
    pub(super) fn at(diagnostic: Diagnostic, origin: Origin, otherwise: Place, label: impl Into<String>) -> Diagnostic {
        diagnostic.at(origin.0.unwrap_or(otherwise), label)
    }
}

/// The changes that a rule makes to headers of responses.
pub(super) fn response_headers(rule: &Rule) -> impl Iterator<Item = &HeaderChange> {
    rule.filters.iter().filter_map(|filter| match filter {
        Filter::ResponseHeaders(change) => Some(change),
        _ => None,
    })
}

/// The retries of a rule that are any.
pub(super) fn retry(rule: &Rule) -> Option<&Retry> {
    rule.retry.as_ref().filter(|retry| retry.attempts > 0)
}
