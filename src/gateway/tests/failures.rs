//! What goes wrong, and what the client, the events and the provider's health make of it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use super::lab::{Got, Lab, MockBody, adding, answer, at, completion, question, topology, whole};
use crate::event::{Kind, Outcome};
use crate::topology::{
    Auth, Authority, Credential, Filter, HeaderChange, PathMatch, Personality, RouteMatch, Sampling, Tracing,
    WeightedBackend,
};
use crate::world::Net;
use crate::world::net::Breaker;

async fn lab_with(handler: fn(Request<Incoming>) -> Response<MockBody>) -> Lab {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    lab.provider("primary", move |request| async move { handler(request) }).await
}

/// How the request ended for the gateway: outcome, status, error, reason.
fn ending(lab: &Lab) -> (Outcome, u16, Option<String>, Option<String>) {
    let mut ends = lab.told(|kind| match kind {
        Kind::GatewayRequestEnded { outcome, status, error, reason, .. } => {
            Some((*outcome, *status, error.clone(), reason.clone()))
        }
        _ => None,
    });
    assert_eq!(ends.len(), 1, "exactly one end for each request");
    ends.remove(0)
}

fn attempt_outcomes(lab: &Lab) -> Vec<(Outcome, Option<u16>)> {
    lab.told(|kind| match kind {
        Kind::AttemptEnded { outcome, status, .. } => Some((*outcome, *status)),
        _ => None,
    })
}

/// It came back as an error of the gateway's own, and the provider was blamed for it.
fn assert_own(lab: &Lab, got: &Got, status: u16, body: &str, reason: &str) {
    assert_eq!((got.status, got.body.as_str()), (status, body));
    assert_eq!(got.headers["content-type"], "text/plain");
    let (outcome, told, error, told_reason) = ending(lab);
    assert_eq!((outcome, told), (Outcome::Complete, status));
    assert_eq!((error.as_deref(), told_reason.as_deref()), (Some(body), Some(reason)));
    assert!((lab.health_of("primary").health - 0.7).abs() < 1e-9);
    assert_eq!(lab.health_of("primary").pending, 0);
}

#[tokio::test(start_paused = true)]
async fn errors_from_upstream_pass_unchanged() {
    for status in [400, 401, 404, 429, 500, 503] {
        let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
        let lab =
            lab.provider("primary", move |_| async move { answer("primary", status, &[("x-own", "kept")]) }).await;
        let got = lab.ask().await;
        assert_eq!(got.status, status);
        assert_eq!(got.body, format!(r#"{{"error":{{"message":"primary says {status}","code":{status}}}}}"#));
        assert_eq!(got.headers["x-own"], "kept");
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(ending(&lab), (Outcome::Complete, status, None, None));
        assert!((lab.health_of("primary").health - 0.7).abs() < 1e-9, "in 0.12 any 4xx and 5xx is a failure");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_written_again_in_the_gateways_order() {
    let lab = lab_with(|_| answer("primary", 200, &[])).await;
    let got = lab.ask().await;
    assert_eq!(
        got.body,
        r#"{"model":"dated-primary","usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9},"choices":[{"message":{"content":"ok","role":"assistant"},"index":0,"finish_reason":"stop"}],"id":"1","object":"chat.completion","created":1}"#
    );
    assert_eq!(got.headers["content-length"], got.body.len().to_string().as_str());
    assert_eq!(
        lab.story("gw0-0"),
        [
            "gateway-request-received",
            "gateway-request-routed",
            "provider-selected",
            "attempt-started",
            "attempt-ended",
            "health-changed",
            "gateway-request-ended"
        ]
    );
    let models = lab.told(|kind| match kind {
        Kind::GatewayRequestEnded { request_model, response_model, usage, .. } => {
            Some((request_model.clone(), response_model.clone(), usage.map(|usage| (usage.input, usage.output))))
        }
        _ => None,
    });
    assert_eq!(models, [(Some("model-primary".to_owned()), Some("dated-primary".to_owned()), Some((5, 4)))]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    // A name that leads to nobody.
    lab.world.net.name(at("primary"), vec![at("nobody")]);
    let got = lab.ask().await;
    let text = "upstream call failed: Connect: Connection refused (os error 111)";
    assert_own(&lab, &got, 503, text, "UpstreamFailure");
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Refused, None)]);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_knows() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let got = lab.ask().await;
    assert_own(&lab, &got, 503, "backends required DNS resolution which failed", "NoHealthyBackend");
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Unresolved, None)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_before_the_head() {
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let mut listener = lab.world.net.listen(&at("primary")).await.unwrap();
    tokio::spawn(async move {
        while let Ok(mut stream) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 64];
                tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await
            });
        }
    });
    let got = lab.ask().await;
    let text = "upstream call failed: SendRequest: connection closed before message completed";
    assert_own(&lab, &got, 503, text, "UpstreamFailure");
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Reset, None)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_reset_before_the_head() {
    let lab = lab_with(|request| {
        request.extensions().get::<Breaker>().unwrap().reset();
        answer("primary", 200, &[])
    })
    .await;
    let got = lab.ask().await;
    assert_own(&lab, &got, 503, "upstream call failed: SendRequest: connection error", "UpstreamFailure");
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Reset, None)]);
}

