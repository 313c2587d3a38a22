//! Whole screens of the shipped labs, as plain text under `tests/screens`, at four sizes.
//!
//! `LABSIM_BLESS=1 cargo test --lib cli::shots` writes them anew; look at what changed.

use std::sync::{Arc, Mutex};

use super::judging::Judging;
use crate::event::{At, Event};
use crate::lab::Lab;
use crate::tui::Album;
use crate::tui::tests::screens::{SIZES, check};
use crate::verdict::JudgeOptions;

/// A lab that has been played, for looking at.
fn album(scenario: &str) -> Album {
    let lab = Lab::from_file(format!("scenarios/{scenario}.yaml")).expect("a shipped scenario").settled();
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = events.clone();
    let keep = move |event: &Event| kept.lock().expect("events").push(event.clone());
    lab.run_with(vec![Box::new(keep)]).expect("it runs");
    let events = std::mem::take(&mut *events.lock().expect("events"));
    let judge = Judging::new(lab.scenario().clone(), JudgeOptions::default());
    Album::new(lab.header(), events, Some(Box::new(judge)), None)
}

fn shoot(album: &mut Album, name: &str, (at, keys): (u64, &str)) {
    album.seek(At(at * 1_000).min(album.end()));
    album.press("\u{1b}1");
    album.press(keys);
    for size in SIZES {
        check(&format!("{name}-{}x{}", size.0, size.1), &album.text(size));
    }
}

#[test]
fn intra_group_from_the_refusal_to_the_verdict() {
    let mut album = album("intra-group");
    for (moment, at) in [("refused", 7), ("evicted", 800), ("waiting", 30_000), ("back", 62_704), ("over", 999_999)] {
        shoot(&mut album, &format!("intra-group-{moment}"), (at, ""));
    }
    for (tab, key) in [("topology", "2"), ("requests", "3"), ("scenario", "4"), ("charts", "5"), ("events", "6")] {
        shoot(&mut album, &format!("intra-group-{tab}"), (999_999, key));
    }
    shoot(&mut album, "intra-group-story", (999_999, "3\n"));
    shoot(&mut album, "intra-group-projector", (800, "P"));
}

#[test]
fn inter_group_from_the_refusal_to_the_verdict() {
    let mut album = album("inter-group");
    for (moment, at) in [("evicted", 800), ("waiting", 30_000), ("again", 62_500), ("over", 999_999)] {
        shoot(&mut album, &format!("inter-group-{moment}"), (at, ""));
    }
    shoot(&mut album, "inter-group-filtered", (999_999, "3/429\n"));
}

#[test]
fn two_replicas_disagree() {
    let mut album = album("two-replicas");
    for (moment, at) in [("one-evicted", 800), ("waiting", 30_000), ("over", 999_999)] {
        shoot(&mut album, &format!("two-replicas-{moment}"), (at, ""));
    }
}

#[test]
fn a_film_holds_every_picture_and_begins_anew() {
    let mut album = album("intra-group");
    let film = album.film((80, 24));
    assert!(film.contains("l.end") && film.contains("EVICTED") && film.contains("PASS"), "something is never seen");
    assert_eq!(film.matches("<g ").count(), film.matches("</g>").count());
    assert!(film.len() < 300_000, "{} bytes", film.len());
    assert_eq!(album.film((80, 24)), film, "made anew, it is another");
}
