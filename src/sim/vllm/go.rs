//! How Go reads and writes values: the original's command line, files and texts speak so.

use std::fmt::{self, Write as _};
use std::time::Duration;

/// A length of time as Go has it: nanoseconds with a sign, written `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct GoDuration(pub(crate) i64);

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    pub(crate) const fn millis(millis: i64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Reads what `time.ParseDuration` reads; the error is its text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("time: invalid duration {}", quote(text));
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_end);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if number.is_empty() || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(invalid());
            }
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_end);
            if unit.is_empty() {
                return Err(format!("time: missing unit in duration {}", quote(text)));
            }
            let scale = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, nanos)| *nanos)
                .ok_or_else(|| format!("time: unknown unit {} in duration {}", quote(unit), quote(text)))?;
            let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            let part = whole.checked_mul(scale).and_then(|nanos| nanos.checked_add(fraction_of(fraction, scale)));
            total = part.and_then(|nanos| total.checked_add(nanos)).ok_or_else(invalid)?;
            rest = next;
        }
        let nanos = i64::try_from(total).map_err(|_| invalid())?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }

    /// The duration in whole milliseconds, the rest cut off; 0 for a negative one.
    pub(crate) fn whole_millis(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }

    /// As a duration that can be waited; zero for a negative one.
    pub(crate) fn wait(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

fn fraction_of(digits: &str, scale: u64) -> u64 {
    let (mut sum, mut unit) = (0u128, u128::from(scale) * 1_000_000_000);
    for digit in digits.bytes().take(18) {
        unit /= 10;
        sum += unit * u128::from(digit.saturating_sub(b'0'));
    }
    u64::try_from(sum / 1_000_000_000).unwrap_or(0)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let decimal = |unit: u64| {
            let digits = unit.ilog10() as usize;
            if nanos.is_multiple_of(unit) || digits == 0 {
                return (nanos / unit).to_string();
            }
            let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
            text.trim_end_matches('0').to_owned()
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(1_000_000)),
            _ => {
                let seconds = nanos / 1_000_000_000;
                let rest = plain_seconds(nanos % 60_000_000_000);
                match (seconds / 3600, seconds / 60 % 60) {
                    (0, 0) => write!(f, "{rest}s"),
                    (0, minutes) => write!(f, "{minutes}m{rest}s"),
                    (hours, minutes) => write!(f, "{hours}h{minutes}m{rest}s"),
                }
            }
        }
    }
}

fn plain_seconds(nanos: u64) -> String {
    let (whole, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{part:09}").trim_end_matches('0').to_owned()
}

/// Reads a whole number as `strconv.ParseInt(text, 0, 64)` does: prefixes `0x`, `0o`, `0b`, `0`, and underscores.
pub(crate) fn parse_int(text: &str) -> Result<i64, String> {
    let syntax = || format!("strconv.ParseInt: parsing {}: invalid syntax", quote(text));
    let range = || format!("strconv.ParseInt: parsing {}: value out of range", quote(text));
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let prefixed = digits.len() < lower.len();
    let misplaced = digits.ends_with('_') || digits.contains("__") || (!prefixed && digits.starts_with('_'));
    let plain = digits.replace('_', "");
    if misplaced || plain.is_empty() || !plain.chars().all(|c| c.is_digit(base)) {
        return Err(syntax());
    }
    let magnitude = i128::from_str_radix(&plain, base).map_err(|_| range())?;
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| range())
}

/// Reads a number as `strconv.ParseFloat` does.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text)))
}

/// Reads `true` or `false` as `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// A text in quotes, as Go's `%q` writes it.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A number in its shortest form, as Go's `%g` and its metrics write it: `0.3`, `1000`, `1.5e+06`.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
    if value == 0.0 || (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let mantissa = scientific.split('e').next().unwrap_or("0");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_as_in_go() {
        for (text, written, nanos) in [
            ("0", "0s", 0),
            ("250ms", "250ms", 250_000_000),
            ("1m30s", "1m30s", 90_000_000_000),
            ("1.5s", "1.5s", 1_500_000_000),
            ("60s", "1m0s", 60_000_000_000),
            ("2h", "2h0m0s", 7_200_000_000_000),
            ("1h0m0.5s", "1h0m0.5s", 3_600_500_000_000),
            ("-35ms", "-35ms", -35_000_000),
            ("0.5ms", "500µs", 500_000),
            ("1500us", "1.5ms", 1_500_000),
            (".5s", "500ms", 500_000_000),
            ("7ns", "7ns", 7),
        ] {
            assert_eq!(GoDuration::parse(text), Ok(GoDuration(nanos)), "{text}");
            assert_eq!(GoDuration(nanos).to_string(), written, "{text}");
        }
        for (text, error) in [
            ("100", "time: missing unit in duration \"100\""),
            ("xx", "time: invalid duration \"xx\""),
            ("", "time: invalid duration \"\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("3y", "time: unknown unit \"y\" in duration \"3y\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
            ("-", "time: invalid duration \"-\""),
        ] {
            assert_eq!(GoDuration::parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_have_a_base_and_underscores() {
        for (text, value) in
            [("10", 10), ("-5", -5), ("+5", 5), ("0x10", 16), ("0o7", 7), ("010", 8), ("0b11", 3), ("1_000", 1000)]
        {
            assert_eq!(parse_int(text), Ok(value), "{text}");
        }
        for text in ["", "abc", "1.5", "_1", "1__0", "1_", "0x", "09", "--1", "é"] {
            assert_eq!(parse_int(text), Err(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")), "{text}");
        }
        assert!(parse_int("99999999999999999999").unwrap_err().ends_with("value out of range"));
    }

    #[test]
    fn numbers_are_written_shortest() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.3, "0.3"),
            (0.001, "0.001"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (1_767_225_600.0, "1.7672256e+09"),
            (0.000_01, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
