//! The body of a response on its way to the client. When it ends, the response is accounted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::broken::Warped;
use super::encoding::Decoded;
use super::exchange::Exchange;
use super::tap::Tap;
use crate::event::Outcome;
use crate::world::caller::Reply;

/// The body of a response: whole, or passed through as it comes from upstream.
pub struct Body {
    source: Source,
    exchange: Option<Box<Exchange>>,
}

/// Where a body comes from.
pub(crate) enum Source {
    /// It is here; none once it is given out.
    Whole(Option<Bytes>),
    /// It comes from upstream; a tap reads along where it is a stream of events.
    Upstream(Reply, Option<Box<Tap>>),
    /// It comes from upstream compressed, a stream of events, and goes on in the clear.
    Decoded(Box<Decoded>),
    /// It comes from upstream, and something happens to it on the way.
    Warped(Box<Warped>),
    /// It breaks at once.
    Gone,
}

impl Source {
    /// How much of a stream is kept, besides what is on its way to the client.
    fn held(&self) -> Option<usize> {
        match self {
            Self::Upstream(_, tap) => tap.as_ref().map(|tap| tap.held()),
            Self::Decoded(decoded) => Some(decoded.held()),
            Self::Warped(warped) => Some(warped.held()),
            Self::Whole(_) | Self::Gone => None,
        }
    }

    /// Whether it is a stream of events that is read along.
    fn is_stream(&self) -> bool {
        matches!(self, Self::Upstream(_, Some(_)) | Self::Decoded(_) | Self::Warped(_))
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Body {
    /// A body that closes its exchange when it ends, in whatever way.
    pub(crate) fn new(source: Source, exchange: Box<Exchange>) -> Self {
        let mut body = Self { source, exchange: Some(exchange) };
        if body.is_end_stream() {
            body.close(Outcome::Complete);
        }
        body
    }

    /// A body that breaks at once, for a request that nobody knows of.
    pub(crate) fn gone() -> Self {
        Self { source: Source::Gone, exchange: None }
    }

    fn close(&mut self, outcome: Outcome) {
        let Some(mut exchange) = self.exchange.take() else { return };
        let mut outcome = outcome;
        let tap = match &mut self.source {
            Source::Upstream(_, tap) => tap.as_mut(),
            Source::Decoded(decoded) => Some(&mut decoded.tap),
            Source::Warped(warped) => Some(&mut warped.tap),
            Source::Whole(_) | Source::Gone => None,
        };
        if let Some(tap) = tap {
            tap.end();
            exchange.learn(tap.model.take(), tap.usage);
            exchange.facts().details = tap.details;
            if outcome == Outcome::Complete && !tap.done {
                outcome = Outcome::Truncated;
            }
        }
        exchange.close(outcome);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = match &mut this.source {
            Source::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Source::Upstream(incoming, tap) => {
                let frame = ready!(Pin::new(incoming).poll_frame(context));
                if let (Some(Ok(frame)), Some(tap)) = (&frame, tap)
                    && let Some(data) = frame.data_ref()
                {
                    tap.read(data);
                }
                frame.map(|frame| frame.map_err(BoxError::from))
            }
            Source::Decoded(decoded) => ready!(decoded.poll_piece(context)).map(|frame| frame.map_err(BoxError::from)),
            Source::Warped(warped) => ready!(warped.poll_piece(context)).map(|frame| frame.map_err(BoxError::from)),
            Source::Gone => Some(Err("gone".into())),
        };
        if let Some(Ok(frame)) = &frame
            && let (Some(data), Some(exchange)) = (frame.data_ref(), &mut this.exchange)
        {
            if let Some(held) = this.source.held() {
                exchange.held(held + data.len());
            }
            exchange.sent(data, this.source.is_stream());
        }
        match &frame {
            Some(Err(_)) => this.close(Outcome::Cut),
            None => this.close(Outcome::Complete),
            // The last bytes leave: accounted before the client can see them and ask again.
            Some(Ok(_)) if this.is_end_stream() => this.close(Outcome::Complete),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Source::Upstream(incoming, _) => incoming.is_end_stream(),
            Source::Warped(warped) => warped.is_over(),
            Source::Decoded(_) | Source::Gone => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Upstream(incoming, _) => incoming.size_hint(),
            Source::Decoded(_) | Source::Warped(_) | Source::Gone => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    /// Dropped before its end: the client has left in the middle.
    fn drop(&mut self) {
        self.close(Outcome::Cancelled);
    }
}
