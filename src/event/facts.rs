//! What reports show of a request besides what decides it: addresses, names, parameters, sizes.
//!
//! These ride along in the gateway's events. Each field may be absent: an older recording lacks
//! them, and nothing but a report reads them.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

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
    /// The `traceparent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What the gateway knows of the answer that it sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Parameters of the request, as its body has them.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Parameters,
    /// When the first token of a stream passed. Absent where no stream was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_us: Option<At>,
    /// Length of the body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// `Retry-After` as the client got it, after every filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// The body, up to 4 KiB, where the access log is to show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
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
    /// The parameters in the body of a request.
    #[must_use]
    pub fn of_json(body: &Json) -> Self {
        let number = |name: &str| body.get(name).and_then(Json::as_f64);
        Self {
            temperature: number("temperature"),
            top_p: number("top_p"),
            max_tokens: ["max_tokens", "max_completion_tokens"].iter().find_map(|name| body.get(name)?.as_u64()),
            frequency_penalty: number("frequency_penalty"),
            presence_penalty: number("presence_penalty"),
            seed: body.get("seed").and_then(Json::as_i64),
        }
    }
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
        assert_eq!(*arrival, Arrival::default());
        assert_eq!(serde_json::to_string(&event).unwrap(), line, "and facts that are absent take no room");
    }

    #[test]
    fn parameters_are_read_from_a_body() {
        let body = json!({"temperature": 0.2, "max_completion_tokens": 64, "seed": -1, "top_p": "much"});
        let expected =
            Parameters { temperature: Some(0.2), max_tokens: Some(64), seed: Some(-1), ..Parameters::default() };
        assert_eq!(Parameters::of_json(&body), expected);
    }
}
