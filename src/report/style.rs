//! Colours, where the terminal wants them.

use std::fmt::{self, Display};

/// Whether text may carry colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Colours and weights are written.
    pub colour: bool,
}

/// What a piece of text means. Each meaning has a colour, and never a colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It is in doubt, or out of service for a while.
    Doubtful,
    /// It matters most in its line.
    Strong,
    /// It is there for reference.
    Faint,
}

struct Painted<T> {
    text: T,
    code: Option<&'static str>,
}

impl Style {
    /// Text without colours.
    pub const PLAIN: Self = Self { colour: false };
    /// Text with colours.
    pub const COLOUR: Self = Self { colour: true };

    /// `text` as its meaning wants it.
    pub fn paint(self, meaning: Meaning, text: impl Display) -> impl Display {
        let code = match meaning {
            Meaning::Good => "32",
            Meaning::Bad => "31",
            Meaning::Doubtful => "33",
            Meaning::Strong => "1",
            Meaning::Faint => "2",
        };
        Painted { text, code: self.colour.then_some(code) }
    }
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\u{1b}[{code}m{}\u{1b}[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}
