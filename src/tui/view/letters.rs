//! Letters three lines high, for those in the back row.
//!
//! A letter is three points wide and five high; two points stand above one another in a cell.

use super::canvas::Canvas;
use crate::tui::theme::Role;

/// Lines of a letter.
pub(super) const HEIGHT: u16 = 3;
/// Columns of a letter with the gap after it.
pub(super) const WIDTH: u16 = 4;

/// Letters from the space on, five rows of three points each, from the top; the highest bit is the left one.
#[rustfmt::skip]
const LETTERS: [[u8; 5]; 95] = [
    [0,0,0,0,0], [2,2,2,0,2], [5,5,0,0,0], [5,7,5,7,5], [3,6,7,3,6], [5,1,2,4,5], [6,6,7,5,7], [2,2,0,0,0],
    [1,2,2,2,1], [4,2,2,2,4], [5,2,5,0,0], [0,2,7,2,0], [0,0,0,2,4], [0,0,7,0,0], [0,0,0,0,2], [1,1,2,4,4],
    [7,5,5,5,7], [2,6,2,2,7], [6,1,2,4,7], [7,1,3,1,7], [5,5,7,1,1], [7,4,6,1,6], [7,4,7,5,7], [7,1,2,2,2],
    [7,5,7,5,7], [7,5,7,1,7], [0,2,0,2,0], [0,2,0,2,4], [1,2,4,2,1], [0,7,0,7,0], [4,2,1,2,4], [7,1,2,0,2],
    [2,5,7,4,3], [2,5,7,5,5], [6,5,6,5,6], [3,4,4,4,3], [6,5,5,5,6], [7,4,6,4,7], [7,4,6,4,4], [3,4,5,5,3],
    [5,5,7,5,5], [7,2,2,2,7], [1,1,1,5,2], [5,5,6,5,5], [4,4,4,4,7], [5,7,7,5,5], [5,7,7,7,5], [2,5,5,5,2],
    [6,5,6,4,4], [2,5,5,7,3], [6,5,6,6,5], [3,4,2,1,6], [7,2,2,2,2], [5,5,5,5,7], [5,5,5,2,2], [5,5,7,7,5],
    [5,5,2,5,5], [5,5,2,2,2], [7,1,2,4,7], [3,2,2,2,3], [4,4,2,1,1], [6,2,2,2,6], [2,5,0,0,0], [0,0,0,0,7],
    [4,2,0,0,0], [0,3,5,5,3], [4,6,5,5,6], [0,3,4,4,3], [1,3,5,5,3], [0,2,5,6,3], [1,2,7,2,2], [3,5,3,1,6],
    [4,6,5,5,5], [2,0,2,2,2], [1,0,1,5,2], [4,5,6,6,5], [6,2,2,2,7], [0,7,7,7,5], [0,6,5,5,5], [0,2,5,5,2],
    [0,6,5,6,4], [0,3,5,3,1], [0,3,4,4,4], [0,3,6,3,6], [2,7,2,2,3], [0,5,5,5,3], [0,5,5,7,2], [0,5,7,7,7],
    [0,5,2,2,5], [0,5,3,1,6], [0,7,3,6,7], [3,2,6,2,3], [2,2,2,2,2], [6,2,3,2,6], [0,3,6,0,0],
];

/// Writes text and returns the column after it.
pub(super) fn draw(canvas: &mut Canvas<'_>, x: u16, y: u16, text: &str, role: Role) -> u16 {
    let mut at = x;
    for char in text.chars() {
        let points = letter(char);
        for line in 0..HEIGHT {
            let (upper, lower) =
                (points[usize::from(line) * 2], points.get(usize::from(line) * 2 + 1).copied().unwrap_or(0));
            let cells: String = (0..3).rev().map(|bit| half(upper >> bit & 1, lower >> bit & 1)).collect();
            canvas.text(at, y + line, cells, role);
        }
        at = at.saturating_add(WIDTH);
    }
    at
}

fn letter(char: char) -> [u8; 5] {
    let plain = match char {
        '–' | '—' => '-',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        '…' => '.',
        '×' => 'x',
        other => other,
    };
    let place = u32::from(plain).checked_sub(32).and_then(|place| usize::try_from(place).ok());
    place.and_then(|place| LETTERS.get(place)).copied().unwrap_or([7, 5, 5, 5, 7])
}

fn half(upper: u8, lower: u8) -> char {
    match (upper, lower) {
        (1, 1) => '█',
        (1, 0) => '▀',
        (0, 1) => '▄',
        _ => ' ',
    }
}
