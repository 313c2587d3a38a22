//! The gateway alone, in front of simulators that stand alone; and agentgateway's own configuration as a
//! scenario's manifests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
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
    let options = ["--access-log", &log_name, "--access-log-format", "json", "--access-log-body"];
    let (mut running, url, metrics) = in_front_of_two(&options);
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
    let body = first["response.body"].as_str().unwrap_or_default();
    assert!(body.starts_with('{'), "{first}");
    assert!(log.contains(r#""gen_ai.usage.cache_read.input_tokens":0"#), "{log}");
    assert!(!log.contains("sk-primary"));
}

/// Whether a provider of the first group is known not to be chosen now; what happened is heard a moment later.
async fn is_evicted(health: &str, provider: &str) -> bool {
    let told: Value = client().get(health).send().await.unwrap().json().await.unwrap();
    let providers = told["replicas"][0]["backends"][0]["groups"][0]["providers"].as_array();
    providers.into_iter().flatten().any(|one| one["provider"] == provider && one["active"] == false)
}

/// A gateway with rules that answer themselves, with one that is limited, and a provider that never answers.
const OWN_ANSWERS: &str = r"
binds:
- port: 3000
  listeners:
  - hostname: known.test
    routes:
    - name: direct
      ruleName: forgotten
      matches: [{path: {pathPrefix: /direct}}]
      policies: {directResponse: {status: 418, body: short}}
    - name: moved
      matches: [{path: {exact: /moved}}]
      policies: {requestRedirect: {path: {full: /elsewhere}, status: 307}}
    - name: limited
      matches: [{path: {pathPrefix: /limited}}]
      policies: {localRateLimit: [{maxTokens: 1, tokensPerFill: 1, fillInterval: 1h, type: requests}]}
      backends: [{ai: {name: silent, hostOverride: 127.0.0.1:4101, provider: {openAI: {model: m}}}}]
";

#[tokio::test]
async fn requests_that_reach_no_backend_are_told_by_their_rule() {
    for (personality, bind) in [("agentgateway-0.12", "unknown"), ("agentgateway-1.4", "bind/3000")] {
        let scratch = Scratch::new(&format!("own-answers-{personality}"));
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = scratch.path("config.yaml");
        fs::write(&config, OWN_ANSWERS).unwrap();
        let [log, metrics, traces] = ["access.log", "run.prom", "traces.json"].map(|name| scratch.path(name));
        let resolve = format!("127.0.0.1:4101={}", silent.local_addr().unwrap());
        let mut args = vec!["gateway", "-f", config.to_str().unwrap(), "--port", "0", "--metrics-port", "0"];
        args.extend(["--personality", personality, "--resolve", &resolve]);
        let files = [("--access-log", &log), ("--metrics", &metrics), ("--traces", &traces)];
        args.extend(files.into_iter().flat_map(|(option, path)| [option, path.to_str().unwrap()]));
        let (mut gateway, lines) = start_and_read(&args);
        let line = lines.iter().next().expect("it says where it listens");
        let url = line[line.find("http://").expect("an address")..].trim().to_owned();
        drain(lines);
        let plain = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let ask = |path: &str, host: &str| plain.post(format!("{url}{path}")).header("host", host).body(CHAT);
        let gone = ask("/limited", "known.test").timeout(std::time::Duration::from_millis(300)).send().await;
        assert!(gone.is_err(), "the client leaves before the head");
        let mut came = Vec::new();
        for (path, host) in [("/direct/a", "known.test"), ("/moved", "known.test"), ("/limited", "known.test")] {
            came.push(ask(path, host).send().await.unwrap().status().as_u16());
        }
        for (path, host) in [("/nowhere", "known.test"), ("/direct", "unknown.test")] {
            came.push(ask(path, host).send().await.unwrap().status().as_u16());
        }
        assert_eq!(came, [418, 307, 429, 404, 404]);
        gateway.signal("-INT");
        assert_eq!(gateway.0.wait().unwrap().code(), Some(0));

        let [log, metrics, traces] = [log, metrics, traces].map(|path| fs::read_to_string(path).unwrap());
        let line = |path: &str, status: u16| {
            let parts = [format!("http.path={path} "), format!("http.status={status} ")];
            log.lines().find(|line| parts.iter().all(|part| line.contains(part))).expect(&log)
        };
        for (path, status, route) in
            [("/direct/a", 418, "direct"), ("/moved", 307, "moved"), ("/limited", 429, "limited")]
        {
            let line = line(path, status);
            assert!(line.contains(&format!(" listener=listener0 route=default/{route} src.addr=")), "{line}");
            assert!(line.contains(" protocol=http "), "{line}");
        }
        assert!(line("/nowhere", 404).contains(" listener=listener0 src.addr="), "{log}");
        assert!(line("/direct", 404).contains("request src.addr="), "no gateway and no listener: {log}");

        let counted = |labels: &[&str]| {
            let is_it = |line: &&str| {
                line.starts_with("agentgateway_requests_total{") && labels.iter().all(|label| line.contains(label))
            };
            metrics.lines().filter(is_it).count()
        };
        let own = [
            r#"backend="unknown""#,
            r#"protocol="http""#,
            r#"status="418""#,
            r#"route="default/direct""#,
            r#"route_rule="unknown""#,
        ];
        assert_eq!(counted(&own), 1, "{metrics}");
        let nowhere = format!(r#"bind="{bind}",gateway="unknown",listener="unknown",route="unknown""#);
        assert_eq!(counted(&[&nowhere, r#"reason="NotFound""#]), 1, "{metrics}");
        assert_eq!(
            counted(&[r#"status="unknown",reason="unknown""#, r#"protocol="llm""#]),
            1,
            "no answer, no reason: {metrics}"
        );
        for name in ["POST /direct/*", "POST /moved", "POST /limited/*"] {
            assert!(traces.contains(&format!("\"name\":\"{name}\"")), "{name}: {traces}");
        }
    }
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
