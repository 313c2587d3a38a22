//! What must come about in time: who fails goes out, who is well is found, and replicas agree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::expectations::line;
use super::evidence::{Breach, Moment, of_attempt, of_client, of_request};
use super::run::{Run, Seat, Shown, Try};
use crate::event::history::{Configuration, Request};
use crate::event::{At, Outcome};
use crate::source::amount::counted;

/// How long a replica may take to go by other manifests.
const GRACE: Duration = Duration::from_secs(1);

/// What happens at a provider of a replica.
#[derive(Clone, Copy)]
enum Turn<'r> {
    /// The gateway has accounted an attempt, or is done with it.
    Settled(Try<'r>),
    /// An attempt is given to it.
    Chosen(Try<'r>),
    Out,
    Back,
    /// Its replica begins anew with it.
    Renewed,
}

/// What is known of a provider of a replica, turn by turn.
#[derive(Default)]
struct Record<'r> {
    out: bool,
    /// Failures since the last success, eviction or return.
    failures: Vec<Try<'r>>,
    /// When they became enough for an eviction.
    due: Option<At>,
    /// Where in the stream it began.
    since: u64,
}

pub(super) fn evicts_in_time(run: &Run<'_>) -> Vec<Breach> {
    if !run.gateway_speaks {
        return Vec::new();
    }
    turns(run).into_iter().flat_map(|(seat, turns)| spared(run, seat, &turns)).collect()
}

/// All turns of each provider, in order.
fn turns<'r>(run: &Run<'r>) -> BTreeMap<Seat<'r>, Vec<(u64, Turn<'r>)>> {
    let mut all: BTreeMap<Seat<'r>, Vec<(u64, Turn<'r>)>> = BTreeMap::new();
    for one in run.attempts() {
        let turns = all.entry(one.seat()).or_default();
        turns.push((one.attempt.selected_seq, Turn::Chosen(one)));
        turns.extend(one.accounted().map(|seq| (seq, Turn::Settled(one))));
    }
    for (seat, turns) in &mut all {
        let evictions = run.evictions.get(seat).into_iter().flatten();
        turns.extend(evictions.flat_map(|one| {
            let back = one.returned_seq.map(|seq| (seq, Turn::Back));
            [(one.began_seq, Turn::Out)].into_iter().chain(back)
        }));
        let renewals = run.history.renewals.iter().filter(|one| one.concerns(seat.0, seat.1, seat.2));
        turns.extend(renewals.map(|one| (one.seq, Turn::Renewed)));
        // A retry is chosen after what it follows is over.
        turns.sort_by_key(|(seq, turn)| (*seq, matches!(turn, Turn::Chosen(_))));
    }
    all
}

/// Attempts at a provider that should have been out by then.
fn spared<'r>(run: &Run<'r>, seat: Seat<'r>, turns: &[(u64, Turn<'r>)]) -> Vec<Breach> {
    let evictions = run.evictions.get(&seat).into_iter().flatten();
    let causes: BTreeSet<&str> = evictions.map(|one| one.request.as_str()).collect();
    let (mut record, mut broken) = (Record::default(), Vec::new());
    for (seq, turn) in turns {
        match turn {
            Turn::Settled(one) if record.out || one.attempt.selected_seq < record.since => {}
            Turn::Settled(one) if causes.contains(one.request.id.as_str()) => record.clear(),
            Turn::Settled(one) => record.learn(run, one),
            Turn::Chosen(one) => {
                let late = record.due.filter(|due| !record.out && !one.attempt.fallback && one.attempt.selected > *due);
                if late.is_some() {
                    broken.push(unpunished(&record, one));
                    record.clear();
                }
            }
            Turn::Out => record.out = true,
            Turn::Back => record = Record { since: record.since, ..Record::default() },
            Turn::Renewed => record = Record { since: *seq, ..Record::default() },
        }
    }
    broken
}

impl<'r> Record<'r> {
    fn clear(&mut self) {
        self.failures.clear();
        self.due = None;
    }

    fn learn(&mut self, run: &Run<'r>, one: &Try<'r>) {
        if run.shown(one) != Shown::Failure {
            return self.clear();
        }
        self.failures.push(*one);
        let enough = run.failures_to_evict(one).is_some_and(|limit| self.failures.len() >= limit as usize);
        if enough && self.due.is_none() {
            self.due = one.accounted_at();
        }
    }
}

fn unpunished(record: &Record<'_>, next: &Try<'_>) -> Breach {
    let (provider, replica) = (&next.attempt.provider, next.replica);
    let failures = counted(record.failures.len() as u64, "failure");
    let what = format!(
        "{}: {provider} was chosen on replica {replica}, which has not evicted it after {failures} in a row",
        line(next.request)
    );
    let failed = record.failures.iter().flat_map(|one| of_attempt(one.request, one.attempt));
    Breach::new(what).with(failed).with(of_attempt(next.request, next.attempt))
}

