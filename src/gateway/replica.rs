//! The state of one replica, and its events.
//!
//! Each change of health state and the event that tells of it are made under one lock, so that the
//! order of the events is the order of the changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::balance::Standing;
use super::error::Error;
use super::group::{Observed, Pool, Seat, Selection};
use super::health::{self, BackendHealth};
use super::personality::Behaviour;
use super::provider::Target;
use super::route::{self, Found, Routes};
use super::upstream::Upstream;
use crate::event::{At, Candidate, Kind, RequestId};
use crate::topology::{Auth, Backend, Personality, Rule, Topology};
use crate::world::{Random, World, credentials};

/// One replica.
pub(crate) struct Replica {
    pub(crate) world: World,
    pub(crate) topology: Arc<Topology>,
    pub(crate) behaviour: &'static Behaviour,
    pub(crate) number: u32,
    pub(crate) routes: Routes,
    pub(crate) upstream: Upstream,
    targets: Vec<Vec<Vec<Arc<Target>>>>,
    state: Mutex<State>,
    requests: AtomicU64,
}

struct State {
    pools: Vec<Pool>,
    balancer: Random,
    weights: Random,
}

impl Replica {
    pub(crate) fn new(world: World, topology: Arc<Topology>, personality: Personality, number: u32) -> Self {
        let behaviour = Behaviour::of(personality);
        let pools = topology.backends.iter().map(|backend| {
            let sizes = backend.groups.iter().map(|group| group.providers.len());
            Pool::new(behaviour, sizes)
        });
        let state = State {
            pools: pools.collect(),
            balancer: world.seed.stream(&format!("gateway/{number}/balancer")),
            weights: world.seed.stream(&format!("gateway/{number}/routes")),
        };
        for (_, provider) in topology.backends.iter().flat_map(Backend::providers) {
            if let Auth::Credential(credential) = &provider.auth {
                world.credentials.learn(credential.key(), &credential.reference);
            }
        }
        Self {
            behaviour,
            number,
            routes: Routes::new(&topology),
            upstream: Upstream::new(world.net.clone()),
            targets: targets(&topology),
            state: Mutex::new(state),
            requests: AtomicU64::new(0),
            world,
            topology,
        }
    }

    /// Emits an event, and makes it only if somebody listens.
    pub(crate) fn emit(&self, kind: impl FnOnce() -> Kind) {
        if self.world.bus.is_heard() {
            self.world.bus.emit(kind());
        }
    }

    /// The id that came with a request, or one of the gateway's own.
    pub(crate) fn request_id(&self, request: &Parts) -> (RequestId, HeaderValue) {
        let header = request.headers.get("x-request-id").filter(|value| !value.is_empty());
        if let Some((text, header)) = header.and_then(|value| Some((value.to_str().ok()?, value))) {
            return (text.to_owned(), header.clone());
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("gw{}-{number}", self.number);
        let header = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from(number));
        (id, header)
    }

    /// The reference of the credential that came with a request; one that nobody knows is `client`.
    pub(crate) fn client_credential(&self, headers: &HeaderMap) -> Option<String> {
        let reference = self.world.credentials.of(headers)?;
        if reference != credentials::UNKNOWN {
            return Some(reference);
        }
        let value = headers.get(http::header::AUTHORIZATION)?;
        self.world.credentials.learn(&String::from_utf8_lossy(value.as_bytes()), "client");
        self.world.credentials.of(headers)
    }

    /// A rule that was found.
    pub(crate) fn rule(&self, found: Found) -> Option<&Rule> {
        self.topology.routes.get(found.route)?.rules.get(found.rule)
    }

    /// One of a rule's backends by weight.
    pub(crate) fn pick_backend(&self, rule: &Rule) -> Option<usize> {
        route::pick(&rule.backends, &mut self.state().weights).filter(|backend| *backend < self.targets.len())
    }

    /// A provider, ready to be called.
    pub(crate) fn target(&self, backend: usize, seat: Seat) -> Option<Arc<Target>> {
        self.targets.get(backend)?.get(seat.group)?.get(seat.index).cloned()
    }

    /// A route as `namespace/name`.
    pub(crate) fn route_name(&self, route: usize) -> String {
        self.topology.routes.get(route).map(|route| format!("{}/{}", route.namespace, route.name)).unwrap_or_default()
    }

    /// A backend as `namespace/name`.
    pub(crate) fn backend_name(&self, backend: usize) -> String {
        let backend = self.topology.backends.get(backend);
        backend.map(|backend| format!("{}/{}", backend.namespace, backend.name)).unwrap_or_default()
    }

