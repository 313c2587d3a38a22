//! The request's way besides the choice of a provider: protocols, filters, timeouts, the gateway's own answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::lab::{Lab, answer, at, completion, lasting, question, topology, under, whole};
use crate::event::Kind;
use crate::gateway::upstream::{Upstream, Way};
use crate::topology::{Filter, HeaderChange, PathRewrite, Personality, Topology};
use crate::world::Net;
use crate::world::serve::serve_with_h2c;

/// The same with a filter.
fn with(filter: Filter) -> Topology {
    let mut topology = topology(&[&["primary"]]);
    topology.routes[0].rules[0].filters.push(filter);
    topology
}

/// A client that speaks HTTP/2 from the first byte on.
fn h2c_client(net: &Net) -> (Upstream, Way) {
    let way = Way { connect_timeout: None, h2c: true, tls: None };
    let mut topology = topology(&[&["any"]]);
    topology.backends[0].groups[0].providers[0].h2c = true;
    (Upstream::new(net, &topology), way)
}

#[tokio::test(start_paused = true)]
async fn the_listener_speaks_http_2_to_clients_that_begin_with_it() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let lab = lab
        .always("primary", 200, &[("x-by", "primary"), ("connection", "x-hop"), ("x-hop", "1")], Duration::ZERO)
        .await;
    let (client, way) = h2c_client(&lab.world.net);
    let opened = lab.world.net.connections();
    let ask = || async {
        let response = client.call(question(r#"{"messages":[]}"#), &way).await.unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    };
    let (head, body) = ask().await;
    assert_eq!((head.status.as_u16(), head.headers.get("x-hop")), (200, None));
    assert!(body.starts_with(b"{\"model\":\"dated-primary\""), "{body:?}");
    let (both, more) = tokio::join!(ask(), ask());
    assert_eq!((both.0.status.as_u16(), more.0.status.as_u16()), (200, 200));
    let versions = lab.told(|kind| match kind {
        crate::event::Kind::GatewayRequestReceived { arrival, .. } => arrival.version.clone(),
        _ => None,
    });
    assert_eq!(versions, ["HTTP/2.0"; 3]);
    // One from the client, and from the gateway one for each request that was under way at once.
    assert_eq!(lab.world.net.connections() - opened, 3);
    assert_eq!(lab.ask().await.status, 200, "HTTP/1.1 as before");
}

/// What a provider at an address is sent as the host: what the client named.
#[tokio::test(start_paused = true)]
async fn the_host_of_http_2_and_of_a_whole_uri_is_the_one_of_the_target() {
    let mut at_an_address = topology(&[&["primary"]]);
    let address = crate::topology::Authority::new("10.1.2.3", 8000);
    at_an_address.backends[0].groups[0].providers[0].endpoint = address.clone();
    at_an_address.routes[0].hostnames = vec!["gateway".to_owned()];
    let lab = Lab::of(at_an_address, 1).open().await;
    let listener = lab.world.net.listen(&address).await.unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let hosts = seen.clone();
    serve_with_h2c(listener, move |request: Request<_>| {
        hosts.lock().unwrap().push(request.headers()["host"].to_str().unwrap().to_owned());
        async { answer("primary", 200, &[]) }
    });
    let (client, way) = h2c_client(&lab.world.net);
    assert_eq!(client.call(question(r#"{"messages":[]}"#), &way).await.unwrap().status(), 200);

    let mut door = lab.world.net.connect(&crate::topology::Authority::new("gateway", 8080)).await.unwrap();
    let asked = "POST http://me@gateway:8080/ HTTP/1.1\r\nhost: other\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"messages\":[]}";
    door.write_all(asked.as_bytes()).await.unwrap();
    let mut got = String::new();
    door.read_to_string(&mut got).await.unwrap();
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(*seen.lock().unwrap(), ["gateway:8080"; 2]);
    let told = lab.told(|kind| match kind {
        crate::event::Kind::GatewayRequestReceived { arrival, .. } => arrival.host.clone(),
        _ => None,
    });
    assert_eq!(told, ["gateway:8080"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_its_http_2_stream_cancels_upstream() {
    let dropped: Arc<Mutex<Option<tokio::time::Instant>>> = Arc::default();
    let when = dropped.clone();
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let lab = lab
        .provider("primary", move |_| {
            let guard = super::failures::Noticed(when.clone());
            async move {
                tokio::time::sleep(Duration::from_mins(1)).await;
                drop(guard);
                answer("primary", 200, &[])
            }
        })
        .await;
    let (client, way) = h2c_client(&lab.world.net);
    let patience = Duration::from_millis(100);
    let asked = client.call(question(r#"{"messages":[]}"#), &way);
    assert!(tokio::time::timeout(patience, asked).await.is_err());
    let left = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let noticed = dropped.lock().unwrap().expect("upstream was told");
    assert_eq!(noticed - left, 2 * crate::world::net::LINK_LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_spoken_to_in_http_2_where_it_is_configured() {
    let mut h2c = topology(&[&["primary"]]);
    h2c.backends[0].groups[0].providers[0].h2c = true;
    let lab = Lab::of(h2c, 1).open().await;
    let listener = lab.world.net.listen(&at("primary")).await.unwrap();
    let seen: Arc<Mutex<Vec<Version>>> = Arc::default();
    let versions = seen.clone();
    serve_with_h2c(listener, move |request: Request<_>| {
        versions.lock().unwrap().push(request.version());
        async { answer("primary", 200, &[]) }
    });
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.contains("dated-primary")), (200, true), "{got:?}");
    assert_eq!(*seen.lock().unwrap(), [Version::HTTP_2]);

    // One that does not speak it cannot be called.
    let lab = Lab::of(
        {
            let mut h2c = topology(&[&["primary"]]);
            h2c.backends[0].groups[0].providers[0].h2c = true;
            h2c
        },
        1,
    );
    let lab = lab.open().await.always("primary", 200, &[], Duration::ZERO).await;
    assert_eq!(lab.ask().await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_no_longer_than_is_said() {
    let mut impatient = topology(&[&["primary"]]);
    // In memory a handshake takes two milliseconds.
    impatient.backends[0].groups[0].providers[0].connect_timeout = Some(Duration::from_millis(1));
    for (personality, status) in [(Personality::Agentgateway14, 503), (Personality::Reference, 502)] {
        let lab = Lab::with(personality, impatient.clone(), 1).open().await;
        let lab = lab.always("primary", 200, &[], Duration::ZERO).await;
        let got = lab.ask().await;
        assert_eq!(got.status, status, "{got:?}");
        assert!(got.body.contains("upstream call failed: Connect"), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_may_answer_itself() {
    let direct = Filter::DirectResponse { status: 418, body: "short and stout".to_owned() };
    let mut named = with(direct);
    named.routes[0].rules[0].name = Some("teapot".to_owned());
    let lab = Lab::of(named, 1).open().await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.as_str()), (418, "short and stout"));
    let told = lab.told(|kind| match kind {
        Kind::GatewayRequestEnded { answer, .. } => answer.rule.clone(),
        _ => None,
    });
    let [rule] = &told[..] else { panic!("{told:?}") };
    assert_eq!((rule.route.as_str(), rule.rule_name.as_deref()), ("ns/route", Some("teapot")));
    let redirect = Filter::Redirect {
        scheme: Some("https".to_owned()),
        hostname: None,
        port: None,
        path: Some(PathRewrite::Full("/elsewhere".to_owned())),
        status: 307,
    };
    let lab = Lab::of(with(redirect), 1).open().await;
    let got = lab.ask().await;
    assert_eq!((got.status, &got.headers["location"]), (307, &"https://gateway/elsewhere".parse().unwrap()));
    assert_eq!(lab.asked(&["primary"]), [0], "no provider is asked");
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_gets_is_what_the_filters_make_of_it() {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let change = HeaderChange {
        set: pair("x-set", "new"),
        add: pair("x-more", "2"),
        remove: vec!["x-gone".to_owned()],
        ..HeaderChange::default()
    };
    let mut topology = with(Filter::RequestHeaders(change));
    let hostname = Some("other.example.com".to_owned());
    topology.routes[0].rules[0].filters.push(Filter::UrlRewrite { hostname, path: None });
    topology.backends[0].groups[0].providers[0].path = "/own/path".to_owned();
    let seen: Arc<Mutex<Option<http::request::Parts>>> = Arc::default();
    let kept = seen.clone();
    let lab = Lab::of(topology, 1).open().await;
    let lab = lab
        .provider("primary", move |request| {
            let (head, body) = request.into_parts();
            *kept.lock().unwrap() = Some(head);
            async move {
                let asked: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
                http::Response::new(whole(completion(asked["model"].as_str().unwrap())))
            }
        })
        .await;
    let request = Request::post("http://gateway:8080/openai?x=1")
        .header("x-set", "old")
        .header("x-more", "1")
        .header("x-gone", "1")
        .body(Full::new(Bytes::from(r#"{"model":"client","messages":[]}"#)))
        .unwrap();
    let got = lab.send(request).await;
    assert!(got.body.contains("dated-model-primary"), "the provider's model takes the place of the client's: {got:?}");
    let head = seen.lock().unwrap().take().unwrap();
    let all =
        |name: &str| head.headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (all("x-set"), all("x-more"), all("x-gone")),
        (vec!["new".into()], vec!["1".into(), "2".into()], vec![])
    );
    assert_eq!((all("host"), head.uri.path()), (vec!["other.example.com".to_owned()], "/own/path"));
}

/// The gateway that one would want answers in the form that clients of OpenAI read.
#[tokio::test(start_paused = true)]
async fn the_reference_has_openai_shaped_errors() {
    let too_long = format!(r#"{{"messages":[],"x":"{}"}}"#, "y".repeat(2 * 1024 * 1024));
    for (body, status, code) in [
        ("{", 400, "invalid_request"),
        (r#"{"model":"m"}"#, 400, "invalid_request"),
        (too_long.as_str(), 413, "request_too_large"),
        (r#"{"messages":[]}"#, 502, "upstream_unreachable"),
    ] {
        let lab = Lab::with(Personality::Reference, topology(&[&["nowhere"]]), 1).open().await;
        let got = lab.send(question(body)).await;
        let json: Value = serde_json::from_str(&got.body).unwrap_or_else(|_| panic!("{got:?}"));
        assert_eq!((got.status, json["error"]["code"].as_str()), (status, Some(code)), "{got:?}");
        assert_eq!(got.headers["content-type"], "application/json");
        assert!(json["error"]["message"].is_string() && json["error"]["type"].is_string(), "{got:?}");
    }
    let mut slow = topology(&[&["primary"]]);
    slow.routes[0].rules[0].request_timeout = Some(Duration::from_secs(1));
    let lab = Lab::with(Personality::Reference, slow, 1).open().await;
    let lab = lab.always("primary", 200, &[], Duration::from_secs(9)).await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.contains("\"code\":\"timeout\"")), (504, true), "{got:?}");
}

/// From 1.3 on agentgateway is no tunnel: nobody is chosen, and so nobody is blamed.
#[tokio::test(start_paused = true)]
async fn a_tunnel_is_refused_from_1_3_on_and_blames_nobody() {
    use Personality::{Agentgateway12, Agentgateway14, Reference};
    for (personality, status, attempts) in [(Agentgateway12, 503, 1), (Agentgateway14, 405, 0), (Reference, 405, 0)] {
        let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
        let lab = lab.always("primary", 200, &[], Duration::ZERO).await;
        let mut door = lab.world.net.connect(&crate::topology::Authority::new("gateway", 8080)).await.unwrap();
        let asked = "CONNECT gateway:8080 HTTP/1.1\r\nhost: gateway:8080\r\n\r\n";
        door.write_all(asked.as_bytes()).await.unwrap();
        let mut got = vec![0; 1024];
        let length = door.read(&mut got).await.unwrap();
        let got = String::from_utf8_lossy(&got[..length]).into_owned();
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{personality}: {got}");
        if personality == Agentgateway14 {
            assert!(got.ends_with("\r\n\r\nmethod not allowed"), "{got}");
        }
        drop(door);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let chosen = lab.told(|kind| matches!(kind, Kind::ProviderSelected { .. }).then_some(()));
        assert_eq!(chosen.len(), attempts, "{personality}");
        let ends = lab.told(|kind| match kind {
            Kind::GatewayRequestEnded { status, reason, .. } => Some((*status, reason.clone())),
            _ => None,
        });
        assert_eq!(ends, [(status, Some("Internal".to_owned()))], "{personality}");
    }
}

/// A policy's expression is asked about the request that the rule has made of the client's.
#[tokio::test(start_paused = true)]
async fn expressions_see_the_request_as_the_rule_has_left_it() {
    for (condition, expected) in [
        ("request.path == '/new/v1'", 1),
        ("request.path == '/openai'", 0),
        ("request.uri == 'http://other.example.com/new/v1?x=1'", 1),
        ("request.headers['X-Set'] == 'new' && !('host' in request.headers)", 1),
    ] {
        let set = vec![("x-set".to_owned(), "new".to_owned())];
        let mut topology = with(Filter::RequestHeaders(HeaderChange { set, ..HeaderChange::default() }));
        let path = Some(PathRewrite::Full("/new/v1".to_owned()));
        let hostname = Some("other.example.com".to_owned());
        topology.routes[0].rules[0].filters.push(Filter::UrlRewrite { hostname, path });
        let topology = under(topology, condition, lasting(30));
        let lab = Lab::with(Personality::Agentgateway14, topology, 1).open().await;
        let lab = lab.always("primary", 200, &[], Duration::ZERO).await;
        let request = Request::post("http://gateway:8080/openai?x=1").header("x-set", "old");
        lab.send(request.body(Full::from(r#"{"messages":[]}"#)).unwrap()).await;
        assert_eq!(lab.health_of("primary").times_ejected, expected, "{condition}");
    }
}
