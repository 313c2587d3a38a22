//! A connection in whichever protocol its client begins with: HTTP/1.1, or HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;

use super::head::{Answer, Exchange, Watched};
use super::{Peer, State, Stop};
use crate::world::net::Stream;

/// Serves a connection until it ends, a head takes too long, or the server is told to stop.
pub(super) async fn connection<H, F, B>(stream: Stream, peer: Peer, handler: H, state: &State)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let exchange = Arc::<Exchange>::default();
    let requests = exchange.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let under_way = requests.begin();
        request.extensions_mut().insert(peer.clone());
        let response = handler(request);
        async move { Ok::<_, Infallible>(response.await.map(|body| Answer::new(body, under_way))) }
    });
    let builder = builder();
    let mut served =
        std::pin::pin!(builder.serve_connection(TokioIo::new(Watched::new(stream, exchange.clone())), service));
    let mut stopped = state.stop.subscribe();
    let told = futures_util::select_biased! {
        stop = Box::pin(told(&mut stopped)).fuse() => stop,
        _ = served.as_mut().fuse() => return,
        () = Box::pin(exchange.head_is_late()).fuse() => return,
    };
    if told == Stop::Drain {
        served.as_mut().graceful_shutdown();
        futures_util::select_biased! {
            _ = Box::pin(stopped.wait_for(|stop| *stop == Stop::Now)).fuse() => {}
            _ = served.fuse() => {}
            () = Box::pin(exchange.head_is_late()).fuse() => {}
        }
    }
}

/// What the server is told.
async fn told(stopped: &mut watch::Receiver<Stop>) -> Stop {
    stopped.wait_for(|stop| *stop != Stop::No).await.map_or(Stop::Now, |stop| *stop)
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Hyper's would close connections that rest.
    builder.http1().auto_date_header(false).header_read_timeout(None);
    builder.http2().auto_date_header(false).timer(TokioTimer::new());
    builder
}
