//! How often patterns come over many seeds: counted run by run, judged when all are over.

use super::answers::{matches, observed_pattern};
use super::expectations::{Came, Scope, requests_of, times};
use super::frequency::{PatternCounts, Tally, chi_squared};
use super::pattern::{self, Match};
use super::{About, Finding, Outcome};
use crate::event::History;
use crate::event::history::Request;
use crate::scenario::Scenario;
use crate::scenario::expect::{Agreement, Check, Expectation, Frequencies, Ratio, Share};
use crate::scenario::pattern::Pattern;
use crate::source::amount::counted;

/// Runs that every pattern should have given, at least, for a chi-squared test to mean anything.
const FEWEST: f64 = 5.0;
/// A tolerance must be so many standard deviations wide to tell a fault from bad luck.
const WIDTH: f64 = 3.0;
/// What follows none of the patterns.
const OTHER: &str = "anything else";

/// What many runs gave, for every expectation of frequencies.
#[derive(Debug, Clone, Default)]
pub struct Frequency {
    /// In the order of the scenario.
    counts: Vec<PatternCounts>,
}

impl Frequency {
    /// Counts what one run gave.
    pub fn add(&mut self, scenario: &Scenario, history: &History, seed: u64) {
        let all = wanted(scenario);
        self.counts.resize_with(all.len(), PatternCounts::default);
        for ((step, _, frequencies), counts) in all.into_iter().zip(&mut self.counts) {
            let requests = requests_of(history, step);
            let first = followed(frequencies, &requests);
            counts.add(first.map_or(OTHER, |pattern| pattern.text.as_str()), seed);
        }
    }

    /// One finding for every expectation of frequencies.
    #[must_use]
    pub fn judge(&self, scenario: &Scenario) -> Vec<Finding> {
        let judged =
            |((step, one, frequencies), counts): ((Option<usize>, &Expectation, &Frequencies), &PatternCounts)| {
                let came = agree(frequencies, counts);
                let finding = Finding::new(About::Expectation, Some(one.place), one.check.to_string(), step);
                Finding {
                    label: match came.outcome {
                        Outcome::Pass => String::new(),
                        Outcome::Unknown => "too few runs to tell".to_owned(),
                        Outcome::Fail => format!("not met by {}", counted(counts.total(), "run")),
                    },
                    outcome: came.outcome,
                    expected: came.expected,
                    actual: came.actual,
                    detail: came.detail,
                    ..finding
                }
            };
        wanted(scenario).into_iter().zip(&self.counts).map(judged).collect()
    }
}

/// Every expectation of frequencies, with its step.
fn wanted(scenario: &Scenario) -> Vec<(Option<usize>, &Expectation, &Frequencies)> {
    let steps = scenario.sends().flat_map(|(step, send)| send.expect.iter().map(move |one| (Some(step), one)));
    let all = steps.chain(scenario.expect.iter().map(|one| (None, one)));
    all.filter_map(|(step, one)| match &one.check {
        Check::Frequencies(frequencies) => Some((step, one, frequencies)),
        _ => None,
    })
    .collect()
}

/// The first pattern that the requests follow.
fn followed<'f>(frequencies: &'f Frequencies, requests: &[&Request]) -> Option<&'f Pattern> {
    let follows =
        |pattern: &Pattern| matches!(pattern::run(pattern, requests, |item, one| matches(item, one)), Match::Whole);
    frequencies.patterns.iter().map(|(pattern, _)| pattern).find(|pattern| follows(pattern))
}

/// What is asked of a single run.
pub(super) fn in_one_run(frequencies: &Frequencies) -> String {
    let patterns: Vec<&str> = frequencies.patterns.iter().map(|(pattern, _)| pattern.text.as_str()).collect();
    format!("one of the likely patterns comes: {}", patterns.join(", "))
}

/// What a single run shows: whether what came may come at all.
pub(super) fn one_run(scope: &Scope<'_>, frequencies: &Frequencies) -> Came {
    let all = observed_pattern(scope.requests.iter().copied());
    let expected = "one of the patterns comes".to_owned();
    if let Some(pattern) = followed(frequencies, &scope.requests) {
        return Came::pass(format!("{pattern} came; `--seeds` judges how often"));
    }
    let open = frequencies.leave_room() || matches!(frequencies.agreement, Agreement::Tolerance(_));
    if open {
        return Came::unknown(expected, format!("{all}; `--seeds` judges how often"));
    }
    Came::fail(format!("{expected}, since together they are all"), all)
}

