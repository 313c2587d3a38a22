//! A scenario has the same verdicts in virtual and in real time.

use std::fs;

use labsim::Lab;
use labsim::lab::Mode;

use crate::support::{Scratch, root};

/// A copy of a shipped scenario in which a minute is eight seconds, in manifests and waits alike: the
/// fewest with which the answers of a step still fit into one eviction.
fn shortened(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let manifests = scratch.path("manifests");
    fs::create_dir_all(&manifests).expect("a folder");
    for entry in fs::read_dir(root().join("scenarios/manifests")).expect("manifests").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a manifest");
        fs::write(manifests.join(entry.file_name()), text.replace("value: \"60\"", "value: \"8\"")).expect("a copy");
    }
    let text = fs::read_to_string(root().join("scenarios").join(name)).expect("a scenario");
    let text = text.replace("61s", "9s").replace("60s", "8s").replace("\"60\"", "\"8\"");
    let copy = scratch.path(name);
    fs::write(&copy, text).expect("a copy");
    copy
}

fn findings(lab: &Lab) -> Vec<(String, String)> {
    let run = lab.run().unwrap_or_else(|error| panic!("{error}"));
    run.verdict.findings.iter().map(|finding| (finding.statement.clone(), format!("{:?}", finding.outcome))).collect()
}

/// The scenarios run side by side: they mostly wait.
#[test]
fn verdicts_are_the_same_in_virtual_and_in_real_time() {
    let scratch = Scratch::new("parity");
    let names = ["inter-group.yaml", "intra-group.yaml", "two-replicas.yaml"];
    let copies = names.map(|name| (name, shortened(&scratch, name)));
    std::thread::scope(|scope| {
        for (name, path) in copies {
            scope.spawn(move || {
                let lab = Lab::from_file(path).unwrap_or_else(|wrong| panic!("{wrong}"));
                let in_virtual = findings(&lab.clone().mode(Mode::Virtual));
                let in_real = findings(&lab.mode(Mode::Real));
                assert!(in_virtual.iter().all(|(_, outcome)| outcome == "Pass"), "{name}: {in_virtual:#?}");
                assert_eq!(in_virtual, in_real, "{name}");
            });
        }
    });
}
