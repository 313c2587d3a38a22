//! Which labs `labsim run` plays: each scenario as each personality that is asked for.

use std::path::{Path, PathBuf};

use super::Exit;
use super::files::Candidate;
use super::run::{Args, ClockChoice, tell, warn};
use crate::lab::{Interrupt, Lab, Mode};
use crate::scenario::{LoadError, Personality};
use crate::topology::UnknownPersonality;

/// Labs with their scenario files, in the order in which they are told of.
pub(super) struct Labs {
    pub(super) labs: Vec<(PathBuf, Lab)>,
    /// What came of those that could not be read.
    pub(super) worst: Exit,
}

/// As whom scenarios are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Personalities {
    /// As everyone whom they name.
    All,
    /// As this one, where they name it.
    One(Personality),
}

/// Reads the value of `--personality`.
pub(super) fn personalities(text: &str) -> Result<Personalities, String> {
    if text == "all" {
        return Ok(Personalities::All);
    }
    text.parse().map(Personalities::One).map_err(|error: UnknownPersonality| format!("{error}, and `all`"))
}

impl Labs {
    /// Reads all scenarios.
    ///
    /// # Errors
    /// The exit status, where none is left to be played; why has been told.
    pub(super) fn load(args: &Args, candidates: &[Candidate], interrupt: &Interrupt) -> Result<Self, Exit> {
        let mut all = Self { labs: Vec::new(), worst: Exit::Passed };
        let mut passed_over = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.may_be_a_scenario()) {
            match scenario(args, candidate) {
                Ok(Some(lab)) => {
                    let played = as_asked(args, &candidate.path, lab)?;
                    if played.is_empty() {
                        passed_over.push(&candidate.path);
                    }
                    let played = played.into_iter().map(|lab| configured(args, lab).interrupt(interrupt.clone()));
                    all.labs.extend(played.map(|lab| (candidate.path.clone(), lab)));
                }
                Ok(None) => {}
                Err(exit) => all.worst = all.worst.max(exit),
            }
        }
        if args.fail_fast && all.worst > Exit::Passed {
            return Err(all.worst);
        }
        if all.labs.is_empty() && all.worst == Exit::Passed {
            tell_why_none(args, passed_over.first().copied());
            return Err(Exit::Usage);
        }
        Ok(all)
    }
}

fn tell_why_none(args: &Args, passed_over: Option<&PathBuf>) {
    let paths = args.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match (args.personality, passed_over) {
        (Some(Personalities::One(personality)), Some(_)) => {
            eprintln!("error: no scenario in {paths} is for {personality}");
            eprintln!(
                "  help: `labsim list` tells for which they are; `--set lab.gateway.personality={personality}` plays \
                 one all the same"
            );
        }
        _ => eprintln!("error: no scenario found in {paths}"),
    }
}

/// Reads a scenario; none for a manifest that was found in a folder.
fn scenario(args: &Args, candidate: &Candidate) -> Result<Option<Lab>, Exit> {
    let colour = args.color.for_stderr().colour;
    match args.set.lab(&candidate.path) {
        Ok(lab) => {
            warn(&lab, colour);
            Ok(Some(lab))
        }
        Err(LoadError::NotAScenario) if !candidate.named => Ok(None),
        Err(LoadError::NotAScenario) => {
            eprintln!(
                "error: {} holds manifests, no scenario; name them under `lab: manifests:` of one",
                candidate.path.display()
            );
            Err(Exit::Invalid)
        }
        Err(LoadError::Unreadable(finding)) => {
            tell(args, &finding);
            Err(Exit::Usage)
        }
        Err(LoadError::Invalid { sources, findings, .. }) => {
            eprint!("{}", findings.render(&sources, colour));
            Err(Exit::Invalid)
        }
    }
}

/// The lab of a scenario as each personality that is asked for and that the scenario names.
fn as_asked(args: &Args, path: &Path, lab: Lab) -> Result<Vec<Lab>, Exit> {
    let own = lab.scenario().personalities.clone();
    let asked: Vec<Personality> = match args.personality {
        None => return Ok(vec![lab]),
        Some(Personalities::All) => own,
        Some(Personalities::One(one)) => own.into_iter().filter(|other| *other == one).collect(),
    };
    let played = asked.into_iter().map(|personality| args.set.lab_as(path, personality));
    played.collect::<Result<_, _>>().map_err(|error| {
        eprintln!("{error}");
        Exit::Invalid
    })
}

fn configured(args: &Args, lab: Lab) -> Lab {
    let mut lab = match args.clock {
        ClockChoice::Virtual => lab.mode(Mode::Virtual),
        ClockChoice::Real => lab.mode(Mode::Real),
    };
    if let Some(seed) = args.seed {
        lab = lab.seed(seed);
    }
    if let Some(start) = args.start {
        lab = lab.start(start);
    }
    lab
}
