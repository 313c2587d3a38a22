//! The same seed gives the same bytes, in another process. `catalogue` sees it in one process, for every scenario.

use std::fs;

use crate::support::{Scratch, labsim, shipped};

#[test]
fn shipped_scenarios_record_the_same_bytes_in_two_processes() {
    let scratch = Scratch::new("determinism");
    let every = 9;
    for (index, scenario) in shipped().iter().enumerate().step_by(every) {
        let record = |run: usize| {
            let file = scratch.path(&format!("{index}-{run}.jsonl"));
            let output = labsim().arg("run").arg(scenario).arg("--record").arg(&file).output().expect("labsim runs");
            assert_eq!(output.status.code(), Some(0), "{}: {output:?}", scenario.display());
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
