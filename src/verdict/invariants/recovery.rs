//! How a provider comes back: at its time, one request first, and then for everyone.
//!
//! The *window* of an eviction is what happens at its provider from its deadline to the next eviction.

use super::super::expectations::{eviction_line, line};
use super::evidence::{Breach, of_attempt, of_eviction};
use super::run::{Run, Seat, Try};
use crate::event::history::Eviction;

/// What happened at a provider after an eviction's deadline, until it was evicted again.
struct Window<'r> {
    eviction: &'r Eviction,
    /// In the order in which they were chosen.
    tries: Vec<Try<'r>>,
}

/// The windows of all evictions that ended by their deadlines.
fn windows<'r>(run: &'r Run<'r>) -> impl Iterator<Item = Window<'r>> {
    run.evictions.iter().flat_map(move |(seat, all)| {
        let next = |index: usize| all.get(index + 1).map_or(u64::MAX, |next: &&Eviction| next.began_seq);
        let one = move |(index, eviction): (usize, &&'r Eviction)| window(run, *seat, eviction, next(index));
        all.iter().enumerate().filter(|(_, eviction)| !eviction.forgotten).map(one)
    })
}

fn window<'r>(run: &'r Run<'r>, seat: Seat<'r>, eviction: &'r Eviction, end: u64) -> Window<'r> {
    let inside = |one: &&Try<'r>| {
        let chosen = one.attempt.selected_seq;
        chosen > eviction.began_seq && chosen < end && one.attempt.selected >= eviction.until && !one.attempt.fallback
    };
    Window { eviction, tries: run.tries(seat).iter().filter(inside).copied().collect() }
}

impl<'r> Window<'r> {
    /// The first try that has proved the provider.
    fn proof(&self) -> Option<Try<'r>> {
        let proofs = self.tries.iter().filter(|one| one.succeeded() && one.settled().is_some());
        proofs.min_by_key(|one| one.settled()).copied()
    }
}

pub(super) fn one_probe(run: &Run<'_>) -> Vec<Breach> {
    windows(run).filter_map(|window| herd(run, &window)).collect()
}

/// More than one at once before any has proved the provider.
fn herd(run: &Run<'_>, window: &Window<'_>) -> Option<Breach> {
    let proved = window.proof().and_then(|one| one.attempt.ended_seq).unwrap_or(u64::MAX);
    let mut open: Vec<Try<'_>> = Vec::new();
    let mut most: Vec<Try<'_>> = Vec::new();
    for one in window.tries.iter().take_while(|one| one.attempt.selected_seq < proved) {
        open.retain(|earlier| earlier.under_way(one.attempt.selected_seq));
        open.push(*one);
        if open.len() > most.len() {
            most.clone_from(&open);
        }
    }
    (most.len() > 1).then(|| {
        let what = format!(
            "{} requests at once met {} before any had proved it; {}",
            most.len(),
            window.eviction.provider,
            eviction_line(run.history, window.eviction)
        );
        let tries = most.iter().flat_map(|one| of_attempt(one.request, one.attempt));
        Breach::new(what).with(of_eviction(window.eviction)).with(tries)
    })
}

pub(super) fn breaker_closes(run: &Run<'_>) -> Vec<Breach> {
    windows(run)
        .filter_map(|window| {
            let proof = window.proof()?;
            let settled = proof.settled()?;
            let closed = window.eviction.returned_seq.is_some_and(|returned| returned < settled);
            (!closed).then(|| {
                let what = format!(
                    "{} was proved well by request {}, yet it is not back; {}",
                    window.eviction.provider,
                    proof.request.number,
                    eviction_line(run.history, window.eviction)
                );
                let attempt = of_attempt(proof.request, proof.attempt);
                Breach::new(what).with(of_eviction(window.eviction)).with(attempt)
            })
        })
        .collect()
}

pub(super) fn comes_back(run: &Run<'_>) -> Vec<Breach> {
    let lower = run.attempts().filter(|one| one.attempt.group > 0 && !one.attempt.fallback);
    lower.filter_map(|one| overdue(run, &one)).collect()
}

/// A provider of a better group whose eviction is over, and that nobody tries.
fn overdue(run: &Run<'_>, one: &Try<'_>) -> Option<Breach> {
    let (attempt, seq) = (one.attempt, one.attempt.selected_seq);
    let backend = run.backend(&attempt.backend)?;
    let better = backend.providers().filter(|(group, _)| *group < attempt.group);
    better.into_iter().find_map(|(_, provider)| {
        let eviction = run.out(one.replica, &attempt.backend, &provider.name, seq)?;
        let late = eviction.until < attempt.selected;
        let tries = run.tries((one.replica, attempt.backend.as_str(), provider.name.value.as_str()));
        let probed = || tries.iter().any(|probe| probe.attempt.selected >= eviction.until && probe.under_way(seq));
        (late && !probed()).then(|| {
            let what = format!(
                "{}: {} of group {} was chosen, although the eviction of {} was over at {}",
                line(one.request),
                attempt.provider,
                attempt.group,
                provider.name,
                eviction.until
            );
            Breach::new(what).with(of_eviction(eviction)).with(of_attempt(one.request, attempt))
        })
    })
}

/// Whether everybody is out, by the events, and the deadline of who was chosen has not come.
fn nobody_is_left(run: &Run<'_>, one: &Try<'_>) -> bool {
    let attempt = one.attempt;
    let out = |provider| run.out(one.replica, &attempt.backend, provider, attempt.selected_seq);
    let too_early = out(&attempt.provider).is_some_and(|eviction| attempt.selected < eviction.until);
    let members = run.members(one);
    too_early && !members.is_empty() && members.iter().all(|(_, provider)| out(provider).is_some())
}

pub(super) fn refuses_when_all_out(run: &Run<'_>) -> Vec<Breach> {
    run.attempts()
        .filter(|one| one.attempt.fallback || nobody_is_left(run, one))
        .map(|one| {
            let (request, attempt) = (one.request, one.attempt);
            let what = format!("{}: {} was chosen although it was evicted", line(request), attempt.provider);
            let seq = attempt.selected_seq;
            let out = run.out(one.replica, &attempt.backend, &attempt.provider, seq).map(of_eviction);
            Breach::new(what).with(out.unwrap_or_default()).with(of_attempt(request, attempt))
        })
        .collect()
}
