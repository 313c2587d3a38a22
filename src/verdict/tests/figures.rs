//! Figures over requests, and frequencies over many runs.

use super::*;
use crate::event::Usage;

#[test]
fn figures_pass_fail_and_are_unknown_where_they_should() {
    use Outcome::{Fail, Pass, Unknown};
    for (expect, on_failover, on_lucky) in [
        ("latency: { p50: 5ms, p99: \"<=5ms\", max: 5ms, mean: 5ms, min: 5ms }", Pass, Pass),
        ("latency: { p99: \"<=4.9ms\" }", Fail, Fail),
        ("latency: { min: \">=6ms\" }", Fail, Fail),
        ("ttft: { max: \"<=1s\" }", Unknown, Unknown),
        ("inter-token: { mean: \"<=1s\" }", Unknown, Unknown),
        ("shares: { mock-ratelimit-provider: 30%..34%, openai-provider-primary: \">=66%\" }", Pass, Fail),
        ("shares: { openai-provider-primary: 100% }", Fail, Pass),
        ("success: \">=60%\"", Pass, Pass),
        ("success: 100%", Fail, Pass),
        ("success: \"<=70%\"", Pass, Fail),
        ("amplification: 1", Pass, Pass),
        ("amplification: \">=1.5\"", Fail, Fail),
        ("group: { 0: 3, 1: 0 }", Pass, Pass),
        ("group: { 1: \">=1\" }", Fail, Fail),
        ("provider: openai-provider-primary", Fail, Pass),
        (
            "answers: { 429: { endpoint: \"mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000\" } }",
            Pass,
            Unknown,
        ),
        ("body: { path: { \"$.from\": openai-provider-primary } }", Fail, Pass),
        ("body: { path: { \"$.from\": { contains: provider }, \"$.none\": { present: false } } }", Pass, Pass),
        ("body: { path: { \"$..*\": { present: true } } }", Pass, Pass),
        ("tokens: { total: \"<=10\" }", Unknown, Unknown),
        ("evictions: { mock-ratelimit-provider: { ends: 60s..60.1s } }", Pass, Unknown),
        ("evictions: { mock-ratelimit-provider: { ends: \"<=59s\" } }", Fail, Unknown),
    ] {
        assert_eq!(outcome(3, expect, &failover()), on_failover, "{expect}");
        assert_eq!(outcome(3, expect, &lucky()), on_lucky, "{expect}");
    }
}

#[test]
fn a_request_that_is_given_up_counts_where_the_provider_heard_of_it() {
    use Outcome::{Fail, Pass, Unknown};
    let left = failover().changed(|kind| {
        if let Kind::ProviderRequestEnded { outcome, status: 200, .. } = kind {
            *outcome = crate::event::Outcome::Cancelled;
        }
    });
    for (expect, on_failover, on_left) in [
        ("cancelled: { openai-provider-primary: 2, mock-ratelimit-provider: 0 }", Fail, Pass),
        ("cancelled: { openai-provider-primary: 0 }", Pass, Fail),
        ("cancelled: { openai-provider-fallback: 0 }", Unknown, Unknown),
    ] {
        for (tape, expected) in [(failover(), on_failover), (left.clone(), on_left)] {
            // That the client got a whole answer nevertheless is another matter.
            let (_, verdict) = step_verdict(3, expect, &tape);
            let worst = verdict.expectations().map(|finding| finding.outcome).max();
            assert_eq!(worst, Some(expected), "{expect}");
        }
    }
}

/// The failing provider spends 10 and 0 tokens, each of the two others 100 and 20.
fn spending() -> Tape {
    failover().changed(|kind| {
        if let Kind::ProviderRequestEnded { usage, status, .. } = kind {
            *usage =
                Some(if *status == 200 { Usage { input: 100, output: 20 } } else { Usage { input: 10, output: 0 } });
        }
    })
}

#[test]
fn tokens_and_their_cost_are_those_of_the_providers() {
    use Outcome::{Fail, Pass, Unknown};
    let priced = "prices: { gpt-4o: { input: 2.50, output: 10 }, mock-gpt-4o: { input: 0, output: 0 } }\n";
    for (prices, expect, expected) in [
        ("", "tokens: { prompt: 210, completion: 40, total: 250 }", Pass),
        ("", "tokens: { total: \"<=249\" }", Fail),
        // 200 at 2.50 and 40 at 10, of a million each.
        (priced, "cost: 0.0009", Pass),
        (priced, "cost: \"<=0.00089\"", Fail),
        ("prices: { gpt-4o: { input: 1, output: 1 } }\n", "cost: \"<=1\"", Unknown),
    ] {
        let text = format!("{prices}steps: [{{ send: {{ path: /openai, times: 3 }} }}]\nexpect: {{ {expect} }}\n");
        let verdict = judge(&sound(&text), &spending().history(), JudgeOptions::default());
        assert_eq!(verdict.outcome(), expected, "{expect}\n{verdict:#?}");
    }
}

