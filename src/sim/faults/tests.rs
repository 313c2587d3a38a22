//! Every fault on the wire: what a client that reads bytes sees, in virtual and in real time.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::layer;
use crate::event::{At, Bus, Event, History, Kind, Outcome};
use crate::fault::{Aim, Clear, Fault, Injection};
use crate::topology::Authority;
use crate::world::clock::VIRTUAL_START;
use crate::world::serve::Server;
use crate::world::{Clock, Credentials, FaultBoard, Net, Seed, World};

const HOST: &str = "mock-0";
/// From one event of the server's streams to the next.
const GAP: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_mins(1);
const TOKENS: [&str; 5] = ["one ", "two ", "three ", "four ", "five"];

/// A server that streams, the faults in front of it, and what was told.
struct Rig {
    world: World,
    board: FaultBoard,
    server: Server,
    events: Arc<Mutex<Vec<Event>>>,
}

/// What a client saw of one exchange.
#[derive(Debug, Clone)]
struct Wire {
    /// What was read, and when, since the client began to connect.
    reads: Vec<(Duration, Vec<u8>)>,
    end: End,
    at: Duration,
    /// Whether time was virtual, so that it is exact.
    exact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Eof,
    Reset,
    Refused,
    Unresolved,
    /// Nothing came for as long as the client was willing to wait.
    Silence,
    Other,
}

/// The tests' own server: it knows nothing of the simulators, and they nothing of it.
async fn serve(request: Request) -> Response {
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let asked: Json = serde_json::from_slice(&bytes).unwrap_or_default();
    if asked["stream"] != true {
        let body =
            json!({"object": "chat.completion", "model": "m", "choices": [{"message": {"content": TOKENS.concat()}}]});
        return Response::builder()
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
    }
    let chunk = |delta: Json| {
        format!("data: {}\n\n", json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta}]}))
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}))];
    events.extend(TOKENS.map(|token| chunk(json!({"content": token}))));
    events.push("data: [DONE]\n\n".to_owned());
    let stream = futures_util::stream::unfold(events.into_iter().enumerate(), |mut events| async move {
        let (index, event) = events.next()?;
        if index > 0 {
            sleep(GAP).await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(event)), events))
    });
    Response::builder().header(CONTENT_TYPE, "text/event-stream").body(Body::from_stream(stream)).unwrap()
}

impl Rig {
    async fn new(net: Net) -> Self {
        let clock = Clock::starting_at(VIRTUAL_START);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let bus = Bus::new(
            move || clock.now(),
            vec![Box::new(move |event: &Event| sink.lock().unwrap().push(event.clone()))],
        );
        let world = World { clock, bus, credentials: Credentials::default(), seed: Seed(7), net };
        let board = FaultBoard::new(&world);
        let router = layer(Router::new().fallback(serve), &board, HOST);
        let listener = world.net.listen(&authority()).await.unwrap();
        let server = crate::sim::serve(listener, router);
        Self { world, board, server, events }
    }

    fn inject(&self, text: &str) -> u64 {
        self.board.inject(Injection::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}")), Aim::host(HOST))
    }

    async fn ask(&self, stream: bool, patience: Duration) -> Wire {
        let body = json!({"model": "m", "stream": stream}).to_string();
        self.ask_with(&body, "", patience).await
    }

    /// One exchange on a connection of its own, byte by byte.
    async fn ask_with(&self, body: &str, headers: &str, patience: Duration) -> Wire {
        let start = Instant::now();
        let mut wire =
            Wire { reads: Vec::new(), end: End::Other, at: Duration::ZERO, exact: self.world.net.is_memory() };
        let end = timeout(patience, self.exchange(body, headers, start, &mut wire)).await;
        wire.end = end.unwrap_or(End::Silence);
        wire.at = start.elapsed();
        wire
    }

