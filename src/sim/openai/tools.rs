//! Tools: what a request offers, and which of them the fake calls.

use serde_json::Value as Json;

use super::engine::Ids;
use super::error::ApiError;
use super::params::Params;
use super::prompt::Prompt;
use super::{prose, schema, tokens};
use crate::world::Random;

/// A tool that a request offers.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    description: String,
    schema: Json,
    /// Takes free text instead of JSON.
    pub(crate) is_custom: bool,
}

/// Whether tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    Never,
    #[default]
    Auto,
    Required,
    /// Exactly this one.
    Named(String),
}

/// The tools of a request and how they are to be used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Toolbox {
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// Whether several may be called at once.
    pub(crate) parallel: bool,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, or free text for a custom tool.
    pub(crate) arguments: Vec<String>,
    pub(crate) is_custom: bool,
}

const LONGEST_NAME: usize = 64;
const MOST_TOOLS: usize = 128;
/// At most so many tools are called at once.
const MOST_CALLS: usize = 3;

impl Tool {
    /// Reads `name`, `description`, `parameters` and `strict` of a function.
    pub(crate) fn function(params: &Params<'_>) -> Result<Self, ApiError> {
        let name = checked_name(params)?;
        let strict = params.boolean("strict")?.unwrap_or(false);
        let schema = params.object("parameters")?.and_then(|_| params.get("parameters")).cloned();
        let schema = schema.unwrap_or_else(|| serde_json::json!({"type": "object", "properties": {}}));
        check_parameters(&name, &schema, strict, &params.path("parameters"))?;
        let description = params.string("description")?.unwrap_or_default().to_owned();
        Ok(Self { name, description, schema, is_custom: false })
    }

    /// Reads `name` and `description` of a custom tool.
    pub(crate) fn custom(params: &Params<'_>) -> Result<Self, ApiError> {
        let description = params.string("description")?.unwrap_or_default().to_owned();
        Ok(Self { name: checked_name(params)?, description, schema: Json::Null, is_custom: true })
    }

    /// Whether its name or description has a longer word in common with the question.
    fn is_about(&self, question: &str) -> bool {
        let asked: Vec<String> = words(question).collect();
        words(&self.name).chain(words(&self.description)).any(|word| asked.contains(&word))
    }
}

/// Longer words in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    const GENERIC: &[&str] =
        &["current", "from", "given", "have", "that", "this", "tool", "what", "when", "with", "your"];
    let long = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 4).take(500);
    long.map(str::to_lowercase).filter(|word| !GENERIC.contains(&word.as_str()))
}

fn checked_name(params: &Params<'_>) -> Result<String, ApiError> {
    let name = params.required_string("name")?;
    let path = params.path("name");
    let length = name.chars().count();
    let error = |code, message| Err(ApiError::param(path.clone(), Some(code), message));
    if length == 0 {
        let expected = "Expected a string with minimum length 1, but got an empty string instead.";
        return error("empty_string", format!("Invalid '{path}': empty string. {expected}"));
    }
    if length > LONGEST_NAME {
        let expected = format!("Expected a string with maximum length {LONGEST_NAME}");
        let message =
            format!("Invalid '{path}': string too long. {expected}, but got a string with length {length} instead.");
        return error("string_above_max_length", message);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        let expected = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
        return error("invalid_value", format!("Invalid '{path}': string does not match pattern. {expected}"));
    }
    Ok(name.to_owned())
}

fn check_parameters(name: &str, schema: &Json, strict: bool, path: &str) -> Result<(), ApiError> {
    let problem = match schema.get("type") {
        Some(kind) if kind == "object" => match strict.then(|| schema::check_strict(schema)) {
            Some(Err(problem)) => problem,
            _ => return Ok(()),
        },
        None if schema.as_object().is_some_and(serde_json::Map::is_empty) => return Ok(()),
        kind => {
            let got = kind.map_or("\"None\"".to_owned(), Json::to_string);
            format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: {got}'.")
        }
    };
    let message = format!("Invalid schema for function '{name}': {problem}");
    Err(ApiError::param(path, Some("invalid_function_parameters"), message))
}

/// Reads the tools of a chat: `tools` and `tool_choice`, or their predecessors `functions` and `function_call`.
pub(crate) fn read_chat(params: &Params<'_>, prompt: &mut Prompt) -> Result<Toolbox, ApiError> {
    let parallel = params.boolean("parallel_tool_calls")?;
    if let Some(functions) = params.objects("functions")? {
        params.array_length("functions", functions.len(), MOST_TOOLS)?;
        let tools = functions.iter().map(Tool::function).collect::<Result<Vec<_>, _>>()?;
        let mut toolbox = Toolbox { tools, choice: Choice::Auto, parallel: false };
        toolbox.count(prompt);
        toolbox.choose(params, "function_call", &[])?;
        return Ok(toolbox);
    }
    let offered = params.objects("tools")?;
    if let Some(offered) = &offered {
        params.array_length("tools", offered.len(), MOST_TOOLS)?;
    }
    let tools = offered.iter().flatten().map(chat_tool).collect::<Result<Vec<_>, _>>()?;
    if tools.is_empty() && parallel.is_some() {
        let message = "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are \
                       specified.";
        return Err(ApiError::param("parallel_tool_calls", None, message));
    }
    let mut toolbox = Toolbox { tools, choice: Choice::Auto, parallel: parallel.unwrap_or(true) };
    toolbox.count(prompt);
    toolbox.choose(params, "tool_choice", &["function", "custom"])?;
    Ok(toolbox)
}

