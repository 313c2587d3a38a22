//! `labsim run`: plays scenarios, one after the other, and judges them.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;

use super::Exit;
use super::files::{self, Candidate};
use super::screen;
use super::seeds;
use super::signals;
use super::terminal::Colour;
use crate::event::log::{Header, Recorder};
use crate::event::{Event, Sink};
use crate::lab::{Interrupt, Lab, Mode, Run, RunError};
use crate::report::console::{self, Detail, Live};
use crate::report::style::Style;
use crate::scenario::LoadError;
use crate::source::diagnostic;
use crate::verdict::Outcome;
use crate::world::Clock;

/// What `labsim run` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or folders to search for them (manifests are passed over)
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Seed in place of the file's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run this many seeds, from the first on, and count the patterns that come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(super) seeds: Option<u64>,
    /// Whose time a run takes: the lab's own, or the machine's over loopback TCP
    #[arg(long, value_enum, default_value_t = ClockChoice::Virtual)]
    clock: ClockChoice,
    /// Wall-clock time at which the lab starts: RFC 3339, or `now`
    #[arg(long, value_name = "TIME", value_parser = start_time)]
    start: Option<Timestamp>,
    /// Write the events as JSON Lines; for several runs this is a folder
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
    /// How the live screen looks and behaves
    #[command(flatten)]
    screen: screen::Args,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
    /// Show failures and the summary only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show how each provider was chosen as well
    #[arg(short, long)]
    verbose: bool,
    /// How many runs of `--seeds` go on at once; as many as there are cores where absent
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockChoice {
    /// Waiting costs nothing, and the same seed gives the same events
    Virtual,
    /// Loopback TCP and real waiting
    Real,
}

fn start_time(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Clock::real().start());
    }
    text.parse().map_err(|_| "write a time such as 2026-01-01T00:00:00Z, or `now`".to_owned())
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let candidates = match files::expand(&args.paths) {
        Ok(candidates) => candidates,
        Err((path, error)) => {
            tell(args, &diagnostic::unreadable(&path, &error));
            return Ok(Exit::Usage);
        }
    };
    let interrupt = Interrupt::default();
    let of_signals = interrupt.clone();
    signals::watch(move |count| {
        of_signals.trigger();
        if count > 1 {
            crate::tui::restore();
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    })
    .context("cannot wait for signals")?;
    let mut worst = Exit::Passed;
    let mut labs = Vec::new();
    for candidate in &candidates {
        match load(args, candidate) {
            Ok(Some(lab)) => labs.push((candidate.path.clone(), lab.interrupt(interrupt.clone()))),
            Ok(None) => {}
            Err(exit) => worst = worst.max(exit),
        }
    }
    if labs.is_empty() && worst == Exit::Passed {
        eprintln!("error: no scenario found in {}", shown(&args.paths));
        return Ok(Exit::Usage);
    }
    let several = labs.len() > 1;
    let single = matches!(args.paths.as_slice(), [path] if path.is_file());
    let watched = single && args.seeds.is_none() && !args.quiet && args.screen.is_wanted();
    for (index, (path, lab)) in labs.iter().enumerate() {
        if index > 0 {
            println!();
        }
        let exit = match args.seeds {
            Some(count) => seeds::run(args, path, lab, count)?,
            None if watched => on_screen(args, path, lab, &interrupt)?,
            None => one(args, path, lab, several)?,
        };
        worst = worst.max(exit);
        if interrupt.is_triggered() {
            break;
        }
    }
    Ok(worst)
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn tell(args: &Args, finding: &crate::source::Diagnostic) {
    eprintln!("{}", finding.render(&crate::source::Sources::default(), args.color.for_stderr().colour));
}

/// Reads a scenario; none for a manifest that was found in a folder.
fn load(args: &Args, candidate: &Candidate) -> Result<Option<Lab>, Exit> {
    let colour = args.color.for_stderr().colour;
    match Lab::from_file(&candidate.path) {
        Ok(lab) => {
            for warning in lab.warnings() {
                eprintln!("{}\n", warning.render(&lab.scenario().sources, colour));
            }
            Ok(Some(configured(args, lab)))
        }
        Err(LoadError::NotAScenario) if !candidate.named => Ok(None),
        Err(LoadError::NotAScenario) => {
            eprintln!(
                "error: {} holds manifests, no scenario; name them under `lab: manifests:` of one",
                candidate.path.display()
            );
            Err(Exit::Invalid)
        }
        Err(LoadError::Unreadable(finding)) => {
            tell(args, &finding);
            Err(Exit::Usage)
        }
        Err(LoadError::Invalid { sources, findings }) => {
            eprint!("{}", findings.render(&sources, colour));
            Err(Exit::Invalid)
        }
    }
}

fn configured(args: &Args, lab: Lab) -> Lab {
    let mut lab = match args.clock {
        ClockChoice::Virtual => lab.mode(Mode::Virtual),
        ClockChoice::Real => lab.mode(Mode::Real),
    };
    if let Some(seed) = args.seed {
        lab = lab.seed(seed);
    }
    if let Some(start) = args.start {
        lab = lab.start(start);
    }
    lab
}

impl Args {
    /// How much is told.
    pub(super) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        }
    }

    /// The style for standard output.
    pub(super) fn style(&self) -> Style {
        self.color.for_stdout()
    }

    /// Where the recording of a run goes: the path itself, or a file of that name in the folder.
    pub(super) fn recording(
        &self,
        scenario: &Path,
        seed: Option<u64>,
        several: bool,
    ) -> anyhow::Result<Option<PathBuf>> {
        let Some(path) = &self.record else { return Ok(None) };
        if !several && seed.is_none() && !path.is_dir() {
            return Ok(Some(path.clone()));
        }
        std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        // `scenarios/a/x.yaml` and `scenarios/b/x.yaml` must not meet in one file.
        let mut name: String = scenario
            .with_extension("")
            .to_string_lossy()
            .replace(['/', '\\'], "-")
            .trim_start_matches(['.', '-'])
            .to_owned();
        if let Some(seed) = seed {
            name = format!("{name}-seed-{seed}");
        }
        Ok(Some(path.join(format!("{name}.jsonl"))))
    }
}

