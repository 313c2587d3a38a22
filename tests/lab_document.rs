//! The lab's document, read as its reader would apply it, makes the same labs as the manifests that
//! labsim ships.

use std::collections::BTreeMap;
use std::path::Path;

use labsim::kube::{self, Given, GivenSecrets};
use labsim::source::{Diagnostics, Sources, Spanned};
use labsim::topology::{Auth, Topology};
use regex::Regex;

const MOCK: &str = include_str!("../scenarios/manifests/mock-429.yaml");
const INTER: &str = include_str!("../scenarios/manifests/inter-group.yaml");
const INTRA: &str = include_str!("../scenarios/manifests/intra-group.yaml");

/// The three things that the document applies, in its order; none where it is not at hand.
fn applied() -> Option<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/lab/llm-failover.md");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("passed over: the lab's document is not in ../shared/lab");
        return None;
    };
    let heredocs = text.split("kubectl apply -f - <<EOF\n").skip(1);
    Some(heredocs.filter_map(|part| part.split_once("\nEOF\n")).map(|(yaml, _)| format!("{yaml}\n")).collect())
}

fn secrets() -> GivenSecrets {
    let keys = BTreeMap::from([("Authorization".to_owned(), "Bearer sk-lab".to_owned())]);
    GivenSecrets::from([("openai-secret".to_owned(), keys)])
}

/// The topology of some files, which must load without any finding.
fn load(files: &[&str]) -> Topology {
    let mut sources = Sources::default();
    let ids: Vec<_> =
        files.iter().enumerate().map(|(index, text)| sources.add(format!("{index}.yaml"), *text)).collect();
    let mut findings = Diagnostics::default();
    let given = Given { secrets: secrets(), ..Given::default() };
    let topology = kube::load(&sources, &ids, &given, &mut findings);
    assert_eq!(findings.render(&sources, false), "");
    topology
}

/// Everything but the places, which differ with the comments.
fn without_places(topology: &Topology) -> String {
    let values = |spanned: &[Spanned<String>]| spanned.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    let simulators: Vec<_> = topology
        .simulators
        .iter()
        .map(|one| (one.name.clone(), one.namespace.clone(), one.replicas, values(&one.args), one.env.clone()))
        .collect();
    let services: Vec<_> = topology.services.iter().map(|one| (one.names(), one.simulator, one.target_port)).collect();
    let routes: Vec<_> = topology
        .routes
        .iter()
        .map(|one| {
            (one.name.clone(), one.namespace.clone(), one.listeners.clone(), one.hostnames.clone(), one.rules.clone())
        })
        .collect();
    let providers: Vec<_> = topology
        .backends
        .iter()
        .flat_map(|backend| backend.providers().map(|(group, one)| (backend.name.clone(), group, one)))
        .map(|(backend, group, one)| {
            let auth = match &one.auth {
                Auth::Credential(credential) => credential.reference.clone(),
                other => format!("{other:?}"),
            };
            let place = (one.endpoint.clone(), one.path.clone(), one.is_openai);
            (backend, group, one.name.value.clone(), one.model.clone(), place, auth)
        })
        .collect();
    let text = format!("{:#?}", (simulators, services, &topology.listeners, routes, providers));
    let place = Regex::new(r"Place \{[^}]*\}").expect("a valid pattern");
    place.replace_all(&text, "Place").into_owned()
}

#[test]
fn the_documents_manifests_load_unmodified_and_are_those_that_labsim_ships() {
    let Some(applied) = applied() else { return };
    let [mock, inter, intra] = applied.as_slice() else { panic!("expected three heredocs: {applied:?}") };
    for (theirs, ours) in [
        (vec![mock.as_str()], vec![MOCK]),
        (vec![mock, inter], vec![MOCK, INTER]),
        (vec![mock, intra], vec![MOCK, INTRA]),
        // The reader applies the third on top of the second.
        (vec![mock, inter, intra], vec![MOCK, INTRA]),
    ] {
        assert_eq!(without_places(&load(&theirs)), without_places(&load(&ours)));
    }
}

#[test]
fn the_shipped_manifests_differ_where_the_two_parts_of_the_lab_do() {
    let (inter, intra) = (load(&[MOCK, INTER]), load(&[MOCK, INTRA]));
    assert_ne!(without_places(&inter), without_places(&intra));
    assert_eq!((inter.backends[0].groups.len(), intra.backends[0].groups.len()), (2, 2));
}
