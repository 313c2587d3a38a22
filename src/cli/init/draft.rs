//! A scenario in the course of being written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::History;
use crate::fault::target::Target;
use crate::lab::Run;
use crate::lint;
use crate::source::duration::human;
use crate::source::{Node, Sources, Value, yaml};
use crate::topology::{PathMatch, Personality, Route, Topology};
use crate::verdict;

/// How many requests go to each route.
const TIMES: u32 = 3;
/// The longest eviction that is waited out.
const LONGEST: Duration = Duration::from_hours(1);

/// A scenario in the course of being written.
pub(super) struct Draft {
    manifests: Vec<String>,
    personality: Personality,
    /// Secrets that the manifests refer to and do not have.
    secrets: BTreeSet<String>,
    /// What agentgateway's own configuration calls and nothing describes, each with its model.
    simulators: Vec<(String, String)>,
    steps: Vec<Step>,
    /// How many of the steps send to each route for the first time; they come first.
    first: usize,
    /// Evictions by provider, and how long.
    evictions: BTreeMap<String, usize>,
    /// Backends whose lower groups are never used.
    stuck: Vec<String>,
}

enum Step {
    Send {
        path: String,
        host: Option<String>,
        about: String,
        pattern: Option<String>,
    },
    /// A provider fails from now on.
    Break(String),
    /// It no longer does.
    Mend,
    Wait(Duration),
}

