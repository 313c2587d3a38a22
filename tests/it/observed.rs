//! Access log, metrics, traces and health: what a gateway's operators would look at.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use serde_json::Value as Json;

use crate::servers::{CHAT, client, start_and_read};
use crate::support::{Scratch, run, stderr, stdout};

const INTRA: &str = "scenarios/intra-group.yaml";
const LOG: [&str; 6] = ["run", INTRA, "--access-log", "-", "--access-log-format", "json"];

/// What the lab tells its readers to type.
const FILTER: &str =
    r#"select(.scope == "request") | {status: ."http.status", endpoint: .endpoint, duration: .duration}"#;

#[test]
fn the_labs_jq_filter_prints_what_the_lab_prints() {
    let log = run(&LOG);
    assert_eq!(log.status.code(), Some(0));
    assert!(stderr(&log).contains("PASS  Intra-group failover"), "what people read goes to the other stream");
    let Ok(mut jq) = Command::new("jq").arg(FILTER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("passed over: there is no jq here");
        return;
    };
    jq.stdin.take().expect("its input").write_all(&log.stdout).expect("jq reads");
    let printed = stdout(&jq.wait_with_output().expect("jq ends"));
    let expected = r#"{
  "status": 429,
  "endpoint": "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000",
  "duration": "4ms"
}
{
  "status": 200,
  "endpoint": "api.openai.com:443",
  "duration": "1041ms"
}
"#;
    assert!(printed.starts_with(expected), "{printed}");
    assert_eq!(printed.matches("\"status\"").count(), 11, "{printed}");
}

#[test]
fn a_log_in_a_file_says_the_same() {
    let scratch = Scratch::new("access-log");
    let file = scratch.path("access.log");
    let path = file.to_str().expect("a plain path");
    let output = run(&["run", INTRA, "--access-log", path, "--access-log-format", "json"]);
    assert_eq!(stdout(&output), stdout(&run(&["run", INTRA])), "the lines for people stay where they are");
    let text = fs::read_to_string(&file).expect("the log");
    assert_eq!(text, stdout(&run(&LOG)));
}

#[test]
fn a_log_shows_bodies_where_it_is_asked_to() {
    let scratch = Scratch::new("bodies");
    let (asked, not_asked) = (scratch.path("asked.jsonl"), scratch.path("not-asked.jsonl"));
    let recorded = |path: &Path| fs::read_to_string(path).expect("the recording");
    let bodies = run(&[&LOG[..], &["--access-log-body", "--record", asked.to_str().unwrap()]].concat());
    let lines: Vec<Json> = stdout(&bodies).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let body = |line: usize| lines[line]["response.body"].as_str().unwrap_or_default().to_owned();
    assert!(body(0).contains("Rate limit reached"), "{}", lines[0]);
    let second: Json = serde_json::from_str(&body(1)).expect("a completion");
    assert_eq!(second["choices"][0]["message"]["content"], "Four.", "{second}");
    assert!(!recorded(&asked).contains("sk-"), "no credential is in it");
    let again = run(&["replay", asked.to_str().unwrap(), "--no-tui", "--access-log", "-", "--access-log-body"]);
    assert!(stdout(&again).contains(" response.body=\"{"), "{}", stdout(&again));

    let without = run(&[&LOG[..], &["--record", not_asked.to_str().unwrap()]].concat());
    assert!(!stdout(&without).contains("response.body"));
    assert!(recorded(&asked).len() > recorded(&not_asked).len() + 1_000, "who does not ask does not pay");
}

