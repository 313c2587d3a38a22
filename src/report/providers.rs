//! What every replica of the gateway knows of every provider, at the moment of the latest event.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::log::{BackendRecord, Header, ProviderRecord};
use crate::event::{At, Event, Kind, ProviderName, RequestId};

/// A provider on one replica. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) replica: u32,
    pub(super) backend: Arc<str>,
    pub(super) provider: Arc<str>,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// Its group, from 0.
    pub(super) group: usize,
    /// Its place in the group, from 0.
    pub(super) place: usize,
    pub(super) endpoint: String,
    pub(super) model: Option<String>,
    pub(super) health: f64,
    pub(super) latency_seconds: f64,
    pub(super) consecutive_failures: u32,
    pub(super) times_ejected: u32,
    pub(super) in_flight: u32,
    /// Attempts that were sent to it.
    pub(super) requests: u64,
    /// The end of its eviction by its own deadline; none while it may be chosen.
    pub(super) evicted_until: Option<At>,
}

/// All providers on all replicas.
#[derive(Debug, Clone, Default)]
pub struct Providers {
    backends: Vec<(String, Vec<Vec<ProviderRecord>>)>,
    /// By replica, backend and name: in order, so that a name need not be copied to be looked up.
    states: Vec<(Key, State)>,
    under_way: BTreeMap<RequestId, Vec<(u32, Key)>>,
    /// By replica and backend, in order.
    selected: Vec<((u32, Arc<str>), usize)>,
}

impl State {
    fn fresh(group: usize, place: usize, record: &ProviderRecord) -> Self {
        Self {
            group,
            place,
            endpoint: record.endpoint.clone(),
            model: record.model.clone(),
            health: 1.0,
            latency_seconds: 0.0,
            consecutive_failures: 0,
            times_ejected: 0,
            in_flight: 0,
            requests: 0,
            evicted_until: None,
        }
    }

    /// The score by which agentgateway prefers one provider of a group to another.
    pub(super) fn score(&self) -> f64 {
        self.health / (1.0 + self.latency_seconds * (1.0 + 0.1 * f64::from(self.in_flight)))
    }

    /// Seconds until its eviction ends by its own deadline; 0 while it may be chosen.
    pub(super) fn eviction_remaining(&self, now: At) -> f64 {
        self.evicted_until.map_or(0.0, |until| until.since(now).as_secs_f64())
    }
}

impl Providers {
    /// The providers of this lab; replicas come with their events.
    pub(super) fn new(header: &Header) -> Self {
        let backends = header.backends.iter().map(|backend| (backend.name.clone(), backend.groups.clone())).collect();
        Self { backends, ..Self::default() }
    }

    /// All providers by replica, backend and name.
    pub(super) fn states(&self) -> impl Iterator<Item = (&Key, &State)> {
        self.states.iter().map(|(key, state)| (key, state))
    }

    /// The group that each replica chose from last, by backend.
    pub(super) fn selected(&self) -> impl Iterator<Item = (u32, &str, usize)> {
        self.selected.iter().map(|((replica, backend), group)| (*replica, &**backend, *group))
    }

    /// Replicas that are up.
    pub(super) fn replicas(&self) -> Vec<u32> {
        let mut replicas: Vec<u32> = self.states.iter().map(|(key, _)| key.replica).collect();
        replicas.dedup();
        replicas
    }

