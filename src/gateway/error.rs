//! The gateway's own answers: what went wrong before, instead of, or after an upstream's answer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::limit::Exceeded;
use super::personality::{Errors, RetriedTimeout};
use crate::event::Outcome;

/// Why the gateway answers itself. Its text is the body of the answer and the access log's `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The request names no host.
    NoHost,
    /// No listener serves the host.
    ListenerNotFound,
    /// The method is `CONNECT`.
    MethodNotAllowed,
    /// No rule matches.
    RouteNotFound,
    /// A filter makes no sense.
    Filter(String),
    /// The rule has no backend of any weight.
    NoValidBackends,
    /// The backend's first group is empty, and nobody else is there.
    NoHealthyBackends,
    /// Everyone is evicted.
    AllEvicted {
        /// Until the first of them may be tried.
        wait: Duration,
    },
    /// A limit of the rule lets no more in.
    RateLimited(Exceeded),
    /// The request's body is not a chat completion; what the parser says.
    BadRequest(String),
    /// Neither client nor provider names a model.
    NoModel,
    /// The request's body is longer than [`super::BODY_LIMIT`], or broke off.
    RequestTooLarge,
    /// The provider's name cannot be resolved.
    Unresolved,
    /// The provider could not be called.
    Call {
        /// Why.
        text: String,
        /// How the attempt ended.
        outcome: Outcome,
    },
    /// One attempt took too long.
    CallTimeout,
    /// The request took too long over all attempts.
    RequestTimeout,
    /// A successful response is not a chat completion; what the parser says.
    BadResponse(String),
    /// A response's body broke before its end; what is said of it.
    BrokenResponse(&'static str),
    /// A response's body is longer than [`super::BODY_LIMIT`].
    ResponseTooLarge,
    /// A response is compressed in a way that cannot be read: this one.
    UnreadableEncoding(String),
}

