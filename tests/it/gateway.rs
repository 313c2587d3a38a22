//! The gateway alone, in front of simulators that stand alone; and agentgateway's own configuration as a
//! scenario's manifests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use labsim::Lab;
use labsim::event::Event;
use serde_json::Value;

use crate::servers::{CHAT, client, free_port, start_and_read};
use crate::support::{Running, Scratch, root, run, stderr};

const CONFIG: &str = "scenarios/standalone/manifests/health.yaml";

/// A simulator on a port of its own.
fn simulator(args: &[&str]) -> (Running, String) {
    let port = free_port();
    let (running, lines) = start_and_read(&[&["vllm-sim", "--port", &port], args].concat());
    lines.iter().find(|line| line.contains("http://")).expect("it says where it listens");
    drain(lines);
    (running, format!("127.0.0.1:{port}"))
}

fn drain(lines: Receiver<String>) {
    std::thread::spawn(move || lines.into_iter().for_each(drop));
}

/// The gateway in front of a failing simulator and one that is well; with the URLs of its port and of its
/// metrics.
fn in_front_of_two(more: &[&str]) -> (Vec<Running>, String, String) {
    let (failing, at) =
        simulator(&["--model", "mock", "--failure-injection-rate", "100", "--failure-types", "rate_limit"]);
    let (well, beside) = simulator(&["--model", "gpt-4o"]);
    let resolve = [format!("127.0.0.1:4101={at}"), format!("127.0.0.1:4102={beside}")];
    let args = ["gateway", "-f", CONFIG, "--port", "0", "--metrics-port", "0"];
    let (gateway, lines) =
        start_and_read(&[&args[..], &["--resolve", &resolve[0], "--resolve", &resolve[1]], more].concat());
    let mut urls = lines.iter().filter_map(|line| Some(line[line.find("http://")?..].trim().to_owned()));
    let (url, metrics) = (urls.next().expect("a port"), urls.next().expect("another"));
    drain(lines);
    (vec![gateway, failing, well], url, metrics)
}

#[tokio::test]
async fn the_gateway_alone_fails_over_between_real_servers() {
    let scratch = Scratch::new("gateway-alone");
    let log = scratch.path("access.log");
    let log_name = log.display().to_string();
    let (mut running, url, metrics) = in_front_of_two(&["--access-log", &log_name, "--access-log-format", "json"]);
    let ask = || async { client().post(format!("{url}/openai")).body(CHAT).send().await.unwrap().status().as_u16() };
    let health = metrics.replace("/metrics", "/health/providers");
    // Which of the two is drawn first is chance; the eviction takes effect a moment after the failure.
    let mut asked = 1;
    while ask().await != 429 {
        asked += 1;
        assert!(asked < 100, "the failing provider is never drawn");
    }
    while !is_evicted(&health, "rate-limited").await {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for _ in 0..5 {
        assert_eq!(ask().await, 200);
        asked += 1;
    }
    let text = client().get(&metrics).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("agentgateway_requests_total{"), "{text}");
    let elsewhere = client().post(format!("{url}/elsewhere")).body(CHAT).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    running[0].signal("-INT");
    assert_eq!(running[0].0.wait().unwrap().code(), Some(0), "Ctrl-C on a server exits 0");
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().count(), asked + 1, "{log}");
    let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["gateway"], &first["listener"], &first["route"]),
        (&"default/default".into(), &"listener0".into(), &"default/route0".into())
    );
    assert!(!log.contains("sk-primary"));
}

/// Whether a provider of the first group is known not to be chosen now; what happened is heard a moment later.
async fn is_evicted(health: &str, provider: &str) -> bool {
    let told: Value = client().get(health).send().await.unwrap().json().await.unwrap();
    let providers = told["replicas"][0]["backends"][0]["groups"][0]["providers"].as_array();
    providers.into_iter().flatten().any(|one| one["provider"] == provider && one["active"] == false)
}

