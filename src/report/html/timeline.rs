//! The timeline: a lane for every provider, its attempts as marks, its evictions as bars.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::record::{RunRecord, counted};
use super::super::xml::escaped;
use super::axis::Axis;
use super::requests;
use super::svg::{Class, Svg, legend};
use crate::event::history::{Attempt, Eviction, Request};
use crate::event::{At, Outcome};
use crate::source::duration::human;

/// Attempts in one lane that are drawn one by one; more become columns.
const MARKS: usize = 400;
const COLUMNS: usize = 120;
/// Heights in pixels.
const ATTEMPTS: f64 = 30.0;
const EVICTION: f64 = 9.0;

struct Lane<'a> {
    title: String,
    facts: String,
    attempts: Vec<Mark<'a>>,
    evictions: Vec<&'a Eviction>,
}

struct Mark<'a> {
    request: &'a Request,
    from: At,
    to: At,
    class: Class,
    title: String,
}

pub(super) fn render(out: &mut String, number: usize, run: &RunRecord, axis: &Axis) {
    let lanes = lanes(run);
    let mut classes: Vec<Class> = lanes.iter().flat_map(|lane| &lane.attempts).map(|mark| mark.class).collect();
    classes.sort_unstable();
    classes.dedup();
    out.push_str("<section class=\"card timeline\"><h3>Providers over time</h3>\n");
    let evicted =
        if run.history.evictions.is_empty() { "" } else { "<li><span class=\"swatch evicted\"></span>evicted</li>" };
    out.push_str(&legend(classes, evicted));
    for lane in &lanes {
        let _ = writeln!(out, "<h4>{} <small>{}</small></h4>", escaped(&lane.title), escaped(&lane.facts));
        out.push_str(&lane.draw(number, run, axis));
    }
    out.push_str("</section>\n");
}

fn lanes(run: &RunRecord) -> Vec<Lane<'_>> {
    let history = &run.history;
    let several = run.header.backends.len() > 1;
    let mut lanes = Vec::new();
    for backend in &run.header.backends {
        for (group, providers) in backend.groups.iter().enumerate() {
            for provider in providers {
                let is_it = |attempt: &&Attempt| attempt.backend == backend.name && attempt.provider == provider.name;
                let of_request = |request| {
                    attempts(request).filter(is_it).map(move |attempt| Mark::of(request, attempt, history.now))
                };
                let evicted = |one: &&Eviction| one.backend == backend.name && one.provider == provider.name;
                let title =
                    if several { format!("{} in {}", provider.name, backend.name) } else { provider.name.clone() };
                let mut lane = Lane {
                    title,
                    facts: String::new(),
                    attempts: history.requests.iter().flat_map(of_request).collect(),
                    evictions: history.evictions.iter().filter(evicted).collect(),
                };
                lane.facts = lane.describe(group, &provider.endpoint);
                // A backend that this run had nothing to do with is left out.
                lanes.push((backend.name.as_str(), lane));
            }
        }
    }
    let used: Vec<&str> = lanes
        .iter()
        .filter(|(_, lane)| !lane.attempts.is_empty() || !lane.evictions.is_empty())
        .map(|(backend, _)| *backend)
        .collect();
    let mut lanes: Vec<Lane<'_>> =
        lanes.into_iter().filter(|(backend, _)| used.contains(backend)).map(|(_, lane)| lane).collect();
    lanes.extend(gateway_lane(run));
    lanes
}

/// Requests that the gateway answered itself.
fn gateway_lane(run: &RunRecord) -> Option<Lane<'_>> {
    let own = |request: &&Request| request.attempts.is_empty();
    let attempts: Vec<Mark<'_>> =
        run.history.requests.iter().filter(own).map(|request| Mark::of_gateway(request, run.history.now)).collect();
    let facts = counted(attempts.len(), "request");
    let title = "answered by the gateway itself".to_owned();
    (!attempts.is_empty()).then_some(Lane { title, facts, attempts, evictions: Vec::new() })
}

fn attempts(request: &Request) -> impl Iterator<Item = &Attempt> {
    request.attempts.iter()
}

impl<'a> Mark<'a> {
    fn of(request: &'a Request, attempt: &Attempt, now: At) -> Self {
        let class = Class::of(attempt.status, attempt.outcome.is_none_or(|outcome| outcome == Outcome::Complete));
        let to = attempt.ended.unwrap_or(now);
        let status = match (attempt.status, attempt.outcome) {
            (Some(status), _) => status.to_string(),
            (None, Some(outcome)) => outcome.name().to_owned(),
            (None, None) => "not over".to_owned(),
        };
        let retry = if attempt.attempt > 0 { format!(", attempt {}", attempt.attempt + 1) } else { String::new() };
        let took = human(Duration::from_millis(
            to.since(attempt.selected).as_micros().div_ceil(1_000).try_into().unwrap_or(u64::MAX),
        ));
        let title = format!("#{} {status} after {took} at {}{retry}", request.number, attempt.selected);
        Self { request, from: attempt.selected, to, class, title }
    }

