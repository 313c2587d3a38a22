//! `labsim invariants`: what holds in every run, and who is known for breaking it.

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::Exit;
use super::terminal::{Colour, Stream};
use crate::report::style::{Meaning, Style};
use crate::verdict::INVARIANTS;
use crate::verdict::invariants::deviations;

/// What `labsim invariants` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

/// How tables are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
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
    let width = INVARIANTS.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let row = |one: &crate::verdict::invariants::Invariant| {
        let name = format!("{:width$}", one.name);
        let known = deviations::all().filter(|known| known.invariant == one.name);
        let known: Vec<String> = known
            .map(|known| {
                let text = format!("except {}: {}", known.personality, known.why);
                format!("{:width$}    {}\n", "", style.paint(Meaning::Faint, text))
            })
            .collect();
        format!("{}  {}\n{}", style.paint(Meaning::Strong, name), one.statement, known.concat())
    };
    INVARIANTS.iter().map(row).collect()
}

fn listed() -> Json {
    let row = |one: &crate::verdict::invariants::Invariant| {
        let known = deviations::all().filter(|known| known.invariant == one.name);
        let known: Vec<Json> = known
            .map(|known| json!({ "personality": known.personality, "why": known.why, "row": known.row }))
            .collect();
        json!({ "name": one.name, "class": one.class.name(), "statement": one.statement, "deviations": known })
    };
    INVARIANTS.iter().map(row).collect()
}
