//! A run, made easy to look things up in.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::step_ended;
use crate::event::history::{Attempt, Eviction, Request, Served};
use crate::event::{At, History, Outcome};
use crate::fault::Fault;
use crate::scenario::Scenario;
use crate::topology::cel::Subject;
use crate::topology::{Auth, Backend, HealthPolicy, Personality, Provider, Rule, Topology};

/// A provider on one replica: replica, backend, provider.
pub(super) type Seat<'r> = (u32, &'r str, &'r str);

/// See the module.
pub(super) struct Run<'r> {
    pub(super) history: &'r History,
    scenario: &'r Scenario,
    pub(super) personality: Personality,
    /// Whether every step was played to its end.
    pub(super) finished: bool,
    /// Whether a fault of the network was injected, so that hosts may not hear of one another.
    pub(super) faulty_network: bool,
    /// Whether the gateway writes events; one that labsim only talks to does not.
    pub(super) gateway_speaks: bool,
    /// Evictions of each provider, in the order in which they began.
    pub(super) evictions: BTreeMap<Seat<'r>, Vec<&'r Eviction>>,
    /// Attempts at each provider that was ever evicted, in the order in which they were chosen.
    tries: BTreeMap<Seat<'r>, Vec<Try<'r>>>,
    /// What providers saw of each request.
    pub(super) served: BTreeMap<&'r str, Vec<&'r Served>>,
    /// References of equal credentials, each with the one that stands for all.
    same: BTreeMap<&'r str, &'r str>,
}

/// An attempt with its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try<'r> {
    pub(super) request: &'r Request,
    pub(super) replica: u32,
    pub(super) attempt: &'r Attempt,
    /// Its position among the request's attempts.
    index: usize,
}

impl<'r> Run<'r> {
    pub(super) fn of(scenario: &'r Scenario, history: &'r History) -> Self {
        let mut evictions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &history.evictions {
            evictions.entry((one.replica, one.backend.as_str(), one.provider.as_str())).or_default().push(one);
        }
        let mut served: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &history.served {
            if let Some(request) = &one.request {
                served.entry(request.as_str()).or_default().push(one);
            }
        }
        let mut run = Self {
            history,
            scenario,
            personality: scenario.gateway.personality,
            finished: (0..scenario.steps.len()).all(|step| step_ended(history, step)),
            faulty_network: faulty_network(history),
            gateway_speaks: history.requests.iter().any(|request| request.gateway.is_some()),
            evictions,
            tries: BTreeMap::new(),
            served,
            same: equal_credentials(scenario),
        };
        run.tries = run.tries_at_evicted();
        run
    }

    fn tries_at_evicted(&self) -> BTreeMap<Seat<'r>, Vec<Try<'r>>> {
        let mut tries: BTreeMap<Seat<'r>, Vec<Try<'r>>> = BTreeMap::new();
        for one in self.attempts().filter(|one| self.evictions.contains_key(&one.seat())) {
            tries.entry(one.seat()).or_default().push(one);
        }
        for all in tries.values_mut() {
            all.sort_by_key(|one| one.attempt.selected_seq);
        }
        tries
    }

    /// All attempts.
    pub(super) fn attempts(&self) -> impl Iterator<Item = Try<'r>> + use<'r> {
        let with_replica = self.history.requests.iter().filter_map(|request| Some((request, request.replica?)));
        with_replica.flat_map(|(request, replica)| {
            let attempts = request.attempts.iter().enumerate();
            attempts.map(move |(index, attempt)| Try { request, replica, attempt, index })
        })
    }

    /// The attempts at a provider that is evicted at some time.
    pub(super) fn tries(&self, seat: Seat<'r>) -> &[Try<'r>] {
        self.tries.get(&seat).map(Vec::as_slice).unwrap_or_default()
    }

