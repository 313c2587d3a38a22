//! What responses do to a provider's health: moving averages and counters.

use std::time::Duration;

use super::classify::Verdict;

/// Weight of the newest value in a moving average.
const ALPHA: f64 = 0.3;

/// A moving average. A stored zero is replaced by the next value, whatever it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average(f64);

/// A provider's record on one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// Share of successes, from 1.
    pub success: Average,
    /// Latency in seconds, from 0; of successes only, since failures are often fast.
    pub latency: Average,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Evictions since the last success.
    pub times_ejected: u32,
}

impl Average {
    /// An average that stands at `value`.
    #[must_use]
    pub fn starting_at(value: f64) -> Self {
        Self(value)
    }

    /// Where it stands.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// Takes in one more value.
    pub fn record(&mut self, value: f64) {
        self.0 = if self.0 == 0.0 { value } else { ALPHA * value + (1.0 - ALPHA) * self.0 };
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { success: Average(1.0), latency: Average(0.0), consecutive_failures: 0, times_ejected: 0 }
    }
}

impl Health {
    /// Takes in one response. `latency` runs from the client's request to the end of the answer.
    pub fn record(&mut self, verdict: Verdict, latency: Duration) {
        match verdict {
            Verdict::Success => {
                self.latency.record(latency.as_secs_f64());
                self.success.record(1.0);
                self.consecutive_failures = 0;
                self.times_ejected = 0;
            }
            Verdict::Failure => {
                self.success.record(0.0);
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            }
        }
    }

    /// Counts an eviction.
    pub fn record_eviction(&mut self) {
        self.times_ejected = self.times_ejected.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_leave_powers_of_seven_tenths() {
        let mut health = Health::default();
        for n in 1..=6 {
            health.record(Verdict::Failure, Duration::from_secs(9));
            assert!((health.success.value() - 0.7f64.powi(n)).abs() < 1e-12);
        }
        // As the real one showed it after six failures.
        assert!((health.success.value() - 0.1176).abs() < 1e-4);
        assert_eq!((health.consecutive_failures, health.latency.value().to_bits()), (6, 0));
    }

    #[test]
    fn a_success_clears_the_counters_and_the_first_latency_is_taken_as_it_is() {
        let mut health = Health::default();
        health.record(Verdict::Failure, Duration::ZERO);
        health.record_eviction();
        health.record(Verdict::Success, Duration::from_millis(800));
        assert_eq!((health.consecutive_failures, health.times_ejected), (0, 0));
        assert!((health.success.value() - 0.79).abs() < 1e-12);
        assert!((health.latency.value() - 0.8).abs() < 1e-12);
        health.record(Verdict::Success, Duration::from_millis(400));
        assert!((health.latency.value() - 0.68).abs() < 1e-12);
    }

    #[test]
    fn a_stored_zero_gives_way_to_the_next_value() {
        let mut average = Average::starting_at(0.0);
        average.record(1.0);
        assert!((average.value() - 1.0).abs() < f64::EPSILON);
    }
}
