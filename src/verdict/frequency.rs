//! How often each pattern came over many seeds, and whether that agrees with a distribution.

use std::collections::BTreeMap;
use std::fmt;

/// Patterns with how often each came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatternCounts {
    tallies: BTreeMap<String, Tally>,
}

/// How often something came, and when for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// The smallest seed that gave it.
    pub seed: u64,
}

/// A test of counts against probabilities (Pearson's chi-squared).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// The sum of the squared deviations, each over its expectation.
    pub statistic: f64,
    /// Categories that could have come, less one.
    pub degrees: u32,
    /// How likely counts are to be at least this far off, if the probabilities are right.
    pub p_value: f64,
}

impl PatternCounts {
    /// Counts what one seed gave.
    pub fn add(&mut self, pattern: impl Into<String>, seed: u64) {
        let tally = self.tallies.entry(pattern.into()).or_insert(Tally { count: 0, seed });
        tally.count += 1;
        tally.seed = tally.seed.min(seed);
    }

    /// Takes in what others counted.
    pub fn merge(&mut self, other: Self) {
        for (pattern, theirs) in other.tallies {
            let tally = self.tallies.entry(pattern).or_insert(Tally { count: 0, seed: theirs.seed });
            tally.count += theirs.count;
            tally.seed = tally.seed.min(theirs.seed);
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.tallies.values().map(|tally| tally.count).sum()
    }

    /// How often this pattern came.
    #[must_use]
    pub fn count(&self, pattern: &str) -> u64 {
        self.tallies.get(pattern).map_or(0, |tally| tally.count)
    }

    /// Its share of all, from 0 to 1; 0 where nothing was counted.
    #[must_use]
    pub fn share(&self, pattern: &str) -> f64 {
        ratio(self.count(pattern), self.total())
    }

    /// Every pattern with its tally, the most frequent first.
    #[must_use]
    pub fn by_frequency(&self) -> Vec<(&str, Tally)> {
        let mut all: Vec<_> = self.tallies.iter().map(|(pattern, tally)| (pattern.as_str(), *tally)).collect();
        all.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        all
    }

    /// Tests the counts against probabilities. What came without having one counts as impossible.
    #[must_use]
    pub fn chi_squared(&self, expected: &[(&str, f64)]) -> ChiSquared {
        let mut observed: Vec<u64> = expected.iter().map(|(pattern, _)| self.count(pattern)).collect();
        let mut probabilities: Vec<f64> = expected.iter().map(|(_, probability)| *probability).collect();
        observed.push(self.total() - observed.iter().sum::<u64>());
        probabilities.push(0.0);
        chi_squared(&observed, &probabilities)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part) / real(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

/// Tests counts against probabilities, which should add up to 1. A category of probability 0 that
/// came nonetheless gives a p-value of 0.
#[must_use]
pub fn chi_squared(observed: &[u64], probabilities: &[f64]) -> ChiSquared {
    let total = real(observed.iter().sum());
    let (mut statistic, mut categories) = (0.0, 0_u32);
    for (count, probability) in observed.iter().zip(probabilities) {
        let expected = total * probability;
        if expected > 0.0 {
            statistic += (real(*count) - expected).powi(2) / expected;
            categories += 1;
        } else if *count > 0 {
            statistic = f64::INFINITY;
        }
    }
    let degrees = categories.saturating_sub(1);
    ChiSquared { statistic, degrees, p_value: chi_squared_tail(statistic, degrees) }
}

/// The probability that a chi-squared variable is at least `statistic`.
fn chi_squared_tail(statistic: f64, degrees: u32) -> f64 {
    match (statistic, degrees) {
        (statistic, _) if statistic.is_infinite() => 0.0,
        (_, 0) => 1.0,
        (statistic, degrees) => upper_gamma(f64::from(degrees) / 2.0, statistic / 2.0),
    }
}

/// The regularised upper incomplete gamma function Q(a, x), for a > 0 and x >= 0.
///
/// A series for small `x`, a continued fraction (Lentz) for large: each converges fast on its side
/// of `a + 1`.
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    let value = if x < a + 1.0 { 1.0 - scale * lower_series(a, x) } else { scale * upper_fraction(a, x) };
    value.clamp(0.0, 1.0)
}

const TERMS: u32 = 10_000;
const PRECISION: f64 = 1e-15;

fn lower_series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / shape, 1.0 / shape);
    for n in 1..TERMS {
        term *= x / (shape + f64::from(n));
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    sum
}

fn upper_fraction(shape: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut partial = x + 1.0 - shape;
    let mut above = 1.0 / TINY;
    let mut below = 1.0 / away_from_zero(partial);
    let mut value = below;
    for n in 1..TERMS {
        let n = f64::from(n);
        let numerator = -n * (n - shape);
        partial += 2.0;
        below = 1.0 / away_from_zero(numerator * below + partial);
        above = away_from_zero(partial + numerator / above);
        let factor = below * above;
        value *= factor;
        if (factor - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive `x` (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection.
        let sine = (std::f64::consts::PI * x).sin();
        return (std::f64::consts::PI / sine).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let [first, rest @ ..] = COEFFICIENTS;
    let sum = rest.iter().zip(1_u32..).fold(first, |sum, (coefficient, n)| sum + coefficient / (x + f64::from(n)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

impl fmt::Display for ChiSquared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chi-squared {:.2} on {} degrees of freedom, p = {:.4}", self.statistic, self.degrees, self.p_value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Critical values from the tables in every textbook.
    #[test]
    fn the_tail_agrees_with_the_tables() {
        for (degrees, statistic, p) in [
            (1, 3.841_458_820_694_124, 0.05),
            (1, 10.827_566_170_662_733, 0.001),
            (2, 5.991_464_547_107_979, 0.05),
            (3, 7.814_727_903_251_179, 0.05),
            (3, 16.266_236_196_238_13, 0.001),
            (10, 18.307_038_053_275_146, 0.05),
            (10, 2.558_212_158_320_35, 0.99),
            (100, 124.342_113_404_004_1, 0.05),
        ] {
            let tail = chi_squared_tail(statistic, degrees);
            assert!((tail - p).abs() < 1e-9, "{degrees} {statistic}: {tail}");
        }
        // With two degrees of freedom it is an exponential function.
        for x in [0.1_f64, 1.0, 5.0, 50.0, 300.0] {
            assert!((chi_squared_tail(x, 2) / (-x / 2.0).exp() - 1.0).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn the_gamma_function_of_whole_numbers_is_the_factorial() {
        let mut factorial = 1.0_f64;
        for n in 1..=20_u32 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-10, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
    }

    #[test]
    fn counts_that_fit_are_likely_and_others_are_not() {
        let probabilities = [0.5, 0.375, 0.093_75, 0.031_25];
        assert!(chi_squared(&[5_000, 3_750, 938, 312], &probabilities).p_value > 0.99);
        assert!(chi_squared(&[5_060, 3_700, 920, 320], &probabilities).p_value > 0.1);
        assert!(chi_squared(&[4_000, 4_750, 938, 312], &probabilities).p_value < 1e-9);
        assert!(chi_squared(&[1, 1], &[1.0, 0.0]).p_value <= 0.0);
    }

    #[test]
    fn an_example_seed_is_the_smallest_however_counts_are_merged() {
        let mut first = PatternCounts::default();
        first.add("429 200{2}", 8);
        first.add("200{3}", 9);
        let mut second = PatternCounts::default();
        second.add("429 200{2}", 3);
        second.add("200 429 200", 4);
        first.merge(second);
        assert_eq!(first.total(), 4);
        assert_eq!(first.by_frequency()[0], ("429 200{2}", Tally { count: 2, seed: 3 }));
        assert!((first.share("200{3}") - 0.25).abs() < 1e-12);
        let test = first.chi_squared(&[("429 200{2}", 0.5), ("200 429 200", 0.5)]);
        assert!(test.p_value <= 0.0, "`200{{3}}` should never have come");
    }
}
