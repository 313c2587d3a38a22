use serde::Deserialize;

use super::*;
use crate::source::{Sources, Span, yaml};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
struct Lab {
    name: Spanned<String>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    steps: Vec<Spanned<Step>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Send { times: Option<u32> },
    Wait(Span),
    Stop,
}

fn decode(text: &str) -> (Option<Lab>, String) {
    let mut sources = Sources::default();
    let file = sources.add("lab.yaml", text);
    let nodes = yaml::parse(&sources, file).expect("YAML");
    let decoder = Decoder::default();
    let lab = decoder.decode(&nodes[0]);
    (lab, decoder.finish_strict().render(&sources, false))
}

#[test]
fn values_come_with_their_places() {
    let (lab, problems) = decode("name: x\nseed: 7\nsteps:\n  - send: {times: 3}\n  - wait: 61s\n  - stop\n");
    assert_eq!(problems, "");
    let lab = lab.unwrap();
    assert_eq!((lab.name.place.start, lab.name.place.end), (6, 7));
    assert_eq!(lab.seed, 7);
    assert_eq!(lab.steps[0].value, Step::Send { times: Some(3) });
    assert_eq!(lab.steps[2].value, Step::Stop);
}

#[test]
fn every_unknown_field_is_found_in_one_pass() {
    let (lab, problems) = decode("name: x\nsede: 7\nsteps:\n  - send: {tiems: 3}\n");
    assert!(lab.is_some());
    assert!(problems.contains("lab.yaml:2:1") && problems.contains("did you mean `seed`?"), "{problems}");
    assert!(problems.contains("lab.yaml:4:12") && problems.contains("did you mean `times`?"), "{problems}");
}

#[test]
fn wrong_values_say_what_was_expected_and_what_was_found() {
    for (text, place, message) in [
        ("name: 5", "1:7", "expected text, found the number `5`"),
        ("name: x\nseed: no", "2:7", "expected a whole number from 0, found the text `no`"),
        ("name: x\nsteps: [{wait: 61}]", "2:16", "with its unit"),
        ("name: x\nsteps: [{wait: 61 parsecs}]", "2:16", "is not a duration"),
        ("name: x\nsteps: [{sned: {}}]", "2:10", "did you mean `send`?"),
        ("name: x\nsteps: [wait]", "2:9", "`wait` needs a value"),
        ("name: x\nsteps: [{send: {}, wait: 1s}]", "2:20", "expected one key"),
        ("seed: 4", "1:1", "`name` is missing"),
    ] {
        let (lab, problems) = decode(text);
        assert!(lab.is_none(), "{text}");
        assert!(problems.contains(&format!("lab.yaml:{place}")), "{text}\n{problems}");
        assert!(problems.contains(message), "{text}\n{problems}");
    }
}
