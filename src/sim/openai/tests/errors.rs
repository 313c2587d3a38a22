//! What is refused, in OpenAI's own shape.

use http::Method;
use serde_json::{Value as Json, json};

use super::client::{KEY, Lab, accepting, ask, request, with, with_key};
use crate::sim::openai::{Config, Key};

/// What a chat completion's mistake is called: message, parameter, code.
async fn mistake(lab: &Lab, body: Json) -> (String, Option<String>, Option<String>) {
    let (status, message, kind, param, code) = lab.chat(body).await.error();
    assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{message}");
    (message, param, code)
}

/// A chat completion's parameter, a value of it, and what the mistake is called: message, parameter, code.
const PARAMETERS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "temperature",
        r#""hot""#,
        "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        "temperature",
        "invalid_type",
    ),
    (
        "temperature",
        r"3.5",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3.5 instead.",
        "temperature",
        "decimal_above_max_value",
    ),
    (
        "presence_penalty",
        r"-3",
        "Invalid 'presence_penalty': decimal below minimum value. Expected a value >= -2, but got -3 instead.",
        "presence_penalty",
        "decimal_below_min_value",
    ),
    (
        "n",
        r"129",
        "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 129 instead.",
        "n",
        "integer_above_max_value",
    ),
    ("n", r"1.5", "Invalid type for 'n': expected an integer, but got a decimal number instead.", "n", "invalid_type"),
    (
        "max_tokens",
        r"0",
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        "max_tokens",
        "integer_below_min_value",
    ),
    (
        "max_tokens",
        r"20480",
        "max_tokens is too large: 20480. This model supports at most 16384 completion tokens, whereas you provided \
             20480.",
        "max_tokens",
        "invalid_value",
    ),
    (
        "stream",
        r#""yes""#,
        "Invalid type for 'stream': expected a boolean, but got a string instead.",
        "stream",
        "invalid_type",
    ),
    (
        "messages",
        r#""hello""#,
        "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        "messages",
        "invalid_type",
    ),
    (
        "messages",
        r"[]",
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        "messages",
        "empty_array",
    ),
    (
        "messages",
        r#"[{"role": "robot", "content": "x"}]"#,
        "Invalid value: 'robot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
             'developer'.",
        "messages[0].role",
        "invalid_value",
    ),
    (
        "messages",
        r#"[{"role": "user", "content": 5}]"#,
        "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an integer \
             instead.",
        "messages[0].content",
        "invalid_type",
    ),
    (
        "messages",
        r#"[{"content": "x"}]"#,
        "Missing required parameter: 'messages[0].role'.",
        "messages[0].role",
        "missing_required_parameter",
    ),
    (
        "stop",
        r#"["a", "b", "c", "d", "e"]"#,
        "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 \
             instead.",
        "stop",
        "array_above_max_length",
    ),
    (
        "tools",
        r#"[{"type": "function", "function": {"name": "a b"}}]"#,
        "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'.",
        "tools[0].function.name",
        "invalid_value",
    ),
    (
        "tools",
        r#"[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]"#,
        "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \
             \"string\"'.",
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        "response_format",
        r#"{"type": "json_schema", "json_schema": {"name": "f", "strict": true, "schema": {"type": "object"}}}"#,
        "Invalid schema for response_format 'f': In context=(), 'additionalProperties' is required to be supplied and \
             to be false.",
        "response_format",
        "invalid_json_schema",
    ),
];

