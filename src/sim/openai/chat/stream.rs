//! A chat completion as a stream of chunks.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::answer::{Answer, Said};
use super::super::engine::Call;
use super::super::latency::Pace;
use super::super::logprobs;
use super::super::reply::{Piece, obfuscation};
use super::super::tools::ToolCall;
use super::request::Request;
use super::{finish, usage_json};
use crate::event::Usage;

/// What one chunk adds to one choice.
struct Step {
    delta: Json,
    logprobs: Json,
    /// Length of the text in it.
    length: usize,
}

/// All chunks, each with the time since the one before.
pub(super) fn pieces(
    call: &mut Call<'_>,
    request: &Request,
    answers: &[Answer],
    usage: Usage,
    pace: &mut Pace,
) -> Vec<Piece> {
    let mut chunks = Chunks::new(call, request);
    let steps: Vec<(Vec<Step>, Vec<Step>)> =
        answers.iter().enumerate().map(|(index, answer)| steps(chunks.call, request, index, answer)).collect();
    for (index, (first, _)) in steps.iter().enumerate() {
        for step in first {
            chunks.push(Duration::ZERO, index, step, None);
        }
    }
    let longest = steps.iter().map(|(_, tokens)| tokens.len()).max().unwrap_or(0);
    for position in 0..longest {
        let mut gap = if position == 0 { Duration::ZERO } else { pace.next_token() };
        for (index, (_, tokens)) in steps.iter().enumerate() {
            if let Some(step) = tokens.get(position) {
                chunks.push(std::mem::take(&mut gap), index, step, None);
            }
        }
    }
    for (index, answer) in answers.iter().enumerate() {
        let last = Step { delta: json!({}), logprobs: Json::Null, length: 7 };
        chunks.push(Duration::ZERO, index, &last, Some(finish(request, answer).name()));
    }
    if request.include_usage {
        chunks.write(Duration::ZERO, &json!([]), usage_json(usage, answers), 2);
    }
    chunks.pieces.push(Piece::done());
    chunks.pieces
}

/// The chunks of one answer: those that open it, and one for each token.
fn steps(call: &Call<'_>, request: &Request, index: usize, answer: &Answer) -> (Vec<Step>, Vec<Step>) {
    let plain = |delta: Json, length| Step { delta, logprobs: Json::Null, length };
    match &answer.said {
        Said::Text(tokens) => {
            let likely =
                request.top_logprobs.map(|top| logprobs::of(tokens, top, &mut request.chance_of_logprobs(call, index)));
            let logprobs = |range: std::ops::Range<usize>| {
                let part = likely.as_ref().and_then(|all| all.get(range));
                part.map_or(Json::Null, |part| json!({"content": logprobs::chat_json(part), "refusal": null}))
            };
            let role = json!({"role": "assistant", "content": "", "refusal": null});
            let first = Step { delta: role, logprobs: logprobs(0..0), length: 2 };
            let tokens = tokens.iter().enumerate().map(|(position, token)| Step {
                delta: json!({"content": token}),
                logprobs: logprobs(position..position + 1),
                length: token.len(),
            });
            (vec![first], tokens.collect())
        }
        Said::Calls(calls) if request.is_legacy => {
            let name = calls.first().map(|call| call.name.as_str());
            let opening = json!({"name": name, "arguments": ""});
            let role = json!({"role": "assistant", "content": null, "function_call": opening, "refusal": null});
            let arguments = calls.iter().flat_map(|call| &call.arguments);
            let tokens = arguments.map(|part| plain(json!({"function_call": {"arguments": part}}), part.len()));
            (vec![plain(role, 2)], tokens.collect())
        }
        Said::Calls(calls) => {
            let mut role = json!({"role": "assistant", "content": null});
            let mut tokens: Vec<Step> = Vec::new();
            for (position, call) in calls.iter().enumerate() {
                // A single call comes with the role, several come one after the other.
                if calls.len() == 1 {
                    role["tool_calls"] = json!([opening(position, call)]);
                } else {
                    tokens.push(plain(json!({"tool_calls": [opening(position, call)]}), 2));
                }
                tokens.extend(
                    call.arguments
                        .iter()
                        .map(|part| plain(json!({"tool_calls": [argument(position, call, part)]}), part.len())),
                );
            }
            role["refusal"] = Json::Null;
            (vec![plain(role, 2)], tokens)
        }
    }
}

fn opening(position: usize, call: &ToolCall) -> Json {
    if call.is_custom {
        let custom = json!({"name": call.name, "input": ""});
        return json!({"index": position, "id": call.id, "type": "custom", "custom": custom});
    }
    let function = json!({"name": call.name, "arguments": ""});
    json!({"index": position, "id": call.id, "type": "function", "function": function})
}

fn argument(position: usize, call: &ToolCall, part: &str) -> Json {
    if call.is_custom {
        return json!({"index": position, "custom": {"input": part}});
    }
    json!({"index": position, "function": {"arguments": part}})
}

/// Writes chunks.
struct Chunks<'a, 'c> {
    call: &'a mut Call<'c>,
    request: &'a Request,
    id: String,
    created: i64,
    fingerprint: String,
    pieces: Vec<Piece>,
}

impl<'a, 'c> Chunks<'a, 'c> {
    fn new(call: &'a mut Call<'c>, request: &'a Request) -> Self {
        let id = call.ids.alphanumeric("chatcmpl-", 29);
        let (created, fingerprint) = (call.created(), call.fingerprint(&request.ask.model));
        Self { call, request, id, created, fingerprint, pieces: Vec::new() }
    }

    fn push(&mut self, gap: Duration, index: usize, step: &Step, finish: Option<&str>) {
        let choice = json!({"index": index, "delta": step.delta, "logprobs": step.logprobs, "finish_reason": finish});
        self.write(gap, &json!([choice]), Json::Null, step.length);
    }

    fn write(&mut self, gap: Duration, choices: &Json, usage: Json, length: usize) {
        let Self { request, id, created, fingerprint, .. } = self;
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": request.ask.model.dated,
            "service_tier": request.tier, "system_fingerprint": fingerprint, "choices": choices,
        });
        if request.include_usage {
            chunk["usage"] = usage;
        }
        if request.obfuscate {
            chunk["obfuscation"] = obfuscation(&mut self.call.ids, length).into();
        }
        self.pieces.push(Piece::data(gap, &chunk));
    }
}
