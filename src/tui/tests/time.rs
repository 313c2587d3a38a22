//! How time goes on at the head of a lab, after looking back, in a pause, and on the way to what comes next.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::bench::Bench;
use super::builder::{self, BAD, GOOD};
use super::screens::shown;
use crate::event::{At, Event, Kind};
use crate::tui::action::{Action, Tab};
use crate::tui::landmarks::Sort;
use crate::tui::model::{Model, Source};
use crate::tui::pace::Pace;
use crate::tui::{Command, Decision, Finding, Judge};

/// A virtual lab in the middle of its run, and what hears its commands.
fn running() -> (Model, mpsc::Receiver<Command>) {
    let mut model = Model::new(builder::header(), Source::Virtual, None);
    let (to_lab, commands) = mpsc::channel();
    model.command(to_lab);
    model.feed(builder::failover());
    (model, commands)
}

fn all(commands: &mpsc::Receiver<Command>) -> Vec<Command> {
    commands.try_iter().collect()
}

fn last_line(model: &Model) -> String {
    shown(model, (100, 30)).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn who_looked_back_and_plays_the_past_takes_the_lab_along_at_its_head() {
    let (mut model, commands) = running();
    model.pacer.set_pace(Pace::Times(10.0));
    model.act(&Action::StepTime(-1_000));
    assert_eq!(all(&commands), [Command::Pause]);
    model.act(&Action::TogglePause);
    for frame in 1..100 {
        model.tick(Duration::from_millis(20 * frame));
    }
    assert!(model.attached && !model.pacer.is_paused());
    assert_eq!(all(&commands), [Command::Resume]);
}

#[test]
fn who_stands_at_the_head_of_a_lab_that_waits_lets_it_go_on() {
    let (mut model, commands) = running();
    model.seek(At(u64::MAX));
    model.act(&Action::TogglePause);
    model.tick(Duration::from_millis(20));
    assert!(model.attached);
    assert_eq!(all(&commands), [Command::Pause, Command::Resume]);
}

#[test]
fn steps_forward_go_on_beyond_the_latest_moment_after_looking_back() {
    let (mut model, commands) = running();
    model.act(&Action::StepEvent(-1));
    model.act(&Action::StepEvent(1));
    assert_eq!(all(&commands), [Command::Pause], "this one is known");
    model.act(&Action::StepEvent(1));
    assert_eq!(all(&commands), [Command::StepEvent]);
    assert!(model.attached && model.pacer.is_paused());

    model.act(&Action::StepTime(-1_000));
    model.act(&Action::StepTime(10_000));
    assert_eq!(all(&commands), [Command::Pause, Command::StepTime(Duration::from_secs(9))]);
    assert!(model.attached && model.pacer.is_paused());
    model.act(&Action::StepTime(1_000));
    assert_eq!(all(&commands), [Command::StepTime(Duration::from_secs(1))]);
}

#[test]
fn the_lab_goes_on_to_what_has_not_come_yet() {
    let (mut model, commands) = running();
    model.act(&Action::Jump { forward: true, sort: Some(Sort::Return) });
    assert_eq!(all(&commands), [Command::StepTo(Some(Sort::Return))]);
    assert!(model.message.is_none() && model.attached && model.pacer.is_paused());
    model.rests(true);
    let said = model.message.as_ref().map(|(said, _)| said.as_str());
    assert_eq!(said, Some("no return came before the end"));
    assert_eq!(all(&commands), [Command::Pause], "what is asked for next has to wait");
    model.act(&Action::Jump { forward: true, sort: None });
    assert_eq!(all(&commands), [], "nothing comes by itself any more");
}

#[test]
fn hints_name_only_what_there_is_to_come() {
    let mut model = Model::new(builder::header(), Source::Real, None);
    model.feed(builder::failover());
    assert!(!shown(&model, (200, 60)).contains("next happening"));
    model.act(&Action::StepTime(-70_000));
    assert!(shown(&model, (200, 60)).contains("next happening"));
}

#[test]
fn what_waits_for_time_to_go_on_is_in_sight_and_not_in_the_file() {
    let (mut model, commands) = running();
    model.equip(Box::new(Bench { waiting: 2 }));
    model.act(&Action::TogglePause);
    model.rests(true);
    model.message = None;
    assert!(last_line(&model).contains("2 acts wait for time to go on"), "{}", last_line(&model));
    let said = crate::tui::export::scenario(&mut model, Path::new("nowhere/session.yaml"));
    assert_eq!(said, "written: `labsim run nowhere/session.yaml` does it again (2 acts wait, not in it)");
    all(&commands);
    model.act(&Action::StepEvent(1));
    assert_eq!(all(&commands), [Command::StepEvent], "there is something to step to");
    model.act(&Action::TogglePause);
    model.rests(true);
    assert!(!last_line(&model).contains("wait for"), "{}", last_line(&model));
}

#[test]
fn an_act_leaves_the_scenarios_step_in_sight() {
    let mut stream = builder::Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 }).step(0, "note", "hello").step_over(0);
    stream.step(2, "wait", "wait 61s").wait(1_000);
    let act = Some(serde_json::json!({ "send": { "path": "/openai" } }));
    let (verb, summary) = ("send".to_owned(), "send a request to /openai".to_owned());
    stream.emit(Kind::StepStarted { step: 4, verb, summary, act, load: None });
    stream.ask(4, 0, (1, GOOD), 200, 30).step_over(4).wait(1_000);
    let mut model = Model::new(builder::header(), Source::Virtual, None);
    model.feed(stream.events);
    model.act(&Action::Show(Tab::Scenario));
    let seen = shown(&model, (100, 14));
    let file = seen.lines().filter_map(|line| line.rsplit_once("││")).map(|(_, line)| line);
    assert!(file.clone().any(|line| line.contains("- wait: 61s")), "{seen}");
    assert!(seen.lines().any(|line| line.contains("▶ 3 wait")), "{seen}");
}