    async fn exchange(&self, body: &str, headers: &str, start: Instant, wire: &mut Wire) -> End {
        let end = |error: &io::Error| match error.kind() {
            io::ErrorKind::ConnectionReset => End::Reset,
            io::ErrorKind::ConnectionRefused => End::Refused,
            io::ErrorKind::NotFound => End::Unresolved,
            _ => End::Other,
        };
        let mut stream = match self.world.net.of("client").connect(&authority()).await {
            Ok(stream) => stream,
            Err(error) => return end(&error),
        };
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        if let Err(error) = stream.write_all(request.as_bytes()).await {
            return end(&error);
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return End::Eof,
                Ok(count) => wire.reads.push((start.elapsed(), buffer[..count].to_vec())),
                Err(error) => return end(&error),
            }
        }
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The statuses of `count` answers, one after the other.
    async fn statuses(&self, count: usize) -> String {
        let mut statuses = Vec::new();
        for _ in 0..count {
            let wire = self.ask(false, PATIENCE).await;
            statuses.push(wire.head().get(9..12).unwrap_or("---").to_owned());
        }
        statuses.join(" ")
    }
}

fn authority() -> Authority {
    Authority::new(HOST, 8000)
}

impl Wire {
    fn bytes(&self) -> Vec<u8> {
        self.reads.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// All that was read, without the date, which is another in real time.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
    }

    fn head(&self) -> String {
        self.text().split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    /// The body, chunks put together. Whether it came to its proper end.
    fn body(&self) -> (Vec<u8>, bool) {
        let bytes = self.bytes();
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return (Vec::new(), false) };
        let (head, mut rest) = (String::from_utf8_lossy(&bytes[..at]).into_owned(), &bytes[at + 4..]);
        if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            return (rest.to_vec(), rest.len() == length.parse::<usize>().unwrap());
        }
        let mut body = Vec::new();
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            let chunk = &rest[end + 2..];
            if size == 0 {
                return (body, chunk == b"\r\n");
            }
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            rest = chunk.get(size + 2..).unwrap_or_default();
        }
        (body, false)
    }

    fn body_text(&self) -> String {
        String::from_utf8(self.body().0).unwrap()
    }

    /// The texts of the stream's tokens.
    fn tokens(&self) -> String {
        let text = String::from_utf8_lossy(&self.body().0).into_owned();
        let events =
            text.split("\n\n").filter_map(|event| serde_json::from_str::<Json>(event.strip_prefix("data: ")?).ok());
        events.filter_map(|json| json["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
    }

    /// Asserts that something took so many milliseconds: exactly, or in real time about so many.
    #[track_caller]
    fn takes(&self, found: u128, expected: u128) {
        // In memory a message takes 1 ms, over TCP about none; a loaded machine takes longer.
        let about = expected.saturating_sub(10)..=expected + 150;
        let near = if self.exact { found == expected } else { about.contains(&found) };
        assert!(near, "{found} ms, not {expected} ms");
    }

    /// When what holds `text` was read, in milliseconds.
    fn when(&self, text: &str) -> u128 {
        let found = self.reads.iter().find(|(_, bytes)| String::from_utf8_lossy(bytes).contains(text));
        found.unwrap_or_else(|| panic!("{text} was never read: {}", self.text())).0.as_millis()
    }
}

fn in_virtual_time<T>(work: impl AsyncFnOnce(Rig) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { work(Rig::new(Net::memory()).await).await })
}

fn in_real_time<T>(work: impl AsyncFnOnce(Rig) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { work(Rig::new(Net::tcp()).await).await })
}

/// How an exchange without any fault goes, so that the times below can be read: a handshake of 2 ms,
/// the request 1 ms, the head and the role 1 ms, and an event every 10 ms.
const HEAD_AT: u128 = 4;

#[test]
fn without_faults_nothing_changes() {
    let wire = in_virtual_time(async |rig| rig.ask(true, Duration::from_secs(5)).await);
    assert_eq!((wire.tokens(), wire.body().1, wire.end), (TOKENS.concat(), true, End::Eof));
    assert_eq!([wire.when("assistant"), wire.when("one"), wire.when("[DONE]")], [HEAD_AT, HEAD_AT + 10, HEAD_AT + 60]);
    assert!(wire.head().starts_with("HTTP/1.1 200 OK"));
}

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

