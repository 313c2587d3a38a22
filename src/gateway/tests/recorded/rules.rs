//! The rules in sentences that no other file plays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;

use super::super::lab::{Lab, adding, answer, lasting, retrying, topology, under};
use super::modes::{Ill, sick, stream_question};
use super::{FAST, RATE_LIMITED, VERSIONS, WITH_POLICIES, groups, lab, out_for};
use crate::event::Kind;
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14};
use crate::topology::{EvictionPolicy, Filter, HeaderChange, Topology};

/// The time of earlier attempts and of the pause between them counts as the provider's that answers.
#[tokio::test(start_paused = true)]
async fn latency_counts_from_the_clients_request() {
    let topology = retrying(under(groups(), RATE_LIMITED, lasting(3)), 1, Some(500));
    let lab = lab(Agentgateway14, topology, &[]).await;
    assert_eq!(lab.ask().await.status, 200);
    let latency = lab.health_of("secondary").latency_seconds;
    assert!((0.510..0.530).contains(&latency), "{latency}");
    assert!(lab.health_of("primary").latency_seconds < 1e-9, "failures tell no latency");
}

/// A provider whose answers to even requests come in two pieces, a second apart.
async fn in_two_pieces(version: Personality, topology: Topology, status: u16) -> Lab {
    let lab = Lab::with(version, topology, 1).open().await.always("secondary", 200, &[], FAST).await;
    lab.provider("primary", move |_| async move {
        let pieces = stream::iter(["{\"error\":", "{}}"]).then(|piece| async move {
            sleep(Duration::from_millis(500)).await;
            Ok(Frame::data(Bytes::from(piece)))
        });
        let mut response = Response::builder().status(status).header("retry-after", "3").header("x-by", "primary");
        response = response.header("content-type", "text/event-stream");
        response.body(BodyExt::boxed(StreamBody::new(pieces))).unwrap()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_when_its_body_has_ended() {
    for version in VERSIONS {
        let lab = Arc::new(in_two_pieces(version, under(groups(), RATE_LIMITED, lasting(3)), 429).await);
        let first = lab.clone();
        let first = tokio::spawn(async move { first.send(stream_question()).await });
        // The head has long come, and the body has not.
        sleep(Duration::from_millis(700)).await;
        assert_eq!(lab.health_of("primary").consecutive_failures, 0, "{version}");
        let second = lab.send(stream_question()).await;
        assert_eq!(second.headers["x-by"], "primary", "{version}: chosen before the first was accounted");
        let ends = lab.told(|kind| match kind {
            Kind::ProviderEvicted { until_us, .. } => Some(*until_us),
            _ => None,
        });
        assert_eq!(first.await.unwrap().status, 429);
        assert_eq!(ends.len(), 1, "{version}: the second failure does not prolong it");
        let began = lab.events().into_iter().find(|event| matches!(event.kind, Kind::ProviderEvicted { .. })).unwrap();
        let seconds = ends[0].since(began.at_us).as_secs_f64();
        assert!((seconds - 3.0).abs() < 1e-6, "{version}: {seconds}");
        let head = lab.told(|kind| match kind {
            Kind::AttemptStarted { .. } => Some(()),
            _ => None,
        });
        assert_eq!(head.len(), 2);
        assert!(began.at_us.0 > 1_000_000, "{version}: at the end of the body, not at the head: {}", began.at_us);
    }
}

/// A success that was begun before the eviction ends in its window.
#[tokio::test(start_paused = true)]
async fn a_success_that_ends_in_the_window_resets_the_counters_and_no_more() {
    for version in WITH_POLICIES {
        let turn = Arc::new(AtomicUsize::new(0));
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, lasting(3)), 1).open().await;
        let lab = lab.always("secondary", 200, &[], FAST).await;
        let lab = lab
            .provider("primary", move |_| {
                let first = turn.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    sleep(if first { Duration::from_secs(1) } else { FAST }).await;
                    answer("primary", if first { 200 } else { 429 }, &[])
                }
            })
            .await;
        let lab = Arc::new(lab);
        let slow = lab.clone();
        let slow = tokio::spawn(async move { slow.ask().await.status });
        sleep(Duration::from_millis(100)).await;
        assert_eq!(lab.ask().await.status, 429);
        let until = lab.health_of("primary").evicted_until_us;
        assert_eq!(lab.health_of("primary").times_ejected, 1);
        assert_eq!(slow.await.unwrap(), 200);
        let health = lab.health_of("primary");
        assert_eq!((health.consecutive_failures, health.times_ejected), (0, 0), "{version}");
        assert_eq!(health.evicted_until_us, until, "{version}");
        assert_eq!(lab.ask_in_turn(1).await, "S", "{version}");
    }
}

