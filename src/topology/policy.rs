//! Policies: what makes a provider unhealthy, when a request is tried again, how many requests are
//! let in.

use std::time::Duration;

use super::cel::Condition;
use crate::source::Origin;

/// When a provider is unhealthy, and what then happens to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthPolicy {
    /// Whether a response speaks against its provider. Where it is absent, every 5xx and no
    /// response at all do.
    pub unhealthy: Option<Condition>,
    /// When it is evicted. What its absence means depends on the version.
    pub eviction: Option<EvictionPolicy>,
    /// Where the policy stands.
    pub origin: Origin,
    /// Where its expression stands.
    pub unhealthy_origin: Origin,
}

/// When an unhealthy response evicts, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EvictionPolicy {
    /// How long the first eviction lasts.
    pub duration: Option<Duration>,
    /// Failures in a row that evict; 0 never does.
    pub consecutive_failures: Option<u32>,
    /// Health below which a failure evicts, 0 to 1.
    pub health_threshold: Option<f64>,
    /// Health on return, 0 to 1; it stays as it was where absent.
    pub restore_health: Option<f64>,
    /// Where the block stands, or the duration in it.
    pub origin: Origin,
}

/// When a request is tried again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retry {
    /// How many attempts there may be besides the first.
    pub attempts: u32,
    /// Statuses that are tried again; an upstream that cannot be called always is.
    pub codes: Vec<u16>,
    /// Which answers are tried again besides. Not every version heeds it.
    pub condition: Option<Condition>,
    /// Which requests are tried again at all; every one where absent. Not every version heeds it.
    pub precondition: Option<Condition>,
    /// Pause before each further attempt.
    pub backoff: Option<Duration>,
    /// Where it stands.
    pub origin: Origin,
}

/// How much is let in: a bucket that is refilled at once whenever an interval is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// What is counted.
    pub unit: RateUnit,
    /// What the bucket holds at most, and at the start.
    pub capacity: u64,
    /// What each interval adds.
    pub refill: u64,
    /// The interval.
    pub interval: Duration,
}

/// What a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// Requests.
    Requests,
    /// Tokens of requests and answers, known when an answer is over.
    Tokens,
}
