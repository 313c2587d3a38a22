//! What is to be seen of each fault.

use std::time::Duration;

use serde_json::Value as Json;

use super::{End, HEAD_AT, Rig, TOKENS, Wire, in_virtual_time};
use crate::fault::{Clear, Fault, Injection};
use crate::world::Net;

/// A fault, whether the request is for a stream, and what is to be seen.
type Case = (&'static str, bool, fn(&Wire));

/// Each fault, with times short enough for real time, and what is to be seen of it in both.
const CASES: &[Case] = &[
    ("{status: {code: 529, body: busy, headers: {x-reason: maintenance}}}", true, |wire| {
        assert_eq!(
            wire.head(),
            "HTTP/1.1 529 <none>\r\ncontent-type: application/json\r\nx-reason: maintenance\r\ncontent-length: 4\r\nconnection: close"
        );
        assert_eq!((wire.body_text().as_str(), wire.end), ("busy", End::Eof));
    }),
    ("{retry-after: {value: {duplicate: [1s, 60s]}}}", false, |wire| {
        assert!(wire.head().starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{}", wire.head());
        assert!(wire.head().contains("retry-after: 1\r\nretry-after: 60\r\n"), "{}", wire.head());
        let body: Json = serde_json::from_slice(&wire.body().0).unwrap();
        assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    }),
    ("{rate-limit: {requests: 60, per: 1m}}", false, |wire| {
        assert!(
            wire.head().contains("x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\n"),
            "{}",
            wire.head()
        );
        assert!(wire.head().starts_with("HTTP/1.1 200 OK"));
    }),
    ("{delay: {time: 200ms}}", true, |wire| {
        assert_eq!(wire.tokens(), TOKENS.concat());
        wire.takes(wire.reads[0].0.as_millis(), HEAD_AT + 200);
        wire.takes(wire.when("five") - wire.when("one"), 40);
    }),
    ("{slow-first-token: {time: 200ms}}", true, |wire| {
        assert!(wire.when("assistant") < 150, "the head is in time");
        wire.takes(wire.when("one"), HEAD_AT + 210);
        assert_eq!(wire.tokens(), TOKENS.concat());
    }),
    ("{slow-tokens: {gap: 60ms}}", true, |wire| {
        wire.takes(wire.when("five") - wire.when("one"), 240);
        assert_eq!(wire.tokens(), TOKENS.concat());
    }),
    ("{stall: {after: 2, for: 300ms}}", true, |wire| {
        wire.takes(wire.when("three") - wire.when("two"), 300);
        wire.takes(wire.when("four") - wire.when("three"), 10);
        assert_eq!((wire.tokens(), wire.body().1), (TOKENS.concat(), true));
    }),
    ("{stall: {after: 2}}", true, |wire| {
        assert_eq!((wire.tokens().as_str(), wire.body().1, wire.end), ("one two ", false, End::Silence));
    }),
    ("{cut: {after: 3, how: end}}", true, |wire| {
        assert_eq!((wire.tokens().as_str(), wire.body().1, wire.end), ("one two three ", true, End::Eof));
        assert!(!wire.body_text().contains("[DONE]"));
    }),
    ("{cut: {after: 3, how: close}}", true, |wire| {
        assert_eq!((wire.tokens().as_str(), wire.body().1, wire.end), ("one two three ", false, End::Eof));
    }),
    ("{cut: {after: 3, how: reset}}", true, |wire| {
        assert_eq!((wire.tokens().as_str(), wire.body().1, wire.end), ("one two three ", false, End::Reset));
    }),
    ("{cut: {how: close}}", false, |wire| {
        let (body, whole) = wire.body();
        assert!(wire.head().contains("content-length: 102") && !whole && body.len() == 51, "{}", wire.text());
        assert_eq!(wire.end, End::Eof);
    }),
    ("no-done", true, |wire| {
        assert_eq!((wire.tokens(), wire.body().1, wire.end), (TOKENS.concat(), true, End::Eof));
        assert!(!wire.body_text().contains("[DONE]"));
    }),
    ("empty-stream", true, |wire| {
        assert!(wire.head().starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream"), "{}", wire.head());
        assert_eq!((wire.body_text().as_str(), wire.body().1), ("", true));
    }),
    ("{stream-error: {after: 1, code: 503, kind: overloaded, message: Busy.}}", true, |wire| {
        let error = r#"data: {"error":{"message":"Busy.","type":"overloaded","param":null,"code":503}}"#;
        assert!(wire.body_text().ends_with(&format!("{error}\n\ndata: [DONE]\n\n")), "{}", wire.body_text());
        assert_eq!((wire.tokens().as_str(), wire.body().1), ("one ", true));
    }),
    ("{malformed-event: {after: 2, kind: not-utf8}}", true, |wire| {
        let body = wire.body().0;
        assert!(body.windows(2).any(|two| two == b"\xff\xfe"));
        assert_eq!(wire.tokens(), "one two \u{fffd}\u{fffd}four five");
    }),
    ("duplicate-events", true, |wire| {
        assert_eq!(wire.tokens(), TOKENS.map(|token| token.repeat(2)).concat());
        assert_eq!(wire.body_text().matches("[DONE]").count(), 1);
    }),
    ("{split-utf8: {gap: 30ms}}", true, |wire| {
        assert_eq!(wire.tokens(), TOKENS.concat().replacen("one ", "one \u{1f980}", 1));
        let cut = wire.reads.iter().filter(|(_, bytes)| std::str::from_utf8(bytes).is_err()).count();
        assert_eq!(cut, 2, "the two halves are read apart");
    }),
    ("{oversize-line: {bytes: 300000, after: 1}}", true, |wire| {
        let longest = wire.body_text().lines().map(str::len).max();
        assert_eq!((longest, wire.tokens()), (Some(300_000), TOKENS.concat()));
    }),
    ("{half-tool-call: {how: end}}", true, |wire| {
        assert!(wire.body_text().contains(r#""function":{"name":"run_code","arguments":""}"#), "{}", wire.body_text());
        assert!(
            wire.body_text().ends_with("\"arguments\":\"{\\\"code\\\": \\\"pri\"}}]}}]}\n\n"),
            "{}",
            wire.body_text()
        );
        assert!(wire.body().1);
    }),
    ("truncated-json", false, |wire| {
        let (body, whole) = wire.body();
        assert!(
            wire.head().contains("content-length: 51") && whole && serde_json::from_slice::<Json>(&body).is_err(),
            "{}",
            wire.text()
        );
    }),
    ("wrong-content-type", true, |wire| {
        assert!(wire.head().contains("content-type: text/html; charset=utf-8"), "{}", wire.head());
        assert_eq!(wire.tokens(), TOKENS.concat());
    }),
    ("refuse", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Refused, 0))),
    ("{dns-failure: {time: 100ms}}", true, |wire| {
        wire.takes(wire.at.as_millis(), 100);
        assert_eq!(wire.end, End::Unresolved);
    }),
    ("black-hole", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Silence, 0))),
    ("{black-hole: {direction: upstream}}", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Silence, 0))),
    ("{black-hole: {handshake: true}}", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Silence, 0))),
    ("reset", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Reset, 0))),
    ("{reset: {when: at-once}}", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Reset, 0))),
    ("{reset: {direction: upstream}}", true, |wire| assert_eq!((wire.end, wire.reads.len()), (End::Reset, 0))),
    ("{reset: {when: during-headers}}", true, |wire| {
        assert_eq!((wire.text().as_str(), wire.end), ("HTTP/1.1 200", End::Reset));
    }),
    ("{latency: {time: 100ms, direction: both}}", true, |wire| {
        // Twice for the handshake, once for the request, once for the answer.
        wire.takes(wire.when("assistant"), HEAD_AT + 400);
        wire.takes(wire.when("five") - wire.when("one"), 40);
        assert_eq!(wire.tokens(), TOKENS.concat());
    }),
    ("{bandwidth: {bytes-per-second: 2000}}", true, |wire| {
        let millis = u128::try_from(wire.bytes().len()).unwrap().div_ceil(2);
        wire.takes(wire.at.as_millis(), HEAD_AT + millis);
        assert_eq!(wire.tokens(), TOKENS.concat());
    }),
    ("{slice: {bytes: 100, gap: 20ms}}", false, |wire| {
        let lengths: Vec<_> = wire.reads.iter().map(|(_, bytes)| bytes.len()).collect();
        assert!(lengths.iter().all(|length| *length <= 100) && lengths.len() >= 2, "{lengths:?}");
        assert!(wire.body().1);
    }),
    ("{slow-close: {time: 200ms}}", true, |wire| {
        wire.takes(wire.at.as_millis() - wire.when("[DONE]"), 200);
        assert_eq!((wire.tokens(), wire.end), (TOKENS.concat(), End::Eof));
    }),
    // The first exchange of a connection is never after a pause; tests/it/faults.rs has a second one.
    ("{idle-reset: {after: 10ms}}", true, |wire| {
        assert_eq!((wire.tokens(), wire.body().1), (TOKENS.concat(), true));
    }),
    ("{byte-limit: {bytes: 200}}", true, |wire| assert_eq!((wire.bytes().len(), wire.end), (200, End::Eof))),
];

