//! Every run and every rule that was recorded from the real ones, to be ticked off; and those that no
//! other file of this folder plays. `here` is this file, [`modes`] or [`rules`].
//!
//! | recorded | played by |
//! | --- | --- |
//! | **Between groups**, 0.11: no wait · a wait upstream · a wait from a filter | [`failover`](super::failover): `without_a_wait…`, `a_wait_from_upstream…`, `a_wait_from_a_filter…` |
//! | 1.2 and 1.3: the eleven rows from "no policy" to "the provider's policy" | [`policies`](super::policies): `failover_between_groups_is_as_recorded` |
//! | no duration and a wait of 1 s · `x-ratelimit-reset-requests: 2s` · two `Retry-After` lines | [`policies`](super::policies): `evictions_grow_by_their_base_without_end` |
//! | **Durations over cycles**: 3, 6, 9, 12, 15 · 1, 2, 3, 4, 5 · 3, 3, 3, 3 (0.11) | [`policies`](super::policies): the same; [`failover`](super::failover): `an_eviction_lasts_what_the_header_says…` |
//! | the dump after six failures: health 0.1176, 6, 6, 17.949 s | here: `the_state_after_five_cycles` |
//! | **Within a group**: who is first, how many of 20 fail, when the failure comes, three in 30 half seconds | [`chances`](super::chances), against their closed forms |
//! | group 2 is never used while one of group 1 lives | [`failover`](super::failover): `within_a_group…`; [`chances`](super::chances) |
//! | **All groups unhealthy**: the order, what 1.2 counts, the next eviction | [`failover`](super::failover) and [`policies`](super::policies): `where_everyone_is_out…` |
//! | both groups refuse: 503 and its text | here: `nobody_listens_anywhere` |
//! | **Failure modes**, thirteen rows, each version | here: `failure_modes_are_alike_but_for_one_message`; details in [`failures`](super::failures) |
//! | **Streams**: bytes, `include_usage`, a reset in the middle, each version | [`streaming`](super::streaming); here: `a_stream_that_dies_speaks_for_its_provider` |
//! | **What is a failure** under a policy without an expression, twelve rows | here: `what_evicts_where_no_expression_says` |
//! | under `response.code == 429` none of these evicts | here: the same |
//! | **Sixteen clients**: bursts at 0, 3.06, 54.13 s (1.2); 0, 3.07, 9.13, 18.22 s (1.3); each window (0.11) | here: `bursts_of_sixteen_clients` |
//! | **Retries** between groups: `[2,0]`, four times with `attempts: 3`, requests 2 and on go to S | [`retries`](super::retries): `a_retry_fails_over…`, `what_each_attempt_costs` |
//! | within a group: the dice decide, and what is rescued is never recorded | [`chances`](super::chances): `a_retry_within_a_group…`; here: `a_rescued_failure_evicts_nobody` |
//! | `retry.attempt=1` on the one line, `x-retry-attempt` upstream | [`retries`](super::retries): `an_attempt_tells_its_number`; `report::access_log` |
//! | **1.3**: retries with a back-off, 16 clients, no 429 for any of them | here: `sixteen_clients_with_retries_and_a_backoff` |
//! | `req1 200`, upstream calls `[2,1]` · 1.2 with a back-off `[2,0]` | [`retries`](super::retries): `a_retry_fails_over…` |
//!
//! The rules in sentences:
//!
//! | rule | played by |
//! | --- | --- |
//! | all 1: two draws with replacement, the first active group, the fallback to group 0 | [`model`](super::model) |
//! | all 2: the score; moving averages; latency from the client's request on, with earlier attempts | [`model`](super::model); here: `latency_counts_from_the_clients_request` |
//! | all 3: accounted at the end; what is in flight is not affected | here: `an_answer_counts_when_its_body_has_ended` |
//! | all 4: windows are neither lengthened nor shortened; a success resets the counters | here: `a_success_that_ends_in_the_window…`; [`policies`](super::policies): the bursts |
//! | all 5: which waits are read, from which headers, `add` and `set` | `gateway::wait`; [`failover`](super::failover): `of_two_waits…`; here: `a_wait_that_is_set…`, `a_wait_of_a_503…` |
//! | all 6: what is retried, and whose answer the client gets | [`retries`](super::retries) |
//! | 0.11 1–5 | [`failover`](super::failover), [`retries`](super::retries): `what_each_attempt_costs`, `the_pause…`, `which_timeout…`; here: `a_later_eviction_prolongs…` |
//! | 0.11 6: no accounting without an access log | here: `without_an_access_log_0_11_accounts_nothing` |
//! | 0.11 7: backends that are shared between ports | a mix-up of names, not a decision: told by `labsim check`, not copied |
//! | 1.2 1–7 | [`policies`](super::policies), [`retries`](super::retries); here: `thresholds_evict_when_they_are_met`, `an_expression_sees_the_gateways_own_errors` |
//! | 1.3 1–6 | [`policies`](super::policies), [`retries`](super::retries); here: `an_earlier_attempt_is_accounted_by_its_own_headers` |

