//! Faults of answers: the layer in front of a simulator that makes them happen.
//!
//! [`layer`] puts it before any simulator's router. It knows how a stream of events is framed, and
//! nothing else of the simulator: while no fault is injected, a request costs one relaxed load. A
//! request passes the files in this order: `request` (what is asked), faults that answer or delay,
//! the simulator, then `body` (the answer's bytes pass through the faults), `record` (what a fault
//! answered in the simulator's place is told as that provider's answer).

pub mod alone;
mod body;
mod record;
mod request;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::fault::Acts;
use crate::fault::answer::{Answer, Effect, Headers};
use crate::fault::flow::{Chain, Flow, Item, Out};
use crate::world::faults::{Active, FaultBoard, Meeting};
use crate::world::net::Breaker;
use body::FaultyBody;
use record::Record;
use request::Incoming;

/// Puts the faults of `board` in front of a simulator's router. `host` is the simulator's name: a
/// pod's, or `api.openai.com`.
pub fn layer(router: Router, board: &FaultBoard, host: &str) -> Router {
    let layer = Layer { board: board.clone(), host: host.into() };
    router.layer(from_fn_with_state(layer, act))
}

#[derive(Clone)]
struct Layer {
    board: FaultBoard,
    host: Arc<str>,
}

/// The longest body, not a stream, that a fault changes, in bytes.
const WHOLE_LIMIT: usize = 64 << 20;

async fn act(State(layer): State<Layer>, request: Request, next: Next) -> Response {
    if layer.board.is_quiet() || !is_model_path(request.uri().path()) {
        return next.run(request).await;
    }
    let breaker = request.extensions().get::<Breaker>().cloned();
    let incoming = Incoming::read(request).await;
    let shown = incoming.shown();
    let (mut plan, instead) = layer.before(&shown);
    if let Some((answer, fault)) = instead {
        let record = Record::received(layer.board.world(), &layer.host, &incoming, answer.status, fault);
        return layer.instead(record, answer, plan).await;
    }
    let response = next.run(incoming.into_request()).await;
    let (stream, change) = layer.after(&shown, &response, &mut plan);
    let response = with_headers(response, std::mem::take(&mut plan.headers));
    match (change || !plan.later.is_zero(), stream) {
        (false, _) => response,
        (true, true) => streamed(response, plan, layer.board, breaker).await,
        (true, false) => whole(response, plan.later, plan.bodies, breaker).await,
    }
}

/// Paths that ask a model; those that are for operators are left alone.
fn is_model_path(path: &str) -> bool {
    path.starts_with("/v1/") && !path.contains("lora_adapter")
}

/// What faults do to an answer.
#[derive(Default)]
struct Plan {
    later: Duration,
    headers: Headers,
    events: Chain,
    bodies: Vec<Change>,
}

type Change = Box<dyn FnOnce(Bytes) -> Vec<Item> + Send>;

impl Layer {
    fn meeting<'a>(&'a self, shown: &'a request::Shown, stream: bool) -> Meeting<'a> {
        Meeting { host: &self.host, model: shown.model.as_deref(), tokens: shown.tokens, stream }
    }

