//! Numbers as pictures. The Gantt chart of evictions stands alone too.

use std::time::Duration;

use ratatui::style::Modifier;

use super::canvas::{Canvas, cut_within};
use crate::event::At;
use crate::tui::model::Model;
use crate::tui::row::Class;
use crate::tui::tally::{Counts, Spread};
use crate::tui::text::{countdown, millis, moment, short};
use crate::tui::theme::Role;

/// ```text
/// ╭ Answers ─────────────╮╭ Rate ────────────────╮
/// ╭ Latency ─────────────╮╭ Time to first token ─╮
/// ╭ Share by provider ───╮╭ Tokens by model ─────╮
/// ╭ Evictions ───────────────────────────────────╮
/// ```
pub(super) fn full(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let gantt_height = gantt_height(model).min(height / 4).max(4);
    let rest = height - gantt_height;
    let columns = if width >= 150 { 3 } else { 2 };
    let rows = 6 / columns;
    let (wide, tall) = (width / columns, rest / rows);
    let panels: [fn(&Model, &mut Canvas<'_>); 6] = [answers, rate, latency, ttft, shares, tokens];
    for (number, draw) in (0u16..).zip(panels) {
        let (column, row) = (number % columns, number / columns);
        let wide = if column + 1 == columns { width - column * wide } else { wide };
        let tall = if row + 1 == rows { rest - row * tall } else { tall };
        draw(model, &mut canvas.part(column * (width / columns), row * (rest / rows), wide, tall));
    }
    gantt(model, &mut canvas.part(0, rest, width, gantt_height));
    0
}

/// A few of the charts, in one frame.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    let half = height / 2;
    rate(model, &mut canvas.part(0, 0, width, half));
    latency(model, &mut canvas.part(0, half, width, height - half));
}

const CLASSES: [(Class, &str); 5] = [
    (Class::Good, "2xx, 3xx"),
    (Class::Limited, "429"),
    (Class::ClientError, "other 4xx"),
    (Class::ServerError, "5xx"),
    (Class::Broken, "no answer"),
];

fn answers(model: &Model, canvas: &mut Canvas<'_>) {
    let mut inside = canvas.framed("Answers", Role::Border);
    let counts = model.fold.tally.outcomes;
    let all = counts.total();
    let seen = CLASSES.iter().filter(|(class, _)| *class == Class::Good || counts.of(*class) > 0);
    for (y, (class, name)) in (0u16..).zip(seen) {
        let count = counts.of(*class);
        let role = class.role();
        inside.text(1, y, name, Role::Text);
        let share = if all > 0 { f64::from(count) / f64::from(all) } else { 0.0 };
        let room = inside.width().saturating_sub(26);
        inside.bar(11, y, room, share, role);
        inside.right(11 + room + 7, y, short(u64::from(count)), Role::Text);
        // Almost all is not all, and has no more digits.
        let told = if count == all { "100%".to_owned() } else { format!("{:.1}%", (share * 100.0).min(99.9)) };
        inside.right(11 + room + 13, y, told, Role::Faint);
    }
}

fn rate(model: &Model, canvas: &mut Canvas<'_>) {
    let series = &model.fold.tally.rate;
    let columns = u64::from(canvas.width().saturating_sub(4).max(1));
    // Whole bins, and none so short that one request looks like a storm.
    let least = (model.at.0 / columns).max(250_000);
    let step = least.checked_next_multiple_of(series.width).unwrap_or(least).min(u64::MAX / (columns + 1));
    let (from, to) = (At(0), At(step * columns));
    let counts: Vec<Counts> = (0..columns)
        .map(|column| series.between(At(from.0 + column * step), At(from.0 + (column + 1) * step)))
        .collect();
    let most = counts.iter().map(Counts::total).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "for eyes")]
    let per_second = f64::from(most) / (step as f64 / 1e6);
    let title = if most > 0 { format!("Rate · most {}/s", figure(per_second)) } else { "Rate".to_owned() };
    let mut inside = canvas.framed(&title, Role::Border);
    let height = inside.height().saturating_sub(1);
    for (x, count) in (1u16..).zip(&counts) {
        column(x, count, most, height, &mut inside);
    }
    inside.text(1, height, moment(from), Role::Faint);
    let end = inside.width().saturating_sub(1);
    // Bins are whole, and the last columns may be still to come: the axis ends where we are.
    let now = u16::try_from((model.at.0 / step.max(1)).min(columns)).unwrap_or(u16::MAX).saturating_add(2);
    let label = moment(model.at.min(to));
    let least = super::canvas::width(&moment(from)) + super::canvas::width(&label) + 2;
    inside.right(now.max(least).min(end), height, label, Role::Faint);
}

fn figure(number: f64) -> String {
    if number >= 100.0 { format!("{number:.0}") } else { format!("{number:.1}") }
}

