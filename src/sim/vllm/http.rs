//! The way of a request through the simulator, and of its response back.
//!
//! ```text
//! route ─▶ body ─▶ draining? ─▶ parse ─▶ X-Return-Error ─▶ injected failure ─▶ model ─▶ validation ─▶ run
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, DATE, HOST, LOCATION, RETRY_AFTER, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::ask::Ask;
use super::body::ReplyBody;
use super::config::Config;
use super::error::ApiError;
use super::json;
use super::reply::{self, Head, Shape, Step, Stream};
use super::routes::{self, Match, Route};
use super::run::{self, Job, Running};
use super::witness::{Seen, Witness};
use super::{Inner, chat, completions, embeddings, messages, operations, responses};
use crate::event::Usage;
use crate::sim::sse::{self, Live};

/// A request to an inference endpoint, read.
pub(crate) struct Decoded {
    pub(crate) ask: Ask,
    pub(crate) shape: Box<dyn Shape>,
    /// What is wrong with it, told after the model was found.
    pub(crate) refusal: Option<ApiError>,
}

/// A response before its common headers are put on.
pub(crate) struct Reply {
    status: StatusCode,
    content_type: Option<&'static str>,
    extra: Vec<(HeaderName, HeaderValue)>,
    /// Whether it says which pod it comes from, and under which id the request went.
    accepted: Option<String>,
    body: ReplyBody,
    usage: Option<Usage>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

impl Reply {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some(content_type),
            extra: Vec::new(),
            accepted: None,
            body: ReplyBody::whole(body.into()),
            usage: None,
        }
    }

    pub(crate) fn json(value: &Json) -> Self {
        Self::new(JSON, serde_json::to_vec(value).unwrap_or_default())
    }

    /// An empty 200.
    pub(crate) fn empty() -> Self {
        Self { content_type: None, ..Self::new(JSON, Bytes::new()) }
    }

    pub(crate) fn error(error: &ApiError) -> Self {
        let status = error.http_status();
        let body = if status == StatusCode::NO_CONTENT { Vec::new() } else { error.body() };
        Self { status, ..Self::new(JSON, body) }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_usage(self, usage: Usage) -> Self {
        Self { usage: Some(usage), ..self }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.extra.push((name, value));
        }
        self
    }

    /// The reply of a request that was accepted under this id.
    pub(crate) fn accepted_as(self, id: &str) -> Self {
        Self { accepted: Some(id.to_owned()), ..self }
    }
}

/// Answers a request.
pub(crate) async fn handle(sim: Arc<Inner>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let route = match routes::find(&parts.method, parts.uri.path()) {
        Match::Route(route) => route,
        other => return sim.dress(unrouted(other, &parts), None),
    };
    if parts.method == Method::GET {
        return sim.dress(operations::get(&sim, route), None);
    }
    let body = match read(body, sim.config().max_body_mb).await {
        Ok(body) => body,
        Err(error) => return sim.dress(Reply::error(&error).with(http::header::CONNECTION, "close"), None),
    };
    if !route.is_inference() {
        return sim.dress(operations::post(&sim, route, &parts, &body), None);
    }
    let mut witness = None;
    let reply = match infer(&sim, route, &parts, &body, &mut witness).await {
        Ok(reply) => reply,
        Err(refused) => refused.reply(),
    };
    sim.dress(reply, witness)
}

fn unrouted(found: Match, parts: &Parts) -> Reply {
    match found {
        Match::Options(allow) => Reply::empty().with(ALLOW, allow),
        Match::WrongMethod(allow) => {
            Reply::new(TEXT, "Method Not Allowed").with_status(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, allow)
        }
        Match::Redirect(path) => {
            let status = if parts.method == Method::GET {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::TEMPORARY_REDIRECT
            };
            Reply::empty().with_status(status).with(LOCATION, &absolute(path, &parts.uri, &parts.headers))
        }
        Match::Route(_) | Match::Unknown => Reply::new(TEXT, "Not Found").with_status(StatusCode::NOT_FOUND),
    }
}

fn absolute(path: &str, uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("http://{host}{path}{query}")
}

async fn read(body: Body, limit_mb: i64) -> Result<Bytes, ApiError> {
    let limit = usize::try_from(limit_mb).unwrap_or(4).saturating_mul(1024 * 1024);
    let too_large = || ApiError::new(413, format!("the request body is larger than {limit_mb} MB"));
    if http_body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::bad("the request body could not be read")),
    }
}

/// An error, and what goes with it.
pub(crate) struct Refused {
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
    fn reply(self) -> Reply {
        let reply = Reply::error(&self.error);
        let reply = match &self.retry_after {
            Some(value) => reply.with(RETRY_AFTER, value),
            None => reply,
        };
        match self.id {
            Some(id) => reply.accepted_as(&id),
            None => reply,
        }
    }
}

fn decode(route: Route, body: &Json, config: &Config) -> Result<Decoded, String> {
    match route {
        Route::Completions => completions::decode(body),
        Route::Responses => responses::decode(body, config),
        Route::Messages => messages::decode(body, config),
        _ => chat::decode(body, config),
    }
}

