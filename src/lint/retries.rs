//! Retries that do not lead to another provider, and evictions that are over before the retry.

use super::Lint;
use super::view::{View, retry};
use crate::gateway::personality::{Accounting, Conditions, Handover, Retries};
use crate::source::duration::human;
use crate::source::{Diagnostic, Severity};
use crate::topology::{Backend, Retry};

pub(super) const LINTS: [Lint; 6] = [
    Lint {
        code: "eviction-within-backoff",
        severity: Severity::Error,
        finds: "an eviction that is over before the retry comes: `duration` is not longer than `backoff`",
        fix: "a `duration` of many back-offs",
        check: within_backoff,
    },
    Lint {
        code: "eviction-from-backoff",
        severity: Severity::Warning,
        finds: "a policy without a `duration`, whose evictions last as long as the retry's `backoff`",
        fix: "a `duration`",
        check: from_backoff,
    },
    Lint {
        code: "retry-same-provider",
        severity: Severity::Warning,
        finds: "retries that go to the provider that has just failed, since nothing of it is accounted before them",
        fix: "1.3 or later with a health policy and a `backoff`",
        check: same_provider,
    },
    Lint {
        code: "retry-without-backoff",
        severity: Severity::Warning,
        finds: "retries without a `backoff`, which since 1.3 mostly come before the eviction is in effect",
        fix: "`backoff: 10ms` or more",
        check: without_backoff,
    },
    Lint {
        code: "backoff-ignored",
        severity: Severity::Warning,
        finds: "a `backoff` under 0.11 or 0.12, which retry at once",
        fix: "1.0 or later",
        check: backoff_ignored,
    },
    Lint {
        code: "retry-condition-ignored",
        severity: Severity::Warning,
        finds: "a retry's `condition` or `precondition` under a version before 1.3, which knows neither",
        fix: "1.3 or later, or `codes`",
        check: condition_ignored,
    },
];

/// Every rule with retries that leads to a backend with an alternative, once for each.
fn retrying<'s>(view: &View<'s>) -> Vec<(&'s Retry, usize, &'s Backend)> {
    let mut found = Vec::new();
    for (index, backend) in view.with_alternatives() {
        found.extend(view.rules_to(index).into_iter().filter_map(|rule| Some((retry(rule)?, index, backend))));
    }
    found
}

fn within_backoff(view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for one in view.in_force() {
        let Some((eviction, duration)) = one.policy.eviction.and_then(|one| Some((one, one.duration?))) else {
            continue;
        };
        let retries = one.rules.iter().filter_map(|rule| retry(rule));
        let Some((retry, backoff)) =
            retries.filter_map(|retry| Some((retry, retry.backoff?))).max_by_key(|(_, one)| *one)
        else {
            continue;
        };
        if duration > backoff {
            continue;
        }
        let message = format!("this eviction is over when the retry comes: {} of {}", human(duration), human(backoff));
        let diagnostic =
            View::at(Diagnostic::error(message), eviction.origin, one.backend.place, "not longer than the back-off");
        let diagnostic = match retry.origin.0 {
            Some(place) => diagnostic.note_at(place, format!("waits {}", human(backoff))),
            None => diagnostic,
        };
        let diagnostic = diagnostic.note("the provider is active again by then, and the retry may go to it");
        found.push(diagnostic.help("let the eviction last many times as long as the back-off"));
    }
    found
}

fn from_backoff(view: &View<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for one in view.in_force() {
        if one.policy.eviction.is_some_and(|eviction| eviction.duration.is_some()) {
            continue;
        }
        let mut retries = one.rules.iter().filter_map(|rule| retry(rule));
        let Some((retry, backoff)) = retries.find_map(|retry| Some((retry, retry.backoff?))) else { continue };
        let message = format!("a failure without a wait evicts for the retry's back-off: {}", human(backoff));
        let origin = one.policy.eviction.map_or(one.policy.origin, |eviction| eviction.origin);
        let diagnostic = View::at(Diagnostic::warning(message), origin, one.backend.place, "has no `duration`");
        let diagnostic = match retry.origin.0 {
            Some(place) => diagnostic.note_at(place, "has a `backoff`"),
            None => diagnostic,
        };
        found.push(diagnostic.help("write a `duration`, such as `duration: 30s`"));
    }
    found
}

fn same_provider(view: &View<'_>) -> Vec<Diagnostic> {
    let stuck = retrying(view).into_iter().filter(|(_, index, backend)| {
        let alone = backend.groups.iter().find(|group| !group.providers.is_empty()).and_then(|group| {
            let [only] = group.providers.as_slice() else { return None };
            Some(only)
        });
        let last = view.behaviour.accounting == Accounting::LastAttempt;
        alone.is_some_and(|only| {
            last || (view.behaviour.retries == Retries::AsConfigured && !view.is_under_a_policy(*index, only))
        })
    });
    let tell = |(retry, _, backend): (&Retry, usize, &Backend)| {
        let message = format!("each retry goes to the same provider of the backend `{}`", backend.name);
        let why = if view.behaviour.accounting == Accounting::LastAttempt {
            format!("{} accounts only the last attempt, so that a retry finds everything as it was", view.personality)
        } else {
            "without a health policy nothing evicts the provider between the attempts".to_owned()
        };
        View::at(Diagnostic::warning(message), retry.origin, backend.place, "no failover within a request")
            .note(why)
            .help("it takes 1.3 or later, a health policy, and a `backoff`")
    };
    stuck.map(tell).collect()
}

fn without_backoff(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.handover != Handover::AMomentLater {
        return Vec::new();
    }
    let early = retrying(view).into_iter().filter(|(retry, index, backend)| {
        retry.backoff.is_none_or(|backoff| backoff.is_zero())
            && backend.providers().any(|(_, provider)| view.is_under_a_policy(*index, provider))
    });
    let tell = |(retry, _, backend): (&Retry, usize, &Backend)| {
        let message = "a retry without a `backoff` mostly comes before the eviction is in effect";
        View::at(
            Diagnostic::warning(message),
            retry.origin,
            backend.place,
            "may go to the provider that has just failed",
        )
        .note("an eviction is handed to a worker; measured, 72 of 72 such retries met the evicted provider again")
        .help("write `backoff: 10ms`, or more")
    };
    early.map(tell).collect()
}

fn condition_ignored(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.conditions == Conditions::Heeded {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (retry, _, backend) in retrying(view) {
        let named = [("condition", &retry.condition), ("precondition", &retry.precondition)];
        for (name, _) in named.into_iter().filter(|(_, condition)| condition.is_some()) {
            let message = format!("{} ignores the `{name}` of retries", view.personality);
            let diagnostic = View::at(Diagnostic::warning(message), retry.origin, backend.place, "has no effect");
            found.push(diagnostic.help("run 1.3 or later, or leave it out"));
        }
    }
    found
}

fn backoff_ignored(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.retries != Retries::WithoutBackoff {
        return Vec::new();
    }
    let ignored = retrying(view).into_iter().filter(|(retry, ..)| retry.backoff.is_some_and(|one| !one.is_zero()));
    let tell = |(retry, _, backend): (&Retry, usize, &Backend)| {
        let message = format!("{} ignores the `backoff` of retries", view.personality);
        View::at(Diagnostic::warning(message), retry.origin, backend.place, "retries at once")
            .help("run 1.0 or later, or leave it out")
    };
    ignored.map(tell).collect()
}
