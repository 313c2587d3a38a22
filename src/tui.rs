//! Who watches: the live screen, and the same screen over a recording.
//!
//! A fold over the event stream, in a thread of its own. It is given a header and events and never
//! reaches back into the lab, except that it sends [`Command`]s over one channel.
//!
//! ```text
//!  keys, mouse ──▶ action ──▶ model ──▶ view ──▶ terminal
//!  events ──▶ timeline ──▶ fold ──┘
//! ```
//!
//! `action`, `keys`, `theme` are what a person does and how it looks; `model` is changed by actions;
//! `menu` is for breaking things, with what a `bench` knows of faults;
//! `timeline` and `fold` know every moment; `view` draws one; `terminal` and `screen` own the
//! terminal and the thread.

mod action;
mod album;
mod arrivals;
mod bench;
mod breath;
mod command;
mod export;
mod fact;
mod faults;
mod filter;
mod fold;
mod health;
mod kept;
mod keys;
mod landmarks;
mod lineup;
mod listing;
mod menu;
mod model;
mod pace;
mod pack;
mod plan;
mod row;
mod rows;
mod screen;
mod spill;
mod store;
mod story;
mod tally;
mod telling;
mod terminal;
mod text;
mod theme;
mod timeline;
mod values;
mod view;

#[cfg(test)]
pub(crate) mod tests;

pub use album::Album;
pub use bench::{Complaint, FaultKind, ParameterKind, Workbench};
pub use command::{Act, Cleared, Command, Draft};
pub use keys::check as check_keys;
pub use pace::{Pace, Pacer};
pub use screen::{Gate, Notices, Options, Screen, ScreenSink, replay};
pub use terminal::restore;

use crate::event::Event;

/// Decides what was expected while the events come in. The screen asks it and shows what it says.
pub trait Judge: Send {
    /// Takes in the next event, or none before the first. Returns all findings where one of them has changed.
    fn judge(&mut self, event: Option<&Event>) -> Option<Vec<Finding>>;

    /// Whether there is any use in telling it of more events; once there is none, there never is again.
    fn listens(&self) -> bool {
        true
    }

    /// The findings once nothing more will come, or nothing unless somebody acts: more may come after that.
    /// Not asked at the end where the lab has judged the whole itself.
    fn conclude(&mut self) -> Option<Vec<Finding>>;
}

/// Something that was expected, and whether it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The step that it belongs to, from 0; none for the whole run.
    pub step: Option<usize>,
    /// Whether it holds for every run, asked for or not.
    pub invariant: bool,
    /// What was expected.
    pub statement: String,
    /// Whether it came.
    pub decision: Decision,
    /// Why it did not.
    pub explanation: Option<String>,
}

/// What has become of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may still come.
    Open,
    /// It came.
    Pass,
    /// It did not come.
    Fail,
    /// Whether it came does not count: that it does not is known of the personality, or it was turned off.
    Exempt,
    /// What it is about did not happen.
    Unknown,
}
