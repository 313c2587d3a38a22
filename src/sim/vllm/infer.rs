//! The way of an inference request: what is asked for, whether it fails, and its answer.
//!
//! ```text
//! draining? ─▶ parse ─▶ X-Return-Error ─▶ injected failure ─▶ model ─▶ validation ─▶ run ─▶ reply
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use http::request::Parts;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::ask::Ask;
use super::body::ReplyBody;
use super::config::Config;
use super::error::ApiError;
use super::http::{JSON, Reply};
use super::reply::{self, Event, Head, Part, Shape, Step, Stream};
use super::routes::Route;
use super::run::{self, Job, Running};
use super::witness::{Seen, Witness};
use super::{Inner, chat, completions, embeddings, generate, go, json, messages, responses};
use crate::sim::sse::{self, Live};

/// A request to an inference endpoint, read.
pub(crate) struct Decoded {
    pub(crate) ask: Ask,
    pub(crate) shape: Box<dyn Shape>,
    /// What is wrong with it, told after the model was found.
    pub(crate) refusal: Option<ApiError>,
}

/// An error, and what goes with it.
struct Refused {
    error: ApiError,
    id: Option<String>,
    retry_after: Option<String>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, id: None, retry_after: None }
    }
}

impl Refused {
    /// An error of a request that had been accepted.
    fn accepted(error: ApiError, head: &Head) -> Self {
        Self { error, id: Some(head.id.clone()), retry_after: None }
    }

    fn reply(self) -> Reply {
        let reply = Reply::error(&self.error);
        let reply = match &self.retry_after {
            Some(value) => reply.with(RETRY_AFTER, value),
            None => reply,
        };
        match self.id {
            Some(id) => reply.accepted_as(id),
            None => reply,
        }
    }
}

/// A body as far as it could be read.
enum Parsed {
    /// A plain chat request, as most are.
    Plain(Box<Ask>),
    /// Anything else, or why it is no JSON.
    Other(Result<Json, String>),
}

impl Parsed {
    fn read(route: Route, body: &[u8]) -> Self {
        let plain = if route == Route::Chat { chat::decode_plain(body) } else { None };
        plain.map_or_else(|| Self::Other(json::parse(body)), |ask| Self::Plain(Box::new(ask)))
    }

    fn model(&self) -> Option<&str> {
        match self {
            Self::Plain(ask) => Some(&ask.model),
            Self::Other(body) => body.as_ref().ok()?.get("model")?.as_str(),
        }
    }

    fn stream(&self) -> bool {
        match self {
            Self::Plain(ask) => ask.stream,
            Self::Other(Ok(body)) => body.get("stream").and_then(Json::as_bool).unwrap_or(false),
            Self::Other(Err(_)) => false,
        }
    }

    fn decode(self, route: Route, config: &Config) -> Result<Decoded, String> {
        let body = match self {
            Self::Plain(ask) => return Ok(chat::decoded(*ask, config)),
            Self::Other(body) => body?,
        };
        match route {
            Route::Completions => completions::decode(&body),
            Route::Responses => responses::decode(&body, config),
            Route::Messages => messages::decode(&body, config),
            Route::Generate => generate::decode(&body),
            _ => chat::decode(&body, config),
        }
    }
}

/// Tells that a request was read, as far as it was.
pub(crate) fn witness(sim: &Inner, parts: &Parts, model: Option<&str>, stream: bool) -> Option<Witness> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Witness::begin(&sim.world, &sim.host, Seen { headers: &parts.headers, path, model, stream })
}

/// Answers a request to an inference endpoint.
pub(crate) async fn answer(sim: &Arc<Inner>, route: Route, parts: &Parts, body: &[u8]) -> (Reply, Option<Witness>) {
    let parsed = Parsed::read(route, body);
    let mut witness = witness(sim, parts, parsed.model(), parsed.stream());
    let outcome = match start(sim, route, &parts.headers, parsed, &mut witness) {
        Ok(Started::Over(reply)) => Ok(*reply),
        Ok(Started::Live(live)) => live.wait(sim).await,
        Err(refused) => Err(refused),
    };
    (outcome.unwrap_or_else(Refused::reply), witness)
}

/// A request that has found its model and holds nothing against it.
enum Started {
    /// It took no time.
    Over(Box<Reply>),
    /// It runs.
    Live(Box<Waiting>),
}

/// A response that is not there yet.
struct Waiting {
    events: mpsc::UnboundedReceiver<Event>,
    shape: Box<dyn Shape>,
    head: Head,
    choices: usize,
    stream: bool,
}

