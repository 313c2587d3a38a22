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
//! A response is accounted when its body has ended, whole or not, or when the client has left; one
//! that is followed by another attempt, before that one or not at all.
//!
//! Beside that way: [`limit`] lets in no more than a rule says, and [`budget`] keeps retries few.

pub mod accrue;
pub mod balance;
mod body;
pub mod broken;
pub mod budget;
mod chat;
pub mod classify;
mod encoding;
mod error;
pub mod eviction;
mod exchange;
mod filters;
pub mod gate;
pub mod group;
mod health;
pub mod limit;
mod listener;
pub mod personality;
mod provider;
mod replica;
mod route;
mod succession;
mod tap;
mod upstream;
pub mod wait;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

pub use body::Body;
use body::Source;
pub use broken::Broken;
use encoding::{Decoded, Decoder, Encoding};
use error::Error;
use exchange::Exchange;
use group::Seat;
pub use health::{BackendHealth, ProviderHealth};
use personality::{ClientErrors, Compressed, Conditions, Connect, Refusals, Retries, Told};
use provider::{Marks, Target};
use replica::Replica;
use route::Found;
pub use succession::record;
use tap::Tap;

use crate::event::{At, Outcome};
use crate::topology::cel::{RequestFacts, Subject};
use crate::topology::{Personality, RateUnit, Retry, Rule, Topology};
use crate::world::World;
use crate::world::caller::Reply;
use crate::world::drain::{drain, is_held_back};

/// The longest body that is read whole, of a request or of an answer, in bytes.
const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// The longest body of a request that is kept for another attempt, in bytes.
const REPLAY_LIMIT: usize = 64 * 1024;

/// One replica of the gateway. Cheap to clone; all clones share its health state.
///
/// It emits some events while it holds that state, so that their order is the order in which it
/// changed: a listener of the bus must not call it.
#[derive(Clone)]
pub struct Gateway {
    /// The configuration that new requests take.
    current: Arc<Mutex<Arc<Replica>>>,
    personality: Personality,
}

/// The configuration that a request takes, to its end.
struct Here(Arc<Replica>);

impl Gateway {
    /// Replica number `replica` with an empty health state.
    #[must_use]
    pub fn new(world: World, topology: Arc<Topology>, personality: Personality, replica: u32) -> Self {
        Self::broken(world, topology, personality, replica, Broken::default())
    }

    /// The same with a bug, which it may share with other replicas.
    #[must_use]
    pub fn broken(
        world: World,
        topology: Arc<Topology>,
        personality: Personality,
        replica: u32,
        broken: Broken,
    ) -> Self {
        let replica = Arc::new(Replica::new(world, topology, personality, replica, broken));
        replica.broken.joined(&replica);
        Self { current: Arc::new(Mutex::new(replica)), personality }
    }

    /// Answers a request that has come in at a listener, by its index in the topology. Dropping the
    /// future, or the response's body, breaks off what is under way upstream.
    pub async fn handle(&self, listener: usize, request: Request<Incoming>) -> Response<Body> {
        Here(self.current()).handle(listener, request).await
    }

    /// Answers a request that has come in at a port.
    pub async fn handle_at(&self, port: u16, request: Request<Incoming>) -> Response<Body> {
        let here = Here(self.current());
        let listeners = here.0.topology.listeners.iter();
        let listener = listeners.enumerate().find(|(_, listener)| listener.port == port).map(|(index, _)| index);
        here.handle(listener.unwrap_or(usize::MAX), request).await
    }

    /// Takes another configuration for requests that come from now on. Those under way finish with the
    /// one that they began with. What becomes of the health state is the personality's.
    pub fn configure(&self, topology: Arc<Topology>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.broken.misses_changes(current.number) {
            return;
        }
        let next = current.succeeded_by(topology, self.personality);
        *current = next;
    }

    /// Tells that it has another configuration than the lab had at its start.
    pub fn tell_configuration(&self) {
        let replica = self.current();
        replica.emit(|| replica.configured(Vec::new()));
    }

    /// The health state at this moment, backend by backend.
    #[must_use]
    pub fn health(&self) -> Vec<BackendHealth> {
        self.current().health()
    }

