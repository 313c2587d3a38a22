//! One request in full: gathered from the events around it when somebody opens it.

use std::fmt::Write as _;

use super::fold::Fold;
use super::row::Row;
use super::timeline::Timeline;
use crate::event::history::{Pages, Request, Served};
use crate::event::{Event, Headers, History, Kind};

/// Everything known about one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    pub(super) request: Request,
    /// Request headers and body, as the client sent them.
    pub(super) sent: Option<(Headers, String)>,
    /// What the providers saw of it.
    pub(super) served: Pages<Served>,
    /// The rule that took it, and its credential.
    pub(super) evictions: Vec<crate::event::history::Eviction>,
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
        let (mut sent, mut asked) = (None, None);
        let mut over_at: Option<usize> = None;
        let end = fold.position.min(start + LONGEST);
        timeline.scan(start..end, |position, event| {
            if request_of(event) == Some(&id) {
                match &event.kind {
                    Kind::ClientRequestSent { headers, body, .. } => {
                        sent.get_or_insert_with(|| (headers.clone(), body.clone()));
                    }
                    Kind::GatewayRequestReceived { method, path, .. } => {
                        asked.get_or_insert_with(|| (method.clone(), path.clone()));
                    }
                    _ => {}
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
        if let Some(asked) = asked.filter(|_| !row.has_client) {
            seen_by_gateway(&mut request, asked);
        }
        let all_ended = history.served.iter().all(|served| served.ended.is_some());
        let settled = over_at.map(|over| over + AFTERWARDS).filter(|settled| *settled <= fold.position && all_ended);
        let (served, evictions) = (history.served, history.evictions);
        Some(Self { request, sent, served, evictions, position: fold.position, settled })
    }

    /// Whether the same would be told after `position` events.
    pub(super) fn holds_at(&self, position: usize) -> bool {
        position == self.position || self.settled.is_some_and(|settled| position >= settled)
    }

    /// Whether what the client sent is known; of requests that came from outside only the gateway tells.
    pub(super) fn is_whole(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether it has a body that nobody has told of.
    pub(super) fn lacks_body(&self) -> bool {
        self.sent.is_none() && !["GET", "HEAD", "DELETE", "OPTIONS"].contains(&self.request.method.as_str())
    }

    /// Headers and body of a request of which only the gateway tells: those that it must have had.
    fn from_outside(&self) -> (Headers, String) {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let has_key = self.request.gateway.as_ref().is_some_and(|gateway| gateway.credential.is_some());
        let key = has_key.then(|| pair("authorization", ""));
        let (form, body) = if self.lacks_body() {
            (Some(pair("content-type", "application/json")), "@body.json".to_owned())
        } else {
            (None, String::new())
        };
        (form.into_iter().chain(key).collect(), body)
    }

    /// The request as a command line, to `address` where the lab has one. Keys are left for the person to
    /// put in, and so is a body that nobody has told of.
    pub(super) fn curl(&self, address: Option<&str>) -> String {
        let unknown = self.from_outside();
        let (headers, body) = self.sent.as_ref().unwrap_or(&unknown);
        let request = &self.request;
        let host = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map_or("localhost:8080", |(_, host)| host);
        let address = address.map_or_else(|| format!("http://{host}"), str::to_owned);
        let mut curl = String::from("curl -sS");
        if request.method != "POST" || body.is_empty() {
            let _ = write!(curl, " -X {}", quoted(&request.method));
        }
        let _ = write!(curl, " {}", quoted(&format!("{address}{}", request.path)));
        for (name, value) in headers {
            let own = ["host", "content-length", "user-agent", "accept", "x-request-id", "cookie"];
            if own.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                continue;
            }
            let shown = match placeholder(name) {
                Some(key) => format!("\"{name}: {key}\""),
                None => quoted(&format!("{name}: {value}")),
            };
            let _ = write!(curl, " \\\n  -H {shown}");
        }
        if !body.is_empty() {
            let _ = write!(curl, " \\\n  -d {}", quoted(body));
        }
        curl
    }
}

/// Of a request from outside nobody tells but the gateway: what it took and what it gave is the request.
fn seen_by_gateway(request: &mut Request, (method, path): (String, String)) {
    (request.method, request.path) = (method, path);
    let Some(gateway) = &request.gateway else { return };
    request.ended = gateway.ended;
    request.outcome = gateway.outcome;
    // 0 is none.
    request.status = gateway.status.filter(|status| *status > 0);
    request.usage = gateway.usage;
}

/// What stands in place of a credential.
fn placeholder(header: &str) -> Option<&'static str> {
    match header.to_ascii_lowercase().as_str() {
        "authorization" | "proxy-authorization" => Some("Bearer $API_KEY"),
        "api-key" | "x-api-key" => Some("$API_KEY"),
        _ => None,
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
        | Kind::HealthChanged { request, .. }
        | Kind::FaultStruck { request, .. } => request.as_deref(),
        Kind::StepStarted { .. }
        | Kind::StepEnded { .. }
        | Kind::ReplicaStarted { .. }
        | Kind::ReplicaStopped { .. }
        | Kind::ReplicaConfigured { .. }
        | Kind::ProviderReturned { .. }
        | Kind::FaultInjected { .. }
        | Kind::FaultCleared { .. }
        | Kind::Note { .. } => None,
    }
}