#[test]
fn counts_and_chance_choose_who_is_struck() {
    in_virtual_time(async |rig| {
        for (window, statuses) in [
            ("window: {first: 2}", "503 503 200 200 200 200"),
            ("window: {every: 3}", "200 200 503 200 200 503"),
            ("window: {first: 1, every: 2}", "200 503 200 200 200 200"),
            ("probability: 0", "200 200 200 200 200 200"),
        ] {
            rig.inject(&format!("{{fault: status, {window}}}"));
            assert_eq!(rig.statuses(6).await, statuses, "{window}");
            rig.board.clear(&Clear::All);
        }
        rig.inject("{fault: status, probability: 0.25}");
        let struck = rig.statuses(400).await.matches("503").count();
        assert!((70..130).contains(&struck), "{struck} of 400");
        assert_eq!((rig.board.active()[0].met, rig.board.active()[0].struck), (400, struck as u64));
    });
}

#[test]
fn the_same_seed_strikes_the_same() {
    let run = || {
        in_virtual_time(async |rig| {
            rig.inject("{fault: status, probability: 0.5}");
            rig.inject("{fault: {delay: {time: {exponential: {mean: 1s}}}}, probability: 0.5}");
            (rig.statuses(40).await, rig.events())
        })
    };
    assert_eq!(run(), run());
}

#[test]
fn a_window_of_time_is_kept_to_the_microsecond() {
    in_virtual_time(async |rig| {
        let start = Instant::now();
        rig.inject("{fault: status, window: {after: 1s, for: 2s}}");
        rig.inject("{fault: refuse, window: {after: 5s, for: 1s}}");
        let at = async |millis: u64| {
            // A handshake takes 2 ms, the way there 1 ms.
            tokio::time::sleep_until(start + Duration::from_millis(millis - 3)).await;
            rig.statuses(1).await
        };
        assert_eq!([at(999).await, at(1_000).await, at(2_999).await, at(3_000).await], ["200", "503", "503", "200"]);
        assert_eq!([at(5_002).await, at(5_003).await, at(6_002).await, at(6_003).await], ["200", "---", "---", "200"]);
        let cleared = rig.events().into_iter().filter_map(|event| match event.kind {
            Kind::FaultCleared { fault_id, reason } => Some((fault_id, reason, event.at_us)),
            _ => None,
        });
        let expired = |id, second: u64| (id, "expired".to_owned(), At(second * 1_000_000));
        assert_eq!(cleared.collect::<Vec<_>>(), [expired(1, 3), expired(2, 6)]);
        assert_eq!(rig.board.active(), []);
    });
}

#[test]
fn a_fault_meets_its_target_and_nobody_else() {
    in_virtual_time(async |rig| {
        let model = |model: &str| Aim { model: Some(model.to_owned()), ..Aim::host(HOST) };
        let status = || Injection::new(Fault::named("status").unwrap());
        for (aim, statuses) in
            [(model("m"), "503"), (model("other"), "200"), (Aim::host("elsewhere"), "200"), (Aim::default(), "503")]
        {
            rig.board.inject(status(), aim);
            assert_eq!(rig.statuses(1).await, statuses);
            rig.board.clear(&Clear::All);
        }
        let refuse = || Injection::new(Fault::named("refuse").unwrap());
        let link =
            |text: &str| crate::fault::Target::parse(text).unwrap().aim(&crate::topology::Topology::default()).unwrap();
        for (aim, statuses) in
            [(link("client"), "---"), (link("gateway -> *"), "200"), (link("gateway"), "200"), (link("*"), "---")]
        {
            rig.board.inject(refuse(), aim);
            assert_eq!(rig.statuses(1).await, statuses);
            rig.board.clear(&Clear::All);
        }
    });
}

