//! What reports show of a request besides what decides it: addresses, names, parameters, sizes.
//!
//! These ride along in the gateway's events. Each field may be absent: an older recording lacks
//! them, and nothing but a report reads them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::At;

/// How a request came to the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arrival {
    /// The client's address with its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The `Host` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// HTTP version: `HTTP/1.1`, `HTTP/2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The port that it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Gateway as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The gateway's listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Whether it came over TLS.
    #[serde(skip_serializing_if = "is_default")]
    pub secure: bool,
    /// The `traceparent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Whether the gateway traces the request, where its configuration says which it does. Elsewhere it traces
    /// those that come with a `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced: Option<bool>,
}

/// What the gateway knows of the answer that it sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Parameters of the request, as its body has them.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Parameters,
    /// Tokens that the answer counts apart.
    #[serde(skip_serializing_if = "is_default")]
    pub details: TokenDetails,
    /// When the first token of a stream passed. Absent where no stream was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<At>,
    /// Length of the body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes of a stream that the gateway had read and not passed on, at most. Absent where no stream was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_bytes: Option<u64>,
    /// `Retry-After` as the client got it, after every filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// The body, up to 4 KiB, where the access log is to show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The rule that the request took, where it led to no backend: one that answers itself, or a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Box<OwnRule>>,
}

/// Tokens that an answer counts once more, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenDetails {
    /// Tokens of the prompt that came from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
    /// Tokens of the answer that are audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<u64>,
}

impl TokenDetails {
    /// Reads a `usage` object.
    #[must_use]
    pub fn of_usage<'de>(usage: impl Deserializer<'de>) -> Self {
        let Ok(usage) = UsageDetails::deserialize(usage) else { return Self::default() };
        Self {
            cached: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
            audio: usage.completion_tokens_details.and_then(|details| details.audio_tokens),
        }
    }
}

#[derive(Deserialize)]
struct UsageDetails {
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    audio_tokens: Option<u64>,
}

/// A rule that led to no backend, as [`crate::event::Kind::GatewayRequestRouted`] names one that did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnRule {
    /// Route as `namespace/name`.
    pub route: String,
    /// The rule's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_name: Option<String>,
    /// Its path match, as agentgateway names spans.
    pub path_match: String,
}

/// Parameters of a completion request that logs and spans name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// `temperature`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// `top_p`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// `max_tokens`, or `max_completion_tokens`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// `frequency_penalty`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// `presence_penalty`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// `seed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

impl Parameters {
    /// The parameters among the members of a request's body.
    #[must_use]
    pub fn of_json(body: &Map<String, Json>) -> Self {
        let number = |name: &str| body.get(name).and_then(Json::as_f64);
        Self {
            temperature: number("temperature"),
            top_p: number("top_p"),
            max_tokens: ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body.get(*name)?.as_u64()),
            frequency_penalty: number("frequency_penalty"),
            presence_penalty: number("presence_penalty"),
            seed: body.get("seed").and_then(Json::as_i64),
        }
    }

    /// As agentgateway tells them, which reads fractions as `f32`: 0.9 is 0.8999999761581421 (source:
    /// `llm/types/completions.rs`).
    #[must_use]
    pub fn in_single_precision(self) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is what is meant")]
        let single = |number: Option<f64>| number.map(|number| f64::from(number as f32));
        Self {
            temperature: single(self.temperature),
            top_p: single(self.top_p),
            frequency_penalty: single(self.frequency_penalty),
            presence_penalty: single(self.presence_penalty),
            ..self
        }
    }
}

/// The text in a chunk of a stream that a person would see, by any of the protocols.
#[must_use]
pub fn text_of_chunk(json: &Json) -> Option<&str> {
    let kind = json.get("type").and_then(Json::as_str);
    let paths: &[&str] = match kind {
        None => &["/choices/0/delta/content", "/choices/0/text"],
        Some("content_block_delta") => &["/delta/text"],
        Some("response.output_text.delta") => &["/delta"],
        Some(_) => &[],
    };
    paths.iter().find_map(|path| json.pointer(path)?.as_str())
}

