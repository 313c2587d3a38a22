//! Verdicts over histories made by hand.

mod figures;

use super::tape::{MOCK, Tape};
use super::*;
use crate::event::Kind;
use crate::scenario::tests::sound;

/// The verdict on expectations of a step that sends `times` requests.
fn step_verdict(times: u32, expect: &str, tape: &Tape) -> (Scenario, Verdict) {
    let scenario = sound(&format!(
        "steps:\n  - send:\n      path: /openai\n      times: {times}\n      expect:\n        {expect}\n"
    ));
    let verdict = judge(&scenario, &tape.history(), JudgeOptions::default());
    (scenario, verdict)
}

/// The outcome of the one expectation, which must be the only finding that does not pass.
fn outcome(times: u32, expect: &str, tape: &Tape) -> Outcome {
    let (scenario, verdict) = step_verdict(times, expect, tape);
    for finding in verdict.invariants() {
        assert_eq!(finding.outcome, Outcome::Pass, "{finding:#?}");
    }
    for finding in verdict.expectations() {
        // A pass has no diagnostic, and whatever else says where.
        let shown = finding.diagnostic().map(|diagnostic| diagnostic.render(&scenario.sources, false));
        assert_eq!(shown.is_none(), finding.outcome == Outcome::Pass);
        assert!(shown.is_none_or(|shown| shown.contains("lab/scenario.yaml:")));
    }
    verdict.outcome()
}

/// One failure and two answers of the other provider of the group.
fn failover() -> Tape {
    let mut tape = Tape::default();
    tape.step(0, |tape| {
        tape.failure(0);
        tape.success(0);
        tape.success(0);
    });
    tape
}

/// Three answers of the working provider: the failing one is never drawn.
fn lucky() -> Tape {
    let mut tape = Tape::default();
    tape.step(0, |tape| (0..3).for_each(|_| tape.success(0)));
    tape
}

#[test]
fn every_kind_of_expectation_passes_fails_and_is_unknown_where_it_should() {
    use Outcome::{Fail, Pass, Unknown};
    for (expect, on_failover, on_lucky) in [
        ("pattern: 429@mock-ratelimit-provider 200@openai-provider-primary{2}", Pass, Fail),
        ("pattern: 429@mock-gpt-4o 200@api.openai.com:443+", Pass, Fail),
        ("pattern: any(429? 200{2,3})", Pass, Pass),
        ("status: { 200: 2, 4xx: 1, timeout: 0 }", Pass, Fail),
        ("reached: { mock-ratelimit-provider: \"<=1\", gpt-4o: 2..3 }", Pass, Pass),
        ("never-reached: [mock-ratelimit-provider]", Fail, Pass),
        ("never-reached: openai-provider-fallback", Pass, Pass),
        ("reached: { gateway: 1 }", Fail, Fail),
        ("model: gpt-4o", Pass, Pass),
        ("model: gpt-4o-mini", Fail, Fail),
        ("headers: { Retry-After: 60, x-none: { present: false } }", Pass, Pass),
        ("headers: { retry-after: 30 }", Fail, Fail),
        ("body: { contains: openai }", Fail, Pass),
        ("answers: { 200: { body: { contains: openai } } }", Pass, Pass),
        (
            "answers: { 429@mock-ratelimit-provider: { body: { json: { from: mock-ratelimit-provider } } } }",
            Pass,
            Unknown,
        ),
        ("answers: { 503: { model: gpt-4o } }", Unknown, Unknown),
        ("evictions: { mock-ratelimit-provider: 1 }", Pass, Unknown),
        ("evictions: { mock-ratelimit-provider: { count: 0..1, lasts: 60s } }", Pass, Pass),
        ("evictions: { mock-ratelimit-provider: { lasts: 59s..61s } }", Pass, Unknown),
        ("evictions: { mock-ratelimit-provider: { lasts: \"<=3s\" } }", Fail, Unknown),
        ("evictions: { openai-provider-primary: 1 }", Fail, Fail),
        ("evictions: { openai-provider-primary: 0 }", Pass, Pass),
        ("exercises: [eviction]", Pass, Unknown),
        ("exercises: [{ reached: mock-ratelimit-provider }]", Pass, Unknown),
        ("exercises: [return]", Unknown, Unknown),
        ("exercises: [lower-group]", Unknown, Unknown),
    ] {
        assert_eq!(outcome(3, expect, &failover()), on_failover, "{expect}");
        assert_eq!(outcome(3, expect, &lucky()), on_lucky, "{expect}");
    }
}

#[test]
fn returns_and_probes_are_told_apart() {
    let mut tape = failover();
    tape.events.pop();
    tape.pass(60_000);
    let quiet = tape.clone();
    tape.comes_back(MOCK);
    let returned = tape.clone();
    tape.success(0);
    let elsewhere = tape.clone();
    tape.failure(0);
    let ended = |mut tape: Tape| {
        tape.emit(Kind::StepEnded { step: 0, failed: None });
        tape
    };
    for (tape, times, exercised) in [(quiet, 3, 0), (returned, 3, 1), (elsewhere, 4, 1), (tape, 5, 3)] {
        let tape = ended(tape);
        for (index, feat) in ["return", "probe", "failed-probe"].into_iter().enumerate() {
            let expected = if index < exercised { Outcome::Pass } else { Outcome::Unknown };
            assert_eq!(outcome(times, &format!("exercises: [{feat}]"), &tape), expected, "{feat} {exercised}");
        }
    }
}

