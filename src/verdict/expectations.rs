//! One expectation and a run → a finding.

use std::time::Duration;

use super::answers::{by_gateway, ended_with, matches, observed, observed_pattern};
use super::pattern::{self, Match};
use super::{About, Finding, Outcome, coverage, figures, spending, timing, traits};
use crate::event::History;
use crate::event::history::{Attempt, Eviction, Request};
use crate::scenario::expect::{Bounds, Check, Expectation};
use crate::scenario::names::{Target, Who};
use crate::scenario::pattern::{Answer, Item, Pattern};
use crate::scenario::step::Until;
use crate::scenario::{Scenario, Step};
use crate::source::amount::counted;
use crate::source::duration::{human, to_millis};
use crate::source::{Place, Span};

/// How many lines of evidence a finding has, at most.
pub(super) const MAX_DETAIL: usize = 8;

/// What an expectation speaks of.
pub(super) struct Scope<'h> {
    pub(super) history: &'h History,
    /// The requests that it speaks of, in order.
    pub(super) requests: Vec<&'h Request>,
    /// The step; none for the whole run.
    pub(super) step: Option<usize>,
    /// Why it cannot be judged, if so.
    unfinished: Option<String>,
}

/// What came of an expectation.
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) expected: String,
    pub(super) actual: String,
    pub(super) detail: Vec<String>,
    /// Whether nothing that could still have come would change it.
    certain: bool,
    /// A more exact place, and a few words for it.
    spot: Option<(Place, String)>,
}

pub(super) fn judge(scenario: &Scenario, history: &History, step: Option<usize>, expectation: &Expectation) -> Finding {
    let scope = Scope::of(scenario, history, step);
    let came = match &expectation.check {
        Check::Pattern(pattern) => follows(&scope, pattern),
        Check::Status { answer, count } => status(&scope, answer, count),
        Check::Reached { target, count } => reached(&scope, target, count),
        Check::Cancelled { target, count } => figures::cancelled(&scope, target, count),
        Check::Answers { of, that } => traits::every(&scope, of.as_ref(), that),
        Check::Evictions { target, count, lasts, ends } => {
            evicted(&scope, target, count, lasts.as_ref(), ends.as_ref())
        }
        Check::Group { group, count } => figures::group(&scope, *group, count),
        Check::Share { target, share } => figures::share(&scope, target, share),
        Check::Success(share) => figures::success(&scope, share),
        Check::Amplification(ratio) => figures::amplification(&scope, ratio),
        Check::Timing { of, figure, within } => timing::judge(&scope, *of, *figure, within),
        Check::Tokens { of, count } => spending::tokens(&scope, *of, count),
        Check::Cost(cost) => spending::cost(&scope, &scenario.prices, cost),
        Check::Frequencies(frequencies) => super::seeds::one_run(&scope, frequencies),
        Check::Exercises(exercise) => coverage::judge(&scope, exercise),
    };
    let came = scope.overruled(came);
    // Of frequencies a single run shows only what may come.
    let statement = match &expectation.check {
        Check::Frequencies(frequencies) => super::seeds::in_one_run(frequencies),
        check => check.to_string(),
    };
    let mut finding = Finding::new(About::Expectation, Some(expectation.place), statement, step);
    finding.label = default_label(came.outcome, step);
    if let Some((place, label)) = came.spot {
        finding.place = Some(place);
        finding.label = label;
    }
    Finding { outcome: came.outcome, expected: came.expected, actual: came.actual, detail: came.detail, ..finding }
}

/// What steps have waited for, and whether it came.
pub(super) fn awaited(scenario: &Scenario, history: &History) -> Vec<Finding> {
    let steps = scenario.steps.iter().enumerate();
    let awaited = steps.filter_map(|(index, step)| match &step.value {
        Step::Until(until) => Some((index, step.place, until)),
        _ => None,
    });
    let awaited = awaited.map(|(index, place, until)| came_about(history, index, place, until));
    awaited.chain(unchanged(scenario, history)).collect()
}

