//! `--set`: variables and values of a scenario, from the command line.

use std::path::Path;

use crate::lab::Lab;
use crate::scenario::session::Original;
use crate::scenario::{LoadError, Overridden, Personality};
use crate::topology::Bug;

/// What the command line sets.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "set")]
pub(super) struct Args {
    /// Give a variable another value, or replace what stands at a path of the scenario, such as
    /// `lab.gateway.replicas=2`. May be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Give the gateway a bug, to see what becomes of it; `labsim breaks` lists them. It is the
    /// `reference` with that bug, unless `--set lab.gateway.personality=…` says otherwise
    #[arg(long = "break", value_name = "NAME")]
    broken: Option<Bug>,
}

impl Args {
    /// The same with one more setting, before those of the command line.
    pub(super) fn with(&self, setting: String) -> Self {
        let settings = std::iter::once(setting).chain(self.settings.iter().cloned()).collect();
        Self { settings, ..self.clone() }
    }

    /// Reads and checks a scenario with what is set in it.
    ///
    /// # Errors
    /// As [`Lab::from_file`].
    pub(super) fn lab(&self, path: &Path) -> Result<Lab, LoadError> {
        Lab::from_files(&Overridden { settings: &self.settings() }, path)
    }

    /// The settings, and what follows from a bug: a recording has them all.
    fn settings(&self) -> Vec<String> {
        let mut settings = self.settings.clone();
        if let Some(bug) = self.broken {
            let named = settings.iter().any(|one| one.starts_with("lab.gateway.personality="));
            settings.extend((!named).then(|| format!("lab.gateway.personality={}", Personality::Reference)));
            settings.push(format!("lab.gateway.break={bug}"));
        }
        settings
    }

    /// The same as this personality: a setting like any other, so that a recording has it too.
    ///
    /// # Errors
    /// As [`Lab::from_file`].
    pub(super) fn lab_as(&self, path: &Path, personality: Personality) -> Result<Lab, LoadError> {
        let mut settings = self.settings();
        settings.push(format!("lab.gateway.personality={personality}"));
        Lab::from_files(&Overridden { settings: &settings }, path)
    }

    /// The scenario as its author wrote it, with what is set in it, for writing a session down.
    pub(super) fn original(&self, path: &Path) -> Option<Original> {
        Original::read(&Overridden { settings: &self.settings() }, path).ok()
    }
}
