//! Nodes → a load: who sends, at which rate, for how long.

use super::steps::request;
use crate::scenario::fields::{Fields, Reader, whole_entry};
use crate::scenario::step::{Load, MAX_TIMES, MAX_USERS, Objective, Pace, Step, Stretch};
use crate::source::{Diagnostic, Entry, Node, Span};

/// What stands under `load`.
pub(in crate::scenario) const LOAD: &[&str] = &[
    "path",
    "prompt",
    "stream",
    "model",
    "headers",
    "key",
    "body",
    "method",
    "timeout",
    "retries",
    "users",
    "think",
    "rate",
    "arrivals",
    "ramp",
    "spike",
    "for",
    "times",
    "objective",
    "expect",
];

/// What stands under `ramp`.
pub(in crate::scenario) const RAMP: &[&str] = &["from", "to"];
/// What stands under `spike`.
pub(in crate::scenario) const SPIKE: &[&str] = &["to", "after", "for"];
/// What stands under `objective`.
pub(in crate::scenario) const OBJECTIVE: &[&str] = &["ttft", "latency"];

/// The highest rate, in requests a second.
const FASTEST: f64 = 1_000_000.0;

/// What stands under `load`.
pub(super) fn load(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let fields = reader.fields(&entry.value, "of a load", LOAD)?;
    let lasts: Option<Span> = fields.get("for");
    if fields.entry("for").is_none() && fields.entry("times").is_none() {
        let diagnostic = Diagnostic::error("the load never ends").at(entry.key_place, "");
        reader.push(diagnostic.help("say how long it goes on, or how often: `for: 30s`, `times: 1000`"));
    }
    let request = request(fields, MAX_TIMES);
    let pace = pace(fields, entry, lasts)?;
    if let Pace::Rate { profile, .. } = &pace
        && profile.iter().all(|stretch| stretch.from <= 0.0 && stretch.to <= 0.0)
    {
        let at = ["rate", "ramp"].iter().find_map(|key| fields.entry(key)).map_or(entry.key_place, whole_entry);
        reader.push(Diagnostic::error("this load sends nothing").at(at, "").help("such as `rate: 50`"));
    }
    if let (Pace::Rate { profile, .. }, Some(lasts)) = (&pace, lasts)
        && request.times == MAX_TIMES
        && expected(profile, lasts) > f64::from(MAX_TIMES)
    {
        let message = format!("this makes more than {MAX_TIMES} requests");
        reader
            .push(Diagnostic::error(message).at(entry.key_place, "").help("make it shorter, or limit it with `times`"));
    }
    Some(Step::Load(Box::new(Load { request, pace, lasts, objective: objective(fields) })))
}

/// `users`, `rate` or `ramp`: one of them.
fn pace(fields: Fields<'_>, load: &Entry, lasts: Option<Span>) -> Option<Pace> {
    let reader = fields.reader();
    let kinds: Vec<&Entry> = ["users", "rate", "ramp"].into_iter().filter_map(|key| fields.entry(key)).collect();
    match kinds.as_slice() {
        [] => {
            let diagnostic = Diagnostic::error("nobody sends this load").at(load.key_place, "");
            reader.push(
                diagnostic.help("say how many do or how often: `users: 10`, `rate: 50`, `ramp: { from: 1, to: 100 }`"),
            );
            return None;
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("`{}` has no meaning beside `{}`", second.key, first.key);
            reader.push(Diagnostic::error(message).at(second.key_place, "").note_at(first.key_place, ""));
            return None;
        }
    }
    if fields.entry("users").is_some() {
        without(fields, &["arrivals", "spike"], "users");
        let count = fields.whole("users", 1..=u64::from(MAX_USERS))?;
        let think = fields.get("think").unwrap_or(Span(std::time::Duration::ZERO));
        return Some(Pace::Users { count: u32::try_from(count.value).unwrap_or(MAX_USERS), think });
    }
    without(fields, &["think"], "rate");
    let arrivals = [("constant", false), ("poisson", true)];
    let poisson = fields.choice("arrivals", &arrivals).unwrap_or(false);
    let profile = if fields.entry("ramp").is_some() { ramp(fields, lasts)? } else { steady(fields, lasts)? };
    Some(Pace::Rate { profile, poisson })
}

fn without(fields: Fields<'_>, keys: &[&str], beside: &str) {
    for entry in keys.iter().filter_map(|key| fields.entry(key)) {
        let message = format!("`{}` has no meaning beside `{beside}`", entry.key);
        fields.reader().push(Diagnostic::error(message).at(entry.key_place, ""));
    }
}