#[tokio::test(start_paused = true)]
async fn parameters_are_checked() {
    let lab = Lab::fast().await;
    for (name, value, message, param, code) in PARAMETERS {
        let expected = ((*message).to_owned(), Some((*param).to_owned()), Some((*code).to_owned()));
        let value: Json = serde_json::from_str(value).unwrap();
        assert_eq!(mistake(&lab, with(ask("x"), name, value)).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_checked_together() {
    let lab = Lab::fast().await;
    let cases = [
        (
            json!({"tool_choice": "auto"}),
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        ),
        (
            json!({"stream_options": {"include_usage": true}}),
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (json!({"top_logprobs": 2}), "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."),
        (
            json!({"response_format": {"type": "json_object"}}),
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        ),
        (
            json!({"max_tokens": 1, "max_completion_tokens": 1}),
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ),
        (
            json!({"model": "o4-mini", "max_tokens": 1}),
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ),
        (
            json!({"model": "o4-mini", "temperature": 0.5}),
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is \
             supported.",
        ),
        (json!({"foo": 1}), "Unrecognized request argument supplied: foo"),
        (json!({"foo": 1, "bar": 2}), "Unrecognized request arguments supplied: foo, bar"),
    ];
    for (more, message) in cases {
        let mut body = ask("x");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(mistake(&lab, body).await.0, message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tools_answer_must_belong_to_a_call() {
    let lab = Lab::fast().await;
    let call = json!({"role": "assistant", "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]});
    let user = json!({"role": "user", "content": "x"});
    let orphan = json!({"role": "tool", "tool_call_id": "call_1", "content": "y"});
    let (message, param, _) = mistake(&lab, with(ask("x"), "messages", json!([user, orphan]))).await;
    assert!(message.starts_with("Invalid parameter: messages with role 'tool' must be a response"), "{message}");
    assert_eq!(param.as_deref(), Some("messages.[1].role"));
    let (message, ..) = mistake(&lab, with(ask("x"), "messages", json!([user, call, user]))).await;
    assert!(message.ends_with("did not have response messages: call_1"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn models_are_checked() {
    let lab = Lab::fast().await;
    let error = async |path: &str, model: Json| {
        let (status, message, _, param, code) = lab.post(path, with(ask("x"), "model", model)).await.error();
        (status, message, param, code)
    };
    let chat = "/v1/chat/completions";
    assert_eq!(
        error(chat, json!("gpt-9")).await,
        (
            404,
            "The model `gpt-9` does not exist or you do not have access to it.".to_owned(),
            None,
            Some("model_not_found".to_owned())
        )
    );
    for model in [json!(""), Json::Null] {
        assert_eq!(error(chat, model).await, (400, "you must provide a model parameter".to_owned(), None, None));
    }
    let (status, message, param, _) = error(chat, json!("text-embedding-3-small")).await;
    assert!(message.starts_with("This is not a chat model"), "{message}");
    assert_eq!((status, param.as_deref()), (404, Some("model")));
    let (status, message, ..) = error("/v1/completions", json!("gpt-4o")).await;
    assert!(message.starts_with("This is a chat model"), "{message}");
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_context_has_an_end() {
    let lab = Lab::fast().await;
    let body = with(ask(&"word ".repeat(9_000)), "model", "gpt-4");
    let (message, param, code) = mistake(&lab, body).await;
    assert_eq!(
        message,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9008 tokens. Please \
         reduce the length of the messages."
    );
    assert_eq!((param.as_deref(), code.as_deref()), (Some("messages"), Some("context_length_exceeded")));
    let body = with(with(ask("hello"), "model", "gpt-4"), "max_tokens", 8_190);
    assert_eq!(
        mistake(&lab, body).await.0,
        "This model's maximum context length is 8192 tokens. However, you requested 8198 tokens (8 in the messages, 8190 \
         in the completion). Please reduce the length of the messages or completion."
    );
}

#[tokio::test(start_paused = true)]
async fn paths_and_methods_are_checked() {
    let lab = Lab::fast().await;
    let (status, message, kind, param, code) = lab.post("/v1/foo", json!({})).await.error();
    assert_eq!((status, message.as_str()), (404, "Invalid URL (POST /v1/foo)"));
    assert_eq!((kind.as_str(), param, code), ("invalid_request_error", None, None));
    assert_eq!(lab.post("/openai/v1/chat/completions", json!({})).await.status, 404);
    assert_eq!(lab.get("/").await.error().1, "Invalid URL (GET /)");
    let (status, message, _, _, code) = lab.get("/v1/chat/completions").await.error();
    assert_eq!((status, code.as_deref()), (405, Some("method_not_supported")));
    assert_eq!(
        message,
        "Not allowed to GET on /v1/chat/completions. (HINT: Perhaps you meant to use a different HTTP method?)"
    );
    assert_eq!(lab.post("/v1/models", json!({})).await.status, 405);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_checked() {
    let small = Lab::new(7, Config { max_body_bytes: 1_000, ..accepting() }).await;
    let post = || with_key(request(Method::POST, "/v1/chat/completions"));
    for body in ["{", "[]", "5", "\u{0}", "{\"model\": }"] {
        let (status, message, ..) = small.send(post(), body).await.error();
        assert_eq!(status, 400);
        assert!(message.starts_with("We could not parse the JSON body of your request."), "{message}");
    }
    assert_eq!(small.send(post(), "").await.error().1, "you must provide a model parameter");
    assert_eq!(small.send(post(), vec![b'['; 1_001]).await.error().0, 413);
    // curl sends a form unless told otherwise.
    let form = http::Request::post("/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(small.send(form, ask("x").to_string()).await.error().1, "you must provide a model parameter");
}

#[tokio::test(start_paused = true)]
async fn organisations_are_checked() {
    let keys = vec![
        Key::new(KEY).of(["org-one".to_owned(), "org-two".to_owned()]),
        Key::new("sk-other").of(["org-three".to_owned()]),
    ];
    let lab = Lab::new(7, Config { keys, ..Config::default() }).await;
    let get =
        |organization: &str| with_key(request(Method::GET, "/v1/models")).header("openai-organization", organization);
    assert_eq!(lab.get("/v1/models").await.header("openai-organization"), "org-one");
    assert_eq!(lab.send(get("org-two"), "").await.header("openai-organization"), "org-two");
    let (status, _, _, _, code) = lab.send(get("org-three"), "").await.error();
    assert_eq!((status, code.as_deref()), (401, Some("mismatched_organization")));
    let (status, message, _, _, code) = lab.send(get("org-nine"), "").await.error();
    assert_eq!((status, message.as_str()), (401, "No such organization: org-nine."));
    assert_eq!(code.as_deref(), Some("invalid_organization"));
}
