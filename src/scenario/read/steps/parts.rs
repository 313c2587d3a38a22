//! Steps that change parts of the lab: restart, scale, configure, inject, clear, stop.

use super::Steps;
use crate::fault::answer::Stall;
use crate::fault::{Clear, Fault, Injection, Window};
use crate::scenario::fields::{Reader, not_among, whole_number};
use crate::scenario::step::{Configure, Inject, Restart, Scale, Scaled, Step};
use crate::source::{Diagnostic, Entry, Spanned, Value};

/// What stands under `inject`, where it is no name.
pub(in crate::scenario) const INJECT: &[&str] = &["fault", "target", "probability", "window", "name"];
/// What stands under its `window`.
pub(in crate::scenario) const WINDOW: &[&str] = &["after", "for", "first", "every"];

impl Steps<'_> {
    pub(super) fn scale(&self, entry: &Entry) -> Option<Step> {
        let [one] = self.reader.entries(&entry.value, "from a part of the lab to how many there shall be") else {
            let diagnostic = Diagnostic::error("a step scales one part of the lab").at(entry.value.place, "");
            self.reader.push(diagnostic.help("such as `scale: { gateway: 2 }`"));
            return None;
        };
        let what = self.scaled(one)?;
        let bounds = what.bounds();
        let count = whole_number(&one.value).and_then(|count| u32::try_from(count).ok());
        let Some(count) = count.filter(|count| bounds.contains(count)) else {
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

    pub(super) fn configure(&self, entry: &Entry) -> Option<Step> {
        let [one] = self.reader.entries(&entry.value, "from a Deployment to what changes of it") else {
            let diagnostic = Diagnostic::error("a step configures one simulator").at(entry.value.place, "");
            self.reader.push(diagnostic.help("such as `configure: { mock-gpt-4o: { failure-injection-rate: 0 } }`"));
            return None;
        };
        let changes = self.reader.decode(&one.value)?;
        let simulators = &self.topology.simulators;
        if simulators.iter().any(|simulator| simulator.name == one.key) {
            let places =
                one.value.entries().iter().map(|argument| (argument.key_place, argument.value.place)).collect();
            return Some(Step::Configure(Box::new(Configure { name: one.key.clone(), changes, places })));
        }
        // Without manifests no name is known, and that has been said.
        if !self.topology.listeners.is_empty() {
            let known: Vec<&str> = simulators.iter().map(|simulator| simulator.name.as_str()).collect();
            self.reader.push(not_among(&Spanned::new(one.key.clone(), one.key_place), "Deployment", &known));
        }
        None
    }

    pub(super) fn inject(&self, entry: &Entry) -> Option<Step> {
        let at = |keys: &[&str]| {
            let found = keys.iter().try_fold(&entry.value, |node, key| node.get(key));
            found.map_or(entry.key_place, |value| value.place)
        };
        let injection = match &entry.value.value {
            Value::String(_) => self.reader.decode(&entry.value).map(Injection::new)?,
            _ => self.injection(entry)?,
        };
        let mistakes = injection.mistakes();
        if !mistakes.is_empty() {
            self.reader.extend(mistakes.into_iter().map(|(keys, finding)| finding.at(at(keys), "")));
            return None;
        }
        if self.topology.listeners.is_empty() {
            return None;
        }
        let place = at(&["target"]);
        // Beside the steps, in the schedule, it may be about the lab as it is at any time.
        let aim = injection.aim(self.topology).or_else(|finding| {
            let others = std::iter::once(self.begin).chain(self.reader.changes().topologies());
            others.map(|one| injection.aim(one)).find_map(Result::ok).filter(|_| self.scheduled).ok_or(finding)
        });
        let aim = aim.map_err(|finding| self.reader.push(finding.at(place, ""))).ok()?;
        Some(Step::Inject(Box::new(Inject { injection, aim })))
    }

    /// A fault with what goes around it, each read for itself, so that all mistakes are found.
    fn injection(&self, entry: &Entry) -> Option<Injection> {
        let fields = self.reader.fields(&entry.value, "of what fails", INJECT)?;
        if fields.entry("fault").is_none() {
            let missing = Diagnostic::error("`fault` is missing here").at(fields.first_line(), "");
            self.reader.push(missing.help("such as `fault: stall`"));
        }
        let fault = fields.get::<Fault>("fault");
        let whole = |key: &str, read: bool| read || fields.entry(key).is_none();
        let (target, probability, name) = (fields.get("target"), fields.get("probability"), fields.get("name"));
        let window = match fields.value("window") {
            Some(entry) => self.window(entry),
            None => Some(Window::default()),
        };
        let complete = whole("target", target.is_some()) && whole("probability", probability.is_some());
        // What can be judged without the rest is, also where the rest is wrong.
        let injection = Injection {
            target: target.filter(|_| fault.is_some()).unwrap_or_default(),
            probability: probability.unwrap_or(1.0),
            window: window.clone().unwrap_or_default(),
            name,
            ..Injection::new(fault.clone().or_else(|| Fault::named(Stall::NAME))?)
        };
        if complete && fault.is_some() && window.is_some() {
            return Some(injection);
        }
        for (keys, finding) in injection.mistakes() {
            let place =
                keys.iter().try_fold(&entry.value, |node, key| node.get(key)).map_or(entry.key_place, |it| it.place);
            self.reader.push(finding.at(place, ""));
        }
        None
    }

    fn window(&self, entry: &Entry) -> Option<Window> {
        let fields = self.reader.fields(&entry.value, "of a window", WINDOW)?;
        let window = Window {
            after: fields.get("after"),
            r#for: fields.get("for"),
            first: fields.get("first"),
            every: fields.get("every"),
        };
        let read = [window.after.is_some(), window.r#for.is_some(), window.first.is_some(), window.every.is_some()];
        WINDOW.iter().zip(read).all(|(key, read)| read || fields.entry(key).is_none()).then_some(window)
    }

    pub(super) fn clear(&self, entry: &Entry) -> Option<Step> {
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
}

/// What stands under `restart`.
pub(super) fn restart(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
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

/// What stands under `stop`.
pub(super) fn stop(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let what = reader.text(entry)?;
    if what.value != "load" {
        reader.push(not_among(&what, "thing to stop", &["load"]));
        return None;
    }
    Some(Step::Stop)
}
