//! The events of a stream: where one ends, and what is in it.

use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;

/// Cuts bytes into events, each with the blank line that ends it. The bytes stay as they are.
#[derive(Debug, Default)]
pub struct Frames {
    pending: BytesMut,
    /// How much of `pending` has been searched.
    searched: usize,
}

impl Frames {
    /// Takes in bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole event.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        let from = self.searched.saturating_sub(3);
        let end = self.pending.get(from..).and_then(blank_line).map(|end| from + end);
        self.searched = if end.is_some() { 0 } else { self.pending.len() };
        end.map(|end| self.pending.split_to(end).freeze())
    }

    /// What is left without a blank line, at the end.
    pub fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        (!self.pending.is_empty()).then(|| self.pending.split().freeze())
    }
}

/// One past the first blank line.
fn blank_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| {
        let rest = bytes.get(at + 1..)?;
        match rest {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        }
    })
}

/// The data of an event: the first of its `data:` lines.
#[must_use]
pub fn data(frame: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(frame).ok()?;
    text.lines().find_map(|line| line.strip_prefix("data:")).map(str::trim)
}

/// Whether an event is the terminator of a stream: `[DONE]`, or the last event of another API.
#[must_use]
pub fn is_done(frame: &[u8]) -> bool {
    let Some(data) = data(frame) else { return false };
    if data == "[DONE]" {
        return true;
    }
    let ends = ["response.completed", "response.incomplete", "message_stop"];
    json(frame).is_some_and(|json| json.get("type").and_then(Json::as_str).is_some_and(|kind| ends.contains(&kind)))
}

/// The JSON in an event.
#[must_use]
pub fn json(frame: &[u8]) -> Option<Json> {
    serde_json::from_str(data(frame)?).ok()
}

/// Whether an event carries a token: text, reasoning, or a part of a tool call.
#[must_use]
pub fn is_token(frame: &[u8]) -> bool {
    json(frame).is_some_and(|json| text_of(&json).is_some() || has_tool_call(&json))
}

fn has_tool_call(json: &Json) -> bool {
    json.pointer("/choices/0/delta/tool_calls").and_then(Json::as_array).is_some_and(|calls| !calls.is_empty())
        || json.pointer("/delta/partial_json").is_some()
}

/// Where the text of a chunk may stand: chat, text completions, responses, messages.
const TEXTS: [&str; 6] = [
    "/choices/0/delta/content",
    "/choices/0/delta/reasoning_content",
    "/choices/0/text",
    "/delta/text",
    "/delta/thinking",
    "/delta",
];

fn text_of(json: &Json) -> Option<&str> {
    let texts = TEXTS.iter().filter_map(|path| json.pointer(path)?.as_str());
    texts.into_iter().find(|text| !text.is_empty())
}

/// The event with `more` added to its text, if it has any.
#[must_use]
pub fn with_more_text(frame: &[u8], more: &str) -> Option<Bytes> {
    let mut json = json(frame)?;
    let path =
        TEXTS.iter().find(|path| json.pointer(path).and_then(Json::as_str).is_some_and(|text| !text.is_empty()))?;
    let text = json.pointer_mut(path)?;
    *text = Json::String(format!("{}{more}", text.as_str()?));
    Some(event(&json))
}

/// An event with this data.
#[must_use]
pub fn event(json: &Json) -> Bytes {
    Bytes::from(format!("data: {json}\n\n"))
}

/// The event that ends a stream of chunks.
#[must_use]
pub fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::flow::Item;
    use super::*;

    /// A stream of `texts` as the simulators send it, an event every `gap` milliseconds.
    pub(crate) fn stream(texts: &[&str], gap: u64) -> Vec<(u64, Item)> {
        let chunk = |delta: Json, finish: Json| {
            let choice = serde_json::json!({"index": 0, "delta": delta, "finish_reason": finish});
            let json = serde_json::json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
            Item::Bytes(event(&json))
        };
        let role = chunk(serde_json::json!({"role": "assistant", "content": ""}), Json::Null);
        let tokens = texts.iter().map(|text| chunk(serde_json::json!({"content": text}), Json::Null));
        let last = [chunk(serde_json::json!({}), "stop".into()), Item::Bytes(done()), Item::End];
        let items = [role].into_iter().chain(tokens).chain(last);
        (0_u64..).map(|number| number * gap).zip(items).collect()
    }

    /// The texts of the events in `items`, `[DONE]`, and how it ended, with their times.
    pub(crate) fn seen(items: &[(u64, Item)]) -> Vec<String> {
        let show = |item: &Item| match item {
            Item::Bytes(frame) if is_done(frame) => Some("[DONE]".to_owned()),
            Item::Bytes(frame) => match json(frame) {
                Some(json) => match json.get("error") {
                    Some(_) => Some("error".to_owned()),
                    None => text_of(&json).map(str::to_owned),
                },
                None => Some(String::from_utf8_lossy(frame).into_owned()),
            },
            other => Some(format!("{other:?}")),
        };
        items.iter().filter_map(|(at, item)| Some(format!("{at} {}", show(item)?))).collect()
    }

    #[test]
    fn events_are_cut_at_blank_lines_wherever_the_bytes_are() {
        let text = b"data: 1\n\nevent: x\r\ndata: 2\r\n\r\ndata: [DONE]\n\nrest";
        for cut in 0..text.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                frames.feed(part);
                found.extend(std::iter::from_fn(|| frames.next_frame()));
            }
            let shown: Vec<_> = found.iter().map(|frame| data(frame).unwrap()).collect();
            assert_eq!(shown, ["1", "2", "[DONE]"], "cut at {cut}");
            assert_eq!(frames.rest().unwrap(), "rest");
        }
    }

    #[test]
    fn tokens_are_told_from_the_rest_in_every_api() {
        let is = |json: &str| is_token(format!("data: {json}\n\n").as_bytes());
        assert!(is(r#"{"choices":[{"delta":{"content":"a"}}]}"#));
        assert!(is(r#"{"choices":[{"text":"a"}]}"#));
        assert!(is(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#));
        assert!(is(r#"{"type":"response.output_text.delta","delta":"a"}"#));
        assert!(is(r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#));
        assert!(!is(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#));
        assert!(!is(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#));
        assert!(!is("[DONE]"));
        assert!(is_done(b"data: [DONE]\n\n") && is_done(b"event: x\ndata: {\"type\":\"message_stop\"}\n\n"));
    }
}