    /// Faults that act before the simulator is asked: what is planned, and what one answers in its place.
    fn before(&self, shown: &request::Shown) -> (Plan, Option<(Answer, &'static str)>) {
        let mut plan = Plan::default();
        let meeting = self.meeting(shown, shown.stream);
        for active in self.board.of_answers(meeting) {
            if active.injection().fault.acts() != Acts::OnRequest || !active.strikes() {
                continue;
            }
            match active.effect(meeting) {
                Effect::Instead(answer) => {
                    self.tell(&active, shown);
                    return (plan, Some((answer, active.injection().fault.name())));
                }
                Effect::Later(time) => {
                    self.tell(&active, shown);
                    plan.later += time;
                }
                Effect::Told(headers) => plan.headers.extend(headers),
                Effect::Nothing | Effect::Headers(_) | Effect::Events(_) | Effect::Body(_) => {}
            }
        }
        (plan, None)
    }

    fn tell(&self, active: &Active, shown: &request::Shown) {
        active.tell(shown.request.as_deref(), shown.attempt, &self.host);
    }

    /// Faults that act on the answer. Whether it is a stream, and whether anything of its body changes.
    fn after(&self, shown: &request::Shown, response: &Response, plan: &mut Plan) -> (bool, bool) {
        let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        let meeting = self.meeting(shown, stream);
        if !plan.later.is_zero() {
            plan.events.add(0, Box::new(Late(plan.later)), Duration::ZERO);
        }
        let mut change = false;
        for active in self.board.of_answers(meeting) {
            let here = match active.injection().fault.acts() {
                Acts::OnAnswer => true,
                Acts::OnStream => stream,
                Acts::OnBody => !stream,
                Acts::OnRequest | Acts::OnLink => false,
            };
            if !here || !active.strikes() {
                continue;
            }
            match active.effect(meeting) {
                Effect::Events(flow) => plan.events.add(active.id(), flow, Duration::ZERO),
                Effect::Body(body) => plan.bodies.push(body),
                Effect::Headers(headers) => plan.headers.extend(headers),
                Effect::Nothing | Effect::Instead(_) | Effect::Later(_) | Effect::Told(_) => continue,
            }
            change = true;
            self.tell(&active, shown);
        }
        (stream, change)
    }

    /// The answer that a fault gives, told as this provider's.
    async fn instead(&self, record: Record, answer: Answer, plan: Plan) -> Response {
        let world = self.board.world();
        if !plan.later.is_zero() {
            tokio::time::sleep(plan.later).await;
        }
        let mut response = Response::new(Body::new(record.body(answer.body)));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let headers = response.headers_mut();
        if let Ok(date) = HeaderValue::from_str(&world.clock.http_date()) {
            headers.insert(header::DATE, date);
        }
        for (name, value) in answer.headers.into_iter().chain(plan.headers) {
            headers.append(name, value);
        }
        response
    }
}

/// Everything comes this much later.
struct Late(Duration);

impl Flow for Late {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        out.send(at + self.0, item);
    }
}

/// Headers of faults take the place of the answer's own; one without a value takes it away.
fn with_headers(mut response: Response, faulty: Headers) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in faulty {
        if value.is_empty() {
            headers.remove(name);
        } else {
            headers.insert(name, value);
        }
    }
    response
}

/// A stream whose events pass through the faults.
async fn streamed(mut response: Response, plan: Plan, board: FaultBoard, breaker: Option<Breaker>) -> Response {
    let inner = std::mem::take(response.body_mut());
    let mut body = FaultyBody::new(inner, plan.events, board, breaker);
    // While the head is late, what comes is taken in, so that its gaps stay what they are.
    body.absorb_for(plan.later).await;
    response.map(|_| Body::new(body))
}

/// A body, not a stream, that faults change.
async fn whole(response: Response, later: Duration, changes: Vec<Change>, breaker: Option<Breaker>) -> Response {
    if !later.is_zero() {
        tokio::time::sleep(later).await;
    }
    if changes.is_empty() {
        return response;
    }
    let (mut head, inner) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(inner, WHOLE_LIMIT).await else {
        return Response::from_parts(head, Body::empty());
    };
    let length = bytes.len();
    let mut items = vec![Item::Bytes(bytes), Item::End];
    for change in changes {
        // The first to break it off has the last word.
        if let [Item::Bytes(bytes), Item::End] = items.as_slice() {
            items = change(bytes.clone());
        }
    }
    head.headers.remove(header::CONTENT_LENGTH);
    if let [Item::Bytes(bytes), Item::End] = items.as_slice() {
        return Response::from_parts(head, Body::from(bytes.clone()));
    }
    // It says how long it would have been.
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Response::from_parts(head, Body::new(FaultyBody::of(items, breaker)))
}
