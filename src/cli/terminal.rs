//! What the terminal wants.

use std::io::IsTerminal as _;

use clap::ValueEnum;

use crate::report::style::Style;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// The style for standard output.
    pub(super) fn for_stdout(self) -> Style {
        Style { colour: self.wanted(std::io::stdout().is_terminal()) }
    }

    /// The style for standard error.
    pub(super) fn for_stderr(self) -> Style {
        Style { colour: self.wanted(std::io::stderr().is_terminal()) }
    }

    fn wanted(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !no_color && !dumb
            }
        }
    }
}
