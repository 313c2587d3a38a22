//! The same seed gives the same bytes, in another process.

use std::fs;

use crate::support::{Scratch, labsim, shipped};

#[test]
fn every_shipped_scenario_records_the_same_bytes_in_two_processes() {
    let scratch = Scratch::new("determinism");
    for (index, scenario) in shipped().iter().enumerate() {
        let record = |run: usize| {
            let file = scratch.path(&format!("{index}-{run}.jsonl"));
            let output = labsim().arg("run").arg(scenario).arg("--record").arg(&file).output().expect("labsim runs");
            assert!(output.status.code().is_some_and(|code| code <= 2), "{}: {output:?}", scenario.display());
            fs::read(&file).expect("a recording")
        };
        let (first, second) = (record(1), record(2));
        assert!(String::from_utf8_lossy(&first).lines().count() > 10, "{}: hardly any events", scenario.display());
        assert!(first == second, "{}: two recordings of the same seed differ", scenario.display());
    }
}

#[test]
fn another_seed_gives_another_recording() {
    let scratch = Scratch::new("seeds");
    let record = |seed: &str| {
        let file = scratch.path(&format!("{seed}.jsonl"));
        let output =
            labsim().args(["run", "scenarios/intra-group.yaml", "--seed", seed, "--record"]).arg(&file).output();
        assert!(output.expect("labsim runs").status.code().is_some());
        fs::read(&file).expect("a recording")
    };
    assert_ne!(record("7"), record("8"));
}

#[test]
fn a_recording_holds_no_credential() {
    let scratch = Scratch::new("secrets");
    for scenario in shipped() {
        let file = scratch.path("run.jsonl");
        let output = labsim()
            .arg("run")
            .arg(&scenario)
            .arg("--verbose")
            .arg("--record")
            .arg(&file)
            .output()
            .expect("labsim runs");
        let text = fs::read_to_string(&file).expect("a recording") + &String::from_utf8_lossy(&output.stdout);
        // Of a Secret, of a key in the configuration, of a variable of the environment.
        let references = [
            "secret:openai-secret/Authorization",
            "secret:key-of-a/Authorization",
            "key:openai-primary",
            "env:OPENAI_API_KEY",
        ];
        let is_told = references.iter().any(|reference| text.contains(&format!("\"credential\":\"{reference}\"")));
        assert!(is_told, "{}: the reference is there", scenario.display());
        let keys = ["sk-labsim", "sk-primary", "sk-fallback"];
        assert!(!keys.iter().any(|key| text.contains(key)), "{}: the key is there", scenario.display());
    }
}
