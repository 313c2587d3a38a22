//! Reads and checks a chat completion's parameters.

use serde_json::{Map, Value as Json};

use super::super::answer::{self, Ask, EFFORTS, Effort};
use super::super::engine::Call;
use super::super::error::ApiError;
use super::super::models::{self, Model};
use super::super::params::Params;
use super::super::text::{self, Bounds};
use super::super::{prompt, tools};
use crate::world::Random;

/// A request that is in order.
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of the API")]
pub(super) struct Request {
    pub(super) ask: Ask,
    pub(super) n: u64,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Whether a stream's chunks are padded, so that their lengths tell less.
    pub(super) obfuscate: bool,
    pub(super) tier: &'static str,
    /// How many likely tokens to tell of, if any log probabilities are wanted.
    pub(super) top_logprobs: Option<usize>,
    /// Whether functions are called in the old way.
    pub(super) is_legacy: bool,
}

const KNOWN: &[&str] = &[
    "metadata",
    "top_logprobs",
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "messages",
    "model",
    "service_tier",
    "modalities",
    "verbosity",
    "reasoning_effort",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "web_search_options",
    "response_format",
    "audio",
    "store",
    "moderation",
    "stream",
    "stop",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "prediction",
    "seed",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "function_call",
    "functions",
];

impl Request {
    /// The chance that makes the log probabilities of one choice.
    pub(super) fn chance_of_logprobs(&self, call: &Call<'_>, index: usize) -> Random {
        let question = &self.ask.prompt.question;
        call.seed().stream(&format!("openai/logprobs/{}/{index}/{question}", self.ask.variant))
    }
}

/// Reads a request.
pub(super) fn read(body: &Map<String, Json>) -> Result<Request, ApiError> {
    let params = Params::new(body);
    let model = models::asked(params.get("model"))?;
    if !model.is_chat() {
        let message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you \
                       mean to use v1/completions?";
        return Err(ApiError::front_door(http::StatusCode::NOT_FOUND, message).with_param("model"));
    }
    check_unknown(&params, KNOWN)?;
    let mut prompt = prompt::read(&params)?;
    let toolbox = tools::read_chat(&params, &mut prompt)?;
    let asked = max_tokens(&params, &model)?;
    let room = text::room(&model, "messages", prompt.tokens, asked)?;
    check_sampling(&params, &model)?;
    check_others(&params)?;
    let (stream, include_usage, obfuscate) = stream_options(&params)?;
    let format = answer::read_format(&params, "response_format", &prompt)?;
    let effort = Effort::of(params.one_of("reasoning_effort", EFFORTS)?);
    let variant = params.integer("seed", i64::MIN, i64::MAX)?.map(|seed| seed.to_string()).unwrap_or_default();
    let bounds = Bounds { max_tokens: room, stop: text::stop_sequences(&params)? };
    Ok(Request {
        is_legacy: params.get("functions").is_some(),
        n: params.count("n", 1, 128)?.unwrap_or(1),
        tier: tier(&params)?,
        top_logprobs: top_logprobs(&params)?,
        ask: Ask { model, prompt, format, toolbox, bounds, asked, variant, effort },
        stream,
        include_usage,
        obfuscate,
    })
}

/// Refuses parameters that are not among `known`.
pub(crate) fn check_unknown(params: &Params<'_>, known: &[&str]) -> Result<(), ApiError> {
    let unknown = params.unknown(known);
    if unknown.is_empty() {
        return Ok(());
    }
    let plural = if unknown.len() == 1 { "" } else { "s" };
    let message = format!("Unrecognized request argument{plural} supplied: {}", unknown.join(", "));
    Err(ApiError::front_door(http::StatusCode::BAD_REQUEST, message))
}

fn max_tokens(params: &Params<'_>, model: &Model) -> Result<Option<u64>, ApiError> {
    let old = params.count("max_tokens", 1, i64::MAX)?;
    let new = params.count("max_completion_tokens", 1, i64::MAX)?;
    if old.is_some() && model.reasons() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(ApiError::param("max_tokens", Some("unsupported_parameter"), message));
    }
    if old.is_some() && new.is_some() {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(ApiError::param("max_tokens", Some("invalid_parameter_combination"), message));
    }
    text::check_max_tokens(model, "max_tokens", old)?;
    text::check_max_tokens(model, "max_completion_tokens", new)?;
    Ok(new.or(old))
}

