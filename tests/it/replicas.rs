//! Replicas of the gateway: who takes a request, what each knows for itself, and how one goes without harm.

use std::fs;
use std::sync::{Arc, Mutex};

use labsim::Lab;
use labsim::event::{Event, Kind, Outcome};

use crate::support::Scratch;

/// A first group that is always rate limited, and a second one that takes two seconds for an answer.
const CONFIG: &str = r#"
binds:
- port: 3000
  listeners:
  - routes:
    - policies: { responseHeaderModifier: { add: { retry-after: "60" } } }
      backends:
      - ai:
          groups:
          - providers: [{ name: limited, hostOverride: "limited:8000", provider: { openAI: { model: m } } }]
          - providers: [{ name: slow, hostOverride: "slow:8000", provider: { openAI: { model: m } } }]
"#;

/// A request as the gateway saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    replica: u32,
    begun_ms: u64,
    ended_ms: u64,
    status: u16,
    whole: bool,
}

/// Requests in the order of their beginnings, and when which replica stopped.
type Told = (Vec<Seen>, Vec<(u64, u32)>);

/// What happened in a run: requests in the order of their beginnings, and when which replica stopped.
fn play(name: &str, gateway: &str, steps: &str) -> Told {
    let scratch = Scratch::new(name);
    fs::write(scratch.path("config.yaml"), CONFIG).expect("a configuration");
    let text = format!(
        "name: x\nlab:\n  manifests: [config.yaml]\n  simulators:\n    \"limited:8000\": {{ args: [--model, m, --failure-injection-rate, 100, --failure-types, rate_limit] }}\n    \"slow:8000\": {{ args: [--model, m, --time-to-first-token, 2s] }}\n  gateway: {{ personality: agentgateway-0.12, {gateway} }}\nsteps:\n{steps}"
    );
    let file = scratch.path("scenario.yaml");
    fs::write(&file, text).expect("a scenario");
    let told: Arc<Mutex<Told>> = Arc::default();
    let heard = told.clone();
    let lab = Lab::from_file(&file).unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = lab
        .on_event(move |event: &Event| {
            let (seen, stopped) = &mut *heard.lock().unwrap();
            let now = event.at_us.0 / 1_000;
            match &event.kind {
                Kind::GatewayRequestReceived { request, replica, .. } => seen.push(Seen {
                    id: request.clone(),
                    replica: *replica,
                    begun_ms: now,
                    ended_ms: 0,
                    status: 0,
                    whole: false,
                }),
                Kind::GatewayRequestEnded { request, status, outcome, .. } => {
                    let one = seen.iter_mut().find(|one| one.id == *request).expect("it began");
                    (one.ended_ms, one.status, one.whole) = (now, *status, *outcome == Outcome::Complete);
                }
                Kind::ReplicaStopped { replica } => stopped.push((now, *replica)),
                _ => {}
            }
        })
        .run()
        .unwrap();
    assert!(run.passed(), "{run}");
    let (mut seen, stopped) = told.lock().unwrap().clone();
    // In the order in which they were sent.
    seen.sort_by_key(|one| one.id.trim_start_matches("req-").parse::<u32>().expect("a number"));
    (seen, stopped)
}

fn replicas(seen: &[Seen]) -> Vec<u32> {
    seen.iter().map(|one| one.replica).collect()
}

#[test]
fn requests_are_spread_as_the_scenario_says() {
    let sends = "  - send: { path: /a, times: 6, key: sk-one }\n  - send: { path: /a, times: 6, key: sk-two }\n  - send: { path: /a, times: 6, key: sk-four }\n";
    let (seen, _) = play("spread-turn", "replicas: 3, spread: round-robin", sends);
    assert_eq!(replicas(&seen), [0, 1, 2].repeat(6));
    let (seen, _) = play("spread-sticky", "replicas: 3, spread: sticky", sends);
    let all = replicas(&seen);
    assert!(all.chunks(6).all(|of_key| of_key.iter().all(|one| one == &of_key[0])), "{all:?}");
    assert!(all.iter().any(|one| one != &all[0]), "keys are spread: {all:?}");
    let (seen, _) = play("spread-random", "replicas: 3, spread: random", sends);
    let all = replicas(&seen);
    assert!((0..3).all(|replica| all.contains(&replica)) && all[..6] != [0, 1, 2, 0, 1, 2], "{all:?}");
}

