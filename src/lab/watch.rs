//! What steps may wait for, folded from the events while the run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::{Event, Kind, Outcome};
use crate::scenario::pattern::Answer;
use crate::scenario::step::Condition;

/// Watches a run. Cheap to clone; all clones see the same.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Replica, backend and provider of each eviction that is not over.
    evicted: BTreeSet<(u32, String, String)>,
    under_way: u64,
    /// How requests ended, by status and by how the connection did.
    ended: BTreeMap<(Option<u16>, Outcome), u64>,
    /// Attempts by backend and provider.
    tried: BTreeMap<(String, String), u64>,
}

impl Watch {
    /// Takes in an event.
    pub(super) fn see(&self, event: &Event) {
        let mut state = self.lock();
        match &event.kind {
            Kind::ProviderEvicted { replica, backend, provider, .. } => {
                state.evicted.insert((*replica, backend.clone(), provider.clone()));
            }
            Kind::ProviderReturned { replica, backend, provider, .. } => {
                state.evicted.remove(&(*replica, backend.clone(), provider.clone()));
            }
            Kind::ReplicaStopped { replica } => state.evicted.retain(|(of, ..)| of != replica),
            Kind::ReplicaConfigured { replica, reset, .. } => state.evicted.retain(|(of, backend, provider)| {
                of != replica || !reset.iter().any(|one| one.backend == *backend && one.provider == *provider)
            }),
            Kind::ClientRequestSent { .. } => state.under_way += 1,
            Kind::ClientRequestEnded { status, outcome, .. } => {
                state.under_way = state.under_way.saturating_sub(1);
                *state.ended.entry((*status, *outcome)).or_default() += 1;
            }
            Kind::ProviderSelected { backend, provider, .. } => {
                *state.tried.entry((backend.clone(), provider.clone())).or_default() += 1;
            }
            _ => return,
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Returns once the condition holds.
    pub(super) async fn until(&self, condition: &Condition) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.lock().holds(condition) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Evicted(target) => {
                self.evicted.iter().any(|(_, backend, name)| target.is_provider(backend, name))
            }
            Condition::Active(target) => {
                !self.evicted.iter().any(|(_, backend, name)| target.is_provider(backend, name))
            }
            Condition::Idle => self.under_way == 0,
            Condition::Answers(answer, count) => {
                let ended = self.ended.iter().filter(|((status, outcome), _)| is(answer, *status, *outcome));
                ended.map(|(_, count)| count).sum::<u64>() >= *count
            }
            Condition::Reached(target, count) => {
                let tried = self.tried.iter().filter(|((backend, name), _)| target.is_provider(backend, name));
                tried.map(|(_, count)| count).sum::<u64>() >= *count
            }
        }
    }
}

fn is(answer: &Answer, status: Option<u16>, outcome: Outcome) -> bool {
    answer.is(status, outcome.name())
}
