//! Thousands of broken files: none brings the loader down, and every error says where.

use super::*;
use crate::scenario::names::Names;
use crate::source::{Diagnostic, Place};

const SHIPPED: [&str; 5] = [
    include_str!("../../../scenarios/inter-group.yaml"),
    include_str!("../../../scenarios/intra-group.yaml"),
    include_str!("../../../scenarios/reprobe.yaml"),
    include_str!("../../../scenarios/two-replicas.yaml"),
    include_str!("../../../scenarios/two-replicas-random.yaml"),
];
const INTER: &str = include_str!("../../../scenarios/manifests/inter-group.yaml");

/// Words that stand in scenarios, and some that do not belong there.
const WORDS: [&str; 36] = [
    "send",
    "wait",
    "expect",
    "pattern",
    "times",
    "lab",
    "manifests",
    "gateway",
    "replicas",
    "seed",
    "exercises",
    "evictions",
    "reached",
    "0",
    "-1",
    "1e99",
    "99999999999999999999",
    "61",
    "61s",
    "true",
    "~",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "- ",
    "&a ",
    "*a",
    "${X",
    "${X:-y}",
    "ä💥",
    "\t",
];
/// What patterns are made of.
const PIECES: [&str; 24] = [
    "200",
    "429",
    "2xx",
    "timeout",
    "timout",
    "@",
    "@mock",
    "@gateway",
    " ",
    " ",
    " ",
    "(",
    ")",
    "any(",
    "+",
    "*",
    "?",
    "{",
    "}",
    "{2}",
    "{1,3}",
    "{4294967295}",
    ",",
    "ä",
];

/// Numbers from a fixed sequence (a linear congruential generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A position between two characters.
    fn cut(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn line<'t>(&mut self, text: &'t str) -> &'t str {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        self.pick(&lines)
    }
}

fn mutated(text: &str, dice: &mut Dice) -> String {
    let (one, two) = (dice.cut(text), dice.cut(text));
    let (start, end) = (one.min(two), one.max(two));
    match dice.below(8) {
        // A word more, a word instead of another one, a word less.
        0 => format!("{}{}{}", &text[..one], dice.pick(&WORDS), &text[one..]),
        1 => {
            let words: Vec<&str> = text.split_whitespace().collect();
            text.replacen(dice.pick(&words), dice.pick(&WORDS), 1)
        }
        2 => {
            let words: Vec<&str> = text.split_whitespace().collect();
            text.replacen(dice.pick(&words), "", 1)
        }
        // A line less, twice, or indented otherwise.
        3 => text.replacen(dice.line(text), "", 1),
        4 => {
            let line = dice.line(text);
            text.replacen(line, &format!("{line}{line}"), 1)
        }
        5 => {
            let line = dice.line(text);
            text.replacen(line, &format!("  {line}"), 1)
        }
        // A part less, or only a part.
        6 => format!("{}{}", &text[..start], &text[end..]),
        _ => text[..one].to_owned(),
    }
}

fn has_a_sound_place(finding: &Diagnostic, sources: &Sources) {
    let Some((place, _)) = &finding.primary else { panic!("without a place: {}", finding.message) };
    let text = &sources.file(place.file).text;
    assert!(place.start <= place.end && place.end as usize <= text.len(), "{place:?}: {}", finding.message);
    assert!(text.get(place.start as usize..place.end as usize).is_some(), "{place:?}: {}", finding.message);
}

#[test]
fn thousands_of_broken_files_give_errors_with_places() {
    let path = Path::new("lab/scenario.yaml");
    let mut dice = Dice(5);
    let (mut sound, mut broken) = (0, 0);
    for round in 0..4_000 {
        let mut files = Memory::default();
        files.files.insert("lab/manifests/mock-429.yaml".into(), MOCK.to_owned());
        files.files.insert("lab/manifests/inter-group.yaml".into(), INTER.to_owned());
        files.files.insert("lab/manifests/intra-group.yaml".into(), INTRA.to_owned());
        let mut text = SHIPPED[round % SHIPPED.len()].to_owned();
        for _ in 0..=dice.below(3) {
            text = mutated(&text, &mut dice);
        }
        files.files.insert(path.into(), text.clone());
        match load_from(&files, path) {
            Ok(scenario) => {
                sound += 1;
                // What can be loaded can be loaded again from its recording.
                let again = load_from(&scenario.redacted_sources(), path);
                assert!(again.is_ok(), "{text}\n---\n{}", again.err().map(|error| told(&error)).unwrap_or_default());
            }
            Err(LoadError::Invalid { sources, findings }) => {
                broken += 1;
                for finding in findings.all() {
                    has_a_sound_place(finding, &sources);
                }
                assert!(!findings.render(&sources, false).is_empty());
            }
            Err(LoadError::NotAScenario) => {}
            Err(LoadError::Unreadable(diagnostic)) => panic!("{}", diagnostic.message),
        }
    }
    assert!(sound > 200 && broken > 2_000, "{sound} {broken}");
}

#[test]
fn any_text_is_a_pattern_or_says_where_it_is_none() {
    let scenario = self::sound("steps: []");
    let names = Names::of(&scenario.topology);
    let mut dice = Dice(6);
    let mut good = 0;
    for _ in 0..20_000 {
        let text: String = (0..dice.below(10)).map(|_| dice.pick(&PIECES)).collect();
        let place = Place { file: scenario.file, start: 0, end: u32::try_from(text.len()).unwrap() };
        match Pattern::parse(&text, place, &|part| place.part(part), &names) {
            Ok(_) => good += 1,
            Err(findings) => {
                assert!(!findings.is_empty(), "{text}");
                for finding in findings {
                    let (at, _) = finding.primary.unwrap_or_else(|| panic!("{text}"));
                    assert!(text.get(at.start as usize..at.end as usize).is_some(), "{text} {at:?}");
                }
            }
        }
    }
    assert!(good > 300, "{good}");
}
