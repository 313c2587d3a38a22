//! The menu for breaking things, over the panels: a list, or a form.
//!
//! ```text
//! ╭ stall at openai-provider ────────────────────────────────╮
//! │ The stream stops in its middle.                          │
//! │ ▸ after        5▏            a whole number               │
//! │   for          3s            a duration                   │
//! │   probability  1             0 to 1                       │
//! │ How many tokens come first.                              │
//! │ [ inject ]                                               │
//! ╰──────────────────────────────────────────────────────────╯
//! ```

use super::canvas::{Canvas, width, wrapped};
use crate::tui::action::Action;
use crate::tui::menu::form::{Field, Form};
use crate::tui::menu::{Item, Level, List};
use crate::tui::model::{Model, is_heading};
use crate::tui::theme::Role;

/// Draws what is open of the menu.
pub(super) fn draw(model: &Model, canvas: &mut Canvas<'_>) {
    match model.acting.level() {
        Some(Level::List(list)) => draw_list(list, canvas),
        Some(Level::Form(form)) => draw_form(form, canvas),
        None => {}
    }
}

/// A frame in the middle; clicks on it go nowhere else.
fn framed<'c>(title: &str, wide: u16, tall: u16, canvas: &'c mut Canvas<'_>) -> Canvas<'c> {
    let (wide, tall) = (wide.min(canvas.width()), tall.min(canvas.height()));
    let (x, y) = ((canvas.width() - wide) / 2, (canvas.height() - tall) / 2);
    canvas.cover(x, y, wide, tall, title)
}

fn draw_list(list: &List, canvas: &mut Canvas<'_>) {
    let tall = u16::try_from(list.items.len()).unwrap_or(u16::MAX).saturating_add(2);
    let widest = |text: fn(&Item) -> &str| list.items.iter().map(|item| width(text(item))).max().unwrap_or(0);
    let (names, abouts) = (widest(|item| &item.text), widest(|item| &item.about));
    let mut inside = framed(&list.title, if canvas.width() < 160 { 100 } else { 128 }, tall, canvas);
    let (room, height) = (inside.width(), usize::from(inside.height()));
    let top = list.cursor.saturating_sub(height / 2).min(list.items.len().saturating_sub(height));
    for (offset, (line, item)) in list.items.iter().enumerate().skip(top).take(height).enumerate() {
        let Ok(y) = u16::try_from(offset) else { break };
        if is_heading(item) {
            inside.text(1, y, &item.text, Role::Title);
            continue;
        }
        // What is said beside a name gives way to it, but for a third.
        let name_room = names.min(room.saturating_sub(8 + abouts.min(room / 3)));
        inside.name(3, y, name_room, &item.text, Role::Strong);
        let after = 3 + name_room + 2;
        inside.field(after, y, room.saturating_sub(after + 3), &item.about, Role::Faint);
        if line == list.cursor {
            inside.text(1, y, "▸", Role::Accent);
            inside.dress(0, y, room, 1, Role::Selected);
        }
        inside.click(0, y, room, 1, Action::Pick(line));
    }
    // Where there is more, the edge says so.
    if top > 0 {
        inside.text(room.saturating_sub(2), 0, "↑", Role::Faint);
    }
    if top + height < list.items.len() {
        inside.text(room.saturating_sub(2), inside.height().saturating_sub(1), "↓", Role::Faint);
    }
}

