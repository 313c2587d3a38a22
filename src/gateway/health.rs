//! The health state of a replica at a moment, for people, scripts and the screen.

use std::sync::Arc;

use serde::Serialize;

use super::group::{Pool, Seat};
use super::provider::Target;
use crate::event::At;

/// A backend at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendHealth {
    /// Backend as `namespace/name`.
    pub backend: String,
    /// The group that a request would be served by, from 0.
    pub serving_group: usize,
    /// Whether that is so only because nobody is active anywhere.
    pub fallback: bool,
    /// Its providers, the preferred group first.
    pub providers: Vec<ProviderHealth>,
}

/// A provider at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderHealth {
    /// Its group, from 0.
    pub group: usize,
    /// Its name.
    pub provider: String,
    /// Its address, as the configuration has it.
    pub endpoint: String,
    /// What it is judged by when two are drawn: the higher wins.
    pub score: f64,
    /// Moving average of success, 0 to 1.
    pub health: f64,
    /// Moving average of latency in seconds; 0 while unknown.
    pub latency_seconds: f64,
    /// Requests under way.
    pub pending: u32,
    /// Requests that it was ever chosen for.
    pub total_requests: u64,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Evictions since the last success.
    pub times_ejected: u32,
    /// When its eviction ends; none where it is active.
    pub evicted_until_us: Option<At>,
}

/// Reads a backend's state at `now`, without changing it.
pub(crate) fn of(backend: String, pool: &Pool, targets: &[Vec<Arc<Target>>], now: At) -> BackendHealth {
    let mut pool = pool.clone();
    pool.release_due(now);
    let (serving_group, fallback) = pool.serving_group(now);
    let seats = targets.iter().enumerate().flat_map(|(group, targets)| {
        targets.iter().enumerate().map(move |(index, target)| (Seat { group, index }, target))
    });
    let providers = seats.filter_map(|(seat, target)| provider(&pool, seat, target)).collect();
    BackendHealth { backend, serving_group, fallback, providers }
}

fn provider(pool: &Pool, seat: Seat, target: &Target) -> Option<ProviderHealth> {
    let member = pool.member(seat)?;
    let standing = member.standing();
    Some(ProviderHealth {
        group: seat.group,
        provider: target.name.clone(),
        endpoint: target.endpoint.clone(),
        score: standing.score(),
        health: standing.health,
        latency_seconds: standing.latency_seconds,
        pending: standing.pending,
        total_requests: member.total,
        consecutive_failures: member.health.consecutive_failures,
        times_ejected: member.health.times_ejected,
        evicted_until_us: pool.evicted_until(seat),
    })
}
