//! Nodes → steps. Each verb has a reader here; `VERBS` is the list of them.

use serde_json::Value as Json;

use super::{expectations, header_name, load};
use crate::fault::{Clear, Injection};
use crate::kube::Change;
use crate::kube::change::Manifest;
use crate::scenario::METHODS;
use crate::scenario::fields::{Fields, Reader, not_among};
use crate::scenario::pattern::Answer;
use crate::scenario::step::{
    AT_MOST, Condition, Configure, Content, DEFAULT_GAP, DEFAULT_PROMPT, Inject, MAX_STEPS, MAX_TIMES, Order, Restart,
    Scale, Scaled, Send, Step, Until,
};
use crate::source::{Diagnostic, Entry, Node, Place, Span, Spanned, Value};
use crate::topology::{Credential, Topology};

/// The reference of a client's own key in events.
const CLIENT: &str = "client";

/// Reads steps, in the order of the file, those of a branch right behind their `parallel`.
struct Steps<'r> {
    reader: &'r Reader<'r>,
    /// The lab as it begins.
    begin: &'r Topology,
    /// The lab as the steps so far have made it.
    topology: &'r Topology,
    /// Whether these steps are done beside the others.
    scheduled: bool,
    read: Vec<Spanned<Step>>,
    /// How deep in `parallel` and `repeat`.
    depth: usize,
    full: bool,
}

/// Reads the value of a verb into the steps.
type ReadStep = fn(&mut Steps<'_>, &Entry, Place);

/// A verb: how it is read, and an example of its value.
struct Verb {
    name: &'static str,
    read: ReadStep,
    example: &'static str,
}

/// The verbs of steps.
const VERBS: [Verb; 14] = [
    Verb { name: "send", read: |steps, entry, at| steps.one(at, |s| s.send(entry)), example: "{ path: /openai }" },
    Verb {
        name: "load",
        read: |steps, entry, at| steps.one(at, |s| s.load(entry)),
        example: "{ path: /openai, rate: 10, for: 30s }",
    },
    Verb { name: "wait", read: |steps, entry, at| steps.one(at, |s| s.wait(entry)), example: "61s" },
    Verb {
        name: "note",
        read: |steps, entry, at| steps.one(at, |s| s.reader.decode(&entry.value).map(Step::Note)),
        example: "A sentence for the person watching",
    },
    Verb { name: "restart", read: |steps, entry, at| steps.one(at, |s| restart(s.reader, entry)), example: "gateway" },
    Verb { name: "scale", read: |steps, entry, at| steps.one(at, |s| s.scale(entry)), example: "{ gateway: 2 }" },
    Verb {
        name: "configure",
        read: |steps, entry, at| steps.one(at, |s| s.configure(entry)),
        example: "{ mock-gpt-4o: { failure-injection-rate: 0 } }",
    },
    Verb {
        name: "inject",
        read: |steps, entry, at| steps.one(at, |s| s.inject(entry)),
        example: "{ fault: stall, target: openai-provider }",
    },
    Verb { name: "clear", read: |steps, entry, at| steps.one(at, |s| s.clear(entry)), example: "all" },
    Verb {
        name: "apply",
        read: |steps, entry, at| steps.change(entry, at, Step::Apply),
        example: "manifests/route.yaml",
    },
    Verb {
        name: "delete",
        read: |steps, entry, at| steps.change(entry, at, Step::Delete),
        example: "{ kind: HTTPRoute, name: openai }",
    },
    Verb { name: "stop", read: |steps, entry, at| steps.one(at, |s| stop(s.reader, entry)), example: "load" },
    Verb {
        name: "parallel",
        read: |steps, entry, at| steps.parallel(entry, at),
        example: "[[{ send: { path: /openai } }], [{ wait: 1s }]]",
    },
    Verb {
        name: "repeat",
        read: |steps, entry, at| steps.repeat(entry, at),
        example: "{ times: 3, steps: [{ send: { path: /openai } }] }",
    },
];

/// Sequences within sequences, at most.
const DEEPEST: usize = 8;

/// What is done, in order.
pub(crate) fn steps<'r>(reader: &'r Reader<'r>, top: Fields<'_>, topology: &'r Topology) -> Vec<Spanned<Step>> {
    let items = top.entry("steps").map_or(&[][..], |entry| reader.items(&entry.value, "of steps"));
    if items.is_empty()
        && top.entry("steps").is_none_or(|entry| matches!(entry.value.value, Value::Seq(_) | Value::Null))
    {
        let place = top.entry("steps").map_or_else(|| top.first_line(), |entry| entry.key_place);
        reader.push(Diagnostic::warning("the scenario has no steps").at(place, "nothing will happen"));
    }
    let mut steps =
        Steps { reader, begin: topology, topology, scheduled: false, read: Vec::new(), depth: 0, full: false };
    for item in items {
        steps.step(item);
    }
    steps.read
}

