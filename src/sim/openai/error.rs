//! What the fake refuses, in OpenAI's own shape.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value as Json, json};

/// A refusal: `{"error": {"message", "type", "param", "code"}}` with its status.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) kind: &'static str,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    /// How long to wait before asking again: becomes `retry-after` and `retry-after-ms`.
    pub(crate) retry_after: Option<Duration>,
    /// Who refuses: the front door indents its answers by four spaces, the engine by two.
    pub(crate) by: By,
    /// Whether to ask for a password, as a browser understands it.
    pub(crate) challenge: bool,
}

/// Who refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// What stands before the models: keys, addresses, unknown models, limits.
    FrontDoor,
    /// What checks a request's parameters.
    Engine,
}

const INVALID: &str = "invalid_request_error";

impl ApiError {
    /// A refusal by the front door.
    pub(crate) fn front_door(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind: INVALID,
            param: None,
            code: None,
            retry_after: None,
            by: By::FrontDoor,
            challenge: false,
        }
    }

    /// A parameter that is wrong: 400.
    pub(crate) fn param(param: impl Into<String>, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), code, by: By::Engine, ..Self::front_door(StatusCode::BAD_REQUEST, message) }
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn with_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// A parameter that must be there.
    pub(crate) fn missing(param: &str) -> Self {
        Self::param(param, Some("missing_required_parameter"), format!("Missing required parameter: '{param}'."))
    }

    /// A value that is none of those allowed.
    pub(crate) fn unsupported_value(param: &str, value: &str, allowed: &[&str]) -> Self {
        let message = format!("Invalid value: '{value}'. Supported values are: {}.", quoted_list(allowed));
        Self::param(param, Some("invalid_value"), message)
    }

    /// A body that is no JSON object.
    pub(crate) fn bad_json() -> Self {
        Self::front_door(
            StatusCode::BAD_REQUEST,
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
             library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you \
             have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)",
        )
    }

    /// A body that is longer than so many bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request body is too large: the maximum is {limit} bytes.");
        Self::front_door(StatusCode::PAYLOAD_TOO_LARGE, message).with_code("request_too_large")
    }

    /// A body that does not arrive.
    pub(crate) fn too_slow() -> Self {
        let message = "Timed out reading request body. Try again, or use a smaller request size.";
        Self::front_door(StatusCode::REQUEST_TIMEOUT, message).with_kind("server_error")
    }

    /// A body without a model.
    pub(crate) fn no_model() -> Self {
        Self::front_door(StatusCode::BAD_REQUEST, "you must provide a model parameter")
    }

    /// A model that this fake does not have.
    pub(crate) fn unknown_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::front_door(StatusCode::NOT_FOUND, message).with_code("model_not_found")
    }

    /// A path that leads nowhere.
    pub(crate) fn unknown_path(method: &http::Method, path: &str) -> Self {
        Self { by: By::Engine, ..Self::front_door(StatusCode::NOT_FOUND, format!("Invalid URL ({method} {path})")) }
    }

    /// A path that takes another method.
    pub(crate) fn wrong_method(method: &http::Method, path: &str) -> Self {
        let message =
            format!("Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)");
        Self {
            by: By::Engine,
            code: Some("method_not_supported"),
            ..Self::front_door(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    /// The server is about to stop.
    pub(crate) fn draining() -> Self {
        let message = "The engine is currently overloaded, please try again later";
        Self::front_door(StatusCode::SERVICE_UNAVAILABLE, message).with_kind("service_unavailable_error")
    }

    /// The body, as the wire has it.
    pub(crate) fn body(&self) -> String {
        let json = json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }});
        indented(&json, if self.by == By::FrontDoor { "    " } else { "  " })
    }
}

/// `json` over several lines, as OpenAI writes what it does not stream, with a last line break.
pub(crate) fn indented(json: &Json, indent: &str) -> String {
    let mut out = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut writer = serde_json::Serializer::with_formatter(&mut out, format);
    // Writing plain JSON to memory cannot fail.
    let _ = serde::Serialize::serialize(json, &mut writer);
    out.push(b'\n');
    String::from_utf8(out).unwrap_or_default()
}

/// `'a', 'b', and 'c'`.
pub(crate) fn quoted_list(items: &[&str]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [most @ .., last] => format!("{}, and {last}", most.join(", ")),
    }
}
