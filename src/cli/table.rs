//! How commands that print a table of the program's own are told to print it, and do.

use clap::ValueEnum;
use serde_json::Value as Json;

use super::Exit;
use super::terminal::{Colour, Stream};
use crate::report::style::Style;

/// What a command that prints a table is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

/// For whom something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines and tables, for people
    Text,
    /// JSON, for programs
    Json,
}

impl Args {
    /// Prints the table: `text` for people, `listed` for programs.
    pub(super) fn print(&self, text: fn(Style) -> String, listed: fn() -> Json) -> anyhow::Result<Exit> {
        match self.format {
            Format::Text => Stream::Out.tell(text(self.color.on(Stream::Out))),
            Format::Json => Stream::Out.line(serde_json::to_string_pretty(&listed())?),
        }
        Ok(Exit::Passed)
    }
}
