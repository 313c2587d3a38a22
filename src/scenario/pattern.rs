//! Patterns of answers: `429@mock 200@openai{2}`.
//!
//! A pattern reads like a regular expression over requests in the order of sending:
//!
//! | written | means |
//! | --- | --- |
//! | `429` `2xx` | an answer with this status, or one of this class |
//! | `timeout` `reset` `refused` `cut` … | a request that ended so, without a whole answer |
//! | `429@mock` | … from this provider, address (`host:port`), model, or the `gateway` itself |
//! | `200+` `200*` `200?` | once or more, any number, at most once |
//! | `200{3}` `200{1,3}` `200{2,}` | so many times |
//! | `(429 200)` | a group, which may have a quantifier |
//! | `any(429? 200{2})` | these in any order, mixed |
//!
//! Items are separated by spaces. How a pattern is matched is told in [`crate::verdict`].

mod parse;

use std::fmt;

use super::names::Target;
use crate::source::Place;
use crate::source::diagnostic::nearest;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As the file has it.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

/// Something with a quantifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What.
    pub what: What,
    /// At least so many times.
    pub min: u32,
    /// At most so many times; any number where absent.
    pub max: Option<u32>,
}

/// What a piece of a pattern is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One request.
    One(Item),
    /// Pieces in order.
    Group(Vec<Piece>),
    /// Items with their quantifiers in any order.
    Any(Vec<Counted>),
}

/// An item in `any(…)`, with how often it may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The item.
    pub item: Item,
    /// At least so many times.
    pub min: u32,
    /// At most so many times; any number where absent.
    pub max: Option<u32>,
}

/// One request: how it ended, and who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// How it ended.
    pub answer: Answer,
    /// Who answered; anybody where absent.
    pub target: Option<Target>,
    /// Where the item stands, in a pattern that stands on one line.
    pub place: Place,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// With a whole answer of this status.
    Status(u16),
    /// With a whole answer of this class: 2 for `2xx`.
    Class(u8),
    /// Without a whole answer: one of [`ENDINGS`].
    Ending(&'static str),
}

/// The ways to end without a whole answer, as events name them.
pub const ENDINGS: [&str; 8] = ["timeout", "reset", "refused", "cut", "truncated", "unresolved", "cancelled", "failed"];

/// The ending of a whole answer, as events name it.
pub const WHOLE: &str = "complete";

/// The largest pattern, counted in requests and alternatives once its quantifiers are written out.
pub const MAX_STATES: u64 = 20_000;

impl Pattern {
    /// How many requests it takes, at least and at most (any number where absent).
    #[must_use]
    pub fn length(&self) -> (u64, Option<u64>) {
        length_of(&self.pieces)
    }
}

fn length_of(pieces: &[Piece]) -> (u64, Option<u64>) {
    pieces.iter().fold((0, Some(0)), |(min, max): (u64, Option<u64>), piece| {
        let (least, most) = piece.length();
        (min.saturating_add(least), max.zip(most).map(|(one, two)| one.saturating_add(two)))
    })
}

impl Piece {
    fn length(&self) -> (u64, Option<u64>) {
        let (least, most) = match &self.what {
            What::One(_) => (1, Some(1)),
            What::Group(pieces) => length_of(pieces),
            What::Any(items) => items.iter().fold((0, Some(0)), |(min, max): (u64, Option<u64>), counted| {
                (min + u64::from(counted.min), max.zip(counted.max).map(|(sum, most)| sum + u64::from(most)))
            }),
        };
        let max = match (most, self.max) {
            (Some(0), _) => Some(0),
            (Some(most), Some(max)) => Some(most.saturating_mul(u64::from(max))),
            _ => None,
        };
        (least.saturating_mul(u64::from(self.min)), max)
    }

    /// How many states it takes once its quantifiers are written out.
    fn states(&self) -> u64 {
        let once = match &self.what {
            What::One(_) => 1,
            What::Group(pieces) => pieces.iter().fold(1, |sum: u64, piece| sum.saturating_add(piece.states())),
            What::Any(items) => {
                items.iter().fold(1, |product: u64, counted| product.saturating_mul(u64::from(counted.cap()) + 1))
            }
        };
        let copies = self.max.unwrap_or(self.min.saturating_add(1)).max(1);
        once.saturating_mul(u64::from(copies)).saturating_add(1)
    }
}

impl Counted {
    /// Up to where its count has to be kept: beyond, one more makes no difference or is too much.
    #[must_use]
    pub fn cap(&self) -> u32 {
        self.max.unwrap_or(self.min)
    }
}

impl Answer {
    /// Whether a request with this status, if a head came, that ended this way is meant.
    #[must_use]
    pub fn is(&self, status: Option<u16>, ending: &str) -> bool {
        let whole = ending == WHOLE;
        match self {
            Self::Status(wanted) => whole && status == Some(*wanted),
            Self::Class(class) => whole && status.is_some_and(|status| status / 100 == u16::from(*class)),
            Self::Ending(wanted) => ending == *wanted,
        }
    }

    /// Reads `429`, `2xx` or `timeout`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn parse(word: &str) -> Result<Self, (String, Option<String>)> {
        let bytes = word.as_bytes();
        if let [class @ b'1'..=b'5', b'x', b'x'] = bytes {
            return Ok(Self::Class(class - b'0'));
        }
        if !word.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
            return match word.parse::<u16>() {
                Ok(status @ 100..=599) => Ok(Self::Status(status)),
                _ => Err((
                    format!("`{word}` is not a status"),
                    Some("a status has three digits, from 100 to 599; how many is written after it: `200{8}`".into()),
                )),
            };
        }
        if let Some(ending) = ENDINGS.into_iter().find(|ending| *ending == word) {
            return Ok(Self::Ending(ending));
        }
        let known = ENDINGS.into_iter().chain(["1xx", "2xx", "3xx", "4xx", "5xx"]);
        let help = match nearest(word, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write a status such as `429`, a class such as `2xx`, or one of {}", ENDINGS.join(", ")),
        };
        Err((format!("`{word}` is not an answer"), Some(help)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Ending(ending) => f.write_str(ending),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            None => self.answer.fmt(f),
            Some(target) => write!(f, "{}@{target}", self.answer),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
