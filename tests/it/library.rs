//! labsim as a dev-dependency of somebody else's test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use labsim::Lab;
use labsim::lab::Mode;

use crate::support::{Scratch, root};

/// The five lines that the README promises, inside a runtime of the caller's.
#[tokio::test]
async fn a_lab_runs_inside_a_tokio_test() {
    let lab = Lab::from_file("scenarios/intra-group.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = lab.seed(7).run().unwrap();
    assert!(run.passed(), "{run}");
    assert_eq!(run.history.evictions[0].provider, "mock-ratelimit-provider");
}

#[test]
fn events_are_heard_as_they_happen() {
    let heard = Arc::new(AtomicUsize::new(0));
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let (count, seen) = (heard.clone(), statuses.clone());
    let lab = Lab::from_file("scenarios/inter-group.yaml").unwrap().on_event(move |event| {
        assert_eq!(event.seq, count.fetch_add(1, Ordering::SeqCst) as u64);
        if let labsim::event::Kind::ClientRequestEnded { status, .. } = &event.kind {
            seen.lock().unwrap().push(status.unwrap());
        }
    });
    let run = lab.run().unwrap();
    assert_eq!(heard.load(Ordering::SeqCst) as u64, run.history.events);
    assert_eq!(statuses.lock().unwrap()[..3], [429, 200, 200]);
}

/// How many requests a load sends that a branch beside it stops.
fn sent_until_stopped(load: &str, stop: &str, mode: Mode) -> usize {
    let scratch = Scratch::new("stopped-load");
    let scenario = format!(
        "name: A load that is stopped
lab:
  manifests: [{0}/mock-429.yaml, {0}/inter-group.yaml]
  secrets: {{ openai-secret: {{ Authorization: Bearer sk-labsim }} }}
steps:
  - parallel:
      - {{ load: {{ path: /openai, {load}, for: 20s }} }}
      - {stop}
",
        root().join("scenarios/manifests").display()
    );
    let file = scratch.path("stopped.yaml");
    std::fs::write(&file, scenario).expect("a file");
    let lab = Lab::from_file(&file).unwrap_or_else(|wrong| panic!("{wrong}")).mode(mode);
    lab.run().unwrap_or_else(|wrong| panic!("{wrong}")).history.requests.len()
}

#[test]
fn a_load_that_is_stopped_sends_no_more() {
    // In real time some may be sent before the stop comes, and with these paces not many.
    for load in ["users: 3, think: 2s", "rate: 1"] {
        for mode in [Mode::Virtual, Mode::Real] {
            let sent = sent_until_stopped(load, "{ stop: load }", mode);
            assert!(sent <= 3, "{load}, {mode:?}: {sent} requests");
        }
    }
    // While users think, and between two requests of a rate.
    let later = "[{ wait: 3500ms }, { stop: load }]";
    assert_eq!(sent_until_stopped("users: 3, think: 2s", later, Mode::Virtual), 6);
    assert_eq!(sent_until_stopped("rate: 1", later, Mode::Virtual), 4);
}