/// Changes of the manifests that could not be made when their time came.
fn unchanged(scenario: &Scenario, history: &History) -> Vec<Finding> {
    let failed = history.steps.iter().filter_map(|record| Some((record, record.failed.as_ref()?)));
    let changes = failed.filter_map(|(record, why)| {
        let step =
            scenario.steps.get(record.step).filter(|one| matches!(one.value, Step::Apply(_) | Step::Delete(_)))?;
        let finding = Finding::new(About::Expectation, Some(step.place), record.summary.clone(), Some(record.step));
        let (first, rest) = why.split_once('\n').unwrap_or((why, ""));
        Some(Finding {
            outcome: Outcome::Fail,
            expected: "the manifests are sound at that time".to_owned(),
            actual: first.to_owned(),
            detail: rest.lines().map(str::to_owned).collect(),
            label: "could not be done".to_owned(),
            ..finding
        })
    });
    changes.collect()
}

fn came_about(history: &History, step: usize, place: Place, until: &Until) -> Finding {
    let statement = format!("{} within {}", until.condition, until.at_most);
    let finding = Finding::new(About::Expectation, Some(place), statement, Some(step));
    match history.steps.iter().find(|record| record.step == step && record.ended.is_some()) {
        None => {
            let actual = format!("step {} was not played to its end", step + 1);
            Finding { outcome: Outcome::Unknown, actual, label: default_label(Outcome::Unknown, None), ..finding }
        }
        Some(record) => match &record.failed {
            None => finding,
            Some(failed) => Finding {
                outcome: Outcome::Fail,
                expected: until.condition.to_string(),
                actual: failed.clone(),
                label: "never came about".to_owned(),
                ..finding
            },
        },
    }
}

fn default_label(outcome: Outcome, step: Option<usize>) -> String {
    match (outcome, step) {
        (Outcome::Pass, _) => String::new(),
        (Outcome::Unknown, _) => "never put to the test".to_owned(),
        (Outcome::Fail, Some(step)) => format!("not met in step {}", step + 1),
        (Outcome::Fail, None) => "not met by this run".to_owned(),
    }
}

impl Came {
    pub(super) fn pass(actual: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Pass,
            expected: String::new(),
            actual: actual.into(),
            detail: Vec::new(),
            certain: false,
            spot: None,
        }
    }

    pub(super) fn fail(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, expected: expected.into(), ..Self::pass(actual) }
    }

    pub(super) fn unknown(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, ..Self::fail(expected, actual) }
    }

    /// Says that it stands, whatever had come after.
    pub(super) fn certain(self, certain: bool) -> Self {
        Self { certain, ..self }
    }

    /// Adds evidence, one line each; what is too much is counted.
    pub(super) fn because(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.detail = limited(lines);
        self
    }
}

/// The first few lines, and how many more there were.
pub(super) fn limited(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines = lines.into_iter();
    let mut kept: Vec<String> = lines.by_ref().take(MAX_DETAIL).collect();
    let more = lines.count();
    if more > 0 {
        kept.push(format!("… and {more} more"));
    }
    kept
}

impl<'h> Scope<'h> {
    fn of(scenario: &Scenario, history: &'h History, step: Option<usize>) -> Self {
        let requests = requests_of(history, step);
        Self { history, requests, step, unfinished: unfinished(scenario, history, step) }
    }

    /// A run that was cut short shows nothing right, and only what has gone wrong for good is wrong.
    fn overruled(&self, came: Came) -> Came {
        match &self.unfinished {
            Some(_) if came.certain => came,
            Some(why) => Came { outcome: Outcome::Unknown, actual: why.clone(), ..came },
            None => came,
        }
    }

    /// Attempts at `target`, with their requests.
    pub(super) fn attempts_at(&self, target: &Target) -> Vec<(&'h Request, &'h Attempt)> {
        let all = self.requests.iter().flat_map(|request| request.attempts.iter().map(move |one| (*request, one)));
        all.filter(|(_, attempt)| target.is_provider(&attempt.backend, &attempt.provider)).collect()
    }

