//! What every replica of the gateway knows of every provider, at the moment of the latest event.

use std::collections::BTreeMap;

use crate::event::log::{BackendRecord, Header, ProviderRecord};
use crate::event::{At, Event, Kind, ProviderName, RequestId};

/// A provider on one replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) replica: u32,
    pub(super) backend: String,
    pub(super) provider: String,
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
pub(super) struct Providers {
    backends: Vec<(String, Vec<Vec<ProviderRecord>>)>,
    states: BTreeMap<Key, State>,
    under_way: BTreeMap<RequestId, Vec<(u32, Key)>>,
    selected: BTreeMap<(u32, String), usize>,
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
        self.states.iter()
    }

    /// The group that each replica chose from last, by backend.
    pub(super) fn selected(&self) -> impl Iterator<Item = (u32, &str, usize)> {
        self.selected.iter().map(|((replica, backend), group)| (*replica, backend.as_str(), *group))
    }

    /// Replicas that are up.
    pub(super) fn replicas(&self) -> Vec<u32> {
        let mut replicas: Vec<u32> = self.states.keys().map(|key| key.replica).collect();
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
                self.selected.insert((*replica, backend.clone()), *group);
                let key = Key::new(*replica, backend, provider);
                let state = self.entry(&key, *group);
                state.in_flight += 1;
                state.requests += 1;
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
                let state = self.entry(&Key::new(*replica, backend, provider), 0);
                state.health = *health;
                state.latency_seconds = *latency_seconds;
                state.consecutive_failures = *consecutive_failures;
                state.times_ejected = *times_ejected;
            }
            Kind::ProviderEvicted { replica, backend, group, provider, until_us, .. } => {
                self.entry(&Key::new(*replica, backend, provider), *group).evicted_until = Some(*until_us);
            }
            Kind::ProviderReturned { replica, backend, group, provider } => {
                self.entry(&Key::new(*replica, backend, provider), *group).evicted_until = None;
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
                    let key = Key::new(replica, backend, &record.name);
                    self.states.entry(key).or_insert_with(|| State::fresh(group, place, record));
                }
            }
        }
    }

    fn configure(&mut self, replica: u32, backends: &[BackendRecord], reset: &[ProviderName]) {
        for one in reset {
            self.states.remove(&Key::new(replica, &one.backend, &one.provider));
        }
        self.backends = backends.iter().map(|one| (one.name.clone(), one.groups.clone())).collect();
        self.fill(replica);
    }

    fn stop(&mut self, replica: u32) {
        self.states.retain(|key, _| key.replica != replica);
        self.selected.retain(|(of, _), _| *of != replica);
        self.under_way.retain(|_, attempts| attempts.iter().all(|(_, key)| key.replica != replica));
    }

    fn finish(&mut self, request: &str, is_it: impl Fn(u32) -> bool) {
        let Some(attempts) = self.under_way.get_mut(request) else { return };
        for (_, key) in attempts.extract_if(.., |(number, _)| is_it(*number)) {
            if let Some(state) = self.states.get_mut(&key) {
                state.in_flight = state.in_flight.saturating_sub(1);
            }
        }
        if attempts.is_empty() {
            self.under_way.remove(request);
        }
    }

    /// The state of a provider; one that the header does not name (a manifest was applied in
    /// mid-run) is added.
    fn entry(&mut self, key: &Key, group: usize) -> &mut State {
        self.states.entry(key.clone()).or_insert_with(|| {
            let record = ProviderRecord { name: key.provider.clone(), endpoint: String::new(), model: None };
            State::fresh(group, usize::MAX, &record)
        })
    }
}

impl Key {
    pub(super) fn new(replica: u32, backend: &str, provider: &str) -> Self {
        Self { replica, backend: backend.to_owned(), provider: provider.to_owned() }
    }
}
