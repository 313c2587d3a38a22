//! Errors as the API tells them: `{"error":{"message","type","param","code"}}`.

use serde::Serialize;

/// An error for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Status of the response. A number that is no status is sent as 200, as the original does.
    pub(crate) status: i64,
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'e> {
    error: Inner<'e>,
}

#[derive(Serialize)]
struct Inner<'e> {
    message: &'e str,
    r#type: &'static str,
    param: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
}

impl ApiError {
    pub(crate) fn new(status: i64, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None }
    }

    /// 400.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// A body that could not be read, and why.
    pub(crate) fn unreadable(cause: &str) -> Self {
        Self::bad(format!("Failed to read and parse request body, {cause}"))
    }

    /// A model that is not served.
    pub(crate) fn no_model(name: &str) -> Self {
        Self::new(404, format!("The model `{name}` does not exist."))
    }

    /// The body.
    pub(crate) fn body(&self) -> Vec<u8> {
        let inner = Inner {
            message: &self.message,
            r#type: error_type(self.status),
            param: self.param,
            code: Some(self.status).filter(|code| *code != 0),
        };
        serde_json::to_vec(&Envelope { error: inner }).unwrap_or_default()
    }

    /// The status that is sent.
    pub(crate) fn http_status(&self) -> http::StatusCode {
        let code = u16::try_from(self.status).ok().and_then(|code| http::StatusCode::from_u16(code).ok());
        code.filter(|code| code.as_u16() >= 200).unwrap_or(http::StatusCode::OK)
    }
}

/// The `type` that goes with a status.
fn error_type(status: i64) -> &'static str {
    match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        422 => "UnprocessableEntityError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "APIConnectionError",
    }
}
