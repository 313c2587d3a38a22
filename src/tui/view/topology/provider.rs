//! One provider: its state, how it fares, and its share, in one line, two, three, or large letters.

use std::fmt::Write as _;
use std::time::Duration;

use super::plan::Plan;
use crate::event::At;
use crate::tui::action::{Action, Place};
use crate::tui::fold::Fold;
use crate::tui::health::{Eviction, Health, State};
use crate::tui::model::Model;
use crate::tui::text::{countdown, millis, nth, short};
use crate::tui::theme::Role;
use crate::tui::view::canvas::{Canvas, fitted, width};
use crate::tui::view::letters;

/// A provider as all replicas together see it.
pub(super) struct Seen<'f> {
    pub(super) state: State,
    /// The replica whose view is shown where they differ: the one that thinks worst.
    pub(super) worst: &'f Health,
    /// How many replicas think so.
    pub(super) agreeing: usize,
    pub(super) replicas: usize,
    pub(super) pending: u32,
}

impl<'f> Seen<'f> {
    pub(super) fn of(fold: &'f Fold, provider: usize, now: At) -> Option<Self> {
        let views = || fold.replicas.iter().filter_map(|replica| replica.health.get(provider));
        let state = views().map(|health| health.state(now)).max()?;
        let agreeing = views().filter(|health| health.state(now) == state);
        let until = |health: &Health| health.eviction.as_ref().map_or(At(0), |eviction| eviction.until);
        let is_worse = |one: &&Health, other: &&Health| {
            let latency = || one.latency_seconds.total_cmp(&other.latency_seconds);
            let score = || other.score.total_cmp(&one.score);
            until(one).cmp(&until(other)).then_with(score).then(one.failures.cmp(&other.failures)).then_with(latency)
        };
        Some(Self {
            state,
            agreeing: agreeing.clone().count(),
            worst: agreeing.max_by(is_worse)?,
            replicas: views().count(),
            pending: views().map(|health| health.pending).sum(),
        })
    }
}

/// Draws a provider in the lines that it has.
pub(super) fn draw_provider(model: &Model, number: usize, y: u16, plan: &Plan, canvas: &mut Canvas<'_>) {
    let Some(seen) = Seen::of(&model.fold, number, model.at) else { return };
    let room = canvas.width().saturating_sub(plan.provider_x);
    let mut part = canvas.part(plan.provider_x, y, room, plan.lines);
    part.click(0, 0, room, plan.lines, Action::BreakAt(Place::Provider(number)));
    if plan.lines == 1 {
        draw_provider_line(model, number, &seen, &mut part);
    } else if plan.lines == 5 {
        draw_provider_large(model, number, &seen, &mut part);
    } else {
        draw_provider_card(model, number, &seen, &mut part);
    }
}

fn share(fold: &Fold, provider: usize) -> Option<f64> {
    let all: u32 = fold.chosen.iter().sum();
    (all > 0).then(|| f64::from(fold.chosen[provider]) / f64::from(all))
}

/// `✗ name  EVICTED 43.2s ███░░   33 %`
fn draw_provider_line(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    // Where there is room for what the state says, the name gets the rest.
    let name_room = (room.saturating_sub(2) / 2).max(8).max(room.saturating_sub(66)).min(width(&provider.name));
    let after = part.name(2, 0, name_room, &provider.name, Role::Strong) + 1;
    let end = draw_share(model, number, seen, room, part);
    let mut rest = part.part(after, 0, end.saturating_sub(after + 1), 1);
    draw_state(model, seen, &mut rest, 0);
}

/// Name, state, model and share; below them what the state says.
fn draw_provider_card(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    let end = draw_share(model, number, seen, room, part);
    let model_name = provider.model.as_deref().unwrap_or("");
    let wanted = width(&provider.name) + 2;
    let spare = end.saturating_sub(wanted + 14);
    let shown_model = if spare >= 6 { fitted(model_name, spare.min(24)) } else { String::new() };
    let end =
        if shown_model.is_empty() { end } else { part.right(end.saturating_sub(1), 0, &shown_model, Role::Faint) };
    let [whole, less] = state_words(seen);
    let word = if width(&provider.name) + width(&whole) + 5 <= end { whole } else { less };
    let word_room = if word.is_empty() { 3 } else { width(&word) + 5 };
    let name_room = end.saturating_sub(word_room).max(6).min(width(&provider.name));
    let after = part.name(2, 0, name_room, &provider.name, Role::Strong);
    part.field(after + 2, 0, end.saturating_sub(after + 3), &word, role);
    let mut below = part.part(2, 1, room.saturating_sub(2), 1);
    draw_state(model, seen, &mut below, 1);
    if part.height() >= 3 {
        let chosen = short(u64::from(model.fold.chosen.get(number).copied().unwrap_or(0)));
        let attempts = if chosen == "1" { "attempt" } else { "attempts" };
        let text = format!("{chosen} {attempts} · {}", provider.endpoint);
        part.field(2, 2, room.saturating_sub(2), &text, Role::Faint);
    }
}

