//! The kill table: every broken gateway is caught by a shipped scenario, and the sound one by none.
//!
//! `docs/breaks.md` is what came; with `LABSIM_BLESS` it is written anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use labsim::Lab;
use labsim::lab::Run;
use labsim::scenario::{Overridden, load_from};
use labsim::topology::bug::About as Broken;
use labsim::topology::{BUGS, Personality};
use labsim::verdict::{About, Finding, INVARIANTS, Outcome};

use crate::support::root;

/// Scenarios that are named for a bug, at most.
const NAMED: usize = 2;

/// What catches a bug: the scenario, and what fails there.
type Caught = (PathBuf, Vec<String>);

/// The scenarios that are made for catching, relative to the project.
fn scenarios() -> Vec<PathBuf> {
    let folder = root().join("scenarios/invariants");
    let files = std::fs::read_dir(&folder).expect("the scenarios").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.map(|path| path.strip_prefix(root()).expect("inside").to_owned()).collect();
    files.sort();
    files
}

/// Plays a scenario under `reference`, with a bug or without.
fn play(scenario: &Path, bug: Option<&Broken>) -> Run {
    let mut settings = vec![format!("lab.gateway.personality={}", Personality::Reference)];
    settings.extend(bug.map(|bug| format!("lab.gateway.break={}", bug.name)));
    let scenario = load_from(&Overridden { settings: &settings }, &root().join(scenario));
    let lab = Lab::new(scenario.unwrap_or_else(|wrong| panic!("{wrong}"))).unwrap_or_else(|wrong| panic!("{wrong}"));
    lab.run().unwrap_or_else(|error| panic!("{bug:?}: {error}"))
}

/// What is not green in a run, invariants first.
fn troubles(run: &Run) -> Vec<String> {
    let troubles = || run.verdict.findings.iter().filter(|finding| finding.outcome != Outcome::Pass);
    let invariants = troubles().filter_map(|finding| match finding.about {
        About::Invariant(name) => Some(format!("`{name}`")),
        About::Expectation => None,
    });
    let mut names: Vec<String> = invariants.collect();
    if names.is_empty() {
        names.extend(troubles().next().map(expectation));
    }
    names
}

fn expectation(finding: &Finding) -> String {
    format!("“{}”", finding.statement.replace('|', "\\|"))
}

/// What catches a bug; invariants first.
fn catchers(scenarios: &[PathBuf], bug: &Broken) -> Vec<Caught> {
    let caught = scenarios.iter().map(|scenario| (scenario.clone(), troubles(&play(scenario, Some(bug)))));
    let mut found: Vec<Caught> = Vec::new();
    for one in caught.filter(|(_, troubles)| !troubles.is_empty()) {
        found.push(one);
        // The rest of a long list tells nothing new.
        if found.iter().filter(|one| by_invariant(one)).count() == NAMED {
            break;
        }
    }
    found.sort_by_key(|one| !by_invariant(one));
    found
}

fn by_invariant((_, troubles): &Caught) -> bool {
    troubles.iter().all(|one| is_invariant(one))
}

/// Whether a name is an invariant's, and not the words of an expectation.
fn is_invariant(name: &str) -> bool {
    name.starts_with('`')
}

#[test]
fn the_reference_breaks_nothing_that_is_made_for_catching() {
    for scenario in scenarios() {
        let run = play(&scenario, None);
        assert!(run.passed(), "{}:\n{run}", scenario.display());
    }
}

#[test]
fn every_broken_gateway_is_caught() {
    let (scenarios, next) = (scenarios(), AtomicUsize::new(0));
    let found: Mutex<Vec<(usize, Vec<Caught>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((index, bug)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    BUGS.get(index).map(|bug| (index, bug))
                } {
                    let caught = catchers(&scenarios, bug);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((index, caught));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(index, _)| *index);
    let missed: Vec<&str> =
        found.iter().filter(|(_, caught)| caught.is_empty()).map(|(index, _)| BUGS[*index].name).collect();
    assert!(missed.is_empty(), "nothing catches {}", missed.join(", "));

    let broken = found.iter().flat_map(|(_, caught)| caught).flat_map(|(_, names)| names);
    let broken: BTreeSet<&str> = broken.map(String::as_str).collect();
    let unbroken: Vec<&str> =
        INVARIANTS.iter().map(|one| one.name).filter(|name| !broken.contains(format!("`{name}`").as_str())).collect();
    assert!(unbroken.is_empty(), "no broken gateway breaks {}", unbroken.join(", "));

    let document = document(&found);
    let path = root().join("docs/breaks.md");
    if std::env::var_os("LABSIM_BLESS").is_some() {
        std::fs::write(&path, &document).expect("the document can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == document, "docs/breaks.md is stale: `just bless` writes it anew");
}

const HEAD: &str = "# Broken gateways

Each is the `reference` with one bug, such as gateways have had. They are there to test what labsim finds, and to teach:
`labsim run --break NAME FILE` plays a scenario against one, `labsim up --break NAME FILE` keeps one up, and
`labsim breaks` lists them. In a file it stands under `lab.gateway.break`.

    labsim run scenarios/invariants/probe-first.yaml --break half-open-herd

This is the kill table, written by a test that plays every bug: each is caught by a shipped scenario, by an
[invariant](invariants.md) or by what the scenario expects (in quotes); the sound `reference` passes all of them. A thread is
named where it tells of the bug.

| break | what it does | caught by | thread |
| --- | --- | --- | --- |
";

fn document(found: &[(usize, Vec<Caught>)]) -> String {
    let mut text = HEAD.to_owned();
    for (index, caught) in found {
        let bug = &BUGS[*index];
        let by: Vec<String> = caught
            .iter()
            .take(NAMED)
            .map(|(scenario, what)| {
                let name = scenario.file_stem().unwrap_or_default().to_string_lossy();
                format!("[{name}](../{}): {}", scenario.display(), what.join(", "))
            })
            .collect();
        let thread = bug.thread.map(|link| format!("[{}]({link})", shortened(link))).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {} | {} | {thread} |", bug.name, bug.line, by.join("; "));
    }
    text
}

/// `owner/name#12` for a thread.
fn shortened(link: &str) -> String {
    let parts: Vec<&str> = link.trim_start_matches("https://github.com/").split('/').collect();
    match parts.as_slice() {
        [owner, name, _, number] => format!("{owner}/{name}#{number}"),
        _ => link.to_owned(),
    }
}