#[test]
fn metrics_and_traces_are_written_when_a_run_ends() {
    let scratch = Scratch::new("metrics");
    let (metrics, traces) = (scratch.path("run.prom"), scratch.path("run.otlp.json"));
    let (to_metrics, to_traces) = (metrics.to_str().unwrap(), traces.to_str().unwrap());
    let output = run(&["run", INTRA, "--metrics", to_metrics, "--traces", to_traces]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = fs::read_to_string(&metrics).expect("metrics");
    assert_eq!((requests(&text, "429"), requests(&text, "200")), (2, 9), "{text}");
    let spans = fs::read_to_string(&traces).expect("traces");
    let spans: Json = serde_json::from_str(&spans).expect("JSON");
    let spans = spans["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
    assert_eq!(spans.len(), 22, "a span for each of 11 requests and each of their attempts");
}

#[test]
fn several_runs_have_a_file_each() {
    let scratch = Scratch::new("several");
    let folder = scratch.path("metrics");
    let (passes, fails) = ("tests/cases/passes/scenario.yaml", "tests/cases/fails-pattern/scenario.yaml");
    run(&["run", passes, fails, "--metrics", folder.to_str().unwrap()]);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["tests-cases-fails-pattern-scenario.prom", "tests-cases-passes-scenario.prom"]);
}

#[test]
fn traces_are_posted_to_a_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let collector = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !whole(&request) {
            let count = stream.read(&mut buffer).expect("a request");
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").expect("an answer");
        String::from_utf8(request).expect("text")
    });
    let output = run(&["run", INTRA, "--quiet", "--traces", &format!("http://{address}")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let request = collector.join().expect("the collector");
    assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{request}");
    let body: Json = serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert!(body["resourceSpans"].is_array());

    let nobody = run(&["run", INTRA, "--quiet", "--traces", &format!("http://{address}")]);
    assert_eq!(nobody.status.code(), Some(69));
    assert!(stderr(&nobody).contains("error: cannot send the traces: "), "{nobody:?}");
    assert!(stdout(&nobody).contains("PASS"), "the verdict is told all the same");
}

/// Takes one call over HTTP/2 without TLS, answers it with these trailers, and tells what came.
fn grpc_collector(trailers: &[(&'static str, &'static str)]) -> (String, std::thread::JoinHandle<(String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("its address").to_string();
    let trailers: HeaderMap =
        trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let collector = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let (stream, _) = listener.accept().await.expect("a connection");
            let (heard, mut calls) = tokio::sync::mpsc::unbounded_channel();
            let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (heard, trailers) = (heard.clone(), trailers.clone());
                async move {
                    let kind = request.headers()["content-type"].to_str().expect("text").to_owned();
                    let call = format!("{} {kind}", request.uri().path());
                    let body = request.into_body().collect().await.expect("a body").to_bytes();
                    let _ = heard.send((call, body));
                    // A message without fields, as a collector that is content answers.
                    let empty = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) });
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(empty))
                }
            });
            let server = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            let _ = server.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
            calls.recv().await.expect("a call")
        })
    });
    (address, collector)
}

