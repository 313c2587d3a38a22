//! What holds a virtual lab back, so that a person can follow it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{At, Kind};
use crate::tui::command::Command;
use crate::tui::landmarks::Sort;
use crate::tui::pace::{Pace, Pacer};

/// Holds a virtual lab back so that a person can follow it. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

struct GateState {
    pacer: Pacer,
    began: Instant,
    /// Goes on until there are more events than this.
    step_events: Option<u64>,
    /// Goes on up to this moment.
    step_until: Option<At>,
    /// Goes on until such a landmark has come.
    step_to: Option<Option<Sort>>,
    now: At,
    open: bool,
}

/// Microseconds of the smallest step of a virtual clock.
const GRAIN: u64 = 1_000;
/// How long the lab is held at most before it may look at its commands again.
const TURN: Duration = Duration::from_millis(20);

impl Gate {
    pub(super) fn new(pace: Pace) -> Self {
        let state = GateState {
            pacer: Pacer::new(pace),
            began: Instant::now(),
            step_events: None,
            step_until: None,
            step_to: None,
            now: At(0),
            open: false,
        };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Says up to which moment a lab may go that stands at `now`, with so many requests under way
    /// and so many events told. Waits up to 20 ms while it may not go on; then it is `now`.
    ///
    /// A lab that is idle should go on in steps of a millisecond and ask again after each, so that
    /// a request cannot begin and end unseen within a fast wait.
    #[must_use]
    pub fn turn(&self, now: At, in_flight: usize, events: u64) -> At {
        let (lock, changed) = &*self.0;
        let mut state = lock.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = now;
        for _ in 0..2 {
            // A virtual clock goes in whole milliseconds, and a part of one would be rounded up.
            let allowed = At(state.allow(now, in_flight, events).0 / GRAIN * GRAIN);
            if allowed > now {
                return allowed;
            }
            state = changed.wait_timeout(state, TURN / 2).unwrap_or_else(PoisonError::into_inner).0;
        }
        now
    }

    /// Where the lab stood when it last asked.
    pub(super) fn now(&self) -> At {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    /// Hears what has happened: it may be what the lab was to go on to.
    pub(super) fn hear(&self, kind: &Kind) {
        if let Some(came) = Sort::of(kind) {
            let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.step_to.is_some_and(|wanted| came.is_wanted(wanted)) {
                state.step_to = None;
                let now = state.now;
                state.pacer.jumped_to(now);
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }

    /// Lets the lab go as fast as it can from now on.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Does what a command asks of time; returns the others.
    pub(super) fn obey(&self, command: Command, events: u64) -> Option<Command> {
        match command {
            Command::Pause => self.change(|state| state.hold(true)),
            Command::Resume => self.change(|state| state.hold(false)),
            Command::Pace(pace) => self.change(|state| state.pacer.set_pace(pace)),
            Command::StepEvent => self.change(|state| {
                state.hold(true);
                state.step_events = Some(events);
            }),
            Command::StepTime(by) => self.change(|state| {
                state.hold(true);
                state.step_until = Some(At(state.now.0.saturating_add(At::after(by).0)));
            }),
            Command::StepTo(sort) => self.change(|state| {
                state.hold(true);
                state.step_to = Some(sort);
            }),
            other => return Some(other),
        }
        None
    }
}

impl GateState {
    /// Pauses, or goes on; where it was to go to counts no more.
    fn hold(&mut self, paused: bool) {
        self.pacer.set_paused(paused);
        (self.step_events, self.step_until, self.step_to) = (None, None, None);
    }

    fn allow(&mut self, now: At, in_flight: usize, events: u64) -> At {
        if self.open {
            return At(u64::MAX);
        }
        if let Some(until) = self.step_until {
            if now < until {
                return until;
            }
            self.step_until = None;
            self.pacer.jumped_to(now);
        }
        if let Some(before) = self.step_events {
            if events <= before {
                return At(now.0.saturating_add(GRAIN));
            }
            self.step_events = None;
            self.pacer.jumped_to(now);
        }
        if self.step_to.is_some() {
            return At(now.0.saturating_add(GRAIN));
        }
        self.pacer.allow(now, in_flight, self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_grants_whole_milliseconds_at_the_pace() {
        let gate = Gate::new(Pace::Times(0.1));
        let (began, mut now, mut grants) = (Instant::now(), At(0), 0);
        while began.elapsed() < Duration::from_millis(300) {
            let until = gate.turn(now, 1, 0);
            assert_eq!(until.0 % GRAIN, 0);
            grants += u32::from(until > now);
            now = until;
        }
        // A machine that is busy may let it go less far, and never further.
        let most = At(u64::try_from(began.elapsed().as_micros() / 10).unwrap_or(u64::MAX) + 10_000);
        assert!(now <= most, "{now:?} of {most:?} after {grants} grants");
    }

    #[test]
    fn a_paused_gate_lets_go_event_by_event_and_second_by_second() {
        let gate = Gate::new(Pace::Max);
        assert!(gate.turn(At(5_000), 0, 3) > At(1_000_000));
        assert_eq!(gate.obey(Command::Pause, 3), None);
        assert_eq!(gate.turn(At(5_000), 0, 3), At(5_000));
        gate.obey(Command::StepEvent, 3);
        assert_eq!(gate.turn(At(5_000), 0, 3), At(6_000));
        assert_eq!(gate.turn(At(6_000), 0, 4), At(6_000), "one event has come");
        gate.obey(Command::StepTime(Duration::from_secs(1)), 4);
        assert_eq!(gate.turn(At(6_000), 0, 4), At(1_006_000));
        assert_eq!(gate.turn(At(1_006_000), 0, 9), At(1_006_000));
        let send = Command::Act(crate::tui::Act::Send(1));
        assert_eq!(gate.obey(send.clone(), 9), Some(send));
        gate.obey(Command::Resume, 9);
        assert!(gate.turn(At(1_006_000), 0, 9) > At(2_000_000));
    }
}
