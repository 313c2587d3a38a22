//! `POST /v1/messages`: Anthropic's Messages API. Its errors have `OpenAI`'s form, as in the original.

use serde_json::{Map, Value as Json, json};

use super::answer::{Call, Content, Finish, Piece};
use super::ask::{Ask, Message, Prompt, Tool, ToolChoice};
use super::chat;
use super::config::Config;
use super::error::ApiError;
use super::infer::Decoded;
use super::json::Fields;
use super::reply::{self, Head, Part, Shape};
use crate::sim::sse;

const PATH: &str = "MessagesRequest";

/// Reads a request.
pub(crate) fn decode(body: &Json, config: &Config) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, PATH)?;
    let mut ask = Ask::new("messages request");
    ask.read_common(fields, PATH)?;
    ask.max_tokens = fields.int("max_tokens")?;
    let mut conversation = Conversation::default();
    if let Some(system) = fields.str("system")? {
        conversation.push("system", system.to_owned());
    }
    let given = fields.list("messages", "[]api.AnthropicMessage")?;
    for message in given {
        conversation.read(message)?;
    }
    ask.tools = fields.list("tools", "[]api.AnthropicTool")?.iter().map(tool).collect::<Result<_, _>>()?;
    let nameless = tool_choice(&mut ask, fields.object("tool_choice", "AnthropicToolChoice")?)?;
    let checks = [
        (conversation.sourceless, "image content block is missing required 'source' field"),
        (nameless, "tool_choice of type 'tool' requires a non-empty 'name'"),
        (given.is_empty(), "messages must not be empty"),
        (ask.max_tokens.is_none(), "max_tokens is required"),
    ];
    let first = checks.iter().find(|(wrong, _)| *wrong).map(|(_, text)| ApiError::bad(*text));
    let refusal = first.or_else(|| chat::check(&ask, config).err());
    ask.prompts = vec![Prompt::conversation(conversation.messages)];
    Ok(Decoded { ask, shape: Box::new(Messages), refusal })
}

/// Messages as they are for chat completions.
#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    /// An image came without its source.
    sourceless: bool,
}

impl Conversation {
    fn push(&mut self, role: &str, text: String) {
        self.messages.push(Message { role: role.to_owned(), text });
    }

    fn read(&mut self, message: &Json) -> Result<(), String> {
        let fields = Fields::of_body(message, "AnthropicMessage")?;
        let role = fields.text("role")?;
        let blocks = match fields.get("content") {
            None => &Vec::new(),
            Some(Json::String(text)) => {
                self.push(&role, text.clone());
                return Ok(());
            }
            Some(Json::Array(blocks)) => blocks,
            Some(_) => return Err("content format not supported".to_owned()),
        };
        let mut texts = Vec::new();
        let mut results = Vec::new();
        for block in blocks {
            let block = Fields::of_body(block, "AnthropicContent")?;
            match block.str("type")?.unwrap_or_default() {
                "text" => texts.push(block.text("text")?),
                "image" => match block.object("source", "AnthropicSource")? {
                    Some(source) => texts.push(format!("image: {}", image_url(source)?)),
                    None => self.sourceless = true,
                },
                "tool_result" => results.push(result_text(block.get("content"))?),
                _ => {}
            }
        }
        let only_results = texts.is_empty() && !results.is_empty();
        for result in results {
            self.push("tool", result);
        }
        if !only_results {
            self.push(&role, texts.join("\n"));
        }
        Ok(())
    }
}

fn image_url(source: Fields<'_>) -> Result<String, String> {
    if source.str("type")? == Some("base64") {
        return Ok(format!("data:{};base64,{}", source.text("media_type")?, source.text("data")?));
    }
    source.text("url")
}

fn result_text(content: Option<&Json>) -> Result<String, String> {
    match content {
        Some(Json::Array(blocks)) => {
            let texts = blocks.iter().filter_map(|block| block.get("text")?.as_str());
            Ok(texts.collect::<Vec<_>>().join("\n"))
        }
        Some(Json::String(text)) => Ok(text.clone()),
        None => Ok(String::new()),
        Some(_) => Err("content format not supported".to_owned()),
    }
}

