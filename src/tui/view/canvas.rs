//! A part of the screen to draw on: coordinates from its own corner, and nothing beyond its edge.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::Hits;
use crate::tui::action::Action;
use crate::tui::breath;
use crate::tui::theme::{Role, Theme};

/// A rectangle of the screen.
pub(in crate::tui) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    hits: &'a mut Hits,
    area: Rect,
    pub(in crate::tui) theme: &'a Theme,
}

/// Pieces of a line with their roles.
pub(in crate::tui) type Pieces<'t> = Vec<(std::borrow::Cow<'t, str>, Role)>;

impl<'a> Canvas<'a> {
    pub(in crate::tui) fn new(buffer: &'a mut Buffer, hits: &'a mut Hits, area: Rect, theme: &'a Theme) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, hits, area, theme }
    }

    pub(in crate::tui) fn width(&self) -> u16 {
        self.area.width
    }

    pub(in crate::tui) fn height(&self) -> u16 {
        self.area.height
    }

    /// The part at `x`, `y` with this size, as far as it is inside.
    pub(in crate::tui) fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let area = self.absolute(x, y, width, height);
        Canvas { buffer: self.buffer, hits: self.hits, area, theme: self.theme }
    }

    fn absolute(&self, x: u16, y: u16, width: u16, height: u16) -> Rect {
        let left = self.area.x.saturating_add(x.min(self.area.width));
        let top = self.area.y.saturating_add(y.min(self.area.height));
        let width = width.min(self.area.right().saturating_sub(left));
        let height = height.min(self.area.bottom().saturating_sub(top));
        Rect { x: left, y: top, width, height }
    }

    /// Writes text and returns the column after it.
    pub(in crate::tui) fn text(&mut self, x: u16, y: u16, text: impl AsRef<str>, role: Role) -> u16 {
        self.styled(x, y, text.as_ref(), self.theme.style(role))
    }

    /// Writes text in a style and returns the column after it.
    pub(in crate::tui) fn styled(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        breath::breathe();
        let room = usize::from(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end - self.area.x
    }

    /// Writes text so that it ends before column `end`.
    pub(in crate::tui) fn right(&mut self, end: u16, y: u16, text: impl AsRef<str>, role: Role) -> u16 {
        let start = end.saturating_sub(width(text.as_ref()));
        self.text(start, y, text, role);
        start
    }

    /// Writes text into a field of a width; what does not fit ends with `…`.
    pub(in crate::tui) fn field(&mut self, x: u16, y: u16, room: u16, text: &str, role: Role) -> u16 {
        self.text(x, y, fitted(text, room), role);
        x.saturating_add(room)
    }

    /// Writes a name into a field of a width; one that does not fit loses its middle.
    pub(in crate::tui) fn name(&mut self, x: u16, y: u16, room: u16, name: &str, role: Role) -> u16 {
        self.text(x, y, cut_within(name, room), role);
        x.saturating_add(room)
    }

    /// Writes pieces one after the other.
    pub(in crate::tui) fn pieces(&mut self, x: u16, y: u16, pieces: &Pieces<'_>) -> u16 {
        let mut at = x;
        for (text, role) in pieces {
            at = self.text(at, y, text, *role);
        }
        at
    }

    /// Dresses a part without changing its text.
    pub(in crate::tui) fn dress(&mut self, x: u16, y: u16, width: u16, height: u16, role: Role) {
        let area = self.absolute(x, y, width, height);
        self.buffer.set_style(area, self.theme.style(role));
    }

    /// Empties the whole part.
    pub(in crate::tui) fn clear(&mut self) {
        let style = self.theme.style(Role::Text);
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// A frame with a title; returns what is inside.
    pub(in crate::tui) fn framed(&mut self, title: &str, role: Role) -> Canvas<'_> {
        let (width, height) = (self.width(), self.height());
        if width < 2 || height < 2 {
            return self.part(0, 0, 0, 0);
        }
        self.frame(title, role);
        self.part(1, 1, width - 2, height - 2)
    }

    fn frame(&mut self, title: &str, role: Role) {
        let (width, height) = (self.width(), self.height());
        if width < 2 || height < 2 {
            return;
        }
        let line = "─".repeat(usize::from(width - 2));
        self.text(0, 0, format!("╭{line}╮"), role);
        self.text(0, height - 1, format!("╰{line}╯"), role);
        for y in 1..height - 1 {
            self.text(0, y, "│", role);
            self.text(width - 1, y, "│", role);
        }
        if !title.is_empty() {
            // A narrow frame has no line to spare beside its title.
            let (start, spaced) = if width >= 20 { (2, format!(" {title} ")) } else { (1, title.to_owned()) };
            self.text(start, 0, fitted(&spaced, width - 2 * start), Role::Title);
        }
    }

    /// A part that lies over what was drawn, with a frame; clicks on it no longer reach what is below.
    pub(in crate::tui) fn cover(&mut self, x: u16, y: u16, width: u16, height: u16, title: &str) -> Canvas<'_> {
        let area = self.absolute(x, y, width, height);
        self.hits.push(area, Action::Nothing);
        let mut over = Canvas { buffer: self.buffer, hits: self.hits, area, theme: self.theme };
        over.clear();
        over.frame(title, Role::Accent);
        let inner = over.absolute(1, 1, width.saturating_sub(2), height.saturating_sub(2));
        Canvas { area: inner, ..over }
    }

    /// A bar of which `share` is full.
    pub(in crate::tui) fn bar(&mut self, x: u16, y: u16, room: u16, share: f64, role: Role) -> u16 {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the room")]
        let mut full = (share * f64::from(room)).round() as u16;
        // Some is not none, and almost all is not all.
        if room > 1 && share > 0.0 && share < 1.0 {
            full = full.clamp(1, room - 1);
        }
        let signs = self.theme.signs;
        let at = self.text(x, y, signs.full.repeat(usize::from(full)), role);
        self.text(at, y, signs.empty.repeat(usize::from(room - full)), Role::Trough)
    }

    /// Lets a click on a part do something.
    pub(in crate::tui) fn click(&mut self, x: u16, y: u16, width: u16, height: u16, action: Action) {
        let area = self.absolute(x, y, width, height);
        self.hits.push(area, action);
    }

    /// Lets a click or drag along a part choose a share of it.
    pub(in crate::tui) fn slide(&mut self, x: u16, y: u16, width: u16) {
        self.hits.slider = self.absolute(x, y, width, 1);
    }
}

