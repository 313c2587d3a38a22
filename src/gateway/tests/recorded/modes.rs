//! What a sick provider does, and what a client gets of it; which of it speaks against the provider.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::{Instant, sleep};

use super::super::lab::{Lab, MockBody, answer, at, lasting, question, topology, under, whole};
use super::{FAST, RATE_LIMITED, VERSIONS, WITH_POLICIES, groups, out_for};
use crate::event::Kind;
use crate::topology::Personality::{self, Agentgateway012};
use crate::topology::Topology;
use crate::world::net::Breaker;

/// What a sick provider does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ill {
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

pub(super) async fn sick(version: Personality, topology: Topology, ill: Ill) -> Lab {
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

pub(super) fn stream_question() -> Request<Full<Bytes>> {
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
