//! Writes JSON again in one pass over its bytes, with the fields that are known first: the usual case, made
//! cheap. Parsing an answer into values and writing those took a fifth of the gateway's processor time.
//!
//! It gives up wherever anything is unusual: a field of another type, a key that comes twice, an escape that would
//! be written otherwise, text that is no JSON. Then the types of the module above
//! have the word, which also say what is wrong.

use std::ops::Range;

/// What a value has to be.
pub(super) enum Shape {
    /// Anything; it is written as it is read.
    Any,
    Text,
    /// A whole number of at most 32 bits, as far as it is short.
    Small,
    /// A whole number that may be negative.
    Integer,
    Number,
    Flag,
    /// A text, or such a value.
    TextOr(&'static Self),
    /// A list of such values.
    List(&'static Self),
    /// An object, with these fields first, in this order.
    Object(&'static [Field]),
    /// Such a value or `null`.
    OrNull(&'static Self),
}

/// A field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) absent: Absent,
}

/// What stands for a field that is absent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It has to be there.
    Never,
    /// Nothing; nor for `null`.
    Nothing,
    /// This.
    As(&'static str),
    /// Nothing either, and where it is it stays among the others: of it only the type counts.
    InPlace,
    /// The same, but it has to be there.
    NeverInPlace,
}

impl Absent {
    fn stays_in_place(self) -> bool {
        matches!(self, Self::InPlace | Self::NeverInPlace)
    }
}

/// Values in values, at most: as many as the types' parser goes down.
const DEPTH: usize = 120;
/// An object with more fields than this is not looked through for one that comes twice.
const MOST_FIELDS: usize = 64;
/// Of longer numbers some are too large to be whole numbers.
const MOST_DIGITS: usize = 18;
/// Of longer numbers some have more than 32 bits.
const MOST_SMALL_DIGITS: usize = 9;

/// An object that has been written again.
pub(super) struct Written {
    json: Vec<u8>,
    /// Where the values of its known fields are.
    known: Vec<Range<usize>>,
}

/// Which bytes of a string stand for themselves.
static STANDS: [bool; 256] = {
    let mut stands = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        stands[byte] = false;
        byte += 1;
    }
    stands[b'"' as usize] = false;
    stands[b'\\' as usize] = false;
    stands
};

/// An object of these fields written again; none where it has to be looked at more closely.
pub(super) fn rewrite(json: &[u8], fields: &'static [Field]) -> Option<Written> {
    let json = std::str::from_utf8(json).ok()?.as_bytes();
    let mut again = Again { rest: json, out: Vec::with_capacity(json.len() + 32), known: Vec::new() };
    again.object(fields, DEPTH)?;
    again.skip_space();
    again.rest.is_empty().then_some(Written { json: again.out, known: again.known })
}

impl Written {
    /// The value of the known field with this index; empty where there is none.
    pub(super) fn known(&self, index: usize) -> &[u8] {
        &self.json[self.known[index].clone()]
    }

    /// The other fields, a comma before each. One that is known has to be there.
    pub(super) fn others(&self) -> &[u8] {
        let last = self.known.iter().map(|value| value.end).max().unwrap_or_default();
        &self.json[last..self.json.len() - 1]
    }

    pub(super) fn into_json(self) -> Vec<u8> {
        self.json
    }
}

/// What is still to be read, and what has been written.
struct Again<'j> {
    rest: &'j [u8],
    out: Vec<u8>,
    /// Where the values of the known fields are, of the object that was last put in order.
    known: Vec<Range<usize>>,
}

/// A field that has been written.
struct Member<'j> {
    key: &'j [u8],
    /// Its place among the known fields; behind them all for others.
    rank: usize,
    /// With its key.
    written: Range<usize>,
    value: Range<usize>,
}

impl<'j> Again<'j> {
    fn value(&mut self, shape: &'static Shape, depth: usize) -> Option<()> {
        self.skip_space();
        let any = matches!(shape, Shape::Any);
        let shape = match shape {
            Shape::OrNull(_) if self.rest.starts_with(b"null") => return self.word("null"),
            Shape::OrNull(shape) => shape,
            shape => shape,
        };
        match (self.rest.first()?, shape) {
            (b'"', Shape::Any | Shape::Text | Shape::TextOr(_)) => self.string().map(drop),
            (b'{', Shape::Any) => self.object(&[], depth.checked_sub(1)?),
            (b'{', Shape::Object(fields)) => self.object(fields, depth.checked_sub(1)?),
            (b'[', Shape::Any) => self.list(&Shape::Any, depth.checked_sub(1)?),
            (b'[', Shape::List(shape)) => self.list(shape, depth.checked_sub(1)?),
            (b'[', Shape::TextOr(shape)) => self.value(shape, depth),
            (b'0'..=b'9' | b'-', Shape::Any | Shape::Number) => self.number(),
            (b'0'..=b'9', Shape::Integer) => self.whole_number(MOST_DIGITS),
            (b'0'..=b'9', Shape::Small) => self.whole_number(MOST_SMALL_DIGITS),
            (b'-', Shape::Integer) => {
                self.copy(1);
                (!self.rest.starts_with(b"0")).then(|| self.whole_number(MOST_DIGITS))?
            }
            (b'n', _) if any => self.word("null"),
            (b't', Shape::Any | Shape::Flag) => self.word("true"),
            (b'f', Shape::Any | Shape::Flag) => self.word("false"),
            _ => None,
        }
    }