/// What is done at certain moments, beside the steps: appended to `steps`; for each its moment and position.
pub(crate) fn schedule<'r>(
    reader: &'r Reader<'r>,
    top: Fields<'_>,
    topology: &'r Topology,
    steps: &mut Vec<Spanned<Step>>,
) -> Vec<(Span, usize)> {
    let items =
        top.value("schedule").map_or(&[][..], |entry| reader.items(&entry.value, "of steps with their moments"));
    let read = std::mem::take(steps);
    let mut reading = Steps { reader, begin: topology, topology, scheduled: true, read, depth: 0, full: false };
    let mut schedule = Vec::new();
    for item in items {
        let Some(at) = moment(reader, item) else { continue };
        let entries = item.entries().iter().filter(|entry| entry.key != "at").cloned().collect();
        let position = reading.read.len();
        reading.step(&Node { value: Value::Map(entries), place: item.place });
        if reading.read.len() > position {
            schedule.push((at, position));
        }
    }
    *steps = reading.read;
    schedule
}

fn moment(reader: &Reader<'_>, item: &Node) -> Option<Span> {
    if let Some(entry) = item.entries().iter().find(|entry| entry.key == "at") {
        return reader.decode(&entry.value);
    }
    let diagnostic = Diagnostic::error("a step of the schedule needs its moment").at(item.place, "");
    reader.push(diagnostic.help("such as `- { at: 30s, restart: gateway }`"));
    None
}

