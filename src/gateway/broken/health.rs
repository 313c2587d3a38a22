//! Bugs of who is chosen, what counts, and how long an eviction lasts.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::super::eviction::Rules;
use super::super::gate::{Gate, Term};
use super::super::group::{Effect, Ended, Eviction, Observed, Pool, Seat, Selection};
use super::super::replica::Replica;
use super::super::wait::{self, Wait};
use super::pool::loser;
use super::{Broken, lock};
use crate::event::{At, RequestId};
use crate::topology::{Bug, EvictionPolicy};

/// How late a stale timer is.
const LATE: Duration = Duration::from_millis(500);
/// How long an eviction lasts that is begun anew.
const ANEW: Duration = Duration::from_secs(3);
/// How long an eviction that shrinks has left.
const LEFT: Duration = Duration::from_secs(1);

impl Broken {
    /// The pools of a replica that starts.
    pub(in crate::gateway) fn inherited(&self, replica: u32, fresh: Vec<Pool>) -> Vec<Pool> {
        let kept = self.shared().filter(|_| self.has(Bug::KeepsHealth));
        kept.and_then(|shared| lock(&shared.pools).get(&replica).cloned()).unwrap_or(fresh)
    }

    /// A replica is there.
    pub(in crate::gateway) fn joined(&self, replica: &Arc<Replica>) {
        if let Some(shared) = self.shared() {
            lock(&shared.replicas).push(Arc::downgrade(replica));
        }
    }

    /// Who is chosen for the `attempt`th attempt, from 0; `earlier` had the one before.
    pub(in crate::gateway) fn choose(
        &self,
        pool: &mut Pool,
        selection: Option<Selection>,
        attempt: u32,
        earlier: Option<Seat>,
    ) -> Option<Selection> {
        let Some(selection) = selection else {
            let circle = self.has(Bug::TurnsBack) || self.has(Bug::RetriesTheSame);
            return earlier.filter(|_| circle).map(|seat| pool.take(seat));
        };
        if self.has(Bug::FirstGroupOnly) && selection.seat.group > 0 {
            pool.leave(selection.seat, selection.probe);
            return None;
        }
        if self.has(Bug::LoadedDice) {
            return Some(self.loaded(pool, selection));
        }
        let to = match self.bug {
            Some(Bug::LowerGroupEarly) => pool.below_a_gap(selection.seat),
            Some(Bug::IgnoresScores) => loser(&selection),
            Some(Bug::TurnsBack) if attempt > 0 => pool.seat_in_a_circle(attempt),
            Some(Bug::RetriesTheSame) => earlier,
            _ => None,
        };
        Some(match to.filter(|to| *to != selection.seat) {
            None => selection,
            Some(to) => pool.redirect(&selection, to),
        })
    }

    /// Every third choice is made as if the first of the candidates had been drawn.
    fn loaded(&self, pool: &mut Pool, selection: Selection) -> Selection {
        if !self.third() {
            return selection;
        }
        let drawn = [0, selection.drawn[1]];
        let scores = drawn.map(|index| selection.candidates[index].1.score());
        let winner = if scores[0] > scores[1] { drawn[0] } else { drawn[1] };
        let (seat, selection) = (selection.candidates[winner].0, Selection { drawn, ..selection });
        if seat == selection.seat { selection } else { pool.redirect(&selection, seat) }
    }

    /// What is learnt of an answer.
    pub(in crate::gateway) fn observed(&self, observed: &Observed) -> Observed {
        match self.bug {
            Some(Bug::ClientLeftCounts) if observed.ended == Ended::ClientGone => {
                Observed { ended: Ended::Cut, ..*observed }
            }
            Some(Bug::HairTrigger) => {
                let one = |eviction| EvictionPolicy { consecutive_failures: None, health_threshold: None, ..eviction };
                let rules = observed.rules.map(|rules| Rules { eviction: rules.eviction.map(one) });
                Observed { rules, ..*observed }
            }
            _ => *observed,
        }
    }

    /// What a head says: the wait that it asks for, and whether it speaks against its provider.
    pub(in crate::gateway) fn signs(
        &self,
        (status, headers): (StatusCode, &HeaderMap),
        now: Timestamp,
        (wait, unhealthy): (Option<Wait>, Option<bool>),
    ) -> (Option<Wait>, Option<bool>) {
        match self.bug {
            Some(Bug::IgnoresRetryAfter) => (None, unhealthy),
            Some(Bug::AnyRetryAfter) if status.is_success() => match wait::longest(headers, now) {
                Some(wait) => (Some(wait), Some(true)),
                None => (wait, unhealthy),
            },
            _ => (wait, unhealthy),
        }
    }

