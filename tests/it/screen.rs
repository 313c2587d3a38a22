//! The live screen in a real pseudo-terminal: what a person sees, does, and gets back.

use std::path::Path;

use crate::session::Session;
use crate::support::Scratch;

const SCENARIO: &str = "scenarios/intra-group.yaml";

#[test]
fn leaving_early_interrupts_the_run() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (100, 30));
    session.sees("Topology");
    assert!(session.is_on_screen());
    session.press("q");
    session.ends(130);
    assert!(session.text().contains("INTERRUPTED"), "{}", session.text());
}

#[test]
fn ctrl_c_is_a_key_that_leaves() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (100, 30));
    session.sees("Topology");
    session.press("\u{3}");
    session.ends(130);
}

#[test]
fn a_request_to_end_and_a_hang_up_give_the_terminal_back() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut session = Session::open(&["run", SCENARIO, "--speed", "0.1"], (80, 24));
        session.sees("Topology");
        session.signal(signal);
        session.ends(130);
    }
}

#[test]
fn the_screen_leaves_by_itself_where_that_is_asked_for() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "max", "--close"], (120, 40));
    session.ends(0);
    assert!(session.text().contains("PASS  Intra-group failover"), "{}", session.text());
}

/// How often a colour is asked for.
fn colours(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let dressed =
        text.split("\u{1b}[").filter_map(|piece| piece.split_once('m').map(|(numbers, _)| numbers.to_owned()));
    let is_colour = |number: &str| matches!(number.parse(), Ok(30..=38 | 40..=48 | 90..=97 | 100..=107));
    dressed.filter(|numbers| numbers.split(';').next().is_some_and(is_colour)).count()
}

#[test]
fn where_colours_are_not_wanted_there_are_none_unless_a_theme_is_named() {
    let run = ["run", SCENARIO, "--speed", "max", "--close"];
    let program = env!("CARGO_BIN_EXE_labsim");
    let seen = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut session = Session::run(program, arguments, more, (100, 30));
        session.ends(0);
        assert!(session.text().contains("PASS  Intra-group failover"), "{}", session.text());
        colours(&session.bytes())
    };
    assert!(seen(&run, &[]) > 50);
    assert_eq!(seen(&run, &[("NO_COLOR", "1")]), 0);
    assert!(seen(&[&run[..], &["--theme", "light"]].concat(), &[("NO_COLOR", "1")]) > 50);
}

#[test]
fn no_screen_opens_where_it_is_not_wanted() {
    let mut session = Session::open(&["run", SCENARIO, "--no-tui"], (100, 30));
    session.ends(0);
    assert!(session.text().contains("PASS  Intra-group failover"), "{}", session.text());
    assert!(!session.text().contains("Topology"));
}

#[test]
fn a_recording_is_watched_again_and_its_pace_was_not_recorded() {
    let scratch = Scratch::new("screen-recording");
    let (watched, plain) = (scratch.path("watched.jsonl"), scratch.path("plain.jsonl"));
    let name = |path: &Path| path.display().to_string();
    let thirty: &[&str] = &["--speed", "30"];
    // Without a word it follows: slow motion, real pace, and waits that race.
    for (scenario, pace) in [("scenarios/intra-group.yaml", thirty), ("scenarios/two-replicas.yaml", &[])] {
        let record = name(&watched);
        let arguments = [&["run", scenario, "--close", "--record", &record], pace].concat();
        let mut session = Session::open(&arguments, (100, 30));
        session.ends(0);
        let mut session = Session::open(&["run", scenario, "--no-tui", "--record", &name(&plain)], (100, 30));
        session.ends(0);
        let (watched, plain) =
            (std::fs::read(&watched).expect("a recording"), std::fs::read(&plain).expect("a recording"));
        assert!(watched == plain, "{scenario}: watching changed what happened");
    }
    let mut session = Session::open(&["replay", &name(&watched)], (100, 30));
    session.sees("Topology");
    session.press("\u{1b}[F");
    session.sees("PASS");
    session.press("q");
    session.ends(0);
}
