//! Makes it happen: builds the world that a scenario describes and plays its steps against it.
//!
//! ```no_run
//! let run = labsim::Lab::from_file("scenarios/intra-group.yaml").unwrap().seed(7).run().unwrap();
//! assert!(run.passed(), "{run}");
//! ```

mod acts;
mod alone;
mod fronts;
mod hosts;
mod interrupt;
mod load;
mod play;
mod prepare;
mod throttle;
mod up;
mod watch;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

pub use acts::Commands;
pub use alone::{GatewayAlone, Opened};
pub use hosts::StartError;
pub use interrupt::Interrupt;
pub use prepare::Prepared;
pub use throttle::Throttle;
pub use up::{Up, UpOptions};

use crate::event::log::{BackendRecord, Batch, Header};
use crate::event::{Bus, Event, History, Sink};
use crate::gateway;
use crate::scenario::{self, Disk, Files, LoadError, Scenario, Step};
use crate::source::Severity;
use crate::topology::Topology;
use crate::verdict::{self, JudgeOptions, Verdict};
use crate::world::clock::VIRTUAL_START;
use crate::world::{Clock, Credentials, Net, Seed, World};
use watch::Watch;

/// A lab that is ready to run. Each run starts from nothing.
#[derive(Clone)]
pub struct Lab {
    prepared: Arc<Prepared>,
    seed: Option<u64>,
    mode: Mode,
    start: Option<Timestamp>,
    count_patterns: bool,
    batch: Option<Batch>,
    interrupt: Interrupt,
    throttle: Option<Arc<dyn Throttle>>,
    commands: Option<Commands>,
    listeners: Vec<Listener>,
}

/// Somebody who hears every event of every run of a lab.
type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Whose time a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The lab's own: waiting costs nothing, and the same seed gives the same events.
    #[default]
    Virtual,
    /// The machine's, over loopback TCP.
    Real,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The seed that was used.
    pub seed: u64,
    /// What happened.
    pub history: History,
    /// Whether it was right.
    pub verdict: Verdict,
    /// Whether it was broken off before its last step.
    pub interrupted: bool,
}

/// Why a run could not take place.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lab could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// labsim itself failed.
    #[error("labsim failed: {0}; this is a defect in labsim")]
    Defect(String),
}

/// The seed of a scenario that names none.
pub const DEFAULT_SEED: u64 = 1;

