//! The servers that stay up, with clients that are not ours.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::{Running, Scratch, labsim, root, run, stderr};

/// Starts a server and gives the address that it says it has.
fn start(args: &[&str]) -> (Running, String) {
    let (running, lines) = start_and_read(args);
    let line = lines.iter().find(|line| line.contains("http://127.0.0.1:")).expect("it says where it listens");
    std::thread::spawn(move || lines.into_iter().for_each(drop));
    let at = line.find("http://").expect("an address");
    (running, line[at..].trim().to_owned())
}

/// Starts a server and gives the lines that it tells on both streams, as they come.
pub(crate) fn start_and_read(args: &[&str]) -> (Running, std::sync::mpsc::Receiver<String>) {
    let mut command = labsim();
    command.args(args);
    start_command(command)
}

/// The same for a command that has been prepared.
pub(crate) fn start_command(mut command: Command) -> (Running, std::sync::mpsc::Receiver<String>) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().expect("labsim starts"));
    let out = BufReader::new(running.0.stdout.take().expect("its output"));
    let err = BufReader::new(running.0.stderr.take().expect("its complaints"));
    let (sender, receiver) = std::sync::mpsc::channel();
    for lines in [Box::new(out.lines()) as Box<dyn Iterator<Item = _> + Send>, Box::new(err.lines())] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    drop(sender);
    (running, receiver)
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

pub(crate) const CHAT: &str = r#"{"model": "", "messages": [{"role": "user", "content": "What is 2+2?"}]}"#;