/// A rate that grows or shrinks evenly while the load lasts.
fn ramp(fields: Fields<'_>, lasts: Option<Span>) -> Option<Vec<Stretch>> {
    without(fields, &["spike"], "ramp");
    let reader = fields.reader();
    let entry = fields.value("ramp")?;
    let inner = reader.fields(&entry.value, "of a ramp", RAMP)?;
    let (from, to) = (rate(inner, "from"), rate(inner, "to"));
    if lasts.is_none() && fields.entry("for").is_none() {
        let diagnostic = Diagnostic::error("a ramp needs a time in which it rises").at(entry.key_place, "");
        reader.push(diagnostic.help("such as `for: 60s`"));
    }
    let ramp = Stretch { lasts, from: from?, to: to? };
    Some(vec![ramp, Stretch { lasts: None, from: ramp.to, to: ramp.to }])
}

/// A rate that stays as it is, except in a spike.
fn steady(fields: Fields<'_>, load_lasts: Option<Span>) -> Option<Vec<Stretch>> {
    let base = rate(fields, "rate")?;
    let at = |lasts, rate| Stretch { lasts, from: rate, to: rate };
    let Some(entry) = fields.value("spike") else { return Some(vec![at(None, base)]) };
    let spike = fields.reader().fields(&entry.value, "of a spike", SPIKE)?;
    let (after, lasts) = (required(spike, "after", "10s"), required(spike, "for", "5s"));
    let to = rate(spike, "to")?;
    if let (Some(after), Some(whole)) = (after, load_lasts)
        && after >= whole
    {
        let diagnostic = Diagnostic::warning("the spike never comes").at(whole_entry(entry), "");
        fields
            .reader()
            .push(diagnostic.help(format!("the load is over after {whole}, the spike begins after {after}")));
    }
    Some(vec![at(Some(after?), base), at(Some(lasts?), to), at(None, base)])
}

fn required(fields: Fields<'_>, key: &str, example: &str) -> Option<Span> {
    if fields.entry(key).is_none() {
        let missing = Diagnostic::error(format!("`{key}` is missing here")).at(fields.first_line(), "");
        fields.reader().push(missing.help(format!("such as `{key}: {example}`")));
    }
    fields.get(key)
}

/// Requests a second: `50`, `0.5`, `50/s` or `300/m`.
fn rate(fields: Fields<'_>, key: &str) -> Option<f64> {
    let reader = fields.reader();
    if fields.entry(key).is_none() {
        let missing = Diagnostic::error(format!("`{key}` is missing here")).at(fields.first_line(), "");
        reader.push(missing.help(format!("such as `{key}: 50`, in requests a second")));
    }
    let node = &fields.value(key)?.value;
    let per_second = reader.scalar(node).and_then(|text| per_second(&text));
    if per_second.is_none() {
        reader.push(wrong_rate(reader, node));
    }
    per_second
}

fn per_second(text: &str) -> Option<f64> {
    let (number, seconds) = match text.split_once('/') {
        None => (text, 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => return None,
    };
    let rate = number.trim().parse::<f64>().ok()? / seconds;
    (rate.is_finite() && (0.0..=FASTEST).contains(&rate)).then_some(rate)
}

fn wrong_rate(reader: &Reader<'_>, node: &Node) -> Diagnostic {
    reader.expected(node, "a rate").help("requests a second, such as `50`, `0.5` or `300/m`")
}

/// How many requests a rate makes within a time.
fn expected(profile: &[Stretch], lasts: Span) -> f64 {
    let mut left = lasts.0.as_secs_f64();
    let mut sum = 0.0;
    for stretch in profile {
        let whole = stretch.lasts.map_or(left, |lasts| lasts.0.as_secs_f64());
        let part = whole.min(left);
        let end = if whole > 0.0 { stretch.from + (stretch.to - stretch.from) * part / whole } else { stretch.to };
        sum += part * f64::midpoint(stretch.from, end);
        left -= part;
    }
    sum
}

fn objective(fields: Fields<'_>) -> Objective {
    let Some(entry) = fields.value("objective") else { return Objective::default() };
    let Some(inner) = fields.reader().fields(&entry.value, "of an objective", OBJECTIVE) else {
        return Objective::default();
    };
    Objective { ttft: inner.get("ttft"), latency: inner.get("latency") }
}
