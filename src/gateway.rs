//! Who decides: the embedded gateway, which takes the decisions that agentgateway takes.
//!
//! One [`Gateway`] is one replica with a health state of its own. A request passes the layers in
//! this order, one file each:
//!
//! ```text
//!  client ──▶ listener ──▶ route ──▶ filters ──▶ group ──▶ balance ──▶ provider ──▶ upstream
//!                                                  ▲                                   │
//!              health: classify ▶ accrue ▶ eviction ▶ gate                              │
//!                 ▲                                                                    │
//!  client ◀── body ◀── filters (response) ◀── chat, tap ◀──────────────────────────────┘
//! ```
//!
//! What happened to a response ([`classify`]), what it does to a provider's record ([`accrue`]),
//! whether it evicts ([`eviction`]), and whether the provider may be chosen ([`gate`]) are four
//! things in four places; [`group`] puts them together. They are pure: state in, event in, decision
//! out. What the versions do differently stands in [`personality`].
//!
//! A response is accounted when its body has ended, whole or not, or when the client has left.

pub mod accrue;
pub mod balance;
mod body;
mod chat;
pub mod classify;
mod error;
pub mod eviction;
mod exchange;
mod filters;
pub mod gate;
pub mod group;
mod health;
mod listener;
pub mod personality;
mod provider;
mod replica;
mod route;
mod tap;
mod upstream;
pub mod wait;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

pub use body::Body;
use body::Source;
use error::Error;
use exchange::Exchange;
pub use health::{BackendHealth, ProviderHealth};
use provider::Target;
use replica::Replica;
use tap::Tap;

use crate::event::{At, Outcome};
use crate::topology::{Personality, Rule, Topology};
use crate::world::World;

/// The longest body that is read whole, of a request or of an answer, in bytes.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// One replica of the gateway. Cheap to clone; all clones share its health state.
///
/// It emits some events while it holds that state, so that their order is the order in which it
/// changed: a listener of the bus must not call it.
#[derive(Clone)]
pub struct Gateway(Arc<Replica>);

impl Gateway {
    /// Replica number `replica` with an empty health state.
    #[must_use]
    pub fn new(world: World, topology: Arc<Topology>, personality: Personality, replica: u32) -> Self {
        Self(Arc::new(Replica::new(world, topology, personality, replica)))
    }

    /// Answers a request that has come in at a listener, by its index in the topology. Dropping the
    /// future, or the response's body, breaks off what is under way upstream.
    pub async fn handle(&self, listener: usize, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::open(&self.0, &head);
        let head_only = head.method == http::Method::HEAD;
        let mut rule = None;
        let mut response = match self.answer(&mut exchange, listener, head, body, &mut rule).await {
            Ok(response) => response,
            Err(error) => own_answer(&mut exchange, &error),
        };
        if let Some(rule) = rule
            && let Err(error) = filters::on_response(&rule.filters, response.headers_mut())
        {
            response = own_answer(&mut exchange, &error);
        }
        exchange.answered(response.status(), response.headers());
        if head_only {
            exchange.close(Outcome::Complete);
        }
        response.map(|source| Body::new(source, exchange))
    }

    /// The health state at this moment, backend by backend.
    #[must_use]
    pub fn health(&self) -> Vec<BackendHealth> {
        self.0.health()
    }

    /// The way through the layers. `taken` is the rule, once it is found.
    async fn answer<'g>(
        &'g self,
        exchange: &mut Exchange,
        listener: usize,
        mut head: Parts,
        body: Incoming,
        taken: &mut Option<&'g Rule>,
    ) -> Result<Response<Source>, Error> {
        let replica = &*self.0;
        let topology = &*replica.topology;

        let host = listener::host_of(&head).ok_or(Error::NoHost)?;
        let listener = listener::choose(&topology.listeners, listener, &host).ok_or(Error::ListenerNotFound)?;

        let found = replica.routes.find(listener, &host, &head).ok_or(Error::RouteNotFound)?;
        let rule = replica.rule(found).ok_or(Error::RouteNotFound)?;
        *taken = Some(rule);

        let matched = found.matched.and_then(|index| rule.matches.get(index));
        let host_is_set = filters::on_request(&rule.filters, matched, &mut head)?;

        let backend = replica.pick_backend(rule).ok_or(Error::NoValidBackends)?;
        exchange.routed(found.route, found.rule, backend);

        // The provider is chosen before the request is read, and so blamed for what is wrong with it.
        let (number, target) = exchange.select(backend)?;
        let body = read(body, Error::RequestTooLarge).await?;
        let attempt = Attempt { replica, rule, target: &target, number, host_is_set };
        attempt.run(exchange, &head, &body).await
    }
}

