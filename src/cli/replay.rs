//! `labsim replay`: the screen over a recording.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;

use super::Exit;
use super::screen::{self, Judging};
use super::terminal::Colour;
use crate::event::Event;
use crate::event::log::{self, Header};
use crate::report::console::{Detail, Live};
use crate::tui::{self, Judge};

/// What `labsim replay` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording: what `labsim run --record` wrote
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    screen: screen::ScreenArgs,
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
    if !args.screen.is_wanted() {
        return Ok(plain(&header, &events));
    }
    let judge = Judging::of_recording(&header).map(|judge| Box::new(judge) as Box<dyn Judge>);
    tui::replay(header, events, judge, args.screen.options()?)?;
    Ok(Exit::Passed)
}

/// The lines that the run had, where there is no screen.
fn plain(header: &Header, events: &[Event]) -> Exit {
    let mut live = Live::new(header, Colour::Auto.for_stdout(), Detail::Normal);
    let mut out = std::io::stdout();
    let _ = out.write_all(live.head(header).as_bytes());
    for line in events.iter().flat_map(|event| live.lines(event)) {
        let _ = writeln!(out, "{line}");
    }
    Exit::Passed
}