/// Length and checksum of a body: enough to tell whether two are the same, however they were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Length in bytes.
    pub bytes: u64,
    /// Its bytes by FNV-1a, 64 bits.
    pub fnv: u64,
    /// What it says, where it is a JSON object: the same whatever the order of its keys and the space between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<u64>,
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

impl Default for Digest {
    /// Of nothing.
    fn default() -> Self {
        Self { bytes: 0, fnv: FNV_BASIS, json: None }
    }
}

impl Digest {
    /// Takes in the next bytes.
    pub fn take(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        self.fnv = fnv(self.fnv, data);
        self.json = None;
    }

    /// Takes in the next bytes, and what they say if they are all there is.
    pub fn take_answer(&mut self, data: &[u8]) {
        let is_first = self.bytes == 0;
        self.take(data);
        if is_first
            && data.starts_with(b"{")
            && let Ok(json) = serde_json::from_slice(data)
        {
            self.says(&json);
        }
    }

    /// Notes what the bytes say.
    pub fn says(&mut self, json: &Json) {
        self.json = json.is_object().then(|| saying(json));
    }
}

/// A checksum of bytes.
pub(super) fn fnv_of(data: &[u8]) -> u64 {
    fnv(FNV_BASIS, data)
}

fn fnv(hash: u64, data: &[u8]) -> u64 {
    data.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A checksum of what a value says. Left out are `null`, which says as little as no field at all, and fractions,
/// which may be another by their last digit once they were read and written again.
fn saying(json: &Json) -> u64 {
    let tagged = |tag: u64, number: u64| fnv(FNV_BASIS ^ tag, &number.to_le_bytes());
    match json {
        Json::Null => 0,
        Json::Bool(value) => tagged(1, u64::from(*value)),
        Json::Number(number) => {
            let whole = number.as_i64().map(i64::cast_unsigned).or_else(|| number.as_u64());
            whole.map_or(2, |whole| tagged(2, whole))
        }
        Json::String(text) => tagged(3, fnv(FNV_BASIS, text.as_bytes())),
        Json::Array(items) => items.iter().fold(4, |hash, item| tagged(hash, saying(item))),
        Json::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let each = members.map(|(key, value)| tagged(fnv(FNV_BASIS, key.as_bytes()), saying(value)));
            tagged(5, each.fold(0, u64::wrapping_add))
        }
    }
}

/// Says which of several requests with one `x-request-id` this is. A gateway sends it with those that came while
/// another had the id, so that its own providers name them as it does.
pub const OWN_ID_HEADER: &str = "x-labsim-request";

/// The id by which a provider tells of a request.
#[must_use]
pub fn request_id(headers: &http::HeaderMap) -> Option<&str> {
    let id = headers.get(OWN_ID_HEADER).or_else(|| headers.get("x-request-id"))?;
    id.to_str().ok()
}

/// Request headers that concern one connection only, besides those that every hop has.
const HOP_BY_HOP: [&str; 7] =
    ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"];

/// Those of a request's headers that concern one connection only. That it takes trailers, a gateway says of itself.
#[must_use]
pub fn hop_by_hop(headers: &http::HeaderMap) -> Vec<String> {
    let is_there = |name: &str| headers.get(name).is_some_and(|value| name != "te" || value != "trailers");
    HOP_BY_HOP.iter().filter(|name| is_there(name)).map(|name| (*name).to_owned()).collect()
}

