use std::collections::BTreeMap;
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value as Json, json};

use super::*;
use crate::event::{Bus, Event, Kind, Outcome, Usage};
use crate::world::clock::VIRTUAL_START;
use crate::world::{Credentials, Net};

/// Calls a router without a network.
#[derive(Clone)]
struct Client(TowerToHyperService<Router>);

impl Client {
    async fn send(&self, request: Request<Body>) -> ::http::Response<Body> {
        self.0.call(request).await.unwrap()
    }
}

type Events = Arc<Mutex<Vec<Event>>>;

fn simulator(line: &str, seed: u64) -> (Client, Events, Simulator) {
    let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let (config, _) = Config::parse(&args, &BTreeMap::new()).unwrap();
    let events = Events::default();
    let sink = {
        let events = events.clone();
        move |event: &Event| events.lock().unwrap().push(event.clone())
    };
    let clock = Clock::starting_at(VIRTUAL_START);
    let credentials = Credentials::default();
    credentials.learn("sk-1", "secret:key");
    let world = World {
        clock,
        bus: Bus::new(move || clock.now(), vec![Box::new(sink)]),
        credentials,
        seed: Seed(seed),
        net: Net::memory(),
    };
    let simulator = Simulator::new(config, world, "mock-0");
    (Client(TowerToHyperService::new(simulator.router())), events, simulator)
}

fn chat(fields: &Json) -> Request<Body> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "one two three"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Request::post("/v1/chat/completions")
        .header("x-request-id", "r-1")
        .header("x-retry-attempt", "2")
        .header("authorization", "Bearer sk-1")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn text(response: ::http::Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn ended(events: &Events) -> Vec<(u16, Outcome, Option<String>, Option<Usage>)> {
    let of = |event: &Event| match &event.kind {
        Kind::ProviderRequestEnded { status, outcome, injected, usage, .. } => {
            Some((*status, *outcome, injected.clone(), *usage))
        }
        _ => None,
    };
    events.lock().unwrap().iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_is_told_from_both_ends() {
    let (client, events, _) = simulator("--model m --mode echo", 1);
    drop(text(client.send(chat(&json!({"stream": true}))).await).await);
    drop(text(client.send(Request::get("/health").body(Body::empty()).unwrap()).await).await);
    let mut events = events.lock().unwrap();
    for event in events.iter_mut() {
        if let Kind::ProviderRequestEnded { digest, .. } = &mut event.kind {
            assert!(digest.take().is_some_and(|digest| digest.bytes > 100), "the body is told by its checksum");
        }
    }
    let kinds: Vec<&Kind> = events.iter().map(|event| &event.kind).collect();
    let request = Some("r-1".to_owned());
    let host = "mock-0".to_owned();
    assert_eq!(
        kinds,
        [
            &Kind::ProviderRequestReceived {
                request: request.clone(),
                attempt: 2,
                host: host.clone(),
                path: "/v1/chat/completions".to_owned(),
                model: Some("m".to_owned()),
                stream: true,
                credential: Some("secret:key".to_owned()),
                hop_by_hop: Vec::new(),
            },
            &Kind::ProviderRequestEnded {
                request,
                attempt: 2,
                host,
                status: 200,
                outcome: Outcome::Complete,
                injected: None,
                usage: Some(Usage { input: 8, output: 3 }),
                digest: None,
            },
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_injected_failure_is_named() {
    let (client, events, _) = simulator("--model m --failure-injection-rate 100 --failure-types rate_limit", 1);
    drop(text(client.send(chat(&json!({}))).await).await);
    assert_eq!(ended(&events), [(429, Outcome::Complete, Some("rate_limit".to_owned()), None)]);
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_is_complete_at_its_end_and_cancelled_before() {
    let (client, events, _) = simulator("--model m --mode echo --inter-token-latency 10ms", 1);
    drop(text(client.send(chat(&json!({"stream": true}))).await).await);
    let usage = Some(Usage { input: 8, output: 3 });
    assert_eq!(ended(&events), [(200, Outcome::Complete, None, usage)]);

    let mut body = client.send(chat(&json!({"stream": true}))).await.into_body();
    let first: Bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"data: "));
    drop(body);
    assert_eq!(ended(&events).last(), Some(&(200, Outcome::Cancelled, None, None)));
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_when_its_client_leaves() {
    let (client, events, simulator) = simulator("--model m --mode echo --time-to-first-token 10s --max-num-seqs 1", 1);
    let impatient = tokio::time::timeout(Duration::from_secs(1), client.send(chat(&json!({})))).await;
    assert!(impatient.is_err());
    assert_eq!(ended(&events), [(0, Outcome::Cancelled, None, None)]);
    assert_eq!(simulator.0.engine.running(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(simulator.0.engine.running(), 0);
    let metrics = text(client.send(Request::get("/metrics").body(Body::empty()).unwrap()).await).await;
    assert!(metrics.contains("vllm:request_success_total{finish_reason=\"stop\",model_name=\"m\"} 1"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_pass_through_twelve_slots() {
    let (client, _, simulator) = simulator("--model m --mode echo --time-to-first-token 3s --max-num-seqs 12", 1);
    for _ in 0..1_000 {
        let client = client.clone();
        tokio::spawn(async move { client.send(chat(&json!({}))).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((simulator.0.engine.running(), simulator.0.engine.waiting()), (12, 988));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((simulator.0.engine.running(), simulator.0.engine.waiting()), (12, 976));
    // 84 rounds of 3 seconds, the last of which has 4 requests.
    tokio::time::sleep(Duration::from_secs(247)).await;
    assert_eq!((simulator.0.engine.running(), simulator.0.engine.waiting()), (4, 0));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(simulator.0.engine.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn text_follows_from_the_seed() {
    async fn said(line: &str, seed: u64) -> String {
        let (client, ..) = simulator(line, seed);
        let answer: Json = serde_json::from_str(&text(client.send(chat(&json!({}))).await).await).unwrap();
        answer["choices"][0]["message"]["content"].to_string()
    }
    assert_eq!(said("--model m", 1).await, said("--model m", 1).await);
    assert_ne!(said("--model m", 1).await, said("--model m", 2).await);
    assert_eq!(said("--model m --seed 100", 1).await, said("--model m --seed 100", 2).await);
}

#[tokio::test(start_paused = true)]
async fn more_choices_than_could_ever_run_are_refused() {
    let (client, ..) = simulator("--model m --mode echo", 1);
    assert_eq!(client.send(chat(&json!({"n": i64::MAX}))).await.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_running_simulator_is_changed_from_outside() {
    let (client, events, simulator) = simulator("--model m --mode echo", 1);
    let changes = json!({"failure-injection-rate": 100, "failure-types": ["server_error"]});
    simulator.change(changes.as_object().unwrap()).unwrap();
    assert_eq!(client.send(chat(&json!({}))).await.status(), 503);
    assert_eq!(ended(&events).last().unwrap().2.as_deref(), Some("server_error"));
    let wrong = json!({"failure-injection-rate": 101});
    let error = simulator.change(wrong.as_object().unwrap()).unwrap_err();
    assert_eq!(error, "failure injection rate should be between 0 and 100");
    assert_eq!(simulator.config().to_json()["failure-injection-rate"], 100);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_told_too() {
    let (client, events, _) = simulator("--model m --max-request-body-size-mb 1", 1);
    let request = Request::post("/v1/completions").body(Body::from(vec![b' '; 2 * 1024 * 1024])).unwrap();
    let told = text(client.send(request).await).await;
    assert!(told.contains("larger than 1 MB"), "{told}");
    assert_eq!(ended(&events), [(413, Outcome::Complete, None, None)]);
}
