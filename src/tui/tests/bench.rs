//! A workbench for models in tests.

use std::path::Path;

use crate::event::{At, Event};
use crate::tui::{Complaint, Draft, FaultKind, Workbench};

/// Rests, has no faults, and knows of one file, `right.yaml`, that can be applied.
#[derive(Default)]
pub(super) struct Bench {
    /// Acts that wait.
    pub(super) waiting: usize,
}

impl Workbench for Bench {
    fn catalogue(&self) -> Vec<FaultKind> {
        Vec::new()
    }

    fn check(&self, _: &Draft) -> Vec<Complaint> {
        Vec::new()
    }

    fn check_manifests(&self, path: &str) -> Option<String> {
        (path != "right.yaml").then(|| format!("cannot read {path}"))
    }

    fn target(&self, _: &str, provider: &str) -> String {
        provider.to_owned()
    }

    fn is_resting(&self) -> bool {
        true
    }

    fn waiting(&self) -> usize {
        self.waiting
    }

    fn plays_steps(&self) -> bool {
        true
    }

    fn write_scenario(&self, _: &[Event], _: At, _: &Path) -> Result<(), String> {
        Ok(())
    }

    fn write_report(&self, _: Vec<Event>, _: &Path) -> Result<(), String> {
        Ok(())
    }
}