#[test]
fn operators_paths_are_left_alone() {
    in_virtual_time(async |rig| {
        rig.inject("status");
        let mut stream = rig.world.net.connect(&authority()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    });
}

#[test]
fn an_answer_in_the_simulators_place_is_told_as_its_own() {
    in_virtual_time(async |rig| {
        rig.world.credentials.learn("sk-1", "secret:key");
        rig.inject("{fault: {status: {code: 503}}, name: outage}");
        let headers = "x-request-id: req-7\r\nx-retry-attempt: 1\r\nauthorization: Bearer sk-1\r\n";
        let body = r#"{"model":"m","stream":true}"#;
        rig.ask_with(body, headers, PATIENCE).await;
        let told: Vec<Kind> = rig.events().into_iter().map(|event| event.kind).collect();
        let request = || Some("req-7".to_owned());
        assert_eq!(
            told[1..],
            [
                Kind::FaultStruck {
                    fault_id: 1,
                    fault: "status".to_owned(),
                    request: request(),
                    attempt: 1,
                    place: HOST.to_owned()
                },
                Kind::ProviderRequestReceived {
                    request: request(),
                    attempt: 1,
                    host: HOST.to_owned(),
                    path: "/v1/chat/completions".to_owned(),
                    model: Some("m".to_owned()),
                    stream: true,
                    credential: Some("secret:key".to_owned()),
                },
                Kind::ProviderRequestEnded {
                    request: request(),
                    attempt: 1,
                    host: HOST.to_owned(),
                    status: 503,
                    outcome: Outcome::Complete,
                    injected: Some("status".to_owned()),
                    usage: None,
                },
            ]
        );
        let Kind::FaultInjected { injection, target, .. } = &told[0] else { panic!("{told:?}") };
        assert_eq!((target.as_str(), injection["name"].as_str()), ("*", Some("outage")));
        let again: Injection = serde_json::from_value(injection.clone()).unwrap();
        assert_eq!(again.fault.name(), "status");
        let history = History::of(&rig.events());
        assert_eq!((history.served[0].injected.as_deref(), history.faults[0].strikes), (Some("status"), 1));
    });
}

#[test]
fn secrets_in_a_fault_are_not_told() {
    in_virtual_time(async |rig| {
        rig.world.credentials.learn("sk-secret-1", "secret:key");
        rig.inject("{status: {body: the key is sk-secret-1}}");
        assert!(!format!("{:?}", rig.events()).contains("sk-secret-1"));
    });
}

#[test]
fn what_a_fault_held_back_comes_when_it_is_cleared() {
    for fault in
        ["{stall: {after: 2}}", "black-hole", "{black-hole: {handshake: true}}", "{black-hole: {direction: upstream}}"]
    {
        in_virtual_time(async |rig| {
            rig.inject(fault);
            let board = rig.board.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(10)).await;
                board.clear(&Clear::All);
            });
            let wire = rig.ask(true, PATIENCE).await;
            assert_eq!((wire.tokens(), wire.end), (TOKENS.concat(), End::Eof), "{fault}");
            assert!((10_000..10_100).contains(&wire.when("five")), "{fault}: {}", wire.when("five"));
        });
    }
}

#[test]
fn faults_add_up() {
    in_virtual_time(async |rig| {
        rig.inject("{delay: {time: 1s}}");
        rig.inject("{stall: {after: 1, for: 2s}}");
        rig.inject("{cut: {after: 3, how: end}}");
        rig.inject("{latency: {time: 500ms}}");
        let wire = rig.ask(true, PATIENCE).await;
        assert_eq!((wire.tokens().as_str(), wire.end), ("one two three ", End::Eof));
        // The handshake and every byte downstream are half a second later.
        assert_eq!([wire.when("assistant"), wire.when("one"), wire.when("two")], [2_004, 2_014, 4_014]);
        rig.inject("status");
        assert_eq!(rig.statuses(1).await, "503");
    });
}