/// `set` takes the place of a value that nobody can read; `add` comes after it and is not looked at.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_set_replaces_the_upstreams_own() {
    let change = |set| {
        let header = vec![("retry-after".to_owned(), "3".to_owned())];
        let (set, add) = if set { (header, Vec::new()) } else { (Vec::new(), header) };
        let mut topology = groups();
        let change = HeaderChange { set, add, ..HeaderChange::default() };
        topology.routes[0].rules[0].filters.push(Filter::ResponseHeaders(change));
        topology
    };
    for (set, expected) in [(true, "PSS"), (false, "PPP")] {
        let lab = lab(Agentgateway012, change(set), &[("retry-after", "soon")]).await;
        assert_eq!(lab.ask_in_turn(3).await, expected, "set: {set}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_503_is_not_looked_at() {
    for (version, topology, expected) in [
        (Agentgateway012, groups(), None),
        (Agentgateway12, under(groups(), "", Some(EvictionPolicy::default())), Some(3.0)),
        (Agentgateway14, under(groups(), "", Some(EvictionPolicy::default())), Some(3.0)),
    ] {
        let lab = Lab::with(version, topology, 1).open().await;
        let lab = lab.always("primary", 503, &[("retry-after", "120")], FAST).await;
        assert_eq!(lab.ask().await.status, 503);
        let out = out_for(&lab, "primary");
        assert_eq!(out.is_some(), expected.is_some(), "{version}: {out:?}");
        assert!(out.zip(expected).is_none_or(|(out, expected)| (out - expected).abs() < 0.1), "{version}: {out:?}");
    }
}

/// In 0.11 a later eviction with a later deadline prolongs all that are pending.
#[tokio::test(start_paused = true)]
async fn a_later_eviction_prolongs_those_that_are_pending() {
    let lab = Lab::of(topology(&[&["primary"], &["secondary"], &["third"]]), 1).open().await;
    let lab = lab.always("primary", 429, &[("retry-after", "3")], FAST).await;
    let lab = lab.always("secondary", 429, &[("retry-after", "10")], FAST).await;
    let lab = lab.always("third", 200, &[], FAST).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
    assert!(out_for(&lab, "primary").is_some_and(|out| out < 3.0));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "S");
    assert!(out_for(&lab, "primary").is_some_and(|out| out > 9.0), "the primary is out as long as the secondary");
    sleep(Duration::from_secs(8)).await;
    assert_eq!(lab.ask_in_turn(1).await, "T");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(lab.ask_in_turn(1).await, "P");
}

#[tokio::test(start_paused = true)]
async fn thresholds_evict_when_they_are_met() {
    let with = |consecutive_failures, health_threshold| {
        Some(EvictionPolicy { consecutive_failures, health_threshold, ..lasting(60).unwrap() })
    };
    for version in WITH_POLICIES {
        for (eviction, expected) in [
            (with(None, None), "PSSSSSS"),
            (with(Some(3), None), "PPPSSSS"),
            // 1, 0.7, 0.49: strictly below, before the failure is recorded.
            (with(None, Some(0.5)), "PPPSSSS"),
            (with(None, Some(0.7)), "PPPSSSS"),
            (with(None, Some(0.71)), "PPSSSSS"),
            (with(Some(2), Some(0.1)), "PPSSSSS"),
            (with(Some(9), Some(0.5)), "PPPSSSS"),
            (with(Some(0), None), "PPPPPPP"),
            (with(Some(0), Some(0.5)), "PPPSSSS"),
        ] {
            let lab = lab(version, under(groups(), RATE_LIMITED, eviction), &[]).await;
            assert_eq!(lab.ask_in_turn(7).await, expected, "{version} {eviction:?}");
        }
    }
}

