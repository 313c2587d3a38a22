//! What a policy changes about requests: retries, timeouts, headers, limits, an answer of its own.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{TrafficPart, condition, of_request};
use crate::kube::fields::Fields;
use crate::kube::route::header_change;
use crate::source::{Diagnostic, Origin, Value};
use crate::topology::{Condition, Filter, RateLimit, RateUnit, Retry};

/// Retries where a policy does not say how many.
const DEFAULT_ATTEMPTS: u32 = 1;
const MAX_LIMITS: usize = 16;
/// The published schema accepts none that is shorter.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);

/// Reads `traffic`.
pub(super) fn read(fields: &Fields<'_>) -> TrafficPart {
    let mut filters = Vec::new();
    if let Some(headers) = fields.map("headerModifiers") {
        filters.extend(headers.map("request").map(|fields| Filter::RequestHeaders(header_change(&fields))));
        filters.extend(headers.map("response").map(|fields| Filter::ResponseHeaders(header_change(&fields))));
    }
    if let Some(direct) = fields.map("directResponse") {
        filters.extend(direct_response(&direct));
    }
    let timeout = fields.map("timeouts").and_then(|timeouts| timeouts.gateway_duration("request"));
    if let Some(short) = timeout.as_ref().filter(|timeout| timeout.value < SHORTEST_TIMEOUT) {
        let diagnostic = Diagnostic::error("a policy's timeout is at least 100 ms").at(short.place, "too short");
        fields.log().push(diagnostic.help("`timeouts` in an HTTPRoute's rule may be shorter"));
    }
    TrafficPart {
        retry: fields.map("retry").map(|fields| conditional_retry(&fields)),
        timeout_origin: Origin(timeout.as_ref().map(|timeout| timeout.place)),
        request_timeout: timeout.map(|timeout| timeout.value).filter(|timeout| !timeout.is_zero()),
        filters,
        rate_limits: fields.map("rateLimit").map(|fields| rate_limits(&fields)).unwrap_or_default(),
    }
}

/// Reads `retry` of a policy.
fn conditional_retry(fields: &Fields<'_>) -> Retry {
    let condition = condition(fields, "condition");
    Retry { precondition: of_request(fields, "precondition"), ..retry(fields, condition) }
}

/// Reads `retry`, of a policy or of a rule.
pub(in crate::kube) fn retry(fields: &Fields<'_>, condition: Option<Condition>) -> Retry {
    let attempts = fields.number("attempts", 1..=u64::from(u8::MAX));
    if fields.find("codes").is_none() && condition.is_none() {
        fields.log().push(
            Diagnostic::warning("no `codes` are retried")
                .at(fields.place(), "only a provider that cannot be called is tried again")
                .help("such as `codes: [429, 503]`"),
        );
    }
    Retry {
        attempts: attempts.and_then(|number| u32::try_from(number.value).ok()).unwrap_or(DEFAULT_ATTEMPTS),
        codes: codes(fields, 400..=599),
        condition,
        precondition: None,
        backoff: fields.gateway_duration("backoff").map(|backoff| backoff.value),
        origin: fields.place().into(),
    }
}

/// Reads the statuses that are retried.
pub(in crate::kube) fn codes(fields: &Fields<'_>, allowed: RangeInclusive<u16>) -> Vec<u16> {
    let Some(entry) = fields.find("codes") else { return Vec::new() };
    let Value::Seq(items) = &entry.value.value else {
        fields.log().push(Diagnostic::error("`codes` must be a list").at(entry.value.place, "expected a list"));
        return Vec::new();
    };
    let mut codes = Vec::new();
    for item in items {
        let code = match item.value {
            Value::Int(code) => u16::try_from(code).ok().filter(|code| allowed.contains(code)),
            _ => None,
        };
        if code.is_none() {
            let (first, last) = (allowed.start(), allowed.end());
            let message = format!("a status that is retried is a number from {first} to {last}");
            fields.log().push(Diagnostic::error(message).at(item.place, "no such status"));
        }
        codes.extend(code);
    }
    codes
}

/// Reads an answer in place of a backend's.
pub(in crate::kube) fn direct_response(fields: &Fields<'_>) -> Option<Filter> {
    let body = fields.text("body").map(|body| body.value).unwrap_or_default();
    let status = fields.need("status", fields.number("status", 200..=599))?;
    Some(Filter::DirectResponse { status: u16::try_from(status.value).ok()?, body })
}

fn rate_limits(fields: &Fields<'_>) -> Vec<RateLimit> {
    fields.need_maps("local", MAX_LIMITS).iter().filter_map(rate_limit).collect()
}

fn rate_limit(fields: &Fields<'_>) -> Option<RateLimit> {
    const MOST: u64 = i32::MAX.unsigned_abs() as u64;
    let unit = fields.need("unit", fields.choice("unit", &["Seconds", "Minutes", "Hours"]));
    let (requests, tokens) = (fields.number("requests", 1..=MOST), fields.number("tokens", 1..=MOST));
    let burst = fields.number("burst", 0..=MOST).map_or(0, |burst| burst.value);
    let (unit, count) = match (unit, requests, tokens) {
        (Some(unit), Some(requests), None) => (unit, (RateUnit::Requests, requests.value)),
        (Some(unit), None, Some(tokens)) => (unit, (RateUnit::Tokens, tokens.value)),
        (_, requests, tokens) => {
            if requests.is_some() == tokens.is_some() {
                fields.log().push(
                    Diagnostic::error("a limit has one of `requests` and `tokens`").at(fields.place(), "needs one"),
                );
            }
            return None;
        }
    };
    let interval = Duration::from_secs(match unit.value {
        "Seconds" => 1,
        "Minutes" => 60,
        _ => 3_600,
    });
    Some(RateLimit { unit: count.0, capacity: count.1.saturating_add(burst), refill: count.1, interval })
}
