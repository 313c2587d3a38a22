//! What a person does in mid-run: it goes into the recording, and a scenario file that says the same
//! gives the same events.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use labsim::Lab;
use labsim::event::{At, Event, Kind};
use labsim::fault::Injection;
use labsim::lab::{Commands, Throttle};
use labsim::scenario::session::{Original, Performed, Session};
use labsim::scenario::step::{Configure, Inject, Load, Scale, Scaled};
use labsim::scenario::{Change, Disk, Manifest, Restart, Send, Step};
use labsim::source::Span;

use crate::support::{Scratch, root};

/// Somebody who acts at certain moments, in milliseconds, and otherwise lets the lab go on in strides.
struct Hand {
    commands: Commands,
    acts: Mutex<Vec<(u64, Step)>>,
    stride: u64,
}

/// What is done: at moments while the lab plays, and one after the other once it stands still.
#[derive(Clone, Default)]
struct Plan {
    during: Vec<(u64, Step)>,
    afterwards: Vec<Step>,
}

impl Throttle for Hand {
    fn turn(&self, now: At, _in_flight: usize, _events: u64) -> At {
        let mut acts = self.acts.lock().expect("nobody panicked");
        while acts.first().is_some_and(|(at, _)| now.0 >= at * 1_000) {
            self.commands.push(acts.remove(0).1);
        }
        let next = acts.first().map_or(u64::MAX, |(next, _)| next * 1_000);
        // In whole milliseconds, as the clock goes.
        let soonest = (now.0 / 1_000 + 1) * 1_000;
        At(now.0.saturating_add(self.stride).max(soonest).min(next.max(soonest)) / 1_000 * 1_000)
    }
}

/// Runs a scenario while somebody acts; gives the events.
fn improvised(path: &Path, plan: Plan, stride: u64) -> Vec<Event> {
    let commands = Commands::default();
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let lab = Lab::from_file(path).unwrap_or_else(|error| panic!("{error}")).on_event(move |event| {
        count.fetch_add(usize::from(matches!(event.kind, Kind::StepStarted { act: Some(_), .. })), Ordering::SeqCst);
    });
    let mut asked = plan.during.len();
    let hand = Hand { commands: commands.clone(), acts: Mutex::new(plan.during), stride };
    let lab = lab.commands(commands.clone()).throttle(Arc::new(hand));
    let afterwards = std::thread::spawn(move || {
        let rests = |asked| commands.is_idle() && begun.load(Ordering::SeqCst) == asked;
        for step in plan.afterwards {
            while !rests(asked) {
                std::thread::park_timeout(std::time::Duration::from_millis(1));
            }
            commands.push(step);
            asked += 1;
        }
        while !rests(asked) {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        commands.close();
    });
    let events = events(&lab);
    afterwards.join().expect("it acts to the end");
    events
}

fn events(lab: &Lab) -> Vec<Event> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    let sink = move |event: &Event| kept.lock().expect("nobody panicked").push(event.clone());
    lab.run_with(vec![Box::new(sink)]).unwrap_or_else(|error| panic!("{error}"));
    let events = heard.lock().expect("nobody panicked");
    events.clone()
}

/// The events without where their steps came from.
fn whatever_their_origin(mut events: Vec<Event>) -> Vec<String> {
    for event in &mut events {
        if let Kind::StepStarted { act, .. } = &mut event.kind {
            *act = None;
        }
    }
    told(&events)
}

fn told(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| serde_json::to_string(event).expect("JSON")).collect()
}

fn same(what: &str, events: &[String], others: &[String]) {
    for (number, (one, other)) in events.iter().zip(others).enumerate() {
        assert_eq!(one, other, "{what}: event {number}");
    }
    assert_eq!(events.len(), others.len(), "{what}");
}

fn inject(lab: &Lab, text: &str) -> Step {
    let injection = Injection::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let aim = injection.aim(&lab.scenario().topology).unwrap_or_else(|error| panic!("{}", error.message));
    Step::Inject(Box::new(Inject { injection, aim }))
}

fn configure(lab: &Lab) -> Step {
    let name = lab.scenario().topology.simulators[0].name.clone();
    let changes = serde_json::Map::from_iter([("failure-injection-rate".to_owned(), 30.into())]);
    Step::Configure(Box::new(Configure { name, changes, places: Vec::new() }))
}

