//! The moment that is shown, and how time goes by: pauses, steps, paces, jumps, and the way back.

use std::time::Duration;

use super::{Model, Source};
use crate::event::At;
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::landmarks::Sort;
use crate::tui::pace::Pace;

impl Model {
    /// Lets the time of a replay go on. `wall` is the time since the screen was opened.
    pub(in crate::tui) fn tick(&mut self, wall: Duration) {
        self.wall = wall;
        if self.message.as_ref().is_some_and(|(_, until)| wall >= *until) {
            self.message = None;
        }
        if self.attached {
            return;
        }
        let in_flight = self.fold.in_flight();
        let allowed = self.pacer.allow(self.at, in_flight, wall);
        if self.pacer.is_paused() {
            return;
        }
        if self.at < self.latest() {
            let mut to = allowed.min(self.latest());
            if in_flight == 0 && self.pacer.pace() == Pace::Follow {
                // A request must not begin and end within a frame of a racing wait.
                to = self.timeline.time_of(self.fold.position).map_or(to, |next| to.min(next));
            }
            self.show(to.max(self.at));
        }
        if self.at >= self.latest() {
            self.go_on_from_head();
        }
    }

    pub(super) fn go_to_head(&mut self) {
        match self.source {
            Source::Replay => self.seek(self.latest()),
            Source::Virtual | Source::Real => self.go_on_from_head(),
        }
    }

    /// Keeps up with the lab from now on. One in virtual time has waited for that, and goes on.
    fn go_on_from_head(&mut self) {
        self.attach();
        if self.source == Source::Virtual {
            self.pacer.set_paused(false);
            self.tell(Command::Resume);
        }
    }

    /// Jumps to a moment.
    pub(in crate::tui) fn seek(&mut self, at: At) {
        self.detach();
        self.show(at.min(self.latest()));
        self.pacer.jumped_to(self.at);
    }

    pub(super) fn show(&mut self, at: At) {
        let position = self.timeline.position_at(at);
        self.at = at;
        if position != self.fold.position {
            self.timeline.seek(&mut self.fold, position);
        }
    }

    /// Shows the moment after exactly `position` events.
    pub(super) fn show_position(&mut self, position: usize) {
        let position = position.min(self.timeline.len());
        self.timeline.seek(&mut self.fold, position);
        self.at = self.fold.now;
        self.pacer.jumped_to(self.at);
    }

    pub(super) fn toggle_pause(&mut self) {
        if self.source == Source::Real && self.attached {
            self.say("real time cannot be paused; ← looks back");
            return;
        }
        if self.is_at_end() && !self.attached && !self.pacer.is_paused() && self.source == Source::Replay {
            // At the end there is nothing to pause: from the beginning again.
            self.seek(At::default());
            return;
        }
        let paused = !self.pacer.is_paused();
        if paused && self.attached && self.is_at_end() {
            self.say(self.why_time_stands());
            return;
        }
        self.pacer.set_paused(paused);
        if self.attached {
            self.tell(if paused { Command::Pause } else { Command::Resume });
        }
    }

    /// What keeps time from going on at the end of what has happened.
    fn why_time_stands(&self) -> String {
        match self.source {
            Source::Replay => "the recording ends here".to_owned(),
            _ if self.over => "the run is over: nothing comes after this".to_owned(),
            _ => {
                let key = |action| self.keys.shown(&action).unwrap_or_default();
                let (send, break_, quit) = (key(Action::Send), key(Action::BreakMenu), key(Action::Quit));
                format!(
                    "all is done, and time stands still until you act: {send} sends, {break_} breaks, {quit} leaves"
                )
            }
        }
    }

    pub(super) fn step_event(&mut self, by: isize) {
        let at_last = self.fold.position >= self.timeline.len();
        if by > 0 && at_last && self.is_at_end() {
            self.say(self.why_time_stands());
            return;
        }
        if by > 0 && (self.attached || at_last && self.source != Source::Replay) {
            self.step_lab(Command::StepEvent);
            return;
        }
        self.detach();
        self.pacer.set_paused(true);
        self.show_position(self.fold.position.saturating_add_signed(by));
    }

    pub(super) fn step_time(&mut self, millis: i64) {
        if millis > 0 && self.is_at_end() {
            self.say(self.why_time_stands());
            return;
        }
        let at = At(self.at.0.saturating_add_signed(millis.saturating_mul(1_000)));
        let beyond = at.since(self.latest());
        if self.source != Source::Replay && !beyond.is_zero() {
            self.step_lab(Command::StepTime(beyond));
        } else {
            self.seek(at);
        }
    }

    /// Shows the latest moment, and lets the lab go on from there as far as the command says.
    fn step_lab(&mut self, command: Command) {
        self.attach();
        if self.source == Source::Real {
            self.say("this is the latest moment, and real time cannot be pushed");
        } else {
            self.pacer.set_paused(true);
            self.tell(command);
        }
    }

    pub(super) fn pace(&mut self, change: impl Fn(Pace) -> Pace) {
        if self.source == Source::Real && self.attached {
            self.say("real time has one pace");
            return;
        }
        let pace = change(self.pacer.pace());
        self.pacer.set_pace(pace);
        if self.is_at_end() || !self.attached && self.source != Source::Replay {
            // Where the clock tells something else.
            self.say(format!("the pace is {pace} when time goes on"));
        }
        if self.source == Source::Virtual {
            self.tell(Command::Pace(pace));
        }
    }

    pub(super) fn jump(&mut self, forward: bool, sort: Option<Sort>) {
        let wanted = |found: Sort| found.is_wanted(sort);
        if let Some(landmark) = self.timeline.landmark(self.fold.position, forward, wanted) {
            self.detach();
            self.pacer.set_paused(true);
            self.show_position(landmark.position() + 1);
            return;
        }
        if forward && self.source == Source::Virtual && !self.over && !self.is_at_end() {
            self.step_lab(Command::StepTo(sort));
            self.awaited = Some((self.timeline.len(), sort));
            return;
        }
        let (side, yet) = if forward { ("after", if self.over { "" } else { " yet" }) } else { ("before", "") };
        self.say(format!("no {} {side} this moment{yet}", named(sort)));
    }

    /// Tells, where a lab was to go on to the next landmark and has done everything, that none came.
    pub(super) fn miss_awaited(&mut self) {
        let Some((from, sort)) = self.awaited.take() else { return };
        let came = self.timeline.landmark(from, true, |found| found.is_wanted(sort)).is_some();
        if !came {
            // What is asked for next is none of its business.
            self.tell(Command::Pause);
            self.say(format!("no {} came before the end", named(sort)));
        }
    }

    pub(super) fn moment_of(&self, thousandths: u16) -> At {
        let share = u128::from(thousandths.min(1_000));
        At(u64::try_from(u128::from(self.latest().0) * share / 1_000).unwrap_or(u64::MAX))
    }
}

fn named(sort: Option<Sort>) -> &'static str {
    match sort {
        Some(Sort::Eviction) => "eviction",
        Some(Sort::Return) => "return",
        Some(Sort::Failure) => "failure",
        Some(Sort::Step) | None => "eviction, return or failure",
    }
}
