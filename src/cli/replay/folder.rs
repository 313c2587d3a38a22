//! All runs of one command line again, from the folder of their recordings.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Args;
use crate::cli::Exit;
use crate::cli::exit::Misuse;
use crate::cli::outputs;
use crate::cli::record::{self, over_seeds};
use crate::cli::run::{blank, conclude, detail, exit_of, lines};
use crate::cli::terminal::{People, Stream};
use crate::event::log::{self, Header};
use crate::event::{Event, History};
use crate::lab::Run;
use crate::report::RunRecord;
use crate::report::console;
use crate::verdict::{Frequency, Verdict};

/// A run with what it was read from.
struct Read {
    header: Header,
    events: Vec<Event>,
    run: Run,
}

/// Tells what the runs told, and writes the reports that they could have written.
///
/// # Errors
/// Reports that cannot be written, and what is asked of one recording only.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.observe.any() {
        let why = "the access log, metrics and traces are those of one recording, and this is a folder";
        return Err(Misuse(why.to_owned()).into());
    }
    let written: Vec<_> = args.reports.outputs().collect();
    outputs::check([], &written)?;
    let reports = args.reports.open()?;
    let all = match read(&args.path) {
        Ok(all) => all,
        Err(exit) => return Ok(exit),
    };
    let stream = Stream::for_people(args.reports.take_stdout());
    let mut worst = Exit::Passed;
    for (index, one) in all.iter().enumerate() {
        tell(args, stream, index, one);
        worst = worst.max(exit_of(&one.run));
    }
    let records = records(all);
    Ok(reports.write(&records, stream).map_or_else(|exit| worst.max(exit), |()| worst))
}

/// Every recording of a folder, in the order of the runs.
fn read(folder: &Path) -> Result<Vec<Read>, Exit> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        eprintln!("error: cannot read {}: {error}", path.display());
    };
    let entries = fs::read_dir(folder).map_err(|error| {
        unreadable(folder, &error);
        Exit::Usage
    })?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    if paths.is_empty() {
        eprintln!("error: there is no recording (`*.jsonl`) in {}", folder.display());
        return Err(Exit::Usage);
    }
    let mut all = Vec::new();
    for path in paths {
        let file = File::open(&path).map_err(|error| {
            unreadable(&path, &error);
            Exit::Usage
        })?;
        let (header, events) = log::read(BufReader::new(file)).map_err(|error| {
            unreadable(&path, &error);
            Exit::Invalid
        })?;
        let run = record::replayed(&header, &events).map_err(|error| {
            eprintln!("error: the scenario in {} cannot be read: {error}", path.display());
            Exit::Invalid
        })?;
        all.push(Read { header, events, run });
    }
    all.sort_by_key(|one| one.header.batch.map_or(u64::MAX, |batch| batch.number));
    Ok(all)
}

/// Of many seeds each has one line; else everything is told.
fn tell(args: &Args, stream: Stream, index: usize, one: &Read) {
    let style = args.color.on(stream);
    if one.header.batch.is_some_and(|batch| batch.seeds.is_some()) {
        return stream.line(format!("seed {}: {}", one.run.seed, console::summary(&one.run, style)));
    }
    let detail = detail(args.quiet, args.verbose);
    let people = People::from(stream);
    let (head, mut live) = lines(&one.header, people.clone(), style, detail);
    people.tell(if index == 0 { head } else { format!("\n{head}") });
    one.events.iter().for_each(|event| live.event(event));
    people.tell(blank(detail));
    conclude(&one.run, &people, style, detail);
}

/// The records in their order; behind the seeds of a scenario what they gave together.
fn records(all: Vec<Read>) -> Vec<RunRecord> {
    let mut records = Vec::new();
    let mut seeds: Vec<Read> = Vec::new();
    for one in all {
        let goes_on = seeds.last().is_some_and(|last| last.header.sources == one.header.sources);
        if !goes_on || one.header.batch.is_none_or(|batch| batch.seeds.is_none()) {
            records.extend(together(&mut seeds));
        }
        records.push(record::of_run(&one.run, one.header.clone(), one.events.clone()));
        if one.header.batch.is_some_and(|batch| batch.seeds.is_some()) {
            seeds.push(one);
        }
    }
    records.extend(together(&mut seeds));
    records
}

/// What many seeds of one scenario are judged by; none where nothing is, or where some are missing.
fn together(seeds: &mut Vec<Read>) -> Option<RunRecord> {
    let seeds = std::mem::take(seeds);
    let first = seeds.first()?;
    let count = first.header.batch?.seeds?;
    if seeds.len() as u64 != count {
        return None;
    }
    let scenario = first.run.scenario.clone();
    let mut frequency = Frequency::default();
    for one in &seeds {
        frequency.add(&scenario, &one.run.history, one.run.seed);
    }
    let verdict = Verdict { findings: frequency.judge(&scenario) };
    let run = Run {
        scenario: Arc::clone(&scenario),
        seed: first.run.seed,
        history: History::default(),
        verdict,
        interrupted: false,
    };
    (!run.verdict.findings.is_empty()).then(|| over_seeds(&run, first.header.clone(), count))
}
