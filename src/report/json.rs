//! A report for programs: JSON with a version, described by [`SCHEMA`].
//!
//! The version changes when a reader could misunderstand a new report; fields may be added without.
//! Times that end in `_us` are microseconds since the lab's start, durations that end in `_ms` are
//! milliseconds.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::load::{self, Load};
use super::record::{RunRecord, Tally, worst};
use crate::event::history::{Attempt, Eviction, Request};
use crate::event::{At, Outcome, Usage};
use crate::verdict::{About, Exempt, Finding};

/// Version of the report's format.
pub const FORMAT: u32 = 1;

/// JSON Schema of the report.
pub const SCHEMA: &str = include_str!("../../schemas/report.schema.json");

#[derive(Serialize)]
struct Report<'a> {
    #[serde(rename = "labsim_report")]
    format: u32,
    version: &'a str,
    outcome: &'a str,
    passed: usize,
    failed: usize,
    unknown: usize,
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    file: &'a str,
    outcome: &'a str,
    interrupted: bool,
    seed: u64,
    personality: &'a str,
    clock: &'a str,
    start: &'a str,
    replicas: u32,
    duration_us: At,
    findings: Vec<Judged<'a>>,
    requests: Vec<Asked<'a>>,
    evictions: Vec<Out<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    loads: Vec<Json>,
}

#[derive(Serialize)]
struct Judged<'a> {
    about: &'a str,
    /// The invariant's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    invariant: Option<&'a str>,
    statement: &'a str,
    outcome: &'a str,
    /// Position of the step, from 0; null for the run as a whole.
    step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place<'a>>,
    expected: &'a str,
    actual: &'a str,
    detail: &'a [String],
    /// What the personality does instead, where it is known for breaking this invariant.
    #[serde(skip_serializing_if = "Option::is_none")]
    deviation: Option<&'a str>,
    /// Why the scenario turns this invariant off.
    #[serde(skip_serializing_if = "Option::is_none")]
    turned_off: Option<&'a str>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Asked<'a> {
    number: usize,
    id: &'a str,
    step: Option<usize>,
    replica: Option<u32>,
    method: &'a str,
    path: &'a str,
    stream: bool,
    sent_us: At,
    duration_ms: Option<f64>,
    time_to_first_token_ms: Option<f64>,
    /// How late it was sent, where a load says when it should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_ms: Option<f64>,
    status: Option<u16>,
    outcome: Option<&'a str>,
    model: Option<&'a str>,
    usage: Option<Usage>,
    attempts: Vec<Tried<'a>>,
}

#[derive(Serialize)]
struct Tried<'a> {
    provider: &'a str,
    backend: &'a str,
    group: usize,
    endpoint: &'a str,
    /// Whether evicted providers were chosen from, since none was active.
    fallback: bool,
    at_us: At,
    duration_ms: Option<f64>,
    status: Option<u16>,
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Out<'a> {
    replica: u32,
    backend: &'a str,
    group: usize,
    provider: &'a str,
    request: &'a str,
    status: u16,
    source: &'a str,
    began_us: At,
    until_us: At,
    /// When the provider was back; null if the run ended before.
    returned_us: Option<At>,
}

/// The whole document, with a line end.
#[must_use]
pub fn render(runs: &[RunRecord]) -> String {
    let tally = Tally::of(runs);
    let report = Report {
        format: FORMAT,
        version: runs.first().map_or(env!("CARGO_PKG_VERSION"), |run| run.header.version.as_str()),
        outcome: worst(runs).name(),
        passed: tally.passed,
        failed: tally.failed,
        unknown: tally.unknown,
        runs: runs.iter().map(Run::of).collect(),
    };
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

impl<'a> Run<'a> {
    fn of(run: &'a RunRecord) -> Self {
        let header = &run.header;
        Self {
            name: &header.name,
            file: run.file(),
            outcome: run.outcome().name(),
            interrupted: run.interrupted,
            seed: header.seed,
            personality: &header.personality,
            clock: &header.clock,
            start: &header.start,
            replicas: header.replicas,
            duration_us: run.history.now,
            findings: run.verdict.findings.iter().map(|finding| Judged::of(run, finding)).collect(),
            requests: run.history.requests.iter().map(Asked::of).collect(),
            evictions: run.history.evictions.iter().map(Out::of).collect(),
            loads: load::of(&run.history).iter().map(Load::as_json).collect(),
        }
    }
}

impl<'a> Judged<'a> {
    fn of(run: &'a RunRecord, finding: &'a Finding) -> Self {
        let (about, invariant) = match finding.about {
            About::Expectation => ("expectation", None),
            About::Invariant(name) => ("invariant", Some(name)),
        };
        let (deviation, turned_off) = match &finding.exempt {
            None => (None, None),
            Some(Exempt::Deviation { why, .. }) => (Some(*why), None),
            Some(Exempt::Off { reason }) => (None, Some(reason.as_str())),
        };
        let place = run.position(finding).map(|(file, at)| Place { file, line: at.line, column: at.column });
        Self {
            about,
            invariant,
            statement: &finding.statement,
            outcome: finding.outcome.name(),
            step: finding.step,
            place,
            expected: &finding.expected,
            actual: &finding.actual,
            detail: &finding.detail,
            deviation,
            turned_off,
        }
    }
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request) -> Self {
        Self {
            number: request.number,
            id: &request.id,
            step: request.step,
            replica: request.replica,
            method: &request.method,
            path: &request.path,
            stream: request.stream,
            sent_us: request.sent,
            duration_ms: request.duration().map(in_millis),
            time_to_first_token_ms: request.time_to_first_token().map(in_millis),
            late_ms: request.lateness().map(in_millis),
            status: request.status,
            outcome: request.outcome.map(Outcome::name),
            model: request.model.as_deref(),
            usage: request.usage,
            attempts: request.attempts.iter().map(Tried::of).collect(),
        }
    }
}

impl<'a> Tried<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            provider: &attempt.provider,
            backend: &attempt.backend,
            group: attempt.group,
            endpoint: &attempt.endpoint,
            fallback: attempt.fallback,
            at_us: attempt.selected,
            duration_ms: attempt.ended.map(|ended| millis(attempt.selected, ended)),
            status: attempt.status,
            outcome: attempt.outcome.map(Outcome::name),
            error: attempt.error.as_deref(),
        }
    }
}

impl<'a> Out<'a> {
    fn of(eviction: &'a Eviction) -> Self {
        Self {
            replica: eviction.replica,
            backend: &eviction.backend,
            group: eviction.group,
            provider: &eviction.provider,
            request: &eviction.request,
            status: eviction.status,
            source: &eviction.source,
            began_us: eviction.began,
            until_us: eviction.until,
            returned_us: eviction.returned,
        }
    }
}

fn millis(from: At, to: At) -> f64 {
    in_millis(to.since(from))
}

fn in_millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests;
