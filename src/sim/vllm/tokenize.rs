//! `POST /tokenize`, and what a prompt looks like in tokens (`…/render`).

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::Inner;
use super::ask::{self, Message};
use super::error::ApiError;
use super::http::Reply;
use super::json::{self, Fields};
use super::routes::Route;
use crate::sim::tokens;

/// Answers `POST /tokenize`.
pub(crate) fn answer(sim: &Arc<Inner>, body: &[u8]) -> Result<Reply, ApiError> {
    let unreadable = |cause: String| ApiError::bad(format!("Failed to read and parse tokenize request body, {cause}"));
    let body = json::parse(body).map_err(unreadable)?;
    let fields = Fields::of_body(&body, "TokenizeRequest").map_err(unreadable)?;
    let prompt = fields.text("prompt").map_err(unreadable)?;
    let messages = ask::messages(fields).map_err(unreadable)?;
    if !prompt.is_empty() && !messages.is_empty() {
        return Err(ApiError::bad("both prompt and messages fields in tokenize request"));
    }
    let tokens = tokens::ids(&if messages.is_empty() { prompt } else { conversation(&messages) });
    Ok(Reply::json(&json!({
        "max_model_len": sim.config().max_model_len, "count": tokens.len(), "tokens": tokens, "token_strs": null,
    })))
}

fn conversation(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        message.write(&mut text);
    }
    text
}

/// Answers `POST /v1/completions/render` and `/v1/chat/completions/render`.
pub(crate) fn render(sim: &Arc<Inner>, route: Route, headers: &HeaderMap, body: &[u8]) -> Result<Reply, ApiError> {
    let body = json::parse(body).map_err(|cause| ApiError::unreadable(&cause))?;
    let fields = Fields::of_body(&body, "RenderRequest").map_err(|cause| ApiError::unreadable(&cause))?;
    let name = fields.text("model").map_err(|cause| ApiError::unreadable(&cause))?;
    if sim.models.find(&name)?.lora.is_some() {
        let text = format!("The model `{name}` is a LoRA adapter and is not supported by the render endpoints.");
        return Err(ApiError::bad(text));
    }
    let rendered = if route == Route::RenderChat {
        let messages = ask::messages(fields).map_err(|cause| ApiError::unreadable(&cause))?;
        if messages.is_empty() {
            return Err(ApiError::bad("messages must not be empty"));
        }
        json!({"token_ids": tokens::ids(&conversation(&messages))})
    } else {
        prompts(fields.get("prompt"))
    };
    Ok(Reply::json(&rendered).accepted_as(sim.request_id(headers)))
}

/// The token ids of each prompt.
fn prompts(prompt: Option<&Json>) -> Json {
    let one = |prompt: &Json| match prompt {
        Json::String(text) => json!({"token_ids": tokens::ids(text)}),
        ids => json!({"token_ids": ids}),
    };
    match prompt {
        Some(Json::Array(items)) if !items.iter().all(Json::is_number) => items.iter().map(one).collect(),
        Some(prompt) => json!([one(prompt)]),
        None => json!([]),
    }
}
