//! A session at the screen → a scenario file that does it again: the scenario as its author wrote it,
//! with what a person did under `schedule`.
//!
//! What need not change is copied with its comments, from before variables were expanded, so that no
//! secret that came from outside gets into the file.

mod paths;
mod verbatim;

use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::compose::{self, COMMAND_LINE, Composed};
use super::load::{Files, LoadError, Stop, load_from};
use super::read::TOP;
use crate::source::{Diagnostics, Entry, FileId, Node, Place, Sources, Span, Value};

/// A scenario as its author wrote it, with what it extends and what the command line sets.
pub struct Original {
    root: Node,
    sources: Sources,
}

/// What was done at the screen, and what a run of it depends on.
#[derive(Debug, Clone)]
pub struct Session {
    /// The seed of the run.
    pub seed: u64,
    /// The gateway's personality.
    pub personality: String,
    /// Wall-clock time of the lab's start, where it was not the machine's.
    pub start: Option<String>,
    /// Whether the scenario's own steps were played.
    pub played: bool,
    /// What a person did, in order.
    pub acts: Vec<Performed>,
    /// How far the session has come.
    pub until: Duration,
}

/// Something that a person did.
#[derive(Debug, Clone)]
pub struct Performed {
    /// When, from the lab's start.
    pub at: Duration,
    /// The step, as [`super::Step::as_written`] has it.
    pub step: Json,
    /// The step of the scenario whose requests it sends.
    pub like: Option<Place>,
}

/// When a lab starts in virtual time, where nobody says otherwise.
const USUAL_START: &str = "2026-01-01T00:00:00Z";
/// What a request has that an act leaves out: it may hold a secret.
const LEFT_OUT: [&str; 3] = ["key", "headers", "timeout"];
/// The place of what stands in no file.
const NOWHERE: Place = Place { file: FileId(u32::MAX), start: 0, end: 0 };
/// What stands above the file.
const HEAD: &str = "\
# Written by labsim from a session at the screen. What was done there stands under `schedule`;
# `labsim run` of this file does it all again.

";
/// The same where nothing was done.
const BARE_HEAD: &str = "\
# Written by labsim from a session at the screen, in which nothing was done;
# `labsim run` of this file does it all again.

";

impl Original {
    /// Reads a scenario file, without its manifests.
    ///
    /// # Errors
    /// As [`super::load_from`].
    pub fn read(files: &dyn Files, path: &Path) -> Result<Self, LoadError> {
        let text = files.read(path).map_err(|error| LoadError::unreadable(path, &error))?;
        let mut sources = Sources::default();
        let file = sources.add(path.display().to_string(), text);
        match compose::compose(files, path, &mut sources, file) {
            Ok(Composed { mut root, set, .. }) => {
                for (name, (value, place)) in set.0 {
                    let value = Node { value: Value::String(value), place };
                    put(&mut root, &["vars", &name], value);
                }
                Ok(Self { root, sources })
            }
            Err(Stop::NotAScenario) => Err(LoadError::NotAScenario),
            Err(Stop::Invalid(..)) => Err(LoadError::Invalid {
                sources: Sources::default(),
                findings: Diagnostics::default(),
                draft: Box::default(),
            }),
        }
    }

