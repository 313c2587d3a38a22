//! What a person who gets a manifest wrong reads, and what comes of one that is right.

use super::*;
use crate::source::Severity;
use crate::topology::{Auth, Authority, Filter, PathMatch};

const MOCK: &str = include_str!("../../scenarios/manifests/mock-429.yaml");
const INTER: &str = include_str!("../../scenarios/manifests/inter-group.yaml");
const INTRA: &str = include_str!("../../scenarios/manifests/intra-group.yaml");

fn lab_secrets() -> GivenSecrets {
    GivenSecrets::from([(
        "openai-secret".to_owned(),
        BTreeMap::from([("Authorization".to_owned(), "Bearer sk-lab-key".to_owned())]),
    )])
}

struct Loaded {
    topology: Topology,
    text: String,
    findings: Diagnostics,
}

fn load_with(files: &[&str], secrets: &GivenSecrets) -> Loaded {
    let mut sources = Sources::default();
    let ids: Vec<FileId> =
        files.iter().enumerate().map(|(index, text)| sources.add(format!("{index}.yaml"), *text)).collect();
    let mut findings = Diagnostics::default();
    let topology = load(&sources, &ids, secrets, &mut findings);
    Loaded { topology, text: findings.render(&sources, false), findings }
}

fn load_all(files: &[&str]) -> Loaded {
    load_with(files, &lab_secrets())
}

#[test]
fn the_lab_loads_without_a_finding() {
    let Loaded { topology, text, .. } = load_all(&[MOCK, INTER]);
    assert_eq!(text, "");
}
