//! The parts of OTLP's JSON encoding that a trace needs. Numbers of 64 bits are strings there.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::event::trace::TraceContext;

/// Span kinds.
pub(super) const SERVER: u8 = 2;
pub(super) const CLIENT: u8 = 3;
const STATUS_ERROR: u8 = 2;

/// `ExportTraceServiceRequest`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    resource: Resource,
    scope_spans: [ScopeSpans; 1],
}

#[derive(Debug, Serialize)]
struct Resource {
    attributes: Attributes,
}

#[derive(Debug, Serialize)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<Span>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are OTLP's")]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    #[serde(rename = "parentSpanId", skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    pub(super) flags: u32,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: String,
    pub(super) end_time_unix_nano: String,
    pub(super) attributes: Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<SpanEvent>,
    pub(super) status: Status,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpanEvent {
    time_unix_nano: String,
    name: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Attributes,
}

pub(super) type Attributes = Vec<Attribute>;

#[derive(Debug, Serialize)]
pub(super) struct Attribute {
    key: String,
    value: Json,
}

impl ResourceSpans {
    pub(super) fn new(attributes: Attributes, spans: Vec<Span>) -> Self {
        let scope = Scope { name: "agentgateway" };
        Self { resource: Resource { attributes }, scope_spans: [ScopeSpans { scope, spans }] }
    }
}

impl Span {
    /// A span without parent, attributes and events; with a message it is an error.
    pub(super) fn new(
        context: TraceContext,
        name: String,
        kind: u8,
        start: i128,
        end: i128,
        error: Option<String>,
    ) -> Self {
        Self {
            trace_id: context.trace_hex(),
            span_id: context.span_hex(),
            parent: None,
            flags: u32::from(context.flags),
            name,
            kind,
            start_time_unix_nano: start.to_string(),
            end_time_unix_nano: end.to_string(),
            attributes: Vec::new(),
            events: Vec::new(),
            status: Status { code: error.as_ref().map(|_| STATUS_ERROR), message: error },
        }
    }
}

impl SpanEvent {
    pub(super) fn new(name: &'static str, at: i128, attributes: Attributes) -> Self {
        Self { time_unix_nano: at.to_string(), name, attributes }
    }
}

impl Attribute {
    pub(super) fn new(key: impl Into<String>, value: impl Into<Json>) -> Self {
        Self { key: key.into(), value: any_value(value.into()) }
    }
}

/// `AnyValue`: a value with its type as the key.
fn any_value(value: Json) -> Json {
    match value {
        Json::String(text) => json!({ "stringValue": text }),
        Json::Bool(truth) => json!({ "boolValue": truth }),
        Json::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Json::Number(number) => json!({ "intValue": number.to_string() }),
        Json::Array(values) => {
            json!({ "arrayValue": { "values": values.into_iter().map(any_value).collect::<Vec<_>>() } })
        }
        Json::Null | Json::Object(_) => json!({ "stringValue": value.to_string() }),
    }
}
