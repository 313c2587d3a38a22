//! Who may be chosen, and when.
//!
//! An eviction lasts from the event that says so to the one that says that it is over, on one
//! replica. Within one moment the order of the events counts. A deadline is inclusive: a provider
//! may be chosen at its deadline, whichever event comes first; and since a personality may bring it
//! back later, nobody is blamed for not choosing it at once.

use super::super::expectations::{eviction_line, line};
use super::evidence::{Breach, Moment, of_attempt, of_eviction, of_request};
use super::run::{Run, Seat, Shown, Try};
use crate::event::Outcome;
use crate::event::history::{Counted, Eviction};
use crate::source::amount::counted;
use crate::source::duration::human;

pub(super) fn evicted_stays_out(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for one in run.attempts() {
        let (request, replica, attempt) = (one.request, one.replica, one.attempt);
        let seq = attempt.selected_seq;
        let Some(eviction) = run.out(replica, &attempt.backend, &attempt.provider, seq) else { continue };
        if attempt.selected >= eviction.until {
            continue;
        }
        let members = run.members(&one);
        let active = members.iter().find(|(_, one)| run.out(replica, &attempt.backend, one, seq).is_none());
        if let Some((_, active)) = active {
            let what = format!(
                "{}: {} was chosen at {} while {} was active; {}",
                line(request),
                attempt.provider,
                attempt.selected,
                active,
                eviction_line(run.history, eviction)
            );
            broken.push(Breach::new(what).with(of_eviction(eviction)).with(of_attempt(request, attempt)));
        }
    }
    broken
}

pub(super) fn priority(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for one in run.attempts() {
        let (request, replica, attempt) = (one.request, one.replica, one.attempt);
        let members = run.members(&one);
        let better = members.into_iter().filter(|(group, _)| *group < attempt.group);
        for (group, provider) in better {
            if run.out(replica, &attempt.backend, provider, attempt.selected_seq).is_none() {
                let what = format!(
                    "{}: {} of group {} was chosen while {} of group {} was active on replica {replica}",
                    line(request),
                    attempt.provider,
                    attempt.group,
                    provider,
                    group
                );
                let seat = (replica, attempt.backend.as_str(), provider);
                let last = run.evictions.get(&seat).and_then(|all| {
                    all.iter().rev().find(|one| one.began_seq < attempt.selected_seq).map(|one| of_eviction(one))
                });
                let before = last.unwrap_or_else(|| {
                    let what = format!("has never evicted {provider}");
                    vec![Moment::new(attempt.selected, format!("replica {replica}"), what)]
                });
                broken.push(Breach::new(what).with(before).with(of_attempt(request, attempt)));
            }
        }
    }
    broken
}

pub(super) fn no_early_return(run: &Run<'_>) -> Vec<Breach> {
    let early = |one: &&Eviction| !one.forgotten && one.returned.is_some_and(|returned| returned < one.until);
    let evictions = run.history.evictions.iter().filter(early);
    evictions
        .map(|one| {
            let returned = one.returned.unwrap_or(one.until);
            let by = human(one.until.since(returned));
            let what = format!("{}, yet it was back at {returned}, {by} too early", eviction_line(run.history, one));
            Breach::new(what).with(of_eviction(one))
        })
        .collect()
}

pub(super) fn one_at_a_time(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for evictions in run.evictions.values() {
        for pair in evictions.windows(2) {
            if let [first, second] = pair
                && first.covers_seq(second.began_seq)
                && second.began < first.until
            {
                let what =
                    format!("{}; then {}", eviction_line(run.history, first), eviction_line(run.history, second));
                broken.push(Breach::new(what).with(of_eviction(first)).with(of_eviction(second)));
            }
        }
    }
    broken
}

/// Where it is certain how many failures in a row there were: since the run or the replica began, or since a
/// success. The failure of a probe evicts at once, whatever the policy asks for.
pub(super) fn eviction_threshold(run: &Run<'_>) -> Vec<Breach> {
    let each = run.evictions.iter().flat_map(|(seat, all)| {
        let before = |index: usize| index.checked_sub(1).and_then(|index| all.get(index)).copied();
        all.iter().enumerate().map(move |(index, one)| (*seat, before(index), *one))
    });
    each.filter_map(|(seat, before, one)| too_early(run, seat, before, one)).collect()
}

