//! What a person does at the screen, as steps of a running lab.

pub(super) mod bench;
mod drafts;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::Context as _;

use crate::event::{Event, Kind, Sink};
use crate::fault::{Aim, Clear, Fault, Injection, Target};
use crate::lab::{Commands, Interrupt, Lab};
use crate::scenario::step::{Configure, Inject, Load, MAX_TIMES, Objective, Order, Pace, Scale, Scaled, Stretch};
use crate::scenario::{Change, Manifest, Manifests, Restart, Scenario, Send, Step};
use crate::source::{Diagnostic, Place, Span};
use crate::topology::{Backend, PathMatch, Topology};
use crate::tui::{Act, Cleared, Command, Draft, Notices};

/// Turns what a person wants into steps. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Acting(Arc<Inner>);

struct Inner {
    scenario: Arc<Scenario>,
    commands: Commands,
    interrupt: Interrupt,
    /// Whether the lab ends when it has done everything and nobody asks for more.
    ends: bool,
    /// The step that sends and began last; `usize::MAX` before the first.
    latest: AtomicUsize,
    /// For each step that was asked for, the step of the scenario that its requests are like.
    likenesses: Mutex<Vec<Option<usize>>>,
    /// Providers whose failure rate a person has set.
    rated: Mutex<Vec<String>>,
    /// The manifests after those that a person has applied, and what they describe.
    applied: Mutex<Option<(Manifests, Topology)>>,
}

/// How long a load goes on that nobody stops.
const LONGEST_LOAD: Span = Span(std::time::Duration::from_hours(1));

impl Acting {
    /// Acts in this lab, which has to be given the commands. `ends` says whether it ends when it has done
    /// everything and nobody asks for more.
    pub(super) fn new(lab: &Lab, interrupt: &Interrupt, ends: bool) -> Self {
        Self(Arc::new(Inner {
            scenario: Arc::new(lab.scenario().clone()),
            commands: Commands::default(),
            interrupt: interrupt.clone(),
            ends,
            latest: AtomicUsize::new(usize::MAX),
            likenesses: Mutex::default(),
            rated: Mutex::default(),
            applied: Mutex::default(),
        }))
    }

    /// The way into the lab.
    pub(super) fn commands(&self) -> Commands {
        self.0.commands.clone()
    }

