//! A replica takes another configuration: what becomes of its health state.
//!
//! Each configuration is a [`Replica`] of its own, and requests under way finish with the one that they
//! began with. What they learn goes on to the configurations after it, where the provider is the same
//! there and has kept its state. Which providers do is the version's: see [`Reload`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::group::{Pool, Seat};
use super::personality::Reload;
use super::replica::{Replica, State};
use crate::event::log::{BackendRecord, ProviderRecord};
use crate::event::{Kind, ProviderName};
use crate::topology::{Backend, Personality, Provider, Route, Topology};

/// A provider's backend and its seat there, by index.
type Spot = (usize, Seat);

/// The configuration after another one, and where there each provider is that has kept its state.
pub(crate) struct Succession {
    next: Arc<Replica>,
    /// Backend and seat by backend and seat.
    kept: Vec<(Spot, Spot)>,
}

impl Succession {
    /// Where a provider is in the configuration after; none where its state was not kept.
    pub(crate) fn place(&self, backend: usize, seat: Seat) -> Option<(&Arc<Replica>, usize, Seat)> {
        let found = self.kept.iter().find(|(before, _)| *before == (backend, seat));
        found.map(|(_, (backend, seat))| (&self.next, *backend, *seat))
    }
}

impl Replica {
    /// The same replica with another configuration. The state that the version keeps moves over; from
    /// then on this one is silent.
    pub(crate) fn succeeded_by(self: &Arc<Self>, topology: Arc<Topology>, personality: Personality) -> Arc<Self> {
        let next = Arc::new(Self::after(self, topology, personality));
        let mut mine = self.state();
        let mut kept = Vec::new();
        {
            let mut its = next.state();
            std::mem::swap(&mut mine.balancer, &mut its.balancer);
            std::mem::swap(&mut mine.weights, &mut its.weights);
            std::mem::swap(&mut mine.budget, &mut its.budget);
            self.keep_limits(&next, &mut mine, &mut its);
            for (after, backend) in next.topology.backends.iter().enumerate() {
                let Some(before) = self.topology.backends.iter().position(|one| one.is_named(backend)) else {
                    continue;
                };
                let same = self.topology.backends[before].is_unchanged(backend);
                if self.behaviour.reload == Reload::ChangedBackendsAnew && !same {
                    continue;
                }
                for (seat, then) in shared(&self.topology.backends[before], backend) {
                    if let Some(member) = mine.pools.get(before).and_then(|pool: &Pool| pool.member(seat)) {
                        its.pools[after].seat(then, *member);
                        kept.push(((before, seat), (after, then)));
                    }
                }
            }
        }
        let reset = self.reset(&kept);
        // Whoever has the lock next finds the way to the configuration after.
        let _ = self.successor.set(Succession { next: next.clone(), kept });
        drop(mine);
        next.emit(|| next.configured(reset));
        next.wake_all();
        next
    }

    /// Tells which configuration it has.
    pub(crate) fn configured(&self, reset: Vec<ProviderName>) -> Kind {
        let backends = self.topology.backends.iter().map(record).collect();
        Kind::ReplicaConfigured { replica: self.number, backends, reset }
    }

    /// Limits that are the same go on as they stand.
    fn keep_limits(&self, next: &Self, mine: &mut State, its: &mut State) {
        for (after, route) in next.topology.routes.iter().enumerate() {
            let same = |one: &&Route| (&one.namespace, &one.name) == (&route.namespace, &route.name);
            let before = self.topology.routes.iter().position(|one| same(&one));
            let Some(before) = before.and_then(|index| mine.buckets.get(index)) else { continue };
            for (new, old) in its.buckets[after].iter_mut().flatten().zip(before.iter().flatten()) {
                if new.limit() == old.limit() {
                    *new = *old;
                }
            }
        }
    }

    /// The providers whose state ends here.
    fn reset(&self, kept: &[(Spot, Spot)]) -> Vec<ProviderName> {
        let all = self.topology.backends.iter().enumerate().flat_map(|(index, backend)| {
            seats(backend).map(move |(seat, provider)| ((index, seat), (backend.full_name(), provider)))
        });
        all.filter(|(place, _)| !kept.iter().any(|(before, _)| before == place))
            .map(|(_, (backend, provider))| ProviderName { backend, provider: provider.to_owned() })
            .collect()
    }

    /// Has the ends of the evictions that were taken over told of when they come.
    fn wake_all(self: &Arc<Self>) {
        let state = self.state();
        for (index, backend) in self.topology.backends.iter().enumerate() {
            for (seat, _) in seats(backend) {
                self.wake_at_release(&state, index, seat);
            }
        }
    }

    /// Requests that have come so far, which number the ids of those without one.
    pub(crate) fn numbered(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// What recordings tell of a backend.
#[must_use]
pub fn record(backend: &Backend) -> BackendRecord {
    let provider = |provider: &Provider| ProviderRecord {
        name: provider.name.value.clone(),
        endpoint: provider.endpoint.to_string(),
        model: provider.model.clone(),
    };
    let groups = backend.groups.iter().map(|group| group.providers.iter().map(provider).collect()).collect();
    BackendRecord { name: backend.full_name(), groups, label: backend.label.clone() }
}

/// Seats of the same provider in two versions of a backend.
fn shared(before: &Backend, after: &Backend) -> Vec<(Seat, Seat)> {
    let then: Vec<(Seat, &str)> = seats(after).collect();
    let same = |(seat, name): (Seat, &str)| {
        let (there, _) = then.iter().find(|(_, one)| *one == name)?;
        let old = before.groups[seat.group].providers.get(seat.index)?;
        let new = after.groups[there.group].providers.get(there.index)?;
        old.is_same(new).then_some((seat, *there))
    };
    seats(before).filter_map(same).collect()
}

fn seats(backend: &Backend) -> impl Iterator<Item = (Seat, &str)> {
    backend.groups.iter().enumerate().flat_map(|(group, members)| {
        let members = members.providers.iter().enumerate();
        members.map(move |(index, provider)| (Seat { group, index }, provider.name.value.as_str()))
    })
}
