//! Counts and shares over the requests of a step or a run.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{by_gateway, ended_with, observed, observed_pattern};
use super::expectations::{Came, Scope, line, times, too_many};
use crate::event::Outcome;
use crate::event::history::Request;
use crate::scenario::expect::{Bounds, Ratio, Share};
use crate::scenario::names::Target;
use crate::scenario::pattern::Answer;
use crate::source::amount::counted;

/// How many requests a provider of the group answered.
pub(super) fn group(scope: &Scope<'_>, group: usize, count: &Bounds<u64>) -> Came {
    let of_group =
        |request: &&&Request| !by_gateway(request) && request.answer().is_some_and(|answer| answer.group == group);
    let answered: Vec<_> = scope.requests.iter().filter(of_group).collect();
    let found = answered.len() as u64;
    if count.contain(found) {
        return Came::pass(times(found));
    }
    let all = observed_pattern(scope.requests.iter().copied());
    let lines = std::iter::once(format!("all answers: {all}")).chain(answered.iter().map(|request| line(request)));
    Came::fail(count.times(), times(found)).because(lines).certain(too_many(count, found))
}

/// How many attempts were given up before their end, as the provider saw it.
pub(super) fn cancelled(scope: &Scope<'_>, target: &Target, count: &Bounds<u64>) -> Came {
    let given_up = scope.history.served.iter().filter(|one| one.outcome == Some(Outcome::Cancelled));
    let given_up: BTreeSet<_> = given_up.filter_map(|one| Some((one.request.as_deref()?, one.attempt))).collect();
    let mut attempts = scope.attempts_at(target);
    if attempts.is_empty() {
        return Came::unknown(count.times(), format!("{target} was never tried"));
    }
    attempts.retain(|(request, attempt)| given_up.contains(&(request.id.as_str(), attempt.attempt)));
    let found = attempts.len() as u64;
    if count.contain(found) {
        return Came::pass(times(found));
    }
    let lines = attempts.iter().map(|(request, _)| line(request));
    Came::fail(count.times(), times(found)).because(lines).certain(too_many(count, found))
}

/// Which share of all attempts a provider got.
pub(super) fn share(scope: &Scope<'_>, target: &Target, share: &Bounds<Share>) -> Came {
    let all = scope.requests.iter().map(|request| request.attempts.len() as u64).sum();
    let own = scope.attempts_at(target).len() as u64;
    let Some(found) = Share::of(own, all) else {
        return Came::unknown(share.to_string(), "no attempt was made at any provider".to_owned());
    };
    let told = format!("{found}: {own} of {}", counted(all, "attempt"));
    if share.contain(found) {
        return Came::pass(told);
    }
    let all = observed_pattern(scope.requests.iter().copied());
    Came::fail(share.to_string(), told).because([format!("all answers: {all}")])
}

/// The last request of each question: a client that asks again by itself asks once.
fn last_of_each<'h>(scope: &Scope<'h>) -> Vec<&'h Request> {
    let mut last: BTreeMap<&str, &Request> = BTreeMap::new();
    for request in &scope.requests {
        last.insert(request.retry_of.as_deref().unwrap_or(&request.id), request);
    }
    let mut last: Vec<_> = last.into_values().collect();
    last.sort_by_key(|request| request.number);
    last
}

/// How many questions were asked, with all retries of a client for one.
fn questions(scope: &Scope<'_>) -> u64 {
    scope.requests.iter().filter(|request| request.retry_of.is_none()).count() as u64
}

/// Which share of requests got a whole answer of class 2xx, in the end.
pub(super) fn success(scope: &Scope<'_>, share: &Bounds<Share>) -> Came {
    let good = |request: &Request| ended_with(&Answer::Class(2), request);
    let (good, bad): (Vec<&Request>, Vec<&Request>) = last_of_each(scope).into_iter().partition(|one| good(one));
    let all = (good.len() + bad.len()) as u64;
    let Some(found) = Share::of(good.len() as u64, all) else {
        return Came::unknown(share.to_string(), "no request was sent".to_owned());
    };
    let told = format!("{found}: {} of {}", good.len(), counted(all, "request"));
    if share.contain(found) {
        return Came::pass(told);
    }
    // What is wrong is too little success, but for an expectation that wants failures.
    let wrong = if share.least.is_some_and(|least| found < least) { &bad } else { &good };
    Came::fail(share.to_string(), told).because(wrong.iter().map(|request| line(request)))
}

/// How many attempts there were for each request, with those of the client's retries.
pub(super) fn amplification(scope: &Scope<'_>, ratio: &Bounds<Ratio>) -> Came {
    let attempts = scope.requests.iter().map(|request| request.attempts.len() as u64).sum();
    let all = questions(scope);
    let Some(found) = Ratio::of(attempts, all) else {
        return Came::unknown(ratio.to_string(), "no request was sent".to_owned());
    };
    let told = format!("{found}: {} for {}", counted(attempts, "attempt"), counted(all, "request"));
    if ratio.contain(found) {
        return Came::pass(told);
    }
    let several = scope.requests.iter().filter(|one| one.attempts.len() > 1 || one.retry_of.is_some());
    let lines = several.map(|request| {
        let tried: Vec<&str> = request.attempts.iter().map(|attempt| attempt.provider.as_str()).collect();
        format!("request {} at {}: {}, tried {}", request.number, request.sent, observed(request), tried.join(", "))
    });
    Came::fail(ratio.to_string(), told).because(lines)
}
