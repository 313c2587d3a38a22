//! Clients that send a body which is not wanted: they hear why, though they read only once all is sent.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::lab::*;
use crate::gateway::BODY_LIMIT;
use crate::topology::{Authority, Filter, Personality, RateLimit, RateUnit, Topology};
use crate::world::Stream;

const LARGE: usize = BODY_LIMIT + 1024 * 1024;

async fn connect(lab: &Lab) -> Stream {
    lab.world.net.connect(&Authority::new("gateway", 8080)).await.unwrap()
}

/// Sends the head of a request with more headers, and all of a body.
async fn upload(stream: &mut Stream, headers: &str, body: &[u8]) {
    let head = format!("POST /openai HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The gateway's answer may be on its way long before.
    stream.write_all(body).await.expect("the gateway reads on");
}

/// An answer to its end, which is that of its body.
async fn answer_of(stream: &mut Stream) -> String {
    let mut text = String::new();
    loop {
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length.is_some_and(|length| body.len() >= length.parse().unwrap())
        });
        if whole {
            return text;
        }
        let mut piece = Vec::new();
        assert!(stream.read_buf(&mut piece).await.unwrap() > 0, "it ends after {text:?}");
        text.push_str(&String::from_utf8(piece).unwrap());
    }
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for piece in body.chunks(60_000) {
        chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunks.extend_from_slice(piece);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_answered_after_it_has_come_and_the_connection_is_kept() {
    let body = vec![b'x'; LARGE];
    let length = format!("content-length: {LARGE}\r\n");
    let told = "processing failed: request was too large";
    for (personality, status, text) in [
        (Personality::Agentgateway012, 503, told),
        (Personality::Agentgateway14, 503, told),
        (Personality::Reference, 413, r#""code":"request_too_large""#),
    ] {
        for (headers, body) in [(length.as_str(), body.clone()), ("transfer-encoding: chunked\r\n", in_chunks(&body))] {
            let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
            let lab = lab.always("primary", 200, &[], Duration::ZERO).await;
            let mut stream = connect(&lab).await;
            upload(&mut stream, headers, &body).await;
            let answer = answer_of(&mut stream).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains(text), "{answer}");
            assert_eq!(lab.asked(&["primary"]), [0]);
            upload(&mut stream, "content-length: 15\r\n", br#"{"messages":[]}"#).await;
            let answer = answer_of(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "the next request on it: {answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_answered_without_being_read_hears_it_too() {
    let no_route = Topology { routes: Vec::new(), ..topology(&[&["primary"]]) };
    let mut direct = topology(&[&["primary"]]);
    direct.routes[0].rules[0].filters.push(Filter::DirectResponse { status: 418, body: "short".to_owned() });
    let mut limited = topology(&[&["primary"]]);
    let none = RateLimit { unit: RateUnit::Requests, capacity: 0, refill: 0, interval: Duration::from_secs(1) };
    limited.routes[0].rules[0].rate_limits.push(none);
    for (topology, status) in [(no_route, 404), (direct, 418), (limited, 429)] {
        let lab = Lab::of(topology, 1).open().await;
        let mut stream = connect(&lab).await;
        upload(&mut stream, &format!("content-length: {LARGE}\r\n"), &vec![b'x'; LARGE]).await;
        let answer = answer_of(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_before_it_sends_is_spared_the_sending() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let mut stream = connect(&lab).await;
    upload(&mut stream, &format!("expect: 100-continue\r\ncontent-length: {LARGE}\r\n"), b"").await;
    let answer = answer_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_never_ends_is_not_read_for_ever() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let mut stream = connect(&lab).await;
    let head = format!("POST /openai HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n", u32::MAX);
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1024 * 1024];
    let mut sent = 0;
    while sent < 4096 && stream.write_all(&piece).await.is_ok() {
        sent += 1;
    }
    assert!((64..128).contains(&sent), "{sent} MiB");
    // One that dribbles is given a minute.
    let mut slow = connect(&lab).await;
    upload(&mut slow, &format!("content-length: {LARGE}\r\n"), b"x").await;
    let asked = tokio::time::Instant::now();
    let answer = answer_of(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(asked.elapsed().as_secs(), 60);
}
