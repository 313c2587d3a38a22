//! `POST /v1/chat/completions`.

use serde_json::{Value as Json, json};

use super::answer::{Answer, Call, Content, Finish, Piece};
use super::ask::{self, Ask, Prompt, Tool, ToolChoice};
use super::config::Config;
use super::error::ApiError;
use super::http::Decoded;
use super::json::{Fields, kind, write, write_str};
use super::reply::{self, Head, Part, Shape};
use super::tools::schema;
use crate::sim::sse;

const PATH: &str = "ChatCompletionsRequest.ChatCompletionsRequest";
const BASE_PATH: &str = "ChatCompletionsRequest.ChatCompletionsRequest.baseCompletionsRequest.baseRequest";

/// Reads a request.
pub(crate) fn decode(body: &Json, config: &Config) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, PATH)?;
    let mut ask = Ask::new("chat completion request");
    ask.read_common(fields, BASE_PATH)?;
    let messages = ask::messages(fields)?;
    let (max_tokens, max_completion) = (fields.int("max_tokens")?, fields.int("max_completion_tokens")?);
    ask.max_tokens = max_completion.or(max_tokens);
    ask.n = fields.int("n")?.unwrap_or(1);
    let top = fields.int("top_logprobs")?;
    if fields.bool("logprobs")? {
        ask.logprobs = Some(usize::try_from(top.unwrap_or(1)).unwrap_or(0));
    }
    let definitions = fields.list("tools", "[]api.Tool")?;
    ask.tools = definitions.iter().map(tool).collect::<Result<_, _>>()?;
    ask.tool_choice = ask::tool_choice(fields.get("tool_choice"))?;
    ask.prompts = vec![Prompt::conversation(messages)];
    let refusal = check(&ask, config).err();
    Ok(Decoded { ask, shape: Box::new(Chat::default()), refusal })
}

/// Reads `{"type": "function", "function": {…}}`.
fn tool(definition: &Json) -> Result<Tool, String> {
    let fields = Fields::of_body(definition, "Tool")?;
    let function = fields.get("function").cloned().unwrap_or_else(|| json!({}));
    let Json::Object(map) = &function else {
        let found = kind(&function);
        return Err(format!("json: cannot unmarshal {found} into Go struct field {PATH}.tools of type api.Function"));
    };
    let name = Fields::new(map, "Function").text("name")?;
    Ok(Tool { name, definition: function })
}

/// Checks a conversation: its tools first, then what every completion must hold.
pub(crate) fn check(ask: &Ask, config: &Config) -> Result<(), ApiError> {
    if !config.tools.skip_validation && ask.tool_choice != ToolChoice::None {
        for tool in &ask.tools {
            schema::check(&tool.definition)
                .map_err(|cause| ApiError::bad(format!("Tool validation failed: {cause}")))?;
        }
    }
    ask.check()
}

/// How chat completions are written.
#[derive(Default)]
struct Chat {
    /// What every chunk but the one with usage begins with.
    prefix: Vec<u8>,
}

