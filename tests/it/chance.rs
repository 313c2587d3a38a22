//! The chance in the intra-group lab: four patterns, with the probabilities of power-of-two-choices
//! with replacement.

use labsim::verdict::PatternCounts;
use labsim::{Lab, verdict};

use crate::support::{Scratch, root};

#[test]
fn three_requests_give_the_four_patterns_with_their_probabilities() {
    let scratch = Scratch::new("chance");
    let manifests = root().join("scenarios/manifests");
    let scenario = scratch.path("three.yaml");
    let text = format!(
        "name: Three requests\nlab:\n  manifests: [{0}/mock-429.yaml, {0}/intra-group.yaml]\n  secrets: {{ openai-secret: {{ Authorization: Bearer sk-labsim }} }}\n  gateway: {{ personality: agentgateway-0.12 }}\nsteps:\n  - send: {{ path: /openai, prompt: What is 2+2?, times: 3, expect: {{ never-reached: [openai-provider-fallback] }} }}\n",
        manifests.display()
    );
    std::fs::write(&scenario, text).expect("the scenario can be written");
    let lab = Lab::from_file(&scenario).unwrap_or_else(|wrong| panic!("{wrong}"));
    let counts = patterns(&lab, 10_000);
    let bad = "429@mock-ratelimit-provider";
    let good = "200@openai-provider-primary";
    let expected = [
        (format!("{bad} {good}{{2}}"), 0.5),
        (format!("{good} {bad} {good}"), 0.375),
        (format!("{good}{{2}} {bad}"), 0.09375),
        (format!("{good}{{3}}"), 0.03125),
    ];
    let expected: Vec<(&str, f64)> = expected.iter().map(|(pattern, share)| (pattern.as_str(), *share)).collect();
    let p = counts.chi_squared(&expected).p_value;
    assert!(p > 0.001, "p = {p}: {counts:?}");
}

fn patterns(lab: &Lab, seeds: u64) -> PatternCounts {
    let half = |from: u64| {
        let mut counts = PatternCounts::default();
        for seed in (from..seeds).step_by(2) {
            let run = lab.clone().seed(seed).run().unwrap();
            assert!(run.passed(), "seed {seed}: {run}");
            counts.add(verdict::observed_pattern(run.history.requests.iter()), seed);
        }
        counts
    };
    let (mut even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join().unwrap())
    });
    even.merge(odd);
    even
}
