//! Durations as people write them: `250ms`, `1m30s`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time written with its unit, such as `250ms` or `1m30s`. A bare number is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

/// The longest time that a scenario may name: a year.
const LONGEST: Duration = Duration::from_hours(366 * 24);

impl Span {
    /// Parses `250ms`, `1.5s`, `1m30s`, `2h`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, for a diagnostic.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write a duration with its unit, such as `250ms`, `61s` or `1m30s`";
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.is_empty() {
            return Err(format!("`{text}` has no unit; {example}"));
        }
        let signed: jiff::SignedDuration = text.parse().map_err(|_| match text.trim_end_matches(['d', 'w']) {
            number if number != text && number.parse::<f64>().is_ok() => {
                format!("`{text}` counts in a unit longer than the hour; write hours, such as `48h`")
            }
            _ => format!("`{text}` is not a duration; {example}"),
        })?;
        let duration =
            Duration::try_from(signed).map_err(|_| format!("`{text}` is negative; time only runs forwards"))?;
        if duration > LONGEST {
            return Err(format!("`{text}` is longer than a year"));
        }
        // The lab counts in microseconds, and so do its recordings.
        if duration.subsec_nanos() % 1_000 != 0 {
            return Err(format!("`{text}` is finer than a microsecond"));
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&human(self.0))
    }
}

/// A duration in the shortest form that is exact to the microsecond: `61s`, `1m30s`, `2.5ms`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let micros = duration.as_micros();
    let trim = |whole: u128, fraction: u128, digits: usize, unit: &str| {
        let text = format!("{whole}.{fraction:0digits$}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}us"),
        1_000..1_000_000 => trim(micros / 1_000, micros % 1_000, 3, "ms"),
        _ => {
            let seconds = micros / 1_000_000;
            let rest = trim(seconds % 60, micros % 1_000_000, 6, "s");
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => rest,
                // A minute and a bit reads better in seconds.
                (0, 1) => trim(seconds, micros % 1_000_000, 6, "s"),
                (0, minutes) if rest == "0s" => format!("{minutes}m"),
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// A duration rounded to the millisecond: real clocks are not exact.
#[must_use]
pub fn to_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from((duration.as_micros() + 500) / 1_000).unwrap_or(u64::MAX))
}

/// A time as Go writes it, in whole milliseconds, rounded up: `20ms`, `1s`, `8.64s`, `6m0s`, `1h0m0s`.
pub(crate) fn as_go(time: Duration) -> String {
    let millis = time.as_micros().div_ceil(1_000);
    let seconds = millis / 1_000;
    let fraction = match millis % 1_000 {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    match (seconds / 3_600, seconds / 60 % 60, seconds) {
        (0, 0, 0) if millis > 0 => format!("{millis}ms"),
        (0, 0, seconds) => format!("{seconds}{fraction}s"),
        (0, minutes, _) => format!("{minutes}m{}{fraction}s", seconds % 60),
        (hours, minutes, _) => format!("{hours}h{minutes}m{}{fraction}s", seconds % 60),
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl de::Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as `250ms`, `61s` or `1m30s`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(SpanVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_only() {
        for (text, millis) in
            [("250ms", 250), ("61s", 61_000), ("1m30s", 90_000), ("1.5s", 1_500), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(Span::parse(text), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in
            ["61", "", "1.5", "fast", "-3s", "60 seconds and a bit", "2d", "99999999999999h", "1ns", "1.0000001s"]
        {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        for text in ["2d", "1.5w"] {
            assert!(Span::parse(text).unwrap_err().contains("write hours"), "{text}");
        }
    }

    #[test]
    fn durations_are_written_so_that_they_read_back() {
        for text in ["250ms", "61s", "2m5s", "1.5s", "2h0m0s", "2.5ms", "10us", "0s", "5m", "60s"] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.to_string(), text);
            assert_eq!(Span::parse(&span.to_string()), Ok(span));
        }
    }

    #[test]
    fn times_are_written_as_go_does() {
        let cases = [
            (0, "0s"),
            (1, "1ms"),
            (20_000, "20ms"),
            (19_001, "20ms"),
            (1_000_000, "1s"),
            (8_640_000, "8.64s"),
            (59_701_000, "59.701s"),
            (360_000_000, "6m0s"),
            (86_400_000, "1m26.4s"),
            (3_600_000_000, "1h0m0s"),
        ];
        for (micros, written) in cases {
            assert_eq!(as_go(Duration::from_micros(micros)), written);
        }
    }
}
