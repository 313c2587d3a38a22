//! The sentence for the person watching.

use super::canvas::{Canvas, wrapped};
use super::letters;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// Lines that the sentence takes in large letters.
pub(super) fn large_height(model: &Model, width: u16) -> u16 {
    let Some(text) = text(model) else { return 0 };
    let lines = wrapped(text, (width / letters::WIDTH).max(1)).len();
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_mul(letters::HEIGHT + 1)
}

/// The sentence in large letters; in small ones where they do not fit.
pub(super) fn large(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(text) = text(model) else { return };
    if large_height(model, canvas.width()) > canvas.height() {
        small(model, canvas);
        return;
    }
    for (line, words) in wrapped(text, canvas.width() / letters::WIDTH).iter().enumerate() {
        let y = u16::try_from(line).unwrap_or(u16::MAX).saturating_mul(letters::HEIGHT + 1);
        letters::draw(canvas, 1, y, words, Role::Note);
    }
}

/// The sentence in ordinary letters; returns how many lines it took.
pub(super) fn small(model: &Model, canvas: &mut Canvas<'_>) -> u16 {
    let Some(text) = text(model) else { return 0 };
    let lines = wrapped(text, canvas.width().saturating_sub(3));
    let mut y = 0;
    for line in lines.iter().take(usize::from(canvas.height())) {
        canvas.text(0, y, "▌", Role::Accent);
        canvas.text(2, y, line, Role::Note);
        y += 1;
    }
    y
}

fn text(model: &Model) -> Option<&str> {
    model.fold.note.as_ref().map(|(_, text)| text.as_ref())
}
