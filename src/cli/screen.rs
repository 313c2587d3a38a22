//! The live screen between a lab and a terminal.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::acting::Acting;
use super::acting::bench::Bench;
use super::exit::Misuse;
use super::judging::{self, Judging};
use crate::event::{At, Sink};
use crate::lab::{Interrupt, Lab, Run, RunError, Throttle};
use crate::scenario::session::Original;
use crate::tui::{Gate, Judge, Notices, Options, Pace, Screen};
use crate::verdict::JudgeOptions;

/// What a screen over virtual time is told on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ScreenArgs {
    /// How it looks
    #[command(flatten)]
    look: LookArgs,
    /// Leave the screen as soon as the run is over
    #[arg(long, conflicts_with = "no_tui")]
    close: bool,
    /// Pace of virtual time: `follow`, `max`, or virtual seconds in one second
    #[arg(long, value_name = "SPEED", value_parser = Pace::parse, conflicts_with = "no_tui")]
    speed: Option<Pace>,
}

/// What any screen is told on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookArgs {
    /// Never open the live screen
    #[arg(long, conflicts_with_all = ["theme", "keys"])]
    no_tui: bool,
    /// Colours of the screen; `mono` where `NO_COLOR` is set
    #[arg(long, value_name = "THEME", value_parser = ["dark", "light", "contrast", "mono"], env = "LABSIM_THEME", hide_env = true)]
    theme: Option<String>,
    /// A file of lines `name: key …` that changes what keys do
    #[arg(long, value_name = "FILE", env = "LABSIM_KEYS", hide_env = true)]
    keys: Option<PathBuf>,
}

impl LookArgs {
    /// Whether there is somebody to watch and something to watch at.
    pub(super) fn is_wanted(&self) -> bool {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        terminal && !dumb && std::env::var_os("CI").is_none() && !self.no_tui
    }

    /// The theme that is asked for.
    pub(super) fn theme(&self) -> Option<&str> {
        self.theme.as_deref()
    }

    /// Reads the key file that is named, so that what is wrong with it is told also where no screen opens.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.options().map(drop)
    }

    /// The options of a screen.
    fn options(&self) -> anyhow::Result<Options> {
        let keys = self.keys.as_ref().map(|path| read_keys(path)).transpose().map_err(Misuse)?;
        Ok(Options { theme: self.theme.clone(), keys, ..Options::default() })
    }
}

/// The text of a key file that means something.
fn read_keys(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the key file {}: {error}", path.display()))?;
    crate::tui::check_keys(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}

impl ScreenArgs {
    /// See [`LookArgs::theme`].
    pub(super) fn theme(&self) -> Option<&str> {
        self.look.theme()
    }

    /// See [`LookArgs::check`].
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.look.check()
    }

    /// See [`LookArgs::is_wanted`].
    pub(super) fn is_wanted(&self) -> bool {
        self.look.is_wanted()
    }

    /// The options of a screen.
    pub(super) fn options(&self) -> anyhow::Result<Options> {
        Ok(Options { pace: self.speed.unwrap_or_default(), close: self.close, ..self.look.options()? })
    }
}

/// Runs a lab under a screen and returns once the person has closed it. The lab stands still when it
/// has played its steps, and does what the person asks for, until then.
pub(super) fn run(
    args: &ScreenArgs,
    lab: &Lab,
    original: Option<Original>,
    interrupt: &Interrupt,
    mut sinks: Vec<Box<dyn Sink>>,
) -> anyhow::Result<Result<Run, RunError>> {
    let judge = Box::new(Judging::of_lab(lab));
    let acting = Acting::new(lab, interrupt, true);
    if args.close {
        acting.commands().close();
    }
    let bench = Box::new(Bench::of_lab(lab.header(), &acting, original));
    let (screen, wanted) =
        Screen::open(lab.header(), Some(judge), bench, args.options()?).context("cannot open the screen")?;
    acting.obey(wanted, screen.notices())?;
    sinks.push(acting.sink());
    sinks.push(Box::new(screen.sink()));
    let lab = lab.clone().commands(acting.commands()).throttle(Arc::new(Held(screen.gate())));
    let run = lab.run_with(sinks);
    screen.finished(run.as_ref().ok().map(|run| judging::of_verdict(&run.verdict)));
    let closed = match &run {
        Ok(run) if !run.interrupted => screen.wait(),
        _ => screen.close(),
    };
    closed.context("the screen failed")?;
    Ok(run)
}

/// A screen over a lab that stays up on real ports.
pub(super) struct Above {
    screen: Screen,
    acting: Acting,
}

impl Above {
    /// Opens it. `play` says whether the scenario's steps are played, and so something is expected.
    pub(super) fn open(
        args: &LookArgs,
        lab: &Lab,
        original: Option<Original>,
        interrupt: &Interrupt,
        play: bool,
    ) -> anyhow::Result<Self> {
        let judge = || Box::new(Judging::new(lab.scenario().clone(), JudgeOptions::default())) as Box<dyn Judge>;
        let acting = Acting::new(lab, interrupt, false);
        let bench = Box::new(Bench::of_lab(lab.header(), &acting, original).playing(play));
        let (screen, wanted) =
            Screen::open(lab.header(), play.then(judge), bench, args.options()?).context("cannot open the screen")?;
        acting.obey(wanted, screen.notices())?;
        Ok(Self { screen, acting })
    }

    /// The lab, doing what the person at the screen asks for.
    pub(super) fn over(&self, lab: &Lab) -> Lab {
        lab.clone().commands(self.acting.commands())
    }

    /// What hears the lab.
    pub(super) fn sinks(&self) -> [Box<dyn Sink>; 2] {
        [self.acting.sink(), Box::new(self.screen.sink())]
    }

    /// Tells where the lab can be reached: what, and its address.
    pub(super) fn addresses(&self, addresses: Vec<(String, String)>) {
        self.screen.addresses(addresses);
    }

    /// A way to show sentences on it.
    pub(super) fn notices(&self) -> Notices {
        self.screen.notices()
    }

    /// Closes it, if nobody has, and gives the terminal back.
    pub(super) fn close(&self) -> anyhow::Result<()> {
        self.screen.close().context("the screen failed")
    }
}

/// A lab that is held by the screen's gate.
struct Held(Gate);

impl Throttle for Held {
    fn turn(&self, now: At, in_flight: usize, events: u64) -> At {
        self.0.turn(now, in_flight, events)
    }
}