#[test]
fn every_fault_does_the_same_in_virtual_and_in_real_time() {
    for name in Fault::NAMES {
        assert!(
            CASES.iter().any(|(fault, ..)| Injection::parse(fault).unwrap().fault.name() == *name),
            "{name} is not tried"
        );
    }
    let in_memory: Vec<_> =
        CASES.iter().map(|case| in_virtual_time(async |rig| one_case(rig, case, 20_000).await)).collect();
    // All at once, each in a lab of its own: what takes time in real time is mostly silence.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let over_tcp = runtime.block_on(futures_util::future::join_all(
        CASES.iter().map(async |case| one_case(Rig::new(Net::tcp()).await, case, 1_500).await),
    ));
    for (((fault, _, check), in_memory), over_tcp) in CASES.iter().zip(in_memory).zip(over_tcp) {
        check(&in_memory);
        check(&over_tcp);
        assert_eq!((in_memory.text(), in_memory.end), (over_tcp.text(), over_tcp.end), "{fault}");
    }
}

/// One exchange with a fault, and one after it is cleared.
async fn one_case(rig: Rig, (fault, stream, _): &Case, patience: u64) -> Wire {
    let id = rig.inject(fault);
    let wire = rig.ask(*stream, Duration::from_millis(patience)).await;
    assert_eq!(rig.board.active()[0].struck, 1, "{fault}");
    assert_eq!(rig.board.clear(&Clear::All), [id]);
    let after = rig.ask(true, Duration::from_secs(5)).await;
    assert_eq!((after.tokens(), after.end), (TOKENS.concat(), End::Eof), "{fault}: once it is cleared, all is well");
    wire
}
