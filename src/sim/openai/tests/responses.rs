//! The Responses API.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::client::{Answer, Lab, with};

const PATH: &str = "/v1/responses";

fn ask(input: impl Into<Json>) -> Json {
    json!({"model": "gpt-4o", "input": input.into()})
}

/// The events of a stream; each has its name twice and its number.
fn events(answer: &Answer) -> Vec<Json> {
    let events = answer.text.split("\n\n").filter(|event| !event.is_empty());
    let events = events.enumerate().map(|(number, event)| {
        let (name, data) = event.split_once('\n').unwrap();
        let json: Json = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(Answer::keys(&json)[..2], ["type", "sequence_number"]);
        assert_eq!(name.strip_prefix("event: "), json["type"].as_str());
        assert_eq!(json["sequence_number"], number);
        json
    });
    events.collect()
}

#[tokio::test(start_paused = true)]
async fn a_response_is_whole() {
    let lab = Lab::timed(300, 20, 1_470).await;
    let answer = lab.post(PATH, with(ask("What is 2+2?"), "metadata", json!({"a": "b"}))).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(Answer::keys(&json)[..6], ["id", "object", "created_at", "status", "background", "completed_at"]);
    assert!(json["id"].as_str().unwrap().strip_prefix("resp_").is_some_and(|id| id.len() == 48));
    assert_eq!(json["object"], "response");
    assert_eq!(json["status"], "completed");
    assert_eq!(json["model"], "gpt-4o-2024-08-06");
    assert_eq!(json["completed_at"].as_i64().unwrap() - json["created_at"].as_i64().unwrap(), 1);
    assert_eq!(json["metadata"], json!({"a": "b"}));
    assert_eq!(json["text"], json!({"format": {"type": "text"}, "verbosity": "medium"}));
    let output = json["output"].as_array().unwrap();
    assert_eq!(output.len(), 1);
    assert_eq!(Answer::keys(&output[0]), ["id", "type", "status", "content", "role"]);
    assert_eq!(
        output[0]["content"],
        json!([{"type": "output_text", "annotations": [], "logprobs": [], "text": "Four."}])
    );
    assert_eq!(
        json["usage"],
        json!({
            "input_tokens": 14, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 16,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_through_its_stages() {
    let lab = Lab::timed(300, 20, 470).await;
    let answer = lab.post(PATH, with(ask("What is 2+2?"), "stream", true)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    let events = events(&answer);
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["usage"], Json::Null);
    assert_eq!(events[2]["item"]["content"], json!([]));
    assert_eq!(
        Answer::keys(&events[4]),
        ["type", "sequence_number", "item_id", "output_index", "content_index", "delta", "logprobs", "obfuscation"]
    );
    assert_eq!(events[4]["delta"], "Four");
    assert_eq!(events[6]["text"], "Four.");
    assert_eq!(events[8]["item"], events[9]["response"]["output"][0]);
    assert_eq!(events[9]["response"]["usage"]["total_tokens"], 16);
    assert_eq!(answer.head_at, Duration::from_millis(2 + 1 + 300 + 1));
    assert_eq!(answer.end_at, Duration::from_millis(2 + 1 + 300 + 20 + 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_is_incomplete() {
    let lab = Lab::fast().await;
    let body = with(ask("Tell me about rivers"), "max_output_tokens", 20);
    let json = lab.post(PATH, body.clone()).await.json();
    assert_eq!(json["status"], "incomplete");
    assert_eq!(json["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(json["completed_at"], Json::Null);
    assert_eq!(json["output"][0]["status"], "incomplete");
    let streamed = lab.post(PATH, with(body, "stream", true)).await;
    assert_eq!(events(&streamed).last().unwrap()["type"], "response.incomplete");
}

#[tokio::test(start_paused = true)]
async fn functions_are_called() {
    let lab = Lab::fast().await;
    let tool = json!({"type": "function", "name": "get_weather", "parameters": {
        "type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"],
    }});
    let body = with(ask("What is the weather in Paris?"), "tools", json!([tool]));
    let json = lab.post(PATH, body.clone()).await.json();
    let call = &json["output"][0];
    assert_eq!(Answer::keys(call), ["id", "type", "status", "arguments", "call_id", "name"]);
    assert_eq!(call["type"], "function_call");
    let arguments: Json = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["location"].is_string());
    assert_eq!(json["tools"][0]["strict"], true);

    let streamed = events(&lab.post(PATH, with(body.clone(), "stream", true)).await);
    let deltas: String = streamed
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    let done = streamed.iter().find(|event| event["type"] == "response.function_call_arguments.done").unwrap();
    assert_eq!(done["arguments"], deltas);
    assert_eq!(done["name"], "get_weather");

    let input = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "What is the weather in Paris?"}]},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "Sunny"},
    ]);
    let second = lab.post(PATH, with(with(body.clone(), "input", input), "tool_choice", "auto")).await.json();
    assert_eq!(second["output"][0]["type"], "message");
    let orphan = json!([{"type": "function_call_output", "call_id": "call_x", "output": "Sunny"}]);
    let (status, message, ..) = lab.post(PATH, with(body, "input", orphan)).await.error();
    assert_eq!((status, message.as_str()), (400, "No tool call found for function call output with call_id call_x."));
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on() {
    let lab = Lab::fast().await;
    let first = lab.post(PATH, ask("Tell me about rivers")).await.json();
    let next = with(ask("And lakes?"), "previous_response_id", first["id"].clone());
    let second = lab.post(PATH, next.clone()).await.json();
    assert_eq!(second["previous_response_id"], first["id"]);
    let fresh = lab.post(PATH, ask("And lakes?")).await.json();
    let tokens = |json: &Json, name: &str| json["usage"][name].as_u64().unwrap();
    assert_eq!(tokens(&second, "input_tokens"), tokens(&fresh, "input_tokens") + tokens(&first, "total_tokens"));
    let (status, _, _, param, code) = lab.post(PATH, with(next, "previous_response_id", "resp_0")).await.error();
    assert_eq!(status, 400);
    assert_eq!(param.as_deref(), Some("previous_response_id"));
    assert_eq!(code.as_deref(), Some("previous_response_not_found"));
}

#[tokio::test(start_paused = true)]
async fn a_schema_shapes_the_text() {
    let lab = Lab::fast().await;
    let schema = json!({
        "type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"], "additionalProperties": false,
    });
    let format = json!({"type": "json_schema", "name": "year", "strict": true, "schema": schema});
    let json = lab.post(PATH, with(ask("When?"), "text", json!({"format": format}))).await.json();
    let text: Json = serde_json::from_str(json["output"][0]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(text["year"].is_i64(), "{text}");
    assert_eq!(json["text"]["format"], format);
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_named() {
    let lab = Lab::fast().await;
    let error = async |body: Json| {
        let (status, message, kind, param, code) = lab.post(PATH, body).await.error();
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{message}");
        (message, param.unwrap_or_default(), code.unwrap_or_default())
    };
    let owned = |message: &str, param: &str, code: &str| (message.to_owned(), param.to_owned(), code.to_owned());
    assert_eq!(
        error(json!({"model": "gpt-4o"})).await,
        owned("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    );
    assert_eq!(error(with(ask("x"), "foo", 1)).await, owned("Unknown parameter: 'foo'.", "foo", "unknown_parameter"));
    let (message, param, code) = error(with(ask("x"), "messages", json!([]))).await;
    assert!(
        message.starts_with(
            "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'."
        )
    );
    assert_eq!((param.as_str(), code.as_str()), ("messages", "unsupported_parameter"));
    assert_eq!(
        error(with(ask("x"), "max_output_tokens", 3)).await,
        owned(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 3 instead.",
            "max_output_tokens",
            "integer_below_min_value"
        )
    );
    assert_eq!(error(ask(5)).await.2, "invalid_type");
    let long = "word ".repeat(130_000);
    assert_eq!(
        error(ask(long)).await,
        owned(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "input",
            "context_length_exceeded"
        )
    );
}
