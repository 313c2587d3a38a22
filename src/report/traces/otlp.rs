//! The parts of OTLP that a trace needs, as JSON and as protobuf. In OTLP's JSON ids are hexadecimal digits, and
//! numbers of 64 bits are strings.

use prost::{Message, Oneof};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::event::trace::TraceContext;

/// Span kinds.
pub(super) const SERVER: i32 = 2;
pub(super) const CLIENT: i32 = 3;
const STATUS_ERROR: i32 = 2;

/// Spans as a collector takes them: OTLP's `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Attributes,
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are OTLP's")]
pub(super) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(serialize_with = "hexadecimal")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(serialize_with = "hexadecimal")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(serialize_with = "hexadecimal", skip_serializing_if = "Vec::is_empty")]
    parent_span_id: Vec<u8>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    #[serde(serialize_with = "text")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    #[serde(serialize_with = "text")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Attributes,
    #[prost(message, repeated, tag = "11")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<SpanEvent>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct Status {
    #[prost(int32, tag = "3")]
    #[serde(skip_serializing_if = "is_unset")]
    code: i32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpanEvent {
    #[prost(fixed64, tag = "1")]
    #[serde(serialize_with = "text")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Attributes,
}

pub(super) type Attributes = Vec<Attribute>;

#[derive(Clone, PartialEq, Message, Serialize)]
pub(super) struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
#[serde(transparent)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the names are OTLP's")]
enum Value {
    #[prost(string, tag = "1")]
    StringValue(String),
    #[prost(bool, tag = "2")]
    BoolValue(bool),
    #[prost(int64, tag = "3")]
    #[serde(serialize_with = "text")]
    IntValue(i64),
    #[prost(double, tag = "4")]
    DoubleValue(f64),
    #[prost(message, tag = "5")]
    ArrayValue(ArrayValue),
}

#[derive(Clone, PartialEq, Message, Serialize)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

impl Export {
    /// As JSON, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        // There is nothing in it that JSON could not say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As protobuf.
    #[must_use]
    pub fn protobuf(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

impl ResourceSpans {
    pub(super) fn new(attributes: Attributes, spans: Vec<Span>) -> Self {
        let scope = Scope { name: "agentgateway".to_owned() };
        Self { resource: Some(Resource { attributes }), scope_spans: vec![ScopeSpans { scope: Some(scope), spans }] }
    }
}

impl Span {
    /// A span without parent, attributes and events; with a message it is an error.
    pub(super) fn new(
        context: TraceContext,
        name: String,
        kind: i32,
        (start, end): (u64, u64),
        error: Option<String>,
    ) -> Self {
        let code = if error.is_some() { STATUS_ERROR } else { 0 };
        Self {
            trace_id: context.trace_id.to_be_bytes().to_vec(),
            span_id: context.span_id.to_be_bytes().to_vec(),
            parent_span_id: Vec::new(),
            flags: u32::from(context.flags),
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes: Vec::new(),
            events: Vec::new(),
            status: Some(Status { code, message: error.unwrap_or_default() }),
        }
    }

    /// The same below another one.
    pub(super) fn below(self, parent: Option<TraceContext>) -> Self {
        let parent_span_id = parent.map(|parent| parent.span_id.to_be_bytes().to_vec()).unwrap_or_default();
        Self { parent_span_id, ..self }
    }

    pub(super) fn with(self, attributes: Attributes, events: Vec<SpanEvent>) -> Self {
        Self { attributes, events, ..self }
    }
}

impl SpanEvent {
    pub(super) fn new(name: &str, at: u64, attributes: Attributes) -> Self {
        Self { time_unix_nano: at, name: name.to_owned(), attributes }
    }
}

impl Attribute {
    pub(super) fn new(key: impl Into<String>, value: impl Into<Json>) -> Self {
        Self { key: key.into(), value: Some(any_value(value.into())) }
    }
}

fn any_value(value: Json) -> AnyValue {
    let value = match value {
        Json::String(text) => Value::StringValue(text),
        Json::Bool(truth) => Value::BoolValue(truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::IntValue(whole),
            None => Value::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Json::Array(values) => Value::ArrayValue(ArrayValue { values: values.into_iter().map(any_value).collect() }),
        Json::Null | Json::Object(_) => Value::StringValue(value.to_string()),
    };
    AnyValue { value: Some(value) }
}

fn hexadecimal<S: Serializer>(id: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digits: String = id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    serializer.serialize_str(&digits)
}

fn text<S: Serializer>(number: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&number.to_string())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_unset(code: &i32) -> bool {
    *code == 0
}
