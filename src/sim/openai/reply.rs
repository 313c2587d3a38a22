//! Turns an answer into a response: its body, handed over piece by piece in its own time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use serde_json::Value as Json;
use tokio::time::{Instant, Sleep};

use super::error::indented;
use super::record::Record;
use crate::event::{Outcome, Usage};
use crate::sim::sse;

/// What the fake answers to a request that it accepts.
#[derive(Debug)]
pub(crate) struct Reply {
    /// How long it takes until the head is sent.
    pub(crate) after: Duration,
    pub(crate) content: Content,
    /// What the lab is told of its tokens.
    pub(crate) usage: Option<Usage>,
    /// Headers beside the usual ones.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// One JSON document.
    Whole(String),
    /// Server-sent events.
    Stream(Vec<Piece>),
}

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Time since the piece before it.
    pub(crate) gap: Duration,
    pub(crate) data: Bytes,
}

impl Piece {
    /// A server-sent event without a name.
    pub(crate) fn data(gap: Duration, json: &Json) -> Self {
        let mut data = Vec::new();
        sse::data(&mut data, json);
        Self { gap, data: data.into() }
    }

    /// A server-sent event with a name.
    pub(crate) fn event(gap: Duration, name: &str, json: &Json) -> Self {
        let mut data = Vec::new();
        sse::event(&mut data, name, json);
        Self { gap, data: data.into() }
    }

    /// What ends a stream.
    pub(crate) fn done() -> Self {
        Self { gap: Duration::ZERO, data: Bytes::from_static(sse::DONE) }
    }
}

impl Reply {
    pub(crate) fn whole(after: Duration, json: &Json, usage: Option<Usage>) -> Self {
        Self { after, content: Content::Whole(indented(json, "  ")), usage, headers: Vec::new() }
    }

    pub(crate) fn stream(after: Duration, pieces: Vec<Piece>, usage: Usage) -> Self {
        Self { after, content: Content::Stream(pieces), usage: Some(usage), headers: Vec::new() }
    }
}

/// A response body whose pieces come each at its time, whether or not they are read in time.
pub(crate) struct TimedBody {
    pieces: VecDeque<(Instant, Bytes)>,
    left: u64,
    is_whole: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    record: Option<Record>,
}

impl TimedBody {
    /// A body that is there at once.
    pub(crate) fn whole(data: Bytes, record: Option<Record>) -> Self {
        Self {
            left: data.len() as u64,
            pieces: VecDeque::from([(Instant::now(), data)]),
            is_whole: true,
            sleep: None,
            record,
        }
    }

    /// A body that starts now.
    pub(crate) fn stream(pieces: Vec<Piece>, record: Option<Record>) -> Self {
        let mut at = Instant::now();
        let timed = pieces.into_iter().map(|piece| {
            at += piece.gap;
            (at, piece.data)
        });
        Self { pieces: timed.collect(), left: 0, is_whole: false, sleep: None, record }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let Some((at, _)) = this.pieces.front() else { return Poll::Ready(None) };
        if *at > Instant::now() {
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(*at)));
            if sleep.deadline() != *at {
                sleep.as_mut().reset(*at);
            }
            std::task::ready!(sleep.as_mut().poll(context));
        }
        let data = this.pieces.pop_front().map(|(_, data)| data).unwrap_or_default();
        this.left = this.left.saturating_sub(data.len() as u64);
        if let Some(record) = &mut this.record {
            record.sent(&data);
            if this.pieces.is_empty() {
                record.end(Outcome::Complete);
            }
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_whole { SizeHint::with_exact(self.left) } else { SizeHint::default() }
    }
}

/// Letters that fill up a stream's event, so that its length tells little of the text's.
pub(crate) fn obfuscation(ids: &mut super::engine::Ids, length: usize) -> String {
    ids.alphanumeric("", 1 + 12_usize.wrapping_sub(length) % 16)
}
