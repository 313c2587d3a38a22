//! Cuts text into tokens, much as OpenAI's tokenizers do: words with the space before them, up to
//! three digits, runs of punctuation. There is no vocabulary, so counts are close and not exact.

/// Longer words are cut, since a vocabulary would not have them whole.
const LONGEST_WORD: usize = 12;
const PIECE: usize = 6;

/// The tokens of `text`. Joined, they are the text again.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = token_length(rest);
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// How many tokens `text` has.
pub(crate) fn count(text: &str) -> u64 {
    let mut rest = text;
    let mut tokens = 0;
    while !rest.is_empty() {
        rest = rest.split_at(token_length(rest)).1;
        tokens += 1;
    }
    tokens
}

/// Length in bytes of the first token of `text`, which is not empty; always at least one character.
fn token_length(text: &str) -> usize {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or_default();
    let second = chars.next();
    let lead = first.len_utf8();
    if is_word(first) {
        return word(text);
    }
    if first.is_numeric() {
        return run(text, 3, char::is_numeric);
    }
    // One character that is no line break goes with the word after it: mostly a space.
    if !matches!(first, '\r' | '\n') && second.is_some_and(is_word) {
        return lead + word(&text[lead..]);
    }
    if first == ' ' && second.is_some_and(is_symbol) {
        return lead + run(&text[lead..], usize::MAX, is_symbol);
    }
    if first.is_whitespace() {
        return whitespace(text);
    }
    run(text, usize::MAX, is_symbol).max(lead)
}

/// Length of a run of white space; a last space that a word follows is left to the word.
fn whitespace(text: &str) -> usize {
    let length = run(text, usize::MAX, char::is_whitespace);
    let last = text[..length].chars().next_back().unwrap_or_default();
    let ends_text = length == text.len();
    if ends_text || last.is_numeric() || last != ' ' || length == last.len_utf8() { length } else { length - 1 }
}

/// Length of a word, or of its first piece if it is long. Beyond the Latin letters each character is one.
fn word(text: &str) -> usize {
    let whole = run(text, usize::MAX, is_word);
    let word = &text[..whole];
    if !word.is_ascii() {
        let first = word.chars().next().unwrap_or_default();
        return if is_wide(first) { first.len_utf8() } else { run(text, PIECE, |c| is_word(c) && !is_wide(c)) };
    }
    if whole > LONGEST_WORD { PIECE } else { whole }
}

fn run(text: &str, most: usize, belongs: impl Fn(char) -> bool) -> usize {
    text.chars().take(most).take_while(|&c| belongs(c)).map(char::len_utf8).sum()
}

fn is_word(c: char) -> bool {
    c.is_alphabetic()
}

fn is_symbol(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace()
}

/// Scripts that write without spaces.
fn is_wide(c: char) -> bool {
    u32::from(c) >= 0x2e80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_falls_into_words_digits_and_punctuation() {
        assert_eq!(split("What is 2+2?"), ["What", " is", " ", "2", "+", "2", "?"]);
        assert_eq!(split("Four."), ["Four", "."]);
        assert_eq!(split("{\"city\":\"Paris\"}"), ["{\"", "city", "\":\"", "Paris", "\"}"]);
        assert_eq!(split("a  b\n\n c"), ["a", " ", " b", "\n\n", " c"]);
        assert_eq!(split("1234567"), ["123", "456", "7"]);
        assert_eq!(split("日本"), ["日", "本"]);
    }

    #[test]
    fn tokens_join_to_the_text() {
        for text in
            ["", " ", "\u{301}x", "é ü 日本 | `x`  y\t\tz \r\n", "👩‍🚀 go", "½ x²", "antidisestablishmentarianism"]
        {
            assert_eq!(split(text).concat(), text);
            assert_eq!(split(text).len() as u64, count(text));
        }
    }
}
