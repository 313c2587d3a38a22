//! One request on its way through the gateway: what is known of it, and what becomes known.
//!
//! Whoever holds it last closes it: the response's body when it ends, or whatever drops it when the
//! client leaves. Then, and not before, the response is accounted: health, eviction, and the one
//! [`Kind::GatewayRequestEnded`]. An attempt that is followed by another is accounted before that, if
//! the version accounts it at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::Replica;
use super::body::Source;
use super::encoding::Encoding;
use super::error::Error;
use super::eviction::Rules;
use super::group::{Ended, Observed, Seat};
use super::personality::{Accounting, Retries};
use super::provider::Target;
use super::replica::{Choice, Identity};
use super::route::Found;
use super::wait::{self, Wait};
use crate::event::trace::TraceContext;
use crate::event::{Answer, Arrival, At, BODY_LIMIT, Kind, Outcome, OwnRule, Usage, clip_body};
use crate::topology::HealthPolicy;
use crate::topology::cel::{RequestFacts, Subject};

/// See the module.
pub(crate) struct Exchange {
    replica: Arc<Replica>,
    identity: Identity,
    received: At,
    credential: Option<String>,
    trace: Option<TraceContext>,
    route: Option<Found>,
    /// Whether its rule has led to a backend.
    routed: bool,
    /// The request as its rule has left it, where a policy may ask for it.
    request: Option<Box<Parts>>,
    attempts: u32,
    /// The groups of its attempts, in order, each time that it is another.
    way: Vec<usize>,
    attempt: Option<Attempt>,
    status: Option<StatusCode>,
    /// What the final head says of the provider.
    signs: Signs,
    error: Option<(String, &'static str)>,
    /// The rule itself answers.
    direct: bool,
    request_model: Option<String>,
    response_model: Option<String>,
    usage: Option<Usage>,
    answer: Answer,
    /// What has left of the answer's body, where somebody wants to see it.
    body: Option<Vec<u8>>,
    closed: bool,
}

/// So much is kept of a body that an event shows the beginning of: where that is cut, no credential may be.
const KEPT: usize = 2 * BODY_LIMIT;

/// The attempt that the client gets the answer of, unless another follows.
#[derive(Debug, Clone)]
struct Attempt {
    number: u32,
    backend: usize,
    seat: Seat,
    probe: bool,
    status: Option<StatusCode>,
    retry_after: Option<String>,
    ended: bool,
    /// The provider has been released from it.
    accounted: bool,
}

/// What a head says of the provider that sent it.
#[derive(Debug, Clone, Copy, Default)]
struct Signs {
    wait: Option<Wait>,
    unhealthy: Option<bool>,
}

impl Exchange {
    /// Begins with a request's head.
    pub(crate) fn open(replica: &Arc<Replica>, request: &Parts, mut arrival: Arrival) -> Box<Self> {
        let received = replica.world.clock.now();
        let identity = replica.request_id(request);
        let credential = replica.client_credential(&request.headers);
        let (trace, traced) = replica.trace(&identity.id, &request.headers);
        arrival.traced = traced;
        replica.emit(|| Kind::GatewayRequestReceived {
            request: identity.id.clone(),
            replica: replica.number,
            method: request.method.as_str().to_owned(),
            path: replica.named(request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()),
            credential: credential.clone(),
            arrival: Box::new(arrival),
        });
        Box::new(Self {
            replica: replica.clone(),
            identity,
            received,
            credential,
            trace,
            route: None,
            routed: false,
            request: None,
            attempts: 0,
            way: Vec::new(),
            attempt: None,
            status: None,
            signs: Signs::default(),
            error: None,
            direct: false,
            request_model: None,
            response_model: None,
            usage: None,
            answer: Answer::default(),
            body: replica.world.bus.wants_bodies().then(Vec::new),
            closed: false,
        })
    }

    /// When the request's head was read.
    pub(crate) fn received(&self) -> At {
        self.received
    }

    /// What the request goes by.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The trace context for the provider, where the request is traced.
    pub(crate) fn traceparent(&self) -> Option<HeaderValue> {
        let context = self.trace?.of_attempt(self.attempts.saturating_sub(1));
        HeaderValue::try_from(context.to_string()).ok()
    }

    /// Tells which rule it takes; its limits count against the answer.
    pub(crate) fn found(&mut self, found: Found) {
        self.route = Some(found);
    }