fn chat_tool(tool: &Params<'_>) -> Result<Tool, ApiError> {
    let kind = tool.required_string("type")?;
    let inner = |name: &str| tool.object(name)?.ok_or_else(|| ApiError::missing(&tool.path(name)));
    match kind {
        "function" => Tool::function(&inner("function")?),
        "custom" => Tool::custom(&inner("custom")?),
        _ => Err(ApiError::unsupported_value(&tool.path("type"), kind, &["function", "custom"])),
    }
}

impl Toolbox {
    /// Counts the tools into the prompt.
    pub(crate) fn count(&self, prompt: &mut Prompt) {
        for tool in &self.tools {
            prompt.tokens += tokens::count(&tool.name) + tokens::count(&tool.description);
            prompt.tokens += tokens::count(&tool.schema.to_string()) / 2;
        }
    }

    /// Reads which tools are to be called. `wrappers` are the objects in which a chat puts the name.
    pub(crate) fn choose(&mut self, params: &Params<'_>, name: &str, wrappers: &[&str]) -> Result<(), ApiError> {
        let Some(value) = params.get(name) else { return Ok(()) };
        if self.tools.is_empty() && value != "none" {
            let of = if name == "function_call" { "functions" } else { "tools" };
            let message = format!("Invalid value for '{name}': '{name}' is only allowed when '{of}' are specified.");
            return Err(ApiError::param(name, None, message));
        }
        self.choice = match value {
            Json::String(word) => match word.as_str() {
                "none" => Choice::Never,
                "auto" => Choice::Auto,
                "required" if name != "function_call" => Choice::Required,
                other => return Err(ApiError::unsupported_value(name, other, &["none", "auto", "required"])),
            },
            Json::Object(map) => self.choice_of(&Params::at(map, name), wrappers)?,
            other => return Err(params.wrong(name, "one of a string or object", other)),
        };
        Ok(())
    }

    fn choice_of(&mut self, choice: &Params<'_>, wrappers: &[&str]) -> Result<Choice, ApiError> {
        if choice.get("type").is_some_and(|kind| kind == "allowed_tools") {
            let inner = choice.object("allowed_tools")?.unwrap_or_else(|| choice.clone());
            let mode = inner.one_of("mode", &["auto", "required"])?;
            let allowed = inner.objects("tools")?.unwrap_or_default();
            let names = allowed.iter().map(|tool| name_in(tool, wrappers)).collect::<Result<Vec<_>, _>>()?;
            self.tools.retain(|tool| names.contains(&tool.name));
            return Ok(if mode == Some("required") { Choice::Required } else { Choice::Auto });
        }
        let name = name_in(choice, wrappers)?;
        if !self.tools.iter().any(|tool| tool.name == name) {
            let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
            return Err(ApiError::param("tool_choice", None, message));
        }
        Ok(Choice::Named(name))
    }

    /// The tools that are called in answer to `prompt`: with `auto` those that the question is about.
    pub(crate) fn called(&self, prompt: &Prompt) -> Vec<&Tool> {
        let fitting = || self.tools.iter().filter(|tool| tool.is_about(&prompt.question));
        let most = if self.parallel { MOST_CALLS } else { 1 };
        match &self.choice {
            Choice::Never => Vec::new(),
            Choice::Named(name) => self.tools.iter().filter(|tool| tool.name == *name).take(1).collect(),
            Choice::Auto if prompt.ends_with_tool => Vec::new(),
            Choice::Auto => fitting().take(most).collect(),
            Choice::Required => {
                let called: Vec<&Tool> = fitting().take(most).collect();
                if called.is_empty() { self.tools.iter().take(1).collect() } else { called }
            }
        }
    }
}

fn name_in(choice: &Params<'_>, wrappers: &[&str]) -> Result<String, ApiError> {
    for wrapper in wrappers {
        if let Some(inner) = choice.object(wrapper)? {
            return inner.required_string("name").map(str::to_owned);
        }
    }
    choice.required_string("name").map(str::to_owned)
}

impl ToolCall {
    /// A call of `tool` with arguments that its schema allows.
    pub(crate) fn new(tool: &Tool, question: &str, random: &mut Random, ids: &mut Ids) -> Self {
        let arguments = if tool.is_custom {
            prose::sentence(random, question)
        } else {
            schema::value(&tool.schema, &prose::topic(question), random).to_string()
        };
        Self {
            id: ids.alphanumeric("call_", 24),
            name: tool.name.clone(),
            arguments: tokens::split(&arguments).into_iter().map(str::to_owned).collect(),
            is_custom: tool.is_custom,
        }
    }
}