    /// An answer has been accounted.
    pub(in crate::gateway) fn finished(
        &self,
        replica: u32,
        pools: &mut [Pool],
        (backend, seat): (usize, Seat),
        observed: &Observed,
        effect: &mut Effect,
        now: At,
    ) {
        if let (Some(Bug::KeepsHealth), Some(shared)) = (self.bug, self.shared()) {
            lock(&shared.pools).insert(replica, pools.to_vec());
        }
        let Some(member) = pools.get_mut(backend).and_then(|pool| pool.member_mut(seat)) else { return };
        let failed = effect.changed && member.health.consecutive_failures > 0;
        match (self.bug, member.gate) {
            (Some(Bug::CountsInFlight), Gate::Evicted(_)) if failed && effect.evicted.is_none() => {
                member.health.record_eviction();
            }
            (Some(Bug::EvictsAgain), Gate::Evicted(term)) if failed && effect.evicted.is_none() => {
                let until = At::after(now.elapsed() + ANEW);
                member.gate = Gate::Evicted(Term { until, ..term });
                effect.evicted = Some(Eviction { until, source: "default" });
            }
            (Some(Bug::Shrinks), Gate::Evicted(term)) if failed && effect.evicted.is_none() => {
                let until = term.until.min(At::after(now.elapsed() + LEFT));
                member.gate = Gate::Evicted(Term { until, ..term });
            }
            (Some(Bug::StaysOpen), Gate::Open) if effect.returned => {
                member.gate = Gate::Evicted(Term { until: now, restore: None });
                effect.returned = false;
            }
            (Some(Bug::ProbeLeaks), Gate::Evicted(term)) if observed.probe && observed.ended == Ended::ClientGone => {
                member.gate = Gate::Probing(term);
            }
            _ => {}
        }
    }

    /// An eviction has taken effect.
    pub(in crate::gateway) fn evicted(
        &self,
        replica: &Arc<Replica>,
        pools: &mut [Pool],
        (backend, seat): (usize, Seat),
        request: &RequestId,
        now: At,
    ) {
        let Some(bug) = self.bug else { return };
        let Some(pool) = pools.get_mut(backend) else { return };
        match bug {
            Bug::LongestFirst => pool.hold_until_the_last(),
            Bug::NeverReturns => pool.set_end(seat, |_| At(u64::MAX)),
            Bug::ReturnsEarly => pool.set_end(seat, |until| At(now.0.midpoint(until.0))),
            Bug::StaleTimer => {
                let until = pool.evicted_until(seat).unwrap_or(now);
                release_later(replica, (backend, seat), until);
            }
            Bug::SharedEvictions => {
                let until = pool.evicted_until(seat).unwrap_or(now);
                self.evict_elsewhere(replica, (backend, seat), request, until);
            }
            _ => {}
        }
        if let (Bug::KeepsHealth, Some(shared)) = (bug, self.shared()) {
            lock(&shared.pools).insert(replica.number, pools.to_vec());
        }
    }

    /// Evicts a provider on all other replicas.
    fn evict_elsewhere(&self, replica: &Arc<Replica>, at: (usize, Seat), request: &RequestId, until: At) {
        let Some(shared) = self.shared() else { return };
        let others: Vec<Weak<Replica>> = lock(&shared.replicas).clone();
        let (own, request) = (replica.number, request.clone());
        let tell = move || {
            for other in others.iter().filter_map(Weak::upgrade).filter(|other| other.number != own) {
                other.evict(at, request.clone(), until, "neighbour", 0);
            }
        };
        match tokio::runtime::Handle::try_current() {
            // Its own state is locked here.
            Ok(runtime) => drop(runtime.spawn(async move { tell() })),
            Err(_) => drop(tell),
        }
    }
}

/// Lets a provider back in a while after its eviction should have ended, whatever has become of it.
fn release_later(replica: &Arc<Replica>, (backend, seat): (usize, Seat), until: At) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let late = replica.world.clock.instant(At::after(until.elapsed().saturating_add(LATE)));
    let replica = Arc::downgrade(replica);
    runtime.spawn(async move {
        tokio::time::sleep_until(late).await;
        if let Some(replica) = replica.upgrade() {
            replica.release(backend, seat);
        }
    });
}