    fn current(&self) -> Arc<Replica> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Here {
    async fn handle(&self, listener: usize, request: Request<Incoming>) -> Response<Body> {
        let (mut head, mut body) = request.into_parts();
        listener::name_host(&mut head);
        let held_back = is_held_back(&head.headers, &body);
        let host = listener::host_of(&head);
        let arrival = listener::arrival(&self.0.topology, listener, &head, host.as_deref());
        let mut exchange = Exchange::open(&self.0, &head, arrival);
        if self.0.broken.loses_request() {
            exchange.vanish();
            return Response::new(Body::gone());
        }
        let head_only = head.method == Method::HEAD;
        let mut taken = None;
        let mut response = match self.answer(&mut exchange, (listener, host), head, &mut body, &mut taken).await {
            Ok(response) => self.0.broken.answer(response, exchange.attempts()),
            Err(error) => self.own_answer(&mut exchange, &error),
        };
        if let Err(error) = self.0.change_response(taken, response.headers_mut()) {
            response = self.own_answer(&mut exchange, &error);
        }
        // Who still sends hears an answer only once it has sent all.
        if !body.is_end_stream() && !held_back {
            drain(&mut body).await;
        }
        exchange.answered(response.status(), response.headers());
        if head_only {
            exchange.close(Outcome::Complete);
        }
        response.map(|source| Body::new(source, exchange))
    }

    /// The way through the layers. `taken` is the rule, from when on it changes what is answered.
    async fn answer(
        &self,
        exchange: &mut Exchange,
        (listener, host): (usize, Option<String>),
        mut head: Parts,
        body: &mut Incoming,
        taken: &mut Option<Found>,
    ) -> Result<Response<Source>, Error> {
        let replica = &*self.0;
        let topology = &*replica.topology;

        let host = host.ok_or(Error::NoHost)?;
        let listener = listener::choose(&topology.listeners, listener, &host).ok_or(Error::ListenerNotFound)?;
        if head.method == Method::CONNECT && replica.behaviour.connect == Connect::Refused {
            return Err(Error::MethodNotAllowed);
        }

        let found = replica.routes.find(listener, &host, &head).ok_or(Error::RouteNotFound)?;
        let rule = replica.rule(found).ok_or(Error::RouteNotFound)?;
        exchange.found(found);
        replica.admit(found).map_err(|(unit, exceeded)| {
            let is_bare = unit == RateUnit::Requests && replica.behaviour.refusals == Refusals::Bare;
            *taken = Some(found).filter(|_| !is_bare);
            exchange.refused_by_limit(rule.backends.first().map(|one| one.backend));
            Error::RateLimited(exceeded)
        })?;
        *taken = Some(found);

        let matched = found.matched.and_then(|index| rule.matches.get(index));
        if let Some(answer) = filters::own_answer(&rule.filters, matched, &head)? {
            exchange.answered_by_rule();
            return Ok(answer.map(|body| Source::Whole(Some(body))));
        }
        let host_is_set = filters::on_request(&rule.filters, matched, &mut head)?;

        let backend = replica.pick_backend(rule).ok_or(Error::NoValidBackends)?;
        exchange.routed(found, backend, &head);
        Call { replica, rule, backend, client: &head, host_is_set }.run(exchange, body).await
    }

    /// The answer of the gateway's own to what went wrong.
    fn own_answer(&self, exchange: &mut Exchange, error: &Error) -> Response<Source> {
        exchange.failed(error);
        error.response(self.0.behaviour.errors).map(|body| Source::Whole(Some(body)))
    }
}

/// A request that is on its way to a backend.
struct Call<'a> {
    replica: &'a Replica,
    rule: &'a Rule,
    backend: usize,
    client: &'a Parts,
    host_is_set: bool,
}

/// One call of one provider.
struct Attempt<'a> {
    call: &'a Call<'a>,
    target: &'a Target,
    number: u32,
}