impl Steps<'_> {
    fn step(&mut self, node: &Node) {
        let Some((verb, entry)) = verb(self.reader, node) else { return };
        if self.read.len() >= MAX_STEPS {
            if !self.full {
                self.reader.push(
                    Diagnostic::error(format!(
                        "a scenario has at most {MAX_STEPS} steps, repeated ones counted each time"
                    ))
                    .at(node.place, "this one is too many"),
                );
            }
            self.full = true;
            return;
        }
        (verb.read)(self, entry, node.place);
    }

    fn one(&mut self, place: Place, read: impl FnOnce(&mut Self) -> Option<Step>) {
        if let Some(step) = read(self) {
            self.read.push(Spanned::new(step, place));
        }
    }

    /// What comes after it is about the lab as it is then.
    fn change(&mut self, entry: &Entry, place: Place, step: fn(Vec<Change<Manifest>>) -> Step) {
        // What is wrong with it has been said.
        let Some((changes, topology)) = self.reader.changes().at(entry.key_place) else { return };
        self.topology = topology;
        self.read.push(Spanned::new(step(changes.to_vec()), place));
    }

    /// Reads what stands within another step; false where that goes too deep.
    fn within(&mut self, place: Place, read: impl FnOnce(&mut Self)) {
        if self.depth == DEEPEST {
            self.reader.push(Diagnostic::error("steps within steps go too deep").at(place, ""));
            return;
        }
        self.depth += 1;
        read(self);
        self.depth -= 1;
    }

    fn parallel(&mut self, entry: &Entry, place: Place) {
        let items = self.reader.items(&entry.value, "of steps, or of lists of steps, that are done at once");
        self.within(place, |steps| {
            let position = steps.read.len();
            steps.read.push(Spanned::new(Step::Parallel(Vec::new()), place));
            let mut branches = Vec::new();
            for item in items {
                let begin = steps.read.len();
                match &item.value {
                    Value::Seq(sequence) => sequence.iter().for_each(|one| steps.step(one)),
                    _ => steps.step(item),
                }
                branches.push(begin..steps.read.len());
            }
            steps.read[position].value = Step::Parallel(branches);
        });
    }

    fn repeat(&mut self, entry: &Entry, place: Place) {
        let Some(fields) = self.reader.fields(&entry.value, "of steps that are repeated", REPEAT) else {
            return;
        };
        let Some(times) = fields.whole("times", 1..=MAX_STEPS as u64) else {
            if fields.entry("times").is_none() {
                let missing = Diagnostic::error("`times` is missing here").at(fields.first_line(), "");
                self.reader.push(missing.help("such as `times: 3`"));
            }
            return;
        };
        let items = fields.value("steps").map_or(&[][..], |entry| self.reader.items(&entry.value, "of steps"));
        if items.is_empty() {
            self.reader.push(Diagnostic::error("there is nothing to repeat").at(entry.key_place, "it has no `steps`"));
        }
        self.within(place, |steps| {
            let begin = steps.read.len();
            for item in items {
                steps.step(item);
            }
            let once = steps.read.split_off(begin);
            if once.len() as u64 * times.value > (MAX_STEPS - begin) as u64 {
                let message = format!("this makes more than {MAX_STEPS} steps");
                steps.reader.push(Diagnostic::error(message).at(times.place, ""));
                return;
            }
            for time in 0..times.value {
                let offset = usize::try_from(time).unwrap_or(0) * once.len();
                steps.read.extend(once.iter().map(|step| moved(step, offset)));
            }
        });
    }

    fn wait(&self, entry: &Entry) -> Option<Step> {
        let Value::Map(_) = entry.value.value else { return self.reader.decode(&entry.value).map(Step::Wait) };
        let fields = self.reader.fields(&entry.value, "of what to wait for", WAIT)?;
        let until = fields.value("until");
        if until.is_none() && fields.entry("until").is_none() {
            let missing = Diagnostic::error("`until` is missing here").at(fields.first_line(), "");
            self.reader.push(missing.help("such as `wait: { until: { active: mock-provider }, at-most: 90s }`"));
        }
        let condition = self.condition(until?)?;
        Some(Step::Until(Until { condition, at_most: fields.get("at-most").unwrap_or(AT_MOST) }))
    }

    fn condition(&self, entry: &Entry) -> Option<Condition> {
        let node = &entry.value;
        if node.as_str() == Some("idle") {
            return Some(Condition::Idle);
        }
        let [one] = node.entries() else {
            let diagnostic = self.reader.expected(node, "something to wait for");
            self.reader.push(diagnostic.help(
                "such as `idle`, `{ evicted: mock }`, `{ active: mock }`, `{ answers: { 429: 3 } }` or `{ reached: { mock: 3 } }`",
            ));
            return None;
        };
        let target = |name: &str, place| {
            self.reader.names().resolve(name, place).map_err(|diagnostic| self.reader.push(diagnostic)).ok()
        };
        let of_provider = || self.reader.text(one).and_then(|name| target(&name.value, name.place));
        match one.key.as_str() {
            "evicted" => of_provider().map(Condition::Evicted),
            "active" => of_provider().map(Condition::Active),
            "answers" => {
                let (counted, count) = self.counted(one)?;
                let answer = Answer::parse(&counted.key).map_err(|(message, help)| {
                    let diagnostic = Diagnostic::error(message).at(counted.key_place, "");
                    self.reader.push(help.into_iter().fold(diagnostic, Diagnostic::help));
                });
                Some(Condition::Answers(answer.ok()?, count))
            }
            "reached" => {
                let (counted, count) = self.counted(one)?;
                Some(Condition::Reached(target(&counted.key, counted.key_place)?, count))
            }
            _ => {
                let key = Spanned::new(one.key.clone(), one.key_place);
                self.reader.push(not_among(&key, "condition", &["idle", "evicted", "active", "answers", "reached"]));
                None
            }
        }
    }

    /// The one entry of a map from something to how often it is waited for.
    fn counted<'n>(&self, entry: &'n Entry) -> Option<(&'n Entry, u64)> {
        if let [one] = entry.value.entries()
            && let Value::Int(count @ 1..) = one.value.value
        {
            return Some((one, u64::try_from(count).unwrap_or(u64::MAX)));
        }
        let diagnostic = self.reader.expected(&entry.value, "a map with one entry, and how often");
        self.reader.push(diagnostic.help(format!("such as `{}: {{ 429: 3 }}`", entry.key)));
        None
    }

    fn scale(&self, entry: &Entry) -> Option<Step> {
        let [one] = self.reader.entries(&entry.value, "from a part of the lab to how many there shall be") else {
            let diagnostic = Diagnostic::error("a step scales one part of the lab").at(entry.value.place, "");
            self.reader.push(diagnostic.help("such as `scale: { gateway: 2 }`"));
            return None;
        };
        let what = self.scaled(one)?;
        let bounds = what.bounds();
        let count = match one.value.value {
            Value::Int(count) => u32::try_from(count).ok().filter(|count| bounds.contains(count)),
            _ => None,
        };
        let Some(count) = count else {
            let expected = format!("a whole number from {} to {}", bounds.start, bounds.end - 1);
            self.reader.push(self.reader.expected(&one.value, &expected));
            return None;
        };
        Some(Step::Scale(Scale { what, count }))
    }

    fn scaled(&self, entry: &Entry) -> Option<Scaled> {
        if entry.key == "gateway" {
            return Some(Scaled::Gateway);
        }
        let simulators = &self.topology.simulators;
        if let Some(index) = simulators.iter().position(|one| one.name == entry.key) {
            return Some(Scaled::Simulator { name: entry.key.clone(), index });
        }
        // Without manifests no name is known, and that has been said.
        if !self.topology.listeners.is_empty() {
            let known: Vec<&str> =
                std::iter::once("gateway").chain(simulators.iter().map(|one| one.name.as_str())).collect();
            self.reader.push(not_among(&Spanned::new(entry.key.clone(), entry.key_place), "Deployment", &known));
        }
        None
    }

    fn configure(&self, entry: &Entry) -> Option<Step> {
        let [one] = self.reader.entries(&entry.value, "from a Deployment to what changes of it") else {
            let diagnostic = Diagnostic::error("a step configures one simulator").at(entry.value.place, "");
            self.reader.push(diagnostic.help("such as `configure: { mock-gpt-4o: { failure-injection-rate: 0 } }`"));
            return None;
        };
        let changes = self.reader.decode(&one.value)?;
        let simulators = &self.topology.simulators;
        if simulators.iter().any(|simulator| simulator.name == one.key) {
            return Some(Step::Configure(Box::new(Configure { name: one.key.clone(), changes })));
        }
        // Without manifests no name is known, and that has been said.
        if !self.topology.listeners.is_empty() {
            let known: Vec<&str> = simulators.iter().map(|simulator| simulator.name.as_str()).collect();
            self.reader.push(not_among(&Spanned::new(one.key.clone(), one.key_place), "Deployment", &known));
        }
        None
    }

    fn inject(&self, entry: &Entry) -> Option<Step> {
        let injection: Injection = match &entry.value.value {
            Value::String(_) => self.reader.decode(&entry.value).map(Injection::new)?,
            _ => self.reader.decode(&entry.value)?,
        };
        let place = entry.value.get("target").map_or(entry.key_place, |target| target.place);
        let sound = injection.check().map_err(|finding| self.reader.push(finding.at(place, ""))).is_ok();
        if !sound || self.topology.listeners.is_empty() {
            return None;
        }
        // Beside the steps, in the schedule, it may be about the lab as it is at any time.
        let aim = injection.aim(self.topology).or_else(|finding| {
            let others = std::iter::once(self.begin).chain(self.reader.changes().topologies());
            others.map(|one| injection.aim(one)).find_map(Result::ok).filter(|_| self.scheduled).ok_or(finding)
        });
        let aim = aim.map_err(|finding| self.reader.push(finding.at(place, ""))).ok()?;
        Some(Step::Inject(Box::new(Inject { injection, aim })))
    }

    fn clear(&self, entry: &Entry) -> Option<Step> {
        let which: Clear = self.reader.decode(&entry.value)?;
        if let (Clear::Name(name), Some(given)) = (&which, entry.value.get("name")) {
            let named = |step: &Spanned<Step>| matches!(&step.value, Step::Inject(one) if one.injection.name.as_ref() == Some(name));
            if !self.read.iter().any(named) {
                let diagnostic = Diagnostic::error(format!("no fault before this step is named `{name}`"));
                self.reader.push(
                    diagnostic.at(given.place, "").help("a fault gets its name where it is injected: `name: outage`"),
                );
            }
        }
        Some(Step::Clear(which))
    }

    fn send(&self, entry: &Entry) -> Option<Step> {
        let fields = self.reader.fields(&entry.value, "a request", SEND)?;
        let mut send = request(fields, 1);
        send.order = order(fields);
        Some(Step::Send(Box::new(send)))
    }

    fn load(&self, entry: &Entry) -> Option<Step> {
        load::load(self.reader, entry)
    }
}