    /// The eviction under which a provider was out when event `seq` happened.
    pub(super) fn out(&self, replica: u32, backend: &str, provider: &str, seq: u64) -> Option<&'r Eviction> {
        let all = self.evictions.get(&(replica, backend, provider))?;
        let before = all.partition_point(|one| one.began_seq < seq);
        let last = all.get(before.checked_sub(1)?)?;
        last.covers_seq(seq).then_some(*last)
    }

    /// What providers saw of a request.
    pub(super) fn seen(&self, request: &Request) -> &[&'r Served] {
        self.served.get(request.id.as_str()).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a provider saw of the last attempt of a request.
    pub(super) fn last_served(&self, request: &Request) -> Option<&'r Served> {
        let last = request.last_attempt()?;
        self.seen(request).iter().rev().find(|one| one.attempt == last.attempt).copied()
    }

    /// What a provider saw of the attempt whose answer the client got.
    pub(super) fn served_answer(&self, request: &Request) -> Option<&'r Served> {
        let answer = request.answer()?;
        self.seen(request).iter().rev().find(|one| one.attempt == answer.attempt).copied()
    }

    /// What the manifests describe, at first and after each change.
    fn topologies(&self) -> impl Iterator<Item = &'r Topology> + use<'r> {
        self.scenario.topologies()
    }

    /// Whom a replica could have chosen for an attempt, each with its group. Nobody where the request
    /// began under a configuration that has been replaced since: its health state is not told of.
    pub(super) fn members(&self, one: &Try<'r>) -> Vec<(usize, &'r str)> {
        let began = one.request.gateway.as_ref().map_or(0, |gateway| gateway.received_seq);
        let now = self.history.configuration(one.replica, one.attempt.selected_seq);
        if now.is_some_and(|now| now.seq > began) {
            return Vec::new();
        }
        if let Some(backend) = now.and_then(|now| now.backends.iter().find(|own| own.name == one.attempt.backend)) {
            let groups = backend.groups.iter().enumerate();
            return groups.flat_map(|(group, all)| all.iter().map(move |own| (group, own.name.as_str()))).collect();
        }
        let backend = self.backend(&one.attempt.backend);
        backend.iter().flat_map(|own| own.providers()).map(|(group, own)| (group, own.name.value.as_str())).collect()
    }

    /// A backend as it is first, by `namespace/name`.
    pub(super) fn backend(&self, name: &str) -> Option<&'r Backend> {
        self.versions(name).next()
    }

    /// A backend in each form that manifests give it in the course of the run, by `namespace/name`.
    fn versions(&self, name: &str) -> impl Iterator<Item = &'r Backend> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let all = self.topologies().flat_map(|one| &one.backends);
        all.filter(move |one| one.namespace == namespace && one.name == name)
    }

    pub(super) fn provider(&self, backend: &str, provider: &str) -> Option<&'r Provider> {
        let mut providers = self.versions(backend).flat_map(Backend::providers);
        providers.find(|(_, one)| one.name.value == provider).map(|(_, provider)| provider)
    }

    /// The rule that a request took, as it is first.
    pub(super) fn rule(&self, request: &Request) -> Option<&'r Rule> {
        self.rules(request).next()
    }

    /// The rule that a request took, in each form that manifests give it in the course of the run.
    pub(super) fn rules(&self, request: &Request) -> impl Iterator<Item = &'r Rule> {
        let taken = request.gateway.as_ref().and_then(|gateway| {
            let (namespace, name) = gateway.route.as_deref()?.split_once('/')?;
            Some((namespace, name, gateway.rule?))
        });
        let routes = self.topologies().flat_map(|one| &one.routes);
        routes.filter_map(move |route| {
            let (namespace, name, rule) = taken?;
            (route.namespace == namespace && route.name == name).then(|| route.rules.get(rule))?
        })
    }

    /// Whether a health policy has words of its own for what a failure of a provider is.
    pub(super) fn has_condition(&self, request: &Request, attempt: &Attempt) -> bool {
        self.policies(request, attempt).any(|policy| policy.unhealthy.is_some())
    }

    /// Whether a health policy calls an answer with this status, and with the headers that the client got,
    /// a failure.
    pub(super) fn is_unhealthy(&self, request: &Request, attempt: &Attempt, status: u16) -> bool {
        let Ok(status) = StatusCode::from_u16(status) else { return false };
        let headers = request
            .headers
            .iter()
            .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
        let headers: HeaderMap = headers.collect();
        let subject = Subject { request: None, response: Some((status, &headers)) };
        let conditions = self.policies(request, attempt).filter_map(|policy| policy.unhealthy.as_ref());
        conditions.into_iter().any(|condition| condition.holds(&subject))
    }

    /// The health policies that may speak of an attempt.
    fn policies(&self, request: &Request, attempt: &Attempt) -> impl Iterator<Item = &'r HealthPolicy> {
        let own = self.provider(&attempt.backend, &attempt.provider).and_then(|one| one.health.as_ref());
        let backend = self.backend(&attempt.backend).and_then(|one| one.health.as_ref());
        let rule = self.rule(request).and_then(|one| one.health.as_ref());
        [own, backend, rule].into_iter().flatten()
    }

    /// The reference that stands for all credentials equal to this one.
    pub(super) fn credential<'c>(&'c self, reference: &'c str) -> &'c str {
        self.same.get(reference).copied().unwrap_or(reference)
    }

    /// Whether a request had all the time that it needed.
    pub(super) fn over(&self, request: &Request) -> bool {
        request.step.is_some_and(|step| step_ended(self.history, step))
    }
}