/// Reads one whole answer off a connection that is kept.
async fn read_answer(stream: &mut crate::world::Stream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.ends_with(b"0\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(String::from_utf8(text).unwrap())
}

const KEPT: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";

#[test]
fn live_connections_are_struck_in_their_next_exchange() {
    let run = async |rig: Rig| {
        let mut stream = rig.world.net.of("client").connect(&authority()).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        let mut first = [0; 64];
        stream.read_exact(&mut first).await.unwrap();
        rig.inject("reset");
        let rest = read_answer(&mut stream).await.unwrap();
        assert!(rest.contains("[DONE]"), "the answer under way is let be: {rest}");
        stream.write_all(KEPT).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn an_idle_connection_is_reset_at_once() {
    let run = async |rig: Rig| {
        let mut stream = rig.world.net.of("client").connect(&authority()).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        read_answer(&mut stream).await.unwrap();
        let board = rig.board.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            board.inject(Injection::parse("{reset: {when: at-once}}").unwrap(), Aim::host(HOST));
        });
        let start = Instant::now();
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!((50..400).contains(&start.elapsed().as_millis()));
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn what_was_written_arrives_though_the_writer_is_gone() {
    let run = async |rig: Rig| {
        let to = Authority::new("sink", 1);
        let mut listener = rig.world.net.listen(&to).await.unwrap();
        rig.board.inject(Injection::parse("{latency: {time: 200ms, direction: upstream}}").unwrap(), Aim::default());
        let mut stream = rig.world.net.connect(&to).await.unwrap();
        let mut accepted = listener.accept().await.unwrap();
        let start = Instant::now();
        stream.write_all(b"a last word").await.unwrap();
        drop(stream);
        let mut text = String::new();
        accepted.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "a last word");
        let took = start.elapsed().as_millis();
        assert!(if rig.world.net.is_memory() { took == 201 } else { (200..400).contains(&took) }, "{took}");
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn programs_outside_the_lab_are_met_at_the_listener() {
    in_real_time(async |rig| {
        let front = Authority::new("agentgateway-proxy", 8080);
        let listener = rig.world.net.listen(&front).await.unwrap().outside("client");
        let address = listener.address().unwrap();
        drop(crate::sim::serve(listener, Router::new().fallback(serve)));
        let gateway = crate::fault::Target::parse("client -> gateway")
            .unwrap()
            .aim(&crate::topology::Topology::default())
            .unwrap();
        let fetch = async || {
            #[expect(clippy::disallowed_methods, reason = "a program outside the lab")]
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut bytes = Vec::new();
            let exchange = async {
                stream.write_all(KEPT).await?;
                stream.read_to_end(&mut bytes).await
            };
            let read = timeout(Duration::from_millis(500), exchange).await;
            (bytes, read.map(|read| read.map_err(|error| error.kind())))
        };
        for (fault, expected) in
            [("{byte-limit: {bytes: 40}}", Ok(Ok(40))), ("refuse", Ok(Err(io::ErrorKind::ConnectionReset)))]
        {
            rig.board.inject(Injection::parse(fault).unwrap(), gateway.clone());
            let (bytes, read) = fetch().await;
            assert_eq!(read, expected, "{fault}: {}", String::from_utf8_lossy(&bytes));
            rig.board.clear(&Clear::All);
        }
        let (bytes, _) = fetch().await;
        assert!(bytes.ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn a_request_whose_body_comes_slowly_or_not_at_all_is_the_simulators_own() {
    in_virtual_time(async |rig| {
        rig.inject("{fault: status, probability: 0}");
        let mut stream = rig.world.net.connect(&authority()).await.unwrap();
        let (head, body) = KEPT.split_at(KEPT.len() - 15);
        stream.write_all(head).await.unwrap();
        sleep(Duration::from_secs(40)).await;
        stream.write_all(body).await.unwrap();
        assert!(read_answer(&mut stream).await.unwrap().contains("[DONE]"), "what came late is passed on");
    });
}

/// Many requests while everything fails at random: each has one end, and nothing is left over.
#[test]
fn nothing_is_left_over_when_everything_fails_at_random() {
    in_virtual_time(async |rig| {
        let faults = Fault::all().into_iter().map(|fault| Injection { probability: 0.06, ..Injection::new(fault) });
        for injection in faults {
            rig.board.inject(injection, Aim::host(HOST));
        }
        let mut ends = std::collections::BTreeMap::new();
        for _ in 0..100 {
            let asks = (0..30).map(|number| rig.ask(number % 4 > 0, PATIENCE));
            for wire in futures_util::future::join_all(asks).await {
                *ends.entry(format!("{:?}", wire.end)).or_insert(0) += 1;
            }
        }
        assert_eq!(ends.values().sum::<i32>(), 3_000);
        assert!(
            ["Eof", "Reset", "Refused", "Unresolved", "Silence"].iter().all(|end| ends.contains_key(*end)),
            "{ends:?}"
        );
        assert!(!ends.contains_key("Other"), "{ends:?}");
        rig.board.clear(&Clear::All);
        sleep(Duration::from_hours(1)).await;
        assert_eq!(rig.server.open_connections(), 0);
        // The one that accepts.
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
    });
}
