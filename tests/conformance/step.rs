//! Plays a step and compares what comes back.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::join_all;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::rt::TokioIo;
use labsim::source::Span;
use labsim::topology::Authority;
use labsim::world::Net;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep_until};

use crate::row::{KEY, Kind};

/// How long a request and its answer are on their way in memory.
const ROUND_TRIP: Duration = Duration::from_millis(2);

/// What came back.
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
    first_byte: Duration,
    took: Duration,
}

/// Plays steps against a simulator.
pub(crate) struct Player<'r> {
    pub(crate) net: &'r Net,
    pub(crate) to: &'r Authority,
    pub(crate) kind: Kind,
    /// Tells the simulator to end.
    pub(crate) drain: Box<dyn Fn()>,
    pub(crate) is_virtual: bool,
}

impl Player<'_> {
    pub(crate) async fn play(&self, step: &Json) -> Result<(), String> {
        if let Some(time) = step.get("wait") {
            tokio::time::sleep(duration(time)).await;
            return Ok(());
        }
        if step.get("drain").is_some() {
            (self.drain)();
            return Ok(());
        }
        if let Some(steps) = step["together"].as_array() {
            let start = Instant::now();
            let each = steps.iter().enumerate().flat_map(|(at, step)| {
                let times = step["times"].as_u64().unwrap_or(1);
                (0..times).map(move |_| async move {
                    self.exchange(step, start).await.map_err(|text| format!("{at}: {text}"))
                })
            });
            return join_all(each).await.into_iter().collect();
        }
        for _ in 0..step["repeat"].as_u64().unwrap_or(1) {
            self.exchange(step, Instant::now()).await?;
        }
        Ok(())
    }

    async fn exchange(&self, step: &Json, start: Instant) -> Result<(), String> {
        let due = start + step.get("after").map_or(Duration::ZERO, duration);
        if due > start {
            sleep_until(due).await;
        }
        let mut expected = step["expect"].clone();
        let answer = match self.send(step, due).await {
            Ok(_) if expected["breaks"] == true => return Err("the answer is whole".to_owned()),
            Err(_) if expected["breaks"] == true => return Ok(()),
            sent => sent.map_err(|error| format!("the exchange failed: {error}"))?,
        };
        if expected["status"].is_null() {
            expected["status"] = json!(200);
        }
        let wrong = compare(&expected, &answer, self.is_virtual);
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n  got {}", wrong.join("; "), clip(&answer.text))) }
    }

    /// Times count from when it was due: whatever makes it late makes others late that it waits for.
    async fn send(&self, step: &Json, due: Instant) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let (line, body) = request(step, self.kind);
        let (method, path) = line.split_once(' ').ok_or("a request is METHOD PATH")?;
        let mut request = http::Request::builder().method(method).uri(path).header("host", self.to.to_string());
        let headers = step["headers"].as_object().cloned().unwrap_or_default();
        if self.kind == Kind::Openai && !headers.contains_key("authorization") {
            request = request.header("authorization", format!("Bearer {KEY}"));
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_null()) {
            request = request.header(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        if step.get("body-after").is_some() {
            request = request.header("content-length", body.len());
        }
        let stream = self.net.connect(self.to).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let sent = if self.is_virtual { Instant::now() } else { due };
        let response = sender.send_request(request.body(outgoing(step, body))?).await?;
        let first_byte = sent.elapsed();
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec())?,
            first_byte,
            took: sent.elapsed(),
        })
    }
}

/// A body that is there at once, in chunks, or later.
fn outgoing(step: &Json, body: Vec<u8>) -> BoxBody<Bytes, Infallible> {
    let later = step.get("body-after").map(duration);
    if later.is_none() && step["chunked"] != true {
        return Full::new(Bytes::from(body)).boxed();
    }
    let stream = futures_util::stream::once(async move {
        if let Some(time) = later {
            tokio::time::sleep(time).await;
        }
        Ok(Frame::data(Bytes::from(body)))
    });
    let stream: Pin<Box<dyn Stream<Item = _> + Send + Sync>> = Box::pin(stream);
    BoxBody::new(StreamBody::new(stream))
}