impl Shape for Chat {
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>) {
        write(out, format_args!(r#"{{"id":"chatcmpl-"#));
        unquoted(out, &head.id);
        out.extend_from_slice(b"\",\"model\":");
        write_str(out, &head.model);
        out.extend_from_slice(b",\"object\":\"chat.completion\",");
        reply::transfer_params(parts, out);
        write(out, format_args!("\"created\":{},\"usage\":", head.created));
        reply::write_usage(parts, out);
        out.extend_from_slice(b",\"choices\":[");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let finish = part.answer.finish.name();
            write(out, format_args!(r#"{{"index":{index},"finish_reason":"{finish}","message":{{"role":"assistant""#));
            message(&part.answer, out);
            out.push(b'}');
            if let (Some(top), Content::Text(text)) = (head.logprobs, &part.answer.content) {
                logprobs(text.iter().zip(0_i64..), top, out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    fn begin(&mut self, head: &Head, choice: usize, part: &Part, out: &mut Vec<u8>) {
        if self.prefix.is_empty() {
            self.prefix = prefix(head);
        }
        if part.answer.finish != Finish::CacheThreshold {
            self.chunk(choice, "null", |out| out.extend_from_slice(br#"{"role":"assistant"}"#), out);
        }
    }

    fn piece(&mut self, head: &Head, choice: usize, part: &Part, at: usize, out: &mut Vec<u8>) {
        match part.answer.piece(at) {
            Piece::Text(token) => {
                out.extend_from_slice(&self.prefix);
                write(out, format_args!(r#"{{"index":{choice},"finish_reason":null,"delta":{{"content":"#));
                write_str(out, token);
                out.push(b'}');
                if let Some(top) = head.logprobs {
                    logprobs([(token, head.created.rem_euclid(1000))].into_iter(), top, out);
                }
                out.extend_from_slice(b"}]}\n\n");
            }
            Piece::Argument { call, index, token, first, last } => {
                let finish = if last { "\"tool_calls\"" } else { "null" };
                self.chunk(
                    choice,
                    finish,
                    |out| {
                        out.extend_from_slice(br#"{"tool_calls":["#);
                        tool_call(call, index, first.then_some(&call.name), token, out);
                        out.extend_from_slice(b"]}");
                    },
                    out,
                );
            }
        }
    }

    fn end(&mut self, _: &Head, choice: usize, part: &Part, out: &mut Vec<u8>) {
        if matches!(part.answer.content, Content::Text(_)) {
            let finish = format!("\"{}\"", part.answer.finish.name());
            self.chunk(choice, &finish, |out| out.extend_from_slice(b"{}"), out);
        }
    }

    fn finish(&mut self, head: &Head, parts: &[&Part], out: &mut Vec<u8>) {
        if head.include_usage {
            envelope(head, out);
            reply::write_usage(parts.iter().copied(), out);
            out.extend_from_slice(b",\"choices\":[]}\n\n");
        }
        out.extend_from_slice(sse::DONE);
    }
}

impl Chat {
    fn chunk(&self, choice: usize, finish: &str, delta: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        write(out, format_args!(r#"{{"index":{choice},"finish_reason":{finish},"delta":"#));
        delta(out);
        out.extend_from_slice(b"}]}\n\n");
    }
}

/// A text in the middle of a string.
fn unquoted(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    write_str(out, text);
    out.remove(start);
    out.pop();
}

/// A chunk up to the value of `usage`.
fn envelope(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"data: {"id":"chatcmpl-"#);
    unquoted(out, &head.id);
    out.extend_from_slice(b"\",\"model\":");
    write_str(out, &head.model);
    write(out, format_args!(r#","object":"chat.completion.chunk","created":{},"usage":"#, head.created));
}

fn prefix(head: &Head) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    envelope(head, &mut out);
    out.extend_from_slice(b"null,\"choices\":[");
    out
}

/// The rest of a message: its content, where there is any.
fn message(answer: &Answer, out: &mut Vec<u8>) {
    match &answer.content {
        Content::Text(text) if text.text.is_empty() => {}
        Content::Text(text) => {
            out.extend_from_slice(b",\"content\":");
            write_str(out, &text.text);
        }
        Content::Calls(calls) => {
            out.extend_from_slice(b",\"tool_calls\":[");
            for (index, call) in calls.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                tool_call(call, index, Some(&call.name), &call.arguments.text, out);
            }
            out.push(b']');
        }
    }
}

fn tool_call(call: &Call, index: usize, name: Option<&String>, arguments: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"function":{"name":"#);
    match name {
        Some(name) => write_str(out, name),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"arguments\":");
    write_str(out, arguments);
    write(out, format_args!(r#"}},"id":"chatcmpl-tool-{}","type":"function","index":{index}}}"#, call.digits));
}

/// Writes `,"logprobs":{"content":[…]}` for tokens and their positions.
fn logprobs<'t>(tokens: impl Iterator<Item = (&'t str, i64)>, top: usize, out: &mut Vec<u8>) {
    let content: Vec<Json> = tokens.map(|(token, position)| token_logprob(token, position, top)).collect();
    out.extend_from_slice(b",\"logprobs\":");
    drop(serde_json::to_writer(out, &json!({ "content": content })));
}

/// One token with its made-up probability and alternatives.
pub(crate) fn token_logprob(token: &str, position: i64, top: usize) -> Json {
    let one = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let probability = reply::logprob(position);
    let alternatives: Vec<Json> = (0..top.min(20))
        .map(|rank| match rank {
            0 => one(token, probability),
            rank => one(&format!("{token}_{rank}"), probability - 0.5 * f64::from(u8::try_from(rank).unwrap_or(0))),
        })
        .collect();
    let mut shown = one(token, probability);
    shown["top_logprobs"] = alternatives.into();
    shown
}
