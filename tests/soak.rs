//! A virtual day at 5 requests a second while things break at random, for each personality: no
//! invariant is broken beyond the deviations that are declared, and memory does not grow from the
//! first hour to the last. `just soak`; a stretch of it is played with the other tests.
//!
//! The day is one run in one world. It is judged hour by hour, and what is over is forgotten then, so
//! that whatever grows is the lab's own.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use labsim::event::{Event, History, Kind, Sink};
use labsim::fault::Fault;
use labsim::lab::Lab;
use labsim::scenario::{Personality, Scenario, load_from};
use labsim::source::Sources;
use labsim::verdict::{self, JudgeOptions, Outcome};
use labsim::world::{Random, Seed};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory is one: days are played one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// After each stretch there is time for everything under way to end.
const QUIET: Duration = Duration::from_mins(1);
/// Steps that a stretch is made of: loads side by side, the two of them, and the quiet.
const STEPS: usize = 4;

/// How long a day is.
#[derive(Clone, Copy)]
struct Day {
    stretches: usize,
    minutes: u64,
    /// Seconds from one thing that breaks to the next, on average.
    peace: f64,
}

const WHOLE: Day = Day { stretches: 24, minutes: 60, peace: 180.0 };
const SHORT: Day = Day { stretches: 4, minutes: 4, peace: 15.0 };

