//! How long the fake takes to answer.

use std::time::Duration;

use crate::world::{Random, Seed};

/// How long an answer takes: log-normal times in whole milliseconds.
///
/// An answer that is not streamed takes `first_token + overhead + (tokens − 1) · between_tokens`.
/// A stream begins after `first_token`. Times are for `gpt-4o`; smaller models are a bit faster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyModel {
    /// Until the first token is there.
    pub first_token: Spread,
    /// From one token to the next.
    pub between_tokens: Spread,
    /// What an answer takes on top if it is not streamed.
    pub overhead: Spread,
}

/// A log-normal time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of the times are below it.
    pub median: Duration,
    /// Standard deviation of the time's logarithm; 0 makes every time the median.
    pub sigma: f64,
}

impl Spread {
    /// A time with this median in milliseconds.
    #[must_use]
    pub const fn millis(median: u64, sigma: f64) -> Self {
        Self { median: Duration::from_millis(median), sigma }
    }
}

impl Default for LatencyModel {
    /// A short answer in about 800 ms, mostly between 400 ms and 1.5 s; a stream's first token after about 300 ms.
    fn default() -> Self {
        Self {
            first_token: Spread::millis(300, 0.3),
            between_tokens: Spread::millis(14, 0.4),
            overhead: Spread::millis(470, 0.5),
        }
    }
}

impl LatencyModel {
    /// No time at all, for benchmarks.
    #[must_use]
    pub const fn none() -> Self {
        Self::fixed(0, 0, 0)
    }

    /// Always the same times, in milliseconds.
    #[must_use]
    pub const fn fixed(first_token: u64, between_tokens: u64, overhead: u64) -> Self {
        Self {
            first_token: Spread::millis(first_token, 0.0),
            between_tokens: Spread::millis(between_tokens, 0.0),
            overhead: Spread::millis(overhead, 0.0),
        }
    }
}

/// The times of one answer. They depend on the seed, the model and how many of its answers came
/// before, and on nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Until the first token is there.
    pub(crate) first_token: Duration,
    /// On top, if it is not streamed.
    pub(crate) overhead: Duration,
    between_tokens: Spread,
    random: Random,
}

impl Pace {
    /// The times of the `number`th answer of `family`, scaled by `factor`.
    pub(crate) fn new(model: &LatencyModel, seed: Seed, family: &str, number: u64, factor: f64) -> Self {
        let mut random = seed.stream(&format!("openai/latency/{family}/{number}"));
        let scaled = |spread: Spread| Spread { median: spread.median.mul_f64(factor), ..spread };
        let first_token = draw(&mut random, scaled(model.first_token));
        let overhead = draw(&mut random, scaled(model.overhead));
        Self { first_token, overhead, between_tokens: scaled(model.between_tokens), random }
    }

    /// From the last token to the next.
    pub(crate) fn next_token(&mut self) -> Duration {
        draw(&mut self.random, self.between_tokens)
    }

    /// The whole time of an answer of `tokens` tokens that is not streamed.
    pub(crate) fn whole(&mut self, tokens: usize) -> Duration {
        let between: Duration = (1..tokens).map(|_| self.next_token()).sum();
        self.first_token + self.overhead + between
    }
}

fn draw(random: &mut Random, spread: Spread) -> Duration {
    if spread.median.is_zero() {
        return Duration::ZERO;
    }
    random.lognormal_millis(spread.median, spread.sigma)
}
