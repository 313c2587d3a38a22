//! `POST /v1/embeddings`: vectors that follow from the tokens of the input.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::Inner;
use super::error::ApiError;
use super::http::Reply;
use super::json::Fields;
use crate::event::Usage;
use crate::sim::tokens;

/// How many numbers an answer may have.
const MAX_NUMBERS: usize = 1 << 24;

/// Answers a request. Any model will do.
pub(crate) fn answer(sim: &Arc<Inner>, body: Result<Json, String>, headers: &HeaderMap) -> Result<Reply, ApiError> {
    let unreadable = |cause: String| ApiError::unreadable(&cause);
    let body = body.map_err(unreadable)?;
    let fields = Fields::of_body(&body, "EmbeddingRequest").map_err(unreadable)?;
    let config = sim.config();
    let model = match fields.text("model").map_err(unreadable)? {
        name if name.is_empty() => config.model.clone(),
        name => name,
    };
    let dimensions = fields.int("dimensions").map_err(unreadable)?.unwrap_or(config.embedding_dimensions);
    let base64 = fields.str("encoding_format").map_err(unreadable)? == Some("base64");
    let inputs = inputs(fields.get("input"))?;
    if dimensions < 1 {
        return Err(ApiError::bad("dimensions must be at least 1"));
    }
    let dimensions = usize::try_from(dimensions).unwrap_or(usize::MAX);
    if inputs.len().saturating_mul(dimensions) > MAX_NUMBERS {
        return Err(ApiError::bad(format!("more than {MAX_NUMBERS} numbers in all cannot be asked for")));
    }
    let data: Vec<Json> = inputs
        .iter()
        .enumerate()
        .map(|(index, tokens)| {
            let vector = vector(tokens, dimensions);
            let embedding = if base64 {
                json!(STANDARD.encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let count: usize = inputs.iter().map(Vec::len).sum();
    let usage = Usage { input: count as u64, output: 0 };
    let body = json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    });
    Ok(Reply::json(&body).with_usage(usage).accepted_as(sim.request_id(headers)))
}

/// The tokens of each input.
fn inputs(input: Option<&Json>) -> Result<Vec<Vec<u32>>, ApiError> {
    let wrong = || ApiError::bad("input is required and must be a non-empty string or array");
    let text = |text: &str| match text {
        "" => Err(ApiError::bad("input cannot be an empty string")),
        text => Ok(tokens::ids(text)),
    };
    let ids =
        |items: &[Json]| -> Option<Vec<u32>> { items.iter().map(|item| u32::try_from(item.as_u64()?).ok()).collect() };
    match input {
        Some(Json::String(one)) => Ok(vec![text(one)?]),
        Some(Json::Array(items)) if !items.is_empty() => {
            if let Some(ids) = ids(items) {
                return Ok(vec![ids]);
            }
            let each = items.iter().map(|item| match item {
                Json::String(one) => text(one),
                Json::Array(items) if !items.is_empty() => ids(items).ok_or_else(wrong),
                _ => Err(wrong()),
            });
            each.collect()
        }
        _ => Err(wrong()),
    }
}

/// A vector that is the same for the same tokens.
fn vector(tokens: &[u32], dimensions: usize) -> Vec<f32> {
    let spread = |value: u32, modulus: u16| {
        let part = u16::try_from(value % u32::from(modulus)).unwrap_or(0);
        2.0 * f32::from(part) / f32::from(modulus) - 1.0
    };
    let value = |at: usize| match tokens.get(at) {
        Some(token) => spread(*token, 1024),
        None => tokens.get(at % tokens.len().max(1)).map_or(0.0, |token| spread(*token, 256)),
    };
    (0..dimensions).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_follow_from_the_tokens() {
        assert_eq!(vector(&[0, 512, 1023], 5), [-1.0, 0.0, 0.998_046_9, -1.0, -1.0]);
        assert_eq!(inputs(Some(&json!([[1, 2], [3]]))), Ok(vec![vec![1, 2], vec![3]]));
        assert_eq!(inputs(Some(&json!([1, 2]))), Ok(vec![vec![1, 2]]));
        assert!(inputs(Some(&json!([]))).is_err() && inputs(Some(&json!(5))).is_err() && inputs(None).is_err());
    }
}
