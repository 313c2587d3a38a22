//! How long a response asks its client to stay away: `Retry-After` and its relatives.
//!
//! Only a 429 is asked, only in its final headers, and the first source that can be read counts.
//! A value that cannot be read is as good as none; a value of any size is fine.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::Timestamp;

/// A wait, and the header that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long.
    pub duration: Duration,
    /// Name of the header.
    pub source: &'static str,
}

/// Seconds from which on `x-ratelimit-reset` is a moment rather than a length: 30 days.
const RESET_IS_A_MOMENT: u64 = 30 * 24 * 3600;

/// Headers with a duration; of those that are there, the shortest counts.
const RESETS: [HeaderName; 4] = [
    HeaderName::from_static("x-ratelimit-reset-requests"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
    HeaderName::from_static("x-ratelimit-reset-requests-day"),
    HeaderName::from_static("x-ratelimit-reset-tokens-minute"),
];

/// The wait that a response asks for at the wall-clock time `now`.
#[must_use]
pub fn of_response(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Wait> {
    if status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let wait = |source| move |duration| Wait { duration, source };
    text(headers, &RETRY_AFTER)
        .and_then(|value| seconds_or_date(value, now))
        .map(wait("retry-after"))
        .or_else(|| {
            let millis = text(headers, &HeaderName::from_static("retry-after-ms"))?.parse().ok()?;
            Some(wait("retry-after-ms")(Duration::from_millis(millis)))
        })
        .or_else(|| {
            let value = text(headers, &HeaderName::from_static("x-ratelimit-reset"))?.parse().ok()?;
            seconds_or_epoch(value, now).map(wait("x-ratelimit-reset"))
        })
        .or_else(|| shortest_reset(headers))
}

/// The longest wait that a response asks for, by any of the sources, whatever its status.
#[must_use]
pub fn longest(headers: &HeaderMap, now: Timestamp) -> Option<Wait> {
    let wait = |source| move |duration| Wait { duration, source };
    let number = |name: &'static str| text(headers, &HeaderName::from_static(name))?.parse::<u64>().ok();
    let after = text(headers, &RETRY_AFTER).and_then(|value| seconds_or_date(value, now)).map(wait("retry-after"));
    let millis = number("retry-after-ms").map(Duration::from_millis).map(wait("retry-after-ms"));
    let reset = number("x-ratelimit-reset").and_then(|value| seconds_or_epoch(value, now));
    let reset = reset.map(wait("x-ratelimit-reset"));
    let resets = RESETS.iter().filter_map(|name| reset_of(headers, name)).max().map(wait("x-ratelimit-reset-*"));
    // Of equals the first counts.
    let all = [resets, reset, millis, after];
    all.into_iter().flatten().max_by_key(|wait| wait.duration)
}

/// The first value of a header, if it is text.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After`: whole seconds, or an HTTP date that is not past.
fn seconds_or_date(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    until(date, now)
}

/// `x-ratelimit-reset`: seconds from now if it is small, else seconds since 1970.
fn seconds_or_epoch(value: u64, now: Timestamp) -> Option<Duration> {
    if value < RESET_IS_A_MOMENT {
        return Some(Duration::from_secs(value));
    }
    let moment = i64::try_from(value).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    // Past the end of the calendar it is just very long.
    moment.map_or(Some(Duration::from_secs(value)), |moment| until(moment, now))
}

fn until(moment: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(moment.duration_since(now)).ok()
}

fn shortest_reset(headers: &HeaderMap) -> Option<Wait> {
    let shortest = RESETS.iter().filter_map(|name| reset_of(headers, name)).min()?;
    Some(Wait { duration: shortest, source: "x-ratelimit-reset-*" })
}

fn reset_of(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let value = text(headers, name)?;
    let without_unit = value.ends_with(|last: char| last.is_ascii_digit());
    go_duration(value).or_else(|| without_unit.then(|| go_duration(&format!("{value}s")))?)
}

/// A duration as Go writes it: `6m0s`, `20ms`, `1.5h`. None where it is negative, longer than Go
/// can say (292 years), or something else.
fn go_duration(text: &str) -> Option<Duration> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos: u64 = 0;
    let mut rest = unsigned;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (part, after) = go_part(rest)?;
        nanos = nanos.checked_add(part).filter(|sum| i64::try_from(*sum).is_ok())?;
        rest = after;
    }
    (nanos == 0 || !text.starts_with('-')).then(|| Duration::from_nanos(nanos))
}

/// One number with its unit, in nanoseconds, and what follows it.
fn go_part(text: &str) -> Option<(u64, &str)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((whole.checked_mul(scale)?.checked_add(part_of(fraction, scale))?, rest))
}

