//! Which provider an attempt gets, and what its outcome does to that provider's health.

use std::sync::Arc;

use super::super::balance::Standing;
use super::super::error::Error;
use super::super::gate::Term;
use super::super::group::{Eviction, Observed, Pool, Seat, Selection};
use super::super::personality::{Comeback, Unlogged};
use super::{Choice, Replica, State};
use crate::event::{At, Candidate, Kind, RequestId};

/// What is told of an eviction when it takes effect.
struct Told {
    request: RequestId,
    status: u16,
    eviction: Eviction,
}

impl Replica {
    /// The group that serves in a backend now.
    pub(crate) fn serving_group(&self, backend: usize) -> Option<usize> {
        let now = self.world.clock.now();
        self.state().pools.get(backend).map(|pool| pool.serving_group(now).0)
    }

    /// Chooses a provider for an attempt; `earlier` had the one before.
    pub(crate) fn select(
        &self,
        backend: usize,
        request: &RequestId,
        attempt: u32,
        earlier: Option<Seat>,
    ) -> Result<Choice, Error> {
        let mut state = self.state();
        let now = self.release_due(&mut state, backend);
        let State { pools, balancer, .. } = &mut *state;
        let pool = pools.get_mut(backend).ok_or(Error::NoHealthyBackends)?;
        let selection = pool.select(balancer, now);
        let Some(selection) = self.broken.choose(pool, selection, attempt, earlier) else {
            let wait = pool.soonest().map(|until| until.since(now));
            return Err(wait.map_or(Error::NoHealthyBackends, |wait| Error::AllEvicted { wait }));
        };
        let choice = Choice { seat: selection.seat, probe: selection.probe };
        self.emit(|| self.selected(backend, request, attempt, selection));
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, choice.seat)) {
            drop(state);
            next.enter(backend, seat);
        }
        Ok(choice)
    }

    /// An attempt is over and nothing is learnt from it.
    pub(crate) fn leave(&self, backend: usize, seat: Seat, probe: bool) {
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            next.leave(backend, seat, probe);
        } else if let Some(pool) = state.pools.get_mut(backend) {
            pool.leave(seat, probe);
        }
    }

    /// A request of an earlier configuration is under way at a provider.
    fn enter(&self, backend: usize, seat: Seat) {
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            next.enter(backend, seat);
        } else if let Some(pool) = state.pools.get_mut(backend) {
            pool.enter(seat);
        }
    }

    fn selected(&self, backend: usize, request: &RequestId, attempt: u32, selection: Selection) -> Kind {
        let Selection { seat, fallback, candidates, drawn, .. } = selection;
        let candidate = |(seat, standing): (Seat, Standing)| Candidate {
            provider: self.provider_name(backend, seat),
            score: standing.score(),
            health: standing.health,
            latency_seconds: standing.latency_seconds,
            pending: standing.pending,
        };
        Kind::ProviderSelected {
            request: request.clone(),
            replica: self.number,
            attempt,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
            fallback,
            candidates: candidates.into_iter().map(candidate).collect(),
            draws: drawn.to_vec(),
        }
    }

    /// Accounts a response that has ended.
    pub(crate) fn finish(self: &Arc<Self>, backend: usize, seat: Seat, request: &RequestId, observed: &Observed) {
        if self.topology.unlogged.is_some() && self.behaviour.unlogged == Unlogged::NotAccounted {
            return self.leave(backend, seat, observed.probe);
        }
        let mut state = self.state();
        if let Some((next, backend, seat)) = self.successor.get().and_then(|after| after.place(backend, seat)) {
            drop(state);
            return next.finish(backend, seat, request, observed);
        }
        let now = self.release_due(&mut state, backend);
        let observed = &self.broken.observed(observed);
        let Some(pool) = state.pools.get_mut(backend) else { return };
        let mut effect = pool.finish(seat, observed, now);
        self.broken.finished(self.number, &mut state.pools, (backend, seat), observed, &mut effect, now);
        let Some(pool) = state.pools.get(backend) else { return };
        if effect.changed {
            self.tell_health(pool, backend, seat, Some(request));
        }
        if effect.returned {
            self.tell_return(backend, seat);
        }
        let Some(eviction) = effect.evicted else { return };
        let told = Told { request: request.clone(), status: observed.status.unwrap_or(0), eviction };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if effect.later => {
                let replica = self.clone();
                runtime.spawn(async move { replica.carry_out_later(backend, seat, told) });
            }
            _ => self.carry_out(&mut state, backend, seat, told),
        }
    }

    /// Has an eviction take effect, in the configuration that is in force by then.
    fn carry_out_later(self: &Arc<Self>, backend: usize, seat: Seat, told: Told) {
        let mut state = self.state();
        match self.successor.get().and_then(|after| after.place(backend, seat)) {
            Some((next, backend, seat)) => {
                drop(state);
                next.carry_out_later(backend, seat, told);
            }
            None => self.carry_out(&mut state, backend, seat, told),
        }
    }

    /// Has an eviction take effect.
    fn carry_out(self: &Arc<Self>, state: &mut State, backend: usize, seat: Seat, told: Told) {
        if let Some(pool) = state.pools.get_mut(backend) {
            pool.carry_out(seat);
        }
        let request = told.request.clone();
        self.tell(|| Kind::ProviderEvicted {
            replica: self.number,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
            request: told.request,
            until_us: told.eviction.until,
            source: told.eviction.source.to_owned(),
            status: told.status,
        });
        self.broken.evicted(self, &mut state.pools, (backend, seat), &request, self.world.clock.now());
        // An eviction of no length is over at once.
        self.release_due(state, backend);
        self.wake_at_release(state, backend, seat);
    }

    /// Evicts a provider that is active, for no answer of its own: only a broken gateway does.
    pub(crate) fn evict(
        self: &Arc<Self>,
        (backend, seat): (usize, Seat),
        request: RequestId,
        until: At,
        source: &'static str,
        status: u16,
    ) {
        let mut state = self.state();
        let Some(member) = state.pools.get_mut(backend).and_then(|pool| pool.member_mut(seat)) else { return };
        if member.gate.sentence(Term { until, restore: None }, false) {
            let told = Told { request, status, eviction: Eviction { until, source } };
            self.carry_out(&mut state, backend, seat, told);
        }
    }

    /// Lets a provider back in, whenever its eviction ends: only a broken gateway does.
    pub(crate) fn release(&self, backend: usize, seat: Seat) {
        let mut state = self.state();
        let member = state.pools.get_mut(backend).and_then(|pool| pool.member_mut(seat));
        if member.is_some_and(|member| member.gate.release().is_some()) {
            self.tell_return(backend, seat);
        }
    }

    /// Tells a provider's health, and whose response changed it.
    fn tell_health(&self, pool: &Pool, backend: usize, seat: Seat, request: Option<&RequestId>) {
        let Some(member) = pool.member(seat) else { return };
        self.tell(|| Kind::HealthChanged {
            replica: self.number,
            backend: self.backend_name(backend),
            provider: self.provider_name(backend, seat),
            request: request.cloned(),
            health: member.health.success.value(),
            latency_seconds: member.health.latency.value(),
            consecutive_failures: member.health.consecutive_failures,
            times_ejected: member.health.times_ejected,
        });
    }

    /// Lets back in whose eviction is over. Returns the moment that it went by.
    fn release_due(&self, state: &mut State, backend: usize) -> At {
        let now = self.world.clock.now();
        let due = state.pools.get_mut(backend).map(|pool| pool.release_due(now)).unwrap_or_default();
        for (seat, restored) in due {
            self.tell_return(backend, seat);
            if let Some(pool) = state.pools.get(backend).filter(|_| restored) {
                self.tell_health(pool, backend, seat, None);
            }
        }
        now
    }

    fn tell_return(&self, backend: usize, seat: Seat) {
        self.tell(|| Kind::ProviderReturned {
            replica: self.number,
            backend: self.backend_name(backend),
            group: seat.group,
            provider: self.provider_name(backend, seat),
        });
    }

    /// Has an eviction's end told of when it comes, also where nobody asks meanwhile. One that is
    /// prolonged is told of by the eviction that prolonged it. A replica that is gone stays silent.
    pub(crate) fn wake_at_release(self: &Arc<Self>, state: &State, backend: usize, seat: Seat) {
        if self.behaviour.comeback == Comeback::AfterOneProbe {
            return;
        }
        let Some(at) = state.pools.get(backend).and_then(|pool| pool.evicted_until(seat)) else { return };
        // While a runtime winds down there may be none.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (instant, replica) = (self.world.clock.instant(at), Arc::downgrade(self));
        runtime.spawn(async move {
            tokio::time::sleep_until(instant).await;
            if let Some(replica) = replica.upgrade() {
                replica.release_due(&mut replica.state(), backend);
            }
        });
    }

    fn provider_name(&self, backend: usize, seat: Seat) -> String {
        self.target(backend, seat).map(|target| target.name.clone()).unwrap_or_default()
    }
}
