//! From answers to bytes: what every endpoint's response is made of, whole or as a stream.

use std::sync::Arc;

use super::answer::{Answer, Finish};
use super::error::ApiError;
use super::json;
use crate::event::Usage;
use crate::sim::sse::{self, Encode, Flow};

/// What a response says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request's id, part of every id in the body.
    pub(crate) id: String,
    /// The model that answers.
    pub(crate) model: Arc<str>,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) include_usage: bool,
    /// Alternatives to tell for each token.
    pub(crate) logprobs: Option<usize>,
}

/// One choice of a response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Tokens of its prompt; 0 where another choice counts them.
    pub(crate) prompt_tokens: usize,
    pub(crate) answer: Answer,
}

/// How one endpoint writes its responses.
pub(crate) trait Shape: Send + Sync + 'static {
    /// The whole response.
    fn whole(&self, head: &Head, parts: &[Part], out: &mut Vec<u8>);
    /// A choice begins.
    fn begin(&mut self, head: &Head, choice: usize, part: &Part, out: &mut Vec<u8>);
    /// The next piece of a choice.
    fn piece(&mut self, head: &Head, choice: usize, part: &Part, at: usize, out: &mut Vec<u8>);
    /// A choice is over.
    fn end(&mut self, head: &Head, choice: usize, part: &Part, out: &mut Vec<u8>);
    /// All choices are over.
    fn finish(&mut self, head: &Head, parts: &[&Part], out: &mut Vec<u8>);
}

/// What happens while a request runs; the number is the choice's.
pub(crate) type Event = (usize, Step);

/// What happens to one choice.
#[derive(Debug)]
pub(crate) enum Step {
    /// It has its first token, or, where nothing is streamed, all of them.
    Begin(Box<Part>),
    /// So many pieces more.
    Pieces(usize),
    /// It is over.
    End,
    /// It failed.
    Fail(ApiError),
}

/// Writes a stream as its steps happen.
pub(crate) struct Stream {
    shape: Box<dyn Shape>,
    head: Head,
    choices: Vec<Option<Progress>>,
    left: usize,
}

struct Progress {
    part: Part,
    sent: usize,
}

/// Tokens of all choices together.
pub(crate) fn usage<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Usage {
    parts.into_iter().fold(Usage::default(), |sum, part| Usage {
        input: sum.input + part.prompt_tokens as u64,
        output: sum.output + part.answer.tokens as u64,
    })
}

impl Stream {
    pub(crate) fn new(shape: Box<dyn Shape>, head: Head, choices: usize) -> Self {
        Self { shape, head, choices: (0..choices).map(|_| None).collect(), left: choices }
    }

    /// Tokens so far.
    pub(crate) fn usage(&self) -> Usage {
        usage(self.parts())
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.choices.iter().flatten().map(|progress| &progress.part)
    }

    /// Writes a whole stream at once, a piece of each choice in turn.
    pub(crate) fn write_all(&mut self, parts: Vec<Part>, out: &mut Vec<u8>) {
        let most = parts.iter().map(|part| part.answer.pieces()).max().unwrap_or(0);
        for (choice, part) in parts.into_iter().enumerate() {
            self.encode((choice, Step::Begin(Box::new(part))), out);
        }
        for at in 0..=most {
            for choice in 0..self.choices.len() {
                let pieces = self.choices.get(choice).and_then(Option::as_ref).map(|one| one.part.answer.pieces());
                if pieces.is_some_and(|pieces| at < pieces) {
                    self.encode((choice, Step::Pieces(1)), out);
                } else if pieces == Some(at) {
                    self.encode((choice, Step::End), out);
                }
            }
        }
    }
}

impl Encode for Stream {
    type Item = Event;

    fn encode(&mut self, (choice, step): Event, out: &mut Vec<u8>) -> Flow {
        let Some(slot) = self.choices.get_mut(choice) else { return Flow::More };
        match (step, slot.as_mut()) {
            (Step::Begin(part), _) => {
                let part = *part;
                self.shape.begin(&self.head, choice, &part, out);
                *slot = Some(Progress { part, sent: 0 });
            }
            (Step::Pieces(count), Some(progress)) => {
                for at in progress.sent..progress.sent + count {
                    self.shape.piece(&self.head, choice, &progress.part, at, out);
                }
                progress.sent += count;
            }
            (Step::End, Some(progress)) => {
                self.shape.end(&self.head, choice, &progress.part, out);
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    let parts: Vec<&Part> = self.choices.iter().flatten().map(|one| &one.part).collect();
                    self.shape.finish(&self.head, &parts, out);
                    return Flow::End;
                }
            }
            (Step::Fail(error), _) => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&error.body());
                out.extend_from_slice(b"\n\n");
                out.extend_from_slice(sse::DONE);
                return Flow::End;
            }
            (Step::Pieces(_) | Step::End, None) => {}
        }
        Flow::More
    }
}

/// What a remote decoder is told, where one was asked for.
pub(crate) const TRANSFER_PARAMS: &str = r#"{"do_remote_decode":false,"do_remote_prefill":true,"remote_engine_id":"DUMMY_ID","remote_block_ids":["DUMMY_ID"],"remote_host":"DUMMY","remote_port":1234,"tp_size":1}"#;

/// Writes `"kv_transfer_params":…,` where a part was filled in for a remote decoder.
pub(crate) fn transfer_params(parts: &[Part], out: &mut Vec<u8>) {
    if parts.iter().any(|part| part.answer.finish == Finish::RemoteDecode) {
        out.extend_from_slice(b"\"kv_transfer_params\":");
        out.extend_from_slice(TRANSFER_PARAMS.as_bytes());
        out.push(b',');
    }
}

/// Writes the `usage` object of completions.
pub(crate) fn write_usage<'p>(parts: impl IntoIterator<Item = &'p Part> + Clone, out: &mut Vec<u8>) {
    let Usage { input, output } = usage(parts.clone());
    let missed = parts.into_iter().any(|part| part.answer.finish == Finish::CacheThreshold);
    let details = if missed { "null" } else { r#"{"cached_tokens":0}"# };
    json::write(
        out,
        format_args!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{},"prompt_tokens_details":{details}}}"#,
            input + output
        ),
    );
}

/// The made-up probability of the token at a position.
pub(crate) fn logprob(position: i64) -> f64 {
    // In hundredths, so that no rounding shows.
    match position.rem_euclid(3) {
        0 => -1.0,
        1 => -1.1,
        _ => -1.2,
    }
}
