//! One client: asks, reads the answer to its end, and tells how it ended.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::Value as Json;

use super::sse;
use crate::event::facts::text_of_chunk;
use crate::event::{At, BODY_LIMIT, Digest, Kind, Outcome, RequestId, TEXT_LIMIT, Usage, clip_body};
use crate::topology::Authority;
use crate::world::World;
use crate::world::caller::{CallError, Caller, Reply};
use crate::world::connector::Connector;

/// A client with its own connections. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    world: World,
    caller: Caller,
}

/// One request to send.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its id, sent as `x-request-id`.
    pub id: RequestId,
    /// The step that it belongs to.
    pub step: Option<usize>,
    /// The replica that it goes to.
    pub replica: Option<u32>,
    /// Where it goes.
    pub target: Authority,
    /// The `Host` header.
    pub host: String,
    /// HTTP method.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// Headers besides `Host` and `x-request-id`.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// How long it may take as a whole.
    pub timeout: Option<Duration>,
    /// When it should be sent, where a load says so.
    pub intended: Option<At>,
    /// The request that it is a retry of.
    pub retry_of: Option<RequestId>,
    /// Whether the whole text of a stream is wanted.
    pub keeps_text: bool,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub struct Answered {
    /// How it ended.
    pub outcome: Outcome,
    /// Status, if a head came.
    pub status: Option<u16>,
    /// The head's headers.
    pub headers: HeaderMap,
}

/// How much of a body is read for its model and usage, in bytes. The rest is counted, not kept.
const KEPT: usize = 1024 * 1024;

/// What has come of an answer so far.
#[derive(Debug, Default)]
struct Answer {
    status: Option<u16>,
    headers: HeaderMap,
    is_event_stream: bool,
    body: BytesMut,
    digest: Digest,
    events: sse::Decoder,
    first_token: bool,
    done: bool,
    model: Option<String>,
    usage: Option<Usage>,
    /// The text of a stream, where it is wanted.
    text: Option<String>,
}

impl Client {
    /// A client in this world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let caller = Caller::new(Connector::new(world.net.clone())).with_tasks();
        // In memory a connection costs nothing.
        let caller = if world.net.is_memory() { caller } else { caller.growing_slowly() };
        Self { world, caller }
    }

    /// Sends a request and reads the answer to its end. Everything is told in events.
    pub async fn send(&self, ask: Ask) -> Answered {
        let id = ask.id.clone();
        self.tell_sent(&ask);
        let mut answer = Answer { text: ask.keeps_text.then(String::new), ..Answer::default() };
        let talk = self.talk(ask.clone(), &mut answer);
        let outcome = match ask.timeout {
            Some(limit) => tokio::time::timeout(limit, talk).await.unwrap_or(Outcome::Timeout),
            None => talk.await,
        };
        answer.read_json();
        let body = self.world.credentials.scrub(&clip_body(&answer.body));
        let text = answer.text_beyond_the_body().map(|text| self.world.credentials.scrub(&text));
        self.world.bus.emit(Kind::ClientRequestEnded {
            request: id,
            outcome,
            status: answer.status,
            model: answer.model,
            usage: answer.usage,
            body,
            text,
            body_bytes: answer.digest.bytes,
            digest: answer.status.map(|_| answer.digest),
        });
        Answered { outcome, status: answer.status, headers: answer.headers }
    }

    fn tell_sent(&self, ask: &Ask) {
        self.world.bus.emit(Kind::ClientRequestSent {
            request: ask.id.clone(),
            step: ask.step,
            replica: ask.replica,
            method: ask.method.to_string(),
            path: ask.path.clone(),
            stream: ask.stream,
            headers: self.world.credentials.mask(&ask.headers),
            body: self.world.credentials.scrub(&clip_body(&ask.body)),
            intended_us: ask.intended,
            retry_of: ask.retry_of.clone(),
        });
    }

    async fn talk(&self, ask: Ask, answer: &mut Answer) -> Outcome {
        let id = ask.id.clone();
        let Ok(request) = ask.into_request() else { return Outcome::Failed };
        let response = match self.caller.call(request).await {
            Ok(response) => response,
            Err(error) => return outcome_of(&error),
        };
        answer.status = Some(response.status().as_u16());
        self.world.bus.emit(Kind::ClientResponseStarted {
            request: id.clone(),
            status: response.status().as_u16(),
            headers: self.world.credentials.mask(response.headers()),
        });
        answer.headers.clone_from(response.headers());
        self.read(&id, response, answer).await
    }

    async fn read(&self, id: &str, response: Response<Reply>, answer: &mut Answer) -> Outcome {
        let content_type = response.headers().get(http::header::CONTENT_TYPE);
        answer.is_event_stream = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Outcome::Cut };
            let Some(data) = frame.data_ref() else { continue };
            if answer.take(data) {
                self.world.bus.emit(Kind::ClientFirstToken { request: id.to_owned() });
            }
        }
        if answer.is_event_stream && !answer.done { Outcome::Truncated } else { Outcome::Complete }
    }
}

