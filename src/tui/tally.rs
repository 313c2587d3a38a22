//! Numbers that grow: counts, distributions and rates, small enough to be kept for many moments.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{Class, NameId, Row};
use crate::event::At;

/// What was counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) outcomes: Counts,
    pub(super) latency: Spread,
    pub(super) ttft: Spread,
    /// Tokens in and out by the model that answered.
    pub(super) tokens: BTreeMap<NameId, (u64, u64)>,
    pub(super) rate: Series,
}

/// Requests by what they came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) good: u32,
    pub(super) limited: u32,
    pub(super) client: u32,
    pub(super) server: u32,
    pub(super) broken: u32,
}

/// A distribution of durations, exact to three percent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spread {
    buckets: Vec<u32>,
    count: u64,
    least: Option<u64>,
    most: u64,
    sum: u64,
}

/// Counts over time, in at most [`BINS`] bins that double their width when the time outgrows them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Microseconds of one bin.
    pub(super) width: u64,
    pub(super) bins: Vec<Counts>,
}

const BINS: usize = 512;
const FIRST_WIDTH: u64 = 50_000;
/// Bits of a value that a bucket keeps after the leading one.
const BITS: u32 = 5;

impl Tally {
    /// Counts a request that is over.
    pub(super) fn add(&mut self, row: &Row) {
        let class = row.class();
        self.outcomes.add(class);
        if let Some(latency) = row.latency() {
            self.latency.add(latency);
        }
        if let Some(ttft) = row.ttft() {
            self.ttft.add(ttft);
        }
        if let Some((input, output)) = row.tokens {
            let tokens = self.tokens.entry(row.model).or_default();
            tokens.0 += u64::from(input);
            tokens.1 += u64::from(output);
        }
        if let Some(ended) = row.ended {
            self.rate.add(ended, class);
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, class: Class) {
        match class {
            Class::Open => {}
            Class::Good => self.good += 1,
            Class::Limited => self.limited += 1,
            Class::ClientError => self.client += 1,
            Class::ServerError => self.server += 1,
            Class::Broken => self.broken += 1,
        }
    }

    /// All of them.
    pub(super) fn total(&self) -> u32 {
        self.good + self.limited + self.client + self.server + self.broken
    }

    /// How many of a kind.
    pub(super) fn of(&self, class: Class) -> u32 {
        match class {
            Class::Open => 0,
            Class::Good => self.good,
            Class::Limited => self.limited,
            Class::ClientError => self.client,
            Class::ServerError => self.server,
            Class::Broken => self.broken,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            good: self.good + other.good,
            limited: self.limited + other.limited,
            client: self.client + other.client,
            server: self.server + other.server,
            broken: self.broken + other.broken,
        }
    }
}

impl Spread {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket_of(micros);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(micros);
        self.least = Some(self.least.map_or(micros, |least| least.min(micros)));
        self.most = self.most.max(micros);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn most(&self) -> Duration {
        Duration::from_micros(self.most)
    }

    pub(super) fn least(&self) -> Duration {
        Duration::from_micros(self.least.unwrap_or(0))
    }

    pub(super) fn mean(&self) -> Duration {
        Duration::from_micros(self.sum.checked_div(self.count).unwrap_or(0))
    }

    /// The duration that `percent` of all do not exceed.
    pub(super) fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                let middle = u64::midpoint(bucket_start(bucket), bucket_start(bucket + 1).saturating_sub(1));
                return Duration::from_micros(middle.clamp(self.least.unwrap_or(0), self.most));
            }
        }
        self.most()
    }

    /// How many are in `from..to`, as far as buckets can tell.
    pub(super) fn between(&self, from: Duration, to: Duration) -> u64 {
        let (from, to) = (from.as_micros(), to.as_micros());
        let inside = |bucket: &usize| (from..to).contains(&u128::from(bucket_start(*bucket)));
        (0..self.buckets.len()).filter(inside).map(|bucket| u64::from(self.buckets[bucket])).sum()
    }
}

fn bucket_of(micros: u64) -> usize {
    let linear = 1u64 << (BITS + 1);
    if micros < linear {
        return usize::try_from(micros).unwrap_or(0);
    }
    let exponent = 63 - micros.leading_zeros();
    let shift = exponent - BITS;
    let within = (micros >> shift) - (1 << BITS);
    ((shift as usize + 1) << BITS) + usize::try_from(within).unwrap_or(0)
}

fn bucket_start(bucket: usize) -> u64 {
    let linear = 1usize << (BITS + 1);
    if bucket < linear {
        return bucket as u64;
    }
    let shift = (bucket >> BITS) - 1;
    let within = bucket & ((1 << BITS) - 1);
    u64::try_from(within + (1 << BITS))
        .unwrap_or(0)
        .checked_shl(u32::try_from(shift).unwrap_or(u32::MAX))
        .unwrap_or(u64::MAX)
}

impl Default for Series {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, bins: Vec::new() }
    }
}

impl Series {
    pub(super) fn add(&mut self, at: At, class: Class) {
        while at.0 / self.width >= BINS as u64 {
            self.widen();
        }
        let bin = usize::try_from(at.0 / self.width).unwrap_or(0);
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, Counts::default());
        }
        self.bins[bin].add(class);
    }

    fn widen(&mut self) {
        self.width = self.width.saturating_mul(2);
        let pairs = self.bins.chunks(2);
        self.bins = pairs.map(|pair| pair.iter().fold(Counts::default(), |sum, one| sum.plus(*one))).collect();
    }

    /// The counts of `from..to`, where a bin counts for the range that its middle is in.
    pub(super) fn between(&self, from: At, to: At) -> Counts {
        let half = self.width / 2;
        let middles = self.bins.iter().enumerate().map(|(bin, counts)| (bin as u64 * self.width + half, counts));
        middles
            .filter(|(middle, _)| (from.0..to.0).contains(middle))
            .fold(Counts::default(), |sum, (_, counts)| sum.plus(*counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        for bucket in 0..1_000 {
            let (start, next) = (bucket_start(bucket), bucket_start(bucket + 1));
            assert!(start < next, "{bucket}");
            assert_eq!(bucket_of(start), bucket);
            assert_eq!(bucket_of(next - 1), bucket);
        }
        assert!(bucket_of(u64::MAX) < 2_000);
    }

    #[test]
    fn percentiles_are_within_three_percent() {
        let mut spread = Spread::default();
        for millis in 1..=1_000 {
            spread.add(Duration::from_millis(millis));
        }
        for percent in [1, 50, 90, 99] {
            let (is, should) = (spread.percentile(percent).as_secs_f64(), percent as f64 / 100.0);
            assert!((is / should - 1.0).abs() < 0.03, "p{percent}: {is}");
        }
        assert_eq!(spread.percentile(100), Duration::from_secs(1));
        assert_eq!(spread.between(Duration::ZERO, Duration::from_secs(3600)), 1_000);
        assert_eq!(Spread::default().percentile(50), Duration::ZERO);
    }

    #[test]
    fn a_series_keeps_every_count_when_it_widens() {
        let mut series = Series::default();
        for second in 0..4_000 {
            series.add(At(second * 1_000_000), Class::Good);
        }
        assert!(series.bins.len() <= BINS);
        let all = series.bins.iter().fold(Counts::default(), |sum, one| sum.plus(*one));
        assert_eq!(all.total(), 4_000);
        assert_eq!(series.between(At(0), At(u64::MAX)).good, 4_000);
    }
}
