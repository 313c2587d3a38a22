//! Nodes → expectations, checked against the lab's names and against what a step can give.

mod figures;
mod paths;

use serde_json::Value as Json;

use super::header_name;
use crate::scenario::Step;
use crate::scenario::expect::{Bounds, Check, Exercise, Expectation, Feat, HeaderValue, Trait};
use crate::scenario::fields::{Fields, Reader, not_among, whole_entry};
use crate::scenario::names::{Target, Who};
use crate::scenario::pattern::{Answer, Item, Pattern};
use crate::source::{Diagnostic, Entry, Node, Place, Span, Spanned, Value};

/// What the expectations speak of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// One step, which sends so many requests, if that could be read.
    Step { times: Option<u64> },
    /// The whole run, which sends so many requests, if that could be read.
    Run { times: Option<u64> },
}

/// What may stand under `expect`.
pub(crate) const KNOWN: &[&str] = &[
    "pattern",
    "status",
    "reached",
    "never-reached",
    "cancelled",
    "model",
    "provider",
    "endpoint",
    "headers",
    "body",
    "answers",
    "group",
    "shares",
    "success",
    "amplification",
    "latency",
    "ttft",
    "inter-token",
    "tokens",
    "cost",
    "evictions",
    "exercises",
    "frequencies",
];
/// What may stand under one of `answers`.
pub(crate) const OF_ANSWERS: &[&str] = &["model", "provider", "endpoint", "headers", "body"];
/// What may stand under `body`.
pub(crate) const OF_BODY: &[&str] = &["contains", "json", "path"];
/// What may stand under one of `evictions`.
pub(crate) const OF_EVICTIONS: &[&str] = &["count", "lasts", "ends"];

/// What is expected of the run as a whole.
pub(crate) fn run_expectations(reader: &Reader<'_>, top: Fields<'_>, steps: &[Spanned<Step>]) -> Vec<Expectation> {
    let sends = || steps.iter().filter_map(|step| step.value.request());
    let times = sends().map(|send| u64::from(send.times)).sum();
    // With a step missing, a load, or a client that tries again, nobody knows how many requests there are.
    let loaded = steps.iter().any(|step| matches!(step.value, Step::Load(_)));
    let known = !reader.has_errors() && !loaded && sends().all(|send| send.retries.is_none());
    let times = known.then_some(times);
    let expect = top.entry("expect").map_or_else(Vec::new, |entry| read(reader, &entry.value, &Scope::Run { times }));
    // Expectations that are wrong have been reported, and are no reason to say that there are none.
    let steps = top.entry("steps").map_or(&[][..], |entry| match &entry.value.value {
        Value::Seq(items) => items,
        _ => &[],
    });
    let any = steps.iter().any(expects);
    if !any
        && top.entry("expect").is_none_or(|entry| entry.value.is_null() || entry.value.value == Value::Map(Vec::new()))
    {
        let diagnostic = Diagnostic::warning("the scenario expects nothing").at(top.first_line(), "");
        reader.push(diagnostic.help("only the invariants that hold for every run will be checked"));
    }
    expect
}

/// Whether something is expected somewhere in a step.
fn expects(node: &Node) -> bool {
    match &node.value {
        Value::Seq(items) => items.iter().any(expects),
        Value::Map(entries) => {
            entries.iter().any(|entry| (entry.key == "expect" && !entry.value.is_null()) || expects(&entry.value))
        }
        _ => false,
    }
}

/// Everything that stands under one `expect`.
pub(super) fn read(reader: &Reader<'_>, node: &Node, scope: &Scope) -> Vec<Expectation> {
    let Some(fields) = reader.fields(node, "expectations", KNOWN) else { return Vec::new() };
    let mut read = Read { reader, scope: *scope, found: Vec::new() };
    read.pattern(fields);
    read.status(fields);
    read.reached(fields);
    read.never_reached(fields);
    read.cancelled(fields);
    read.traits(fields, None);
    read.answers(fields);
    read.figures(fields);
    read.evictions(fields);
    read.exercises(fields);
    read.frequencies(fields);
    read.contradictions();
    read.found
}

struct Read<'r> {
    reader: &'r Reader<'r>,
    scope: Scope,
    found: Vec<Expectation>,
}

