//! Chat completions as the gateway reads them: what it must find in a request and in an answer, and
//! how it writes them again.
//!
//! Fields that the gateway does not know pass through. Those that it knows come first, in its own
//! order; so an answer's keys change places: `model`, `usage`, `choices`, then the rest as it came.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Error;
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
}

/// Reads a client's request.
///
/// # Errors
/// [`Error::BadRequest`] with the parser's words.
pub(crate) fn read(body: &[u8]) -> Result<Request, Error> {
    serde_json::from_slice(body).map_err(|error| Error::BadRequest(error.to_string()))
}

impl Request {
    /// Writes it for a provider. The provider's `model` takes the place of the client's, and a stream is
    /// asked for its usage.
    ///
    /// # Errors
    /// [`Error::NoModel`].
    pub(crate) fn question(&self, model: Option<&str>) -> Result<Question, Error> {
        let model = model.or(self.model.as_deref()).ok_or(Error::NoModel)?;
        let stream = self.stream.unwrap_or(false);
        let usage = StreamOptions { include_usage: true, rest: Map::new() };
        let written = Written {
            messages: &self.messages,
            model,
            stream: self.stream,
            stream_options: self.stream_options.as_ref().or(stream.then_some(&usage)),
            rest: &self.rest,
        };
        let body = serde_json::to_vec(&written).map_err(|error| Error::BadRequest(error.to_string()))?;
        Ok(Question { body: body.into(), model: model.to_owned(), stream, parameters: Parameters::of_json(&self.rest) })
    }
}

/// Reads a successful answer and writes it again.
///
/// # Errors
/// [`Error::BadResponse`] with the parser's words.
pub(crate) fn answer(body: &[u8]) -> Result<Answer, Error> {
    let bad = |error: serde_json::Error| Error::BadResponse(error.to_string());
    let response: Response = serde_json::from_slice(body).map_err(bad)?;
    let body = serde_json::to_vec(&response).map_err(bad)?;
    let usage = response.usage.map(|usage| Usage { input: usage.prompt_tokens, output: usage.completion_tokens });
    Ok(Answer { body: body.into(), model: response.model, usage })
}

/// A request as it came.
#[derive(Deserialize)]
pub(crate) struct Request {
    messages: Vec<Message>,
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A request as it goes out.
#[derive(Serialize)]
struct Written<'r> {
    messages: &'r [Message],
    model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<&'r StreamOptions>,
    #[serde(flatten)]
    rest: &'r Map<String, Value>,
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
    choices: Vec<Choice>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct UsageFields {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Choice {
    message: AnswerMessage,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct AnswerMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(body: &[u8], model: Option<&str>) -> Result<Question, Error> {
        read(body)?.question(model)
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
        let answer = answer(came.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(answer.body.to_vec()).unwrap(),
            r#"{"model":"gpt-4o-2024-08-06","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"choices":[{"message":{"content":"Four.","role":"assistant","refusal":null},"index":0,"logprobs":null,"finish_reason":"stop"}],"id":"c-1","object":"chat.completion","created":7,"service_tier":"default"}"#
        );
        assert_eq!(answer.usage, Some(Usage { input: 5, output: 2 }));
    }

    #[test]
    fn an_answer_that_breaks_off_is_refused_with_the_parsers_words() {
        for (body, words) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"model":"gpt-4o","choi"#, "EOF while parsing a string at line 1 column 23"),
            ("{}", "missing field `model` at line 1 column 2"),
        ] {
            assert_eq!(answer(body.as_bytes()), Err(Error::BadResponse(words.to_owned())), "{body}");
        }
    }
}
