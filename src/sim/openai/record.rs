//! Tells the lab what the fake saw of a request.

use http::HeaderMap;
use serde_json::Value as Json;

use crate::event::facts::{hop_by_hop, request_id};
use crate::event::{Digest, Kind, Outcome, Usage};
use crate::world::World;

/// The host that events name.
pub const HOST: &str = "api.openai.com";

/// A request under way. Its end is told once: when the response's last byte is handed over, or, if
/// that never happens, when this is dropped.
pub(crate) struct Record {
    world: World,
    request: Option<String>,
    attempt: u32,
    status: u16,
    usage: Option<Usage>,
    digest: Digest,
    open: bool,
}

impl Record {
    /// Tells that a request was read; nothing if nobody listens.
    pub(crate) fn received(world: &World, headers: &HeaderMap, path: &str, body: Option<&Json>) -> Option<Self> {
        if !world.bus.is_heard() {
            return None;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let request = request_id(headers).map(str::to_owned);
        let attempt = text("x-retry-attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
        let field = |name: &str| body.and_then(|body| body.get(name));
        world.bus.emit(Kind::ProviderRequestReceived {
            request: request.clone(),
            attempt,
            host: HOST.to_owned(),
            path: world.credentials.scrub(path),
            model: field("model").and_then(Json::as_str).map(|model| world.credentials.scrub(model)),
            stream: field("stream").and_then(Json::as_bool).unwrap_or(false),
            credential: world.credentials.of(headers),
            hop_by_hop: hop_by_hop(headers),
        });
        Some(Self {
            world: world.clone(),
            request,
            attempt,
            status: 0,
            usage: None,
            digest: Digest::default(),
            open: true,
        })
    }

    /// Notes what is being answered. Without it, nothing was: the status stays 0.
    pub(crate) fn answering(&mut self, status: u16, usage: Option<Usage>) {
        self.status = status;
        self.usage = usage;
    }

    /// Bytes of the body are handed over.
    pub(crate) fn sent(&mut self, data: &[u8]) {
        self.digest.take_answer(data);
    }

    /// Tells that the request is over.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.world.bus.emit(Kind::ProviderRequestEnded {
            request: self.request.clone(),
            attempt: self.attempt,
            host: HOST.to_owned(),
            status: self.status,
            outcome,
            injected: None,
            usage: self.usage,
            digest: Some(self.digest),
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}
