//! The gateway's view of each request, put together from its events.
//!
//! Only requests under way are kept, so that a report can follow a lab for days.

use std::collections::BTreeMap;

use crate::event::trace::TraceContext;
use crate::event::{Answer, Arrival, At, Event, Kind, Outcome, OwnRule, RequestId, Usage};

/// One request from the gateway's reading its head to its end.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    pub(super) request: RequestId,
    pub(super) replica: u32,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) received: At,
    pub(super) arrival: Arrival,
    pub(super) route: Option<Route>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) end: End,
}

/// The rule that it took.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) rule_name: Option<String>,
    /// Where the gateway sent it; none where the rule answered, or a limit.
    pub(super) backend: Option<String>,
    pub(super) path_match: Option<String>,
}

/// One attempt at a provider.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) group: usize,
    pub(super) provider: String,
    pub(super) fallback: bool,
    pub(super) endpoint: Option<String>,
    pub(super) model: Option<String>,
    pub(super) began: At,
    pub(super) ended: Option<At>,
    pub(super) outcome: Option<Outcome>,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) eviction: Option<Eviction>,
}

/// The eviction that an attempt's answer brought about.
#[derive(Debug, Clone)]
pub(super) struct Eviction {
    pub(super) at: At,
    pub(super) until: At,
    pub(super) source: String,
}

/// How it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    pub(super) at: At,
    pub(super) status: u16,
    pub(super) provider: Option<String>,
    pub(super) group: Option<usize>,
    pub(super) endpoint: Option<String>,
    pub(super) request_model: Option<String>,
    pub(super) response_model: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) attempts: u32,
    pub(super) error: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) answer: Answer,
}

/// The requests under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<RequestId, Box<Exchange>>,
}

impl Exchange {
    /// Whether it went to a language model: every backend of the lab is one.
    pub(super) fn is_llm(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.backend.is_some())
    }

    /// The client's trace.
    pub(super) fn client_trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.arrival.traceparent.as_deref()?)
    }

    /// The gateway's span, where the request was traced. `seed` and `start` (in seconds) are the lab's.
    pub(super) fn trace(&self, seed: u64, start: i64) -> Option<TraceContext> {
        let client = self.client_trace();
        let traced = self.arrival.traced.unwrap_or(client.is_some());
        traced.then(|| TraceContext::of_request(seed, start, &self.request, client.as_ref()))
    }

    /// Whether its spans are told of: all are, unless the configuration leaves the request out, or the client does.
    pub(super) fn is_sampled(&self) -> bool {
        self.arrival.traced != Some(false) && self.client_trace().is_none_or(|client| client.flags & 1 == 1)
    }

    /// Whether the gateway has gone on to look at it: without a host that is one, it answers before it has taken note
    /// of the method and the rest (source: `normalize_uri` in agentgateway's `proxy/httpproxy.rs`).
    pub(super) fn is_looked_at(&self) -> bool {
        let is_host = |host: &str| host.parse::<http::uri::Authority>().is_ok();
        self.end.error.is_none() || self.arrival.host.as_deref().is_some_and(is_host)
    }

    /// What it speaks with where it went: agentgateway takes every request for plain HTTP at first.
    pub(super) fn protocol(&self) -> &'static str {
        if self.is_llm() { "llm" } else { "http" }
    }

    /// The attempt whose answer evicted a provider of this name: the latest one at it.
    pub(super) fn attempt_at(&mut self, provider: &str) -> Option<&mut Attempt> {
        self.attempts.iter_mut().rev().find(|attempt| attempt.provider == provider)
    }
}

impl Exchanges {
    /// How many requests are under way on a replica.
    pub(super) fn on(&self, replica: u32) -> usize {
        self.open.values().filter(|exchange| exchange.replica == replica).count()
    }