/// A column of stacked counts: what went wrong on top of what went well.
fn column(x: u16, counts: &Counts, most: u32, height: u16, canvas: &mut Canvas<'_>) {
    let levels = canvas.theme.signs.levels;
    let total = counts.total();
    if total == 0 || most == 0 || height == 0 {
        return;
    }
    let eighths = |count: u32| u64::from(count) * u64::from(height) * 8 / u64::from(most);
    let full = eighths(total).max(1);
    let good = eighths(counts.good);
    let limited = eighths(counts.good + counts.limited);
    for line in 0..height {
        let below = u64::from(line) * 8;
        if below >= full {
            break;
        }
        let filled = usize::try_from((full - below).min(8)).unwrap_or(8);
        let role = match below {
            _ if below < good => Role::Good,
            _ if below < limited => Role::Limited,
            _ => {
                if counts.total() == counts.good + counts.limited {
                    Role::Limited
                } else {
                    Role::Bad
                }
            }
        };
        canvas.text(x, height - 1 - line, levels[filled], role);
    }
}

fn latency(model: &Model, canvas: &mut Canvas<'_>) {
    histogram("Latency", &model.fold.tally.latency, canvas);
}

fn ttft(model: &Model, canvas: &mut Canvas<'_>) {
    histogram("Time to first token", &model.fold.tally.ttft, canvas);
}

fn histogram(title: &str, spread: &Spread, canvas: &mut Canvas<'_>) {
    if spread.count() == 0 {
        canvas.framed(title, Role::Border).text(1, 0, "nothing measured yet", Role::Faint);
        return;
    }
    let told = |percents: &[u64]| {
        let one = |percent: &u64| format!("p{percent} {}", millis(spread.percentile(*percent)));
        let numbers: Vec<String> = percents.iter().map(one).collect();
        format!("{title} · {}", numbers.join(" · "))
    };
    let titles = [told(&[50, 90, 99]), told(&[50, 99]), told(&[99])];
    let room = canvas.width().saturating_sub(6);
    let whole = titles.iter().find(|title| super::canvas::width(title) <= room).map_or(title, String::as_str);
    let mut inside = canvas.framed(whole, Role::Border);
    let (width, height) = (inside.width().saturating_sub(2), inside.height().saturating_sub(1));
    let (from, to) = (spread.least().as_secs_f64().max(1e-4) * 0.9, spread.most().as_secs_f64().max(2e-4) * 1.1);
    // Each column is as much longer than the one before as that is than its own.
    let edge =
        |column: u16| Duration::from_secs_f64(from * (to / from).powf(f64::from(column) / f64::from(width.max(1))));
    let first = |column: u16| if column == 0 { Duration::ZERO } else { edge(column) };
    let counts: Vec<u64> =
        (0..width).map(|column| spread.between(first(column), edge(column + 1).max(first(column)))).collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let levels = inside.theme.signs.levels;
    for (x, count) in (1u16..).zip(&counts) {
        let full = (count * u64::from(height) * 8).div_ceil(most);
        for line in 0..height {
            let filled = full.saturating_sub(u64::from(line) * 8).min(8);
            if filled > 0 {
                inside.text(x, height - 1 - line, levels[usize::try_from(filled).unwrap_or(8)], Role::Bar);
            }
        }
    }
    inside.text(1, height, millis(spread.least()), Role::Faint);
    let text = format!("mean {}", millis(spread.mean()));
    inside.text(1 + width / 2 - 5u16.min(width / 2), height, text, Role::Faint);
    let end = inside.width().saturating_sub(1);
    inside.right(end, height, millis(spread.most()), Role::Faint);
}

fn shares(model: &Model, canvas: &mut Canvas<'_>) {
    let mut inside = canvas.framed("Share by provider", Role::Border);
    let all: u32 = model.fold.chosen.iter().sum();
    let mut providers: Vec<_> = model.timeline.lineup.providers.iter().zip(&model.fold.chosen).collect();
    providers.sort_by_key(|(_, chosen)| std::cmp::Reverse(**chosen));
    let room = cut_short(providers.len(), inside.height(), &mut inside);
    for (y, (provider, chosen)) in (0..room).zip(providers) {
        let share = if all > 0 { f64::from(*chosen) / f64::from(all) } else { 0.0 };
        bar_line(
            &provider.name,
            share,
            &format!("{:>5} {:>4.0}%", short(u64::from(*chosen)), share * 100.0),
            y,
            &mut inside,
        );
    }
}

