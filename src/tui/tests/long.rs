//! A long recording: every moment is near.

use tokio::time::Instant;

use super::builder::{self, BAD, GOOD, Stream};
use super::screens::shown;
use crate::event::{At, Event};
use crate::tui::action::{Action, Tab};
use crate::tui::model::{Model, Source};

fn long(requests: u64) -> Vec<Event> {
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
    stream.events
}

/// Opens a recording of so many requests, jumps about in it and tells the slowest jump in milliseconds.
fn slowest_jump(requests: u64) -> (usize, u128) {
    let mut model = Model::new(builder::header(), Source::Replay, None);
    model.feed(long(requests));
    model.conclude();
    model.act(&Action::Show(Tab::Overview));
    let mut slowest = 0;
    for jump in 0..40u64 {
        let at = At(model.latest().0 / 40 * ((jump * 17) % 40));
        let began = Instant::now();
        model.seek(at);
        let screen = shown(&model, (120, 40));
        slowest = slowest.max(began.elapsed().as_millis());
        assert!(screen.contains("openai-provider"));
    }
    (model.timeline.len(), slowest)
}

#[test]
fn a_jump_in_a_long_recording_takes_no_time() {
    let (events, slowest) = slowest_jump(12_000);
    assert!(events > 140_000, "{events}");
    assert!(slowest < 50, "{slowest} ms");
}

#[test]
#[ignore = "takes half a minute; the shorter one says almost the same"]
fn a_jump_in_a_recording_of_a_million_events_takes_no_time() {
    let (events, slowest) = slowest_jump(85_000);
    assert!(events > 1_000_000, "{events}");
    assert!(slowest < 50, "{slowest} ms");
    println!("{events} events, slowest jump {slowest} ms");
}
