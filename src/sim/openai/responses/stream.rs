//! A response as a stream of named events, numbered in sequence.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::super::engine::Call;
use super::super::latency::Pace;
use super::super::logprobs;
use super::super::reply::{Piece, obfuscation};
use super::super::text::Finish;
use super::super::tools::ToolCall;
use super::request::Request;
use super::{Document, Item, Kind, text_part};

/// All events, each with the time since the one before; the first is sent `after` the beginning.
pub(super) fn pieces(
    call: &mut Call<'_>,
    request: &Request,
    document: &mut Document<'_>,
    after: Duration,
    pace: &mut Pace,
) -> Vec<Piece> {
    let mut events =
        Events { call, obfuscate: request.obfuscate, pace, next_gap: Duration::ZERO, took: after, pieces: Vec::new() };
    events.push("response.created", json!({"response": document.begun()}));
    events.push("response.in_progress", json!({"response": document.begun()}));
    for (index, item) in document.items.iter().enumerate() {
        events.push("response.output_item.added", json!({"output_index": index, "item": item.begun()}));
        match &item.kind {
            Kind::Reasoning => {}
            Kind::Message { .. } => events.message(index, item),
            Kind::Call(call) => events.call(index, item, call),
        }
        events.push("response.output_item.done", json!({"output_index": index, "item": item.finished()}));
    }
    let last = if document.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
    let took = events.took;
    events.push(last, json!({"response": document.finished(took)}));
    events.pieces
}

/// Writes events.
struct Events<'a, 'c> {
    call: &'a mut Call<'c>,
    obfuscate: bool,
    pace: &'a mut Pace,
    /// Time from the last event to the next.
    next_gap: Duration,
    /// Time since the beginning.
    took: Duration,
    pieces: Vec<Piece>,
}

impl Events<'_, '_> {
    /// Writes an event with the members of `rest`, after its type and number.
    fn push(&mut self, kind: &str, rest: Json) {
        let mut event = Map::new();
        event.insert("type".to_owned(), kind.into());
        event.insert("sequence_number".to_owned(), self.pieces.len().into());
        if let Json::Object(rest) = rest {
            event.extend(rest);
        }
        let gap = std::mem::take(&mut self.next_gap);
        self.took += gap;
        self.pieces.push(Piece::event(gap, kind, &Json::Object(event)));
    }

    /// Writes an event that brings a token.
    fn push_token(&mut self, kind: &str, mut rest: Json, length: usize) {
        if self.obfuscate {
            rest["obfuscation"] = obfuscation(&mut self.call.ids, length).into();
        }
        self.push(kind, rest);
        self.next_gap = self.pace.next_token();
    }

    /// The last token is not followed by a wait.
    fn end_tokens(&mut self) {
        self.next_gap = Duration::ZERO;
    }

    fn message(&mut self, index: usize, item: &Item) {
        let Kind::Message { tokens, likely } = &item.kind else { return };
        let place = |mut rest: Json| {
            let mut event = json!({"item_id": item.id, "output_index": index, "content_index": 0});
            if let (Some(event), Some(rest)) = (event.as_object_mut(), rest.as_object_mut()) {
                event.append(rest);
            }
            event
        };
        self.push("response.content_part.added", place(json!({"part": text_part("", None)})));
        for (position, token) in tokens.iter().enumerate() {
            let likely = likely.as_ref().and_then(|likely| likely.get(position..=position));
            let logprobs = logprobs::chat_json(likely.unwrap_or_default());
            let event = place(json!({"delta": token, "logprobs": logprobs}));
            self.push_token("response.output_text.delta", event, token.len());
        }
        self.end_tokens();
        let (text, all) = (tokens.concat(), likely.as_deref());
        let logprobs = logprobs::chat_json(all.unwrap_or_default());
        self.push("response.output_text.done", place(json!({"text": text, "logprobs": logprobs})));
        self.push("response.content_part.done", place(json!({"part": text_part(&text, all)})));
    }

    fn call(&mut self, index: usize, item: &Item, call: &ToolCall) {
        let (kind, name) =
            if call.is_custom { ("custom_tool_call_input", "input") } else { ("function_call_arguments", "arguments") };
        for part in &call.arguments {
            let event = json!({"item_id": item.id, "output_index": index, "delta": part});
            self.push_token(&format!("response.{kind}.delta"), event, part.len());
        }
        self.end_tokens();
        let mut event = json!({"item_id": item.id, "output_index": index});
        event[name] = call.arguments.concat().into();
        if !call.is_custom {
            event["name"] = call.name.clone().into();
        }
        self.push(&format!("response.{kind}.done"), event);
    }
}
