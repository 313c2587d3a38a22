//! Where we are in time: a bar of the whole run with what happened on it.
//!
//! ```text
//!  ▶ follow  00:01.450 ├──✗──●┈┈┈┈┈↩┈┈┈┤ 01:04.120
//! ```

use super::canvas::{Canvas, width};
use crate::event::At;
use crate::tui::Decision;
use crate::tui::action::Action;
use crate::tui::landmarks::Sort;
use crate::tui::model::{Model, Source};
use crate::tui::pace::Pace;
use crate::tui::text::moment;
use crate::tui::theme::Role;

pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    let end = model.latest();
    let (state, role) = state(model);
    let mut at = canvas.text(1, 0, &state, role);
    canvas.click(1, 0, at - 1, 1, Action::TogglePause);
    at = canvas.text(at + 2, 0, moment(model.at), Role::Strong) + 1;
    let until = moment(end);
    let right = canvas.width().saturating_sub(width(&until) + 2);
    canvas.text(right + 1, 0, &until, Role::Faint);
    let room = right.saturating_sub(at);
    if room >= 8 {
        bar(model, at, room, end, canvas);
    }
}

fn state(model: &Model) -> (String, Role) {
    let signs = model.theme.signs;
    let pace = match model.pacer.pace() {
        Pace::Follow => "follow".to_owned(),
        pace => pace.to_string(),
    };
    match model.source {
        _ if model.is_at_end() => over(model),
        Source::Real if model.attached => ("▶ live  ".to_owned(), Role::Good),
        Source::Real | Source::Virtual if !model.attached => {
            let word = if model.pacer.is_paused() { signs.pause } else { signs.play };
            (format!("{word} past "), Role::Degraded)
        }
        _ if model.pacer.is_paused() => (format!("{} {pace:<6}", signs.pause), Role::Degraded),
        _ => (format!("{} {pace:<6}", signs.play), Role::Good),
    }
}

fn over(model: &Model) -> (String, Role) {
    let (word, role) = match model.verdict() {
        Some(Decision::Pass | Decision::Exempt) => ("PASS  ", Role::Good),
        Some(Decision::Fail) => ("FAIL  ", Role::Bad),
        Some(Decision::Unknown) => ("UNKNOWN", Role::Degraded),
        Some(Decision::Open) | None => ("end   ", Role::Accent),
    };
    // In a pause nothing begins that a person asks for.
    let waits = model.pacer.is_paused() && model.attached && !model.over;
    (format!("{} {word}", if waits { model.theme.signs.pause } else { "■" }), role)
}

fn bar(model: &Model, x: u16, room: u16, end: At, canvas: &mut Canvas<'_>) {
    let inner = room - 2;
    canvas.text(x, 0, "├", Role::Border);
    canvas.text(x + room - 1, 0, "┤", Role::Border);
    let here = column(model.at, end, inner);
    for column in 0..inner {
        let (sign, role) = if column < here { ("━", Role::Accent) } else { ("┈", Role::Border) };
        canvas.text(x + 1 + column, 0, sign, role);
    }
    // Later ones lie on top, so the rarer kinds come last.
    for wanted in [Sort::Failure, Sort::Return, Sort::Eviction] {
        let (sign, role) = match wanted {
            Sort::Eviction => (canvas.theme.signs.evicted, Role::Evicted),
            Sort::Return => (canvas.theme.signs.returning, Role::Returning),
            Sort::Failure | Sort::Step => ("╌", Role::Bad),
        };
        for column in 0..inner {
            let (from, to) = (moment_of(column, end, inner), moment_of(column + 1, end, inner));
            if model.timeline.landmarks.any(wanted, from, to) {
                canvas.text(x + 1 + column, 0, sign, role);
            }
        }
    }
    canvas.text(x + 1 + here.min(inner.saturating_sub(1)), 0, "◆", Role::Strong);
    canvas.slide(x + 1, 0, inner);
}

/// The column of a moment; one that is over has no length, and everything is at its start.
fn column(at: At, end: At, inner: u16) -> u16 {
    let last = u64::from(inner.saturating_sub(1));
    let column = u128::from(at.0.min(end.0)) * u128::from(last) / u128::from(end.0.max(1));
    u16::try_from(column).unwrap_or(0)
}

/// The first moment of a column.
fn moment_of(column: u16, end: At, inner: u16) -> At {
    let last = u128::from(inner.saturating_sub(1).max(1));
    At(u64::try_from((u128::from(column) * u128::from(end.0.max(1))).div_ceil(last)).unwrap_or(u64::MAX))
}