    /// The text of a scenario file at `to` that does the session again.
    ///
    /// # Errors
    /// Why it would not, in words.
    pub fn with(&self, session: &Session, to: &Path) -> Result<String, String> {
        let root = self.session(session, to);
        let head = if session.acts.is_empty() { BARE_HEAD } else { HEAD };
        let text = format!("{head}{}", verbatim::text(&root, &self.sources));
        // Nobody should be left with a file that cannot be run.
        match load_from(&Written { path: to, text: &text }, to) {
            Ok(_) => Ok(text),
            Err(LoadError::Invalid { findings, .. }) => {
                let first = findings.all().iter().find(|one| one.severity == crate::source::Severity::Error);
                Err(first.map_or_else(|| "it could not be read again".to_owned(), |one| one.message.clone()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn session(&self, session: &Session, to: &Path) -> Node {
        let mut root = self.root.clone();
        self.order(&mut root);
        if let Some(name) = root.get("name").and_then(Node::as_str) {
            let name = text(format!("{name}, improvised"));
            put(&mut root, &["name"], name);
        }
        put(&mut root, &["seed"], node(Value::Int(i128::from(session.seed))));
        let start = session.start.as_ref().filter(|start| root.get("start").is_some() || *start != USUAL_START);
        if let Some(start) = start {
            put(&mut root, &["start"], text(start));
        }
        put(&mut root, &["lab", "gateway", "personality"], text(&session.personality));
        paths::rewrite(&mut root, &self.sources, to);
        if !session.played {
            put(&mut root, &["steps"], node(Value::Seq(Vec::new())));
        }
        let mut acts = self.acts(session);
        for act in &mut acts {
            paths::of_steps(act, &self.sources, to);
        }
        if !acts.is_empty() {
            let before = root.get("schedule").map(|schedule| schedule.value.clone());
            let mut all = if let Some(Value::Seq(items)) = before { items } else { Vec::new() };
            all.extend(acts);
            put(&mut root, &["schedule"], node(Value::Seq(all)));
        }
        root
    }

    /// Where several files make up the scenario, nobody has put its keys in order: that of a base comes
    /// first, whatever it is.
    fn order(&self, root: &mut Node) {
        let Value::Map(entries) = &mut root.value else { return };
        if self.sources.files().iter().skip(1).any(|file| file.name != COMMAND_LINE) {
            entries.sort_by_key(|entry| TOP.iter().position(|known| *known == entry.key));
        }
    }

    /// What a person did, as a schedule has it. A load that still goes on ends with the session.
    fn acts(&self, session: &Session) -> Vec<Node> {
        let mut acts = Vec::new();
        let mut load = false;
        for act in &session.acts {
            let mut step = of_json(&act.step);
            tidy(&mut step);
            if let Some(like) = act.like {
                self.fill_in(&mut step, like);
            }
            let verb = step.entries().first().map(|entry| entry.key.clone()).unwrap_or_default();
            load = verb == "load" || (load && verb != "stop");
            acts.push(scheduled(act.at, step));
        }
        if load {
            let stop = node(Value::Map(vec![entry("stop", text("load"))]));
            acts.push(scheduled(session.until, stop));
        }
        acts
    }

    /// Gives a request what its like has and the act leaves out.
    fn fill_in(&self, step: &mut Node, like: Place) {
        let Some(like) = find(&self.root, like) else { return };
        let Some(request) = like.entries().iter().find(|one| ["send", "load"].contains(&one.key.as_str())) else {
            return;
        };
        let Value::Map(verbs) = &mut step.value else { return };
        let Some(Value::Map(own)) = verbs.first_mut().map(|verb| &mut verb.value.value) else { return };
        for missing in request.value.entries().iter().filter(|one| LEFT_OUT.contains(&one.key.as_str())) {
            own.retain(|one| one.key != missing.key);
            own.push(missing.clone());
        }
    }
}

/// Takes out what an author would not write, since it is so anyhow.
fn tidy(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            // A fault that has no parameters is written as one that has none set.
            let several = entries.len() > 1;
            entries.retain(|entry| match (entry.key.as_str(), &entry.value.value) {
                (_, Value::Null) => !several,
                ("headers", Value::Map(headers)) => !several || !headers.is_empty(),
                ("probability", Value::Float(likely)) => likely.to_bits() != 1.0_f64.to_bits(),
                _ => true,
            });
            for entry in entries {
                let whole_hours = match &entry.value.value {
                    Value::String(text) if entry.key == "for" => text.strip_suffix("h0m0s"),
                    _ => None,
                };
                match whole_hours.map(|hours| format!("{hours}h")) {
                    Some(hours) => entry.value.value = Value::String(hours),
                    None => tidy(&mut entry.value),
                }
            }
        }
        Value::Seq(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// `{ at: 12.5s, restart: gateway }`. Moments are whole microseconds.
fn scheduled(at: Duration, step: Node) -> Node {
    let mut entries = vec![entry("at", text(Span(at).to_string()))];
    if let Value::Map(verbs) = step.value {
        entries.extend(verbs);
    }
    node(Value::Map(entries))
}

/// The part of a tree that stands at a place.
fn find(root: &Node, place: Place) -> Option<&Node> {
    if root.place == place && root.get("send").or(root.get("load")).is_some() {
        return Some(root);
    }
    match &root.value {
        Value::Seq(items) => items.iter().find_map(|item| find(item, place)),
        Value::Map(entries) => entries.iter().find_map(|entry| find(&entry.value, place)),
        _ => None,
    }
}

fn node(value: Value) -> Node {
    Node { value, place: NOWHERE }
}

fn text(text: impl Into<String>) -> Node {
    node(Value::String(text.into()))
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_place: NOWHERE, value }
}

fn of_json(json: &Json) -> Node {
    node(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Seq(items.iter().map(of_json).collect()),
        Json::Object(members) => Value::Map(members.iter().map(|(key, value)| entry(key, of_json(value))).collect()),
    })
}

/// Puts a value at a path of maps. At the top a new key stands where a person would look for it.
fn put(root: &mut Node, path: &[&str], value: Node) {
    let Some((first, rest)) = path.split_first() else {
        *root = value;
        return;
    };
    if !matches!(root.value, Value::Map(_)) {
        root.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut root.value else { return };
    let at = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
        let rank = |key: &str| TOP.iter().position(|known| *known == key);
        let later = |entry: &Entry| rank(first).is_some_and(|own| rank(&entry.key).is_some_and(|other| other > own));
        let at = entries.iter().position(later).unwrap_or(entries.len());
        entries.insert(at, entry(first, node(Value::Null)));
        at
    });
    put(&mut entries[at].value, rest, value);
}

/// Files on disk, but for one that is not written yet.
struct Written<'w> {
    path: &'w Path,
    text: &'w str,
}

impl Files for Written<'_> {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        if path == self.path { Ok(self.text.to_owned()) } else { super::Disk.read(path) }
    }

    fn variable(&self, name: &str) -> Option<String> {
        super::Disk.variable(name)
    }
}

#[cfg(test)]
mod tests;
