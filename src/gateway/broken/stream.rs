//! Bugs of streams: a body that does something to the pieces that pass through it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::super::tap::Tap;
use super::{Broken, lock};
use crate::topology::Bug;
use crate::world::caller::Reply;

/// The event that ends a stream.
const DONE: &[u8] = b"data: [DONE]\n\n";
/// The piece that something happens to, from 0.
const STRUCK: u64 = 2;

/// Whether a bug is one of streams.
pub(super) fn concerns(bug: Bug) -> bool {
    matches!(
        bug,
        Bug::TruncatedAsWhole
            | Bug::LosesDone
            | Bug::RepeatsToken
            | Bug::RepeatsFirst
            | Bug::LosesToken
            | Bug::SwapsTokens
            | Bug::CrossTalk
            | Bug::HoldsStreams
            | Bug::KeepsLines
            | Bug::WorksOn
    )
}

/// A stream's body with a bug.
pub(crate) struct Warped {
    broken: Broken,
    bug: Bug,
    /// Tells this stream from others.
    id: u64,
    /// None once it is over.
    incoming: Option<Reply>,
    pub(crate) tap: Box<Tap>,
    pieces: u64,
    ready: VecDeque<Bytes>,
    held: VecDeque<Bytes>,
}

impl Warped {
    pub(super) fn new(broken: Broken, bug: Bug, incoming: Reply, tap: Box<Tap>) -> Self {
        let id = broken.shared().map_or(0, |shared| shared.counter.fetch_add(1, Ordering::Relaxed));
        let incoming = Some(incoming);
        Self { broken, bug, id, incoming, tap, pieces: 0, ready: VecDeque::new(), held: VecDeque::new() }
    }

    /// The next piece for the client.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
            match ready!(Pin::new(incoming).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.tap.read(&piece);
                        self.take(piece);
                    }
                }
                Some(Err(error)) if self.bug != Bug::TruncatedAsWhole => {
                    self.incoming = None;
                    return Poll::Ready(Some(Err(error)));
                }
                _ => self.end(),
            }
        }
    }

    /// Bytes that are kept.
    pub(crate) fn held(&self) -> usize {
        self.tap.held() + self.ready.iter().chain(&self.held).map(Bytes::len).sum::<usize>()
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.incoming.is_none() && self.ready.is_empty()
    }

    /// A piece has come from the provider.
    fn take(&mut self, piece: Bytes) {
        let number = self.pieces;
        self.pieces += 1;
        let struck = number == STRUCK;
        match self.bug {
            Bug::RepeatsToken if struck => self.ready.extend([piece.clone(), piece]),
            Bug::RepeatsFirst if number == 0 => self.ready.extend([piece.clone(), piece]),
            Bug::LosesToken if struck => {}
            Bug::SwapsTokens if struck => self.held.push_back(piece),
            Bug::SwapsTokens => {
                self.ready.push_back(piece);
                self.ready.append(&mut self.held);
            }
            Bug::CrossTalk => self.exchange(piece, struck),
            Bug::HoldsStreams => self.held.push_back(piece),
            Bug::KeepsLines => {
                let ends = piece.ends_with(b"\n");
                self.held.push_back(piece);
                if ends {
                    self.ready.append(&mut self.held);
                }
            }
            Bug::LosesDone => {
                let kept = piece.strip_suffix(DONE).map_or_else(|| piece.clone(), Bytes::copy_from_slice);
                self.ready.extend(Some(kept).filter(|kept| !kept.is_empty()));
            }
            _ => self.ready.push_back(piece),
        }
    }

    /// Sends somebody else's piece in place of this one, if there is one.
    fn exchange(&mut self, piece: Bytes, struck: bool) {
        let Some(shared) = self.broken.shared() else { return };
        let mut last = lock(&shared.piece);
        let other = last.replace((self.id, piece.clone())).filter(|(id, _)| *id != self.id && struck);
        self.ready.push_back(other.map_or(piece, |(_, other)| other));
    }

    /// The provider has nothing more.
    fn end(&mut self) {
        self.incoming = None;
        self.ready.append(&mut self.held);
        if self.bug == Bug::TruncatedAsWhole && !self.tap.done {
            self.ready.push_back(Bytes::from_static(DONE));
        }
    }
}

impl Drop for Warped {
    /// Reads on, though nobody is there.
    fn drop(&mut self) {
        let Some(mut incoming) = self.incoming.take().filter(|_| self.bug == Bug::WorksOn) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { while let Some(Ok(_)) = incoming.frame().await {} });
        }
    }
}
