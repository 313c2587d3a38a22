//! Reads along a stream of server-sent events without holding it up: which model, how many tokens,
//! whether it came to its end.

use serde_json::Value;

use crate::event::Usage;
use crate::event::facts::TokenDetails;

/// Lines longer than this are let past unread.
const LONGEST_LINE: usize = 256 * 1024;

/// What a stream has told so far.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    line: Vec<u8>,
    overlong: bool,
    /// The model that answers.
    pub(crate) model: Option<String>,
    /// Tokens, once it has said.
    pub(crate) usage: Option<Usage>,
    /// Tokens that it counts apart.
    pub(crate) details: TokenDetails,
    /// Whether `[DONE]` came.
    pub(crate) done: bool,
}

impl Tap {
    /// Takes in the next bytes, however they are cut.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let mut piece = lines.next().unwrap_or_default();
        for next in lines {
            if self.line.is_empty() && !self.overlong {
                self.take(piece);
            } else {
                self.keep(piece);
                self.end();
            }
            piece = next;
        }
        self.keep(piece);
    }

    /// How much of a line is kept, in bytes.
    pub(crate) fn held(&self) -> usize {
        self.line.capacity()
    }

    /// The stream is over: reads a last line without its end.
    pub(crate) fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !std::mem::take(&mut self.overlong) {
            self.take(&line);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.line.len() + piece.len() > LONGEST_LINE {
            self.overlong = true;
            self.line.clear();
        } else if !self.overlong {
            self.line.extend_from_slice(piece);
        }
    }

    fn take(&mut self, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
        } else if self.model.is_none() || has_usage(data) {
            self.parse(data);
        }
    }

    fn parse(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return };
        if self.model.is_none() {
            self.model = chunk.get("model").and_then(Value::as_str).map(str::to_owned);
        }
        if let Some(usage) = Usage::of_json(&chunk) {
            self.usage = Some(usage);
            self.details = chunk.get("usage").map(TokenDetails::of_usage).unwrap_or_default();
        }
    }
}

/// Whether a chunk may have a `usage` that is an object: most have none, or `null`.
fn has_usage(data: &[u8]) -> bool {
    const KEY: &[u8] = b"\"usage\"";
    let Some(at) = data.windows(KEY.len()).rposition(|window| window == KEY) else { return false };
    let after = data[at + KEY.len()..].trim_ascii_start();
    after.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"model\":\"gpt-4o\",\"choices\":[{\"delta\":{\"content\":\"Fo\"}}],\"usage\":null}\n\n",
        ": a comment\r\n\r\n",
        "data: {\"model\":\"other\",\"choices\":[{\"delta\":{\"content\":\"ur \\\"usage\\\"\"}}],\"usage\":null}\r\n\r\n",
        "data: {\"choices\":[],\"usage\" : {\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n",
        "data: [DONE]",
    );

    #[test]
    fn it_reads_the_same_however_the_stream_is_cut() {
        for size in [1, 2, 3, 7, 64, 4096] {
            let mut tap = Tap::default();
            STREAM.as_bytes().chunks(size).for_each(|bytes| tap.read(bytes));
            assert!(!tap.done);
            tap.end();
            assert_eq!(tap.model.as_deref(), Some("gpt-4o"), "in pieces of {size}");
            assert_eq!(tap.usage, Some(Usage { input: 5, output: 2 }));
            assert_eq!(tap.details, TokenDetails { cached: Some(3), audio: None });
            assert!(tap.done);
        }
    }

    #[test]
    fn an_endless_line_takes_no_endless_memory() {
        let mut tap = Tap::default();
        for _ in 0..64 {
            tap.read(&[b'x'; 16 * 1024]);
        }
        assert!(tap.line.capacity() <= 2 * LONGEST_LINE);
        tap.read(b"\ndata: {\"model\":\"m\"}\n");
        assert_eq!(tap.model.as_deref(), Some("m"));
    }
}
