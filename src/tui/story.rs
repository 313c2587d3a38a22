//! One request in full: gathered from the events around it when somebody opens it.

use std::fmt::Write as _;

use super::fold::Fold;
use super::row::Row;
use super::timeline::Timeline;
use crate::event::history::{Request, Served};
use crate::event::{At, Event, Headers, History, Kind};

/// Everything known about one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    pub(super) request: Request,
    /// Request headers and body, as the client sent them.
    pub(super) sent: Option<(Headers, String)>,
    /// What the providers saw of it.
    pub(super) served: Vec<Served>,
    /// The rule that took it, and its credential.
    pub(super) evictions: Vec<crate::event::history::Eviction>,
    /// The moment of which it is told.
    pub(super) at: At,
    position: usize,
    /// The number of events after which nothing more is told of it.
    settled: Option<usize>,
}

/// How many events after a request's own last one are searched for hosts that tell their end later.
const AFTERWARDS: usize = 2_000;
/// How many events a request may last at most to be told whole.
const LONGEST: usize = 400_000;

impl Story {
    /// Gathers what had happened to a request by the fold's moment.
    pub(super) fn of(timeline: &Timeline, fold: &Fold, row: &Row) -> Option<Self> {
        let start = row.position as usize;
        let first = timeline.event(start)?;
        let id = request_of(&first)?.to_owned();
        let mut history = History::default();
        let mut sent = None;
        let mut over_at: Option<usize> = None;
        let end = fold.position.min(start + LONGEST);
        timeline.scan(start..end, |position, event| {
            if request_of(event) == Some(&id) {
                if let Kind::ClientRequestSent { headers, body, .. } = &event.kind {
                    sent.get_or_insert_with(|| (headers.clone(), body.clone()));
                }
                if ends(event, row) {
                    over_at = Some(position);
                }
                history.apply(event);
            }
            over_at.is_none_or(|over| position < over + AFTERWARDS)
        });
        let mut request = history.requests.first()?.clone();
        request.number = row.index as usize + 1;
        let all_ended = history.served.iter().all(|served| served.ended.is_some());
        let settled = over_at.map(|over| over + AFTERWARDS).filter(|settled| *settled <= fold.position && all_ended);
        let (served, evictions) = (history.served, history.evictions);
        Some(Self { request, sent, served, evictions, at: fold.now, position: fold.position, settled })
    }

    /// Whether the same would be told after `position` events.
    pub(super) fn holds_at(&self, position: usize) -> bool {
        position == self.position || self.settled.is_some_and(|settled| position >= settled)
    }

    /// The request as a command line; the key is left for the person to put in.
    pub(super) fn curl(&self) -> Option<String> {
        let (headers, body) = self.sent.as_ref()?;
        let request = &self.request;
        let host = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map_or("localhost:8080", |(_, host)| host);
        let mut curl = String::from("curl -sS");
        if request.method != "POST" || body.is_empty() {
            let _ = write!(curl, " -X {}", quoted(&request.method));
        }
        let _ = write!(curl, " {}", quoted(&format!("http://{host}{}", request.path)));
        for (name, value) in headers {
            let own = ["host", "content-length", "user-agent", "accept", "x-request-id"];
            if own.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                continue;
            }
            let secret = name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("api-key");
            let value = if secret { "Bearer $API_KEY" } else { value };
            let header = format!("{name}: {value}");
            let shown = if secret { format!("\"{header}\"") } else { quoted(&header) };
            let _ = write!(curl, " \\\n  -H {shown}");
        }
        if !body.is_empty() {
            let _ = write!(curl, " \\\n  -d {}", quoted(body));
        }
        Some(curl)
    }
}

/// A word that a shell takes as it is.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn ends(event: &Event, row: &Row) -> bool {
    match event.kind {
        Kind::ClientRequestEnded { .. } => true,
        Kind::GatewayRequestEnded { .. } => !row.has_client,
        _ => false,
    }
}

/// The request that an event tells of.
pub(super) fn request_of(event: &Event) -> Option<&str> {
    match &event.kind {
        Kind::ClientRequestSent { request, .. }
        | Kind::ClientResponseStarted { request, .. }
        | Kind::ClientFirstToken { request }
        | Kind::ClientRequestEnded { request, .. }
        | Kind::GatewayRequestReceived { request, .. }
        | Kind::GatewayRequestRouted { request, .. }
        | Kind::ProviderSelected { request, .. }
        | Kind::AttemptStarted { request, .. }
        | Kind::AttemptEnded { request, .. }
        | Kind::ProviderEvicted { request, .. }
        | Kind::GatewayRequestEnded { request, .. } => Some(request),
        Kind::ProviderRequestReceived { request, .. }
        | Kind::ProviderRequestEnded { request, .. }
        | Kind::FaultStruck { request, .. } => request.as_deref(),
        Kind::StepStarted { .. }
        | Kind::StepEnded { .. }
        | Kind::ReplicaStarted { .. }
        | Kind::ReplicaStopped { .. }
        | Kind::ReplicaConfigured { .. }
        | Kind::HealthChanged { .. }
        | Kind::ProviderReturned { .. }
        | Kind::FaultInjected { .. }
        | Kind::FaultCleared { .. }
        | Kind::Note { .. } => None,
    }
}