/// For the back row: the state, or the countdown, in large letters.
fn draw_provider_large(model: &Model, number: usize, seen: &Seen<'_>, part: &mut Canvas<'_>) {
    let provider = &model.timeline.lineup.providers[number];
    let (sign, role) = part.theme.state(seen.state);
    let room = part.width();
    part.text(0, 0, sign, role);
    let end = draw_share(model, number, seen, room, part);
    part.name(2, 0, end.saturating_sub(3), &provider.name, Role::Strong);
    let said = match &seen.worst.eviction {
        Some(eviction) if seen.state == State::Evicted => {
            let left = countdown(eviction.left(model.at));
            let long = format!("evicted {left}");
            if letters::width(&long) + 2 <= room { long } else { left }
        }
        _ => seen.state.name().to_owned(),
    };
    letters::draw(part, 2, 1, &said, role);
    let mut below = part.part(2, 4, room.saturating_sub(2), 1);
    draw_state(model, seen, &mut below, 0);
}

/// The state in a word, and on how many replicas; in full, and shorter.
fn state_words(seen: &Seen<'_>) -> [String; 2] {
    let word = match seen.state {
        State::Healthy => "",
        State::Evicted => "EVICTED",
        other => other.name(),
    };
    if !word.is_empty() && seen.replicas > 1 && seen.agreeing < seen.replicas {
        let (agreeing, replicas) = (seen.agreeing, seen.replicas);
        [format!("{word} on {agreeing} of {replicas}"), format!("{word} {agreeing}/{replicas}")]
    } else {
        [word.to_owned(), word.to_owned()]
    }
}

/// Traffic share and what is under way, at the right edge; returns where it starts.
fn draw_share(model: &Model, number: usize, seen: &Seen<'_>, end: u16, part: &mut Canvas<'_>) -> u16 {
    let share =
        share(&model.fold, number).map_or_else(|| "   –".to_owned(), |share| format!("{:>3.0}%", share * 100.0));
    let start = part.right(end, 0, share, Role::Text);
    if seen.pending > 0 {
        let long = format!("{} in flight", seen.pending);
        // The name of the model is worth more than words for a sign.
        let provider = &model.timeline.lineup.providers[number];
        let named = if provider.model.is_some() { width(&provider.name) + 22 } else { 0 };
        let fits = named + width(&long) < start;
        let text = if fits { long } else { format!("{} {}", part.theme.signs.dot, seen.pending) };
        return part.right(start.saturating_sub(1), 0, text, Role::Accent);
    }
    start
}

/// What the state says: a health bar, or a countdown with the reason.
fn draw_state(model: &Model, seen: &Seen<'_>, part: &mut Canvas<'_>, y: u16) {
    // Where it is all that is said, the word for a bad state stands there too.
    let word = if y == 0 && seen.state == State::Degraded { seen.state.name() } else { "health" };
    let y = y.min(part.height().saturating_sub(1));
    let room = part.width();
    let bar = (room / 5).clamp(4, 20);
    let (_, role) = part.theme.state(seen.state);
    match (&seen.worst.eviction, seen.state) {
        (Some(eviction), State::Evicted) => {
            let left = countdown(eviction.left(model.at));
            let at = part.bar(0, y, bar, eviction.share_left(model.at), role);
            let at = part.text(at + 1, y, format!("{left} left"), Role::Strong);
            let why = reasons(eviction, seen.worst.evictions);
            let fits = |why: &&String| width(why) <= room.saturating_sub(at);
            let why = why.iter().find(fits).or(why.last()).map_or("", String::as_str);
            part.field(at, y, room.saturating_sub(at), why, Role::Faint);
        }
        (_, State::Returning) => {
            let at = part.bar(0, y, bar, seen.worst.score, role);
            let times = match seen.worst.evictions {
                1 => "once".to_owned(),
                2 => "twice".to_owned(),
                times => format!("{times} times"),
            };
            let text = format!(" may be chosen again · was evicted {times}");
            part.field(at, y, room.saturating_sub(at), &text, Role::Text);
        }
        _ => {
            let at = part.bar(0, y, bar, seen.worst.score, role);
            let mut text = format!(" {word} {:.2}", seen.worst.score);
            if seen.worst.latency_seconds > 0.0 {
                let _ = write!(text, " · {}", millis(Duration::from_secs_f64(seen.worst.latency_seconds.min(1e6))));
            }
            match seen.worst.failures {
                0 => {}
                1 => text += " · 1 failure",
                failures => drop(write!(text, " · {failures} failures in a row")),
            }
            if seen.worst.evictions > 0 {
                let _ = write!(text, " · evicted {}×", seen.worst.evictions);
            }
            part.field(at, y, room.saturating_sub(at), &text, Role::Text);
        }
    }
}

/// Why a provider is out, in full and ever shorter.
fn reasons(eviction: &Eviction, times: u32) -> [String; 4] {
    let Eviction { status, source, .. } = eviction;
    let whole = countdown(eviction.until.since(eviction.began));
    let times = nth(times);
    [
        format!(" of {whole} · {status} by {source} · {times} time"),
        format!(" · {status} by {source} · {times} time"),
        format!(" · {status} {source} · {times}"),
        format!(" · {status} · {times}"),
    ]
}
