//! The access log: one line for each request that the gateway has ended, as agentgateway writes it.
//!
//! Fields, their names, their order and their formats are agentgateway's, so that a filter written
//! for its log reads this one. One thing differs on purpose: a time has always six digits behind the
//! point. agentgateway leaves their leading zeros out, so that 2386 microseconds read as 238.6
//! milliseconds and lines do not sort by time.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json, json};

use super::exchange::{Exchange, Exchanges};
use crate::event::facts::TokenDetails;
use crate::event::log::Header;
use crate::event::trace::TraceContext;
use crate::event::{At, Event};

/// Turns the gateway's events into lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: Format,
    options: Options,
    seed: u64,
    start: Timestamp,
    /// agentgateway 0.12 and before have no `reason`, and no tokens that are counted apart.
    newer: bool,
    exchanges: Exchanges,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Time, level and scope between tabs, then `key=value` pairs.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Adds `response.body`, as a gateway does whose configuration asks for it.
    pub response_body: bool,
    /// Hides the host part of `src.addr`: the last byte of an IPv4 address, all but the first
    /// 48 bits of an IPv6 address, and the port.
    pub mask_client: bool,
}

impl AccessLog {
    /// A log for the lab of this header, whose first moment is `start`.
    #[must_use]
    pub fn new(format: Format, header: &Header, start: Timestamp, options: Options) -> Self {
        let newer = !super::is_before_1_2(&header.personality);
        Self { format, options, seed: header.seed, start, newer, exchanges: Exchanges::default() }
    }

    /// Whether its lines show the bodies of answers.
    #[must_use]
    pub fn shows_bodies(&self) -> bool {
        self.options.response_body
    }

    /// The line that an event adds, with its line end; mostly none.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        let exchange = self.exchanges.apply(event)?;
        Some(self.line_of(&exchange))
    }

    /// The line of a request that has ended, for one who has put it together already.
    #[must_use]
    pub fn line_of(&self, exchange: &Exchange) -> String {
        let time = rfc3339(self.start, exchange.end.at);
        let fields = self.fields(exchange);
        match self.format {
            Format::Text => text(&time, &fields),
            Format::Json => object(time, fields),
        }
    }

    /// The fields of a line.
    fn fields<'e>(&self, exchange: &'e Exchange) -> Vec<(&'static str, Field<'e>)> {
        let source = exchange.arrival.source.as_deref();
        let source = if self.options.mask_client {
            source.map(|source| Field::from(masked(source)))
        } else {
            source.map(Field::from)
        };
        let trace = exchange.trace(self.seed, self.start.as_second());
        let mut fields = fields(exchange, trace, source, self.newer);
        if let Some(body) = exchange.end.answer.body.as_deref().filter(|_| self.options.response_body) {
            fields.push(("response.body", body.into()));
        }
        fields
    }
}

/// All fields that a request has, in agentgateway's order.
pub(super) fn fields<'e>(
    exchange: &'e Exchange,
    trace: Option<TraceContext>,
    source: Option<Field<'e>>,
    newer: bool,
) -> Vec<(&'static str, Field<'e>)> {
    let (arrival, end) = (&exchange.arrival, &exchange.end);
    let mut fields = Fields(Vec::with_capacity(MOST_FIELDS));
    fields.add("gateway", arrival.gateway.as_deref());
    fields.add("listener", arrival.listener.as_deref());
    fields.add("route_rule", exchange.route.as_ref().and_then(|route| route.rule_name.as_deref()));
    fields.add("route", exchange.route.as_ref().map(|route| route.name.as_str()));
    fields.add("endpoint", end.endpoint.as_deref());
    fields.add("src.addr", source);
    if exchange.is_looked_at() {
        fields.add("http.method", Some(exchange.method.as_str()));
        fields.add("http.host", arrival.host.as_deref().map(without_port));
        fields.add("http.path", Some(exchange.path.as_str()));
        fields.add("http.version", arrival.version.as_deref());
    }
    // A client that left before the head has got none.
    fields.add("http.status", Some(end.status).filter(|status| *status > 0));
    fields.add("trace.id", trace.map(|trace| trace.trace_hex()));
    fields.add("span.id", trace.map(|trace| trace.span_hex()));
    llm_fields(&mut fields, exchange, newer);
    fields.add("retry.attempt", end.attempts.checked_sub(1).filter(|retries| *retries > 0));
    fields.add("error", end.error.as_deref());
    fields.add("reason", end.reason.as_deref().filter(|reason| newer && *reason != "Upstream"));
    fields.add("duration", Some(whole_millis(end.at.since(exchange.received))));
    fields.0
}

/// So many bytes a line has room for at first.
const USUAL_LENGTH: usize = 768;
/// So many fields a line has room for at first.
const MOST_FIELDS: usize = 32;

struct Fields<'e>(Vec<(&'static str, Field<'e>)>);

/// The value of a field.
pub(super) enum Field<'e> {
    Text(Cow<'e, str>),
    Number(Number),
}

impl<'e> Fields<'e> {
    fn add(&mut self, key: &'static str, value: Option<impl Into<Field<'e>>>) {
        if let Some(value) = value {
            self.0.push((key, value.into()));
        }
    }
}

impl<'e> From<&'e str> for Field<'e> {
    fn from(text: &'e str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Field<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for Field<'_> {
    fn from(count: u16) -> Self {
        Self::Number(count.into())
    }
}

impl From<u32> for Field<'_> {
    fn from(count: u32) -> Self {
        Self::Number(count.into())
    }
}