/// What a reasoning model does not take.
const NOT_FOR_REASONING: &[&str] =
    &["top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "stop"];

/// Checks what steers chance.
pub(crate) fn check_sampling(params: &Params<'_>, model: &Model) -> Result<(), ApiError> {
    let temperature = params.decimal("temperature", 0.0, 2.0)?;
    params.decimal("top_p", 0.0, 1.0)?;
    params.decimal("presence_penalty", -2.0, 2.0)?;
    params.decimal("frequency_penalty", -2.0, 2.0)?;
    if let Some(bias) = params.object("logit_bias")? {
        for name in bias.unknown(&[]) {
            bias.decimal(name, -100.0, 100.0)?;
        }
    }
    if !model.reasons() {
        if params.get("reasoning_effort").is_some() {
            let message = "Unrecognized request argument supplied: reasoning_effort";
            return Err(ApiError::front_door(http::StatusCode::BAD_REQUEST, message));
        }
        return Ok(());
    }
    if let Some(name) = NOT_FOR_REASONING.iter().find(|name| params.get(name).is_some()) {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        return Err(ApiError::param(*name, Some("unsupported_parameter"), message));
    }
    match (temperature, params.get("temperature")) {
        (Some(number), Some(shown)) if (number - 1.0).abs() > f64::EPSILON => {
            let message = format!(
                "Unsupported value: 'temperature' does not support {shown} with this model. Only the default (1) value \
                 is supported."
            );
            Err(ApiError::param("temperature", Some("unsupported_value"), message))
        }
        _ => Ok(()),
    }
}

fn check_others(params: &Params<'_>) -> Result<(), ApiError> {
    for name in ["user", "safety_identifier", "prompt_cache_key"] {
        params.string(name)?;
    }
    params.boolean("store")?;
    params.one_of("verbosity", &["low", "medium", "high"])?;
    for name in ["prediction", "web_search_options"] {
        params.object(name)?;
    }
    match params.get("modalities") {
        None => {}
        Some(Json::Array(kinds)) if kinds.iter().all(|kind| kind == "text") => {}
        Some(Json::Array(kinds)) => {
            let other = kinds.iter().find(|kind| *kind != "text").cloned().unwrap_or_default();
            let shown = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            return Err(ApiError::unsupported_value("modalities[0]", &shown, &["text"]));
        }
        Some(other) => return Err(params.wrong("modalities", "an array of strings", other)),
    }
    check_metadata(params)
}

/// Refuses metadata that is no short list of short texts.
pub(crate) fn check_metadata(params: &Params<'_>) -> Result<(), ApiError> {
    let Some(metadata) = params.object("metadata")? else { return Ok(()) };
    let names = metadata.unknown(&[]);
    if names.len() > 16 {
        let message = format!(
            "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object \
             with {} properties instead.",
            names.len()
        );
        return Err(ApiError::param("metadata", Some("object_above_max_properties"), message));
    }
    names.into_iter().try_for_each(|name| metadata.string(name).map(drop))
}

/// Reads `stream` and whether it includes usage and obfuscation.
pub(crate) fn stream_options(params: &Params<'_>) -> Result<(bool, bool, bool), ApiError> {
    let stream = params.boolean("stream")?.unwrap_or(false);
    let options = params.object("stream_options")?;
    if options.is_some() && !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(ApiError::param("stream_options", None, message));
    }
    let option = |name: &str| options.as_ref().map_or(Ok(None), |options| options.boolean(name));
    Ok((stream, option("include_usage")?.unwrap_or(false), option("include_obfuscation")?.unwrap_or(true)))
}

/// The service tier that an answer names.
pub(crate) fn tier(params: &Params<'_>) -> Result<&'static str, ApiError> {
    let asked = params.one_of("service_tier", &["auto", "default", "flex", "scale", "priority"])?;
    Ok(match asked {
        Some("flex") => "flex",
        Some("scale") => "scale",
        Some("priority") => "priority",
        _ => "default",
    })
}

fn top_logprobs(params: &Params<'_>) -> Result<Option<usize>, ApiError> {
    let wanted = params.boolean("logprobs")?.unwrap_or(false);
    let top = params.count("top_logprobs", 0, 20)?;
    if top.is_some() && !wanted {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(ApiError::param("top_logprobs", None, message));
    }
    Ok(wanted.then(|| top.and_then(|top| usize::try_from(top).ok()).unwrap_or(0)))
}
