//! Cuts an answer to what a request allows: its length and its stop sequences.

use super::error::ApiError;
use super::models::Model;
use super::params::Params;
use super::tokens;

/// How long an answer may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    /// Most tokens.
    pub(crate) max_tokens: u64,
    /// Texts before which it ends.
    pub(crate) stop: Vec<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
    FunctionCall,
}

impl Finish {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::FunctionCall => "function_call",
        }
    }
}

/// The tokens of `text` that the bounds allow, and why it ends there.
pub(crate) fn bounded(text: &str, bounds: &Bounds) -> (Vec<String>, Finish) {
    let stopped = bounds.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min();
    let text = stopped.map_or(text, |at| &text[..at]);
    let mut tokens: Vec<String> = tokens::split(text).into_iter().map(str::to_owned).collect();
    let most = usize::try_from(bounds.max_tokens).unwrap_or(usize::MAX);
    let finish = if tokens.len() > most { Finish::Length } else { Finish::Stop };
    tokens.truncate(most);
    (tokens, finish)
}

/// Reads `stop`: a string or up to four.
pub(crate) fn stop_sequences(params: &Params<'_>) -> Result<Vec<String>, ApiError> {
    use serde_json::Value as Json;
    match params.get("stop") {
        None => Ok(Vec::new()),
        Some(Json::String(stop)) => Ok(vec![stop.clone()]),
        Some(Json::Array(items)) => {
            params.array_length("stop", items.len(), 4)?;
            let each = items.iter().enumerate().map(|(index, item)| {
                let text = item.as_str().map(str::to_owned);
                text.ok_or_else(|| params.wrong(&format!("stop[{index}]"), "a string", item))
            });
            each.collect()
        }
        Some(other) => Err(params.wrong("stop", "one of a string or array of strings", other)),
    }
}

/// Refuses more tokens than a model can give.
pub(crate) fn check_max_tokens(model: &Model, name: &str, asked: Option<u64>) -> Result<(), ApiError> {
    match asked {
        Some(asked) if asked > model.output => {
            let most = model.output;
            let message = format!(
                "{name} is too large: {asked}. This model supports at most {most} completion tokens, whereas you \
                 provided {asked}."
            );
            Err(ApiError::param(name, Some("invalid_value"), message))
        }
        _ => Ok(()),
    }
}

/// Refuses a prompt that does not fit into the model; else says how much is left for the answer.
pub(crate) fn room(model: &Model, param: &str, prompt_tokens: u64, asked: Option<u64>) -> Result<u64, ApiError> {
    let context = model.context;
    let asked_in_all = prompt_tokens.saturating_add(asked.unwrap_or(0));
    let start = format!("This model's maximum context length is {context} tokens. However, ");
    let message = if param == "input" && asked_in_all > context {
        "Your input exceeds the context window of this model. Please adjust your input and try again.".to_owned()
    } else if param == "prompt" && asked_in_all > context {
        format!(
            "{start}you requested {asked_in_all} tokens ({prompt_tokens} in your prompt; {} for the completion). Please \
             reduce your prompt; or completion length.",
            asked.unwrap_or(0)
        )
    } else if prompt_tokens > context {
        format!("{start}your messages resulted in {prompt_tokens} tokens. Please reduce the length of the messages.")
    } else if asked_in_all > context {
        format!(
            "{start}you requested {asked_in_all} tokens ({prompt_tokens} in the messages, {} in the completion). \
             Please reduce the length of the messages or completion.",
            asked.unwrap_or(0)
        )
    } else {
        return Ok(asked.unwrap_or(model.output).min(context - prompt_tokens));
    };
    let error = ApiError::param(param, Some("context_length_exceeded"), message);
    // The older endpoint names neither the parameter nor a code.
    Err(if param == "prompt" { ApiError { param: None, code: None, ..error } } else { error })
}
