//! What the keys do here and now.

use super::canvas::{Canvas, width};
use crate::tui::action::Action;
use crate::tui::keys::{Binding, Topic};
use crate::tui::model::{Model, Open, Source};
use crate::tui::theme::Role;

/// Says how far it may be scrolled.
pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (room, height) = (canvas.width(), canvas.height());
    let lines = lines(model);
    let is_real = model.source == Source::Real;
    let reached = u16::try_from(model.addresses.len()).unwrap_or(0).min(height / 3) + u16::from(is_real);
    let columns = if room >= 130 {
        3
    } else if room >= 76 {
        2
    } else {
        1
    };
    let wide = (columns * 44).min(room);
    let tall = (u16::try_from(lines.len()).unwrap_or(u16::MAX).div_ceil(columns) + 4 + reached).min(height);
    let mut over = canvas.part((room - wide) / 2, (height - tall) / 2, wide, tall);
    over.click(0, 0, wide, tall, Action::Nothing);
    over.clear();
    let title = match model.below.0 {
        Open::Story(_) => "What the keys do in a request",
        Open::Compare(..) => "What the keys do in a comparison",
        Open::Menu => "What the keys do in the menu",
        _ => "What the keys do here",
    };
    let mut inside = over.framed(title, Role::Accent);
    let inner = inside.height().saturating_sub(1 + reached);
    let each = inside.width() / columns;
    let most = lines.len().saturating_sub(usize::from(inner * columns));
    let top = model.scroll.min(most);
    for (place, line) in lines.iter().skip(top).enumerate() {
        let Ok(place) = u16::try_from(place) else { break };
        let (column, y) = (place / inner.max(1), place % inner.max(1));
        if column >= columns {
            break;
        }
        draw_line(line, column * each + 1, y, each.saturating_sub(2), &mut inside);
    }
    if is_real {
        inside.text(
            1,
            inner + 1,
            "time is real here: no pause, pace or step; what is past can be looked at",
            Role::Note,
        );
    }
    for (y, (what, address)) in (inner + 2..inner + 1 + reached).zip(&model.addresses) {
        let x = inside.text(1, y, address, Role::Accent);
        inside.text(x + 2, y, what, Role::Text);
    }
    inside.text(1, inner, "states  ", Role::Faint);
    let mut x = 9;
    for state in [
        crate::tui::health::State::Healthy,
        crate::tui::health::State::Degraded,
        crate::tui::health::State::Evicted,
        crate::tui::health::State::Returning,
    ] {
        let (sign, role) = model.theme.state(state);
        x = inside.text(x, inner, sign, role) + 1;
        x = inside.text(x, inner, state.name(), Role::Text) + 2;
    }
    if top < most {
        inside.right(inside.width(), inner, " ↓ more ", Role::Accent);
    }
    most
}

enum Line<'m> {
    Heading(&'static str),
    Key(&'m Binding),
    Sign(&'static str, &'static str),
}

fn draw_line(line: &Line<'_>, x: u16, y: u16, room: u16, canvas: &mut Canvas<'_>) {
    match line {
        Line::Heading(text) => {
            canvas.text(x, y, text, Role::Title);
        }
        Line::Sign(sign, text) => {
            canvas.text(x + 13u16.saturating_sub(width(sign) + 1), y, sign, Role::Accent);
            canvas.field(x + 14, y, room.saturating_sub(14), text, Role::Text);
        }
        Line::Key(binding) => {
            let keys: Vec<_> = binding.keys.iter().take(2).map(|key| key.shown()).collect();
            let keys = keys.join(" ");
            let start = x + 13u16.saturating_sub(width(&keys) + 1);
            canvas.text(start, y, keys, Role::Accent);
            canvas.field(x + 14, y, room.saturating_sub(14), binding.help, Role::Text);
            canvas.click(x, y, room, 1, binding.action.clone());
        }
    }
}

fn lines(model: &Model) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for topic in [Topic::Time, Topic::Look, Topic::Break, Topic::Take, Topic::Screen] {
        let bindings: Vec<_> = model
            .keys
            .bindings
            .iter()
            .filter(|binding| binding.topic == topic && means_something(model, &binding.action))
            .collect();
        if bindings.is_empty() {
            continue;
        }
        lines.push(Line::Heading(topic.name()));
        lines.extend(bindings.into_iter().map(Line::Key));
    }
    lines.push(Line::Heading("Signs"));
    lines.extend(signs(model).map(|(sign, text)| Line::Sign(sign, text)));
    lines
}

/// What stands on the screen without a word, or with too short a one.
fn signs(model: &Model) -> impl Iterator<Item = (&'static str, &'static str)> {
    let signs = model.theme.signs;
    let always = [
        (signs.dot, "a request on its way"),
        ("╳", "evicted on every replica"),
        ("⚡", "a fault is injected"),
        ("start 2", "started for the second time"),
        ("╌", "a failure, on the time bar"),
        (signs.evicted, "an eviction there"),
        (signs.returning, "a return there"),
        ("◆", "the moment that is shown"),
        (signs.play, "time, or a step, goes on"),
        (signs.pause, "time stands still"),
        ("■", "the end, and the verdict"),
        ("▌", "a note of the scenario"),
        (signs.undecided, "still to come, or undecided"),
        (signs.pass, "over, or as it should be"),
        ("✗", "not as it should be"),
        (signs.unknown, "its case did not happen"),
        ("≈", "known, or turned off"),
    ];
    let follow = ("follow", "requests slow, waits fast");
    always.into_iter().chain((model.source != Source::Real).then_some(follow))
}

/// Whether an action does anything where we are.
fn means_something(model: &Model, action: &Action) -> bool {
    let breaks =
        matches!(action, Action::BreakMenu | Action::ClearFaults | Action::Send | Action::Burst | Action::ToggleLoad);
    let paces = matches!(action, Action::Faster | Action::Slower | Action::FollowPace | Action::TogglePause);
    let steps = matches!(action, Action::StepEvent(1..) | Action::StepTime(1..));
    // Two requests are not one that could be copied.
    let below = match model.below.0 {
        Open::Compare(..) => *action != Action::CopyCurl,
        Open::Menu => {
            matches!(action, Action::Move(_) | Action::Page(_) | Action::First | Action::Last)
                || matches!(action, Action::Open | Action::Back | Action::BreakMenu | Action::Help | Action::Quit)
        }
        _ => true,
    } && model.means_something(action);
    below && has_meaning(model, breaks, paces || steps)
}

/// Whether what breaks things, or moves time, does anything where we are.
fn has_meaning(model: &Model, breaks: bool, moves_time: bool) -> bool {
    match model.source {
        Source::Replay => !breaks,
        Source::Real if model.attached => !moves_time,
        // The past can be stepped through, and played again.
        Source::Virtual | Source::Real => true,
    }
}
