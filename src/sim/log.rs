//! Shows every exchange of a simulator that stands alone: requests and answers with headers and bodies, streams
//! without theirs. What could be a credential is left out.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Frame;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

/// Where the lines go.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// How much of a body is shown, in bytes.
const SHOWN: usize = 64 * 1024;
/// Headers that may hold a credential.
const SECRET: [&str; 7] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-goog-api-key"];

/// The same router, its exchanges shown.
pub fn logged(router: Router, log: Log) -> Router {
    let service = TowerToHyperService::new(router);
    Router::new().fallback(move |request: Request| {
        let (service, log) = (service.clone(), log.clone());
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            let shown = shown(&format!("request {line}"), request.headers());
            let request = request.map(|body| Body::new(Tap::new(body, shown, &log)));
            let response: Response = service.call(request).await.unwrap_or_else(|never| match never {});
            let shown = shown_answer(&line, &response);
            if is_stream(response.headers()) {
                log(&shown);
                return response;
            }
            response.map(|body| Body::new(Tap::new(body, shown, &log)))
        }
    })
}

fn shown_answer(line: &str, response: &Response) -> String {
    shown(&format!("response {} to {line}", response.status().as_u16()), response.headers())
}

fn shown(line: &str, headers: &HeaderMap) -> String {
    let mut text = format!("{line}\n");
    for (name, value) in headers {
        let value =
            if SECRET.contains(&name.as_str()) { "(hidden)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        let _ = writeln!(text, "  {name}: {value}");
    }
    text
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// A body that is shown once it is over, with what goes before it.
struct Tap {
    body: Body,
    head: String,
    seen: Vec<u8>,
    total: usize,
    log: Log,
}

impl Tap {
    fn new(body: Body, head: String, log: &Log) -> Self {
        Self { body, head, seen: Vec::new(), total: 0, log: log.clone() }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut text = std::mem::take(&mut self.head);
        if self.total > 0 {
            let _ = writeln!(text, "  {}", String::from_utf8_lossy(&self.seen).trim_end());
        }
        if self.total > self.seen.len() {
            let _ = writeln!(text, "  … of {} bytes", self.total);
        }
        (self.log)(&text);
    }
}

impl http_body::Body for Tap {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let room = SHOWN.saturating_sub(self.seen.len()).min(data.len());
            self.seen.extend_from_slice(&data[..room]);
            self.total += data.len();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::routing::post;
    use http_body_util::BodyExt as _;

    use super::*;

    /// What is shown of one exchange.
    async fn shown(router: Router, request: Request) -> String {
        let text: Arc<Mutex<String>> = Arc::default();
        let heard = text.clone();
        let log: Log = Arc::new(move |lines: &str| heard.lock().unwrap().push_str(lines));
        let service = TowerToHyperService::new(logged(router, log));
        service.call(request).await.unwrap().into_body().collect().await.unwrap();
        std::mem::take(&mut *text.lock().unwrap())
    }

    fn ask(body: &str) -> Request {
        let request =
            Request::post("/v1?x=1").header("authorization", "Bearer sk-1").header("x-stainless-retry-count", "1");
        request.body(Body::from(body.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn requests_and_answers_are_shown_without_their_keys() {
        let router = Router::new().route("/v1", post(|body: String| async move { body.to_uppercase() }));
        assert_eq!(
            shown(router, ask("hi")).await,
            "request POST /v1?x=1\n  authorization: (hidden)\n  x-stainless-retry-count: 1\n  hi\n\
             response 200 to POST /v1?x=1\n  content-type: text/plain; charset=utf-8\n  content-length: 2\n  HI\n"
        );
    }

    #[tokio::test]
    async fn of_streams_the_head_is_shown_and_of_large_bodies_the_beginning() {
        let stream = |_: String| async { ([("content-type", "text/event-stream")], "data: 1\n\n") };
        let text = shown(Router::new().route("/v1", post(stream)), ask(&"x".repeat(SHOWN + 1))).await;
        assert!(text.contains(&format!("x\n  … of {} bytes\n", SHOWN + 1)), "{text:.600}");
        assert!(text.contains("response 200 ") && !text.contains("data: 1"));
    }
}
