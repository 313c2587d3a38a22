//! Metrics in Prometheus' text format: agentgateway's own, and what it does not tell.
//!
//! Names, labels and buckets under `agentgateway_` are agentgateway's, with the label `replica`
//! added, since all replicas of a lab share one metrics port. Nothing there has a provider's name,
//! so that failover cannot be seen; the families under `labsim_` tell it: health, evictions, what
//! remains of them, the group that was chosen last, and requests by provider and status.
//!
//! Counters go on when a replica restarts (a lab counts as a whole); what describes a replica's
//! state goes with it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::exchange::{Exchange, Exchanges};
use super::prometheus::{Labels, Registry};
use super::providers::Providers;
use crate::event::log::Header;
use crate::event::{At, BackendRecord, Event, Kind};

pub use describe::CONTENT_TYPE;

use alike::{Alike, Count};

mod alike;
mod describe;

/// What has been counted.
#[derive(Debug, Clone)]
pub struct Metrics {
    version: String,
    personality: String,
    /// What agentgateway's metrics call backends, where that is not their name.
    labels: BTreeMap<String, String>,
    counted: Registry,
    alike: Alike,
    providers: Providers,
    exchanges: Exchanges,
}

impl Metrics {
    /// Counts for the lab of this header.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let mut metrics = Self {
            version: header.version.clone(),
            personality: header.personality.clone(),
            labels: BTreeMap::new(),
            counted: Registry::default(),
            alike: Alike::default(),
            providers: Providers::new(header),
            exchanges: Exchanges::default(),
        };
        metrics.name(&header.backends);
        metrics
    }

    /// Takes note of what backends are called.
    fn name(&mut self, backends: &[BackendRecord]) {
        for backend in backends {
            let label = backend.label.clone().map(|label| match label.split_once("/bind/") {
                // Before 1.2 a backend of a bind is named without it.
                Some((before, bind)) if super::is_before_1_2(&self.personality) => {
                    bind.split_once('/').map_or(label.clone(), |(_, after)| format!("{before}/{after}"))
                }
                _ => label,
            });
            match label {
                Some(label) => self.labels.insert(backend.name.clone(), label),
                None => self.labels.remove(&backend.name),
            };
        }
    }

    /// Takes in the next event; returns the request that it ends.
    pub fn apply(&mut self, event: &Event) -> Option<Box<Exchange>> {
        self.providers.apply(event);
        match &event.kind {
            Kind::ReplicaStarted { replica } => self.announce(*replica),
            Kind::ReplicaConfigured { backends, .. } => self.name(backends),
            Kind::ProviderEvicted { replica, backend, group, provider, .. } => {
                let labels = provider_labels(*replica, backend, *group, provider);
                self.counted.add(&describe::EVICTIONS, &labels, 1.0);
            }
            // Every other kind counts through the request that it belongs to, or not at all.
            _ => {}
        }
        let ended = self.exchanges.apply(event)?;
        self.count(&ended);
        Some(ended)
    }

    /// What is known of every provider.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Counters of a replica that has begun stand at 0, so that the first eviction is an increase.
    fn announce(&mut self, replica: u32) {
        for (key, state) in self.providers.states().filter(|(key, _)| key.replica == replica) {
            let labels = provider_labels(replica, &key.backend, state.group, &key.provider);
            self.counted.add(&describe::EVICTIONS, &labels, 0.0);
        }
    }

    fn count(&mut self, exchange: &Exchange) {
        let end = &exchange.end;
        let old = ["agentgateway-0.", "agentgateway-1.2"].iter().any(|old| self.personality.starts_with(old));
        let texts = Texts::of(exchange, old, &self.labels);
        let places = self.alike.of(|key| texts.write(key));
        let mut count = Count { registry: &mut self.counted, places };
        let labels = || texts.http();
        let duration = end.at.since(exchange.received).as_secs_f64();
        count.add(&describe::REQUESTS, labels, 1.0);
        count.observe((&describe::REQUEST_DURATION, ""), labels, duration);
        if let Some(bytes) = end.answer.bytes.filter(|bytes| *bytes > 0) {
            count.add(&describe::RESPONSE_BYTES, labels, as_f64(bytes));
        }
        if end.attempts > 1 && !super::is_before_1_2(&self.personality) {
            count.add(&describe::RETRIES, labels, f64::from(end.attempts - 1));
        }
        // Before 1.3 only an answer that was understood is timed.
        if end.request_model.is_some() && !(old && end.response_model.is_none()) {
            let cached = end.answer.details.cached.filter(|_| !super::is_before_1_2(&self.personality));
            count_llm(&mut count, exchange, &texts, duration, cached);
        }
        self.count_attempts(exchange);
    }

    fn count_attempts(&mut self, exchange: &Exchange) {
        let backend = backend_of(exchange).unwrap_or(UNKNOWN);
        for attempt in &exchange.attempts {
            let status = match (attempt.status, attempt.outcome) {
                (Some(status), _) => Cow::Owned(status.to_string()),
                (None, Some(outcome)) => Cow::Borrowed(outcome.name()),
                (None, None) => Cow::Borrowed("unfinished"),
            };
            let places = self.alike.of(|key| {
                key.extend_from_slice(&exchange.replica.to_ne_bytes());
                key.extend_from_slice(&attempt.group.to_ne_bytes());
                for text in [backend, &attempt.provider, &status] {
                    alike::put(key, text);
                }
            });
            let labels = || {
                let mut labels = provider_labels(exchange.replica, backend, attempt.group, &attempt.provider);
                labels.push("status", &status);
                labels
            };
            Count { registry: &mut self.counted, places }.add(&describe::PROVIDER_REQUESTS, labels, 1.0);
        }
    }

    /// What holds at this moment: gauges.
    fn gauges(&self, now: At) -> Registry {
        let mut gauges = Registry::default();
        let build = Labels::of(&[("personality", &self.personality), ("version", &self.version)]);
        gauges.set(&describe::BUILD, &build, 1.0);
        for (key, state) in self.providers.states() {
            let labels = provider_labels(key.replica, &key.backend, state.group, &key.provider);
            gauges.set(&describe::HEALTH, &labels, state.health);
            gauges.set(&describe::LATENCY, &labels, state.latency_seconds);
            gauges.set(&describe::FAILURES, &labels, f64::from(state.consecutive_failures));
            gauges.set(&describe::TIMES_EJECTED, &labels, f64::from(state.times_ejected));
            gauges.set(&describe::IN_FLIGHT, &labels, f64::from(state.in_flight));
            gauges.set(&describe::ACTIVE, &labels, f64::from(u8::from(state.evicted_until.is_none())));
            gauges.set(&describe::EVICTION_REMAINING, &labels, state.eviction_remaining(now));
        }
        for (replica, backend, group) in self.providers.selected() {
            let labels = Labels::of(&[("replica", &replica.to_string()), ("backend", backend)]);
            gauges.set(&describe::SELECTED_GROUP, &labels, as_f64(group as u64));
        }
        for replica in self.providers.replicas() {
            let open = self.exchanges.on(replica);
            gauges.set(
                &describe::GATEWAY_IN_FLIGHT,
                &Labels::of(&[("replica", &replica.to_string())]),
                as_f64(open as u64),
            );
        }
        gauges
    }
}

