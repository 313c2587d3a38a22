//! Every run and every rule that was recorded from the real ones, to be ticked off; and those that no
//! other file of this folder plays.
//!
//! | recorded | played by |
//! | --- | --- |
//! | **Between groups**, 0.11: no wait · a wait upstream · a wait from a filter | [`failover`](super::failover): `without_a_wait…`, `a_wait_from_upstream…`, `a_wait_from_a_filter…` |
//! | 1.2 and 1.3: the eleven rows from "no policy" to "the provider's policy" | [`policies`](super::policies): `failover_between_groups_is_as_recorded` |
//! | no duration and a wait of 1 s · `x-ratelimit-reset-requests: 2s` · two `Retry-After` lines | [`policies`](super::policies): `evictions_grow_by_their_base_without_end` |
//! | **Durations over cycles**: 3, 6, 9, 12, 15 · 1, 2, 3, 4, 5 · 3, 3, 3, 3 (0.11) | [`policies`](super::policies): the same; [`failover`](super::failover): `an_eviction_lasts_what_the_header_says…` |
//! | the dump after six failures: health 0.1176, 6, 6, 17.949 s | here: `the_state_after_five_cycles` |
//! | **Within a group**: who is first, how many of 20 fail, when the failure comes, three in 30 half seconds | [`chances`](super::chances), against their closed forms |
//! | group 2 is never used while one of group 1 lives | [`failover`](super::failover): `within_a_group…`; [`chances`](super::chances) |
//! | **All groups unhealthy**: the order, what 1.2 counts, the next eviction | [`failover`](super::failover) and [`policies`](super::policies): `where_everyone_is_out…` |
//! | both groups refuse: 503 and its text | here: `nobody_listens_anywhere` |
//! | **Failure modes**, thirteen rows, each version | here: `failure_modes_are_alike_but_for_one_message`; details in [`failures`](super::failures) |
//! | **Streams**: bytes, `include_usage`, a reset in the middle, each version | [`streaming`](super::streaming); here: `a_stream_that_dies_speaks_for_its_provider` |
//! | **What is a failure** under a policy without an expression, twelve rows | here: `what_evicts_where_no_expression_says` |
//! | under `response.code == 429` none of these evicts | here: the same |
//! | **Sixteen clients**: bursts at 0, 3.06, 54.13 s (1.2); 0, 3.07, 9.13, 18.22 s (1.3); each window (0.11) | here: `bursts_of_sixteen_clients` |
//! | **Retries** between groups: `[2,0]`, four times with `attempts: 3`, requests 2 and on go to S | [`retries`](super::retries): `a_retry_fails_over…`, `what_each_attempt_costs` |
//! | within a group: the dice decide, and what is rescued is never recorded | [`chances`](super::chances): `a_retry_within_a_group…`; here: `a_rescued_failure_evicts_nobody` |
//! | `retry.attempt=1` on the one line, `x-retry-attempt` upstream | [`retries`](super::retries): `an_attempt_tells_its_number`; `report::access_log` |
//! | **1.3**: retries with a back-off, 16 clients, no 429 for any of them | here: `sixteen_clients_with_retries_and_a_backoff` |
//! | `req1 200`, upstream calls `[2,1]` · 1.2 with a back-off `[2,0]` | [`retries`](super::retries): `a_retry_fails_over…` |
//!
//! The rules in sentences:
//!
//! | rule | played by |
//! | --- | --- |
//! | all 1: two draws with replacement, the first active group, the fallback to group 0 | [`model`](super::model) |
//! | all 2: the score; moving averages; latency from the client's request on, with earlier attempts | [`model`](super::model); here: `latency_counts_from_the_clients_request` |
//! | all 3: accounted at the end; what is in flight is not affected | here: `an_answer_counts_when_its_body_has_ended` |
//! | all 4: windows are neither lengthened nor shortened; a success resets the counters | here: `a_success_that_ends_in_the_window…`; [`policies`](super::policies): the bursts |
//! | all 5: which waits are read, from which headers, `add` and `set` | `gateway::wait`; [`failover`](super::failover): `of_two_waits…`; here: `a_wait_that_is_set…`, `a_wait_of_a_503…` |
//! | all 6: what is retried, and whose answer the client gets | [`retries`](super::retries) |
//! | 0.11 1–5 | [`failover`](super::failover), [`retries`](super::retries): `what_each_attempt_costs`, `the_pause…`, `which_timeout…`; here: `a_later_eviction_prolongs…` |
//! | 0.11 6: no accounting without an access log | here: `without_an_access_log_0_11_accounts_nothing` |
//! | 0.11 7: backends that are shared between ports | a mix-up of names, not a decision: told by `labsim check`, not copied |
//! | 1.2 1–7 | [`policies`](super::policies), [`retries`](super::retries); here: `thresholds_evict_when_they_are_met`, `an_expression_sees_the_gateways_own_errors` |
//! | 1.3 1–6 | [`policies`](super::policies), [`retries`](super::retries); here: `an_earlier_attempt_is_accounted_by_its_own_headers` |

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::{Instant, sleep};