    /// Tells which backend it goes to, and as what.
    pub(crate) fn routed(&mut self, found: Found, backend: usize, request: &Parts) {
        self.routed = true;
        self.request = self.replica.policies_ask_for_requests.then(|| Box::new(request.clone()));
        self.replica.emit(|| Kind::GatewayRequestRouted {
            request: self.identity.id.clone(),
            replica: self.replica.number,
            route: self.replica.route_name(found.route),
            rule: found.rule,
            backend: self.replica.backend_name(backend),
            path_match: Some(self.replica.path_match(found)),
            rule_name: self.replica.rule(found).and_then(|rule| rule.name.clone()),
        });
    }

    /// Begins an attempt: has a provider chosen. Returns its number and the provider.
    ///
    /// # Errors
    /// [`Error::NoHealthyBackends`], [`Error::AllEvicted`].
    pub(crate) fn select(&mut self, backend: usize) -> Result<(u32, Arc<Target>), Error> {
        let number = self.attempts;
        let earlier = self.attempt.as_ref().map(|attempt| attempt.seat);
        let Choice { seat, probe } = self.replica.select(backend, &self.identity.id, number, earlier)?;
        let attempt =
            Attempt { number, backend, seat, probe, status: None, retry_after: None, ended: false, accounted: false };
        // The one before keeps its place until this one has its own.
        if let Some(earlier) = self.attempt.replace(attempt).filter(|earlier| !earlier.accounted) {
            self.replica.leave(earlier.backend, earlier.seat, earlier.probe);
        }
        self.attempts += 1;
        if self.way.last() != Some(&seat.group) {
            self.way.push(seat.group);
        }
        let target = self.replica.target(backend, seat).ok_or(Error::NoHealthyBackends)?;
        Ok((number, target))
    }

    /// Whether another attempt would come back to a group that the request has left.
    pub(crate) fn would_turn_back(&self, backend: usize) -> bool {
        let next = self.replica.serving_group(backend);
        self.way.last() != next.as_ref() && next.is_some_and(|next| self.way.contains(&next))
    }

    /// Tells that the attempt goes out to its provider.
    pub(crate) fn attempt_started(&mut self, target: &Target, model: &str) {
        let model = self.replica.named(model.to_owned());
        self.request_model = Some(model.clone());
        let credential = if target.passes_credential() { self.credential.as_ref() } else { target.credential.as_ref() };
        self.replica.emit(|| Kind::AttemptStarted {
            request: self.identity.id.clone(),
            replica: self.replica.number,
            attempt: self.attempts.saturating_sub(1),
            provider: target.name.clone(),
            endpoint: target.endpoint.clone(),
            model: Some(model),
            credential: credential.cloned(),
        });
    }

    /// The provider's head has come.
    pub(crate) fn attempt_answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Some(attempt) = &mut self.attempt {
            attempt.status = Some(status);
            attempt.retry_after = retry_after(headers);
        }
    }

    /// The attempt is over. Says so once.
    pub(crate) fn attempt_ended(&mut self, outcome: Outcome, error: Option<String>) {
        let Some(attempt) = &mut self.attempt else { return };
        if std::mem::replace(&mut attempt.ended, true) {
            return;
        }
        let Attempt { number, backend, seat, status, .. } = *attempt;
        let retry_after = attempt.retry_after.take();
        self.replica.emit(|| Kind::AttemptEnded {
            request: self.identity.id.clone(),
            replica: self.replica.number,
            attempt: number,
            provider: self.replica.target(backend, seat).map(|target| target.name.clone()).unwrap_or_default(),
            outcome,
            status: status.map(|status| status.as_u16()),
            error,
            retry_after,
        });
    }