impl From<u64> for Field<'_> {
    fn from(count: u64) -> Self {
        Self::Number(count.into())
    }
}

impl From<Number> for Field<'_> {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl<'e> From<Field<'e>> for Json {
    fn from(field: Field<'e>) -> Self {
        match field {
            Field::Text(text) => Self::String(text.into_owned()),
            Field::Number(number) => Self::Number(number),
        }
    }
}

fn llm_fields<'e>(fields: &mut Fields<'e>, exchange: &'e Exchange, newer: bool) {
    let end = &exchange.end;
    fields.add("protocol", Some(exchange.protocol()));
    if !exchange.is_llm() {
        return;
    }
    if let Some(model) = end.request_model.as_deref() {
        // A request that could not be parsed has no model, and none of these.
        fields.add("gen_ai.operation.name", Some("chat"));
        fields.add("gen_ai.provider.name", Some("openai"));
        fields.add("gen_ai.request.model", Some(model));
    }
    let parameters = &end.answer.parameters;
    fields.add("gen_ai.response.model", end.response_model.as_deref());
    fields.add("gen_ai.usage.input_tokens", end.usage.map(|usage| usage.input));
    let details = if newer { end.answer.details } else { TokenDetails::default() };
    fields.add("gen_ai.usage.cache_read.input_tokens", details.cached);
    fields.add("gen_ai.usage.output_tokens", end.usage.map(|usage| usage.output));
    fields.add("gen_ai.usage.output_audio_tokens", details.audio);
    fields.add("gen_ai.request.temperature", parameters.temperature.and_then(Number::from_f64));
    fields.add("gen_ai.request.top_p", parameters.top_p.and_then(Number::from_f64));
    fields.add("gen_ai.request.max_tokens", parameters.max_tokens);
    fields.add("gen_ai.request.frequency_penalty", parameters.frequency_penalty.and_then(Number::from_f64));
    fields.add("gen_ai.request.presence_penalty", parameters.presence_penalty.and_then(Number::from_f64));
    fields.add("gen_ai.request.seed", parameters.seed.map(Number::from));
}

fn text(time: &str, fields: &[(&'static str, Field<'_>)]) -> String {
    let mut line = String::with_capacity(USUAL_LENGTH);
    line.push_str(time);
    line.push_str("\tinfo\trequest");
    for (key, value) in fields {
        line.push(' ');
        line.push_str(key);
        line.push('=');
        match value {
            // Quoted where agentgateway quotes; and nothing that a client sends may forge a field or a line.
            Field::Text(text) if needs_quotes(key, text) => line.push_str(&Json::from(&**text).to_string()),
            Field::Text(plain) => line.push_str(plain),
            Field::Number(number) => drop(write!(line, "{number}")),
        }
    }
    line.push('\n');
    line
}

fn needs_quotes(key: &str, value: &str) -> bool {
    let strange = |one: char| one.is_whitespace() || one.is_control() || one == '"';
    let ordinary = value.bytes().all(|byte| ORDINARY[usize::from(byte)]);
    matches!(key, "error" | "response.body") || value.is_empty() || (!ordinary && value.contains(strange))
}

/// Which bytes need no quotes wherever they stand.
static ORDINARY: [bool; 256] = {
    let mut ordinary = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        ordinary[byte as usize] = byte != b'"';
        byte += 1;
    }
    ordinary
};

fn object(time: String, fields: Vec<(&'static str, Field<'_>)>) -> String {
    let mut map = Map::new();
    map.insert("level".to_owned(), json!("info"));
    map.insert("time".to_owned(), Json::String(time));
    map.insert("scope".to_owned(), json!("request"));
    map.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())));
    format!("{}\n", Json::Object(map))
}

/// The wall-clock time of a moment of the lab, to the microsecond, in UTC.
#[must_use]
pub fn rfc3339(start: Timestamp, at: At) -> String {
    let time = start.checked_add(at.elapsed()).unwrap_or(Timestamp::MAX);
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let mut text = String::with_capacity("2026-11-22T21:30:45.002386Z".len());
    for (count, digits, end) in [
        (i32::from(time.year()), 4, '-'),
        (i32::from(time.month()), 2, '-'),
        (i32::from(time.day()), 2, 'T'),
        (i32::from(time.hour()), 2, ':'),
        (i32::from(time.minute()), 2, ':'),
        (i32::from(time.second()), 2, '.'),
        (time.subsec_nanosecond() / 1_000, 6, 'Z'),
    ] {
        push_digits(&mut text, count.unsigned_abs(), digits);
        text.push(end);
    }
    text
}

/// Writes the last so many digits of a number: a log has a time in every line, and `format!` takes ten times as long.
fn push_digits(text: &mut String, count: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = count / 10u32.pow(place) % 10;
        text.extend(char::from_digit(digit, 10));
    }
}

fn whole_millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// The host of a `Host` header: `[::1]:80` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => {
            let bare_ipv6 = name.contains(':') && !name.ends_with(']');
            if bare_ipv6 { host } else { name }
        }
        _ => host,
    }
}

fn masked(source: &str) -> String {
    match source.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(address)) => {
            let [a, b, c, _] = address.ip().octets();
            format!("{a}.{b}.{c}.0:0")
        }
        Ok(SocketAddr::V6(address)) => {
            let [a, b, c, ..] = address.ip().segments();
            format!("[{a:x}:{b:x}:{c:x}::]:0")
        }
        Err(_) => "masked".to_owned(),
    }
}

#[cfg(test)]
mod tests;
