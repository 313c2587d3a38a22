//! The servers that stay up, with clients that are not ours.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use crate::support::{Running, labsim, run, stderr};

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
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
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

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port().to_string()
}
