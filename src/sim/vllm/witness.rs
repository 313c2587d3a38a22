//! Tells the event bus what a simulator saw of a request, whatever becomes of it.

use http::HeaderMap;

use crate::event::facts::{hop_by_hop, request_id};
use crate::event::{Digest, Kind, Outcome, Usage};
use crate::world::World;

/// Watches one request. When it is dropped, the request is over: cancelled, unless it was said to be complete.
pub(crate) struct Witness {
    world: World,
    request: Option<String>,
    attempt: u32,
    host: String,
    status: u16,
    outcome: Outcome,
    injected: Option<&'static str>,
    usage: Option<Usage>,
    digest: Digest,
}

/// What is known of a request once it is read.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'s> {
    pub(crate) headers: &'s HeaderMap,
    pub(crate) path: &'s str,
    pub(crate) model: Option<&'s str>,
    pub(crate) stream: bool,
}

impl Witness {
    /// Tells that a request was read; none where nobody listens.
    pub(crate) fn begin(world: &World, host: &str, seen: Seen<'_>) -> Option<Self> {
        if !world.bus.is_heard() {
            return None;
        }
        let text = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
        let request = request_id(seen.headers).map(|id| world.credentials.scrub(id));
        let attempt = text("x-retry-attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
        world.bus.emit(Kind::ProviderRequestReceived {
            request: request.clone(),
            attempt,
            host: host.to_owned(),
            path: world.credentials.scrub(seen.path),
            model: seen.model.map(|model| world.credentials.scrub(model)),
            stream: seen.stream,
            credential: world.credentials.of(seen.headers),
            hop_by_hop: hop_by_hop(seen.headers),
        });
        Some(Self {
            world: world.clone(),
            request,
            attempt,
            host: host.to_owned(),
            status: 0,
            outcome: Outcome::Cancelled,
            injected: None,
            usage: None,
            digest: Digest::default(),
        })
    }

    /// The failure that the request gets.
    pub(crate) fn injected(&mut self, failure: &'static str) {
        self.injected = Some(failure);
    }

    /// The head of the response is on its way.
    pub(crate) fn status(&mut self, status: u16) {
        self.status = status;
    }

    /// Bytes of the body are handed over.
    pub(crate) fn sent(&mut self, data: &[u8]) {
        self.digest.take_answer(data);
    }

    /// Tokens of the answer, as far as they are known.
    pub(crate) fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The response was handed over whole.
    pub(crate) fn complete(&mut self) {
        self.outcome = Outcome::Complete;
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.world.bus.emit(Kind::ProviderRequestEnded {
            request: self.request.take(),
            attempt: self.attempt,
            host: std::mem::take(&mut self.host),
            status: self.status,
            outcome: self.outcome,
            injected: self.injected.map(str::to_owned),
            usage: self.usage,
            digest: Some(self.digest),
        });
    }
}
