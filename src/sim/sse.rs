//! Server-sent events: how frames are written, and a body that is made while it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

/// The media type of a stream of events.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// The last event of a stream of chunks.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes `data: <json>` and the blank line that ends the event.
pub fn data(out: &mut Vec<u8>, json: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(b"data: ");
    // Neither writing to memory nor the values of this crate can fail.
    drop(serde_json::to_writer(&mut *out, json));
    out.extend_from_slice(b"\n\n");
}

/// Writes an event with a name: `event: <name>`, then its data.
pub fn event(out: &mut Vec<u8>, name: &str, json: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    data(out, json);
}

/// Turns what happens into bytes of a body.
pub trait Encode: Send + Unpin + 'static {
    /// What happens.
    type Item: Send;

    /// Appends the bytes of `item` to `out`, and says whether the body goes on after it.
    fn encode(&mut self, item: Self::Item, out: &mut Vec<u8>) -> Flow;
}

/// Whether a body goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More is to come.
    More,
    /// That was all.
    End,
}

/// A body whose parts come over a channel. It ends when its encoder says so, or when nobody is left to send.
#[derive(Debug)]
pub struct Live<E: Encode> {
    items: mpsc::UnboundedReceiver<E::Item>,
    encoder: E,
    ready: Vec<u8>,
    ended: bool,
}

impl<E: Encode> Live<E> {
    /// A body of what comes out of `items`.
    #[must_use]
    pub fn new(items: mpsc::UnboundedReceiver<E::Item>, encoder: E) -> Self {
        Self { items, encoder, ready: Vec::new(), ended: false }
    }

    /// The same body with `item` before the ones that come.
    #[must_use]
    pub fn beginning_with(mut self, item: E::Item) -> Self {
        self.ended |= self.encoder.encode(item, &mut self.ready) == Flow::End;
        self
    }

    /// What makes the bytes.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }
}

impl<E: Encode> http_body::Body for Live<E> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let mut out = std::mem::take(&mut this.ready);
        while !this.ended {
            match this.items.poll_recv(context) {
                Poll::Ready(Some(item)) => this.ended = this.encoder.encode(item, &mut out) == Flow::End,
                Poll::Ready(None) => this.ended = true,
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready((!out.is_empty()).then(|| Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ready.is_empty()
    }
}

/// Sends bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verbatim;

impl Encode for Verbatim {
    type Item = Bytes;

    fn encode(&mut self, item: Bytes, out: &mut Vec<u8>) -> Flow {
        out.extend_from_slice(&item);
        Flow::More
    }
}

/// A body, and the sender that fills it; the body ends when the sender is dropped.
#[must_use]
pub fn channel() -> (mpsc::UnboundedSender<Bytes>, Live<Verbatim>) {
    let (sender, items) = mpsc::unbounded_channel();
    (sender, Live::new(items, Verbatim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[test]
    fn frames_are_written_as_clients_read_them() {
        let mut out = Vec::new();
        data(&mut out, &serde_json::json!({"a": 1}));
        event(&mut out, "ping", &serde_json::json!({"type": "ping"}));
        out.extend_from_slice(DONE);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "data: {\"a\":1}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\ndata: [DONE]\n\n");
    }

    #[tokio::test]
    async fn a_body_ends_with_its_sender_and_loses_nothing() {
        let (sender, body) = channel();
        let reading = tokio::spawn(async move { body.collect().await.unwrap().to_bytes() });
        for part in ["data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"] {
            sender.send(part.into()).unwrap();
            tokio::task::yield_now().await;
        }
        drop(sender);
        assert_eq!(reading.await.unwrap(), "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
    }
}
