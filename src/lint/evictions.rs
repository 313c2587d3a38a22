//! Who is never evicted, and so never failed over from.

use super::failures::holds;
use super::view::{InForce, View, retry};
use super::words::Words;
use super::{Lint, waits};
use crate::gateway::personality::{DefaultDuration, Growth, Trigger};
use crate::source::{Diagnostic, Severity};
use crate::topology::{Backend, EvictionPolicy, Provider};

/// See its line in [`LINTS`].
pub(super) const NO_FAILOVER: Lint = Lint {
    code: "no-failover",
    severity: Severity::Error,
    finds: "a backend with several providers and no health policy, under a version that evicts by nothing else",
    fix: "an AgentgatewayPolicy for the backend with `backend.health`, or an earlier version",
    check: no_failover,
};

pub(super) const LINTS: [Lint; 4] = [
    NO_FAILOVER,
    Lint {
        code: "unreachable-group",
        severity: Severity::Error,
        finds: "a group below one with a provider that no policy can evict: it is never used",
        fix: "a policy for the whole backend, or for each provider of the group",
        check: unreachable_group,
    },
    Lint {
        code: "never-evicts",
        severity: Severity::Error,
        finds: "a health policy whose thresholds no failure can reach, or that evicts for no time at all",
        fix: "`eviction: { consecutiveFailures: 1 }`, or an `eviction` block without thresholds: every failure evicts",
        check: never_evicts,
    },
    Lint {
        code: "evicts-only-on-wait",
        severity: Severity::Warning,
        finds: "a health policy without an `eviction` block, which since 1.3 evicts only when a 429 says for how long",
        fix: "an `eviction` block with a `duration`",
        check: only_on_wait,
    },
];

/// Backends with alternatives that are never taken, since nothing can evict anybody from them.
pub(super) fn stuck<'s>(view: &View<'s>) -> Vec<&'s Backend> {
    if view.behaviour.trigger != Trigger::HealthPolicy {
        return Vec::new();
    }
    let without = view.with_alternatives().filter(|(index, _)| view.has_no_policy(*index));
    without.map(|(_, backend)| backend).collect()
}

fn no_failover(view: &View<'_>) -> Vec<Diagnostic> {
    let tell = |backend: &Backend| {
        let message = format!("under {} the backend `{}` never fails over", view.personality, backend.name);
        let diagnostic = Diagnostic::error(message)
            .at(backend.place, "has no health policy")
            .note("from 1.0 on only a health policy evicts a provider, whatever its status and its `Retry-After`");
        let Words { in_a_policy, condition, .. } = view.words(&diagnostic);
        diagnostic.help(format!(
            "give the backend one {in_a_policy}, such as `health: {{ {condition}: \"response.code == 429 || \
             response.code >= 500\", eviction: {{ duration: 30s, consecutiveFailures: 1 }} }}`, or name an earlier \
             personality"
        ))
    };
    stuck(view).into_iter().map(tell).collect()
}

fn unreachable_group(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.trigger != Trigger::HealthPolicy {
        return Vec::new();
    }
    view.with_alternatives().filter_map(|(index, backend)| unreachable(view, index, backend)).collect()
}

fn unreachable(view: &View<'_>, index: usize, backend: &Backend) -> Option<Diagnostic> {
    let stays = |provider: &&Provider| !view.is_under_a_policy(index, provider);
    if view.has_no_policy(index) {
        return None;
    }
    let (last, staying) = backend.groups.iter().enumerate().find_map(|(number, group)| {
        let staying = group.providers.iter().find(stays)?;
        Some((number, staying))
    })?;
    let first = backend.groups.get(last + 1)?.providers.first()?;
    let message = format!("group {} of the backend `{}` can never be reached", last + 2, backend.name);
    let diagnostic = Diagnostic::error(message)
        .at(first.name.place, "never used")
        .note_at(staying.name.place, "no policy evicts this one")
        .note("a group is used only while every provider of the groups before it is evicted");
    Some(diagnostic.help(format!(
        "give `{}` a health policy too, or the whole backend `{}` one",
        staying.name.value, backend.name
    )))
}

fn never_evicts(view: &View<'_>) -> Vec<Diagnostic> {
    let told = view.in_force().into_iter().filter_map(|one| {
        let (why, label) = match &one.policy.eviction {
            Some(eviction) => (out_of_reach(eviction).or_else(|| for_no_time(view, eviction))?, "evicts nobody"),
            None => (no_time(view, &one)?, "evicts nobody"),
        };
        let origin = one.policy.eviction.map_or(one.policy.origin, |eviction| eviction.origin);
        let message = format!("this health policy of the backend `{}` never evicts", one.backend.name);
        let diagnostic = View::at(Diagnostic::error(message), origin, one.backend.place, label).note(why);
        Some(diagnostic.help("write `eviction: { duration: 30s, consecutiveFailures: 1 }`"))
    });
    told.collect()
}

/// Why thresholds are out of reach, if they are. That a count of 0 alone never evicts is told when the
/// file is read.
fn out_of_reach(eviction: &EvictionPolicy) -> Option<&'static str> {
    let EvictionPolicy { consecutive_failures, health_threshold, .. } = *eviction;
    let zero = health_threshold.is_some_and(|threshold| threshold <= 0.0);
    match (consecutive_failures, zero) {
        (None | Some(0), true) => Some("health is never below 0, so that `healthThreshold: 0` is never met"),
        _ => None,
    }
}

/// Why evictions have no length, where the policy says so and nothing else counts beside it.
fn for_no_time(view: &View<'_>, eviction: &EvictionPolicy) -> Option<&'static str> {
    let is_zero = eviction.duration.is_some_and(|duration| duration.is_zero());
    let is_base = view.behaviour.growth != Growth::UpToAMinute;
    (is_zero && is_base).then_some("an eviction of 0 s is over when it begins, and no multiple of it is longer")
}

/// Why a policy without an `eviction` block has no duration, if nothing could give it one.
fn no_time(view: &View<'_>, one: &InForce<'_>) -> Option<&'static str> {
    let needs_block = view.behaviour.default_duration == DefaultDuration::WithEvictionBlock;
    let on_429 = holds(view, one.policy, 429).unwrap_or(true);
    (needs_block && !has_backoff(one) && !on_429).then_some(
        "without an `eviction` block only a 429 with a wait evicts since 1.3, and to this policy a 429 is no failure",
    )
}

fn only_on_wait(view: &View<'_>) -> Vec<Diagnostic> {
    let needs_block = view.behaviour.default_duration == DefaultDuration::WithEvictionBlock;
    let bare = |one: &InForce<'_>| {
        needs_block
            && one.policy.eviction.is_none()
            && !has_backoff(one)
            && holds(view, one.policy, 429).unwrap_or(true)
            && !one.rules.iter().any(|rule| waits::readable(rule))
    };
    let tell = |one: InForce<'_>| {
        let message = format!("this health policy of the backend `{}` has no `eviction` block", one.backend.name);
        View::at(
            Diagnostic::warning(message),
            one.policy.origin,
            one.backend.place,
            "evicts only when told for how long",
        )
        .note(format!("under {} a failure without a wait in its headers then evicts nobody", view.personality))
        .help("write `eviction: { duration: 30s }`")
    };
    view.in_force().into_iter().filter(bare).map(tell).collect()
}

fn has_backoff(one: &InForce<'_>) -> bool {
    one.rules.iter().filter_map(|rule| retry(rule)).any(|retry| retry.backoff.is_some())
}
