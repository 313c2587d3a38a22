//! Faults of answers: they act in the simulators, one file each.

mod cut;
mod delay;
mod duplicate_events;
mod empty_stream;
mod half_tool_call;
mod malformed_event;
mod no_done;
mod oversize_line;
mod rate_limit;
mod retry_after;
mod slow_first_token;
mod slow_tokens;
mod split_utf8;
mod stall;
mod status;
mod stream_error;
mod truncated_json;
mod wrong_content_type;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use cut::Cut;
pub use delay::Delay;
pub use duplicate_events::DuplicateEvents;
pub use empty_stream::EmptyStream;
pub use half_tool_call::HalfToolCall;
pub use malformed_event::{Malformation, MalformedEvent};
pub use no_done::NoDone;
pub use oversize_line::{Line, OversizeLine};
pub use rate_limit::RateLimit;
pub use retry_after::{RetryAfter, Spelling};
pub use slow_first_token::SlowFirstToken;
pub use slow_tokens::SlowTokens;
pub use split_utf8::SplitUtf8;
pub use stall::Stall;
pub use status::{Code, Status};
pub use stream_error::StreamError;
pub use truncated_json::TruncatedJson;
pub use wrong_content_type::WrongContentType;

use super::define::kinds;
use super::flow::{Flow, Item};
use super::{Acts, Dice};
use rate_limit::Bucket;

/// A fault of answers.
pub trait AnswerFault {
    /// Where it acts.
    const ACTS: Acts;

    /// What it does to one answer.
    fn effect(&self, asked: Asked<'_>) -> Effect;
}

/// A fault of answers whose type is not known.
pub trait Effective {
    /// See [`AnswerFault::effect`].
    fn effect(&self, asked: Asked<'_>) -> Effect;
}

impl<F: AnswerFault> Effective for F {
    fn effect(&self, asked: Asked<'_>) -> Effect {
        AnswerFault::effect(self, asked)
    }
}

/// What a fault knows of a request.
pub struct Asked<'a> {
    /// The simulator that is asked.
    pub host: &'a str,
    /// The model that is asked for.
    pub model: Option<&'a str>,
    /// How many tokens it may cost, roughly.
    pub tokens: u64,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// The lab's time.
    pub now: Duration,
    /// The wall-clock time.
    pub wall: Timestamp,
    /// Chance.
    pub dice: Box<dyn Dice>,
    /// What this fault has kept of earlier requests.
    pub memory: &'a mut Memory,
}

/// What a fault keeps from request to request.
#[derive(Debug, Default)]
pub struct Memory {
    buckets: BTreeMap<(String, String), [Bucket; 2]>,
}

/// What a fault does to one answer.
pub enum Effect {
    /// Nothing this time.
    Nothing,
    /// It answers in the simulator's place.
    Instead(Answer),
    /// The whole answer comes this much later.
    Later(Duration),
    /// The answer is left alone but for these headers, which tell of the fault's state.
    Told(Headers),
    /// These headers take the place of the answer's own.
    Headers(Headers),
    /// The events of the stream pass through this.
    Events(Box<dyn Flow>),
    /// The body, which is no stream, becomes this.
    Body(Box<dyn FnOnce(Bytes) -> Vec<Item> + Send>),
}

/// Headers in the order in which they are sent; a name may come twice.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// An answer that a fault gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

/// How a connection ends that does not end as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The body ends as if it were whole; the connection stays.
    End,
    /// The connection is closed in the middle of the body.
    #[default]
    Close,
    /// The connection is reset.
    Reset,
}

kinds! { How = "`end` (as if it were whole), `close` or `reset`", }

impl From<How> for Item {
    fn from(how: How) -> Self {
        match how {
            How::End => Self::End,
            How::Close => Self::Close,
            How::Reset => Self::Reset,
        }
    }
}

/// One header.
pub(crate) fn header(name: &'static str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
}

/// The body of an error as OpenAI's clients know it.
pub(crate) fn error_body(status: u16, message: &str) -> String {
    let (kind, code) = match status {
        400 => ("invalid_request_error", "bad_request"),
        401 => ("invalid_request_error", "invalid_api_key"),
        403 => ("invalid_request_error", "forbidden"),
        404 => ("invalid_request_error", "model_not_found"),
        429 => ("requests", "rate_limit_exceeded"),
        500 => ("server_error", "internal_error"),
        503 | 529 => ("server_error", "overloaded"),
        501 | 502 | 504..=528 | 530..=599 => ("server_error", "unavailable"),
        _ => ("invalid_request_error", "error"),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

/// What an error says where nobody has given it words.
pub(crate) fn message(status: u16) -> &'static str {
    match status {
        400 => "The request could not be understood.",
        401 => "Incorrect API key provided.",
        403 => "You are not allowed to do this.",
        404 => "The model does not exist or you do not have access to it.",
        429 => "Rate limit reached. Please try again later.",
        500 => "The server had an error while processing your request.",
        502 => "Bad gateway.",
        503 => "The server is overloaded or not ready yet.",
        504 => "The upstream did not answer in time.",
        529 => "Overloaded.",
        _ => "Something went wrong.",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::amount::tests::Loaded;
    use super::*;

    /// What a fault does to an answer, the dice falling alike.
    pub(crate) fn effect(fault: &impl AnswerFault, stream: bool) -> Effect {
        let asked = Asked {
            host: "h",
            model: Some("m"),
            tokens: 10,
            stream,
            now: Duration::ZERO,
            wall: Timestamp::constant(1_767_225_600, 0),
            dice: Box::new(Loaded(0.5)),
            memory: &mut Memory::default(),
        };
        AnswerFault::effect(fault, asked)
    }

    pub(crate) fn events(fault: &impl AnswerFault) -> Box<dyn Flow> {
        match effect(fault, true) {
            Effect::Events(flow) => flow,
            _ => panic!("it acts on streams"),
        }
    }
}
