//! Traces in OpenTelemetry's format: what a collector is sent, as JSON or as protobuf.
//!
//! A request is a span of kind server, named and described as agentgateway does it: the fields of
//! the access log are its attributes, and its status stays unset (only the reference gateway calls
//! an error an error). Under it stands what agentgateway does not tell: a span of kind client for
//! every attempt, after the conventions for generative AI, with its provider, group, status and
//! `Retry-After`; an eviction is an event on the attempt that brought it about.
//!
//! Times are the lab's, also where they are virtual. Ids come from the seed. A client's
//! `traceparent` is continued, and a provider is sent the one of its attempt
//! ([`crate::event::trace`]).

mod otlp;

use std::collections::VecDeque;

use jiff::Timestamp;

use super::access_log;
use super::exchange::{Attempt, Eviction, Exchange, Exchanges};
use crate::event::log::Header;
use crate::event::trace::TraceContext;
use crate::event::{At, Event, Kind, Outcome};
use otlp::{Attribute, Attributes, ResourceSpans, Span, SpanEvent};

pub use otlp::Export;

/// Where a collector takes traces over HTTP, under its own address.
pub const PATH: &str = "/v1/traces";
/// The method that takes them over gRPC.
pub const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// More requests than these are not in one export: a collector takes no message above 4 MiB over gRPC.
const MOST: usize = 512;

/// Turns the gateway's events into spans.
#[derive(Debug, Clone)]
pub struct Traces {
    seed: u64,
    start: Timestamp,
    version: String,
    personality: String,
    exchanges: Exchanges,
    ended: VecDeque<Exchange>,
}

impl Traces {
    /// Spans for the lab of this header, whose first moment is `start`.
    #[must_use]
    pub fn new(header: &Header, start: Timestamp) -> Self {
        Self {
            seed: header.seed,
            start,
            version: header.version.clone(),
            personality: header.personality.clone(),
            exchanges: Exchanges::default(),
            ended: VecDeque::new(),
        }
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event) {
        if let Some(exchange) = self.exchanges.apply(event) {
            if exchange.is_sampled() {
                self.ended.push_back(*exchange);
            }
        } else if let Kind::ProviderEvicted { request, provider, until_us, source, .. } = &event.kind {
            // A gateway may evict a moment after the answer has ended.
            let late = self.ended.iter_mut().rev().find(|ended| ended.request == *request);
            if let Some(attempt) = late.and_then(|ended| ended.attempt_at(provider)) {
                attempt.eviction = Some(Eviction { at: event.at_us, until: *until_us, source: source.clone() });
            }
        }
    }

    /// The requests that had ended by `until`, and forgets them; none where there are none, and some where
    /// there are many. Someone who exports while the lab runs stays a second behind, so that
    /// evictions that come after an answer are in.
    pub fn take(&mut self, until: At) -> Option<Export> {
        let count = self.ended.iter().take(MOST).take_while(|exchange| exchange.end.at <= until).count();
        let exchanges: Vec<Exchange> = self.ended.drain(..count).collect();
        if exchanges.is_empty() {
            return None;
        }
        let mut resource_spans: Vec<ResourceSpans> = Vec::new();
        let mut replicas: Vec<u32> = exchanges.iter().map(|exchange| exchange.replica).collect();
        replicas.sort_unstable();
        replicas.dedup();
        for replica in replicas {
            let spans = exchanges.iter().filter(|exchange| exchange.replica == replica).flat_map(|one| self.spans(one));
            resource_spans.push(ResourceSpans::new(self.resource(replica), spans.collect()));
        }
        Some(Export { resource_spans })
    }

    fn resource(&self, replica: u32) -> Attributes {
        vec![
            Attribute::new("service.name", "agentgateway"),
            Attribute::new("service.version", self.personality.as_str()),
            Attribute::new("service.instance.id", format!("agentgateway-proxy-{replica}")),
            Attribute::new("host.name", format!("agentgateway-proxy-{replica}")),
            Attribute::new("telemetry.sdk.name", "labsim"),
            Attribute::new("telemetry.sdk.language", "rust"),
            Attribute::new("telemetry.sdk.version", self.version.as_str()),
        ]
    }

    fn spans(&self, exchange: &Exchange) -> Vec<Span> {
        let client = exchange.client_trace();
        let context = TraceContext::of_request(self.seed, self.start.as_second(), &exchange.request, client.as_ref());
        let mut spans = vec![self.request_span(exchange, context, client)];
        spans.extend(exchange.attempts.iter().map(|attempt| self.attempt_span(exchange, attempt, context)));
        spans
    }

