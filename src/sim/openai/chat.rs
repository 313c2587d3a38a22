//! `POST /v1/chat/completions`.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::engine::Call;
use super::error::ApiError;
use super::latency::Pace;
use super::models::Model;
use super::params::Params;
use super::prompt::{self, Prompt};
use super::prose;
use super::reply::{Piece, Reply};
use super::text::{self, Bounds, Finish};
use crate::event::Usage;

const KNOWN: &[&str] = &[
    "metadata",
    "top_logprobs",
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "messages",
    "model",
    "service_tier",
    "modalities",
    "verbosity",
    "reasoning_effort",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "web_search_options",
    "response_format",
    "audio",
    "store",
    "moderation",
    "stream",
    "stop",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "prediction",
    "seed",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "function_call",
    "functions",
];

/// A request that is in order.
struct Request {
    model: Model,
    prompt: Prompt,
    bounds: Bounds,
    /// The length that the request asks for.
    asked: Option<u64>,
    n: u64,
    stream: bool,
    include_usage: bool,
    obfuscate: bool,
    tier: &'static str,
    variant: String,
}

/// One choice of an answer.
struct Choice {
    tokens: Vec<String>,
    finish: Finish,
}

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let request = read(call, body)?;
    call.admit(&request.model, request.prompt.characters, request.asked)?;
    let choices: Vec<Choice> = (0..request.n).map(|index| choose(call, &request, index)).collect();
    let output: u64 = choices.iter().map(|choice| choice.tokens.len() as u64).sum();
    let usage = Usage { input: request.prompt.tokens, output };
    let mut pace = call.pace(&request.model);
    if request.stream {
        let pieces = stream(call, &request, &choices, usage, &mut pace);
        return Ok(Reply::stream(pace.first_token, pieces, usage));
    }
    let longest = choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0);
    Ok(Reply::whole(pace.whole(longest), &whole(call, &request, &choices, usage), Some(usage)))
}

fn read(call: &Call<'_>, body: &Map<String, Json>) -> Result<Request, ApiError> {
    let params = Params::new(body);
    let model = call.model(params.get("model"))?;
    if !model.is_chat() {
        let message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you \
                       mean to use v1/completions?";
        return Err(ApiError::front_door(http::StatusCode::NOT_FOUND, message).with_param("model"));
    }
    let prompt = prompt::read(&params)?;
    let _ = KNOWN;
    let asked = params.count("max_completion_tokens", 1, i64::MAX)?.or(params.count("max_tokens", 1, i64::MAX)?);
    text::check_max_tokens(&model, "max_tokens", asked)?;
    let room = text::room(&model, "messages", prompt.tokens, asked)?;
    let stream = params.boolean("stream")?.unwrap_or(false);
    let options = params.object("stream_options")?;
    let option = |name: &str| options.as_ref().map_or(Ok(None), |options| options.boolean(name));
    let include_usage = option("include_usage")?.unwrap_or(false);
    let obfuscate = option("include_obfuscation")?.unwrap_or(true);
    Ok(Request {
        model,
        prompt,
        asked,
        bounds: Bounds { max_tokens: room, stop: text::stop_sequences(&params)? },
        n: params.count("n", 1, 128)?.unwrap_or(1),
        stream,
        include_usage,
        obfuscate,
        tier: "default",
        variant: params.integer("seed", i64::MIN, i64::MAX)?.map(|seed| seed.to_string()).unwrap_or_default(),
    })
}

fn choose(call: &Call<'_>, request: &Request, index: u64) -> Choice {
    let variant = if index == 0 { request.variant.clone() } else { format!("{}/{index}", request.variant) };
    let text = prose::answer(call.seed(), &request.prompt.question, &variant);
    let (tokens, finish) = text::bounded(&text, &request.bounds);
    Choice { tokens, finish }
}

fn whole(call: &mut Call<'_>, request: &Request, choices: &[Choice], usage: Usage) -> Json {
    let choices: Vec<Json> = choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            json!({
                "index": index,
                "message": {
                    "role": "assistant", "content": choice.tokens.concat(), "refusal": null, "annotations": [],
                },
                "logprobs": null,
                "finish_reason": choice.finish.name(),
            })
        })
        .collect();
    json!({
        "id": call.ids.alphanumeric("chatcmpl-", 29),
        "object": "chat.completion",
        "created": call.created(),
        "model": request.model.dated,
        "choices": choices,
        "usage": usage_json(usage, 0),
        "service_tier": request.tier,
        "system_fingerprint": call.fingerprint(&request.model),
    })
}

/// The `usage` of a chat completion.
fn usage_json(usage: Usage, reasoning: u64) -> Json {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn stream(call: &mut Call<'_>, request: &Request, choices: &[Choice], usage: Usage, pace: &mut Pace) -> Vec<Piece> {
    let id = call.ids.alphanumeric("chatcmpl-", 29);
    let (created, fingerprint) = (call.created(), call.fingerprint(&request.model));
    let mut pieces = Vec::new();
    let mut push = |gap: Duration, choices: Json, usage: Json, length: usize| {
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": request.model.dated,
            "service_tier": request.tier, "system_fingerprint": fingerprint, "choices": choices,
        });
        if request.include_usage {
            chunk["usage"] = usage;
        }
        if request.obfuscate {
            let padding = 1 + (12_usize.wrapping_sub(length)) % 16;
            chunk["obfuscation"] = call.ids.alphanumeric("", padding).into();
        }
        pieces.push(Piece::data(gap, &chunk));
    };
    let delta = |index: usize, delta: Json, finish: Option<Finish>| json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish.map(Finish::name)}]);
    for index in 0..choices.len() {
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        push(Duration::ZERO, delta(index, role, None), Json::Null, 2);
    }
    let longest = choices.iter().map(|choice| choice.tokens.len()).max().unwrap_or(0);
    for step in 0..longest {
        let mut gap = if step == 0 { Duration::ZERO } else { pace.next_token() };
        for (index, choice) in choices.iter().enumerate() {
            if let Some(token) = choice.tokens.get(step) {
                push(std::mem::take(&mut gap), delta(index, json!({"content": token}), None), Json::Null, token.len());
            }
        }
    }
    for (index, choice) in choices.iter().enumerate() {
        push(Duration::ZERO, delta(index, json!({}), Some(choice.finish)), Json::Null, 7);
    }
    if request.include_usage {
        push(Duration::ZERO, json!([]), usage_json(usage, 0), 2);
    }
    pieces.push(Piece::done());
    pieces
}
