//! Health policies of 1.2 and 1.4: the strings and tables that were recorded from the real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lab::{Lab, adding, answer, health, lasting, question, topology, under};
use crate::event::Kind;
use crate::topology::Personality::{self, Agentgateway12, Agentgateway14};
use crate::topology::{EvictionPolicy, RateLimit, RateUnit, Topology};

const FAST: Duration = Duration::from_millis(5);
const RATE_LIMITED: &str = "response.code == 429";
const VERSIONS: [Personality; 2] = [Agentgateway12, Agentgateway14];

type Headers = &'static [(&'static str, &'static str)];

fn groups() -> Topology {
    topology(&[&["primary"], &["secondary"]])
}

async fn lab(personality: Personality, topology: Topology, status: u16, headers: Headers) -> Lab {
    let lab = Lab::with(personality, topology, 1).open().await;
    lab.always("primary", status, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

/// Six requests, and two more once 3.2 s are over.
async fn pattern(personality: Personality, topology: Topology, headers: Headers) -> String {
    let lab = lab(personality, topology, 429, headers).await;
    let first = lab.ask_in_turn(6).await;
    sleep(Duration::from_millis(3_200)).await;
    format!("{first} {}", lab.ask_in_turn(2).await)
}

#[tokio::test(start_paused = true)]
async fn failover_between_groups_is_as_recorded() {
    let once = EvictionPolicy {
        duration: Some(Duration::from_secs(3)),
        consecutive_failures: Some(1),
        ..EvictionPolicy::default()
    };
    let empty = Some(EvictionPolicy::default());
    for version in VERSIONS {
        let same = [
            ("no policy", groups(), &[][..], "PPPPPP PP"),
            ("no policy, a wait", groups(), &[("retry-after", "3")], "PPPPPP PP"),
            ("no policy, a wait from a filter", adding(groups(), "retry-after", "3"), &[], "PPPPPP PP"),
            ("429, 3 s, once", under(groups(), RATE_LIMITED, Some(once)), &[], "PSSSSS PS"),
            (
                "the duration wins over a wait",
                under(groups(), RATE_LIMITED, Some(once)),
                &[("retry-after", "7")],
                "PSSSSS PS",
            ),
            ("no duration", under(groups(), RATE_LIMITED, empty), &[], "PSSSSS PS"),
            ("an empty policy", under(groups(), "", None), &[], "PPPPPP PP"),
            (
                "no duration, a wait from a filter",
                adding(under(groups(), RATE_LIMITED, empty), "retry-after", "3"),
                &[],
                "PSSSSS PS",
            ),
        ];
        for (what, topology, headers, expected) in same {
            assert_eq!(pattern(version, topology, headers).await, expected, "{version}: {what}");
        }
        let bare = under(groups(), RATE_LIMITED, None);
        let expected = if version == Agentgateway12 { "PSSSSS PS" } else { "PPPPPP PP" };
        assert_eq!(pattern(version, bare, &[]).await, expected, "{version}: no eviction block");
        let mut of_provider = groups();
        of_provider.backends[0].groups[0].providers[0].health = Some(health(RATE_LIMITED, Some(once)));
        let expected = if version == Agentgateway12 { "PPPPPP PP" } else { "PSSSSS PS" };
        assert_eq!(pattern(version, of_provider, &[]).await, expected, "{version}: a provider's policy");
        let mut of_route = groups();
        of_route.routes[0].rules[0].health = Some(health(RATE_LIMITED, Some(once)));
        assert_eq!(pattern(version, of_route, &[]).await, "PSSSSS PS", "{version}: a route's policy");
    }
}

/// How long each eviction lasted, asked every 50 ms, in whole tenths of a second.
async fn cycles(personality: Personality, topology: Topology, headers: Headers, count: usize) -> Vec<u128> {
    let lab = lab(personality, topology, 429, headers).await;
    let mut failures = Vec::new();
    let start = Instant::now();
    while failures.len() <= count {
        if lab.ask().await.status == 429 {
            failures.push(start.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    }
    failures.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_millis() / 100).collect()
}

#[tokio::test(start_paused = true)]
async fn evictions_grow_by_their_base_without_end() {
    let empty = Some(EvictionPolicy::default());
    for version in VERSIONS {
        let explicit = under(groups(), RATE_LIMITED, lasting(3));
        assert_eq!(cycles(version, explicit, &[], 5).await, [30, 60, 90, 120, 150], "{version}");
        let waiting = under(groups(), RATE_LIMITED, empty);
        assert_eq!(cycles(version, waiting.clone(), &[("retry-after", "1")], 5).await, [10, 20, 30, 40, 50]);
        assert_eq!(cycles(version, waiting.clone(), &[("x-ratelimit-reset-requests", "2s")], 2).await, [20, 40]);
        // Of two lines the first counts, here the upstream's own.
        let added = adding(waiting, "retry-after", "3");
        assert_eq!(cycles(version, added, &[("retry-after", "1")], 2).await, [10, 20], "{version}");
    }
}

/// Where everyone is evicted the first group serves on, and only 1.2 counts that.
#[tokio::test(start_paused = true)]
async fn where_everyone_is_out_the_first_group_serves_and_1_2_counts_it() {
    for (version, ejected) in [(Agentgateway12, 14), (Agentgateway14, 1)] {
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, lasting(3)), 1).open().await;
        let lab = lab.always("primary", 429, &[], FAST).await.always("secondary", 429, &[], FAST).await;
        assert_eq!(lab.ask_in_turn(15).await, "PSPPPPPPPPPPPPP", "{version}");
        assert_eq!(lab.health_of("primary").times_ejected, ejected, "{version}");
        sleep(Duration::from_secs(3)).await;
        lab.ask().await;
        let until = lab.health_of("primary").evicted_until_us.unwrap();
        let lasts = until.since(lab.world.clock.now()).as_secs_f64();
        assert!((lasts - 3.0 * f64::from(ejected + 1)).abs() < 0.1, "{version}: {lasts}");
    }
}

/// A burst costs one failure each; 1.2 multiplies the next eviction by them.
#[tokio::test(start_paused = true)]
async fn a_burst_of_failures_inflates_1_2_alone() {
    for (version, gap) in [(Agentgateway12, 51.0), (Agentgateway14, 6.0)] {
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, lasting(3)), 1).open().await;
        let lab = lab.always("primary", 429, &[], Duration::from_millis(50)).await;
        let lab = Arc::new(lab.always("secondary", 200, &[], FAST).await);
        let burst = async |lab: Arc<Lab>| {
            let asks: Vec<_> = (0..16).map(|_| lab.clone()).map(|lab| async move { lab.ask().await.status }).collect();
            futures_util::future::join_all(asks).await.into_iter().filter(|status| *status == 429).count()
        };
        assert_eq!(burst(lab.clone()).await, 16, "{version}");
        sleep(Duration::from_millis(3_060)).await;
        assert_eq!(burst(lab.clone()).await, 16, "{version}");
        let until = lab.health_of("primary").evicted_until_us.unwrap();
        let lasts = until.since(lab.world.clock.now()).as_secs_f64();
        assert!((lasts - gap).abs() < 0.5, "{version}: {lasts}");
    }
}