/// An eviction by a policy that asks for more failures in a row than there were.
fn too_early(run: &Run<'_>, seat: Seat<'_>, before: Option<&Eviction>, one: &Eviction) -> Option<Breach> {
    let asked = run.least_failures_to_evict(&one.backend, &one.provider)?;
    let tries: Vec<&Try<'_>> =
        run.tries(seat).iter().take_while(|at| at.attempt.selected_seq < one.began_seq).collect();
    let own = || tries.iter().filter(|at| at.request.id == one.request);
    let chosen = own().next_back()?.attempt.selected_seq;
    // It may be carried out a moment after it was decided.
    let decided = own().filter_map(|at| at.attempt.counted_seq).min().unwrap_or(one.began_seq);
    let is_probe = before.is_some_and(|before| before.returned_seq.is_none_or(|back| back > chosen));
    let began = anew(run, seat, &tries, before, decided).filter(|_| !is_probe)?;
    let counts = |at: &&&Try<'_>| at.accounted().is_none_or(|accounted| accounted > began);
    let against = |at: &&&Try<'_>| at.request.id == one.request || run.shown(at) != Shown::Success;
    let failures: Vec<_> = tries.iter().filter(counts).filter(against).collect();
    (failures.len() < asked as usize).then(|| {
        let (asked, met) = (counted(u64::from(asked), "failure"), failures.len());
        let what =
            format!("{}: its policy asks for {asked} in a row, and it met {met}", eviction_line(run.history, one));
        let attempts = failures.iter().flat_map(|at| of_attempt(at.request, at.attempt));
        Breach::new(what).with(of_eviction(one)).with(attempts)
    })
}

/// Where in the stream a provider last had no failure behind it, before an eviction was decided; none where that is
/// not certain, as of what came before the history.
fn anew(run: &Run<'_>, seat: Seat<'_>, tries: &[&Try<'_>], before: Option<&Eviction>, decided: u64) -> Option<u64> {
    let since = before.map_or(run.history.since, |before| before.began_seq);
    let renewals = run.history.renewals.iter().filter(|it| it.concerns(seat.0, seat.1, seat.2));
    let renewed = renewals.map(|it| it.seq).filter(|seq| (since..decided).contains(seq)).max();
    let first = renewed.unwrap_or(since);
    let praised = |at: &&&Try<'_>| {
        at.attempt.selected_seq >= first
            && at.attempt.counted == Some(Counted::Success)
            && run.shown(at) == Shown::Success
    };
    let successes = tries.iter().filter(praised).filter_map(|at| at.attempt.counted_seq);
    let known = successes.filter(|seq| *seq < decided).max().or(renewed);
    known.or((before.is_none() && run.history.since == 0).then_some(0))
}

/// Of evictions from before the history the causes are gone, and were judged.
pub(super) fn eviction_cause(run: &Run<'_>) -> Vec<Breach> {
    run.history
        .evictions
        .iter()
        .filter(|one| one.began_seq >= run.history.since)
        .filter_map(|one| {
            let wrong = blame(run, one)?;
            let what = format!("{}: {wrong}", eviction_line(run.history, one));
            let request = run.history.request(&one.request).map(|request| of_request(run, request));
            Some(Breach::new(what).with(of_eviction(one)).with(request.unwrap_or_default()))
        })
        .collect()
}

/// What is wrong with the reason for an eviction, if anything.
fn blame(run: &Run<'_>, one: &Eviction) -> Option<String> {
    let Some(request) = run.history.request(&one.request) else {
        return Some("there is no such request".to_owned());
    };
    let mut own = request.attempts.iter().filter(|at| at.backend == one.backend && at.provider == one.provider);
    let Some(attempt) = own.next_back() else {
        return Some("that request was never sent to it".to_owned());
    };
    if request.replica.is_some_and(|replica| replica != one.replica) {
        return Some("that request went to another replica".to_owned());
    }
    if attempt.endpoint.is_empty() {
        return Some("that request was never sent to it".to_owned());
    }
    if attempt.outcome == Some(Outcome::Cancelled) {
        return Some("its client had left".to_owned());
    }
    if let (Some(status @ 400..=499), false) = (attempt.status, run.has_condition(request, attempt))
        && status != 429
    {
        return Some(format!("its answer was {status}: the request was wrong, not the provider"));
    }
    // What broke off or never came is a failure, whatever its head said.
    let came_whole = attempt.outcome.is_none_or(|outcome| outcome == Outcome::Complete);
    if one.status < 400 && came_whole {
        let by_policy = run.is_unhealthy(request, attempt, one.status);
        return (!by_policy).then(|| "that is no failure".to_owned());
    }
    // What cannot be read is a failure as well; the gateway says so in words of its own.
    let unreadable = request.gateway.as_ref().is_some_and(|gateway| gateway.error.is_some());
    match attempt.status {
        Some(status) if status < 400 && came_whole && !unreadable => Some(format!("its answer was {status}")),
        _ => None,
    }
}