pub(super) fn tries_everyone(run: &Run<'_>) -> Vec<Breach> {
    if !run.gateway_speaks {
        return Vec::new();
    }
    let mut by_backend: BTreeMap<(u32, &str), Vec<&Request>> = BTreeMap::new();
    for request in &run.history.requests {
        let gateway = request.gateway.as_ref();
        let backend = gateway.filter(|one| one.ended_seq.is_some()).and_then(|one| one.backend.as_deref());
        if let (Some(replica), Some(backend)) = (request.replica, backend) {
            by_backend.entry((replica, backend)).or_default().push(request);
        }
    }
    let chains = by_backend.into_iter().filter_map(|((replica, backend), mut requests)| {
        requests.sort_by_key(|request| received(request));
        forgotten(run, replica, backend, &requests)
    });
    chains.collect()
}

/// Requests that fail one after the other, while somebody is active whom none of them has been sent to.
fn forgotten<'r>(run: &Run<'r>, replica: u32, backend: &'r str, requests: &[&'r Request]) -> Option<Breach> {
    let limits = run.failures_to_evict_all(backend)?;
    let mut chain: Vec<&Request> = Vec::new();
    let mut tried: BTreeSet<&str> = BTreeSet::new();
    for request in requests {
        let failed = failed(run, request, replica);
        let begins = chain.first().map_or(u64::MAX, |first| received(first));
        if failed == Some(false) || changed(run, replica, backend, begins, request) {
            chain.clear();
            tried.clear();
        }
        if failed == Some(false) {
            continue;
        }
        tried.extend(request.attempts.iter().map(|attempt| attempt.provider.as_str()));
        let follows = chain.last().is_none_or(|last| ended(last) < received(request));
        if failed == Some(true) && follows {
            chain.push(request);
        }
        if chain.len() as u64 <= limits {
            continue;
        }
        let members = run.members_of(backend);
        let idle = members
            .into_iter()
            .find(|(_, name)| !tried.contains(name) && run.out(replica, backend, name, received(request)).is_none());
        if let Some((group, name)) = idle {
            let failures = counted(chain.len() as u64, "request");
            let what = format!(
                "{failures} in a row failed on replica {replica}, and none was sent to {name} of group {group}, which is active"
            );
            let told = chain.iter().rev().take(3).rev().flat_map(|one| {
                let attempts = one.attempts.iter().flat_map(|attempt| of_attempt(one, attempt));
                of_client(one).into_iter().chain(attempts)
            });
            return Some(Breach::new(what).with(told));
        }
    }
    None
}

/// Whether a request came to nothing for want of a provider; none where that says nothing.
fn failed<'r>(run: &Run<'r>, request: &'r Request, replica: u32) -> Option<bool> {
    let gateway = request.gateway.as_ref()?;
    let Some(last) = request.last_attempt() else {
        return gateway.status.filter(|status| *status >= 500).map(|_| true);
    };
    if last.outcome == Some(Outcome::Cancelled) {
        return None;
    }
    match run.shown(&Try::last_of(request, replica)?) {
        Shown::Failure => Some(true),
        Shown::Success => Some(false),
        Shown::Nothing => None,
    }
}

/// Whether a provider came back, or the replica began anew, since a chain began: then all is open again.
fn changed(run: &Run<'_>, replica: u32, backend: &str, begins: u64, request: &Request) -> bool {
    let now = received(request);
    let since = |seq: u64| seq > begins && seq <= now;
    let came = request.gateway.as_ref().map_or(request.sent, |gateway| gateway.received);
    let evictions = run.history.evictions.iter().filter(|one| one.replica == replica && one.backend == backend);
    let ended = |one: &crate::event::history::Eviction| {
        one.returned_seq.is_some_and(since) || (one.began_seq > begins && one.until <= came)
    };
    evictions.into_iter().any(ended)
        || run.history.renewals.iter().any(|one| one.replica == replica && since(one.seq))
        || run.history.configurations.iter().any(|one| one.replica == replica && since(one.seq))
}

fn received(request: &Request) -> u64 {
    request.gateway.as_ref().map_or(0, |gateway| gateway.received_seq)
}

fn ended(request: &Request) -> u64 {
    request.gateway.as_ref().and_then(|gateway| gateway.ended_seq).unwrap_or(u64::MAX)
}

pub(super) fn replicas_agree(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    if run.history.configurations.is_empty() {
        return broken;
    }
    for request in &run.history.requests {
        let (Some(gateway), Some(replica)) = (&request.gateway, request.replica) else { continue };
        let old = |one: &&Configuration| one.at.elapsed() + GRACE < gateway.received.elapsed();
        let Some(newest) = run.history.configurations.iter().rev().find(old) else { continue };
        let own = run.history.configuration(replica, gateway.received_seq);
        if own.is_none_or(|own| own.seq < newest.seq && own.backends != newest.backends) {
            let what = format!(
                "{}: replica {replica} still goes by the manifests that replica {} has replaced at {}",
                line(request),
                newest.replica,
                newest.at
            );
            let took =
                |one: &Configuration| Moment::new(one.at, format!("replica {}", one.replica), "takes other manifests");
            broken.push(Breach::new(what).with(own.map(took)).with([took(newest)]).with(of_request(run, request)));
        }
    }
    broken
}
