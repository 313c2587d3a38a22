//! Invariants that a scenario turns off, each with a reason. What they are stands in `verdict`.

/// The names of all invariants.
pub const NAMES: [&str; 37] = [
    "one-end",
    "double-entry",
    "honest-status",
    "root-cause",
    "usage",
    "credential-isolation",
    "hop-by-hop",
    "whole-success",
    "same-bytes",
    "same-answer",
    "bounded-memory",
    "evicted-stays-out",
    "priority",
    "refuses-when-all-out",
    "better-of-two",
    "even-draws",
    "no-early-return",
    "one-eviction-at-a-time",
    "one-probe",
    "eviction-cause",
    "eviction-threshold",
    "retry-after-kept",
    "counts-once",
    "blameless",
    "failures-count",
    "retries-learn",
    "attempt-budget",
    "retry-budget",
    "no-turning-back",
    "deadline",
    "upstream-cancelled",
    "attempt-cancelled",
    "evicts-in-time",
    "tries-everyone",
    "replicas-agree",
    "comes-back",
    "breaker-closes",
];

/// An invariant that does not count in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnedOff {
    /// Its name.
    pub name: &'static str,
    /// Why.
    pub reason: String,
}
