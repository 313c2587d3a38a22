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

use std::fmt;
use std::ops::Range;

use super::names::{GATEWAY, Names, Target};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Place};

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

/// The largest pattern, counted in requests and alternatives once its quantifiers are written out.
pub const MAX_STATES: u64 = 20_000;

/// How deep groups may nest.
const MAX_DEPTH: u32 = 20;

/// What is wrong with a pattern, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    at: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
}

impl Pattern {
    /// Reads a pattern. `locate` tells the place of a part of the text in its file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        text: &str,
        place: Place,
        locate: &dyn Fn(Range<usize>) -> Place,
        names: &Names,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut parser = Parser { text, at: 0, names, locate, findings: Vec::new() };
        match parser.pieces(0) {
            Ok(pieces) if parser.findings.is_empty() => {
                let pattern = Self { text: text.to_owned(), place, pieces };
                let states = pattern.pieces.iter().fold(0, |sum: u64, piece| sum.saturating_add(piece.states()));
                if states > MAX_STATES {
                    return Err(vec![too_large(place)]);
                }
                Ok(pattern)
            }
            Ok(_) => Err(parser.findings),
            Err(wrong) => {
                let mut findings = parser.findings;
                findings.push(wrong.into_diagnostic(locate));
                Err(findings)
            }
        }
    }

    /// How many requests it takes, at least and at most (any number where absent).
    #[must_use]
    pub fn length(&self) -> (u64, Option<u64>) {
        length_of(&self.pieces)
    }
}

fn too_large(place: Place) -> Diagnostic {
    Diagnostic::error("this pattern is too large")
        .at(place, format!("more than {MAX_STATES} possibilities"))
        .help("count long runs with `status:` or `reached:` instead, or write `+` for a large number")
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

impl Item {
    /// Reads one item without a quantifier, such as `429@mock`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, locate: &dyn Fn(Range<usize>) -> Place, names: &Names) -> Result<Self, Vec<Diagnostic>> {
        let mut parser = Parser { text, at: 0, names, locate, findings: Vec::new() };
        let item = parser.item();
        let rest = parser.rest();
        match item {
            Err(wrong) => Err(vec![wrong.into_diagnostic(locate)]),
            Ok(_) if !rest.is_empty() => {
                let wrong = Wrong::new(parser.at..text.len(), "this is more than one item", "this is too much");
                Err(vec![wrong.help("write one answer, such as `429@mock`").into_diagnostic(locate)])
            }
            Ok(Some(item)) => Ok(item),
            Ok(None) => Err(parser.findings),
        }
    }
}

impl Wrong {
    fn new(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { at, message: message.into(), label: label.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn into_diagnostic(self, locate: &dyn Fn(Range<usize>) -> Place) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.message).at(locate(self.at), self.label);
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    names: &'p Names,
    locate: &'p dyn Fn(Range<usize>) -> Place,
    /// What is wrong with single items, after which reading goes on.
    findings: Vec<Diagnostic>,
}

/// What ends a target's name.
const NOT_IN_NAMES: &str = "(){}+*?@";

impl<'p> Parser<'p> {
    fn rest(&self) -> &'p str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The characters from here on that `wanted` takes.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_spaces(&mut self) -> bool {
        !self.take_while(char::is_whitespace).is_empty()
    }

    /// The range of the next character, or an empty one at the end.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    /// Pieces up to the end or to the `)` that closes a group.
    fn pieces(&mut self, depth: u32) -> Result<Vec<Piece>, Wrong> {
        let mut pieces = Vec::new();
        let mut spaced = true;
        loop {
            spaced |= self.skip_spaces();
            match self.peek() {
                None if depth == 0 && pieces.is_empty() && self.findings.is_empty() => {
                    return Err(Wrong::new(0..self.text.len(), "this pattern is empty", "write what is expected")
                        .help("such as `429@mock 200{2}`"));
                }
                None => return Ok(pieces),
                Some(')') if depth > 0 => return Ok(pieces),
                Some(_) if !spaced => {
                    return Err(Wrong::new(self.here(), "items are separated by spaces", "a space is missing here"));
                }
                Some('(') => {
                    let what = self.group(depth)?;
                    pieces.push(self.quantified(what)?);
                }
                Some(_) if self.rest().starts_with("any(") => {
                    let what = self.any()?;
                    pieces.push(self.quantified(what)?);
                }
                Some(_) => {
                    let item = self.item()?;
                    let (min, max) = self.quantifier()?;
                    // An item that is wrong has been reported; the rest may be wrong as well.
                    pieces.extend(item.map(|item| Piece { what: What::One(item), min, max }));
                }
            }
            spaced = false;
        }
    }

    fn group(&mut self, depth: u32) -> Result<What, Wrong> {
        let open = self.here();
        if depth >= MAX_DEPTH {
            return Err(Wrong::new(open, "groups nest too deep", "here"));
        }
        self.at += 1;
        let pieces = self.pieces(depth + 1)?;
        self.close(open.clone())?;
        if pieces.is_empty() && self.findings.is_empty() {
            return Err(Wrong::new(open.start..self.at, "this group is empty", "nothing in it"));
        }
        Ok(What::Group(pieces))
    }

    fn close(&mut self, open: Range<usize>) -> Result<(), Wrong> {
        if self.peek() == Some(')') {
            self.at += 1;
            return Ok(());
        }
        Err(Wrong::new(open, "this bracket is never closed", "opened here").help("add `)`"))
    }

