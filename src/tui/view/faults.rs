//! The faults that are active, below the topology.

use super::canvas::Canvas;
use crate::tui::action::Action;
use crate::tui::model::{Model, Source};
use crate::tui::theme::Role;

/// Lines at most.
const MOST: usize = 3;

/// Lines that the faults take.
pub(super) fn height(model: &Model) -> u16 {
    u16::try_from(model.fold.faults.len().min(MOST)).unwrap_or(0)
}

/// A line a fault; the last one says how many more there are.
pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let faults = &model.fold.faults;
    let lines = usize::from(canvas.height()).min(MOST);
    for (y, fault) in (0..canvas.height()).zip(faults.iter().take(lines)) {
        let more = faults.len() - lines;
        let more = if more > 0 && usize::from(y) + 1 == lines { format!(" · and {more} more") } else { String::new() };
        let width = canvas.width();
        canvas.text(0, y, "⚡", Role::Bad);
        canvas.field(3, y, width.saturating_sub(3), &format!("{}{more}", fault.line(model.at)), Role::Bad);
        if model.source != Source::Replay {
            canvas.click(0, y, width, 1, Action::BreakMenu);
        }
    }
}
