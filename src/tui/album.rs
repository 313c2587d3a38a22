//! Pictures of a recording, made without a terminal: for documents, and for tests of how the screen looks.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;

use super::Judge;
use super::export::{self, cast, film, svg};
use super::keys::Keys;
use super::model::{Model, Source};
use super::theme::Theme;
use crate::event::log::Header;
use crate::event::{At, Event};

/// A screen over a recording that is looked at from outside.
pub struct Album(Model);

impl Album {
    /// A screen that shows the beginning of a recording, in a theme of this name or in the dark one.
    #[must_use]
    pub fn new(
        header: Header,
        events: impl IntoIterator<Item = Event>,
        judge: Option<Box<dyn Judge>>,
        theme: Option<&str>,
    ) -> Self {
        let mut model = Model::new(header, Source::Replay, judge);
        model.theme = theme.and_then(Theme::named).unwrap_or_default();
        model.keys = Keys::default();
        model.feed(events);
        model.conclude(None);
        Self(model)
    }

    /// The latest moment that there is something to see of.
    #[must_use]
    pub fn end(&self) -> At {
        self.0.latest()
    }

    /// Shows another moment.
    pub fn seek(&mut self, at: At) {
        self.0.seek(at);
    }

    /// Presses keys, one a letter; a line break is Enter, an escape is Esc.
    pub fn press(&mut self, keys: &str) {
        for letter in keys.chars() {
            let code = match letter {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\u{1b}' => KeyCode::Esc,
                letter => KeyCode::Char(letter),
            };
            let key = KeyEvent::new(code, KeyModifiers::NONE);
            if let Some(action) = self.0.keys.action(key, self.0.context()) {
                self.0.act(&action);
            }
        }
    }

    /// The screen as plain text.
    #[must_use]
    pub fn text(&self, (columns, rows): (u16, u16)) -> String {
        export::text(&export::drawn(&self.0, Size::new(columns, rows)))
    }

    /// The screen as a picture.
    #[must_use]
    pub fn svg(&self, (columns, rows): (u16, u16)) -> String {
        svg::picture(&export::drawn(&self.0, Size::new(columns, rows)), &self.0.theme)
    }

    /// The whole recording as a picture that moves, at the pace at which a person would watch it.
    #[must_use]
    pub fn film(&mut self, (columns, rows): (u16, u16)) -> String {
        film::of_session(&mut self.0, Size::new(columns, rows))
    }

    /// The whole recording as an asciinema cast, with the lab's times.
    #[must_use]
    pub fn cast(&mut self, (columns, rows): (u16, u16)) -> String {
        cast::of_session(&mut self.0, Size::new(columns, rows))
    }
}