impl Error {
    /// The status of the answer.
    #[must_use]
    pub(crate) fn status(&self, form: Errors) -> StatusCode {
        match (self, form) {
            (Self::ListenerNotFound | Self::RouteNotFound, _) => StatusCode::NOT_FOUND,
            (Self::Filter(_) | Self::NoValidBackends, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (Self::CallTimeout | Self::RequestTimeout, _) => StatusCode::GATEWAY_TIMEOUT,
            (Self::RateLimited(_), _) => StatusCode::TOO_MANY_REQUESTS,
            (Self::MethodNotAllowed, _) => StatusCode::METHOD_NOT_ALLOWED,
            (Self::NoHost | Self::BadRequest(_) | Self::NoModel, Errors::OpenAi) => StatusCode::BAD_REQUEST,
            (Self::RequestTooLarge, Errors::OpenAi) => StatusCode::PAYLOAD_TOO_LARGE,
            (
                Self::Unresolved
                | Self::Call { .. }
                | Self::BadResponse(_)
                | Self::BrokenResponse(_)
                | Self::ResponseTooLarge
                | Self::UnreadableEncoding(_),
                Errors::OpenAi,
            ) => StatusCode::BAD_GATEWAY,
            (
                Self::NoHost
                | Self::NoHealthyBackends
                | Self::AllEvicted { .. }
                | Self::BadRequest(_)
                | Self::NoModel
                | Self::RequestTooLarge
                | Self::Unresolved
                | Self::Call { .. }
                | Self::BadResponse(_)
                | Self::BrokenResponse(_)
                | Self::ResponseTooLarge
                | Self::UnreadableEncoding(_),
                _,
            ) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether another attempt may help, whatever statuses are retried.
    #[must_use]
    pub(crate) fn is_retryable(&self, timeout: RetriedTimeout) -> bool {
        match self {
            Self::Call { .. } | Self::Unresolved => true,
            Self::RequestTimeout => timeout == RetriedTimeout::Request,
            Self::CallTimeout => timeout == RetriedTimeout::Attempt,
            _ => false,
        }
    }

    /// The answer.
    #[must_use]
    pub(crate) fn response(&self, form: Errors) -> Response<Bytes> {
        let text = self.to_string();
        let (body, content_type) = match form {
            Errors::PlainText => (Bytes::from(text), "text/plain"),
            Errors::OpenAi => (self.openai(&text).into(), "application/json"),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status(form);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        match self {
            Self::RateLimited(Exceeded { limit, remaining, reset_seconds }) => {
                headers.insert(HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(*limit));
                headers.insert(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(*remaining));
                headers.insert(HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from(*reset_seconds));
            }
            // Rounded up: who comes back then is not too early.
            Self::AllEvicted { wait } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            _ => {}
        }
        response
    }

    /// OpenAI's error object.
    fn openai(&self, text: &str) -> String {
        let status = self.status(Errors::OpenAi);
        let kind = match status.as_u16() {
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let code = match self {
            Self::RateLimited(_) => "rate_limit_exceeded",
            Self::RequestTooLarge => "request_too_large",
            Self::CallTimeout | Self::RequestTimeout => "timeout",
            Self::Unresolved | Self::Call { .. } => "upstream_unreachable",
            Self::BadResponse(_) | Self::BrokenResponse(_) | Self::ResponseTooLarge | Self::UnreadableEncoding(_) => {
                "upstream_invalid_response"
            }
            Self::AllEvicted { .. } | Self::NoHealthyBackends => "no_provider_available",
            Self::ListenerNotFound | Self::RouteNotFound => "not_found",
            Self::NoHost | Self::BadRequest(_) | Self::NoModel => "invalid_request",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Filter(_) | Self::NoValidBackends => "gateway_misconfigured",
        };
        json!({"error": {"message": text, "type": kind, "param": null, "code": code}}).to_string()
    }

    /// The access log's word for it.
    #[must_use]
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ListenerNotFound | Self::RouteNotFound => "NotFound",
            Self::NoValidBackends | Self::NoHealthyBackends | Self::AllEvicted { .. } | Self::Unresolved => {
                "NoHealthyBackend"
            }
            Self::RateLimited(_) => "RateLimit",
            Self::Call { .. } => "UpstreamFailure",
            Self::CallTimeout | Self::RequestTimeout => "Timeout",
            Self::NoHost
            | Self::MethodNotAllowed
            | Self::Filter(_)
            | Self::BadRequest(_)
            | Self::NoModel
            | Self::RequestTooLarge
            | Self::BadResponse(_)
            | Self::BrokenResponse(_)
            | Self::ResponseTooLarge
            | Self::UnreadableEncoding(_) => "Internal",
        }
    }

    /// How an attempt ended that met it.
    #[must_use]
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unresolved => Outcome::Unresolved,
            Self::Call { outcome, .. } => *outcome,
            Self::CallTimeout | Self::RequestTimeout => Outcome::Timeout,
            Self::BrokenResponse(_) | Self::ResponseTooLarge => Outcome::Cut,
            _ => Outcome::Failed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => f.write_str("processing failed: no authority or host"),
            Self::ListenerNotFound => f.write_str("listener not found"),
            Self::MethodNotAllowed => f.write_str("method not allowed"),
            Self::RouteNotFound => f.write_str("route not found"),
            Self::Filter(text) => write!(f, "failed to apply filters: {text}"),
            Self::NoValidBackends => f.write_str("no valid backends"),
            Self::NoHealthyBackends => f.write_str("no healthy backends"),
            Self::AllEvicted { .. } => f.write_str("every provider is evicted"),
            Self::RateLimited(_) => f.write_str("rate limit exceeded"),
            Self::BadRequest(text) => write!(f, "processing failed: failed to parse request: {text}"),
            Self::NoModel => f.write_str("processing failed: missing field: model not specified"),
            Self::RequestTooLarge => f.write_str("processing failed: request was too large"),
            Self::Unresolved => f.write_str("backends required DNS resolution which failed"),
            Self::Call { text, .. } => write!(f, "upstream call failed: {text}"),
            Self::CallTimeout => f.write_str("upstream call timeout"),
            Self::RequestTimeout => f.write_str("request timeout"),
            Self::BadResponse(text) => write!(f, "processing failed: failed to parse response: {text}"),
            Self::BrokenResponse(text) => write!(f, "processing failed: {text}"),
            Self::ResponseTooLarge => f.write_str("processing failed: response was too large"),
            Self::UnreadableEncoding(name) => {
                write!(f, "processing failed: unsupported content encoding: {name}")
            }
        }
    }
}

impl std::error::Error for Error {}