fn duration(value: &Json) -> Duration {
    Span::parse(value.as_str().unwrap()).unwrap().0
}

fn clip(text: &str) -> String {
    text.chars().take(1500).collect()
}

/// Method, path and body of a step: written out, or `chat` and `complete` for short.
fn request(step: &Json, kind: Kind) -> (String, Vec<u8>) {
    let mut body = match kind {
        Kind::Vllm => json!({"model": "testmodel"}),
        Kind::Openai if step.get("complete").is_some() => json!({"model": "gpt-3.5-turbo-instruct"}),
        Kind::Openai => json!({"model": "gpt-4o-mini"}),
    };
    let line = if let Some(text) = step.get("chat") {
        body["messages"] = json!([{"role": "user", "content": text}]);
        "POST /v1/chat/completions"
    } else if let Some(prompt) = step.get("complete") {
        body["prompt"] = prompt.clone();
        "POST /v1/completions"
    } else {
        let line = step["request"].as_str().unwrap_or_else(|| panic!("no request in {step}"));
        let bytes = match (step.get("body"), step.get("text"), step["bytes"].as_u64()) {
            (Some(body), ..) => body.to_string().into_bytes(),
            (_, Some(text), _) => text.as_str().unwrap().as_bytes().to_vec(),
            (_, _, Some(size)) => vec![b'x'; usize::try_from(size).unwrap()],
            _ => Vec::new(),
        };
        return (line.to_owned(), bytes);
    };
    for (key, value) in step["with"].as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    (line.to_owned(), body.to_string().into_bytes())
}

fn compare(expected: &Json, answer: &Answer, is_virtual: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, wanted) in expected.as_object().unwrap() {
        let found = match key.as_str() {
            "status" => status(wanted, answer.status),
            "headers" => headers(wanted, &answer.headers),
            "body" => body(wanted, &answer.text),
            "text" if wanted == &answer.text => Ok(()),
            "text" => Err(format!("the body is not {wanted}")),
            "counts" => counts(wanted, &answer.text),
            "contains" => parts(wanted, |part| answer.text.contains(part), "lacks"),
            "excludes" => parts(wanted, |part| !answer.text.contains(part), "has"),
            "frames" => frames(wanted, &answer.text),
            "content" => content(wanted, &answer.text),
            "lines-in-virtual-time" if !is_virtual => Ok(()),
            "lines" | "lines-in-virtual-time" => {
                parts(wanted, |line| answer.text.lines().any(|one| one == line), "lacks the line")
            }
            "takes" => time(wanted, answer.took, is_virtual, "it took"),
            "first-byte" => time(wanted, answer.first_byte, is_virtual, "the first byte came after"),
            other => Err(format!("unknown expectation {other}")),
        };
        wrong.extend(found.err());
    }
    wrong
}

fn status(wanted: &Json, found: u16) -> Result<(), String> {
    let fits = match wanted.as_array() {
        Some(several) => several.iter().any(|one| *one == found),
        None => *wanted == found,
    };
    if fits { Ok(()) } else { Err(format!("status {found}, not {wanted}")) }
}

fn headers(wanted: &Json, found: &http::HeaderMap) -> Result<(), String> {
    for (name, value) in wanted.as_object().unwrap() {
        let header = found.get(name).map_or(Json::Null, |header| header.to_str().unwrap_or_default().into());
        subset(value, &header, &format!("header {name}"))?;
    }
    Ok(())
}

fn body(wanted: &Json, text: &str) -> Result<(), String> {
    let found = serde_json::from_str(text).map_err(|error| format!("the body is not JSON: {error}"))?;
    subset(wanted, &found, "body")
}

fn parts(wanted: &Json, holds: impl Fn(&str) -> bool, verb: &str) -> Result<(), String> {
    for part in wanted.as_array().unwrap() {
        let part = part.as_str().unwrap();
        if !holds(part) {
            return Err(format!("the body {verb} {part:?}"));
        }
    }
    Ok(())
}

