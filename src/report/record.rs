//! A run as file reports see it: what it was made from, what happened, whether it was right.

use std::time::Duration;

use crate::event::log::Header;
use crate::event::{At, Event, History};
use crate::source::duration::human;
use crate::source::{LineColumn, Sources, amount};
use crate::verdict::{About, Finding, Outcome, Verdict};

/// Everything that is known of a run that is over.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// What it was made from. The places of findings point into its sources.
    pub header: Header,
    /// What happened, event by event.
    pub events: Vec<Event>,
    /// The events folded.
    pub history: History,
    /// Whether it was right.
    pub verdict: Verdict,
    /// Whether it was broken off before its last step.
    pub interrupted: bool,
}

/// How many runs came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
}

impl RunRecord {
    /// The record of a run; a recording with its verdict gives the same.
    #[must_use]
    pub fn new(header: Header, events: Vec<Event>, verdict: Verdict, interrupted: bool) -> Self {
        let history = History::of(&events);
        Self { header, events, history, verdict, interrupted }
    }

    /// What came of it. A run that was broken off is at best unknown.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let judged = self.verdict.outcome();
        if self.interrupted { judged.max(Outcome::Unknown) } else { judged }
    }

    /// Time from the first event to the last, in the lab's time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.history.now.since(At::default())
    }

    /// The scenario file, as it was named on the command line.
    pub(super) fn file(&self) -> &str {
        self.sources().files().first().map_or("", |file| file.name.as_str())
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.header.sources
    }

    /// Findings that did not pass.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &Finding> {
        self.verdict.findings.iter().filter(|finding| finding.outcome != Outcome::Pass)
    }

    /// Where a finding stands: the file's name with line and column.
    pub(super) fn position(&self, finding: &Finding) -> Option<(&str, LineColumn)> {
        let place = finding.place?;
        self.sources().files().get(place.file.0 as usize)?;
        Some((self.sources().file(place.file).name.as_str(), self.sources().line_column(place)))
    }

    /// The finding with its line of the scenario underlined, as plain text. Empty for a pass.
    pub(super) fn explained(&self, finding: &Finding) -> String {
        let known = finding.place.is_none() || self.position(finding).is_some();
        let diagnostic = finding.diagnostic().filter(|_| known);
        diagnostic.map(|diagnostic| diagnostic.render(self.sources(), false)).unwrap_or_default()
    }

    /// The run's facts in one line: seed, personality, clock, duration, requests.
    pub(super) fn facts(&self) -> Vec<String> {
        let header = &self.header;
        let history = &self.history;
        vec![
            format!("seed {}", header.seed),
            header.personality.clone(),
            counted(header.replicas as usize, "replica"),
            format!("{} clock", header.clock),
            counted(history.requests.len(), "request"),
            counted(history.evictions.len(), "eviction"),
            format!("{} of lab time", human(Duration::from_millis(history.now.0 / 1_000))),
        ]
    }
}

impl Tally {
    pub(super) fn of(runs: &[RunRecord]) -> Self {
        runs.iter().fold(Self::default(), |mut tally, run| {
            match run.outcome() {
                Outcome::Pass => tally.passed += 1,
                Outcome::Fail => tally.failed += 1,
                Outcome::Unknown => tally.unknown += 1,
            }
            tally
        })
    }

    /// In words, leaving out what there is none of: `2 passed, 1 failed`.
    pub(super) fn in_words(self) -> String {
        let parts = [(self.passed, "passed"), (self.failed, "failed"), (self.unknown, "unknown")];
        let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if words.is_empty() { "no runs".to_owned() } else { words.join(", ") }
    }
}

/// The worst of all runs; unknown where there are none.
pub(super) fn worst(runs: &[RunRecord]) -> Outcome {
    runs.iter().map(RunRecord::outcome).max().unwrap_or(Outcome::Unknown)
}

/// `1 request`, `2 requests`.
pub(super) fn counted(count: usize, what: &str) -> String {
    amount::counted(count as u64, what)
}

/// What a finding is called in a list: its step or its invariant, then what was asked.
pub(super) fn title(finding: &Finding) -> String {
    if let Some(exemption) = finding.exemption() {
        return exemption;
    }
    match (finding.about, finding.step) {
        (About::Invariant(name), _) => format!("invariant {name}: {}", finding.statement),
        (About::Expectation, Some(step)) => format!("step {}: {}", step + 1, finding.statement),
        (About::Expectation, None) => format!("run: {}", finding.statement),
    }
}

/// The mark of an outcome, never a colour alone.
pub(super) fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✓",
        Outcome::Fail => "✗",
        Outcome::Unknown => "?",
    }
}
