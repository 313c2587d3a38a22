//! Every invariant is broken by a tape with one lie in it, and by nothing else.

use std::time::Duration;

use super::super::tape::{FALLBACK, MOCK, PRIMARY, Tape};
use super::super::{JudgeOptions, judge as judge_run};
use super::*;
use crate::event::{At, Digest, Kind, Outcome as End};
use crate::event::{BackendRecord, Candidate};
use crate::scenario::tests::sound;
use crate::topology::{EvictionPolicy, HealthPolicy, Personality};

/// The names of the invariants that a run of agentgateway 0.12 breaks, besides those that it is known for.
fn broken(tape: &Tape) -> Vec<&'static str> {
    broken_in(tape, |_| {})
}

/// The names of the invariants that a run of the reference breaks.
fn broken_by_reference(tape: &Tape) -> Vec<&'static str> {
    broken_in(tape, |scenario| scenario.gateway.personality = Personality::Reference)
}

fn broken_in(tape: &Tape, change: impl FnOnce(&mut Scenario)) -> Vec<&'static str> {
    let mut scenario = sound("steps: [{ send: { path: /openai, times: 3 } }]");
    change(&mut scenario);
    let verdict = judge_run(&scenario, &tape.history(), JudgeOptions::default());
    let failed = verdict.invariants().filter(|finding| finding.outcome == Outcome::Fail);
    failed
        .map(|finding| {
            assert!(!finding.detail.is_empty(), "without evidence: {finding:#?}");
            match finding.about {
                About::Invariant(name) => name,
                About::Expectation => unreachable!(),
            }
        })
        .collect()
}

/// 429 of the failing provider, two answers of the other, a minute, and the same again.
fn sound_tape() -> Tape {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        tape.failure(0);
        tape.success(0);
        tape.success(0);
        tape.pass(60_000);
        tape.comes_back(MOCK);
        tape.failure(0);
        tape.success(0);
    });
    tape
}

fn of<'k>(kind: &'k Kind, id: &str) -> Option<&'k Kind> {
    match kind {
        Kind::ClientRequestEnded { request, .. }
        | Kind::GatewayRequestEnded { request, .. }
        | Kind::AttemptEnded { request, .. }
        | Kind::GatewayRequestReceived { request, .. }
        | Kind::ProviderRequestReceived { request: Some(request), .. }
        | Kind::ProviderRequestEnded { request: Some(request), .. } => (request == id).then_some(kind),
        _ => None,
    }
}

#[test]
fn a_sound_run_breaks_nothing() {
    assert_eq!(broken(&sound_tape()), [""; 0]);
}

#[test]
fn a_request_that_never_ends_or_ends_twice_is_found() {
    let tape = sound_tape();
    let lost = tape.without(|kind| matches!(of(kind, "r2"), Some(Kind::ClientRequestEnded { .. })));
    assert_eq!(broken(&lost), ["one-end"]);
    let open = tape.without(|kind| matches!(of(kind, "r2"), Some(Kind::GatewayRequestEnded { .. })));
    assert_eq!(broken(&open), ["one-end"]);
    let attempt = tape.without(|kind| matches!(of(kind, "r2"), Some(Kind::AttemptEnded { .. })));
    assert_eq!(broken(&attempt), ["one-end"]);
    let mut twice = tape.clone();
    let end = tape.events.iter().position(|one| matches!(of(&one.kind, "r2"), Some(Kind::ClientRequestEnded { .. })));
    let copy = tape.events[end.unwrap()].clone();
    twice.events.insert(end.unwrap(), copy);
    assert_eq!(broken(&twice.renumbered()), ["one-end"]);
}

