//! `labsim run` with several scenarios: all cores work, and people are told in the order of the files.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Exit;
use super::run::All;
use super::terminal::People;
use crate::event::log::Batch;
use crate::lab::Lab;
use crate::report::RunRecord;

/// What came of one scenario.
struct Done {
    index: usize,
    told: String,
    exit: anyhow::Result<Exit>,
    records: Vec<RunRecord>,
}

/// Runs scenarios and tells what came, file by file.
pub(super) fn run(all: &All<'_>, labs: &[(PathBuf, Lab)], records: &mut Vec<RunRecord>) -> anyhow::Result<Exit> {
    let workers = all.at_once().min(labs.len());
    if workers <= 1 {
        return one_by_one(all, labs, records);
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || work(all, labs, next, stop, &send));
        }
        drop(send);
        let told = tell(all, labs.len(), &done, records);
        stop.store(true, Ordering::Relaxed);
        told
    })
}

fn one_by_one(all: &All<'_>, labs: &[(PathBuf, Lab)], records: &mut Vec<RunRecord>) -> anyhow::Result<Exit> {
    let people = People::from(all.args.for_people());
    let mut worst = Exit::Passed;
    for (index, (path, lab)) in labs.iter().enumerate() {
        people.tell(between(index));
        worst = worst.max(all.one(path, &numbered(lab, index), false, &people, records)?);
        if is_over(all, worst) {
            break;
        }
    }
    Ok(worst)
}

/// Takes one scenario after the other until there is none left, or nobody wants more.
fn work(all: &All<'_>, labs: &[(PathBuf, Lab)], next: &AtomicUsize, stop: &AtomicBool, send: &mpsc::Sender<Done>) {
    while !stop.load(Ordering::Relaxed) && !all.interrupt.is_triggered() {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some((path, lab)) = labs.get(index) else { return };
        let people = People::holding(all.args.for_people());
        let mut records = Vec::new();
        let exit = all.one(path, &numbered(lab, index), false, &people, &mut records);
        let done = Done { index, told: people.take(), exit, records };
        if send.send(done).is_err() {
            return;
        }
    }
}

/// Tells what came in the order of the files, whichever ended first.
fn tell(
    all: &All<'_>,
    count: usize,
    done: &mpsc::Receiver<Done>,
    records: &mut Vec<RunRecord>,
) -> anyhow::Result<Exit> {
    let progress = progress(count);
    let mut early = BTreeMap::new();
    let (mut told, mut worst) = (0, Exit::Passed);
    for one in done {
        early.insert(one.index, one);
        progress.inc(1);
        while let Some(one) = early.remove(&told) {
            progress.suspend(|| all.args.for_people().tell(format!("{}{}", between(told), one.told)));
            told += 1;
            worst = worst.max(one.exit?);
            records.extend(one.records);
            if is_over(all, worst) {
                progress.finish_and_clear();
                return Ok(worst);
            }
        }
    }
    progress.finish_and_clear();
    Ok(worst)
}

/// A lab that knows which of several it is.
fn numbered(lab: &Lab, index: usize) -> Lab {
    lab.clone().settled().batch(Batch { number: index as u64, seeds: None })
}

/// What sets off a scenario from the one before it.
fn between(index: usize) -> &'static str {
    if index == 0 { "" } else { "\n" }
}

fn is_over(all: &All<'_>, worst: Exit) -> bool {
    all.interrupt.is_triggered() || (all.args.fail_fast && worst > Exit::Passed)
}

fn progress(count: usize) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} scenarios  {eta} left") {
        bar.set_style(style);
    }
    bar
}