fn tokens(model: &Model, canvas: &mut Canvas<'_>) {
    let mut inside = canvas.framed("Tokens by model · in + out", Role::Border);
    let tokens = &model.fold.tally.tokens;
    let most = tokens.values().map(|(input, output)| input + output).max().unwrap_or(0);
    let room = cut_short(tokens.len(), inside.height(), &mut inside);
    for (y, (name, (input, output))) in (0..room).zip(tokens) {
        #[expect(clippy::cast_precision_loss, reason = "for eyes")]
        let share = if most > 0 { (input + output) as f64 / most as f64 } else { 0.0 };
        bar_line(
            model.timeline.names.text(*name),
            share,
            &format!("{:>6}+{:<6}", short(*input), short(*output)),
            y,
            &mut inside,
        );
    }
    if tokens.is_empty() {
        inside.text(1, 0, "none yet", Role::Faint);
    }
}

/// How many of `count` lines there is room for in `height`; the line below them says how many more there are.
fn cut_short(count: usize, height: u16, canvas: &mut Canvas<'_>) -> u16 {
    match u16::try_from(count) {
        Ok(count) if count <= height => count,
        _ => {
            let room = height.saturating_sub(1);
            canvas.text(1, room, format!("… {} more", count - usize::from(room)), Role::Faint);
            room
        }
    }
}

fn bar_line(name: &str, share: f64, text: &str, y: u16, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let name_room = (width * 2 / 5).min(30);
    let text_room = super::canvas::width(text) + 1;
    canvas.text(1, y, cut_within(name, name_room.saturating_sub(1)), Role::Text);
    let room = width.saturating_sub(name_room + text_room + 2);
    canvas.bar(1 + name_room, y, room, share, Role::Bar);
    canvas.right(width.saturating_sub(1), y, text, Role::Faint);
}

/// Lines that the Gantt chart takes with its frame.
pub(super) fn gantt_height(model: &Model) -> u16 {
    u16::try_from(gantt_rows(model).len()).unwrap_or(u16::MAX).saturating_add(3).max(4)
}

/// Replicas and providers that were ever evicted by now, in the order of the topology.
fn gantt_rows(model: &Model) -> Vec<(usize, u32)> {
    let mut rows: Vec<_> =
        model.timeline.evictions(model.fold.position).map(|span| (span.provider, span.replica)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Who was out when.
pub(super) fn gantt(model: &Model, canvas: &mut Canvas<'_>) {
    let rows = gantt_rows(model);
    let mut inside = canvas.framed("Evictions", Role::Border);
    if rows.is_empty() {
        inside.text(1, 0, "none so far", Role::Faint);
        return;
    }
    let (width, height) = (inside.width(), inside.height());
    let several = model.fold.replicas.len() > 1;
    let name_room = (width / 3).clamp(8, 34);
    let room = width.saturating_sub(name_room + 2);
    let spans: Vec<_> = model.timeline.evictions(model.fold.position).collect();
    let open_end = spans.iter().filter(|span| span.ended.is_none()).map(|span| span.until).max().unwrap_or_default();
    let whole = model.at.max(open_end).0.max(1);
    let column = |at: At| {
        u16::try_from(u128::from(at.0.min(whole)) * u128::from(room.saturating_sub(1)) / u128::from(whole)).unwrap_or(0)
    };
    let seen = cut_short(rows.len(), height.saturating_sub(1), &mut inside);
    for (y, (provider, replica)) in (0..seen).zip(&rows) {
        let name = model.timeline.lineup.providers.get(*provider).map_or("", |provider| provider.name.as_str());
        let on = if several { format!(" on {replica}") } else { String::new() };
        let for_name = name_room.saturating_sub(super::canvas::width(&on) + 1);
        inside.text(1, y, cut_within(name, for_name) + &on, Role::Text);
        let own = || spans.iter().filter(|span| span.provider == *provider && span.replica == *replica);
        inside.text(name_room + 1, y, "┈".repeat(usize::from(room)), Role::Trough);
        for span in own() {
            let end = span.ended.map_or(span.until, |(_, at)| at).max(span.began);
            let (first, last) = (column(span.began), column(end));
            for at in first..=last {
                let past = span.ended.is_some() || at <= column(model.at);
                inside.text(name_room + 1 + at, y, if past { "█" } else { "░" }, Role::Evicted);
            }
        }
        if column(model.at) + 1 < room {
            inside.text(name_room + 1 + column(model.at), y, "│", Role::Strong);
        }
        // Last, so that nothing cuts them.
        for span in own() {
            let end = span.ended.map_or(span.until, |(_, at)| at).max(span.began);
            let (first, last) = (column(span.began), column(end));
            let label = format!(" {} ", countdown(end.since(span.began)));
            if last - first > super::canvas::width(&label) {
                let style = inside.theme.style(Role::Evicted).add_modifier(Modifier::REVERSED);
                inside.styled(name_room + 1 + first, y, &label, style);
            }
        }
    }
    let bottom = height.saturating_sub(1);
    inside.text(name_room + 1, bottom, moment(At(0)), Role::Faint);
    inside.right(width.saturating_sub(1), bottom, moment(At(whole)), Role::Faint);
}
