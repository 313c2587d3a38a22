//! What a request is, and when those of a step are sent.

use serde_json::Value as Json;

use crate::scenario::METHODS;
use crate::scenario::fields::{Fields, Reader, not_among};
use crate::scenario::read::{expectations, header_name};
use crate::scenario::step::{
    Content, DEFAULT_GAP, DEFAULT_PROMPT, DEFAULT_RETRIES, MAX_RETRIES, MAX_TIMES, Order, Retries, Sdk, Send, Step,
};
use crate::source::{Diagnostic, Entry, Spanned, Value};
use crate::topology::Credential;

/// The reference of a client's own key in events.
const CLIENT: &str = "client";

/// What stands under `send`; a load takes the request's keys as well.
pub(in crate::scenario) const SEND: &[&str] = &[
    "path", "prompt", "times", "gap", "at-once", "over", "stream", "model", "headers", "key", "body", "method",
    "timeout", "retries", "expect",
];

/// What stands under `retries`, where it is no number.
pub(in crate::scenario) const RETRIES: &[&str] = &["most", "like"];

/// What stands under `send`.
pub(super) fn send(reader: &Reader<'_>, entry: &Entry) -> Option<Step> {
    let fields = reader.fields(&entry.value, "a request", SEND)?;
    let mut send = request(fields, 1);
    send.order = order(fields);
    Some(Step::Send(Box::new(send)))
}

/// The request that `fields` describe; `times` where they do not say how many.
pub(in crate::scenario::read) fn request(fields: Fields<'_>, times: u32) -> Send {
    let reader = fields.reader();
    let said = fields.whole("times", 1..=u64::from(MAX_TIMES)).map(|times| times.value);
    let count = if fields.entry("times").is_some() { said } else { Some(u64::from(times)) };
    let retries = fields.value("retries").and_then(|entry| retries(fields, entry));
    // Of a load nobody knows how many requests there will be, nor where the client tries again.
    let known = count.filter(|_| times == 1 && retries.is_none());
    let stream: Option<bool> = fields.get("stream");
    let method = method(fields);
    let expect = fields.entry("expect").map_or_else(Vec::new, |entry| {
        expectations::read(reader, &entry.value, &expectations::Scope::Step { times: known })
    });
    let content = content(fields, &method);
    let stream = match &content {
        Content::Body(body) => body.get("stream").and_then(Json::as_bool).unwrap_or(false),
        Content::Prompt { .. } => stream.unwrap_or(false),
        Content::Nothing => false,
    };
    Send {
        path: path(reader, fields),
        method,
        content,
        stream,
        headers: fields.value("headers").map(|entry| headers(reader, entry)).unwrap_or_default(),
        key: fields.entry("key").and_then(|entry| reader.secret(entry)).map(|key| Credential::new(CLIENT, &key)),
        times: count.and_then(|times| u32::try_from(times).ok()).unwrap_or(times),
        order: Order::InOrder { gap: DEFAULT_GAP },
        timeout: fields.get("timeout"),
        retries,
        expect,
    }
}

/// When the requests of a step are sent: one of `gap`, `at-once` and `over` says.
fn order(fields: Fields<'_>) -> Order {
    let said: Vec<&Entry> = ["gap", "at-once", "over"].into_iter().filter_map(|key| fields.entry(key)).collect();
    if let [first, second, ..] = said.as_slice() {
        let message = format!("`{}` has no meaning beside `{}`", second.key, first.key);
        let diagnostic = Diagnostic::error(message).at(second.key_place, "").note_at(first.key_place, "");
        fields
            .reader()
            .push(diagnostic.help("requests are sent in order with a `gap`, `at-once`, or evenly `over` a time"));
    }
    if let Some(span) = fields.get("over") {
        return Order::Over(span);
    }
    if fields.get("at-once") == Some(true) {
        return Order::AtOnce;
    }
    Order::InOrder { gap: fields.get("gap").unwrap_or(DEFAULT_GAP) }
}

/// How often the client tries again: a number, or a map that says which client it is as well.
fn retries(fields: Fields<'_>, entry: &Entry) -> Option<Retries> {
    let range = 0..=u64::from(MAX_RETRIES);
    let few = |most: Spanned<u64>| u32::try_from(most.value).unwrap_or(MAX_RETRIES);
    if !matches!(entry.value.value, Value::Map(_)) {
        return fields.whole("retries", range).map(|most| Retries { most: few(most), like: Sdk::default() });
    }
    let inner = fields.reader().fields(&entry.value, "of retries", RETRIES)?;
    let like = inner.choice("like", &Sdk::TABLE).unwrap_or_default();
    let most = if inner.entry("most").is_some() { few(inner.whole("most", range)?) } else { DEFAULT_RETRIES };
    Some(Retries { most, like })
}

fn method(fields: Fields<'_>) -> String {
    let Some(method) = fields.get::<Spanned<String>>("method") else { return "POST".to_owned() };
    if !METHODS.contains(&method.value.as_str()) {
        fields.reader().push(not_among(&method, "method", &METHODS));
    }
    method.value
}

fn path(reader: &Reader<'_>, fields: Fields<'_>) -> String {
    let Some(path) = fields.required_text("path", "/openai") else { return "/".to_owned() };
    let valid = path.value.starts_with('/') && path.value.parse::<http::uri::PathAndQuery>().is_ok();
    if !valid {
        let diagnostic = Diagnostic::error(format!("`{}` is not a path", path.value)).at(path.place, "");
        reader.push(diagnostic.help("a path begins with `/`, has no host before it, and no spaces in it"));
    }
    path.value
}

/// What is asked: a prompt, a body as it is, or nothing.
fn content(fields: Fields<'_>, method: &str) -> Content {
    let asks = ["prompt", "model", "stream"].into_iter().filter_map(|key| fields.entry(key));
    if let Some(entry) = fields.value("body") {
        for other in asks {
            let message = format!("`{}` has no meaning beside `body`", other.key);
            let diagnostic = Diagnostic::error(message).at(other.key_place, "").note_at(entry.key_place, "");
            fields.reader().push(diagnostic.help(format!("write it into the body: `{}: …`", other.key)));
        }
        return Content::Body(fields.get("body").unwrap_or_default());
    }
    if ["GET", "HEAD", "OPTIONS", "DELETE"].contains(&method) {
        for other in asks {
            let message = format!("a {method} has no body, so `{}` has no meaning", other.key);
            fields.reader().push(Diagnostic::error(message).at(other.key_place, ""));
        }
        return Content::Nothing;
    }
    Content::Prompt {
        prompt: fields.get("prompt").unwrap_or_else(|| DEFAULT_PROMPT.to_owned()),
        model: fields.get("model").unwrap_or_default(),
    }
}

fn headers(reader: &Reader<'_>, entry: &Entry) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for header in reader.entries(&entry.value, "from a header's name to its value") {
        let name = header_name(reader, header);
        let Some(value) = reader.text(header) else { continue };
        if http::HeaderValue::from_str(&value.value).is_err() {
            let diagnostic = Diagnostic::error("this is not the value of a header").at(value.place, "");
            reader.push(diagnostic.help("it has no line breaks or other control characters"));
        }
        headers.extend(name.map(|name| (name, value.value)));
    }
    headers
}
