//! `labsim replay --picture`: a recording's screen as a file, without a terminal.

use std::path::{Path, PathBuf};

use super::Exit;
use super::judging::Judging;
use super::reports;
use crate::event::log::Header;
use crate::event::{At, Event};
use crate::source::Span;
use crate::tui::{Album, Judge};

/// What a picture shows.
#[derive(Debug, clap::Args)]
pub(super) struct PictureArgs {
    /// Write the screen to a file instead: `.svg` (with `--at` as it is then, else a picture that moves), `.txt`, or `.cast` for asciinema
    #[arg(long, value_name = "PATH", conflicts_with = "no_tui", value_parser = kind)]
    picture: Option<PathBuf>,
    /// The moment of the picture, such as `1m2s`; the end where absent
    #[arg(long, value_name = "TIME", requires = "picture", value_parser = moment)]
    at: Option<At>,
    /// Columns and rows of the picture
    #[arg(long, value_name = "COLUMNSxROWS", requires = "picture", value_parser = size, default_value = "100x30")]
    size: (u16, u16),
    /// Keys that are pressed before, such as `5` for the charts
    #[arg(long, value_name = "KEYS", requires = "picture", default_value = "", hide_default_value = true)]
    press: String,
}

fn kind(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match ending(&path) {
        "svg" | "txt" | "cast" => Ok(path),
        _ => Err("a picture's name ends in .svg, .txt or .cast".to_owned()),
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn moment(text: &str) -> Result<At, String> {
    Span::parse(text).map(|span| At::after(span.0)).map_err(|_| "write a time such as `800ms` or `1m2s`".to_owned())
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    let fits = |(columns, rows): &(u16, u16)| (1..=500).contains(columns) && (1..=200).contains(rows);
    sides.filter(fits).ok_or_else(|| "write columns and rows, such as 100x30; 500x200 at most".to_owned())
}

impl PictureArgs {
    /// Whether a picture is asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.picture.is_some()
    }

    /// Writes the picture.
    pub(super) fn write(&self, header: Header, events: Vec<Event>, theme: Option<&str>) -> Exit {
        let Some(path) = &self.picture else { return Exit::Passed };
        let judge = Judging::of_recording(&header).map(|judge| Box::new(judge) as Box<dyn Judge>);
        let mut album = Album::new(header, events, judge, theme);
        album.seek(self.at.unwrap_or(album.end()));
        album.press(&self.press);
        let text = match ending(path) {
            "svg" if self.at.is_none() => album.film(self.size),
            "svg" => album.svg(self.size),
            "cast" => album.cast(self.size),
            _ => album.text(self.size),
        };
        match std::fs::write(path, text) {
            Ok(()) => Exit::Passed,
            Err(error) => reports::unwritable("picture", path, &error),
        }
    }
}
