//! The lab document's own manifests, cut out of its text and not retyped, load and run.

use std::fs;

use labsim::{Lab, verdict};

use crate::support::{Scratch, root};

/// What the document feeds to `kubectl apply -f -`, in order.
fn heredocs(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("kubectl apply -f - <<EOF\n") {
        let body = &rest[at + "kubectl apply -f - <<EOF\n".len()..];
        let end = body.find("\nEOF").expect("the heredoc ends");
        found.push(body[..=end].to_owned());
        rest = &body[end..];
    }
    found
}

#[test]
fn the_lab_documents_heredocs_run_unmodified() {
    let document = root().join("../shared/lab/llm-failover.md");
    let Ok(text) = fs::read_to_string(&document) else {
        println!("passed over: the lab's document is not beside the repository");
        return;
    };
    let heredocs = heredocs(&text);
    assert_eq!(heredocs.len(), 3, "the simulator, then two versions of the same route and backend");
    let scratch = Scratch::new("heredocs");
    let run = |number: usize, seed: u64| {
        let scenario = scratch.path("scenario.yaml");
        fs::write(scratch.path("simulator.yaml"), &heredocs[0]).expect("a manifest");
        fs::write(scratch.path("route.yaml"), &heredocs[number]).expect("a manifest");
        let text = "name: The lab\nlab:\n  manifests: [simulator.yaml, route.yaml]\n  secrets: { openai-secret: { Authorization: Bearer sk-labsim } }\n  gateway: { personality: agentgateway-0.12 }\nsteps:\n  - send: { path: /openai, times: 3 }\n  - wait: 61s\n  - send: { path: /openai, times: 3 }\n";
        fs::write(&scenario, text).expect("a scenario");
        let lab = Lab::from_file(&scenario).unwrap_or_else(|wrong| panic!("{wrong}"));
        lab.seed(seed).run().unwrap()
    };
    let inter = run(1, 1);
    let pattern = "429@mock-ratelimit-provider 200@openai-provider{2}";
    for step in [0, 2] {
        assert_eq!(verdict::observed_pattern(inter.history.requests_of(step)), pattern, "step {step}");
    }
    for seed in 0..50 {
        let intra = run(2, seed);
        assert!(
            intra.history.requests.iter().all(|request| request.provider() != Some("openai-provider-fallback")),
            "{seed}"
        );
        assert!(
            intra.history.requests.iter().all(|request| request.model.as_deref() != Some("gpt-4o-mini-2024-07-18")),
            "{seed}"
        );
    }
}
