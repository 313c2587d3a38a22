//! What the screen asks of the lab. The only thing that flows from the screen back.

use std::time::Duration;

/// Something that a person wants of a running lab. It takes effect at the head of the run.
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
    /// Sends one request, like those of the scenario's latest step that sends.
    Send,
    /// Sends this many requests at once.
    Burst(u32),
    /// Sends this many requests a second from now on; 0 stops.
    Load(u32),
    /// Replaces the gateway's replicas, all or one.
    Restart(Option<u32>),
    /// Lets the gateway have this many replicas.
    Scale(u32),
    /// Sets how often a provider fails, in percent.
    SetFailureRate {
        /// The provider.
        provider: String,
        /// Percent of its answers, 0 to 100.
        percent: u8,
    },
    /// Injects a fault of the catalogue.
    Inject {
        /// The provider, or a link such as `client>gateway`.
        target: String,
        /// The fault's name.
        fault: String,
        /// Its parameters, by name.
        parameters: Vec<(String, String)>,
    },
    /// Takes all injected faults of a target away.
    Clear {
        /// The provider or link.
        target: String,
    },
    /// Writes the session so far as a scenario file.
    WriteScenario(std::path::PathBuf),
    /// The person has had enough: the run should end.
    Quit,
}
