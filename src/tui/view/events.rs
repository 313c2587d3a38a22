//! The stream itself, a line an event.

use super::canvas::{Canvas, wrapped};
use crate::tui::action::Tab;
use crate::tui::model::Model;
use crate::tui::store::CHUNK;
use crate::tui::telling;
use crate::tui::text::moment;
use crate::tui::theme::Role;

/// How many events are searched at most for those that fit a filter: as many as are at hand.
pub(in crate::tui) const SEARCHED: usize = 8 * CHUNK;

/// Lines at most for an event that is told whole.
const WHOLE: u16 = 4;

/// All of the middle: the last line, which is the one that can be opened, is told whole below the others.
pub(super) fn full(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let whole = model.last_event_shown().map(|position| model.timeline.event(position)).unwrap_or_default();
    let whole = whole.map(|event| telling::line(&event)).filter(|(_, text)| super::canvas::width(text) + 12 > width);
    let Some((role, text)) = whole else { return panel(model, canvas) };
    let lines = wrapped(&text, width.saturating_sub(4));
    let below = u16::try_from(lines.len()).unwrap_or(WHOLE).min(WHOLE).min(height / 3);
    for (y, line) in (height - below..height).zip(&lines) {
        canvas.text(2, y, line, role);
    }
    panel(model, &mut canvas.part(0, 0, width, height - below))
}

/// The panel; returns how many events it shows.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let end = model.events.last.unwrap_or(model.fold.position).min(model.fold.position);
    let all = model.fold.position;
    let reach = if end == all { all.to_string() } else { format!("up to {end} of {all}") };
    let title = if model.filter.is_empty() {
        format!("Events · {reach}")
    } else {
        format!("Events that fit “{}” · among {reach}", model.filter_text)
    };
    let mut inside = canvas.framed(&title, Role::Border);
    let lines = usize::from(inside.height());
    let fitting = fitting(model, end, lines);
    if fitting.is_empty() && end > 0 {
        inside.text(1, 0, format!("none of the last {} fits", end.min(SEARCHED)), Role::Faint);
        if model.filter.is_about_requests() {
            inside.text(1, 1, "open, > and < are about whole requests: see Requests", Role::Faint);
        }
    }
    let last = fitting.last().map(|(position, ..)| *position);
    let can_be_opened = model.tab == Tab::Events && !model.projector;
    for (offset, (position, at, (role, text))) in fitting.into_iter().enumerate() {
        let Ok(y) = u16::try_from(offset) else { break };
        let width = inside.width();
        inside.text(0, y, moment(at), Role::Faint);
        inside.field(10, y, width.saturating_sub(10), &text, role);
        let marked = if can_be_opened { Some(position) == last } else { position + 1 == model.fold.position };
        if marked {
            inside.dress(0, y, width, 1, Role::Selected);
        }
    }
    lines
}

/// An event's position, when it happened, and what is told of it.
type Line = (usize, crate::event::At, (Role, String));

/// The last `count` events before `end` that fit the filter, in order.
pub(in crate::tui) fn fitting(model: &Model, end: usize, count: usize) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut upto = end;
    while upto > 0 && found.len() < count && end - upto < SEARCHED {
        let from = upto.saturating_sub(count.max(256));
        let mut part = Vec::new();
        model.timeline.scan(from..upto, |position, event| {
            let told = telling::line(event);
            if model.filter.is_empty() || model.filter.takes_event(event, &told.1) {
                part.push((position, event.at_us, told));
            }
            true
        });
        part.append(&mut found);
        found = part;
        upto = from;
    }
    let spare = found.len().saturating_sub(count);
    found.drain(..spare);
    found
}
