//! How often and how long a request is tried.

use std::time::Duration;

use super::super::expectations::line;
use super::evidence::{Breach, of_client, of_providers, of_request};
use super::run::Run;
use crate::event::history::Request;
use crate::event::{At, Outcome};
use crate::source::amount::counted;
use crate::source::duration::human;

/// How late something may be on a machine that has other work.
const GRACE: Duration = Duration::from_secs(1);
/// Requests that pay for one retry.
const REQUESTS_OF_A_RETRY: u64 = 5;
/// Retries that a replica has from its start.
const RETRIES_AT_THE_START: u64 = 10;

pub(super) fn attempt_budget(run: &Run<'_>) -> Vec<Breach> {
    let over = |request: &Request| {
        let own = run.personality.own_retries();
        let retries = run.rules(request).map(|rule| rule.retry.as_ref().map_or(own, |retry| retry.attempts)).max()?;
        let (allowed, made) = (u64::from(retries) + 1, request.attempts.len() as u64);
        (made > allowed).then(|| {
            let what = format!("{}: {}, and {} allowed", line(request), counted(made, "attempt"), are(allowed));
            Breach::new(what).with(of_request(run, request))
        })
    };
    run.history.requests.iter().filter_map(over).collect()
}

pub(super) fn retry_budget(run: &Run<'_>) -> Vec<Breach> {
    let requests = run.history.requests.len() as u64;
    let retries: u64 = run.history.requests.iter().map(|request| request.attempts.len().saturating_sub(1) as u64).sum();
    let allowed = requests / REQUESTS_OF_A_RETRY + RETRIES_AT_THE_START * u64::from(run.history.starts.max(1));
    if retries <= allowed {
        return Vec::new();
    }
    let mut repeated = run.history.requests.iter().filter(|request| request.attempts.len() > 1);
    let last = repeated.next_back().map(|request| of_request(run, request)).unwrap_or_default();
    vec![
        Breach::new(format!(
            "{} for {}; {} allowed",
            counted(retries, "retry"),
            counted(requests, "request"),
            are(allowed)
        ))
        .with(last),
    ]
}

pub(super) fn no_turning_back(run: &Run<'_>) -> Vec<Breach> {
    let turns = |request: &Request| {
        let groups: Vec<usize> = request.attempts.iter().map(|attempt| attempt.group).collect();
        let back = (1..groups.len()).any(|at| groups[at] != groups[at - 1] && groups[..at].contains(&groups[at]));
        back.then(|| {
            let way: Vec<String> = groups.iter().map(usize::to_string).collect();
            let what = format!("{}: it went to the groups {}", line(request), way.join(", "));
            Breach::new(what).with(of_request(run, request))
        })
    };
    run.history.requests.iter().filter_map(turns).collect()
}

pub(super) fn deadline(run: &Run<'_>) -> Vec<Breach> {
    let late = |request: &Request| {
        let timeouts: Option<Vec<Duration>> = run.rules(request).map(|rule| rule.request_timeout).collect();
        let timeout = timeouts?.into_iter().max()?;
        let received = request.gateway.as_ref()?.received;
        let latest = after(received, timeout + GRACE);
        let begun = request.attempts.iter().any(|attempt| attempt.selected > latest);
        // Of a stream only the head has to come in time.
        let ended = !request.stream && request.attempts.iter().any(|one| one.ended.is_some_and(|at| at > latest));
        (begun || ended).then(|| {
            let what = format!("{}: it was tried for longer than {}", line(request), human(timeout));
            Breach::new(what).with(of_request(run, request))
        })
    };
    run.history.requests.iter().filter_map(late).collect()
}

pub(super) fn upstream_cancelled(run: &Run<'_>) -> Vec<Breach> {
    // Whoever is cut off from the gateway does not hear of it.
    if run.faulty_network {
        return Vec::new();
    }
    let left = |request: &&Request| matches!(request.outcome, Some(Outcome::Cancelled | Outcome::Timeout));
    let works_on = |request: &Request| {
        let latest = after(request.ended?, GRACE);
        let seen = run.seen(request).iter();
        let at_work = seen.filter(|one| one.ended.map_or(run.history.now > latest, |ended| ended > latest)).count();
        (at_work > 0).then(|| {
            let what = format!("{}: its client had left, and its provider worked on", line(request));
            Breach::new(what).with(of_client(request)).with(of_providers(run, request))
        })
    };
    run.history.requests.iter().filter(left).filter_map(works_on).collect()
}

/// `1 is`, `2 are`.
fn are(count: u64) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

fn after(at: At, time: Duration) -> At {
    At::after(at.elapsed().saturating_add(time))
}