    fn of_gateway(request: &'a Request, now: At) -> Self {
        let class = requests::class(request);
        let to = request.ended.unwrap_or(now);
        let title = format!("#{} {} at {}", request.number, requests::status(request), request.sent);
        Self { request, from: request.sent, to, class, title }
    }
}

impl Lane<'_> {
    fn describe(&self, group: usize, endpoint: &str) -> String {
        let mut facts = vec![format!("group {group}"), endpoint.to_owned(), counted(self.attempts.len(), "attempt")];
        if !self.evictions.is_empty() {
            facts.push(counted(self.evictions.len(), "eviction"));
        }
        facts.join(" · ")
    }

    fn draw(&self, number: usize, run: &RunRecord, axis: &Axis) -> String {
        let mut replicas: Vec<u32> = self.evictions.iter().map(|eviction| eviction.replica).collect();
        replicas.sort_unstable();
        replicas.dedup();
        let bars: f64 = replicas.iter().map(|_| EVICTION).sum();
        let height = ATTEMPTS + bars;
        let mut svg = Svg::new();
        axis.draw(&mut svg, height, super::axis::WIDE);
        for eviction in &self.evictions {
            let row = replicas.iter().take_while(|replica| **replica < eviction.replica).count();
            let y = ATTEMPTS + EVICTION * super::axis::as_f64(row as u64);
            Self::eviction(&mut svg, run, axis, eviction, y);
        }
        svg.line("lane", (0.0, ATTEMPTS / 2.0), (100.0, ATTEMPTS / 2.0));
        if self.attempts.len() > MARKS {
            self.columns(&mut svg, axis);
        } else {
            self.marks(&mut svg, number, axis);
        }
        svg.finish("plot", height + 18.0, &format!("{}: {}", self.title, self.facts))
    }

    fn eviction(svg: &mut Svg, run: &RunRecord, axis: &Axis, eviction: &Eviction, y: f64) {
        let to = eviction.returned.unwrap_or_else(|| eviction.until.min(run.history.now));
        let (left, right) = (axis.x(eviction.began), axis.x(to));
        let on = if run.header.replicas > 1 { format!(" on replica {}", eviction.replica) } else { String::new() };
        let lasts = human(eviction.until.since(eviction.began));
        let title = format!("evicted{on} at {} for {lasts} ({})", eviction.began, eviction.source);
        svg.rect("evicted", left, (right - left).max(0.3), y, EVICTION - 2.0, &title);
    }

    fn marks(&self, svg: &mut Svg, number: usize, axis: &Axis) {
        for mark in &self.attempts {
            let (left, right) = (axis.x(mark.from), axis.x(mark.to));
            svg.link(&requests::anchor(number, mark.request), |svg| {
                let class = format!("span {}", mark.class.css());
                svg.rect(&class, left, (right - left).max(0.0), ATTEMPTS / 2.0 - 2.0, 4.0, &mark.title);
                svg.shape(mark.class.css(), right, ATTEMPTS / 2.0, mark.class.path(), &mark.title);
            });
        }
    }

    /// How many of each class ended in every part of the width.
    fn columns(&self, svg: &mut Svg, axis: &Axis) {
        let width = 100.0 / super::axis::as_f64(COLUMNS as u64);
        let mut counts = vec![[0_u64; Class::ALL.len()]; COLUMNS];
        for mark in &self.attempts {
            counts[column(axis.x(mark.to), COLUMNS)][mark.class as usize] += 1;
        }
        let most = counts.iter().map(|column| column.iter().sum::<u64>()).max().unwrap_or(1).max(1);
        for (index, column) in counts.iter().enumerate() {
            let left = width * super::axis::as_f64(index as u64);
            let mut y = ATTEMPTS;
            for (class, count) in Class::ALL.into_iter().zip(column).filter(|(_, count)| **count > 0) {
                let height =
                    (ATTEMPTS * super::axis::as_f64(*count) / super::axis::as_f64(most) * 100.0).round() / 100.0;
                y -= height;
                svg.rect(class.css(), left, width * 0.85, y, height, &format!("{count} {}", class.name()));
            }
        }
    }
}

/// The column of a position in percent.
pub(super) fn column(x: f64, columns: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the columns")]
    let index = (x.clamp(0.0, 100.0) / 100.0 * super::axis::as_f64(columns as u64)) as usize;
    index.min(columns.saturating_sub(1))
}
