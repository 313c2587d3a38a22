//! The types of requests and answers once more, as tables for [`rewrite`](super::rewrite::rewrite).

use super::rewrite::{Absent, Field, Shape};

const fn field(name: &'static str, shape: Shape, absent: Absent) -> Field {
    Field { name, shape, absent }
}

/// A field that is a number, a text, or another value if it is there, and that stays where it is.
const fn typed(name: &'static str, shape: &'static Shape) -> Field {
    field(name, Shape::OrNull(shape), Absent::InPlace)
}

/// [`Chat`](super::types::Chat), as far as [`Typed011`](super::types::Typed011) takes it.
pub(super) static REQUEST_011: [Field; 13] =
    request(Shape::List(&Shape::Object(&MESSAGE_011)), &Shape::Any, &Shape::Any);
static MESSAGE_011: [Field; 3] =
    [field("role", Shape::Text, Absent::Never), typed("name", &Shape::Text), typed("content", &CONTENT)];

/// The same, as far as [`Typed12`](super::types::Typed12) takes it.
pub(super) static REQUEST_12: [Field; 13] =
    request(Shape::List(&Shape::Object(&MESSAGE_12)), &Shape::List(&Shape::Any), &Shape::Text);
static MESSAGE_12: [Field; 5] = [
    field("role", Shape::Text, Absent::Never),
    typed("name", &Shape::Text),
    typed("content", &CONTENT),
    typed("tool_call_id", &Shape::Text),
    typed("tool_calls", &Shape::List(&Shape::Any)),
];

/// A request's fields; the first six are taken by their index.
const fn request(messages: Shape, tools: &'static Shape, user: &'static Shape) -> [Field; 13] {
    [
        field("messages", messages, Absent::Never),
        field("model", Shape::OrNull(&Shape::Text), Absent::Nothing),
        field("stream", Shape::OrNull(&Shape::Flag), Absent::Nothing),
        field("stream_options", Shape::OrNull(&OPTIONS), Absent::Nothing),
        field("max_tokens", Shape::OrNull(&Shape::Small), Absent::Nothing),
        field("max_completion_tokens", Shape::OrNull(&Shape::Small), Absent::Nothing),
        typed("top_p", &Shape::Number),
        typed("temperature", &Shape::Number),
        typed("frequency_penalty", &Shape::Number),
        typed("presence_penalty", &Shape::Number),
        typed("seed", &Shape::Integer),
        typed("tools", tools),
        typed("user", user),
    ]
}

static CONTENT: Shape = Shape::TextOr(&Shape::List(&Shape::Object(&PART)));
static PART: [Field; 2] = [field("type", Shape::Text, Absent::NeverInPlace), typed("text", &Shape::Text)];
static OPTIONS: Shape = Shape::Object(&[field("include_usage", Shape::Flag, Absent::Never)]);

/// [`Response`](super::types::Response), as far as [`Whole011`](super::types::Whole011) takes it.
pub(super) static ANSWER_011: [Field; 3] = [
    field("model", Shape::Text, Absent::Never),
    field("usage", Shape::OrNull(&Shape::Object(&USAGE_011)), Absent::As("null")),
    field("choices", Shape::List(&Shape::Object(&CHOICE_011)), Absent::Never),
];
static USAGE_011: [Field; 3] = [
    field("prompt_tokens", Shape::Small, Absent::Never),
    field("completion_tokens", Shape::Small, Absent::Never),
    field("total_tokens", Shape::Small, Absent::Never),
];
static CHOICE_011: [Field; 1] = [field("message", Shape::Object(&ANSWER_MESSAGE), Absent::Never)];

/// [`Response`](super::types::Response).
pub(super) static ANSWER_12: [Field; 4] = [
    field("model", Shape::Text, Absent::Never),
    field("usage", Shape::OrNull(&Shape::Object(&USAGE_12)), Absent::As("null")),
    field("choices", Shape::List(&Shape::Object(&CHOICE_12)), Absent::As("[]")),
    typed("service_tier", &Shape::Text),
];
static USAGE_12: [Field; 3] = [
    field("prompt_tokens", Shape::Small, Absent::As("0")),
    field("completion_tokens", Shape::Small, Absent::As("0")),
    field("total_tokens", Shape::Small, Absent::As("0")),
];
static CHOICE_12: [Field; 1] = [field("message", Shape::Object(&ANSWER_MESSAGE), Absent::As("{}"))];
static ANSWER_MESSAGE: [Field; 2] = [
    field("content", Shape::OrNull(&Shape::Text), Absent::Nothing),
    field("role", Shape::OrNull(&Shape::Text), Absent::Nothing),
];
