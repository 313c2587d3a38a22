//! Exit codes: an interface, so a type.

use std::io;
use std::path::Path;
use std::process::{ExitCode, Termination};

/// How a command ended. The order is that of severity: of several files the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: everything held.
    Passed,
    /// 2: what a run was about did not happen.
    Unknown,
    /// 1: an expectation or an invariant failed.
    Failed,
    /// 64: the command line is wrong, or a file on it is missing.
    Usage,
    /// 65: a scenario or a manifest is invalid.
    Invalid,
    /// 69: the lab could not start: a port is taken, a file cannot be written.
    Unavailable,
    /// 70: a defect in labsim.
    Defect,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// What an error of a command asks for.
    #[must_use]
    pub(super) fn of(error: &anyhow::Error) -> Self {
        match () {
            () if error.is::<Misuse>() => Self::Usage,
            () if error.is::<Unwritable>() => Self::Unavailable,
            () => Self::Defect,
        }
    }

    /// The code that the operating system is given.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Unknown => 2,
            Self::Usage => 64,
            Self::Invalid => 65,
            Self::Unavailable => 69,
            Self::Defect => 70,
            Self::Interrupted => 130,
        }
    }
}

/// Something on the command line that cannot be meant, found only when it is used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misuse(pub(super) String);

/// A file or a folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(pub(super) String);

impl Unwritable {
    /// `what` was to go to this path: `recording`, `report`.
    pub(super) fn new(what: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("cannot write the {what} {}: {error}", path.display()))
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_counts() {
        let order = [
            Exit::Passed,
            Exit::Unknown,
            Exit::Failed,
            Exit::Usage,
            Exit::Invalid,
            Exit::Unavailable,
            Exit::Defect,
            Exit::Interrupted,
        ];
        assert!(order.is_sorted());
        assert_eq!(order.map(Exit::code), [0, 2, 1, 64, 65, 69, 70, 130]);
    }
}
