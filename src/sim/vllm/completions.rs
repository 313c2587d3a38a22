//! `POST /v1/completions`.

use serde_json::{Map, Value as Json, json};

use super::answer::Finish;
use super::ask::{Ask, Prompt};
use super::error::ApiError;
use super::infer::Decoded;
use super::json::{Fields, kind, write, write_str};
use super::reply::{self, Head, Part, Shape};
use crate::sim::sse;

const PATH: &str = "TextCompletionsRequest.TextCompletionsRequest";
const BASE_PATH: &str = "TextCompletionsRequest.TextCompletionsRequest.baseCompletionsRequest.baseRequest";

/// Reads a request.
pub(crate) fn decode(body: &Json) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, PATH)?;
    let mut ask = Ask::new("text completion request");
    ask.read_common(fields, BASE_PATH)?;
    ask.max_tokens = fields.int("max_tokens")?;
    ask.n = fields.int("n")?.unwrap_or(1);
    ask.logprobs = fields.int("logprobs")?.map(|top| usize::try_from(top).unwrap_or(0));
    let mut empty = None;
    (ask.prompts, empty) = match fields.get("prompt") {
        Some(prompt) => prompts(prompt)?,
        None => (Vec::new(), empty),
    };
    let refusal = check(&ask, empty).err();
    Ok(Decoded { ask, shape: Box::new(Text::default()), refusal })
}

fn check(ask: &Ask, empty: Option<&'static str>) -> Result<(), ApiError> {
    ask.check()?;
    if ask.prompts.is_empty() {
        return Err(ApiError::bad("prompt array must contain at least one prompt"));
    }
    match empty {
        Some(text) => Err(ApiError::bad(text)),
        None => Ok(()),
    }
}

/// Reads a prompt in one of its four forms, and says what is empty in it.
fn prompts(prompt: &Json) -> Result<(Vec<Prompt>, Option<&'static str>), String> {
    const EMPTY_TEXT: &str = "prompt must not contain an empty string";
    const EMPTY_IDS: &str = "prompt must not contain an empty token-id array";
    let wrong = |found: &Json| {
        format!(
            "prompt must be a string, an array of strings, an array of token ids, or an array of arrays of token ids: \
             json: cannot unmarshal {} into Go value of type [][]uint32",
            kind(found)
        )
    };
    let items = match prompt {
        Json::String(text) => {
            return Ok((vec![Prompt::text(text.clone())], text.is_empty().then_some(EMPTY_TEXT)));
        }
        Json::Array(items) => items,
        other => return Err(wrong(other)),
    };
    let id = |item: &Json| item.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| wrong(item));
    if !items.is_empty() && items.iter().all(Json::is_number) {
        return Ok((vec![Prompt::ids(items.iter().map(id).collect::<Result<_, _>>()?)], None));
    }
    let mut empty = None;
    let mut read = Vec::with_capacity(items.len());
    let texts = items.iter().all(Json::is_string);
    for item in items {
        match item {
            Json::String(text) if texts => {
                if text.is_empty() {
                    empty = empty.or(Some(EMPTY_TEXT));
                }
                read.push(Prompt::text(text.clone()));
            }
            Json::Array(ids) => {
                if ids.is_empty() {
                    empty = empty.or(Some(EMPTY_IDS));
                }
                read.push(Prompt::ids(ids.iter().map(id).collect::<Result<_, _>>()?));
            }
            other => return Err(wrong(other)),
        }
    }
    Ok((read, empty))
}

/// How text completions are written.
#[derive(Default)]
struct Text {
    prefix: Vec<u8>,
    /// Bytes of each choice's text so far.
    offsets: Vec<usize>,
}

