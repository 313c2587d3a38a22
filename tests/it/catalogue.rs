//! The shipped scenarios: each passes as each of its personalities, and gives the same bytes again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use labsim::Lab;
use labsim::event::log::Recorder;
use labsim::lab::Run;
use labsim::scenario::{Overridden, Personality, load_from};

use crate::support::{root, run, shipped, stdout};

/// How recordings name credentials: of a Secret, of a key in the configuration, of a variable of the environment.
const REFERENCES: [&str; 4] =
    ["secret:openai-secret/Authorization", "secret:key-of-a/Authorization", "key:openai-primary", "env:OPENAI_API_KEY"];
/// The credentials themselves.
const KEYS: [&str; 3] = ["sk-labsim", "sk-primary", "sk-fallback"];

/// Bytes that are written in one place and read in another.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A scenario as one personality.
fn lab_as(file: &Path, personality: Personality) -> Lab {
    let settings = [format!("lab.gateway.personality={personality}")];
    let scenario = load_from(&Overridden { settings: &settings }, file);
    let scenario = scenario.unwrap_or_else(|error| panic!("{} as {personality}: {error}", file.display()));
    Lab::new(scenario).expect("simulators that start")
}

/// Runs it; what came, and its recording.
fn recorded(lab: &Lab) -> (Run, Vec<u8>) {
    let written = Written::default();
    let recorder = Recorder::new(written.clone(), &lab.header());
    let run = lab.run_with(vec![Box::new(recorder)]).expect("a lab that runs");
    let bytes = std::mem::take(&mut *written.0.lock().expect("nobody panicked"));
    (run, bytes)
}

#[test]
fn nothing_is_found_in_the_catalogue_that_is_not_meant() {
    let output = run(&["check", "scenarios", "--strict"]);
    assert!(output.status.success(), "{}", stdout(&output));
}

/// The scenarios in a folder, those in the folders below it left out.
fn in_folder(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let files: Vec<_> = shipped().into_iter().filter(|file| file.parent() == Some(&folder)).collect();
    assert!(files.len() >= 2, "only {} in {}", files.len(), folder.display());
    files
}

/// What is wrong with the scenarios of a folder.
fn hold(folder: &str) {
    let mut wrong = Vec::new();
    for file in in_folder(folder) {
        for personality in labsim::scenario::load(&file).expect("a sound scenario").personalities {
            let lab = lab_as(&file, personality);
            let name = format!("{} as {personality}", file.display());
            let ((run, first), (_, second)) = (recorded(&lab), recorded(&lab));
            if !run.passed() {
                wrong.push(format!("{name}\n{run}"));
            }
            if first != second {
                wrong.push(format!("{name}: two recordings of the same seed differ"));
            }
            let text = String::from_utf8_lossy(&first);
            assert!(text.lines().count() > 10, "{name}: hardly any events");
            assert!(REFERENCES.iter().any(|reference| text.contains(reference)), "{name}: the reference is there");
            assert!(!KEYS.iter().any(|key| text.contains(key)), "{name}: a key is there");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_scenarios_beside_the_manifests_hold() {
    hold("scenarios");
}

#[test]
fn the_scenarios_that_catch_broken_gateways_hold() {
    hold("scenarios/invariants");
}

#[test]
fn the_scenarios_without_kubernetes_hold() {
    hold("scenarios/standalone");
}

#[test]
fn the_scenarios_of_the_lab_hold() {
    hold("scenarios/lab");
}

#[test]
fn the_scenarios_of_waits_and_limits_hold() {
    hold("scenarios/retry-after");
}

#[test]
fn the_scenarios_of_breakers_hold() {
    hold("scenarios/breakers");
}

#[test]
fn the_scenarios_of_streams_hold() {
    hold("scenarios/streaming");
}

#[test]
fn the_scenarios_of_networks_hold() {
    hold("scenarios/network");
}

#[test]
fn the_scenarios_of_policies_and_money_hold() {
    hold("scenarios/policy");
}

/// What one scenario says of itself, for the catalogue.
#[test]
fn every_scenario_tells_its_number_and_why_it_matters() {
    let files = shipped();
    for file in &files {
        let scenario = labsim::scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
        let name = file.display();
        let id = scenario.id.unwrap_or_else(|| panic!("{name} has no id"));
        assert!(id.len() == 3 && "ABCDEFG".contains(&id[..1]), "{name}: {id}");
        assert!(scenario.about.is_some() && scenario.why.is_some(), "{name} does not say what it is about and why");
        assert!(scenario.warnings.all().is_empty(), "{name} has warnings");
        let lines = fs::read_to_string(file).expect("a scenario").lines().count();
        assert!(lines <= 60, "{name} has {lines} lines");
    }
    assert!(files.len() >= 60, "only {} scenarios", files.len());
}

#[test]
fn the_catalogue_is_the_one_that_is_listed() {
    let file = root().join("docs/catalogue.md");
    let listed = stdout(&run(&["list", "scenarios", "--format", "markdown"]));
    let text = format!(
        "# The catalogue\n\nThe scenarios that come with labsim: failures that users of gateways have met, and what each \
         personality makes of them. `labsim run scenarios`\nplays all of them, `--personality all` as everyone; \
         `labsim list scenarios` tells what each does. A link leads to where somebody met it.\nThis page is generated \
         from the scenarios.\n\n{listed}"
    );
    if std::env::var_os("LABSIM_BLESS").is_some() {
        fs::write(&file, &text).expect("the catalogue can be written");
    }
    assert_eq!(fs::read_to_string(&file).expect("docs/catalogue.md"), text, "`just bless` writes it anew");
}
