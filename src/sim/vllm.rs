//! The vLLM simulator: what a gateway sees of llm-d-inference-sim, in the lab's time.
//!
//! ```text
//! config ─▶ http ─▶ chat | completions | responses | messages ─▶ run ─▶ reply ─▶ http
//!           routes   (what is asked for: ask)                     │      (bytes)
//!           failure                                               ├─ engine   who runs, who waits
//!           models                                                ├─ answer   what it says
//!                                                                 ├─ latency  how long it takes
//!                                                                 └─ metrics  what is counted
//! ```
//!
//! It follows the original's newest release, in its flags, bodies, texts and names. What it has beyond
//! that stands apart in `--help`; of endpoints these are vLLM's own `/version` and `/detokenize`. Where the original errs in a
//! way that nobody builds on, it does not: a configuration that is wrong ends with a code, an oversized
//! body with 413, an empty list of tools is no list, and an echo keeps letters beyond ASCII.

mod admin;
mod answer;
mod ask;
mod body;
mod chat;
mod checks;
mod command;
mod completions;
mod config;
mod embeddings;
mod engine;
mod error;
mod failure;
mod fake;
mod file;
mod flags;
mod generate;
mod go;
mod http;
mod infer;
mod json;
mod latency;
mod messages;
mod metrics;
mod models;
mod operations;
mod reply;
mod responses;
mod routes;
mod run;
mod tokenize;
mod tools;
mod witness;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::time::Instant;
use uuid::Uuid;

pub use config::{Certificate, Config, ConfigError, Warning};
use engine::Engine;
use failure::Injector;
use metrics::Metrics;
use models::Models;
use tokenize::Vocabulary;

use crate::sim::faults;
use crate::sim::log::{Log, logged};
use crate::world::serve::{self, Server};
use crate::world::{Clock, FaultBoard, Listener, Random, Seed, World};

/// A simulator. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

pub(crate) struct Inner {
    world: World,
    host: String,
    started: Instant,
    config: RwLock<Arc<Config>>,
    models: Models,
    engine: Arc<Engine>,
    metrics: Metrics,
    injector: Injector,
    /// Chance of what answers say.
    answers: Mutex<Random>,
    /// Chance of how long answers take.
    pacing: Mutex<Random>,
    vocabulary: Vocabulary,
    ids: Ids,
    pod_headers: Vec<(HeaderName, HeaderValue)>,
    dates: Dates,
    draining: AtomicBool,
    sleeping: AtomicBool,
}

/// Names requests: the same seed and port give the same names.
struct Ids {
    seed: i64,
    port: i64,
    next: AtomicU64,
}

/// The `Date` header, made once a second.
#[derive(Default)]
struct Dates(Mutex<Option<(i64, HeaderValue)>>);

impl Simulator {
    /// A simulator with nothing running. `host` is the pod's name for events and for chance.
    #[must_use]
    pub fn new(config: Config, world: World, host: &str) -> Self {
        let stream = |name: &str| match config.seed {
            Some(seed) => Seed(seed.cast_unsigned()).stream(&format!("vllm/{name}")),
            None => world.seed.stream(&format!("sim/{host}/{name}")),
        };
        let seed = config.seed.unwrap_or_else(|| (stream("ids").bits() >> 1).cast_signed());
        Self(Arc::new(Inner {
            started: Instant::now(),
            models: Models::new(&config),
            engine: Engine::new(&config, world.clock),
            metrics: Metrics::new(config.display_name(), config.max_model_len, config.fake.as_ref()),
            injector: Injector::new(stream("failures")),
            answers: Mutex::new(stream("answers")),
            pacing: Mutex::new(stream("pacing")),
            vocabulary: Vocabulary::default(),
            ids: Ids { seed, port: config.port, next: AtomicU64::new(0) },
            pod_headers: pod_headers(&config),
            dates: Dates::default(),
            draining: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            config: RwLock::new(Arc::new(config)),
            host: host.to_owned(),
            world,
        }))
    }

    /// Everything that it serves.
    pub fn router(&self) -> Router {
        let inner = self.0.clone();
        Router::new().fallback(move |request: ::http::Request<Body>| {
            let inner = inner.clone();
            async move { http::handle(inner, request).await.map(Body::new) }
        })
    }

    /// Serves every connection of `listener` until told to stop, with less on the way than through the router.
    #[must_use]
    pub fn serve(&self, listener: Listener) -> Server {
        let inner = self.0.clone();
        serve::serve(listener, move |request| http::handle(inner.clone(), request))
    }

    /// The same with faults of its own, which are those of the configuration at first; clients change them
    /// ([`crate::sim::faults::alone`]), and exchanges that are shown where there is a log. While there is none of
    /// either, requests go the short way.
    #[must_use]
    pub fn serve_alone(&self, listener: Listener, board: &FaultBoard, log: Option<Log>) -> Server {
        for injection in &self.config().injections {
            // They were checked when the configuration was read.
            let _ = faults::alone::inject_alone(board, injection.clone());
        }
        let inner = self.0.clone();
        let board = board.clone();
        let is_logged = log.is_some();
        let router = faults::alone::alone(self.router(), &board, &self.0.host);
        let long_way = TowerToHyperService::new(match log {
            Some(log) => logged(router, log),
            None => router,
        });
        serve::serve(listener, move |request: ::http::Request<Incoming>| {
            if !is_logged && board.is_quiet() && !request.uri().path().starts_with(faults::alone::PATH) {
                let answer = http::handle(inner.clone(), request);
                return Either::Left(answer.map(|answer| answer.map(http_body_util::Either::Left)));
            }
            let answer = long_way.call(request.map(Body::new));
            let body = http_body_util::Either::Right;
            Either::Right(answer.map(move |answer| answer.unwrap_or_else(|never| match never {}).map(body)))
        })
    }

    /// Changes the configuration while it runs, all of it or nothing, as `POST /admin/config` does.
    ///
    /// # Errors
    /// The original's text for what is wrong.
    pub fn change(&self, changes: &serde_json::Map<String, serde_json::Value>) -> Result<(), String> {
        admin::apply(&self.0, changes).map(drop).map_err(|error| error.message)
    }

    /// The configuration that is in effect now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.0.config()
    }

    /// Whether no request runs or waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.engine.running() == 0 && self.0.engine.waiting() == 0
    }

    /// Answers inference requests with 503 from now on; what runs goes on.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }
}

impl Inner {
    fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The id that a request goes by.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let sent = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        match sent.filter(|id| !id.is_empty() && self.config().request_ids) {
            Some(id) => id.to_owned(),
            None => self.ids.next(),
        }
    }
}

impl Ids {
    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", self.seed, self.port);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
    }
}

impl Dates {
    fn at(&self, clock: &Clock) -> HeaderValue {
        let now = clock.unix_seconds();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((second, value)) if *second == now => value.clone(),
            _ => {
                let value = HeaderValue::from_str(&clock.http_date()).unwrap_or(HeaderValue::from_static(""));
                *last = Some((now, value.clone()));
                value
            }
        }
    }
}

/// Headers that say which pod answers.
fn pod_headers(config: &Config) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    if let Some(pod) = config.pod_name() {
        add("x-inference-pod", pod);
        add("x-inference-port", &config.port.to_string());
    }
    if !config.pod.namespace.is_empty() {
        add("x-inference-namespace", &config.pod.namespace);
    }
    headers
}

#[cfg(test)]
mod tests;
