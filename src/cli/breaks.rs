//! `labsim breaks`: the bugs that `--break` gives the gateway.

use serde_json::{Value as Json, json};

use super::{Exit, table};
use crate::report::style::{Meaning, Style};
use crate::topology::BUGS;

/// Runs the command.
pub(super) fn run(args: &table::Args) -> anyhow::Result<Exit> {
    args.print(text, listed)
}

fn text(style: Style) -> String {
    let width = BUGS.iter().map(|about| about.name.len()).max().unwrap_or(0);
    let row = |name: &str, line: &str| format!("{}  {line}\n", style.paint(Meaning::Strong, format!("{name:width$}")));
    BUGS.iter().map(|about| row(about.name, about.line)).collect()
}

fn listed() -> Json {
    BUGS.iter().map(|about| json!({ "name": about.name, "line": about.line, "thread": about.thread })).collect()
}