    fn request_span(&self, exchange: &Exchange, context: TraceContext, client: Option<TraceContext>) -> Span {
        let (arrival, end) = (&exchange.arrival, &exchange.end);
        let path_match = exchange.route.as_ref().and_then(|route| route.path_match.as_deref());
        let name = path_match.map_or_else(|| exchange.method.clone(), |path| format!("{} {path}", exchange.method));
        let fields =
            access_log::fields(exchange, Some(context), arrival.source.as_deref().map(Into::into), self.is_newer());
        let mut attributes: Attributes = fields.into_iter().map(|(key, value)| Attribute::new(key, value)).collect();
        attributes.push(Attribute::new("url.scheme", if arrival.secure { "https" } else { "http" }));
        attributes.extend(protocol_version(arrival.version.as_deref()));
        attributes.push(Attribute::new("labsim.request", exchange.request.as_str()));
        attributes.extend(end.provider.as_deref().map(|name| Attribute::new("labsim.provider", name)));
        attributes.extend(end.group.map(|group| Attribute::new("labsim.group", group)));
        attributes.extend(end.answer.retry_after.as_deref().map(retry_after));
        let mut events = Vec::new();
        if let Some(at) = end.answer.first_token_us {
            events.push(SpanEvent::new("gen_ai.first_token", self.nanos(at), Vec::new()));
        }
        let error = end.error.clone().filter(|_| self.personality.starts_with("reference"));
        let (start, end) = (self.nanos(exchange.received), self.nanos(end.at));
        Span::new(context, name, otlp::SERVER, (start, end), error).below(client).with(attributes, events)
    }

    fn attempt_span(&self, exchange: &Exchange, attempt: &Attempt, request: TraceContext) -> Span {
        let model = attempt.model.as_deref().or(exchange.end.request_model.as_deref());
        let name = model.map_or_else(|| "chat".to_owned(), |model| format!("chat {model}"));
        let ended = attempt.ended.unwrap_or(exchange.end.at);
        let (start, end) = (self.nanos(attempt.began), self.nanos(ended));
        let context = request.of_attempt(attempt.number);
        let events = attempt.eviction.iter().map(|eviction| self.eviction(attempt, eviction)).collect();
        Span::new(context, name, otlp::CLIENT, (start, end), failure(attempt))
            .below(Some(request))
            .with(attempt_attributes(exchange, attempt, model), events)
    }

    fn eviction(&self, attempt: &Attempt, eviction: &Eviction) -> SpanEvent {
        let lasts = eviction.until.since(eviction.at).as_secs_f64();
        let attributes = vec![
            Attribute::new("labsim.provider", attempt.provider.as_str()),
            Attribute::new("labsim.group", attempt.group),
            Attribute::new("labsim.eviction.seconds", lasts),
            Attribute::new("labsim.eviction.until", access_log::rfc3339(self.start, eviction.until)),
            Attribute::new("labsim.eviction.source", eviction.source.as_str()),
        ];
        SpanEvent::new("provider.evicted", self.nanos(eviction.at), attributes)
    }

    fn is_newer(&self) -> bool {
        !super::is_before_1_2(&self.personality)
    }

    /// Nanoseconds since 1970.
    fn nanos(&self, at: At) -> u64 {
        u64::try_from(self.start.as_nanosecond()).unwrap_or_default().saturating_add(at.0.saturating_mul(1_000))
    }
}

fn attempt_attributes(exchange: &Exchange, attempt: &Attempt, model: Option<&str>) -> Attributes {
    let mut attributes = vec![
        Attribute::new("gen_ai.operation.name", "chat"),
        Attribute::new("gen_ai.provider.name", "openai"),
        Attribute::new("http.request.method", exchange.method.as_str()),
    ];
    attributes.extend(model.map(|model| Attribute::new("gen_ai.request.model", model)));
    let is_last = exchange.attempts.last().is_some_and(|last| last.number == attempt.number);
    if is_last {
        let end = &exchange.end;
        attributes.extend(end.response_model.as_deref().map(|model| Attribute::new("gen_ai.response.model", model)));
        attributes.extend(end.usage.map(|usage| Attribute::new("gen_ai.usage.input_tokens", usage.input)));
        attributes.extend(end.usage.map(|usage| Attribute::new("gen_ai.usage.output_tokens", usage.output)));
    }
    if let Some((host, port)) = attempt.endpoint.as_deref().and_then(|endpoint| endpoint.rsplit_once(':')) {
        attributes.push(Attribute::new("server.address", host));
        attributes.extend(port.parse::<u16>().ok().map(|port| Attribute::new("server.port", port)));
    }
    if attempt.number > 0 {
        attributes.push(Attribute::new("http.request.resend_count", attempt.number));
    }
    attributes.extend(attempt.status.map(|status| Attribute::new("http.response.status_code", status)));
    attributes.extend(failure(attempt).map(|what| Attribute::new("error.type", what)));
    attributes.extend(attempt.retry_after.as_deref().map(retry_after));
    attributes.push(Attribute::new("labsim.provider", attempt.provider.as_str()));
    attributes.push(Attribute::new("labsim.group", attempt.group));
    if attempt.fallback {
        attributes.push(Attribute::new("labsim.fallback", true));
    }
    attributes
}

/// What made an attempt an error: its status, or the way in which it broke.
fn failure(attempt: &Attempt) -> Option<String> {
    match (attempt.status, attempt.outcome) {
        (Some(status), _) if status >= 400 => Some(status.to_string()),
        (_, Some(outcome)) if outcome != Outcome::Complete => Some(outcome.name().to_owned()),
        _ => None,
    }
}

fn retry_after(value: &str) -> Attribute {
    Attribute::new("http.response.header.retry-after", vec![value])
}

fn protocol_version(version: Option<&str>) -> Option<Attribute> {
    let number = version?.strip_prefix("HTTP/")?;
    Some(Attribute::new("network.protocol.version", number.strip_suffix(".0").unwrap_or(number)))
}

#[cfg(test)]
mod tests;
