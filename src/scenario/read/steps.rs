//! Nodes → steps. Each verb has a reader here; `VERBS` is the list of them.

mod parts;
mod request;
mod until;

use super::load;
use crate::kube::Change;
use crate::kube::change::Manifest;
use crate::scenario::fields::{Fields, Reader, not_among};
use crate::scenario::step::{MAX_STEPS, Step};
use crate::source::{Diagnostic, Entry, Node, Place, Span, Spanned, Value};
use crate::topology::Topology;

#[cfg(test)]
pub(in crate::scenario) use parts::{INJECT, WINDOW};
pub(super) use request::request;
#[cfg(test)]
pub(in crate::scenario) use request::{RETRIES, SEND};
#[cfg(test)]
pub(in crate::scenario) use until::WAIT;

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
    Verb {
        name: "send",
        read: |steps, entry, at| steps.one(at, |s| request::send(s.reader, entry)),
        example: "{ path: /openai }",
    },
    Verb {
        name: "load",
        read: |steps, entry, at| steps.one(at, |s| load::load(s.reader, entry)),
        example: "{ path: /openai, rate: 10, for: 30s }",
    },
    Verb { name: "wait", read: |steps, entry, at| steps.one(at, |s| s.wait(entry)), example: "61s" },
    Verb {
        name: "note",
        read: |steps, entry, at| steps.one(at, |s| s.reader.decode(&entry.value).map(Step::Note)),
        example: "A sentence for the person watching",
    },
    Verb {
        name: "restart",
        read: |steps, entry, at| steps.one(at, |s| parts::restart(s.reader, entry)),
        example: "gateway",
    },
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
    Verb { name: "stop", read: |steps, entry, at| steps.one(at, |s| parts::stop(s.reader, entry)), example: "load" },
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
        let scheduled =
            top.entry("schedule").is_some_and(|one| matches!(&one.value.value, Value::Seq(all) if !all.is_empty()));
        if !scheduled {
            reader.push(Diagnostic::warning("the scenario has no steps").at(place, "nothing will happen"));
        }
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
        let entries: Vec<Entry> = item.entries().iter().filter(|entry| entry.key != "at").cloned().collect();
        if entries.is_empty() {
            let diagnostic = Diagnostic::error("nothing is done at this moment").at(item.place, "");
            reader.push(diagnostic.help("such as `- { at: 30s, restart: gateway }`"));
            continue;
        }
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
        if matches!(&entry.value.value, Value::Seq(items) if items.is_empty()) {
            self.reader
                .push(Diagnostic::error("there is nothing to do at once").at(entry.key_place, "it has no steps"));
        }
        self.within(place, |steps| {
            let position = steps.read.len();
            steps.read.push(Spanned::new(Step::Parallel(Vec::new()), place));
            let mut branches = Vec::new();
            for item in items {
                let begin = steps.read.len();
                match &item.value {
                    Value::Seq(sequence) if sequence.is_empty() => {
                        let empty = Diagnostic::error("there is nothing to do in this branch");
                        steps.reader.push(empty.at(item.place, "it has no steps"));
                    }
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

/// The verbs, for the schema's test.
#[cfg(test)]
pub(in crate::scenario) fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|verb| verb.name)
}

/// What stands under `repeat`.
pub(in crate::scenario) const REPEAT: &[&str] = &["times", "steps"];
