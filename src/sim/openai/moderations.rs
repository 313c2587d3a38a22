//! `POST /v1/moderations`: a few plain words decide what is flagged.

use serde_json::{Map, Value as Json, json};

use super::chat;
use super::engine::Call;
use super::error::ApiError;
use super::models::{self, ModelUse};
use super::params::Params;
use super::reply::Reply;
use crate::world::{Random, Seed};

/// A category, whether images can fall into it, whether the older model has it, and words that make a text do so.
type Category = (&'static str, bool, bool, &'static [&'static str]);

const CATEGORIES: &[Category] = &[
    ("harassment", false, true, &["idiot", "stupid"]),
    ("harassment/threatening", false, true, &["hurt you", "kill you"]),
    ("sexual", true, true, &["porn"]),
    ("hate", false, true, &["hate speech"]),
    ("hate/threatening", false, true, &[]),
    ("illicit", false, false, &["build a bomb", "shoplift"]),
    ("illicit/violent", false, false, &["build a bomb"]),
    ("self-harm/intent", true, true, &["hurt myself", "kill myself"]),
    ("self-harm/instructions", true, true, &[]),
    ("self-harm", true, true, &["hurt myself", "kill myself"]),
    ("sexual/minors", false, true, &[]),
    ("violence", true, true, &["kill", "murder", "hurt you"]),
    ("violence/graphic", true, true, &["dismember"]),
];

/// Something to judge.
enum Input {
    Text(String),
    Image(String),
}

/// Answers a request.
pub(crate) fn reply(call: &mut Call<'_>, body: &Map<String, Json>) -> Result<Reply, ApiError> {
    let params = Params::new(body);
    let default = Json::from("omni-moderation-latest");
    let model = models::asked(Some(params.get("model").unwrap_or(&default)))?;
    if model.usage != ModelUse::Moderation {
        let allowed = ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest"];
        return Err(ApiError::unsupported_value("model", model.id, &allowed));
    }
    chat::check_unknown(&params, &["input", "model"])?;
    let groups = read_inputs(&params)?;
    let is_omni = model.family.starts_with("omni");
    let results: Vec<Json> = groups.iter().map(|group| result(call.seed(), group, is_omni)).collect();
    let json = json!({"id": call.ids.alphanumeric("modr-", 29), "model": model.dated, "results": results});
    let after = call.pace(&model).first_token;
    Ok(Reply::whole(after, &json, None))
}

/// Each text is judged alone; text and images in one list of parts are judged together.
fn read_inputs(params: &Params<'_>) -> Result<Vec<Vec<Input>>, ApiError> {
    match params.get("input") {
        None => Err(ApiError::missing("input")),
        Some(Json::String(text)) => Ok(vec![vec![Input::Text(text.clone())]]),
        Some(Json::Array(items)) if !items.is_empty() && items.iter().all(Json::is_string) => {
            Ok(items.iter().filter_map(Json::as_str).map(|text| vec![Input::Text(text.to_owned())]).collect())
        }
        Some(Json::Array(items)) => {
            params.array_length("input", items.len(), 2048)?;
            let parts = params.objects("input")?.unwrap_or_default();
            Ok(vec![parts.iter().map(read_part).collect::<Result<_, _>>()?])
        }
        Some(other) => Err(params.wrong("input", "one of a string, array of strings, or array of objects", other)),
    }
}

fn read_part(part: &Params<'_>) -> Result<Input, ApiError> {
    let kind = part.required_string("type")?;
    match kind {
        "text" => Ok(Input::Text(part.required_string("text")?.to_owned())),
        "image_url" => {
            let image = part.object("image_url")?.ok_or_else(|| ApiError::missing(&part.path("image_url")))?;
            Ok(Input::Image(image.required_string("url")?.to_owned()))
        }
        _ => Err(ApiError::unsupported_value(&part.path("type"), kind, &["text", "image_url"])),
    }
}

fn result(seed: Seed, group: &[Input], is_omni: bool) -> Json {
    let mut flagged = false;
    let (mut categories, mut scores, mut applied) = (Map::new(), Map::new(), Map::new());
    for &(name, takes_images, is_old, words) in CATEGORIES {
        if !is_omni && !is_old {
            continue;
        }
        let mut kinds: Vec<&str> = Vec::new();
        let mut hit = false;
        let mut text = String::new();
        for input in group {
            let (kind, content) = match input {
                Input::Text(text) => ("text", text),
                Input::Image(url) => ("image", url),
            };
            if (kind == "text" || takes_images) && !kinds.contains(&kind) {
                kinds.push(kind);
            }
            hit |= kind == "text" && words.iter().any(|word| content.to_lowercase().contains(word));
            text.push_str(content);
        }
        let mut random = seed.stream(&format!("openai/moderation/{name}/{text}"));
        flagged |= hit;
        categories.insert(name.to_owned(), hit.into());
        scores.insert(name.to_owned(), score(hit, &mut random).into());
        applied.insert(name.to_owned(), kinds.into());
    }
    let mut json = json!({"flagged": flagged, "categories": categories, "category_scores": scores});
    if is_omni {
        json["category_applied_input_types"] = applied.into();
    }
    json
}

/// Above nine tenths for what is flagged, below a thousandth for the rest.
fn score(hit: bool, random: &mut Random) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 53 bits")]
    let part = random.below(100_000) as f64;
    if hit { (900_000.0 + part) / 1_000_000.0 } else { part / 100_000_000.0 }
}
