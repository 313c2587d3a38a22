//! What is told of a run that is over: made from what a recording of it holds, so that a replay
//! tells the same.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::log::Header;
use crate::event::{Event, Sink};
use crate::lab::Run;
use crate::report::RunRecord;
use crate::scenario::{self, LoadError, Scenario};
use crate::verdict::{self, JudgeOptions, Outcome};

/// Keeps the events of a run, where somebody wants them.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<Event>>>);

impl Kept {
    /// What fills it.
    pub(super) fn sink(&self) -> Box<dyn Sink> {
        let kept = self.0.clone();
        Box::new(move |event: &Event| kept.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone()))
    }

    /// What came since the last call.
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The scenario as a recording has it: with references in place of credentials.
///
/// # Errors
/// What is wrong with it, for example that another version of labsim wrote it.
pub(super) fn scenario_of(header: &Header) -> Result<Scenario, LoadError> {
    let first = header.sources.files().first().ok_or(LoadError::NotAScenario)?;
    scenario::load_from(&header.sources, Path::new(&first.name))
}

/// How a run is judged, by what a recording of it says.
pub(super) fn options_of(header: &Header) -> JudgeOptions {
    JudgeOptions { count_patterns: header.patterns_counted }
}

/// The run, its findings pointing into the header's sources rather than into the files on disk:
/// what is shown of them holds no credential. A run that passed shows its places in reports only.
pub(super) fn shown(run: Run, header: &Header, reported: bool) -> Run {
    if !reported && run.verdict.outcome() == Outcome::Pass {
        return run;
    }
    match scenario_of(header) {
        Ok(scenario) => {
            let verdict = verdict::judge(&scenario, &run.history, options_of(header));
            Run { scenario: Arc::new(scenario), verdict, ..run }
        }
        Err(_) => run,
    }
}

/// The record of a run that [`shown`] gave.
pub(super) fn of_run(run: &Run, header: Header, events: Vec<Event>) -> RunRecord {
    RunRecord::new(header, events, run.verdict.clone(), run.interrupted)
}

/// The record of what many seeds of a scenario gave together.
pub(super) fn over_seeds(run: &Run, mut header: Header, count: u64) -> RunRecord {
    header.name = format!("{}, over {count} seeds", header.name);
    header.batch = None;
    of_run(run, header, Vec::new())
}

/// The run behind a recording.
///
/// # Errors
/// As [`scenario_of`].
pub(super) fn replayed(header: &Header, events: &[Event]) -> Result<Run, LoadError> {
    let scenario = scenario_of(header)?;
    let history = crate::event::History::of(events);
    let verdict = verdict::judge(&scenario, &history, options_of(header));
    let ended = history.steps.iter().filter(|step| step.ended.is_some()).count();
    let interrupted = ended < scenario.steps.len();
    Ok(Run { scenario: Arc::new(scenario), seed: header.seed, history, verdict, interrupted })
}