    /// Takes in the next event.
    pub(super) fn apply(&mut self, event: &Event) {
        match &event.kind {
            Kind::ReplicaStarted { replica } => self.start(*replica),
            Kind::ReplicaStopped { replica } => self.stop(*replica),
            Kind::ReplicaConfigured { replica, backends, reset } => self.configure(*replica, backends, reset),
            Kind::ProviderSelected { request, replica, attempt, backend, group, provider, .. } => {
                self.select(*replica, backend, *group);
                let (key, state) = self.entry((*replica, backend, provider), *group);
                state.in_flight += 1;
                state.requests += 1;
                let key = key.clone();
                self.under_way.entry(request.clone()).or_default().push((*attempt, key));
            }
            Kind::AttemptEnded { request, attempt, .. } => self.finish(request, |number| number == *attempt),
            Kind::GatewayRequestEnded { request, .. } => self.finish(request, |_| true),
            Kind::HealthChanged {
                replica,
                backend,
                provider,
                request: _,
                health,
                latency_seconds,
                consecutive_failures,
                times_ejected,
            } => {
                let (_, state) = self.entry((*replica, backend, provider), 0);
                state.health = *health;
                state.latency_seconds = *latency_seconds;
                state.consecutive_failures = *consecutive_failures;
                state.times_ejected = *times_ejected;
            }
            Kind::ProviderEvicted { replica, backend, group, provider, until_us, .. } => {
                self.entry((*replica, backend, provider), *group).1.evicted_until = Some(*until_us);
            }
            Kind::ProviderReturned { replica, backend, group, provider } => {
                self.entry((*replica, backend, provider), *group).1.evicted_until = None;
            }
            Kind::StepStarted { .. }
            | Kind::StepEnded { .. }
            | Kind::ClientRequestSent { .. }
            | Kind::ClientResponseStarted { .. }
            | Kind::ClientFirstToken { .. }
            | Kind::ClientRequestEnded { .. }
            | Kind::GatewayRequestReceived { .. }
            | Kind::GatewayRequestRouted { .. }
            | Kind::AttemptStarted { .. }
            | Kind::ProviderRequestReceived { .. }
            | Kind::ProviderRequestEnded { .. }
            | Kind::FaultInjected { .. }
            | Kind::FaultStruck { .. }
            | Kind::FaultCleared { .. }
            | Kind::Note { .. } => {}
        }
    }

    /// A replica begins: every provider is as new.
    fn start(&mut self, replica: u32) {
        self.stop(replica);
        self.fill(replica);
    }

    /// Puts down the providers of a replica that are not there yet.
    fn fill(&mut self, replica: u32) {
        for (backend, groups) in &self.backends {
            for (group, members) in groups.iter().enumerate() {
                for (place, record) in members.iter().enumerate() {
                    let key = (replica, backend.as_str(), record.name.as_str());
                    if let Err(at) = find(&self.states, key) {
                        self.states.insert(at, (Key::new(key), State::fresh(group, place, record)));
                    }
                }
            }
        }
    }

    fn configure(&mut self, replica: u32, backends: &[BackendRecord], reset: &[ProviderName]) {
        for one in reset {
            if let Ok(at) = find(&self.states, (replica, &one.backend, &one.provider)) {
                self.states.remove(at);
            }
        }
        self.backends = backends.iter().map(|one| (one.name.clone(), one.groups.clone())).collect();
        self.fill(replica);
    }

    fn stop(&mut self, replica: u32) {
        self.states.retain(|(key, _)| key.replica != replica);
        self.selected.retain(|((of, _), _)| *of != replica);
        self.under_way.retain(|_, attempts| attempts.iter().all(|(_, key)| key.replica != replica));
    }

    fn finish(&mut self, request: &str, is_it: impl Fn(u32) -> bool) {
        let Some(attempts) = self.under_way.get_mut(request) else { return };
        for (_, key) in attempts.extract_if(.., |(number, _)| is_it(*number)) {
            if let Ok(at) = find(&self.states, key.names()) {
                let (_, state) = &mut self.states[at];
                state.in_flight = state.in_flight.saturating_sub(1);
            }
        }
        if attempts.is_empty() {
            self.under_way.remove(request);
        }
    }

    /// The state of a provider; one that the header does not name (a manifest was applied in
    /// mid-run) is added.
    fn entry(&mut self, names: Names<'_>, group: usize) -> (&Key, &mut State) {
        let at = find(&self.states, names).unwrap_or_else(|at| {
            let record = ProviderRecord { name: names.2.to_owned(), endpoint: String::new(), model: None };
            self.states.insert(at, (Key::new(names), State::fresh(group, usize::MAX, &record)));
            at
        });
        let (key, state) = &mut self.states[at];
        (key, state)
    }

    fn select(&mut self, replica: u32, backend: &str, group: usize) {
        match self.selected.binary_search_by(|((of, name), _)| (*of, &**name).cmp(&(replica, backend))) {
            Ok(at) => self.selected[at].1 = group,
            Err(at) => self.selected.insert(at, ((replica, backend.into()), group)),
        }
    }
}

/// A replica, a backend, and a provider.
type Names<'n> = (u32, &'n str, &'n str);

/// Where among the states that of a provider is, or belongs.
fn find(states: &[(Key, State)], names: Names<'_>) -> Result<usize, usize> {
    states.binary_search_by(|(key, _)| key.names().cmp(&names))
}

impl Key {
    fn new((replica, backend, provider): Names<'_>) -> Self {
        Self { replica, backend: backend.into(), provider: provider.into() }
    }

    fn names(&self) -> Names<'_> {
        (self.replica, &self.backend, &self.provider)
    }
}
