//! The state of one replica, and its events.
//!
//! Each change of health state and the event that tells of it are made under one lock, so that the
//! order of the events is the order of the changes.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::balance::Standing;
use super::broken::Broken;
use super::budget::Budget;
use super::error::Error;
use super::filters;
use super::gate::Term;
use super::group::{Eviction, Observed, Pool, Seat, Selection};
use super::health::{self, BackendHealth};
use super::limit::{Bucket, Exceeded};
use super::personality::{Behaviour, Comeback, Credentials, Policies, Unlogged};
use super::provider::Target;
use super::route::{self, Found, Routes};
use super::succession::Succession;
use super::upstream::Upstream;
use crate::event::trace::TraceContext;
use crate::event::{At, Candidate, Kind, RequestId, Taken};
use crate::topology::{
    Auth, Backend, Condition, HealthPolicy, PathMatch, Personality, RateUnit, Rule, Sampling, Topology,
};
use crate::world::{Random, World, credentials};

/// One replica with one configuration.
pub(crate) struct Replica {
    pub(crate) world: World,
    pub(crate) topology: Arc<Topology>,
    pub(crate) personality: Personality,
    pub(crate) behaviour: Behaviour,
    pub(crate) broken: Broken,
    pub(crate) number: u32,
    pub(crate) routes: Routes,
    pub(crate) upstream: Upstream,
    /// Whether an expression of a health policy asks for the request.
    pub(crate) policies_ask_for_requests: bool,
    targets: Vec<Vec<Vec<Arc<Target>>>>,
    names: Names,
    state: Mutex<State>,
    /// How many requests without an id have come, under all of its configurations.
    pub(crate) requests: Arc<AtomicU64>,
    /// The configuration that has taken its place.
    pub(crate) successor: OnceLock<Succession>,
}

/// What a replica keeps from request to request.
pub(crate) struct State {
    pub(crate) pools: Vec<Pool>,
    pub(crate) balancer: Random,
    pub(crate) weights: Random,
    /// Which requests are traced.
    traces: Random,
    /// Rate limits by route and rule.
    pub(crate) buckets: Vec<Vec<Vec<Bucket>>>,
    pub(crate) budget: Budget,
}

/// What is told of in every request.
struct Names {
    /// How the ids of requests begin that came without one.
    ids: String,
    /// As `namespace/name`, as are backends.
    routes: Vec<String>,
    backends: Vec<String>,
}

/// What a request goes by.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Its id in events.
    pub(crate) id: RequestId,
    /// The `x-request-id` that its provider is sent.
    pub(crate) header: HeaderValue,
    /// The id in events, where the client's is another request's.
    pub(crate) own: Option<HeaderValue>,
    /// The client's id, which it has to itself.
    pub(crate) taken: Option<Taken>,
}

/// A provider that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Who.
    pub(crate) seat: Seat,
    /// Whether the request is to prove that it is well again.
    pub(crate) probe: bool,
}

impl Replica {
    pub(crate) fn new(
        world: World,
        topology: Arc<Topology>,
        personality: Personality,
        number: u32,
        broken: Broken,
    ) -> Self {
        let upstream = Upstream::new(&world.net, &topology);
        Self::with(world, topology, personality, number, upstream, Arc::default(), broken)
    }

    /// A replica that takes the place of another one, with nothing of its state yet.
    pub(crate) fn after(before: &Self, topology: Arc<Topology>, personality: Personality) -> Self {
        let upstream = before.upstream.also_for(&before.world.net, &topology);
        let (world, requests, broken) = (before.world.clone(), before.requests.clone(), before.broken.clone());
        Self::with(world, topology, personality, before.number, upstream, requests, broken)
    }