    /// Chooses a provider for an attempt.
    pub(crate) fn select(&self, backend: usize, request: &RequestId, attempt: u32) -> Result<Seat, Error> {
        let mut state = self.state();
        self.release_due(&mut state, backend);
        let State { pools, balancer, .. } = &mut *state;
        let pool = pools.get_mut(backend).ok_or(Error::NoHealthyBackends)?;
        let selection = pool.select(balancer).ok_or(Error::NoHealthyBackends)?;
        let seat = selection.seat;
        self.emit(|| self.selected(backend, request, attempt, selection));
        Ok(seat)
    }

    fn selected(&self, backend: usize, request: &RequestId, attempt: u32, selection: Selection) -> Kind {
        let Selection { seat, fallback, candidates, drawn } = selection;
        let candidate = |(seat, standing): (Seat, Standing)| Candidate {
            provider: self.provider_name(backend, seat),
            score: standing.score(),
            health: standing.health,
            latency_seconds: standing.latency_seconds,
            pending: standing.pending,
        };
        Kind::ProviderSelected {
            request: request.clone(),
            replica: self.number,
            attempt,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
            fallback,
            candidates: candidates.into_iter().map(candidate).collect(),
            draws: drawn.to_vec(),
        }
    }

    /// Accounts a response that has ended.
    pub(crate) fn finish(self: &Arc<Self>, backend: usize, seat: Seat, request: &RequestId, observed: &Observed) {
        let mut state = self.state();
        let now = self.release_due(&mut state, backend);
        let Some(pool) = state.pools.get_mut(backend) else { return };
        let effect = pool.finish(seat, observed, now);
        if effect.changed {
            self.tell_health(pool, backend, seat);
        }
        let Some(eviction) = effect.evicted else { return };
        self.emit(|| Kind::ProviderEvicted {
            replica: self.number,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
            request: request.clone(),
            until_us: eviction.until,
            source: eviction.source.to_owned(),
            status: observed.status.unwrap_or(0),
        });
        // An eviction of no length is over at once.
        self.release_due(&mut state, backend);
        self.wake_at_release(&state, backend, seat);
    }

    fn tell_health(&self, pool: &Pool, backend: usize, seat: Seat) {
        let Some(member) = pool.member(seat) else { return };
        self.emit(|| Kind::HealthChanged {
            replica: self.number,
            backend: self.backend_name(backend),
            provider: self.provider_name(backend, seat),
            health: member.health.success.value(),
            latency_seconds: member.health.latency.value(),
            consecutive_failures: member.health.consecutive_failures,
            times_ejected: member.health.times_ejected,
        });
    }

    /// Lets back in whose eviction is over. Returns the moment that it went by.
    fn release_due(&self, state: &mut State, backend: usize) -> At {
        let now = self.world.clock.now();
        let due = state.pools.get_mut(backend).map(|pool| pool.release_due(now)).unwrap_or_default();
        for seat in due {
            self.emit(|| Kind::ProviderReturned {
                replica: self.number,
                backend: self.backend_name(backend),
                group: seat.group,
                provider: self.provider_name(backend, seat),
            });
        }
        now
    }

    /// Has an eviction's end told of when it comes, also where nobody asks meanwhile. One that is
    /// prolonged is told of by the eviction that prolonged it. A replica that is gone stays silent.
    fn wake_at_release(self: &Arc<Self>, state: &State, backend: usize, seat: Seat) {
        let Some(at) = state.pools.get(backend).and_then(|pool| pool.evicted_until(seat)) else { return };
        // While a runtime winds down there may be none.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (instant, replica) = (self.world.clock.instant(at), Arc::downgrade(self));
        runtime.spawn(async move {
            tokio::time::sleep_until(instant).await;
            if let Some(replica) = replica.upgrade() {
                replica.release_due(&mut replica.state(), backend);
            }
        });
    }

    fn provider_name(&self, backend: usize, seat: Seat) -> String {
        self.target(backend, seat).map(|target| target.name.clone()).unwrap_or_default()
    }

    /// The health state of every backend.
    pub(crate) fn health(&self) -> Vec<BackendHealth> {
        let now = self.world.clock.now();
        let state = self.state();
        let backends = state.pools.iter().zip(&self.targets).enumerate();
        backends.map(|(backend, (pool, targets))| health::of(self.backend_name(backend), pool, targets, now)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn targets(topology: &Topology) -> Vec<Vec<Vec<Arc<Target>>>> {
    let ready = |provider| Arc::new(Target::new(provider));
    let backends = topology.backends.iter();
    backends
        .map(|backend| backend.groups.iter().map(|group| group.providers.iter().map(ready).collect()).collect())
        .collect()
}
