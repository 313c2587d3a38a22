//! Whether a failure evicts its provider, and for how long.

use std::time::Duration;

use super::accrue::Health;
use super::group::Observed;
use super::personality::{Behaviour, DefaultDuration, Growth, Trigger};
use super::wait::Wait;
use crate::topology::EvictionPolicy;

/// A decision to evict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sentence {
    /// For how long.
    pub duration: Duration,
    /// Where the duration was taken from: the name of a header, `policy`, `retry-backoff`, `default`.
    pub source: &'static str,
    /// Health on return; it stays where absent.
    pub restore: Option<f64>,
}

/// A health policy, as far as it matters once a response is known to be a failure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rules {
    /// Its `eviction` block.
    pub eviction: Option<EvictionPolicy>,
}

/// How long an eviction lasts if nothing says how long.
const DEFAULT: Duration = Duration::from_secs(3);
/// How long the reference lets an eviction grow.
const LONGEST_GROWN: Duration = Duration::from_mins(1);

/// Decides on a failure. `before` is the provider's record before it.
#[must_use]
pub fn decide(behaviour: &Behaviour, before: &Health, observed: &Observed) -> Option<Sentence> {
    let rules = match (behaviour.trigger, observed.rules) {
        (Trigger::RateLimitWait, _) => {
            return observed.wait.map(|Wait { duration, source }| Sentence { duration, source, restore: None });
        }
        (Trigger::HealthPolicy, None) => return None,
        (Trigger::Failure, None) => Rules { eviction: Some(EvictionPolicy::default()) },
        (_, Some(rules)) => rules,
    };
    let eviction = rules.eviction.unwrap_or_default();
    if !observed.probe && !triggers(&eviction, before) {
        return None;
    }
    let (base, source) = base(behaviour, &rules, observed)?;
    let duration = match behaviour.growth {
        Growth::None => base,
        Growth::EveryFailure | Growth::OncePerWindow => base.saturating_mul(before.times_ejected.saturating_add(1)),
        Growth::UpToAMinute => {
            let grown = base.saturating_mul(before.times_ejected.saturating_add(1));
            let asked = observed.wait.map_or(Duration::ZERO, |wait| wait.duration);
            grown.min(LONGEST_GROWN).max(base).max(asked)
        }
    };
    Some(Sentence { duration, source, restore: eviction.restore_health })
}

/// Whether a failure is one too many. Without a threshold each is.
fn triggers(eviction: &EvictionPolicy, before: &Health) -> bool {
    let EvictionPolicy { consecutive_failures, health_threshold, .. } = *eviction;
    if consecutive_failures.is_none() && health_threshold.is_none() {
        return true;
    }
    let failures = before.consecutive_failures.saturating_add(1);
    health_threshold.is_some_and(|threshold| before.success.value() < threshold)
        || consecutive_failures.is_some_and(|count| count > 0 && failures >= count)
}

