//! The way of a request through the simulator, and of its response back.
//!
//! ```text
//! route ─▶ body ─▶ infer | operations ─▶ reply ─▶ common headers
//! ```

use std::sync::Arc;

use axum::BoxError;
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, DATE, HOST, LOCATION, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use serde_json::Value as Json;

use super::body::ReplyBody;
use super::error::ApiError;
use super::routes::{self, Match, Route};
use super::witness::Witness;
use super::{Inner, infer, operations};
use crate::event::Usage;
use crate::sim::intake::{self, Unread};

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
        Self::of_body(content_type, ReplyBody::whole(body.into()))
    }

    pub(crate) fn of_body(content_type: &'static str, body: ReplyBody) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some(content_type),
            extra: Vec::new(),
            accepted: None,
            body,
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

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.extra.push((name, value));
        }
        self
    }

    /// The reply of a request that was accepted under this id.
    pub(crate) fn accepted_as(self, id: String) -> Self {
        Self { accepted: Some(id), ..self }
    }
}

/// Answers a request.
pub(crate) async fn handle<B>(sim: Arc<Inner>, request: Request<B>) -> Response<ReplyBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let route = match routes::find(&parts.method, parts.uri.path()) {
        Match::Route(route) => route,
        other => return sim.dress(unrouted(&sim, &other, &parts), None),
    };
    if route == Route::Embeddings && sim.config().encoder_only {
        return sim.dress(unrouted(&sim, &Match::Unknown, &parts), None);
    }
    if parts.method == Method::GET {
        return sim.dress(operations::get(&sim, route), None);
    }
    let body = match read(&parts, body, sim.config().max_body_mb).await {
        Ok(body) => body,
        Err(error) => {
            let witness = if route.is_inference() { infer::witness(&sim, &parts, None, false) } else { None };
            return sim.dress(Reply::error(&error).with(CONNECTION, "close"), witness);
        }
    };
    if !route.is_inference() {
        return sim.dress(operations::post(&sim, route, &parts, &body), None);
    }
    let (reply, witness) = infer::answer(&sim, route, &parts, &body).await;
    sim.dress(reply, witness)
}

fn unrouted(sim: &Inner, found: &Match, parts: &Parts) -> Reply {
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
            let scheme = if sim.config().certificate().is_some() { "https" } else { "http" };
            Reply::empty().with_status(status).with(LOCATION, &absolute(scheme, path, &parts.uri, &parts.headers))
        }
        Match::Route(_) | Match::Unknown => Reply::new(TEXT, "Not Found").with_status(StatusCode::NOT_FOUND),
    }
}

fn absolute(scheme: &str, path: &str, uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{host}{path}{query}")
}

async fn read<B>(parts: &Parts, body: B, limit_mb: i64) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let limit = usize::try_from(limit_mb).unwrap_or(4).saturating_mul(1024 * 1024);
    intake::read(&parts.headers, body, limit).await.map_err(|why| match why {
        Unread::TooLarge => ApiError::new(413, format!("the request body is larger than {limit_mb} MB")),
        Unread::TooSlow => {
            ApiError::new(408, format!("the request body did not arrive within {} s", intake::TIME.as_secs()))
        }
        Unread::Broken => ApiError::bad("the request body could not be read"),
    })
}

impl Inner {
    /// Puts the headers on that every response has.
    fn dress(&self, reply: Reply, mut witness: Option<Witness>) -> Response<ReplyBody> {
        if let Some(witness) = &mut witness {
            witness.status(reply.status.as_u16());
            if let Some(usage) = reply.usage {
                witness.usage(usage);
            }
        }
        let mut response = Response::new(reply.body.watched_by(witness));
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