impl Ask {
    fn into_request(self) -> Result<Request<Full<Bytes>>, http::Error> {
        let uri = Uri::builder().scheme("http").authority(self.target.to_string()).path_and_query(self.path).build()?;
        let mut request = Request::builder().method(self.method).uri(uri).body(Full::new(self.body))?;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        if !headers.contains_key(http::header::HOST) {
            headers.insert(http::header::HOST, self.host.parse()?);
        }
        headers.insert("x-request-id", self.id.parse()?);
        Ok(request)
    }
}

impl Answer {
    /// Takes in bytes of the body; true if the first token of a stream is among them.
    fn take(&mut self, data: &[u8]) -> bool {
        self.digest.take(data);
        let room = KEPT.saturating_sub(self.body.len()).min(data.len());
        self.body.extend_from_slice(&data[..room]);
        if !self.is_event_stream {
            return false;
        }
        let had_token = self.first_token;
        let mut events = std::mem::take(&mut self.events);
        events.feed(data, |event| self.take_event(event));
        self.events = events;
        self.first_token && !had_token
    }

    fn take_event(&mut self, event: &[u8]) {
        if event == b"[DONE]" {
            self.done = true;
            return;
        }
        let Ok(json) = serde_json::from_slice::<Json>(event) else { return };
        self.take_meta(&json);
        self.take_text(&json);
        self.first_token |= has_text(&json);
        // The Responses API and Anthropic's end without `[DONE]`.
        let ends = ["response.completed", "response.incomplete", "message_stop"];
        self.done |= json.get("type").and_then(Json::as_str).is_some_and(|kind| ends.contains(&kind));
    }

    fn take_meta(&mut self, json: &Json) {
        if let Some(model) = json.get("model").and_then(Json::as_str) {
            self.model = Some(model.to_owned());
        }
        if let Some(usage) = Usage::of_json(json) {
            self.usage = Some(usage);
        }
    }

    fn take_text(&mut self, json: &Json) {
        let Some(text) = &mut self.text else { return };
        let piece = text_of_chunk(json).unwrap_or_default();
        let room = TEXT_LIMIT.saturating_sub(text.len());
        text.push_str(&piece[..piece.floor_char_boundary(room)]);
    }

    /// The text of a stream that an event has no room for as it came.
    fn text_beyond_the_body(&mut self) -> Option<String> {
        self.text.take().filter(|_| self.is_event_stream && self.digest.bytes > BODY_LIMIT as u64)
    }

    fn read_json(&mut self) {
        if !self.is_event_stream
            && let Ok(json) = serde_json::from_slice::<Json>(&self.body)
        {
            self.take_meta(&json);
            self.digest.says(&json);
        }
    }
}

/// Whether a chunk carries text or a part of a tool call.
pub(super) fn has_text(json: &Json) -> bool {
    let filled = |value: Option<&Json>| match value {
        Some(Json::String(text)) => !text.is_empty(),
        Some(Json::Array(items)) => !items.is_empty(),
        _ => false,
    };
    let choice = json.get("choices").and_then(|choices| choices.get(0));
    let of_choice = choice.is_some_and(|choice| {
        let delta = choice.get("delta");
        filled(choice.get("text"))
            || delta.is_some_and(|delta| filled(delta.get("content")) || filled(delta.get("tool_calls")))
    });
    of_choice || json.get("delta").is_some_and(|delta| filled(Some(delta)) || filled(delta.get("text")))
}

fn outcome_of(error: &CallError) -> Outcome {
    let CallError::Connect(error) = error else { return Outcome::Reset };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::Refused,
        io::ErrorKind::NotFound => Outcome::Unresolved,
        io::ErrorKind::TimedOut => Outcome::Timeout,
        _ => Outcome::Reset,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use futures_util::stream::FuturesUnordered;
    use hyper::body::Incoming;
    use tokio::time::Instant;

    use super::*;
    use crate::event::Bus;
    use crate::world::serve::serve;
    use crate::world::{Clock, Credentials, Net, Seed};

    fn ask(number: usize) -> Ask {
        Ask {
            id: format!("req-{number}"),
            step: None,
            replica: None,
            target: Authority::new("server", 80),
            host: "server".to_owned(),
            method: Method::GET,
            path: "/".to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            stream: false,
            timeout: None,
            intended: None,
            retry_of: None,
            keeps_text: false,
        }
    }

    #[tokio::test]
    async fn in_real_time_many_requests_at_once_open_few_connections_at_a_time() {
        let net = Net::tcp();
        let listener = net.listen(&Authority::new("server", 80)).await.expect("a port");
        let _server = serve(listener, |_: Request<Incoming>| async { Response::new(Full::<Bytes>::from("well")) });
        let world = World {
            clock: Clock::real(),
            bus: Bus::silent(),
            credentials: Credentials::default(),
            seed: Seed(1),
            net: net.clone(),
        };
        let client = Client::new(world);
        let began = Instant::now();
        let mut answers: FuturesUnordered<_> = (0..3000).map(|number| client.send(ask(number))).collect();
        while let Some(answer) = answers.next().await {
            let (opened, allowed) = (net.connections(), 128 + began.elapsed().as_millis());
            assert!(u128::from(opened) <= allowed, "{opened} connections, {allowed} allowed");
            assert_eq!(answer.outcome, Outcome::Complete);
        }
    }
}
