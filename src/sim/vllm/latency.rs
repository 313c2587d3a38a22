//! How long it takes: load, spread, and the time to a first and to each further token.

use super::config::Latency;
use super::go::GoDuration;
use crate::world::Random;

/// How much slower a server is with `running` requests in `slots` slots.
pub(crate) fn load(latency: &Latency, running: usize, slots: i64) -> f64 {
    if slots <= 1 || running == 0 {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let share = (running - 1) as f64 / (slots - 1) as f64;
    1.0 + (latency.load_factor - 1.0) * share
}

/// A duration of whole milliseconds around `mean`: normal, within 30 and 170 % of it.
fn jitter(mean: GoDuration, sigma: GoDuration, chance: &mut Random) -> u64 {
    let (mean, sigma) = (mean.whole_millis(), sigma.whole_millis());
    if sigma == 0 || mean == 0 {
        return mean;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (mean, sigma) = (mean as f64, sigma as f64);
    let drawn = (mean + sigma * chance.normal()).clamp(0.3 * mean, 1.7 * mean);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; the rest is cut off")]
    let millis = drawn as u64;
    millis
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "durations of minutes in nanoseconds, as the original computes them"
)]
fn times(duration: GoDuration, factor: f64) -> GoDuration {
    GoDuration((duration.0 as f64 * factor) as i64)
}

fn sum_of(count: usize, each: GoDuration) -> GoDuration {
    GoDuration(each.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// Milliseconds to the first token.
pub(crate) fn first_token(
    latency: &Latency,
    load: f64,
    prompt_tokens: usize,
    remote_prefill: bool,
    chance: &mut Random,
) -> u64 {
    let l = latency;
    let none = GoDuration::default();
    let per_token = match l.calculator.as_str() {
        "constant" => false,
        "per-token" => true,
        _ if remote_prefill => l.transfer == none && l.transfer_sigma == none,
        _ => l.first_token == none && l.first_token_sigma == none,
    };
    let (mean, sigma) = match (remote_prefill, per_token) {
        (true, true) => (sum_of(prompt_tokens, l.transfer_per_token), l.transfer_time_sigma),
        (true, false) => (l.transfer, l.transfer_sigma),
        (false, false) => (times(l.first_token, load), l.first_token_sigma),
        (false, true) => {
            let prompt = sum_of(prompt_tokens, times(l.prefill_per_token, load));
            (GoDuration(times(l.prefill_overhead, load).0.saturating_add(prompt.0)), l.prefill_sigma)
        }
    };
    jitter(mean, sigma, chance)
}

/// Milliseconds from a token to the next.
pub(crate) fn next_token(latency: &Latency, load: f64, chance: &mut Random) -> u64 {
    jitter(times(latency.inter_token, load), latency.inter_token_sigma, chance)
}

/// Whether answers take no time at all, whatever they are.
pub(crate) fn is_instant(latency: &Latency) -> bool {
    let l = latency;
    [l.inter_token, l.first_token, l.prefill_overhead, l.prefill_per_token, l.transfer, l.transfer_per_token]
        .iter()
        .all(|duration| duration.0 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Seed;

    fn millis(text: &str) -> GoDuration {
        GoDuration::parse(text).unwrap()
    }

    #[test]
    fn the_first_token_follows_the_calculator() {
        let mut chance = Seed(1).stream("latency");
        // calculator, TTFT, KV transfer, transfer per token, overhead, per token, remote → milliseconds for 5 tokens
        let cases = [
            ("", "0", "0", "0", "1s", "50ms", false, 1250),
            ("", "900ms", "0", "0", "1s", "50ms", false, 900),
            ("constant", "0", "0", "0", "500ms", "50ms", false, 0),
            ("constant", "1s", "50ms", "0", "500ms", "50ms", true, 50),
            ("constant", "1s", "50ms", "0", "500ms", "50ms", false, 1000),
            ("per-token", "50ms", "20ms", "0", "1s", "50ms", false, 1250),
            ("per-token", "50ms", "20ms", "0", "1s", "50ms", true, 0),
            ("", "5s", "1s", "0", "0", "5s", true, 1000),
            ("", "0", "0", "100ms", "0", "0", true, 500),
            ("", "0", "0", "0", "0", "300us", false, 1),
        ];
        for (calculator, ttft, transfer, transfer_token, overhead, token, remote, expected) in cases {
            let latency = Latency {
                calculator: calculator.to_owned(),
                first_token: millis(ttft),
                transfer: millis(transfer),
                transfer_per_token: millis(transfer_token),
                prefill_overhead: millis(overhead),
                prefill_per_token: millis(token),
                ..Latency::default()
            };
            assert_eq!(first_token(&latency, 1.0, 5, remote, &mut chance), expected, "{latency:?} {remote}");
        }
    }

    #[test]
    fn load_grows_from_one_to_its_factor() {
        let latency = Latency { load_factor: 3.0, inter_token: millis("100ms"), ..Latency::default() };
        let at = |running, slots| load(&latency, running, slots);
        let mut chance = Seed(1).stream("latency");
        let millis = [at(1, 5), at(3, 5), at(5, 5), at(9, 1)].map(|load| next_token(&latency, load, &mut chance));
        assert_eq!(millis, [100, 200, 300, 100]);
    }

    #[test]
    fn spread_stays_within_its_bounds() {
        let latency = Latency { inter_token: millis("100ms"), inter_token_sigma: millis("30ms"), ..Latency::default() };
        let mut chance = Seed(3).stream("latency");
        let drawn: Vec<u64> = (0..2_000).map(|_| next_token(&latency, 1.0, &mut chance)).collect();
        assert!(drawn.iter().all(|ms| (30..=170).contains(ms)));
        let mean = drawn.iter().sum::<u64>() / 2_000;
        assert!((97..=102).contains(&mean), "{mean}");
        let below_a_millisecond = Latency { inter_token: millis("900us"), ..Latency::default() };
        assert_eq!(next_token(&below_a_millisecond, 1.0, &mut chance), 0);
    }
}
