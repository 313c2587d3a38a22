//! Chat completions as the gateway reads them: what it must find in a request and in an answer, and
//! how it writes them again.
//!
//! Fields that the gateway does not know pass through. Those that it knows come first, in its own
//! order; so an answer's keys change places: `model`, `usage`, `choices`, then the rest as it came.

mod fields;
mod rewrite;
mod types;

use bytes::Bytes;
use serde_json::{Map, Value};

use fields::{ANSWER_011, ANSWER_12, REQUEST_011, REQUEST_12};
use types::{Chat, Response, Typed011, Typed12, Whole011, Whole12};

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
    Parameters { max_tokens: max_tokens.map(u64::from), ..Parameters::of_json(others) }.in_single_precision()
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
    let usage =
        response.usage.map(|usage| Usage { input: usage.prompt_tokens.into(), output: usage.completion_tokens.into() });
    Ok(Answer { body: body.into(), model: response.model, usage, details })
}

#[cfg(test)]
mod tests;
