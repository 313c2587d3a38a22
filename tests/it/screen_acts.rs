//! What a person does at the live screen, in a real pseudo-terminal: break things, write the session down,
//! and watch a lab on real ports.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::session::Session;
use crate::support::Scratch;

const SCENARIO: &str = "scenarios/intra-group.yaml";

/// Waits until the screen no longer shows a text.
fn sees_no(session: &Session, text: &str) {
    for _ in 0..1_500 {
        if !session.text().contains(text) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("still “{text}” on\n{}", session.text());
}

/// Chooses a line of a list.
fn choose(session: &mut Session, text: &str) {
    for _ in 0..60 {
        if session.text().lines().any(|line| line.contains(&format!("▸ {text}"))) {
            session.press("\r");
            return;
        }
        let before = session.text();
        session.press("\u{1b}[B");
        for _ in 0..500 {
            if session.text() != before {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    panic!("no “{text}” to choose on\n{}", session.text());
}

/// The events of a recording without where their steps came from.
fn events(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a recording");
    let plain = |line: &str| {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("an event");
        event.as_object_mut().expect("an event").remove("act");
        event.to_string()
    };
    text.lines().skip(1).map(plain).collect()
}

#[test]
fn a_session_is_watched_broken_wound_back_written_down_and_run_again() {
    let scratch = Scratch::new("screen-session");
    let name = |file: &str| scratch.path(file).display().to_string();
    let (live, again, written) = (name("live.jsonl"), name("again.jsonl"), name("session.yaml"));
    let mut session = Session::open(&["run", SCENARIO, "--speed", "100", "--record", &live], (120, 40));
    session.sees("all 5 steps · PASS");
    session.press("\r");
    session.sees("Request 11");
    session.press("\u{1b}");
    // Escape and the next key in one breath would be another key.
    sees_no(&session, "Request 11");
    session.press("b");
    session.sees("Break things");
    choose(&mut session, "openai-provider-primary");
    session.sees("What happens at openai-provider-primary");
    choose(&mut session, "status");
    session.sees("status at openai-provider-primary");
    // The first of its fields is the status.
    session.press("\u{15}5x");
    session.sees("5x▏");
    session.press("\r");
    session.sees("[ inject ]");
    session.press("\u{15}503");
    session.sees("503▏");
    session.press("\r");
    session.sees("⚡ status at openai-provider-primary");
    session.press("I");
    session.sees("21 sent");
    session.sees("· struck ");
    session.press("\u{1b}[H");
    session.sees("‖ past");
    sees_no(&session, "⚡");
    session.sees("1 sent");
    session.press("\u{1b}[F");
    session.sees("⚡ status at openai-provider-primary");
    session.press("w");
    session.sees("write the session to");
    session.press("\u{15}");
    session.press(&written);
    session.press("\r");
    session.sees("written: `labsim run");
    let run = ["run", &*written, "--no-tui", "--record", &*again];
    let status =
        std::process::Command::new(env!("CARGO_BIN_EXE_labsim")).args(run).output().expect("labsim runs").status;
    session.press("q");
    session.ends(u32::try_from(status.code().expect("a status")).expect("a status"));
    let (live, again) = (events(Path::new(&live)), events(Path::new(&again)));
    assert!(live.iter().any(|event| event.contains("fault-struck")), "nothing was broken");
    for (one, other) in live.iter().zip(&again) {
        assert_eq!(one, other);
    }
    assert_eq!(live.len(), again.len());
}

#[test]
fn a_run_that_rests_is_judged_again_after_each_act() {
    let mut session = Session::open(&["run", SCENARIO, "--speed", "max"], (120, 40));
    session.sees("all 5 steps · PASS");
    session.press("b");
    session.sees("Break things");
    choose(&mut session, "openai-provider-primary");
    session.sees("What happens at openai-provider-primary");
    choose(&mut session, "retry-after");
    session.sees("[ inject ]");
    session.press("\r");
    session.sees("⚡ retry-after at openai-provider-primary");
    session.press("I");
    session.sees("■ FAIL");
    session.press("q");
    session.ends(1);
}

/// Asks a lab that is up on real ports, whose screen shows where.
fn asks(session: &Session) {
    session.sees("127.0.0.1:");
    let text = session.text().replace("http://", "");
    let address = text.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect("an address");
    let mut stream = std::net::TcpStream::connect(address).expect("the gateway");
    let body = r#"{"model":"","messages":[{"role":"user","content":"hi"}]}"#;
    let head =
        format!("POST /openai HTTP/1.1\r\nhost: lab\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("a request");
    stream.read_to_end(&mut Vec::new()).expect("an answer");
    session.sees("1 sent");
}

/// An address of this machine at which nobody listens.
fn nobody() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", taken.local_addr().expect("its number"))
}

#[test]
fn what_goes_wrong_beside_a_lab_is_said_on_the_screen_and_again_below_it() {
    let arguments = ["up", SCENARIO, "--port", "0", "--metrics-port", "0", "--traces", &nobody()];
    let mut session = Session::open(&arguments, (120, 30));
    asks(&session);
    // Nothing has to happen after a request for its spans to be sent on, a second later.
    session.sees("warning: cannot send the traces");
    session.press("q");
    // All spans were tried by then; they are missing all the same.
    session.ends(69);
    assert!(session.text().contains("warning: cannot send the traces"), "{}", session.text());
}

#[test]
fn a_recording_of_a_lab_that_was_up_expects_nothing_of_its_scenario() {
    let scratch = Scratch::new("screen-up-recorded");
    let recording = scratch.path("up.jsonl").display().to_string();
    let mut session =
        Session::open(&["up", SCENARIO, "--port", "0", "--metrics-port", "0", "--record", &recording], (120, 40));
    asks(&session);
    session.sees("Scenario · not played");
    session.press("q");
    session.ends(0);
    let mut session = Session::open(&["replay", &recording], (120, 40));
    session.sees("Scenario · not played");
    session.press("q");
    session.ends(0);
}

#[test]
fn a_session_of_more_replicas_is_written_with_them() {
    let scratch = Scratch::new("screen-up-replicas");
    let written = scratch.path("session.yaml");
    let arguments = ["up", SCENARIO, "--port", "0", "--metrics-port", "0", "--replicas", "2"];
    let mut session = Session::open(&arguments, (120, 30));
    session.sees("127.0.0.1:");
    session.press("w");
    session.sees("write the session to");
    session.press("\u{15}");
    session.press(&written.display().to_string());
    session.press("\r");
    session.sees("written: `labsim run");
    session.press("q");
    session.ends(0);
    let text = std::fs::read_to_string(&written).expect("a scenario");
    assert!(text.contains("replicas: 2") && text.contains("in which nothing was done"), "{text}");
}

#[test]
fn a_lab_on_real_ports_shows_what_others_ask_and_goes_down_with_the_screen() {
    let mut session = Session::open(&["up", SCENARIO, "--port", "0", "--metrics-port", "0"], (100, 30));
    asks(&session);
    // What came from outside is told as the gateway saw it.
    session.press("\r");
    session.sees("POST /openai");
    session.sees("from outside");
    assert!(!session.text().contains("under way"), "{}", session.text());
    session.press("y");
    session.sees("request 1 as curl went to the terminal's clipboard");
    session.press("\u{1b}");
    sees_no(&session, "Request 1 ");
    session.press(" ");
    session.sees("real time cannot be paused");
    session.press("b");
    session.sees("Break things");
    choose(&mut session, "client -> gateway");
    session.sees("What happens at client -> gateway");
    choose(&mut session, "refuse");
    session.sees("refuse at client -> gateway");
    session.press("\r");
    session.sees("⚡ refuse at client -> gateway");
    session.press("B");
    sees_no(&session, "⚡");
    session.press("q");
    session.ends(0);
}
