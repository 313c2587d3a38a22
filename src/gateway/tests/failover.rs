//! Who answers, when, and who is out: the strings and tables that were recorded from the real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lab::{Got, Lab, adding, answer, topology};
use crate::event::{At, Kind};
use crate::topology::Personality;

const FAST: Duration = Duration::from_millis(5);

async fn inter_group(headers: &'static [(&str, &str)], retry_after: Option<&str>) -> Lab {
    let mut groups = topology(&[&["primary"], &["secondary"]]);
    if let Some(value) = retry_after {
        groups = adding(groups, "Retry-After", value);
    }
    let lab = Lab::of(groups, 1).open().await;
    lab.always("primary", 429, headers, FAST).await.always("secondary", 200, &[], FAST).await
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_it_never_fails_over() {
    assert_eq!(inter_group(&[], None).await.ask_in_turn(6).await, "PPPPPP");
}

#[tokio::test(start_paused = true)]
async fn a_wait_from_upstream_fails_over_until_it_is_over() {
    let lab = inter_group(&[("retry-after", "3")], None).await;
    assert_eq!(lab.ask_in_turn(6).await, "PSSSSS");
    sleep(Duration::from_millis(3_200)).await;
    assert_eq!(lab.ask_in_turn(2).await, "PS");
}

/// The wait that a filter adds to the 200s as well evicts nobody there.
#[tokio::test(start_paused = true)]
async fn a_wait_from_a_filter_does_the_same_and_the_client_gets_it() {
    let lab = inter_group(&[], Some("3")).await;
    assert_eq!(lab.ask_in_turn(6).await, "PSSSSS");
    sleep(Duration::from_millis(3_200)).await;
    assert_eq!(lab.ask_in_turn(2).await, "PS");
    let Got { status, headers, .. } = lab.ask().await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (200, "3"));
    assert_eq!(lab.told(|kind| matches!(kind, Kind::ProviderEvicted { .. }).then_some(())).len(), 2);
}