/// What the digits after the point are worth, rounded down.
fn part_of(digits: &str, scale: u64) -> u64 {
    // Beyond the fifteenth digit nothing is left of an hour in nanoseconds.
    let digits = digits.get(..15).unwrap_or(digits);
    let value: u128 = digits.parse().unwrap_or(0);
    let power = 10u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    u64::try_from(value * u128::from(scale) / power).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    const NOW: Timestamp = crate::world::clock::VIRTUAL_START;

    fn read(status: u16, headers: &[(&'static str, &str)]) -> Option<(f64, &'static str)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let wait = of_response(StatusCode::from_u16(status).unwrap(), &map, NOW)?;
        Some((wait.duration.as_secs_f64(), wait.source))
    }

    #[test]
    fn each_form_is_read() {
        for (name, value, seconds) in [
            ("retry-after", "60", 60.0),
            ("retry-after", "0", 0.0),
            ("retry-after", "Thu, 01 Jan 2026 00:01:30 GMT", 90.0),
            ("retry-after", "Thursday, 01-Jan-26 00:00:05 GMT", 5.0),
            ("retry-after-ms", "250", 0.25),
            ("x-ratelimit-reset", "2591999", 2_591_999.0),
            ("x-ratelimit-reset", "1767225630", 30.0),
            ("x-ratelimit-reset-requests", "6m0s", 360.0),
            ("x-ratelimit-reset-tokens", "20ms", 0.02),
            ("x-ratelimit-reset-requests-day", "1h2m3.5s", 3723.5),
            ("x-ratelimit-reset-tokens-minute", "7", 7.0),
            ("x-ratelimit-reset-tokens-minute", "7.66", 7.66),
            ("x-ratelimit-reset-requests", "0", 0.0),
            ("x-ratelimit-reset-requests", "6m1", 361.0),
            ("x-ratelimit-reset-requests", "15us", 0.000_015),
        ] {
            let (read, source) = read(429, &[(name, value)]).unwrap_or_else(|| panic!("{name}: {value}"));
            assert!((read - seconds).abs() < 1e-9, "{name}: {value} read as {read}");
            assert!(name.starts_with(source.trim_end_matches('*')), "{name}: {source}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_wait_and_hides_nothing() {
        for value in ["soon", "1.5", "-1", "2s", "", "Wed, 31 Dec 2025 23:59:59 GMT", "18446744073709551616"] {
            assert_eq!(read(429, &[("retry-after", value)]), None, "{value}");
            let both = [("retry-after", value), ("retry-after-ms", "1500")];
            assert_eq!(read(429, &both), Some((1.5, "retry-after-ms")), "{value}");
        }
        for value in ["-5s", "5 s", "s", ".", "-", "1d", "99999999h", "\u{b5}"] {
            assert_eq!(read(429, &[("x-ratelimit-reset-tokens", value)]), None, "{value}");
        }
        assert_eq!(read(429, &[("x-ratelimit-reset", "1767225599")]), None, "an epoch that is past");
    }

    #[test]
    fn the_first_source_counts_and_of_the_resets_the_shortest() {
        let all = [
            ("x-ratelimit-reset-tokens", "2s"),
            ("x-ratelimit-reset-requests", "1m"),
            ("x-ratelimit-reset", "9"),
            ("retry-after-ms", "8000"),
            ("retry-after", "7"),
        ];
        assert_eq!(read(429, &all), Some((7.0, "retry-after")));
        assert_eq!(read(429, &all[..4]), Some((8.0, "retry-after-ms")));
        assert_eq!(read(429, &all[..3]), Some((9.0, "x-ratelimit-reset")));
        assert_eq!(read(429, &all[..2]), Some((2.0, "x-ratelimit-reset-*")));
    }

    /// `add` comes after the upstream's own line, so an unreadable one hides it.
    #[test]
    fn of_several_lines_only_the_first_counts() {
        assert_eq!(read(429, &[("retry-after", "soon"), ("retry-after", "60")]), None);
        assert_eq!(read(429, &[("retry-after", "1"), ("retry-after", "60")]), Some((1.0, "retry-after")));
    }

    #[test]
    fn only_a_429_is_asked() {
        for status in [200, 401, 500, 503] {
            assert_eq!(read(status, &[("retry-after", "60")]), None, "{status}");
        }
    }

    #[test]
    fn the_longest_of_all_is_found_at_any_status() {
        let longest = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            longest(&map, NOW).map(|wait| (wait.duration.as_secs(), wait.source))
        };
        assert_eq!(longest(&[("retry-after", "7"), ("retry-after-ms", "8000")]), Some((8, "retry-after-ms")));
        assert_eq!(longest(&[("retry-after", "8"), ("retry-after-ms", "8000")]), Some((8, "retry-after")));
        let resets = [("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(longest(&resets), Some((360, "x-ratelimit-reset-*")));
        assert_eq!(longest(&[("retry-after", "soon")]), None);
    }

    #[test]
    fn any_size_is_fine() {
        for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset"] {
            for value in ["18446744073709551615", "9223372036854775807", "253402300800"] {
                assert!(read(429, &[(name, value)]).is_some(), "{name}: {value}");
            }
        }
        assert_eq!(read(429, &[("x-ratelimit-reset-tokens", &"9".repeat(400))]), None);
        assert!(read(429, &[("x-ratelimit-reset-tokens", &format!("0.{}s", "9".repeat(400)))]).is_some());
    }
}
