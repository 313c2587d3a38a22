//! Chat completions as the gateway reads them: what it must find in a request and in an answer, and
//! how it writes them again.
//!
//! Fields that the gateway does not know pass through. Those that it knows come first, in its own
//! order; so an answer's keys change places: `model`, `usage`, `choices`, then the rest as it came.

mod rewrite;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use rewrite::{Absent, Field, Shape};

use super::error::Error;
use super::personality::Schema;
use crate::event::facts::TokenDetails;
use crate::event::{Parameters, Usage};

/// A request that is ready for its provider.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    /// The body.
    pub(crate) body: Bytes,
    /// The model that is asked for.
    pub(crate) model: String,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// Parameters that reports show.
    pub(crate) parameters: Parameters,
}

/// A successful answer that came whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The body.
    pub(crate) body: Bytes,
    /// The model that answered.
    pub(crate) model: String,
    /// Tokens, if it says.
    pub(crate) usage: Option<Usage>,
    /// Tokens that it counts apart.
    pub(crate) details: TokenDetails,
}

/// A request as it came, ready to be written for one provider or another.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// A JSON list.
    messages: Vec<u8>,
    model: Option<String>,
    stream: Option<bool>,
    /// A JSON object.
    stream_options: Option<Vec<u8>>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    /// The other fields, a comma before each.
    others: Vec<u8>,
    parameters: Parameters,
    schema: Schema,
}

/// Reads a client's request.
///
/// # Errors
/// [`Error::BadRequest`] with the parser's words.
pub(crate) fn read(body: &[u8], schema: Schema) -> Result<Request, Error> {
    usual_request(body, schema).map_or_else(|| parsed_request(body, schema), Ok)
}

/// The request, if it is like nearly all.
fn usual_request(body: &[u8], schema: Schema) -> Option<Request> {
    let fields = match schema {
        Schema::Of011 => &REQUEST_011[..],
        Schema::Of12 => &REQUEST_12,
    };
    let written = rewrite::rewrite(body, fields)?;
    let value = |index| Some(written.known(index)).filter(|value| !value.is_empty());
    let model = match value(1) {
        None => None,
        Some(model) => Some(text(model)?),
    };
    let limit = |index| value(index).and_then(|digits| u32::try_from(whole_number(digits).0).ok());
    let (max_tokens, max_completion_tokens) = (limit(4), limit(5));
    let others = match written.others() {
        [b',', others @ ..] => serde_json::from_slice(&[b"{", others, b"}"].concat()).ok()?,
        _ => Map::new(),
    };
    Some(Request {
        messages: written.known(0).to_vec(),
        model,
        stream: value(2).map(|flag| flag == b"true"),
        stream_options: value(3).map(<[u8]>::to_vec),
        max_tokens,
        max_completion_tokens,
        others: written.others().to_vec(),
        parameters: parameters(&others, max_completion_tokens.or(max_tokens)),
        schema,
    })
}

fn parameters(others: &Map<String, Value>, max_tokens: Option<u32>) -> Parameters {
    Parameters { max_tokens: max_tokens.map(u64::from), ..Parameters::of_json(others) }
}

fn parsed_request(body: &[u8], schema: Schema) -> Result<Request, Error> {
    let bad = |error: serde_json::Error| Error::BadRequest(error.to_string());
    match schema {
        Schema::Of011 => drop(serde_json::from_slice::<Typed011>(body).map_err(bad)?),
        Schema::Of12 => drop(serde_json::from_slice::<Typed12>(body).map_err(bad)?),
    }
    let Chat { messages, model, stream, stream_options, max_tokens, max_completion_tokens, rest } =
        serde_json::from_slice(body).map_err(bad)?;
    let mut others = serde_json::to_vec(&rest).map_err(bad)?;
    others.pop();
    match others.first_mut() {
        Some(brace) if !rest.is_empty() => *brace = b',',
        _ => others.clear(),
    }
    Ok(Request {
        messages: serde_json::to_vec(&messages).map_err(bad)?,
        model,
        stream,
        stream_options: stream_options.map(|options| serde_json::to_vec(&options)).transpose().map_err(bad)?,
        max_tokens,
        max_completion_tokens,
        others,
        parameters: parameters(&rest, max_completion_tokens.or(max_tokens)),
        schema,
    })
}