/// The recording of a run, where one is asked for.
fn recorder(
    args: &Args,
    path: &Path,
    several: bool,
    header: &Header,
) -> anyhow::Result<Result<Option<Box<dyn Sink>>, Exit>> {
    let Some(path) = args.recording(path, None, several)? else { return Ok(Ok(None)) };
    Ok(match File::create(&path) {
        Ok(file) => Ok(Some(Box::new(Recorder::new(file, header)))),
        Err(error) => {
            eprintln!("error: cannot write the recording {}: {error}", path.display());
            Err(Exit::Unavailable)
        }
    })
}

/// Runs one scenario under the eyes of a person; the plain summary follows.
fn on_screen(args: &Args, path: &Path, lab: &Lab, interrupt: &Interrupt) -> anyhow::Result<Exit> {
    let recorder = match recorder(args, path, false, &lab.header())? {
        Ok(recorder) => recorder,
        Err(exit) => return Ok(exit),
    };
    match screen::run(&args.screen, lab, interrupt, recorder.into_iter().collect())? {
        Ok(run) => {
            let (style, detail) = (args.style(), args.detail());
            println!("{}", console::verdict(&run, style, detail));
            println!("{}", console::summary(&run, style));
            Ok(exit_of(&run))
        }
        Err(error) => Ok(failed(&error)),
    }
}

/// Runs one scenario with live lines.
fn one(args: &Args, path: &Path, lab: &Lab, several: bool) -> anyhow::Result<Exit> {
    let header = lab.header();
    let (style, detail) = (args.style(), args.detail());
    let mut live = Live::new(&header, style, detail);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    match recorder(args, path, several, &header)? {
        Ok(recorder) => sinks.extend(recorder),
        Err(exit) => return Ok(exit),
    }
    let mut out = io::stdout();
    let _ = out.write_all(live.head(&header).as_bytes());
    sinks.push(Box::new(move |event: &Event| {
        for line in live.lines(event) {
            // A closed pipe is no reason to stop: the verdict still counts.
            let _ = writeln!(out, "{line}");
        }
    }));
    let run = match lab.run_with(sinks) {
        Ok(run) => run,
        Err(error) => return Ok(failed(&error)),
    };
    let mut out = io::stdout();
    let blank = if detail == Detail::Quiet { "" } else { "\n" };
    let _ = write!(out, "{blank}{}{blank}", console::verdict(&run, style, detail));
    let _ = writeln!(out, "{}", console::summary(&run, style));
    Ok(exit_of(&run))
}

/// Tells why a run could not take place.
pub(super) fn failed(error: &RunError) -> Exit {
    eprintln!("error: {error}");
    match error {
        RunError::Start(_) => Exit::Unavailable,
        RunError::Defect(_) => Exit::Defect,
    }
}

fn exit_of(run: &Run) -> Exit {
    if run.interrupted {
        return Exit::Interrupted;
    }
    match run.verdict.outcome() {
        Outcome::Pass => Exit::Passed,
        Outcome::Fail => Exit::Failed,
        Outcome::Unknown => Exit::Unknown,
    }
}
