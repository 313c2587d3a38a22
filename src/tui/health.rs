//! How a provider fares on one replica, as the topology shows it.
//!
//! ```text
//!            failure               evicted
//!  Healthy ───────────▶ Degraded ──────────▶ Evicted ◀─────────┐
//!     ▲  ◀───────────      │                    │ returned     │ evicted
//!     │      success       └─── evicted ──▶     ▼              │
//!     └───────────────── success ─────────── Returning ────────┘
//! ```

use std::time::Duration;

use crate::event::At;

/// What a provider is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum State {
    /// It answers well.
    #[default]
    Healthy,
    /// It has failed lately and may still be chosen.
    Degraded,
    /// It may be chosen again and has not yet proved itself.
    Returning,
    /// It may not be chosen.
    Evicted,
}

/// A provider on one replica.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Health {
    /// Moving average of success, 0 to 1.
    pub(super) score: f64,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// Moving average of latency in seconds; 0 while unknown.
    pub(super) latency_seconds: f64,
    /// Attempts under way.
    pub(super) pending: u32,
    /// Attempts so far.
    pub(super) chosen: u32,
    /// How often it was evicted.
    pub(super) evictions: u32,
    /// The eviction that it is in.
    pub(super) eviction: Option<Eviction>,
    /// The status of its latest answer and when it came.
    pub(super) latest: Option<(At, bool)>,
    returning: bool,
}

/// An eviction under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Eviction {
    pub(super) began: At,
    pub(super) until: At,
    pub(super) status: u16,
    pub(super) source: String,
}

/// Below this moving average a provider counts as degraded, although its last answer was good.
const SOUND: f64 = 0.95;

impl Default for Health {
    fn default() -> Self {
        Self {
            score: 1.0,
            failures: 0,
            latency_seconds: 0.0,
            pending: 0,
            chosen: 0,
            evictions: 0,
            eviction: None,
            latest: None,
            returning: false,
        }
    }
}

impl Health {
    /// What it is at a moment.
    pub(super) fn state(&self, now: At) -> State {
        match &self.eviction {
            Some(eviction) if now < eviction.until => State::Evicted,
            Some(_) => State::Returning,
            None if self.returning => State::Returning,
            None if self.failures > 0 || self.score < SOUND => State::Degraded,
            None => State::Healthy,
        }
    }

    pub(super) fn selected(&mut self) {
        self.chosen += 1;
        self.pending += 1;
    }

    pub(super) fn answered(&mut self, at: At, good: bool) {
        self.pending = self.pending.saturating_sub(1);
        self.latest = Some((at, good));
        if good && self.eviction.is_none() {
            self.returning = false;
        }
    }

    pub(super) fn changed(&mut self, score: f64, latency_seconds: f64, failures: u32) {
        // A recording from elsewhere may hold anything.
        self.score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
        self.latency_seconds = if latency_seconds.is_finite() { latency_seconds.max(0.0) } else { 0.0 };
        self.failures = failures;
    }

    pub(super) fn evicted(&mut self, eviction: Eviction) {
        self.evictions += 1;
        self.eviction = Some(eviction);
        self.returning = false;
    }

    pub(super) fn returned(&mut self) {
        self.eviction = None;
        self.returning = true;
    }

    /// What a replica knows dies with it; what was counted for people stays.
    pub(super) fn forget(&mut self) {
        *self = Self { chosen: self.chosen, evictions: self.evictions, ..Self::default() };
    }
}

impl Eviction {
    /// How long it still lasts.
    pub(super) fn left(&self, now: At) -> Duration {
        self.until.since(now)
    }

    /// How much of it is still to come, 1 to 0.
    pub(super) fn share_left(&self, now: At) -> f64 {
        let whole = self.until.since(self.began).as_secs_f64();
        if whole > 0.0 { (self.left(now).as_secs_f64() / whole).min(1.0) } else { 0.0 }
    }
}

impl State {
    /// Its name on the screen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Returning => "returning",
            Self::Evicted => "evicted",
        }
    }
}
