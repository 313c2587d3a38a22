//! Reads and checks a response's parameters.

use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::super::answer::{self, Ask, EFFORTS, Effort, Format};
use super::super::chat;
use super::super::engine::Call;
use super::super::error::ApiError;
use super::super::models::{self, Model};
use super::super::params::Params;
use super::super::prompt::Prompt;
use super::super::text::{self, Bounds};
use super::super::tools::{Choice, Tool, Toolbox};
use super::input;

/// A request that is in order.
pub(super) struct Request {
    pub(super) ask: Ask,
    pub(super) stream: bool,
    pub(super) obfuscate: bool,
    pub(super) store: bool,
    pub(super) tier: &'static str,
    pub(super) top_logprobs: Option<usize>,
    /// What the response repeats of the request as it came.
    pub(super) told: Map<String, Json>,
    /// What the response says of `reasoning`, `text` and `tools`.
    pub(super) reasoning: Json,
    pub(super) text: Json,
    pub(super) tools: Json,
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
    "previous_response_id",
    "model",
    "background",
    "max_tool_calls",
    "text",
    "tools",
    "tool_choice",
    "prompt",
    "service_tier",
    "truncation",
    "reasoning",
    "input",
    "include",
    "parallel_tool_calls",
    "store",
    "instructions",
    "moderation",
    "stream",
    "stream_options",
    "conversation",
    "context_management",
    "max_output_tokens",
];