#[test]
fn a_body_over_the_limit_is_answered_over_tcp_too() {
    let (_running, url, _) = in_front_of_two(&[]);
    let address = url.strip_prefix("http://").unwrap();
    let length = 3 * 1024 * 1024;
    for (path, status) in [("/openai", 503), ("/elsewhere", 404)] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // It reads only once all is sent.
        stream.write_all(&vec![b'x'; length]).expect("the gateway reads on");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("and ends the connection in order");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn the_gateway_alone_says_why_it_does_not_start() {
    let scratch = Scratch::new("gateway-refused");
    let bad = scratch.path("bad.yaml");
    fs::write(&bad, "binds: [{ port: 3000, listners: [] }]\n").unwrap();
    let bad = bad.display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, code, told) in [
        (&["gateway", "-f", &bad][..], 65, "did you mean `listeners`?"),
        (&["gateway", "-f", "no-such-file.yaml"], 64, "there is no such file"),
        (&["gateway", "-f", CONFIG, "--port", &port, "--metrics-port", "0"], 69, "cannot listen at 127.0.0.1:"),
        (&["gateway", "-f", CONFIG, "--resolve", "nonsense"], 64, "write the name and where it is"),
        (&["gateway", "-f", CONFIG, "--personality", "agentgateway-9"], 64, "there is no personality"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(told), "{args:?}: {}", stderr(&output));
    }
}

/// What happened in a run, without the names that Kubernetes and the configuration give differently.
fn told(scenario: &str) -> Vec<String> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = heard.clone();
    let lab = Lab::from_file(root().join(scenario)).unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = lab
        .on_event(move |event: &Event| {
            let event = serde_json::to_value(event).unwrap();
            let kept =
                ["at_us", "kind", "attempt", "status", "group", "provider", "draws", "until_us", "health", "outcome"];
            let line: Vec<String> =
                kept.iter().map(|key| event.get(*key).unwrap_or(&Value::Null).to_string()).collect();
            sink.lock().unwrap().push(line.join(" "));
        })
        .run()
        .unwrap();
    assert!(run.passed(), "{run}");
    let heard = heard.lock().unwrap();
    heard.clone()
}

#[test]
fn manifests_and_agentgateways_own_configuration_are_the_same_lab() {
    let (manifests, own) =
        (told("scenarios/health-intra-group.yaml"), told("scenarios/standalone/health-intra-group.yaml"));
    assert_eq!(manifests, own);
    assert!(own.iter().any(|line| line.contains("provider-evicted")), "{own:#?}");
}

#[test]
fn a_recording_of_agentgateways_own_configuration_holds_no_key() {
    let scratch = Scratch::new("gateway-recording");
    let recording: PathBuf = scratch.path("run.jsonl");
    let name = recording.display().to_string();
    let played = run(&["run", "scenarios/standalone/health-intra-group.yaml", "--record", &name]);
    assert_eq!(played.status.code(), Some(0), "{}", stderr(&played));
    let text = fs::read_to_string(&recording).unwrap();
    assert!(!text.contains("sk-primary") && !text.contains("sk-fallback"));
    let again = run(&["replay", &name]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}

#[test]
fn a_first_scenario_is_written_for_agentgateways_own_configuration() {
    let scratch = Scratch::new("gateway-init");
    let written = scratch.path("scenario.yaml").display().to_string();
    let config = root().join(CONFIG).display().to_string();
    let output = run(&["init", &config, "--output", &written]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = fs::read_to_string(&written).unwrap();
    assert!(text.contains("\"127.0.0.1:4102\": { args: [--model, \"gpt-4o\"] }"), "{text}");
    let played = run(&["run", &written]);
    assert_eq!(played.status.code(), Some(0), "{}\n{text}", stderr(&played));
}

#[test]
fn a_configuration_is_checked_wherever_its_hosts_are() {
    let output = run(&["check", CONFIG]);
    assert_eq!(output.status.code(), Some(0), "{}{}", crate::support::stdout(&output), stderr(&output));
}