#[tokio::test]
async fn up_answers_as_the_lab_documents() {
    let (mut running, url) = start(&["up", "scenarios/inter-group.yaml", "--port", "0", "--metrics-port", "0"]);
    let ask = || client().post(format!("{url}/openai")).header("content-type", "application/json").body(CHAT).send();
    let first = ask().await.unwrap();
    assert_eq!(first.status(), 429);
    assert_eq!(first.headers()["retry-after"], "60");
    assert_eq!(
        first.text().await.unwrap(),
        r#"{"error":{"message":"Rate limit reached for mock-gpt-4o in organization org-xxx on requests per min (RPM): Limit 3, Used 3, Requested 1.","type":"RateLimitError","param":null,"code":429}}"#
    );
    for _ in 0..2 {
        let answer = ask().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        assert!(text.starts_with(r#"{"model":"gpt-4o-mini-2024-07-18","#), "{text}");
        assert!(text.contains(r#""content":"Four.""#), "{text}");
    }
    let elsewhere = client().post(format!("{url}/elsewhere")).body(CHAT).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    running.signal("-INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(0), "Ctrl-C on a server exits 0");
}

#[tokio::test]
async fn the_vllm_simulator_runs_alone() {
    let (mut running, url) = start(&[
        "vllm-sim",
        "--model",
        "mock-gpt-4o",
        "--port",
        &free_port(),
        "--failure-injection-rate",
        "100",
        "--failure-types",
        "rate_limit",
    ]);
    let answer = client().post(format!("{url}/v1/chat/completions")).body(CHAT).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().get("retry-after").is_none());
    let models: serde_json::Value =
        client().get(format!("{url}/v1/models")).send().await.unwrap().json().await.unwrap();
    assert_eq!(models["data"][0]["id"], "mock-gpt-4o");
    assert_eq!(client().get(format!("{url}/health")).send().await.unwrap().status(), 200);
    running.signal("-TERM");
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_fake_openai_runs_alone() {
    let (_running, url) = start(&["openai", "--port", "0", "--api-key", "sk-right", "--latency", "none"]);
    let body = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "What is 2+2?"}]}"#;
    let ask = |key: &str| {
        client()
            .post(format!("{url}/v1/chat/completions"))
            .bearer_auth(key)
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let answer: serde_json::Value = ask("sk-right").await.unwrap().json().await.unwrap();
    assert_eq!(answer["model"], "gpt-4o-2024-08-06");
    assert_eq!(answer["choices"][0]["message"]["content"], "Four.");
    let refused = ask("sk-wrong").await.unwrap();
    assert_eq!(refused.status(), 401);
    let refused: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(refused["error"]["code"], "invalid_api_key");
    assert!(!refused.to_string().contains("sk-right"));
}

/// A fault from the command line, then one through `/admin/faults`, on a simulator that answers `body`.
async fn faults_come_and_go(url: &str, body: &str) {
    let ask = || {
        let post = client().post(format!("{url}/v1/chat/completions")).bearer_auth("sk-right");
        post.header("content-type", "application/json").body(body.to_owned()).send()
    };
    let statuses = [ask().await.unwrap().status(), ask().await.unwrap().status()];
    assert_eq!(statuses, [418, 200], "the one from the command line strikes the first request");
    let faults = format!("{url}/admin/faults");
    let injected = client().post(&faults).body("{fault: {status: {code: 429}}, window: {first: 1}}").send().await;
    let injected = injected.unwrap();
    assert_eq!(injected.status(), 201);
    assert_eq!(injected.json::<serde_json::Value>().await.unwrap()["id"], 2);
    let statuses = [ask().await.unwrap().status(), ask().await.unwrap().status()];
    assert_eq!(statuses, [429, 200]);
    client().post(&faults).body("{cut: {after: 0, how: reset}}").send().await.unwrap();
    let broken = match ask().await {
        Ok(answer) => answer.bytes().await.err(),
        Err(error) => Some(error),
    };
    assert!(broken.is_some(), "the answer breaks off");
    let cleared: serde_json::Value = client().delete(&faults).send().await.unwrap().json().await.unwrap();
    assert_eq!(cleared, serde_json::json!({"cleared": [1, 2, 3]}));
    assert_eq!(ask().await.unwrap().status(), 200);
}

const FIRST_IS_A_TEAPOT: &str = "{fault: {status: {code: 418}}, window: {first: 1}}";

#[tokio::test]
async fn the_vllm_simulator_has_faults_of_its_own() {
    let port = free_port();
    let (_running, url) =
        start(&["vllm-sim", "--model", "gpt-4o", "--port", &port, "--labsim-fault", FIRST_IS_A_TEAPOT]);
    faults_come_and_go(&url, r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}"#).await;
}

#[tokio::test]
async fn the_fake_openai_has_faults_of_its_own() {
    let args = ["openai", "--port", "0", "--api-key", "sk-right", "--latency", "none", "--fault", FIRST_IS_A_TEAPOT];
    let (_running, url) = start(&args);
    faults_come_and_go(&url, r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}"#).await;
}

#[test]
fn a_fault_that_is_none_is_a_mistake_on_the_command_line() {
    for args in [
        &["vllm-sim", "--model", "m", "--labsim-fault", "stal"][..],
        &["openai", "--api-key", "k", "--fault", "stal"],
        &["openai", "--api-key", "k", "--fault", "{fault: reset}"],
        &["openai", "--api-key", "k", "--model-limit", "gpt-4o=5"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", stderr(&output));
    }
    let output = run(&["vllm-sim", "--model", "m", "--labsim-fault", "stal"]);
    assert!(stderr(&output).contains("did you mean `stall`?"), "{}", stderr(&output));
}

#[tokio::test]
async fn the_fake_openai_counts_down_its_limits() {
    let (_running, url) = start(&[
        "openai",
        "--port",
        "0",
        "--api-key",
        "sk-right=org-one,org-two",
        "--latency",
        "none",
        "--requests-per-minute",
        "1",
        "--model-limit",
        "gpt-4o=2,100000",
    ]);
    let ask = async |model: &str, organization: &str| {
        let body = format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}"#);
        let post = client().post(format!("{url}/v1/chat/completions")).bearer_auth("sk-right");
        let post = post.header("content-type", "application/json").header("openai-organization", organization);
        let answer = post.body(body).send().await.unwrap();
        let left = answer.headers()["x-ratelimit-remaining-requests"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), left, answer.headers().contains_key("retry-after"))
    };
    assert_eq!(ask("gpt-4o-mini", "org-one").await, (200, "0".to_owned(), false));
    assert_eq!(ask("gpt-4o-mini", "org-one").await, (429, "0".to_owned(), true));
    assert_eq!(ask("gpt-4o-mini", "org-two").await, (200, "0".to_owned(), false));
    assert_eq!(ask("gpt-4o", "org-one").await, (200, "1".to_owned(), false));
}

#[tokio::test]
async fn a_simulator_that_drains_ends_what_runs_and_refuses_the_rest() {
    let port = free_port();
    let (mut running, url) = start(&["vllm-sim", "--model", "m", "--port", &port, "--time-to-first-token", "2s"]);
    let chat = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}]}"#;
    let under_way = tokio::spawn(client().post(format!("{url}/v1/chat/completions")).body(chat).send());
    let metric = || async {
        let text = client().get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
        text.contains(r#"num_requests_running{model_name="m"} 1"#)
    };
    for look in 0.. {
        assert!(look < 10_000, "the request never runs");
        if metric().await {
            break;
        }
    }
    running.signal("-TERM");
    // A request without a model makes nothing wait: it is refused with 404 until the simulator drains.
    let other = || client().post(format!("{url}/v1/chat/completions")).body("{}").send();
    for look in 0.. {
        assert!(look < 10_000, "it never drains");
        if other().await.unwrap().status() == 503 {
            break;
        }
    }
    assert_eq!(client().get(format!("{url}/health")).send().await.unwrap().status(), 200);
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

/// A listener that a later `apply` adds can be reached from outside too, until it is deleted again.
#[tokio::test]
async fn up_opens_the_ports_that_manifests_add_in_mid_run() {
    let scratch = Scratch::new("up-ports");
    let added = free_port();
    let gateway = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{ name: agentgateway-proxy, namespace: agentgateway-system }}\n\
         spec:\n  gatewayClassName: agentgateway\n  listeners:\n  \
         - {{ name: http, port: 8080, protocol: HTTP }}\n  - {{ name: more, port: {added}, protocol: HTTP }}\n"
    );
    std::fs::write(scratch.path("gateway.yaml"), gateway).unwrap();
    let manifests = root().join("scenarios/manifests");
    let scenario = format!(
        "name: More ports\nlab:\n  manifests: [{0}/mock-429.yaml, {0}/inter-group.yaml]\n  \
         secrets: {{ openai-secret: {{ Authorization: Bearer sk-labsim }} }}\n  \
         gateway: {{ personality: agentgateway-0.12 }}\n\
         steps:\n  - apply: gateway.yaml\n  - wait: {{ until: {{ reached: {{ mock-ratelimit-provider: 1 }} }}, at-most: 60s }}\n  \
         - delete: gateway.yaml\n",
        manifests.display()
    );
    let file = scratch.path("more-ports.yaml");
    std::fs::write(&file, scenario).unwrap();
    let args = ["up", file.to_str().unwrap(), "--play", "--port", "0", "--metrics-port", "0"];
    let (_running, lines) = start_and_read(&args);
    let url = format!("http://127.0.0.1:{added}");
    let told = |text: &str| lines.iter().any(|line| line.contains(text) && line.contains(&url));
    assert!(told("the gateway listens at"), "nobody says that the port is open");
    let ask = || client().post(format!("{url}/openai")).header("content-type", "application/json").body(CHAT).send();
    assert_eq!(ask().await.unwrap().status(), 429);
    assert!(told("the gateway listens no more at"), "nobody says that the port is shut");
    assert!(ask().await.is_err_and(|error| error.is_connect()));
}

#[test]
fn a_port_that_is_taken_is_told_with_69() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    for args in [
        &["up", "scenarios/inter-group.yaml", "--port", &port, "--metrics-port", "0"][..],
        &["vllm-sim", "--model", "m", "--port", &port],
        &["openai", "--port", &port, "--api-key", "k"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(69), "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(&format!("cannot listen at 127.0.0.1:{port}")),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

pub(crate) fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port().to_string()
}
