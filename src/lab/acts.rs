//! What a person does while a run goes on.
//!
//! An act is a step that comes from outside. In a virtual run it begins with the next whole
//! millisecond, before anything else that is due then, so that a scenario whose `schedule` has the
//! same step at the same moment gives the same events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event::At;
use crate::scenario::Step;

/// A way to let a running lab do further steps. Cheap to clone; all clones are one.
///
/// A lab that has one does not end with its last step: it stands still, and ends once
/// [`Commands::close`] is called.
#[derive(Clone, Default)]
pub struct Commands(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    arrived: Condvar,
    /// Rings when there is something new for the run.
    bell: Notify,
    /// Whether the run has nothing left to do.
    idle: AtomicBool,
    /// Rings when that becomes so.
    at_rest: Notify,
}

#[derive(Default)]
struct State {
    /// Asked for, and not yet given a moment.
    asked: VecDeque<Step>,
    /// What is to be done when, in order.
    due: VecDeque<(At, Step)>,
    closed: bool,
}

impl Commands {
    /// Asks for a step. It is forgotten if the run is over.
    pub fn push(&self, step: Step) {
        self.lock().asked.push_back(step);
        self.0.arrived.notify_all();
        self.0.bell.notify_one();
    }

    /// Lets the run end after what was asked for.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.arrived.notify_all();
        self.0.bell.notify_one();
    }

    /// Whether the run has done everything and waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.idle.load(Ordering::Acquire)
    }

    pub(super) fn set_idle(&self, idle: bool) {
        self.0.idle.store(idle, Ordering::Release);
        if idle {
            self.0.at_rest.notify_one();
        }
    }

    /// Gives every step that was asked for its moment: the first whole millisecond after `now`, or
    /// `now` itself where time is not the lab's own.
    pub(super) fn settle(&self, now: At, own_time: bool) {
        let mut state = self.lock();
        let at = if own_time { At((now.0 / 1_000 + 1) * 1_000) } else { now };
        if state.asked.is_empty() {
            return;
        }
        while let Some(step) = state.asked.pop_front() {
            state.due.push_back((at, step));
        }
        drop(state);
        self.0.bell.notify_one();
    }

    /// When the next step is due.
    pub(super) fn next_due(&self) -> Option<At> {
        self.lock().due.front().map(|(at, _)| *at)
    }

    /// The next step, if it is due at `now`.
    pub(super) fn take_due(&self, now: At) -> Option<Step> {
        let mut state = self.lock();
        if state.due.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        state.due.pop_front().map(|(_, step)| step)
    }

    /// Whether something was asked for and is not begun.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.waiting() > 0
    }

    /// How many steps were asked for and are not begun.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.asked.len() + state.due.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Returns once something was asked for, or given its moment, or no more will come.
    pub(super) async fn changed(&self) {
        self.0.bell.notified().await;
    }

    /// Returns once the run has nothing left to do.
    pub(super) async fn at_rest(&self) {
        self.0.at_rest.notified().await;
    }

    /// Blocks this thread until something is asked for, for `limit` at most.
    pub(super) fn block_for(&self, limit: Duration) {
        let state = self.lock();
        if state.asked.is_empty() && !state.closed {
            drop(self.0.arrived.wait_timeout(state, limit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_begins_with_the_next_whole_millisecond() {
        let commands = Commands::default();
        commands.push(Step::Note("one".to_owned()));
        commands.settle(At(2_000), true);
        commands.push(Step::Note("two".to_owned()));
        commands.settle(At(2_999), true);
        assert_eq!(commands.next_due(), Some(At(3_000)));
        assert_eq!(commands.take_due(At(2_999)), None);
        assert_eq!(commands.take_due(At(3_000)), Some(Step::Note("one".to_owned())));
        assert_eq!(commands.take_due(At(3_000)), Some(Step::Note("two".to_owned())));
        assert!(!commands.has_more());
    }
}
