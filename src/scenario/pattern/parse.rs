//! Text → pattern, with the place of everything that is wrong.

use std::ops::Range;

use super::{Answer, Counted, Item, MAX_STATES, Pattern, Piece, What};
use crate::scenario::names::{GATEWAY, Names, Target};
use crate::source::{Diagnostic, Place};

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

fn too_large(place: Place) -> Diagnostic {
    Diagnostic::error("this pattern is too large")
        .at(place, format!("more than {MAX_STATES} possibilities"))
        .help("count long runs with `status:` or `reached:` instead, or write `+` for a large number")
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
