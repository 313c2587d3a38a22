//! A fake on a network in memory, and a client that keeps what it sees.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::event::{Bus, Event, Kind};
use crate::sim::openai::{Config, FakeOpenai};
use crate::topology::Authority;
use crate::world::{Clock, Credentials, Net, Seed, World, clock, serve};

pub(super) const KEY: &str = "sk-test-0123456789";

/// A fake and its lab.
pub(super) struct Lab {
    world: World,
    pub(super) fake: FakeOpenai,
    events: Arc<Mutex<Vec<Event>>>,
}

/// A response with its times since the request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) text: String,
    /// When the head came.
    pub(super) head_at: Duration,
    /// When each piece of the body came.
    pub(super) pieces: Vec<(Duration, String)>,
    /// When the body had ended.
    pub(super) end_at: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The data of a stream's events, without the `[DONE]` that must end it.
    pub(super) fn chunks(&self) -> Vec<Json> {
        let events: Vec<&str> = self.text.split("\n\n").filter(|event| !event.is_empty()).collect();
        let (last, chunks) = events.split_last().expect("an event");
        assert_eq!(*last, "data: [DONE]");
        chunks.iter().map(|chunk| serde_json::from_str(chunk.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    /// The names of an object's members, in the order of the raw text.
    pub(super) fn keys(json: &Json) -> Vec<&str> {
        json.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The four parts of an error.
    pub(super) fn error(&self) -> (u16, String, String, Option<String>, Option<String>) {
        let json = self.json();
        assert_eq!(Self::keys(&json), ["error"]);
        let error = &json["error"];
        assert_eq!(Self::keys(error), ["message", "type", "param", "code"]);
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        (self.status, text("message").unwrap(), text("type").unwrap(), text("param"), text("code"))
    }
}

impl Lab {
    /// A fake that accepts [`KEY`], with the given seed.
    pub(super) async fn new(seed: u64, config: Config) -> Self {
        let clock = Clock::starting_at(clock::VIRTUAL_START);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let bus = Bus::new(
            move || clock.now(),
            vec![Box::new(move |event: &Event| sink.lock().unwrap().push(event.clone()))],
        );
        let credentials = Credentials::default();
        credentials.learn(KEY, "secret:openai-secret/Authorization");
        let world = World { clock, bus, credentials, seed: Seed(seed), net: Net::memory() };
        let fake = FakeOpenai::new(config, world.clone());
        let listener = world.net.listen(&Authority::openai()).await.unwrap();
        let service = TowerToHyperService::new(fake.router());
        serve::serve(listener, move |request: Request<Incoming>| {
            let response = hyper::service::Service::call(&service, request.map(axum::body::Body::new));
            async move { response.await.unwrap_or_else(|never| match never {}) }
        });
        Self { world, fake, events }
    }

    /// A fake with [`KEY`] and these fixed times in milliseconds.
    pub(super) async fn timed(first: u64, between: u64, overhead: u64) -> Self {
        Self::new(7, Config { latency: super::super::LatencyModel::fixed(first, between, overhead), ..accepting() })
            .await
    }

    /// A fake with [`KEY`] that takes no time.
    pub(super) async fn fast() -> Self {
        Self::timed(0, 0, 0).await
    }

    pub(super) async fn chat(&self, body: Json) -> Answer {
        self.post("/v1/chat/completions", body).await
    }

    pub(super) async fn post(&self, path: &str, body: Json) -> Answer {
        self.send(with_key(request(Method::POST, path)), body.to_string()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(with_key(request(Method::GET, path)), String::new()).await
    }

    pub(super) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let start = Instant::now();
        let response = self.start(request, body).await;
        read(response, start).await
    }

    /// Sends a request on a connection of its own and waits for the head.
    pub(super) async fn start(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Response<Incoming> {
        let stream = self.world.net.connect(&Authority::openai()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    pub(super) fn events(&self) -> Vec<Kind> {
        self.events.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }
}

/// A chat with one question.
pub(super) fn ask(question: &str) -> Json {
    serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": question}]})
}

/// `body` with one more member.
pub(super) fn with(mut body: Json, name: &str, value: impl Into<Json>) -> Json {
    body[name] = value.into();
    body
}

/// The default configuration with [`KEY`].
pub(super) fn accepting() -> Config {
    Config::accepting([KEY.to_owned()])
}

pub(super) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "api.openai.com")
        .header("content-type", "application/json")
}

pub(super) fn with_key(request: http::request::Builder) -> http::request::Builder {
    request.header("authorization", format!("Bearer {KEY}"))
}

async fn read(response: Response<Incoming>, start: Instant) -> Answer {
    let head_at = start.elapsed();
    let (head, mut body) = response.into_parts();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        pieces.push((start.elapsed(), String::from_utf8(data.to_vec()).unwrap()));
    }
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: pieces.iter().map(|(_, text)| text.as_str()).collect(),
        head_at,
        pieces,
        end_at: start.elapsed(),
    }
}