    /// The attempt is over and may be followed by another. Accounts it where the version does.
    pub(crate) fn attempt_failed(&mut self, result: &Result<Response<Source>, Error>) {
        match result {
            // What was not read of it is dropped.
            Ok(_) => self.attempt_ended(Outcome::Complete, None),
            Err(error) => self.attempt_ended(error.outcome(), Some(self.replica.named(error.to_string()))),
        }
        let head = result.as_ref().ok().map(|response| (response.status(), response.headers()));
        let (status, signs) = match (self.replica.behaviour.accounting, head) {
            (Accounting::LastAttempt, _) => return,
            (Accounting::EveryAttempt, Some((status, headers))) => (Some(status), self.signs(status, headers)),
            (Accounting::EveryAttempt, None) => (None, Signs { wait: None, unhealthy: self.judge(None) }),
            (Accounting::EveryAttemptAlike, Some((status, headers))) => {
                let mut headers = headers.clone();
                // A header that cannot be set is told of with the last attempt.
                let _ = self.replica.change_response(self.route, &mut headers);
                (Some(status), self.signs(status, &headers))
            }
            (Accounting::EveryAttemptAlike, None) => (None, Signs::default()),
        };
        self.account(status, signs, Ended::Whole);
    }

    /// What the answer says of itself.
    pub(crate) fn learn(&mut self, model: Option<String>, usage: Option<Usage>) {
        self.response_model = model.map(|model| self.replica.named(model)).or(self.response_model.take());
        self.usage = usage.or(self.usage.take());
    }

    /// What reports show of the answer.
    pub(crate) fn facts(&mut self) -> &mut Answer {
        &mut self.answer
    }

    /// Bytes of the answer's body that have left. The first of a stream are its first token.
    pub(crate) fn sent(&mut self, bytes: &[u8], stream: bool) {
        let so_far = self.answer.bytes.unwrap_or(0);
        self.answer.bytes = Some(so_far.saturating_add(bytes.len() as u64));
        if let Some(body) = &mut self.body {
            let room = KEPT.saturating_sub(body.len()).min(bytes.len());
            body.extend_from_slice(&bytes[..room]);
        }
        if stream && self.answer.first_token_us.is_none() {
            self.answer.first_token_us = Some(self.replica.world.clock.now());
        }
    }

    /// What a compressed answer says, where somebody wants to see it: what leaves cannot be read.
    pub(crate) fn show(&mut self, headers: &HeaderMap, body: &Bytes) {
        if self.body.is_some() && headers.contains_key(CONTENT_ENCODING) {
            let plain = Encoding::of(headers).decode(body.clone());
            self.answer.body = plain.map(|plain| self.shown(&plain));
        }
    }

    /// The beginning of a body, without credentials.
    fn shown(&self, body: &[u8]) -> String {
        let body = String::from_utf8_lossy(&body[..body.len().min(KEPT)]);
        clip_body(self.replica.world.credentials.scrub(&body).as_bytes())
    }

    /// Bytes of a stream that are here at this moment.
    pub(crate) fn held(&mut self, bytes: usize) {
        let most = self.answer.held_bytes.get_or_insert_default();
        *most = (*most).max(bytes as u64);
    }

    /// The gateway answers itself.
    pub(crate) fn failed(&mut self, error: &Error) {
        let text = self.replica.named(error.to_string());
        self.attempt_ended(error.outcome(), Some(text.clone()));
        self.error = Some((text, error.reason()));
    }

    /// The request is forgotten: only a broken gateway does.
    pub(crate) fn vanish(&mut self) {
        self.closed = true;
    }

    /// How many attempts there were.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// A limit of the gateway's own has refused it.
    pub(crate) fn refused_by_limit(&self, backend: Option<usize>) {
        if let (Some(seat), Some(backend)) = (self.replica.broken.blames_for_own_limit(), backend) {
            let until = At::after(self.received.elapsed() + Duration::from_secs(3));
            self.replica.evict((backend, seat), self.identity.id.clone(), until, "default", 429);
        }
    }

    /// The rule itself answers.
    pub(crate) fn answered_by_rule(&mut self) {
        self.direct = true;
    }