impl Request {
    /// Writes it for a provider. The provider's `model` takes the place of the client's, a stream is asked for
    /// its usage, and OpenAI's models are told `max_completion_tokens` where the version does.
    ///
    /// # Errors
    /// [`Error::NoModel`].
    pub(crate) fn question(&self, model: Option<&str>) -> Result<Question, Error> {
        let model = model.or(self.model.as_deref()).ok_or(Error::NoModel)?;
        let stream = self.stream.unwrap_or(false);
        let mut body = Vec::with_capacity(self.messages.len() + self.others.len() + model.len() + 96);
        body.extend_from_slice(b"{\"messages\":");
        body.extend_from_slice(&self.messages);
        body.extend_from_slice(b",\"model\":");
        serde_json::to_writer(&mut body, model).map_err(|error| Error::BadRequest(error.to_string()))?;
        if let Some(stream) = self.stream {
            body.extend_from_slice(if stream { b",\"stream\":true" } else { b",\"stream\":false" });
        }
        if let Some(options) = self.stream_options.as_deref().or(stream.then_some(ASKED_FOR_USAGE)) {
            body.extend_from_slice(b",\"stream_options\":");
            body.extend_from_slice(options);
        }
        let is_renamed = self.schema == Schema::Of12 && model.starts_with("gpt-");
        let (limit, completion_limit) = match self.max_tokens {
            Some(limit) if is_renamed => (None, self.max_completion_tokens.or(Some(limit))),
            limit => (limit, self.max_completion_tokens),
        };
        for (name, limit) in [("max_tokens", limit), ("max_completion_tokens", completion_limit)] {
            if let Some(limit) = limit {
                body.extend_from_slice(format!(",\"{name}\":{limit}").as_bytes());
            }
        }
        body.extend_from_slice(&self.others);
        body.push(b'}');
        Ok(Question { body: body.into(), model: model.to_owned(), stream, parameters: self.parameters })
    }
}

/// The options of a stream that says nothing of its usage.
const ASKED_FOR_USAGE: &[u8] = br#"{"include_usage":true}"#;

/// Reads a successful answer and writes it again.
///
/// # Errors
/// [`Error::BadResponse`] with the parser's words.
pub(crate) fn answer(body: &[u8], schema: Schema) -> Result<Answer, Error> {
    usual_answer(body, schema).map_or_else(|| parsed_answer(body, schema), Ok)
}

/// The answer, if it is like nearly all.
fn usual_answer(body: &[u8], schema: Schema) -> Option<Answer> {
    let fields = match schema {
        Schema::Of011 => &ANSWER_011[..],
        Schema::Of12 => &ANSWER_12,
    };
    let written = rewrite::rewrite(body, fields)?;
    let model = text(written.known(0))?;
    let (usage, details) = match written.known(1) {
        b"null" => (None, TokenDetails::default()),
        usage => (Some(tokens(usage)?), TokenDetails::of_usage(&mut serde_json::Deserializer::from_slice(usage))),
    };
    Some(Answer { body: written.into_json().into(), model, usage, details })
}

