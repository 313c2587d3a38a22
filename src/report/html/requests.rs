//! Every request in a table; marks in the pictures lead to its rows.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::record::{RunRecord, counted};
use super::super::xml::escaped;
use super::svg::Class;
use crate::event::Outcome;
use crate::event::history::Request;

/// Rows, at most.
pub(super) const ROWS: usize = 1_000;

pub(super) fn render(out: &mut String, number: usize, run: &RunRecord) {
    let requests = &run.history.requests;
    out.push_str("<section class=\"card\"><h3>Requests</h3><div class=\"wide\" tabindex=\"0\"><table class=\"requests\">\n<thead><tr>");
    out.push_str("<th class=\"n\">#</th><th>Time</th>");
    let several = run.header.replicas > 1;
    if several {
        out.push_str("<th class=\"n\">Replica</th>");
    }
    out.push_str("<th>Status</th><th>Path</th><th>Provider</th><th>Endpoint</th><th>Model</th><th class=\"n\">First token</th><th class=\"n\">Duration</th></tr></thead>\n<tbody>\n");
    for request in requests.iter().take(ROWS) {
        row(out, number, request, several);
    }
    out.push_str("</tbody></table></div>\n");
    if requests.len() > ROWS {
        let _ = writeln!(
            out,
            "<p class=\"notice\">{} more can be found in the recording.</p>",
            counted(requests.len() - ROWS, "request")
        );
    }
    out.push_str("</section>\n");
}

fn row(out: &mut String, number: usize, request: &Request, with_replica: bool) {
    let class = class(request);
    let replica = request.replica.map_or_else(|| "-".to_owned(), |replica| replica.to_string());
    let replica = if with_replica { format!("<td class=\"n\">{replica}</td>") } else { String::new() };
    let endpoint = request.answer().map_or("gateway", |attempt| attempt.endpoint.as_str());
    let _ = writeln!(
        out,
        "<tr id=\"{}\"><td class=\"n\">{}</td><td class=\"n\">{}</td>{replica}<td><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><path class=\"{}\" transform=\"translate(6 6) scale(.9)\" d=\"{}\"/></svg> {}</td>\
         <td>{}</td><td>{}</td><td class=\"any\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        anchor(number, request),
        request.number,
        request.sent,
        class.css(),
        class.path(),
        escaped(&status(request)),
        escaped(&request.path),
        tried(request),
        escaped(endpoint),
        escaped(request.model.as_deref().unwrap_or("-")),
        millis(request.time_to_first_token()),
        millis(request.duration().or_else(|| request.gateway_duration())),
    );
}

/// The provider; where there were several attempts, all of them with what came of each.
fn tried(request: &Request) -> String {
    let names: Vec<String> = match &request.attempts[..] {
        [] => return "-".to_owned(),
        [only] => vec![escaped(&only.provider).into_owned()],
        several => several
            .iter()
            .map(|attempt| {
                let status = attempt
                    .status
                    .map_or_else(|| attempt.outcome.map_or("?", Outcome::name).to_owned(), |one| one.to_string());
                format!("{} <small>{}</small>", escaped(&attempt.provider), escaped(&status))
            })
            .collect(),
    };
    names.join(" → ")
}

/// Id of a request's row.
pub(super) fn anchor(number: usize, request: &Request) -> String {
    // Rows that are left out lead to the run.
    if request.number > ROWS { format!("run-{number}") } else { format!("run-{number}-request-{}", request.number) }
}

/// What the client saw: a status, or how it broke.
pub(super) fn status(request: &Request) -> String {
    let status = request.status.or(request.gateway.as_ref().and_then(|gateway| gateway.status));
    let broken = request.outcome.filter(|outcome| *outcome != Outcome::Complete);
    match (status, broken) {
        (Some(status), Some(outcome)) => format!("{status} {}", outcome.name()),
        (Some(status), None) => status.to_string(),
        (None, outcome) => outcome.map_or("not over", Outcome::name).to_owned(),
    }
}

pub(super) fn class(request: &Request) -> Class {
    let status = request.status.or(request.gateway.as_ref().and_then(|gateway| gateway.status));
    Class::of(status, request.outcome.is_none_or(|outcome| outcome == Outcome::Complete))
}

pub(super) fn millis(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), |duration| format!("{}ms", duration.as_millis()))
}