#[test]
fn stories_that_differ_are_found() {
    let tape = sound_tape();
    let status = tape.changed(|kind| {
        if let Kind::GatewayRequestEnded { request, status, .. } = kind
            && request == "r2"
        {
            *status = 503;
        }
    });
    assert_eq!(broken(&status), ["double-entry"]);
    let unseen = tape.without(|kind| {
        let kind = of(kind, "r2");
        matches!(kind, Some(Kind::ProviderRequestReceived { .. } | Kind::ProviderRequestEnded { .. }))
    });
    assert_eq!(broken(&unseen), ["double-entry"]);
    let refused = tape.changed(|kind| {
        if let Kind::AttemptEnded { request, outcome, .. } = kind
            && request == "r2"
        {
            *outcome = End::Refused;
        }
    });
    assert_eq!(broken(&refused), ["double-entry", "whole-success"]);
    let model = tape.changed(|kind| {
        if let Kind::ProviderRequestReceived { request: Some(request), model, .. } = kind
            && request == "r2"
        {
            *model = Some("gpt-4o-mini".into());
        }
    });
    assert_eq!(broken(&model), ["double-entry"]);
    let extra = tape.changed(|kind| {
        if let Kind::ProviderRequestReceived { request: Some(request), attempt, .. } = kind
            && request == "r2"
        {
            *attempt = 1;
        }
    });
    assert_eq!(broken(&extra), ["double-entry"]);
    let stranger = tape.changed(|kind| {
        if let Kind::ProviderRequestReceived { request: Some(request), .. } = kind
            && request == "r2"
        {
            *request = "r99".into();
        }
    });
    assert_eq!(broken(&stranger), ["double-entry"]);
}

#[test]
fn a_credential_that_goes_astray_is_found() {
    let tape = sound_tape();
    let sent = tape.changed(|kind| {
        if let Kind::AttemptStarted { provider, credential, .. } = kind
            && provider == MOCK
        {
            *credential = Some("secret:openai-secret/Authorization".into());
        }
    });
    assert_eq!(broken(&sent), ["credential-isolation"]);
    let leaked = tape.changed(|kind| {
        if let Kind::ProviderRequestReceived { host, credential, .. } = kind
            && host.starts_with("mock")
        {
            *credential = Some("secret:openai-secret/Authorization".into());
        }
    });
    assert_eq!(broken(&leaked), ["credential-isolation"]);
    // Passed through, the client's own credential is the right one for the mock, and for nobody else.
    let passed = tape.changed(|kind| match kind {
        Kind::GatewayRequestReceived { credential, .. } => *credential = Some("client".into()),
        Kind::AttemptStarted { provider, credential, .. } if provider == MOCK => *credential = Some("client".into()),
        Kind::ProviderRequestReceived { host, credential, .. } if host.starts_with("mock") => {
            *credential = Some("client".into());
        }
        _ => {}
    });
    assert_eq!(broken(&passed), [""; 0]);
    // Where the provider has none, the versions of agentgateway pass it on too.
    let without = |personality| {
        broken_in(&passed, |scenario| {
            scenario.gateway.personality = personality;
            for backend in &mut scenario.topology.backends {
                let providers = backend.groups.iter_mut().flat_map(|group| &mut group.providers);
                providers.filter(|one| one.name.value == MOCK).for_each(|one| one.auth = crate::topology::Auth::None);
            }
        })
    };
    assert!(!without(Personality::Agentgateway14).contains(&"credential-isolation"));
    assert!(without(Personality::Reference).contains(&"credential-isolation"));
}

#[test]
fn a_request_for_an_evicted_provider_is_found() {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        tape.failure(0);
        tape.exchange(0, 0, MOCK, 429);
    });
    assert_eq!(broken(&tape), ["evicted-stays-out"]);
}

#[test]
fn evicted_providers_may_serve_while_all_are_out() {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        tape.failure(0);
        for (group, provider) in [(0, PRIMARY), (1, FALLBACK)] {
            let id = tape.exchange(0, group, provider, 429);
            tape.evict(provider, &id, At::after(Duration::from_mins(5)));
        }
        tape.exchange(0, 0, MOCK, 429);
    });
    assert_eq!(broken(&tape), [""; 0]);
}

