//! A session as a picture that moves: an SVG whose pieces of text come and go.
//!
//! Most of a screen stays as it is from frame to frame. So the film is no row of frames: each piece of a
//! line stands in it once, with the times at which it is seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ratatui::layout::Size;

use super::super::model::Model;
use super::{drawn, svg};
use crate::event::At;

/// Time between two frames, in milliseconds.
const FRAME: u64 = 100;
/// How long the end stands before the film begins anew.
const LAST: u64 = 4_000;
/// Frames at most: two minutes.
const MOST: u64 = 1_200;

/// From when to when a piece is seen, in milliseconds.
type Times = Vec<(u64, u64)>;

/// The film of a recording from its beginning, at the pace at which it would be watched. The model stands
/// where it stood.
pub(in crate::tui) fn of_session(model: &mut Model, size: Size) -> String {
    let (here, pacer) = (model.place(), model.pacer.clone());
    model.restart();
    let mut seen: BTreeMap<String, Times> = BTreeMap::new();
    let mut now = 0;
    loop {
        for piece in svg::pieces(&drawn(model, size), &model.theme) {
            see(seen.entry(piece).or_default(), now);
        }
        now += FRAME;
        if model.is_at_end() || now >= MOST * FRAME {
            break;
        }
        model.tick(Duration::from_millis(now));
    }
    let last = now;
    let end = last + LAST;
    // What is seen in the last frame stays to the end.
    seen.values_mut().flatten().filter(|(_, until)| *until == last).for_each(|(_, until)| *until = end);
    model.pacer = pacer;
    model.return_to(here);
    let picture = svg::sheet(size, &model.theme);
    format!("{}{}{}</svg>\n", picture, clock(end), moving(&seen, end))
}

/// A piece that is seen in the frame at `now`.
fn see(times: &mut Times, now: u64) {
    match times.last_mut() {
        Some((_, until)) if *until == now => *until = now + FRAME,
        _ => times.push((now, now + FRAME)),
    }
}

/// What all times are told from; it begins anew when it is over.
fn clock(end: u64) -> String {
    let whole = seconds(end);
    format!(
        "<rect width=\"0\" height=\"0\"><animate id=\"l\" attributeName=\"x\" from=\"0\" to=\"0\" begin=\"0s;l.end\" dur=\"{whole}s\"/></rect>\n"
    )
}

/// All pieces, those with the same times together.
fn moving(seen: &BTreeMap<String, Times>, end: u64) -> String {
    let mut groups: BTreeMap<&Times, String> = BTreeMap::new();
    for (piece, times) in seen {
        groups.entry(times).or_default().push_str(piece);
    }
    let mut out = String::new();
    for (times, pieces) in groups {
        if times.as_slice() == [(0, end)] {
            out.push_str(&pieces);
            continue;
        }
        out.push_str("<g visibility=\"hidden\">");
        for (from, until) in times {
            let (begin, dur) = (seconds(*from), seconds(until - from));
            let _ = write!(
                out,
                "<set attributeName=\"visibility\" to=\"visible\" begin=\"l.begin+{begin}s\" dur=\"{dur}s\"/>"
            );
        }
        let _ = writeln!(out, "{pieces}</g>");
    }
    out
}

fn seconds(millis: u64) -> String {
    let text = format!("{}.{}", millis / 1_000, millis / 100 % 10);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

impl Model {
    /// Shows the beginning, from which a recording goes on.
    fn restart(&mut self) {
        self.seek(At::default());
        self.pacer = super::super::pace::Pacer::new(self.pacer.pace());
    }
}
