//! Streams pass through as they come, and are accounted when they end.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{Instant, sleep};

use super::failures::Noticed;
use super::lab::{Lab, MockBody, answer, question, topology};
use crate::event::{Kind, Outcome, Usage};

const EVENTS: [&str; 4] = [
    "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Fo\"}}],\"usage\":null}\n\n",
    "data: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"ur.\"}}],\"usage\":null}\n\n",
    "data: {\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n",
    "data: [DONE]\n\n",
];

/// The events, each 100 ms after the one before; a failure at the end where one is given.
fn events(count: usize, failure: Option<io::ErrorKind>) -> Response<MockBody> {
    let frames = stream::iter(EVENTS.into_iter().take(count).map(Some).chain(failure.map(|_| None))).then(
        move |event| async move {
            sleep(Duration::from_millis(100)).await;
            event.map(|text| Frame::data(Bytes::from(text))).ok_or_else(|| failure.unwrap().into())
        },
    );
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(BodyExt::boxed(StreamBody::new(frames)))
        .unwrap()
}

async fn lab_with(handler: fn() -> Response<MockBody>) -> Lab {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    lab.provider("primary", move |_| async move { handler() }).await
}

fn stream_question() -> http::Request<http_body_util::Full<Bytes>> {
    question(r#"{"model":"","stream":true,"messages":[{"role":"user","content":"What is 2+2?"}]}"#)
}

/// What came, piece by piece, and when; and whether it ended well.
async fn pieces(lab: &Lab) -> (Vec<(u128, String)>, bool) {
    let start = Instant::now();
    let mut body = lab.head(stream_question()).await.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (pieces, false) };
        let Ok(data) = frame.into_data() else { continue };
        pieces.push((start.elapsed().as_millis(), String::from_utf8(data.to_vec()).unwrap()));
    }
    (pieces, true)
}

fn end(lab: &Lab) -> Kind {
    let mut ends = lab.told(|kind| matches!(kind, Kind::GatewayRequestEnded { .. }).then(|| kind.clone()));
    assert_eq!(ends.len(), 1);
    ends.remove(0)
}

#[tokio::test(start_paused = true)]
async fn each_event_leaves_when_it_arrives_byte_for_byte() {
    let lab = lab_with(|| events(4, None)).await;
    let (pieces, well) = pieces(&lab).await;
    assert!(well);
    let texts: Vec<_> = pieces.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, EVENTS);
    // Two handshakes and four hops before the first, then the provider's own pace.
    let times: Vec<_> = pieces.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [108, 208, 308, 408]);
    let Kind::GatewayRequestEnded { outcome, status, response_model, usage, .. } = end(&lab) else { unreachable!() };
    assert_eq!((outcome, status), (Outcome::Complete, 200));
    assert_eq!(response_model.as_deref(), Some("m-1"));
    assert_eq!(usage, Some(Usage { input: 5, output: 2 }));
    // The latency is that of the whole stream.
    let latency = lab.health_of("primary").latency_seconds;
    assert!((0.4..0.41).contains(&latency), "{latency}");
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_for_the_usage() {
    let seen: Arc<Mutex<String>> = Arc::default();
    let store = seen.clone();
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let lab = lab
        .provider("primary", move |request| {
            let store = store.clone();
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                *store.lock().unwrap() = String::from_utf8(body.to_vec()).unwrap();
                events(4, None)
            }
        })
        .await;
    pieces(&lab).await;
    assert_eq!(
        *seen.lock().unwrap(),
        r#"{"messages":[{"role":"user","content":"What is 2+2?"}],"model":"model-primary","stream":true,"stream_options":{"include_usage":true}}"#
    );
}

/// The events, gzipped, each when it is due; without an end where it breaks off.
fn gzipped(breaks_off: bool) -> Response<MockBody> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for event in EVENTS {
        encoder.write_all(event.as_bytes()).unwrap();
        encoder.flush().unwrap();
        pieces.push(std::mem::take(encoder.get_mut()));
    }
    let end = encoder.finish().unwrap();
    let pieces = pieces.into_iter().chain((!breaks_off).then_some(end));
    let frames = stream::iter(pieces).then(|piece| async move {
        sleep(Duration::from_millis(100)).await;
        Ok(Frame::data(Bytes::from(piece)))
    });
    let response = Response::builder().header("content-type", "text/event-stream").header("content-encoding", "gzip");
    response.body(BodyExt::boxed(StreamBody::new(frames))).unwrap()
}