    fn list(&mut self, shape: &'static Shape, depth: usize) -> Option<()> {
        self.take(b'[')?;
        self.out.push(b'[');
        if self.take(b']').is_none() {
            loop {
                self.value(shape, depth)?;
                if self.take(b']').is_some() {
                    break;
                }
                self.take(b',')?;
                self.out.push(b',');
            }
        }
        self.out.push(b']');
        Some(())
    }

    fn object(&mut self, fields: &'static [Field], depth: usize) -> Option<()> {
        self.take(b'{')?;
        self.out.push(b'{');
        let mut members = Vec::with_capacity(8);
        if self.take(b'}').is_none() {
            loop {
                let member = self.member(fields, depth)?;
                if members.len() == MOST_FIELDS || members.iter().any(|one: &Member<'_>| one.key == member.key) {
                    return None;
                }
                members.push(member);
                if self.take(b'}').is_some() {
                    break;
                }
                self.take(b',')?;
                self.out.push(b',');
            }
        }
        if !fields.is_empty() {
            self.put_in_order(fields, members)?;
        }
        self.out.push(b'}');
        Some(())
    }

    fn member(&mut self, fields: &'static [Field], depth: usize) -> Option<Member<'j>> {
        let begin = self.out.len();
        self.skip_space();
        let key = self.string()?;
        self.take(b':')?;
        self.out.push(b':');
        let value = self.out.len();
        let rank = fields.iter().position(|field| field.name.as_bytes() == key);
        let shape = rank.map_or(&Shape::Any, |rank| &fields[rank].shape);
        self.value(shape, depth)?;
        let rank = rank.filter(|rank| !fields[*rank].absent.stays_in_place());
        let end = self.out.len();
        Some(Member { key, rank: rank.unwrap_or(fields.len()), written: begin..end, value: value..end })
    }

    /// Puts the members of an object, which are the last that was written, into their order.
    fn put_in_order(&mut self, fields: &'static [Field], mut members: Vec<Member<'j>>) -> Option<()> {
        let begin = members.first().map_or(self.out.len(), |first| first.written.start);
        let before = self.out.split_off(begin);
        let lacks = |field: &Field| !members.iter().any(|member| member.key == field.name.as_bytes());
        if fields.iter().any(|field| field.absent == Absent::NeverInPlace && lacks(field)) {
            return None;
        }
        members.sort_by_key(|member| member.rank);
        let mut members = members.into_iter().peekable();
        self.known.clear();
        for (rank, field) in fields.iter().enumerate() {
            let member = members.next_if(|member| member.rank == rank);
            let value = member.map(|member| &before[member.value.start - begin..member.value.end - begin]);
            match (value, field.absent) {
                (None, Absent::Never) => return None,
                (None | Some(b"null"), Absent::Nothing) | (None, Absent::InPlace | Absent::NeverInPlace) => {
                    self.known.push(0..0);
                }
                (None, Absent::As(text)) => self.put(field.name, text.as_bytes()),
                (Some(value), _) => self.put(field.name, value),
            }
        }
        for member in members {
            self.out.extend_from_slice(&before[member.written.start - begin..member.written.end - begin]);
            self.out.push(b',');
        }
        if self.out.len() > begin {
            self.out.pop();
        }
        Some(())
    }

    /// Writes a known field, and a comma.
    fn put(&mut self, name: &str, value: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        let begin = self.out.len();
        self.out.extend_from_slice(value);
        self.known.push(begin..self.out.len());
        self.out.push(b',');
    }

    /// A string that stands as it would be written; gives what is between the quotes.
    fn string(&mut self) -> Option<&'j [u8]> {
        let text = self.rest.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += text[at..].iter().position(|byte| !STANDS[usize::from(*byte)])?;
            match (text[at], text.get(at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f')) => at += 2,
                _ => return None,
            }
        }
        self.copy(at + 2);
        Some(&text[..at])
    }

    fn number(&mut self) -> Option<()> {
        let part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest.iter().take_while(part).count();
        let digits = self.rest[..length].strip_prefix(b"-").unwrap_or(&self.rest[..length]);
        if is_whole(digits) && (digits != b"0" || digits.len() == length) {
            self.copy(length);
            return Some(());
        }
        // As the types' parser reads it and as it is written then. What is too long to be a whole number for them
        // they read as another one.
        let (number, rest) = self.rest.split_at(length);
        let number: serde_json::Number = serde_json::from_slice(number).ok()?;
        self.rest = rest;
        serde_json::to_writer(&mut self.out, &number).ok()
    }

    fn whole_number(&mut self, most_digits: usize) -> Option<()> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length > most_digits || !is_whole(&self.rest[..length]) {
            return None;
        }
        self.copy(length);
        Some(())
    }

    fn word(&mut self, word: &'static str) -> Option<()> {
        if !self.rest.starts_with(word.as_bytes()) {
            return None;
        }
        self.copy(word.len());
        Some(())
    }

    fn copy(&mut self, length: usize) {
        let (copied, rest) = self.rest.split_at(length);
        self.out.extend_from_slice(copied);
        self.rest = rest;
    }

    /// Passes one byte, and white space before it.
    fn take(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(&[wanted])?;
        Some(())
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// Whether digits are a whole number that is written as it is read.
fn is_whole(digits: &[u8]) -> bool {
    (1..=MOST_DIGITS).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits[0] != b'0' || digits.len() == 1)
}
