//! A long recording: every moment is near, and little is held.
//!
//! `just bench-screen` makes a recording of a million events by load in virtual time and has the ignored
//! test here measure it; `docs/performance.md` has the figures.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::BufReader;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::{self, BAD, GOOD, Stream};
use super::screens::shown;
use crate::event::{At, log};
use crate::tui::action::{Action, TABS, Tab};
use crate::tui::listing::{Chooser, Column};
use crate::tui::model::{Model, Source};
use crate::tui::store::CHUNK;

/// So many requests, one after the other.
fn long(requests: u64) -> Stream {
    let mut stream = Stream::default();
    stream.step(0, "send", "send many");
    for number in 0..requests {
        match number % 50 {
            0 => stream.ask(0, 0, (0, BAD), 429, 8),
            49 => stream.ask(0, 0, (1, GOOD), 200, 900).back(0, 0, BAD),
            _ => stream.ask(0, 0, (1, GOOD), 200, 3 + number % 200),
        };
        stream.wait(1);
    }
    stream
}

/// Moments all over a run, in no order.
fn moments(model: &Model) -> impl Iterator<Item = At> {
    let end = model.latest().0;
    (0..40u64).map(move |jump| At(end / 40 * ((jump * 17) % 40) + 7))
}

#[test]
fn a_jump_in_a_long_recording_looks_at_few_chunks() {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(long(4_000).events);
    model.conclude(None);
    assert!(model.timeline.len() > 36 * CHUNK, "{}", model.timeline.len());
    for at in moments(&model).collect::<Vec<_>>() {
        let position = model.timeline.position_at(at);
        let applied = model.timeline.seek(&mut model.fold, position);
        assert!(applied <= 4 * CHUNK, "{applied} events to get to {at:?}");
        assert_eq!(model.fold.position, position);
    }
}

#[test]
fn a_table_of_many_requests_is_filtered_and_sorted_at_every_moment() {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(long(3_000).events);
    model.conclude(None);
    model.chooser = RefCell::new(Chooser::new(1_000));
    model.act(&Action::Show(Tab::Requests));
    model.seek(At(u64::MAX));
    "429".chars().for_each(|char| model.act(&Action::Type(char)));
    let searching = std::iter::repeat_with(|| model.listing()).take_while(|listing| listing.searching).count();
    assert_eq!((searching, model.listing().len()), (2, 60), "so many requests are looked at in one go");
    model.seek(At(model.latest().0 / 2));
    let begun = model.fold.begun;
    assert_eq!(model.listing().len(), begun.div_ceil(50));
    model.act(&Action::SortBy);
    model.act(&Action::SortBy);
    assert_eq!(model.table.sort, Column::Latency);
    while model.listing().searching {}
    let listing = model.listing();
    let latencies: Vec<_> =
        (0..listing.len()).filter_map(|line| model.row(listing.index_at(line)?)?.latency()).collect();
    assert!(latencies.len() == begun.div_ceil(50) && latencies.is_sorted_by(|one, next| one >= next));
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn took(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

fn opened() -> Model {
    let Some(path) = std::env::var_os("LABSIM_RECORDING") else {
        let mut model = Model::new(builder::header(), Source::Replay, None);
        model.feed(long(85_000).events);
        return model;
    };
    let file = std::fs::File::open(path).expect("the recording");
    let (header, events) = log::open(BufReader::new(file)).expect("a recording");
    let mut model = Model::new(header, Source::Replay, None);
    events.for_each(|event| model.feed([event.expect("an event")]));
    model
}

#[test]
#[ignore = "a measurement of half a minute, for `just bench-screen`"]
fn a_million_events() {
    let before = resident();
    let mut model = None;
    let load = took(|| model = Some(opened()));
    let mut model = model.expect("a model");
    model.conclude(None);
    let mut told = format!("{} events, {} requests: ", model.timeline.len(), model.timeline.head().begun);
    let held = resident().saturating_sub(before) >> 20;
    let _ = writeln!(told, "read in {load:.1?}, {held} MiB in memory");
    for tab in TABS {
        model.act(&Action::Show(tab));
        let mut each: Vec<_> = Vec::new();
        for at in moments(&model).collect::<Vec<_>>() {
            each.push(took(|| {
                model.seek(at);
                shown(&model, (200, 60));
            }));
        }
        each.sort_unstable();
        let (median, most) = (each[each.len() / 2], each[each.len() - 1]);
        let _ = writeln!(told, "seek and draw {:<9} median {median:.1?}, most {most:.1?}", tab.name());
    }
    model.act(&Action::Show(Tab::Requests));
    model.act(&Action::SortBy);
    let first = took(|| while model.listing().searching {});
    let again = took(|| {
        model.act(&Action::StepEvent(-1));
        drop(model.listing());
    });
    let _ = writeln!(
        told,
        "sort all {first:.1?}, then a frame {again:.1?}; {} MiB in the end",
        (resident() - before) >> 20
    );
    print!("{told}");
}
