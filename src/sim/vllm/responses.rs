//! `POST /v1/responses`: the Responses API of `OpenAI`.

use serde_json::{Map, Value as Json, json};

use super::answer::{Call, Content, Piece};
use super::ask::{self, Ask, Message, Prompt, Tool, ToolChoice};
use super::chat;
use super::config::Config;
use super::infer::Decoded;
use super::json::{Fields, kind};
use super::reply::{self, Head, Part, Shape};
use crate::event::Usage;
use crate::sim::sse;

/// Reads a request.
pub(crate) fn decode(body: &Json, config: &Config) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, "ResponsesRequest")?;
    let mut ask = Ask::new("responses request");
    ask.single_call = true;
    ask.read_common(fields, "ResponsesRequest.baseRequest")?;
    let conversation = conversation(fields.get("input"))?;
    ask.max_tokens = fields.int("max_output_tokens")?;
    let instructions = fields.str("instructions")?.map(str::to_owned);
    let include = fields.list("include", "[]string")?;
    let top = fields.int("top_logprobs")?;
    if include.iter().any(|one| one == "message.output_text.logprobs") {
        ask.logprobs = Some(usize::try_from(top.unwrap_or(1)).unwrap_or(0));
    }
    ask.tools = tools(fields.get("tools"))?;
    ask.tool_choice = ask::tool_choice(fields.get("tool_choice"))?;
    if conversation.has_tool_output {
        ask.tool_choice = ToolChoice::None;
    }
    ask.prompts = vec![Prompt::conversation(conversation.messages)];
    let refusal = chat::check(&ask, config).err();
    Ok(Decoded { ask, shape: Box::new(Responses { instructions }), refusal })
}

#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    has_tool_output: bool,
}

fn conversation(input: Option<&Json>) -> Result<Conversation, String> {
    let mut read = Conversation::default();
    let items = match input {
        None => return Err("input is required".to_owned()),
        Some(Json::String(text)) => {
            read.messages.push(Message { role: "user".to_owned(), text: text.clone() });
            return Ok(read);
        }
        Some(Json::Array(items)) => items,
        Some(other) => {
            let found = kind(other);
            return Err(format!(
                "input must be a string or array: json: cannot unmarshal {found} into Go value of type []json.RawMessage"
            ));
        }
    };
    for item in items {
        let fields = Fields::of_body(item, "InputItem")?;
        let (role, text) = match fields.str("type")?.unwrap_or("message") {
            "message" | "" => (fields.text("role")?, item_text(fields.get("content"))?),
            "function_call" => ("assistant".to_owned(), String::new()),
            "function_call_output" => {
                read.has_tool_output = true;
                ("tool".to_owned(), item_text(fields.get("output"))?)
            }
            other => return Err(format!("unsupported input item type {other:?}")),
        };
        read.messages.push(Message { role, text });
    }
    Ok(read)
}

fn item_text(content: Option<&Json>) -> Result<String, String> {
    let parts = match content {
        None => return Ok(String::new()),
        Some(Json::String(text)) => return Ok(text.clone()),
        Some(Json::Array(parts)) => parts,
        Some(_) => return Err("content format not supported".to_owned()),
    };
    let mut texts = Vec::new();
    for part in parts {
        let fields = Fields::of_body(part, "InputContent")?;
        match fields.str("type")?.unwrap_or_default() {
            "input_text" | "output_text" | "text" => texts.push(fields.text("text")?),
            "input_image" => texts.push(format!("image: {}", fields.text("image_url")?)),
            "input_audio" => {}
            other => return Err(format!("unsupported input content type {other:?}")),
        }
    }
    Ok(texts.join("\n"))
}

fn tools(value: Option<&Json>) -> Result<Vec<Tool>, String> {
    let items = match value {
        None => return Ok(Vec::new()),
        Some(Json::Array(items)) => items,
        Some(other) => {
            let found = kind(other);
            return Err(format!(
                "tools must be an array: json: cannot unmarshal {found} into Go value of type []json.RawMessage"
            ));
        }
    };
    items.iter().map(tool).collect()
}

fn tool(item: &Json) -> Result<Tool, String> {
    let invalid = |cause: String| format!("invalid tool entry: {cause}");
    let fields = Fields::of_body(item, "ResponsesTool").map_err(invalid)?;
    match fields.str("type").map_err(invalid)?.unwrap_or_default() {
        "function" => {}
        other => return Err(format!("unsupported tool type {other:?}")),
    }
    let name = fields.text("name").map_err(invalid)?;
    if name.is_empty() {
        return Err("tool name is required".to_owned());
    }
    let known = ["name", "description", "parameters"];
    let definition: Map<String, Json> =
        known.iter().filter_map(|key| Some(((*key).to_owned(), fields.get(key)?.clone()))).collect();
    Ok(Tool { name, definition: Json::Object(definition) })
}

/// How responses are written.
struct Responses {
    instructions: Option<String>,
}

