//! What `/` takes: words that must all fit.
//!
//! `429`, `5xx`, `failed`, `open`, `>500ms`, `step:2`, `replica:1`, or any text of the line; `!` before a word
//! turns it round.

use std::time::Duration;

use super::lineup::Lineup;
use super::row::{Class, Names, Row};
use crate::event::{Event, Kind, Outcome};
use crate::source::Span;

/// A filter that was understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    terms: Vec<(bool, Term)>,
    /// The first word that looks like more than text, and is not.
    odd: Option<String>,
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
        let terms: Vec<_> = terms.collect();
        let begins = ["step:", "replica:", ">", "<"];
        let odd = terms.iter().find_map(|(_, term)| match term {
            Term::Text(text) if begins.iter().any(|begin| text.starts_with(begin)) => Some(text.clone()),
            _ => None,
        });
        Self { terms, odd }
    }

    /// What may have been meant otherwise than it is taken.
    pub(super) fn doubt(&self) -> Option<String> {
        let odd = self.odd.as_ref()?;
        let example = match odd.as_bytes().first() {
            Some(b's') => "step:2",
            Some(b'r') => "replica:0",
            Some(b'>') => ">500ms",
            _ => "<500ms",
        };
        Some(format!("`{odd}` is searched as text; such as `{example}` means more"))
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a request fits.
    pub(super) fn takes(&self, row: &Row, names: &Names, lineup: &Lineup) -> bool {
        self.terms.iter().all(|(wanted, term)| term.fits(row, names, lineup) == *wanted)
    }

    /// Whether an event fits that is told in this line.
    pub(super) fn takes_event(&self, event: &Event, line: &str) -> bool {
        let lower = line.to_lowercase();
        self.terms.iter().all(|(wanted, term)| term.fits_event(&event.kind, &lower) == *wanted)
    }

    /// Whether it asks for some text.
    pub(super) fn is_text(&self) -> bool {
        self.terms.iter().any(|(wanted, term)| *wanted && matches!(term, Term::Text(_)))
    }

    /// Whether it asks for what no event has: how long a request takes is known of the whole of it.
    pub(super) fn is_about_requests(&self) -> bool {
        self.terms.iter().any(|(_, term)| matches!(term, Term::Open | Term::Longer(_) | Term::Shorter(_)))
    }
}

/// The status that an event tells of, and whether what has it is over.
fn status_of(kind: &Kind) -> (Option<u16>, Option<Outcome>) {
    match kind {
        Kind::ClientResponseStarted { status, .. } | Kind::ProviderEvicted { status, .. } => (Some(*status), None),
        Kind::ClientRequestEnded { status, outcome, .. } | Kind::AttemptEnded { status, outcome, .. } => {
            (*status, Some(*outcome))
        }
        Kind::GatewayRequestEnded { status, outcome, .. } | Kind::ProviderRequestEnded { status, outcome, .. } => {
            (Some(*status), Some(*outcome))
        }
        _ => (None, None),
    }
}

/// The step that an event belongs to, from 0.
fn step_of(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::StepStarted { step, .. } | Kind::StepEnded { step, .. } => Some(*step),
        Kind::ClientRequestSent { step, .. } => *step,
        _ => None,
    }
}

/// The replica that an event tells of.
fn replica_of(kind: &Kind) -> Option<u32> {
    match kind {
        Kind::ClientRequestSent { replica, .. } => *replica,
        Kind::ReplicaStarted { replica }
        | Kind::ReplicaStopped { replica }
        | Kind::ReplicaConfigured { replica, .. }
        | Kind::GatewayRequestReceived { replica, .. }
        | Kind::GatewayRequestRouted { replica, .. }
        | Kind::ProviderSelected { replica, .. }
        | Kind::AttemptStarted { replica, .. }
        | Kind::AttemptEnded { replica, .. }
        | Kind::HealthChanged { replica, .. }
        | Kind::ProviderEvicted { replica, .. }
        | Kind::ProviderReturned { replica, .. }
        | Kind::GatewayRequestEnded { replica, .. } => Some(*replica),
        _ => None,
    }
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

    fn fits_event(&self, kind: &Kind, line: &str) -> bool {
        let (status, outcome) = status_of(kind);
        match self {
            Self::Text(text) => line.contains(text.as_str()),
            Self::StatusClass(class) => status.is_some_and(|status| status / 100 == *class),
            Self::Failed => !matches!(Class::of(status, outcome), Class::Open | Class::Good),
            Self::Step(step) => step_of(kind).is_some_and(|of| of as u64 + 1 == u64::from(*step)),
            Self::Replica(replica) => replica_of(kind) == Some(*replica),
            Self::Open | Self::Longer(_) | Self::Shorter(_) => false,
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
