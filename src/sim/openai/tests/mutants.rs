//! Thousands of broken requests: each gets an answer in the API's shape, and nothing panics.

use serde_json::{Map, Value as Json, json};

use super::client::{Answer, Lab};
use crate::world::{Random, Seed};

fn originals() -> Vec<(&'static str, Json)> {
    let parameters = json!({
        "type": "object",
        "properties": {
            "a": {"type": "string", "pattern": "^[a-z]{2,3}$", "maxLength": 5},
            "b": {"type": "array", "items": {"type": "integer", "minimum": 1, "multipleOf": 3}, "minItems": 2},
            "c": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "required": ["a", "b", "c"],
        "additionalProperties": false,
    });
    let function = json!({"name": "lookup", "description": "Look up rivers", "parameters": parameters, "strict": true});
    vec![
        (
            "/v1/chat/completions",
            json!({
                "model": "gpt-4o",
                "messages": [
                    {"role": "system", "content": "Answer in JSON."},
                    {"role": "user", "content": [{"type": "text", "text": "Tell me about rivers"},
                        {"type": "image_url", "image_url": {"url": "https://example.com/x.png", "detail": "low"}}]},
                    {"role": "assistant", "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "Long"},
                    {"role": "user", "content": "And the longest river?"},
                ],
                "tools": [{"type": "function", "function": function}],
                "tool_choice": {"type": "function", "function": {"name": "lookup"}},
                "stream": true, "stream_options": {"include_usage": true}, "n": 2, "max_tokens": 30, "temperature": 1.5,
                "top_p": 0.5, "stop": ["x", "."], "seed": 5, "logprobs": true, "top_logprobs": 2, "logit_bias": {"50": 10},
                "metadata": {"a": "b"}, "service_tier": "flex", "parallel_tool_calls": false,
            }),
        ),
        (
            "/v1/chat/completions",
            json!({
                "model": "o4-mini", "messages": [{"role": "user", "content": "hi"}], "reasoning_effort": "low",
                "max_completion_tokens": 100,
                "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": parameters, "strict": true}},
            }),
        ),
        (
            "/v1/chat/completions",
            json!({
                "model": "gpt-4o", "messages": [{"role": "user", "content": "lookup"}], "functions": [function],
                "function_call": "auto", "stream": false,
            }),
        ),
        (
            "/v1/completions",
            json!({
                "model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "max_tokens": 5, "echo": true, "logprobs": 2, "n": 2,
                "best_of": 3, "stream": true, "suffix": "x", "stop": "z",
            }),
        ),
        (
            "/v1/responses",
            json!({
                "model": "gpt-4.1-mini", "instructions": "Be brief.",
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "What is json?"}]},
                    {"type": "function_call", "call_id": "c", "name": "lookup", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": "x"},
                ],
                "tools": [{"type": "function", "name": "lookup", "parameters": parameters}, {"type": "web_search"}],
                "tool_choice": "required", "max_output_tokens": 100, "stream": true, "store": false, "truncation": "auto",
                "text": {"format": {"type": "json_schema", "name": "x", "schema": parameters}, "verbosity": "low"},
                "include": ["message.output_text.logprobs"], "metadata": {}, "temperature": 0.2,
            }),
        ),
        (
            "/v1/embeddings",
            json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 8, "encoding_format": "float"}),
        ),
        (
            "/v1/moderations",
            json!({"input": [{"type": "text", "text": "kill"}, {"type": "image_url", "image_url": {"url": "x"}}]}),
        ),
    ]
}

/// Something that nobody expects.
fn odd(random: &mut Random) -> Json {
    let odds = [
        Json::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(""),
        json!("é日👩‍🚀\u{0}"),
        json!("auto"),
        json!([]),
        json!({}),
        json!([null]),
        json!([[1, 2], [3]]),
        json!({"type": "object"}),
        json!({"$ref": "#"}),
        json!({"type": "function"}),
        json!("x".repeat(5_000)),
        json!([{}]),
        json!(129),
        json!({"type": "string", "pattern": "(((("}),
        json!({"type": "array", "minItems": u64::MAX, "items": {"$ref": "#"}}),
        json!({"type": "integer", "minimum": i64::MAX, "maximum": i64::MIN, "multipleOf": 1e-300}),
        json!({"type": "string", "minLength": u64::MAX, "pattern": "a{1000000}"}),
        json!({"enum": []}),
        json!({"anyOf": []}),
        json!({"type": "number", "multipleOf": 0.0001, "minimum": -1e300}),
    ];
    odds[random.index(odds.len())].clone()
}

/// Changes one place in `json`.
fn mutate(json: &mut Json, random: &mut Random) {
    let descend = random.chance(0.8);
    match json {
        Json::Object(map) if descend && !map.is_empty() => {
            let name = map.keys().nth(random.index(map.len())).unwrap().clone();
            match random.below(12) {
                0 => drop(map.shift_remove(&name)),
                1 => drop(map.insert("unheard_of".to_owned(), odd(random))),
                2 => *map = map.iter().map(|(name, value)| (format!("{name}x"), value.clone())).collect::<Map<_, _>>(),
                _ => mutate(map.get_mut(&name).unwrap(), random),
            }
        }
        Json::Array(items) if descend && !items.is_empty() => {
            let index = random.index(items.len());
            match random.below(8) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => mutate(&mut items[index], random),
            }
        }
        other => *other = odd(random),
    }
}

fn check(answer: &Answer, body: &str) {
    if answer.status == 200 {
        match answer.header("content-type") {
            "application/json" => assert!(answer.json().is_object()),
            _ => assert!(answer.text.ends_with("\n\n"), "{body}"),
        }
        return;
    }
    assert!((400..500).contains(&answer.status), "{}: {body}", answer.status);
    let (_, message, kind, ..) = answer.error();
    assert!(!message.is_empty() && kind == "invalid_request_error", "{body}");
}

#[tokio::test(start_paused = true)]
async fn broken_requests_get_proper_answers() {
    let lab = Lab::fast().await;
    let originals = originals();
    let mut random = Seed(7).stream("mutants");
    for (path, body) in &originals {
        let answer = lab.post(path, body.clone()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let mut good = 0;
    for _ in 0..3_000 {
        let (path, original) = &originals[random.index(originals.len())];
        let mut body = original.clone();
        for _ in 0..=random.below(3) {
            mutate(&mut body, &mut random);
        }
        let answer = lab.post(path, body.clone()).await;
        good += u32::from(answer.status == 200);
        check(&answer, &body.to_string());
    }
    assert!((100..2_000).contains(&good), "{good}");
}

#[tokio::test(start_paused = true)]
async fn broken_bytes_get_proper_answers() {
    let lab = Lab::fast().await;
    let mut random = Seed(8).stream("mutants");
    for _ in 0..500 {
        let (path, original) = &originals()[random.index(7)];
        let mut bytes = original.to_string().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.index(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        bytes.truncate(if random.chance(0.3) { random.index(bytes.len()) } else { bytes.len() });
        let post = super::client::with_key(super::client::request(http::Method::POST, path));
        check(&lab.send(post, bytes.clone()).await, &String::from_utf8_lossy(&bytes));
    }
}
