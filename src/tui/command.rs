//! What the screen asks of the lab. The only thing that flows from the screen back.

use std::time::Duration;

use super::landmarks::Sort;

/// Something that a person wants of a running lab.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Time stands still.
    Pause,
    /// Time goes on.
    Resume,
    /// Time goes at this pace; see [`Pace`](super::Pace).
    Pace(super::Pace),
    /// Goes on until one more event has happened, and pauses.
    StepEvent,
    /// Goes on for this long, and pauses.
    StepTime(Duration),
    /// Goes on, as fast as possible, until a landmark of this kind has come, or any where none is named, and
    /// pauses.
    StepTo(Option<Sort>),
    /// Something is done in the lab.
    Act(Act),
    /// The person has had enough: the run should end.
    Quit,
}

/// Something that a person does in a running lab. It takes effect at the head of the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Sends this many requests at once, like those of the scenario's latest step that sends.
    Send(u32),
    /// Sends this many such requests a second from now on.
    Load(u32),
    /// No load sends any more.
    StopLoad,
    /// Replaces the gateway's replicas, all or one.
    Restart(Option<u32>),
    /// Lets the gateway have this many replicas.
    Scale(u32),
    /// Sets how often a provider fails, in percent of its answers: 0 to 100.
    SetFailureRate {
        /// The provider, as a target of faults has it.
        provider: String,
        /// Percent of its answers.
        percent: u8,
    },
    /// Applies the manifests of a file.
    Apply(String),
    /// Injects a fault of the catalogue.
    Inject(Draft),
    /// Takes injected faults away.
    Clear(Cleared),
}

/// A fault as a person fills it in: everything is text, as files have it, and empty where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Whom it meets: a provider, or a link such as `client -> gateway`.
    pub target: String,
    /// The fault's name.
    pub fault: String,
    /// Its parameters, by name.
    pub parameters: Vec<(String, String)>,
    /// How likely it strikes, from 0 to 1.
    pub probability: String,
    /// When it strikes: `after`, `for`, `first` and `every`.
    pub window: Vec<(String, String)>,
}

/// Which faults are taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleared {
    /// All.
    All,
    /// The one with this number.
    One(u64),
    /// Those with this target.
    At(String),
}