fn count_llm(count: &mut Count<'_>, exchange: &Exchange, texts: &Texts<'_>, duration: f64, cached: Option<u64>) {
    let end = &exchange.end;
    let labels = || texts.gen_ai();
    count.observe((&describe::GEN_AI_DURATION, ""), labels, duration);
    if let Some(usage) = end.usage {
        let cached = cached.map(|tokens| ("input_cache_read", tokens));
        for (kind, tokens) in [("input", usage.input), ("output", usage.output)].into_iter().chain(cached) {
            let labels = || labels().behind("gen_ai_token_type", kind);
            count.observe((&describe::GEN_AI_TOKENS, kind), labels, as_f64(tokens));
        }
    }
    if let Some(first) = end.answer.first_token_us {
        let wait = first.since(exchange.received).as_secs_f64();
        count.observe((&describe::GEN_AI_FIRST_TOKEN, ""), labels, wait);
        if let Some(usage) = end.usage.filter(|usage| usage.output > 0) {
            let each = end.at.since(first).as_secs_f64() / as_f64(usage.output);
            count.observe((&describe::GEN_AI_EACH_TOKEN, ""), labels, each);
        }
    }
}

/// The metrics as a scrape at `now` reads them.
#[must_use]
pub fn render(metrics: &Metrics, now: At) -> String {
    metrics.counted.render_with(&metrics.gauges(now))
}

