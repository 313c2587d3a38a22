//! What the fake says: sums are worked out, anything else gets a plausible text.

use super::tokens;
use crate::world::{Random, Seed};

/// The answer to `question`: the same for the same seed, question and `variant`.
pub(crate) fn answer(seed: Seed, question: &str, variant: &str) -> String {
    sum(question).unwrap_or_else(|| text(&mut stream(seed, question, variant), question))
}

/// The stream of chance of an answer to `question`.
pub(crate) fn stream(seed: Seed, question: &str, variant: &str) -> Random {
    seed.stream(&format!("openai/answer/{variant}/{question}"))
}

const OPENINGS: &[&str] = &[
    "There are a few things worth knowing about {}.",
    "Let us look at {} one step at a time.",
    "The short answer is that {} depends on what you want to achieve.",
    "Good question: {} comes up more often than one would think.",
    "When people ask about {}, they usually mean one of two things.",
];

const MIDDLES: &[&str] = &[
    "First, it helps to be clear about the goal, because that decides which details matter.",
    "Most of the time the simple approach works well, and it is the easiest one to explain to others.",
    "A common mistake is to change several things at once and then not know which of them helped.",
    "If you measure before and after, you will see quickly whether {} behaves as you expect.",
    "It is worth writing down what you assume, so that somebody else can check it later.",
    "In practice, small and frequent steps are safer than one large change.",
    "You may also want to consider what happens when something goes wrong, and who will notice it first.",
    "Time and cost pull in different directions here, so decide early which of the two is more important.",
    "Once the basics are in place, {} becomes mostly a matter of habit.",
    "There are exceptions, of course, but they are rare enough to be handled one by one.",
    "A small example often says more about {} than a long description.",
    "Finally, keep a way back, so that you can return to a state that is known to work.",
];

const CLOSINGS: &[&str] = &[
    "Let me know if you would like more detail on any of these points.",
    "I hope that helps!",
    "If you tell me more about your situation, I can be more specific.",
    "That should be enough to get started with {}.",
];

/// A text about what `question` is about, of some 40 to 120 tokens.
fn text(random: &mut Random, question: &str) -> String {
    let topic = topic(question);
    let target = 45 + random.below(40);
    let mut middles: Vec<&str> = MIDDLES.to_vec();
    let mut sentences = vec![pick(random, OPENINGS)];
    let mut length = tokens::count(sentences[0]);
    while length < target && !middles.is_empty() {
        let sentence = middles.remove(random.index(middles.len()));
        length += tokens::count(sentence);
        sentences.push(sentence);
    }
    sentences.push(pick(random, CLOSINGS));
    sentences.join(" ").replace("{}", &topic)
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from.get(random.index(from.len())).copied().unwrap_or_default()
}

/// One sentence about what `question` is about.
pub(crate) fn sentence(random: &mut Random, question: &str) -> String {
    pick(random, MIDDLES).replace("{}", &topic(question))
}

const COMMON: &[&str] = &[
    "about", "answer", "could", "describe", "does", "explain", "give", "have", "help", "json", "know", "list", "make",
    "please", "should", "some", "tell", "than", "that", "their", "them", "there", "these", "they", "this", "those",
    "want", "what", "when", "where", "which", "with", "would", "write", "your",
];

/// The word that a question seems to be about: its longest, unless it is a common one.
pub(crate) fn topic(question: &str) -> String {
    let mut best = "";
    for word in question.split(|c: char| !c.is_alphabetic()).take(2_000) {
        let length = word.chars().count();
        let is_common = COMMON.iter().any(|common| common.eq_ignore_ascii_case(word));
        if (4..=20).contains(&length) && length > best.chars().count() && !is_common {
            best = word;
        }
    }
    if best.is_empty() { "this".to_owned() } else { best.to_lowercase() }
}

/// The answer to a small sum such as `What is 2+2?` or `six times seven`.
fn sum(question: &str) -> Option<String> {
    if question.len() > 100 {
        return None;
    }
    let words = words_of(question);
    let relevant: Vec<&str> = words.iter().map(String::as_str).filter(|word| !FILLERS.contains(word)).collect();
    let (left, rest) = number(&relevant)?;
    let (operator, rest) = operator(rest)?;
    let (right, rest) = number(rest)?;
    let result = match operator {
        '+' => left + right,
        '-' => left - right,
        _ => left * right,
    };
    rest.is_empty().then(|| spoken(result))
}

const FILLERS: &[&str] = &[
    "a",
    "answer",
    "calculate",
    "can",
    "compute",
    "does",
    "equal",
    "equals",
    "hello",
    "hey",
    "hi",
    "how",
    "in",
    "is",
    "is:",
    "just",
    "makes",
    "me",
    "much",
    "one-word",
    "of",
    "please",
    "result",
    "s",
    "solve",
    "tell",
    "the",
    "to",
    "what",
    "whats",
    "word",
    "words",
    "you",
];