impl Read<'_> {
    fn add(&mut self, place: Place, check: Check) {
        self.found.push(Expectation { place, check });
    }

    fn pattern(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("pattern") else { return };
        let place = entry.value.place;
        let Some(text) = self.reader.scalar(&entry.value) else {
            self.reader.push(self.reader.expected(&entry.value, "a pattern, such as \"429@mock 200{2}\""));
            return;
        };
        if let Some(pattern) = self.pattern_of(&text, place) {
            self.add(place, Check::Pattern(pattern));
        }
    }

    /// A pattern that a run could follow.
    fn pattern_of(&self, text: &str, place: Place) -> Option<Pattern> {
        let locate = |part| self.reader.part(text, place, part);
        match Pattern::parse(text, place, &locate, self.reader.names()) {
            Ok(pattern) => {
                self.possible(&pattern);
                Some(pattern)
            }
            Err(findings) => {
                self.reader.extend(findings);
                None
            }
        }
    }

    /// A pattern that no run could follow is found before one starts.
    fn possible(&self, pattern: &Pattern) {
        let Some(times) = self.scope.times() else { return };
        let takes = match pattern.length() {
            (least, _) if least > times => format!("takes at least {}", requests(least)),
            (_, Some(most)) if most < times => format!("takes at most {}", requests(most)),
            _ => return,
        };
        let diagnostic = Diagnostic::error(format!("no run can follow this pattern: it {takes}"));
        self.reader.push(diagnostic.at(pattern.place, format!("{} {}", self.scope.sends(), requests(times))));
    }

    fn status(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("status") else { return };
        // A class and a status of it may mean the same requests; two statuses do not.
        let (mut least_of_classes, mut least_of_others) = (0, 0_u64);
        for one in self.reader.entries(&entry.value, "from an answer such as `200` to its count") {
            let answer = Answer::parse(&one.key).map_err(|(message, help)| {
                let diagnostic = Diagnostic::error(message).at(one.key_place, "");
                self.reader.push(help.into_iter().fold(diagnostic, Diagnostic::help));
            });
            let Some(count) = self.count(one) else { continue };
            let Ok(answer) = answer else { continue };
            let least = count.least.unwrap_or(0);
            match answer {
                Answer::Class(_) => least_of_classes = least.max(least_of_classes),
                Answer::Status(_) | Answer::Ending(_) => least_of_others = least.saturating_add(least_of_others),
            }
            self.add(whole_entry(one), Check::Status { answer, count });
        }
        let least = least_of_classes.max(least_of_others);
        if let Some(times) = self.scope.times().filter(|times| least > *times) {
            let message = format!("no run can give this: it takes at least {}", requests(least));
            let label = format!("{} {}", self.scope.sends(), requests(times));
            self.reader.push(Diagnostic::error(message).at(whole_entry(entry), label));
        }
    }

    fn reached(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("reached") else { return };
        for one in self.reader.entries(&entry.value, "from a provider to its count") {
            let target = self.target(&one.key, one.key_place);
            let count = self.count(one);
            if let (Some(target), Some(count)) = (target, count) {
                self.add(whole_entry(one), Check::Reached { target, count });
            }
        }
    }

    /// Two counts of one provider that no run can give at once.
    fn contradictions(&self) {
        let counts: Vec<_> = self
            .found
            .iter()
            .filter_map(|one| match &one.check {
                Check::Reached { target, count } => Some((one.place, target, count)),
                _ => None,
            })
            .collect();
        let apart = |one: &Bounds<u64>, other: &Bounds<u64>| {
            one.least.zip(other.most).is_some_and(|(least, most)| least > most)
        };
        for (index, (place, target, count)) in counts.iter().enumerate() {
            let other = counts[..index]
                .iter()
                .find(|(_, other, bounds)| other.who == target.who && (apart(count, bounds) || apart(bounds, count)));
            if let Some((first, ..)) = other {
                let diagnostic = Diagnostic::error(format!("no run can give both of these about `{target}`"));
                self.reader.push(diagnostic.at(*place, "").note_at(*first, "the other one"));
            }
        }
    }

    fn cancelled(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("cancelled") else { return };
        for one in self.reader.entries(&entry.value, "from a provider to its count") {
            let target = self.provider(&one.key, one.key_place);
            let count = self.count(one);
            if let (Some(target), Some(count)) = (target, count) {
                self.add(whole_entry(one), Check::Cancelled { target, count });
            }
        }
    }

    fn never_reached(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("never-reached") else { return };
        let items = match &entry.value.value {
            Value::String(_) => std::slice::from_ref(&entry.value),
            _ => self.reader.items(&entry.value, "of providers"),
        };
        for item in items {
            let Some(name) = self.reader.decode::<Spanned<String>>(item) else { continue };
            if let Some(target) = self.target(&name.value, name.place) {
                self.add(name.place, Check::Reached { target, count: Bounds::exactly(0) });
            }
        }
    }

    /// What stands in [`OF_ANSWERS`].
    fn traits(&mut self, fields: Fields<'_>, of: Option<&Item>) {
        let mut found = Vec::new();
        if let Some(model) = fields.get::<Spanned<String>>("model") {
            found.push((model.place, Trait::Model(model.value)));
        }
        found.extend(self.who(fields));
        if let Some(entry) = fields.value("headers") {
            for header in self.reader.entries(&entry.value, "from a header's name to its value") {
                let value = self.header_value(header);
                if let (Some(name), Some(value)) = (header_name(self.reader, header), value) {
                    found.push((whole_entry(header), Trait::Header { name, value }));
                }
            }
        }
        if let Some(entry) = fields.value("body") {
            found.extend(self.body(entry));
        }
        for (place, that) in found {
            self.add(place, Check::Answers { of: of.cloned(), that });
        }
    }

    fn body(&self, entry: &Entry) -> Vec<(Place, Trait)> {
        let Some(fields) = self.reader.fields(&entry.value, "the body", OF_BODY) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Some(text) = fields.get::<Spanned<String>>("contains") {
            found.push((text.place, Trait::BodyContains(text.value)));
        }
        if let Some(json) = fields.get::<Spanned<Json>>("json") {
            found.push((json.place, Trait::BodyJson(json.value)));
        }
        if let Some(paths) = fields.value("path") {
            found.extend(self.paths(paths));
        }
        if found.is_empty() && entry.value.entries().is_empty() {
            self.reader.push(nothing_expected(entry, "{ contains: \"Four.\" }"));
        }
        found
    }

    fn header_value(&self, header: &Entry) -> Option<HeaderValue> {
        if let Some(text) = self.reader.scalar(&header.value) {
            return Some(HeaderValue::Is(text));
        }
        if header.value.is_null() {
            self.reader.push(nothing_expected(header, "{ present: true }"));
            return None;
        }
        let fields = self.reader.fields(&header.value, "the header's value", &["contains", "present"])?;
        if let Some(part) = fields.get::<String>("contains") {
            return Some(HeaderValue::Contains(part));
        }
        let present: bool = fields.get("present")?;
        Some(if present { HeaderValue::Present } else { HeaderValue::Absent })
    }

    fn answers(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("answers") else { return };
        for one in self.reader.entries(&entry.value, "from an answer such as `429@mock` to what it has") {
            let locate = |part| self.reader.part(&one.key, one.key_place, part);
            let item = match Item::parse(&one.key, &locate, self.reader.names()) {
                Ok(item) => Some(Item { place: one.key_place, ..item }),
                Err(findings) => {
                    self.reader.extend(findings);
                    None
                }
            };
            let Some(that) = self.reader.fields(&one.value, "of an answer", OF_ANSWERS) else {
                continue;
            };
            if one.value.entries().is_empty() {
                self.reader.push(nothing_expected(one, "{ headers: { retry-after: \"60\" } }"));
            }
            let before = self.found.len();
            self.traits(that, item.as_ref());
            if item.is_none() {
                self.found.truncate(before);
            }
        }
    }

    fn evictions(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("evictions") else { return };
        for one in self.reader.entries(&entry.value, "from a provider to its evictions") {
            let target = self.provider(&one.key, one.key_place);
            let (count, lasts, ends) = match &one.value.value {
                Value::Map(_) => {
                    let Some(fields) = self.reader.fields(&one.value, "of evictions", OF_EVICTIONS) else { continue };
                    let count = fields.value("count").map(|entry| self.count(entry));
                    let [lasts, ends] =
                        ["lasts", "ends"].map(|key| fields.value(key).and_then(|entry| self.time(entry)));
                    if one.value.entries().is_empty() {
                        self.reader.push(nothing_expected(one, "{ count: 1, lasts: 60s }"));
                    }
                    (count.unwrap_or(Some(Bounds { least: Some(1), most: None })), lasts, ends)
                }
                _ => (self.count(one), None, None),
            };
            if let (Some(target), Some(count)) = (target, count) {
                self.add(whole_entry(one), Check::Evictions { target, count, lasts, ends });
            }
        }
    }

    fn exercises(&mut self, fields: Fields<'_>) {
        let Some(entry) = fields.value("exercises") else { return };
        let items = match &entry.value.value {
            Value::String(_) => std::slice::from_ref(&entry.value),
            _ => self.reader.items(&entry.value, "of what a run must have exercised"),
        };
        for item in items {
            if let Some(exercise) = self.exercise(item) {
                self.add(item.place, Check::Exercises(exercise));
            }
        }
    }

    /// A word, or a word with a provider: `eviction`, `{ eviction: mock }`.
    fn exercise(&self, node: &Node) -> Option<Exercise> {
        let (word, target) = match node.entries() {
            [entry] => {
                let name = self.reader.text(entry)?;
                let target = self.provider(&name.value, name.place)?;
                (Spanned::new(entry.key.clone(), entry.key_place), Some((target, name.place)))
            }
            [] if node.as_str().is_some() => (self.reader.decode(node)?, None),
            _ => {
                let diagnostic = self.reader.expected(node, "a word such as `eviction`, or one with its provider");
                self.reader.push(diagnostic.help("such as `{ eviction: mock-provider }`"));
                return None;
            }
        };
        let Some(what) = Feat::TABLE.iter().find(|(_, name, ..)| *name == word.value).map(|(feat, ..)| *feat) else {
            let known: Vec<_> = Feat::TABLE.iter().map(|(_, name, ..)| *name).collect();
            self.reader.push(not_among(&word, "exercise", &known));
            return None;
        };
        match (&target, what) {
            (None, Feat::Reached) => {
                let diagnostic = Diagnostic::error("`reached` needs a provider").at(word.place, "");
                self.reader.push(diagnostic.help("such as `{ reached: mock-provider }`"));
            }
            (Some((_, place)), what) if !what.is_of_a_provider() => {
                self.reader.push(Diagnostic::error(format!("`{}` takes no provider", word.value)).at(*place, ""));
            }
            _ => {}
        }
        Some(Exercise { what, target: target.map(|(target, _)| target) })
    }

    fn target(&self, name: &str, place: Place) -> Option<Target> {
        self.reader.names().resolve(name, place).map_err(|diagnostic| self.reader.push(diagnostic)).ok()
    }

    /// A target that is no gateway.
    fn provider(&self, name: &str, place: Place) -> Option<Target> {
        let target = self.target(name, place)?;
        if target.who == Who::Gateway {
            self.reader.push(Diagnostic::error("the gateway is no provider").at(place, "a provider was expected"));
            return None;
        }
        Some(target)
    }

    fn count(&self, entry: &Entry) -> Option<Bounds<u64>> {
        self.bounds(entry, "a count, such as `3`, `\">=1\"` or `0..1`", Bounds::count)
    }

    fn time(&self, entry: &Entry) -> Option<Bounds<Span>> {
        self.bounds(entry, "a time, such as `60s`, `\">=60s\"` or `59s..61s`", Bounds::time)
    }

    fn bounds<T>(
        &self,
        entry: &Entry,
        expected: &str,
        parse: impl Fn(&str) -> Result<Bounds<T>, String>,
    ) -> Option<Bounds<T>> {
        let text = self.scalar(entry, expected)?;
        parse(&text).map_err(|message| self.wrong(entry, message)).ok()
    }

    /// The text of a scalar, a number as it is written.
    fn scalar(&self, entry: &Entry, expected: &str) -> Option<String> {
        let text = self.reader.scalar(&entry.value);
        if text.is_none() {
            let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
            let node = Node { value: entry.value.value.clone(), place };
            self.reader.push(self.reader.expected(&node, expected));
        }
        text
    }

    fn wrong(&self, entry: &Entry, message: String) {
        self.reader.push(Diagnostic::error(message).at(entry.value.place, ""));
    }
}

fn nothing_expected(entry: &Entry, example: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("`{}` expects nothing", entry.key)).at(entry.key_place, "");
    diagnostic.help(format!("such as `{}: {example}`", entry.key))
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        _ => format!("{count} requests"),
    }
}

impl Scope {
    fn times(self) -> Option<u64> {
        match self {
            Self::Step { times } | Self::Run { times } => times,
        }
    }

    fn sends(self) -> &'static str {
        match self {
            Self::Step { .. } => "this step sends",
            Self::Run { .. } => "this run sends",
        }
    }
}