    /// The final head, as the client gets it.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        self.signs = self.signs(status, headers);
        self.answer.retry_after = retry_after(headers);
        self.body = self.body.take().filter(|_| !headers.contains_key(CONTENT_ENCODING));
        if self.replica.broken.accounts_at_head() {
            self.account(self.status, self.signs, Ended::Whole);
        }
    }

    fn signs(&self, status: StatusCode, headers: &HeaderMap) -> Signs {
        let now = self.replica.world.clock.wall();
        let wait = match self.replica.behaviour.retries {
            Retries::Failover if matches!(status.as_u16(), 429 | 503) => wait::longest(headers, now),
            Retries::Failover => None,
            Retries::WithoutBackoff | Retries::AsConfigured => wait::of_response(status, headers, now),
        };
        let said = (wait, self.judge(Some((status, headers))));
        let (wait, unhealthy) = self.replica.broken.signs((status, headers), now, said);
        Signs { wait, unhealthy }
    }

    /// What the policy's expression says of a response; none where there is no expression.
    fn judge(&self, response: Option<(StatusCode, &HeaderMap)>) -> Option<bool> {
        let condition = self.policy()?.unhealthy.as_ref()?;
        let request = self.request.as_deref().map(RequestFacts::of);
        Some(condition.holds(&Subject { request, response }))
    }

    /// The health policy that the attempt is under.
    fn policy(&self) -> Option<&HealthPolicy> {
        let attempt = self.attempt.as_ref()?;
        self.replica.policy(attempt.backend, attempt.seat, self.route)
    }

    fn backoff(&self) -> Option<Duration> {
        self.replica.rule(self.route?)?.retry.as_ref()?.backoff
    }

    /// The response is over. Accounts it, once.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.attempt_ended(outcome, None);
        if let (Some(found), Some(usage)) = (self.route, self.usage) {
            self.replica.spend_tokens(found, usage.input.saturating_add(usage.output));
        }
        let ended = match outcome {
            Outcome::Cancelled => Ended::ClientGone,
            Outcome::Cut | Outcome::Truncated | Outcome::Reset => Ended::Cut,
            _ => Ended::Whole,
        };
        if self.status.is_none() {
            self.signs.unhealthy = self.judge(None);
        }
        self.account(self.status, self.signs, ended);
        self.ended(outcome);
    }

    /// Accounts the attempt, unless that has been done.
    fn account(&mut self, status: Option<StatusCode>, signs: Signs, ended: Ended) {
        let backoff = self.backoff();
        let rules = self.policy().map(|policy| Rules { eviction: policy.eviction });
        let Some(attempt) = &mut self.attempt else { return };
        if std::mem::replace(&mut attempt.accounted, true) {
            return;
        }
        let observed = Observed {
            status: status.map(|status| status.as_u16()),
            ended,
            unhealthy: signs.unhealthy,
            rules,
            wait: signs.wait,
            backoff,
            latency: self.replica.world.clock.now().since(self.received),
            probe: attempt.probe,
        };
        self.replica.finish(attempt.backend, attempt.seat, &self.identity.id, &observed);
    }

    fn ended(&mut self, outcome: Outcome) {
        let (error, reason) = self.error.take().unzip();
        let reason = reason.or(self.direct.then_some("DirectResponse"));
        let attempt = self.attempt.as_ref();
        let target = attempt.and_then(|attempt| self.replica.target(attempt.backend, attempt.seat));
        let group = attempt.map(|attempt| attempt.seat.group);
        if !self.replica.world.bus.is_heard() {
            return;
        }
        if let Some(body) = self.body.take().filter(|body| !body.is_empty()) {
            self.answer.body = Some(self.shown(&body));
        }
        if let Some(found) = self.route.filter(|_| !self.routed) {
            self.answer.rule = Some(Box::new(OwnRule {
                route: self.replica.route_name(found.route),
                rule_name: self.replica.rule(found).and_then(|rule| rule.name.clone()),
                path_match: self.replica.path_match(found),
            }));
        }
        let line = Kind::GatewayRequestEnded {
            request: self.identity.id.clone(),
            replica: self.replica.number,
            status: self.status.map_or(0, |status| status.as_u16()),
            outcome,
            provider: target.as_ref().map(|target| target.name.clone()),
            group,
            endpoint: target.as_ref().map(|target| target.endpoint.clone()),
            request_model: self.request_model.take(),
            response_model: self.response_model.take(),
            usage: self.replica.broken.usage(self.usage),
            attempts: self.attempts,
            error,
            reason: reason.map(str::to_owned),
            answer: Box::new(std::mem::take(&mut self.answer)),
        };
        for line in std::iter::repeat_n(line, self.replica.broken.log_lines()) {
            self.replica.world.bus.emit(line);
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.to_owned())
}

impl Drop for Exchange {
    /// Dropped before its end: the client has left.
    fn drop(&mut self) {
        self.close(Outcome::Cancelled);
        if let Some(id) = self.identity.taken.take() {
            self.replica.world.bus.give_back_id(id);
        }
    }
}
