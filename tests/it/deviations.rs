//! The table of deviations: each is one that its personality shows in some scenario, and no other invariant is
//! broken by any. Shipped scenarios are played first; `tests/deviations` has those for what none of them shows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use labsim::Lab;
use labsim::scenario::{Overridden, Personality, load, load_from};
use labsim::verdict::invariants::deviations;
use labsim::verdict::{About, Exempt, Outcome};

use crate::support::{root, shipped};

/// Who broke which invariant, and was known for it.
type Shown = BTreeSet<(Personality, &'static str)>;

/// The scenarios of this test alone.
fn own() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("tests/deviations")).expect("the scenarios").flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).filter(|path| load(path).is_ok()).collect();
    files.sort();
    assert!(files.len() > 3, "{files:?}");
    files
}

/// Plays a scenario as one personality; what is wrong besides what it is known for.
fn play(file: &Path, personality: Personality, shown: &mut Shown) -> Vec<String> {
    let settings = [format!("lab.gateway.personality={personality}")];
    let scenario = load_from(&Overridden { settings: &settings }, file).unwrap_or_else(|error| panic!("{error}"));
    let run = Lab::new(scenario).expect("simulators that start").run().expect("a lab that runs");
    let known = run.verdict.invariants().filter_map(|one| match (one.about, one.exempt.as_ref()?) {
        (About::Invariant(name), Exempt::Deviation { personality, .. }) => Some((*personality, name)),
        _ => None,
    });
    shown.extend(known);
    let broken = run.verdict.invariants().filter(|one| one.outcome == Outcome::Fail);
    broken.map(|one| format!("{} as {personality}: {:?}", file.display(), one.about)).collect()
}

#[test]
fn every_deviation_is_shown_by_a_scenario_and_none_is_left_out() {
    let (mut shown, mut wrong) = (Shown::new(), Vec::new());
    for file in shipped().into_iter().chain(own()) {
        let personalities = load(&file).expect("a sound scenario").personalities;
        for personality in personalities.into_iter().filter(|one| *one != Personality::Reference) {
            wrong.extend(play(&file, personality, &mut shown));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let declared: Shown = deviations::all().map(|one| (one.personality, one.invariant)).collect();
    let never: Vec<_> = declared.difference(&shown).collect();
    assert!(never.is_empty(), "declared, and shown by no scenario: {never:?}");
}