/// A step that stands `offset` positions further on.
fn moved(step: &Spanned<Step>, offset: usize) -> Spanned<Step> {
    let mut step = step.clone();
    if let Step::Parallel(branches) = &mut step.value {
        for branch in branches {
            *branch = branch.start + offset..branch.end + offset;
        }
    }
    step
}

/// The verb of a step, and the entry that has it.
fn verb<'n>(reader: &Reader<'_>, node: &'n Node) -> Option<(&'static Verb, &'n Entry)> {
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let entry = match (&node.value, node.entries()) {
        (Value::Map(_), [entry]) => entry,
        (Value::Map(_), [first, rest @ ..]) => {
            let other = rest.iter().find(|_| verbs.contains(&first.key.as_str())).unwrap_or(first);
            reader.push(
                Diagnostic::error("a step has one verb")
                    .at(other.key_place, format!("`{}` does not belong here", other.key))
                    .help("begin another step with `- `, or indent it under its verb"),
            );
            return None;
        }
        (Value::String(word), _) if verbs.contains(&word.as_str()) => {
            let example = VERBS.iter().find(|verb| verb.name == word).map_or("", |verb| verb.example);
            let diagnostic = Diagnostic::error(format!("`{word}` needs a value")).at(node.place, "");
            reader.push(diagnostic.help(format!("such as `- {word}: {example}`")));
            return None;
        }
        _ => {
            let diagnostic = reader.expected(node, "a step, a map with one verb");
            reader.push(diagnostic.help("such as `- wait: 61s`"));
            return None;
        }
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == entry.key) else {
        reader.push(not_among(&Spanned::new(entry.key.clone(), entry.key_place), "step", &verbs));
        return None;
    };
    if entry.value.is_null() {
        let diagnostic = Diagnostic::error(format!("`{}` needs a value", entry.key)).at(entry.key_place, "");
        reader.push(diagnostic.help(format!("such as `- {}: {}`", entry.key, verb.example)));
        return None;
    }
    Some((verb, entry))
}