fn start(
    sim: &Arc<Inner>,
    route: Route,
    headers: &HeaderMap,
    parsed: Parsed,
    witness: &mut Option<Witness>,
) -> Result<Started, Refused> {
    let accepted = Instant::now();
    if sim.draining.load(Ordering::Relaxed) {
        return Err(ApiError::new(503, "server is shutting down").into());
    }
    let parsed = match parsed {
        Parsed::Other(body) if route == Route::Embeddings => {
            return Ok(Started::Over(Box::new(embeddings::answer(sim, body, headers)?)));
        }
        other => other,
    };
    let config = sim.config();
    let decoded = parsed.decode(route, &config);
    let Decoded { mut ask, shape, refusal } = decoded.map_err(|cause| ApiError::unreadable(&cause))?;
    let id = sim.request_id(headers);
    if let Some(error) = returned_error(headers) {
        return Err(error.into());
    }
    ask.below_threshold = flag_header(headers, "x-cache-threshold-finish-reason");
    if let Some(refused) = injected(sim, &config, witness) {
        return Err(refused);
    }
    let model = sim.models.find(&ask.model)?;
    if let Some(error) = refusal {
        return Err(error.into());
    }
    let head = Head {
        id,
        model: model.shown,
        created: sim.world.clock.unix_seconds(),
        include_usage: ask.include_usage,
        logprobs: ask.logprobs,
    };
    let (stream, choices) = (ask.stream, ask.choices());
    let job = Job { ask, lora: model.lora, id: head.id.clone(), config, accepted };
    match run::start(sim, job).map_err(|error| Refused::accepted(error, &head))? {
        Running::Done(parts) => Ok(Started::Over(Box::new(reply_at_once(shape, head, parts, stream)))),
        Running::Live(events) => Ok(Started::Live(Box::new(Waiting { events, shape, head, choices, stream }))),
    }
}

/// The failure that the request gets, if it is to fail.
fn injected(sim: &Inner, config: &Config, witness: &mut Option<Witness>) -> Option<Refused> {
    let failure = sim.injector.roll(&config.failures)?;
    sim.metrics.injected(failure.name());
    if let Some(witness) = witness {
        witness.injected(failure.name());
    }
    let retry_after = Some(&config.failures.retry_after).filter(|value| !value.is_empty() && failure.may_retry());
    Some(Refused { error: failure.error(&config.model), id: None, retry_after: retry_after.cloned() })
}

/// The reply to a request that took no time.
fn reply_at_once(shape: Box<dyn Shape>, head: Head, parts: Vec<Part>, stream: bool) -> Reply {
    let usage = reply::usage(&parts);
    let id = head.id.clone();
    let mut out = Vec::with_capacity(512);
    let reply = if stream {
        Stream::new(shape, head, parts.len()).write_all(parts, &mut out);
        Reply::of_body(sse::CONTENT_TYPE, ReplyBody::chunked(out.into()))
    } else {
        shape.whole(&head, &parts, &mut out);
        Reply::new(JSON, out)
    };
    reply.with_usage(usage).accepted_as(id)
}

impl Waiting {
    async fn wait(self, sim: &Inner) -> Result<Reply, Refused> {
        let Self { mut events, shape, mut head, choices, stream } = self;
        let id = head.id.clone();
        if stream {
            let first = match events.recv().await {
                Some((_, Step::Fail(error))) => return Err(Refused::accepted(error, &head)),
                Some(first) => first,
                None => return Err(Refused::accepted(stopped(), &head)),
            };
            let body = Live::new(events, Stream::new(shape, head, choices)).beginning_with(first);
            return Ok(Reply::of_body(sse::CONTENT_TYPE, ReplyBody::live(body)).accepted_as(id));
        }
        let parts = collect(events, choices).await.map_err(|error| Refused::accepted(error, &head))?;
        head.created = sim.world.clock.unix_seconds();
        let mut out = Vec::with_capacity(512);
        shape.whole(&head, &parts, &mut out);
        Ok(Reply::new(JSON, out).with_usage(reply::usage(&parts)).accepted_as(id))
    }
}

/// Waits for every choice; the first error is the request's.
async fn collect(mut events: mpsc::UnboundedReceiver<Event>, choices: usize) -> Result<Vec<Part>, ApiError> {
    let mut parts: Vec<Option<Part>> = (0..choices).map(|_| None).collect();
    let mut left = choices;
    while left > 0 {
        match events.recv().await {
            Some((choice, Step::Begin(part))) => {
                if let Some(slot) = parts.get_mut(choice) {
                    *slot = Some(*part);
                }
            }
            Some((_, Step::End)) => left -= 1,
            Some((_, Step::Fail(error))) => return Err(error),
            Some((_, Step::Pieces(_))) => {}
            None => return Err(stopped()),
        }
    }
    Ok(parts.into_iter().flatten().collect())
}

fn stopped() -> ApiError {
    ApiError::new(500, "the simulator stopped")
}

/// The error that the request asks for.
fn returned_error(headers: &HeaderMap) -> Option<ApiError> {
    let value = headers.get("x-return-error")?;
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.is_empty() {
        return None;
    }
    let Ok(code) = text.parse::<i64>() else {
        let quoted = go::quote(&text);
        return Some(ApiError::bad(format!("Invalid X-Return-Error header value {quoted}: must be an integer")));
    };
    Some(ApiError::new(code, format!("Simulated error triggered by X-Return-Error header (code {code})")))
}

fn flag_header(headers: &HeaderMap, name: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| go::parse_bool(value).unwrap_or(false))
}