impl Shape for Responses {
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>) {
        let parts: Vec<&Part> = parts.iter().collect();
        let output = parts.iter().flat_map(|part| items(head, part, None)).collect();
        drop(serde_json::to_writer(out, &self.response(head, "completed", Some((output, reply::usage(parts))))));
    }

    fn begin(&mut self, head: &Head, _: usize, part: &Part, out: &mut Vec<u8>) {
        for name in ["response.created", "response.in_progress"] {
            sse::event(out, name, &json!({"type": name, "response": self.response(head, "in_progress", None)}));
        }
        if let Content::Text(_) = part.answer.content {
            let id = item_id(head);
            emit(
                out,
                "response.output_item.added",
                json!({"item": {
                    "type": "message", "id": id, "role": "assistant", "status": "in_progress", "content": [],
                }}),
            );
            emit(out, "response.content_part.added", json!({"item_id": id, "part": {"type": "output_text"}}));
        }
    }

    fn piece(&mut self, head: &Head, _: usize, part: &Part, at: usize, out: &mut Vec<u8>) {
        match part.answer.piece(at) {
            Piece::Text(token) => {
                let mut delta = json!({"item_id": item_id(head), "delta": token});
                if let Some(top) = head.logprobs {
                    delta["logprobs"] = json!([chat::token_logprob(token, head.created.rem_euclid(1000), top)]);
                }
                emit(out, "response.output_text.delta", delta);
            }
            Piece::Argument { call, index, token, first, last } => {
                let id = format!("fc_{}", call.digits);
                if first {
                    emit(
                        out,
                        "response.output_item.added",
                        placed(
                            index,
                            json!({"item": {
                                "type": "function_call", "id": id, "call_id": format!("call_{}", call.digits),
                                "name": call.name, "status": "in_progress",
                            }}),
                        ),
                    );
                }
                let delta = json!({"item_id": id, "delta": token});
                emit(out, "response.function_call_arguments.delta", placed(index, delta));
                if last {
                    let done = json!({"item_id": id, "name": call.name, "arguments": call.arguments.text});
                    emit(out, "response.function_call_arguments.done", placed(index, done));
                    emit(out, "response.output_item.done", placed(index, json!({"item": function_call(call)})));
                }
            }
        }
    }

    fn end(&mut self, head: &Head, _: usize, part: &Part, out: &mut Vec<u8>) {
        if let Content::Text(text) = &part.answer.content {
            let id = item_id(head);
            emit(out, "response.output_text.done", json!({"item_id": id, "text": text.text}));
            let content = output_text(head, part);
            emit(out, "response.content_part.done", json!({"item_id": id, "part": content}));
            let item = items(head, part, Some(&id)).into_iter().next();
            emit(out, "response.output_item.done", json!({"item": item}));
        }
    }

    fn finish(&mut self, head: &Head, parts: &[&Part], out: &mut Vec<u8>) {
        let id = item_id(head);
        let output = parts.iter().flat_map(|part| items(head, part, Some(&id))).collect();
        let usage = reply::usage(parts.iter().copied());
        emit(out, "response.completed", json!({"response": self.response(head, "completed", Some((output, usage)))}));
    }
}

impl Responses {
    fn response(&self, head: &Head, status: &str, done: Option<(Vec<Json>, Usage)>) -> Json {
        let mut response = json!({
            "id": format!("resp_{}", head.id), "model": &*head.model, "object": "response",
            "created_at": head.created, "status": status,
        });
        if let Some(instructions) = &self.instructions {
            response["instructions"] = json!(instructions);
        }
        let usage = done.map(|(output, usage)| {
            response["output"] = output.into();
            usage
        });
        response["text"] = json!({"format": {"type": "text"}});
        if let Some(Usage { input, output }) = usage {
            let counters = [("input_tokens", input), ("output_tokens", output), ("total_tokens", input + output)];
            let shown = counters.into_iter().filter(|(_, count)| *count > 0);
            response["usage"] = Json::Object(shown.map(|(name, count)| (name.to_owned(), json!(count))).collect());
        }
        response
    }
}

fn item_id(head: &Head) -> String {
    format!("msg_{}", head.id)
}

/// Writes an event whose data begin with its type.
fn emit(out: &mut Vec<u8>, name: &str, data: Json) {
    let mut whole = json!({ "type": name });
    if let (Json::Object(whole), Json::Object(data)) = (&mut whole, data) {
        whole.extend(data);
    }
    sse::event(out, name, &whole);
}

/// Data with the position of their item, which is left out where it is 0.
fn placed(index: usize, mut data: Json) -> Json {
    if index > 0 {
        data["output_index"] = json!(index);
    }
    data
}

/// The items of the output: a message, or function calls.
fn items(head: &Head, part: &Part, id: Option<&str>) -> Vec<Json> {
    match &part.answer.content {
        Content::Text(_) => {
            let mut item = json!({ "type": "message" });
            if let Some(id) = id {
                item["id"] = json!(id);
            }
            item["role"] = json!("assistant");
            item["status"] = json!("completed");
            item["content"] = json!([output_text(head, part)]);
            vec![item]
        }
        Content::Calls(calls) => calls.iter().map(function_call).collect(),
    }
}

fn output_text(head: &Head, part: &Part) -> Json {
    let mut content = json!({ "type": "output_text" });
    if let Content::Text(text) = &part.answer.content {
        if !text.text.is_empty() {
            content["text"] = json!(text.text);
        }
        if let Some(top) = head.logprobs {
            let shown = text.iter().zip(0..).map(|(token, position)| chat::token_logprob(token, position, top));
            content["logprobs"] = shown.collect();
        }
    }
    content
}

fn function_call(call: &Call) -> Json {
    json!({
        "type": "function_call", "id": format!("fc_{}", call.digits), "call_id": format!("call_{}", call.digits),
        "name": call.name, "arguments": call.arguments.text, "status": "completed",
    })
}
