//! The stream itself, a line an event.

use std::fmt::Write as _;

use super::canvas::Canvas;
use crate::tui::model::Model;
use crate::tui::store::CHUNK;
use crate::tui::telling;
use crate::tui::text::moment;
use crate::tui::theme::Role;

/// How many events are searched at most for those that fit a filter: as many as are at hand.
const SEARCHED: usize = 8 * CHUNK;

/// The panel; returns how many events it shows.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let end = model.events.last.unwrap_or(model.fold.position).min(model.fold.position);
    let mut title = format!("Events · {end}");
    if !model.filter.is_empty() {
        let _ = write!(title, " · that fit “{}”", model.filter_text);
    }
    let mut inside = canvas.framed(&title, Role::Border);
    let lines = usize::from(inside.height());
    let fitting = fitting(model, end, lines);
    if fitting.is_empty() && end > 0 {
        inside.text(1, 0, format!("none of the last {} fits", end.min(SEARCHED)), Role::Faint);
    }
    for (offset, (position, at, (role, text))) in fitting.into_iter().enumerate() {
        let Ok(y) = u16::try_from(offset) else { break };
        let width = inside.width();
        inside.text(0, y, moment(at), Role::Faint);
        inside.field(10, y, width.saturating_sub(10), &text, role);
        if position + 1 == model.fold.position {
            inside.dress(0, y, width, 1, Role::Selected);
        }
    }
    lines
}

type Line = (usize, crate::event::At, (Role, String));

/// The last `count` events before `end` that fit the filter, in order.
fn fitting(model: &Model, end: usize, count: usize) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut upto = end;
    while upto > 0 && found.len() < count && end - upto < SEARCHED {
        let from = upto.saturating_sub(count.max(256));
        let mut part = Vec::new();
        model.timeline.scan(from..upto, |position, event| {
            let told = telling::line(event);
            if model.filter.is_empty() || model.filter.takes_text(&told.1) {
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