use super::lab::{Lab, MockBody, adding, answer, at, lasting, question, retrying, topology, under, whole};
use crate::event::Kind;
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14};
use crate::topology::{EvictionPolicy, Filter, HeaderChange, Topology};
use crate::world::net::Breaker;

const FAST: Duration = Duration::from_millis(5);
const RATE_LIMITED: &str = "response.code == 429";
const VERSIONS: [Personality; 3] = [Agentgateway012, Agentgateway12, Agentgateway14];
const WITH_POLICIES: [Personality; 2] = [Agentgateway12, Agentgateway14];

fn groups() -> Topology {
    topology(&[&["primary"], &["secondary"]])
}

async fn lab(personality: Personality, topology: Topology, headers: &'static [(&str, &str)]) -> Lab {
    let lab = Lab::with(personality, topology, 1).open().await;
    lab.always("primary", 429, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

/// How long a provider is still out, in seconds.
fn out_for(lab: &Lab, name: &str) -> Option<f64> {
    Some(lab.health_of(name).evicted_until_us?.since(lab.world.clock.now()).as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn the_state_after_five_cycles() {
    for version in WITH_POLICIES {
        let lab = lab(version, under(groups(), RATE_LIMITED, lasting(3)), &[]).await;
        let mut failures = 0;
        while failures < 6 {
            failures += usize::from(lab.ask().await.status == 429);
            sleep(Duration::from_millis(50)).await;
        }
        let health = lab.health_of("primary");
        assert!((health.health - 0.1176).abs() < 1e-4, "{version}: {health:?}");
        assert_eq!((health.consecutive_failures, health.times_ejected), (6, 6), "{version}");
        assert!(out_for(&lab, "primary").is_some_and(|out| (17.8..18.0).contains(&out)), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_anywhere() {
    for version in VERSIONS {
        let lab = Lab::with(version, groups(), 1).open().await;
        for name in ["primary", "secondary"] {
            drop(lab.world.net.listen(&at(name)).await);
        }
        for _ in 0..4 {
            let got = lab.ask().await;
            let text = "upstream call failed: Connect: Connection refused (os error 111)";
            assert_eq!((got.status, got.body.as_str()), (503, text), "{version}");
            assert_eq!(got.headers["content-type"], "text/plain");
        }
    }
}

/// What a sick provider does.
#[derive(Debug, Clone, Copy)]
enum Ill {
    Answers(u16),
    Refuses,
    Resets,
    DiesInTheBody,
    DiesInTheStream,
    Hangs,
    Malformed,
    Empty,
}

/// A body that breaks off after `text`.
fn broken_off(text: &'static str) -> MockBody {
    let frames = stream::iter([Some(text), None]).then(|piece| async move {
        sleep(FAST).await;
        piece.map(|text| Frame::data(Bytes::from(text))).ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    });
    BodyExt::boxed(StreamBody::new(frames))
}

async fn sick(version: Personality, topology: Topology, ill: Ill) -> Lab {
    let mut topology = topology;
    topology.routes[0].rules[0].request_timeout = Some(Duration::from_secs(1));
    let lab = Lab::with(version, topology, 1).open().await.always("secondary", 200, &[], FAST).await;
    if matches!(ill, Ill::Refuses) {
        drop(lab.world.net.listen(&at("primary")).await);
        return lab;
    }
    lab.provider("primary", move |request| async move {
        match ill {
            Ill::Answers(status) => answer("primary", status, &[("x-own", "kept")]),
            Ill::Resets => {
                request.extensions().get::<Breaker>().unwrap().reset();
                answer("primary", 200, &[])
            }
            Ill::DiesInTheBody => Response::new(broken_off("{\"model\":")),
            Ill::DiesInTheStream => Response::builder()
                .header("content-type", "text/event-stream")
                .body(broken_off("data: {\"choices\":[{\"delta\":{\"content\":\"Fo\"}}]}\n\n"))
                .unwrap(),
            Ill::Hangs => std::future::pending().await,
            Ill::Malformed => Response::new(whole("{\"choices\":[{\"message\":{\"content\":\"half an a")),
            Ill::Empty | Ill::Refuses => Response::new(whole("")),
        }
    })
    .await
}

/// Status, a part of the body, and what the access log says.
type Mode = (Ill, u16, &'static str, Option<&'static str>);

#[tokio::test(start_paused = true)]
async fn failure_modes_are_alike_but_for_one_message() {
    const MODES: [Mode; 12] = [
        (Ill::Answers(500), 500, "primary says 500", None),
        (Ill::Answers(503), 503, "primary says 503", None),
        (Ill::Answers(400), 400, "primary says 400", None),
        (Ill::Answers(401), 401, "primary says 401", None),
        (Ill::Answers(404), 404, "primary says 404", None),
        (Ill::Answers(429), 429, "primary says 429", None),
        (
            Ill::Refuses,
            503,
            "upstream call failed: Connect: Connection refused (os error 111)",
            Some("UpstreamFailure"),
        ),
        (Ill::Resets, 503, "upstream call failed: SendRequest: connection error", Some("UpstreamFailure")),
        (Ill::Hangs, 504, "request timeout", Some("Timeout")),
        (
            Ill::Malformed,
            503,
            "processing failed: failed to parse response: EOF while parsing a string at line 1 column 44",
            Some("Internal"),
        ),
        (Ill::Empty, 503, "EOF while parsing a value at line 1 column 0", Some("Internal")),
        (Ill::DiesInTheBody, 503, "processing failed: ", Some("Internal")),
    ];
    for version in VERSIONS {
        for (ill, status, body, reason) in MODES {
            let lab = sick(version, topology(&[&["primary"]]), ill).await;
            let start = Instant::now();
            let got = lab.ask().await;
            let told = format!("{version} {ill:?}: {got:?}");
            assert!(got.status == status && got.body.contains(body), "{told}");
            assert_eq!(reason.is_none(), got.headers.get("x-own").is_some(), "{told}");
            let reasons = lab.told(|kind| match kind {
                Kind::GatewayRequestEnded { error, reason, .. } => Some((error.is_some(), reason.clone())),
                _ => None,
            });
            assert_eq!(reasons, [(reason.is_some(), reason.map(str::to_owned))], "{told}");
            if matches!(ill, Ill::Hangs) {
                assert!((1_000..1_010).contains(&start.elapsed().as_millis()), "{told}");
            }
            if matches!(ill, Ill::DiesInTheBody) {
                let words = match version {
                    Agentgateway012 => "response was too large",
                    _ => "failed to encode response: error reading a body from connection",
                };
                assert_eq!(got.body, format!("processing failed: {words}"), "{told}");
            }
        }
    }
}

fn stream_question() -> Request<Full<Bytes>> {
    question(r#"{"model":"","stream":true,"messages":[{"role":"user","content":"What is 2+2?"}]}"#)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_speaks_for_its_provider() {
    for version in VERSIONS {
        let lab = sick(version, under(groups(), "", lasting(3)), Ill::DiesInTheStream).await;
        let got = lab.send(stream_question()).await;
        assert_eq!((got.status, got.body.as_str()), (200, "(cut)"), "{version}");
        let health = lab.health_of("primary");
        assert_eq!((health.consecutive_failures, health.evicted_until_us), (0, None), "{version}");
        assert!((health.health - 1.0).abs() < 1e-9, "{version}");
    }
}

/// A client that leaves, before the head or in the middle of a stream.
async fn leave(lab: &Lab, request: Request<Full<Bytes>>, after: Duration) {
    let _ = tokio::time::timeout(after, lab.send(request)).await;
    sleep(Duration::from_millis(50)).await;
}

/// With the default, and with an expression that asks for 429, which none of these is.
#[tokio::test(start_paused = true)]
async fn what_evicts_where_no_expression_says() {
    let too_long = format!(r#"{{"messages":[],"x":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    for version in WITH_POLICIES {
        for (expression, any) in [("", true), (RATE_LIMITED, false)] {
            let policy = || under(groups(), expression, lasting(3));
            for (ill, out) in [
                (Ill::Answers(500), true),
                (Ill::Answers(503), true),
                (Ill::Answers(404), false),
                (Ill::Answers(401), false),
                (Ill::Malformed, true),
                (Ill::Empty, true),
                (Ill::Resets, true),
                (Ill::DiesInTheBody, true),
                (Ill::Hangs, true),
                (Ill::Refuses, true),
            ] {
                let lab = sick(version, policy(), ill).await;
                let first = lab.ask().await.status;
                assert_eq!(out_for(&lab, "primary").is_some(), out && any, "{version} {expression} {ill:?}");
                assert!((lab.health_of("primary").health - if out && any { 0.7 } else { 1.0 }).abs() < 1e-9);
                let second = lab.ask().await;
                let moved = second.headers.get("x-by").is_some_and(|by| by == "secondary");
                assert_eq!(moved, out && any, "{version} {expression} {ill:?}: {first}, then {second:?}");
            }
            for (request, what) in [
                (question("{\"model\":\"x\"}"), "no messages"),
                (question(&too_long), "too long"),
                (Request::get("http://gateway:8080/").body(Full::default()).unwrap(), "a GET"),
            ] {
                let lab = sick(version, policy(), Ill::Answers(200)).await;
                assert_eq!(lab.send(request).await.status, 503, "{version} {what}");
                assert_eq!(out_for(&lab, "primary").is_some(), any, "{version} {expression}: {what}");
            }
            let lab = sick(version, policy(), Ill::Hangs).await;
            leave(&lab, question(r#"{"messages":[]}"#), Duration::from_millis(100)).await;
            assert_eq!(out_for(&lab, "primary").is_some(), any, "{version} {expression}: left before the head");
        }
    }
}

/// Sixteen clients that ask without a pause, and what they meet: when each burst of failures began.
async fn bursts(version: Personality, topology: Topology, headers: &'static [(&str, &str)], seconds: u64) -> Vec<f64> {
    let lab = Lab::with(version, topology, 1).open().await;
    let delay = Duration::from_millis(50);
    let lab = lab.always("primary", 429, headers, delay).await.always("secondary", 200, &[], delay).await;
    let start = Instant::now();
    let client = async || {
        let mut failures = Vec::new();
        while start.elapsed() < Duration::from_secs(seconds) {
            let asked = start.elapsed();
            if lab.ask().await.status == 429 {
                failures.push(asked.as_secs_f64());
            }
        }
        failures
    };
    let all = futures_util::future::join_all((0..16).map(|_| client())).await;
    let mut failures: Vec<f64> = all.into_iter().flatten().collect();
    failures.sort_by(f64::total_cmp);
    assert_eq!(failures.len() % 16, 0, "every client meets each of them: {failures:?}");
    failures.chunks(16).map(|burst| burst[0]).collect()
}

fn near(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 0.4)
}

#[tokio::test(start_paused = true)]
async fn bursts_of_sixteen_clients() {
    let policy = || under(groups(), RATE_LIMITED, lasting(3));
    let found = bursts(Agentgateway12, policy(), &[], 60).await;
    assert!(near(&found, &[0.0, 3.06, 54.13]), "{found:?}");
    let found = bursts(Agentgateway14, policy(), &[], 25).await;
    assert!(near(&found, &[0.0, 3.07, 9.13, 18.22]), "{found:?}");
    let found = bursts(Agentgateway012, groups(), &[("retry-after", "3")], 10).await;
    assert!(near(&found, &[0.0, 3.06, 6.12, 9.18]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn sixteen_clients_with_retries_and_a_backoff() {
    let topology = retrying(under(groups(), RATE_LIMITED, lasting(3)), 1, Some(10));
    let lab = lab(Agentgateway14, topology, &[]).await;
    for burst in 1..=3 {
        let all = futures_util::future::join_all((0..16).map(|_| lab.ask())).await;
        assert!(all.iter().all(|got| got.status == 200), "{all:?}");
        assert_eq!(lab.asked(&["primary"]), [16 * burst], "the upstream met each of them");
        sleep(Duration::from_secs(3 * burst as u64)).await;
    }
}

/// In 1.2 a failure that a retry makes good is never recorded: its provider is asked again and again.
#[tokio::test(start_paused = true)]
async fn a_rescued_failure_evicts_nobody() {
    for version in [Agentgateway012, Agentgateway12] {
        let (mut rescued, mut evicted) = (0, 0);
        for seed in 0..30 {
            let groups = under(topology(&[&["primary", "secondary"], &["third"]]), RATE_LIMITED, lasting(3));
            let lab = Lab::with(version, retrying(groups, 1, None), seed).open().await;
            let lab = lab.always("primary", 429, &[("retry-after", "3")], FAST).await;
            let lab = lab.always("secondary", 200, &[], FAST).await;
            for _ in 0..8 {
                let before = lab.asked(&["primary", "secondary"]);
                let status = lab.ask().await.status;
                let after = lab.asked(&["primary", "secondary"]);
                let calls = [after[0] - before[0], after[1] - before[1]];
                if calls == [1, 1] && status == 200 {
                    rescued += 1;
                    assert!(out_for(&lab, "primary").is_none(), "{version}, seed {seed}");
                }
                if status == 429 {
                    evicted += 1;
                    assert_eq!(calls, [2, 0], "{version}, seed {seed}");
                    assert!(out_for(&lab, "primary").is_some(), "{version}, seed {seed}");
                    break;
                }
            }
        }
        assert!(rescued > 10 && evicted > 5, "{version}: {rescued} {evicted}");
    }
}

/// The time of earlier attempts and of the pause between them counts as the provider's that answers.
#[tokio::test(start_paused = true)]
async fn latency_counts_from_the_clients_request() {
    let topology = retrying(under(groups(), RATE_LIMITED, lasting(3)), 1, Some(500));
    let lab = lab(Agentgateway14, topology, &[]).await;
    assert_eq!(lab.ask().await.status, 200);
    let latency = lab.health_of("secondary").latency_seconds;
    assert!((0.510..0.530).contains(&latency), "{latency}");
    assert!(lab.health_of("primary").latency_seconds < 1e-9, "failures tell no latency");
}

/// A provider whose answers to even requests come in two pieces, a second apart.
async fn in_two_pieces(version: Personality, topology: Topology, status: u16) -> Lab {
    let lab = Lab::with(version, topology, 1).open().await.always("secondary", 200, &[], FAST).await;
    lab.provider("primary", move |_| async move {
        let pieces = stream::iter(["{\"error\":", "{}}"]).then(|piece| async move {
            sleep(Duration::from_millis(500)).await;
            Ok(Frame::data(Bytes::from(piece)))
        });
        let mut response = Response::builder().status(status).header("retry-after", "3").header("x-by", "primary");
        response = response.header("content-type", "text/event-stream");
        response.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_when_its_body_has_ended() {
    for version in VERSIONS {
        let lab = Arc::new(in_two_pieces(version, under(groups(), RATE_LIMITED, lasting(3)), 429).await);
        let first = lab.clone();
        let first = tokio::spawn(async move { first.send(stream_question()).await });
        // The head has long come, and the body has not.
        sleep(Duration::from_millis(700)).await;
        assert_eq!(lab.health_of("primary").consecutive_failures, 0, "{version}");
        let second = lab.send(stream_question()).await;
        assert_eq!(second.headers["x-by"], "primary", "{version}: chosen before the first was accounted");
        let ends = lab.told(|kind| match kind {
            Kind::ProviderEvicted { until_us, .. } => Some(*until_us),
            _ => None,
        });
        assert_eq!(first.await.unwrap().status, 429);
        assert_eq!(ends.len(), 1, "{version}: the second failure does not prolong it");
        let began = lab.events().into_iter().find(|event| matches!(event.kind, Kind::ProviderEvicted { .. })).unwrap();
        let seconds = ends[0].since(began.at_us).as_secs_f64();
        assert!((seconds - 3.0).abs() < 1e-6, "{version}: {seconds}");
        let head = lab.told(|kind| match kind {
            Kind::AttemptStarted { .. } => Some(()),
            _ => None,
        });
        assert_eq!(head.len(), 2);
        assert!(began.at_us.0 > 1_000_000, "{version}: at the end of the body, not at the head: {}", began.at_us);
    }
}

/// A success that was begun before the eviction ends in its window.
#[tokio::test(start_paused = true)]
async fn a_success_that_ends_in_the_window_resets_the_counters_and_no_more() {
    for version in WITH_POLICIES {
        let turn = Arc::new(AtomicUsize::new(0));
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, lasting(3)), 1).open().await;
        let lab = lab.always("secondary", 200, &[], FAST).await;
        let lab = lab
            .provider("primary", move |_| {
                let first = turn.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    sleep(if first { Duration::from_secs(1) } else { FAST }).await;
                    answer("primary", if first { 200 } else { 429 }, &[])
                }
            })
            .await;
        let lab = Arc::new(lab);
        let slow = lab.clone();
        let slow = tokio::spawn(async move { slow.ask().await.status });
        sleep(Duration::from_millis(100)).await;
        assert_eq!(lab.ask().await.status, 429);
        let until = lab.health_of("primary").evicted_until_us;
        assert_eq!(lab.health_of("primary").times_ejected, 1);
        assert_eq!(slow.await.unwrap(), 200);
        let health = lab.health_of("primary");
        assert_eq!((health.consecutive_failures, health.times_ejected), (0, 0), "{version}");
        assert_eq!(health.evicted_until_us, until, "{version}");
        assert_eq!(lab.ask_in_turn(1).await, "S", "{version}");
    }
}

/// `set` takes the place of a value that nobody can read; `add` comes after it and is not looked at.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_set_replaces_the_upstreams_own() {
    let change = |set| {
        let header = vec![("retry-after".to_owned(), "3".to_owned())];
        let (set, add) = if set { (header, Vec::new()) } else { (Vec::new(), header) };
        let mut topology = groups();
        let change = HeaderChange { set, add, ..HeaderChange::default() };
        topology.routes[0].rules[0].filters.push(Filter::ResponseHeaders(change));
        topology
    };
    for (set, expected) in [(true, "PSS"), (false, "PPP")] {
        let lab = lab(Agentgateway012, change(set), &[("retry-after", "soon")]).await;
        assert_eq!(lab.ask_in_turn(3).await, expected, "set: {set}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_503_is_not_looked_at() {
    for (version, topology, expected) in [
        (Agentgateway012, groups(), None),
        (Agentgateway12, under(groups(), "", Some(EvictionPolicy::default())), Some(3.0)),
        (Agentgateway14, under(groups(), "", Some(EvictionPolicy::default())), Some(3.0)),
    ] {
        let lab = Lab::with(version, topology, 1).open().await;
        let lab = lab.always("primary", 503, &[("retry-after", "120")], FAST).await;
        assert_eq!(lab.ask().await.status, 503);
        let out = out_for(&lab, "primary");
        assert_eq!(out.is_some(), expected.is_some(), "{version}: {out:?}");
        assert!(out.zip(expected).is_none_or(|(out, expected)| (out - expected).abs() < 0.1), "{version}: {out:?}");
    }
}

/// In 0.11 a later eviction with a later deadline prolongs all that are pending.
#[tokio::test(start_paused = true)]
async fn a_later_eviction_prolongs_those_that_are_pending() {
    let lab = Lab::of(topology(&[&["primary"], &["secondary"], &["third"]]), 1).open().await;
    let lab = lab.always("primary", 429, &[("retry-after", "3")], FAST).await;
    let lab = lab.always("secondary", 429, &[("retry-after", "10")], FAST).await;
    let lab = lab.always("third", 200, &[], FAST).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
    assert!(out_for(&lab, "primary").is_some_and(|out| out < 3.0));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "S");
    assert!(out_for(&lab, "primary").is_some_and(|out| out > 9.0), "the primary is out as long as the secondary");
    sleep(Duration::from_secs(8)).await;
    assert_eq!(lab.ask_in_turn(1).await, "T");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
}

#[tokio::test(start_paused = true)]
async fn thresholds_evict_when_they_are_met() {
    let with = |consecutive_failures, health_threshold| {
        Some(EvictionPolicy { consecutive_failures, health_threshold, ..lasting(60).unwrap() })
    };
    for version in WITH_POLICIES {
        for (eviction, expected) in [
            (with(None, None), "PSSSSSS"),
            (with(Some(3), None), "PPPSSSS"),
            // 1, 0.7, 0.49: strictly below, before the failure is recorded.
            (with(None, Some(0.5)), "PPPSSSS"),
            (with(None, Some(0.7)), "PPPSSSS"),
            (with(None, Some(0.71)), "PPSSSSS"),
            (with(Some(2), Some(0.1)), "PPSSSSS"),
            (with(Some(9), Some(0.5)), "PPPSSSS"),
            (with(Some(0), None), "PPPPPPP"),
            (with(Some(0), Some(0.5)), "PPPSSSS"),
        ] {
            let lab = lab(version, under(groups(), RATE_LIMITED, eviction), &[]).await;
            assert_eq!(lab.ask_in_turn(7).await, expected, "{version} {eviction:?}");
        }
    }
}

/// Two failures, a success, three failures: the third in a row evicts.
#[tokio::test(start_paused = true)]
async fn failures_count_in_a_row() {
    for version in WITH_POLICIES {
        let eviction = Some(EvictionPolicy { consecutive_failures: Some(3), ..lasting(60).unwrap() });
        let turn = Arc::new(AtomicUsize::new(0));
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, eviction), 1).open().await;
        let lab = lab.always("secondary", 200, &[], FAST).await;
        let lab = lab
            .provider("primary", move |_| {
                let status = if turn.fetch_add(1, Ordering::Relaxed) == 2 { 200 } else { 429 };
                async move { answer("primary", status, &[]) }
            })
            .await;
        assert_eq!(lab.ask_in_turn(8).await, "PPPPPPSS", "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expression_sees_the_gateways_own_errors() {
    for version in WITH_POLICIES {
        for (ill, code) in [(Ill::Refuses, 503), (Ill::Malformed, 503), (Ill::Hangs, 504)] {
            let lab = sick(version, under(groups(), &format!("response.code == {code}"), lasting(3)), ill).await;
            assert_eq!(lab.ask().await.status, code, "{version} {ill:?}");
            assert!(out_for(&lab, "primary").is_some(), "{version} {ill:?}");
        }
    }
}

/// From 1.3 on an attempt that is followed by another is accounted by what its provider sent, without
/// what a filter adds: here for the back-off, not for the minute that the filter asks for.
#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_is_accounted_by_its_own_headers() {
    let policy = || adding(under(groups(), RATE_LIMITED, Some(EvictionPolicy::default())), "retry-after", "60");
    let source = async |topology: Topology, headers: &'static [(&'static str, &'static str)]| {
        let lab = lab(Agentgateway14, topology, headers).await;
        lab.ask().await;
        let mut told = lab.told(|kind| match kind {
            Kind::ProviderEvicted { source, .. } => Some(source.clone()),
            _ => None,
        });
        told.sort();
        told.join(" ")
    };
    assert_eq!(source(policy(), &[]).await, "retry-after", "the last attempt by the final headers");
    // The back-off's eviction is over when the retry comes, which meets the provider again.
    assert_eq!(source(retrying(policy(), 1, Some(20)), &[]).await, "retry-after retry-backoff");
    assert_eq!(source(retrying(policy(), 1, Some(20)), &[("retry-after", "7")]).await, "retry-after");
}

#[tokio::test(start_paused = true)]
async fn without_an_access_log_0_11_accounts_nothing() {
    let place = crate::source::Place { file: crate::source::FileId(0), start: 0, end: 0 };
    let wait = &[("retry-after", "3")];
    for (version, topology, logged, unlogged) in [
        (Agentgateway012, groups(), "PSSSSS", "PPPPPP"),
        (Agentgateway12, under(groups(), RATE_LIMITED, lasting(3)), "PSSSSS", "PSSSSS"),
        (Agentgateway14, under(groups(), RATE_LIMITED, lasting(3)), "PSSSSS", "PSSSSS"),
    ] {
        assert_eq!(lab(version, topology.clone(), wait).await.ask_in_turn(6).await, logged, "{version}");
        let quiet = Topology { unlogged: Some(place), ..topology };
        let quiet = lab(version, quiet, wait).await;
        assert_eq!(quiet.ask_in_turn(6).await, unlogged, "{version}");
        assert_eq!(quiet.health_of("primary").pending, 0, "{version}");
    }
}

/// Every test that the table names is there.
#[test]
fn the_table_names_tests_that_there_are() {
    const FILES: [&str; 7] = [
        include_str!("recorded.rs"),
        include_str!("chances.rs"),
        include_str!("failover.rs"),
        include_str!("failures.rs"),
        include_str!("policies.rs"),
        include_str!("retries.rs"),
        include_str!("streaming.rs"),
    ];
    let table = FILES[0].lines().take_while(|line| line.starts_with("//!")).filter(|line| line.starts_with("//! |"));
    let words = table.flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_name = |word: &&str| {
        let plain = word.trim_end_matches('…');
        plain.matches('_').count() > 1
            && plain.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    let names: Vec<&str> = words.filter(is_name).collect();
    for name in &names {
        let start = format!("fn {}", name.trim_end_matches('…'));
        assert!(FILES.iter().any(|file| file.contains(&start)), "there is no `{name}`");
    }
    assert!(names.len() > 20, "{names:?}");
}
