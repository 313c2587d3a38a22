//! `POST /v1/chat/completions`.

mod request;
mod stream;

use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Said};
use super::engine::Call;
use super::error::ApiError;
use super::logprobs;
use super::reply::Reply;
use super::text::Finish;
use super::tools::ToolCall;
use crate::event::Usage;
use request::Request;
pub(crate) use request::{check_metadata, check_sampling, check_unknown, stream_options, tier};

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let request = request::read(body)?;
    let ask = &request.ask;
    call.admit(&ask.model, ask.prompt.characters, ask.asked.map(|asked| asked.saturating_mul(request.n)))?;
    let answers: Vec<Answer> = (0..request.n).map(|index| ask.answer(call, index)).collect();
    let usage = Usage { input: ask.prompt.tokens, output: answers.iter().map(Answer::tokens).sum() };
    let mut pace = call.pace(&ask.model);
    if request.stream {
        let after = pace.first_token;
        return Ok(Reply::stream(after, stream::pieces(call, &request, &answers, usage, &mut pace), usage));
    }
    let steps = answers.iter().map(Answer::steps).max().unwrap_or(0);
    Ok(Reply::whole(pace.whole(steps), &whole(call, &request, &answers, usage), Some(usage)))
}

fn whole(call: &mut Call<'_>, request: &Request, answers: &[Answer], usage: Usage) -> Json {
    let choices: Vec<Json> =
        answers.iter().enumerate().map(|(index, answer)| choice(call, request, index, answer)).collect();
    json!({
        "id": call.ids.alphanumeric("chatcmpl-", 29),
        "object": "chat.completion",
        "created": call.created(),
        "model": request.ask.model.dated,
        "choices": choices,
        "usage": usage_json(usage, answers),
        "service_tier": request.tier,
        "system_fingerprint": call.fingerprint(&request.ask.model),
    })
}

fn choice(call: &mut Call<'_>, request: &Request, index: usize, answer: &Answer) -> Json {
    let mut message = json!({"role": "assistant", "content": null});
    let mut logprobs = Json::Null;
    match &answer.said {
        Said::Text(tokens) => {
            message["content"] = tokens.concat().into();
            if let Some(top) = request.top_logprobs {
                let likely = logprobs::of(tokens, top, &mut request.chance_of_logprobs(call, index));
                logprobs = json!({"content": logprobs::chat_json(&likely), "refusal": null});
            }
        }
        Said::Calls(calls) if request.is_legacy => {
            let function = calls.first().map(|call| json!({"name": call.name, "arguments": call.arguments.concat()}));
            message["function_call"] = function.into();
        }
        Said::Calls(calls) => message["tool_calls"] = calls.iter().map(tool_call).collect(),
    }
    message["refusal"] = Json::Null;
    message["annotations"] = json!([]);
    json!({
        "index": index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": finish(request, answer).name(),
    })
}

fn tool_call(call: &ToolCall) -> Json {
    let text = call.arguments.concat();
    if call.is_custom {
        return json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}});
    }
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}})
}

/// Why an answer ended; the old way of calling functions has its own word.
fn finish(request: &Request, answer: &Answer) -> Finish {
    match answer.finish {
        Finish::ToolCalls if request.is_legacy => Finish::FunctionCall,
        other => other,
    }
}

/// The `usage` of a chat completion.
fn usage_json(usage: Usage, answers: &[Answer]) -> Json {
    let reasoning: u64 = answers.iter().map(|answer| answer.reasoning).sum();
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
