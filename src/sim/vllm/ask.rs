//! What a request asks for, whichever endpoint it came to.

use serde_json::Value as Json;

use super::error::ApiError;
use super::json::Fields;
use crate::sim::tokens;

/// A request, as far as an answer depends on it.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the request")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    /// What errors call it: `chat completion request`, …
    pub(crate) kind: &'static str,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) max_tokens: Option<i64>,
    /// Answers to each prompt.
    pub(crate) n: i64,
    pub(crate) ignore_eos: bool,
    /// The prompt is filled in here and decoded elsewhere.
    pub(crate) remote_decode: bool,
    /// The prompt was filled in elsewhere.
    pub(crate) remote_prefill: bool,
    /// How many alternatives are told for each token, if any are asked for.
    pub(crate) logprobs: Option<usize>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    /// Where tools are given, exactly one is called.
    pub(crate) single_call: bool,
    pub(crate) prompts: Vec<Prompt>,
    /// A header says that the cache has too little of the prompt.
    pub(crate) below_threshold: bool,
}

/// A prompt: how long it is, and what an echo of it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    pub(crate) tokens: usize,
    pub(crate) echo: Echo,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Echo {
    Text(String),
    Ids(Vec<u32>),
}

/// A tool: its name, and the definition that is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// `{"name", "description", "parameters"}`.
    pub(crate) definition: Json,
}

/// Which tools are to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

/// A message of a conversation, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) text: String,
}

impl Ask {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            model: String::new(),
            stream: false,
            include_usage: false,
            max_tokens: None,
            n: 1,
            ignore_eos: false,
            remote_decode: false,
            remote_prefill: false,
            logprobs: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            single_call: false,
            prompts: Vec::new(),
            below_threshold: false,
        }
    }

    /// Reads what every endpoint has: model, stream, and the rest of vLLM's own fields.
    pub(crate) fn read_common(&mut self, fields: Fields<'_>, base_path: &'static str) -> Result<(), String> {
        let base = fields.within(base_path);
        self.model = base.text("model")?;
        self.stream = base.bool("stream")?;
        if let Some(options) = base.object("stream_options", "StreamOptions")? {
            self.include_usage = options.bool("include_usage")?;
        }
        self.ignore_eos = base.bool("ignore_eos")?;
        base.float("cache_hit_threshold")?;
        if let Some(transfer) = base.object("kv_transfer_params", "KVTransferParams")? {
            self.remote_decode = transfer.bool("do_remote_decode")?;
            self.remote_prefill = transfer.bool("do_remote_prefill")?;
        }
        Ok(())
    }

    /// Checks what chat and text completions have in common.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.n <= 0 {
            return Err(ApiError::bad("n must be at least 1"));
        }
        if self.max_tokens.is_some_and(|most| most <= 0) {
            return Err(ApiError::bad("Max completion tokens and max tokens should be positive"));
        }
        if self.remote_decode && self.stream {
            return Err(ApiError::bad("Prefill does not support streaming"));
        }
        if self.ignore_eos && self.max_tokens.is_none() {
            let text = "Ignore_eos is true but max_completion_tokens (or max_tokens) is not set";
            return Err(ApiError::bad(text));
        }
        Ok(())
    }

    /// The choices of an answer: each prompt's, `n` times.
    pub(crate) fn choices(&self) -> usize {
        self.prompts.len().saturating_mul(usize::try_from(self.n).unwrap_or(1))
    }

    /// The prompt of a choice, and whether the choice is the prompt's first.
    pub(crate) fn prompt_of(&self, choice: usize) -> Option<(&Prompt, bool)> {
        let n = usize::try_from(self.n).unwrap_or(1).max(1);
        Some((self.prompts.get(choice / n)?, choice.is_multiple_of(n)))
    }
}

impl Prompt {
    pub(crate) fn text(text: String) -> Self {
        Self { tokens: tokens::count(&text), echo: Echo::Text(text) }
    }

    pub(crate) fn ids(ids: Vec<u32>) -> Self {
        Self { tokens: ids.len(), echo: Echo::Ids(ids) }
    }