#[test]
fn a_lower_group_used_too_early_is_found() {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        tape.failure(0);
        tape.exchange(0, 1, FALLBACK, 200);
    });
    assert_eq!(broken(&tape), ["priority"]);
}

#[test]
fn within_one_moment_the_order_of_events_counts() {
    // Chosen in the same microsecond, before the eviction: in flight, and nobody's fault.
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        let id = tape.exchange(0, 0, MOCK, 429);
        tape.exchange(0, 0, MOCK, 429);
        tape.evict(MOCK, &id, At::after(Duration::from_mins(1)));
    });
    for event in &mut tape.events {
        event.at_us = At::default();
    }
    assert_eq!(broken(&tape), [""; 0]);
    // At the deadline the provider may be chosen, whether or not it has been said to be back.
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        let id = tape.exchange(0, 0, MOCK, 429);
        tape.evict(MOCK, &id, At::after(Duration::from_millis(55 + 60_000)));
        tape.pass(60_000);
        tape.exchange(0, 0, MOCK, 429);
    });
    assert_eq!(broken(&tape), [""; 0]);
}

#[test]
fn an_early_return_is_found_and_a_restart_is_none() {
    let play = |early: bool, restart: bool| {
        let mut tape = Tape::default();
        tape.step(0, |tape| {
            tape.failure(0);
            tape.pass(if early { 59_900 } else { 60_000 });
            if restart {
                tape.emit(Kind::ReplicaStopped { replica: 0 });
                tape.emit(Kind::ReplicaStarted { replica: 0 });
            } else {
                tape.comes_back(MOCK);
            }
            tape.failure(0);
        });
        broken(&tape)
    };
    assert_eq!(play(false, false), [""; 0]);
    assert_eq!(play(true, false), ["no-early-return"]);
    assert_eq!(play(true, true), [""; 0]);
}

#[test]
fn an_eviction_within_an_eviction_is_found() {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        let first = tape.exchange(0, 0, MOCK, 429);
        let second = tape.exchange(0, 0, MOCK, 429);
        tape.evict(MOCK, &first, At::after(Duration::from_mins(1)));
        tape.evict(MOCK, &second, At::after(Duration::from_mins(2)));
    });
    assert_eq!(broken(&tape), ["one-eviction-at-a-time"]);
}

#[test]
fn an_eviction_without_a_failure_is_found() {
    let until = At::after(Duration::from_mins(5));
    let play = |inside: &dyn Fn(&mut Tape)| {
        let mut tape = Tape::default();
        tape.step(0, |tape| inside(tape));
        broken(&tape)
    };
    let on_success = |tape: &mut Tape| {
        let id = tape.exchange(0, 0, PRIMARY, 200);
        tape.evict(PRIMARY, &id, until);
    };
    assert_eq!(play(&on_success), ["eviction-cause"]);
    let of_another = |tape: &mut Tape| {
        let id = tape.exchange(0, 0, MOCK, 429);
        tape.evict(PRIMARY, &id, until);
    };
    assert_eq!(play(&of_another), ["eviction-cause"]);
    let for_nothing = |tape: &mut Tape| tape.evict(PRIMARY, "r99", until);
    assert_eq!(play(&for_nothing), ["eviction-cause"]);
}

#[test]
fn every_invariant_has_a_name_and_a_statement() {
    let names: std::collections::BTreeSet<_> = INVARIANTS.iter().map(|one| one.name).collect();
    assert_eq!(names.len(), INVARIANTS.len());
    assert!(INVARIANTS.iter().all(|one| !one.statement.is_empty() && !one.statement.ends_with('.')));
}

#[test]
fn scenarios_and_verdicts_know_the_same_names() {
    assert_eq!(INVARIANTS.map(|one| one.name), crate::scenario::invariants::NAMES);
}