/// The length of a first eviction, and where it is taken from.
fn base(behaviour: &Behaviour, rules: &Rules, observed: &Observed) -> Option<(Duration, &'static str)> {
    let policy = rules.eviction.and_then(|eviction| eviction.duration).map(|duration| (duration, "policy"));
    let wait = observed.wait.map(|Wait { duration, source }| (duration, source));
    if behaviour.growth == Growth::UpToAMinute {
        // A wait that is longer is kept to in any case, and does not grow.
        let base = policy.unwrap_or((DEFAULT, "default"));
        let source = wait.filter(|(asked, _)| *asked >= base.0).map_or(base.1, |(_, source)| source);
        return Some((base.0, source));
    }
    let backoff = observed.backoff.map(|duration| (duration, "retry-backoff"));
    let default = match behaviour.default_duration {
        DefaultDuration::None => None,
        DefaultDuration::Always => Some((DEFAULT, "default")),
        DefaultDuration::WithEvictionBlock => rules.eviction.map(|_| (DEFAULT, "default")),
    };
    policy.or(wait).or(backoff).or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::accrue::Average;
    use crate::topology::Personality::{self, Agentgateway12, Agentgateway14, Reference};

    const SECOND: Duration = Duration::from_secs(1);

    fn observed(eviction: Option<EvictionPolicy>) -> Observed {
        Observed { status: Some(503), rules: Some(Rules { eviction }), ..Observed::default() }
    }

    fn lasts(personality: Personality, before: &Health, observed: &Observed) -> Option<(f64, &'static str)> {
        let sentence = decide(Behaviour::of(personality), before, observed)?;
        Some((sentence.duration.as_secs_f64(), sentence.source))
    }

    #[test]
    fn the_duration_is_the_policys_the_waits_the_backoffs_or_the_default() {
        let policy = EvictionPolicy { duration: Some(7 * SECOND), ..EvictionPolicy::default() };
        let wait = Some(Wait { duration: SECOND, source: "retry-after" });
        let backoff = Some(SECOND / 4);
        let fresh = Health::default();
        for personality in [Agentgateway12, Agentgateway14] {
            let all = Observed { wait, backoff, ..observed(Some(policy)) };
            assert_eq!(lasts(personality, &fresh, &all), Some((7.0, "policy")));
            let no_policy = Observed { wait, backoff, ..observed(Some(EvictionPolicy::default())) };
            assert_eq!(lasts(personality, &fresh, &no_policy), Some((1.0, "retry-after")));
            let no_wait = Observed { backoff, ..observed(Some(EvictionPolicy::default())) };
            assert_eq!(lasts(personality, &fresh, &no_wait), Some((0.25, "retry-backoff")));
            assert_eq!(lasts(personality, &fresh, &observed(Some(EvictionPolicy::default()))), Some((3.0, "default")));
            assert_eq!(lasts(personality, &fresh, &Observed { rules: None, wait, ..observed(None) }), None);
        }
    }

    /// 1.2 evicts with an expression alone; 1.4 needs an `eviction` block, a wait or a back-off.
    #[test]
    fn without_an_eviction_block_the_versions_differ() {
        let fresh = Health::default();
        assert_eq!(lasts(Agentgateway12, &fresh, &observed(None)), Some((3.0, "default")));
        assert_eq!(lasts(Agentgateway14, &fresh, &observed(None)), None);
        let waiting = Observed { wait: Some(Wait { duration: SECOND, source: "retry-after-ms" }), ..observed(None) };
        assert_eq!(lasts(Agentgateway14, &fresh, &waiting), Some((1.0, "retry-after-ms")));
        let pausing = Observed { backoff: Some(SECOND), ..observed(None) };
        assert_eq!(lasts(Agentgateway14, &fresh, &pausing), Some((1.0, "retry-backoff")));
    }

    #[test]
    fn either_threshold_triggers() {
        let with = |consecutive_failures, health_threshold| {
            let policy = EvictionPolicy { consecutive_failures, health_threshold, ..EvictionPolicy::default() };
            move |failures: u32, health: f64| {
                let before = Health {
                    consecutive_failures: failures,
                    success: Average::starting_at(health),
                    ..Health::default()
                };
                lasts(Agentgateway14, &before, &observed(Some(policy))).is_some()
            }
        };
        let third = with(Some(3), None);
        assert_eq!([0, 1, 2, 3].map(|before| third(before, 1.0)), [false, false, true, true]);
        let half = with(None, Some(0.5));
        assert_eq!([1.0, 0.7, 0.5, 0.49].map(|before| half(9, before)), [false, false, false, true]);
        let both = with(Some(3), Some(0.5));
        assert_eq!([both(0, 0.4), both(2, 1.0), both(1, 0.7)], [true, true, false]);
        let never = with(Some(0), None);
        assert!(!never(100, 0.0));
    }

    #[test]
    fn durations_grow_with_each_eviction_and_never_overflow() {
        let policy = EvictionPolicy { duration: Some(3 * SECOND), ..EvictionPolicy::default() };
        let after = |times_ejected| Health { times_ejected, ..Health::default() };
        for personality in [Agentgateway12, Agentgateway14] {
            let grown = [0, 1, 2, 4].map(|times| lasts(personality, &after(times), &observed(Some(policy))));
            assert_eq!(grown, [3.0, 6.0, 9.0, 15.0].map(|seconds| Some((seconds, "policy"))));
            assert!(lasts(personality, &after(u32::MAX), &observed(Some(policy))).is_some());
        }
        let grown = [0, 1, 19, 500].map(|times| lasts(Reference, &after(times), &observed(Some(policy))));
        assert_eq!(grown, [3.0, 6.0, 60.0, 60.0].map(|seconds| Some((seconds, "policy"))));
    }

    #[test]
    fn the_reference_keeps_to_the_longest_wait() {
        let policy = EvictionPolicy { duration: Some(3 * SECOND), ..EvictionPolicy::default() };
        let waiting = |seconds| Observed {
            wait: Some(Wait { duration: seconds * SECOND, source: "retry-after" }),
            ..observed(Some(policy))
        };
        let fresh = Health::default();
        assert_eq!(lasts(Reference, &fresh, &waiting(60)), Some((60.0, "retry-after")));
        assert_eq!(lasts(Reference, &fresh, &waiting(1)), Some((3.0, "policy")));
        let often = Health { times_ejected: 9, ..Health::default() };
        assert_eq!(lasts(Reference, &often, &waiting(300)), Some((300.0, "retry-after")), "which does not grow");
        assert_eq!(lasts(Reference, &fresh, &Observed { rules: None, ..waiting(1) }), Some((3.0, "default")));
    }
}