impl Lab {
    /// Reads and checks a scenario file and the manifests that it names.
    ///
    /// # Errors
    /// Everything that is wrong with the files; its `Display` shows all findings with their places.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::from_files(&Disk, path.as_ref())
    }

    /// The same with files, variables and settings from elsewhere.
    ///
    /// # Errors
    /// As [`Lab::from_file`].
    pub fn from_files(files: &dyn Files, path: &Path) -> Result<Self, LoadError> {
        Self::new(scenario::load_from(files, path).map_err(Prepared::complete)?)
    }

    /// Takes a scenario that has been read.
    ///
    /// # Errors
    /// What is wrong with the command lines of its simulators.
    pub fn new(scenario: Scenario) -> Result<Self, LoadError> {
        let prepared = Prepared::new(scenario)?;
        Ok(Self {
            prepared: Arc::new(prepared),
            seed: None,
            mode: Mode::Virtual,
            start: None,
            count_patterns: false,
            batch: None,
            interrupt: Interrupt::default(),
            throttle: None,
            commands: None,
            listeners: Vec::new(),
        })
    }

    /// Uses this seed in place of the file's.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Runs in virtual or in real time.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the wall-clock time at which the lab starts.
    #[must_use]
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// Fixes the wall-clock time of the start, so that [`Lab::header`] and the run that follows tell
    /// the same in real time too.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.start = Some(self.start_time());
        self
    }

    /// Counts the patterns of steps rather than judging them, for runs over many seeds.
    #[must_use]
    pub fn count_patterns(mut self, count: bool) -> Self {
        self.count_patterns = count;
        self
    }

    /// Says which of several runs of a command line this is, for recordings.
    #[must_use]
    pub fn batch(mut self, batch: Batch) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Calls `listener` with every event, as it happens.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.push(Arc::new(listener));
        self
    }

    /// Ends the run early when `interrupt` is triggered.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Lets a virtual run go only as far as `throttle` allows. The events stay the same.
    #[must_use]
    pub fn throttle(mut self, throttle: Arc<dyn Throttle>) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Lets somebody ask a run for further steps; see [`Commands`]. In virtual time this takes a
    /// throttle as well.
    #[must_use]
    pub fn commands(mut self, commands: Commands) -> Self {
        self.commands = Some(commands);
        self
    }

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.prepared.scenario
    }

    /// What the scenario's author should know, although the lab runs.
    pub fn warnings(&self) -> impl Iterator<Item = &crate::source::Diagnostic> {
        self.prepared.warnings().iter().filter(|finding| finding.severity == Severity::Warning)
    }

    /// The seed that a run will use.
    #[must_use]
    pub fn effective_seed(&self) -> u64 {
        self.seed.or(self.scenario().seed.as_ref().map(|seed| seed.value)).unwrap_or(DEFAULT_SEED)
    }

    /// The header of a recording of a run.
    #[must_use]
    pub fn header(&self) -> Header {
        let scenario = self.scenario();
        Header {
            labsim_recording: crate::event::log::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: scenario.name.clone(),
            seed: self.effective_seed(),
            patterns_counted: self.count_patterns && scenario.seed.is_some(),
            unplayed: false,
            batch: self.batch,
            personality: match scenario.gateway.broken {
                None => scenario.gateway.personality.to_string(),
                Some(bug) => format!("{}, broken: {bug}", scenario.gateway.personality),
            },
            json_log: scenario.topology.json_log,
            clock: self.mode.to_string(),
            start: self.start_time().to_string(),
            sources: scenario.redacted_sources(),
            replicas: scenario.gateway.replicas,
            backends: backends(scenario.topologies()),
        }
    }

    fn start_time(&self) -> Timestamp {
        let chosen = self.start.or(self.scenario().start);
        match self.mode {
            Mode::Virtual => chosen.unwrap_or(VIRTUAL_START),
            Mode::Real => chosen.unwrap_or_else(|| Clock::real().start()),
        }
    }

    /// Runs the scenario to its end.
    ///
    /// # Errors
    /// [`RunError`]; a failed expectation is no error but a [`Verdict`].
    pub fn run(&self) -> Result<Run, RunError> {
        self.run_with(Vec::new())
    }

    /// Runs the scenario to its end with more listeners, which are told to flush when it is over.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub fn run_with(&self, mut sinks: Vec<Box<dyn Sink>>) -> Result<Run, RunError> {
        let history = Arc::new(Mutex::new(History::default()));
        let fold = history.clone();
        sinks.push(Box::new(move |event: &Event| {
            fold.lock().unwrap_or_else(PoisonError::into_inner).apply(event);
        }));
        let interrupted = self.play(sinks)?;
        let history = std::mem::take(&mut *history.lock().unwrap_or_else(PoisonError::into_inner));
        let options = JudgeOptions { count_patterns: self.count_patterns };
        let verdict = verdict::judge(self.scenario(), &history, options);
        Ok(Run { scenario: self.prepared.scenario.clone(), seed: self.effective_seed(), history, verdict, interrupted })
    }

    /// Runs the scenario to its end and keeps nothing of it, however long it is: whoever listens judges.
    /// Says whether it was interrupted.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub fn play(&self, mut sinks: Vec<Box<dyn Sink>>) -> Result<bool, RunError> {
        for listener in &self.listeners {
            let listener = listener.clone();
            sinks.push(Box::new(move |event: &Event| listener(event)));
        }
        // A thread of its own: the caller may be inside a runtime, where no other may block.
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("lab".to_owned());
            let running = thread.spawn_scoped(scope, || self.run_here(sinks)).map_err(StartError::Machine)?;
            running.join().unwrap_or_else(|panic| Err(RunError::Defect(panic_text(panic.as_ref()))))
        })
    }

    fn run_here(&self, mut sinks: Vec<Box<dyn Sink>>) -> Result<bool, RunError> {
        let runtime = match self.mode {
            // Without an IO driver: a socket would not hold back the paused clock.
            Mode::Virtual => tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build(),
            Mode::Real => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        }
        .map_err(StartError::Machine)?;
        let pulse = throttle::Pulse::default();
        let throttle = self.throttle.as_ref().filter(|_| self.mode == Mode::Virtual);
        if throttle.is_some() {
            let pulse = pulse.clone();
            sinks.push(Box::new(move |event: &Event| pulse.count(event)));
        }
        let watch = self.watch(&mut sinks);
        let world = runtime.block_on(async { self.world(sinks) });
        let clock = world.clock;
        let commands = self.commands.as_ref().filter(|_| throttle.is_some() || self.mode == Mode::Real);
        let mut playing = Box::pin(async {
            let played = self.interrupt.guard(play::play(&world, &self.prepared, watch, commands)).await;
            world.bus.flush();
            match played {
                Some(result) => result.map(|()| false),
                // Who only waited for somebody to act had played everything.
                None => Ok(!commands.is_some_and(Commands::is_idle)),
            }
        });
        let played = match throttle {
            Some(throttle) => throttle::drive(&runtime, throttle.as_ref(), &pulse, commands, clock, playing.as_mut()),
            None => runtime.block_on(playing.as_mut()),
        };
        drop(playing);
        runtime.shutdown_background();
        played.map_err(RunError::from)
    }

    /// Somebody who watches a run, if it has steps that wait for something.
    fn watch(&self, sinks: &mut Vec<Box<dyn Sink>>) -> Watch {
        let watch = Watch::default();
        if self.scenario().steps.iter().any(|step| matches!(step.value, Step::Until(_))) {
            let watch = watch.clone();
            sinks.push(Box::new(move |event: &Event| watch.see(event)));
        }
        watch
    }

    /// The world of one run. Must be called inside its runtime.
    fn world(&self, sinks: Vec<Box<dyn Sink>>) -> World {
        let clock = Clock::starting_at(self.start_time());
        World {
            clock,
            bus: Bus::new(move || clock.now(), sinks),
            credentials: Credentials::default(),
            seed: Seed(self.effective_seed()),
            net: match self.mode {
                Mode::Virtual => Net::memory(),
                Mode::Real => Net::tcp(),
            },
        }
    }
}

/// All backends that there are at one time or another, and all their providers.
fn backends<'t>(topologies: impl IntoIterator<Item = &'t Topology>) -> Vec<BackendRecord> {
    let mut all: Vec<BackendRecord> = Vec::new();
    for record in topologies.into_iter().flat_map(|topology| &topology.backends).map(gateway::record) {
        match all.iter_mut().find(|known| known.name == record.name) {
            None => all.push(record),
            Some(known) => join(known, record),
        }
    }
    all
}

/// Adds what a later version of a backend has.
fn join(known: &mut BackendRecord, later: BackendRecord) {
    for (index, group) in later.groups.into_iter().enumerate() {
        for provider in group {
            if !known.groups.iter().flatten().any(|one| one.name == provider.name) {
                let missing = (index + 1).saturating_sub(known.groups.len());
                known.groups.extend(std::iter::repeat_with(Vec::new).take(missing));
                known.groups[index].push(provider);
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a thread panicked").to_owned()
}

impl Run {
    /// Whether every expectation and invariant held.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.interrupted && self.verdict.outcome() == verdict::Outcome::Pass
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtual => "virtual",
            Self::Real => "real",
        })
    }
}
