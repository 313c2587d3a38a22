//! `labsim breaks`: the bugs that `--break` gives the gateway.

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::Exit;
use super::terminal::{Colour, Stream};
use crate::report::style::{Meaning, Style};
use crate::topology::BUGS;

/// What `labsim breaks` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Name and sentence
    Text,
    /// A list of objects
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    match args.format {
        Format::Text => Stream::Out.tell(text(args.color.on(Stream::Out))),
        Format::Json => Stream::Out.line(serde_json::to_string_pretty(&listed())?),
    }
    Ok(Exit::Passed)
}

fn text(style: Style) -> String {
    let width = BUGS.iter().map(|about| about.name.len()).max().unwrap_or(0);
    let row = |name: &str, line: &str| format!("{}  {line}\n", style.paint(Meaning::Strong, format!("{name:width$}")));
    BUGS.iter().map(|about| row(about.name, about.line)).collect()
}

fn listed() -> Json {
    BUGS.iter().map(|about| json!({ "name": about.name, "line": about.line, "thread": about.thread })).collect()
}
