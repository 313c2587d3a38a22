//! What `/` takes: words that must all fit.
//!
//! `429`, `5xx`, `failed`, `open`, `>500ms`, `step:2`, `replica:1`, or any text of the line; `!` before a word
//! turns it round.

use std::time::Duration;

use super::lineup::Lineup;
use super::row::{Class, Names, Row};
use crate::source::Span;

/// A filter that was understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    terms: Vec<(bool, Term)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    Text(String),
    StatusClass(u16),
    Failed,
    Open,
    Longer(Duration),
    Shorter(Duration),
    Step(u32),
    Replica(u32),
}

impl Filter {
    /// Reads a filter. Everything means something.
    pub(super) fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().map(|word| match word.strip_prefix('!') {
            Some(rest) if !rest.is_empty() => (false, Term::parse(rest)),
            _ => (true, Term::parse(word)),
        });
        Self { terms: terms.collect() }
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a request fits.
    pub(super) fn takes(&self, row: &Row, names: &Names, lineup: &Lineup) -> bool {
        self.terms.iter().all(|(wanted, term)| term.fits(row, names, lineup) == *wanted)
    }

    /// Whether a line of text fits.
    pub(super) fn takes_text(&self, line: &str) -> bool {
        let lower = line.to_lowercase();
        self.terms.iter().all(|(wanted, term)| match term {
            Term::Text(text) => lower.contains(text) == *wanted,
            Term::StatusClass(class) => has_status(&lower, *class) == *wanted,
            _ => true,
        })
    }
}

fn has_status(line: &str, class: u16) -> bool {
    line.split(|char: char| !char.is_ascii_digit())
        .any(|word| word.len() == 3 && word.parse::<u16>().is_ok_and(|status| status / 100 == class))
}

impl Term {
    fn parse(word: &str) -> Self {
        let lower = word.to_lowercase();
        let duration = |text: &str| Span::parse(text).ok().map(|span| span.0);
        let number = |prefix: &str| lower.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
        match lower.as_str() {
            "failed" => return Self::Failed,
            "open" => return Self::Open,
            "1xx" | "2xx" | "3xx" | "4xx" | "5xx" => return Self::StatusClass(u16::from(lower.as_bytes()[0] - b'0')),
            _ => {}
        }
        if let Some(longer) = lower.strip_prefix('>').and_then(duration) {
            return Self::Longer(longer);
        }
        if let Some(shorter) = lower.strip_prefix('<').and_then(duration) {
            return Self::Shorter(shorter);
        }
        match (number("step:"), number("replica:")) {
            // People count steps from 1.
            (Some(step), _) => Self::Step(step),
            (_, Some(replica)) => Self::Replica(replica),
            _ => Self::Text(lower),
        }
    }

    fn fits(&self, row: &Row, names: &Names, lineup: &Lineup) -> bool {
        match self {
            Self::Text(text) => texts(row, names, lineup, |part| part.to_lowercase().contains(text.as_str())),
            Self::StatusClass(class) => row.status.is_some_and(|status| status / 100 == *class),
            Self::Failed => row.failed(),
            Self::Open => row.class() == Class::Open,
            Self::Longer(than) => row.latency().is_some_and(|latency| latency > *than),
            Self::Shorter(than) => row.latency().is_some_and(|latency| latency < *than),
            Self::Step(step) => row.step.is_some_and(|of| of + 1 == *step),
            Self::Replica(replica) => row.replica == Some(*replica),
        }
    }
}

fn texts(row: &Row, names: &Names, lineup: &Lineup, fits: impl Fn(&str) -> bool) -> bool {
    let provider = row.provider.and_then(|provider| lineup.providers.get(usize::from(provider)));
    fits(names.text(row.endpoint))
        || fits(names.text(row.model))
        || fits(names.text(row.path))
        || provider.is_some_and(|provider| fits(&provider.name))
        || row.outcome.is_some_and(|outcome| fits(outcome.name()))
        || row.status.is_some_and(|status| fits(&status.to_string()))
}
