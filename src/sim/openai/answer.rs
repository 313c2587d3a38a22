//! What the model says to a prompt: a text, a JSON document, or calls of tools.

use serde_json::{Value as Json, json};

use super::engine::Call;
use super::error::ApiError;
use super::models::Model;
use super::params::Params;
use super::prompt::Prompt;
use super::text::{self, Bounds, Finish};
use super::tools::{Choice, ToolCall, Toolbox};
use super::{prose, schema};
use crate::world::Random;

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    JsonObject,
    /// JSON that a schema allows.
    Schema(Json),
}

/// Everything that an answer depends on.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) model: Model,
    pub(crate) prompt: Prompt,
    pub(crate) format: Format,
    pub(crate) toolbox: Toolbox,
    pub(crate) bounds: Bounds,
    /// The length that the request asks for.
    pub(crate) asked: Option<u64>,
    /// Tells answers to the same prompt apart: the request's `seed`.
    pub(crate) variant: String,
    /// How hard a reasoning model thinks; none of it is shown.
    pub(crate) effort: Effort,
}

/// How hard a reasoning model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Effort {
    None,
    Minimal,
    Low,
    #[default]
    Medium,
    High,
}

/// The words for [`Effort`] in requests.
pub(crate) const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

impl Effort {
    pub(crate) fn of(word: Option<&str>) -> Self {
        match word {
            Some("none") => Self::None,
            Some("minimal") => Self::Minimal,
            Some("low") => Self::Low,
            Some("high" | "xhigh") => Self::High,
            _ => Self::Medium,
        }
    }

    /// Tokens that thinking takes, in steps of 64 as the original counts them.
    fn tokens(self, random: &mut Random) -> u64 {
        let (least, more) = match self {
            Self::None => return 0,
            Self::Minimal => (0, 2),
            Self::Low => (1, 2),
            Self::Medium => (1, 6),
            Self::High => (4, 12),
        };
        64 * (least + random.below(more))
    }
}

/// What the model said.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) said: Said,
    pub(crate) finish: Finish,
    /// Tokens of thinking before it.
    pub(crate) reasoning: u64,
}

/// A text in tokens, or calls.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Text(Vec<String>),
    Calls(Vec<ToolCall>),
}

impl Answer {
    /// All tokens, those of thinking too.
    pub(crate) fn tokens(&self) -> u64 {
        let visible = match &self.said {
            Said::Text(tokens) => tokens.len(),
            // A call's name and frame count as some five tokens.
            Said::Calls(calls) => calls.iter().map(|call| call.arguments.len() + 5).sum(),
        };
        self.reasoning + visible as u64
    }

    /// How many steps a stream of it takes.
    pub(crate) fn steps(&self) -> usize {
        match &self.said {
            Said::Text(tokens) => tokens.len(),
            Said::Calls(calls) => calls.iter().map(|call| call.arguments.len()).sum(),
        }
    }
}

impl Ask {
    /// The answer number `index` to the prompt.
    pub(crate) fn answer(&self, call: &mut Call<'_>, index: u64) -> Answer {
        let variant = if index == 0 { self.variant.clone() } else { format!("{}/{index}", self.variant) };
        let question = &self.prompt.question;
        let mut random = prose::stream(call.seed(), question, &format!("{variant}/form"));
        let thinking = if self.model.reasons() { self.effort.tokens(&mut random) } else { 0 };
        let reasoning = thinking.min(self.bounds.max_tokens);
        let bounds = Bounds { max_tokens: self.bounds.max_tokens - reasoning, stop: self.bounds.stop.clone() };
        let called = self.toolbox.called(&self.prompt);
        if called.is_empty() {
            let text = match &self.format {
                Format::Text => prose::answer(call.seed(), question, &variant),
                Format::JsonObject => json!({"answer": prose::answer(call.seed(), question, &variant)}).to_string(),
                Format::Schema(schema) => schema::value(schema, &prose::topic(question), &mut random).to_string(),
            };
            let (tokens, finish) = text::bounded(&text, &bounds);
            return Answer { said: Said::Text(tokens), finish, reasoning };
        }
        let mut calls: Vec<ToolCall> =
            called.iter().map(|tool| ToolCall::new(tool, question, &mut random, &mut call.ids)).collect();
        let is_cut = cut(&mut calls, bounds.max_tokens);
        let finish = match self.toolbox.choice {
            _ if is_cut => Finish::Length,
            // Whoever names the function is told that the answer stopped, not that it called a tool.
            Choice::Named(_) => Finish::Stop,
            _ => Finish::ToolCalls,
        };
        Answer { said: Said::Calls(calls), finish, reasoning }
    }
}

/// Cuts calls down to `most` tokens, and says whether anything was cut.
fn cut(calls: &mut [ToolCall], most: u64) -> bool {
    let mut left = usize::try_from(most).unwrap_or(usize::MAX);
    let mut is_cut = false;
    for call in calls.iter_mut() {
        is_cut |= call.arguments.len() > left;
        call.arguments.truncate(left);
        left -= call.arguments.len();
    }
    is_cut
}

/// Reads `response_format` of a chat, or `text.format` of a response, whose schema stands beside its type.
pub(crate) fn read_format(params: &Params<'_>, name: &str, prompt: &Prompt) -> Result<Format, ApiError> {
    let Some(format) = params.object(name)? else { return Ok(Format::Text) };
    let kind = format.required_string("type")?;
    let path = params.path(name);
    match kind {
        "text" => Ok(Format::Text),
        "json_object" if prompt.mentions_json => Ok(Format::JsonObject),
        "json_object" => {
            let (of, owner) = if name == "format" { ("input", "text.format") } else { ("messages", "response_format") };
            let message =
                format!("'{of}' must contain the word 'json' in some form, to use '{owner}' of type 'json_object'.");
            Err(ApiError::param(of, None, message))
        }
        "json_schema" => {
            let inner = if name == "format" { Some(format.clone()) } else { format.object("json_schema")? };
            let inner = inner.ok_or_else(|| ApiError::missing(&format.path("json_schema")))?;
            read_schema(&inner, &path)
        }
        _ => Err(ApiError::unsupported_value(&format.path("type"), kind, &["json_object", "json_schema", "text"])),
    }
}

fn read_schema(params: &Params<'_>, path: &str) -> Result<Format, ApiError> {
    let name = params.required_string("name")?;
    let strict = params.boolean("strict")?.unwrap_or(false);
    let Some(schema) = params.object("schema")?.and_then(|_| params.get("schema")) else {
        return if strict { Err(ApiError::missing(&params.path("schema"))) } else { Ok(Format::JsonObject) };
    };
    let problem = match schema.get("type") {
        Some(kind) if strict && kind != "object" => {
            Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {kind}'."))
        }
        _ if strict => schema::check_strict(schema),
        _ => Ok(()),
    };
    problem.map_err(|problem| {
        let owner = if path == "response_format" { "response_format" } else { "text.format" };
        let message = format!("Invalid schema for {owner} '{name}': {problem}");
        let param = if path == "response_format" { path.to_owned() } else { format!("{path}.schema") };
        ApiError::param(param, Some("invalid_json_schema"), message)
    })?;
    Ok(Format::Schema(schema.clone()))
}