fn broken_off(text: &'static str) -> MockBody {
    let frames = stream::iter([Some(text), None]).then(|piece| async move {
        sleep(Duration::from_millis(10)).await;
        piece.map(|text| Frame::data(Bytes::from(text))).ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    });
    BodyExt::boxed(StreamBody::new(frames))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off() {
    let lab = lab_with(|_| Response::new(broken_off("{\"model\":"))).await;
    let got = lab.ask().await;
    assert_own(&lab, &got, 503, "processing failed: response was too large", "Internal");
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Cut, Some(200))]);
}

#[tokio::test(start_paused = true)]
async fn a_successful_answer_that_is_no_chat_completion() {
    for (body, words) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"choices\":[{\"message\":{\"content\":\"half an a", "EOF while parsing a string at line 1 column 44"),
    ] {
        let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
        let lab = lab.provider("primary", move |_| async move { Response::new(whole(body)) }).await;
        let got = lab.ask().await;
        assert_own(&lab, &got, 503, &format!("processing failed: failed to parse response: {words}"), "Internal");
        assert_eq!(attempt_outcomes(&lab), [(Outcome::Complete, Some(200))]);
    }
}

/// The provider is chosen before the request is read, and so is blamed for it.
#[tokio::test(start_paused = true)]
async fn a_clients_own_mistake_is_blamed_on_the_provider() {
    let too_long = format!(r#"{{"messages":[],"x":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    for (request, words) in [
        (question("{\"model\":\"x\"}"), "failed to parse request: missing field `messages` at line 1 column 13"),
        (question(""), "failed to parse request: EOF while parsing a value at line 1 column 0"),
        (question("not json"), "failed to parse request: expected ident at line 1 column 2"),
        (
            Request::get("http://gateway:8080/v1/models").body(Full::default()).unwrap(),
            "failed to parse request: EOF while parsing a value at line 1 column 0",
        ),
        (question(&too_long), "request was too large"),
    ] {
        let lab = lab_with(|_| panic!("never asked")).await;
        let got = lab.send(request).await;
        assert_own(&lab, &got, 503, &format!("processing failed: {words}"), "Internal");
        assert_eq!(attempt_outcomes(&lab), [(Outcome::Failed, None)]);
        assert!(lab.told(|kind| matches!(kind, Kind::AttemptStarted { .. }).then_some(())).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn any_path_is_a_chat_completion_and_the_providers_path_takes_its_place() {
    for (keeps_query, expected) in [(false, "/v1/chat/completions"), (true, "/v1/chat/completions?a=b")] {
        let mut topology = topology(&[&["primary"]]);
        topology.backends[0].groups[0].providers[0].keeps_query = keeps_query;
        let lab = Lab::of(topology, 1).open().await;
        let lab = lab
            .provider("primary", |request| async move {
                let mut response = answer("primary", 200, &[]);
                response.headers_mut().insert("x-uri", request.uri().to_string().parse().unwrap());
                response
            })
            .await;
        let request = Request::post("http://gateway:8080/v1/foo?a=b").body(Full::from(r#"{"messages":[]}"#)).unwrap();
        assert_eq!(lab.send(request).await.headers["x-uri"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_is_told_of_as_such_by_all() {
    for personality in Personality::ALL {
        let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
        let long = || Response::new(whole(vec![b' '; crate::gateway::BODY_LIMIT + 1]));
        let lab = lab.provider("primary", move |_| async move { long() }).await;
        let got = lab.ask().await;
        assert!(got.body.contains("processing failed: response was too large"), "{personality}: {got:?}");
        let status = if personality == Personality::Reference { 502 } else { 503 };
        assert_eq!(got.status, status, "{personality}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long() {
    for (all, one, text) in [
        (Some(1), None, "request timeout"),
        (None, Some(1), "upstream call timeout"),
        (Some(1), Some(5), "request timeout"),
    ] {
        let mut slow = topology(&[&["primary"]]);
        slow.routes[0].rules[0].request_timeout = all.map(Duration::from_secs);
        slow.routes[0].rules[0].backend_request_timeout = one.map(Duration::from_secs);
        let lab = Lab::of(slow, 1).open().await.always("primary", 200, &[], Duration::from_secs(30)).await;
        let start = Instant::now();
        let got = lab.ask().await;
        assert_own(&lab, &got, 504, text, "Timeout");
        assert_eq!(attempt_outcomes(&lab), [(Outcome::Timeout, None)]);
        // A second, and what the way takes.
        assert!((1_000..1_010).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn no_route_is_404_and_blames_nobody() {
    let mut only_openai = topology(&[&["primary"]]);
    only_openai.routes[0].rules[0].matches =
        vec![RouteMatch { path: Some(PathMatch::Prefix("/openai".into())), ..RouteMatch::default() }];
    let lab = Lab::of(only_openai, 1).open().await;
    let request = Request::get("http://gateway:8080/else").body(Full::default()).unwrap();
    let got = lab.send(request).await;
    assert_eq!((got.status, got.body.as_str()), (404, "route not found"));
    assert_eq!(got.headers["content-type"], "text/plain");
    assert_eq!(lab.story("gw0-0"), ["gateway-request-received", "gateway-request-ended"]);
    assert!((lab.health_of("primary").health - 1.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn backends_without_weight_are_500() {
    let mut weightless = topology(&[&["primary"]]);
    weightless.routes[0].rules[0].backends = vec![WeightedBackend { backend: 0, weight: 0 }];
    let lab = Lab::of(weightless, 1).open().await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.as_str()), (500, "no valid backends"));
}

/// The filter's headers come on errors of the gateway's own, too.
#[tokio::test(start_paused = true)]
async fn response_filters_touch_every_response() {
    let mut filtered = adding(topology(&[&["primary"]]), "x-added", "yes");
    let change = HeaderChange { set: vec![("x-for-provider".into(), "1".into())], ..HeaderChange::default() };
    filtered.routes[0].rules[0].filters.push(Filter::RequestHeaders(change));
    let lab = Lab::of(filtered, 1).open().await;
    assert_eq!(lab.ask().await.headers["x-added"], "yes");
    let lab = lab
        .provider("primary", |request| async move {
            let status = if request.headers().contains_key("x-for-provider") { 200 } else { 400 };
            answer("primary", status, &[])
        })
        .await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.headers["x-added"].to_str().unwrap()), (200, "yes"));
}

/// What a provider is sent: headers of its last request.
async fn sent(auth: Auth, request: Request<Full<Bytes>>) -> (http::HeaderMap, Lab) {
    sent_by(Personality::Agentgateway012, auth, request).await
}

async fn sent_by(personality: Personality, auth: Auth, request: Request<Full<Bytes>>) -> (http::HeaderMap, Lab) {
    let seen: Arc<Mutex<http::HeaderMap>> = Arc::default();
    let store = seen.clone();
    let mut topology = topology(&[&["primary"]]);
    topology.backends[0].groups[0].providers[0].auth = auth;
    let lab = Lab::with(personality, topology, 1)
        .open()
        .await
        .provider("primary", move |request| {
            *store.lock().unwrap() = request.headers().clone();
            async { answer("primary", 200, &[]) }
        })
        .await;
    assert_eq!(lab.send(request).await.status, 200);
    let headers = seen.lock().unwrap().clone();
    (headers, lab)
}

fn with_key() -> Request<Full<Bytes>> {
    let mut request = question(r#"{"messages":[]}"#);
    request.headers_mut().insert("authorization", "Bearer sk-of-the-client".parse().unwrap());
    request.headers_mut().insert("x-request-id", "r-1".parse().unwrap());
    request.headers_mut().insert("connection", "keep-alive, x-private".parse().unwrap());
    request.headers_mut().insert("x-private", "1".parse().unwrap());
    request.headers_mut().insert("te", "trailers, gzip".parse().unwrap());
    request.headers_mut().insert("proxy-authorization", "Basic eDp5".parse().unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn a_credential_goes_where_it_belongs_and_into_no_event() {
    let own = Credential::new("secret:openai/Authorization", "Bearer sk-of-the-provider");
    let clients = (Some("Bearer sk-of-the-client"), Some("client"));
    let owns = (Some("Bearer sk-of-the-provider"), Some("secret:openai/Authorization"));
    let each = Personality::ALL.into_iter().flat_map(|personality| {
        let without = if personality == Personality::Reference { (None, None) } else { clients };
        [(Auth::None, without), (Auth::Passthrough, clients), (Auth::Credential(own.clone()), owns)]
            .map(|(auth, expected)| (personality, auth, expected))
    });
    for (personality, auth, (expected, reference)) in each {
        let (headers, lab) = sent_by(personality, auth, with_key()).await;
        assert_eq!(headers.get("authorization").map(|value| value.to_str().unwrap()), expected);
        let references = lab.told(|kind| match kind {
            Kind::AttemptStarted { credential, .. } | Kind::GatewayRequestReceived { credential, .. } => {
                Some(credential.clone())
            }
            _ => None,
        });
        assert_eq!(references, [Some("client".to_owned()), reference.map(str::to_owned)]);
        let all = format!("{:?} {}", lab.events(), serde_json::to_string(&lab.events()).unwrap());
        assert!(!all.contains("sk-of"), "{all}");
    }
}

/// Clients and providers may write a credential where none belongs: in the path, in the name of a model, where a list
/// should be.
#[tokio::test(start_paused = true)]
async fn a_credential_where_none_belongs_is_in_no_event_either() {
    let own = Credential::new("secret:openai/Authorization", "Bearer sk-of-the-provider");
    for personality in Personality::ALL {
        let mut topology = topology(&[&["primary"]]);
        topology.backends[0].groups[0].providers[0].auth = Auth::Credential(own.clone());
        let lab = Lab::with(personality, topology, 1).open().await;
        let lab = lab.provider("primary", |_| async { answer("sk-of-the-provider", 200, &[]) }).await;
        for body in [
            r#"{"model":"sk-of-the-client","messages":[]}"#,
            r#"{"messages":"sk-of-the-client"}"#,
            r#"{"messages":[],"temperature":"sk-of-the-provider"}"#,
        ] {
            let mut request = question(body);
            *request.uri_mut() =
                "http://gateway:8080/openai?key=sk-of-the-provider&again=sk-of-the-client".parse().unwrap();
            request.headers_mut().insert("authorization", "Bearer sk-of-the-client".parse().unwrap());
            lab.send(request).await;
        }
        let models = lab.told(|kind| match kind {
            Kind::GatewayRequestEnded { response_model, .. } => response_model.clone(),
            _ => None,
        });
        assert_eq!(models[0], "dated-[secret:openai/Authorization]", "{personality}");
        let all = serde_json::to_string(&lab.events()).unwrap();
        assert!(!all.contains("sk-of"), "{personality}: {all}");
    }
}

/// As an answer is compressed, so it goes on; what is offered is what can be read.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_compressed_is_read_and_compressed_again() {
    use std::io::{Read as _, Write as _};
    for personality in Personality::ALL {
        let offered: Arc<Mutex<String>> = Arc::default();
        let store = offered.clone();
        let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
        let lab = lab
            .provider("primary", move |request| {
                *store.lock().unwrap() = request.headers()["accept-encoding"].to_str().unwrap().to_owned();
                async {
                    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                    gzip.write_all(completion("primary").as_bytes()).unwrap();
                    let mut answer = answer("primary", 200, &[("content-encoding", "gzip")]);
                    *answer.body_mut() = whole(gzip.finish().unwrap());
                    answer
                }
            })
            .await;
        let mut request = question(r#"{"messages":[]}"#);
        request.headers_mut().insert("accept-encoding", "gzip, deflate, br".parse().unwrap());
        let head = lab.head(request).await;
        assert_eq!((head.status().as_u16(), head.headers()["content-encoding"].to_str().unwrap()), (200, "gzip"));
        let body = http_body_util::BodyExt::collect(head.into_body()).await.unwrap().to_bytes();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        assert!(text.starts_with(r#"{"model":"dated-primary","usage":{"prompt_tokens":5"#), "{text}");
        assert_eq!(*offered.lock().unwrap(), "gzip, deflate");
        let usage = lab.told(|kind| match kind {
            Kind::GatewayRequestEnded { usage, answer, .. } => Some((*usage, answer.body.clone())),
            _ => None,
        });
        let shown = Some(completion("primary"));
        assert_eq!(usage, [(Some(crate::event::Usage { input: 5, output: 4 }), shown)], "a log shows it as it reads");
    }
    for (encoding, personality, status, words) in [
        ("br", Personality::Agentgateway012, 503, "failed to parse response"),
        ("br", Personality::Agentgateway14, 503, "unsupported content encoding: br"),
        ("gzip", Personality::Reference, 502, "failed to encode response"),
    ] {
        let lab = Lab::with(personality, topology(&[&["primary"]]), 1).open().await;
        let lab = lab
            .provider("primary", move |_| async move {
                let mut answer = answer("primary", 200, &[("content-encoding", encoding)]);
                *answer.body_mut() = whole("\u{b}");
                answer
            })
            .await;
        let got = lab.ask().await;
        assert_eq!((got.status, got.body.contains(words)), (status, true), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_one_hop_stay_behind_and_the_request_id_goes_along() {
    let (headers, lab) = sent(Auth::None, with_key()).await;
    for gone in ["connection", "proxy-authorization", "x-private", "x-retry-attempt"] {
        assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
    }
    assert_eq!(headers["te"], "trailers", "who takes trailers is sent them");
    assert_eq!(headers["x-request-id"], "r-1");
    assert_eq!(headers["host"], "primary", "a provider's name is its host");
    assert_eq!(lab.story("r-1").len(), 7);
    let (headers, _) = sent(Auth::None, question(r#"{"messages":[]}"#)).await;
    assert_eq!(headers["x-request-id"], "gw0-0");
}

/// Where the configuration says so, the gateway begins a trace itself.
#[tokio::test(start_paused = true)]
async fn who_is_traced_is_sent_on_with_its_trace() {
    const CLIENTS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (all, none, half) = (Sampling::ALL, Sampling::NONE, Sampling(500_000));
    for (sampling, expected) in [
        (None, [(0, None), (8, None)]),
        (Some((none, all)), [(0, Some(false)), (8, Some(true))]),
        (Some((all, none)), [(8, Some(true)), (0, Some(false))]),
        (Some((half, all)), [(4, None), (8, Some(true))]),
    ] {
        let seen: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let store = seen.clone();
        let mut topology = topology(&[&["primary"]]);
        let collector = Authority::new("collector", 4317);
        topology.tracing = sampling.map(|(random, client)| Tracing { collector, grpc: true, random, client });
        let lab = Lab::of(topology, 1).open().await;
        let lab = lab
            .provider("primary", move |request| {
                let header = request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
                store.lock().unwrap().push(header);
                async { answer("primary", 200, &[]) }
            })
            .await;
        for (traceparent, (count, traced)) in [None, Some(CLIENTS)].into_iter().zip(expected) {
            for _ in 0..8 {
                let mut request = question(r#"{"messages":[]}"#);
                if let Some(traceparent) = traceparent {
                    request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
                }
                lab.send(request).await;
            }
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            let own = seen.iter().filter(|header| header.as_deref() != traceparent);
            let own: Vec<_> = own.map(|header| header.as_deref().unwrap()).collect();
            assert_eq!(own.len(), count, "{sampling:?}: {seen:?}");
            assert!(own.iter().all(|header| header.ends_with("-01")), "{own:?}");
            let told = lab.told(|kind| match kind {
                Kind::GatewayRequestReceived { arrival, .. } => Some(arrival.traced),
                _ => None,
            });
            let told = &told[told.len() - 8..];
            assert!(traced.is_none() || told.iter().all(|one| *one == traced), "{told:?}");
            assert_eq!(
                told.iter().filter(|one| **one == Some(true)).count(),
                if sampling.is_some() { count } else { 0 }
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_share_an_id_are_told_apart() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let store = seen.clone();
    let lab = Lab::of(topology(&[&["primary"]]), 1).open().await;
    let lab = lab
        .provider("primary", move |request| {
            let text = |name: &str| request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
            store.lock().unwrap().push(format!("{} {}", text("x-request-id"), text("x-labsim-request")));
            async {
                sleep(Duration::from_secs(1)).await;
                answer("primary", 200, &[])
            }
        })
        .await;
    let once = || lab.send(with_key());
    tokio::join!(once(), once(), once());
    once().await;
    let received = lab.told(|kind| match kind {
        Kind::GatewayRequestReceived { request, .. } => Some(request.clone()),
        _ => None,
    });
    assert_eq!(received, ["r-1", "r-1~gw0-0", "r-1~gw0-1", "r-1~gw0-2"], "also the one that came after the others");
    for id in &received {
        let told = lab.story(id);
        let own: Vec<_> = told.iter().filter(|kind| *kind != "health-changed").collect();
        assert_eq!((own.len(), own[0].as_str()), (6, "gateway-request-received"), "{id}: {told:?}");
        assert_eq!(own[5], "gateway-request-ended", "{id}: {told:?}");
    }
    let expected = ["r-1 -", "r-1 r-1~gw0-0", "r-1 r-1~gw0-1", "r-1 r-1~gw0-2"];
    assert_eq!(*seen.lock().unwrap(), expected, "upstream the client's id stays");
}

/// An impatient client: the provider learns of it at once, and is blamed for it.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_the_head_cancels_upstream_and_blames_the_provider() {
    let dropped: Arc<Mutex<Option<Instant>>> = Arc::default();
    let when = dropped.clone();
    let lab = Lab::of(topology(&[&["primary"]]), 1)
        .open()
        .await
        .provider("primary", move |_| {
            let guard = Noticed(when.clone());
            async move {
                sleep(Duration::from_mins(1)).await;
                drop(guard);
                answer("primary", 200, &[])
            }
        })
        .await;
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, lab.ask()).await.is_err());
    let left = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let noticed = dropped.lock().unwrap().expect("upstream was told");
    // One hop from the client to the gateway, one from there to the provider.
    assert_eq!(noticed - left, 2 * crate::world::net::LINK_LATENCY);
    assert_eq!(ending(&lab), (Outcome::Cancelled, 0, None, None));
    assert_eq!(attempt_outcomes(&lab), [(Outcome::Cancelled, None)]);
    assert!((lab.health_of("primary").health - 0.7).abs() < 1e-9);
    assert_eq!(lab.health_of("primary").pending, 0);
}

/// Says when it was dropped.
pub(super) struct Noticed(pub(super) Arc<Mutex<Option<Instant>>>);

impl Drop for Noticed {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

/// A keep-alive connection is used again, and a stream of requests opens no more.
#[tokio::test(start_paused = true)]
async fn connections_to_providers_are_kept() {
    let lab = lab_with(|_| answer("primary", 200, &[])).await;
    for _ in 0..10 {
        assert_eq!(lab.ask().await.status, 200);
    }
    // One from the client, one from the gateway.
    assert_eq!(lab.world.net.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_head_request_and_an_empty_answer_end_as_they_should() {
    let lab = lab_with(|_| Response::builder().status(503).body(whole("")).unwrap()).await;
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.as_str()), (503, ""));
    assert_eq!(ending(&lab), (Outcome::Complete, 503, None, None));
    let lab = lab_with(|_| answer("primary", 200, &[])).await;
    let got = lab.send(Request::head("http://gateway:8080/").body(Full::default()).unwrap()).await;
    assert_eq!((got.status, got.body.as_str()), (503, ""));
    assert_eq!(ending(&lab).0, Outcome::Complete);
}

/// A body in many pieces is put together.
#[tokio::test(start_paused = true)]
async fn an_answer_in_pieces_is_put_together() {
    let lab = lab_with(|_| {
        let pieces: Vec<_> = completion("primary").into_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
        let frames = stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    })
    .await;
    let got = lab.ask().await;
    assert_eq!(got.status, 200);
    assert!(got.body.starts_with(r#"{"model":"dated-primary","usage""#), "{}", got.body);
}

/// Over TCP and in real time the same is said as in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tcp_it_is_the_same() {
    let lab = Lab::on(Net::tcp(), Personality::Agentgateway012, topology(&[&["primary"], &["secondary"]]), 1);
    let lab = lab.open().await;
    let lab = lab.provider("primary", |_| async { answer("primary", 429, &[("retry-after-ms", "1000")]) }).await;
    let lab = lab
        .provider("secondary", |request| async move {
            request.extensions().get::<Breaker>().unwrap().reset();
            std::future::pending::<Response<MockBody>>().await
        })
        .await;
    assert_eq!(lab.ask().await.status, 429);
    let got = lab.ask().await;
    assert_eq!((got.status, got.body.as_str()), (503, "upstream call failed: SendRequest: connection error"));
    lab.world.net.name(at("secondary"), vec![at("nobody")]);
    let text = "upstream call failed: Connect: Connection refused (os error 111)";
    assert_eq!(lab.ask().await.body, text);
    sleep(Duration::from_millis(1_050)).await;
    assert_eq!(lab.ask().await.status, 429);
    assert_eq!(lab.told(|kind| matches!(kind, Kind::ProviderReturned { .. }).then_some(())).len(), 1);
}
