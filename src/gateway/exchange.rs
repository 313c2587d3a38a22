//! One request on its way through the gateway: what is known of it, and what becomes known.
//!
//! Whoever holds it last closes it: the response's body when it ends, or whatever drops it when the
//! client leaves. Then, and not before, the response is accounted: health, eviction, and the one
//! [`Kind::GatewayRequestEnded`].

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Replica;
use super::error::Error;
use super::group::{Observed, Seat};
use super::provider::Target;
use super::wait::{self, Wait};
use crate::event::{Answer, Arrival, At, Kind, Outcome, RequestId, Usage};

/// See the module.
pub(crate) struct Exchange {
    replica: Arc<Replica>,
    id: RequestId,
    id_header: HeaderValue,
    received: At,
    credential: Option<String>,
    attempts: u32,
    attempt: Option<Attempt>,
    status: Option<StatusCode>,
    wait: Option<Wait>,
    error: Option<(String, &'static str)>,
    request_model: Option<String>,
    response_model: Option<String>,
    usage: Option<Usage>,
    closed: bool,
}

/// The attempt that the client gets the answer of.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    number: u32,
    backend: usize,
    seat: Seat,
    status: Option<StatusCode>,
    ended: bool,
}

impl Exchange {
    /// Begins with a request's head.
    pub(crate) fn open(replica: &Arc<Replica>, request: &Parts) -> Box<Self> {
        let received = replica.world.clock.now();
        let (id, id_header) = replica.request_id(request);
        let credential = replica.client_credential(&request.headers);
        replica.emit(|| Kind::GatewayRequestReceived {
            request: id.clone(),
            replica: replica.number,
            method: request.method.as_str().to_owned(),
            path: request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            credential: credential.clone(),
            arrival: Arrival::default(),
        });
        Box::new(Self {
            replica: replica.clone(),
            id,
            id_header,
            received,
            credential,
            attempts: 0,
            attempt: None,
            status: None,
            wait: None,
            error: None,
            request_model: None,
            response_model: None,
            usage: None,
            closed: false,
        })
    }

    /// When the request's head was read.
    pub(crate) fn received(&self) -> At {
        self.received
    }

    /// The request's id, as a header.
    pub(crate) fn id_header(&self) -> &HeaderValue {
        &self.id_header
    }

    /// Tells which rule and backend it takes.
    pub(crate) fn routed(&self, route: usize, rule: usize, backend: usize) {
        self.replica.emit(|| Kind::GatewayRequestRouted {
            request: self.id.clone(),
            replica: self.replica.number,
            route: self.replica.route_name(route),
            rule,
            backend: self.replica.backend_name(backend),
            path_match: None,
        });
    }

    /// Begins an attempt: has a provider chosen. Returns its number and the provider.
    ///
    /// # Errors
    /// [`Error::NoHealthyBackends`].
    pub(crate) fn select(&mut self, backend: usize) -> Result<(u32, Arc<Target>), Error> {
        let number = self.attempts;
        let seat = self.replica.select(backend, &self.id, number)?;
        self.attempt = Some(Attempt { number, backend, seat, status: None, ended: false });
        self.attempts += 1;
        let target = self.replica.target(backend, seat).ok_or(Error::NoHealthyBackends)?;
        Ok((number, target))
    }

    /// Tells that the attempt goes out to its provider.
    pub(crate) fn attempt_started(&mut self, target: &Target, model: &str) {
        self.request_model = Some(model.to_owned());
        let credential = if target.passes_credential() { self.credential.as_ref() } else { target.credential.as_ref() };
        self.replica.emit(|| Kind::AttemptStarted {
            request: self.id.clone(),
            replica: self.replica.number,
            attempt: self.attempts.saturating_sub(1),
            provider: target.name.clone(),
            endpoint: target.endpoint.clone(),
            model: Some(model.to_owned()),
            credential: credential.cloned(),
        });
    }

    /// The provider's head has come.
    pub(crate) fn attempt_answered(&mut self, status: StatusCode) {
        if let Some(attempt) = &mut self.attempt {
            attempt.status = Some(status);
        }
    }

    /// The attempt is over. Says so once.
    pub(crate) fn attempt_ended(&mut self, outcome: Outcome, error: Option<String>) {
        let Some(attempt) = &mut self.attempt else { return };
        if std::mem::replace(&mut attempt.ended, true) {
            return;
        }
        let Attempt { number, backend, seat, status, .. } = *attempt;
        self.replica.emit(|| Kind::AttemptEnded {
            request: self.id.clone(),
            replica: self.replica.number,
            attempt: number,
            provider: self.replica.target(backend, seat).map(|target| target.name.clone()).unwrap_or_default(),
            outcome,
            status: status.map(|status| status.as_u16()),
            error,
            retry_after: None,
        });
    }

    /// What the answer says of itself.
    pub(crate) fn learn(&mut self, model: Option<String>, usage: Option<Usage>) {
        self.response_model = model.or(self.response_model.take());
        self.usage = usage.or(self.usage.take());
    }

    /// The gateway answers itself.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.attempt_ended(error.outcome(), Some(error.to_string()));
        self.error = Some((error.to_string(), error.reason()));
    }

    /// The final head, as the client gets it: a wait is read from here.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        self.wait = wait::of_response(status, headers, self.replica.world.clock.wall());
    }

    /// The response is over. Accounts it, once.
    pub(crate) fn close(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.attempt_ended(outcome, None);
        let now = self.replica.world.clock.now();
        if let Some(Attempt { backend, seat, .. }) = self.attempt {
            let observed = Observed {
                status: self.status.map(|status| status.as_u16()),
                wait: self.wait,
                latency: now.since(self.received),
            };
            self.replica.finish(backend, seat, &self.id, &observed);
        }
        self.ended(outcome);
    }

    fn ended(&mut self, outcome: Outcome) {
        let (error, reason) = self.error.take().unzip();
        let target = self.attempt.and_then(|Attempt { backend, seat, .. }| self.replica.target(backend, seat));
        self.replica.emit(|| Kind::GatewayRequestEnded {
            request: self.id.clone(),
            replica: self.replica.number,
            status: self.status.map_or(0, |status| status.as_u16()),
            outcome,
            provider: target.as_ref().map(|target| target.name.clone()),
            group: self.attempt.map(|attempt| attempt.seat.group),
            endpoint: target.as_ref().map(|target| target.endpoint.clone()),
            request_model: self.request_model.take(),
            response_model: self.response_model.take(),
            usage: self.usage,
            attempts: self.attempts,
            error,
            reason: reason.map(str::to_owned),
            answer: Answer::default(),
        });
    }
}

impl Drop for Exchange {
    /// Dropped before its end: the client has left.
    fn drop(&mut self) {
        self.close(Outcome::Cancelled);
    }
}