/// Columns that a text takes.
pub(in crate::tui) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// The text in at most `room` columns; what does not fit ends with `…`.
pub(in crate::tui) fn fitted(text: &str, room: u16) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    if room == 0 {
        return String::new();
    }
    let (mut fitted, mut used) = (String::new(), 0);
    for char in text.chars() {
        let wide = width(char.encode_utf8(&mut [0; 4]));
        if used + wide + 1 > room {
            break;
        }
        used += wide;
        fitted.push(char);
    }
    fitted + "…"
}

/// A name that is too long loses its middle: what tells providers and models apart is mostly their end.
pub(in crate::tui) fn cut_within(name: &str, room: u16) -> String {
    if width(name) <= room || room < 8 {
        return fitted(name, room);
    }
    let chars: Vec<char> = name.chars().collect();
    let room = usize::from(room);
    let head = (room - 1) / 3;
    let tail = chars.len().saturating_sub(room - 1 - head).max(head);
    let cut: String = chars[..head.min(chars.len())].iter().chain(&['…']).chain(&chars[tail..]).collect();
    fitted(&cut, u16::try_from(room).unwrap_or(u16::MAX))
}

/// Breaks text at spaces into lines of at most `room` columns.
pub(in crate::tui) fn wrapped(text: &str, room: u16) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let indent = paragraph.len() - paragraph.trim_start_matches(' ').len();
        let mut line = paragraph[..indent.min(usize::from(room) / 2)].to_owned();
        let mut empty = true;
        for word in paragraph[indent..].split(' ') {
            if !empty && width(&line) + 1 + width(word) > room {
                lines.push(std::mem::take(&mut line));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
            while width(&line) > room {
                let (head, tail) = split_at_width(&line, room);
                lines.push(head);
                line = tail;
            }
        }
        lines.push(line);
    }
    lines
}

fn split_at_width(text: &str, room: u16) -> (String, String) {
    let mut used = 0;
    for (at, char) in text.char_indices() {
        let wide = width(char.encode_utf8(&mut [0; 4]));
        if used + wide > room && at > 0 {
            return (text[..at].to_owned(), text[at..].to_owned());
        }
        used += wide;
    }
    (text.to_owned(), String::new())
}
