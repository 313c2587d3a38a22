//! Reads the messages of a chat.

use serde_json::Value as Json;

use super::error::ApiError;
use super::params::Params;
use super::tokens;

/// What a request says to the model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prompt {
    /// The last thing that the user said.
    pub(crate) question: String,
    /// Tokens, with what a chat's format adds.
    pub(crate) tokens: u64,
    /// Characters of all texts.
    pub(crate) characters: usize,
    /// Whether some text contains the word JSON.
    pub(crate) mentions_json: bool,
    /// Whether the last message brings the result of a tool.
    pub(crate) ends_with_tool: bool,
}

/// What each message and the answer's beginning add to a prompt.
const TOKENS_PER_MESSAGE: u64 = 3;
const TOKENS_OF_ANSWER: u64 = 3;
/// An image in low and in high detail.
const TOKENS_OF_SMALL_IMAGE: u64 = 85;
const TOKENS_OF_IMAGE: u64 = 765;

const ROLES: &[&str] = &["system", "assistant", "user", "function", "tool", "developer"];
const PARTS: &[&str] = &["text", "image_url", "input_audio", "refusal", "audio", "file"];

impl Prompt {
    /// Counts a text in.
    pub(crate) fn add_text(&mut self, text: &str) {
        self.tokens += tokens::count(text);
        self.characters += text.chars().count();
        self.mentions_json = self.mentions_json || contains_ignoring_case(text, "json");
    }

    pub(crate) fn add_image(&mut self, detail: Option<&str>) {
        self.tokens += if detail == Some("low") { TOKENS_OF_SMALL_IMAGE } else { TOKENS_OF_IMAGE };
    }

    /// Begins a message of `role`.
    pub(crate) fn begin_message(&mut self, role: &str) {
        self.tokens += TOKENS_PER_MESSAGE + tokens::count(role);
        self.ends_with_tool = matches!(role, "tool" | "function");
    }

    /// Ends the prompt.
    pub(crate) fn finish(&mut self) {
        self.tokens += TOKENS_OF_ANSWER;
    }
}

fn contains_ignoring_case(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Reads `messages`.
pub(crate) fn read(params: &Params<'_>) -> Result<Prompt, ApiError> {
    let messages = params.objects("messages")?.ok_or_else(|| ApiError::missing("messages"))?;
    params.array_length("messages", messages.len(), 2048)?;
    let mut prompt = Prompt::default();
    let mut calls = OpenCalls::default();
    for message in &messages {
        let role = message.required_string("role")?;
        if !ROLES.contains(&role) {
            return Err(ApiError::unsupported_value(&message.path("role"), role, ROLES));
        }
        prompt.begin_message(role);
        if let Some(name) = message.string("name")? {
            prompt.add_text(name);
        }
        let text = content(message, role, &mut prompt)?;
        if role == "user" {
            prompt.question = text;
        }
        calls.follow(message, role, &mut prompt)?;
    }
    calls.finish()?;
    prompt.finish();
    Ok(prompt)
}

/// The text of a message's content, which is a string or a list of parts.
fn content(message: &Params<'_>, role: &str, prompt: &mut Prompt) -> Result<String, ApiError> {
    match message.get("content") {
        Some(Json::String(text)) => {
            prompt.add_text(text);
            Ok(text.clone())
        }
        Some(Json::Array(_)) => {
            let mut all = String::new();
            for part in message.objects("content")?.unwrap_or_default() {
                let text = content_part(&part, prompt)?;
                if !text.is_empty() && !all.is_empty() {
                    all.push('\n');
                }
                all.push_str(text);
            }
            Ok(all)
        }
        Some(other) => Err(message.wrong("content", "one of a string or array of objects", other)),
        None if role == "assistant" || role == "function" => Ok(String::new()),
        None => {
            let path = message.path("content");
            let message = format!("Invalid value for '{path}': expected a string, got null.");
            Err(ApiError::param(path, None, message))
        }
    }
}

fn content_part<'a>(part: &Params<'a>, prompt: &mut Prompt) -> Result<&'a str, ApiError> {
    let kind = part.required_string("type")?;
    match kind {
        "text" | "refusal" => {
            let text = part.required_string(kind)?;
            prompt.add_text(text);
            return Ok(text);
        }
        "image_url" => {
            let image = part.object("image_url")?.ok_or_else(|| ApiError::missing(&part.path("image_url")))?;
            let url = image.required_string("url")?;
            let detail = image.one_of("detail", &["auto", "low", "high"])?;
            if !["http://", "https://", "data:image/"].iter().any(|scheme| url.starts_with(scheme)) {
                let message = "Invalid image URL. Expected a valid HTTP(S) URL or a base64 encoded data URL.";
                return Err(ApiError::param(image.path("url"), Some("invalid_image_url"), message));
            }
            prompt.add_image(detail);
        }
        "input_audio" | "audio" | "file" => prompt.add_image(None),
        _ => return Err(ApiError::unsupported_value(&part.path("type"), kind, PARTS)),
    }
    Ok("")
}

/// Tool calls of an assistant's message that want their answers.
#[derive(Default)]
struct OpenCalls {
    ids: Vec<String>,
    /// Whether tool messages may come now.
    may_answer: bool,
    /// Place of the next message.
    index: usize,
}

impl OpenCalls {
    fn follow(&mut self, message: &Params<'_>, role: &str, prompt: &mut Prompt) -> Result<(), ApiError> {
        let index = self.index;
        self.index += 1;
        if role == "tool" {
            let id = message.required_string("tool_call_id")?;
            if !self.may_answer {
                let text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                            with 'tool_calls'.";
                return Err(ApiError::param(format!("messages.[{index}].role"), None, text));
            }
            self.ids.retain(|open| open != id);
            return Ok(());
        }
        self.finish()?;
        self.may_answer = false;
        if role == "assistant" {
            for call in message.objects("tool_calls")?.unwrap_or_default() {
                self.ids.push(call.required_string("id")?.to_owned());
                self.may_answer = true;
                if let Some(function) = call.object("function")? {
                    prompt.add_text(function.required_string("name")?);
                    prompt.add_text(function.required_string("arguments")?);
                }
            }
        }
        Ok(())
    }

    /// Refuses calls that nobody answered.
    fn finish(&self) -> Result<(), ApiError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let message = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            self.ids.join(", ")
        );
        Err(ApiError::param("messages", None, message))
    }
}
