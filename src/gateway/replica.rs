//! The state of one replica, and its events.
//!
//! Each change of health state and the event that tells of it are made under one lock, so that the
//! order of the events is the order of the changes.

mod choosing;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::broken::Broken;
use super::budget::Budget;
use super::error::Error;
use super::filters;
use super::group::{Pool, Seat};
use super::health::{self, BackendHealth};
use super::limit::{Bucket, Exceeded};
use super::personality::{Behaviour, Credentials, Policies};
use super::provider::Target;
use super::route::{self, Found, Routes};
use super::succession::Succession;
use super::upstream::Upstream;
use crate::event::trace::TraceContext;
use crate::event::{At, Kind, RequestId, Taken};
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