/// Each event of a compressed stream leaves in the clear when it arrives; 0.11 passes the stream on as it is.
#[tokio::test(start_paused = true)]
async fn a_compressed_stream_is_read_from_1_2_on() {
    use crate::topology::Personality::{Agentgateway012, Agentgateway12, Reference};
    for personality in [Agentgateway012, Agentgateway12, Reference] {
        let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
        let lab = lab.provider("primary", |_| async { gzipped(false) }).await;
        let head = lab.head(stream_question()).await;
        let is_read = personality != Agentgateway012;
        assert_eq!(head.headers().contains_key("content-encoding"), !is_read);
        let body = head.into_body().collect().await.unwrap().to_bytes();
        let Kind::GatewayRequestEnded { outcome, usage, .. } = end(&lab) else { unreachable!() };
        assert_eq!(outcome, Outcome::Complete);
        if is_read {
            assert_eq!(body, EVENTS.concat());
            assert_eq!(usage, Some(Usage { input: 5, output: 2 }));
        } else {
            assert!(body.starts_with(&[0x1f, 0x8b]), "{body:?}");
            assert_eq!(usage, None);
        }
    }
    let lab = Lab::with(Agentgateway12, topology(&[&["primary"]]), 1).open().await;
    let lab = lab.provider("primary", |_| async { gzipped(true) }).await;
    let (pieces, well) = pieces(&lab).await;
    let texts: Vec<_> = pieces.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!((texts, well), (EVENTS.to_vec(), false), "each when it comes, and no clean end");
    assert_eq!(pieces.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [108, 208, 308, 408]);
}

/// The client sees its body break off, never end well; yet it counts as a success.
#[tokio::test(start_paused = true)]
async fn a_stream_that_dies_is_cut_for_the_client_and_counts_as_a_success() {
    let lab = lab_with(|| events(2, Some(io::ErrorKind::ConnectionReset))).await;
    let (pieces, well) = pieces(&lab).await;
    assert_eq!((pieces.len(), well), (2, false));
    let Kind::GatewayRequestEnded { outcome, status, error, .. } = end(&lab) else { unreachable!() };
    assert_eq!((outcome, status, error), (Outcome::Cut, 200, None));
    let attempts = lab.told(|kind| match kind {
        Kind::AttemptEnded { outcome, status, .. } => Some((*outcome, *status)),
        _ => None,
    });
    assert_eq!(attempts, [(Outcome::Cut, Some(200))]);
    let health = lab.health_of("primary");
    assert!((health.health - 1.0).abs() < 1e-9 && health.latency_seconds > 0.0, "{health:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_last_event_is_told_of() {
    let lab = lab_with(|| events(2, None)).await;
    assert!(pieces(&lab).await.1, "the connection ended well");
    let Kind::GatewayRequestEnded { outcome, .. } = end(&lab) else { unreachable!() };
    assert_eq!(outcome, Outcome::Truncated);
}

#[tokio::test(start_paused = true)]
async fn an_error_to_a_stream_passes_unchanged() {
    let lab = lab_with(|| answer("primary", 429, &[("retry-after", "3")])).await;
    let got = lab.send(stream_question()).await;
    assert_eq!((got.status, got.body.as_str()), (429, r#"{"error":{"message":"primary says 429","code":429}}"#));
    let Kind::GatewayRequestEnded { outcome, .. } = end(&lab) else { unreachable!() };
    assert_eq!(outcome, Outcome::Complete);
    assert!(lab.health_of("primary").evicted_until_us.is_some());
}

/// A client that leaves in the middle: upstream is told at once, and it counts as what was begun.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_cancels_upstream() {
    let dropped: Arc<Mutex<Option<Instant>>> = Arc::default();
    let when = dropped.clone();
    let lab = Lab::of(topology(&[&["primary"]]), 1)
        .open()
        .await
        .provider("primary", move |_| {
            let guard = Arc::new(Noticed(when.clone()));
            async move {
                let frames = stream::repeat(guard).then(|guard| async move {
                    sleep(Duration::from_millis(100)).await;
                    drop(guard);
                    Ok(Frame::data(Bytes::from(EVENTS[1])))
                });
                Response::new(BodyExt::boxed(StreamBody::new(frames)))
            }
        })
        .await;
    let mut body = lab.head(stream_question()).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let left = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let noticed = dropped.lock().unwrap().expect("upstream was told");
    assert_eq!(noticed - left, 2 * crate::world::net::LINK_LATENCY);
    let Kind::GatewayRequestEnded { outcome, status, .. } = end(&lab) else { unreachable!() };
    assert_eq!((outcome, status), (Outcome::Cancelled, 200));
    assert!((lab.health_of("primary").health - 1.0).abs() < 1e-9);
}

/// A request's timeout covers a stream only up to its head.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_is_not_cut_by_the_timeout() {
    let mut short = topology(&[&["primary"]]);
    short.routes[0].rules[0].request_timeout = Some(Duration::from_millis(150));
    let lab = Lab::of(short, 1).open().await.provider("primary", |_| async { events(4, None) }).await;
    let (pieces, well) = pieces(&lab).await;
    assert_eq!((pieces.len(), well), (4, true));
}