    fn with(
        world: World,
        topology: Arc<Topology>,
        personality: Personality,
        number: u32,
        upstream: Upstream,
        requests: Arc<AtomicU64>,
        broken: Broken,
    ) -> Self {
        let behaviour = broken.row(Behaviour::of(personality));
        let pools = topology.backends.iter().map(|backend| {
            let sizes = backend.groups.iter().map(|group| group.providers.len());
            Pool::new(&behaviour, sizes)
        });
        let state = State {
            pools: broken.inherited(number, pools.collect()),
            balancer: world.seed.stream(&format!("gateway/{number}/balancer")),
            weights: world.seed.stream(&format!("gateway/{number}/routes")),
            traces: world.seed.stream(&format!("gateway/{number}/traces")),
            buckets: buckets(&topology, world.clock.now()),
            budget: Budget::default(),
        };
        for (_, provider) in topology.backends.iter().flat_map(Backend::providers) {
            if let Auth::Credential(credential) = &provider.auth {
                world.credentials.learn(credential.key(), &credential.reference);
            }
        }
        let policies_ask_for_requests = conditions(&topology).any(Condition::needs_request);
        Self {
            personality,
            behaviour,
            broken,
            number,
            routes: Routes::new(&topology),
            upstream,
            policies_ask_for_requests,
            targets: targets(&topology, behaviour.credentials),
            names: Names::of(&topology, number),
            state: Mutex::new(state),
            requests,
            successor: OnceLock::new(),
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

    /// Emits what has become of the health state, unless another configuration has taken its place:
    /// nobody is judged by this one any more.
    fn tell(&self, kind: impl FnOnce() -> Kind) {
        if self.successor.get().is_none() {
            self.emit(kind);
        }
    }

    /// A name or a sentence as events have it: clients and providers may put credentials anywhere.
    pub(crate) fn named(&self, text: String) -> String {
        self.world.credentials.scrub_name(text)
    }

    /// The id that came with a request, or one of the gateway's own.
    pub(crate) fn request_id(&self, request: &Parts) -> Identity {
        let header = request.headers.get("x-request-id").filter(|value| !value.is_empty());
        if let Some((text, header)) = header.and_then(|value| Some((value.to_str().ok()?, value))) {
            let bus = &self.world.bus;
            let taken = if bus.is_heard() { bus.take_id(text) } else { None };
            if taken.is_some() || !bus.is_heard() {
                return Identity { id: text.to_owned(), header: header.clone(), own: None, taken };
            }
            let id = [text, "~", &self.next_id()].concat();
            let own = HeaderValue::from_str(&id).ok();
            return Identity { id, header: header.clone(), own, taken };
        }
        let id = self.next_id();
        let header = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static(""));
        Identity { id, header, own: None, taken: None }
    }

    /// An id that no other request has.
    fn next_id(&self) -> String {
        [self.names.ids.as_str(), &self.numbered().to_string()].concat()
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
        self.names.routes.get(route).cloned().unwrap_or_default()
    }

    /// A backend as `namespace/name`.
    pub(crate) fn backend_name(&self, backend: usize) -> String {
        self.names.backends.get(backend).cloned().unwrap_or_default()
    }

    /// This request's span, in the client's trace where that has begun one. None where it is not traced: that is
    /// told beside it, where the configuration says which requests are.
    pub(crate) fn trace(&self, id: &str, headers: &HeaderMap) -> (Option<TraceContext>, Option<bool>) {
        let incoming = headers.get("traceparent").and_then(|value| TraceContext::parse(value.to_str().ok()?));
        let traced = self.topology.tracing.as_ref().map(|tracing| {
            let sampling = if incoming.is_some() { tracing.client } else { tracing.random };
            self.is_sampled(sampling)
        });
        if !traced.unwrap_or(incoming.is_some()) {
            return (None, traced);
        }
        let start = self.world.clock.start().as_second();
        (Some(TraceContext::of_request(self.world.seed.0, start, id, incoming.as_ref())), traced)
    }

    fn is_sampled(&self, sampling: Sampling) -> bool {
        match sampling {
            Sampling::NONE => false,
            Sampling::ALL => true,
            Sampling(share) => self.state().traces.below(Sampling::ALL.0.into()) < share.into(),
        }
    }

    /// The path match of a rule as the real one names spans: `/*`, `/openai/*`, `/exact`.
    pub(crate) fn path_match(&self, found: Found) -> String {
        let matched = found.matched.and_then(|index| self.rule(found)?.matches.get(index)?.path.as_ref());
        match matched {
            None => "/*".to_owned(),
            Some(PathMatch::Exact(path)) => path.clone(),
            Some(PathMatch::Prefix(prefix)) => format!("{}/*", prefix.trim_end_matches('/')),
            Some(PathMatch::Regex(regex)) => regex.as_str().to_owned(),
        }
    }

    /// Changes the headers of a response as the rule says.
    pub(crate) fn change_response(&self, found: Option<Found>, headers: &mut HeaderMap) -> Result<(), Error> {
        match found.and_then(|found| self.rule(found)) {
            Some(rule) => filters::on_response(&rule.filters, headers),
            None => Ok(()),
        }
    }

    /// The health policy that a provider is under, as far as this version heeds it.
    pub(crate) fn policy(&self, backend: usize, seat: Seat, found: Option<Found>) -> Option<&HealthPolicy> {
        let backend = self.topology.backends.get(backend)?;
        let own = || backend.groups.get(seat.group)?.providers.get(seat.index)?.health.as_ref();
        let above = || backend.health.as_ref().or_else(|| self.rule(found?)?.health.as_ref());
        match self.behaviour.policies {
            Policies::None => None,
            Policies::Backends => above(),
            Policies::BackendsAndProviders => own().or_else(above),
        }
    }

    /// Whether the rule's limits let a request in; else what the one counts that does not.
    pub(crate) fn admit(&self, found: Found) -> Result<(), (RateUnit, Exceeded)> {
        let now = self.world.clock.now();
        let mut state = self.state();
        for bucket in state.buckets_of(found) {
            let unit = bucket.limit().unit;
            let admitted = match unit {
                RateUnit::Requests => bucket.take(1, now),
                RateUnit::Tokens => bucket.check(1, now),
            };
            admitted.map_err(|exceeded| (unit, exceeded))?;
        }
        Ok(())
    }

    /// Takes the tokens of an answer from the rule's limits.
    pub(crate) fn spend_tokens(&self, found: Found, tokens: u64) {
        let now = self.world.clock.now();
        for bucket in self.state().buckets_of(found).iter_mut().filter(|one| one.limit().unit == RateUnit::Tokens) {
            bucket.drain(tokens, now);
        }
    }

    /// A request has come, which allows for a part of a retry.
    pub(crate) fn save_for_retries(&self) {
        self.state().budget.request();
    }

    /// Pays for a retry to whoever is active in a backend; says whether there is anybody, and enough.
    pub(crate) fn pay_for_retry(&self, backend: usize) -> bool {
        let now = self.world.clock.now();
        let mut state = self.state();
        let nobody = state.pools.get(backend).is_none_or(|pool| pool.serving_group(now).1);
        !nobody && (self.broken.retries_are_free() || state.budget.retry())
    }

    /// The group that serves in a backend now.
    pub(crate) fn serving_group(&self, backend: usize) -> Option<usize> {
        let now = self.world.clock.now();
        self.state().pools.get(backend).map(|pool| pool.serving_group(now).0)
    }

    /// Chooses a provider for an attempt; `earlier` had the one before.
    pub(crate) fn select(
        &self,
        backend: usize,
        request: &RequestId,
        attempt: u32,
        earlier: Option<Seat>,
    ) -> Result<Choice, Error> {
        let mut state = self.state();
        let now = self.release_due(&mut state, backend);
        let State { pools, balancer, .. } = &mut *state;
        let pool = pools.get_mut(backend).ok_or(Error::NoHealthyBackends)?;
        let selection = pool.select(balancer, now);
        let Some(selection) = self.broken.choose(pool, selection, attempt, earlier) else {
            let wait = pool.soonest().map(|until| until.since(now));
            return Err(wait.map_or(Error::NoHealthyBackends, |wait| Error::AllEvicted { wait }));
        };
        let choice = Choice { seat: selection.seat, probe: selection.probe };
        self.emit(|| self.selected(backend, request, attempt, selection));
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, choice.seat)) {
            drop(state);
            next.enter(backend, seat);
        }
        Ok(choice)
    }

    /// An attempt is over and nothing is learnt from it.
    pub(crate) fn leave(&self, backend: usize, seat: Seat, probe: bool) {
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            next.leave(backend, seat, probe);
        } else if let Some(pool) = state.pools.get_mut(backend) {
            pool.leave(seat, probe);
        }
    }

    /// A request of an earlier configuration is under way at a provider.
    fn enter(&self, backend: usize, seat: Seat) {
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            next.enter(backend, seat);
        } else if let Some(pool) = state.pools.get_mut(backend) {
            pool.enter(seat);
        }
    }

    fn selected(&self, backend: usize, request: &RequestId, attempt: u32, selection: Selection) -> Kind {
        let Selection { seat, fallback, candidates, drawn, .. } = selection;
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
        if self.topology.unlogged.is_some() && self.behaviour.unlogged == Unlogged::NotAccounted {
            return self.leave(backend, seat, observed.probe);
        }
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            return next.finish(backend, seat, request, observed);
        }
        let now = self.release_due(&mut state, backend);
        let observed = &self.broken.observed(observed);
        let Some(pool) = state.pools.get_mut(backend) else { return };
        let mut effect = pool.finish(seat, observed, now);
        self.broken.finished(self.number, &mut state.pools, (backend, seat), observed, &mut effect, now);
        let Some(pool) = state.pools.get(backend) else { return };
        if effect.changed {
            self.tell_health(pool, backend, seat, Some(request));
        }
        if effect.returned {
            self.tell_return(backend, seat);
        }
        let Some(eviction) = effect.evicted else { return };
        let told = Told { request: request.clone(), status: observed.status.unwrap_or(0), eviction };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if effect.later => {
                let replica = self.clone();
                runtime.spawn(async move { replica.carry_out_later(backend, seat, told) });
            }
            _ => self.carry_out(&mut state, backend, seat, told),
        }
    }

    /// Has an eviction take effect, in the configuration that is in force by then.
    fn carry_out_later(self: &Arc<Self>, backend: usize, seat: Seat, told: Told) {
        let mut state = self.state();
        match self.successor.get().and_then(|after| after.place(backend, seat)) {
            Some((next, backend, seat)) => {
                drop(state);
                next.carry_out_later(backend, seat, told);
            }
            None => self.carry_out(&mut state, backend, seat, told),
        }
    }

    /// Has an eviction take effect.
    fn carry_out(self: &Arc<Self>, state: &mut State, backend: usize, seat: Seat, told: Told) {
        if let Some(pool) = state.pools.get_mut(backend) {
            pool.carry_out(seat);
        }
        let request = told.request.clone();
        self.tell(|| Kind::ProviderEvicted {
            replica: self.number,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
            request: told.request,
            until_us: told.eviction.until,
            source: told.eviction.source.to_owned(),
            status: told.status,
        });
        self.broken.evicted(self, &mut state.pools, (backend, seat), &request, self.world.clock.now());
        // An eviction of no length is over at once.
        self.release_due(state, backend);
        self.wake_at_release(state, backend, seat);
    }

    /// Evicts a provider that is active, for no answer of its own: only a broken gateway does.
    pub(super) fn evict(
        self: &Arc<Self>,
        (backend, seat): (usize, Seat),
        request: RequestId,
        until: At,
        source: &'static str,
        status: u16,
    ) {
        let mut state = self.state();
        let Some(member) = state.pools.get_mut(backend).and_then(|pool| pool.member_mut(seat)) else { return };
        if member.gate.sentence(Term { until, restore: None }, false) {
            let told = Told { request, status, eviction: Eviction { until, source } };
            self.carry_out(&mut state, backend, seat, told);
        }
    }

    /// Lets a provider back in, whenever its eviction ends: only a broken gateway does.
    pub(super) fn release(&self, backend: usize, seat: Seat) {
        let mut state = self.state();
        let member = state.pools.get_mut(backend).and_then(|pool| pool.member_mut(seat));
        if member.is_some_and(|member| member.gate.release().is_some()) {
            self.tell_return(backend, seat);
        }
    }

    /// Tells a provider's health, and whose response changed it.
    fn tell_health(&self, pool: &Pool, backend: usize, seat: Seat, request: Option<&RequestId>) {
        let Some(member) = pool.member(seat) else { return };
        self.tell(|| Kind::HealthChanged {
            replica: self.number,
            backend: self.backend_name(backend),
            provider: self.provider_name(backend, seat),
            request: request.cloned(),
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
        for (seat, restored) in due {
            self.tell_return(backend, seat);
            if let Some(pool) = state.pools.get(backend).filter(|_| restored) {
                self.tell_health(pool, backend, seat, None);
            }
        }
        now
    }

    fn tell_return(&self, backend: usize, seat: Seat) {
        self.tell(|| Kind::ProviderReturned {
            replica: self.number,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
        });
    }

    /// Has an eviction's end told of when it comes, also where nobody asks meanwhile. One that is
    /// prolonged is told of by the eviction that prolonged it. A replica that is gone stays silent.
    pub(crate) fn wake_at_release(self: &Arc<Self>, state: &State, backend: usize, seat: Seat) {
        if self.behaviour.comeback == Comeback::AfterOneProbe {
            return;
        }
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

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of an eviction when it takes effect.
struct Told {
    request: RequestId,
    status: u16,
    eviction: Eviction,
}

impl Names {
    fn of(topology: &Topology, replica: u32) -> Self {
        Self {
            ids: format!("gw{replica}-"),
            routes: topology.routes.iter().map(|route| format!("{}/{}", route.namespace, route.name)).collect(),
            backends: topology.backends.iter().map(|one| format!("{}/{}", one.namespace, one.name)).collect(),
        }
    }
}

impl State {
    /// The rate limits of a rule.
    fn buckets_of(&mut self, found: Found) -> &mut [Bucket] {
        let buckets = self.buckets.get_mut(found.route).and_then(|rules| rules.get_mut(found.rule));
        buckets.map(Vec::as_mut_slice).unwrap_or_default()
    }
}

fn buckets(topology: &Topology, now: At) -> Vec<Vec<Vec<Bucket>>> {
    let of_rule = |rule: &Rule| rule.rate_limits.iter().map(|limit| Bucket::new(*limit, now)).collect();
    topology.routes.iter().map(|route| route.rules.iter().map(of_rule).collect()).collect()
}

/// The expressions of all health policies.
fn conditions(topology: &Topology) -> impl Iterator<Item = &Condition> {
    let backends = topology.backends.iter().filter_map(|backend| backend.health.as_ref());
    let providers = topology.backends.iter().flat_map(Backend::providers);
    let rules = topology.routes.iter().flat_map(|route| &route.rules).filter_map(|rule| rule.health.as_ref());
    let all = backends.chain(providers.filter_map(|(_, provider)| provider.health.as_ref())).chain(rules);
    all.filter_map(|policy| policy.unhealthy.as_ref())
}

fn targets(topology: &Topology, credentials: Credentials) -> Vec<Vec<Vec<Arc<Target>>>> {
    let ready = |provider| Arc::new(Target::new(provider, credentials));
    let backends = topology.backends.iter();
    backends
        .map(|backend| backend.groups.iter().map(|group| group.providers.iter().map(ready).collect()).collect())
        .collect()
}
