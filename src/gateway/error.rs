//! The gateway's own answers: what went wrong before, instead of, or after an upstream's answer.

use std::fmt;

use http::StatusCode;

use crate::event::Outcome;

/// Why the gateway answers itself. Its text is the body of the answer and the access log's `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The request names no host.
    NoHost,
    /// No listener serves the host.
    ListenerNotFound,
    /// No rule matches.
    RouteNotFound,
    /// A filter makes no sense.
    Filter(String),
    /// The rule has no backend of any weight.
    NoValidBackends,
    /// The backend's first group is empty, and nobody else is there.
    NoHealthyBackends,
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
    /// A response's body broke before its end, or is too long; what is said of it.
    BrokenResponse(&'static str),
}

impl Error {
    /// The status of the answer.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ListenerNotFound | Self::RouteNotFound => StatusCode::NOT_FOUND,
            Self::Filter(_) | Self::NoValidBackends => StatusCode::INTERNAL_SERVER_ERROR,
            Self::CallTimeout | Self::RequestTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::NoHost
            | Self::NoHealthyBackends
            | Self::BadRequest(_)
            | Self::NoModel
            | Self::RequestTooLarge
            | Self::Unresolved
            | Self::Call { .. }
            | Self::BadResponse(_)
            | Self::BrokenResponse(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The access log's word for it.
    #[must_use]
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::ListenerNotFound | Self::RouteNotFound => "NotFound",
            Self::NoValidBackends | Self::NoHealthyBackends | Self::Unresolved => "NoHealthyBackend",
            Self::Call { .. } => "UpstreamFailure",
            Self::CallTimeout | Self::RequestTimeout => "Timeout",
            Self::NoHost
            | Self::Filter(_)
            | Self::BadRequest(_)
            | Self::NoModel
            | Self::RequestTooLarge
            | Self::BadResponse(_)
            | Self::BrokenResponse(_) => "Internal",
        }
    }

    /// How an attempt ended that met it.
    #[must_use]
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unresolved => Outcome::Unresolved,
            Self::Call { outcome, .. } => *outcome,
            Self::CallTimeout | Self::RequestTimeout => Outcome::Timeout,
            Self::BrokenResponse(_) => Outcome::Cut,
            _ => Outcome::Failed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => f.write_str("processing failed: no authority or host"),
            Self::ListenerNotFound => f.write_str("listener not found"),
            Self::RouteNotFound => f.write_str("route not found"),
            Self::Filter(text) => write!(f, "failed to apply filters: {text}"),
            Self::NoValidBackends => f.write_str("no valid backends"),
            Self::NoHealthyBackends => f.write_str("no healthy backends"),
            Self::BadRequest(text) => write!(f, "processing failed: failed to parse request: {text}"),
            Self::NoModel => f.write_str("processing failed: missing field: model not specified"),
            Self::RequestTooLarge => f.write_str("processing failed: request was too large"),
            Self::Unresolved => f.write_str("backends required DNS resolution which failed"),
            Self::Call { text, .. } => write!(f, "upstream call failed: {text}"),
            Self::CallTimeout => f.write_str("upstream call timeout"),
            Self::RequestTimeout => f.write_str("request timeout"),
            Self::BadResponse(text) => write!(f, "processing failed: failed to parse response: {text}"),
            Self::BrokenResponse(text) => write!(f, "processing failed: {text}"),
        }
    }
}

impl std::error::Error for Error {}
