//! Was it right: events folded into pass, fail or unknown.
//!
//! The types that reports read; what judges a run stands beside them.

use crate::source::{Diagnostic, Place};

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
    /// The step that it belongs to, from 0; none for the whole run.
    pub step: Option<usize>,
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

impl Verdict {
    /// What came of the run: the worst of its findings, and unknown for a run without any.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Unknown)
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
}

impl Finding {
    /// The finding as a compiler would report it. None for a pass.
    #[must_use]
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        let diagnostic = match self.outcome {
            Outcome::Pass => return None,
            Outcome::Fail => Diagnostic::error(format!("not so: {}", self.statement)),
            Outcome::Unknown => Diagnostic::warning(format!("unknown: {}", self.statement)),
        };
        let diagnostic = match self.place {
            Some(place) => diagnostic.at(place, self.label.clone()),
            None => diagnostic,
        };
        let lines = [format!("expected: {}", self.expected), format!("actual: {}", self.actual)];
        Some(lines.into_iter().chain(self.detail.iter().cloned()).fold(diagnostic, Diagnostic::help))
    }
}
