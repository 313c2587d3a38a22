//! Reads a response's `input`: a text, or a list of messages, calls and their results.

use serde_json::Value as Json;

use super::super::error::ApiError;
use super::super::params::Params;
use super::super::prompt::Prompt;

const ROLES: &[&str] = &["assistant", "system", "developer", "user"];
const PARTS: &[&str] = &["input_text", "input_image", "output_text", "refusal", "input_file", "input_audio"];
const ITEMS: &[&str] = &[
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "compaction",
];

/// Reads `input` into `prompt`. If the request goes on with an earlier response, results may belong to its calls.
pub(super) fn read(params: &Params<'_>, prompt: &mut Prompt, goes_on: bool) -> Result<(), ApiError> {
    match params.get("input") {
        None if params.get("prompt").is_some() || goes_on => {}
        None => return Err(ApiError::missing("input")),
        Some(Json::String(text)) => {
            prompt.begin_message("user");
            prompt.add_text(text);
            prompt.question.clone_from(text);
        }
        Some(Json::Array(_)) => {
            let items = params.objects("input")?.unwrap_or_default();
            let mut calls: Vec<String> = Vec::new();
            for item in &items {
                read_item(item, prompt, &mut calls, goes_on)?;
            }
        }
        Some(other) => return Err(params.wrong("input", "one of a string or array of input items", other)),
    }
    prompt.finish();
    Ok(())
}

fn read_item(item: &Params<'_>, prompt: &mut Prompt, calls: &mut Vec<String>, goes_on: bool) -> Result<(), ApiError> {
    let kind = match item.string("type")? {
        Some(kind) => kind,
        None if item.get("role").is_some() => "message",
        None => return Err(ApiError::missing(&item.path("type"))),
    };
    match kind {
        "message" => read_message(item, prompt),
        "function_call" | "custom_tool_call" => {
            let content = if kind == "function_call" { "arguments" } else { "input" };
            prompt.begin_message("assistant");
            prompt.add_text(item.required_string("name")?);
            prompt.add_text(item.required_string(content)?);
            calls.push(item.required_string("call_id")?.to_owned());
            Ok(())
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = item.required_string("call_id")?;
            if !goes_on && !calls.iter().any(|call| call == id) {
                let message = format!("No tool call found for function call output with call_id {id}.");
                return Err(ApiError::param("input", None, message));
            }
            prompt.begin_message("tool");
            match item.get("output") {
                Some(Json::String(output)) => prompt.add_text(output),
                Some(Json::Array(_)) => read_parts(item, "output", prompt).map(drop)?,
                Some(other) => return Err(item.wrong("output", "one of a string or array of objects", other)),
                None => return Err(ApiError::missing(&item.path("output"))),
            }
            Ok(())
        }
        _ if ITEMS.contains(&kind) => Ok(()),
        _ => Err(ApiError::unsupported_value(&item.path("type"), kind, ITEMS)),
    }
}

fn read_message(item: &Params<'_>, prompt: &mut Prompt) -> Result<(), ApiError> {
    let role = item.required_string("role")?;
    if !ROLES.contains(&role) {
        return Err(ApiError::unsupported_value(&item.path("role"), role, ROLES));
    }
    prompt.begin_message(role);
    let text = match item.get("content") {
        Some(Json::String(text)) => {
            prompt.add_text(text);
            text.clone()
        }
        Some(Json::Array(_)) => read_parts(item, "content", prompt)?,
        Some(other) => return Err(item.wrong("content", "one of a string or array of objects", other)),
        None => return Err(ApiError::missing(&item.path("content"))),
    };
    if role == "user" {
        prompt.question = text;
    }
    Ok(())
}

/// The texts of a list of parts, joined.
fn read_parts(item: &Params<'_>, name: &str, prompt: &mut Prompt) -> Result<String, ApiError> {
    let mut texts: Vec<&str> = Vec::new();
    for part in item.objects(name)?.unwrap_or_default() {
        let kind = part.required_string("type")?;
        match kind {
            "input_text" | "output_text" | "refusal" => {
                let text = part.required_string(if kind == "refusal" { "refusal" } else { "text" })?;
                prompt.add_text(text);
                texts.push(text);
            }
            "input_image" => prompt.add_image(part.one_of("detail", &["low", "high", "auto", "original"])?),
            _ if PARTS.contains(&kind) => prompt.add_image(None),
            _ => return Err(ApiError::unsupported_value(&part.path("type"), kind, PARTS)),
        }
    }
    Ok(texts.join("\n"))
}
