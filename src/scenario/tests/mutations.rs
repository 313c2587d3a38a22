//! Thousands of broken files: none brings the loader down, and every error says where.

use super::*;
use crate::scenario::names::Names;
use crate::source::{Diagnostic, Place};

/// Where a scenario stands whose base is shared, and one that has none.
const BELOW: &str = "lab/sub/scenario.yaml";
const PLAIN: &str = "lab/scenario.yaml";

/// Every shipped scenario, and one with everything that may be expected: where it stands, and its text.
fn good_files() -> Vec<(&'static str, String)> {
    let mut texts = vec![(PLAIN, FIGURES.to_owned())];
    each_file("scenarios", "yaml", &mut |path, text| {
        if !path.components().any(|part| part.as_os_str() == "manifests") {
            texts.push((if text.contains("extends:") { BELOW } else { PLAIN }, text));
        }
    });
    texts
}

/// The manifests and the bases of the shipped scenarios.
fn shared_files() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let named = |folder: &str, path: &Path| Path::new(folder).join(path.file_name().unwrap_or_default());
    each_file("scenarios/manifests", "yaml", &mut |path, text| {
        found.push((named("lab/manifests", path), text));
    });
    each_file("scenarios/bases", "base", &mut |path, text| found.push((named("lab/bases", path), text)));
    found
}

/// The files with this ending in a folder of the project, and in those below it.
fn each_file(folder: &str, ending: &str, visit: &mut impl FnMut(&Path, String)) {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                visit(&path, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
}

const FIGURES: &str = r#"name: Figures
vars: { times: 3 }
prices: { gpt-4o: { input: 2.50, output: 10 } }
lab:
  manifests: [manifests/mock-429.yaml, manifests/intra-group.yaml]
  secrets: { openai-secret: { Authorization: "Bearer sk-labsim" } }
  gateway: { personality: agentgateway-0.12 }
steps:
  - send:
      path: /openai
      times: ${times}
      expect:
        latency: { p50: ">=1ms", p99: "<=2s" }
        success: ">=60%"
        shares: { mock-ratelimit-provider: "10%..40%" }
        amplification: "<=1.5"
        group: { 0: 3, 1: 0 }
        answers: { 200: { body: { path: { "$.choices[0].message.content": "Four." } } } }
        frequencies: { "429 200{2}": 50%, "200 429 200": 37.5%, tolerance: 2% }
expect:
  tokens: { prompt: "<=100", total: ">=1" }
  cost: "<=0.01"
  evictions: { mock-ratelimit-provider: { count: 0..1, lasts: 60s, ends: 60s..61s } }
"#;

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
        from.get(self.below(from.len())).copied().unwrap_or_default()
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
    let mut dice = Dice(5);
    let (mut sound, mut broken) = (0, 0);
    let (good, shared) = (good_files(), shared_files());
    let mut files = Memory::default();
    files.files.extend(shared);
    for round in 0..4_000 {
        let (path, text) = &good[round % good.len()];
        let (path, mut text) = (Path::new(*path), text.clone());
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
            Err(LoadError::Invalid { sources, findings, .. }) => {
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
    let names = Names::of([&scenario.topology]);
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
