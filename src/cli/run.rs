//! `labsim run`: plays scenarios, one after the other, and judges them.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;

use super::Exit;
use super::exit::Misuse;
use super::files;
use super::labs::{self, Labs, Personalities};
use super::many;
use super::observe::{self, Outputs, Watch};
use super::outputs::{self, Output, is_stdout};
use super::record::{self, Kept};
use super::recording::Recording;
use super::reports;
use super::screen;
use super::seeds;
use super::set;
use super::signals;
use super::terminal::{Colour, People, Stream};
use crate::event::log::Header;
use crate::event::{Event, Sink};
use crate::lab::{Interrupt, Lab, Run, RunError};
use crate::lint;
use crate::report::RunRecord;
use crate::report::console::{self, Detail, Live};
use crate::report::style::Style;
use crate::source::diagnostic;
use crate::verdict::Outcome;
use crate::world::Clock;

/// What `labsim run` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or folders to search for them (manifests are passed over)
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,
    /// Seed in place of the file's
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Play each scenario as this personality, if it is one of its own, or as `all` of them; as the
    /// first of them where absent
    #[arg(long, value_name = "NAME", value_parser = labs::personalities)]
    pub(super) personality: Option<Personalities>,
    /// What is set in the scenario
    #[command(flatten)]
    pub(super) set: set::Args,
    /// Run this many seeds, from the first on, and count the patterns that come
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000), conflicts_with_all = ["access_log", "metrics", "traces"])]
    pub(super) seeds: Option<u64>,
    /// Whose time a run takes: the lab's own, or the machine's over loopback TCP
    #[arg(long, value_enum, default_value_t = ClockChoice::Virtual)]
    pub(super) clock: ClockChoice,
    /// Wall-clock time at which the lab starts: RFC 3339, or `now`
    #[arg(long, value_name = "TIME", value_parser = start_time)]
    pub(super) start: Option<Timestamp>,
    /// Write the events as JSON Lines; for several runs this is a folder
    #[arg(long, value_name = "PATH")]
    record: Option<PathBuf>,
    /// What is written about all runs
    #[command(flatten)]
    pub(super) reports: reports::Args,
    /// What operators of the gateway would look at
    #[command(flatten)]
    observe: observe::Args,
    /// How the live screen looks and behaves
    #[command(flatten)]
    screen: screen::ScreenArgs,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub(super) color: Colour,
    /// Show failures and the summary only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Show how each provider was chosen as well
    #[arg(short, long)]
    verbose: bool,
    /// End after the first scenario that does not pass
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// How many runs go on at once, of scenarios or of `--seeds`; as many as there are cores where
    /// absent. What is told comes in the same order
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ClockChoice {
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
    args.screen.check()?;
    let candidates = match files::expand(&args.paths) {
        Ok(candidates) => candidates,
        Err((path, error)) => {
            tell(args, &diagnostic::unreadable(&path, &error));
            return Ok(Exit::Usage);
        }
    };
    let interrupt = signals::interrupt()?;
    let Labs { labs, mut worst } = match Labs::load(args, &candidates, &interrupt) {
        Ok(labs) => labs,
        Err(exit) => return Ok(exit),
    };
    let single = matches!(args.paths.as_slice(), [path] if path.is_file());
    let watched = single && args.seeds.is_none() && args.for_people() == Stream::Out && !args.quiet;
    args.check_outputs(&labs)?;
    let (reports, outputs) = (args.reports.open()?, args.observe.open()?);
    let all = All { args, outputs, several: labs.len() > 1, interrupt: &interrupt };
    let mut records = Vec::new();
    let exit = match args.seeds {
        Some(count) => all.seed_by_seed(&labs, count, &mut records)?,
        None if labs.len() > 1 => many::run(&all, &labs, &mut records)?,
        None => match labs.first() {
            Some((path, lab)) => {
                let screen = watched && args.screen.is_wanted();
                all.one(path, &lab.clone().settled(), screen, &args.for_people().into(), &mut records)?
            }
            None => Exit::Passed,
        },
    };
    worst = worst.max(exit);
    let written = reports.write(&records, args.for_people());
    Ok(written.map_or_else(|exit| worst.max(exit), |()| worst))
}

/// Everything that hears a run and writes to a file.
struct Writers {
    recording: Option<Recording>,
    watch: Watch,
    is_observed: bool,
}

