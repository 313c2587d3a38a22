//! Invariants that a scenario turns off, each with a reason. What they are stands in `verdict`.

/// The names of all invariants.
pub const NAMES: [&str; 28] = [
    "one-end",
    "double-entry",
    "honest-status",
    "usage",
    "credential-isolation",
    "hop-by-hop",
    "whole-success",
    "same-bytes",
    "evicted-stays-out",
    "priority",
    "refuses-when-all-out",
    "better-of-two",
    "no-early-return",
    "one-eviction-at-a-time",
    "one-probe",
    "eviction-cause",
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
