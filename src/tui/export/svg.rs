//! A screen as a picture that every browser shows.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::super::theme::Theme;
use super::runs;

/// Size of a cell in the picture's units.
const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 8.0;

/// The picture of a screen.
pub(in crate::tui) fn picture(buffer: &Buffer, theme: &Theme) -> String {
    let (text, ground) = theme.paper();
    let (width, height) = (f32::from(buffer.area.width) * CELL.0, f32::from(buffer.area.height) * CELL.1);
    let (whole, tall) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole:.1} {tall:.1}" width="{whole:.0}" height="{tall:.0}">
<style>text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }}</style>
<rect width="100%" height="100%" rx="8" fill="{ground}"/>"#
    );
    for y in buffer.area.top()..buffer.area.bottom() {
        line(buffer, y, (&text, &ground), &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(buffer: &Buffer, y: u16, (paper_text, paper): (&str, &str), svg: &mut String) {
    let top = MARGIN + f32::from(y) * CELL.1;
    for (x, columns, text, style) in runs(buffer, y) {
        let left = MARGIN + f32::from(x) * CELL.0;
        let width = f32::from(columns) * CELL.0;
        let (fill, ground) = colours(style, paper_text, paper);
        if ground != paper {
            let _ = writeln!(
                svg,
                r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{:.1}" fill="{ground}"/>"#,
                CELL.1
            );
        }
        if text.trim().is_empty() {
            continue;
        }
        let mut look = String::new();
        if style.add_modifier.contains(Modifier::BOLD) {
            look.push_str(r#" font-weight="bold""#);
        }
        if style.add_modifier.contains(Modifier::DIM) {
            look.push_str(r#" opacity="0.6""#);
        }
        let base = top + CELL.1 * 0.75;
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            svg,
            r#"<text x="{left:.1}" y="{base:.1}" textLength="{width:.1}" lengthAdjust="spacingAndGlyphs" fill="{fill}"{look} xml:space="preserve">{text}</text>"#
        );
    }
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