fn restart(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let text = reader.text(entry)?;
    let found = match text.value.split_once('/') {
        None if text.value == "gateway" => Some(Restart::Gateway),
        Some(("gateway", replica)) => replica.parse().ok().map(Restart::Replica),
        _ => None,
    };
    if found.is_none() {
        let diagnostic = Diagnostic::error(format!("`{}` cannot be restarted", text.value)).at(text.place, "");
        reader.push(diagnostic.help("write `gateway` for all its replicas, `gateway/0` for the first one"));
    }
    found.map(Step::Restart)
}

fn stop(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let what = reader.text(entry)?;
    if what.value != "load" {
        reader.push(not_among(&what, "thing to stop", &["load"]));
        return None;
    }
    Some(Step::Stop)
}

/// The verbs, for the schema's test.
#[cfg(test)]
pub(in crate::scenario) fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|verb| verb.name)
}

/// What stands under `send`; a load takes the request's keys as well.
pub(in crate::scenario) const SEND: &[&str] = &[
    "path", "prompt", "times", "gap", "at-once", "over", "stream", "model", "headers", "key", "body", "method",
    "timeout", "expect",
];

/// What stands under `wait`, where it is no time.
pub(in crate::scenario) const WAIT: &[&str] = &["until", "at-most"];
/// What stands under `repeat`.
pub(in crate::scenario) const REPEAT: &[&str] = &["times", "steps"];