#[test]
fn traces_are_sent_to_a_collector_that_speaks_grpc() {
    let (address, collector) = grpc_collector(&[("grpc-status", "0")]);
    let to = format!("http://{address}");
    let output = run(&["run", INTRA, "--quiet", "--traces", &to, "--traces-protocol", "grpc"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (call, body) = collector.join().expect("the collector");
    assert_eq!(call, "/opentelemetry.proto.collector.trace.v1.TraceService/Export application/grpc");
    let (prefix, message) = body.split_at(5);
    assert_eq!((prefix[0], u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize), (0, message.len()));
    let export = <labsim::report::traces::Export as prost::Message>::decode(message).expect("protobuf");
    let told: Json = serde_json::from_str(&export.json()).expect("JSON");
    assert_eq!(told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").len(), 22);

    let (address, collector) = grpc_collector(&[("grpc-status", "8"), ("grpc-message", "too much")]);
    let to = format!("http://{address}");
    let refused = run(&["run", INTRA, "--quiet", "--traces", &to, "--traces-protocol", "grpc"]);
    collector.join().expect("the collector");
    assert_eq!(refused.status.code(), Some(69));
    let told = "error: cannot send the traces: the collector answers RESOURCE_EXHAUSTED: too much";
    assert!(stderr(&refused).contains(told), "{refused:?}");

    let file = run(&["run", INTRA, "--quiet", "--traces", "/dev/null", "--traces-protocol", "grpc"]);
    assert_eq!(file.status.code(), Some(64), "{file:?}");
}

/// Whether a request has come with all of its body.
fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
    length.is_none_or(|length: usize| body.len() >= length)
}

/// How many requests were answered with a status.
fn requests(metrics: &str, status: &str) -> u64 {
    let wanted = format!("status=\"{status}\"");
    let lines =
        metrics.lines().filter(|line| line.starts_with("agentgateway_requests_total{") && line.contains(&wanted));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn up_tells_metrics_and_health() {
    let scratch = Scratch::new("up");
    let (log, traces) = (scratch.path("access.log"), scratch.path("traces.json"));
    let args = ["up", "scenarios/inter-group.yaml", "--port", "0", "--metrics-port", "0", "--access-log"];
    let args: Vec<&str> =
        args.into_iter().chain([log.to_str().unwrap(), "--traces", traces.to_str().unwrap()]).collect();
    let (mut running, lines) = start_and_read(&args);
    let at = |what: &str| {
        let line = lines.iter().find(|line| line.starts_with(what)).expect("it says where it listens");
        line[line.find("http://").expect("an address")..].to_owned()
    };
    let (gateway, metrics) = (at("gateway"), at("metrics"));
    let base = metrics.trim_end_matches("/metrics").to_owned();
    lines.iter().find(|line| line.starts_with("Ctrl-C")).expect("it is ready");
    let get = |path: &'static str| {
        let url = format!("{base}{path}");
        async move { client().get(url).send().await.unwrap() }
    };
    assert_eq!(get("/healthz/ready").await.status(), 200);
    let mut came = Vec::new();
    for _ in 0..3 {
        let ask = client().post(format!("{gateway}/openai")).header("content-type", "application/json").body(CHAT);
        came.push(ask.send().await.unwrap().status().as_u16());
    }
    assert_eq!(came, [429, 200, 200]);
    let answer = get("/metrics").await;
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version="));
    let text = answer.text().await.unwrap();
    assert_eq!((requests(&text, "429"), requests(&text, "200")), (1, 2), "{text}");
    assert_eq!(requests(&get("/stats/prometheus").await.text().await.unwrap(), "200"), 2);
    let health: Json = get("/health/providers").await.json().await.unwrap();
    let first = &health["replicas"][0]["backends"][0]["groups"][0]["providers"][0];
    assert_eq!((&first["provider"], &first["active"]), (&"mock-ratelimit-provider".into(), &false.into()), "{health}");
    let left = first["evicted_for_seconds"].as_f64().unwrap();
    assert!(left > 30.0 && left < 60.0, "{left} of 60 seconds are left");
    assert_eq!(get("/elsewhere").await.status(), 404);
    assert_eq!(client().post(&metrics).send().await.unwrap().status(), 405);
    assert_eq!(fs::read_to_string(&log).expect("the log").lines().count(), 3, "the log is written as requests end");
    running.signal("-INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let text = fs::read_to_string(&traces).expect("the traces");
    let spans: usize = text.lines().map(|line| line.matches("\"spanId\"").count()).sum();
    assert_eq!(spans, 6, "{text}");
}

/// Clients that give each of their requests the same id: logs, metrics, spans and verdicts count them all the same.
#[tokio::test]
async fn requests_that_share_an_id_are_reported_one_by_one() {
    let scratch = Scratch::new("one-id");
    let (log, metrics) = (scratch.path("access.log"), scratch.path("run.prom"));
    let (traces, recording) = (scratch.path("traces.json"), scratch.path("run.jsonl"));
    let mut args = vec!["up", INTRA, "--port", "0", "--metrics-port", "0", "--access-log-format", "json"];
    args.push("--access-log-body");
    let files = [("--access-log", &log), ("--metrics", &metrics), ("--traces", &traces), ("--record", &recording)];
    args.extend(files.into_iter().flat_map(|(option, path)| [option, path.to_str().unwrap()]));
    let (mut running, lines) = start_and_read(&args);
    let line = lines.iter().find(|line| line.starts_with("gateway")).expect("it says where it listens");
    let gateway = line[line.find("http://").expect("an address")..].to_owned();
    lines.iter().find(|line| line.starts_with("Ctrl-C")).expect("it is ready");
    let ask = || {
        let ask = client().post(format!("{gateway}/openai")).header("content-type", "application/json");
        ask.header("x-request-id", "abc").body(CHAT).send()
    };
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let came = [one.unwrap(), two.unwrap(), three.unwrap()];
    for answer in came {
        answer.bytes().await.unwrap();
    }
    running.signal("-INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(&log).expect("the log");
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.lines().all(|line| line.contains("\"http.path\":\"/openai\"")), "{log}");
    assert!(log.lines().all(|line| line.contains("\"response.body\":\"{")), "{log}");
    let metrics = fs::read_to_string(&metrics).expect("the metrics");
    let counted = metrics.lines().filter(|line| line.starts_with("agentgateway_requests_total"));
    let counted: Vec<_> = counted.collect();
    assert!(counted.iter().all(|line| line.contains("backend=\"agentgateway-system/")), "{counted:#?}");
    assert!(!metrics.contains("status=\"unfinished\""), "{metrics}");
    let spans = fs::read_to_string(&traces).expect("the traces");
    let ids: BTreeSet<&str> = spans.split("\"spanId\":\"").skip(1).map(|rest| &rest[..16]).collect();
    assert_eq!(ids.len(), 6, "a span for each request and each attempt: {spans}");
    let again = run(&["replay", recording.to_str().unwrap(), "--no-tui"]);
    assert!(!stdout(&again).contains("saw"), "client, gateway and provider agree: {}", stdout(&again));
    assert_ne!(again.status.code(), Some(1), "{}", stdout(&again));
}

#[test]
fn a_metrics_port_that_is_taken_is_told_with_69() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let output = run(&["up", "scenarios/inter-group.yaml", "--port", "0", "--metrics-port", &port]);
    assert_eq!(output.status.code(), Some(69));
    let told = stderr(&output);
    assert!(told.contains(&format!("error: cannot listen at 127.0.0.1:{port} for metrics and health")), "{told}");
    assert!(told.contains("help: "), "{told}");
}