/// The session as a scenario file, run.
fn again(path: &Path, events: &[Event], to: &Path) -> Vec<Event> {
    let acts = events.iter().filter_map(|event| match &event.kind {
        Kind::StepStarted { act: Some(step), .. } => {
            Some(Performed { at: event.at_us.since(At(0)), step: step.clone(), like: None })
        }
        _ => None,
    });
    let header = Lab::from_file(path).unwrap_or_else(|error| panic!("{error}")).header();
    let session = Session {
        seed: header.seed,
        personality: header.personality,
        start: Some(header.start),
        played: true,
        acts: acts.collect(),
        until: events.last().map(|event| event.at_us.since(At(0))).unwrap_or_default(),
    };
    let original = Original::read(&Disk, path).unwrap_or_else(|error| panic!("{error}"));
    let text = original.with(&session, to).unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(to, text).expect("a file");
    self::events(&Lab::from_file(to).unwrap_or_else(|error| panic!("{error}")))
}

fn send(times: u32) -> Step {
    Step::Send(Box::new(Send { times, order: labsim::scenario::step::Order::AtOnce, ..Send::to("/openai") }))
}

#[test]
fn a_session_runs_again_event_for_event() {
    let scratch = Scratch::new("acts");
    for scenario in ["intra-group", "inter-group", "two-replicas", "health-combined"] {
        let path = root().join("scenarios").join(format!("{scenario}.yaml"));
        let lab = Lab::from_file(&path).unwrap_or_else(|error| panic!("{error}"));
        let provider = lab.header().backends[0].groups[0][0].name.clone();
        let load = Load::at_rate("/openai", 20.0, Span(std::time::Duration::from_secs(3)));
        let acts = vec![
            (1, send(1)),
            (7, inject(&lab, &format!("{{fault: {{status: {{code: 503}}}}, target: {provider}, probability: 0.5}}"))),
            (7, send(10)),
            (260, Step::Restart(Restart::Gateway)),
            (
                261,
                inject(
                    &lab,
                    "{fault: {latency: {time: 30ms, jitter: 10ms}}, target: 'client -> gateway', window: {for: 20s}}",
                ),
            ),
            (300, configure(&lab)),
            (9_000, Step::Scale(Scale { what: Scaled::Gateway, count: 3 })),
            (9_001, Step::Load(Box::new(load))),
            (10_000, Step::Stop),
            (30_000, Step::Clear(labsim::fault::Clear::All)),
        ];
        let afterwards = vec![send(2), Step::Restart(Restart::Replica(1)), send(3)];
        let acts = Plan { during: acts, afterwards };
        let count = acts.during.len() + acts.afterwards.len();
        let events = improvised(&path, acts.clone(), 50_000);
        let begun = events.iter().filter(|event| matches!(event.kind, Kind::StepStarted { act: Some(_), .. })).count();
        assert_eq!(begun, count, "{scenario}: acts in the recording");
        // How far the lab goes at a time is nobody's business.
        same(&format!("{scenario} at another pace"), &told(&events), &told(&improvised(&path, acts, u64::MAX)));
        let written = scratch.path(&format!("{scenario}-session.yaml"));
        let repeated = again(&path, &events, &written);
        same(scenario, &whatever_their_origin(events), &whatever_their_origin(repeated));
    }
}

#[test]
fn manifests_that_a_person_applies_are_there_from_then_on() {
    let path = root().join("scenarios/inter-group.yaml");
    let mended = root().join("scenarios/manifests/mock-mended.yaml");
    let text = std::fs::read_to_string(&mended).expect("a shipped manifest");
    let apply = Step::Apply(vec![Change::Apply(Manifest { name: mended.display().to_string(), text })]);
    let wait = Step::Wait(Span(std::time::Duration::from_secs(61)));
    let plan = Plan { during: Vec::new(), afterwards: vec![wait.clone(), send(1), apply, wait, send(1)] };
    let events = improvised(&path, plan, u64::MAX);
    let answers = events.iter().filter_map(|event| match &event.kind {
        Kind::ClientRequestEnded { status, model, .. } => Some((*status, model.as_deref())),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers[answers.len() - 2..], [(Some(429), None), (Some(200), Some("mock-gpt-4o"))]);
    let scratch = Scratch::new("acts-apply");
    let repeated = again(&path, &events, &scratch.path("applied.yaml"));
    same("applied", &whatever_their_origin(events), &whatever_their_origin(repeated));
}

#[test]
fn a_lab_that_nobody_asks_for_anything_gives_the_events_of_a_plain_run() {
    let path = root().join("scenarios/two-replicas.yaml");
    let plain = events(&Lab::from_file(&path).unwrap_or_else(|error| panic!("{error}")));
    assert!(improvised(&path, Plan::default(), 7_000) == plain);
}