impl Call<'_> {
    /// Asks one provider after the other, until one has an answer or no further attempt is allowed.
    async fn run(&self, exchange: &mut Exchange, body: &mut Incoming) -> Result<Response<Source>, Error> {
        let behaviour = self.replica.behaviour;
        if behaviour.retries == Retries::Failover {
            self.replica.save_for_retries();
        }
        // Where the provider is chosen before the request is read, it is blamed for what is wrong with it.
        let early = behaviour.client_errors == ClientErrors::BlameTheProvider;
        let mut chosen = early.then(|| exchange.select(self.backend)).transpose()?;
        let body = read(body, Error::RequestTooLarge, Error::RequestTooLarge).await?;
        let asked = chat::read(&body, behaviour.schema);
        let asked = if early { asked } else { Ok(asked?) };
        let timeout = self.replica.broken.timeout(self.rule.request_timeout);
        let deadline = deadline(self.replica, exchange.received(), timeout);
        let mut cause = None;
        loop {
            let (number, target) = match chosen.take() {
                Some(chosen) => chosen,
                None => exchange.select(self.backend)?,
            };
            if number > 0 {
                // What the attempt before has set going has its turn.
                tokio::task::yield_now().await;
            }
            let attempt = Attempt { call: self, target: &target, number };
            let result = Box::pin(attempt.run(exchange, &asked, deadline)).await;
            if !self.may_follow(number, &result, &body) {
                return self.rather_the_cause(exchange, cause, result);
            }
            exchange.attempt_failed(&result);
            if behaviour.retries != Retries::Failover {
                drop(result);
                self.pause(deadline).await?;
                continue;
            }
            // It goes on only to where it has not been, and with a budget; else this was its answer.
            if exchange.would_turn_back(self.backend) || !self.replica.pay_for_retry(self.backend) {
                return result;
            }
            self.pause(deadline).await?;
            if exchange.would_turn_back(self.backend) {
                return result;
            }
            cause.get_or_insert(result);
        }
    }

    /// The last result, unless it is a refusal of what was sent and an attempt before has failed: then what
    /// the client has met is that failure, and the refusal may concern the retry alone.
    fn rather_the_cause(
        &self,
        exchange: &mut Exchange,
        cause: Option<Result<Response<Source>, Error>>,
        result: Result<Response<Source>, Error>,
    ) -> Result<Response<Source>, Error> {
        let refused = |response: &Response<Source>| {
            let status = response.status();
            status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
        };
        match cause {
            Some(cause)
                if self.replica.behaviour.told == Told::FirstBeforeRefusal && result.as_ref().is_ok_and(refused) =>
            {
                exchange.attempt_failed(&result);
                cause
            }
            _ => result,
        }
    }

    /// Whether another attempt is allowed after this one, the `number`th from 0.
    fn may_follow(&self, number: u32, result: &Result<Response<Source>, Error>, body: &Bytes) -> bool {
        let behaviour = self.replica.behaviour;
        let failover = behaviour.retries == Retries::Failover;
        let retry = self.rule.retry.as_ref();
        let attempts = retry.map_or_else(|| self.replica.personality.own_retries(), |retry| retry.attempts);
        let again = match result {
            Err(error) => error.is_retryable(behaviour.retried_timeout),
            Ok(response) => {
                let status = response.status().as_u16();
                let failed = failover && (status >= 500 || status == 429);
                failed || retry.is_some_and(|retry| self.is_listed(retry, response))
            }
        };
        let again = again && retry.is_none_or(|retry| self.may_be_tried_again(retry));
        again && number < self.replica.broken.retries(attempts) && (failover || body.len() <= REPLAY_LIMIT)
    }

    /// Whether a retry says that such an answer is tried again.
    fn is_listed(&self, retry: &Retry, response: &Response<Source>) -> bool {
        let asked = || Subject { request: Some(self.facts()), response: Some((response.status(), response.headers())) };
        let condition = retry.condition.as_ref().filter(|_| self.heeds_conditions());
        retry.codes.contains(&response.status().as_u16()) || condition.is_some_and(|one| one.holds(&asked()))
    }

    /// Whether a retry is for such a request at all.
    fn may_be_tried_again(&self, retry: &Retry) -> bool {
        let precondition = retry.precondition.as_ref().filter(|_| self.heeds_conditions());
        precondition.is_none_or(|one| one.holds(&Subject { request: Some(self.facts()), response: None }))
    }

    fn heeds_conditions(&self) -> bool {
        self.replica.behaviour.conditions == Conditions::Heeded
    }

    /// What expressions may ask about the request.
    fn facts(&self) -> RequestFacts<'_> {
        RequestFacts::of(self.client)
    }

    /// The pause before another attempt.
    async fn pause(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let backoff = self.rule.retry.as_ref().and_then(|retry| retry.backoff);
        match backoff.filter(|_| self.replica.behaviour.retries != Retries::WithoutBackoff) {
            None => Ok(()),
            Some(backoff) => within(deadline, tokio::time::sleep(backoff)).await.ok_or(Error::RequestTimeout),
        }
    }
}

