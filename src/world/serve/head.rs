//! Notices a request whose head never ends, and lets a connection rest between requests as long as it likes.
//!
//! ```text
//! resting ─ a byte is read ─▶ head begun ─ the handler is asked ─▶ under way ─ its answer is over ─▶ resting
//!                                 └─ no handler for a while ─▶ too slow
//! ```
//!
//! In HTTP/2 only the words with which a connection begins count as such a head: after them come frames,
//! of which many belong to no request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use crate::world::net::Stream;

/// How long a head may take from its first byte on.
const TIME: Duration = Duration::from_secs(30);
/// How long the client may take to read that it was too slow.
const FAREWELL: Duration = Duration::from_secs(1);
/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Where the requests of a connection are.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    head_begun: AtomicBool,
    is_http2: AtomicBool,
    under_way: AtomicU32,
}

/// A request under way, until this is dropped.
pub(super) struct UnderWay(Arc<Exchange>);

/// A connection that tells when bytes of a request come.
pub(super) struct Watched {
    stream: Stream,
    exchange: Arc<Exchange>,
    /// How many of the first bytes are those with which HTTP/2 begins; none once they are of HTTP/1.1.
    in_preface: Option<usize>,
}

/// The body of an answer; once it is gone, the request is over.
pub(super) struct Answer<B> {
    body: B,
    _under_way: UnderWay,
}

impl Exchange {
    fn bytes_came(&self) {
        if self.under_way.load(Ordering::Relaxed) == 0 && !self.is_http2.load(Ordering::Relaxed) {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    /// The head is whole, and its request under way.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.head_begun.store(false, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Ends when a head has taken too long. To be polled after whatever reads.
    pub(super) async fn head_is_late(&self) {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        std::future::poll_fn(|context| {
            if !self.head_begun.load(Ordering::Relaxed) {
                timer = None;
                return Poll::Pending;
            }
            timer.get_or_insert_with(|| Box::pin(sleep(TIME))).as_mut().poll(context)
        })
        .await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watched {
    pub(super) fn new(stream: Stream, exchange: Arc<Exchange>) -> Self {
        Self { stream, exchange, in_preface: Some(0) }
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Learns from its first bytes whether a connection speaks HTTP/2.
    fn compare(&mut self, bytes: &[u8]) {
        let Some(matched) = self.in_preface else { return };
        let same = PREFACE[matched..].iter().zip(bytes).take_while(|(expected, byte)| expected == byte).count();
        let all = matched + same == PREFACE.len();
        if all {
            self.exchange.is_http2.store(true, Ordering::Relaxed);
            self.exchange.head_begun.store(false, Ordering::Relaxed);
        }
        self.in_preface = (!all && same == bytes.len()).then_some(matched + same);
    }

    /// Tells the client that it was too slow, and closes.
    pub(super) async fn dismiss(mut self) {
        let farewell = async {
            self.stream.write_all(TOO_SLOW).await?;
            self.stream.shutdown().await
        };
        // Who does not read it misses it.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, under_way: UnderWay) -> Self {
        Self { body, _under_way: under_way }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            this.compare(&buffer.filled()[before..]);
            this.exchange.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
