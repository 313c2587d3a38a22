//! `POST /inference/v1/generate`: vLLM's own API, tokens in and tokens out.

use serde_json::{Value as Json, json};

use super::answer::Piece;
use super::ask::{Ask, Prompt};
use super::error::ApiError;
use super::infer::Decoded;
use super::json::{Fields, write, write_str};
use super::reply::{self, Head, Part, Shape};
use crate::sim::{sse, tokens};

const PATH: &str = "GenerateRequest";

/// Reads a request.
pub(crate) fn decode(body: &Json) -> Result<Decoded, String> {
    let fields = Fields::of_body(body, PATH)?;
    let mut ask = Ask::new("generate request");
    ask.read_common(fields, PATH)?;
    let ids: Option<Vec<u32>> =
        fields.list("token_ids", "[]uint32")?.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect();
    let ids = ids.ok_or_else(|| {
        format!("json: cannot unmarshal array into Go struct field {PATH}.token_ids of type []uint32")
    })?;
    let sampling = fields.object("sampling_params", "SamplingParams")?;
    if let Some(sampling) = sampling {
        ask.max_tokens = sampling.int("max_tokens")?;
        let extra = sampling.object("extra_args", "ExtraArgs")?;
        if let Some(transfer) =
            extra.map(|extra| extra.object("kv_transfer_params", "KVTransferParams")).transpose()?.flatten()
        {
            ask.remote_decode |= transfer.bool("do_remote_decode")?;
            ask.remote_prefill |= transfer.bool("do_remote_prefill")?;
        }
    }
    let refusal = match (ids.is_empty(), sampling) {
        (true, _) => Some(ApiError::bad("Missing input token_ids")),
        (false, None) => Some(ApiError::bad("Missing sampling_params field")),
        (false, Some(_)) => ask.check().err(),
    };
    ask.prompts = vec![Prompt::ids(ids)];
    Ok(Decoded { ask, shape: Box::new(Generate), refusal })
}

/// How generated tokens are written.
struct Generate;

impl Shape for Generate {
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>) {
        let choice = |(index, part): (usize, &Part)| {
            let ids: Vec<u32> = (0..part.answer.pieces()).map(|at| id(part, at)).collect();
            json!({"index": index, "finish_reason": part.answer.finish.name(), "token_ids": ids})
        };
        let choices: Vec<Json> = parts.iter().enumerate().map(choice).collect();
        out.extend_from_slice(br#"{"choices":"#);
        drop(serde_json::to_writer(&mut *out, &choices));
        out.extend_from_slice(br#","request_id":"#);
        write_str(out, &head.id);
        out.push(b',');
        reply::transfer_params(parts, out);
        out.extend_from_slice(br#""ec_transfer_params":null}"#);
    }

    fn begin(&mut self, _: &Head, _: usize, _: &Part, _: &mut Vec<u8>) {}

    fn piece(&mut self, head: &Head, choice: usize, part: &Part, at: usize, out: &mut Vec<u8>) {
        let is_last = at + 1 == part.answer.pieces();
        let finish = is_last.then(|| part.answer.finish.name());
        let choice = json!({"index": choice, "finish_reason": finish, "token_ids": [id(part, at)]});
        sse::data(out, &json!({"request_id": head.id, "choices": [choice]}));
    }

    fn end(&mut self, _: &Head, _: usize, _: &Part, _: &mut Vec<u8>) {}

    fn finish(&mut self, head: &Head, parts: &[&Part], out: &mut Vec<u8>) {
        if head.include_usage {
            out.extend_from_slice(b"data: {\"request_id\":");
            write_str(out, &head.id);
            write(out, format_args!(",\"choices\":[],\"usage\":"));
            reply::write_usage(parts.iter().copied(), out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(sse::DONE);
    }
}

/// The id of a token: an echoed one as it came, any other from its text.
fn id(part: &Part, at: usize) -> u32 {
    match part.answer.piece(at) {
        Piece::Text(token) | Piece::Argument { token, .. } => {
            token.trim_end_matches(',').parse().unwrap_or_else(|_| tokens::id(token))
        }
    }
}
