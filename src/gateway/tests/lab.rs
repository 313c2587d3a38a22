//! A gateway between a client and a few providers, all in memory.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::event::{Bus, Event, Kind, WithBodies};
use crate::gateway::Gateway;
use crate::gateway::upstream::{Upstream, Way};
use crate::source::{FileId, Place, Spanned};
use crate::topology::{
    Auth, Authority, Backend, Condition, EvictionPolicy, Filter, Group, HeaderChange, HealthPolicy, Listener, Own,
    Personality, Provider, Retry, Route, Rule, Topology, WeightedBackend,
};
use crate::world::caller::Reply;
use crate::world::serve::{serve, serve_with_h2c};
use crate::world::{Clock, Credentials, Net, Seed, World, clock};

pub(super) type MockBody = BoxBody<Bytes, io::Error>;

pub(super) const PLACE: Place = Place { file: FileId(0), start: 0, end: 0 };

/// A world in memory, and all that was told in it.
pub(super) struct Lab {
    pub(super) world: World,
    pub(super) gateway: Gateway,
    events: Arc<Mutex<Vec<Event>>>,
    client: Upstream,
}

/// What the client got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// One backend of these groups behind the prefix `/`; each provider is a host of its own name.
pub(super) fn topology(groups: &[&[&str]]) -> Topology {
    let provider = |name: &&str| Provider {
        name: Spanned::new((*name).to_owned(), PLACE),
        model: Some(format!("model-{name}")),
        endpoint: at(name),
        path: "/v1/chat/completions".to_owned(),
        auth: Auth::None,
        keeps_query: false,
        is_openai: false,
        tls: None,
        health: None,
        own: Own::default(),
        connect_timeout: None,
        h2c: false,
        http2: None,
    };
    Topology {
        listeners: vec![Listener {
            tls: None,
            gateway: "ns/gateway".to_owned(),
            name: "http".to_owned(),
            port: 8080,
            hostname: None,
        }],
        routes: vec![Route {
            name: "route".to_owned(),
            namespace: "ns".to_owned(),
            listeners: vec![0],
            hostnames: Vec::new(),
            rules: vec![Rule { backends: vec![WeightedBackend { backend: 0, weight: 1 }], ..Rule::default() }],
            place: PLACE,
        }],
        backends: vec![Backend {
            name: "backend".to_owned(),
            namespace: "ns".to_owned(),
            groups: groups.iter().map(|group| Group { providers: group.iter().map(provider).collect() }).collect(),
            health: None,
            own_health: None,
            label: None,
            place: PLACE,
        }],
        ..Topology::default()
    }
}

/// The same under a health policy: an expression, and an `eviction` block if there is one.
pub(super) fn under(mut topology: Topology, unhealthy: &str, eviction: Option<EvictionPolicy>) -> Topology {
    topology.backends[0].health = Some(health(unhealthy, eviction));
    topology
}

/// A health policy; without an expression where that is empty.
pub(super) fn health(unhealthy: &str, eviction: Option<EvictionPolicy>) -> HealthPolicy {
    let unhealthy = (!unhealthy.is_empty()).then(|| Condition::compile(unhealthy).unwrap());
    HealthPolicy { unhealthy, eviction, ..HealthPolicy::default() }
}

/// An `eviction` block with a duration and nothing else.
#[expect(clippy::unnecessary_wraps, reason = "as a policy holds it")]
pub(super) fn lasting(seconds: u64) -> Option<EvictionPolicy> {
    Some(EvictionPolicy { duration: Some(Duration::from_secs(seconds)), ..EvictionPolicy::default() })
}

/// The same with retries on 429.
pub(super) fn retrying(mut topology: Topology, attempts: u32, backoff: Option<u64>) -> Topology {
    let backoff = backoff.map(Duration::from_millis);
    topology.routes[0].rules[0].retry = Some(Retry { attempts, codes: vec![429], backoff, ..Retry::default() });
    topology
}

/// The same with a header added to every response.
pub(super) fn adding(mut topology: Topology, name: &str, value: &str) -> Topology {
    let change = HeaderChange { add: vec![(name.to_owned(), value.to_owned())], ..HeaderChange::default() };
    topology.routes[0].rules[0].filters.push(Filter::ResponseHeaders(change));
    topology
}

pub(super) fn at(name: &str) -> Authority {
    Authority::new(name, 8000)
}

pub(super) fn whole(text: impl Into<Bytes>) -> MockBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// A chat completion.
pub(super) fn completion(by: &str) -> String {
    format!(
        r#"{{"id":"1","object":"chat.completion","created":1,"model":"dated-{by}","choices":[{{"index":0,"message":{{"role":"assistant","content":"ok"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9}}}}"#
    )
}

