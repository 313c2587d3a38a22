//! The gateway that one would want.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::lab::{Lab, MockBody, adding, answer, question, topology};
use crate::event::Kind;
use crate::topology::Personality::Reference;
use crate::topology::Topology;

const FAST: Duration = Duration::from_millis(5);

async fn lab(topology: Topology, status: u16, headers: &'static [(&str, &str)]) -> Lab {
    let lab = Lab::with(Reference, topology, 1).open().await;
    lab.always("primary", status, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

fn groups() -> Topology {
    topology(&[&["primary"], &["secondary"]])
}

#[tokio::test(start_paused = true)]
async fn it_fails_over_inside_the_request() {
    for status in [429, 500, 503] {
        let lab = lab(groups(), status, &[]).await;
        assert_eq!(lab.ask_in_turn(3).await, "SSS", "{status}");
        assert_eq!(lab.asked(&["primary", "secondary"]), [1, 3]);
    }
    // Nobody listens there at all.
    let lab = Lab::with(Reference, groups(), 1).open().await.always("secondary", 200, &[], FAST).await;
    assert_eq!(lab.ask_in_turn(2).await, "SS");
}

#[tokio::test(start_paused = true)]
async fn client_errors_pass_and_evict_nobody() {
    for status in [400, 401, 403, 404, 422] {
        let lab = lab(groups(), status, &[]).await;
        assert_eq!(lab.ask_in_turn(3).await, "PPP", "{status}");
        assert!((lab.health_of("primary").health - 1.0).abs() < 1e-9);
    }
    let lab = lab(groups(), 200, &[]).await;
    for (body, status, code) in [("no JSON", 400, "invalid_request"), ("", 400, "invalid_request")] {
        let got = lab.send(question(body)).await;
        assert_eq!(got.status, status);
        let error: Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(got.headers["content-type"], "application/json");
    }
    let large = lab.send(question(&"x".repeat(crate::gateway::BODY_LIMIT + 1))).await;
    assert_eq!(large.status, 413);
    assert_eq!(lab.asked(&["primary", "secondary"]), [0, 0], "no provider has anything to do with it");
}

/// A client that leaves says nothing of its provider.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_not_held_against_the_provider() {
    let lab = Lab::with(Reference, groups(), 1).open().await;
    let lab = lab.always("primary", 200, &[], Duration::from_secs(9)).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), lab.ask()).await;
    sleep(Duration::from_millis(50)).await;
    let health = lab.health_of("primary");
    assert_eq!((health.pending, health.consecutive_failures, health.evicted_until_us), (0, 0, None));
}

/// The longest of what is asked for counts, also of a 503 and from a filter.
#[tokio::test(start_paused = true)]
async fn the_longest_wait_counts() {
    for (status, headers, filter, seconds) in [
        (429, &[("retry-after", "7"), ("x-ratelimit-reset-tokens", "1m")][..], None, 60),
        (503, &[("retry-after", "120")], None, 120),
        (429, &[], Some("60"), 60),
        (429, &[("retry-after", "1")], None, 3),
    ] {
        let topology = filter.map_or_else(groups, |value| adding(groups(), "retry-after", value));
        let lab = lab(topology, status, headers).await;
        lab.ask().await;
        let until = lab.health_of("primary").evicted_until_us.unwrap().elapsed().as_secs_f64();
        assert!((until - f64::from(seconds)).abs() < 0.1, "{status} {headers:?}: {until}");
    }
}

/// When an eviction is over, one request tries the provider; the others wait for its answer elsewhere.
#[tokio::test(start_paused = true)]
async fn one_request_probes_a_provider_that_comes_back() {
    let status = Arc::new(AtomicU16::new(503));
    let now = status.clone();
    let lab = Lab::with(Reference, groups(), 1)
        .open()
        .await
        .provider("primary", move |_| {
            let status = now.load(Ordering::Relaxed);
            async move {
                sleep(Duration::from_millis(100)).await;
                answer("primary", status, &[])
            }
        })
        .await
        .always("secondary", 200, &[], FAST)
        .await;
    let burst = async || join_all((0..8).map(|_| lab.ask())).await.iter().all(|got| got.status == 200);
    let asked = || lab.asked(&["primary"])[0];
    assert!(burst().await);
    let before = asked();
    sleep(Duration::from_secs(3)).await;
    assert!(burst().await);
    assert_eq!(asked() - before, 1, "one probe, in vain");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(lab.ask_in_turn(1).await, "S", "the second eviction lasts longer");
    status.store(200, Ordering::Relaxed);
    sleep(Duration::from_secs(3)).await;
    let before = asked();
    assert!(burst().await);
    assert_eq!(asked() - before, 1, "one probe, and it succeeds");
    assert_eq!(lab.ask_in_turn(3).await, "PPP");
    assert_eq!(lab.told(|kind| matches!(kind, Kind::ProviderReturned { .. }).then_some(())).len(), 1);
}

/// While everyone is out, it says so, and when to come back.
#[tokio::test(start_paused = true)]
async fn where_everyone_is_out_it_says_when_to_come_back() {
    let lab = Lab::with(Reference, groups(), 1)
        .open()
        .await
        .always("primary", 429, &[("retry-after", "60")], FAST)
        .await
        .always("secondary", 429, &[("retry-after", "30")], FAST)
        .await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.headers["retry-after"].to_str().unwrap()), (429, "30"), "the last one's own answer");
    let got = lab.ask().await;
    assert_eq!((got.status, got.headers["retry-after"].to_str().unwrap()), (503, "30"));
    assert_eq!(lab.asked(&["primary", "secondary"]), [1, 1], "and nobody is asked in vain");
    sleep(Duration::from_secs(30)).await;
    lab.ask().await;
    assert_eq!(lab.asked(&["primary", "secondary"]), [1, 2]);
}

/// A stream that is cut is a failure.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_counts() {
    let lab = Lab::with(Reference, groups(), 1)
        .open()
        .await
        .provider("primary", |_| async move {
            use http_body_util::{BodyExt, StreamBody};
            let frames = futures_util::stream::unfold(0, |step| async move {
                sleep(FAST).await;
                let first = || http_body::Frame::data(bytes::Bytes::from("data: {\"model\":\"m\",\"choices\":[]}\n\n"));
                Some((if step == 0 { Ok(first()) } else { Err(std::io::Error::other("gone")) }, step + 1))
            });
            let body: MockBody = BodyExt::boxed(StreamBody::new(frames));
            http::Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
        })
        .await
        .always("secondary", 200, &[], FAST)
        .await;
    let got = lab.send(question(r#"{"model":"","messages":[],"stream":true}"#)).await;
    assert_eq!((got.status, got.body.as_str()), (200, "(cut)"));
    sleep(Duration::from_millis(50)).await;
    assert!(lab.health_of("primary").evicted_until_us.is_some());
}

/// Retries are a share of the requests, so that a storm cannot build.
#[tokio::test(start_paused = true)]
async fn retries_have_a_budget() {
    let lab = Lab::with(Reference, topology(&[&["primary"]]), 1).open().await;
    let lab = lab.always("primary", 500, &[], FAST).await;
    for _ in 0..20 {
        lab.ask().await;
    }
    assert!(lab.asked(&["primary"])[0] <= 2, "a sole provider that fails is left alone");
}
