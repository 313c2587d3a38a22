//! The body of a response: whole or live, and watched until its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::reply::Stream;
use super::witness::Witness;
use crate::sim::sse::Live;

/// The body of a response.
pub(crate) struct ReplyBody {
    kind: Kind,
    witness: Option<Witness>,
}

enum Kind {
    /// All of it is there, and whether its length is told.
    Whole(Option<Bytes>, bool),
    Live(Box<Live<Stream>>),
}

impl ReplyBody {
    pub(crate) fn whole(body: Bytes) -> Self {
        Self::of(Kind::Whole(Some(body).filter(|body| !body.is_empty()), true))
    }

    /// A whole body that is sent in chunks, as a stream is.
    pub(crate) fn chunked(body: Bytes) -> Self {
        Self::of(Kind::Whole(Some(body), false))
    }

    pub(crate) fn live(body: Live<Stream>) -> Self {
        Self::of(Kind::Live(Box::new(body)))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, witness: None }
    }

    /// The same body, whose end is told.
    pub(crate) fn watched_by(self, witness: Option<Witness>) -> Self {
        let mut body = Self { witness, ..self };
        body.note_end();
        body
    }

    /// Tells the end once it is reached.
    fn note_end(&mut self) {
        if !http_body::Body::is_end_stream(self) {
            return;
        }
        if let Some(mut witness) = self.witness.take() {
            if let Kind::Live(live) = &self.kind {
                witness.usage(live.encoder().usage());
            }
            witness.complete();
        }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let polled = match &mut this.kind {
            Kind::Whole(body, _) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Kind::Live(live) => Pin::new(live.as_mut()).poll_frame(context),
        };
        if polled.is_ready() {
            if let (Poll::Ready(Some(Ok(frame))), Some(witness)) = (&polled, &mut this.witness)
                && let Some(data) = frame.data_ref()
            {
                witness.sent(data);
            }
            this.note_end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(body, _) => body.is_none(),
            Kind::Live(live) => live.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(body, true) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            _ => SizeHint::default(),
        }
    }
}
