//! Client, gateway and provider tell the same story.

use super::super::expectations::line;
use super::evidence::{Breach, of_attempt, of_client, of_providers, of_request};
use super::run::Run;
use crate::event::Outcome;
use crate::event::history::{Attempt, Request, Served};
use crate::topology::Auth;

pub(super) fn one_end(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for request in &run.history.requests {
        let mut say =
            |what: &str| broken.push(Breach::new(format!("{} {what}", line(request))).with(of_request(run, request)));
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

pub(super) fn double_entry(run: &Run<'_>) -> Vec<Breach> {
    if !run.gateway_speaks {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for request in &run.history.requests {
        let seen = run.seen(request);
        let mut wrong: Vec<String> = client_and_gateway(request).into_iter().collect();
        wrong.extend(request.attempts.iter().filter_map(|attempt| gateway_and_provider(request, attempt, seen)));
        let unheard_of = |one: &&&Served| !request.attempts.iter().any(|attempt| attempt.attempt == one.attempt);
        wrong.extend(seen.iter().filter(unheard_of).map(|one| {
            format!("{}: {} saw attempt {}, which the gateway never made", line(request), one.host, one.attempt)
        }));
        broken.extend(wrong.into_iter().map(|what| Breach::new(what).with(of_request(run, request))));
    }
    let strangers = run.served.iter().filter(|(id, _)| run.history.request(id).is_none());
    broken.extend(strangers.map(|(id, seen)| {
        let host = seen.first().map_or("", |one| one.host.as_str());
        Breach::new(format!("{host} saw request {id}, which nobody sent"))
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

pub(super) fn credential_isolation(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for one in run.attempts() {
        let (request, attempt) = (one.request, one.attempt);
        let name = |reference: Option<&str>| reference.map_or("none".to_owned(), |one| run.credential(one).to_owned());
        let sent = name(attempt.credential.as_deref());
        let mut say = |what: String| {
            let what = format!("{}, attempt {} at {}: {what}", line(request), attempt.attempt, attempt.provider);
            broken.push(Breach::new(what).with(of_attempt(request, attempt)).with(of_providers(run, request)));
        };
        let came = request.gateway.as_ref().and_then(|gateway| gateway.credential.as_deref());
        let own = run.provider(&attempt.backend, &attempt.provider).map(|provider| match &provider.auth {
            Auth::None if !run.personality.passes_credentials() => name(None),
            Auth::None | Auth::Passthrough => name(came),
            Auth::Credential(credential) => name(Some(&credential.reference)),
        });
        // An attempt that was never sent has no credential.
        if let Some(own) = own.filter(|own| *own != sent && !attempt.endpoint.is_empty()) {
            say(format!("it was sent the credential {sent}, and its own is {own}"));
        }
        for one in run.seen(request).iter().filter(|one| one.attempt == attempt.attempt) {
            let saw = name(one.credential.as_deref());
            if saw != sent {
                say(format!("{} saw the credential {saw}, yet the gateway says that it sent {sent}", one.host));
            }
        }
    }
    broken
}

pub(super) fn usage(run: &Run<'_>) -> Vec<Breach> {
    let requests = run.history.requests.iter().filter(|request| request.outcome == Some(Outcome::Complete));
    requests.filter_map(|request| miscounted(run, request)).collect()
}

/// What is wrong with the tokens of a request, if anything.
fn miscounted(run: &Run<'_>, request: &Request) -> Option<Breach> {
    let served =
        run.last_served(request).filter(|one| one.injected.is_none() && one.outcome == Some(Outcome::Complete))?;
    let spent = served.usage.filter(|_| request.status.is_some_and(|status| status < 300))?;
    let gateway = request.gateway.as_ref()?;
    let said = [("gateway's access log", gateway.usage), ("client", request.usage)];
    let (who, said) = said.into_iter().find_map(|(who, said)| Some((who, said.filter(|said| *said != spent)?)))?;
    let what = format!(
        "{}: {} spent {}+{} tokens, yet the {who} has {}+{}",
        line(request),
        served.host,
        spent.input,
        spent.output,
        said.input,
        said.output
    );
    Some(Breach::new(what).with(of_request(run, request)))
}

pub(super) fn honest_status(run: &Run<'_>) -> Vec<Breach> {
    let lied = |request: &&Request| {
        request.gateway.as_ref().filter(|gateway| gateway.error.is_none() && gateway.ended.is_some())?;
        let last = request.last_attempt().filter(|last| last.outcome == Some(Outcome::Complete))?;
        let (said, came) = (request.status?, last.status?);
        // A refusal of the retry alone may be left out, and the failure before it told of.
        let refused = (400..500).contains(&came) && came != 429;
        let met =
            said == came || (refused && request.attempts.iter().any(|one| one.status == Some(said) && failed(one)));
        (!met).then(|| {
            let what =
                format!("{}: {} answered {came}, and nothing says why {said} was sent", line(request), last.provider);
            Breach::new(what).with(of_request(run, request))
        })
    };
    run.history.requests.iter().filter_map(|request| lied(&request)).collect()
}

pub(super) fn root_cause(run: &Run<'_>) -> Vec<Breach> {
    let masked = |request: &Request| {
        request.gateway.as_ref().filter(|gateway| gateway.error.is_none() && gateway.ended.is_some())?;
        let (last, earlier) = request.attempts.split_last()?;
        let refusal = last.status.filter(|status| (400..500).contains(status) && *status != 429)?;
        let told = last.outcome == Some(Outcome::Complete) && request.status == Some(refusal);
        let first = earlier.iter().find(|one| failed(one)).filter(|_| told)?;
        let came = first
            .status
            .map_or_else(|| first.outcome.map_or("nothing", Outcome::name).to_owned(), |status| status.to_string());
        let what = format!(
            "{}: {} failed first ({came}), and the client is told of what {} said to the retry",
            line(request),
            first.provider,
            last.provider
        );
        Some(Breach::new(what).with(of_request(run, request)))
    };
    run.history.requests.iter().filter_map(masked).collect()
}

/// Whether an attempt failed by no fault of its request.
fn failed(attempt: &Attempt) -> bool {
    match (attempt.outcome, attempt.status) {
        (None | Some(Outcome::Cancelled), _) => false,
        (Some(Outcome::Complete), status) => status.is_some_and(|status| status >= 500 || status == 429),
        (Some(_), _) => true,
    }
}

pub(super) fn hop_by_hop(run: &Run<'_>) -> Vec<Breach> {
    let mut broken = Vec::new();
    for request in &run.history.requests {
        for one in run.seen(request).iter().filter(|one| !one.hop_by_hop.is_empty()) {
            let what = format!("{}: {} was sent {}", line(request), one.host, one.hop_by_hop.join(", "));
            broken.push(Breach::new(what).with(of_client(request)).with(of_providers(run, request)));
        }
    }
    broken
}