/// Exact in virtual time. Over TCP nothing comes too early; how late it comes is the machine's affair.
fn time(wanted: &Json, found: Duration, is_virtual: bool, what: &str) -> Result<(), String> {
    let wanted = duration(wanted);
    match is_virtual {
        true if found == wanted + ROUND_TRIP => Ok(()),
        false if found >= wanted => Ok(()),
        _ => Err(format!("{what} {found:?}, not {wanted:?}")),
    }
}

/// How often each text is in the body.
fn counts(wanted: &Json, text: &str) -> Result<(), String> {
    for (part, times) in wanted.as_object().unwrap() {
        let found = text.matches(part.as_str()).count();
        if *times != found {
            return Err(format!("the body has {part:?} {found} times, not {times}"));
        }
    }
    Ok(())
}

/// The events of a stream: their data as JSON, or as text where they are none.
fn events(text: &str) -> Vec<Json> {
    let data = text.split("\n\n").filter(|event| !event.is_empty()).map(|event| {
        let line = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|_| line.into())
    });
    data.collect()
}

fn frames(wanted: &Json, text: &str) -> Result<(), String> {
    let found = events(text);
    let wanted = wanted.as_array().unwrap();
    if wanted.len() != found.len() {
        return Err(format!("{} frames, not {}", found.len(), wanted.len()));
    }
    wanted
        .iter()
        .zip(&found)
        .enumerate()
        .try_for_each(|(at, (wanted, found))| subset(wanted, found, &format!("frame {at}")))
}

/// The text of a stream: of all of it, or a map from choice to text.
fn content(wanted: &Json, text: &str) -> Result<(), String> {
    let mut all = String::new();
    let mut choices: Vec<String> = Vec::new();
    for event in events(text) {
        let choice = &event["choices"][0];
        let paths = [&choice["delta"]["content"], &choice["text"], &event["delta"], &event["delta"]["text"]];
        let piece = paths.into_iter().find_map(Json::as_str).unwrap_or_default();
        all.push_str(piece);
        let index = usize::try_from(choice["index"].as_u64().unwrap_or(0)).unwrap();
        if choices.len() <= index {
            choices.resize(index + 1, String::new());
        }
        choices[index].push_str(piece);
    }
    let found = if wanted.is_array() { json!(choices) } else { json!(all) };
    subset(wanted, &found, "the stream's text")
}

/// Whether `wanted` is in `found`. A text `~…` is a pattern; `<absent>` and `<any>` speak for themselves.
fn subset(wanted: &Json, found: &Json, path: &str) -> Result<(), String> {
    let differ = || Err(format!("{path} is {}, not {wanted}", clip(&found.to_string())));
    match (wanted, found) {
        (Json::Object(wanted), Json::Object(_)) => wanted.iter().try_for_each(|(key, value)| {
            let inner = format!("{path}.{key}");
            match found.get(key) {
                None if value == "<absent>" => Ok(()),
                None => Err(format!("{inner} is missing")),
                Some(_) if value == "<absent>" => Err(format!("{inner} is there")),
                Some(found) => subset(value, found, &inner),
            }
        }),
        (Json::Array(wanted), Json::Array(found)) => {
            if wanted.len() != found.len() {
                return differ();
            }
            let pairs = wanted.iter().zip(found).enumerate();
            pairs.into_iter().try_for_each(|(at, (wanted, found))| subset(wanted, found, &format!("{path}[{at}]")))
        }
        (Json::String(word), _) if word == "<any>" => Ok(()),
        (Json::String(pattern), found) if pattern.starts_with('~') => {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if regex::Regex::new(&pattern[1..]).unwrap().is_match(&text) { Ok(()) } else { differ() }
        }
        (Json::Number(wanted), Json::Number(found)) if wanted.as_f64() == found.as_f64() => Ok(()),
        _ if wanted == found => Ok(()),
        _ => differ(),
    }
}
