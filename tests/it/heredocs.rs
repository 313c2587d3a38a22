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
    // The document's second version of the route and its backend, applied over the first as a person would.
    let both = scratch.path("both.yaml");
    for number in [1, 2] {
        fs::write(scratch.path(&format!("route-{number}.yaml")), &heredocs[number]).expect("a manifest");
    }
    let text = "name: Both\nlab:\n  manifests: [simulator.yaml, route-1.yaml]\n  secrets: { openai-secret: { Authorization: Bearer sk-labsim } }\n  gateway: { personality: agentgateway-0.12 }\nsteps:\n  - send: { path: /openai, times: 3, expect: { pattern: \"429@mock-ratelimit-provider 200@openai-provider{2}\" } }\n  - apply: route-2.yaml\n  - send: { path: /openai, times: 10, expect: { never-reached: openai-provider-fallback, reached: { mock-ratelimit-provider: 1 } } }\n";
    fs::write(&both, text).expect("a scenario");
    let applied = Lab::from_file(&both).unwrap_or_else(|wrong| panic!("{wrong}")).seed(1).run().unwrap();
    assert!(applied.passed(), "{applied}");
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
