//! What requests and answers must be, by the types of each version: they say what is wrong, by the names
//! that agentgateway gives them (source: `llm/types/completions.rs`). An object is never a list, since each may
//! have further fields.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Further fields, whatever they are: with them an object cannot be a list.
#[derive(Deserialize)]
struct Others {}

/// What is written of a request.
#[derive(Deserialize)]
#[serde(expecting = "struct Request")]
pub(super) struct Chat {
    pub(super) messages: Vec<Message>,
    pub(super) model: Option<String>,
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_completion_tokens: Option<u32>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "struct RequestMessage")]
pub(super) struct Message {
    role: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StreamOptions {
    include_usage: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Response {
    pub(super) model: String,
    pub(super) usage: Option<UsageFields>,
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "struct Usage")]
pub(super) struct UsageFields {
    #[serde(default)]
    pub(super) prompt_tokens: u32,
    #[serde(default)]
    pub(super) completion_tokens: u32,
    #[serde(default)]
    pub(super) total_tokens: u32,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    message: AnswerMessage,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(expecting = "struct ResponseMessage")]
pub(super) struct AnswerMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What a request must be in 0.11. Other fields may be anything.
#[derive(Deserialize)]
#[serde(expecting = "struct Request")]
#[expect(dead_code, reason = "it is read for its types and the parser's words")]
pub(super) struct Typed011 {
    messages: Vec<TypedMessage011>,
    model: Option<String>,
    top_p: Option<f32>,
    temperature: Option<f32>,
    stream: Option<bool>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    seed: Option<i64>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(flatten)]
    rest: Others,
}

#[derive(Deserialize)]
#[serde(expecting = "struct RequestMessage")]
#[expect(dead_code, reason = "as above")]
pub(super) struct TypedMessage011 {
    role: String,
    name: Option<String>,
    content: Option<Content>,
    #[serde(flatten)]
    rest: Others,
}

/// What a request must be from 1.2 on.
#[derive(Deserialize)]
#[serde(expecting = "struct Request")]
#[expect(dead_code, reason = "as above")]
pub(super) struct Typed12 {
    messages: Vec<TypedMessage12>,
    model: Option<String>,
    top_p: Option<f32>,
    temperature: Option<f32>,
    stream: Option<bool>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    seed: Option<i64>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    tools: Option<Vec<Value>>,
    user: Option<String>,
    #[serde(flatten)]
    rest: Others,
}

#[derive(Deserialize)]
#[serde(expecting = "struct RequestMessage")]
#[expect(dead_code, reason = "as above")]
pub(super) struct TypedMessage12 {
    role: String,
    name: Option<String>,
    content: Option<Content>,
    tool_call_id: Option<String>,
    tool_calls: Option<Vec<Value>>,
    #[serde(flatten)]
    rest: Others,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "as above")]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
pub(super) struct Part {
    r#type: String,
    text: Option<String>,
}

/// What an answer must have in 0.11.
#[derive(Deserialize)]
#[serde(expecting = "struct Response")]
#[expect(dead_code, reason = "as above")]
pub(super) struct Whole011 {
    model: String,
    usage: Option<WholeUsage>,
    choices: Vec<WholeChoice>,
    #[serde(flatten)]
    rest: Others,
}

#[derive(Deserialize)]
#[serde(expecting = "struct Usage")]
#[expect(dead_code, reason = "as above")]
pub(super) struct WholeUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    #[serde(flatten)]
    rest: Others,
}

#[derive(Deserialize)]
#[serde(expecting = "struct Choice")]
#[expect(dead_code, reason = "as above")]
pub(super) struct WholeChoice {
    message: AnswerMessage,
    #[serde(flatten)]
    rest: Others,
}

/// What an answer must have from 1.2 on, besides what is read of it in any case.
#[derive(Deserialize)]
#[serde(expecting = "struct Response")]
#[expect(dead_code, reason = "as above")]
pub(super) struct Whole12 {
    service_tier: Option<String>,
    #[serde(flatten)]
    rest: Others,
}
