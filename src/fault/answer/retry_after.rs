//! An answer that says when to come back, in every spelling.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Answer, AnswerFault, Asked, Code, Effect, Headers, error_body, header, message};
use crate::fault::Acts;
use crate::fault::define::{fault, kinds};
use crate::source::Span;
use crate::source::duration::as_go;

/// How the time is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spelling {
    /// `Retry-After: 60`, rounded up.
    Seconds(Span),
    /// `Retry-After: Thu, 01 Jan 2026 00:01:00 GMT`, this long from now.
    HttpDate(Span),
    /// The same, this long ago.
    PastDate(Span),
    /// `Retry-After-Ms: 60000`.
    Milliseconds(Span),
    /// `X-RateLimit-Reset: 60`, in seconds from now.
    Reset(Span),
    /// `X-RateLimit-Reset: 1767225660`, in seconds since 1970.
    ResetEpoch(Span),
    /// `X-RateLimit-Reset-Requests: 1m0s`, as OpenAI writes it.
    ResetRequests(Span),
    /// `X-RateLimit-Reset-Tokens: 1m0s`, as OpenAI writes it.
    ResetTokens(Span),
    /// `Retry-After: 0`.
    Zero,
    /// `Retry-After: -5`.
    Negative,
    /// `Retry-After: 1.5`.
    Fractional,
    /// `Retry-After: soon`.
    Garbage,
    /// `Retry-After:` and nothing.
    Empty,
    /// One more than the largest 64-bit number.
    Huge,
    /// The header several times.
    Duplicate(Vec<Span>),
    /// Several headers, each in its own spelling.
    Several(Vec<Spelling>),
    /// `Retry-After` with this text.
    Text(String),
    /// None at all.
    Absent,
}

kinds! {
    Spelling = "`seconds`, `http-date`, `past-date`, `milliseconds`, `reset`, `reset-epoch`, `reset-requests` or \
                `reset-tokens` with a duration; `zero`, `negative`, `fractional`, `garbage`, `empty`, `huge` or `absent`; \
                `duplicate` with durations; `several` with spellings; `text` with the header's value",
}

fault! {
    /// The provider refuses and says when to come back, in any spelling.
    ///
    /// The simulator is not asked. Gateways and clients differ in what they read: users met
    /// [dates that are not read and negative numbers that are][1], [numbers so large that the wait
    /// becomes negative][2], and [waits in the past that end in an error][3].
    ///
    /// [1]: https://github.com/NousResearch/hermes-agent/issues/84738
    /// [2]: https://github.com/hashicorp/go-retryablehttp/pull/297
    /// [3]: https://github.com/openai/openai-java/pull/878
    pub struct RetryAfter = "retry-after" {
        /// The status code.
        pub status: Code = Code::clamped(429),
        /// How the time is spelled.
        pub value: Spelling = Spelling::Seconds(Span(Duration::from_mins(1))),
    }
}

impl AnswerFault for RetryAfter {
    const ACTS: Acts = Acts::OnRequest;

    fn effect(&self, asked: Asked<'_>) -> Effect {
        let status = self.status.number();
        let mut headers: Headers = header("content-type", "application/json").into_iter().collect();
        headers.extend(self.value.headers(asked.wall));
        Effect::Instead(Answer { status, headers, body: Bytes::from(error_body(status, message(status))) })
    }
}

impl Spelling {
    /// The headers, for an answer sent at `now`.
    fn headers(&self, now: Timestamp) -> Headers {
        let one = |name: &'static str, value: String| {
            // An empty value is a value, and whatever cannot be sent is left out.
            HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value)).into_iter().collect()
        };
        let retry_after = |value: &str| one("retry-after", value.to_owned());
        match self {
            Self::Seconds(span) => retry_after(&seconds_up(*span).to_string()),
            Self::HttpDate(span) => one("retry-after", http_date(now.checked_add(span.0).unwrap_or(Timestamp::MAX))),
            Self::PastDate(span) => one("retry-after", http_date(now.checked_sub(span.0).unwrap_or(Timestamp::MIN))),
            Self::Milliseconds(span) => one("retry-after-ms", span.0.as_millis().to_string()),
            Self::Reset(span) => one("x-ratelimit-reset", seconds_up(*span).to_string()),
            Self::ResetEpoch(span) => {
                one("x-ratelimit-reset", now.checked_add(span.0).unwrap_or(Timestamp::MAX).as_second().to_string())
            }
            Self::ResetRequests(span) => one("x-ratelimit-reset-requests", as_go(span.0)),
            Self::ResetTokens(span) => one("x-ratelimit-reset-tokens", as_go(span.0)),
            Self::Zero => retry_after("0"),
            Self::Negative => retry_after("-5"),
            Self::Fractional => retry_after("1.5"),
            Self::Garbage => retry_after("soon"),
            Self::Empty => retry_after(""),
            Self::Huge => retry_after("18446744073709551616"),
            Self::Duplicate(spans) => {
                spans.iter().flat_map(|span| one("retry-after", seconds_up(*span).to_string())).collect()
            }
            Self::Several(spellings) => spellings.iter().flat_map(|spelling| spelling.headers(now)).collect(),
            Self::Text(text) => retry_after(text),
            Self::Absent => Vec::new(),
        }
    }
}

fn seconds_up(span: Span) -> u128 {
    span.0.as_millis().div_ceil(1_000)
}

fn http_date(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::effect;
    use super::*;

    #[test]
    fn every_spelling_is_sent_as_it_is_told() {
        for (value, expected) in [
            (r#"{"seconds":"60s"}"#, "retry-after: 60"),
            (r#"{"seconds":"1.5s"}"#, "retry-after: 2"),
            (r#"{"http-date":"30s"}"#, "retry-after: Thu, 01 Jan 2026 00:00:30 GMT"),
            (r#"{"past-date":"30s"}"#, "retry-after: Wed, 31 Dec 2025 23:59:30 GMT"),
            (r#"{"milliseconds":"1.5s"}"#, "retry-after-ms: 1500"),
            (r#"{"reset":"90s"}"#, "x-ratelimit-reset: 90"),
            (r#"{"reset-epoch":"60s"}"#, "x-ratelimit-reset: 1767225660"),
            (r#"{"reset-requests":"20ms"}"#, "x-ratelimit-reset-requests: 20ms"),
            (r#"{"reset-tokens":"6m"}"#, "x-ratelimit-reset-tokens: 6m0s"),
            (r#""zero""#, "retry-after: 0"),
            (r#""negative""#, "retry-after: -5"),
            (r#""fractional""#, "retry-after: 1.5"),
            (r#""garbage""#, "retry-after: soon"),
            (r#""empty""#, "retry-after: "),
            (r#""huge""#, "retry-after: 18446744073709551616"),
            (r#"{"duplicate":["1s","60s"]}"#, "retry-after: 1, retry-after: 60"),
            (r#"{"several":[{"seconds":"60s"},{"milliseconds":"500ms"}]}"#, "retry-after: 60, retry-after-ms: 500"),
            (r#"{"text":"a while"}"#, "retry-after: a while"),
            (r#""absent""#, ""),
        ] {
            let fault = RetryAfter { value: serde_json::from_str(value).expect(value), ..RetryAfter::default() };
            let Effect::Instead(answer) = effect(&fault, false) else { panic!("it answers") };
            assert_eq!(answer.status, 429);
            let sent: Vec<_> = answer.headers[1..]
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            assert_eq!(sent.join(", "), expected, "{value}");
        }
    }
}
