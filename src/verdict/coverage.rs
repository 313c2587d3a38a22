//! What a run has exercised. What it has not makes its verdict unknown.

use super::expectations::{Came, Scope, eviction_line, line};
use crate::event::At;
use crate::event::history::{Eviction, Request};
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
    let requests = |wanted: &dyn Fn(&Request) -> bool| -> Vec<String> {
        scope.requests.iter().filter(|request| wanted(request)).map(|request| line(request)).collect()
    };
    let evictions = |wanted: &dyn Fn(&Eviction) -> bool| -> Vec<String> {
        let evictions = scope.evictions_of(target).into_iter().filter(|one| wanted(one));
        evictions.map(|one| eviction_line(scope.history, one)).collect()
    };
    match exercise.what {
        Feat::Reached => {
            let attempts = target.map(|target| scope.attempts_at(target)).unwrap_or_default();
            attempts.into_iter().map(|(request, _)| line(request)).collect()
        }
        Feat::Eviction => evictions(&|_| true),
        Feat::Return => evictions(&|one| came_back(one).is_some()),
        Feat::Probe => {
            let tried = last_tried(scope);
            evictions(&|one| !one.forgotten && tried.is_since(one))
        }
        Feat::FailedProbe => {
            let evicted = last_evicted(scope);
            evictions(&|one| !one.forgotten && evicted.is_since(one))
        }
        Feat::LowerGroup => requests(&|request| request.last_attempt().is_some_and(|attempt| attempt.group > 0)),
        Feat::AllEvicted => requests(&|request| request.attempts.iter().any(|attempt| attempt.fallback)),
        Feat::Retry => requests(&|request| request.attempts.len() > 1),
    }
}

/// Where in the stream an evicted provider was back, if it was its deadline that brought it back.
fn came_back(eviction: &Eviction) -> Option<u64> {
    eviction.returned_seq.filter(|_| !eviction.forgotten)
}

/// When something happened last to each provider of each replica.
///
/// The deadline of an eviction says when a probe may come, not the event of the return: a gateway may
/// let one request through first, and tell of the return once that has succeeded.
#[derive(Default)]
struct Last<'h>(std::collections::BTreeMap<(u32, &'h str, &'h str), At>);

impl<'h> Last<'h> {
    fn saw(&mut self, replica: u32, backend: &'h str, provider: &'h str, at: At) {
        let last = self.0.entry((replica, backend, provider)).or_insert(at);
        *last = at.max(*last);
    }

    /// Whether it happened to the provider of an eviction since its deadline.
    fn is_since(&self, one: &Eviction) -> bool {
        let last = self.0.get(&(one.replica, one.backend.as_str(), one.provider.as_str()));
        one.until > one.began && last.is_some_and(|last| *last >= one.until)
    }
}

fn last_tried<'h>(scope: &Scope<'h>) -> Last<'h> {
    let mut last = Last::default();
    for request in &scope.history.requests {
        for attempt in &request.attempts {
            let replica = request.replica.unwrap_or(0);
            last.saw(replica, &attempt.backend, &attempt.provider, attempt.selected);
        }
    }
    last
}

fn last_evicted<'h>(scope: &Scope<'h>) -> Last<'h> {
    let mut last = Last::default();
    for one in &scope.history.evictions {
        last.saw(one.replica, &one.backend, &one.provider, one.began);
    }
    last
}
