//! However the live screen is left, the terminal is as it was; and where there is none, it never opens.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::session::Session;
use crate::support::Scratch;

const LABSIM: &str = env!("CARGO_BIN_EXE_labsim");
const SLOWLY: [&str; 4] = ["run", "scenarios/intra-group.yaml", "--speed", "0.1"];
const AT_ONCE: &str = "run scenarios/intra-group.yaml --close --speed max";

#[test]
fn the_screen_never_opens_without_a_terminal_that_can_show_it() {
    let piped_out = format!("{LABSIM} {AT_ONCE} | cat");
    let piped_in = format!("true | {LABSIM} {AT_ONCE}");
    let plain = format!("{LABSIM} {AT_ONCE}");
    let cases: [(&str, &[(&str, &str)]); 6] = [
        (&plain, &[("TERM", "dumb")]),
        (&plain, &[("TERM", "")]),
        (&plain, &[("CI", "true")]),
        (&piped_out, &[]),
        (&piped_in, &[]),
        (&format!("{plain} --no-tui").replace(" --close --speed max", ""), &[]),
    ];
    for (command, environment) in cases {
        let mut session = Session::run("sh", &["-c", command], environment, (100, 30));
        session.ends(0);
        let out = String::from_utf8_lossy(&session.bytes()).into_owned();
        assert!(!out.contains("\u{1b}[?1049h"), "{command} {environment:?} opens it");
        assert!(out.contains("Intra-group failover"), "{command} {environment:?} tells nothing: {out}");
    }
}

#[test]
fn a_run_that_stands_still_can_be_left_with_something_asked_for() {
    let mut session = Session::open(&["run", "scenarios/intra-group.yaml", "--speed", "max"], (140, 30));
    session.sees("all steps are played");
    session.press("\u{1b}[D");
    session.sees("‖ past");
    session.press("i");
    session.sees("time goes on");
    session.press("q");
    // All steps were played; what never began is no part of it.
    session.ends(0);
    assert!(session.text().contains("11 requests"), "{}", session.text());
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let mut session = Session::open(&SLOWLY, (100, 30));
    session.sees("Topology");
    for size in [(1, 1), (39, 9), (2, 40), (300, 2), (300, 90), (80, 24), (1, 1)] {
        session.resize(size);
        std::thread::park_timeout(Duration::from_millis(120));
    }
    session.resize((120, 40));
    session.sees("Scenario");
    session.press("q");
    session.ends(130);
}

#[test]
fn a_key_that_comes_with_a_change_of_size_is_not_passed_over() {
    let mut session = Session::open(&SLOWLY, (100, 30));
    session.sees("Topology");
    // Held still, it learns of both at once.
    session.signal("-STOP");
    session.resize((80, 24));
    session.press("q");
    session.signal("-CONT");
    session.ends(130);
}

#[test]
fn a_recording_gives_the_terminal_back_on_every_way_out() {
    let scratch = Scratch::new("screen-exits");
    let recording = scratch.path("run.jsonl").display().to_string();
    let run = Command::new(LABSIM)
        .args(["run", "scenarios/intra-group.yaml", "--quiet", "--record", &recording])
        .current_dir(crate::support::root())
        .output()
        .expect("labsim runs");
    assert!(run.status.success(), "{run:?}");
    for way in ["q", "\u{3}", "-TERM", "-HUP"] {
        let mut session = Session::open(&["replay", &recording], (100, 30));
        session.sees("Topology");
        if way.starts_with('-') {
            session.signal(way);
        } else {
            session.press(way);
        }
        session.ends(0);
    }
}

#[test]
fn a_recording_that_breaks_off_is_shown_up_to_there() {
    let scratch = Scratch::new("screen-broken");
    let path = scratch.path("run.jsonl");
    let run = Command::new(LABSIM)
        .args(["run", "scenarios/intra-group.yaml", "--quiet", "--record", &path.display().to_string()])
        .current_dir(crate::support::root())
        .output()
        .expect("labsim runs");
    assert!(run.status.success(), "{run:?}");
    let whole = fs::read_to_string(&path).expect("a recording");
    let half = &whole[..whole.len() / 2];
    for (text, told) in [
        (half.to_owned(), "the recording breaks off here, in its line"),
        (format!("{half}\n"), "the recording ends here: line"),
    ] {
        fs::write(&path, text).expect("half of it");
        let mut session = Session::open(&["replay", &path.display().to_string()], (160, 30));
        session.sees(told);
        session.press("q");
        session.ends(0);
    }
}