/// What an attempt shows of its provider, by what can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It speaks against it, without doubt.
    Failure,
    /// It speaks for it.
    Success,
    /// It says nothing, or not clearly.
    Nothing,
}

/// The weight of the latest answer in a provider's health.
const WEIGHT: f64 = 0.3;

impl<'r> Run<'r> {
    /// What an attempt shows of its provider.
    pub(super) fn shown(&self, one: &Try<'r>) -> Shown {
        let (request, attempt) = (one.request, one.attempt);
        let by_condition = self.has_condition(request, attempt);
        if one.is_left_alone() {
            return Shown::Nothing;
        }
        match (attempt.outcome, attempt.status) {
            (None | Some(Outcome::Cancelled), _) => Shown::Nothing,
            (Some(Outcome::Cut | Outcome::Truncated), _) => Shown::Failure,
            (Some(Outcome::Complete), Some(status)) if by_condition => {
                let as_sent = request.status == Some(status);
                match (self.is_unhealthy(request, attempt, status), as_sent) {
                    (true, true) => Shown::Failure,
                    (false, true) => Shown::Success,
                    // The headers that the expression may ask for nobody has seen.
                    (_, false) => Shown::Nothing,
                }
            }
            (Some(Outcome::Complete), Some(status)) if status >= 500 || status == 429 => Shown::Failure,
            (Some(Outcome::Complete), Some(_)) => Shown::Success,
            _ if by_condition => Shown::Nothing,
            _ => Shown::Failure,
        }
    }

    /// After how many failures in a row the policy of an attempt evicts its provider, at the latest; none
    /// where it never does.
    pub(super) fn failures_to_evict(&self, one: &Try<'r>) -> Option<u32> {
        let rule = self.rule(one.request).and_then(|rule| rule.health.as_ref());
        self.limits(&one.attempt.backend, &one.attempt.provider, rule).max().unwrap_or(Some(1))
    }

    /// How many failures may be met until every provider of a backend is out; none where one never is.
    pub(super) fn failures_to_evict_all(&self, backend: &str) -> Option<u64> {
        let members = self.members_of(backend);
        let limit = |(_, provider): &(usize, &str)| match self.limits(backend, provider, None).max() {
            None => Some(1),
            Some(limit) => limit.map(u64::from),
        };
        members.iter().map(limit).sum()
    }

    /// How many failures in a row a policy asks for, at the least, where it counts nothing else.
    pub(super) fn least_failures_to_evict(&self, backend: &str, provider: &str) -> Option<u32> {
        let asked = self.versions(backend).map(|version| {
            let own = version.providers().find(|(_, one)| one.name.value == provider)?.1.health.as_ref();
            let eviction = own.or(version.health.as_ref())?.eviction.as_ref()?;
            eviction.consecutive_failures.filter(|_| eviction.health_threshold.is_none())
        });
        asked.min().flatten()
    }

    /// Everybody whom a backend has at any time, each with the group.
    pub(super) fn members_of(&self, backend: &str) -> Vec<(usize, &'r str)> {
        self.versions(backend)
            .flat_map(Backend::providers)
            .map(|(group, one)| (group, one.name.value.as_str()))
            .collect()
    }

    /// The limits of the health policies that a provider is under, in each version of the manifests: its
    /// own, or its backend's, or the rule's.
    fn limits<'s>(
        &'s self,
        backend: &'s str,
        provider: &'s str,
        rule: Option<&'s HealthPolicy>,
    ) -> impl Iterator<Item = Option<u32>> + 's {
        self.versions(backend).filter_map(move |version| {
            let mut providers = version.providers();
            let own = providers.find(|(_, one)| one.name.value == provider)?.1.health.as_ref();
            Some(own.or(version.health.as_ref()).or(rule).map_or(Some(1), limit))
        })
    }
}