mod modes;
mod rules;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lab::{Lab, at, lasting, retrying, topology, under};
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14};
use crate::topology::Topology;

const FAST: Duration = Duration::from_millis(5);
const RATE_LIMITED: &str = "response.code == 429";
const VERSIONS: [Personality; 3] = [Agentgateway012, Agentgateway12, Agentgateway14];
const WITH_POLICIES: [Personality; 2] = [Agentgateway12, Agentgateway14];

fn groups() -> Topology {
    topology(&[&["primary"], &["secondary"]])
}

async fn lab(personality: Personality, topology: Topology, headers: &'static [(&str, &str)]) -> Lab {
    let lab = Lab::with(personality, topology, 1).open().await;
    lab.always("primary", 429, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

/// How long a provider is still out, in seconds.
fn out_for(lab: &Lab, name: &str) -> Option<f64> {
    Some(lab.health_of(name).evicted_until_us?.since(lab.world.clock.now()).as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn the_state_after_five_cycles() {
    for version in WITH_POLICIES {
        let lab = lab(version, under(groups(), RATE_LIMITED, lasting(3)), &[]).await;
        let mut failures = 0;
        while failures < 6 {
            failures += usize::from(lab.ask().await.status == 429);
            sleep(Duration::from_millis(50)).await;
        }
        let health = lab.health_of("primary");
        assert!((health.health - 0.1176).abs() < 1e-4, "{version}: {health:?}");
        assert_eq!((health.consecutive_failures, health.times_ejected), (6, 6), "{version}");
        assert!(out_for(&lab, "primary").is_some_and(|out| (17.8..18.0).contains(&out)), "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_anywhere() {
    for version in VERSIONS {
        let lab = Lab::with(version, groups(), 1).open().await;
        for name in ["primary", "secondary"] {
            drop(lab.world.net.listen(&at(name)).await);
        }
        for _ in 0..4 {
            let got = lab.ask().await;
            let text = "upstream call failed: Connect: Connection refused (os error 111)";
            assert_eq!((got.status, got.body.as_str()), (503, text), "{version}");
            assert_eq!(got.headers["content-type"], "text/plain");
        }
    }
}

/// Sixteen clients that ask without a pause, and what they meet: when each burst of failures began.
async fn bursts(version: Personality, topology: Topology, headers: &'static [(&str, &str)], seconds: u64) -> Vec<f64> {
    let lab = Lab::with(version, topology, 1).open().await;
    let delay = Duration::from_millis(50);
    let lab = lab.always("primary", 429, headers, delay).await.always("secondary", 200, &[], delay).await;
    let start = Instant::now();
    let client = async || {
        let mut failures = Vec::new();
        while start.elapsed() < Duration::from_secs(seconds) {
            let asked = start.elapsed();
            if lab.ask().await.status == 429 {
                failures.push(asked.as_secs_f64());
            }
        }
        failures
    };
    let all = futures_util::future::join_all((0..16).map(|_| client())).await;
    let mut failures: Vec<f64> = all.into_iter().flatten().collect();
    failures.sort_by(f64::total_cmp);
    assert_eq!(failures.len() % 16, 0, "every client meets each of them: {failures:?}");
    failures.chunks(16).map(|burst| burst[0]).collect()
}

fn near(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 0.4)
}

#[tokio::test(start_paused = true)]
async fn bursts_of_sixteen_clients() {
    let policy = || under(groups(), RATE_LIMITED, lasting(3));
    let found = bursts(Agentgateway12, policy(), &[], 60).await;
    assert!(near(&found, &[0.0, 3.06, 54.13]), "{found:?}");
    let found = bursts(Agentgateway14, policy(), &[], 25).await;
    assert!(near(&found, &[0.0, 3.07, 9.13, 18.22]), "{found:?}");
    let found = bursts(Agentgateway012, groups(), &[("retry-after", "3")], 10).await;
    assert!(near(&found, &[0.0, 3.06, 6.12, 9.18]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn sixteen_clients_with_retries_and_a_backoff() {
    let topology = retrying(under(groups(), RATE_LIMITED, lasting(3)), 1, Some(10));
    let lab = lab(Agentgateway14, topology, &[]).await;
    for burst in 1..=3 {
        let all = futures_util::future::join_all((0..16).map(|_| lab.ask())).await;
        assert!(all.iter().all(|got| got.status == 200), "{all:?}");
        assert_eq!(lab.asked(&["primary"]), [16 * burst], "the upstream met each of them");
        sleep(Duration::from_secs(3 * burst as u64)).await;
    }
}

/// In 1.2 a failure that a retry makes good is never recorded: its provider is asked again and again.
#[tokio::test(start_paused = true)]
async fn a_rescued_failure_evicts_nobody() {
    for version in [Agentgateway012, Agentgateway12] {
        let (mut rescued, mut evicted) = (0, 0);
        for seed in 0..30 {
            let groups = under(topology(&[&["primary", "secondary"], &["third"]]), RATE_LIMITED, lasting(3));
            let lab = Lab::with(version, retrying(groups, 1, None), seed).open().await;
            let lab = lab.always("primary", 429, &[("retry-after", "3")], FAST).await;
            let lab = lab.always("secondary", 200, &[], FAST).await;
            for _ in 0..8 {
                let before = lab.asked(&["primary", "secondary"]);
                let status = lab.ask().await.status;
                let after = lab.asked(&["primary", "secondary"]);
                let calls = [after[0] - before[0], after[1] - before[1]];
                if calls == [1, 1] && status == 200 {
                    rescued += 1;
                    assert!(out_for(&lab, "primary").is_none(), "{version}, seed {seed}");
                }
                if status == 429 {
                    evicted += 1;
                    assert_eq!(calls, [2, 0], "{version}, seed {seed}");
                    assert!(out_for(&lab, "primary").is_some(), "{version}, seed {seed}");
                    break;
                }
            }
        }
        assert!(rescued > 10 && evicted > 5, "{version}: {rescued} {evicted}");
    }
}

/// Every test that the table names is there.
#[test]
fn the_table_names_tests_that_there_are() {
    const FILES: [&str; 9] = [
        include_str!("recorded.rs"),
        include_str!("recorded/modes.rs"),
        include_str!("recorded/rules.rs"),
        include_str!("chances.rs"),
        include_str!("failover.rs"),
        include_str!("failures.rs"),
        include_str!("policies.rs"),
        include_str!("retries.rs"),
        include_str!("streaming.rs"),
    ];
    let table = FILES[0].lines().take_while(|line| line.starts_with("//!")).filter(|line| line.starts_with("//! |"));
    let words = table.flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_name = |word: &&str| {
        let plain = word.trim_end_matches('…');
        plain.matches('_').count() > 1
            && plain.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    let names: Vec<&str> = words.filter(is_name).collect();
    for name in &names {
        let start = format!("fn {}", name.trim_end_matches('…'));
        assert!(FILES.iter().any(|file| file.contains(&start)), "there is no `{name}`");
    }
    assert!(names.len() > 20, "{names:?}");
}
