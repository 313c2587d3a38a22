//! Was it right: events folded into pass, fail or unknown.
//!
//! The fourth part of the flow, between what happened and who is told. A verdict is a list of
//! findings: one for every expectation of the scenario, and one for every invariant, which holds for
//! all runs whether a scenario asks or not. It is a pure function of the scenario and the history,
//! so that a recording is judged again as the run was.
//!
//! Three outcomes: *pass*, *fail*, and *unknown* for a run that never exercised what it is about.
//! Unknown is not green.

pub mod answers;
pub mod coverage;
mod expectations;
mod figures;
pub mod frequency;
pub mod invariants;
pub mod pattern;
pub mod seeds;
mod spending;
mod timing;
mod traits;

use std::fmt;

use crate::event::History;
use crate::scenario::{Expectation, Scenario};
use crate::source::{Diagnostic, Place};
use crate::topology::Personality;

pub use answers::{observed_pattern, observed_patterns};
pub use frequency::PatternCounts;
pub use invariants::INVARIANTS;
pub use seeds::Frequency;

/// Everything that was found about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Expectations of the steps in order, then those of the run, then the invariants.
    pub findings: Vec<Finding>,
}

/// What came of one expectation or invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was asked.
    pub about: About,
    /// Where it stands in the scenario; an invariant stands nowhere.
    pub place: Option<Place>,
    /// What was asked, in one line.
    pub statement: String,
    /// A few words for the place. Empty on a pass.
    pub label: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What was expected. Empty on a pass.
    pub expected: String,
    /// What came. On a pass, a word about the evidence, or nothing.
    pub actual: String,
    /// The evidence, one line each.
    pub detail: Vec<String>,
    /// Why it does not count that this invariant is broken, or is not looked at.
    pub exempt: Option<Exempt>,
    /// The step that it belongs to, from 0; none for the whole run.
    pub step: Option<usize>,
}

/// Why an invariant does not fail a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exempt {
    /// The personality is known for breaking it, and the run has shown it.
    Deviation {
        /// Who.
        personality: Personality,
        /// What it does instead.
        why: &'static str,
    },
    /// The scenario turns it off.
    Off {
        /// Why.
        reason: String,
    },
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An expectation of the scenario.
    Expectation,
    /// The invariant of this name.
    Invariant(&'static str),
}

/// What came of something; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// The run never exercised it.
    Unknown,
    /// It does not hold.
    Fail,
}

/// How to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JudgeOptions {
    /// Whether the run is one of many seeds: patterns of a step in a scenario that pins a seed are
    /// then counted by the caller, and not judged.
    pub count_patterns: bool,
}

/// Judges a run.
#[must_use]
pub fn judge(scenario: &Scenario, history: &History, options: JudgeOptions) -> Verdict {
    let steps = scenario.sends().flat_map(|(step, send)| send.expect.iter().map(move |one| (Some(step), one)));
    let run = scenario.expect.iter().map(|one| (None, one));
    let counted = options.count_patterns && scenario.seed.is_some();
    let mut findings: Vec<Finding> = steps
        .chain(run)
        .filter(|(step, one)| !(counted && step.is_some() && one.is_pattern()))
        .map(|(step, one)| expectations::judge(scenario, history, step, one))
        .collect();
    findings.extend(expectations::awaited(scenario, history));
    findings.extend(history.requests.is_empty().then(nothing_happened));
    findings.extend(invariants::judge(scenario, history));
    Verdict { findings }
}

/// A run without a request is not green, whatever was expected of it.
fn nothing_happened() -> Finding {
    let finding = Finding::new(About::Expectation, None, "the run sends a request".to_owned(), None);
    Finding { outcome: Outcome::Unknown, actual: "no request was sent".to_owned(), ..finding }
}

impl Verdict {
    /// What came of the run: the worst of its findings, and unknown for a run without any.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Unknown)
    }

    /// The findings about expectations.
    pub fn expectations(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.about == About::Expectation)
    }

    /// The invariants that do not count.
    pub fn exemptions(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.exempt.is_some())
    }

    /// The findings about invariants.
    pub fn invariants(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.about != About::Expectation)
    }
}

impl Outcome {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }

    /// What came of the same thing over many seeds: unknown only if every seed is.
    #[must_use]
    pub fn over_seeds(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let (mut any_pass, mut any_fail) = (false, false);
        for outcome in outcomes {
            any_pass |= outcome == Self::Pass;
            any_fail |= outcome == Self::Fail;
        }
        match (any_fail, any_pass) {
            (true, _) => Self::Fail,
            (false, true) => Self::Pass,
            (false, false) => Self::Unknown,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Finding {
    fn new(about: About, place: Option<Place>, statement: String, step: Option<usize>) -> Self {
        Self {
            about,
            place,
            statement,
            label: String::new(),
            outcome: Outcome::Pass,
            expected: String::new(),
            actual: String::new(),
            detail: Vec::new(),
            exempt: None,
            step,
        }
    }

    /// The invariant, and why it does not count, in a line: `deviation of agentgateway-1.2: …`.
    #[must_use]
    pub fn exemption(&self) -> Option<String> {
        let About::Invariant(name) = self.about else { return None };
        Some(match self.exempt.as_ref()? {
            Exempt::Deviation { personality, why } => format!("deviation of {personality}: {name}: {why}"),
            Exempt::Off { reason } => format!("turned off: {name}: {reason}"),
        })
    }

    /// The finding as a compiler would report it: the line of the scenario underlined, what was
    /// expected, what came, and the evidence. None for a pass.
    #[must_use]
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        let statement = &self.statement;
        let diagnostic = match (self.outcome, self.about) {
            (Outcome::Pass, _) => return None,
            (Outcome::Fail, About::Expectation) => Diagnostic::error(format!("expectation failed: {statement}")),
            (Outcome::Fail, About::Invariant(name)) => {
                Diagnostic::error(format!("invariant `{name}` is broken: {statement}"))
            }
            (Outcome::Unknown, _) => Diagnostic::warning(format!("not exercised: {statement}")),
        };
        let diagnostic = match self.place {
            Some(place) => diagnostic.at(place, self.label.as_str()),
            None => diagnostic,
        };
        let pairs = [("expected", &self.expected), ("actual", &self.actual)];
        // What the title says already is not said again.
        let pairs = pairs.into_iter().filter(|(_, text)| !text.is_empty() && *text != statement);
        let diagnostic = pairs.fold(diagnostic, |diagnostic, (name, text)| diagnostic.note(format!("{name}: {text}")));
        Some(self.detail.iter().fold(diagnostic, |diagnostic, line| diagnostic.note(line.clone())))
    }
}

impl Expectation {
    fn is_pattern(&self) -> bool {
        matches!(self.check, crate::scenario::Check::Pattern(_))
    }
}

#[cfg(test)]
mod tape;
#[cfg(test)]
mod tests;
