//! One seed, many streams of chance.
//!
//! Each consumer draws from its own stream, named after it, so that adding one does not disturb the
//! others. The distributions are written out here, because a library's may change between releases,
//! and the same seed must mean the same next year.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed(pub u64);

/// One consumer's stream of chance.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Seed {
    /// The stream of the consumer called `name`.
    #[must_use]
    pub fn stream(self, name: &str) -> Random {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(0xcbf2_9ce4_8422_2325, name).to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(0x6c62_272e_07bb_0142, name).to_le_bytes());
        Random(ChaCha8Rng::from_seed(key))
    }
}

/// The 64-bit FNV-1a hash of `text` from the state `basis`.
fn fnv1a(basis: u64, text: &str) -> u64 {
    text.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Random {
    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number from 0 to `n - 1`, each as likely; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Multiply and reject (Lemire): unbiased for every n.
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= threshold {
                return high;
            }
        }
    }

    /// A position in something of length `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// A number from 0 (inclusive) to 1 (exclusive).
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let bits = (self.bits() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A standard normal number (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A log-normal number with the given median.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// An exponential number with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A log-normal duration in whole milliseconds: the last bit of a float may differ between
    /// machines, the millisecond does not.
    pub fn lognormal_millis(&mut self, median: Duration, sigma: f64) -> Duration {
        let millis = self.lognormal(median.as_secs_f64() * 1_000.0, sigma).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a day")]
        Duration::from_millis(millis.clamp(0.0, 86_400_000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_apart() {
        let draw = |seed: u64, name: &str| {
            let mut stream = Seed(seed).stream(name);
            (0..4).map(|_| stream.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, "gateway/0"), draw(7, "gateway/0"));
        assert_ne!(draw(7, "gateway/0"), draw(7, "gateway/1"));
        assert_ne!(draw(7, "gateway/0"), draw(8, "gateway/0"));
    }

    /// A seed in a scenario file means the same in every release.
    #[test]
    fn a_seed_keeps_its_meaning() {
        let mut stream = Seed(7).stream("balancer");
        let draws: Vec<_> = (0..8).map(|_| stream.below(100)).collect();
        assert_eq!(draws, PINNED);
    }

    const PINNED: [u64; 8] = [83, 6, 94, 77, 57, 1, 69, 28];

    #[test]
    fn draws_have_the_distribution_that_they_claim() {
        let mut stream = Seed(1).stream("test");
        let n = 20_000;
        let mut counts = [0u32; 5];
        let mut normal_sum = 0.0;
        let mut normal_squares = 0.0;
        let mut below_median = 0;
        for _ in 0..n {
            counts[stream.index(5)] += 1;
            let normal = stream.normal();
            normal_sum += normal;
            normal_squares += normal * normal;
            below_median += u32::from(stream.lognormal(800.0, 0.5) < 800.0);
        }
        for count in counts {
            assert!((3_800..4_200).contains(&count), "{counts:?}");
        }
        assert!((normal_sum / f64::from(n)).abs() < 0.03);
        assert!((normal_squares / f64::from(n) - 1.0).abs() < 0.05);
        assert!((9_700..10_300).contains(&below_median));
    }
}