/// What stands in a JSON string.
fn text(json: &[u8]) -> Option<String> {
    match json {
        [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => String::from_utf8(plain.to_vec()).ok(),
        json => serde_json::from_slice(json).ok(),
    }
}

/// The tokens of a usage that has been rewritten: what is known of it stands first.
fn tokens(usage: &[u8]) -> Option<Usage> {
    let (input, rest) = whole_number(usage.strip_prefix(b"{\"prompt_tokens\":")?);
    let (output, _) = whole_number(rest.strip_prefix(b",\"completion_tokens\":")?);
    Some(Usage { input, output })
}

/// The number that digits at the beginning make, of which there are few, and what follows them.
fn whole_number(json: &[u8]) -> (u64, &[u8]) {
    let digits = json.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = json.split_at(digits);
    (digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')), rest)
}

fn parsed_answer(body: &[u8], schema: Schema) -> Result<Answer, Error> {
    let bad = |error: serde_json::Error| Error::BadResponse(error.to_string());
    match schema {
        Schema::Of011 => drop(serde_json::from_slice::<Whole011>(body).map_err(bad)?),
        Schema::Of12 => drop(serde_json::from_slice::<Whole12>(body).map_err(bad)?),
    }
    let response: Response = serde_json::from_slice(body).map_err(bad)?;
    let body = serde_json::to_vec(&response).map_err(bad)?;
    let details = response.usage.as_ref().map(|usage| TokenDetails::of_usage(&usage.rest)).unwrap_or_default();
    let usage = response.usage.map(|usage| Usage { input: usage.prompt_tokens, output: usage.completion_tokens });
    Ok(Answer { body: body.into(), model: response.model, usage, details })
}

/// What is written of a request.
#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    role: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct StreamOptions {
    include_usage: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Response {
    model: String,
    usage: Option<UsageFields>,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct UsageFields {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Choice {
    #[serde(default)]
    message: AnswerMessage,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Default, Serialize, Deserialize)]
struct AnswerMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What a request must be in 0.11. Other fields may be anything.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read for its types and the parser's words")]
struct Typed011 {
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
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct TypedMessage011 {
    role: String,
    name: Option<String>,
    content: Option<Content>,
}

/// What a request must be from 1.2 on.
#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Typed12 {
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
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct TypedMessage12 {
    role: String,
    name: Option<String>,
    content: Option<Content>,
    tool_call_id: Option<String>,
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "as above")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Part {
    r#type: String,
    text: Option<String>,
}

/// What an answer must have in 0.11.
#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Whole011 {
    model: String,
    usage: Option<WholeUsage>,
    choices: Vec<WholeChoice>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
#[expect(clippy::struct_field_names, reason = "they are the API's")]
struct WholeUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct WholeChoice {
    message: AnswerMessage,
}

/// What an answer must have from 1.2 on, besides what is read of it in any case.
#[derive(Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Whole12 {
    service_tier: Option<String>,
}

const fn field(name: &'static str, shape: Shape, absent: Absent) -> Field {
    Field { name, shape, absent }
}

/// A field that is a number, a text, or another value if it is there, and that stays where it is.
const fn typed(name: &'static str, shape: &'static Shape) -> Field {
    field(name, Shape::OrNull(shape), Absent::InPlace)
}

/// The fields that [`Request`] takes by their index.
const MODEL: Field = field("model", Shape::OrNull(&Shape::Text), Absent::Nothing);
const STREAM: Field = field("stream", Shape::OrNull(&Shape::Flag), Absent::Nothing);
const STREAM_OPTIONS: Field = field("stream_options", Shape::OrNull(&OPTIONS), Absent::Nothing);
const MAX_TOKENS: Field = field("max_tokens", Shape::OrNull(&Shape::Small), Absent::Nothing);
const MAX_COMPLETION_TOKENS: Field = field("max_completion_tokens", Shape::OrNull(&Shape::Small), Absent::Nothing);

/// [`Chat`], as far as [`Typed011`] takes it.
static REQUEST_011: [Field; 11] = [
    field("messages", Shape::List(&Shape::Object(&MESSAGE_011)), Absent::Never),
    MODEL,
    STREAM,
    STREAM_OPTIONS,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    typed("top_p", &Shape::Number),
    typed("temperature", &Shape::Number),
    typed("frequency_penalty", &Shape::Number),
    typed("presence_penalty", &Shape::Number),
    typed("seed", &Shape::Integer),
];
static MESSAGE_011: [Field; 3] =
    [field("role", Shape::Text, Absent::Never), typed("name", &Shape::Text), typed("content", &CONTENT)];

/// [`Chat`], as far as [`Typed12`] takes it.
static REQUEST_12: [Field; 13] = [
    field("messages", Shape::List(&Shape::Object(&MESSAGE_12)), Absent::Never),
    MODEL,
    STREAM,
    STREAM_OPTIONS,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    typed("top_p", &Shape::Number),
    typed("temperature", &Shape::Number),
    typed("frequency_penalty", &Shape::Number),
    typed("presence_penalty", &Shape::Number),
    typed("seed", &Shape::Integer),
    typed("tools", &Shape::List(&Shape::Any)),
    typed("user", &Shape::Text),
];
static MESSAGE_12: [Field; 5] = [
    field("role", Shape::Text, Absent::Never),
    typed("name", &Shape::Text),
    typed("content", &CONTENT),
    typed("tool_call_id", &Shape::Text),
    typed("tool_calls", &Shape::List(&Shape::Any)),
];
static CONTENT: Shape = Shape::TextOr(&Shape::List(&Shape::Object(&PART)));
static PART: [Field; 2] = [field("type", Shape::Text, Absent::NeverInPlace), typed("text", &Shape::Text)];
static OPTIONS: Shape = Shape::Object(&[field("include_usage", Shape::Flag, Absent::Never)]);

/// [`Response`], as far as [`Whole011`] takes it.
static ANSWER_011: [Field; 3] = [
    field("model", Shape::Text, Absent::Never),
    field("usage", Shape::OrNull(&Shape::Object(&USAGE_011)), Absent::As("null")),
    field("choices", Shape::List(&Shape::Object(&CHOICE_011)), Absent::Never),
];
static USAGE_011: [Field; 3] = [
    field("prompt_tokens", Shape::Count, Absent::Never),
    field("completion_tokens", Shape::Count, Absent::Never),
    field("total_tokens", Shape::Count, Absent::Never),
];
static CHOICE_011: [Field; 1] = [field("message", Shape::Object(&ANSWER_MESSAGE), Absent::Never)];

/// [`Response`].
static ANSWER_12: [Field; 4] = [
    field("model", Shape::Text, Absent::Never),
    field("usage", Shape::OrNull(&Shape::Object(&USAGE_12)), Absent::As("null")),
    field("choices", Shape::List(&Shape::Object(&CHOICE_12)), Absent::As("[]")),
    typed("service_tier", &Shape::Text),
];
static USAGE_12: [Field; 3] = [
    field("prompt_tokens", Shape::Count, Absent::As("0")),
    field("completion_tokens", Shape::Count, Absent::As("0")),
    field("total_tokens", Shape::Count, Absent::As("0")),
];
static CHOICE_12: [Field; 1] = [field("message", Shape::Object(&ANSWER_MESSAGE), Absent::As("{}"))];
static ANSWER_MESSAGE: [Field; 2] = [
    field("content", Shape::OrNull(&Shape::Text), Absent::Nothing),
    field("role", Shape::OrNull(&Shape::Text), Absent::Nothing),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    const BOTH: [Schema; 2] = [Schema::Of011, Schema::Of12];

    fn question(body: &[u8], model: Option<&str>) -> Result<Question, Error> {
        let question = read(body, Schema::Of011)?.question(model);
        assert_eq!(read(body, Schema::Of12)?.question(model), question, "none of this differs");
        question
    }

    fn asked(body: &str, model: Option<&str>) -> String {
        let question = question(body.as_bytes(), model).unwrap();
        String::from_utf8(question.body.to_vec()).unwrap()
    }

    #[test]
    fn the_providers_model_takes_the_place_of_the_clients() {
        let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
        for client in [r#""model":"","#, r#""model":"other","#, ""] {
            let body = asked(&format!("{{{client}{messages}}}"), Some("gpt-4o"));
            assert_eq!(body, format!(r#"{{{messages},"model":"gpt-4o"}}"#));
        }
        let own = question(format!(r#"{{"model":"own",{messages}}}"#).as_bytes(), None).unwrap();
        assert_eq!(own.model, "own");
        assert_eq!(question(format!("{{{messages}}}").as_bytes(), None), Err(Error::NoModel));
    }

    #[test]
    fn a_stream_is_asked_for_its_usage_unless_the_client_has_said() {
        let body = asked(r#"{"messages":[],"stream":true}"#, Some("m"));
        assert!(body.ends_with(r#""stream":true,"stream_options":{"include_usage":true}}"#), "{body}");
        let body = asked(r#"{"messages":[],"stream":true,"stream_options":{"include_usage":false,"x":1}}"#, Some("m"));
        assert!(body.ends_with(r#""stream_options":{"include_usage":false,"x":1}}"#), "{body}");
        let body = asked(r#"{"messages":[],"stream":false}"#, Some("m"));
        assert!(!body.contains("stream_options"), "{body}");
    }

    #[test]
    fn fields_that_nobody_knows_pass_through() {
        let body = asked(
            r#"{"messages":[{"role":"user","content":[{"type":"text"}],"z":[1.5]}],"b":{"c":null},"a":1e3}"#,
            Some("m"),
        );
        assert_eq!(
            body,
            r#"{"messages":[{"role":"user","content":[{"type":"text"}],"z":[1.5]}],"model":"m","b":{"c":null},"a":1000.0}"#
        );
    }

    /// The parser's words, as the real one was seen to pass them on.
    #[test]
    fn what_is_not_a_chat_completion_is_refused_with_the_parsers_words() {
        for (body, words) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"model":"x"}"#, "missing field `messages` at line 1 column 13"),
            (r#"{"messages":"x"}"#, "invalid type: string \"x\", expected a sequence at line 1 column 15"),
            (r#"{"messages":[{}]}"#, "missing field `role` at line 1 column 15"),
            (r#"{"messages":[]"#, "EOF while parsing an object at line 1 column 14"),
        ] {
            assert_eq!(question(body.as_bytes(), None), Err(Error::BadRequest(words.to_owned())), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(question(deep.as_bytes(), None), Err(Error::BadRequest(_))));
    }

    #[test]
    fn an_answers_keys_change_places() {
        let came = r#"{"id":"c-1","object":"chat.completion","created":7,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Four.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"service_tier":"default"}"#;
        let answer = answer(came.as_bytes(), Schema::Of011).unwrap();
        assert_eq!(super::answer(came.as_bytes(), Schema::Of12).as_ref(), Ok(&answer));
        assert_eq!(
            String::from_utf8(answer.body.to_vec()).unwrap(),
            r#"{"model":"gpt-4o-2024-08-06","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"choices":[{"message":{"content":"Four.","role":"assistant","refusal":null},"index":0,"logprobs":null,"finish_reason":"stop"}],"id":"c-1","object":"chat.completion","created":7,"service_tier":"default"}"#
        );
        assert_eq!(answer.usage, Some(Usage { input: 5, output: 2 }));
    }

    #[test]
    fn parameters_and_messages_of_a_wrong_type_are_refused_with_the_parsers_words() {
        let refusal = |body: &str, schema| match read(body.as_bytes(), schema) {
            Err(Error::BadRequest(words)) => Some(words),
            other => other.map(|_| None).unwrap(),
        };
        let parameter = |text: &str| format!("{{\"messages\":[],{text}}}");
        for (body, words) in [
            (parameter(r#""temperature":"hot""#), "invalid type: string \"hot\", expected f32"),
            (parameter(r#""top_p":[]"#), "invalid type: sequence, expected f32"),
            (parameter(r#""max_tokens":"5""#), "invalid type: string \"5\", expected u32"),
            (parameter(r#""max_tokens":-5"#), "invalid value: integer `-5`, expected u32"),
            (parameter(r#""max_completion_tokens":4294967296"#), "invalid value: integer `4294967296`, expected u32"),
            (parameter(r#""seed":1.5"#), "invalid type: floating point `1.5`, expected i64"),
            (parameter(r#""seed":1,"seed":1"#), "duplicate field `seed`"),
            (r#"{"messages":[{"role":"user","content":5}]}"#.to_owned(), "did not match any variant"),
            (r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#.to_owned(), "did not match any variant"),
            (r#"{"messages":[{"role":"user","name":1}]}"#.to_owned(), "invalid type: integer `1`, expected a string"),
        ] {
            for schema in BOTH {
                let refused = refusal(&body, schema).unwrap_or_default();
                assert!(refused.contains(words) && refused.contains(" at line 1 column "), "{body}: {refused}");
            }
        }
        for body in [
            parameter(r#""tools":{}"#),
            parameter(r#""user":1"#),
            r#"{"messages":[{"role":"assistant","tool_calls":{}}]}"#.to_owned(),
            r#"{"messages":[{"role":"tool","tool_call_id":1}]}"#.to_owned(),
        ] {
            assert!(refusal(&body, Schema::Of12).is_some(), "{body}");
            assert_eq!(refusal(&body, Schema::Of011), None, "0.11 does not look at it: {body}");
        }
        let fine =
            parameter(r#""temperature":1,"top_p":null,"seed":-9223372036854775808,"max_tokens":4294967295,"stop":5"#);
        assert_eq!(BOTH.map(|schema| refusal(&fine, schema)), [None, None]);
    }

    #[test]
    fn the_limit_of_tokens_has_openais_new_name_for_openais_models_from_1_2_on() {
        let written = |client: &str, model: &str, schema| {
            let question =
                read(format!("{{{client},\"messages\":[]}}").as_bytes(), schema).unwrap().question(Some(model));
            let question = question.unwrap();
            let body = String::from_utf8(question.body.to_vec()).unwrap();
            let after = body.strip_prefix(&format!("{{\"messages\":[],\"model\":\"{model}\"")).unwrap().to_owned();
            (after, question.parameters.max_tokens)
        };
        for (client, model, schema, expected, logged) in [
            (r#""max_tokens":5"#, "gpt-4o", Schema::Of12, r#","max_completion_tokens":5}"#, 5),
            (
                r#""max_tokens":5,"max_completion_tokens":7"#,
                "gpt-4o",
                Schema::Of12,
                r#","max_completion_tokens":7}"#,
                7,
            ),
            (r#""max_tokens":5,"z":1"#, "mock-gpt-4o", Schema::Of12, r#","max_tokens":5,"z":1}"#, 5),
            (r#""z":1,"max_tokens":5"#, "gpt-4o", Schema::Of011, r#","max_tokens":5,"z":1}"#, 5),
            (
                r#""max_completion_tokens":7,"max_tokens":5"#,
                "gpt-4o",
                Schema::Of011,
                r#","max_tokens":5,"max_completion_tokens":7}"#,
                7,
            ),
        ] {
            assert_eq!(written(client, model, schema), (expected.to_owned(), Some(logged)), "{client} for {model}");
        }
    }

    #[test]
    fn an_answer_may_lack_more_from_1_2_on() {
        for (came, written) in [
            (r#"{"model":"m"}"#, r#"{"model":"m","usage":null,"choices":[]}"#),
            (r#"{"model":"m","choices":[{}]}"#, r#"{"model":"m","usage":null,"choices":[{"message":{}}]}"#),
            (
                r#"{"model":"m","choices":[],"usage":{"prompt_tokens":3}}"#,
                r#"{"model":"m","usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":0},"choices":[]}"#,
            ),
        ] {
            let answer = usual_answer(came.as_bytes(), Schema::Of12).unwrap();
            assert_eq!(answer.body, written);
            assert_eq!(parsed_answer(came.as_bytes(), Schema::Of12), Ok(answer));
            assert!(matches!(super::answer(came.as_bytes(), Schema::Of011), Err(Error::BadResponse(_))), "{came}");
        }
        for came in [r#"{"choices":[]}"#, r#"{"model":"m","choices":null}"#, r#"{"model":"m","service_tier":1}"#] {
            assert!(matches!(super::answer(came.as_bytes(), Schema::Of12), Err(Error::BadResponse(_))), "{came}");
        }
    }

    /// Any JSON, and some that is none.
    fn value() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "7",
            "0",
            "-1",
            "01",
            "-0",
            "0.70",
            "1e3",
            "-1.5E-7",
            "1.",
            "999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "100000000000000000000000",
            r#""a\"b\\""#,
            r#""\u0041""#,
            r#""\/""#,
            "\"é\\n\"",
            "\"\"",
            "\"\u{7f}\"",
            "\"\u{1}\"",
            "{ }",
            "[ ]",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(3, 16, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" , ")));
            prop_oneof![list, object(Vec::new(), inner)]
        })
    }

    /// An object of these members, each mostly there, and others, in any order.
    fn object(
        known: Vec<BoxedStrategy<String>>,
        other: impl Strategy<Value = String> + 'static,
    ) -> BoxedStrategy<String> {
        let known: Vec<_> = known.into_iter().map(|member| prop::option::weighted(0.95, member)).collect();
        let key =
            prop::sample::select(vec![r#""a""#, r#""b""#, r#""c""#, r#""role""#, r#""mo\u0064el""#, r#""model ""#]);
        let others = prop::collection::vec((key, other).prop_map(|(key, value)| format!("{key}:\n{value}")), 0..3);
        let all = (known, others).prop_map(|(known, others)| known.into_iter().flatten().chain(others).collect());
        all.prop_flat_map(|all: Vec<String>| Just(all).prop_shuffle())
            .prop_map(|all| format!("{{ {}}}", all.join(" , ")))
            .boxed()
    }

    fn member(key: &'static str, value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
        prop_oneof![12 => value, 1 => self::value()].prop_map(move |value| format!("{key:?} :{value}")).boxed()
    }

    fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::sample::select(values).prop_map(str::to_owned)
    }

    fn list(of: BoxedStrategy<String>) -> impl Strategy<Value = String> {
        prop::collection::vec(of, 0..3).prop_map(|all| format!("[ {}]", all.join(",")))
    }

    fn an_answer() -> impl Strategy<Value = String> {
        let counts = ["prompt_tokens", "completion_tokens", "total_tokens"];
        let usage =
            object(counts.map(|name| member(name, one_of(&["0", "12", "99999999999999999999"]))).into(), value());
        let text = ["content", "role"].map(|name| member(name, one_of(&["null", "\"Four.\"", r#""a\nb""#])));
        let choice = object(vec![member("message", object(text.into(), value()))], value());
        let fields = vec![
            member("model", one_of(&["\"m\"", r#""m\"""#])),
            member("usage", prop_oneof![4 => usage, 1 => Just("null".to_owned())]),
            member("choices", list(choice)),
        ];
        object(fields, value())
    }

    fn a_request() -> impl Strategy<Value = String> {
        let part =
            object(vec![member("type", one_of(&["\"text\""])), member("text", one_of(&["\"a\"", "null"]))], value());
        let content = prop_oneof![4 => one_of(&["\"hi\"", "null"]), 1 => list(part)];
        let role = member("role", one_of(&["\"user\"", "\"tool\""]));
        let message = object(vec![role, member("content", content)], value());
        let fields = vec![
            member("messages", list(message)),
            member("model", one_of(&["\"m\"", "null"])),
            member("stream", one_of(&["true", "false", "null"])),
            member("stream_options", object(vec![member("include_usage", one_of(&["true", "false"]))], value())),
            member("temperature", one_of(&["0.7", "1", "null"])),
            member("seed", one_of(&["7", "-7", "null"])),
            member("max_tokens", one_of(&["5", "4294967295", "null"])),
            member("tools", one_of(&["[]", "[{}]", "null"])),
        ];
        object(fields, value())
    }

    /// In one pass or by its types: the same, or nothing; and mostly something.
    #[test]
    fn the_usual_way_gives_what_the_types_give() {
        let mut runner = TestRunner::deterministic();
        let (mut answers, mut requests) = (0, 0);
        for _ in 0..8_000 {
            let body = an_answer().new_tree(&mut runner).unwrap().current();
            for schema in BOTH {
                if let Some(usual) = usual_answer(body.as_bytes(), schema) {
                    assert_eq!(Ok(usual), parsed_answer(body.as_bytes(), schema), "{body}");
                    answers += 1;
                }
            }
            let body = a_request().new_tree(&mut runner).unwrap().current();
            for schema in BOTH {
                if let Some(usual) = usual_request(body.as_bytes(), schema) {
                    assert_eq!(Ok(usual), parsed_request(body.as_bytes(), schema), "{body}");
                    requests += 1;
                }
            }
        }
        assert!(answers > 400 && requests > 700, "{answers} answers and {requests} requests were usual");
    }

    #[test]
    fn an_ordinary_request_takes_the_usual_way() {
        for body in [
            r#"{"model":"m","messages":[{"role":"user","content":"hi"},{"content":null,"role":"tool"}]}"#,
            r#"{"temperature":0.7,"messages":[],"stream":true,"max_tokens":5,"stream_options":{"x":1,"include_usage":false}}"#,
            r#"{ "messages" : [ ] , "stream" : null, "model": null }"#,
            r#"{"messages":[{"role":"user","name":"a","content":[{"text":"hi","type":"text"},{"type":"x","y":1}]}],"seed":-7,"top_p":1,"max_completion_tokens":9,"tools":[{}],"user":"u"}"#,
            r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{}]},{"role":"tool","tool_call_id":"1"}],"seed":null}"#,
        ] {
            for schema in BOTH {
                assert_eq!(
                    usual_request(body.as_bytes(), schema),
                    Some(parsed_request(body.as_bytes(), schema).unwrap())
                );
            }
        }
    }

    #[test]
    fn an_ordinary_answer_takes_the_usual_way() {
        for body in [
            r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[]}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"details":{}}}"#,
            r#"{"model":"m","choices":[]}"#,
            r#"{"model":"m","choices":[],"usage":null}"#,
        ] {
            for schema in BOTH {
                assert_eq!(
                    usual_answer(body.as_bytes(), schema),
                    Some(parsed_answer(body.as_bytes(), schema).unwrap())
                );
            }
        }
        for unusual in ["", "{}", r#"{"model":"m","choices":[],"a":1,"a":2}"#, r#"{"model":"m","choices":[]} x"#] {
            assert_eq!(usual_answer(unusual.as_bytes(), Schema::Of12), None, "{unusual}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_refused_with_the_parsers_words() {
        for (body, words) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"model":"gpt-4o","choi"#, "EOF while parsing a string at line 1 column 23"),
            ("{}", "missing field `model` at line 1 column 2"),
        ] {
            for schema in BOTH {
                assert_eq!(answer(body.as_bytes(), schema), Err(Error::BadResponse(words.to_owned())), "{body}");
            }
        }
    }
}