#[test]
fn a_percentile_that_is_missed_names_the_slowest() {
    let (scenario, verdict) = step_verdict(3, "latency: { p99: \"<=2ms\" }", &failover());
    let text = verdict.findings[0].diagnostic().unwrap().render(&scenario.sources, false);
    assert!(text.contains("expectation failed: latency, p99: at most 2ms"), "{text}");
    assert!(text.contains("actual: p99 is 5ms, of 3 requests"), "{text}");
    assert!(text.contains("request 3 at 00:00.110: 200@openai-provider-primary, latency 5ms"), "{text}");
}

const FOUR: &str = "\"429 200{2}\": 50%, \"200 429 200\": 37.5%, \"200{2} 429\": 9.375%, \"200{3}\": 3.125%";

/// What comes of frequencies after so many runs like `failover`, and like `lucky`.
fn over_seeds(frequencies: &str, of_failover: u64, of_lucky: u64) -> (Outcome, String) {
    let scenario = sound(&format!(
        "steps: [{{ send: {{ path: /openai, times: 3, expect: {{ frequencies: {{ {frequencies} }} }} }} }}]\n"
    ));
    let mut frequency = Frequency::default();
    for seed in 0..of_failover {
        frequency.add(&scenario, &failover().history(), seed);
    }
    for seed in of_failover..of_failover + of_lucky {
        frequency.add(&scenario, &lucky().history(), seed);
    }
    let findings = frequency.judge(&scenario);
    assert_eq!(findings.len(), 1);
    let shown = findings[0].diagnostic().map(|one| one.render(&scenario.sources, false)).unwrap_or_default();
    (findings[0].outcome, shown)
}

#[test]
fn frequencies_are_judged_over_many_runs() {
    use Outcome::{Fail, Pass, Unknown};
    for (frequencies, of_failover, of_lucky, expected) in [
        ("\"429 200{2}\": 80%, \"200{3}\": 20%", 82, 18, Pass),
        ("\"429 200{2}\": 80%, \"200{3}\": 20%", 60, 40, Fail),
        ("\"429 200{2}\": 80%, \"200{3}\": 20%", 8, 2, Unknown),
        ("\"429 200{2}\": 80%", 82, 18, Pass),
        ("\"429 200{2}\": 100%", 99, 1, Fail),
        ("\"429 200{2}\": 0.8, tolerance: 0.15", 70, 30, Pass),
        ("\"429 200{2}\": 0.8, tolerance: 0.15", 60, 40, Fail),
        ("\"429 200{2}\": 0.8, tolerance: 0.15", 16, 4, Unknown),
        ("\"429 200{2}\": 0.8, level: 0.2", 75, 25, Pass),
        ("\"429 200{2}\": 0.8, level: 0.5", 75, 25, Fail),
        (FOUR, 100, 3, Unknown),
    ] {
        let (outcome, shown) = over_seeds(frequencies, of_failover, of_lucky);
        assert_eq!(outcome, expected, "{frequencies}\n{shown}");
    }
    let (_, shown) = over_seeds("\"429 200{2}\": 80%, \"200{3}\": 20%", 60, 40);
    assert!(shown.contains("200{3}: 20% expected, 40% came (40 times, such as seed 60)"), "{shown}");
    assert!(shown.contains("chi-squared 25.00 on 1 degrees of freedom"), "{shown}");
}

#[test]
fn a_single_run_shows_only_what_may_come_at_all() {
    use Outcome::{Fail, Pass, Unknown};
    for (expect, on_failover, on_lucky) in [
        (format!("frequencies: {{ {FOUR} }}"), Pass, Pass),
        ("frequencies: { \"429 200{2}\": 100% }".to_owned(), Pass, Fail),
        ("frequencies: { \"429 200{2}\": 90% }".to_owned(), Pass, Unknown),
        ("frequencies: { \"429 200{2}\": 100%, tolerance: 2% }".to_owned(), Pass, Unknown),
    ] {
        assert_eq!(outcome(3, &expect, &failover()), on_failover, "{expect}");
        assert_eq!(outcome(3, &expect, &lucky()), on_lucky, "{expect}");
    }
}