/// The request that `fields` describe; `times` where they do not say how many.
pub(super) fn request(fields: Fields<'_>, times: u32) -> Send {
    let reader = fields.reader();
    let said = fields.whole("times", 1..=u64::from(MAX_TIMES)).map(|times| times.value);
    let count = if fields.entry("times").is_some() { said } else { Some(u64::from(times)) };
    // Of a load nobody knows how many requests there will be.
    let known = count.filter(|_| times == 1);
    let stream: Option<bool> = fields.get("stream");
    let method = method(fields);
    let expect = fields.entry("expect").map_or_else(Vec::new, |entry| {
        expectations::read(reader, &entry.value, &expectations::Scope::Step { times: known })
    });
    let content = content(fields, &method);
    let stream = match &content {
        Content::Body(body) => body.get("stream").and_then(Json::as_bool).unwrap_or(false),
        Content::Prompt { .. } => stream.unwrap_or(false),
        Content::Nothing => false,
    };
    Send {
        path: path(reader, fields),
        method,
        content,
        stream,
        headers: fields.value("headers").map(|entry| headers(reader, entry)).unwrap_or_default(),
        key: fields.entry("key").and_then(|entry| reader.secret(entry)).map(|key| Credential::new(CLIENT, &key)),
        times: count.and_then(|times| u32::try_from(times).ok()).unwrap_or(times),
        order: Order::InOrder { gap: DEFAULT_GAP },
        timeout: fields.get("timeout"),
        expect,
    }
}

/// When the requests of a step are sent: one of `gap`, `at-once` and `over` says.
fn order(fields: Fields<'_>) -> Order {
    let said: Vec<&Entry> = ["gap", "at-once", "over"].into_iter().filter_map(|key| fields.entry(key)).collect();
    if let [first, second, ..] = said.as_slice() {
        let message = format!("`{}` has no meaning beside `{}`", second.key, first.key);
        let diagnostic = Diagnostic::error(message).at(second.key_place, "").note_at(first.key_place, "");
        fields
            .reader()
            .push(diagnostic.help("requests are sent in order with a `gap`, `at-once`, or evenly `over` a time"));
    }
    if let Some(span) = fields.get("over") {
        return Order::Over(span);
    }
    if fields.get("at-once") == Some(true) {
        return Order::AtOnce;
    }
    Order::InOrder { gap: fields.get("gap").unwrap_or(DEFAULT_GAP) }
}

fn method(fields: Fields<'_>) -> String {
    let Some(method) = fields.get::<Spanned<String>>("method") else { return "POST".to_owned() };
    if !METHODS.contains(&method.value.as_str()) {
        fields.reader().push(not_among(&method, "method", &METHODS));
    }
    method.value
}

fn path(reader: &Reader<'_>, fields: Fields<'_>) -> String {
    let Some(path) = fields.required_text("path", "/openai") else { return "/".to_owned() };
    let valid = path.value.starts_with('/') && path.value.parse::<http::uri::PathAndQuery>().is_ok();
    if !valid {
        let diagnostic = Diagnostic::error(format!("`{}` is not a path", path.value)).at(path.place, "");
        reader.push(diagnostic.help("a path begins with `/`, has no host before it, and no spaces in it"));
    }
    path.value
}

/// What is asked: a prompt, a body as it is, or nothing.
fn content(fields: Fields<'_>, method: &str) -> Content {
    let asks = ["prompt", "model", "stream"].into_iter().filter_map(|key| fields.entry(key));
    if let Some(entry) = fields.value("body") {
        for other in asks {
            let message = format!("`{}` has no meaning beside `body`", other.key);
            let diagnostic = Diagnostic::error(message).at(other.key_place, "").note_at(entry.key_place, "");
            fields.reader().push(diagnostic.help(format!("write it into the body: `{}: …`", other.key)));
        }
        return Content::Body(fields.get("body").unwrap_or_default());
    }
    if ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method) {
        for other in asks {
            let message = format!("a {method} has no body, so `{}` has no meaning", other.key);
            fields.reader().push(Diagnostic::error(message).at(other.key_place, ""));
        }
        return Content::Nothing;
    }
    Content::Prompt {
        prompt: fields.get("prompt").unwrap_or_else(|| DEFAULT_PROMPT.to_owned()),
        model: fields.get("model").unwrap_or_default(),
    }
}

fn headers(reader: &Reader<'_>, entry: &Entry) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for header in reader.entries(&entry.value, "from a header's name to its value") {
        let name = header_name(reader, header);
        let Some(value) = reader.text(header) else { continue };
        if http::HeaderValue::from_str(&value.value).is_err() {
            let diagnostic = Diagnostic::error("this is not the value of a header").at(value.place, "");
            reader.push(diagnostic.help("it has no line breaks or other control characters"));
        }
        headers.extend(name.map(|name| (name, value.value)));
    }
    headers
}
