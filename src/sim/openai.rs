//! The fake OpenAI: an `api.openai.com` for a lab, without a key, a bill or a wait.
//!
//! It speaks the API as the official clients know it, makes its answers and its delays from the
//! seed, and tells the lab what it saw. A request passes the files in this order: `auth`, the
//! endpoint (`chat`, …) with `params`, `prompt` and `models`, `limits`, then `prose` and `latency`
//! for the answer, `reply` for the response, `record` for the events.

mod answer;
mod auth;
mod chat;
mod completions;
mod embeddings;
mod engine;
mod error;
mod latency;
mod limits;
mod logprobs;
mod models;
mod moderations;
mod params;
mod prompt;
mod prose;
mod record;
mod reply;
mod responses;
mod schema;
mod text;
mod tokens;
mod tools;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

pub use auth::{DEFAULT_ORGANIZATION, Key};
pub use latency::{LatencyModel, Spread};
pub use limits::{Limit, RateLimits};
pub use record::HOST;

use crate::sim::intake::{self, Unread};
use crate::world::World;
use engine::{Call, Engine};
use error::ApiError;
use record::Record;
use reply::{Content, Reply, TimedBody};

/// How the fake behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The keys that it accepts; any other is refused.
    pub keys: Vec<Key>,
    /// How long it takes to answer.
    pub latency: LatencyModel,
    /// What it lets an organisation ask; everything where absent.
    pub rate_limits: Option<RateLimits>,
    /// The longest request body that it reads, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Config {
    /// Realistic times, no rate limits, and no key that would be accepted.
    fn default() -> Self {
        Self { keys: Vec::new(), latency: LatencyModel::default(), rate_limits: None, max_body_bytes: 32 << 20 }
    }
}

impl Config {
    /// Accepts exactly these keys.
    #[must_use]
    pub fn accepting(keys: impl IntoIterator<Item = String>) -> Self {
        Self { keys: keys.into_iter().map(|key| Key::new(&key)).collect(), ..Self::default() }
    }
}

/// The fake. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct FakeOpenai(Arc<Engine>);

impl FakeOpenai {
    /// A fake that draws its chance, its time and its events from `world`.
    #[must_use]
    pub fn new(config: Config, world: World) -> Self {
        Self(Arc::new(Engine::new(config, world)))
    }

    /// What serves its requests.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    /// Refuses new requests with 503; those under way are answered.
    pub fn drain(&self) {
        self.0.drain();
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Endpoint {
    Chat,
    Completions,
    Responses,
    Embeddings,
    Moderations,
    Models,
    Model(String),
}

impl Endpoint {
    fn of(method: &Method, path: &str) -> Result<Self, ApiError> {
        let (endpoint, takes) = match path.strip_prefix("/v1/") {
            Some("chat/completions") => (Self::Chat, Method::POST),
            Some("completions") => (Self::Completions, Method::POST),
            Some("embeddings") => (Self::Embeddings, Method::POST),
            Some("moderations") => (Self::Moderations, Method::POST),
            Some("responses") => (Self::Responses, Method::POST),
            Some("models") => (Self::Models, Method::GET),
            Some(rest) => match rest.strip_prefix("models/").filter(|id| !id.is_empty()) {
                Some(id) => (Self::Model(id.to_owned()), Method::GET),
                None => return Err(ApiError::unknown_path(method, path)),
            },
            None => return Err(ApiError::unknown_path(method, path)),
        };
        if *method == takes { Ok(endpoint) } else { Err(ApiError::wrong_method(method, path)) }
    }
}

/// What is known of a response before its body.
struct Answered {
    result: Result<Reply, ApiError>,
    organization: Option<String>,
    limit_headers: Vec<(&'static str, String)>,
}

async fn serve(State(fake): State<FakeOpenai>, request: Request) -> Response {
    let engine = &*fake.0;
    let started = Instant::now();
    let mut ids = engine.arrive();
    let request_id = ids.hex("req_", 32);
    let (head, body) = request.into_parts();
    let is_post = head.method == Method::POST;
    let body =
        if is_post { read_body(&head.headers, body, engine.config.max_body_bytes).await } else { Ok(Bytes::new()) };
    let json: Option<Json> = body.as_ref().ok().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let received = || Record::received(&engine.world, &head.headers, path, json.as_ref());
    let mut record = is_post.then(received).flatten();
    let mut answered = answer(engine, ids, &head, body, json.as_ref());
    let after = answered.result.as_mut().map_or(Duration::ZERO, |reply| std::mem::take(&mut reply.after));
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    if let Some(record) = &mut record {
        match &answered.result {
            Ok(reply) => record.answering(StatusCode::OK.as_u16(), reply.usage),
            Err(error) => record.answering(error.status.as_u16(), None),
        }
    }
    respond(engine, answered, &request_id, started.elapsed(), record)
}

async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    intake::read(headers, body, limit).await.map_err(|why| match why {
        Unread::TooLarge => ApiError::too_large(limit),
        Unread::TooSlow => ApiError::too_slow(),
        Unread::Broken => ApiError::bad_json(),
    })
}

fn answer(
    engine: &Engine,
    ids: engine::Ids,
    head: &http::request::Parts,
    body: Result<Bytes, ApiError>,
    json: Option<&Json>,
) -> Answered {
    let mut answered = Answered { result: Err(ApiError::draining()), organization: None, limit_headers: Vec::new() };
    if engine.is_draining() {
        return answered;
    }
    let admitted = Endpoint::of(&head.method, head.uri.path())
        .and_then(|endpoint| Ok((endpoint, auth::caller(&engine.config.keys, &head.headers)?)));
    let (endpoint, caller) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => return Answered { result: Err(error), ..answered },
    };
    let mut call = Call { engine, ids, caller, limit_headers: Vec::new() };
    let nothing = Map::new();
    let object = body.and_then(|body| {
        if is_json(&head.headers, &body) {
            json.and_then(Json::as_object).ok_or_else(ApiError::bad_json)
        } else {
            Ok(&nothing)
        }
    });
    answered.result = object.and_then(|object| dispatch(&mut call, &endpoint, object));
    answered.organization = Some(call.caller.organization);
    answered.limit_headers = call.limit_headers;
    answered
}

/// Whether a body is to be read as JSON. One that is not sent as JSON is not read, and so lacks everything.
fn is_json(headers: &HeaderMap, body: &Bytes) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    !body.is_empty() && content_type.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"))
}