impl Attempt<'_> {
    /// Asks the provider. Both timeouts cover an answer that is read whole; of a stream only the
    /// head, so that one that has begun is not cut.
    async fn run(
        &self,
        exchange: &mut Exchange,
        asked: &Result<chat::Request, Error>,
        deadline: Option<Instant>,
    ) -> Result<Response<Source>, Error> {
        let Call { replica, rule, client, host_is_set, .. } = *self.call;
        let question = asked.as_ref().map_err(Clone::clone)?.question(self.target.model.as_deref())?;
        exchange.facts().parameters = question.parameters;
        let marks = Marks { identity: exchange.identity(), attempt: self.number, traceparent: exchange.traceparent() };
        let request = self.target.request(client, host_is_set, marks, question.body)?;
        let first = replica.target(self.call.backend, Seat { group: 0, index: 0 });
        let first = first.as_ref().and_then(|target| target.authorization());
        let request = replica.broken.request(request, self.number, client, first);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Error::RequestTimeout);
        }
        exchange.attempt_started(self.target, &question.model);
        let own_deadline = self::deadline(replica, replica.world.clock.now(), rule.backend_request_timeout);
        // Pinned where they are: a future is copied whole each time that it is handed on.
        let mut answer = std::pin::pin!(async {
            let mut call = std::pin::pin!(replica.broken.call(&replica.upstream, request, &self.target.way));
            let mut response = within(own_deadline, call.as_mut()).await.unwrap_or(Err(Error::CallTimeout))?;
            exchange.attempt_answered(response.status(), response.headers());
            provider::strip_hop_by_hop(response.headers_mut());
            if question.stream {
                return self.stream(response);
            }
            self.whole(exchange, response).await
        });
        within(deadline, answer.as_mut()).await.unwrap_or(Err(Error::RequestTimeout))
    }

    /// Passes a stream on; one that is compressed in the clear, where the version does.
    fn stream(&self, mut response: Response<Reply>) -> Result<Response<Source>, Error> {
        let Call { replica, .. } = *self.call;
        let is_success = response.status().is_success();
        let encoding = if is_success { self.encoding(response.headers())? } else { Encoding::Identity };
        let decodes = replica.behaviour.compressed == Compressed::WholeAndStreams;
        if let Some(decoder) = Decoder::of(encoding).filter(|_| decodes) {
            response.headers_mut().remove(CONTENT_ENCODING);
            response.headers_mut().remove(CONTENT_LENGTH);
            return Ok(response.map(|reply| Source::Decoded(Box::new(Decoded::new(reply, decoder)))));
        }
        let tap = (is_success && encoding == Encoding::Identity).then(Box::<Tap>::default);
        Ok(response.map(|reply| replica.broken.stream(Source::Upstream(reply, tap))))
    }

    /// How a successful answer is compressed. Where streams are not decoded, what cannot be read is read as it is.
    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, Error> {
        match (Encoding::of(headers), self.call.replica.behaviour.compressed) {
            (Encoding::Unknown, Compressed::WholeAndStreams) => {
                let name = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
                Err(Error::UnreadableEncoding(name.unwrap_or("unknown").to_owned()))
            }
            (encoding, _) => Ok(encoding),
        }
    }

    /// Reads an answer whole; a successful one is written again, any other stays as it is.
    async fn whole(&self, exchange: &mut Exchange, response: Response<Reply>) -> Result<Response<Source>, Error> {
        let (mut head, body) = response.into_parts();
        let behaviour = self.call.replica.behaviour;
        let mut body = read(body, Error::BrokenResponse(behaviour.broken_body), Error::ResponseTooLarge).await?;
        exchange.attempt_ended(Outcome::Complete, None);
        exchange.show(&head.headers, &body);
        if head.status.is_success() {
            let encoding = self.encoding(&head.headers)?;
            let plain = encoding.decode(body);
            let plain = plain.ok_or(Error::BrokenResponse(behaviour.broken_body))?;
            let answer = chat::answer(&plain, behaviour.schema)?;
            exchange.facts().details = answer.details;
            exchange.learn(Some(answer.model), answer.usage);
            body = encoding.encode(answer.body);
        }
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, Source::Whole(Some(body))))
    }
}

fn deadline(replica: &Replica, from: At, timeout: Option<Duration>) -> Option<Instant> {
    let elapsed = from.elapsed().saturating_add(timeout?);
    Some(replica.world.clock.instant(At::after(elapsed)))
}

/// Waits for `future` until the deadline, if there is one; none where it passes.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
    }
}

/// Reads a body of at most [`BODY_LIMIT`] bytes.
async fn read(
    mut body: impl http_body::Body<Data = Bytes> + Unpin,
    broken: Error,
    too_large: Error,
) -> Result<Bytes, Error> {
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large);
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(broken) };
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if so_far + data.len() > BODY_LIMIT {
            return Err(too_large);
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

#[cfg(test)]
mod tests;
