//! The live screen between a lab and a terminal.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use anyhow::Context as _;

use super::judging::{self, Judging};
use crate::event::{At, Sink};
use crate::lab::{Interrupt, Lab, Run, RunError, Throttle};
use crate::tui::{Command, Gate, Options, Pace, Screen};
use crate::verdict::JudgeOptions;

/// What a screen is told on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ScreenArgs {
    /// Never open the live screen
    #[arg(long, conflicts_with_all = ["close", "speed", "theme", "keys"])]
    no_tui: bool,
    /// Leave the screen as soon as the run is over
    #[arg(long)]
    close: bool,
    /// Pace of virtual time: `follow`, `max`, or virtual seconds in one second
    #[arg(long, value_name = "SPEED", value_parser = Pace::parse)]
    speed: Option<Pace>,
    /// Colours of the screen; `mono` where `NO_COLOR` is set
    #[arg(long, value_name = "THEME", value_parser = ["dark", "light", "contrast", "mono"], env = "LABSIM_THEME", hide_env = true)]
    theme: Option<String>,
    /// A file of lines `name: key …` that changes what keys do
    #[arg(long, value_name = "FILE", env = "LABSIM_KEYS", hide_env = true)]
    keys: Option<PathBuf>,
}

impl ScreenArgs {
    /// Whether there is somebody to watch and something to watch at.
    pub(super) fn is_wanted(&self) -> bool {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        terminal && !dumb && std::env::var_os("CI").is_none() && !self.no_tui
    }

    /// The options of a screen.
    pub(super) fn options(&self) -> anyhow::Result<Options> {
        let keys = self.keys.as_ref().map(|path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read the key file {}", path.display()))
        });
        Ok(Options {
            theme: self.theme.clone(),
            pace: self.speed.unwrap_or_default(),
            keys: keys.transpose()?,
            close: self.close,
            ..Options::default()
        })
    }
}

/// Runs a lab under a screen and returns once the person has closed it.
pub(super) fn run(
    args: &ScreenArgs,
    lab: &Lab,
    interrupt: &Interrupt,
    mut sinks: Vec<Box<dyn Sink>>,
) -> anyhow::Result<Result<Run, RunError>> {
    let judge = Box::new(Judging::new(lab.scenario().clone(), JudgeOptions::default()));
    let (screen, commands) =
        Screen::open(lab.header(), Some(judge), args.options()?).context("cannot open the screen")?;
    obey(commands, interrupt.clone())?;
    sinks.push(Box::new(screen.sink()));
    let lab = lab.clone().throttle(Arc::new(Held(screen.gate())));
    let run = lab.run_with(sinks);
    screen.finished(run.as_ref().ok().map(|run| judging::of_verdict(&run.verdict)));
    let closed = match &run {
        Ok(run) if !run.interrupted => screen.wait(),
        _ => screen.close(),
    };
    closed.context("the screen failed")?;
    Ok(run)
}

/// Does what the person at the screen asks.
fn obey(commands: mpsc::Receiver<Command>, interrupt: Interrupt) -> anyhow::Result<()> {
    let obey = move || {
        for command in commands {
            if command == Command::Quit {
                interrupt.trigger();
            }
        }
    };
    std::thread::Builder::new().name("commands".to_owned()).spawn(obey).context("cannot start a thread")?;
    Ok(())
}

/// A lab that is held by the screen's gate.
struct Held(Gate);

impl Throttle for Held {
    fn turn(&self, now: At, in_flight: usize, events: u64) -> At {
        self.0.turn(now, in_flight, events)
    }
}
