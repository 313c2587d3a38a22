//! What a client gets is what its provider sent: whole, in order, once.

use super::super::expectations::line;
use super::evidence::{Breach, Moment, of_request};
use super::run::Run;
use crate::event::Outcome;
use crate::event::history::{Request, Served};
use crate::source::amount::counted;

pub(super) fn whole_success(run: &Run<'_>) -> Vec<Breach> {
    let successes = run.history.requests.iter().filter(|request| {
        request.outcome == Some(Outcome::Complete) && request.status.is_some_and(|status| status < 300)
    });
    successes.filter(|request| !is_disguised(request)).filter_map(|request| half(run, request)).collect()
}

/// A stream under another `Content-Type`: whoever reads it cannot know that its end is missing.
fn is_disguised(request: &Request) -> bool {
    let kind = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    request.stream && kind.is_some_and(|(_, kind)| !kind.starts_with("text/event-stream"))
}

/// A success that its provider never finished.
fn half(run: &Run<'_>, request: &Request) -> Option<Breach> {
    let last = request.last_attempt()?;
    let served = run.last_served(request).filter(|one| one.injected.is_none()).and_then(|one| one.outcome);
    let broken = [last.outcome, served].into_iter().flatten().find(|outcome| *outcome != Outcome::Complete)?;
    let what =
        format!("{}: the client got a whole answer, yet at {} it was {}", line(request), last.provider, broken.name());
    Some(Breach::new(what).with(of_request(run, request)))
}

pub(super) fn same_bytes(run: &Run<'_>) -> Vec<Breach> {
    // One whose end is missing came, too, as far as its client can tell.
    let came = |request: &&Request| matches!(request.outcome, Some(Outcome::Complete | Outcome::Truncated));
    run.history.requests.iter().filter(came).filter_map(|request| altered(run, request)).collect()
}

/// A body that is not the one that was sent. Successes that are no streams are written anew, and so
/// their bytes differ.
fn altered(run: &Run<'_>, request: &Request) -> Option<Breach> {
    let status = request.status?;
    let gateway = request.gateway.as_ref()?;
    let passed_on = (request.stream || status >= 400) && gateway.error.is_none() && request.method != "HEAD";
    let served = run.served_answer(request).filter(|one| passed_on && is_untouched(one))?;
    let (sent, got) = (served.digest?, request.digest?);
    (sent != got && served.status == Some(status)).then(|| {
        let what = format!(
            "{}: {} sent {}, the client got {} that are not the same",
            line(request),
            served.host,
            counted(sent.bytes, "byte"),
            got.bytes
        );
        let compared = request
            .ended
            .map(|at| Moment::new(at, "checksums", format!("{:016x} was sent, {:016x} came", sent.fnv, got.fnv)));
        Breach::new(what).with(of_request(run, request)).with(compared)
    })
}

pub(super) fn same_answer(run: &Run<'_>) -> Vec<Breach> {
    let plain = run.history.requests.iter().filter(|request| {
        request.outcome == Some(Outcome::Complete) && !request.stream && request.status.is_some_and(|one| one < 300)
    });
    plain.filter_map(|request| another(run, request)).collect()
}

/// A success that does not say what its provider said. Its bytes are others, since it is written anew.
fn another(run: &Run<'_>, request: &Request) -> Option<Breach> {
    request.gateway.as_ref().filter(|gateway| gateway.error.is_none())?;
    let served = run.served_answer(request).filter(|one| is_untouched(one) && one.status == request.status)?;
    let (sent, got) = (served.digest?.json?, request.digest?.json?);
    let what = format!("{}: {} said something else than what the client got", line(request), served.host);
    let compared = request
        .ended
        .map(|at| Moment::new(at, "checksums", format!("{sent:016x} was said, {got:016x} came, whatever the order")));
    (sent != got).then(|| Breach::new(what).with(of_request(run, request)).with(compared))
}

/// Whether no fault has changed what the simulator wrote.
fn is_untouched(one: &Served) -> bool {
    one.injected.is_none() && one.outcome == Some(Outcome::Complete)
}
