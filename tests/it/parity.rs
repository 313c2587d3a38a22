//! A scenario has the same verdicts in virtual and in real time.

use std::fs;

use labsim::Lab;
use labsim::lab::Mode;

use crate::support::{Scratch, root};

/// Copies of the shipped scenarios in which a minute is a second: manifests and waits alike.
fn shortened(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let manifests = scratch.path("manifests");
    fs::create_dir_all(&manifests).expect("a folder");
    for entry in fs::read_dir(root().join("scenarios/manifests")).expect("manifests").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a manifest");
        fs::write(manifests.join(entry.file_name()), text.replace("value: \"60\"", "value: \"1\"")).expect("a copy");
    }
    let text = fs::read_to_string(root().join("scenarios").join(name)).expect("a scenario");
    let text = text.replace("61s", "1500ms").replace("60s", "1s");
    let copy = scratch.path(name);
    fs::write(&copy, text).expect("a copy");
    copy
}

fn findings(lab: &Lab) -> Vec<(String, String)> {
    let run = lab.run().unwrap_or_else(|error| panic!("{error}"));
    run.verdict.findings.iter().map(|finding| (finding.statement.clone(), format!("{:?}", finding.outcome))).collect()
}

#[test]
fn verdicts_are_the_same_in_virtual_and_in_real_time() {
    let scratch = Scratch::new("parity");
    for name in ["inter-group.yaml", "intra-group.yaml", "two-replicas.yaml"] {
        let lab = Lab::from_file(shortened(&scratch, name)).unwrap_or_else(|wrong| panic!("{wrong}"));
        let in_virtual = findings(&lab.clone().mode(Mode::Virtual));
        let in_real = findings(&lab.mode(Mode::Real));
        assert!(in_virtual.iter().all(|(_, outcome)| outcome == "Pass"), "{name}: {in_virtual:#?}");
        assert_eq!(in_virtual, in_real, "{name}");
    }
}