/// The finding about an invariant, of a tape judged under a scenario with these words in it.
fn finding(tape: &Tape, rest: &str, name: &str) -> Finding {
    let scenario = sound(&format!("{rest}steps: [{{ send: {{ path: /openai, times: 3 }} }}]"));
    let verdict = judge_run(&scenario, &tape.history(), JudgeOptions::default());
    let found =
        verdict.invariants().find(|finding| finding.about == About::Invariant(Invariant::named(name).unwrap().name));
    found.unwrap().clone()
}

#[test]
fn an_invariant_that_is_turned_off_is_told_and_does_not_fail() {
    let off = "invariants: { off: { one-end: \"a test\" } }\n";
    let tape = sound_tape();
    let lost = tape.without(|kind| matches!(of(kind, "r2"), Some(Kind::ClientRequestEnded { .. })));
    let told = finding(&lost, off, "one-end");
    assert_eq!((told.outcome, told.exemption().as_deref()), (Outcome::Pass, Some("turned off: one-end: a test")));
    assert_eq!(told.actual, "broken once");
    assert_eq!(finding(&tape, off, "one-end").actual, "not broken");
    assert_eq!(finding(&lost, "", "one-end").outcome, Outcome::Fail);
}

#[test]
fn a_deviation_is_told_and_does_not_fail() {
    let mut tape = sound_tape();
    // The personality of these tapes is 0.12, which blames a provider for a client that leaves.
    tape.emit(Kind::HealthChanged {
        replica: 0,
        backend: super::super::tape::BACKEND.into(),
        provider: PRIMARY.into(),
        request: Some("r3".into()),
        health: 0.7,
        latency_seconds: 0.1,
        consecutive_failures: 1,
        times_ejected: 0,
    });
    let left = tape.changed(|kind| {
        if let Kind::AttemptEnded { request, outcome, .. } = kind
            && request == "r3"
        {
            *outcome = End::Cancelled;
        }
    });
    let told = finding(&left, "", "blameless");
    assert_eq!(told.outcome, Outcome::Pass);
    assert!(told.exemption().unwrap().starts_with("deviation of agentgateway-0.12: blameless: "), "{told:?}");
    assert!(told.detail.iter().any(|line| line.contains("request 3")), "with its evidence: {told:?}");
}

/// What `inside` writes within a step.
fn tape(inside: impl FnOnce(&mut Tape)) -> Tape {
    let mut tape = Tape::default();
    tape.step(0, inside);
    tape
}

#[test]
fn a_provider_that_fails_and_stays_is_found() {
    let spared = tape(|tape| {
        tape.exchange(0, 0, MOCK, 503);
        tape.exchange(0, 0, MOCK, 503);
    });
    assert_eq!(broken_by_reference(&spared), ["evicts-in-time"]);
    let evicted = tape(|tape| {
        tape.failure(0);
        tape.success(0);
        tape.pass(60_000);
        tape.comes_back(MOCK);
        tape.exchange(0, 0, MOCK, 200);
        tape.exchange(0, 0, MOCK, 200);
    });
    assert_eq!(broken_by_reference(&evicted), [""; 0]);
    // Where the policy asks for two in a row, the second one evicts, and a success between begins anew.
    let two = |scenario: &mut Scenario| with_limit(scenario, 2);
    assert_eq!(broken_in(&spared, two), [""; 0]);
    let three = tape(|tape| (0..3).for_each(|_| drop(tape.exchange(0, 0, MOCK, 503))));
    assert_eq!(broken_in(&three, two), ["evicts-in-time"]);
    let between = tape(|tape| {
        for status in [503, 200, 503, 200] {
            tape.exchange(0, 0, MOCK, status);
        }
    });
    assert_eq!(broken_in(&between, two), [""; 0]);
}

#[test]
fn what_happens_in_the_pause_before_a_retry_comes_after_the_failure_before_it() {
    let two = |scenario: &mut Scenario| with_limit(scenario, 2);
    let play = |meanwhile: u16| {
        tape(|tape| {
            let other = |tape: &mut Tape| drop(tape.exchange(0, 0, MOCK, meanwhile));
            tape.retried_after(0, (0, MOCK, 429), other, (0, MOCK, 429), 429);
            tape.failure(0);
        })
    };
    // A failure, a success, and two failures: the second of those evicts.
    assert_eq!(broken_in(&play(200), two), [""; 0]);
    // The second failure comes in the pause, and the retry goes to who should be out.
    assert_eq!(broken_in(&play(429), two), ["evicts-in-time"]);
}

