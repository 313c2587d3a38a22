//! `POST /v1/responses`.

mod input;
mod request;
mod stream;

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::answer::{Answer, Said};
use super::engine::Call;
use super::error::ApiError;
use super::logprobs::{self, Likely};
use super::reply::Reply;
use super::text::Finish;
use super::tools::ToolCall;
use crate::event::Usage;
use request::Request;

/// Length of the hexadecimal part of the ids.
const ID: usize = 48;

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let request = request::read(call, body)?;
    let ask = &request.ask;
    call.admit(&ask.model, ask.prompt.characters, ask.asked)?;
    let answer = ask.answer(call, 0);
    let usage = Usage { input: ask.prompt.tokens, output: answer.tokens() };
    let mut pace = call.pace(&ask.model);
    let mut document = Document::new(call, &request, &answer, usage);
    if request.store {
        call.remember(&document.id, usage.input + usage.output);
    }
    if request.stream {
        let after = pace.first_token;
        let pieces = stream::pieces(call, &request, &mut document, after, &mut pace);
        return Ok(Reply::stream(after, pieces, usage));
    }
    let after = pace.whole(answer.steps());
    Ok(Reply::whole(after, &document.finished(after), Some(usage)))
}

/// A response as it is told of: at its beginning, in the middle of a stream, at its end.
struct Document<'a> {
    id: String,
    created: jiff::Timestamp,
    request: &'a Request,
    /// Its parts in their final state.
    items: Vec<Item>,
    finish: Finish,
    usage: Json,
}

/// A part of a response's output.
struct Item {
    id: String,
    kind: Kind,
    is_whole: bool,
}

enum Kind {
    Reasoning,
    Message { tokens: Vec<String>, likely: Option<Vec<Likely>> },
    Call(ToolCall),
}

impl<'a> Document<'a> {
    fn new(call: &mut Call<'_>, request: &'a Request, answer: &Answer, usage: Usage) -> Self {
        let id = call.ids.hex("resp_", ID);
        let mut items = Vec::new();
        if request.ask.model.reasons() {
            items.push(Item { id: call.ids.hex("rs_", ID), kind: Kind::Reasoning, is_whole: true });
        }
        let is_whole = answer.finish != Finish::Length;
        match &answer.said {
            Said::Text(tokens) => {
                let likely = request.top_logprobs.map(|top| {
                    let name = format!("openai/logprobs/{}", request.ask.prompt.question);
                    logprobs::of(tokens, top, &mut call.seed().stream(&name))
                });
                let kind = Kind::Message { tokens: tokens.clone(), likely };
                items.push(Item { id: call.ids.hex("msg_", ID), kind, is_whole });
            }
            Said::Calls(calls) => {
                for tool in calls {
                    let prefix = if tool.is_custom { "ctc_" } else { "fc_" };
                    items.push(Item { id: call.ids.hex(prefix, ID), kind: Kind::Call(tool.clone()), is_whole });
                }
            }
        }
        let created = call.engine.world.clock.wall();
        let usage = usage_json(usage, answer.reasoning);
        Self { id, created, request, items, finish: answer.finish, usage }
    }

    /// The response when nothing of it is there yet.
    fn begun(&self) -> Json {
        self.json("in_progress", &[], None, &Json::Null)
    }

    /// The response when all of it is there, `took` after its beginning.
    fn finished(&self, took: Duration) -> Json {
        let items: Vec<Json> = self.items.iter().map(Item::finished).collect();
        let ended = self.created.checked_add(took).unwrap_or(self.created);
        let is_whole = self.finish != Finish::Length;
        let status = if is_whole { "completed" } else { "incomplete" };
        self.json(status, &items, is_whole.then(|| ended.as_second()), &self.usage)
    }

    fn json(&self, status: &str, output: &[Json], completed_at: Option<i64>, usage: &Json) -> Json {
        let request = self.request;
        let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        let told = |name: &str, otherwise: Json| request.told.get(name).cloned().unwrap_or(otherwise);
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created.as_second(),
            "status": status,
            "background": false,
            "completed_at": completed_at,
            "error": null,
            "frequency_penalty": 0.0,
            "incomplete_details": incomplete,
            "instructions": told("instructions", Json::Null),
            "max_output_tokens": told("max_output_tokens", Json::Null),
            "max_tool_calls": told("max_tool_calls", Json::Null),
            "model": request.ask.model.dated,
            "output": output,
            "parallel_tool_calls": request.ask.toolbox.parallel,
            "presence_penalty": 0.0,
            "previous_response_id": told("previous_response_id", Json::Null),
            "prompt_cache_key": told("prompt_cache_key", Json::Null),
            "reasoning": request.reasoning,
            "safety_identifier": told("safety_identifier", Json::Null),
            "service_tier": request.tier,
            "store": request.store,
            "temperature": told("temperature", json!(1.0)),
            "text": request.text,
            "tool_choice": told("tool_choice", "auto".into()),
            "tools": request.tools,
            "top_logprobs": told("top_logprobs", 0.into()),
            "top_p": told("top_p", json!(1.0)),
            "truncation": told("truncation", "disabled".into()),
            "usage": usage,
            "user": told("user", Json::Null),
            "metadata": told("metadata", json!({})),
        })
    }
}

impl Item {
    /// The part when nothing of it is there yet.
    fn begun(&self) -> Json {
        let id = &self.id;
        match &self.kind {
            Kind::Reasoning => json!({"id": id, "type": "reasoning", "summary": []}),
            Kind::Message { .. } => {
                json!({"id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"})
            }
            Kind::Call(call) => call_json(id, call, "in_progress", ""),
        }
    }

    /// The part when all of it is there.
    fn finished(&self) -> Json {
        let status = if self.is_whole { "completed" } else { "incomplete" };
        let mut json = self.begun();
        match &self.kind {
            Kind::Reasoning => {}
            Kind::Message { tokens, likely } => {
                json["status"] = status.into();
                json["content"] = json!([text_part(&tokens.concat(), likely.as_deref())]);
            }
            Kind::Call(call) => json = call_json(&self.id, call, status, &call.arguments.concat()),
        }
        json
    }
}

fn call_json(id: &str, call: &ToolCall, status: &str, text: &str) -> Json {
    let (kind, content) = if call.is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
    let mut json = json!({"id": id, "type": kind, "status": status});
    json[content] = text.into();
    json["call_id"] = call.id.clone().into();
    json["name"] = call.name.clone().into();
    json
}

/// A message's text, as its content has it.
fn text_part(text: &str, likely: Option<&[Likely]>) -> Json {
    let logprobs = logprobs::chat_json(likely.unwrap_or_default());
    json!({"type": "output_text", "annotations": [], "logprobs": logprobs, "text": text})
}

fn usage_json(usage: Usage, reasoning: u64) -> Json {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": usage.input + usage.output,
    })
}