    /// What hears of the steps that the lab plays.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        let own = self.0.clone();
        Box::new(move |event: &Event| {
            if let Kind::StepStarted { step, act: None, .. } = &event.kind
                && own.scenario.steps.get(*step).is_some_and(|step| step.value.request().is_some())
            {
                own.latest.store(*step, Ordering::Relaxed);
            }
        })
    }

    /// Does what comes, on a thread of its own, until the screen is closed.
    ///
    /// # Errors
    /// The machine's, if it gives no thread.
    pub(super) fn obey(&self, wanted: mpsc::Receiver<Command>, notices: Notices) -> anyhow::Result<()> {
        let own = self.clone();
        let obey = move || {
            let mut left = false;
            for command in wanted {
                match command {
                    Command::Quit => {
                        left = true;
                        own.leave();
                    }
                    Command::Act(act) => {
                        if let Err(why) = own.act(&act) {
                            notices.say(why);
                        }
                    }
                    // The gate has obeyed these.
                    Command::Pause
                    | Command::Resume
                    | Command::Pace(_)
                    | Command::StepEvent
                    | Command::StepTime(_)
                    | Command::StepTo(_) => {}
                }
            }
            own.0.commands.close();
            // A screen that nobody has left is gone all the same, and a run that it held would wait for ever.
            if !own.0.ends || !left {
                own.0.interrupt.trigger();
            }
        };
        std::thread::Builder::new().name("commands".to_owned()).spawn(obey).context("cannot start a thread")?;
        Ok(())
    }

    /// A run that has done everything ends; any other is broken off. So is one that waits to begin what was
    /// asked for: time may stand still, and never come to it. Such a run has played its steps all the same.
    fn leave(&self) {
        if self.0.ends && self.0.commands.is_idle() && !self.0.commands.has_more() {
            self.0.commands.close();
        } else {
            self.0.interrupt.trigger();
        }
    }

    /// Has the lab do something.
    fn act(&self, act: &Act) -> Result<(), String> {
        let steps = self.steps(act)?;
        let mut likenesses = self.0.likenesses.lock().unwrap_or_else(PoisonError::into_inner);
        for (step, likeness) in steps {
            likenesses.push(likeness);
            self.0.commands.push(step);
        }
        Ok(())
    }

    /// The steps that an act comes to, and for each the step that its requests are like.
    fn steps(&self, act: &Act) -> Result<Vec<(Step, Option<usize>)>, String> {
        let one = |step| Ok(vec![(step, None)]);
        match act {
            Act::Send(times) => {
                let (like, request) = self.request();
                let order = if *times > 1 { Order::AtOnce } else { request.order };
                Ok(vec![(Step::Send(Box::new(Send { times: *times, order, ..request })), like)])
            }
            Act::Load(rate) => {
                let (like, request) = self.request();
                let rate = f64::from(*rate);
                let load = Load {
                    request: Send { times: MAX_TIMES, ..request },
                    pace: Pace::Rate { profile: vec![Stretch { lasts: None, from: rate, to: rate }], poisson: false },
                    lasts: Some(LONGEST_LOAD),
                    objective: Objective::default(),
                };
                Ok(vec![(Step::Load(Box::new(load)), like)])
            }
            Act::StopLoad => one(Step::Stop),
            Act::Restart(None) => one(Step::Restart(Restart::Gateway)),
            Act::Restart(Some(replica)) => one(Step::Restart(Restart::Replica(*replica))),
            Act::Scale(count) => one(Step::Scale(Scale { what: Scaled::Gateway, count: *count })),
            Act::Apply(path) => one(self.applied(path)?),
            Act::SetFailureRate { provider, percent } => self.failure_rate(provider, *percent),
            Act::Inject(draft) => one(self.injected(draft)?),
            Act::Clear(Cleared::All) => one(Step::Clear(Clear::All)),
            Act::Clear(Cleared::One(id)) => one(Step::Clear(Clear::Id(*id))),
            Act::Clear(Cleared::At(target)) => one(Step::Clear(Clear::Target(Target::parse(target)?))),
        }
    }

    /// The step that applies the manifests of a file, named from where we are. One that cannot stand beside
    /// those of the scenario is no step: nobody could run the session again.
    fn applied(&self, path: &str) -> Result<Step, String> {
        let (step, after) = self.after(path)?;
        *self.0.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(after);
        Ok(step)
    }

    /// The step that applies the manifests of a file, and what there is afterwards.
    fn after(&self, path: &str) -> Result<(Step, (Manifests, Topology)), String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let changes = vec![Change::Apply(Manifest { name: path.to_owned(), text })];
        let applied = self.0.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let before = applied.as_ref().map_or(&self.0.scenario.manifests, |(manifests, _)| manifests);
        let after = before.changed(&changes).map_err(|why| {
            let first = why.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&why);
            format!("{path} is not applied: {first}")
        })?;
        Ok((Step::Apply(changes), after))
    }

    /// Whom a fault is for, by what a person has applied, or the lab had at one time or another.
    fn aim(&self, target: impl Fn(&Topology) -> Result<Aim, Diagnostic>) -> Result<Aim, Diagnostic> {
        let applied = self.0.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = applied.as_ref().map(|(_, topology)| topology);
        let known = newest.into_iter().chain(self.0.scenario.topologies());
        known.map(&target).reduce(Result::or).unwrap_or_else(|| target(&self.0.scenario.topology))
    }

    /// One request like those of the latest step that sends, and that step.
    fn request(&self) -> (Option<usize>, Send) {
        let scenario = &self.0.scenario;
        let latest = self.0.latest.load(Ordering::Relaxed);
        let begun = scenario.sends().find(|(position, _)| *position == latest);
        match begun.or_else(|| scenario.sends().next()) {
            Some((position, send)) => {
                let order = Order::InOrder { gap: crate::scenario::step::DEFAULT_GAP };
                (Some(position), Send { times: 1, order, expect: Vec::new(), ..send.clone() })
            }
            None => (None, Send::to(self.first_path())),
        }
    }

    /// A path that a route takes, where the scenario sends nothing that could be imitated.
    fn first_path(&self) -> String {
        let rules = self.0.scenario.topology.routes.iter().flat_map(|route| &route.rules);
        let mut paths = rules.flat_map(|rule| &rule.matches).filter_map(|one| one.path.as_ref());
        paths
            .find_map(|path| match path {
                PathMatch::Exact(path) | PathMatch::Prefix(path) => Some(path.clone()),
                PathMatch::Regex(_) => None,
            })
            .unwrap_or_else(|| "/".to_owned())
    }

    /// For each step that was asked for, where the step stands that its requests are like.
    fn likenesses(&self) -> Vec<Option<Place>> {
        let likenesses = self.0.likenesses.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |like: &Option<usize>| Some(self.0.scenario.steps.get((*like)?)?.place);
        likenesses.iter().map(place).collect()
    }

    fn injected(&self, draft: &Draft) -> Result<Step, String> {
        let injection = drafts::injection(draft).map_err(|complaints| drafts::in_a_line(&complaints))?;
        self.aimed(injection)
    }

    fn aimed(&self, injection: Injection) -> Result<Step, String> {
        let aim = self.aim(|topology| injection.aim(topology)).map_err(|finding| finding.message)?;
        Ok(Step::Inject(Box::new(Inject { injection, aim })))
    }

    /// The simulator behind a provider, by its index in the topology.
    fn simulator(&self, provider: &str) -> Option<usize> {
        let topology = &self.0.scenario.topology;
        let named = |backend: &Backend, name: &str| {
            let within = format!("{}/{name}", backend.name);
            provider == name || provider == within || provider == format!("{}/{within}", backend.namespace)
        };
        let found = topology.backends.iter().find_map(|backend| {
            let mut all = backend.providers().map(|(_, one)| one);
            all.find(|one| named(backend, &one.name.value))
        })?;
        topology.services.iter().find(|service| service.names().contains(&found.endpoint)).map(|one| one.simulator)
    }

    /// How often a provider fails: the failures that its simulator makes by itself, else a fault with a
    /// name, which takes the place of the one before.
    fn failure_rate(&self, provider: &str, percent: u8) -> Result<Vec<(Step, Option<usize>)>, String> {
        if let Some(index) = self.simulator(provider) {
            let name = self.0.scenario.topology.simulators.get(index).map(|one| one.name.clone()).unwrap_or_default();
            let rate = ("failure-injection-rate".to_owned(), percent.into());
            let changes = serde_json::Map::from_iter([rate]);
            return Ok(vec![(Step::Configure(Box::new(Configure { name, changes, places: Vec::new() })), None)]);
        }
        let name = format!("failure-rate-{}", provider.replace('/', "-"));
        let mut steps = Vec::new();
        let mut rated = self.0.rated.lock().unwrap_or_else(PoisonError::into_inner);
        if rated.iter().any(|one| one == provider) {
            steps.push((Step::Clear(Clear::Name(name.clone())), None));
        } else {
            rated.push(provider.to_owned());
        }
        let fault = Fault::named("status").ok_or("there is no fault `status`")?;
        let injection = Injection {
            target: Target::parse(provider)?,
            probability: f64::from(percent) / 100.0,
            name: Some(name),
            ..Injection::new(fault)
        };
        steps.push((self.aimed(injection)?, None));
        Ok(steps)
    }
}

/// For each act among these steps, which begin, the step of the scenario that its requests are like: the
/// latest one that sends, as when it was asked for.
fn likenesses(scenario: &Scenario, steps: &[Event]) -> Vec<Option<Place>> {
    let mut latest = scenario.sends().next().map(|(position, _)| position);
    let mut likenesses = Vec::new();
    for event in steps {
        match &event.kind {
            Kind::StepStarted { act: Some(step), .. } => {
                let sends = step.get("send").or(step.get("load")).is_some();
                let like = latest.filter(|_| sends).and_then(|position| scenario.steps.get(position));
                likenesses.push(like.map(|step| step.place));
            }
            Kind::StepStarted { step, act: None, .. } if scenario.sends().any(|(position, _)| position == *step) => {
                latest = Some(*step);
            }
            _ => {}
        }
    }
    likenesses
}
