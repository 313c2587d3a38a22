//! The faults that are active at a moment.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value as Json;

use super::text::countdown;
use crate::event::{At, Kind};

/// A fault that was injected and is not cleared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Active {
    pub(super) id: u64,
    /// Its kind.
    pub(super) name: Arc<str>,
    /// Whom it meets, as it was written.
    pub(super) target: Arc<str>,
    /// How likely it strikes, where that is not certain, and how often at most.
    how: Arc<str>,
    from: At,
    until: Option<At>,
    /// How often it has struck.
    pub(super) struck: u32,
}

/// Faults that are kept at most, whatever a recording says.
const MOST: usize = 1_000;

/// Takes in what an event tells of a fault; others are passed over.
pub(super) fn apply(faults: &mut Vec<Active>, kind: &Kind) {
    match kind {
        Kind::FaultInjected { fault_id, fault, target, injection, from_us, until_us } if faults.len() < MOST => {
            faults.push(Active {
                id: *fault_id,
                name: Arc::from(fault.as_str()),
                target: Arc::from(target.as_str()),
                how: Arc::from(how(injection)),
                from: *from_us,
                until: *until_us,
                struck: 0,
            });
        }
        Kind::FaultStruck { fault_id, .. } => {
            if let Some(fault) = faults.iter_mut().find(|fault| fault.id == *fault_id) {
                fault.struck = fault.struck.saturating_add(1);
            }
        }
        Kind::FaultCleared { fault_id, .. } => faults.retain(|fault| fault.id != *fault_id),
        _ => {}
    }
}

/// What goes around a fault, in a few words.
fn how(injection: &Json) -> String {
    let mut how = String::new();
    if let Some(probability) = injection.get("probability").and_then(Json::as_f64).filter(|one| *one < 1.0) {
        let _ = write!(how, " · {} %", (probability * 1_000.0).round() / 10.0);
    }
    let window = |part: &str| injection.get("window").and_then(|window| window.get(part)).and_then(Json::as_u64);
    if let Some(first) = window("first") {
        let _ = write!(how, " · the first {first}");
    }
    if let Some(every) = window("every") {
        let _ = write!(how, " · 1 of {every}");
    }
    how
}

impl Active {
    /// How likely it strikes and how often it has.
    pub(super) fn described(&self) -> String {
        let struck = match self.struck {
            0 => "has not struck".to_owned(),
            times => format!("struck {times}×"),
        };
        format!("{struck}{}", self.how)
    }

    /// The line that stands below the topology.
    pub(super) fn line(&self, now: At) -> String {
        let when = match self.until {
            _ if self.from > now => format!(" · begins in {}", countdown(self.from.since(now))),
            Some(until) => format!(" · {} left", countdown(until.since(now))),
            None => String::new(),
        };
        format!("{} at {} · {}{when}", self.name, self.target, self.described())
    }
}
