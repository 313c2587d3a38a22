//! A screen as a picture that every browser shows.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier, Style};

use super::super::theme::Theme;
use super::{canvas, runs};

/// Size of a cell in the picture's units.
const CELL: (f32, f32) = (8.4, 16.5);
const MARGIN: f32 = 8.0;

/// The picture of a screen.
pub(in crate::tui) fn picture(buffer: &Buffer, theme: &Theme) -> String {
    let size = Size::new(buffer.area.width, buffer.area.height);
    format!("{}{}</svg>\n", sheet(size, theme), pieces(buffer, theme).concat())
}

/// The beginning of a picture: its ground, and how text looks on it.
pub(super) fn sheet(size: Size, theme: &Theme) -> String {
    let (text, ground) = theme.paper();
    let (width, height) = (f32::from(size.width) * CELL.0, f32::from(size.height) * CELL.1);
    let (whole, tall) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {whole:.1} {tall:.1}" width="{whole:.0}" height="{tall:.0}">
<style>text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre; fill: {text} }}</style>
<rect width="100%" height="100%" rx="8" fill="{ground}"/>
"#
    )
}

/// Every piece of a screen that is not empty.
pub(super) fn pieces(buffer: &Buffer, theme: &Theme) -> Vec<String> {
    let (text, ground) = theme.paper();
    let lines = buffer.area.top()..buffer.area.bottom();
    lines.flat_map(|y| line(buffer, y, (&text, &ground))).collect()
}

fn line(buffer: &Buffer, y: u16, (paper_text, paper): (&str, &str)) -> Vec<String> {
    let top = MARGIN + f32::from(y) * CELL.1;
    let mut pieces = Vec::new();
    for (x, columns, text, style) in runs(buffer, y) {
        let left = MARGIN + f32::from(x) * CELL.0;
        let width = f32::from(columns) * CELL.0;
        let (fill, ground) = colours(style, paper_text, paper);
        let mut piece = String::new();
        if ground != paper {
            let _ = writeln!(
                piece,
                r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{:.1}" fill="{ground}"/>"#,
                CELL.1
            );
        }
        // Spaces at either end take room and show nothing.
        let before = text.len() - text.trim_start().len();
        let words = text.trim();
        if !words.is_empty() {
            let left = left + f32::from(u16::try_from(before).unwrap_or(0)) * CELL.0;
            let width = f32::from(canvas::width(words)) * CELL.0;
            let base = top + CELL.1 * 0.75;
            let look = look(style, &fill, paper_text);
            let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                piece,
                r#"<text x="{left:.1}" y="{base:.1}" textLength="{width:.1}" lengthAdjust="spacingAndGlyphs"{look}>{words}</text>"#
            );
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

fn look(style: Style, fill: &str, paper_text: &str) -> String {
    let mut look = String::new();
    if fill != paper_text {
        let _ = write!(look, r#" style="fill:{fill}""#);
    }
    if style.add_modifier.contains(Modifier::BOLD) {
        look.push_str(r#" font-weight="bold""#);
    }
    if style.add_modifier.contains(Modifier::DIM) {
        look.push_str(r#" opacity="0.6""#);
    }
    look
}

fn colours(style: Style, paper_text: &str, paper: &str) -> (String, String) {
    let text = style.fg.and_then(hex).unwrap_or_else(|| paper_text.to_owned());
    let ground = style.bg.and_then(hex).unwrap_or_else(|| paper.to_owned());
    if style.add_modifier.contains(Modifier::REVERSED) { (ground, text) } else { (text, ground) }
}

/// The sixteen colours that a terminal names, as most terminals show them.
const NAMED: [&str; 16] = [
    "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666", "#f14c4c",
    "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
];

fn hex(color: Color) -> Option<String> {
    let named = |index: usize| NAMED.get(index).map(|hex| (*hex).to_owned());
    match color {
        Color::Reset => None,
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        Color::Indexed(index @ 0..=15) => named(usize::from(index)),
        Color::Indexed(index @ 16..=231) => {
            let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            let cube = index - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
        }
        Color::Indexed(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
    }
}
