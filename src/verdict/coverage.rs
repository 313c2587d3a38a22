//! What a run has exercised. What it has not makes its verdict unknown.

use super::expectations::{Came, Scope, eviction_line, line};
use crate::event::history::Eviction;
use crate::scenario::expect::{Exercise, Feat};

/// Passes if the run has exercised it, and is unknown otherwise: nothing has failed.
pub(super) fn judge(scope: &Scope<'_>, exercise: &Exercise) -> Came {
    let evidence = evidence(scope, exercise);
    match evidence.len() {
        0 => Came::unknown(exercise.to_string(), "this run never came to it".to_owned()),
        1 => Came::pass("once").because(evidence),
        count => Came::pass(format!("{count} times")).because(evidence),
    }
}

/// Each time that it was exercised, in a line.
fn evidence(scope: &Scope<'_>, exercise: &Exercise) -> Vec<String> {
    let target = exercise.target.as_ref();
    let requests = || scope.requests.iter().copied();
    let evictions = || scope.evictions_of(target).into_iter();
    let shown = |one: &Eviction| eviction_line(scope.history, one);
    match exercise.what {
        Feat::Reached => {
            let attempts = target.map(|target| scope.attempts_at(target)).unwrap_or_default();
            attempts.into_iter().map(|(request, _)| line(request)).collect()
        }
        Feat::Eviction => evictions().map(shown).collect(),
        Feat::Return => evictions().filter(|one| came_back(one)).map(shown).collect(),
        Feat::Probe => evictions().filter(|one| probed(scope, one)).map(shown).collect(),
        Feat::FailedProbe => evictions().filter(|one| evicted_again(scope, one)).map(shown).collect(),
        Feat::LowerGroup => {
            let lower = requests().filter(|request| request.last_attempt().is_some_and(|attempt| attempt.group > 0));
            lower.map(line).collect()
        }
        Feat::AllEvicted => {
            let fallback = requests().filter(|request| request.attempts.iter().any(|attempt| attempt.fallback));
            fallback.map(line).collect()
        }
        Feat::Retry => requests().filter(|request| request.attempts.len() > 1).map(line).collect(),
    }
}

fn came_back(eviction: &Eviction) -> bool {
    eviction.returned.is_some() && !eviction.forgotten
}

/// Whether a provider was tried after it had come back, on the same replica.
fn probed(scope: &Scope<'_>, eviction: &Eviction) -> bool {
    let Some(returned) = eviction.returned_seq.filter(|_| came_back(eviction)) else { return false };
    scope.history.requests.iter().filter(|request| request.replica == Some(eviction.replica)).any(|request| {
        request.attempts.iter().any(|attempt| {
            attempt.backend == eviction.backend
                && attempt.provider == eviction.provider
                && attempt.selected_seq > returned
        })
    })
}

/// Whether a provider was evicted again after it had come back, on the same replica.
fn evicted_again(scope: &Scope<'_>, eviction: &Eviction) -> bool {
    let Some(returned) = eviction.returned_seq.filter(|_| came_back(eviction)) else { return false };
    scope.history.evictions.iter().any(|later| {
        (later.replica, &later.backend, &later.provider) == (eviction.replica, &eviction.backend, &eviction.provider)
            && later.began_seq > returned
    })
}
