//! Waits that a filter adds to responses: `Retry-After` and its relatives.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;

use super::Lint;
use super::view::{View, response_headers};
use crate::gateway::personality::Trigger;
use crate::gateway::wait::{self, Wait};
use crate::source::duration::human;
use crate::source::{Diagnostic, Severity};
use crate::topology::{Backend, HeaderChange, Rule};

pub(super) const LINTS: [Lint; 4] = [
    Lint {
        code: "retry-after-ignored",
        severity: Severity::Error,
        finds: "a `Retry-After` that a filter adds, under a version to which it means nothing without a health policy",
        fix: "a health policy for the backend, or an earlier version",
        check: ignored,
    },
    Lint {
        code: "retry-after-overruled",
        severity: Severity::Warning,
        finds: "a `Retry-After` that a filter adds beside a policy with a `duration`, which goes first",
        fix: "one of the two",
        check: overruled,
    },
    Lint {
        code: "wait-unreadable",
        severity: Severity::Error,
        finds: "a `Retry-After`, or a relative, with a value that the gateway cannot read: `60s`, `1.5`, `soon`",
        fix: "whole seconds, or an HTTP date",
        check: unreadable,
    },
    Lint {
        code: "no-wait",
        severity: Severity::Warning,
        finds: "a backend with several providers, under a version that evicts by a wait alone, and no filter that adds one",
        fix: "a ResponseHeaderModifier that adds `Retry-After`, unless the providers send it themselves",
        check: none_added,
    },
];

/// Headers that ask for a wait.
const NAMES: [&str; 7] = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-reset-requests-day",
    "x-ratelimit-reset-tokens-minute",
];

/// Whether a rule adds a wait that can be read.
pub(super) fn readable(rule: &Rule) -> bool {
    response_headers(rule).any(|change| added(change).any(|(name, value)| read(name, value).is_some()))
}

/// The headers with a wait that a filter sets or adds.
fn added(change: &HeaderChange) -> impl Iterator<Item = (&str, &str)> {
    let all = change.set.iter().chain(&change.add);
    let waits = all.filter(|(name, _)| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)));
    waits.map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The wait that a header means. A date is taken to be one in the future.
fn read(name: &str, value: &str) -> Option<Wait> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    wait::of_response(StatusCode::TOO_MANY_REQUESTS, &headers, Timestamp::UNIX_EPOCH)
}

/// Every filter that adds a wait, with a backend to which its rule leads.
fn adding<'s>(view: &View<'s>) -> Vec<(&'s HeaderChange, usize, &'s Backend)> {
    let mut found = Vec::new();
    for (index, backend) in view.with_alternatives() {
        for rule in view.rules_to(index) {
            found.extend(
                response_headers(rule).filter(|one| added(one).next().is_some()).map(|one| (one, index, backend)),
            );
        }
    }
    found
}

fn ignored(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.trigger != Trigger::HealthPolicy {
        return Vec::new();
    }
    let without = adding(view).into_iter().filter(|(_, index, _)| view.has_no_policy(*index));
    let tell = |(change, _, backend): (&HeaderChange, usize, &Backend)| {
        let name = added(change).next().map_or("", |(name, _)| name);
        let message = format!("{} ignores the `{name}` that this filter adds", view.personality);
        View::at(Diagnostic::error(message), change.origin, backend.place, "evicts nobody")
            .note(format!(
                "clients get it, but the backend `{}` has no health policy, and nothing else evicts",
                backend.name
            ))
            .help("give the backend a health policy; without an `eviction` block it keeps to this wait")
    };
    without.map(tell).collect()
}

fn overruled(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.trigger != Trigger::HealthPolicy {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (change, index, backend) in adding(view) {
        for (_, provider) in backend.providers() {
            let mut durations =
                view.policies(index, provider).into_iter().flatten().filter_map(|policy| policy.eviction);
            let Some((eviction, duration)) = durations.find_map(|one| Some((one, one.duration?))) else {
                continue;
            };
            let name = added(change).next().map_or("", |(name, _)| name);
            let message = format!("the policy's `duration` goes before the `{name}` that this filter adds");
            let diagnostic =
                View::at(Diagnostic::warning(message), change.origin, backend.place, "evicts for no such time");
            let diagnostic = match eviction.origin.0 {
                Some(place) => diagnostic.note_at(place, "this one counts"),
                None => diagnostic,
            };
            let diagnostic =
                diagnostic.note(format!("an eviction lasts {}, whatever the header says", human(duration)));
            found.push(diagnostic.help("leave out the `eviction` block, or the header"));
            break;
        }
    }
    found
}

fn unreadable(view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in view.rules() {
        for change in response_headers(rule) {
            let wrong = added(change).filter(|(name, value)| read(name, value).is_none());
            found.extend(wrong.map(|(name, value)| {
                let message = format!("the gateway cannot read `{name}: {value}`");
                let place = rule.origin.0.or(view.topology.routes.first().map(|route| route.place));
                let diagnostic = Diagnostic::error(message);
                let diagnostic = match change.origin.0.or(place) {
                    Some(place) => diagnostic.at(place, "no wait"),
                    None => diagnostic,
                };
                diagnostic.note("a wait that cannot be read is as good as none").help("whole seconds, such as `60`")
            }));
        }
    }
    found
}

fn none_added(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.trigger != Trigger::RateLimitWait {
        return Vec::new();
    }
    let without = view.with_alternatives().filter(|(index, _)| {
        let rules = view.rules_to(*index);
        !rules.is_empty() && !rules.iter().any(|rule| readable(rule))
    });
    let tell = |backend: &Backend| {
        let message = format!("nothing here makes the backend `{}` fail over", backend.name);
        let diagnostic = Diagnostic::warning(message)
            .at(backend.place, "no filter adds a wait")
            .note(format!("under {} only a 429 that says how long to wait evicts; a 503 never does", view.personality));
        let filter = view.words(&diagnostic).response_filter;
        diagnostic.help(format!("add `Retry-After` with {filter}, unless the providers send it themselves"))
    };
    without.map(|(_, backend)| tell(backend)).collect()
}