fn dispatch(call: &mut Call<'_>, endpoint: &Endpoint, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    match endpoint {
        Endpoint::Chat => chat::reply(call, body),
        Endpoint::Completions => completions::reply(call, body),
        Endpoint::Responses => responses::reply(call, body),
        Endpoint::Embeddings => embeddings::reply(call, body),
        Endpoint::Moderations => moderations::reply(call, body),
        Endpoint::Models => {
            let models: Vec<Json> = models::all().iter().map(models::Model::json).collect();
            Ok(Reply::whole(Duration::ZERO, &json!({"object": "list", "data": models}), None))
        }
        Endpoint::Model(id) => match models::find(id) {
            Some(model) => Ok(Reply::whole(Duration::ZERO, &model.json(), None)),
            None => Err(ApiError::front_door(StatusCode::NOT_FOUND, format!("The model '{id}' does not exist"))
                .with_param("model")
                .with_code("model_not_found")),
        },
    }
}

fn respond(engine: &Engine, answered: Answered, request_id: &str, took: Duration, record: Option<Record>) -> Response {
    let (status, kind, body, more) = match answered.result {
        Ok(Reply { content: Content::Whole(text), headers, .. }) => {
            (StatusCode::OK, "application/json", TimedBody::whole(text.into(), record), headers)
        }
        Ok(Reply { content: Content::Stream(pieces), headers, .. }) => {
            (StatusCode::OK, "text/event-stream; charset=utf-8", TimedBody::stream(pieces, record), headers)
        }
        Err(error) => {
            let body = TimedBody::whole(error.body().into(), record);
            (error.status, "application/json; charset=utf-8", body, error_headers(&error))
        }
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    };
    put("date", &engine.world.clock.http_date());
    put("content-type", kind);
    if let Some(organization) = &answered.organization {
        put("openai-organization", organization);
        put("openai-processing-ms", &took.as_millis().to_string());
    }
    put("openai-version", "2020-10-01");
    put("x-request-id", request_id);
    for (name, value) in answered.limit_headers.iter().chain(&more) {
        put(name, value);
    }
    response
}

fn error_headers(error: &ApiError) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if error.challenge {
        headers.push(("www-authenticate", "Basic realm=\"OpenAI API\"".to_owned()));
    }
    headers.extend(error.retry_after.into_iter().flat_map(limits::retry_headers));
    headers
}