/// The filter's header comes after the upstream's own: the first line counts.
#[tokio::test(start_paused = true)]
async fn of_two_waits_the_upstreams_own_counts_even_if_nobody_can_read_it() {
    let lab = inter_group(&[("retry-after", "soon")], Some("3")).await;
    assert_eq!(lab.ask_in_turn(3).await, "PPP");
    let lab = inter_group(&[("retry-after", "1")], Some("30")).await;
    assert_eq!(lab.ask_in_turn(3).await, "PSS");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_no_length_evicts_nobody_for_long_and_one_of_any_length_is_survived() {
    assert_eq!(inter_group(&[("retry-after", "0")], None).await.ask_in_turn(4).await, "PPPP");
    let lab = inter_group(&[("retry-after", "18446744073709551615")], None).await;
    assert_eq!(lab.ask_in_turn(3).await, "PSS");
    sleep(Duration::from_hours(3 * 365 * 24)).await;
    assert_eq!(lab.ask_in_turn(1).await, "S");
}

/// Cycle after cycle the eviction lasts what the header says: nothing grows.
#[tokio::test(start_paused = true)]
async fn an_eviction_lasts_what_the_header_says_each_time() {
    let lab = inter_group(&[("retry-after", "3")], None).await;
    let mut failures = Vec::new();
    let start = Instant::now();
    while failures.len() < 6 {
        if lab.ask().await.status == 429 {
            failures.push(start.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    }
    for pair in failures.windows(2) {
        let gap = pair[1].saturating_sub(pair[0]).as_millis();
        assert!((3_000..3_080).contains(&gap), "{failures:?}");
    }
    assert_eq!(lab.health_of("primary").times_ejected, 6);
}

/// Nobody need ask for the end of an eviction to be told of, at its very moment.
#[tokio::test(start_paused = true)]
async fn the_end_of_an_eviction_is_told_of_when_it_comes() {
    let lab = inter_group(&[], Some("60")).await;
    lab.ask().await;
    let until = lab.told(|kind| match kind {
        Kind::ProviderEvicted { until_us, source, provider, status, .. } => {
            Some((*until_us, source.clone(), provider.clone(), *status))
        }
        _ => None,
    });
    let [(until, source, provider, status)] = &until[..] else { panic!("{until:?}") };
    assert_eq!((source.as_str(), provider.as_str(), *status), ("retry-after", "primary", 429));
    assert_eq!(lab.health_of("primary").evicted_until_us, Some(*until));
    sleep(Duration::from_mins(2)).await;
    let returned: Vec<_> =
        lab.events().into_iter().filter(|event| matches!(event.kind, Kind::ProviderReturned { .. })).collect();
    assert_eq!(returned.iter().map(|event| event.at_us).collect::<Vec<_>>(), [*until]);
    assert_eq!(lab.health_of("primary").evicted_until_us, None);
}

/// A deadline is inclusive: a choice at that very moment finds the provider back.
#[tokio::test(start_paused = true)]
async fn an_eviction_is_over_for_a_choice_at_its_end() {
    let lab = inter_group(&[], Some("3")).await;
    lab.ask().await;
    let until = lab.health_of("primary").evicted_until_us.unwrap();
    for (before, expected) in [(1_000, "S"), (0, "P")] {
        let lab = inter_group(&[], Some("3")).await;
        lab.ask().await;
        // A connection is kept, so the head arrives one hop after it is sent.
        let hop = 1_000;
        tokio::time::sleep_until(lab.world.clock.instant(At(until.0 - before - hop))).await;
        let selected_at = |lab: &Lab| {
            lab.events().iter().rev().find(|event| matches!(event.kind, Kind::ProviderSelected { .. })).unwrap().at_us
        };
        let pattern = lab.ask_in_turn(1).await;
        assert_eq!(selected_at(&lab), At(until.0 - before));
        assert_eq!(pattern, expected, "{before} us before the end");
    }
}

/// In 0.11 and 0.12 nobody comes back before the latest deadline of the backend.
#[tokio::test(start_paused = true)]
async fn several_evicted_providers_come_back_together_at_the_latest_deadline() {
    let lab = Lab::of(topology(&[&["primary"], &["secondary"], &["third"]]), 1)
        .open()
        .await
        .always("primary", 429, &[("retry-after", "1")], FAST)
        .await
        .always("secondary", 429, &[("retry-after", "4")], FAST)
        .await
        .always("third", 200, &[], FAST)
        .await;
    assert_eq!(lab.ask_in_turn(4).await, "PSTT");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "T", "the primary is out as long as the secondary");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
}

/// With nobody active the first group's evicted provider serves, and its answer passes unchanged.
#[tokio::test(start_paused = true)]
async fn where_everyone_is_out_the_first_group_serves() {
    let lab = Lab::of(adding(topology(&[&["primary"], &["secondary"]]), "retry-after", "3"), 1)
        .open()
        .await
        .always("primary", 429, &[], FAST)
        .await
        .always("secondary", 429, &[], FAST)
        .await;
    assert_eq!(lab.ask_in_turn(7).await, "PSPPPPP");
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.as_str()), (429, r#"{"error":{"message":"primary says 429","code":429}}"#));
    let fallbacks = lab.told(|kind| match kind {
        Kind::ProviderSelected { fallback, .. } => Some(*fallback),
        _ => None,
    });
    assert_eq!(fallbacks, [false, false, true, true, true, true, true, true]);
    // What failed while it was out has not prolonged its eviction.
    assert_eq!(lab.told(|kind| matches!(kind, Kind::ProviderEvicted { .. }).then_some(())).len(), 2);
    assert_eq!(lab.health_of("primary").times_ejected, 1);
}

/// The group's other provider takes over; the lower group is never reached.
#[tokio::test(start_paused = true)]
async fn within_a_group_a_wait_costs_one_failure_and_no_wait_costs_a_quarter() {
    let (mut with_wait, mut without) = (Vec::new(), 0);
    for seed in 0..20 {
        for wait in [true, false] {
            let mut groups = topology(&[&["primary", "secondary"], &["third"]]);
            if wait {
                groups = adding(groups, "retry-after", "3");
            }
            let lab = Lab::of(groups, seed)
                .open()
                .await
                .always("primary", 429, &[], FAST)
                .await
                .always("secondary", 200, &[], FAST)
                .await
                .always("third", 200, &[], FAST)
                .await;
            let pattern = lab.ask_in_turn(20).await;
            let failures = pattern.matches('P').count();
            assert!(!pattern.contains('T'), "{pattern}");
            if wait {
                with_wait.push((failures, pattern.find('P')));
            } else {
                without += failures;
            }
        }
    }
    assert!(with_wait.iter().all(|(failures, _)| *failures == 1), "{with_wait:?}");
    assert!(with_wait.iter().filter(|(_, first)| first.is_some_and(|first| first < 3)).count() >= 19);
    // The real one: 5.4 of 20 on average.
    assert!((80..140).contains(&without), "{without} of 400");
}

/// Sixteen clients at once: each re-probe meets all of them, and no window is prolonged.
#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_not_saved_by_an_eviction_and_do_not_prolong_it() {
    let lab = Lab::of(topology(&[&["primary"], &["secondary"]]), 1)
        .open()
        .await
        .always("primary", 429, &[("retry-after", "3")], Duration::from_millis(50))
        .await
        .always("secondary", 200, &[], Duration::from_millis(50))
        .await;
    let lab = Arc::new(lab);
    let burst = |lab: Arc<Lab>| async move {
        let asked = (0..16).map(|_| lab.ask());
        let statuses = futures_util::future::join_all(asked).await;
        statuses.iter().filter(|got| got.status == 429).count()
    };
    assert_eq!(burst(lab.clone()).await, 16);
    let until = lab.health_of("primary").evicted_until_us;
    assert_eq!(burst(lab.clone()).await, 0);
    assert_eq!(lab.health_of("primary").evicted_until_us, until);
    assert_eq!(lab.health_of("primary").consecutive_failures, 16);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(burst(lab).await, 16);
}

/// Health is recorded with the latency of the whole request, and a provider that recovers is used.
#[tokio::test(start_paused = true)]
async fn a_provider_that_recovers_is_taken_back() {
    let status = Arc::new(AtomicU16::new(429));
    let now = status.clone();
    let lab = Lab::of(topology(&[&["primary"], &["secondary"]]), 1)
        .open()
        .await
        .provider("primary", move |_| {
            let status = now.load(Ordering::Relaxed);
            async move { answer("primary", status, &[("retry-after", "3")]) }
        })
        .await
        .always("secondary", 200, &[], Duration::from_millis(800))
        .await;
    assert_eq!(lab.ask_in_turn(2).await, "PS");
    // 800 ms, two hops each way to the client's and the provider's side, and a handshake.
    let latency = lab.health_of("secondary").latency_seconds;
    assert!((0.800..0.810).contains(&latency), "{latency}");
    status.store(200, Ordering::Relaxed);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(lab.ask_in_turn(3).await, "PPP");
    let health = lab.health_of("primary");
    assert_eq!((health.consecutive_failures, health.times_ejected), (0, 0));
    assert!((health.health - (1.0 - 0.3 * 0.7f64.powi(3))).abs() < 1e-9, "{health:?}");
}

/// From 1.0 on, a wait alone evicts nobody.
#[tokio::test(start_paused = true)]
async fn later_versions_never_fail_over_without_a_policy() {
    for personality in [Personality::Agentgateway12, Personality::Agentgateway14] {
        let groups = adding(topology(&[&["primary"], &["secondary"]]), "retry-after", "3");
        let lab = Lab::with(personality, groups, 1)
            .open()
            .await
            .always("primary", 429, &[("retry-after", "3")], FAST)
            .await
            .always("secondary", 200, &[], FAST)
            .await;
        assert_eq!(lab.ask_in_turn(6).await, "PPPPPP", "{personality}");
        // There a 429 even speaks for the provider.
        assert!((lab.health_of("primary").health - 1.0).abs() < 1e-9);
    }
}

/// The same seed gives the same events; another seed gives others.
#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    let story = async |seed: u64| {
        let lab = Lab::of(topology(&[&["primary", "secondary", "third"]]), seed)
            .open()
            .await
            .always("primary", 429, &[("retry-after", "1")], FAST)
            .await
            .always("secondary", 200, &[], Duration::from_millis(30))
            .await
            .always("third", 500, &[], FAST)
            .await;
        lab.ask_in_turn(40).await;
        lab.events().iter().map(|event| serde_json::to_string(event).unwrap()).collect::<Vec<_>>()
    };
    let first = story(7).await;
    assert_eq!(first, story(7).await);
    assert_ne!(first, story(8).await);
}
