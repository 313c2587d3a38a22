//! `labsim run --seeds N`: many seeds of one scenario, on all cores.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Exit;
use super::record::{self, Kept};
use super::recording::Recording;
use super::run::{Args, failed};
use crate::event::log::Batch;
use crate::event::{History, Sink};
use crate::lab::{Lab, Run, RunError};
use crate::report::RunRecord;
use crate::report::console::{self, Detail};
use crate::scenario::Step;
use crate::verdict::{self, Frequency, Outcome, PatternCounts, Verdict};

/// How many failed seeds are explained.
const EXPLAINED: usize = 3;

/// What all seeds gave together.
#[derive(Default)]
struct Tally {
    /// By step of the scenario: its title and the patterns that came.
    patterns: Vec<(usize, String, PatternCounts)>,
    frequency: Frequency,
    passed: u64,
    unknown: u64,
    failed: u64,
    /// The failed runs with the lowest seeds.
    examples: Vec<Run>,
    records: Vec<RunRecord>,
    interrupted: bool,
    error: Option<RunError>,
}

/// Runs `count` seeds of a scenario, the first of them run number `begin` of all, and tells what came; where reports are asked for, every run is
/// added to `records`.
pub(super) fn run(
    args: &Args,
    path: &Path,
    lab: &Lab,
    (begin, count): (u64, u64),
    records: &mut Vec<RunRecord>,
) -> anyhow::Result<Exit> {
    let first = lab.effective_seed();
    let pinned = lab.scenario().seed.is_some();
    let lab = lab.clone().count_patterns(pinned);
    let tally = Mutex::new(Tally::new(&lab));
    let progress = progress(count);
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let workers = args.workers();
    let work = || -> anyhow::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let batch = Batch { number: begin + index, seeds: Some(count) };
            let lab = lab.clone().seed(first.wrapping_add(index)).settled().batch(batch);
            let header = lab.header();
            let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
            let recording = args.recording(path, &header, true)?;
            let recording = recording.map(|path| Recording::create(&path, &header)).transpose()?;
            sinks.extend(recording.as_ref().map(Recording::sink));
            let kept = Kept::default();
            if args.reports.any() {
                sinks.push(kept.sink());
            }
            let done = lab.run_with(sinks).map(|run| record::shown(run, &header, args.reports.any()));
            recording.map_or(Ok(()), |recording| recording.finish())?;
            let record = done.as_ref().ok().filter(|_| args.reports.any());
            let record = record.map(|run| record::of_run(run, header, kept.take()));
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.records.extend(record);
            if !tally.add(&lab, done) {
                stop.store(true, Ordering::Relaxed);
            }
            progress.inc(1);
        }
    };
    let results: Vec<anyhow::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..workers.max(1)).map(|_| scope.spawn(work)).collect();
        let mut results = vec![work()];
        results.extend(
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))),
        );
        results
    });
    progress.finish_and_clear();
    results.into_iter().collect::<anyhow::Result<()>>()?;
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Threads end in any order; reports are in the order of seeds.
    tally.records.sort_by_key(|record| record.header.seed.wrapping_sub(first));
    records.append(&mut tally.records);
    let together = together(&lab, first, &tally);
    if let Some(run) = together.as_ref().filter(|_| args.reports.any()) {
        records.push(record::over_seeds(run, lab.header(), count));
    }
    Ok(tell(args, &lab, first, tally, together.as_ref()))
}

/// What all runs together are judged by, as a run of its own; none where nothing is.
fn together(lab: &Lab, first: u64, tally: &Tally) -> Option<Run> {
    if tally.interrupted || tally.error.is_some() {
        return None;
    }
    // What is shown of the files holds no credential.
    let scenario = record::scenario_of(&lab.header()).unwrap_or_else(|_| lab.scenario().clone());
    let verdict = Verdict { findings: tally.frequency.judge(&scenario) };
    let run =
        Run { scenario: Arc::new(scenario), seed: first, history: History::default(), verdict, interrupted: false };
    Some(run).filter(|run| !run.verdict.findings.is_empty())
}

fn progress(count: u64) -> ProgressBar {
    let visible = std::io::stderr().is_terminal() && count > 1;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds  {eta} left") {
        bar.set_style(style);
    }
    bar
}

impl Tally {
    fn new(lab: &Lab) -> Self {
        let steps = lab.scenario().steps.iter().enumerate();
        let sends = steps.filter(|(_, step)| matches!(step.value, Step::Send(_)));
        let patterns = sends.map(|(index, step)| (index, step.summary(), PatternCounts::default())).collect();
        Self { patterns, ..Self::default() }
    }

    /// Takes in a run; false if no more should follow.
    fn add(&mut self, lab: &Lab, done: Result<Run, RunError>) -> bool {
        let run = match done {
            Ok(run) if run.interrupted => {
                self.interrupted = true;
                return false;
            }
            Ok(run) => run,
            Err(error) => {
                self.error.get_or_insert(error);
                return false;
            }
        };
        for (step, _, counts) in &mut self.patterns {
            let pattern = verdict::observed_pattern(run.history.requests_of(*step));
            counts.add(pattern, run.seed);
        }
        self.frequency.add(lab.scenario(), &run.history, run.seed);
        match run.verdict.outcome() {
            Outcome::Pass => self.passed += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Fail => {
                self.failed += 1;
                self.keep_example(run);
            }
        }
        true
    }

    /// Keeps the failures with the lowest seeds, whichever thread found them first.
    fn keep_example(&mut self, run: Run) {
        let at = self.examples.partition_point(|other| other.seed < run.seed);
        self.examples.insert(at, run);
        self.examples.truncate(EXPLAINED);
    }
}

fn tell(args: &Args, lab: &Lab, first: u64, tally: Tally, together: Option<&Run>) -> Exit {
    let (people, style) = (args.for_people(), args.style());
    if let Some(error) = &tally.error {
        return failed(error);
    }
    let total = tally.passed + tally.unknown + tally.failed;
    let last = first.wrapping_add(total.saturating_sub(1));
    let scenario = lab.scenario();
    people.line(format!("{}  seeds {first} to {last} · {}\n", scenario.name, scenario.gateway.personality));
    if args.detail() > Detail::Quiet {
        let titled: Vec<_> = tally
            .patterns
            .into_iter()
            .map(|(step, title, counts)| (format!("step {}: {title}", step + 1), counts))
            .collect();
        people.line(console::frequencies(&titled, style));
    }
    for run in &tally.examples {
        people.line(format!("seed {}:", run.seed));
        people.tell(console::verdict(run, style, Detail::Quiet));
    }
    if let Some(run) = together {
        people.tell(console::verdict(run, style, args.detail()));
        people.line("");
    }
    let runs = match (tally.failed, tally.passed) {
        (1.., _) => Outcome::Fail,
        (0, 0) => Outcome::Unknown,
        (0, _) => Outcome::Pass,
    };
    let (word, exit) = match runs.max(together.map_or(Outcome::Pass, |run| run.verdict.outcome())) {
        _ if tally.interrupted => ("INTERRUPTED", Exit::Interrupted),
        Outcome::Fail => ("FAIL", Exit::Failed),
        Outcome::Unknown => ("UNKNOWN", Exit::Unknown),
        Outcome::Pass => ("PASS", Exit::Passed),
    };
    let (passed, failed, unknown) = (tally.passed, tally.failed, tally.unknown);
    people.line(format!("{word}  {total} seeds: {passed} passed, {failed} failed, {unknown} unknown"));
    exit
}