    /// `any(` items with quantifiers `)`.
    fn any(&mut self) -> Result<What, Wrong> {
        let open = self.at..self.at + "any(".len();
        self.at = open.end;
        let mut items = Vec::new();
        let mut spaced = true;
        loop {
            spaced |= self.skip_spaces();
            match self.peek() {
                None => {
                    self.close(open.clone())?;
                }
                Some(')') => {
                    self.at += 1;
                    if items.is_empty() && self.findings.is_empty() {
                        return Err(Wrong::new(open.start..self.at, "`any()` is empty", "nothing in it"));
                    }
                    return Ok(What::Any(items));
                }
                Some(_) if !spaced => {
                    return Err(Wrong::new(self.here(), "items are separated by spaces", "a space is missing here"));
                }
                Some(_) if self.peek() == Some('(') || self.rest().starts_with("any(") => {
                    return Err(Wrong::new(self.here(), "`any(…)` takes single items", "a group cannot stand here")
                        .help("such as `any(429@mock? 200{2})`"));
                }
                Some(_) => {
                    let item = self.item()?;
                    let (min, max) = self.quantifier()?;
                    items.extend(item.map(|item| Counted { item, min, max }));
                }
            }
            spaced = false;
        }
    }

    fn quantified(&mut self, what: What) -> Result<Piece, Wrong> {
        let (min, max) = self.quantifier()?;
        Ok(Piece { what, min, max })
    }

    /// An outcome and perhaps `@target`. None where it is wrong in a way that has been reported.
    fn item(&mut self) -> Result<Option<Item>, Wrong> {
        let start = self.at;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '-' || c == '_');
        if word.is_empty() {
            return Err(self.not_an_item());
        }
        let answer = match Answer::parse(word) {
            Ok(answer) => Some(answer),
            Err((message, help)) => {
                let mut wrong = Wrong::new(start..self.at, message, "expected a status, a class, or a way to end");
                wrong.help = help;
                self.findings.push(wrong.into_diagnostic(self.locate));
                None
            }
        };
        let before = self.findings.len();
        let target = match self.peek() {
            Some('@') => self.target()?,
            _ => None,
        };
        let place = (self.locate)(start..self.at);
        let sound = self.findings.len() == before;
        Ok(answer.filter(|_| sound).map(|answer| Item { answer, target, place }))
    }

    fn not_an_item(&self) -> Wrong {
        let found = self.peek().unwrap_or(' ');
        let wrong = Wrong::new(self.here(), format!("`{found}` cannot stand here"), "expected an answer such as `429`");
        match found {
            '*' | '+' | '?' | '{' => wrong.help("a quantifier stands right behind its item: `200+`"),
            '@' => wrong.help("the answer comes first: `200@provider`"),
            ',' | ';' | '|' => wrong.help("items are separated by spaces"),
            ')' => wrong.help("this bracket was never opened"),
            _ => wrong,
        }
    }

    /// `@name`; none where the name is wrong, which is then among the findings.
    fn target(&mut self) -> Result<Option<Target>, Wrong> {
        let at_sign = self.here();
        self.at += 1;
        let start = self.at;
        let name = self.take_while(|c| !c.is_whitespace() && !NOT_IN_NAMES.contains(c));
        if name.is_empty() {
            return Err(Wrong::new(at_sign, "a name is missing after `@`", "who?")
                .help(format!("a provider, a `host:port`, a model, or `{GATEWAY}`")));
        }
        match self.names.resolve(name, (self.locate)(start..self.at)) {
            Ok(target) => Ok(Some(target)),
            Err(diagnostic) => {
                self.findings.push(diagnostic);
                Ok(None)
            }
        }
    }

    /// How often the item before comes: once where nothing stands here.
    fn quantifier(&mut self) -> Result<(u32, Option<u32>), Wrong> {
        let start = self.at;
        let bounds = match self.peek() {
            Some('+') => (1, None),
            Some('*') => (0, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.braces()?,
            _ => return Ok((1, Some(1))),
        };
        if self.at == start {
            self.at += 1;
        }
        match self.peek() {
            Some('+' | '*' | '?' | '{') => {
                Err(Wrong::new(start..self.here().end, "an item has one quantifier", "one too many here"))
            }
            _ => Ok(bounds),
        }
    }

    /// `{3}`, `{1,3}` or `{2,}`.
    fn braces(&mut self) -> Result<(u32, Option<u32>), Wrong> {
        let start = self.at;
        let inside = self.rest().find('}').map(|end| &self.rest()[1..end]);
        let Some(inside) = inside else {
            return Err(Wrong::new(self.here(), "this bracket is never closed", "opened here").help("add `}`"));
        };
        self.at += inside.len() + 2;
        let wrong = |message: &str| Wrong::new(start..self.at, message.to_owned(), "expected `{3}`, `{1,3}` or `{2,}`");
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("this is not a number of times"));
        let (min, max) = match inside.split_once(',') {
            None => {
                let times = number(inside)?;
                (times, Some(times))
            }
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        match max {
            Some(0) => Err(wrong("zero times is never")),
            Some(most) if most < min => Err(wrong("the smaller number comes first")),
            _ => Ok((min, max)),
        }
    }
}
