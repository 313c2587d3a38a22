//! Lines between boxes, with corners and crossings where they meet.

use std::collections::BTreeMap;

use super::canvas::Canvas;
use crate::tui::theme::Role;

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// Lines on a grid.
#[derive(Debug, Default)]
pub(super) struct Wires {
    cells: BTreeMap<(u16, u16), (u8, Role)>,
}

/// A way along cells, corner to corner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) cells: Vec<(u16, u16)>,
}

impl Default for Role {
    fn default() -> Self {
        Self::Wire
    }
}

impl Way {
    /// From `from` to `to`: level, then up or down at column `turn`, then level again.
    pub(super) fn between(from: (u16, u16), to: (u16, u16), turn: u16) -> Self {
        let turn = turn.clamp(from.0, to.0.max(from.0));
        let mut cells: Vec<_> = (from.0..turn).map(|x| (x, from.1)).collect();
        if from.1 <= to.1 {
            cells.extend((from.1..=to.1).map(|y| (turn, y)));
        } else {
            cells.extend((to.1..=from.1).rev().map(|y| (turn, y)));
        }
        cells.extend((turn + 1..=to.0).map(|x| (x, to.1)));
        Self { cells }
    }

    /// This way and then another.
    pub(super) fn then(mut self, other: &Self) -> Self {
        self.cells.extend(&other.cells);
        self
    }

    /// The cell at a share of the way.
    pub(super) fn at(&self, share: f64) -> Option<(u16, u16)> {
        let last = self.cells.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a way has few cells"
        )]
        let index = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.cells.get(index.min(last)).copied()
    }
}

impl Wires {
    /// Lays a line along a way. The latest role stays.
    pub(super) fn lay(&mut self, way: &Way, role: Role) {
        for pair in way.cells.windows(2) {
            let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
            let (out, back) = match (x2.cmp(&x1), y2.cmp(&y1)) {
                (std::cmp::Ordering::Greater, _) => (RIGHT, LEFT),
                (std::cmp::Ordering::Less, _) => (LEFT, RIGHT),
                (_, std::cmp::Ordering::Greater) => (DOWN, UP),
                (_, std::cmp::Ordering::Less) => (UP, DOWN),
                _ => continue,
            };
            self.join((x1, y1), out, role);
            self.join((x2, y2), back, role);
        }
    }

    fn join(&mut self, cell: (u16, u16), direction: u8, role: Role) {
        let entry = self.cells.entry(cell).or_default();
        entry.0 |= direction;
        entry.1 = role;
    }

    /// Draws all lines.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>) {
        for ((x, y), (directions, role)) in &self.cells {
            canvas.text(*x, *y, sign(*directions), *role);
        }
    }
}

fn sign(directions: u8) -> &'static str {
    const ALL: u8 = UP | DOWN | LEFT | RIGHT;
    match directions & ALL {
        d if d == UP | DOWN || d == UP || d == DOWN => "│",
        d if d == DOWN | RIGHT => "╭",
        d if d == DOWN | LEFT => "╮",
        d if d == UP | RIGHT => "╰",
        d if d == UP | LEFT => "╯",
        d if d == UP | DOWN | RIGHT => "├",
        d if d == UP | DOWN | LEFT => "┤",
        d if d == LEFT | RIGHT | DOWN => "┬",
        d if d == LEFT | RIGHT | UP => "┴",
        ALL => "┼",
        _ => "─",
    }
}
