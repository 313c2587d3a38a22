//! The automaton against a matcher that tries everything.

use std::collections::BTreeSet;

use super::*;
use crate::scenario::names::Names;
use crate::scenario::pattern::Answer;
use crate::source::{FileId, Place};

fn pattern(text: &str) -> Pattern {
    let file = FileId(0);
    let locate = |part: std::ops::Range<usize>| Place {
        file,
        start: u32::try_from(part.start).unwrap(),
        end: u32::try_from(part.end).unwrap(),
    };
    let place = locate(0..text.len());
    Pattern::parse(text, place, &locate, &Names::unchecked()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the matcher gives references")]
fn means(item: &Item, status: &u16) -> bool {
    match item.answer {
        Answer::Status(wanted) => *status == wanted,
        Answer::Class(class) => *status / 100 == u16::from(class),
        Answer::Ending(_) => false,
    }
}

fn follows(text: &str, statuses: &[u16]) -> bool {
    run(&pattern(text), statuses, means) == Match::Whole
}

#[test]
fn patterns_match_what_they_say() {
    for (text, good, bad) in [
        ("429 200{2}", &[&[429, 200, 200][..]][..], &[&[429, 200][..], &[429, 200, 200, 200], &[200, 429, 200]][..]),
        ("429? 200+", &[&[200], &[429, 200], &[200, 200]], &[&[], &[429], &[429, 429, 200]]),
        ("200{1,2}", &[&[200], &[200, 200]], &[&[], &[200, 200, 200]]),
        ("200{2,}", &[&[200, 200], &[200, 200, 200, 200]], &[&[200]]),
        ("2xx* 5xx", &[&[503], &[200, 204, 500]], &[&[200], &[404]]),
        ("(429 200){2}", &[&[429, 200, 429, 200]], &[&[429, 200], &[429, 429, 200, 200]]),
        ("((200)*)*", &[&[], &[200, 200]], &[&[429]]),
        ("any(429 503) 200", &[&[429, 503, 200], &[503, 429, 200]], &[&[429, 429, 200], &[429, 200, 503]]),
        ("any(429? 200{2})", &[&[200, 200], &[429, 200, 200], &[200, 429, 200]], &[&[429, 429, 200, 200], &[200]]),
        // An answer that two items mean is given to the one that needs it.
        ("any(2xx 200)", &[&[204, 200], &[200, 204], &[200, 200]], &[&[204, 204]]),
        ("any(200* 429)", &[&[429], &[200, 429, 200]], &[&[200], &[429, 429]]),
        ("any(429 200){2}", &[&[429, 200, 200, 429]], &[&[429, 429, 200, 200]]),
    ] {
        for statuses in good {
            assert!(follows(text, statuses), "{text} {statuses:?}");
        }
        for statuses in bad {
            assert!(!follows(text, statuses), "{text} {statuses:?}");
        }
    }
}

#[test]
fn a_mismatch_says_how_far_it_went_and_what_could_have_come() {
    let one = pattern("429 (200 503)? 404");
    let names = |items: Vec<&Item>| items.into_iter().map(ToString::to_string).collect::<Vec<_>>();
    match run(&one, &[429, 500], means) {
        Match::Stuck { at: 1, expected, could_end: false } => assert_eq!(names(expected), ["200", "404"]),
        other => panic!("{other:?}"),
    }
    match run(&one, &[429, 200], means) {
        Match::TooFew { expected } => assert_eq!(names(expected), ["503"]),
        other => panic!("{other:?}"),
    }
    match run(&one, &[429, 404, 404], means) {
        Match::Stuck { at: 2, expected, could_end: true } => assert!(expected.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// A pattern that a backtracking matcher would need longer for than the universe has.
#[test]
fn matching_takes_no_more_than_requests_times_states() {
    let one = pattern("((200*)*)* (200? 200?){50} 429");
    assert!(matches!(run(&one, &[200; 5_000], means), Match::TooFew { .. }));
    let many = pattern("200{5000} any(429{0,30} 503{0,30}) 200+");
    let mut statuses = vec![200; 5_000];
    statuses.extend([429, 503].repeat(30));
    statuses.extend([200; 5_000]);
    assert_eq!(run(&many, &statuses, means), Match::Whole);
}

/// Small numbers from a fixed sequence (a linear congruential generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

const ITEMS: [&str; 4] = ["200", "2xx", "429", "503"];
const QUANTIFIERS: [&str; 9] = ["", "", "", "?", "*", "+", "{2}", "{1,2}", "{2,}"];

fn random_pattern(dice: &mut Dice, depth: u32) -> String {
    let count = 1 + dice.below(3);
    let pieces: Vec<String> = (0..count)
        .map(|_| match dice.below(5) {
            0 if depth > 0 => format!("({}){}", random_pattern(dice, depth - 1), dice.pick(&QUANTIFIERS)),
            1 => {
                let items: Vec<String> =
                    (0..=dice.below(3)).map(|_| format!("{}{}", dice.pick(&ITEMS), dice.pick(&QUANTIFIERS))).collect();
                format!("any({}){}", items.join(" "), dice.pick(&QUANTIFIERS))
            }
            _ => format!("{}{}", dice.pick(&ITEMS), dice.pick(&QUANTIFIERS)),
        })
        .collect();
    pieces.join(" ")
}

/// Where `pieces` may end if they begin at `from`: by trying everything.
fn ends(pieces: &[Piece], statuses: &[u16], from: usize) -> BTreeSet<usize> {
    let mut at = BTreeSet::from([from]);
    for piece in pieces {
        at = at.into_iter().flat_map(|from| ends_of_piece(piece, statuses, from)).collect();
    }
    at
}

fn ends_of_piece(piece: &Piece, statuses: &[u16], from: usize) -> BTreeSet<usize> {
    let once = |from: usize| match &piece.what {
        What::One(item) => statuses.get(from).filter(|one| means(item, one)).map(|_| from + 1).into_iter().collect(),
        What::Group(pieces) => ends(pieces, statuses, from),
        What::Any(items) => ends_of_any(items, &mut vec![0; items.len()], statuses, from),
    };
    let mut found = BTreeSet::new();
    let mut at = BTreeSet::from([from]);
    // More rounds than there are requests bring nothing new, once the least number is reached.
    let rounds = piece.max.unwrap_or(piece.min + u32::try_from(statuses.len()).unwrap() + 1);
    for round in 0..=rounds {
        if round >= piece.min {
            found.extend(&at);
        }
        at = at.into_iter().flat_map(once).collect();
    }
    found
}

fn ends_of_any(items: &[Counted], counts: &mut Vec<u32>, statuses: &[u16], from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    if items.iter().zip(counts.iter()).all(|(item, count)| *count >= item.min) {
        found.insert(from);
    }
    let Some(status) = statuses.get(from) else { return found };
    for index in 0..items.len() {
        let counted = &items[index];
        if means(&counted.item, status) && counted.max.is_none_or(|max| counts[index] < max) {
            counts[index] += 1;
            found.extend(ends_of_any(items, counts, statuses, from + 1));
            counts[index] -= 1;
        }
    }
    found
}

#[test]
fn the_automaton_agrees_with_trying_everything() {
    let mut dice = Dice(1);
    let (mut matched, mut missed) = (0, 0);
    for _ in 0..3_000 {
        let text = random_pattern(&mut dice, 2);
        let one = pattern(&text);
        for _ in 0..4 {
            let statuses: Vec<u16> = (0..dice.below(7))
                .map(|_| [200, 200, 204, 429, 503][usize::try_from(dice.below(5)).unwrap()])
                .collect();
            let expected = ends(&one.pieces, &statuses, 0).contains(&statuses.len());
            let found = run(&one, &statuses, means);
            assert_eq!(found == Match::Whole, expected, "{text} {statuses:?}: {found:?}");
            let (least, most) = one.length();
            let count = statuses.len() as u64;
            if expected {
                matched += 1;
                assert!(count >= least && most.is_none_or(|most| count <= most), "{text} {statuses:?}");
            } else {
                missed += 1;
            }
        }
    }
    assert!(matched > 500 && missed > 500, "{matched} {missed}");
}
