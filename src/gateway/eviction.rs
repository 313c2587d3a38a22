//! Whether a response evicts its provider, and for how long.

use std::time::Duration;

use super::personality::{Behaviour, Trigger};
use super::wait::Wait;

/// A decision to evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence {
    /// For how long.
    pub duration: Duration,
    /// Where the duration was taken from.
    pub source: &'static str,
}

/// Decides on a response with the wait that its final headers ask for.
#[must_use]
pub fn decide(behaviour: &Behaviour, wait: Option<Wait>) -> Option<Sentence> {
    match behaviour.trigger {
        Trigger::RateLimitWait => wait.map(|Wait { duration, source }| Sentence { duration, source }),
        Trigger::HealthPolicy => None,
    }
}