/// Whether a group of facts says nothing, so that an event need not carry it.
pub(super) fn is_default<T: Default + PartialEq>(facts: &T) -> bool {
    *facts == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Event, Kind};

    #[test]
    fn an_older_recording_is_still_read() {
        let line = r#"{"seq":0,"at_us":5,"kind":"gateway-request-received","request":"r1","replica":0,"method":"POST","path":"/","credential":null}"#;
        let event: Event = serde_json::from_str(line).unwrap();
        let Kind::GatewayRequestReceived { arrival, .. } = &event.kind else { panic!("{event:?}") };
        assert_eq!(**arrival, Arrival::default());
        assert_eq!(serde_json::to_string(&event).unwrap(), line, "and facts that are absent take no room");
    }

    #[test]
    fn a_digest_tells_bodies_apart_and_not_how_they_were_cut() {
        let of = |parts: &[&str]| {
            let mut digest = Digest::default();
            for part in parts {
                digest.take(part.as_bytes());
            }
            digest
        };
        assert_eq!(of(&["ab", "", "c"]), of(&["abc"]));
        assert_ne!(of(&["abc"]), of(&["acb"]));
        assert_eq!(of(&["a"]), Digest { bytes: 1, fnv: 0xaf63_dc4c_8601_ec8c, json: None });
    }

    #[test]
    fn a_digest_tells_what_json_says_and_not_how_it_is_written() {
        let of = |text: &str| {
            let mut digest = Digest::default();
            digest.take_answer(text.as_bytes());
            digest.json
        };
        let one = of(r#"{"id":"a","n":[1,{"x":true,"y":null}],"t":0.1}"#);
        assert!(one.is_some());
        assert_eq!(one, of("{ \"n\": [1, {\"x\": true}], \"t\": 0.25,\n \"id\": \"\\u0061\", \"usage\": null }"));
        for other in [
            r#"{"id":"b","n":[1,{"x":true}],"t":0.1}"#,
            r#"{"id":"a","n":[{"x":true},1],"t":0.1}"#,
            r#"{"id":"a","n":[1,{"x":false}],"t":0.1}"#,
            r#"{"id":"a","n":["1",{"x":true}],"t":0.1}"#,
            r#"{"id":"a","n":[1,{"x":true}]}"#,
            r#"{"n":"a","id":[1,{"x":true}],"t":0.1}"#,
        ] {
            assert_ne!(one, of(other), "{other}");
        }
        assert_eq!((of("[1]"), of("{"), of("data: {}")), (None, None, None));
        let mut cut = Digest::default();
        cut.take_answer(b"{}");
        cut.take_answer(b"{}");
        assert_eq!(cut.json, None, "nobody knows where one ends");
    }

    #[test]
    fn tokens_that_are_counted_apart_are_read_from_a_usage() {
        let of = |json| TokenDetails::of_usage(&mut serde_json::Deserializer::from_str(json));
        let usage = r#"{"prompt_tokens":5,"prompt_tokens_details":{"audio_tokens":9,"cached_tokens":0},"x":[{}],"completion_tokens_details":{"audio_tokens":2}}"#;
        assert_eq!(of(usage), TokenDetails { cached: Some(0), audio: Some(2) });
        for none in [r#"{"prompt_tokens":5}"#, "null", "", r#"{"prompt_tokens_details":null}"#] {
            assert_eq!(of(none), TokenDetails::default(), "{none}");
        }
        assert_eq!(of(r#"{"prompt_tokens_details":{"cached_tokens":null}}"#), TokenDetails::default());
    }

    #[test]
    fn headers_of_one_connection_are_known() {
        let of = |name: &'static str, value: &'static str| {
            hop_by_hop(
                &[(http::HeaderName::from_static(name), http::HeaderValue::from_static(value))].into_iter().collect(),
            )
        };
        assert_eq!(of("proxy-authorization", "Basic eDp5"), ["proxy-authorization"]);
        assert_eq!(of("te", "gzip"), ["te"]);
        assert!(of("te", "trailers").is_empty());
        assert!(of("authorization", "Bearer x").is_empty());
    }

    #[test]
    fn parameters_are_read_from_a_body() {
        let body =
            json!({"temperature": 0.2, "max_tokens": 5, "max_completion_tokens": 64, "seed": -1, "top_p": "much"});
        let expected =
            Parameters { temperature: Some(0.2), max_tokens: Some(64), seed: Some(-1), ..Parameters::default() };
        assert_eq!(Parameters::of_json(body.as_object().unwrap()), expected);
    }
}
