//! What a person takes away: a screen as text or SVG, the session as a cast, a text for the clipboard.

pub(super) mod cast;
pub(super) mod film;
pub(super) mod svg;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::model::{Export, Model, slug};
use super::view::{self, canvas};

/// Puts a text on the clipboard of whoever sits at the terminal (OSC 52).
pub(super) fn copy(out: &mut impl Write, text: &str) -> io::Result<()> {
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    write!(out, "\u{1b}]52;c;{coded}\u{7}")?;
    out.flush()
}

/// Writes what is asked for into a new file of the folder.
pub(super) fn write(model: &mut Model, what: Export, size: Size, folder: &Path) -> io::Result<PathBuf> {
    let (ending, text) = match what {
        Export::Text => ("txt", text(&drawn(model, size))),
        Export::Svg => ("svg", svg::picture(&drawn(model, size), &model.theme)),
        Export::Cast => ("cast", cast::of_session(model, size)),
        Export::Report => return report(model, folder),
    };
    fresh(folder, &slug(&model.header.name), ending, &text)
}

/// Writes the report of all that has happened into a new file of the folder.
fn report(model: &Model, folder: &Path) -> io::Result<PathBuf> {
    let bench = model.bench().ok_or(io::ErrorKind::Unsupported)?;
    let path = fresh(folder, &slug(&model.header.name), "html", "")?;
    bench.write_report(model.all_events(), &path).map_err(io::Error::other)?;
    Ok(path)
}

/// Writes the session as a scenario file; what it gives is to be said to the person.
pub(super) fn scenario(model: &mut Model, path: &Path) -> String {
    let (steps, now) = model.steps();
    let without = model.told_of_waiting().map(|acts| format!(" ({acts}, not in it)"));
    let written = match model.bench() {
        _ if path.exists() => Err("there is such a file already".to_owned()),
        Some(bench) => bench.write_scenario(&steps, now, path),
        None => Err("nobody can write it".to_owned()),
    };
    match written {
        Ok(()) => format!("written: `labsim run {}` does it again{}", path.display(), without.unwrap_or_default()),
        Err(error) => {
            // The name may be mended.
            model.acting.prompt = Some(path.display().to_string());
            format!("not written: {error}")
        }
    }
}

/// A name in a folder; that of where we are goes without saying.
pub(super) fn within(folder: &Path, name: PathBuf) -> PathBuf {
    if folder == Path::new(".") { name } else { folder.join(name) }
}

/// Writes a file that was not there before.
fn fresh(folder: &Path, name: &str, ending: &str, text: &str) -> io::Result<PathBuf> {
    for number in 1..1_000 {
        let path = within(folder, PathBuf::from(format!("{name}-{number}.{ending}")));
        match fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The screen at a size.
pub(super) fn drawn(model: &Model, size: Size) -> Buffer {
    let area = Rect::new(0, 0, size.width, size.height);
    let mut buffer = Buffer::empty(area);
    view::draw_on(model, &mut buffer, area);
    buffer
}

/// A screen as plain lines, without spaces at their ends.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let line: String = cells(buffer, y).map(|(_, cell)| cell.symbol()).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The cells of a line with their columns; one that a wide letter covers is left out.
fn cells(buffer: &Buffer, y: u16) -> impl Iterator<Item = (u16, &ratatui::buffer::Cell)> {
    let mut covered = 0;
    (buffer.area.left()..buffer.area.right()).filter_map(move |x| {
        let cell = buffer.cell((x, y))?;
        if covered > 0 {
            covered -= 1;
            return None;
        }
        covered = canvas::width(cell.symbol()).saturating_sub(1);
        Some((x, cell))
    })
}

/// Pieces of a line whose cells look alike: first column, columns, text, look.
fn runs(buffer: &Buffer, y: u16) -> Vec<(u16, u16, String, ratatui::style::Style)> {
    let mut runs: Vec<(u16, u16, String, ratatui::style::Style)> = Vec::new();
    for (x, cell) in cells(buffer, y) {
        let columns = canvas::width(cell.symbol()).max(1);
        match runs.last_mut() {
            Some((_, width, text, style)) if *style == cell.style() => {
                *width += columns;
                text.push_str(cell.symbol());
            }
            _ => runs.push((x, columns, cell.symbol().to_owned(), cell.style())),
        }
    }
    runs
}
