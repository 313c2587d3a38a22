//! Retries: who is asked again, what each attempt costs, as recorded from the real ones.

use std::time::Duration;

use tokio::time::Instant;

use super::lab::{Lab, at, lasting, retrying, topology, under};
use crate::event::Kind;
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14};
use crate::topology::{Condition, EvictionPolicy, Retry, Topology};

const FAST: Duration = Duration::from_millis(5);
const RATE_LIMITED: &str = "response.code == 429";

async fn lab(personality: Personality, topology: Topology, headers: &'static [(&str, &str)]) -> Lab {
    let lab = Lab::with(personality, topology, 1).open().await;
    lab.always("primary", 429, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

fn groups() -> Topology {
    topology(&[&["primary"], &["secondary"]])
}

/// Status of the first request, and how often each was asked for it.
async fn first(personality: Personality, topology: Topology) -> (u16, Vec<usize>) {
    let lab = lab(personality, topology, &[("retry-after", "3")]).await;
    (lab.ask().await.status, lab.asked(&["primary", "secondary"]))
}

#[tokio::test(start_paused = true)]
async fn a_retry_fails_over_only_in_1_4_and_only_after_a_pause() {
    let policy = || under(groups(), RATE_LIMITED, lasting(3));
    for (version, topology, expected) in [
        (Agentgateway012, retrying(groups(), 1, None), (429, vec![2, 0])),
        (Agentgateway012, retrying(groups(), 1, Some(10)), (429, vec![2, 0])),
        (Agentgateway12, retrying(groups(), 1, None), (429, vec![2, 0])),
        (Agentgateway12, retrying(policy(), 1, None), (429, vec![2, 0])),
        (Agentgateway12, retrying(policy(), 1, Some(10)), (429, vec![2, 0])),
        (Agentgateway12, retrying(policy(), 3, None), (429, vec![4, 0])),
        (Agentgateway14, retrying(groups(), 1, Some(10)), (429, vec![2, 0])),
        (Agentgateway14, retrying(policy(), 1, None), (429, vec![2, 0])),
        (Agentgateway14, retrying(policy(), 1, Some(10)), (200, vec![1, 1])),
        (Agentgateway14, retrying(policy(), 1, Some(1)), (200, vec![1, 1])),
        // The third attempt moves on.
        (Agentgateway14, retrying(policy(), 2, None), (200, vec![2, 1])),
        (Agentgateway14, retrying(policy(), 3, None), (200, vec![2, 1])),
    ] {
        let retry = topology.routes[0].rules[0].retry.clone();
        assert_eq!(first(version, topology).await, expected, "{version} {retry:?}");
    }
}

/// Only the last attempt counts up to 1.2; in 1.4 each does, also on a provider that is as good as out.
#[tokio::test(start_paused = true)]
async fn what_each_attempt_costs() {
    for (version, attempts, failures) in
        [(Agentgateway012, 1, 1), (Agentgateway12, 1, 1), (Agentgateway12, 3, 1), (Agentgateway14, 1, 2)]
    {
        let lab = lab(version, retrying(under(groups(), RATE_LIMITED, lasting(3)), attempts, None), &[]).await;
        lab.ask().await;
        let health = lab.health_of("primary");
        assert_eq!((health.consecutive_failures, health.pending), (failures, 0), "{version} {attempts}");
        assert_eq!(health.total_requests, u64::from(attempts) + 1);
        assert_eq!(lab.ask_in_turn(3).await, if version == Agentgateway012 { "PPP" } else { "SSS" }, "{version}");
    }
}

/// In 0.11 a pause is ignored; in 1.2 it lies between the attempts.
#[tokio::test(start_paused = true)]
async fn the_pause_is_kept_from_1_0_on() {
    for (version, pause) in [(Agentgateway012, 0), (Agentgateway12, 500), (Agentgateway14, 500)] {
        let lab = lab(version, retrying(groups(), 1, Some(500)), &[]).await;
        let start = Instant::now();
        lab.ask().await;
        let took = start.elapsed().as_millis();
        assert!((pause..pause + 50).contains(&took), "{version}: {took} ms");
    }
}

/// A pause past the deadline ends with it.
#[tokio::test(start_paused = true)]
async fn a_pause_ends_with_the_request() {
    for version in [Agentgateway12, Agentgateway14] {
        let mut topology = retrying(groups(), 1, Some(5_000));
        topology.routes[0].rules[0].request_timeout = Some(Duration::from_secs(1));
        let lab = lab(version, topology, &[]).await;
        let start = Instant::now();
        let got = lab.ask().await;
        assert_eq!((got.status, got.body.as_str()), (504, "request timeout"), "{version}");
        assert_eq!(start.elapsed().as_millis() / 100, 10, "{version}");
    }
}

/// A request's timeout is "retried" up to 1.2, though nothing is sent; in 1.4 it is final. One
/// attempt's timeout is retried in 1.4 alone.
#[tokio::test(start_paused = true)]
async fn which_timeout_is_retried() {
    for (version, attempts, asked) in
        [(Agentgateway012, 2, vec![1, 0]), (Agentgateway12, 2, vec![1, 0]), (Agentgateway14, 1, vec![1, 0])]
    {
        let mut topology = retrying(groups(), 1, None);
        topology.routes[0].rules[0].request_timeout = Some(Duration::from_secs(1));
        let lab = Lab::with(version, topology, 1).open().await;
        let lab = lab.always("primary", 200, &[], Duration::from_secs(9)).await;
        assert_eq!(lab.ask().await.status, 504, "{version}");
        assert_eq!(lab.asked(&["primary", "secondary"]), asked, "{version}");
        let told = lab.told(|kind| match kind {
            Kind::GatewayRequestEnded { attempts, reason, .. } => Some((*attempts, reason.clone())),
            _ => None,
        });
        assert_eq!(told, [(attempts, Some("Timeout".to_owned()))], "{version}");
    }
    for (version, asked) in [(Agentgateway012, 1), (Agentgateway12, 1), (Agentgateway14, 2)] {
        let mut topology = retrying(groups(), 1, None);
        topology.routes[0].rules[0].backend_request_timeout = Some(Duration::from_secs(1));
        let lab = Lab::with(version, topology, 1).open().await;
        let lab = lab.always("primary", 200, &[], Duration::from_secs(9)).await;
        assert_eq!(lab.ask().await.status, 504, "{version}");
        assert_eq!(lab.asked(&["primary"]), [asked], "{version}");
    }
}

/// Whoever cannot be called is tried again whatever the codes; what that attempt says of it differs
/// with an expression in 1.4, which finds no response to ask about.
#[tokio::test(start_paused = true)]
async fn a_connect_error_is_always_tried_again() {
    let retry = |mut topology: Topology| {
        topology.routes[0].rules[0].retry = Some(Retry { attempts: 1, ..Retry::default() });
        topology
    };
    for (version, expression, failures) in [
        (Agentgateway012, "", 1),
        (Agentgateway12, "", 1),
        (Agentgateway12, "response.code >= 500", 1),
        (Agentgateway14, "", 2),
        // A success first, then the gateway's own 503.
        (Agentgateway14, "response.code >= 500", 1),
    ] {
        let never = Some(EvictionPolicy { consecutive_failures: Some(0), ..EvictionPolicy::default() });
        let lab = Lab::with(version, retry(under(groups(), expression, never)), 1).open().await;
        // A host where nobody listens any more.
        drop(lab.world.net.listen(&at("primary")).await);
        assert_eq!(lab.ask().await.status, 503, "{version}");
        assert_eq!(lab.asked(&["primary"]), [2], "{version}");
        let health = lab.health_of("primary");
        assert_eq!(health.consecutive_failures, failures, "{version} {expression}");
        let seen = version == Agentgateway14 && !expression.is_empty();
        assert_eq!(health.latency_seconds > 0.0, seen, "{version} {expression}");
    }
}

/// Expressions have answers tried again that no code names, and keep requests from it; before 1.3 they are unknown.
#[tokio::test(start_paused = true)]
async fn expressions_say_what_is_tried_again_from_1_3_on() {
    let compiled = |text: &str| (!text.is_empty()).then(|| Condition::compile(text).unwrap());
    let teapot = "response.code == 418";
    for (version, status, condition, precondition, asked) in [
        (Agentgateway14, 418, teapot, "", 2),
        (Agentgateway14, 429, teapot, "", 1),
        (Agentgateway14, 503, teapot, "", 2),
        (Agentgateway14, 503, "", "request.method == 'GET'", 1),
        (Agentgateway14, 503, "", "request.method == 'POST'", 2),
        (Agentgateway12, 418, teapot, "", 1),
        (Agentgateway12, 503, "", "request.method == 'GET'", 2),
    ] {
        let mut topology = groups();
        topology.routes[0].rules[0].retry = Some(Retry {
            attempts: 1,
            codes: vec![503],
            condition: compiled(condition),
            precondition: compiled(precondition),
            ..Retry::default()
        });
        let lab = Lab::with(version, topology, 1).open().await.always("primary", status, &[], FAST).await;
        assert_eq!(lab.ask().await.status, status, "{version} {condition} {precondition}");
        assert_eq!(lab.asked(&["primary"]), [asked], "{version} {status} {condition} {precondition}");
    }
}

/// A success that ends on a provider that is as good as out resets its counters, and it stays out.
#[tokio::test(start_paused = true)]
async fn a_success_after_the_sentence_resets_the_counters() {
    let turn = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let lab = Lab::with(Agentgateway14, retrying(under(groups(), RATE_LIMITED, lasting(3)), 1, None), 1)
        .open()
        .await
        .provider("primary", move |_| {
            let status = if turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 { 429 } else { 200 };
            async move { super::lab::answer("primary", status, &[]) }
        })
        .await
        .always("secondary", 200, &[], FAST)
        .await;
    assert_eq!(lab.ask_in_turn(2).await, "PS");
    let health = lab.health_of("primary");
    assert_eq!((health.consecutive_failures, health.times_ejected), (0, 0));
    assert!(health.evicted_until_us.is_some());
}

/// A body of more than 64 KiB is not kept for another attempt.
#[tokio::test(start_paused = true)]
async fn a_long_request_is_not_tried_again() {
    for (length, asked) in [(60_000, 2), (70_000, 1)] {
        let lab = lab(Agentgateway14, retrying(groups(), 1, None), &[]).await;
        let text = "x".repeat(length);
        let body = format!(r#"{{"model":"","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        assert_eq!(lab.send(super::lab::question(&body)).await.status, 429);
        assert_eq!(lab.asked(&["primary"]), [asked], "{length}");
    }
}

/// Without a pause no retry tells of its attempt upstream until it is one.
#[tokio::test(start_paused = true)]
async fn an_attempt_tells_its_number() {
    let lab = Lab::with(Agentgateway14, retrying(groups(), 2, None), 1)
        .open()
        .await
        .provider("primary", |request| async move {
            let number = request.headers().get("x-retry-attempt").map_or("none", |value| value.to_str().unwrap());
            super::lab::answer("primary", if number == "2" { 200 } else { 429 }, &[("x-seen", number)])
        })
        .await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.headers["x-seen"].to_str().unwrap()), (200, "2"));
}
