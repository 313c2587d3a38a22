//! Whether a client asks again after a failure, and after how long: as OpenAI's official clients decide.
//!
//! Read in openai-python 1.109.1 and 3.54.0 and in openai-node 6.49.0. Each retry is a request of its
//! own, which says by [`COUNT`] the how manieth it is.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use super::client::Answered;
use crate::event::Outcome;

/// The header by which a client says how often it has tried again.
pub const COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

/// Which client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// openai-python 2 and 3.
    OpenaiPython,
    /// openai-python 1.
    OpenaiPython1,
    /// openai-node 6.
    OpenaiNode,
}

/// The first back-off, before its jitter, in seconds; each further one is twice as long.
const FIRST_BACKOFF: f64 = 0.5;
/// The longest back-off, before its jitter, in seconds.
const LONGEST_BACKOFF: f64 = 8.0;
/// By which part at most a back-off is shorter.
const JITTER: f64 = 0.25;
/// The longest wait that a timer of Node holds, in seconds; a longer one passes at once.
const NODE_TIMER: f64 = 2_147_483.647;

impl Sdk {
    /// How long it waits before it asks for the `next`th time again (from 0), if it does. `draw` is from
    /// 0 (inclusive) to 1.
    #[must_use]
    pub fn again(self, answered: &Answered, next: u32, now: Timestamp, draw: f64) -> Option<Duration> {
        let wait = wait(&answered.headers, now);
        if !self.may(answered, wait) {
            return None;
        }
        let backoff = (FIRST_BACKOFF * 2.0_f64.powi(i32::try_from(next).unwrap_or(i32::MAX))).min(LONGEST_BACKOFF);
        let backoff = backoff * (1.0 - JITTER * draw);
        Duration::try_from_secs_f64(self.heeded(wait).unwrap_or(backoff)).ok()
    }

    fn may(self, answered: &Answered, wait: Wait) -> bool {
        let Some(status) = answered.status else { return answered.outcome != Outcome::Cancelled };
        if self == Self::OpenaiPython && matches!(wait, Wait::Told(seconds) if seconds > self.longest()) {
            return false;
        }
        match answered.headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
            Some(b"true") if !(200..300).contains(&status) => true,
            Some(b"false") => false,
            _ => matches!(status, 408 | 409 | 429 | 500..),
        }
    }

    /// The longest wait that it heeds, in seconds.
    fn longest(self) -> f64 {
        match self {
            Self::OpenaiPython => 120.0,
            Self::OpenaiPython1 => 60.0,
            Self::OpenaiNode => f64::INFINITY,
        }
    }

    /// The wait that it heeds, in seconds, if it does.
    fn heeded(self, wait: Wait) -> Option<f64> {
        let seconds = match wait {
            Wait::Told(seconds) => seconds,
            // A date that is none is waited for as a number that is none: not at all.
            Wait::Unreadable if self == Self::OpenaiNode => 0.0,
            Wait::None | Wait::Unreadable => return None,
        };
        match self {
            Self::OpenaiNode if seconds > NODE_TIMER => Some(0.001),
            Self::OpenaiNode => Some(seconds.max(0.0)),
            _ => Some(seconds).filter(|seconds| *seconds > 0.0 && *seconds <= self.longest()),
        }
    }
}

/// What an answer says of when to come back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    None,
    /// In seconds.
    Told(f64),
    Unreadable,
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date.
fn wait(headers: &HeaderMap, now: Timestamp) -> Wait {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Wait::Told(millis / 1000.0);
    }
    let Some(after) = text("retry-after").filter(|text| !text.is_empty()) else { return Wait::None };
    let date = || Timestamp::try_from(httpdate::parse_http_date(after).ok()?).ok();
    match (number(after), date()) {
        (Some(seconds), _) => Wait::Told(seconds),
        (None, Some(date)) => Wait::Told(date.duration_since(now).as_secs_f64()),
        (None, None) => Wait::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Sdk; 3] = [Sdk::OpenaiPython1, Sdk::OpenaiPython, Sdk::OpenaiNode];

    fn answered(status: u16, headers: &[(&'static str, &str)]) -> Answered {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Answered { outcome: Outcome::Complete, status: Some(status), headers: headers.collect() }
    }

    /// What each client does after a 429 with these headers, the first time.
    fn after(headers: &[(&'static str, &str)]) -> [Option<f64>; 3] {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        ALL.map(|sdk| sdk.again(&answered(429, headers), 0, now, 0.0).map(|wait| wait.as_secs_f64()))
    }

    #[test]
    fn waits_are_heeded_as_each_client_does() {
        assert_eq!(after(&[("retry-after-ms", "100"), ("retry-after", "5")]), [Some(0.1); 3]);
        assert_eq!(after(&[("retry-after", "2")]), [Some(2.0); 3]);
        assert_eq!(after(&[("retry-after", "0")]), [Some(0.5), Some(0.5), Some(0.0)]);
        assert_eq!(after(&[("retry-after", "61")]), [Some(0.5), Some(61.0), Some(61.0)]);
        assert_eq!(after(&[("retry-after", "121")]), [Some(0.5), None, Some(121.0)]);
        assert_eq!(after(&[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")]), [Some(30.0); 3]);
        assert_eq!(after(&[("retry-after", "soon")]), [Some(0.5), Some(0.5), Some(0.0)]);
        assert_eq!(after(&[("retry-after", "9999999999")]), [Some(0.5), None, Some(0.001)]);
        assert_eq!(after(&[]), [Some(0.5); 3]);
    }

    #[test]
    fn back_off_doubles_up_to_eight_seconds_and_is_up_to_a_quarter_shorter() {
        let waits = |draw| {
            let wait = |next| ALL[0].again(&answered(500, &[]), next, Timestamp::UNIX_EPOCH, draw);
            [0, 1, 2, 3, 4, 5, 900].map(|next| wait(next).unwrap().as_micros())
        };
        assert_eq!(waits(0.0).map(|micros| micros / 1_000), [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(waits(0.5)[..2], [437_500, 875_000]);
    }

    #[test]
    fn a_status_or_a_header_says_whether_to_try_again() {
        let again = |answered: &Answered| ALL.map(|sdk| sdk.again(answered, 0, Timestamp::UNIX_EPOCH, 0.0).is_some());
        for status in [408, 409, 429, 500, 503, 529] {
            assert_eq!(again(&answered(status, &[])), [true; 3], "{status}");
        }
        for status in [200, 400, 401, 403, 404, 413, 418, 422] {
            assert_eq!(again(&answered(status, &[])), [false; 3], "{status}");
        }
        assert_eq!(again(&answered(429, &[("x-should-retry", "false")])), [false; 3]);
        assert_eq!(again(&answered(400, &[("x-should-retry", "true")])), [true; 3]);
        let without = |outcome| Answered { outcome, status: None, headers: HeaderMap::new() };
        assert_eq!(again(&without(Outcome::Reset)), [true; 3]);
        assert_eq!(again(&without(Outcome::Timeout)), [true; 3]);
    }
}