    /// The prompt of a conversation; its echo is the last message.
    pub(crate) fn conversation(mut messages: Vec<Message>) -> Self {
        let tokens = messages.iter().map(Message::tokens).sum();
        let last = messages.pop().map(|message| message.text).unwrap_or_default();
        Self { tokens, echo: Echo::Text(last) }
    }
}

impl Message {
    /// The message as it stands in a prompt.
    pub(crate) fn write(&self, out: &mut String) {
        out.extend(["### ", &self.role, ": ", &self.text, "\n"]);
    }

    /// Tokens of the message as it stands in a prompt: three `#`, the role, a colon, and the text.
    fn tokens(&self) -> usize {
        let of = |text: &str| if text.trim_ascii().is_empty() { 0 } else { tokens::count(text) };
        4 + of(&self.role) + of(&self.text)
    }
}

/// Reads a list of messages.
pub(crate) fn messages(fields: Fields<'_>) -> Result<Vec<Message>, String> {
    let list = fields.list("messages", "[]api.Message")?;
    list.iter().map(message).collect()
}

fn message(json: &Json) -> Result<Message, String> {
    let fields = Fields::of_body(json, "Message")?;
    let text = match fields.get("content") {
        Some(content) => content_text(content)?,
        None => String::new(),
    };
    Ok(Message { role: fields.text("role")?, text })
}

/// The text of a message's content: a string, or blocks joined with line breaks.
pub(crate) fn content_text(content: &Json) -> Result<String, String> {
    let unsupported = || "content format not supported".to_owned();
    let blocks = match content {
        Json::String(text) => return Ok(text.clone()),
        Json::Array(blocks) => blocks,
        _ => return Err(unsupported()),
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let block = block.as_object().map(|map| Fields::new(map, "ContentBlock")).ok_or_else(unsupported)?;
        match block.str("type").map_err(|_| unsupported())?.unwrap_or_default() {
            "text" => parts.push(block.text("text").map_err(|_| unsupported())?),
            "image_url" => {
                let url = block.object("image_url", "ImageBlock").map_err(|_| unsupported())?;
                let url = url.map(|image| image.text("url")).transpose()?.unwrap_or_default();
                parts.push(format!("image: {url}"));
            }
            // Sound and video have no text.
            _ => {}
        }
    }
    Ok(parts.join("\n"))
}

/// Reads the `tool_choice` of chat completions and of responses.
pub(crate) fn tool_choice(value: Option<&Json>) -> Result<ToolChoice, String> {
    let Some(value) = value else { return Ok(ToolChoice::Auto) };
    match value {
        Json::String(word) => match word.as_str() {
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            "auto" | "" => Ok(ToolChoice::Auto),
            other => Err(format!("unknown ToolChoice type: {other}")),
        },
        Json::Object(map) => {
            let fields = Fields::new(map, "ToolChoice");
            let kind = fields.text("type")?;
            if kind != "function" {
                return Err(format!("unknown ToolChoice type: {kind}"));
            }
            let nested = fields.object("function", "ToolChoiceFunction")?.unwrap_or(fields);
            match nested.text("name")? {
                name if name.is_empty() => Err("tool_choice function requires a name".to_owned()),
                name => Ok(ToolChoice::Named(name)),
            }
        }
        _ => Err("unknown ToolChoice type: ".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_prompt_counts_as_many_tokens_as_its_text() {
        for texts in [["hi", "This is a test."], ["", "  "], ["\n", "a_b é"], ["x ", " y"]] {
            let messages: Vec<Message> =
                texts.iter().map(|text| Message { role: "user".to_owned(), text: (*text).to_owned() }).collect();
            let mut whole = String::new();
            for message in &messages {
                message.write(&mut whole);
            }
            assert_eq!(Prompt::conversation(messages).tokens, tokens::count(&whole), "{whole:?}");
        }
    }

    #[test]
    fn blocks_are_joined_and_images_are_named() {
        let blocks = json!([
            {"type": "text", "text": "Describe this"},
            {"type": "image_url", "image_url": {"url": "https://example.com/img.png"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ]);
        assert_eq!(content_text(&blocks), Ok("Describe this\nimage: https://example.com/img.png".to_owned()));
        assert_eq!(content_text(&json!(5)), Err("content format not supported".to_owned()));
    }
}
