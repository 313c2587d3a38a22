//! What the screen is given to work with, since it knows no faults, scenarios or reports itself.

use std::path::Path;

use super::command::Draft;
use crate::event::{At, Event};

/// Somebody who knows what can be broken, and who writes what a person takes away.
pub trait Workbench: Send {
    /// The faults that there are.
    fn catalogue(&self) -> Vec<FaultKind>;

    /// What is wrong with a fault, before it is injected. Nothing where it can be.
    fn check(&self, draft: &Draft) -> Vec<Complaint>;

    /// Why the manifests of a file cannot be applied, in words. Nothing where they can be.
    fn check_manifests(&self, path: &str) -> Option<String>;

    /// The name that faults know a provider by; its backend is `namespace/name`.
    fn target(&self, backend: &str, provider: &str) -> String;

    /// Whether the lab has done all that it was told to, and stands still.
    fn is_resting(&self) -> bool;

    /// How many steps were asked for and have not begun.
    fn waiting(&self) -> usize;

    /// Whether the scenario's own steps are played.
    fn plays_steps(&self) -> bool;

    /// Writes the session up to a moment as a scenario file. The steps are the events that tell of steps
    /// that begin, the scenario's and a person's, in order.
    ///
    /// # Errors
    /// Why it cannot be written, in words.
    fn write_scenario(&self, steps: &[Event], now: At, path: &Path) -> Result<(), String>;

    /// Writes a report of what these events tell, as HTML.
    ///
    /// # Errors
    /// Why it cannot be written, in words.
    fn write_report(&self, events: Vec<Event>, path: &Path) -> Result<(), String>;
}

/// A fault as the menu shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultKind {
    /// Its name.
    pub name: String,
    /// What it does, in a line.
    pub about: String,
    /// Whether it is the network that is faulty, and not an answer.
    pub on_link: bool,
    /// What can be set.
    pub parameters: Vec<ParameterKind>,
}

/// Something that can be set of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterKind {
    /// Its name.
    pub name: String,
    /// What may stand there: `a duration`, …
    pub kind: String,
    /// What stands there where nobody sets it.
    pub default: String,
    /// What it means, a sentence.
    pub about: String,
}

/// What is wrong with a part of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The parameter, `probability`, or a part of the window such as `window.for`; none for the whole.
    pub field: Option<String>,
    /// What is wrong, in a line.
    pub message: String,
}

impl ParameterKind {
    /// What may stand there, where that can be counted.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        choices(&self.kind)
    }
}

/// What may stand in a place of a kind, where that can be counted: the words in backticks. One that goes with a
/// value has a sound one, as files have it.
pub(super) fn choices(kind: &str) -> Vec<String> {
    let clauses = kind.split("; ").flat_map(|clause| {
        let value = clause.rsplit_once("` with ").map(|(_, value)| value);
        let words = clause.split('`').skip(1).step_by(2);
        words.map(move |word| match value {
            Some("a duration") => format!("{{{word}: 60s}}"),
            Some("durations") => format!("{{{word}: [60s, 30s]}}"),
            Some("spellings") => format!("{{{word}: [zero, absent]}}"),
            Some(_) => format!("{{{word}: soon}}"),
            None => word.to_owned(),
        })
    });
    clauses.collect()
}