impl Writers {
    fn sinks(&self) -> Vec<Box<dyn Sink>> {
        let recording = self.recording.as_ref().map(Recording::sink);
        let watch = self.is_observed.then(|| self.watch.sink());
        recording.into_iter().chain(watch).collect()
    }

    /// Writes what is written at the end.
    ///
    /// # Errors
    /// [`Exit::Unavailable`], after telling what could not be written.
    fn finish(&self) -> Result<(), Exit> {
        let recorded = self.recording.as_ref().map_or(Ok(()), Recording::finish);
        let recorded = recorded.map_err(|error| {
            eprintln!("error: {error}");
            Exit::Unavailable
        });
        self.watch.finish().and(recorded)
    }
}

/// What the runs of a command line have in common.
pub(super) struct All<'a> {
    pub(super) args: &'a Args,
    outputs: Outputs,
    several: bool,
    pub(super) interrupt: &'a Interrupt,
}

pub(super) fn tell(args: &Args, finding: &crate::source::Diagnostic) {
    eprintln!("{}", finding.render(&crate::source::Sources::default(), args.color.for_stderr().colour));
}

/// Tells what the author of a scenario should know, although its lab runs.
pub(super) fn warn(lab: &Lab, colour: bool) {
    let unasked = lint::unasked(lab.scenario());
    for warning in lab.warnings().chain(&unasked) {
        eprintln!("{}\n", warning.render(&lab.scenario().sources, colour));
    }
}

impl Args {
    /// How many runs go on at once.
    pub(super) fn workers(&self) -> usize {
        self.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// How much is told.
    pub(super) fn detail(&self) -> Detail {
        detail(self.quiet, self.verbose)
    }

    /// Where people are told what happens.
    pub(super) fn for_people(&self) -> Stream {
        let recorded = self.record.as_deref().is_some_and(is_stdout);
        Stream::for_people(recorded || self.observe.take_stdout() || self.reports.take_stdout())
    }

    /// The style for people.
    pub(super) fn style(&self) -> Style {
        self.color.on(self.for_people())
    }

    /// Sees to it that no file is written over that is read or written for something else.
    fn check_outputs(&self, labs: &[(PathBuf, Lab)]) -> anyhow::Result<()> {
        let record = self.record.iter().map(|path| Output::of_one("--record", path));
        let written: Vec<_> = record.chain(self.observe.outputs()).chain(self.reports.outputs()).collect();
        let several = labs.len() > 1 || self.seeds.is_some();
        let shared = written.iter().find(|output| several && is_stdout(output.path) && output.is_of_one_run);
        if let Some(Output { option, .. }) = shared {
            return Err(Misuse(format!("`{option}` is of one run, and there are several")).into());
        }
        let read = labs.iter().flat_map(|(_, lab)| lab.scenario().sources.files());
        Ok(outputs::check(read.map(|file| Path::new(&file.name)), &written)?)
    }

    /// Where the recording of a run goes: the path itself, or a file of that name in the folder.
    pub(super) fn recording(&self, scenario: &Path, header: &Header, several: bool) -> anyhow::Result<Option<PathBuf>> {
        let Some(path) = &self.record else { return Ok(None) };
        if !several && self.seeds.is_none() && !path.is_dir() {
            return Ok(Some(path.clone()));
        }
        outputs::create_folder(path)?;
        let mut name = self.name_of(scenario, header);
        if self.seeds.is_some() {
            name = format!("{name}-seed-{}", header.seed);
        }
        Ok(Some(path.join(format!("{name}.jsonl"))))
    }

    /// What files of a scenario's run are called: `scenarios/a/x.yaml` and `scenarios/b/x.yaml` must not
    /// meet in one, nor two personalities of one scenario.
    fn name_of(&self, scenario: &Path, header: &Header) -> String {
        let path = scenario.with_extension("");
        let mut name = path.to_string_lossy().replace(['/', '\\'], "-").trim_start_matches(['.', '-']).to_owned();
        if self.personality.is_some() {
            name = format!("{name}-{}", header.personality);
        }
        name
    }
}

/// How much `--quiet` and `--verbose` ask for.
pub(super) fn detail(quiet: bool, verbose: bool) -> Detail {
    match (quiet, verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    }
}

impl All<'_> {
    /// Runs many seeds of each scenario, one scenario after the other.
    fn seed_by_seed(&self, labs: &[(PathBuf, Lab)], count: u64, records: &mut Vec<RunRecord>) -> anyhow::Result<Exit> {
        let mut worst = Exit::Passed;
        for (index, (path, lab)) in labs.iter().enumerate() {
            if index > 0 {
                self.args.for_people().line("");
            }
            let begin = index as u64 * count;
            worst = worst.max(seeds::run(self.args, path, lab, (begin, count), records)?);
            if self.interrupt.is_triggered() || (self.args.fail_fast && worst > Exit::Passed) {
                break;
            }
        }
        Ok(worst)
    }