/// Words, numbers and operators, in lower case; other punctuation is left out.
fn words_of(question: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut joins = false;
    for c in question.to_lowercase().chars() {
        if c.is_alphanumeric() {
            match words.last_mut().filter(|word| joins && same_kind(word, c)) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
            joins = true;
        } else {
            joins = false;
            if matches!(c, '+' | '-' | '−' | '–' | '*' | '×' | '·') {
                words.push(c.to_string());
            }
        }
    }
    words
}

/// `2x3` is three things, `two` is one.
fn same_kind(word: &str, next: char) -> bool {
    word.chars().next_back().is_some_and(|last| last.is_ascii_digit() == next.is_ascii_digit())
}

const UNITS: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: &[&str] = &["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number of up to four digits, or a word for one below a hundred, and what comes after it.
fn number<'a>(words: &'a [&'a str]) -> Option<(i64, &'a [&'a str])> {
    let (first, rest) = words.split_first()?;
    if let Ok(number) = first.parse::<i64>() {
        return (first.len() <= 4).then_some((number, rest));
    }
    let position =
        |list: &[&str], word: &str| list.iter().position(|&one| one == word).and_then(|at| i64::try_from(at).ok());
    if let Some(unit) = position(UNITS, first) {
        return Some((unit, rest));
    }
    let tens = position(TENS, first).filter(|&tens| tens >= 2)?;
    let after_hyphen = rest.strip_prefix(&["-"]).unwrap_or(rest);
    let unit = after_hyphen.split_first().and_then(|(word, rest)| Some((position(UNITS, word)?, rest)));
    Some(match unit.filter(|(unit, _)| (1..=9).contains(unit)) {
        Some((unit, rest)) => (tens * 10 + unit, rest),
        None => (tens * 10, rest),
    })
}

fn operator<'a>(words: &'a [&'a str]) -> Option<(char, &'a [&'a str])> {
    let (first, rest) = words.split_first()?;
    match *first {
        "+" | "plus" => Some(('+', rest)),
        "-" | "−" | "–" | "minus" => Some(('-', rest)),
        "*" | "×" | "·" | "x" | "times" => Some(('*', rest)),
        "multiplied" => Some(('*', rest.strip_prefix(&["by"]).unwrap_or(rest))),
        _ => None,
    }
}

/// `Four.`, `Minus three.`, `Forty-two.`; large numbers in digits.
fn spoken(number: i64) -> String {
    let magnitude = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    if magnitude > 999 {
        return format!("{number}.");
    }
    let words = if number < 0 { format!("minus {}", in_words(magnitude)) } else { in_words(magnitude) };
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

/// A number below a thousand in words.
fn in_words(number: usize) -> String {
    let unit = |n: usize| UNITS.get(n).copied().unwrap_or_default().to_owned();
    match number {
        0..=19 => unit(number),
        20..=99 => {
            let tens = TENS.get(number / 10).copied().unwrap_or_default();
            if number.is_multiple_of(10) { tens.to_owned() } else { format!("{tens}-{}", unit(number % 10)) }
        }
        _ => {
            let hundreds = format!("{} hundred", unit(number / 100));
            if number.is_multiple_of(100) { hundreds } else { format!("{hundreds} {}", in_words(number % 100)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sums_are_worked_out() {
        for question in
            ["What is 2+2?", "what is 2 + 2", "WHAT'S 2+2 ?", "2+2", "two plus two", "What is 2+2? ", "2 x 2 ="]
        {
            assert_eq!(sum(question).as_deref(), Some("Four."), "{question}");
        }
        assert_eq!(sum("What is 7-10?").as_deref(), Some("Minus three."));
        assert_eq!(sum("Please calculate six times seven.").as_deref(), Some("Forty-two."));
        assert_eq!(sum("twenty-one minus one").as_deref(), Some("Twenty."));
        assert_eq!(sum("How much is 99 * 9?").as_deref(), Some("Eight hundred ninety-one."));
        assert_eq!(sum("9999 × 9999").as_deref(), Some("99980001."));
    }

    #[test]
    fn what_is_no_sum_gets_a_text() {
        for question in ["", "2+", "What is 2+2+2?", "Is 2+2 a password?", "12345+1", "What is love?", "+ +"] {
            assert_eq!(sum(question), None, "{question}");
        }
        let said = answer(Seed(7), "How do volcanoes work?", "");
        assert_eq!(said, answer(Seed(7), "How do volcanoes work?", ""));
        assert_ne!(said, answer(Seed(8), "How do volcanoes work?", ""));
        assert_ne!(said, answer(Seed(7), "How do volcanoes work?", "1"));
        assert!(said.contains("volcanoes"), "{said}");
    }

    #[test]
    fn texts_are_long_enough_to_be_streamed() {
        for seed in 0..200 {
            let length = tokens::count(&answer(Seed(seed), "Tell me about electroencephalography", ""));
            assert!((40..=120).contains(&length), "{length}");
        }
    }
}
