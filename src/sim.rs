//! Who answers: the simulators.

pub mod openai;
pub mod vllm;

use tower_service::Service as _;

use crate::world::Listener;
use crate::world::serve::Server;

/// stub
pub fn serve(listener: Listener, router: axum::Router) -> Server {
    crate::world::serve::serve(listener, move |req| {
        let mut r = router.clone();
        async move { r.call(req.map(axum::body::Body::new)).await.unwrap_or_else(|n| match n {}) }
    })
}
