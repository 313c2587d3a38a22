//! Client, gateway and provider tell the same story.

use super::super::expectations::line;
use super::Run;
use crate::event::Outcome;
use crate::event::history::{Attempt, Request, Served};
use crate::topology::Auth;

pub(super) fn one_end(run: &Run<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for request in &run.history.requests {
        let mut say = |what: &str| broken.push(format!("{} {what}", line(request)));
        match request.ends {
            0 if run.over(request) => say("never ended for the client"),
            0 | 1 => {}
            ends => say(&format!("ended {ends} times for the client")),
        }
        let Some(gateway) = &request.gateway else { continue };
        match gateway.ends {
            0 if run.over(request) && run.finished => say("never ended at the gateway"),
            0 | 1 => {}
            ends => say(&format!("ended {ends} times at the gateway")),
        }
        for attempt in request.attempts.iter().filter(|attempt| attempt.ended.is_none() && gateway.ends > 0) {
            say(&format!("is over, yet its attempt at {} never ended", attempt.provider));
        }
    }
    broken
}

pub(super) fn double_entry(run: &Run<'_>) -> Vec<String> {
    if !run.gateway_speaks {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for request in &run.history.requests {
        broken.extend(client_and_gateway(request));
        let seen = run.served.get(request.id.as_str()).map_or(&[][..], Vec::as_slice);
        for attempt in &request.attempts {
            broken.extend(gateway_and_provider(request, attempt, seen));
        }
        let unheard_of = |one: &&&Served| !request.attempts.iter().any(|attempt| attempt.attempt == one.attempt);
        broken.extend(seen.iter().filter(unheard_of).map(|one| {
            format!("{}: {} saw attempt {}, which the gateway never made", line(request), one.host, one.attempt)
        }));
    }
    let strangers = run.served.iter().filter(|(id, _)| run.history.request(id).is_none());
    broken.extend(strangers.map(|(id, seen)| {
        let host = seen.first().map_or("", |one| one.host.as_str());
        format!("{host} saw request {id}, which nobody sent")
    }));
    broken
}

fn client_and_gateway(request: &Request) -> Option<String> {
    let status = request.status.filter(|_| request.outcome == Some(Outcome::Complete))?;
    let Some(gateway) = &request.gateway else {
        return Some(format!("{}, yet the gateway never saw it", line(request)));
    };
    let sent = gateway.status.filter(|sent| *sent != status)?;
    Some(format!("{}, yet the gateway says that it sent {sent}", line(request)))
}

fn gateway_and_provider(request: &Request, attempt: &Attempt, seen: &[&Served]) -> Option<String> {
    let outcome = attempt.outcome?;
    let seen: Vec<_> = seen.iter().filter(|one| one.attempt == attempt.attempt).collect();
    let say =
        |what: String| Some(format!("{}, attempt {} at {}: {what}", line(request), attempt.attempt, attempt.provider));
    let arrived = match outcome {
        Outcome::Complete | Outcome::Truncated | Outcome::Cut => 1..=1,
        Outcome::Refused | Outcome::Unresolved => 0..=0,
        // It may have broken on the way there, or on the way back.
        Outcome::Reset | Outcome::Timeout | Outcome::Cancelled | Outcome::Failed => 0..=1,
    };
    if !arrived.contains(&seen.len()) {
        let times = match seen.len() {
            0 => "no provider saw it".to_owned(),
            1 => "yet a provider saw it".to_owned(),
            count => format!("yet providers saw it {count} times"),
        };
        return say(format!("{} at the gateway, {times}", outcome.name()));
    }
    let one = seen.first()?;
    if let (Some(got), Some(sent), Outcome::Complete) = (attempt.status, one.status, outcome)
        && got != sent
    {
        return say(format!("{} sent {sent}, yet the gateway got {got}", one.host));
    }
    if let (Some(wanted), Some(asked)) = (&attempt.model, &one.model)
        && wanted != asked
    {
        return say(format!("{} was asked for {asked}, yet the gateway asked for {wanted}", one.host));
    }
    None
}

pub(super) fn credential_isolation(run: &Run<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (request, _, attempt) in run.attempts() {
        let name = |reference: Option<&str>| reference.map_or("none".to_owned(), |one| run.credential(one).to_owned());
        let sent = name(attempt.credential.as_deref());
        let mut say = |what: String| {
            broken.push(format!("{}, attempt {} at {}: {what}", line(request), attempt.attempt, attempt.provider));
        };
        let came = request.gateway.as_ref().and_then(|gateway| gateway.credential.as_deref());
        let own = run.provider(&attempt.backend, &attempt.provider).map(|provider| match &provider.auth {
            Auth::None => name(None),
            Auth::Passthrough => name(came),
            Auth::Credential(credential) => name(Some(&credential.reference)),
        });
        // An attempt that was never sent has no credential.
        if let Some(own) = own.filter(|own| *own != sent && !attempt.endpoint.is_empty()) {
            say(format!("it was sent the credential {sent}, and its own is {own}"));
        }
        let seen = run.served.get(request.id.as_str()).map_or(&[][..], Vec::as_slice);
        for one in seen.iter().filter(|one| one.attempt == attempt.attempt) {
            let saw = name(one.credential.as_deref());
            if saw != sent {
                say(format!("{} saw the credential {saw}, yet the gateway says that it sent {sent}", one.host));
            }
        }
    }
    broken
}
