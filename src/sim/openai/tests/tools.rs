//! Tools, structured output, several choices, stop sequences and log probabilities.

use serde_json::{Value as Json, json};

use super::client::{Answer, Lab, ask, with};

fn weather() -> Json {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "unit"],
            "additionalProperties": false,
        },
        "strict": true,
    }})
}

fn stock() -> Json {
    json!({"type": "function", "function": {"name": "get_stock_price", "parameters": {
        "type": "object", "properties": {"symbol": {"type": "string", "pattern": "^[A-Z]{2,4}$"}}, "required": ["symbol"],
    }}})
}

fn check_weather(arguments: &str) {
    let arguments: Json = serde_json::from_str(arguments).unwrap();
    assert_eq!(Answer::keys(&arguments), ["location", "unit"]);
    assert!(arguments["location"].is_string());
    assert!(["celsius", "fahrenheit"].contains(&arguments["unit"].as_str().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_fitting_tool_is_called() {
    let lab = Lab::fast().await;
    let body = with(ask("What is the weather in Boston?"), "tools", json!([weather(), stock()]));
    let json = lab.chat(body).await.json();
    let choice = &json["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(Answer::keys(&choice["message"]), ["role", "content", "tool_calls", "refusal", "annotations"]);
    assert_eq!(choice["message"]["content"], Json::Null);
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(Answer::keys(&calls[0]), ["id", "type", "function"]);
    assert!(calls[0]["id"].as_str().unwrap().strip_prefix("call_").is_some_and(|id| id.len() == 24));
    assert_eq!(calls[0]["function"]["name"], "get_weather");
    check_weather(calls[0]["function"]["arguments"].as_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn tool_choice_decides() {
    let lab = Lab::fast().await;
    let base = with(ask("Tell me a story"), "tools", json!([weather(), stock()]));
    let finish = async |choice: Json| {
        let json = lab.chat(with(base.clone(), "tool_choice", choice)).await.json();
        let choice = &json["choices"][0];
        let name = choice["message"]["tool_calls"][0]["function"]["name"].as_str().map(str::to_owned);
        (choice["finish_reason"].as_str().unwrap().to_owned(), name)
    };
    let named = json!({"type": "function", "function": {"name": "get_stock_price"}});
    assert_eq!(finish(json!("auto")).await, ("stop".to_owned(), None));
    assert_eq!(finish(json!("none")).await, ("stop".to_owned(), None));
    assert_eq!(finish(json!("required")).await, ("tool_calls".to_owned(), Some("get_weather".to_owned())));
    assert_eq!(finish(named).await, ("stop".to_owned(), Some("get_stock_price".to_owned())));
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {
        "mode": "required", "tools": [{"type": "function", "function": {"name": "get_stock_price"}}],
    }});
    assert_eq!(finish(allowed).await, ("tool_calls".to_owned(), Some("get_stock_price".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn several_tools_are_called_unless_forbidden() {
    let lab = Lab::fast().await;
    let body = with(ask("The weather in Boston and the stock price of IBM?"), "tools", json!([weather(), stock()]));
    let count = |json: Json| json["choices"][0]["message"]["tool_calls"].as_array().unwrap().len();
    assert_eq!(count(lab.chat(body.clone()).await.json()), 2);
    assert_eq!(count(lab.chat(with(body, "parallel_tool_calls", false)).await.json()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tools_result_is_answered_in_words() {
    let lab = Lab::fast().await;
    let mut body = with(ask("What is the weather in Boston?"), "tools", json!([weather()]));
    let first = lab.chat(body.clone()).await.json();
    let message = first["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "Sunny, 21 °C"}));
    let second = lab.chat(body).await.json();
    assert_eq!(second["choices"][0]["finish_reason"], "stop");
    assert!(second["choices"][0]["message"]["content"].is_string());
}

#[tokio::test(start_paused = true)]
async fn calls_are_streamed_as_deltas() {
    let lab = Lab::timed(300, 20, 0).await;
    let body = with(ask("The weather in Boston and the stock price of IBM?"), "stream", true);
    let one = lab.chat(with(body.clone(), "tools", json!([weather()]))).await.chunks();
    let delta = |chunk: &Json| chunk["choices"][0]["delta"].clone();
    let role = delta(&one[0]);
    assert_eq!(Answer::keys(&role), ["role", "content", "tool_calls", "refusal"]);
    assert_eq!(Answer::keys(&role["tool_calls"][0]), ["index", "id", "type", "function"]);
    assert_eq!(role["tool_calls"][0]["function"], json!({"name": "get_weather", "arguments": ""}));
    let middle: String = one[1..one.len() - 1]
        .iter()
        .map(|chunk| delta(chunk)["tool_calls"][0]["function"]["arguments"].as_str().unwrap().to_owned())
        .collect();
    check_weather(&middle);
    assert_eq!(delta(one.last().unwrap()), json!({}));
    assert_eq!(one.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");

    let two = lab.chat(with(body, "tools", json!([weather(), stock()]))).await.chunks();
    assert_eq!(delta(&two[0]), json!({"role": "assistant", "content": null, "refusal": null}));
    let mut arguments = [String::new(), String::new()];
    for chunk in &two[1..two.len() - 1] {
        let call = &delta(chunk)["tool_calls"][0];
        let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
        arguments[index].push_str(call["function"]["arguments"].as_str().unwrap());
    }
    check_weather(&arguments[0]);
    assert!(serde_json::from_str::<Json>(&arguments[1]).unwrap()["symbol"].is_string());
}

#[tokio::test(start_paused = true)]
async fn functions_are_still_called_in_the_old_way() {
    let lab = Lab::fast().await;
    let function = weather()["function"].clone();
    let body = with(ask("What is the weather in Boston?"), "functions", json!([function]));
    let json = lab.chat(body.clone()).await.json();
    let choice = &json["choices"][0];
    assert_eq!(choice["finish_reason"], "function_call");
    check_weather(choice["message"]["function_call"]["arguments"].as_str().unwrap());
    let chunks = lab.chat(with(body, "stream", true)).await.chunks();
    let arguments: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["function_call"]["arguments"].as_str()).collect();
    check_weather(&arguments);
}

#[tokio::test(start_paused = true)]
async fn structured_output_satisfies_its_schema() {
    let lab = Lab::fast().await;
    let schema = weather()["function"]["parameters"].clone();
    let format = json!({"type": "json_schema", "json_schema": {"name": "weather", "strict": true, "schema": schema}});
    let json = lab.chat(with(ask("Boston"), "response_format", format)).await.json();
    check_weather(json["choices"][0]["message"]["content"].as_str().unwrap());

    let object = with(ask("What is 2+2? Answer in JSON."), "response_format", json!({"type": "json_object"}));
    let json = lab.chat(object).await.json();
    let content: Json = serde_json::from_str(json["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(content.is_object());
}

#[tokio::test(start_paused = true)]
async fn several_choices_differ_and_are_counted() {
    let lab = Lab::fast().await;
    let json = lab.chat(with(ask("Tell me about rivers"), "n", 3)).await.json();
    let choices = json["choices"].as_array().unwrap();
    let texts: Vec<&Json> = choices.iter().map(|choice| &choice["message"]["content"]).collect();
    assert_eq!(choices.len(), 3);
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
    let alone = lab.chat(ask("Tell me about rivers")).await.json();
    assert_eq!(alone["choices"][0]["message"]["content"], *texts[0]);
    assert!(json["usage"]["completion_tokens"].as_u64() > alone["usage"]["completion_tokens"].as_u64());

    let chunks = lab.chat(with(with(ask("Tell me about rivers"), "n", 3), "stream", true)).await.chunks();
    for (index, text) in texts.iter().enumerate() {
        let streamed: String = chunks
            .iter()
            .filter(|chunk| chunk["choices"][0]["index"] == index)
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(**text, streamed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_seed_parameter_chooses_the_answer() {
    let lab = Lab::fast().await;
    let content = async |seed: Json| {
        let json = lab.chat(with(ask("Tell me about rivers"), "seed", seed)).await.json();
        json["choices"][0]["message"]["content"].clone()
    };
    assert_eq!(content(json!(1)).await, content(json!(1)).await);
    assert_ne!(content(json!(1)).await, content(json!(2)).await);
}

#[tokio::test(start_paused = true)]
async fn a_stop_sequence_ends_an_answer() {
    let lab = Lab::fast().await;
    let whole = lab.chat(ask("Tell me about rivers")).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stopped = lab.chat(with(ask("Tell me about rivers"), "stop", json!(["zebra", "."]))).await.json();
    let choice = &stopped["choices"][0];
    assert_eq!(choice["message"]["content"], whole.split('.').next().unwrap());
    assert_eq!(choice["finish_reason"], "stop");
}

#[tokio::test(start_paused = true)]
async fn log_probabilities_are_there_on_demand() {
    let lab = Lab::fast().await;
    let body = with(with(ask("What is 2+2?"), "logprobs", true), "top_logprobs", 3);
    let json = lab.chat(body.clone()).await.json();
    let logprobs = &json["choices"][0]["logprobs"];
    assert_eq!(Answer::keys(logprobs), ["content", "refusal"]);
    let tokens = logprobs["content"].as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    for token in tokens {
        assert_eq!(Answer::keys(token), ["token", "logprob", "bytes", "top_logprobs"]);
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        assert_eq!(top[0]["token"], token["token"]);
        let numbers: Vec<f64> = top.iter().map(|one| one["logprob"].as_f64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]) && numbers[0] <= 0.0, "{numbers:?}");
    }
    assert_eq!(tokens[1]["bytes"], json!([46]));
    let chunks = lab.chat(with(body, "stream", true)).await.chunks();
    assert_eq!(chunks[0]["choices"][0]["logprobs"], json!({"content": [], "refusal": null}));
    assert_eq!(chunks[1]["choices"][0]["logprobs"]["content"][0], tokens[0]);
    assert_eq!(chunks[3]["choices"][0]["logprobs"], Json::Null);
}

#[tokio::test(start_paused = true)]
async fn reasoning_counts_and_is_not_shown() {
    let lab = Lab::fast().await;
    let body = with(ask("What is 2+2?"), "model", "o4-mini");
    let json = lab.chat(body.clone()).await.json();
    let reasoning = json["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(reasoning >= 64 && reasoning % 64 == 0, "{reasoning}");
    assert_eq!(json["usage"]["completion_tokens"], reasoning + 2);
    assert_eq!(json["choices"][0]["message"]["content"], "Four.");
    // Whoever allows too little gets thoughts and no words.
    let short = lab.chat(with(body, "max_completion_tokens", 10)).await.json();
    assert_eq!(short["choices"][0]["message"]["content"], "");
    assert_eq!(short["choices"][0]["finish_reason"], "length");
}