#[test]
fn a_lab_that_cannot_start_gives_the_terminal_back_and_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port().to_string();
    let arguments = ["up", "scenarios/intra-group.yaml", "--metrics-port", "0", "--port", &port];
    let mut session = Session::open(&arguments, (100, 30));
    session.ends(69);
    let text = session.text();
    assert!(session.bytes().windows(8).any(|piece| piece == b"\x1b[?1049h"), "there was no screen: {text}");
    assert!(text.contains("error: ") && text.contains("`--port 0`"), "{text}");
}

/// A lab on real ports, and a client whose request never gets further than its head.
fn with_a_request_under_way(more: &[&str]) -> (Session, TcpStream) {
    let plain: &[&str] = &["up", "scenarios/intra-group.yaml", "--port", "0", "--metrics-port", "0"];
    let session = Session::open(&[plain, more].concat(), (100, 30));
    session.sees("127.0.0.1:");
    let text = session.text().replace("http://", "");
    let address = text.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect("an address");
    let mut stream = TcpStream::connect(address).expect("the gateway");
    let head = "POST /openai HTTP/1.1\r\nhost: lab\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("a head");
    // The gateway wants the body: it is at the request.
    stream.read_exact(&mut [0; 12]).expect("an interim answer");
    (session, stream)
}

#[test]
fn a_request_under_way_may_end_and_a_second_ctrl_c_does_not_wait_for_it() {
    for more in [&[][..], &["--no-tui"]] {
        let (mut session, stream) = with_a_request_under_way(more);
        session.press("\u{3}");
        session.sees("one request is under way");
        assert!(!session.is_on_screen(), "{more:?}");
        drop(stream);
        session.ends(0);

        let (mut session, _stream) = with_a_request_under_way(more);
        session.press("\u{3}");
        session.sees("one request is under way");
        session.press("\u{3}");
        session.ends(130);
    }
}

/// Holds labsim at a terminal until it is killed itself. See [`closed_at`].
#[test]
#[ignore = "is the other end of the terminal for another test"]
fn the_other_end_of_a_terminal() {
    let (Some(told), Ok(script)) = (std::env::var_os("LABSIM_TEST_READY"), std::env::var("LABSIM_TEST_SCRIPT")) else {
        return;
    };
    let session = Session::run("sh", &["-c", &script], &[], (100, 30));
    session.sees("Topology");
    fs::write(told, session.process()).expect("it is told");
    std::thread::park_timeout(Duration::from_mins(1));
}

/// Closes the terminal at which labsim is: the status that it ends with.
fn closed_at(scratch: &Scratch, arguments: &str) -> String {
    let (told, status) = (scratch.path("ready"), scratch.path("status"));
    let _ = fs::remove_file(&told);
    let _ = fs::remove_file(&status);
    // The shell must outlive its terminal, to tell.
    let script = format!("trap : HUP; {LABSIM} {arguments}; echo \"$?\" >'{}'", status.display());
    let mut other_end = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "screen_exits::the_other_end_of_a_terminal"])
        .env("LABSIM_TEST_READY", &told)
        .env("LABSIM_TEST_SCRIPT", script)
        .stdout(Stdio::null())
        .spawn()
        .expect("another one of this");
    wait_for(|| fs::read_to_string(&told).ok().filter(|text| !text.is_empty()));
    other_end.kill().expect("it can be killed");
    other_end.wait().expect("it ends");
    wait_for(|| fs::read_to_string(&status).ok().filter(|text| text.ends_with('\n'))).trim().to_owned()
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_and_its_reports_are_written() {
    let scratch = Scratch::new("screen-closed");
    let (report, metrics) = (scratch.path("rep.json"), scratch.path("u.prom"));
    let outputs = format!("--report json='{}' --metrics '{}'", report.display(), metrics.display());
    assert_eq!(closed_at(&scratch, &format!("{} {outputs}", SLOWLY.join(" "))), "130");
    let report = fs::read_to_string(&report).expect("the report");
    assert!(report.contains("Intra-group failover"), "{report}");
    let metrics = fs::read_to_string(&metrics).expect("the metrics");
    assert!(!metrics.is_empty(), "no metrics");
}

#[test]
fn a_terminal_that_is_closed_takes_a_lab_and_a_recording_down_in_order() {
    let scratch = Scratch::new("screen-closed-others");
    let recording = scratch.path("run.jsonl");
    let recorded =
        format!("up scenarios/intra-group.yaml --port 0 --metrics-port 0 --record '{}'", recording.display());
    assert_eq!(closed_at(&scratch, &recorded), "0");
    assert_eq!(closed_at(&scratch, &format!("replay '{}'", recording.display())), "0");
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("it never comes");
}