/// The tape on which the client of a request left while the gateway had its answer, and had not passed it on.
fn abandoned(tape: &Tape, id: &str) -> Tape {
    let tape = tape.changed(|kind| match kind {
        Kind::GatewayRequestEnded { request, outcome, .. } if request == id => *outcome = End::Cancelled,
        Kind::ClientRequestEnded { request, outcome, .. } if request == id => *outcome = End::Reset,
        _ => {}
    });
    tape.without(|kind| matches!(kind, Kind::ClientResponseStarted { request, .. } if request == id))
}

#[test]
fn an_answer_that_its_client_did_not_wait_for_says_nothing_of_its_provider() {
    let failures = tape(|tape| (0..2).for_each(|_| drop(tape.exchange(0, 0, MOCK, 503))));
    assert_eq!(broken_by_reference(&failures), ["evicts-in-time"]);
    assert_eq!(broken_by_reference(&abandoned(&failures, "r1")), [""; 0]);
    // What the client says alone is not enough: that may be the way from the gateway to it.
    let cut_off = failures.changed(|kind| match kind {
        Kind::ClientRequestEnded { request, outcome, .. } if request == "r1" => *outcome = End::Reset,
        _ => {}
    });
    assert_eq!(broken_by_reference(&cut_off), ["evicts-in-time"]);

    let probed = tape(|tape| {
        tape.failure(0);
        tape.pass(60_000);
        tape.exchange(0, 0, MOCK, 200);
        tape.exchange(0, 0, MOCK, 200);
        tape.comes_back(MOCK);
    });
    assert_eq!(broken_by_reference(&probed), ["breaker-closes"]);
    let probed = abandoned(&abandoned(&probed, "r2"), "r3");
    assert_eq!(broken_by_reference(&probed), [""; 0], "no probe has proved it");
}

/// The reference, under a policy that evicts after so many failures in a row.
fn with_limit(scenario: &mut Scenario, failures: u32) {
    scenario.gateway.personality = Personality::Reference;
    let eviction = Some(EvictionPolicy { consecutive_failures: Some(failures), ..EvictionPolicy::default() });
    scenario.topology.backends[0].health = Some(HealthPolicy { eviction, ..HealthPolicy::default() });
}

#[test]
fn an_eviction_before_its_policy_asks_for_it_is_found() {
    let first = tape(|tape| tape.failure(0));
    assert_eq!(broken_in(&first, |scenario| with_limit(scenario, 1)), [""; 0]);
    assert_eq!(broken_in(&first, |scenario| with_limit(scenario, 2)), ["eviction-threshold"]);
    let second = tape(|tape| {
        tape.exchange(0, 0, MOCK, 429);
        tape.failure(0);
    });
    assert_eq!(broken_in(&second, |scenario| with_limit(scenario, 2)), [""; 0]);
}

#[test]
fn a_later_eviction_before_its_policy_asks_for_it_is_found() {
    let two = |scenario: &mut Scenario| with_limit(scenario, 2);
    let play = |then: &[u16]| {
        tape(|tape| {
            tape.exchange(0, 0, MOCK, 429);
            tape.failure(0);
            tape.pass(60_000);
            tape.comes_back(MOCK);
            for status in then {
                tape.accounted(0, MOCK, *status);
            }
            tape.failure(0);
        })
    };
    assert_eq!(broken_in(&play(&[200]), two), ["eviction-threshold"]);
    assert_eq!(broken_in(&play(&[429, 200]), two), ["eviction-threshold"], "not in a row");
    assert_eq!(broken_in(&play(&[200, 429]), two), [""; 0]);
    assert_eq!(broken_in(&play(&[]), two), [""; 0], "the failures before it may still count");
    // What fails as a probe evicts at once.
    let probe = tape(|tape| {
        tape.exchange(0, 0, MOCK, 429);
        tape.failure(0);
        tape.pass(60_000);
        tape.failure(0);
    });
    assert_eq!(broken_in(&probe, two), [""; 0]);
}

