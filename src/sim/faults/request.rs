//! What is asked, read ahead of the simulator.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body::Frame;
use http_body_util::BodyExt as _;
use serde_json::Value as Json;
use tokio::time::{Instant, timeout_at};

use crate::event::facts::request_id;

/// How much of a request's body is read ahead, in bytes, and for how long.
const LIMIT: usize = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, its body read ahead as far as it came.
pub(super) struct Incoming {
    pub(super) head: Parts,
    read: Bytes,
    rest: Option<Body>,
    pub(super) json: Option<Json>,
}

/// What faults and events are told of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) request: Option<String>,
    pub(super) attempt: u32,
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    /// The larger of what it may answer and a quarter of its characters.
    pub(super) tokens: u64,
}

impl Incoming {
    pub(super) async fn read(request: Request) -> Self {
        let (head, mut body) = request.into_parts();
        let deadline = Instant::now() + PATIENCE;
        let mut read = BytesMut::new();
        let rest = loop {
            match timeout_at(deadline, body.frame()).await {
                Ok(None) => break None,
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        read.extend_from_slice(data);
                    }
                    if read.len() > LIMIT {
                        break Some(body);
                    }
                }
                // Slow or broken: the simulator knows what to make of it.
                Ok(Some(Err(_))) | Err(_) => break Some(body),
            }
        };
        let read = read.freeze();
        let json = serde_json::from_slice(&read).ok();
        Self { head, read, rest, json }
    }

    pub(super) fn shown(&self) -> Shown {
        let text = |name: &str| self.head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let field = |name: &str| self.json.as_ref().and_then(|json| json.get(name));
        let count = |name: &str| field(name).and_then(Json::as_u64).unwrap_or(0);
        Shown {
            request: request_id(&self.head.headers).map(str::to_owned),
            attempt: text("x-retry-attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0),
            model: field("model").and_then(Json::as_str).map(str::to_owned),
            stream: field("stream").and_then(Json::as_bool).unwrap_or(false),
            tokens: count("max_completion_tokens").max(count("max_tokens")).max(self.read.len() as u64 / 4),
        }
    }

    /// The request as it came.
    pub(super) fn into_request(self) -> Request {
        let body = match self.rest {
            None => Body::from(self.read),
            Some(rest) => Body::new(Ahead { read: Some(self.read), rest }),
        };
        Request::from_parts(self.head, body)
    }
}

/// A body of which a part was read ahead.
struct Ahead {
    read: Option<Bytes>,
    rest: Body,
}

impl http_body::Body for Ahead {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(read) = self.read.take().filter(|read| !read.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(read))));
        }
        Poll::Ready(ready!(Pin::new(&mut self.rest).poll_frame(context)))
    }
}