    /// How many scenarios may run at once. What is written to one place in the order of events, and
    /// what takes real time, goes one after the other.
    pub(super) fn at_once(&self) -> usize {
        if self.args.observe.any() || self.args.clock == ClockChoice::Real { 1 } else { self.args.workers() }
    }

    /// Runs one scenario, on the screen or with live lines, and tells what came of it.
    pub(super) fn one(
        &self,
        path: &Path,
        lab: &Lab,
        on_screen: bool,
        people: &People,
        records: &mut Vec<RunRecord>,
    ) -> anyhow::Result<Exit> {
        let header = lab.header();
        let writers = self.writers(path, &header)?;
        let mut sinks = writers.sinks();
        let kept = Kept::default();
        if self.args.reports.any() {
            sinks.push(kept.sink());
        }
        let done = if on_screen {
            screen::run(&self.args.screen, lab, self.args.set.original(path), self.interrupt, sinks)?
        } else {
            let (head, live) = lines(&header, people.clone(), self.args.style(), self.args.detail());
            people.tell(head);
            sinks.push(live);
            lab.run_with(sinks)
        };
        let written = writers.finish();
        let run = match done {
            Ok(run) => record::shown(run, &header, self.args.reports.any()),
            Err(error) => return Ok(failed(&error)),
        };
        // Below a screen that was closed stand no lines that a blank would set off.
        let above = if on_screen { "" } else { blank(self.args.detail()) };
        people.tell(above);
        conclude(&run, people, self.args.style(), self.args.detail());
        let exit = exit_of(&run);
        if self.args.reports.any() {
            records.push(record::of_run(&run, header, kept.take()));
        }
        Ok(written.map_or_else(|unwritten| unwritten.max(exit), |()| exit))
    }

    /// Everything that hears a run and writes to a file.
    fn writers(&self, path: &Path, header: &Header) -> anyhow::Result<Writers> {
        let recording = self.args.recording(path, header, self.several)?;
        let recording = recording.map(|path| Recording::create(&path, header)).transpose()?;
        let name = self.several.then(|| self.args.name_of(path, header));
        let watch = self.outputs.watch(header, name.as_deref())?;
        Ok(Writers { recording, watch, is_observed: self.args.observe.any() })
    }
}

/// What stands above a run's lines, and what tells each event's lines as they come.
pub(super) fn lines(header: &Header, people: People, style: Style, detail: Detail) -> (String, Box<dyn Sink>) {
    let mut live = Live::new(header, style, detail);
    let head = live.head(header);
    (head, Box::new(move |event: &Event| live.lines(event).iter().for_each(|line| people.line(line))))
}

/// What sets off the parts of what is told.
pub(super) fn blank(detail: Detail) -> &'static str {
    if detail == Detail::Quiet { "" } else { "\n" }
}

/// Tells the verdict and the summary.
pub(super) fn conclude(run: &Run, people: &People, style: Style, detail: Detail) {
    people.tell(console::verdict(run, style, detail) + blank(detail));
    people.line(console::summary(run, style));
}

/// Tells why a run could not take place.
pub(super) fn failed(error: &RunError) -> Exit {
    eprintln!("error: {error}");
    match error {
        RunError::Start(_) => Exit::Unavailable,
        RunError::Defect(_) => Exit::Defect,
    }
}

/// The exit status that a run asks for.
pub(super) fn exit_of(run: &Run) -> Exit {
    if run.interrupted {
        return Exit::Interrupted;
    }
    match run.verdict.outcome() {
        Outcome::Pass => Exit::Passed,
        Outcome::Fail => Exit::Failed,
        Outcome::Unknown => Exit::Unknown,
    }
}
