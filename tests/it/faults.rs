//! Every fault on the way through a gateway: what a client gets is the same in virtual and in real time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use labsim::event::{Event, Kind, Outcome};
use labsim::fault::target::GATEWAY_HOST;
use labsim::fault::{Clear, Fault, Injection};
use labsim::world::Net;

use crate::rig::{Parts, Rig};

/// Longer than anything takes that ends by itself, shorter than a person waits.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Faults whose defaults take longer than that, or act just where an answer ends.
const NOT_PLAIN: [&str; 3] = ["dns-failure", "slow-close", "byte-limit"];

/// These, and what else faults can do.
const VARIANTS: &[&str] = &[
    "{dns-failure: {time: 50ms}}",
    "{black-hole: {direction: upstream}}",
    "{black-hole: {handshake: true}}",
    "{reset: {when: at-once}}",
    "{reset: {when: during-headers}}",
    "{reset: {direction: upstream}}",
    "{latency: {time: 100ms, direction: both}}",
    "{bandwidth: {bytes-per-second: 4000}}",
    "{slice: {bytes: 40, gap: 1ms}}",
    "{slow-close: {time: 100ms}}",
    "{byte-limit: {bytes: 100}}",
    "{byte-limit: {bytes: 100, direction: upstream}}",
    "{status: {code: 429}}",
    "{retry-after: {value: {seconds: 7s}}}",
    "{delay: {time: 100ms}}",
    "{slow-first-token: {time: 100ms}}",
    "{slow-tokens: {gap: 20ms}}",
    "{stall: {after: 2, for: 100ms}}",
    "{stall: {after: 2}}",
    "{cut: {after: 2}}",
    "{cut: {after: 2, how: reset}}",
];

/// Where a fault of the network acts; of answers there is one place.
const PLACES: [&str; 2] = ["client -> gateway", "gateway -> mock"];

/// One fault at one place.
struct Case {
    injection: Injection,
    stream: bool,
}

fn cases() -> Vec<Case> {
    let plain = Fault::NAMES.iter().filter(|name| !NOT_PLAIN.contains(name));
    let all =
        plain.chain(VARIANTS).map(|text| Injection::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")));
    let mut cases = Vec::new();
    for injection in all {
        let places: &[&str] = if injection.fault.acts().on_link() { &PLACES } else { &["mock"] };
        for place in places {
            for stream in [false, true] {
                cases.push(Case { injection: Injection { target: Rig::target(place), ..injection.clone() }, stream });
            }
        }
    }
    cases
}

/// What came of a request: for the client, for the gateway's attempt, and after the fault was cleared.
#[derive(Debug, PartialEq)]
struct Seen {
    client: (Outcome, Option<u16>, u64),
    attempts: Vec<(Outcome, Option<u16>)>,
    after: Outcome,
    struck: bool,
}

async fn play(case: &Case, net: Net) -> Seen {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let heard = events.clone();
    let sink = move |event: &Event| heard.lock().unwrap().push(event.clone());
    let rig = Rig::new(Parts {
        net,
        sinks: vec![Box::new(sink)],
        // So slow that a stream is still under way when its client has gone, on a busy machine too.
        args: "--mode echo --inter-token-latency 50ms",
        openai: false,
    });
    let rig = rig.await;
    rig.inject(case.injection.clone());
    rig.ask("first", case.stream, PATIENCE).await;
    let struck = rig.board.active().iter().any(|fault| fault.struck > 0);
    // What the gateway still has to say of the first, before what was held back is let go. On a busy machine it
    // hears late that its client has gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A request that was held back arrives with the end of its client right behind it: over TCP it is chance whether
    // the gateway begins with it before it hears of that.
    let before = events.lock().unwrap().len();
    rig.board.clear(&Clear::All);
    let after = rig.ask("second", case.stream, PATIENCE).await;
    for server in &rig.servers {
        server.stop();
    }
    let events = events.lock().unwrap();
    let mut client = None;
    let mut attempts = Vec::new();
    for (index, event) in events.iter().enumerate() {
        match &event.kind {
            Kind::ClientRequestEnded { request, outcome, status, body_bytes, .. } if request == "first" => {
                assert!(client.is_none(), "it ends twice");
                client = Some((*outcome, *status, *body_bytes));
            }
            Kind::AttemptEnded { request, outcome, status, .. } if request == "first" && index < before => {
                attempts.push((*outcome, *status));
            }
            _ => {}
        }
    }
    Seen { client: client.expect("it ends"), attempts, after, struck }
}

#[test]
fn every_fault_has_the_same_outcome_in_virtual_and_in_real_time() {
    let cases = cases();
    let in_memory = cases.iter().map(|case| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(case, Net::memory()))
    });
    let in_memory: Vec<Seen> = in_memory.collect();
    // Side by side, each in a lab of its own: they mostly wait.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let over_tcp = runtime.block_on(join_all(cases.iter().map(|case| play(case, Net::tcp()))));
    let mut wrong = Vec::new();
    for ((case, in_memory), over_tcp) in cases.iter().zip(in_memory).zip(over_tcp) {
        let what =
            format!("{} at {}, stream {}", serde_json::json!(case.injection.fault), case.injection.target, case.stream);
        if in_memory != over_tcp {
            wrong.push(format!("{what}:\n  in virtual time {in_memory:?}\n  in real time    {over_tcp:?}"));
        }
        if in_memory.after != Outcome::Complete {
            wrong.push(format!("{what}: once it is cleared, a request ends with {:?}", in_memory.after));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn faults_of_the_network_meet_the_link_they_are_aimed_at() {
    let refused = |place: &str| {
        let injection = Injection { target: Rig::target(place), ..Injection::parse("refuse").unwrap() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(&Case { injection, stream: false }, Net::memory()))
    };
    let front = refused("client -> gateway");
    assert_eq!((front.client.0, front.attempts), (Outcome::Refused, vec![]), "{GATEWAY_HOST} is not reached");
    let back = refused("gateway -> mock");
    assert_eq!((back.client.0, back.client.1), (Outcome::Complete, Some(503)), "the gateway answers for the provider");
    assert_eq!(back.attempts[0].0, Outcome::Refused);
}