/// What chat completions call differently.
const MOVED: &[(&str, &str)] = &[
    ("messages", "input"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
];

/// Reads a request.
pub(super) fn read(call: &Call<'_>, body: &Map<String, Json>) -> Result<Request, ApiError> {
    let params = Params::new(body);
    let model = models::asked(params.get("model"))?;
    if !model.is_chat() {
        let message = format!("The requested model '{}' cannot be used with the Responses API.", model.id);
        return Err(ApiError::param("model", Some("unsupported_model"), message));
    }
    check_unknown(&params)?;
    let mut prompt = Prompt::default();
    if let Some(instructions) = params.string("instructions")? {
        prompt.begin_message("system");
        prompt.add_text(instructions);
    }
    let earlier = previous(call, &params)?;
    prompt.tokens += earlier.unwrap_or(0);
    input::read(&params, &mut prompt, earlier.is_some())?;
    let (toolbox, tools) = read_tools(&params, &mut prompt)?;
    let asked = params.count("max_output_tokens", 16, i64::MAX)?;
    text::check_max_tokens(&model, "max_output_tokens", asked)?;
    let room = text::room(&model, "input", prompt.tokens, asked)?;
    let reasoning = check_sampling(&params, &model)?;
    let effort = Effort::of(reasoning["effort"].as_str());
    let (format, text) = read_text(&params, &prompt)?;
    check_others(&params)?;
    let options = params.object("stream_options")?;
    let obfuscate = options.map_or(Ok(None), |options| options.boolean("include_obfuscation"))?.unwrap_or(true);
    let bounds = Bounds { max_tokens: room, stop: Vec::new() };
    Ok(Request {
        stream: params.boolean("stream")?.unwrap_or(false),
        obfuscate,
        store: params.boolean("store")?.unwrap_or(true),
        tier: chat::tier(&params)?,
        top_logprobs: top_logprobs(&params)?,
        told: body
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        ask: Ask { model, prompt, format, toolbox, bounds, asked, variant: String::new(), effort },
        reasoning,
        text,
        tools,
    })
}

fn check_unknown(params: &Params<'_>) -> Result<(), ApiError> {
    let Some(name) = params.unknown(KNOWN).into_iter().next() else { return Ok(()) };
    if let Some((_, new)) = MOVED.iter().find(|(old, _)| *old == name) {
        let message = format!(
            "Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{new}'. Try again with \
             the new parameter. See the API documentation for more information: \
             https://platform.openai.com/docs/api-reference/responses/create."
        );
        return Err(ApiError::param(name, Some("unsupported_parameter"), message));
    }
    Err(ApiError::param(name, Some("unknown_parameter"), format!("Unknown parameter: '{name}'.")))
}

/// Tokens of the conversation that the request goes on with.
fn previous(call: &Call<'_>, params: &Params<'_>) -> Result<Option<u64>, ApiError> {
    let Some(id) = params.string("previous_response_id")? else { return Ok(None) };
    call.recall(id).map(Some).ok_or_else(|| {
        let message = format!("Previous response with id '{id}' not found.");
        ApiError::param("previous_response_id", Some("previous_response_not_found"), message)
    })
}

/// Tools that the original runs itself; the fake takes them and never uses them.
const BUILT_IN: &[&str] = &[
    "file_search",
    "web_search",
    "web_search_preview",
    "computer_use_preview",
    "mcp",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "shell",
    "apply_patch",
];

fn read_tools(params: &Params<'_>, prompt: &mut Prompt) -> Result<(Toolbox, Json), ApiError> {
    let parallel = params.boolean("parallel_tool_calls")?.unwrap_or(true);
    let mut toolbox = Toolbox { tools: Vec::new(), choice: Choice::Auto, parallel };
    let mut told = Vec::new();
    for (index, tool) in params.objects("tools")?.unwrap_or_default().iter().enumerate() {
        let kind = tool.required_string("type")?;
        let mut shown = params.get("tools").and_then(|tools| tools.get(index)).cloned().unwrap_or_default();
        match kind {
            "function" => {
                toolbox.tools.push(Tool::function(tool)?);
                if tool.get("strict").is_none() {
                    shown["strict"] = true.into();
                }
            }
            "custom" => toolbox.tools.push(Tool::custom(tool)?),
            _ if BUILT_IN.contains(&kind) => {}
            _ => {
                let all: Vec<&str> = ["function", "custom"].iter().chain(BUILT_IN).copied().collect();
                return Err(ApiError::unsupported_value(&tool.path("type"), kind, &all));
            }
        }
        told.push(shown);
    }
    toolbox.count(prompt);
    let names_built_in = params
        .get("tool_choice")
        .and_then(|choice| choice.get("type")?.as_str())
        .is_some_and(|kind| BUILT_IN.contains(&kind));
    if !names_built_in && (!toolbox.tools.is_empty() || told.is_empty()) {
        toolbox.choose(params, "tool_choice", &[])?;
    }
    Ok((toolbox, Json::Array(told)))
}

/// Checks what steers chance, and says what the response tells of `reasoning`.
fn check_sampling(params: &Params<'_>, model: &Model) -> Result<Json, ApiError> {
    params.decimal("temperature", 0.0, 2.0)?;
    params.decimal("top_p", 0.0, 1.0)?;
    let reasoning = params.object("reasoning")?;
    let read =
        |name: &str, allowed: &[&str]| reasoning.as_ref().map_or(Ok(None), |reasoning| reasoning.one_of(name, allowed));
    let effort = read("effort", EFFORTS)?;
    let summary = read("summary", &["auto", "concise", "detailed"])?;
    if !model.reasons() {
        if effort.is_some() {
            let message = "Unsupported parameter: 'reasoning.effort' is not supported with this model.";
            return Err(ApiError::param("reasoning.effort", Some("unsupported_parameter"), message));
        }
        return Ok(json!({"effort": null, "summary": null}));
    }
    for name in ["temperature", "top_p"] {
        if params.get(name).is_some_and(|value| value.as_f64() != Some(1.0)) {
            let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
            return Err(ApiError::param(name, Some("unsupported_parameter"), message));
        }
    }
    Ok(json!({"effort": effort.unwrap_or("medium"), "summary": summary}))
}

/// Reads `text`: the format of the answer, and what the response tells of it.
fn read_text(params: &Params<'_>, prompt: &Prompt) -> Result<(Format, Json), ApiError> {
    let Some(text) = params.object("text")? else {
        return Ok((Format::Text, json!({"format": {"type": "text"}, "verbosity": "medium"})));
    };
    let verbosity = text.one_of("verbosity", &["low", "medium", "high"])?;
    let format = answer::read_format(&text, "format", prompt)?;
    let told = text.get("format").cloned().unwrap_or_else(|| json!({"type": "text"}));
    Ok((format, json!({"format": told, "verbosity": verbosity.unwrap_or("medium")})))
}

fn check_others(params: &Params<'_>) -> Result<(), ApiError> {
    for name in ["user", "safety_identifier", "prompt_cache_key"] {
        params.string(name)?;
    }
    params.one_of("truncation", &["auto", "disabled"])?;
    params.count("max_tool_calls", 1, i64::MAX)?;
    if params.boolean("background")?.unwrap_or(false) {
        let message = "Background responses are not simulated.";
        return Err(ApiError { status: StatusCode::BAD_REQUEST, ..ApiError::param("background", None, message) });
    }
    chat::check_metadata(params)
}

fn top_logprobs(params: &Params<'_>) -> Result<Option<usize>, ApiError> {
    let top = params.count("top_logprobs", 0, 20)?.and_then(|top| usize::try_from(top).ok());
    match params.get("include") {
        None => Ok(top),
        Some(Json::Array(names)) => {
            let wanted = names.iter().any(|name| name == "message.output_text.logprobs");
            Ok(top.or_else(|| wanted.then_some(0)))
        }
        Some(other) => Err(params.wrong("include", "an array of strings", other)),
    }
}
