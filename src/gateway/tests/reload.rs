//! Another configuration in mid-run: what becomes of evictions and of requests under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::lab::{Lab, adding, topology};
use crate::event::Kind;
use crate::topology::{Auth, Credential, HealthPolicy, Personality, Topology};

const FAST: Duration = Duration::from_millis(5);

async fn lab(personality: Personality, begin: Topology) -> Lab {
    let lab = Lab::with(personality, begin, 1).open().await;
    let lab = lab.always("primary", 429, &[("retry-after", "60")], FAST).await;
    lab.always("secondary", 200, &[], FAST).await.always("third", 200, &[], FAST).await
}

fn configure(lab: &Lab, topology: Topology) {
    lab.gateway.configure(Arc::new(topology));
}

fn reset(lab: &Lab) -> Vec<Vec<String>> {
    lab.told(|kind| match kind {
        Kind::ReplicaConfigured { reset, .. } => Some(reset.iter().map(|one| one.provider.clone()).collect()),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_stays_as_it_is_keeps_its_evictions() {
    let begin = topology(&[&["primary"], &["secondary"]]);
    let lab = lab(Personality::Agentgateway012, begin.clone()).await;
    assert_eq!(lab.ask_in_turn(2).await, "PS");
    configure(&lab, adding(begin, "x-added", "1"));
    assert_eq!(reset(&lab), [Vec::<String>::new()]);
    let got = lab.ask().await;
    assert_eq!((got.headers["x-by"].to_str().unwrap(), got.headers["x-added"].to_str().unwrap()), ("secondary", "1"));
    sleep(Duration::from_secs(61)).await;
    let returned = lab.told(|kind| matches!(kind, Kind::ProviderReturned { .. }).then_some(()));
    assert_eq!(returned.len(), 1, "its end is told of once");
    assert_eq!(lab.ask_in_turn(2).await, "PS");
}

#[tokio::test(start_paused = true)]
async fn in_agentgateway_a_backend_that_changes_begins_anew_and_in_the_reference_who_stays_stays_out() {
    let (begin, more) = (topology(&[&["primary"], &["secondary"]]), topology(&[&["primary"], &["secondary", "third"]]));
    let anew = lab(Personality::Agentgateway012, begin.clone()).await;
    assert_eq!(anew.ask_in_turn(2).await, "PS");
    configure(&anew, more.clone());
    assert_eq!(reset(&anew), [["primary", "secondary"]]);
    assert_eq!(anew.ask_in_turn(1).await, "P");

    let kept = lab(Personality::Reference, begin.clone()).await;
    assert_eq!(kept.ask().await.status, 200, "it has tried again elsewhere");
    configure(&kept, more);
    assert_eq!(reset(&kept), [Vec::<String>::new()]);
    assert!(kept.health_of("primary").evicted_until_us.is_some());
    configure(&kept, topology(&[&["third"]]));
    assert_eq!(reset(&kept)[1], ["primary", "secondary"]);
    configure(&kept, begin);
    assert!(kept.health_of("primary").evicted_until_us.is_none(), "who comes again begins anew");
}

/// A backend and the policies in it are one object; a policy that is aimed at it is another.
#[tokio::test(start_paused = true)]
async fn in_agentgateway_a_backend_whose_own_policy_changes_begins_anew() {
    let begin = topology(&[&["primary"], &["secondary"]]);
    let health = |own: bool| {
        let mut after = begin.clone();
        after.backends[0].health = Some(HealthPolicy::default());
        after.backends[0].own_health = after.backends[0].health.clone().filter(|_| own);
        after
    };
    let connect_timeout = |own: bool| {
        let mut after = begin.clone();
        let provider = &mut after.backends[0].groups[0].providers[0];
        provider.connect_timeout = Some(Duration::from_secs(1));
        provider.own.connect_timeout = provider.connect_timeout.filter(|_| own);
        after
    };
    let auth = |own: bool| {
        let mut after = begin.clone();
        let provider = &mut after.backends[0].groups[0].providers[0];
        provider.auth = Auth::Credential(Credential::new("key:primary", "sk-another"));
        provider.own.auth = if own { provider.auth.clone() } else { Auth::None };
        after
    };
    let changes =
        [true, false].into_iter().flat_map(|own| [(own, health(own)), (own, connect_timeout(own)), (own, auth(own))]);
    for (own, after) in changes {
        let lab = lab(Personality::Agentgateway012, begin.clone()).await;
        assert_eq!(lab.ask_in_turn(2).await, "PS");
        configure(&lab, after);
        let expected: &[&str] = if own { &["primary", "secondary"] } else { &[] };
        assert_eq!(reset(&lab), [expected]);
        assert_eq!(lab.ask_in_turn(1).await, if own { "P" } else { "S" });
    }
}

/// What a request learns that began before goes to the configuration after, where its provider has
/// kept its state; else nobody hears of it.
#[tokio::test(start_paused = true)]
async fn a_request_under_way_finishes_as_it_began() {
    let slow = Duration::from_millis(500);
    for (later, counted) in [(adding(topology(&[&["slow"]]), "x-added", "1"), 1), (topology(&[&["slow", "other"]]), 0)]
    {
        let lab = Lab::with(Personality::Agentgateway14, topology(&[&["slow"]]), 1).open().await;
        let lab = lab.always("slow", 503, &[], slow).await.always("other", 200, &[], FAST).await;
        let asked = async {
            let got = lab.ask().await;
            assert_eq!((got.status, got.headers.get("x-added").is_some()), (503, false));
        };
        let configured = async {
            sleep(slow / 2).await;
            configure(&lab, later);
            assert_eq!(lab.health_of("slow").pending, counted, "requests under way");
        };
        tokio::join!(asked, configured);
        let health = lab.health_of("slow");
        assert_eq!((health.pending, health.consecutive_failures), (0, counted));
        let told = lab.told(|kind| matches!(kind, Kind::HealthChanged { .. }).then_some(()));
        assert_eq!(told.len(), counted as usize);
    }
}
