//! Every fault on the wire: what a client that reads bytes sees, in virtual and in real time.

mod board;
mod catalogue;
mod links;
mod simulators;

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
use crate::event::{Bus, Event};
use crate::fault::{Aim, Injection};
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
        Self::with(net, |_| Router::new().fallback(serve)).await
    }

    /// The layer in front of what `make` makes.
    async fn with(net: Net, make: impl FnOnce(&World) -> Router) -> Self {
        let clock = Clock::starting_at(VIRTUAL_START);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let bus = Bus::new(
            move || clock.now(),
            vec![Box::new(move |event: &Event| sink.lock().unwrap().push(event.clone()))],
        );
        let world = World { clock, bus, credentials: Credentials::default(), seed: Seed(7), net };
        let board = FaultBoard::new(&world);
        let router = layer(make(&world), &board, HOST);
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
        // In memory a message takes 1 ms, over TCP about none; a loaded machine is late at either end.
        let about = expected.saturating_sub(80)..=expected + 300;
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
