//! `POST /v1/chat/completions`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Call, Content, Finish, Piece};
use super::ask::{self, Ask, Message, Prompt, Tool};
use super::config::Config;
use super::error::ApiError;
use super::infer::Decoded;
use super::json::{Fields, kind, write, write_str};
use super::reply::{self, Head, Part, Shape};
use super::tools::schema;
use crate::sim::sse;

const KIND: &str = "chat completion request";
const PATH: &str = "ChatCompletionsRequest.ChatCompletionsRequest";
const BASE_PATH: &str = "ChatCompletionsRequest.ChatCompletionsRequest.baseCompletionsRequest.baseRequest";

/// A request as most are: plain texts, no tools, names spelt as they should be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain<'b> {
    #[serde(borrow)]
    model: Cow<'b, str>,
    #[serde(borrow)]
    messages: Vec<PlainMessage<'b>>,
    stream: Option<bool>,
    stream_options: Option<PlainOptions>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    n: Option<i64>,
    #[serde(rename = "temperature")]
    _temperature: Option<IgnoredAny>,
    #[serde(rename = "top_p")]
    _top_p: Option<IgnoredAny>,
    #[serde(rename = "user")]
    _user: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainMessage<'b> {
    #[serde(borrow)]
    role: Cow<'b, str>,
    #[serde(borrow)]
    content: Cow<'b, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainOptions {
    include_usage: Option<bool>,
}

/// Reads a plain request without making a tree of it; none for any other, which [`decode`] reads or refuses.
pub(crate) fn decode_plain(body: &[u8]) -> Option<Ask> {
    let plain: Plain<'_> = serde_json::from_slice(body).ok()?;
    let message = |one: PlainMessage<'_>| Message { role: one.role.into_owned(), text: one.content.into_owned() };
    Some(Ask {
        model: plain.model.into_owned(),
        stream: plain.stream.unwrap_or(false),
        include_usage: plain.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        max_tokens: plain.max_completion_tokens.or(plain.max_tokens),
        n: plain.n.unwrap_or(1),
        prompts: vec![Prompt::conversation(plain.messages.into_iter().map(message).collect())],
        ..Ask::new(KIND)
    })
}

/// A request that was read, with what is wrong with it.
pub(crate) fn decoded(ask: Ask, config: &Config) -> Decoded {
    let refusal = check(&ask, config).err();
    Decoded { ask, shape: Box::new(Chat::default()), refusal }
}

/// Reads a request.
pub(crate) fn decode(body: &Json, config: &Config) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, PATH)?;
    let mut ask = Ask::new(KIND);
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
    Ok(decoded(ask, config))
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
    if !config.tools.skip_validation {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::vllm::json::parse;

    #[test]
    fn a_plain_request_is_read_like_any_other() {
        for (body, plain) in [
            (r#"{"model":"m","messages":[{"role":"user","content":"What is \"2+2\"?\n"}]}"#, true),
            (r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#, true),
            (r#"{"model":"m","messages":[],"max_tokens":5,"max_completion_tokens":3,"n":2,"user":null}"#, true),
            (r#"{"model":"m","messages":[],"stream":null,"stream_options":{}}"#, true),
            (r#"{"model":"m","messages":[{"role":"user","content":null}]}"#, false),
            (r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}"#, false),
            (r#"{"model":"m","MESSAGES":[],"tools":[]}"#, false),
            (r#"{"model":"a","model":"m","messages":[]}"#, false),
            (r#"{"messages":[]}"#, false),
        ] {
            let quick = decode_plain(body.as_bytes());
            assert_eq!(quick.is_some(), plain, "{body}");
            if let Some(quick) = quick {
                let slow = decode(&parse(body.as_bytes()).unwrap(), &Config::default()).unwrap();
                assert_eq!(quick, slow.ask, "{body}");
            }
        }
    }
}
