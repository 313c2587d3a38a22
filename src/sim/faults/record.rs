//! Tells the lab of an answer that a fault gave in a simulator's place.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Method;
use http_body::{Body, Frame, SizeHint};

use super::request::{Incoming, Shown};
use crate::event::{Kind, Outcome};
use crate::world::World;

/// A request that a fault answers. Its end is told once: when its last byte is handed over, or, if
/// that never happens, when this is dropped.
pub(super) struct Record {
    /// None once it was told, or where there is nothing to tell.
    world: Option<World>,
    host: String,
    request: Option<String>,
    attempt: u32,
    status: u16,
    fault: &'static str,
}

impl Record {
    /// Tells that a request was read; like the simulators, of questions only.
    pub(super) fn received(world: &World, host: &str, incoming: &Incoming, status: u16, fault: &'static str) -> Self {
        let Shown { request, attempt, model, stream, .. } = incoming.shown();
        let request = request.map(|id| world.credentials.scrub(&id));
        let tells = incoming.head.method == Method::POST;
        if tells {
            let path = incoming.head.uri.path_and_query().map_or("/", |path| path.as_str());
            world.bus.emit(Kind::ProviderRequestReceived {
                request: request.clone(),
                attempt,
                host: host.to_owned(),
                path: world.credentials.scrub(path),
                model: model.map(|model| world.credentials.scrub(&model)),
                stream,
                credential: world.credentials.of(&incoming.head.headers),
                hop_by_hop: crate::event::facts::hop_by_hop(&incoming.head.headers),
            });
        }
        Self { world: tells.then(|| world.clone()), host: host.to_owned(), request, attempt, status, fault }
    }

    /// The body of the answer.
    pub(super) fn body(mut self, data: Bytes) -> Answered {
        if data.is_empty() {
            self.end(Outcome::Complete);
        }
        Answered { data: Some(data).filter(|data| !data.is_empty()), record: self }
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(world) = self.world.take() else { return };
        world.bus.emit(Kind::ProviderRequestEnded {
            request: self.request.clone(),
            attempt: self.attempt,
            host: self.host.clone(),
            status: self.status,
            outcome,
            injected: Some(self.fault.to_owned()),
            usage: None,
            digest: None,
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

/// The body of a fault's answer.
pub(super) struct Answered {
    data: Option<Bytes>,
    record: Record,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(data) = self.data.take() else { return Poll::Ready(None) };
        self.record.end(Outcome::Complete);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