/// After how many failures in a row a policy evicts, at the latest.
fn limit(policy: &HealthPolicy) -> Option<u32> {
    let Some(eviction) = &policy.eviction else { return Some(1) };
    let by_health = eviction.health_threshold.map(|threshold| {
        // The health before the failure counts, from 1.
        let mut failures = 1;
        let mut health = 1.0;
        while health >= threshold && failures < 1_000 {
            health *= 1.0 - WEIGHT;
            failures += 1;
        }
        (failures < 1_000).then_some(failures)
    });
    match (eviction.consecutive_failures, by_health) {
        (None, None) => Some(1),
        (row, by_health) => row.filter(|count| *count > 0).into_iter().chain(by_health.flatten()).min(),
    }
}

impl<'r> Try<'r> {
    /// The last attempt of a request.
    pub(super) fn last_of(request: &'r Request, replica: u32) -> Option<Self> {
        let index = request.attempts.len().checked_sub(1)?;
        Some(Self { request, replica, attempt: &request.attempts[index], index })
    }

    /// When the gateway had accounted it, as far as that is known: one that is followed by another after a
    /// pause is accounted before the pause, in which others may be.
    pub(super) fn accounted_at(&self) -> Option<At> {
        self.attempt.counted_at.or_else(|| self.settled_at())
    }

    /// Where in the stream the gateway had accounted it.
    pub(super) fn accounted(&self) -> Option<u64> {
        self.attempt.counted_seq.or_else(|| self.settled())
    }

    /// When the gateway was done with it.
    fn settled_at(&self) -> Option<At> {
        match self.request.attempts.get(self.index + 1) {
            Some(next) => Some(next.selected),
            None => self.request.gateway.as_ref().and_then(|gateway| gateway.ended).or(self.request.ended),
        }
    }

    /// The provider on its replica.
    pub(super) fn seat(&self) -> Seat<'r> {
        (self.replica, self.attempt.backend.as_str(), self.attempt.provider.as_str())
    }

    /// Where in the stream the gateway was done with it; none while it is not. Where the access log has
    /// no line for the request, it was by the time that its client was.
    pub(super) fn settled(&self) -> Option<u64> {
        match self.request.attempts.get(self.index + 1) {
            Some(next) => Some(next.selected_seq),
            None => self.request.gateway.as_ref().and_then(|gateway| gateway.ended_seq).or(self.request.ended_seq),
        }
    }

    /// Whether it was under way when event `seq` happened.
    pub(super) fn under_way(&self, seq: u64) -> bool {
        self.attempt.selected_seq < seq && self.settled().is_none_or(|settled| settled > seq)
    }

    /// Whether its client has left before it had the answer, which the gateway had read by then: what a
    /// client does not wait for speaks neither for a provider nor against it.
    fn is_left_alone(&self) -> bool {
        let gateway = self.request.gateway.as_ref().and_then(|gateway| gateway.outcome);
        self.index + 1 == self.request.attempts.len()
            && self.attempt.counted.is_none()
            && gateway == Some(Outcome::Cancelled)
            && self.request.outcome != Some(Outcome::Complete)
    }

    /// Whether its provider did well, and was seen to.
    pub(super) fn succeeded(&self) -> bool {
        self.attempt.outcome == Some(Outcome::Complete)
            && !self.is_left_alone()
            && self.attempt.status.is_some_and(|status| status < 400)
            && self.attempt.counted != Some(crate::event::history::Counted::Failure)
    }
}

fn faulty_network(history: &History) -> bool {
    if history.faults.is_empty() {
        return false;
    }
    let of_links: BTreeSet<&str> =
        Fault::all().iter().filter(|fault| fault.acts().on_link()).map(Fault::name).collect();
    history.faults.iter().any(|fault| of_links.contains(fault.fault.as_str()))
}

/// Two names for one key are the same credential: events call it by the first that was learned.
fn equal_credentials(scenario: &Scenario) -> BTreeMap<&str, &str> {
    let mut by_key: BTreeMap<&str, &str> = BTreeMap::new();
    let mut same = BTreeMap::new();
    let backends = scenario.topologies().flat_map(|topology| &topology.backends);
    let providers = backends.flat_map(Backend::providers);
    let own = providers.filter_map(|(_, provider)| match &provider.auth {
        Auth::Credential(credential) => Some(credential),
        Auth::None | Auth::Passthrough => None,
    });
    for credential in own.chain(scenario.sends().filter_map(|(_, send)| send.key.as_ref())) {
        let first = *by_key.entry(credential.key()).or_insert(&credential.reference);
        same.insert(credential.reference.as_str(), first);
    }
    same
}