/// Reads `{"name", "description", "input_schema"}`.
fn tool(item: &Json) -> Result<Tool, String> {
    let fields = Fields::of_body(item, "AnthropicTool")?;
    let named = [("name", "name"), ("description", "description"), ("input_schema", "parameters")];
    let definition: Map<String, Json> =
        named.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), fields.get(theirs)?.clone()))).collect();
    Ok(Tool { name: fields.text("name")?, definition: Json::Object(definition) })
}

/// Reads the choice of a tool; returns whether it lacks the name that it needs.
fn tool_choice(ask: &mut Ask, choice: Option<Fields<'_>>) -> Result<bool, String> {
    let Some(choice) = choice else { return Ok(false) };
    let name = choice.text("name")?;
    ask.tool_choice = match choice.str("type")?.unwrap_or_default() {
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" if name.is_empty() => return Ok(true),
        "tool" => ToolChoice::Named(name),
        _ => ToolChoice::Auto,
    };
    Ok(false)
}

/// How messages are written.
struct Messages;

impl Shape for Messages {
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>) {
        let content: Vec<Json> = parts.iter().flat_map(blocks).collect();
        let finish = parts.first().map(|part| part.answer.finish);
        let usage = reply::usage(parts);
        let message = message(head, &content, finish, usage.input, usage.output);
        drop(serde_json::to_writer(out, &message));
    }

    fn begin(&mut self, head: &Head, _: usize, part: &Part, out: &mut Vec<u8>) {
        let message = message(head, &[], None, part.prompt_tokens as u64, 0);
        emit(out, &json!({"type": "message_start", "message": message}));
        if matches!(part.answer.content, Content::Text(_)) {
            emit(out, &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}));
        }
        emit(out, &json!({"type": "ping"}));
    }

    fn piece(&mut self, _: &Head, _: usize, part: &Part, at: usize, out: &mut Vec<u8>) {
        let delta = |index: usize, delta: Json| json!({"type": "content_block_delta", "index": index, "delta": delta});
        match part.answer.piece(at) {
            Piece::Text(token) => emit(out, &delta(0, json!({"type": "text_delta", "text": token}))),
            Piece::Argument { call, index, token, first, last } => {
                if first {
                    let block = tool_use(call, &json!({}));
                    emit(out, &json!({"type": "content_block_start", "index": index, "content_block": block}));
                }
                emit(out, &delta(index, json!({"type": "input_json_delta", "partial_json": token})));
                if last {
                    emit(out, &json!({"type": "content_block_stop", "index": index}));
                }
            }
        }
    }

    fn end(&mut self, _: &Head, _: usize, part: &Part, out: &mut Vec<u8>) {
        if matches!(part.answer.content, Content::Text(_)) {
            emit(out, &json!({"type": "content_block_stop", "index": 0}));
        }
        let reason = stop_reason(part.answer.finish);
        emit(
            out,
            &json!({
                "type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
                "usage": {"output_tokens": part.answer.tokens},
            }),
        );
    }

    fn finish(&mut self, _: &Head, _: &[&Part], out: &mut Vec<u8>) {
        emit(out, &json!({"type": "message_stop"}));
    }
}

/// Writes an event that goes by its type.
fn emit(out: &mut Vec<u8>, data: &Json) {
    let name = data.get("type").and_then(Json::as_str).unwrap_or_default();
    sse::event(out, name, data);
}

fn message(head: &Head, content: &[Json], finish: Option<Finish>, input: u64, output: u64) -> Json {
    json!({
        "id": format!("msg_{}", head.id), "type": "message", "role": "assistant", "content": content,
        "model": &*head.model, "stop_reason": finish.map(stop_reason), "stop_sequence": null,
        "usage": {
            "input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output,
        },
    })
}

fn blocks(part: &Part) -> Vec<Json> {
    match &part.answer.content {
        Content::Text(text) => vec![json!({"type": "text", "text": text.text})],
        Content::Calls(calls) => calls
            .iter()
            .map(|call| tool_use(call, &serde_json::from_str(&call.arguments.text).unwrap_or_else(|_| json!({}))))
            .collect(),
    }
}

fn tool_use(call: &Call, input: &Json) -> Json {
    json!({"type": "tool_use", "id": format!("toolu_{}", call.digits), "name": call.name, "input": input})
}

fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        other => other.name(),
    }
}