async fn infer(
    sim: &Arc<Inner>,
    route: Route,
    parts: &Parts,
    body: &[u8],
    witness: &mut Option<Witness>,
) -> Result<Reply, Refused> {
    let accepted = Instant::now();
    let parsed = json::parse(body);
    *witness = Witness::begin(&sim.world, &sim.host, seen(parts, parsed.as_ref().ok()));
    if sim.draining.load(Ordering::Relaxed) {
        return Err(ApiError::new(503, "server is shutting down").into());
    }
    if route == Route::Embeddings {
        return Ok(embeddings::answer(sim, parsed, &parts.headers)?);
    }
    let config = sim.config();
    let decoded = parsed.and_then(|json| decode(route, &json, &config));
    let Decoded { mut ask, shape, refusal } = decoded.map_err(|cause| ApiError::unreadable(&cause))?;
    let id = sim.request_id(&parts.headers);
    if let Some(error) = returned_error(&parts.headers) {
        return Err(error.into());
    }
    ask.below_threshold = flag_header(&parts.headers, "x-cache-threshold-finish-reason");
    if let Some(failure) = sim.injector.roll(&config.failures) {
        sim.metrics.injected(failure.name());
        if let Some(witness) = witness {
            witness.injected(failure.name());
        }
        let retry_after = Some(&config.failures.retry_after).filter(|value| !value.is_empty() && failure.may_retry());
        return Err(Refused { error: failure.error(&config.model), id: None, retry_after: retry_after.cloned() });
    }
    let model = sim.models.find(&ask.model)?;
    if let Some(error) = refusal {
        return Err(error.into());
    }
    let mut head = Head {
        id: id.clone(),
        model: model.shown,
        created: sim.world.clock.unix_seconds(),
        include_usage: ask.include_usage,
        logprobs: ask.logprobs,
    };
    let (stream, choices) = (ask.stream, ask.choices());
    let failed = |error| Refused { error, id: Some(id.clone()), retry_after: None };
    let running = run::start(sim, Job { ask, lora: model.lora, id: id.clone(), config, accepted }).map_err(failed)?;
    let reply = if stream {
        streamed(running, Stream::new(shape, head, choices)).await.map_err(failed)?
    } else {
        let parts = collect(running, choices).await.map_err(failed)?;
        head.created = sim.world.clock.unix_seconds();
        let mut out = Vec::with_capacity(512);
        shape.whole(&head, &parts, &mut out);
        Reply::new(JSON, out).with_usage(reply::usage(&parts))
    };
    Ok(reply.accepted_as(&id))
}

fn seen<'s>(parts: &'s Parts, body: Option<&Json>) -> Seen<'s> {
    let field = |name| body.and_then(|body: &Json| body.get(name));
    Seen {
        headers: &parts.headers,
        path: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
        model: field("model").and_then(Json::as_str).map(str::to_owned),
        stream: field("stream").and_then(Json::as_bool).unwrap_or(false),
    }
}

/// The error that the request asks for.
fn returned_error(headers: &HeaderMap) -> Option<ApiError> {
    let value = headers.get("x-return-error")?;
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.is_empty() {
        return None;
    }
    Some(match text.parse::<i64>() {
        Ok(code) => ApiError::new(code, format!("Simulated error triggered by X-Return-Error header (code {code})")),
        Err(_) => {
            let quoted = super::go::quote(&text);
            ApiError::bad(format!("Invalid X-Return-Error header value {quoted}: must be an integer"))
        }
    })
}

fn flag_header(headers: &HeaderMap, name: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| super::go::parse_bool(value).unwrap_or(false))
}

/// Waits for every choice; the first error is the request's.
async fn collect(running: Running, choices: usize) -> Result<Vec<reply::Part>, ApiError> {
    let mut events = match running {
        Running::Done(parts) => return Ok(parts),
        Running::Live(events) => events,
    };
    let mut parts: Vec<Option<reply::Part>> = (0..choices).map(|_| None).collect();
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
            None => return Err(ApiError::new(500, "the simulator stopped")),
        }
    }
    Ok(parts.into_iter().flatten().collect())
}

/// A stream, once it has its first token.
async fn streamed(running: Running, mut stream: Stream) -> Result<Reply, ApiError> {
    let body = match running {
        Running::Done(parts) => {
            let mut out = Vec::with_capacity(1024);
            stream.write_all(parts, &mut out);
            let usage = stream.usage();
            return Ok(
                Reply { body: ReplyBody::chunked(out.into()), ..Reply::new(sse::CONTENT_TYPE, "") }.with_usage(usage)
            );
        }
        Running::Live(mut events) => match events.recv().await {
            Some((_, Step::Fail(error))) => return Err(error),
            Some(first) => Live::new(events, stream).beginning_with(first),
            None => return Err(ApiError::new(500, "the simulator stopped")),
        },
    };
    Ok(Reply { body: ReplyBody::live(body), ..Reply::new(sse::CONTENT_TYPE, "") })
}

impl Inner {
    /// Puts the headers on that every response has.
    fn dress(&self, reply: Reply, mut witness: Option<Witness>) -> Response<Body> {
        if let Some(witness) = &mut witness {
            witness.status(reply.status.as_u16());
            if let Some(usage) = reply.usage {
                witness.usage(usage);
            }
        }
        let mut response = Response::new(Body::new(reply.body.watched_by(witness)));
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.reserve(8);
        headers.insert(SERVER, HeaderValue::from_static("fasthttp"));
        headers.insert(DATE, self.date());
        if let Some(content_type) = reply.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.extend(reply.extra);
        if let Some(id) = reply.accepted {
            for (name, value) in &self.pod_headers {
                headers.insert(name.clone(), value.clone());
            }
            if self.config().request_ids
                && let Ok(id) = HeaderValue::from_str(&id)
            {
                headers.insert("x-request-id", id);
            }
        }
        response
    }

    fn date(&self) -> HeaderValue {
        self.dates.at(&self.world.clock)
    }
}