    /// Evictions of `target` (of anybody where absent) that the requests caused.
    pub(super) fn evictions_of(&self, target: Option<&Target>) -> Vec<&'h Eviction> {
        let evictions = self.history.evictions.iter();
        evictions
            .filter(|one| target.is_none_or(|target| target.is_provider(&one.backend, &one.provider)))
            .filter(|one| {
                let caused_by = self.history.request(&one.request);
                self.step.is_none() || caused_by.is_some_and(|request| request.step == self.step)
            })
            .collect()
    }
}

/// The requests of a step, or of the whole run.
pub(super) fn requests_of(history: &History, step: Option<usize>) -> Vec<&Request> {
    match step {
        Some(step) => history.requests_of(step).collect(),
        // What a person sent by hand is not what the scenario speaks of.
        None => history.requests.iter().filter(|request| request.step.is_some()).collect(),
    }
}

/// Why the run cannot be judged, if it was cut short.
fn unfinished(scenario: &Scenario, history: &History, step: Option<usize>) -> Option<String> {
    let ended = |step: usize| history.steps.iter().any(|one| one.step == step && one.ended.is_some());
    match step {
        Some(step) if ended(step) => None,
        Some(step) => Some(format!("step {} was not played to its end", step + 1)),
        None => {
            let open = (0..scenario.steps.len()).find(|step| !ended(*step))?;
            Some(format!("the run ended before step {} was over", open + 1))
        }
    }
}

fn follows(scope: &Scope<'_>, pattern: &Pattern) -> Came {
    let all = observed_pattern(scope.requests.iter().copied());
    match pattern::run(pattern, &scope.requests, |item, request| matches(item, request)) {
        Match::Whole => Came::pass(all),
        Match::Stuck { at, expected, could_end } => {
            let request = scope.requests[at];
            let wanted = if expected.is_empty() {
                format!("nothing after answer {at}")
            } else {
                format!("answer {} is {}", at + 1, one_of(&expected, could_end))
            };
            let came = Came::fail(wanted, format!("answer {} is {}", at + 1, observed(request)));
            let came = came.because([format!("all answers: {all}"), line(request)]).certain(request.outcome.is_some());
            pointing(came, pattern, &expected, &format!("answer {} should be this", at + 1))
        }
        Match::TooFew { expected } => {
            let count = scope.requests.len();
            let came = Came::fail(format!("then {}", one_of(&expected, false)), after(count));
            let came = came.because([format!("all answers: {all}")]);
            pointing(came, pattern, &expected, "this never came")
        }
    }
}

/// Points at the one item that was expected, if it is one.
fn pointing(mut came: Came, pattern: &Pattern, expected: &[&Item], label: &str) -> Came {
    if let [item] = expected
        && item.place != pattern.place
    {
        came.spot = Some((item.place, label.to_owned()));
    }
    came
}

fn one_of(expected: &[&Item], could_end: bool) -> String {
    let mut all: Vec<String> = expected.iter().map(ToString::to_string).collect();
    all.dedup();
    if could_end {
        all.push("the end".to_owned());
    }
    all.join(" or ")
}

fn after(count: usize) -> String {
    match count {
        0 => "there was no answer at all".to_owned(),
        _ => format!("the end, after {}", counted(count as u64, "answer")),
    }
}

/// A request in one line of evidence.
pub(super) fn line(request: &Request) -> String {
    let replica = request.replica.map(|replica| format!(", replica {replica}")).unwrap_or_default();
    let took = request.duration().map(|took| format!(", after {}", human(took))).unwrap_or_default();
    format!("request {} at {}{replica}: {}{took}", request.number, request.sent, observed(request))
}

