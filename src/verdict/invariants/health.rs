//! What counts for and against a provider, and what it is evicted for.

use std::time::Duration;

use super::super::expectations::{eviction_line, line};
use super::evidence::{Breach, Moment, of_attempt, of_eviction, of_request};
use super::run::{Run, Try};
use crate::event::Outcome;
use crate::event::history::{Counted, Eviction};
use crate::source::duration::human;
use crate::topology::Filter;

/// How much shorter than its wait an eviction may be: waits are whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

pub(super) fn blameless(run: &Run<'_>) -> Vec<Breach> {
    let failures = run.attempts().filter(|one| one.attempt.counted == Some(Counted::Failure));
    failures
        .filter_map(|one| {
            let why = clients_own(run, &one)?;
            let what = format!("{}: {why}, and {} is blamed", line(one.request), one.attempt.provider);
            Some(Breach::new(what).with(of_request(run, one.request)))
        })
        .collect()
}

/// Why a failure is the client's, if it is.
fn clients_own(run: &Run<'_>, one: &Try<'_>) -> Option<String> {
    let attempt = one.attempt;
    if attempt.endpoint.is_empty() {
        return Some("it could not be sent to anybody".to_owned());
    }
    if attempt.outcome == Some(Outcome::Cancelled) {
        return Some("the client left".to_owned());
    }
    let status = attempt.status.filter(|status| (400..500).contains(status) && *status != 429)?;
    (!run.has_condition(one.request, attempt)).then(|| format!("{status} says that the request was wrong"))
}

pub(super) fn failures_count(run: &Run<'_>) -> Vec<Breach> {
    let successes = run.attempts().filter(|one| one.attempt.counted == Some(Counted::Success));
    successes
        .filter(|one| {
            let in_the_middle = matches!(one.attempt.outcome, Some(Outcome::Cut | Outcome::Truncated));
            let before = matches!(
                one.attempt.outcome,
                Some(Outcome::Reset | Outcome::Refused | Outcome::Unresolved | Outcome::Timeout | Outcome::Failed)
            );
            in_the_middle || (before && !run.has_condition(one.request, one.attempt))
        })
        .map(|one| {
            let how = one.attempt.outcome.map_or("", Outcome::name);
            let what = format!("{}: {} at {} counts as a success", line(one.request), how, one.attempt.provider);
            Breach::new(what).with(of_request(run, one.request))
        })
        .collect()
}

pub(super) fn retries_learn(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for one in run.attempts() {
        let followed = one.request.last_attempt().is_some_and(|last| last.attempt > one.attempt.attempt);
        // Without a response an expression does not hold, and a success may change nothing.
        let silent = one.attempt.status.is_none() && run.has_condition(one.request, one.attempt);
        if followed && !silent && one.attempt.counted.is_none() && one.attempt.ended.is_some() {
            let what = format!("{}: the retry does not know what came of {}", line(one.request), one.attempt.provider);
            broken.push(Breach::new(what).with(of_request(run, one.request)));
        }
    }
    broken
}

pub(super) fn counts_once(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for rise in &run.history.ejections {
        let own = |one: &&Eviction| {
            one.replica == rise.replica && one.provider == rise.provider && one.backend == rise.backend
        };
        let caused = |one: &&Eviction| Some(&one.request) == rise.request.as_ref();
        let evicted = run.history.evictions.iter().filter(own).any(|one| caused(&one));
        if (evicted && rise.rise == 1) || rise.request.is_none() || !run.finished {
            continue;
        }
        let out = run.history.evictions.iter().filter(own).rev().find(|one| one.covers(rise.at));
        let what = format!("{}'s count of evictions rose to {} without an eviction", rise.provider, rise.count);
        let rose = Moment::new(rise.at, format!("replica {}", rise.replica), format!("counts {}", rise.count));
        broken.push(Breach::new(what).with(out.map(of_eviction).unwrap_or_default()).with([rose]));
    }
    broken
}

pub(super) fn retry_after_kept(run: &Run<'_>) -> Vec<Breach> {
    let short = |one: &&Eviction| {
        let asked = wait_of(run, one)?;
        let lasts = one.until.since(one.began);
        (lasts + ROUNDING <= asked).then(|| {
            let what =
                format!("{}, yet it was asked to stay away for {}", eviction_line(run.history, one), human(asked));
            let request = run.history.request(&one.request).map(|request| of_request(run, request));
            Breach::new(what).with(of_eviction(one)).with(request.unwrap_or_default())
        })
    };
    run.history.evictions.iter().filter_map(|one| short(&one)).collect()
}

/// The wait that the answer behind an eviction asked for, as its client got it.
fn wait_of(run: &Run<'_>, one: &Eviction) -> Option<Duration> {
    let request = run.history.request(&one.request)?;
    let attempt = request.attempts.iter().rev().find(|at| at.provider == one.provider && at.backend == one.backend)?;
    let status = attempt.status.filter(|status| matches!(status, 429 | 503))?;
    let is_last = request.last_attempt().is_some_and(|last| last.attempt == attempt.attempt);
    let text = if is_last && request.status == Some(status) {
        let own = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        own.map(|(_, value)| value.as_str())
    } else {
        // What filters would have made of it nobody has seen.
        attempt.retry_after.as_deref().filter(|_| !changes_waits(run, request))
    };
    text?.trim().parse().ok().map(Duration::from_secs)
}

fn changes_waits(run: &Run<'_>, request: &crate::event::history::Request) -> bool {
    let filters = run.rule(request).map(|rule| rule.filters.as_slice()).unwrap_or_default();
    filters.iter().any(|filter| {
        let Filter::ResponseHeaders(change) = filter else { return false };
        let set = change.set.iter().chain(&change.add).map(|(name, _)| name);
        set.chain(&change.remove).any(|name| name.eq_ignore_ascii_case("retry-after"))
    })
}

pub(super) fn better_of_two(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for one in run.attempts() {
        let attempt = one.attempt;
        let drawn: Vec<_> = attempt.draws.iter().filter_map(|index| attempt.candidates.get(*index)).collect();
        let Some(own) = drawn.iter().find(|candidate| candidate.provider == attempt.provider) else {
            if !drawn.is_empty() {
                let names: Vec<&str> = drawn.iter().map(|one| one.provider.as_str()).collect();
                let what =
                    format!("{}: {} was chosen, {} were drawn", line(one.request), attempt.provider, names.join(", "));
                broken.push(Breach::new(what).with(of_attempt(one.request, attempt)));
            }
            continue;
        };
        if let Some(better) = drawn.iter().find(|candidate| candidate.score > own.score) {
            let what = format!(
                "{}: {} with a score of {:.3} was chosen, and {} with {:.3} was not",
                line(one.request),
                own.provider,
                own.score,
                better.provider,
                better.score
            );
            broken.push(Breach::new(what).with(of_attempt(one.request, attempt)));
        }
    }
    broken
}
