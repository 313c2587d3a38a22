//! What the gateway may keep hold of: bytes of a stream, and the work of a provider.

use std::time::Duration;

use super::super::expectations::line;
use super::evidence::{Breach, of_attempt, of_providers, of_request};
use super::run::{Run, Try};
use crate::event::history::Served;
use crate::event::{At, Outcome};
use crate::source::amount::counted;

/// The most that the gateway may hold back of a stream, in bytes.
const MOST_HELD: u64 = 1024 * 1024;
/// How late a provider may hear of an end.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn bounded_memory(run: &Run<'_>) -> Vec<Breach> {
    let streams = run.history.requests.iter().filter(|request| request.stream);
    streams
        .filter_map(|request| {
            let held = request.gateway.as_ref()?.held.filter(|held| *held > MOST_HELD)?;
            let what = format!("{}: the gateway held {} of the stream at once", line(request), counted(held, "byte"));
            Some(Breach::new(what).with(of_request(run, request)))
        })
        .collect()
}

pub(super) fn attempt_cancelled(run: &Run<'_>) -> Vec<Breach> {
    // Whoever is cut off from the gateway does not hear of it.
    if run.faulty_network {
        return Vec::new();
    }
    let given_up = run.attempts().filter(|one| one.attempt.outcome != Some(Outcome::Cancelled));
    given_up.filter_map(|one| left_running(run, &one)).collect()
}

/// A provider that is at work on an attempt that is long over.
fn left_running(run: &Run<'_>, one: &Try<'_>) -> Option<Breach> {
    let attempt = one.attempt;
    let latest = At::after(attempt.ended?.elapsed().saturating_add(GRACE));
    let late = |seen: &&&Served| {
        seen.attempt == attempt.attempt && seen.ended.map_or(run.history.now > latest, |ended| ended > latest)
    };
    run.seen(one.request).iter().find(late)?;
    let what = format!(
        "{}: attempt {} was over at {}, and {} worked on",
        line(one.request),
        attempt.attempt,
        attempt.ended?,
        attempt.provider
    );
    Some(Breach::new(what).with(of_attempt(one.request, attempt)).with(of_providers(run, one.request)))
}
