//! Whatever comes in, nothing panics and nothing hangs: command lines, configuration files, event
//! streams, bodies, headers, and bytes that are no HTTP.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use labsim::event::Bus;
use labsim::fault::{Fault, Injection};
use labsim::sim::faults::alone::alone;
use labsim::sim::openai::{self, FakeOpenai, LatencyModel};
use labsim::sim::{self, vllm};
use labsim::topology::Authority;
use labsim::traffic::sse::Decoder;
use labsim::world::clock::VIRTUAL_START;
use labsim::world::serve::Server;
use labsim::world::{Clock, Credentials, FaultBoard, Net, Seed, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Tries a property with so many values, the same ones each time.
fn holds<S>(cases: u32, values: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S: Strategy,
    S::Value: Debug,
{
    let config = Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..Config::default() };
    if let Err(error) = TestRunner::new(config).run(values, property) {
        panic!("{error}");
    }
}

/// Words as they stand on a command line, and some that never should.
fn word() -> impl Strategy<Value = String> {
    let usage = vllm::Config::usage();
    let flags = usage.split_whitespace().filter(|word| word.starts_with("--")).map(str::to_owned);
    let flags: Vec<String> = flags.collect();
    assert!(flags.len() > 50);
    let value = select(vec![
        "",
        "-",
        "--",
        "-v",
        "-h",
        "0",
        "-1",
        "5",
        "0x10",
        "99999999999999999999",
        "1.5",
        "NaN",
        "inf",
        "100ms",
        "-1s",
        "1h",
        "9999999h",
        "true",
        "echo",
        "rate_limit",
        "é",
        "\u{0}",
        "{}",
        "{\"name\":\"l\"}",
        "[1]",
        "stall",
        "{\"running-requests\":\"ramp:0:1:1s\"}",
        "{fault: cut}",
        "null",
    ]);
    prop_oneof![
        4 => select(flags.clone()),
        4 => value.clone().prop_map(str::to_owned),
        2 => (select(flags), value).prop_map(|(flag, value)| format!("{flag}={value}")),
        1 => any::<String>(),
        1 => any::<String>().prop_map(|text| format!("--{text}")),
    ]
}

#[test]
fn command_lines_are_taken_or_refused() {
    holds(2_000, &vec(word(), 0..12), |mut args| {
        for model in [false, true] {
            if model {
                args.splice(0..0, ["--model".to_owned(), "m".to_owned()]);
            }
            match vllm::Config::parse_with(&args, &BTreeMap::new(), |_| Ok(String::new())) {
                Ok((config, warnings)) => {
                    prop_assert!(!config.model().is_empty() && config.port() > 0);
                    prop_assert!(warnings.iter().all(|warning| warning.argument.is_none_or(|at| at < args.len())));
                }
                Err(error) => {
                    prop_assert!(!error.to_string().is_empty());
                    prop_assert!(error.argument().is_none_or(|at| at < args.len()), "{args:?}: {error:?}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn files_and_faults_are_taken_or_refused() {
    let line = prop_oneof![
        word().prop_map(|word| word.trim_start_matches('-').to_owned()),
        (word(), word()).prop_map(|(key, value)| format!("{}: {value}", key.trim_start_matches('-'))),
        select(Fault::NAMES).prop_map(|name| format!("fault: {{{name}: {{after: 1}}}}")),
        any::<String>(),
    ];
    holds(1_000, &vec(line, 0..6), |lines| {
        let text = lines.join("\n");
        let args = ["--model", "m", "--config", "f"].map(str::to_owned);
        let parsed = vllm::Config::parse_with(&args, &BTreeMap::new(), |_| Ok(text.clone()));
        prop_assert!(parsed.is_ok() || parsed.is_err_and(|error| !error.to_string().is_empty()));
        prop_assert!(Injection::parse(&text).map_or_else(|error| !error.is_empty(), |_| true));
        Ok(())
    });
}

/// What a decoder makes of bytes that come in these pieces.
fn decoded(bytes: &[u8], cuts: &[Index]) -> (Vec<Vec<u8>>, bool) {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    at.push(bytes.len());
    let (mut decoder, mut events, mut from) = (Decoder::default(), Vec::new(), 0);
    for to in at {
        decoder.feed(&bytes[from..to], |data| events.push(data.to_vec()));
        from = to;
    }
    (events, decoder.has_rest())
}

#[test]
fn streams_are_read_the_same_however_they_are_cut() {
    let piece = prop_oneof![
        select(vec!["data: ", "data:", "\n", "\n\n", "\r\n", "\r", ":", "event: x\n", "[DONE]", "{\"a\":1}", "é", " "])
            .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..8),
    ];
    let bytes = vec(piece, 0..30).prop_map(|pieces| pieces.concat());
    holds(2_000, &(bytes, vec(any::<Index>(), 0..6)), |(bytes, cuts)| {
        prop_assert_eq!(decoded(&bytes, &cuts), decoded(&bytes, &[]));
        Ok(())
    });
}

#[test]
fn events_that_are_written_are_read() {
    let lines = vec("[^\r\n]{0,20}", 1..4);
    let end = select(vec!["\n", "\r\n", "\r"]);
    holds(1_000, &(vec((lines, end), 0..6), vec(any::<Index>(), 0..6)), |(events, cuts)| {
        let mut text = String::new();
        for (lines, end) in &events {
            for line in lines {
                text.extend(["data: ", line, end]);
            }
            text.push_str(end);
        }
        let (found, rest) = decoded(text.as_bytes(), &cuts);
        let found: Vec<String> = found.into_iter().map(|data| String::from_utf8(data).unwrap()).collect();
        let written: Vec<String> = events.iter().map(|(lines, _)| lines.join("\n")).collect();
        prop_assert_eq!(found, written);
        prop_assert!(!rest);
        Ok(())
    });
}

/// Both simulators in virtual time, for as many exchanges as a property wants.
struct Servers {
    runtime: Runtime,
    net: Net,
    all: Vec<Server>,
}

const VLLM: &str = "vllm";
const OPENAI: &str = "openai";
/// A request after which the server closes.
const LAST: &[u8] = b"GET /health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

impl Servers {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let net = Net::memory();
        let all = runtime.block_on(async {
            let clock = Clock::starting_at(VIRTUAL_START);
            let credentials = Credentials::default();
            let bus = Bus::new(move || clock.now(), vec![Box::new(|_: &labsim::event::Event| {})]);
            let world = World { clock, bus, credentials, seed: Seed(7), net: net.clone() };
            let args = "--model m --mode echo --max-request-body-size-mb 1 --enable-request-id-headers";
            let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
            let (config, _) = vllm::Config::parse(&args, &BTreeMap::new()).unwrap();
            let simulator = vllm::Simulator::new(config, world.clone(), VLLM);
            let keys = openai::Config::accepting(["k".to_owned()]);
            let config = openai::Config { latency: LatencyModel::none(), max_body_bytes: 1 << 20, ..keys };
            let fake = FakeOpenai::new(config, world.clone());
            let mut servers = Vec::new();
            for (name, router) in [(VLLM, simulator.router()), (OPENAI, fake.router())] {
                let listener = world.net.listen(&at(name)).await.unwrap();
                servers.push(sim::serve(listener, alone(router, &FaultBoard::new(&world), name)));
            }
            servers
        });
        Self { runtime, net, all }
    }

    /// One exchange, which must end: status and body.
    fn send(&self, to: &str, request: Request<Full<Bytes>>) -> Result<(u16, String), TestCaseError> {
        let exchange = async {
            let stream = self.net.connect(&at(to)).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok::<_, String>((head.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
        };
        let exchange = self.runtime.block_on(async { timeout(Duration::from_mins(5), exchange).await });
        let exchange = exchange.map_err(|_| TestCaseError::fail("the connection hangs"))?;
        exchange.map_err(|error| TestCaseError::fail(format!("the connection broke: {error}")))
    }

    /// Bytes on a connection that the client then keeps open: what comes back until the server closes it, or until
    /// it has answered one request more.
    fn send_raw(&self, to: &str, bytes: &[u8]) -> Result<Vec<u8>, TestCaseError> {
        let exchange = async {
            let mut stream = self.net.connect(&at(to)).await.unwrap();
            let _ = stream.write_all(bytes).await;
            let mut back = Vec::new();
            if timeout(Duration::from_mins(5), stream.read_to_end(&mut back)).await.is_err() {
                // It rests: nothing was asked, or all was answered.
                let _ = stream.write_all(LAST).await;
                let answers = back.len();
                let _ = stream.read_to_end(&mut back).await;
                assert!(back.len() > answers, "the last request has no answer");
            }
            back
        };
        let back = self.runtime.block_on(async { timeout(Duration::from_mins(10), exchange).await });
        back.map_err(|_| TestCaseError::fail("the connection hangs"))
    }

    /// A task that panicked never leaves.
    fn nobody_is_left(&self) {
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_mins(5)).await });
        let open: Vec<usize> = self.all.iter().map(Server::open_connections).collect();
        assert_eq!(open, [0, 0], "connections that never ended");
    }
}

fn at(name: &str) -> Authority {
    Authority::new(name, 8000)
}

const PATHS: &[(&str, &str)] = &[
    (VLLM, "/v1/chat/completions"),
    (VLLM, "/v1/completions"),
    (VLLM, "/v1/responses"),
    (VLLM, "/v1/messages"),
    (VLLM, "/inference/v1/generate"),
    (VLLM, "/v1/embeddings"),
    (VLLM, "/tokenize"),
    (VLLM, "/detokenize"),
    (VLLM, "/v1/chat/completions/render"),
    (VLLM, "/v1/completions/render"),
    (VLLM, "/v1/unload_lora_adapter"),
    (OPENAI, "/v1/chat/completions"),
    (OPENAI, "/v1/completions"),
    (OPENAI, "/v1/responses"),
    (OPENAI, "/v1/embeddings"),
    (OPENAI, "/v1/moderations"),
];

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "tools",
    "tool_choice",
    "logprobs",
    "top_logprobs",
    "response_format",
    "dimensions",
    "encoding_format",
    "token_ids",
    "sampling_params",
    "system",
    "instructions",
    "ignore_eos",
    "kv_transfer_params",
    "tokens",
    "seed",
    "temperature",
    "max_output_tokens",
    "echo",
    "best_of",
    "metadata",
    "previous_response_id",
    "role",
    "content",
    "type",
    "text",
    "function",
    "name",
    "parameters",
    "properties",
    "include_usage",
    "image_url",
    "url",
];

/// JSON that looks a little like a request.
fn body() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        select(vec![-1, 0, 1, 2, 5, 1_000, i64::MIN, i64::MAX]).prop_map(Json::from),
        select(vec![-0.5, 0.5, 1e308]).prop_map(Json::from),
        select(vec![
            "m",
            "gpt-4o",
            "gpt-3.5-turbo-instruct",
            "text-embedding-3-small",
            "",
            "user",
            "text",
            "function",
            "auto",
            "required",
            "none",
            "object",
            "string",
            "json_schema",
            "message",
            "hello",
        ])
        .prop_map(Json::from),
        ".{0,6}".prop_map(Json::from),
    ];
    let value = leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec((select(FIELDS), inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    });
    let messages = Just(json!([{"role": "user", "content": "hi"}]));
    let base = (select(vec!["m", "gpt-4o", "gpt-3.5-turbo-instruct", "text-embedding-3-small"]), messages).prop_map(
        |(model, messages)| json!({"model": model, "messages": messages, "prompt": "hi", "input": "hi", "max_tokens": 5}),
    );
    (base, vec((select(FIELDS), value), 0..4)).prop_map(|(mut body, changes)| {
        for (field, value) in changes {
            body[field] = value;
        }
        body
    })
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("host", "h").header("authorization", "Bearer k");
    request.header("content-type", "application/json").body(Full::new(body.into())).unwrap()
}

/// Nobody is to blame but the client: 2xx or 4xx, or what the original says with 500 of tools.
fn is_fair(status: u16, text: &str) -> bool {
    (200..300).contains(&status)
        || (400..500).contains(&status)
        || (status == 500 && text.contains("failed to create response"))
}

#[test]
fn bodies_are_answered() {
    let servers = Servers::new();
    holds(3_000, &(select(PATHS), body()), |((to, path), body)| {
        let (status, text) = servers.send(to, post(path, body.to_string()))?;
        prop_assert!(is_fair(status, &text), "{path} {body}: {status} {text}");
        Ok(())
    });
    servers.nobody_is_left();
}

#[test]
fn bodies_that_are_no_json_are_400() {
    let servers = Servers::new();
    let bytes = prop_oneof![
        vec(any::<u8>(), 1..200),
        // What a request is when it breaks off, or when a byte of it is wrong.
        (body(), any::<Index>()).prop_map(|(body, cut)| {
            let text = body.to_string();
            text.as_bytes()[..=cut.index(text.len() - 1)].to_vec()
        }),
        (1usize..20_000).prop_map(|depth| vec![b'['; depth]),
        (1usize..20_000).prop_map(|depth| "{\"messages\":".repeat(depth).into_bytes()),
    ];
    let asking = PATHS.iter().copied().filter(|(_, path)| path.starts_with("/v1/") && !path.contains("lora"));
    let asking: Vec<(&str, &str)> = asking.collect();
    holds(1_500, &(select(asking), bytes), |((to, path), bytes)| {
        prop_assume!(serde_json::from_slice::<Json>(&bytes).is_err());
        let (status, text) = servers.send(to, post(path, bytes))?;
        prop_assert_eq!(status, 400, "{} {}", path, text);
        Ok(())
    });
    servers.nobody_is_left();
}

#[test]
fn bodies_over_the_limit_are_413() {
    let servers = Servers::new();
    holds(20, &(select(PATHS), (1usize << 20)..(3 << 20)), |((to, path), size)| {
        let (status, text) = servers.send(to, post(path, vec![b' '; size + 1]))?;
        prop_assert_eq!(status, 413, "{} {}", path, text);
        Ok(())
    });
    servers.nobody_is_left();
}

const NAMES: &[&str] = &[
    "x-return-error",
    "x-request-id",
    "x-cache-threshold-finish-reason",
    "authorization",
    "content-type",
    "accept",
    "openai-organization",
    "openai-project",
    "x-retry-attempt",
    "x-send-image",
    "accept-encoding",
    "cookie",
    "host",
    "user-agent",
    "x-stainless-retry-count",
    "traceparent",
];

#[test]
fn headers_are_read_or_ignored() {
    let servers = Servers::new();
    let value = prop_oneof![
        vec(any::<u8>(), 0..20),
        select(vec!["0", "-1", "200", "204", "100", "101", "304", "999", "1000", "99999999999999999999", "true", "é"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let headers = vec((select(NAMES), value), 0..5);
    let chat = vec![(VLLM, "m"), (OPENAI, "gpt-4o")];
    holds(1_500, &(select(chat), any::<bool>(), headers), |((to, model), stream, headers)| {
        let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
        let mut request = post("/v1/chat/completions", body.to_string());
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().insert(name, value);
            }
        }
        let asked_for = request.headers().contains_key("x-return-error");
        let (status, text) = servers.send(to, request)?;
        prop_assert!(asked_for || is_fair(status, &text), "{status} {text}");
        Ok(())
    });
    servers.nobody_is_left();
}

#[test]
fn bytes_that_are_no_http_end_their_connection() {
    let servers = Servers::new();
    let piece = select(vec![
        "POST ",
        "GET ",
        "/v1/chat/completions",
        " HTTP/1.1",
        " HTTP/2.0",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "Host: h\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "zz\r\n",
        ": \r\n",
        "{\"model\":\"m\"}",
        "Connection: close\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]);
    let bytes = prop_oneof![
        3 => vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => vec(any::<u8>(), 0..200),
    ];
    holds(600, &(select(vec![VLLM, OPENAI]), bytes), |(to, bytes)| {
        let back = servers.send_raw(to, &bytes)?;
        let line = String::from_utf8_lossy(&back).lines().next().unwrap_or_default().to_owned();
        prop_assert!(back.is_empty() || line.starts_with("HTTP/1."), "{line}");
        prop_assert!(!line.contains(" 5"), "{line}");
        Ok(())
    });
    servers.nobody_is_left();
}