#[test]
fn of_replicas_that_differ_the_one_that_thinks_worst_is_shown() {
    let health = |replica, health, latency_seconds| Kind::HealthChanged {
        replica,
        backend: builder::BACKEND.to_owned(),
        provider: BAD.to_owned(),
        health,
        latency_seconds,
        consecutive_failures: 0,
        times_ejected: 0,
        request: None,
    };
    let mut stream = builder::Stream::default();
    for replica in 0..3 {
        stream.emit(Kind::ReplicaStarted { replica });
    }
    stream.emit(health(0, 0.99, 0.1)).emit(health(1, 0.97, 0.2));
    let mut model = Model::new(crate::event::log::Header { replicas: 3, ..builder::header() }, Source::Virtual, None);
    model.feed(stream.events);
    let seen = shown(&model, (100, 30));
    assert!(seen.contains("health 0.97 · 200ms"), "{seen}");
}

/// Finds two invariants, one of which is known not to hold.
struct Knows;

impl Judge for Knows {
    fn judge(&mut self, _: Option<&Event>) -> Option<Vec<Finding>> {
        None
    }

    fn conclude(&mut self) -> Option<Vec<Finding>> {
        let found = |statement: &str, decision| Finding {
            step: None,
            invariant: true,
            statement: statement.to_owned(),
            decision,
            explanation: None,
        };
        Some(vec![
            found("one end", Decision::Pass),
            found("deviation of agentgateway-1.4: blameless", Decision::Exempt),
        ])
    }
}

#[test]
fn a_known_deviation_is_not_counted_among_what_holds() {
    let mut model = Model::new(builder::header(), Source::Replay, Some(Box::new(Knows)));
    model.feed(builder::failover());
    model.conclude(None);
    model.act(&Action::ToHead);
    let seen = shown(&model, (120, 40));
    assert!(seen.contains("✓ 1 other invariant holds"), "{seen}");
    assert!(seen.contains("≈ deviation of agentgateway-1.4"), "{seen}");
    assert!(seen.contains("PASS"), "{seen}");
}