#[test]
fn an_answer_to_another_request_is_found() {
    let sound = sound_tape();
    let saying = |said: u64, got: u64| {
        sound.changed(|kind| {
            let of = |json: u64| Some(Digest { json: Some(json), ..Digest::default() });
            match kind {
                Kind::ProviderRequestEnded { request: Some(id), digest, .. } if id == "r2" => *digest = of(said),
                Kind::ClientRequestEnded { request: id, digest, .. } if id == "r2" => *digest = of(got),
                _ => {}
            }
        })
    };
    assert_eq!(broken(&saying(1, 1)), [""; 0]);
    assert_eq!(broken(&saying(1, 2)), ["same-answer"]);
    let struck = saying(1, 2).changed(|kind| match kind {
        Kind::ProviderRequestEnded { request: Some(id), injected, .. } if id == "r2" => {
            *injected = Some("truncated-json".into());
        }
        _ => {}
    });
    assert_eq!(broken(&struck), [""; 0], "a fault may have changed it on the way");
}

#[test]
fn a_provider_that_nobody_tries_is_found() {
    let minutes = At::after(Duration::from_mins(5));
    let play = |last: &dyn Fn(&mut Tape)| {
        tape(|tape| {
            for provider in [MOCK, PRIMARY] {
                let id = tape.exchange(0, 0, provider, 503);
                tape.evict(provider, &id, minutes);
            }
            for _ in 0..2 {
                last(tape);
            }
        })
    };
    assert_eq!(broken_by_reference(&play(&|tape| tape.nobody_left(0))), ["tries-everyone"]);
    assert_eq!(broken_by_reference(&play(&|tape| drop(tape.exchange(0, 1, FALLBACK, 200)))), [""; 0]);
    // Refused by the route, not for want of a provider.
    assert_eq!(broken_by_reference(&play(&|tape| tape.refused_by_gateway(0, 404))), [""; 0]);
}

#[test]
fn a_replica_that_misses_new_manifests_is_found() {
    let play = |replicas: &[u32]| {
        tape(|tape| {
            tape.success(0);
            for replica in replicas {
                let backends = vec![BackendRecord { name: "ns/new".into(), groups: Vec::new(), label: None }];
                tape.emit(Kind::ReplicaConfigured { replica: *replica, backends, reset: Vec::new() });
            }
            tape.pass(500);
            tape.refused_by_gateway(0, 404);
            tape.pass(600);
            tape.refused_by_gateway(0, 404);
        })
    };
    assert_eq!(broken_by_reference(&play(&[0, 1])), [""; 0]);
    assert_eq!(broken_by_reference(&play(&[1])), ["replicas-agree"], "replica 0 has had a second");
}

#[test]
fn a_failure_behind_a_refusal_is_found() {
    let play = |first: u16, second: u16, told: u16| {
        broken_by_reference(&tape(|tape| drop(tape.retried(0, (0, MOCK, first), (0, PRIMARY, second), told))))
    };
    assert_eq!(play(503, 400, 400), ["root-cause"]);
    assert_eq!(play(429, 404, 404), ["root-cause"]);
    assert_eq!(play(503, 400, 503), [""; 0]);
    assert_eq!(play(503, 502, 502), [""; 0], "both speak of providers");
    assert_eq!(play(503, 200, 200), [""; 0]);
    assert_eq!(play(503, 400, 418), ["honest-status"], "which neither said");
    assert_eq!(play(503, 200, 503), ["honest-status"], "an answer is no refusal");
}