#[test]
fn each_replica_has_its_own_health_and_loses_it_when_it_is_replaced() {
    let statuses = |seen: &[Seen]| seen.iter().map(|one| (one.replica, one.status)).collect::<Vec<_>>();
    let steps = "  - send: { path: /a, times: 4 }\n  - restart: gateway/1\n  - send: { path: /a, times: 4 }\n  - restart: gateway\n  - send: { path: /a, times: 2 }\n";
    let (seen, stopped) = play("restart", "replicas: 2", steps);
    assert_eq!(
        statuses(&seen),
        [(0, 429), (1, 429), (0, 200), (1, 200), (0, 200), (1, 429), (0, 200), (1, 200), (0, 429), (1, 429)]
    );
    assert_eq!(stopped.iter().map(|(_, replica)| *replica).collect::<Vec<_>>(), [1, 0, 1]);
}

#[test]
fn replicas_come_and_go_in_a_run() {
    let steps = "  - send: { path: /a, times: 2 }\n  - scale: { gateway: 2 }\n  - send: { path: /a, times: 4 }\n  - scale: { gateway: 1 }\n  - send: { path: /a, times: 2 }\n";
    let (seen, stopped) = play("scale", "replicas: 1", steps);
    let told: Vec<_> = seen.iter().map(|one| (one.replica, one.status)).collect();
    let new: Vec<_> = told[2..6].iter().filter(|(replica, _)| *replica == 1).collect();
    assert_eq!(new, [&(1, 429), &(1, 200)], "the new one learns for itself: {told:?}");
    assert_eq!(told[6..], [(0, 200), (0, 200)]);
    assert_eq!(stopped.len(), 1);
}

#[test]
fn a_replica_that_goes_ends_its_requests_and_new_ones_go_elsewhere() {
    // Both have failed over; then one request is under way at each while replica 1 goes.
    let steps = "  - send: { path: /a, times: 2 }\n  - parallel:\n    - send: { path: /a, times: 2, at-once: true }\n    - [wait: 500ms, scale: { gateway: 1 }]\n    - [wait: 600ms, send: { path: /a, times: 2, at-once: true }]\n";
    let (seen, stopped) = play("drain-scale", "replicas: 2", steps);
    let told: Vec<_> = seen.iter().map(|one| (one.replica, one.status, one.whole)).collect();
    assert_eq!(told[2..], [(0, 200, true), (1, 200, true), (0, 200, true), (0, 200, true)], "{seen:?}");
    let [(at, 1)] = stopped[..] else { panic!("{stopped:?}") };
    assert!(
        seen[3].begun_ms + 2_000 <= at && seen[3].ended_ms <= at,
        "it went when its request had ended: {seen:?} {at}"
    );

    // With a single one, new requests wait for the one that takes its place.
    let steps = "  - send: { path: /a, times: 1 }\n  - parallel:\n    - send: { path: /a }\n    - [wait: 500ms, restart: gateway]\n    - [wait: 600ms, send: { path: /a }]\n";
    let (seen, stopped) = play("drain-restart", "replicas: 1", steps);
    let told: Vec<_> = seen.iter().map(|one| (one.status, one.whole)).collect();
    assert_eq!(told, [(429, true), (200, true), (429, true)], "{seen:?}");
    assert!(seen[2].begun_ms >= stopped[0].0 && seen[1].ended_ms <= stopped[0].0, "{seen:?} {stopped:?}");
}
