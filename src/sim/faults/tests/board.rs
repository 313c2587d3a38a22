//! Who is struck, when, and what is told of it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::{End, HOST, PATIENCE, TOKENS, authority, in_virtual_time};
use crate::event::{At, History, Kind, Outcome};
use crate::fault::{Aim, Clear, Fault, Injection, Target};
use crate::topology::Topology;

#[test]
fn counts_and_chance_choose_who_is_struck() {
    in_virtual_time(async |rig| {
        for (window, statuses) in [
            ("window: {first: 2}", "503 503 200 200 200 200"),
            ("window: {every: 3}", "200 200 503 200 200 503"),
            ("window: {first: 1, every: 2}", "200 503 200 200 200 200"),
            ("probability: 0", "200 200 200 200 200 200"),
        ] {
            rig.inject(&format!("{{fault: status, {window}}}"));
            assert_eq!(rig.statuses(6).await, statuses, "{window}");
            rig.board.clear(&Clear::All);
        }
        rig.inject("{fault: status, probability: 0.25}");
        let struck = rig.statuses(400).await.matches("503").count();
        assert!((70..130).contains(&struck), "{struck} of 400");
        assert_eq!((rig.board.active()[0].met, rig.board.active()[0].struck), (400, struck as u64));
    });
}

#[test]
fn the_same_seed_strikes_the_same() {
    let run = || {
        in_virtual_time(async |rig| {
            rig.inject("{fault: status, probability: 0.5}");
            rig.inject("{fault: {delay: {time: {exponential: {mean: 1s}}}}, probability: 0.5}");
            (rig.statuses(40).await, rig.events())
        })
    };
    assert_eq!(run(), run());
}

#[test]
fn a_window_of_time_is_kept_to_the_microsecond() {
    in_virtual_time(async |rig| {
        let start = Instant::now();
        rig.inject("{fault: status, window: {after: 1s, for: 2s}}");
        rig.inject("{fault: refuse, window: {after: 5s, for: 1s}}");
        let at = async |millis: u64| {
            // A handshake takes 2 ms, the way there 1 ms.
            tokio::time::sleep_until(start + Duration::from_millis(millis - 3)).await;
            rig.statuses(1).await
        };
        assert_eq!([at(999).await, at(1_000).await, at(2_999).await, at(3_000).await], ["200", "503", "503", "200"]);
        assert_eq!([at(5_002).await, at(5_003).await, at(6_002).await, at(6_003).await], ["200", "---", "---", "200"]);
        let cleared = rig.events().into_iter().filter_map(|event| match event.kind {
            Kind::FaultCleared { fault_id, reason } => Some((fault_id, reason, event.at_us)),
            _ => None,
        });
        let expired = |id, second: u64| (id, "expired".to_owned(), At(second * 1_000_000));
        assert_eq!(cleared.collect::<Vec<_>>(), [expired(1, 3), expired(2, 6)]);
        assert_eq!(rig.board.active(), []);
    });
}

#[test]
fn a_fault_meets_its_target_and_nobody_else() {
    in_virtual_time(async |rig| {
        let model = |model: &str| Aim { model: Some(model.to_owned()), ..Aim::host(HOST) };
        let status = || Injection::new(Fault::named("status").unwrap());
        for (aim, statuses) in
            [(model("m"), "503"), (model("other"), "200"), (Aim::host("elsewhere"), "200"), (Aim::default(), "503")]
        {
            rig.board.inject(status(), aim);
            assert_eq!(rig.statuses(1).await, statuses);
            rig.board.clear(&Clear::All);
        }
        let refuse = || Injection::new(Fault::named("refuse").unwrap());
        let link = |text: &str| Target::parse(text).unwrap().aim(&Topology::default()).unwrap();
        for (aim, statuses) in
            [(link("client"), "---"), (link("gateway -> *"), "200"), (link("gateway"), "200"), (link("*"), "---")]
        {
            rig.board.inject(refuse(), aim);
            assert_eq!(rig.statuses(1).await, statuses);
            rig.board.clear(&Clear::All);
        }
    });
}

#[test]
fn operators_paths_are_left_alone() {
    in_virtual_time(async |rig| {
        rig.inject("status");
        let mut stream = rig.world.net.connect(&authority()).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    });
}

