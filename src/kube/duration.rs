//! Durations in the Gateway API's own grammar.

use std::time::Duration;

use super::fields::Fields;
use crate::source::{Diagnostic, Node, Spanned, Value};

impl Fields<'_> {
    /// A duration such as `120s`, `1m30s` or `500ms`.
    pub(super) fn gateway_duration(&self, name: &'static str) -> Option<Spanned<Duration>> {
        let help = "whole numbers with `h`, `m`, `s` or `ms`, such as `120s`, `1m30s` or `500ms`";
        if let Some(Node { value: Value::Int(number), place }) = self.find(name).map(|entry| &entry.value) {
            let diagnostic = Diagnostic::error(format!("`{name}` has no unit")).at(*place, "not a duration");
            self.log().push(diagnostic.help(format!("write `{number}s` for seconds; {help}")));
            return None;
        }
        let text = self.text(name)?;
        let parsed = parse(&text.value);
        if parsed.is_none() {
            self.log().push(
                Diagnostic::error(format!("`{}` is not a duration of the Gateway API", text.value))
                    .at(text.place, "not a duration")
                    .help(help),
            );
        }
        parsed.map(|duration| Spanned::new(duration, text.place))
    }
}

/// Parses `([0-9]{1,5}(h|m|s|ms)){1,4}`.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits).filter(|_| (1..=5).contains(&digits))?;
        let unit_end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let millis = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total += Duration::from_millis(number.parse::<u64>().ok()? * millis);
        rest = after;
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_gateway_api() {
        for (text, millis) in [
            ("120s", 120_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("0s", 0),
            ("1h2m3s4ms", 3_723_004),
            ("99999h", 359_996_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "60", "1.5s", "-1s", "100000s", "1s1s1s1s1s", "1 s", "1us", "1d", "1s2", "١s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
