//! The simulators' tokenizer: words and punctuation marks, each with the white space after it.
//!
//! It is the regular expression of the vLLM simulator's built-in tokenizer, written out by hand. The
//! original drops what its expression does not match (letters beyond ASCII, `|`, a backtick); here
//! such a run is a token of its own, so that an echoed text stays whole, and white space at the
//! start of a text belongs to the first token.

/// What a byte is to the tokenizer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Mark,
    Space,
    Other,
}

const MARKS: &[u8] = b"{}:,-.?!;@#$%^&*()+_~/\\><[]=\"'";

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let ascii = byte as u8;
        if ascii.is_ascii_alphanumeric() {
            classes[byte] = Class::Word;
        } else if matches!(ascii, b'\t' | b'\n' | 0x0c | b'\r' | b' ') {
            classes[byte] = Class::Space;
        }
        byte += 1;
    }
    let mut mark = 0;
    while mark < MARKS.len() {
        classes[MARKS[mark] as usize] = Class::Mark;
        mark += 1;
    }
    classes
};

/// The tokens of a text, as parts of it. Together they are the whole text.
#[derive(Debug, Clone)]
pub struct Tokens<'t> {
    rest: &'t str,
}

/// Splits `text` into tokens.
#[must_use]
pub fn split(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// How many tokens `text` has.
#[must_use]
pub fn count(text: &str) -> usize {
    split(text).count()
}

/// The id of a token: the 32-bit FNV-1a hash of its bytes, with the white space after it.
#[must_use]
pub fn id(token: &str) -> u32 {
    let bare = token.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    let hashed = if bare.is_empty() { token } else { bare };
    hashed.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The ids of all tokens of `text`.
#[must_use]
pub fn ids(text: &str) -> Vec<u32> {
    split(text).map(id).collect()
}

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = token_end(self.rest.as_bytes());
        let (token, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(token)
    }
}

/// One past the last byte of the token that `bytes` begins with.
fn token_end(bytes: &[u8]) -> usize {
    let class = |at: usize| bytes.get(at).map(|byte| CLASSES[usize::from(*byte)]);
    let skip = |mut at: usize, wanted: fn(u8, Class) -> bool| {
        while let (Some(class), Some(byte)) = (class(at), bytes.get(at))
            && wanted(*byte, class)
        {
            at += 1;
        }
        at
    };
    let spaces: fn(u8, Class) -> bool = |_, class| class == Class::Space;
    let start = skip(0, spaces);
    let end = match class(start) {
        None | Some(Class::Space) => start,
        Some(Class::Mark) => start + 1,
        // An underscore starts no word, but goes on with one.
        Some(Class::Word) => skip(start, |byte, class| class == Class::Word || byte == b'_'),
        Some(Class::Other) => skip(start, |_, class| class == Class::Other),
    };
    skip(end, spaces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_known_tokens() {
        let cases: [(&str, &[&str]); 6] = [
            ("This is a test.", &["This ", "is ", "a ", "test", "."]),
            ("a_b _c", &["a_b ", "_", "c"]),
            ("### user: hi\n", &["#", "#", "# ", "user", ": ", "hi\n"]),
            ("  hello world", &["  hello ", "world"]),
            ("é ü 日本 | `x`", &["é ", "ü ", "日本 ", "| ", "`", "x", "`"]),
            (" ", &[" "]),
        ];
        for (text, tokens) in cases {
            assert_eq!(split(text).collect::<Vec<_>>(), tokens, "{text:?}");
        }
        assert_eq!(count(""), 0);
    }

    #[test]
    fn ids_are_those_of_the_original() {
        assert_eq!(
            ids("### user: hi\n"),
            [638_357_778, 638_357_778, 399_020_470, 1_618_501_362, 2_382_766_391, 2_765_235_376]
        );
        assert_eq!(ids("hello"), [1_335_831_723]);
        assert_eq!(ids("hello world"), [3_801_292_497, 933_488_787]);
        assert_eq!(ids(" hello"), [1_335_831_723]);
    }

    #[test]
    fn tokens_lose_nothing() {
        for text in ["", "a\u{a0}b  c\n\n", "\u{1f980}! \"quoted\"", "x|y", "\t\tz"] {
            assert_eq!(split(text).collect::<String>(), text);
        }
    }
}