#[test]
fn an_answer_in_the_simulators_place_is_told_as_its_own() {
    in_virtual_time(async |rig| {
        rig.world.credentials.learn("sk-1", "secret:key");
        rig.inject("{fault: {status: {code: 503}}, name: outage}");
        let headers = "x-request-id: req-7\r\nx-retry-attempt: 1\r\nauthorization: Bearer sk-1\r\n";
        let body = r#"{"model":"m","stream":true}"#;
        rig.ask_with(body, headers, PATIENCE).await;
        let told: Vec<Kind> = rig.events().into_iter().map(|event| event.kind).collect();
        let request = || Some("req-7".to_owned());
        assert_eq!(
            told[1..],
            [
                Kind::FaultStruck {
                    fault_id: 1,
                    fault: "status".to_owned(),
                    request: request(),
                    attempt: 1,
                    place: HOST.to_owned()
                },
                Kind::ProviderRequestReceived {
                    request: request(),
                    attempt: 1,
                    host: HOST.to_owned(),
                    path: "/v1/chat/completions".to_owned(),
                    model: Some("m".to_owned()),
                    stream: true,
                    credential: Some("secret:key".to_owned()),
                    hop_by_hop: Vec::new(),
                },
                Kind::ProviderRequestEnded {
                    request: request(),
                    attempt: 1,
                    host: HOST.to_owned(),
                    status: 503,
                    outcome: Outcome::Complete,
                    injected: Some("status".to_owned()),
                    usage: None,
                    digest: None,
                },
            ]
        );
        let Kind::FaultInjected { injection, target, .. } = &told[0] else { panic!("{told:?}") };
        assert_eq!((target.as_str(), injection["name"].as_str()), ("*", Some("outage")));
        let again: Injection = serde_json::from_value(injection.clone()).unwrap();
        assert_eq!(again.fault.name(), "status");
        let history = History::of(&rig.events());
        assert_eq!((history.served[0].injected.as_deref(), history.faults[0].strikes), (Some("status"), 1));
    });
}

#[test]
fn secrets_in_a_fault_are_not_told() {
    in_virtual_time(async |rig| {
        rig.world.credentials.learn("sk-secret-1", "secret:key");
        rig.inject("{status: {body: the key is sk-secret-1}}");
        assert!(!format!("{:?}", rig.events()).contains("sk-secret-1"));
    });
}

#[test]
fn what_a_fault_held_back_comes_when_it_is_cleared() {
    for fault in
        ["{stall: {after: 2}}", "black-hole", "{black-hole: {handshake: true}}", "{black-hole: {direction: upstream}}"]
    {
        in_virtual_time(async |rig| {
            rig.inject(fault);
            let board = rig.board.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(10)).await;
                board.clear(&Clear::All);
            });
            let wire = rig.ask(true, PATIENCE).await;
            assert_eq!((wire.tokens(), wire.end), (TOKENS.concat(), End::Eof), "{fault}");
            assert!((10_000..10_100).contains(&wire.when("five")), "{fault}: {}", wire.when("five"));
        });
    }
}

#[test]
fn faults_add_up() {
    in_virtual_time(async |rig| {
        rig.inject("{delay: {time: 1s}}");
        rig.inject("{stall: {after: 1, for: 2s}}");
        rig.inject("{cut: {after: 3, how: end}}");
        rig.inject("{latency: {time: 500ms}}");
        let wire = rig.ask(true, PATIENCE).await;
        assert_eq!((wire.tokens().as_str(), wire.end), ("one two three ", End::Eof));
        // The handshake and every byte downstream are half a second later.
        assert_eq!([wire.when("assistant"), wire.when("one"), wire.when("two")], [2_004, 2_014, 4_014]);
        rig.inject("status");
        assert_eq!(rig.statuses(1).await, "503");
    });
}

/// Many requests while everything fails at random: each has one end, and nothing is left over.
#[test]
fn nothing_is_left_over_when_everything_fails_at_random() {
    in_virtual_time(async |rig| {
        let faults = Fault::all().into_iter().map(|fault| Injection { probability: 0.06, ..Injection::new(fault) });
        for injection in faults {
            rig.board.inject(injection, Aim::host(HOST));
        }
        let mut ends = std::collections::BTreeMap::new();
        for _ in 0..100 {
            let asks = (0..30).map(|number| rig.ask(number % 4 > 0, PATIENCE));
            for wire in futures_util::future::join_all(asks).await {
                *ends.entry(format!("{:?}", wire.end)).or_insert(0) += 1;
            }
        }
        assert_eq!(ends.values().sum::<i32>(), 3_000);
        assert!(
            ["Eof", "Reset", "Refused", "Unresolved", "Silence"].iter().all(|end| ends.contains_key(*end)),
            "{ends:?}"
        );
        assert!(!ends.contains_key("Other"), "{ends:?}");
        rig.board.clear(&Clear::All);
        sleep(Duration::from_hours(1)).await;
        assert_eq!(rig.server.open_connections(), 0);
        // The one that accepts.
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
    });
}
