//! A session as an asciinema cast (version 2) whose times are the lab's.
//!
//! A wait is as long in the cast as it was in the lab; the header asks the player to cut idle times
//! short, and while nothing but a countdown moves there is a picture a second.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier, Style};
use serde_json::json;

use super::super::model::Model;
use super::{drawn, runs};
use crate::event::At;

/// Time between pictures while requests are under way, and after the last one has ended.
const BUSY: u64 = 20_000;
/// Time between pictures of a countdown.
const IDLE: u64 = 1_000_000;
/// How long requests are seen travelling back.
const AFTERWARDS: u64 = 60_000;
/// Pictures at most: a cast of a whole day must not fill the disk.
const MOST: usize = 20_000;

/// The cast of everything up to now. The model stands where it stood.
pub(in crate::tui) fn of_session(model: &mut Model, size: Size) -> String {
    let here = model.place();
    let header = json!({
        "version": 2,
        "width": size.width,
        "height": size.height,
        "title": model.header.name,
        "idle_time_limit": 1.0,
        "env": { "TERM": "xterm-256color" },
    });
    let mut cast = format!("{header}\n");
    let mut before: Option<Buffer> = None;
    for at in moments(model) {
        model.go_to(at);
        let buffer = drawn(model, size);
        let out = change(before.as_ref(), &buffer);
        if !out.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a float is what the format has")]
            let seconds = at.0 as f64 / 1e6;
            let _ = writeln!(cast, "{}", json!([seconds, "o", out]));
        }
        before = Some(buffer);
    }
    model.return_to(here);
    cast
}

/// The moments to draw: every event's, and between them as often as something moves.
fn moments(model: &mut Model) -> Vec<At> {
    let (mut moments, mut at) = (vec![At(0)], At(0));
    let end = model.latest();
    let mut busy_until = At(0);
    while at < end && moments.len() < MOST {
        model.go_to(at);
        if model.fold.in_flight() > 0 {
            busy_until = At(at.0 + AFTERWARDS);
        }
        let step = if at < busy_until { BUSY } else { IDLE };
        let next = model.timeline.time_of(model.fold.position).unwrap_or(end);
        at = At((at.0 + step).min(next.0.max(at.0 + 1))).min(end);
        moments.push(at);
    }
    moments
}

/// What a terminal is sent so that it shows `after`: the lines that differ.
fn change(before: Option<&Buffer>, after: &Buffer) -> String {
    let mut out = String::new();
    if before.is_none() {
        out.push_str("\u{1b}[2J\u{1b}[?25l");
    }
    for y in 0..after.area.height {
        let now = runs(after, y);
        if before.is_some_and(|before| runs(before, y) == now) {
            continue;
        }
        let _ = write!(out, "\u{1b}[{};1H", y + 1);
        for (_, _, text, style) in now {
            let _ = write!(out, "{}{text}\u{1b}[0m", codes(style));
        }
    }
    out
}

fn codes(style: Style) -> String {
    let mut codes = String::new();
    let modifiers = [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)];
    for (modifier, code) in modifiers {
        if style.add_modifier.contains(modifier) {
            let _ = write!(codes, "\u{1b}[{code}m");
        }
    }
    for (color, base) in [(style.fg, 38), (style.bg, 48)] {
        match color {
            None | Some(Color::Reset) => {}
            Some(Color::Rgb(red, green, blue)) => drop(write!(codes, "\u{1b}[{base};2;{red};{green};{blue}m")),
            Some(Color::Indexed(index)) => drop(write!(codes, "\u{1b}[{base};5;{index}m")),
            Some(named) => drop(write!(codes, "\u{1b}[{base};5;{}m", number(named))),
        }
    }
    codes
}

fn number(color: Color) -> u8 {
    match color {
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Black | Color::Reset | Color::Rgb(..) | Color::Indexed(_) => 0,
    }
}