/// What evicts under a policy without an expression: what has the status 5xx, and a client that
/// leaves or errs.
#[tokio::test(start_paused = true)]
async fn without_an_expression_server_errors_evict_and_client_errors_too() {
    for version in VERSIONS {
        for (status, out) in [(500, true), (503, true), (429, false), (404, false), (401, false)] {
            let lab = lab(version, under(groups(), "", lasting(3)), status, &[]).await;
            lab.ask().await;
            assert_eq!(lab.health_of("primary").evicted_until_us.is_some(), out, "{version}: {status}");
        }
        for (expression, out) in [("", true), (RATE_LIMITED, false)] {
            let lab = lab(version, under(groups(), expression, lasting(3)), 200, &[]).await;
            let got = lab.send(question("no JSON")).await;
            assert_eq!((got.status, lab.health_of("primary").evicted_until_us.is_some()), (503, out), "{version}");
            let slow = Lab::with(version, under(groups(), expression, lasting(3)), 1).open().await;
            let slow = slow.always("primary", 200, &[], Duration::from_secs(9)).await;
            let _ = tokio::time::timeout(Duration::from_secs(1), slow.ask()).await;
            sleep(Duration::from_millis(50)).await;
            assert_eq!(slow.health_of("primary").evicted_until_us.is_some(), out, "{version}: the client left");
        }
        // A gateway's own 503 is seen by an expression.
        let lab = Lab::with(version, under(groups(), "response.code >= 500", lasting(3)), 1).open().await;
        let lab = lab.always("secondary", 200, &[], FAST).await;
        assert_eq!(lab.ask().await.status, 503);
        assert!(lab.health_of("primary").evicted_until_us.is_some(), "{version}");
        assert_eq!(lab.ask().await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn health_on_return_is_what_the_policy_says() {
    for (restore, health) in [(None, 0.7), (Some(0.0), 0.0), (Some(0.2), 0.2), (Some(1.0), 1.0)] {
        let eviction = EvictionPolicy { restore_health: restore, ..lasting(3).unwrap() };
        let lab = lab(Agentgateway14, under(groups(), RATE_LIMITED, Some(eviction)), 429, &[]).await;
        lab.ask().await;
        assert!((lab.health_of("primary").health - 0.7).abs() < 1e-9);
        sleep(Duration::from_secs(4)).await;
        let now = lab.health_of("primary");
        assert!((now.health - health).abs() < 1e-9, "{restore:?}: {now:?}");
        assert_eq!((now.consecutive_failures, now.times_ejected), (1, 1));
        let told = lab.told(|kind| matches!(kind, Kind::HealthChanged { .. }).then_some(())).len();
        assert_eq!(told, if restore.is_some() { 2 } else { 1 }, "{restore:?}");
    }
}

/// A success resets what makes evictions longer.
#[tokio::test(start_paused = true)]
async fn a_provider_that_recovers_begins_anew() {
    for version in VERSIONS {
        let status = Arc::new(AtomicU16::new(429));
        let now = status.clone();
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, lasting(3)), 1)
            .open()
            .await
            .provider("primary", move |_| {
                let status = now.load(Ordering::Relaxed);
                async move { answer("primary", status, &[]) }
            })
            .await
            .always("secondary", 200, &[], FAST)
            .await;
        assert_eq!(lab.ask_in_turn(2).await, "PS");
        status.store(200, Ordering::Relaxed);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(lab.ask_in_turn(2).await, "PP");
        status.store(429, Ordering::Relaxed);
        assert_eq!(lab.ask_in_turn(2).await, "PS");
        sleep(Duration::from_secs(3)).await;
        assert_eq!(lab.ask_in_turn(1).await, "P", "{version}: 3 s again, not 6");
    }
}

/// The gateway's own 429 evicts nobody, and says when to come back.
#[tokio::test(start_paused = true)]
async fn a_local_limit_answers_and_evicts_nobody() {
    for version in Personality::ALL {
        for (unit, capacity, let_in) in [(RateUnit::Requests, 2, 2), (RateUnit::Tokens, 10, 2)] {
            let mut topology = adding(under(groups(), RATE_LIMITED, lasting(3)), "x-rule", "1");
            let interval = Duration::from_mins(1);
            topology.routes[0].rules[0].rate_limits = vec![RateLimit { unit, capacity, refill: capacity, interval }];
            let lab = lab(version, topology, 200, &[]).await;
            let mut statuses = Vec::new();
            for _ in 0..4 {
                statuses.push(lab.ask().await.status);
            }
            let expected: Vec<u16> = (0..4).map(|number| if number < let_in { 200 } else { 429 }).collect();
            assert_eq!(statuses, expected, "{version} {unit:?}");
            let got = lab.ask().await;
            assert_eq!(got.headers["x-ratelimit-reset"].to_str().unwrap(), "59");
            assert!(got.body.contains("rate limit exceeded"), "{}", got.body);
            let is_bare = unit == RateUnit::Requests && version != Personality::Agentgateway012;
            assert_eq!(got.headers.contains_key("x-rule"), !is_bare, "{version} {unit:?}: {got:?}");
            assert!(lab.health_of("primary").evicted_until_us.is_none());
            assert_eq!(lab.asked(&["primary", "secondary"]), [let_in, 0]);
            sleep(interval).await;
            assert_eq!(lab.ask().await.status, 200, "{version} {unit:?}");
        }
    }
}
