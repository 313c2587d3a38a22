//! Ctrl-C, SIGTERM and SIGHUP end a run at once, and nothing is lost.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Running, Scratch, labsim, root};

/// A run in real time that would take an hour is ended by `signal`.
fn ended_by(signal: &str) {
    let scratch = Scratch::new(&format!("signal{signal}"));
    let manifests = root().join("scenarios/manifests");
    let scenario = scratch.path("long.yaml");
    let text = fs::read_to_string(root().join("scenarios/inter-group.yaml")).expect("a scenario");
    let text = text.replace("manifests/", &format!("{}/", manifests.display())).replace("wait: 61s", "wait: 1h");
    assert!(text.contains("wait: 1h"));
    fs::write(&scenario, text).expect("the scenario can be written");
    let recording = scratch.path("run.jsonl");
    let mut command = labsim();
    let report = scratch.path("report.json");
    command.arg("run").arg(&scenario).args(["--clock", "real", "--record"]).arg(&recording);
    command.arg("--report").arg(format!("json={}", report.display()));
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("labsim starts"));
    wait_for_line(&mut running, "wait");
    running.signal(signal);
    assert_eq!(ended(&mut running).code(), Some(130));
    let (header, events) =
        labsim::event::log::read(fs::read(&recording).expect("a recording").as_slice()).expect("a whole recording");
    assert_eq!(header.clock, "real");
    assert!(fs::read_to_string(&report).expect("a report").contains("\"interrupted\""));
    let history = labsim::event::History::of(&events);
    assert!(history.requests.len() >= 3 && history.requests.iter().all(|request| request.ended.is_some()));
}

/// How it ended, within seconds: not by SIGHUP where whoever runs the tests ignores that.
fn ended(running: &mut Running) -> std::process::ExitStatus {
    let asked = std::iter::repeat_with(|| {
        std::thread::park_timeout(Duration::from_millis(10));
        running.0.try_wait().expect("labsim can be asked")
    });
    asked.take(1_000).flatten().next().expect("it ends within seconds")
}

fn wait_for_line(running: &mut Running, text: &str) {
    use std::io::{BufRead as _, BufReader};
    let out = running.0.stdout.take().expect("its output");
    let mut lines = BufReader::new(out).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(text))), "no line with {text}");
    // Whoever still prints must not meet a closed pipe: keep reading in the background.
    std::thread::spawn(move || lines.for_each(drop));
}

#[test]
fn ctrl_c_ends_a_run_with_130_and_keeps_what_was_recorded() {
    ended_by("-INT");
}

#[test]
fn sigterm_ends_a_run_with_130_and_keeps_what_was_recorded() {
    ended_by("-TERM");
}

#[test]
fn a_closed_terminal_ends_a_run_with_130_and_keeps_what_was_recorded() {
    ended_by("-HUP");
}

#[test]
fn a_virtual_run_is_ended_too() {
    let scratch = Scratch::new("virtual-signal");
    let text = fs::read_to_string(root().join("scenarios/inter-group.yaml")).expect("a scenario");
    let manifests = root().join("scenarios/manifests");
    let steps = text.find("steps:").expect("steps");
    let endless = format!("{}steps:\n  - send: {{ path: /openai, times: 1000000, gap: 1ms }}\n", &text[..steps]);
    let scenario = scratch.path("long.yaml");
    fs::write(&scenario, endless.replace("manifests/", &format!("{}/", manifests.display())))
        .expect("the scenario can be written");
    let mut command = labsim();
    command.arg("run").arg(&scenario).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("labsim starts"));
    wait_for_line(&mut running, "api.openai.com:443");
    running.signal("-INT");
    assert_eq!(ended(&mut running).code(), Some(130));
}
