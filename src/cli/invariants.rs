//! `labsim invariants`: what holds in every run, and who is known for breaking it.

use serde_json::{Value as Json, json};

use super::{Exit, table};
use crate::report::style::{Meaning, Style};
use crate::verdict::INVARIANTS;
use crate::verdict::invariants::deviations;

/// Runs the command.
pub(super) fn run(args: &table::Args) -> anyhow::Result<Exit> {
    args.print(text, listed)
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