impl Draft {
    /// A draft without a step.
    pub(super) fn new(manifests: Vec<String>, paths: &[PathBuf], personality: Personality) -> Self {
        Self {
            manifests,
            personality,
            secrets: missing_secrets(paths),
            simulators: missing_simulators(paths),
            steps: Vec::new(),
            first: 0,
            evictions: BTreeMap::new(),
            stuck: Vec::new(),
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Sends to every route.
    pub(super) fn route(&mut self, topology: &Topology) {
        let stuck = lint::stuck(topology, self.personality);
        self.stuck = stuck.into_iter().map(|backend| backend.name.clone()).collect();
        let mut seen = BTreeSet::new();
        for route in &topology.routes {
            for (path, about) in paths(route, topology) {
                let host = route.hostnames.first().map(|host| host.replace('*', "any"));
                if seen.insert((path.clone(), host.clone())) {
                    self.steps.push(Step::Send { path, host, about, pattern: None });
                }
            }
        }
        self.first = self.steps.len();
    }

    /// Where nothing has failed, lets a provider fail that another one could stand in for, and sends
    /// again. False where there is none.
    pub(super) fn outage(&mut self, topology: &Topology, history: &History) -> bool {
        let well = |status: Option<u16>| status.is_some_and(|status| (200..300).contains(&status));
        if !history.evictions.is_empty() || !history.requests.iter().all(|request| well(request.status)) {
            return false;
        }
        let several = |name: &str| {
            topology.backends.iter().any(|backend| backend.full_name() == name && backend.providers().count() > 1)
        };
        let mut attempts = history.requests.iter().flat_map(|request| &request.attempts);
        let Some(first) = attempts.find(|attempt| several(&attempt.backend)) else { return false };
        let whole = format!("{}/{}", first.backend, first.provider);
        let clear = |name: &String| Target::parse(name).is_ok_and(|target| target.aim(topology).is_ok());
        let Some(name) = [first.provider.clone(), whole].into_iter().find(clear) else { return false };
        self.steps.push(Step::Break(name));
        self.again("while the first provider fails");
        true
    }

    /// Sends to every route again.
    fn again(&mut self, when: &str) {
        let again = |step: &Step| match step {
            Step::Send { path, host, about, .. } => Some(Step::Send {
                path: path.clone(),
                host: host.clone(),
                about: format!("{about}, {when}"),
                pattern: None,
            }),
            Step::Break(_) | Step::Mend | Step::Wait(_) => None,
        };
        let again: Vec<Step> = self.steps.iter().take(self.first).filter_map(again).collect();
        self.steps.extend(again);
    }

    /// Waits until every provider is back, and sends again.
    pub(super) fn wait_out(&mut self, history: &History) {
        if self.steps.iter().any(|step| matches!(step, Step::Break(_))) {
            self.steps.push(Step::Mend);
        }
        let longest = history.evictions.iter().map(|one| one.until.since(history.now)).max();
        let Some(longest) = longest.filter(|longest| *longest <= LONGEST) else { return };
        // A deadline is inclusive, and people like whole seconds.
        let wait = Duration::from_secs(longest.as_secs() + 1);
        self.steps.push(Step::Wait(wait));
        self.again("again");
    }

    /// Expects what came.
    pub(super) fn expect(&mut self, run: &Run) {
        let observed = verdict::observed_patterns(&run.scenario, &run.history);
        // Each send has its note before it.
        let mut sends = observed.into_values();
        for step in &mut self.steps {
            if let Step::Send { pattern, .. } = step {
                *pattern = sends.next();
            }
        }
        for eviction in &run.history.evictions {
            *self.evictions.entry(eviction.provider.clone()).or_default() += 1;
        }
    }

    /// Backends whose lower groups are never used, and why, each in a sentence.
    pub(super) fn never_fails_over(&self) -> impl Iterator<Item = String> {
        let personality = self.personality;
        self.stuck.iter().map(move |one| {
            format!("under {personality} the backend `{one}` never fails over: it has no health policy")
        })
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `labsim init`. What it expects is what came when it was written: change it to what should.\n",
        );
        let _ = writeln!(text, "name: A first scenario");
        let _ = writeln!(text, "seed: 1");
        let manifests: Vec<String> = self.manifests.iter().map(|path| quoted(path)).collect();
        let _ = writeln!(text, "lab:\n  manifests: [{}]", manifests.join(", "));
        if !self.secrets.is_empty() {
            let one = |name: &String| format!("    {}: {{ Authorization: \"Bearer sk-labsim\" }}\n", quoted(name));
            let _ = write!(text, "  secrets:\n{}", self.secrets.iter().map(one).collect::<String>());
        }
        text.push_str(&self.simulators_text());
        let _ = writeln!(text, "  gateway: {{ personality: {} }}", self.personality);
        for why in self.never_fails_over() {
            let _ = writeln!(text, "# {why}.");
        }
        let _ = writeln!(text, "steps:{}", if self.steps.is_empty() { " []" } else { "" });
        for step in &self.steps {
            text.push_str(&step.text());
        }
        if !self.evictions.is_empty() {
            text.push_str("expect:\n  evictions:\n");
            for (provider, count) in &self.evictions {
                let _ = writeln!(text, "    {}: {count}", quoted(provider));
            }
        }
        text
    }
}

impl Draft {
    /// Simulators: the first one fails, so that there is something to see.
    fn simulators_text(&self) -> String {
        let mut text = String::new();
        for (index, (address, model)) in self.simulators.iter().enumerate() {
            if index == 0 {
                text.push_str(
                    "  # What answers at the addresses of the configuration. The first is always rate limited.\n",
                );
                text.push_str("  simulators:\n");
            }
            let failing = if index == 0 { ", --failure-injection-rate, 100, --failure-types, rate_limit" } else { "" };
            let _ = writeln!(text, "    {}: {{ args: [--model, {}{failing}] }}", quoted(address), quoted(model));
        }
        text
    }
}

impl Step {
    fn text(&self) -> String {
        match self {
            Self::Wait(wait) => format!("  - wait: {}\n", human(*wait)),
            Self::Break(provider) => {
                let target = quoted(provider);
                format!("  - inject: {{ name: outage, fault: {{ status: {{ code: 503 }} }}, target: {target} }}\n")
            }
            Self::Mend => "  - clear: { name: outage }\n".to_owned(),
            Self::Send { path, host, about, pattern } => {
                let mut text = format!("  - note: {}\n  - send:\n      path: {}\n", quoted(about), quoted(path));
                if let Some(host) = host {
                    let _ = writeln!(text, "      headers: {{ host: {} }}", quoted(host));
                }
                let _ = writeln!(text, "      times: {TIMES}");
                if let Some(pattern) = pattern {
                    let _ = writeln!(text, "      expect: {{ pattern: {} }}", quoted(pattern));
                }
                text
            }
        }
    }
}

/// Text in YAML. JSON's strings are YAML's, and a dollar sign would begin a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

/// Paths that a route takes, each with what stands behind it.
fn paths(route: &Route, topology: &Topology) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for rule in &route.rules {
        let backends = rule.backends.iter().filter_map(|one| topology.backends.get(one.backend));
        let groups: Vec<String> = backends
            .flat_map(|backend| &backend.groups)
            .map(|group| {
                group.providers.iter().map(|provider| provider.name.value.as_str()).collect::<Vec<_>>().join(", ")
            })
            .collect();
        let about = format!("{}: {}", route.name, groups.join("; then "));
        let matches = rule.matches.iter().filter(|one| one.headers.is_empty() && one.query.is_empty());
        let of_match = |path: &Option<PathMatch>| match path {
            Some(PathMatch::Exact(path) | PathMatch::Prefix(path)) => Some(path.clone()),
            Some(PathMatch::Regex(_)) => None,
            None => Some("/".to_owned()),
        };
        found.extend(matches.filter_map(|one| of_match(&one.path)).map(|path| (path, about.clone())));
        if rule.matches.is_empty() {
            found.push(("/".to_owned(), about));
        }
    }
    found
}