/// What a provider answers with `status`, and with headers of its own.
pub(super) fn answer(by: &str, status: u16, headers: &[(&str, &str)]) -> Response<MockBody> {
    let body = match status {
        200 => completion(by),
        _ => format!(r#"{{"error":{{"message":"{by} says {status}","code":{status}}}}}"#),
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .header("x-by", by);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(whole(body)).unwrap()
}

impl Lab {
    pub(super) fn of(topology: Topology, seed: u64) -> Self {
        Self::with(Personality::Agentgateway012, topology, seed)
    }

    pub(super) fn with(personality: Personality, topology: Topology, seed: u64) -> Self {
        Self::on(Net::memory(), personality, topology, seed)
    }

    pub(super) fn on(net: Net, personality: Personality, topology: Topology, seed: u64) -> Self {
        let clock = Clock::starting_at(clock::VIRTUAL_START);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let heard = events.clone();
        let sink = move |event: &Event| heard.lock().unwrap().push(event.clone());
        let world = World {
            clock,
            bus: Bus::new(move || clock.now(), vec![Box::new(WithBodies(Box::new(sink)))]),
            credentials: Credentials::default(),
            seed: Seed(seed),
            net,
        };
        let gateway = Gateway::new(world.clone(), Arc::new(topology), personality, 0);
        Self { client: Upstream::new(&world.net, &Topology::default()), world, gateway, events }
    }

    /// Opens the gateway's door.
    pub(super) async fn open(self) -> Self {
        let door = self.world.net.listen(&Authority::new("gateway", 8080)).await.unwrap();
        let gateway = self.gateway.clone();
        serve_with_h2c(door, move |request| {
            let gateway = gateway.clone();
            async move { gateway.handle(0, request).await }
        });
        self
    }

    /// Adds a provider that answers with `handler`.
    pub(super) async fn provider<F, R>(self, name: &str, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<MockBody>> + Send + 'static,
    {
        let listener = self.world.net.listen(&at(name)).await.unwrap();
        serve(listener, handler);
        self
    }

    /// Adds a provider that always answers alike, after `delay`.
    pub(super) async fn always(
        self,
        name: &'static str,
        status: u16,
        headers: &'static [(&str, &str)],
        delay: Duration,
    ) -> Self {
        self.provider(name, move |_| async move {
            sleep(delay).await;
            answer(name, status, headers)
        })
        .await
    }

    /// Sends a request and waits for all of its answer.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Got {
        let response = self.client.call(request, &Way::default()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_or_else(|_| "(cut)".into(), Collected::to_bytes);
        Got { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The head of an answer, with its body still to come.
    pub(super) async fn head(&self, request: Request<Full<Bytes>>) -> Response<Reply> {
        self.client.call(request, &Way::default()).await.unwrap()
    }

    /// Sends the usual question.
    pub(super) async fn ask(&self) -> Got {
        self.send(question(r#"{"model":"","messages":[{"role":"user","content":"What is 2+2?"}]}"#)).await
    }

    /// Asks `times` times with 50 ms between, and writes down who answered: `PSSS`.
    pub(super) async fn ask_in_turn(&self, times: usize) -> String {
        let mut pattern = String::new();
        for _ in 0..times {
            let by = self.ask().await.headers.get("x-by").map_or("-".to_owned(), |by| by.to_str().unwrap().to_owned());
            pattern.push_str(&by[..1].to_uppercase());
            sleep(Duration::from_millis(50)).await;
        }
        pattern
    }

    /// How often each of these providers was asked, by the end of the attempts.
    pub(super) fn asked(&self, names: &[&str]) -> Vec<usize> {
        let started = self.told(|kind| match kind {
            Kind::AttemptStarted { provider, .. } => Some(provider.clone()),
            _ => None,
        });
        names.iter().map(|name| started.iter().filter(|one| one == name).count()).collect()
    }

    /// What was told, so far.
    pub(super) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// What was told that `pick` has a use for.
    pub(super) fn told<T>(&self, pick: impl Fn(&Kind) -> Option<T>) -> Vec<T> {
        self.events().iter().filter_map(|event| pick(&event.kind)).collect()
    }

    /// Names of the events of one request, in order.
    pub(super) fn story(&self, id: &str) -> Vec<String> {
        let of_request = |event: &Event| {
            let json = serde_json::to_value(event).unwrap();
            (json["request"] == id).then(|| json["kind"].as_str().unwrap().to_owned())
        };
        self.events().iter().filter_map(of_request).collect()
    }

    /// State of a provider of the first backend.
    pub(super) fn health_of(&self, name: &str) -> crate::gateway::ProviderHealth {
        let backend = self.gateway.health().remove(0);
        backend.providers.into_iter().find(|one| one.provider == name).unwrap()
    }
}

/// A request with this body.
pub(super) fn question(body: &str) -> Request<Full<Bytes>> {
    Request::post("http://gateway:8080/openai")
        .header("content-type", "application/json")
        .body(Full::new(body.to_owned().into()))
        .unwrap()
}
