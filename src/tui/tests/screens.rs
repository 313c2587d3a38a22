//! Whole screens at four sizes, as plain text under `tests/screens`.
//!
//! `LABSIM_BLESS=1 cargo test screens` writes them anew; look at what changed.

use std::path::PathBuf;

use ratatui::layout::Size;

use super::builder::{self, GOOD, NEWCOMER};
use crate::event::{At, Kind};
use crate::tui::action::{Action, Tab};
use crate::tui::export;
use crate::tui::model::{Model, Source};

pub(crate) const SIZES: [(u16, u16); 4] = [(80, 24), (100, 30), (120, 40), (200, 60)];

pub(super) fn shown(model: &Model, (width, height): (u16, u16)) -> String {
    export::text(&export::drawn(model, Size::new(width, height)))
}

/// Compares a screen with the one that is kept.
pub(crate) fn check(name: &str, screen: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
    if std::env::var_os("LABSIM_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, screen).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == screen, "{name} has changed; it was\n{kept}\nand is\n{screen}\nLABSIM_BLESS=1 keeps the new one");
}

fn at_sizes(name: &str, model: &Model) {
    for size in SIZES {
        check(&format!("{name}-{}x{}", size.0, size.1), &shown(model, size));
    }
}

fn replay() -> Model {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(builder::failover());
    model.conclude(None);
    model
}

#[test]
fn overview_while_evicted() {
    let mut model = replay();
    model.seek(At(800_000));
    at_sizes("overview-evicted", &model);
}

#[test]
fn overview_as_the_refusal_travels_back() {
    let mut model = replay();
    model.seek(At(60_000));
    at_sizes("overview-refused", &model);
}

#[test]
fn overview_after_the_return() {
    let mut model = replay();
    model.seek(At(62_000_000));
    at_sizes("overview-returned", &model);
}

#[test]
fn a_provider_that_joins_in_mid_run_is_drawn_from_then_on() {
    let mut stream = builder::Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 }).step(0, "send", "send").ask(0, 0, (1, GOOD), 200, 300);
    stream.wait(1_000).newcomer().ask(0, 0, (2, NEWCOMER), 200, 300);
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(stream.events);
    model.seek(At(900_000));
    assert!(!shown(&model, (120, 40)).contains(NEWCOMER));
    model.seek(At(9_000_000));
    let seen = shown(&model, (120, 40));
    let lines: Vec<&str> = seen.lines().filter(|line| line.contains(NEWCOMER)).collect();
    assert!(lines.iter().any(|line| line.contains("50%")), "in the topology, with its share\n{seen}");
    assert!(lines.iter().any(|line| line.contains("/openai") || line.contains("200")), "in the table\n{seen}");
    assert!(seen.contains("group 2"), "{seen}");
}

#[test]
fn every_tab() {
    let mut model = replay();
    model.seek(At(62_000_000));
    for tab in [Tab::Topology, Tab::Requests, Tab::Scenario, Tab::Charts, Tab::Events] {
        model.act(&Action::Show(tab));
        at_sizes(&format!("tab-{}", tab.name().to_lowercase()), &model);
    }
}

#[test]
fn what_lies_over_the_panels() {
    let mut model = replay();
    model.seek(At(62_000_000));
    model.act(&Action::Help);
    at_sizes("help", &model);
    model.act(&Action::Help);
    model.act(&Action::Select(0));
    model.act(&Action::Open);
    at_sizes("story", &model);
    model.act(&Action::Back);
    model.act(&Action::Mark);
    model.act(&Action::Select(1));
    model.act(&Action::Compare);
    at_sizes("compare", &model);
    model.act(&Action::Back);
    model.act(&Action::Projector);
    at_sizes("projector", &model);
}