#[test]
fn a_hoard_of_a_stream_is_found() {
    let sound = sound_tape();
    let holding = |bytes: u64| {
        sound.changed(|kind| match kind {
            Kind::ClientRequestSent { stream, .. } => *stream = true,
            Kind::GatewayRequestEnded { request, answer, .. } if request == "r2" => answer.held_bytes = Some(bytes),
            _ => {}
        })
    };
    assert_eq!(broken(&holding(1024 * 1024)), [""; 0]);
    assert_eq!(broken(&holding(1024 * 1024 + 1)), ["bounded-memory"]);
}

#[test]
fn an_attempt_that_is_left_running_is_found() {
    let play = |late: u64| {
        let mut tape = sound_tape().without(|kind| matches!(of(kind, "r2"), Some(Kind::ProviderRequestEnded { .. })));
        tape.pass(late);
        tape.emit(Kind::ProviderRequestEnded {
            request: Some("r2".into()),
            attempt: 0,
            host: "api.openai.com".into(),
            status: 200,
            outcome: End::Complete,
            injected: None,
            usage: None,
            digest: None,
        });
        let own = tape.events.pop().unwrap();
        let end = tape.events.iter().position(|one| matches!(of(&one.kind, "r2"), Some(Kind::AttemptEnded { .. })));
        let at = tape.events[end.unwrap()].at_us;
        tape.events.push(crate::event::Event { at_us: At(at.0 + late * 1_000), ..own });
        broken(&tape.renumbered())
    };
    assert_eq!(play(900), [""; 0]);
    assert_eq!(play(1_100), ["attempt-cancelled"]);
}

#[test]
fn uneven_draws_are_found_where_there_are_enough() {
    let play = |count: usize, draws: &dyn Fn(usize) -> [usize; 2]| {
        let candidate =
            Candidate { provider: PRIMARY.into(), score: 1.0, health: 1.0, latency_seconds: 0.0, pending: 0 };
        let mut number = 0;
        let sound = tape(|tape| (0..count).for_each(|_| tape.success(0)));
        let number = std::cell::RefCell::new(&mut number);
        let tape = sound.changed(|kind| {
            if let Kind::ProviderSelected { candidates, draws: drawn, .. } = kind {
                let mut number = number.borrow_mut();
                *candidates = vec![candidate.clone(), candidate.clone()];
                *drawn = draws(**number).to_vec();
                **number += 1;
            }
        });
        broken(&tape)
    };
    assert_eq!(play(100, &|number| [number % 2, number / 2 % 2]), [""; 0]);
    assert_eq!(play(100, &|number| [0, number % 2]), ["even-draws"]);
    assert_eq!(play(100, &|number| [number % 2, number % 2]), ["even-draws"], "the second depends on the first");
    assert_eq!(play(30, &|_| [0, 0]), [""; 0], "too few to tell");
}

#[test]
fn a_line_that_is_missing_in_the_access_log_accuses_nobody_else() {
    let probed = tape(|tape| {
        tape.failure(0);
        tape.success(0);
        tape.pass(60_000);
        for _ in 0..3 {
            tape.exchange(0, 0, MOCK, 200);
        }
        tape.comes_back(MOCK);
    });
    let moved = {
        // Back right after the probe, which is the third request.
        let mut tape = probed;
        let back = tape.events.iter().position(|one| matches!(one.kind, Kind::ProviderReturned { .. })).unwrap();
        let event = tape.events.remove(back);
        let log = |one: &crate::event::Event| matches!(of(&one.kind, "r3"), Some(Kind::GatewayRequestEnded { .. }));
        let probe = tape.events.iter().position(log).unwrap();
        let at_us = tape.events[probe].at_us;
        tape.events.insert(probe, crate::event::Event { at_us, ..event });
        tape.renumbered()
    };
    assert_eq!(broken_by_reference(&moved), [""; 0]);
    let unlogged = moved.without(|kind| matches!(of(kind, "r3"), Some(Kind::GatewayRequestEnded { .. })));
    assert_eq!(broken_by_reference(&unlogged), ["one-end"]);
}
