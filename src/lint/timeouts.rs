//! Providers that hang: how long until somebody notices, and what is left of the request then.

use std::time::Duration;

use super::Lint;
use super::view::{View, retry};
use super::words::Words;
use crate::gateway::personality::RetriedTimeout;
use crate::source::duration::human;
use crate::source::{Diagnostic, Severity};
use crate::topology::Rule;

pub(super) const LINTS: [Lint; 3] = [
    Lint {
        code: "no-timeout",
        severity: Severity::Warning,
        finds: "a rule without timeouts that leads to a backend with several providers: one that hangs is never left",
        fix: "`timeouts: { request: …, backendRequest: … }`",
        check: none,
    },
    Lint {
        code: "timeout-outlasts-eviction",
        severity: Severity::Warning,
        finds: "a timeout that is longer than the eviction: a provider that hangs holds clients longer than it is out",
        fix: "a shorter `backendRequest`, or a longer `duration`",
        check: outlasts_eviction,
    },
    Lint {
        code: "timeout-not-retried",
        severity: Severity::Warning,
        finds: "retries that a provider that hangs leaves no time for",
        fix: "a `backendRequest` timeout that leaves time for another attempt, from 1.3 on",
        check: not_retried,
    },
];

/// How long an attempt may take.
fn patience(rule: &Rule) -> Option<Duration> {
    rule.backend_request_timeout.or(rule.request_timeout)
}

fn none(view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, backend) in view.with_alternatives() {
        for rule in view.rules_to(index).into_iter().filter(|rule| patience(rule).is_none()) {
            let message = format!("a provider of the backend `{}` that hangs is waited for without end", backend.name);
            let diagnostic =
                View::at(Diagnostic::warning(message), rule.origin, backend.place, "this rule has no timeouts");
            let diagnostic =
                diagnostic.note("a request without an answer is no failure until it ends, and so evicts nobody");
            let timeouts = view.words(&diagnostic).timeouts;
            found.push(diagnostic.help(format!("write `{timeouts}`")));
        }
    }
    found
}

fn outlasts_eviction(view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for one in view.in_force() {
        let Some((eviction, duration)) = one.policy.eviction.and_then(|one| Some((one, one.duration?))) else {
            continue;
        };
        for rule in &one.rules {
            let Some(patience) = patience(rule).filter(|patience| *patience > duration) else { continue };
            let message =
                format!("a provider that hangs is noticed after {}, and out for {}", human(patience), human(duration));
            let origin = if rule.timeout_origin.0.is_some() { rule.timeout_origin } else { rule.origin };
            let diagnostic =
                View::at(Diagnostic::warning(message), origin, one.backend.place, "longer than the eviction");
            let diagnostic = match eviction.origin.0 {
                Some(place) => diagnostic.note_at(place, "this eviction"),
                None => diagnostic,
            };
            let timeout = view.words(&diagnostic).attempt_timeout;
            found.push(diagnostic.help(format!("write a shorter `{timeout}`, or a longer `duration`")));
        }
    }
    found
}

fn not_retried(view: &View<'_>) -> Vec<Diagnostic> {
    let never = view.behaviour.retried_timeout == RetriedTimeout::Request;
    let mut found = Vec::new();
    for (index, backend) in view.with_alternatives() {
        for rule in view.rules_to(index) {
            let (Some(retry), Some(_)) = (retry(rule), patience(rule)) else { continue };
            if !never && rule.backend_request_timeout.is_some() {
                continue;
            }
            let message = "a provider that hangs leaves no time for another attempt";
            let diagnostic = View::at(Diagnostic::warning(message), retry.origin, backend.place, "not after a timeout");
            let (why, help) = if never {
                let why = format!("{} retries no timeout that has time left", view.personality);
                (why, "run 1.3 or later".to_owned())
            } else {
                let why = "the timeout of the request is over all attempts, and final".to_owned();
                let Words { request_timeout, attempt_timeout, .. } = view.words(&diagnostic);
                (why, format!("add a `{attempt_timeout}` timeout that is shorter than `{request_timeout}`"))
            };
            found.push(diagnostic.note(why).help(help));
        }
    }
    found
}