fn status(scope: &Scope<'_>, answer: &Answer, count: &Bounds<u64>) -> Came {
    let found = scope.requests.iter().filter(|request| ended_with(answer, request)).count() as u64;
    if count.contain(found) {
        return Came::pass(times(found));
    }
    let all = observed_pattern(scope.requests.iter().copied());
    let came = Came::fail(count.times(), times(found));
    came.because([format!("all answers: {all}")]).certain(too_many(count, found))
}

/// Whether a count can only get worse.
pub(super) fn too_many(count: &Bounds<u64>, found: u64) -> bool {
    count.most.is_some_and(|most| found > most)
}

pub(super) fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

fn reached(scope: &Scope<'_>, target: &Target, count: &Bounds<u64>) -> Came {
    let (found, lines): (u64, Vec<String>) = match target.who {
        Who::Gateway => {
            let own: Vec<_> = scope.requests.iter().filter(|request| by_gateway(request)).collect();
            (own.len() as u64, own.into_iter().map(|request| line(request)).collect())
        }
        Who::Providers(_) => {
            let attempts = scope.attempts_at(target);
            (attempts.len() as u64, attempts.into_iter().map(|(request, _)| line(request)).collect())
        }
    };
    if count.contain(found) {
        return Came::pass(times(found));
    }
    let came = Came::fail(count.times(), times(found));
    came.because(lines).certain(too_many(count, found))
}

fn evicted(
    scope: &Scope<'_>,
    target: &Target,
    count: &Bounds<u64>,
    lasts: Option<&Bounds<Span>>,
    ends: Option<&Bounds<Span>>,
) -> Came {
    let evictions = scope.evictions_of(Some(target));
    let found = evictions.len() as u64;
    let lines = || evictions.iter().map(|one| eviction_line(scope.history, one));
    let is_counted = count.contain(found);
    if !is_counted && found == 0 && scope.attempts_at(target).is_empty() {
        return Came::unknown(count.times(), format!("{target} was never tried, so nothing could evict it"));
    }
    let outside = |bounds: Option<&Bounds<Span>>, figure: fn(&Eviction) -> Duration| {
        let bounds = bounds?;
        let first = evictions.iter().map(|one| figure(one)).find(|figure| !bounds.contain(Span(*figure)))?;
        Some((bounds.to_string(), human(first)))
    };
    let number = (!is_counted).then(|| (count.times(), times(found)));
    let length = outside(lasts, lasting)
        .map(|(lasts, first)| (format!("each eviction lasts {lasts}"), format!("one lasts {first}")));
    let end = outside(ends, ending).map(|(ends, first)| {
        (format!("each eviction ends after {ends} of the run"), format!("one ends after {first}"))
    });
    // What is wrong with those that are there stays wrong.
    let certain = length.is_some() || end.is_some() || too_many(count, found);
    let (expected, actual): (Vec<String>, Vec<String>) = number.into_iter().chain(length).chain(end).unzip();
    if expected.is_empty() {
        return Came::pass(times(found));
    }
    Came::fail(expected.join(", "), actual.join(", ")).because(lines()).certain(certain)
}

/// When an eviction ends, to the millisecond: by its deadline, or with its replica.
fn ending(eviction: &Eviction) -> Duration {
    let end = eviction.returned.filter(|_| eviction.forgotten).unwrap_or(eviction.until);
    to_millis(end.elapsed())
}

/// How long an eviction lasts by its deadline, to the millisecond: real clocks round.
fn lasting(eviction: &Eviction) -> Duration {
    to_millis(eviction.until.since(eviction.began))
}

/// An eviction in one line of evidence.
pub(super) fn eviction_line(history: &History, one: &Eviction) -> String {
    let request = history.request(&one.request).map(|request| format!(" to request {}", request.number));
    format!(
        "{} is out on replica {} from {} to {} ({}), by {} of the {}{}",
        one.provider,
        one.replica,
        one.began,
        one.until,
        human(lasting(one)),
        one.source,
        one.status,
        request.unwrap_or_default()
    )
}