/// A scenario in which things break at random.
fn scenario(personality: Personality, day: Day, seed: u64) -> Scenario {
    let mut text = format!(
        "name: Soak\nseed: {seed}\nlab:\n  manifests: [gateway.yaml]\n  secrets: {{ openai-secret: {{ Authorization: \
         Bearer sk-third }} }}\n  gateway: {{ replicas: 2, personality: {personality}, spread: random }}\nsteps:\n"
    );
    let load = |rate: &str, stream| {
        format!(
            "{{ load: {{ path: /openai, rate: {rate}, arrivals: poisson, stream: {stream}, timeout: 30s, for: {}m }} }}",
            day.minutes
        )
    };
    for _ in 0..day.stretches {
        let _ = writeln!(text, "  - parallel: [{}, {}]", load("3", false), load("2", true));
        let _ = writeln!(text, "  - wait: {}s", QUIET.as_secs());
    }
    text.push_str("schedule:\n");
    let stretch = Duration::from_mins(day.minutes) + QUIET;
    let end = (stretch * u32::try_from(day.stretches).expect("a few")).as_secs_f64();
    let mut chance = Seed(seed).stream("soak");
    let mut at = 0.0;
    loop {
        at += chance.exponential(1.0) * day.peace;
        if at >= end {
            break;
        }
        let _ = writeln!(text, "  - {{ at: {:.3}s, {} }}", at, something(&mut chance));
    }
    // For whoever wants to play it again: `labsim run $SOAK_KEEP/reference.yaml`.
    if let Some(folder) = std::env::var_os("SOAK_KEEP") {
        let folder = Path::new(&folder);
        std::fs::write(folder.join(format!("{personality}.yaml")), &text).expect("a scenario");
        std::fs::write(folder.join("gateway.yaml"), include_str!("soak/gateway.yaml")).expect("its manifests");
    }
    let mut files = Sources::default();
    files.add("soak.yaml", text);
    files.add("gateway.yaml", include_str!("soak/gateway.yaml"));
    load_from(&files, Path::new("soak.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

/// Something that happens: mostly a fault for a while, now and then a restart.
fn something(chance: &mut Random) -> String {
    if chance.chance(0.05) {
        return format!("restart: gateway/{}", chance.index(2));
    }
    let name = Fault::NAMES[chance.index(Fault::NAMES.len())];
    let on_link = Fault::named(name).is_some_and(|fault| fault.acts().on_link());
    let places: &[&str] = if on_link {
        &["gateway -> first", "gateway -> second", "gateway -> third", "client -> gateway", "\"*\""]
    } else {
        &["first", "second", "third", "\"*\""]
    };
    let target = places[chance.index(places.len())];
    let probability = 0.05 + 0.95 * chance.unit();
    let lasts = 2 + chance.below(180);
    format!("inject: {{ fault: {name}, target: {target}, probability: {probability:.3}, window: {{ for: {lasts}s }} }}")
}

/// Judges a run stretch by stretch, and remembers little.
struct Judge {
    scenario: Arc<Scenario>,
    history: History,
    /// How many steps the stretches have; those of the schedule come behind them.
    steps: usize,
    broken: Vec<String>,
    memory: Vec<usize>,
    requests: usize,
    failed: usize,
    retried: usize,
    evictions: usize,
    returns: usize,
}

impl Judge {
    fn new(scenario: Arc<Scenario>, day: Day) -> Self {
        Self {
            scenario,
            history: History::default(),
            steps: day.stretches * STEPS,
            broken: Vec::new(),
            memory: Vec::new(),
            requests: 0,
            failed: 0,
            retried: 0,
            evictions: 0,
            returns: 0,
        }
    }

    fn see(&mut self, event: &Event) {
        self.history.apply(event);
        match &event.kind {
            Kind::ProviderEvicted { .. } => self.evictions += 1,
            Kind::ProviderReturned { .. } => self.returns += 1,
            Kind::StepEnded { step, .. } if *step < self.steps && step % STEPS == STEPS - 1 => self.judge(step / STEPS),
            _ => {}
        }
    }

    fn judge(&mut self, stretch: usize) {
        let verdict = verdict::judge(&self.scenario, &self.history, JudgeOptions::default());
        // A deviation that is declared does not fail.
        for finding in verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Fail) {
            let detail = finding.detail.iter().take(8).map(String::as_str).collect::<Vec<_>>().join("\n    ");
            self.broken.push(format!("stretch {stretch}: {}: {}\n    {detail}", finding.statement, finding.actual));
        }
        let carried = self.history.carried();
        let new = &self.history.requests;
        self.requests += new.len() - carried.requests.len();
        self.failed += new.iter().filter(|request| request.status != Some(200)).count();
        self.retried += new.iter().filter(|request| request.attempts.len() > 1).count();
        self.history = carried;
        self.memory.push(self.memory_of_the_lab());
    }

    /// Bytes in use without those of the judge, which remembers every step.
    fn memory_of_the_lab(&self) -> usize {
        let before = MEMORY.current_usage();
        let copy = self.history.clone();
        let own = MEMORY.current_usage().saturating_sub(before);
        drop(copy);
        MEMORY.current_usage().saturating_sub(own)
    }
}

fn soak(personality: Personality, day: Day) -> Judge {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let scenario = scenario(personality, day, 7);
    let shared = Arc::new(scenario.clone());
    let judge = Arc::new(Mutex::new(Judge::new(shared.clone(), day)));
    let listener = judge.clone();
    let sink: Box<dyn Sink> = Box::new(move |event: &Event| listener.lock().unwrap().see(event));
    let lab = Lab::new(scenario).unwrap_or_else(|error| panic!("{error}"));
    assert!(!lab.play(vec![sink]).expect("it runs"), "interrupted");
    drop(lab);
    // What is left of the runtime may still hold the listener.
    let judge = std::mem::replace(&mut *judge.lock().unwrap(), Judge::new(shared, day));
    eprintln!(
        "{personality}: {} requests, {} without a 200, {} retried, {} evictions, {} returns; KiB after each stretch: {:?}",
        judge.requests,
        judge.failed,
        judge.retried,
        judge.evictions,
        judge.returns,
        judge.memory.iter().map(|bytes| bytes / 1024).collect::<Vec<_>>()
    );
    assert!(judge.broken.is_empty(), "{personality}: {} broken\n{}", judge.broken.len(), judge.broken.join("\n"));
    assert_eq!(judge.memory.len(), day.stretches);
    judge
}

/// A whole day: as much happened as should, and nothing grew.
fn whole_day(personality: Personality) {
    let judge = soak(personality, WHOLE);
    assert!(judge.requests > 400_000, "{}", judge.requests);
    // The reference has a budget for its retries.
    assert!(judge.failed > 1_000 && judge.retried > 300, "{} {}", judge.failed, judge.retried);
    assert!(judge.evictions > 50 && judge.returns > 50, "{} {}", judge.evictions, judge.returns);
    // The first hours fill pools and tables; what comes after must fit into the same room. What an hour ends with
    // varies with what is under way, so that the middle one of each half is compared.
    let (early, late) = judge.memory.split_at(WHOLE.stretches / 2);
    let (early, late) = (median(early), median(late));
    assert!(late <= early + early / 20, "memory grows from {early} to {late}: {:?}", judge.memory);
}

/// The middle one.
fn median(hours: &[usize]) -> usize {
    let mut hours = hours.to_vec();
    hours.sort_unstable();
    hours[hours.len() / 2]
}

#[test]
fn a_quarter_of_an_hour_breaks_no_invariant() {
    for personality in Personality::ALL {
        let judge = soak(personality, SHORT);
        assert!(judge.requests > 4_000 && judge.failed > 0, "{} {}", judge.requests, judge.failed);
    }
}

#[test]
#[ignore = "432,000 requests; `just soak`"]
fn a_day_as_agentgateway_0_12() {
    whole_day(Personality::Agentgateway012);
}

#[test]
#[ignore = "432,000 requests; `just soak`"]
fn a_day_as_agentgateway_1_2() {
    whole_day(Personality::Agentgateway12);
}

#[test]
#[ignore = "432,000 requests; `just soak`"]
fn a_day_as_agentgateway_1_4() {
    whole_day(Personality::Agentgateway14);
}

#[test]
#[ignore = "432,000 requests; `just soak`"]
fn a_day_as_the_reference() {
    whole_day(Personality::Reference);
}