/// Names of Secrets that the manifests refer to and do not have.
pub(in crate::cli) fn missing_secrets(paths: &[PathBuf]) -> BTreeSet<String> {
    let (mut wanted, mut there) = (BTreeSet::new(), BTreeSet::new());
    for path in paths {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let mut sources = Sources::default();
        let file = sources.add(path.display().to_string(), text);
        for document in yaml::parse(&sources, file).unwrap_or_default() {
            references(&document, &mut wanted);
            let name = document.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str);
            if document.get("kind").and_then(Node::as_str) == Some("Secret") {
                there.extend(name.map(str::to_owned));
            }
        }
    }
    wanted.difference(&there).cloned().collect()
}

/// Addresses of providers in agentgateway's own configuration, without those that are Services.
fn missing_simulators(paths: &[PathBuf]) -> Vec<(String, String)> {
    let (mut wanted, mut services) = (Vec::new(), BTreeSet::new());
    for path in paths {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let mut sources = Sources::default();
        let file = sources.add(path.display().to_string(), text);
        for document in yaml::parse(&sources, file).unwrap_or_default() {
            addresses(&document, &mut wanted);
            let name = document.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str);
            if document.get("kind").and_then(Node::as_str) == Some("Service") {
                services.extend(name.map(str::to_owned));
            }
        }
    }
    let mut seen = BTreeSet::new();
    let is_service = |address: &str| address.split(['.', ':']).next().is_some_and(|name| services.contains(name));
    wanted.retain(|(address, _)| !is_service(address) && seen.insert(address.clone()));
    wanted
}

fn addresses(node: &Node, found: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| addresses(item, found)),
        Value::Map(entries) => {
            let model = || node.get("provider")?.get("openAI")?.get("model")?.as_str();
            if let Some(address) = node.get("hostOverride").and_then(Node::as_str) {
                found.push((address.to_owned(), model().unwrap_or("mock").to_owned()));
            }
            for entry in entries {
                addresses(&entry.value, found);
            }
        }
        _ => {}
    }
}

fn references(node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| references(item, found)),
        Value::Map(entries) => {
            for entry in entries {
                let name = entry.value.get("name").and_then(Node::as_str).filter(|_| entry.key == "secretRef");
                found.extend(name.map(str::to_owned));
                references(&entry.value, found);
            }
        }
        _ => {}
    }
}
