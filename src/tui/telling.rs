//! Each event as one line for people.

use std::fmt::Write as _;

use super::text::{countdown, millis};
use super::theme::Role;
use crate::event::{Event, Kind, Outcome};

/// The line of an event and what kind of line it is.
#[expect(clippy::too_many_lines, reason = "a table, one line a kind")]
pub(super) fn line(event: &Event) -> (Role, String) {
    match &event.kind {
        Kind::StepStarted { step, verb, summary, .. } => {
            let summary = summary.strip_prefix(verb.as_str()).unwrap_or(summary).trim_start();
            (Role::Strong, format!("step {} begins: {verb} {summary}", step.saturating_add(1)))
        }
        Kind::StepEnded { step, .. } => (Role::Faint, format!("step {} is over", step.saturating_add(1))),
        Kind::ReplicaStarted { replica } => (Role::Returning, format!("replica {replica} is ready")),
        Kind::ReplicaStopped { replica } => {
            (Role::Bad, format!("replica {replica} is gone, and its health state with it"))
        }
        Kind::ReplicaConfigured { replica, reset, .. } => {
            let anew = reset.iter().map(|one| one.provider.as_str()).collect::<Vec<_>>().join(", ");
            let anew = if anew.is_empty() { String::new() } else { format!("; health is forgotten of {anew}") };
            (Role::Accent, format!("replica {replica} has the new configuration{anew}"))
        }
        Kind::ClientRequestSent { request, replica, method, path, stream, .. } => {
            let to = replica.map_or_else(String::new, |replica| format!(" to replica {replica}"));
            let stream = if *stream { ", as a stream" } else { "" };
            (Role::Accent, format!("{request} client sends {method} {path}{to}{stream}"))
        }
        Kind::ClientResponseStarted { request, status, .. } => {
            (status_role(*status), format!("{request} client has the head: {status}"))
        }
        Kind::ClientFirstToken { request } => (Role::Text, format!("{request} client has the first token")),
        Kind::ClientRequestEnded { request, outcome, status, model, usage, body_bytes, .. } => {
            let mut text = format!("{request} client is done: {}", ended(*outcome, *status));
            if let Some(model) = model {
                text.push_str(", ");
                text.push_str(model);
            }
            if let Some(usage) = usage {
                let _ = write!(text, ", {}+{} tokens", usage.input, usage.output);
            }
            (outcome_role(*outcome, *status), format!("{text}, {body_bytes} bytes"))
        }
        Kind::GatewayRequestReceived { request, replica, credential, .. } => {
            let with = credential.as_ref().map_or_else(String::new, |credential| format!(", credential {credential}"));
            (Role::Faint, format!("{request} gateway {replica} has it{with}"))
        }
        Kind::GatewayRequestRouted { request, route, rule, backend, .. } => {
            (Role::Faint, format!("{request} gateway routes by {route} rule {rule} to {backend}"))
        }
        Kind::ProviderSelected { request, attempt, group, provider, fallback, candidates, draws, .. } => {
            let scores: Vec<_> = candidates.iter().map(|one| format!("{} {:.3}", one.provider, one.score)).collect();
            let drawn: Vec<_> =
                draws.iter().filter_map(|at| candidates.get(*at)).map(|one| one.provider.as_str()).collect();
            let last = if *fallback { ", all being evicted" } else { "" };
            let text = format!(
                "{request} attempt {} goes to {provider} (group {group}) of [{}], drew [{}]{last}",
                attempt.saturating_add(1),
                scores.join(", "),
                drawn.join(", ")
            );
            (Role::Text, text)
        }
        Kind::AttemptStarted { request, attempt, endpoint, model, credential, .. } => {
            let model = model.as_ref().map_or_else(String::new, |model| format!(" for {model}"));
            let with = credential.as_ref().map_or_else(String::new, |credential| format!(" with {credential}"));
            (Role::Faint, format!("{request} attempt {} to {endpoint}{model}{with}", attempt.saturating_add(1)))
        }
        Kind::AttemptEnded { request, attempt, provider, outcome, status, error, .. } => {
            let error = error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            let text = format!(
                "{request} attempt {} at {provider} is over: {}{error}",
                attempt.saturating_add(1),
                ended(*outcome, *status)
            );
            (outcome_role(*outcome, *status), text)
        }
        Kind::HealthChanged { replica, provider, health, latency_seconds, consecutive_failures, .. } => {
            let latency = std::time::Duration::try_from_secs_f64(*latency_seconds).map(millis).unwrap_or_default();
            let failures = match consecutive_failures {
                0 => "no failure".to_owned(),
                1 => "1 failure".to_owned(),
                many => format!("{many} failures in a row"),
            };
            let text = format!("{provider} on replica {replica}: health {health:.3}, latency {latency}, {failures}");
            (if *consecutive_failures > 0 { Role::Degraded } else { Role::Faint }, text)
        }
        Kind::ProviderEvicted { replica, provider, until_us, source, status, request, .. } => {
            let lasts = countdown(until_us.since(event.at_us));
            (
                Role::Evicted,
                format!("{provider} is evicted on replica {replica} for {lasts}: {status} by {source} ({request})"),
            )
        }
        Kind::ProviderReturned { replica, provider, .. } => {
            (Role::Returning, format!("{provider} may be chosen again on replica {replica}"))
        }
        Kind::GatewayRequestEnded { request, status, outcome, attempts, error, reason, .. } => {
            let why = [reason, error].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
            let why = if why.is_empty() { why } else { format!(" ({why})") };
            let tries = if *attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
            (
                outcome_role(*outcome, Some(*status)),
                format!("{request} gateway is done: {} after {tries}{why}", ended(*outcome, Some(*status))),
            )
        }
        Kind::ProviderRequestReceived { request, host, model, credential, .. } => {
            let who = request.as_deref().unwrap_or("a request");
            let model = model.as_ref().map_or_else(String::new, |model| format!(" for {model}"));
            let with = credential.as_ref().map_or_else(String::new, |credential| format!(" with {credential}"));
            (Role::Faint, format!("{who} {host} has it{model}{with}"))
        }
        Kind::ProviderRequestEnded { request, host, status, outcome, injected, .. } => {
            let who = request.as_deref().unwrap_or("a request");
            let why = injected.as_ref().map_or_else(String::new, |injected| format!(", injected {injected}"));
            (
                outcome_role(*outcome, Some(*status)),
                format!("{who} {host} is done: {}{why}", ended(*outcome, Some(*status))),
            )
        }
        Kind::Note { text } => (Role::Note, text.clone()),
        Kind::FaultInjected { fault_id, fault, target, .. } => {
            (Role::Bad, format!("fault {fault_id} is injected: {fault} at {target}"))
        }
        Kind::FaultStruck { fault_id, fault, request, place, .. } => {
            let whom = request.as_deref().unwrap_or("a connection");
            (Role::Bad, format!("fault {fault_id} ({fault}) strikes {whom} at {place}"))
        }
        Kind::FaultCleared { fault_id, reason } => (Role::Returning, format!("fault {fault_id} is cleared: {reason}")),
    }
}

fn ended(outcome: Outcome, status: Option<u16>) -> String {
    match (outcome, status) {
        (Outcome::Complete, Some(status)) => status.to_string(),
        (outcome, Some(status)) => format!("{status} {}", outcome.name()),
        (outcome, None) => outcome.name().to_owned(),
    }
}

fn status_role(status: u16) -> Role {
    outcome_role(Outcome::Complete, Some(status))
}

fn outcome_role(outcome: Outcome, status: Option<u16>) -> Role {
    super::row::Class::of(status, Some(outcome)).role()
}