/// The name of the backend that a request went to.
fn backend_of(exchange: &Exchange) -> Option<&str> {
    exchange.route.as_ref()?.backend.as_deref()
}

/// Values of labels, as text.
struct Texts<'e> {
    replica: String,
    backend: &'e str,
    protocol: &'static str,
    method: &'e str,
    status: Cow<'static, str>,
    reason: &'e str,
    bind: Cow<'static, str>,
    gateway: &'e str,
    listener: &'e str,
    route: &'e str,
    route_rule: &'e str,
    request_model: &'e str,
    response_model: &'e str,
}

impl<'e> Texts<'e> {
    /// `old` is a version before 1.3, which knows a bind only with its listener.
    fn of(exchange: &'e Exchange, old: bool, labels: &'e BTreeMap<String, String>) -> Self {
        let known = |text: Option<&'e str>| text.unwrap_or(UNKNOWN);
        let (arrival, end) = (&exchange.arrival, &exchange.end);
        // A reason comes with the answer: a client that left before it has none.
        let answered = match end.status {
            0 => UNKNOWN,
            _ if exchange.attempts.is_empty() => "Internal",
            _ => "Upstream",
        };
        Self {
            replica: exchange.replica.to_string(),
            backend: known(backend_of(exchange).map(|name| labels.get(name).map_or(name, String::as_str))),
            protocol: exchange.protocol(),
            method: if exchange.is_looked_at() { &exchange.method } else { UNKNOWN },
            status: if end.status == 0 { UNKNOWN.into() } else { end.status.to_string().into() },
            reason: end.reason.as_deref().unwrap_or(answered),
            bind: arrival
                .port
                .filter(|_| !old || arrival.listener.is_some())
                .map_or(UNKNOWN.into(), |port| format!("bind/{port}").into()),
            gateway: known(arrival.gateway.as_deref()),
            listener: known(arrival.listener.as_deref()),
            route: known(exchange.route.as_ref().map(|route| route.name.as_str())),
            route_rule: known(exchange.route.as_ref().and_then(|route| route.rule_name.as_deref())),
            request_model: known(end.request_model.as_deref()),
            response_model: known(end.response_model.as_deref()),
        }
    }

    /// What tells one kind of request from another.
    fn write(&self, key: &mut Vec<u8>) {
        let Self { replica, backend, protocol, method, status, reason, .. } = self;
        let Self { bind, gateway, listener, route, route_rule, request_model, response_model, .. } = self;
        for text in [replica, *backend, protocol, method, status, reason] {
            alike::put(key, text);
        }
        for text in [bind, *gateway, listener, route, route_rule, request_model, response_model] {
            alike::put(key, text);
        }
    }

    fn http(&self) -> Labels {
        self.with_route(Labels::of(&[
            ("backend", self.backend),
            ("protocol", self.protocol),
            ("method", self.method),
            ("status", &self.status),
            ("reason", self.reason),
        ]))
    }

    fn gen_ai(&self) -> Labels {
        self.with_route(Labels::of(&[
            ("gen_ai_operation_name", "chat"),
            ("gen_ai_system", "openai"),
            ("gen_ai_request_model", self.request_model),
            ("gen_ai_response_model", self.response_model),
        ]))
    }

    fn with_route(&self, mut labels: Labels) -> Labels {
        labels.push("bind", &self.bind);
        labels.push("gateway", self.gateway);
        labels.push("listener", self.listener);
        labels.push("route", self.route);
        labels.push("route_rule", self.route_rule);
        labels.push("replica", &self.replica);
        labels
    }
}

/// The value of a label that has none.
const UNKNOWN: &str = "unknown";

fn provider_labels(replica: u32, backend: &str, group: usize, provider: &str) -> Labels {
    let (replica, group) = (replica.to_string(), group.to_string());
    Labels::of(&[("replica", &replica), ("backend", backend), ("group", &group), ("provider", provider)])
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens and bytes stay far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
