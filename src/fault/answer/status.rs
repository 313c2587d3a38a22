//! An answer with another status.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{Answer, AnswerFault, Asked, Effect, error_body, header, message};
use crate::fault::Acts;
use crate::fault::define::{fault, kinds};

/// A status code from 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Code(u16);

kinds! { Code = "a status code from 200 to 599", }

fault! {
    /// The provider answers with an error: this status, body and headers.
    ///
    /// The simulator is not asked. Without a body it is an error in OpenAI's shape. Users met it as
    /// [a first provider that always answers 503 while failover never happens][1] and as
    /// [the same in another release][2].
    ///
    /// [1]: https://github.com/agentgateway/agentgateway/issues/1087
    /// [2]: https://github.com/kgateway-dev/kgateway/issues/13216
    pub struct Status = "status" {
        /// The status code.
        pub code: Code = Code(503),
        /// The body, verbatim.
        pub body: Option<String> = None,
        /// Length of the body in bytes, filled up with spaces; as long as it is where absent. At most 64 MiB.
        pub bytes: Option<NonZeroU64> = None,
        /// Headers of the answer; `content-type` is `application/json` unless it stands here.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The longest body, in bytes.
const LONGEST: u64 = 64 << 20;

impl Code {
    /// This status code, moved into the range that an answer can have.
    #[must_use]
    pub fn clamped(code: u16) -> Self {
        Self(code.clamp(200, 599))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Code {
    type Error = String;

    fn try_from(code: u16) -> Result<Self, String> {
        if (200..600).contains(&code) {
            Ok(Self(code))
        } else {
            Err(format!("`{code}` is no status of an answer: 200 to 599"))
        }
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl AnswerFault for Status {
    const ACTS: Acts = Acts::OnRequest;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        let status = self.code.0;
        let mut headers: Vec<_> = header("content-type", "application/json").into_iter().collect();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                headers.retain(|(known, _)| *known != name);
                headers.push((name, value));
            }
        }
        let mut body = self.body.clone().unwrap_or_else(|| error_body(status, message(status))).into_bytes();
        let length = self.bytes.map_or(0, |bytes| usize::try_from(bytes.get().min(LONGEST)).unwrap_or(0));
        body.resize(body.len().max(length), b' ');
        Effect::Instead(Answer { status, headers, body: Bytes::from(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::effect;
    use super::*;

    #[test]
    fn the_answer_is_the_one_that_is_written() {
        let fault: Status = serde_json::from_str(
            r#"{"code": 529, "body": "busy", "headers": {"Content-Type": "text/plain", "x-a": "1"}}"#,
        )
        .unwrap();
        let Effect::Instead(answer) = effect(&fault, false) else { panic!("it answers") };
        assert_eq!((answer.status, answer.body.as_ref()), (529, &b"busy"[..]));
        let headers: Vec<_> =
            answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(headers, ["content-type: text/plain", "x-a: 1"]);
        assert!(serde_json::from_str::<Status>(r#"{"code": 100}"#).is_err());
    }

    #[test]
    fn a_body_is_as_long_as_it_is_asked_to_be_and_still_json() {
        let length = |json: &str| {
            let fault: Status = serde_json::from_str(json).unwrap();
            let Effect::Instead(answer) = effect(&fault, false) else { panic!("it answers") };
            assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok());
            answer.body.len()
        };
        assert_eq!(length(r#"{"code": 429, "bytes": 100000}"#), 100_000);
        assert_eq!(length(r#"{"code": 429, "bytes": 3}"#), length(r#"{"code": 429}"#));
    }
}