/// Patterns with their shares, what is left last.
fn shares(frequencies: &Frequencies) -> Vec<(&str, f64)> {
    let named = frequencies.patterns.iter().map(|(pattern, share)| (pattern.text.as_str(), share.0));
    let rest = if frequencies.leave_room() { 1.0 - frequencies.total() } else { 0.0 };
    named.chain([(OTHER, rest)]).collect()
}

fn agree(frequencies: &Frequencies, counts: &PatternCounts) -> Came {
    let shares = shares(frequencies);
    let came = match frequencies.agreement {
        Agreement::Tolerance(tolerance) => within(&shares, counts, tolerance),
        Agreement::Level(level) => tested(&shares, counts, level),
    };
    if came.outcome == Outcome::Pass { came } else { came.because(lines(&shares, counts)) }
}

/// Whether each share is near enough to its own.
fn within(shares: &[(&str, f64)], counts: &PatternCounts, tolerance: Share) -> Came {
    let runs = real(counts.total());
    let expected = Agreement::Tolerance(tolerance).to_string();
    let needed = shares.iter().map(|(_, share)| share * (1.0 - share) * (WIDTH / tolerance.0).powi(2));
    let needed = needed.fold(1.0, f64::max);
    if runs < needed {
        return Came::unknown(
            expected,
            format!("{}; at least {:.0} would tell", counted(counts.total(), "run"), needed.ceil()),
        );
    }
    let off = |(pattern, share): &(&str, f64)| (counts.share(pattern) - share).abs();
    let worst = shares.iter().max_by(|one, two| off(one).total_cmp(&off(two)));
    match worst {
        Some(worst) if off(worst) > tolerance.0 + 1e-9 => {
            let found = Share::of(counts.count(worst.0), counts.total()).unwrap_or(Share(0.0));
            Came::fail(expected, format!("{} in {found} instead of {}", worst.0, Share(worst.1)))
        }
        Some(worst) => {
            Came::pass(format!("at most {} off, over {}", Share(off(worst)), counted(counts.total(), "run")))
        }
        None => Came::pass(String::new()),
    }
}

/// Whether a chi-squared test lets the counts pass.
fn tested(shares: &[(&str, f64)], counts: &PatternCounts, level: f64) -> Came {
    let expected = Agreement::Level(level).to_string();
    let observed: Vec<u64> = shares.iter().map(|(pattern, _)| counts.count(pattern)).collect();
    let probabilities: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
    let test = chi_squared(&observed, &probabilities);
    let rarest = probabilities.iter().copied().filter(|share| *share > 0.0).fold(1.0, f64::min);
    let needed = FEWEST / rarest;
    if real(counts.total()) < needed && test.statistic.is_finite() {
        let told = format!("{}; at least {:.0} would tell", counted(counts.total(), "run"), needed.ceil());
        return Came::unknown(expected, told);
    }
    if test.p_value < level { Came::fail(expected, test.to_string()) } else { Came::pass(test.to_string()) }
}

/// Each pattern with what was expected of it and what came.
fn lines(shares: &[(&str, f64)], counts: &PatternCounts) -> Vec<String> {
    let tallies = counts.by_frequency();
    let line = |(pattern, share): &(&str, f64)| {
        let tally = tallies.iter().find(|(one, _)| one == pattern).map(|(_, tally)| *tally);
        let came = Share::of(counts.count(pattern), counts.total()).unwrap_or(Share(0.0));
        let example = tally.map(|Tally { seed, .. }| format!(", such as seed {seed}")).unwrap_or_default();
        format!("{pattern}: {} expected, {came} came ({}{example})", Share(*share), times(counts.count(pattern)))
    };
    let told = |(pattern, share): &&(&str, f64)| *share > 0.0 || counts.count(pattern) > 0;
    shares.iter().filter(told).map(line).collect()
}

fn real(count: u64) -> f64 {
    Ratio::of(count, 1).map_or(0.0, |ratio| ratio.0)
}
