//! `POST /v1/embeddings`. Texts that share words get vectors that are close.

use base64::Engine as _;
use serde_json::{Map, Value as Json, json};

use super::chat;
use super::engine::Call;
use super::error::ApiError;
use super::models::{self, ModelUse};
use super::params::Params;
use super::reply::Reply;
use super::tokens;
use crate::event::Usage;
use crate::world::Seed;

const KNOWN: &[&str] = &["input", "model", "encoding_format", "dimensions", "user"];

/// Words beyond so many do not change a vector.
const MOST_WORDS: usize = 200;
const MOST_INPUTS: usize = 2048;

/// A text to embed.
struct Input {
    text: String,
    tokens: u64,
}

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let params = Params::new(body);
    let model = models::asked(params.get("model"))?;
    if !model.is_embedding() {
        let message = format!("You are not allowed to generate embeddings from this model: {}", model.id);
        return Err(ApiError::front_door(http::StatusCode::FORBIDDEN, message));
    }
    chat::check_unknown(&params, KNOWN)?;
    let inputs = read_inputs(&params)?;
    if let Some(long) = inputs.iter().find(|input| input.tokens > model.context) {
        let message = format!(
            "This model's maximum context length is {} tokens, however you requested {tokens} tokens ({tokens} in your \
             prompt; 0 for the completion). Please reduce your prompt; or completion length.",
            model.context,
            tokens = long.tokens
        );
        return Err(ApiError::front_door(http::StatusCode::BAD_REQUEST, message));
    }
    let is_base64 = params.one_of("encoding_format", &["float", "base64"])? == Some("base64");
    params.string("user")?;
    let longest = i64::try_from(model.output).unwrap_or(i64::MAX);
    let asked = params.count("dimensions", 1, longest)?;
    if asked.is_some() && model.usage == ModelUse::FixedEmbedding {
        return Err(ApiError::param("dimensions", None, "This model does not support specifying dimensions."));
    }
    let dimensions = usize::try_from(asked.unwrap_or(model.output)).unwrap_or(0);
    let input: u64 = inputs.iter().map(|input| input.tokens).sum();
    let characters = inputs.iter().map(|input| input.text.chars().count()).sum();
    call.admit(&model, characters, Some(input))?;
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(call.seed(), model.family, &input.text, dimensions);
        let embedding = if is_base64 { encoded(&vector) } else { vector.iter().map(|&x| float(x)).collect() };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let json = json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": model.dated,
        "usage": {"prompt_tokens": input, "total_tokens": input},
    });
    let after = call.pace(&model).first_token;
    Ok(Reply::whole(after, &json, Some(Usage { input, output: 0 })))
}

/// A text, several, one in tokens, or several in tokens.
fn read_inputs(params: &Params<'_>) -> Result<Vec<Input>, ApiError> {
    let invalid = || {
        let message =
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.";
        ApiError::front_door(http::StatusCode::BAD_REQUEST, message)
    };
    let of_text = |text: &str| match text {
        "" => Err(invalid()),
        text => Ok(Input { text: text.to_owned(), tokens: tokens::count(text) }),
    };
    let of_tokens = |ids: &[Json]| Input { text: format!("{ids:?}"), tokens: ids.len() as u64 };
    let is_tokens = |items: &[Json]| !items.is_empty() && items.iter().all(Json::is_u64);
    match params.get("input") {
        None => Err(ApiError::missing("input")),
        Some(Json::String(text)) => Ok(vec![of_text(text)?]),
        Some(Json::Array(items)) if is_tokens(items) => Ok(vec![of_tokens(items)]),
        Some(Json::Array(items)) if (1..=MOST_INPUTS).contains(&items.len()) => {
            let each = items.iter().map(|item| match item {
                Json::String(text) => of_text(text),
                Json::Array(ids) if is_tokens(ids) => Ok(of_tokens(ids)),
                _ => Err(invalid()),
            });
            each.collect()
        }
        Some(_) => Err(invalid()),
    }
}

/// The first `dimensions` numbers of a text's vector, scaled to length one.
fn vector(seed: Seed, family: &str, text: &str, dimensions: usize) -> Vec<f32> {
    let mut words: Vec<String> = text.split_whitespace().take(MOST_WORDS).map(str::to_lowercase).collect();
    words.push(text.to_owned());
    let mut sum = vec![0.0_f64; dimensions];
    for word in &words {
        let mut random = seed.stream(&format!("openai/embedding/{family}/{word}"));
        for number in &mut sum {
            *number += random.unit() - 0.5;
        }
    }
    let length = sum.iter().map(|number| number * number).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "the API's vectors have single precision")]
    let scaled = |number: &f64| if length > 0.0 { (number / length) as f32 } else { 0.0 };
    sum.iter().map(scaled).collect()
}

/// A number with the fewest digits that tell it from its neighbours.
fn float(number: f32) -> Json {
    Json::from(number.to_string().parse::<f64>().unwrap_or_default())
}

/// The numbers as bytes, the lowest first, in base 64.
fn encoded(vector: &[f32]) -> Json {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}
