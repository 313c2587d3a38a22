//! Who answers: simulated LLM servers, each of which a real client cannot tell from its original.
//!
//! A simulator reads requests, answers them in the lab's time, and tells the event bus what it saw.
//! Chance comes from named streams of the seed, and every byte goes through [`crate::world`].

pub mod faults;
mod intake;
pub mod log;
pub mod openai;
pub mod sse;
pub mod tokens;
pub mod vllm;

use axum::Router;
use axum::body::Body;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use crate::world::Listener;
use crate::world::serve::Server;

/// Serves `router` on every connection of `listener` until told to stop.
#[must_use]
pub fn serve(listener: Listener, router: Router) -> Server {
    let service = TowerToHyperService::new(router);
    crate::world::serve::serve(listener, move |request| {
        let answer = service.call(request.map(Body::new));
        async move { answer.await.unwrap_or_else(|never| match never {}) }
    })
}
