//! What will go wrong with a gateway's configuration, told before anything runs: `labsim check`.
//!
//! Stands behind `scenario` and reads no event: it looks at what the manifests describe, as the
//! named version of the gateway would take it, and at what a scenario expects of it. Each lint has a
//! stable code, a severity, and a check that is a pure function; `docs/check.md` is their table,
//! written by [`document`].

mod document;
mod evictions;
mod failures;
mod policies;
mod providers;
mod replicas;
mod retries;
mod said;
mod standalone;
mod timeouts;
mod view;
mod waits;
mod words;

use crate::scenario::Scenario;
use crate::source::{Diagnostic, Severity};
use crate::topology::{Backend, Personality, Topology};

pub use document::document;
pub use said::{Allowed, is_code, sorted};
use view::View;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// What the manifests describe.
    pub topology: &'s Topology,
    /// As which version of which gateway it behaves.
    pub personality: Personality,
    /// The scenario that it is for, where there is one.
    pub scenario: Option<&'s Scenario>,
}

impl<'s> Subject<'s> {
    /// A scenario, as the version that it names.
    #[must_use]
    pub fn of(scenario: &'s Scenario) -> Self {
        Self { topology: &scenario.topology, personality: scenario.gateway.personality, scenario: Some(scenario) }
    }
}

/// Something that can be wrong.
#[derive(Debug, Clone, Copy)]
pub struct Lint {
    /// Its stable name.
    pub code: &'static str,
    /// How bad it is: an error defeats what the file is for, a warning may be meant.
    pub severity: Severity,
    /// What it finds, in one line.
    pub finds: &'static str,
    /// What to do, in one line.
    pub fix: &'static str,
    check: fn(&View<'_>) -> Vec<Diagnostic>,
}

/// All lints, in the order of the document.
pub fn lints() -> impl Iterator<Item = &'static Lint> {
    let all = [
        &evictions::LINTS[..],
        &policies::LINTS,
        &waits::LINTS,
        &failures::LINTS,
        &retries::LINTS,
        &timeouts::LINTS,
        &providers::LINTS,
        &replicas::LINTS,
        &standalone::LINTS,
    ];
    all.into_iter().flatten()
}

/// Everything that will go wrong, in the order of the lints.
#[must_use]
pub fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let view = View::new(subject);
    let mut found: Vec<Diagnostic> = Vec::new();
    for finding in lints().flat_map(|lint| told(lint, &view)) {
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found
}

/// What whoever runs a scenario should hear although nobody asked: under the version that stands
/// where none is named, its gateway could never fail over.
#[must_use]
pub fn unasked(scenario: &Scenario) -> Vec<Diagnostic> {
    if scenario.gateway.named {
        return Vec::new();
    }
    let subject = Subject::of(scenario);
    let mut found = told(&evictions::NO_FAILOVER, &View::new(&subject));
    for finding in &mut found {
        finding.severity = Severity::Warning;
    }
    found
}

/// The backends that can never fail over under a version.
#[must_use]
pub fn stuck(topology: &Topology, personality: Personality) -> Vec<&Backend> {
    evictions::stuck(&View::new(&Subject { topology, personality, scenario: None }))
}

fn told(lint: &Lint, view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = (lint.check)(view);
    for finding in &mut found {
        finding.code = Some(lint.code);
        finding.severity = lint.severity;
    }
    found
}

#[cfg(test)]
mod tests;
