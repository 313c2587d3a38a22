//! How long a run takes: `cargo bench`. The figures of a release are in the README.

use std::process::{Command, Stdio};

use labsim::Lab;

const SCENARIO: &str = "scenarios/intra-group.yaml";

fn main() {
    divan::main();
}

/// Process start to exit, without a terminal: what a CI job waits for.
#[divan::bench]
fn the_whole_command() {
    let status = Command::new(env!("CARGO_BIN_EXE_labsim"))
        .args(["run", SCENARIO])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("labsim runs");
    assert!(status.success());
}

/// Reading and checking the scenario and its manifests.
#[divan::bench]
fn loading() -> Lab {
    Lab::from_file(SCENARIO).expect("a scenario")
}

/// One run of a lab that is loaded.
#[divan::bench]
fn one_run(bencher: divan::Bencher) {
    let lab = Lab::from_file(SCENARIO).expect("a scenario");
    bencher.bench(|| lab.run().expect("a run"));
}

/// `--seeds 10000`, on all cores.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn ten_thousand_seeds() {
    let status = Command::new(env!("CARGO_BIN_EXE_labsim"))
        .args(["run", SCENARIO, "--seeds", "10000", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("labsim runs");
    assert!(status.success());
}