#[test]
fn a_failed_pattern_underlines_what_should_have_come() {
    let (scenario, verdict) =
        step_verdict(3, "pattern: \"429@mock-ratelimit-provider 429@mock-ratelimit-provider 200\"", &failover());
    let text = verdict.findings[0].diagnostic().unwrap().render(&scenario.sources, false);
    let expected = r#"error: expectation failed: answers follow 429@mock-ratelimit-provider 429@mock-ratelimit-provider 200
  --> lab/scenario.yaml:11:47
   |
11 |         pattern: "429@mock-ratelimit-provider 429@mock-ratelimit-provider 200"
   |                                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^ answer 2 should be this
   |
   = note: expected: answer 2 is 429@mock-ratelimit-provider
   = note: actual: answer 2 is 200@openai-provider-primary
   = note: all answers: 429@mock-ratelimit-provider 200@openai-provider-primary{2}
   = note: request 2 at 00:00.055, replica 0: 200@openai-provider-primary, after 5ms"#;
    assert_eq!(text, expected);
}

#[test]
fn answers_of_the_gateway_itself_are_its_own() {
    let mut tape = Tape::default();
    tape.step(0, |tape| tape.refused_by_gateway(0, 404));
    assert_eq!(observed_pattern(&tape.history().requests), "404@gateway");
    assert_eq!(outcome(1, "pattern: 404@gateway", &tape), Outcome::Pass);
    assert_eq!(outcome(1, "pattern: 404@openai-provider-primary", &tape), Outcome::Fail);
    assert_eq!(outcome(1, "reached: { gateway: 1 }", &tape), Outcome::Pass);
}

#[test]
fn observed_patterns_compress_runs() {
    let history = failover().history();
    assert_eq!(observed_pattern(&history.requests), "429@mock-ratelimit-provider 200@openai-provider-primary{2}");
    assert_eq!(observed_pattern([]), "");
    let scenario = sound("steps: [{ send: { path: /openai, times: 3 } }, { wait: 1s }, { send: { path: /openai } }]");
    let observed = observed_patterns(&scenario, &history);
    assert_eq!(observed.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(observed[&2], "");
}

#[test]
fn a_run_that_was_cut_short_is_unknown_but_for_what_is_already_wrong() {
    let mut tape = failover();
    tape.events.pop();
    for (expect, expected) in [
        ("pattern: 429 200{2}", Outcome::Unknown),
        ("pattern: 200{3}", Outcome::Fail),
        ("status: { 200: 3 }", Outcome::Unknown),
        ("status: { 429: 0 }", Outcome::Fail),
        ("never-reached: [openai-provider-fallback]", Outcome::Unknown),
        ("never-reached: [mock-ratelimit-provider]", Outcome::Fail),
    ] {
        assert_eq!(outcome(3, expect, &tape), expected, "{expect}");
    }
}

#[test]
fn patterns_of_a_step_are_counted_over_seeds_where_the_file_pins_one() {
    let text = "steps:\n  - send: { path: /openai, times: 3, expect: { pattern: \"200{3}\", status: { 200: 3 } } }\nexpect: { pattern: \"200{3}\" }\n";
    let options = JudgeOptions { count_patterns: true };
    let judged = |scenario: &Scenario, options| {
        let verdict = judge(scenario, &lucky().history(), options);
        verdict.expectations().map(|finding| finding.statement.clone()).collect::<Vec<_>>()
    };
    let pinned = sound(&format!("seed: 7\n{text}"));
    assert_eq!(judged(&pinned, options), ["200 comes 3 times", "answers follow 200{3}"]);
    assert_eq!(judged(&pinned, JudgeOptions::default()).len(), 3);
    assert_eq!(judged(&sound(text), options).len(), 3);
}

#[test]
fn a_run_in_which_nothing_happened_is_unknown() {
    let scenario = sound("steps: [{ wait: 1s }]");
    let mut tape = Tape::default();
    tape.step(0, |_| {});
    let verdict = judge(&scenario, &tape.history(), JudgeOptions::default());
    assert_eq!(verdict.outcome(), Outcome::Unknown);
    assert!(verdict.findings[0].diagnostic().is_some());
}

#[test]
fn the_worst_finding_counts_and_over_seeds_one_that_was_exercised_is_enough() {
    use Outcome::{Fail, Pass, Unknown};
    assert!(Pass < Unknown && Unknown < Fail);
    assert_eq!(Verdict::default().outcome(), Unknown);
    for (outcomes, expected) in
        [(&[Pass, Unknown][..], Pass), (&[Unknown, Unknown], Unknown), (&[Pass, Fail, Unknown], Fail), (&[], Unknown)]
    {
        assert_eq!(Outcome::over_seeds(outcomes.iter().copied()), expected);
    }
}

/// The words of patterns and the ways in which events say that a request ended are the same.
#[test]
fn every_way_to_end_has_its_word() {
    use crate::event::Outcome as End;
    let all = [
        End::Truncated,
        End::Cut,
        End::Reset,
        End::Refused,
        End::Unresolved,
        End::Timeout,
        End::Cancelled,
        End::Failed,
    ];
    let words: std::collections::BTreeSet<_> = crate::scenario::pattern::ENDINGS.into_iter().collect();
    assert_eq!(all.map(End::name).into_iter().collect::<std::collections::BTreeSet<_>>(), words);
}
