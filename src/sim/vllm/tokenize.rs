//! `POST /tokenize` and back, and what a prompt looks like in tokens (`…/render`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::Inner;
use super::ask::{self, Message};
use super::error::ApiError;
use super::http::Reply;
use super::json::{self, Fields};
use super::routes::Route;
use crate::sim::tokens;

/// The tokens that `/tokenize` has given ids to, for the way back: an id is a hash of its token.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary(Mutex<BTreeMap<u32, Arc<str>>>);

/// How many tokens are kept.
const VOCABULARY: usize = 1 << 16;

impl Vocabulary {
    /// The ids of a text's tokens, which are remembered.
    fn ids(&self, text: &str) -> Vec<u32> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = |token: &str| {
            let id = tokens::id(token);
            if known.len() < VOCABULARY {
                known.entry(id).or_insert_with(|| token.into());
            }
            id
        };
        tokens::split(text).map(id).collect()
    }

    fn text(&self, ids: &[u32]) -> Result<String, u32> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().map(|id| known.get(id).map(|token| &**token).ok_or(*id)).collect()
    }
}

/// Answers `POST /detokenize`, as vLLM documents it: `{"tokens"}` becomes `{"prompt"}`.
pub(crate) fn text_of(sim: &Arc<Inner>, body: &[u8]) -> Result<Reply, ApiError> {
    let unreadable =
        |cause: String| ApiError::bad(format!("Failed to read and parse detokenize request body, {cause}"));
    let body = json::parse(body).map_err(unreadable)?;
    let items = body.get("tokens").and_then(Json::as_array);
    let ids = items.and_then(|items| items.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect());
    let ids: Vec<u32> = ids.ok_or_else(|| unreadable("tokens must be an array of token ids".to_owned()))?;
    let text = sim.vocabulary.text(&ids);
    let text = text.map_err(|id| ApiError::bad(format!("token id {id} is none that /tokenize has given")))?;
    Ok(Reply::json(&json!({"prompt": text})))
}

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
    let tokens = sim.vocabulary.ids(&if messages.is_empty() { prompt } else { conversation(&messages) });
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
        let ids = tokens::ids(&conversation(&messages));
        match images(&body) {
            urls if urls.is_empty() => json!({"token_ids": ids}),
            urls => json!({"token_ids": ids, "features": features(&urls)}),
        }
    } else {
        prompts(fields.get("prompt"))
    };
    Ok(Reply::json(&rendered).accepted_as(sim.request_id(headers)))
}

/// The addresses of the images in the messages of a request, in order.
fn images(body: &Json) -> Vec<&str> {
    fn list(value: Option<&Json>) -> &[Json] {
        value.and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }
    let messages = list(body.get("messages")).iter();
    let blocks = messages.flat_map(|message| list(message.get("content")));
    blocks.filter_map(|block| block.pointer("/image_url/url").and_then(Json::as_str)).collect()
}

/// What stands in a rendered prompt for its images.
fn features(urls: &[&str]) -> Json {
    let each = |of: &dyn Fn(usize, &str) -> Json| -> Json {
        urls.iter().enumerate().map(|(index, url)| of(index, url)).collect()
    };
    let hash = |_, url: &str| json!(Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes()).simple().to_string());
    json!({
        "mm_hashes": {"image": each(&hash)},
        "mm_placeholders": {"image": each(&|index, _| json!({"offset": index, "length": 1}))},
        "kwargs_data": {"image": each(&|_, _| Json::Null)},
    })
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
