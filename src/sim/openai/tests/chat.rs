//! Chat completions, plain and streamed.

use std::time::Duration;

use http::Method;
use serde_json::{Value as Json, json};

use super::client::{Answer, KEY, Lab, accepting, request, with, with_key};
use crate::event::{Kind, Outcome, Usage};

fn two_and_two() -> Json {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "What is 2+2?"}]})
}

fn question(text: &str) -> Json {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]})
}

#[tokio::test(start_paused = true)]
async fn the_lab_gets_its_four() {
    let lab = Lab::fast().await;
    let answer = lab.chat(two_and_two()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("openai-version"), "2020-10-01");
    assert_eq!(answer.header("openai-organization"), "org-labsim");
    assert_eq!(answer.header("date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    let request_id = answer.header("x-request-id");
    assert!(request_id.strip_prefix("req_").is_some_and(|id| id.len() == 32), "{request_id}");
    let json = answer.json();
    assert_eq!(
        Answer::keys(&json),
        ["id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"]
    );
    assert!(json["id"].as_str().unwrap().strip_prefix("chatcmpl-").is_some_and(|id| id.len() == 29));
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["created"], 1_767_225_600);
    assert_eq!(json["model"], "gpt-4o-2024-08-06");
    assert_eq!(json["service_tier"], "default");
    let choice = &json["choices"][0];
    assert_eq!(Answer::keys(choice), ["index", "message", "logprobs", "finish_reason"]);
    assert_eq!(Answer::keys(&choice["message"]), ["role", "content", "refusal", "annotations"]);
    assert_eq!(choice["message"]["content"], "Four.");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(
        json["usage"].to_string(),
        json!({
            "prompt_tokens": 14, "completion_tokens": 2, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
        .to_string()
    );
    assert!(answer.text.starts_with("{\n  \"id\": \"chatcmpl-"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_takes_its_time() {
    let lab = Lab::timed(300, 20, 470).await;
    let answer = lab.chat(two_and_two()).await;
    // Two for the handshake, one there, one back, and the rest for the answer.
    assert_eq!(answer.head_at, Duration::from_millis(2 + 1 + 300 + 20 + 470 + 1));
    assert_eq!(answer.header("openai-processing-ms"), "790");
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_token_by_token() {
    let lab = Lab::timed(300, 20, 470).await;
    let body =
        with(with(question("six times seven"), "stream", true), "stream_options", json!({"include_usage": true}));
    let answer = lab.chat(body).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    let chunks = answer.chunks();
    let deltas: Vec<String> = chunks.iter().map(|chunk| chunk["choices"][0]["delta"].to_string()).collect();
    assert_eq!(
        deltas,
        [
            r#"{"role":"assistant","content":"","refusal":null}"#,
            r#"{"content":"Forty"}"#,
            r#"{"content":"-two"}"#,
            r#"{"content":"."}"#,
            "{}",
            "null",
        ]
    );
    for chunk in &chunks {
        assert_eq!(
            Answer::keys(chunk),
            [
                "id",
                "object",
                "created",
                "model",
                "service_tier",
                "system_fingerprint",
                "choices",
                "usage",
                "obfuscation"
            ]
        );
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["model"], "gpt-4o-mini-2024-07-18");
        assert_eq!(chunk["id"], chunks[0]["id"]);
    }
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], Json::Null);
    assert_eq!(chunks[4]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[4]["usage"], Json::Null);
    assert_eq!(chunks[5]["choices"], json!([]));
    assert_eq!(chunks[5]["usage"]["completion_tokens"], 3);
    // The smaller model takes three quarters of the time.
    let mut times: Vec<u128> = answer.pieces.iter().map(|(at, _)| at.as_millis()).collect();
    times.dedup();
    assert_eq!(times, [229, 244, 259]);
    assert_eq!(answer.header("openai-processing-ms"), "225");
}

#[tokio::test(start_paused = true)]
async fn without_options_a_stream_has_no_usage() {
    let lab = Lab::fast().await;
    let options = json!({"include_obfuscation": false});
    let answer = lab.chat(with(with(two_and_two(), "stream", true), "stream_options", options)).await;
    let chunks = answer.chunks();
    assert_eq!(chunks.len(), 4);
    for chunk in &chunks {
        let keys = ["id", "object", "created", "model", "service_tier", "system_fingerprint", "choices"];
        assert_eq!(Answer::keys(chunk), keys);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_at_its_limit() {
    let lab = Lab::fast().await;
    for name in ["max_tokens", "max_completion_tokens"] {
        let json = lab.chat(with(question("Tell me about rivers"), name, 5)).await.json();
        assert_eq!(json["choices"][0]["finish_reason"], "length");
        assert_eq!(json["usage"]["completion_tokens"], 5);
    }
    let whole = lab.chat(question("Tell me about rivers")).await.json();
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    assert!((40..=120).contains(&whole["usage"]["completion_tokens"].as_u64().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn streamed_and_plain_say_the_same() {
    let lab = Lab::fast().await;
    let plain = lab.chat(question("How do volcanoes work?")).await.json();
    let streamed = lab.chat(with(question("How do volcanoes work?"), "stream", true)).await.chunks();
    let text: String = streamed.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(plain["choices"][0]["message"]["content"], text);
}

/// The latency of the kth answer depends on the seed, the model and k, whatever else goes on.
#[tokio::test(start_paused = true)]
async fn latency_is_of_the_seed_and_the_number() {
    let times = async |seed: u64, model: &str, pause: u64| {
        let lab = Lab::new(seed, accepting()).await;
        let mut times = Vec::new();
        for _ in 0..4 {
            lab.get("/v1/models").await;
            times.push(lab.chat(with(two_and_two(), "model", model)).await.head_at);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        times
    };
    let reference = times(7, "gpt-4o", 0).await;
    assert_eq!(reference, times(7, "gpt-4o", 1_234).await);
    assert_ne!(reference, times(8, "gpt-4o", 0).await);
    assert_ne!(reference, times(7, "gpt-4o-mini", 0).await);
    assert!(reference.iter().all(|time| time.subsec_nanos() % 1_000_000 == 0));
}

#[tokio::test(start_paused = true)]
async fn short_answers_take_about_800_ms() {
    let lab = Lab::new(7, accepting()).await;
    let mut times = Vec::new();
    for _ in 0..200 {
        times.push(lab.chat(two_and_two()).await.head_at.as_millis());
    }
    times.sort_unstable();
    assert!((750..850).contains(&times[100]), "{}", times[100]);
    assert!(times[5] > 350 && times[195] < 2_000, "{} {}", times[5], times[195]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    let play = async |seed: u64| {
        let lab = Lab::new(seed, accepting()).await;
        let mut all = Vec::new();
        for body in [two_and_two(), with(question("Tell me about rivers"), "stream", true), json!({})] {
            let answer = lab.chat(body).await;
            all.push((format!("{:?}", answer.headers), answer.pieces, answer.end_at));
        }
        all
    };
    assert_eq!(play(7).await, play(7).await);
    assert_ne!(play(7).await, play(8).await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_checked() {
    let lab = Lab::fast().await;
    let body = two_and_two().to_string();
    let without = lab.send(request(Method::POST, "/v1/chat/completions"), body.clone()).await;
    let (status, message, kind, param, code) = without.error();
    assert_eq!((status, kind.as_str(), param, code), (401, "invalid_request_error", None, None));
    assert!(message.starts_with("You didn't provide an API key."), "{message}");
    assert_eq!(without.header("www-authenticate"), "Basic realm=\"OpenAI API\"");
    assert!(without.text.starts_with("{\n    \"error\": {\n        \"message\""), "{}", without.text);

    let wrong =
        request(Method::POST, "/v1/chat/completions").header("authorization", "Bearer sk-PMafPabcdefghijklmnopE873");
    let (status, message, kind, param, code) = lab.send(wrong, body).await.error();
    assert_eq!((status, kind.as_str(), param), (401, "invalid_request_error", None));
    assert_eq!(code.as_deref(), Some("invalid_api_key"));
    assert_eq!(
        message,
        "Incorrect API key provided: sk-PMafP****************E873. You can find your API key at \
         https://platform.openai.com/account/api-keys."
    );
}

#[tokio::test(start_paused = true)]
async fn events_tell_of_a_request_without_its_key() {
    let lab = Lab::timed(300, 20, 470).await;
    let with_id = with_key(request(Method::POST, "/v1/chat/completions"))
        .header("x-request-id", "r-1")
        .header("x-retry-attempt", "2");
    lab.send(with_id, two_and_two().to_string()).await;
    let wrong = request(Method::POST, "/v1/chat/completions").header("authorization", "Bearer sk-other");
    lab.send(wrong, "{").await;
    let mut events = lab.events();
    for event in &mut events {
        if let Kind::ProviderRequestEnded { digest, .. } = event {
            assert!(digest.take().is_some_and(|digest| digest.bytes > 100), "the body is told by its checksum");
        }
    }
    assert!(!format!("{events:?}").contains(KEY) && !format!("{events:?}").contains("sk-other"));
    let host = || "api.openai.com".to_owned();
    let expected = [
        Kind::ProviderRequestReceived {
            request: Some("r-1".to_owned()),
            attempt: 2,
            host: host(),
            path: "/v1/chat/completions".to_owned(),
            model: Some("gpt-4o".to_owned()),
            stream: false,
            credential: Some("secret:openai-secret/Authorization".to_owned()),
            hop_by_hop: Vec::new(),
        },
        Kind::ProviderRequestEnded {
            request: Some("r-1".to_owned()),
            attempt: 2,
            host: host(),
            status: 200,
            outcome: Outcome::Complete,
            injected: None,
            usage: Some(Usage { input: 14, output: 2 }),
            digest: None,
        },
        Kind::ProviderRequestReceived {
            request: None,
            attempt: 0,
            host: host(),
            path: "/v1/chat/completions".to_owned(),
            model: None,
            stream: false,
            credential: Some("unknown".to_owned()),
            hop_by_hop: Vec::new(),
        },
        Kind::ProviderRequestEnded {
            request: None,
            attempt: 0,
            host: host(),
            status: 401,
            outcome: Outcome::Complete,
            injected: None,
            usage: None,
            digest: None,
        },
    ];
    assert_eq!(events, expected);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_cancels() {
    let lab = Lab::timed(300, 20, 470).await;
    let post = || with_key(request(Method::POST, "/v1/chat/completions"));
    // Before the head.
    let waiting = lab.start(post(), two_and_two().to_string());
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await;
    // Inside a stream.
    let streaming = lab.start(post(), with(question("Tell me about rivers"), "stream", true).to_string()).await;
    drop(streaming);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ended: Vec<(u16, Outcome)> = lab
        .events()
        .into_iter()
        .filter_map(|kind| match kind {
            Kind::ProviderRequestEnded { status, outcome, .. } => Some((status, outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [(0, Outcome::Cancelled), (200, Outcome::Cancelled)]);
}

#[tokio::test(start_paused = true)]
async fn a_draining_fake_takes_no_more() {
    let lab = Lab::timed(300, 20, 470).await;
    let under_way = lab.chat(two_and_two());
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        lab.fake.drain();
        lab.chat(two_and_two()).await
    };
    let (under_way, later) = tokio::join!(under_way, later);
    assert_eq!((under_way.status, later.status), (200, 503));
}

#[tokio::test(start_paused = true)]
async fn models_are_listed() {
    let lab = Lab::fast().await;
    let list = lab.get("/v1/models").await.json();
    assert_eq!(Answer::keys(&list), ["object", "data"]);
    let models = list["data"].as_array().unwrap();
    for id in ["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "text-embedding-3-small"] {
        assert!(models.iter().any(|model| model["id"] == id), "{id}");
    }
    for model in models {
        assert_eq!(Answer::keys(model), ["id", "object", "created", "owned_by"]);
        let one = lab.get(&format!("/v1/models/{}", model["id"].as_str().unwrap())).await;
        assert_eq!(one.json(), *model);
    }
    let (status, _, _, param, code) = lab.get("/v1/models/gpt-9").await.error();
    assert_eq!((status, param.as_deref(), code.as_deref()), (404, Some("model"), Some("model_not_found")));
    assert!(lab.events().is_empty());
}
