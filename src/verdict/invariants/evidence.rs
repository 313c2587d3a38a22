//! The events that break an invariant, as a small timeline: when, who, what.

use super::super::answers::observed;
use super::Run;
use crate::event::At;
use crate::event::history::{Attempt, Counted, Eviction, Request};

/// Breaches that are told in full, at most.
const TOLD: usize = 3;
/// Moments of one breach, at most.
const MOMENTS: usize = 8;

/// One time that an invariant did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// What is wrong, in a line.
    what: String,
    moments: Vec<Moment>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    at: At,
    who: String,
    what: String,
}

impl Breach {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), moments: Vec::new() }
    }

    /// Adds what happened, in whatever order.
    pub(super) fn with(mut self, moments: impl IntoIterator<Item = Moment>) -> Self {
        self.moments.extend(moments);
        self
    }

    /// The line, and the timeline below it.
    fn lines(mut self) -> Vec<String> {
        self.moments.sort_by_key(|moment| moment.at);
        self.moments.dedup();
        self.moments.truncate(MOMENTS);
        let width = self.moments.iter().map(|moment| moment.who.chars().count()).max().unwrap_or(0);
        let moment = |one: &Moment| format!("  {}  {:width$}  {}", one.at, one.who, one.what);
        let moments: Vec<String> = self.moments.iter().map(moment).collect();
        [self.what].into_iter().chain(moments).collect()
    }
}

/// What is told of all breaches.
pub(super) fn told(breaches: Vec<Breach>) -> Vec<String> {
    let more = breaches.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = breaches.into_iter().take(TOLD).flat_map(Breach::lines).collect();
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

impl Moment {
    pub(super) fn new(at: At, who: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at, who: who.into(), what: what.into() }
    }
}

/// A request from its client's side.
pub(super) fn of_client(request: &Request) -> Vec<Moment> {
    let number = request.number;
    let sent = Moment::new(request.sent, "client", format!("sends request {number}"));
    let ended =
        request.ended.map(|at| Moment::new(at, "client", format!("request {number} ends: {}", ending(request))));
    [sent].into_iter().chain(ended).collect()
}

/// How a request ended for its client.
fn ending(request: &Request) -> String {
    let whole = request.outcome.filter(|outcome| *outcome != crate::event::Outcome::Complete);
    let broken = whole.map(|outcome| format!(", {}", outcome.name())).unwrap_or_default();
    format!("{}{broken}", observed(request))
}

/// An attempt, as the gateway tells of it.
pub(super) fn of_attempt(request: &Request, attempt: &Attempt) -> Vec<Moment> {
    let gateway = gateway(request);
    let number = request.number;
    let chosen = format!("chooses {} of group {} for request {number}", attempt.provider, attempt.group);
    let ended = attempt.ended.map(|at| {
        let status = attempt.status.map(|status| status.to_string());
        let outcome = attempt.outcome.map(|outcome| outcome.name().to_owned());
        let how: Vec<String> = status.into_iter().chain(outcome).collect();
        let counted = match attempt.counted {
            None => "",
            Some(Counted::Success) => ", which counts as a success",
            Some(Counted::Failure) => ", which counts as a failure",
        };
        Moment::new(
            at,
            gateway.clone(),
            format!("request {number} at {}: {}{counted}", attempt.provider, how.join(" ")),
        )
    });
    [Moment::new(attempt.selected, gateway.clone(), chosen)].into_iter().chain(ended).collect()
}

/// Everything that is known of a request.
pub(super) fn of_request(run: &Run<'_>, request: &Request) -> Vec<Moment> {
    let attempts = request.attempts.iter().flat_map(|attempt| of_attempt(request, attempt));
    of_client(request).into_iter().chain(attempts).chain(of_providers(run, request)).collect()
}

/// What providers tell of a request.
pub(super) fn of_providers(run: &Run<'_>, request: &Request) -> Vec<Moment> {
    let seen = run.seen(request).iter();
    seen.flat_map(|one| {
        let came = Moment::new(one.received, one.host.clone(), format!("reads request {}", request.number));
        let ended = one.ended.map(|at| {
            let status = one.status.unwrap_or(0);
            let how = one.outcome.map_or("ended", |outcome| outcome.name());
            Moment::new(at, one.host.clone(), format!("is done with request {}: {status} {how}", request.number))
        });
        [came].into_iter().chain(ended)
    })
    .collect()
}

/// An eviction, from its beginning to its end.
pub(super) fn of_eviction(one: &Eviction) -> Vec<Moment> {
    let who = format!("replica {}", one.replica);
    let began = format!("evicts {} until {} (by {} of a {})", one.provider, one.until, one.source, one.status);
    let returned = one.returned.map(|at| {
        let what = if one.forgotten { "is stopped, and forgets" } else { "has back" };
        Moment::new(at, who.clone(), format!("{what} {}", one.provider))
    });
    [Moment::new(one.began, who.clone(), began)].into_iter().chain(returned).collect()
}

fn gateway(request: &Request) -> String {
    request.replica.map_or_else(|| "gateway".to_owned(), |replica| format!("replica {replica}"))
}