/// Two failures, a success, three failures: the third in a row evicts.
#[tokio::test(start_paused = true)]
async fn failures_count_in_a_row() {
    for version in WITH_POLICIES {
        let eviction = Some(EvictionPolicy { consecutive_failures: Some(3), ..lasting(60).unwrap() });
        let turn = Arc::new(AtomicUsize::new(0));
        let lab = Lab::with(version, under(groups(), RATE_LIMITED, eviction), 1).open().await;
        let lab = lab.always("secondary", 200, &[], FAST).await;
        let lab = lab
            .provider("primary", move |_| {
                let status = if turn.fetch_add(1, Ordering::Relaxed) == 2 { 200 } else { 429 };
                async move { answer("primary", status, &[]) }
            })
            .await;
        assert_eq!(lab.ask_in_turn(8).await, "PPPPPPSS", "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expression_sees_the_gateways_own_errors() {
    for version in WITH_POLICIES {
        for (ill, code) in [(Ill::Refuses, 503), (Ill::Malformed, 503), (Ill::Hangs, 504)] {
            let lab = sick(version, under(groups(), &format!("response.code == {code}"), lasting(3)), ill).await;
            assert_eq!(lab.ask().await.status, code, "{version} {ill:?}");
            assert!(out_for(&lab, "primary").is_some(), "{version} {ill:?}");
        }
    }
}

/// From 1.3 on an attempt that is followed by another is accounted by what its provider sent, without
/// what a filter adds: here for the back-off, not for the minute that the filter asks for.
#[tokio::test(start_paused = true)]
async fn an_earlier_attempt_is_accounted_by_its_own_headers() {
    let policy = || adding(under(groups(), RATE_LIMITED, Some(EvictionPolicy::default())), "retry-after", "60");
    let source = async |topology: Topology, headers: &'static [(&'static str, &'static str)]| {
        let lab = lab(Agentgateway14, topology, headers).await;
        lab.ask().await;
        let mut told = lab.told(|kind| match kind {
            Kind::ProviderEvicted { source, .. } => Some(source.clone()),
            _ => None,
        });
        told.sort();
        told.join(" ")
    };
    assert_eq!(source(policy(), &[]).await, "retry-after", "the last attempt by the final headers");
    // The back-off's eviction is over when the retry comes, which meets the provider again.
    assert_eq!(source(retrying(policy(), 1, Some(20)), &[]).await, "retry-after retry-backoff");
    assert_eq!(source(retrying(policy(), 1, Some(20)), &[("retry-after", "7")]).await, "retry-after");
}

#[tokio::test(start_paused = true)]
async fn without_an_access_log_0_11_accounts_nothing() {
    let place = crate::source::Place { file: crate::source::FileId(0), start: 0, end: 0 };
    let wait = &[("retry-after", "3")];
    for (version, topology, logged, unlogged) in [
        (Agentgateway012, groups(), "PSSSSS", "PPPPPP"),
        (Agentgateway12, under(groups(), RATE_LIMITED, lasting(3)), "PSSSSS", "PSSSSS"),
        (Agentgateway14, under(groups(), RATE_LIMITED, lasting(3)), "PSSSSS", "PSSSSS"),
    ] {
        assert_eq!(lab(version, topology.clone(), wait).await.ask_in_turn(6).await, logged, "{version}");
        let quiet = Topology { unlogged: Some(place), ..topology };
        let quiet = lab(version, quiet, wait).await;
        assert_eq!(quiet.ask_in_turn(6).await, unlogged, "{version}");
        assert_eq!(quiet.health_of("primary").pending, 0, "{version}");
    }
}