    /// Takes in the next event; returns the request that it ends.
    pub(super) fn apply(&mut self, event: &Event) -> Option<Box<Exchange>> {
        let at = event.at_us;
        match &event.kind {
            Kind::GatewayRequestReceived { request, replica, method, path, credential: _, arrival } => {
                let exchange = self.entry(request, *replica, at);
                exchange.method.clone_from(method);
                exchange.path.clone_from(path);
                exchange.arrival = Arrival::clone(arrival);
            }
            Kind::GatewayRequestRouted { request, replica, route, rule: _, backend, path_match, rule_name } => {
                let route = Route {
                    name: route.clone(),
                    rule_name: rule_name.clone(),
                    backend: Some(backend.clone()),
                    path_match: path_match.clone(),
                };
                self.entry(request, *replica, at).route = Some(route);
            }
            Kind::ProviderSelected { request, replica, attempt, group, provider, fallback, .. } => {
                let chosen = Attempt::chosen(*attempt, *group, provider, *fallback, at);
                self.entry(request, *replica, at).attempts.push(chosen);
            }
            Kind::AttemptStarted { request, replica: _, attempt, provider: _, endpoint, model, credential: _ } => {
                if let Some(open) = self.attempt(request, *attempt) {
                    open.began = at;
                    open.endpoint = Some(endpoint.clone());
                    open.model.clone_from(model);
                }
            }
            Kind::AttemptEnded { request, attempt, outcome, status, error, retry_after, .. } => {
                if let Some(open) = self.attempt(request, *attempt) {
                    open.ended = Some(at);
                    open.outcome = Some(*outcome);
                    open.status = *status;
                    open.error.clone_from(error);
                    open.retry_after.clone_from(retry_after);
                }
            }
            Kind::ProviderEvicted { request, provider, until_us, source, .. } => {
                if let Some(attempt) = self.open.get_mut(request).and_then(|open| open.attempt_at(provider)) {
                    attempt.eviction = Some(Eviction { at, until: *until_us, source: source.clone() });
                }
            }
            Kind::GatewayRequestEnded { request, replica, .. } => {
                let ended = self.entry(request, *replica, at);
                ended.end = End::of(event)?;
                ended.route = ended.route.take().or_else(|| ended.end.answer.rule.take().map(|rule| Route::own(*rule)));
                return self.open.remove(request);
            }
            Kind::ReplicaStopped { replica } => self.open.retain(|_, open| open.replica != *replica),
            Kind::StepStarted { .. }
            | Kind::StepEnded { .. }
            | Kind::ReplicaStarted { .. }
            | Kind::ReplicaConfigured { .. }
            | Kind::ClientRequestSent { .. }
            | Kind::ClientResponseStarted { .. }
            | Kind::ClientFirstToken { .. }
            | Kind::ClientRequestEnded { .. }
            | Kind::HealthChanged { .. }
            | Kind::ProviderReturned { .. }
            | Kind::ProviderRequestReceived { .. }
            | Kind::ProviderRequestEnded { .. }
            | Kind::FaultInjected { .. }
            | Kind::FaultStruck { .. }
            | Kind::FaultCleared { .. }
            | Kind::Note { .. } => {}
        }
        None
    }

    fn entry(&mut self, request: &str, replica: u32, at: At) -> &mut Exchange {
        self.open.entry(request.to_owned()).or_insert_with(|| {
            Box::new(Exchange { request: request.to_owned(), replica, received: at, ..Exchange::default() })
        })
    }

    fn attempt(&mut self, request: &str, number: u32) -> Option<&mut Attempt> {
        self.open.get_mut(request)?.attempts.iter_mut().rev().find(|attempt| attempt.number == number)
    }
}

impl Route {
    fn own(rule: OwnRule) -> Self {
        let OwnRule { route, rule_name, path_match } = rule;
        Self { name: route, rule_name, backend: None, path_match: Some(path_match) }
    }
}

impl Attempt {
    fn chosen(number: u32, group: usize, provider: &str, fallback: bool, at: At) -> Self {
        Self {
            number,
            group,
            provider: provider.to_owned(),
            fallback,
            endpoint: None,
            model: None,
            began: at,
            ended: None,
            outcome: None,
            status: None,
            error: None,
            retry_after: None,
            eviction: None,
        }
    }
}

impl End {
    fn of(event: &Event) -> Option<Self> {
        let Kind::GatewayRequestEnded {
            request: _,
            replica: _,
            status,
            outcome: _,
            provider,
            group,
            endpoint,
            request_model,
            response_model,
            usage,
            attempts,
            error,
            reason,
            answer,
        } = &event.kind
        else {
            return None;
        };
        Some(Self {
            at: event.at_us,
            status: *status,
            provider: provider.clone(),
            group: *group,
            endpoint: endpoint.clone(),
            request_model: request_model.clone(),
            response_model: response_model.clone(),
            usage: *usage,
            attempts: *attempts,
            error: error.clone(),
            reason: reason.clone(),
            answer: Answer::clone(answer),
        })
    }
}
