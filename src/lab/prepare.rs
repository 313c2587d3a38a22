//! Scenario → what can be built: the simulators' command lines are read and checked here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use crate::scenario::step::Configure;
use crate::scenario::{LoadError, Scenario, Step};
use crate::sim::vllm;
use crate::source::diagnostic::nearest_or_all;
use crate::source::{Diagnostic, Diagnostics, Place, Spanned};
use crate::topology::{Authority, POD_NAME_PLACEHOLDER, Simulator, Topology};

/// A scenario whose parts have all been checked.
pub struct Prepared {
    pub(super) scenario: Arc<Scenario>,
    pub(super) topology: Arc<Topology>,
    warnings: Diagnostics,
}

/// One pod of a simulator.
pub(super) struct Pod {
    /// Its name, which is its host name.
    pub(super) name: String,
    /// Its configuration.
    pub(super) config: vllm::Config,
}

impl Prepared {
    /// Checks what only the simulators can check.
    pub(super) fn new(scenario: Scenario) -> Result<Self, LoadError> {
        let topologies: Vec<&Topology> = scenario.topologies().collect();
        let mut findings = scenario.warnings.clone();
        findings.extend(judged(&scenario.steps, &topologies));
        if findings.has_errors() {
            let draft = Box::default();
            return Err(LoadError::Invalid { sources: scenario.sources, findings, draft });
        }
        let topology = Arc::new(scenario.topology.clone());
        Ok(Self { scenario: Arc::new(scenario), topology, warnings: findings })
    }

    /// What is wrong with a scenario, and what the simulators find wrong with what of it could be read.
    pub(super) fn complete(error: LoadError) -> LoadError {
        let LoadError::Invalid { draft, .. } = &error else { return error };
        let found = judged(&draft.steps, &draft.topologies.iter().collect::<Vec<_>>());
        error.and(found)
    }

    pub(super) fn warnings(&self) -> &[Diagnostic] {
        self.warnings.all()
    }
}

impl Pod {
    /// A pod of a simulator, by its number.
    ///
    /// # Errors
    /// Why it does not start.
    pub(super) fn of(simulator: &Simulator, number: u32) -> Result<Self, String> {
        let mut findings = Diagnostics::default();
        let why = |findings: &Diagnostics| findings.all().iter().map(|one| one.message.clone()).collect::<Vec<_>>();
        pod(simulator, number, &mut findings).ok_or_else(|| why(&findings).join("; "))
    }

    /// Where it listens.
    pub(super) fn authority(&self) -> Authority {
        Authority::new(self.name.clone(), self.config.port())
    }
}

/// What the simulators find wrong with their command lines, and with what steps change of them.
fn judged(steps: &[Spanned<Step>], topologies: &[&Topology]) -> Vec<Diagnostic> {
    let mut findings = Diagnostics::default();
    let mut seen: Vec<&Simulator> = Vec::new();
    for simulator in topologies.iter().flat_map(|topology| &topology.simulators) {
        // All pods have the same command line; one that has none may be scaled up.
        if !seen.contains(&simulator) {
            let _ = pod(simulator, 0, &mut findings);
            seen.push(simulator);
        }
    }
    for step in steps {
        if let Step::Configure(one) = &step.value {
            findings.extend(wrong_changes(&seen, one, step.place));
        }
    }
    findings.all().to_vec()
}

/// What is wrong with what a step changes of a simulator, in the simulator's own words: with each argument, or
/// else with all of them together.
fn wrong_changes(simulators: &[&Simulator], one: &Configure, place: Place) -> Vec<Diagnostic> {
    let simulator = simulators.iter().find(|it| it.name == one.name);
    let Some(pod) = simulator.and_then(|simulator| pod(simulator, 0, &mut Diagnostics::default())) else {
        return Vec::new();
    };
    let refused = |error: String| {
        Diagnostic::error(format!("the simulator `{}` does not take this: {}", one.name, plain(&error)))
    };
    let wrong = |(name, at): (&String, &(Place, Place))| {
        if !vllm::Config::changeable().any(|known| known == name) {
            let known: Vec<&str> = vllm::Config::changeable().collect();
            let nothing = format!("the simulator `{}` has no `{name}` that can be changed while it runs", one.name);
            return Some(Diagnostic::error(nothing).at(at.0, "").help(nearest_or_all(name, &known)));
        }
        let alone = Map::from_iter([(name.clone(), one.changes.get(name)?.clone())]);
        Some(refused(pod.config.changed(&alone).err()?).at(at.1, ""))
    };
    let wrong: Vec<Diagnostic> = one.changes.keys().zip(&one.places).filter_map(wrong).collect();
    let together = || pod.config.changed(&one.changes).err().map(|error| refused(error).at(place, "here"));
    if wrong.is_empty() { together().into_iter().collect() } else { wrong }
}

/// What the simulator says of a value of the wrong type, in the words of people who write YAML.
fn plain(error: &str) -> String {
    let wanted = error.rsplit_once("into Go value of type ").map(|(_, wanted)| wanted);
    let wanted = wanted.or_else(|| error.contains("time: ").then_some("time.Duration"));
    let words = match wanted {
        Some("int") => "a whole number",
        Some("float64") => "a number",
        Some("string") => "text",
        Some("time.Duration") => "a duration, such as `200ms`",
        Some("[]string") => "a list of texts",
        Some("common.Metrics") => "a map of metrics",
        _ => return error.to_owned(),
    };
    format!("expected {words}")
}

fn pod(simulator: &Simulator, replica: u32, findings: &mut Diagnostics) -> Option<Pod> {
    let name = simulator.pod_name(replica);
    let args: Vec<String> = simulator.args.iter().map(|arg| arg.value.replace(POD_NAME_PLACEHOLDER, &name)).collect();
    let named = |(key, value): (&String, &String)| (key.clone(), value.replace(POD_NAME_PLACEHOLDER, &name));
    let env: BTreeMap<String, String> = simulator.env.iter().map(named).collect();
    match vllm::Config::parse(&args, &env) {
        Ok((config, warnings)) => {
            for warning in warnings {
                let place =
                    warning.argument.and_then(|at| simulator.args.get(at)).map_or(simulator.place, |arg| arg.place);
                findings.push(Diagnostic::warning(warning.message).at(place, "in this simulator's arguments"));
            }
            if config.certificate().is_some() {
                let text = format!("the simulator `{}` asks for TLS; hosts of a lab speak plain HTTP", simulator.name);
                findings.push(Diagnostic::warning(text).at(simulator.place, "this one"));
            }
            Some(Pod { name, config })
        }
        Err(error) => {
            let place =
                error.argument().and_then(|arg| simulator.args.get(arg)).map_or(simulator.place, |arg| arg.place);
            findings.push(
                Diagnostic::error(format!("the simulator `{}` does not start: {error}", simulator.name))
                    .at(place, "because of this"),
            );
            None
        }
    }
}
