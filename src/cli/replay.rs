//! `labsim replay`: the screen over a recording.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _};
use std::path::PathBuf;

use super::Exit;
use super::screen::{self, Judging};
use crate::event::log;
use crate::tui::{self, Judge};

/// What `labsim replay` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording: what `labsim run --record` wrote
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    screen: screen::Args,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let file = match File::open(&args.path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("error: cannot read {}: {error}", args.path.display());
            return Ok(Exit::Usage);
        }
    };
    let (header, events) = match log::read(BufReader::new(file)) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {}: {error}", args.path.display());
            return Ok(Exit::Invalid);
        }
    };
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        eprintln!("error: a recording is watched in a terminal, and this is none");
        return Ok(Exit::Usage);
    }
    let judge = Judging::of_recording(&header).map(|judge| Box::new(judge) as Box<dyn Judge>);
    tui::replay(header, events, judge, args.screen.options()?)?;
    Ok(Exit::Passed)
}