fn draw_form(form: &Form, canvas: &mut Canvas<'_>) {
    let fields = u16::try_from(form.fields.len()).unwrap_or(u16::MAX);
    let wide = 90.min(canvas.width());
    let about = wrapped(&form.about, wide.saturating_sub(4));
    let above = u16::try_from(about.len()).unwrap_or(0).min(3);
    let told = form.fields.iter().map(|field| wrapped(&about_field(field), wide.saturating_sub(4)).len());
    let told = u16::try_from(told.max().unwrap_or(0)).unwrap_or(u16::MAX).clamp(2, 5);
    let mut inside = framed(&form.title, wide, fields.saturating_add(above + 5 + told), canvas);
    let (room, height) = (inside.width(), inside.height());
    for (y, line) in (0..above).zip(&about) {
        inside.text(1, y, line, Role::Faint);
    }
    let above = above + u16::from(above > 0);
    // Where not all fits, fields come first.
    let told = told.min(height.saturating_sub(above + 2 + fields).max(2));
    let below = height.saturating_sub(above + 2 + told).max(1);
    let names = form.fields.iter().map(|field| width(&field.label)).max().unwrap_or(0);
    let top = form.cursor.saturating_sub(usize::from(below).saturating_sub(1));
    for (y, (line, field)) in (above..above + below).zip(form.fields.iter().enumerate().skip(top)) {
        let mut part = inside.part(0, y, room.saturating_sub(2), 1);
        draw_field(field, names, line == form.cursor, &mut part);
        inside.click(0, y, room, 1, Action::Pick(line));
    }
    if top > 0 {
        inside.text(room.saturating_sub(2), above, "↑", Role::Faint);
    }
    if top + usize::from(below) < form.fields.len() {
        inside.text(room.saturating_sub(2), above + below - 1, "↓", Role::Faint);
    }
    draw_told(form, &mut inside.part(1, above + below, room.saturating_sub(2), 1 + told));
    draw_button(form, &mut inside.part(1, height.saturating_sub(1), room.saturating_sub(2), 1));
}

/// `▸ after    5▏     a whole number`
fn draw_field(field: &Field, names: u16, chosen: bool, part: &mut Canvas<'_>) {
    let room = part.width();
    if chosen {
        part.dress(0, 0, room, 1, Role::Selected);
        part.text(1, 0, "▸", Role::Accent);
    }
    part.text(3, 0, &field.label, if chosen { Role::Strong } else { Role::Text });
    let start = 3 + names + 2;
    let value_room = (room.saturating_sub(start) / 2).max(12);
    let role = if field.complaint.is_some() { Role::Bad } else { Role::Strong };
    // While it is typed its end is in sight.
    let hidden = width(&field.value).saturating_sub(value_room.saturating_sub(1));
    let shown: String = field.value.chars().skip(usize::from(hidden)).collect();
    let end = part.text(start, 0, &shown, role);
    if chosen {
        part.text(end, 0, "▏", Role::Accent);
    }
    let told = start + value_room + 1;
    match &field.complaint {
        Some(complaint) => part.field(told, 0, room.saturating_sub(told + 1), complaint, Role::Bad),
        None => part.field(told, 0, room.saturating_sub(told + 1), &field.kind.replace('`', ""), Role::Faint),
    };
}

/// What the field under the cursor means, and what is wrong.
fn draw_told(form: &Form, part: &mut Canvas<'_>) {
    let wrong = form.fields.get(form.cursor).and_then(|field| field.complaint.as_ref()).or(form.complaint.as_ref());
    let about = form.fields.get(form.cursor).map(about_field).unwrap_or_default();
    let (text, role) = match wrong {
        Some(wrong) => (wrong.clone(), Role::Bad),
        None => (about, Role::Text),
    };
    for (y, line) in (1..part.height()).zip(wrapped(&text, part.width())) {
        part.text(0, y, line, role);
    }
}

/// What a field means, and what may stand there where its own line has no room for that.
fn about_field(field: &Field) -> String {
    let kind = field.kind.replace('`', "");
    if width(&kind) > 30 { format!("{} {kind}.", field.about) } else { field.about.clone() }
}

fn draw_button(form: &Form, part: &mut Canvas<'_>) {
    let sound = form.is_sound();
    let label = format!("[ {} ]", form.verb);
    let end = part.text(0, 0, &label, if sound { Role::Active } else { Role::Faint });
    part.click(0, 0, end, 1, Action::Submit);
    let choices = form.fields.get(form.cursor).is_some_and(|field| field.choices().len() > 1);
    let hint = if choices {
        "enter does it · ↑↓ field · ←→ choice · esc back"
    } else {
        "enter does it · ↑↓ field · esc back"
    };
    part.field(end + 2, 0, part.width().saturating_sub(end + 2), hint, Role::Faint);
}