impl Shape for Text {
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>) {
        out.push(b'{');
        id_and_model(head, out);
        out.push(b',');
        reply::transfer_params(parts, out);
        write(out, format_args!("\"created\":{},\"usage\":", head.created));
        reply::write_usage(parts, out);
        out.extend_from_slice(b",\"choices\":[");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let text = part.answer.as_text();
            choice(index, Some(part.answer.finish), text, out);
            if let Some(top) = head.logprobs {
                let tokens = (0..part.answer.pieces()).map(|at| token(part, at));
                logprobs(&tokens.collect::<Vec<_>>(), 0, 0, top, out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    fn begin(&mut self, head: &Head, choice: usize, _: &Part, _: &mut Vec<u8>) {
        if self.prefix.is_empty() {
            self.prefix = b"data: {".to_vec();
            id_and_model(head, &mut self.prefix);
            write(&mut self.prefix, format_args!(",\"created\":{},\"usage\":null,\"choices\":[", head.created));
        }
        if self.offsets.len() <= choice {
            self.offsets.resize(choice + 1, 0);
        }
    }

    fn piece(&mut self, head: &Head, index: usize, part: &Part, at: usize, out: &mut Vec<u8>) {
        let token = token(part, at);
        out.extend_from_slice(&self.prefix);
        choice(index, None, token, out);
        if let Some(offset) = self.offsets.get_mut(index) {
            if let Some(top) = head.logprobs {
                logprobs(&[token], head.created.rem_euclid(1000), *offset, top, out);
            }
            *offset += token.len();
        }
        out.extend_from_slice(b"}]}\n\n");
    }

    fn end(&mut self, _: &Head, index: usize, part: &Part, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        choice(index, Some(part.answer.finish), "", out);
        out.extend_from_slice(b"}]}\n\n");
    }

    fn finish(&mut self, head: &Head, parts: &[&Part], out: &mut Vec<u8>) {
        if head.include_usage {
            out.extend_from_slice(b"data: {");
            id_and_model(head, out);
            write(out, format_args!(",\"created\":{},\"usage\":", head.created));
            reply::write_usage(parts.iter().copied(), out);
            out.extend_from_slice(b",\"choices\":[]}\n\n");
        }
        out.extend_from_slice(sse::DONE);
    }
}

fn token(part: &Part, at: usize) -> &str {
    match part.answer.piece(at) {
        super::answer::Piece::Text(token) | super::answer::Piece::Argument { token, .. } => token,
    }
}

fn id_and_model(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"id\":");
    write_str(out, &format!("cmpl-{}-0", head.id));
    out.extend_from_slice(b",\"model\":");
    write_str(out, &head.model);
    out.extend_from_slice(b",\"object\":\"text_completion\"");
}

/// A choice up to its text; whoever calls closes it.
fn choice(index: usize, finish: Option<Finish>, text: &str, out: &mut Vec<u8>) {
    match finish {
        Some(finish) => write(out, format_args!(r#"{{"index":{index},"finish_reason":"{}","text":"#, finish.name())),
        None => write(out, format_args!(r#"{{"index":{index},"finish_reason":null,"text":"#)),
    }
    write_str(out, text);
}

/// Writes `,"logprobs":{…}` for tokens from a position and a byte of the text on.
fn logprobs(tokens: &[&str], position: i64, offset: usize, top: usize, out: &mut Vec<u8>) {
    let mut offset = offset;
    let (mut probabilities, mut alternatives, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for (token, at) in tokens.iter().zip(position..) {
        let probability = reply::logprob(at);
        probabilities.push(probability);
        let named = (0..top.min(20)).map(|rank| match rank {
            0 => ((*token).to_owned(), json!(probability)),
            rank => {
                let lower = probability - 0.5 * f64::from(u8::try_from(rank).unwrap_or(0));
                (format!("{token}_{rank}"), json!(lower))
            }
        });
        alternatives.push(Json::Object(named.collect::<Map<_, _>>()));
        offsets.push(offset);
        offset += token.len();
    }
    out.extend_from_slice(b",\"logprobs\":");
    let shown = json!({
        "tokens": tokens, "token_logprobs": probabilities, "top_logprobs": alternatives, "text_offset": offsets,
    });
    drop(serde_json::to_writer(out, &shown));
}
