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

/// A request as it came, ready to be written for one provider or another.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// A JSON list.
    messages: Vec<u8>,
    model: Option<String>,
    stream: Option<bool>,
    /// A JSON object.
    stream_options: Option<Vec<u8>>,
    /// The other fields, a comma before each.
    others: Vec<u8>,
    parameters: Parameters,
}

/// Reads a client's request.
///
/// # Errors
/// [`Error::BadRequest`] with the parser's words.
pub(crate) fn read(body: &[u8]) -> Result<Request, Error> {
    usual_request(body).map_or_else(|| parsed_request(body), Ok)
}

/// The request, if it is like nearly all.
fn usual_request(body: &[u8]) -> Option<Request> {
    let written = rewrite::rewrite(body, &REQUEST)?;
    let value = |index| Some(written.known(index)).filter(|value| !value.is_empty());
    let model = match value(1) {
        None => None,
        Some(model) => Some(text(model)?),
    };
    let parameters = match written.others() {
        [b',', others @ ..] => Parameters::of_json(&serde_json::from_slice(&[b"{", others, b"}"].concat()).ok()?),
        _ => Parameters::default(),
    };
    Some(Request {
        messages: written.known(0).to_vec(),
        model,
        stream: value(2).map(|flag| flag == b"true"),
        stream_options: value(3).map(<[u8]>::to_vec),
        others: written.others().to_vec(),
        parameters,
    })
}

fn parsed_request(body: &[u8]) -> Result<Request, Error> {
    let bad = |error: serde_json::Error| Error::BadRequest(error.to_string());
    let Chat { messages, model, stream, stream_options, rest } = serde_json::from_slice(body).map_err(bad)?;
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
        others,
        parameters: Parameters::of_json(&rest),
    })
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
pub(crate) fn answer(body: &[u8]) -> Result<Answer, Error> {
    usual_answer(body).map_or_else(|| parsed_answer(body), Ok)
}

/// The answer, if it is like nearly all.
fn usual_answer(body: &[u8]) -> Option<Answer> {
    let written = rewrite::rewrite(body, &ANSWER)?;
    let model = text(written.known(0))?;
    let usage = match written.known(1) {
        b"null" => None,
        usage => Some(tokens(usage)?),
    };
    Some(Answer { body: written.into_json().into(), model, usage })
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

fn parsed_answer(body: &[u8]) -> Result<Answer, Error> {
    let bad = |error: serde_json::Error| Error::BadResponse(error.to_string());
    let response: Response = serde_json::from_slice(body).map_err(bad)?;
    let body = serde_json::to_vec(&response).map_err(bad)?;
    let usage = response.usage.map(|usage| Usage { input: usage.prompt_tokens, output: usage.completion_tokens });
    Ok(Answer { body: body.into(), model: response.model, usage })
}

/// What a request must be.
#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
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

/// [`Chat`].
static REQUEST: [Field; 4] = [
    Field { name: "messages", shape: Shape::List(&Shape::Object(&MESSAGE)), absent: Absent::Never },
    Field { name: "model", shape: Shape::OrNull(&Shape::Text), absent: Absent::Nothing },
    Field { name: "stream", shape: Shape::OrNull(&Shape::Flag), absent: Absent::Nothing },
    Field { name: "stream_options", shape: Shape::OrNull(&Shape::Object(&OPTIONS)), absent: Absent::Nothing },
];
static MESSAGE: [Field; 1] = [Field { name: "role", shape: Shape::Text, absent: Absent::Never }];
static OPTIONS: [Field; 1] = [Field { name: "include_usage", shape: Shape::Flag, absent: Absent::Never }];

/// [`Response`].
static ANSWER: [Field; 3] = [
    Field { name: "model", shape: Shape::Text, absent: Absent::Never },
    Field { name: "usage", shape: Shape::OrNull(&Shape::Object(&USAGE)), absent: Absent::Null },
    Field { name: "choices", shape: Shape::List(&Shape::Object(&CHOICE)), absent: Absent::Never },
];
static USAGE: [Field; 3] = [
    Field { name: "prompt_tokens", shape: Shape::Count, absent: Absent::Never },
    Field { name: "completion_tokens", shape: Shape::Count, absent: Absent::Never },
    Field { name: "total_tokens", shape: Shape::Count, absent: Absent::Never },
];
static CHOICE: [Field; 1] = [Field { name: "message", shape: Shape::Object(&ANSWER_MESSAGE), absent: Absent::Never }];
static ANSWER_MESSAGE: [Field; 2] = [
    Field { name: "content", shape: Shape::OrNull(&Shape::Text), absent: Absent::Nothing },
    Field { name: "role", shape: Shape::OrNull(&Shape::Text), absent: Absent::Nothing },
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

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
        let message = object(vec![member("role", one_of(&["\"user\"", "\"tool\""]))], value());
        let fields = vec![
            member("messages", list(message)),
            member("model", one_of(&["\"m\"", "null"])),
            member("stream", one_of(&["true", "false", "null"])),
            member("stream_options", object(vec![member("include_usage", one_of(&["true", "false"]))], value())),
            member("temperature", one_of(&["0.7", "1", "null"])),
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
            if let Some(usual) = usual_answer(body.as_bytes()) {
                assert_eq!(Ok(usual), parsed_answer(body.as_bytes()), "{body}");
                answers += 1;
            }
            let body = a_request().new_tree(&mut runner).unwrap().current();
            if let Some(usual) = usual_request(body.as_bytes()) {
                assert_eq!(Ok(usual), parsed_request(body.as_bytes()), "{body}");
                requests += 1;
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
        ] {
            assert_eq!(usual_request(body.as_bytes()), Some(parsed_request(body.as_bytes()).unwrap()));
        }
    }

    #[test]
    fn an_ordinary_answer_takes_the_usual_way() {
        for body in [
            r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[]}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"details":{}}}"#,
            r#"{"model":"m","choices":[]}"#,
            r#"{"model":"m","choices":[],"usage":null}"#,
        ] {
            assert_eq!(usual_answer(body.as_bytes()), Some(parsed_answer(body.as_bytes()).unwrap()));
        }
        for unusual in ["", "{}", r#"{"model":"m","choices":[],"a":1,"a":2}"#, r#"{"model":"m","choices":[]} x"#] {
            assert_eq!(usual_answer(unusual.as_bytes()), None, "{unusual}");
        }
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