/// One call of one provider.
struct Attempt<'a> {
    replica: &'a Replica,
    rule: &'a Rule,
    target: &'a Target,
    number: u32,
    host_is_set: bool,
}

impl Attempt<'_> {
    /// Asks the provider. Both timeouts cover an answer that is read whole; of a stream only the
    /// head, so that one that has begun is not cut.
    async fn run(&self, exchange: &mut Exchange, client: &Parts, body: &Bytes) -> Result<Response<Source>, Error> {
        let question = chat::question(body, self.target.model.as_deref())?;
        let request =
            self.target.request(client, self.host_is_set, exchange.id_header(), self.number, question.body)?;
        let deadline = self.deadline(exchange.received(), self.rule.request_timeout);
        if deadline.is_some_and(|deadline| deadline <= tokio::time::Instant::now()) {
            return Err(Error::RequestTimeout);
        }
        exchange.attempt_started(self.target, &question.model);
        let attempt_deadline = self.deadline(self.replica.world.clock.now(), self.rule.backend_request_timeout);
        let answer = async {
            let call = self.replica.upstream.call(request);
            let mut response = within(attempt_deadline, call).await.unwrap_or(Err(Error::CallTimeout))?;
            exchange.attempt_answered(response.status());
            provider::strip_hop_by_hop(response.headers_mut());
            if question.stream {
                let tap = response.status().is_success().then(Box::<Tap>::default);
                return Ok(response.map(|body| Source::Upstream(body, tap)));
            }
            self.whole(exchange, response).await
        };
        within(deadline, answer).await.unwrap_or(Err(Error::RequestTimeout))
    }

    /// Reads an answer whole; a successful one is written again, any other stays as it is.
    async fn whole(&self, exchange: &mut Exchange, response: Response<Incoming>) -> Result<Response<Source>, Error> {
        let (mut head, body) = response.into_parts();
        let mut body = read(body, Error::BrokenResponse(self.replica.behaviour.broken_body)).await?;
        exchange.attempt_ended(Outcome::Complete, None);
        if head.status.is_success() {
            let answer = chat::answer(&body)?;
            exchange.learn(Some(answer.model), answer.usage);
            body = answer.body;
        }
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Source::Whole(Some(body))))
    }

    fn deadline(&self, from: At, timeout: Option<Duration>) -> Option<tokio::time::Instant> {
        let elapsed = from.elapsed().saturating_add(timeout?);
        Some(self.replica.world.clock.instant(At::after(elapsed)))
    }
}

/// Waits for `future` until the deadline, if there is one; none where it passes.
async fn within<F: Future>(deadline: Option<tokio::time::Instant>, future: F) -> Option<F::Output> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
    }
}

/// Reads a body of at most [`BODY_LIMIT`] bytes.
async fn read(mut body: Incoming, broken: Error) -> Result<Bytes, Error> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(broken) };
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if so_far + data.len() > BODY_LIMIT {
            return Err(broken);
        }
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    let first = first.unwrap_or_default();
    if rest.is_empty() {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(first.len() + rest.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(&rest);
    Ok(all.freeze())
}

/// The answer of the gateway's own to what went wrong.
fn own_answer(exchange: &mut Exchange, error: &Error) -> Response<Source> {
    exchange.failed(error);
    let mut response = Response::new(Source::Whole(Some(error.to_string().into())));
    *response.status_mut() = error.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests;
