//! Serves HTTP/1.1 on a listener: every server of the lab goes through here. Those that are asked to speak
//! HTTP/2 with prior knowledge (h2c) as well (`either`).
//!
//! Unlike `axum::serve` it leaves out the `Date` header of the system's clock, hands a handler the
//! means to reset its connection, and can drain. A head that takes too long ends with 408, or, where HTTP/2 is spoken
//! as well, with the connection (`head`).

mod either;
mod head;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, watch};

use head::{Answer, Exchange, Watched};

use super::net::{Breaker, Listener, Stream, Wrapper};

/// A running server. Dropping it leaves it running; it ends with its runtime or when told to.
#[derive(Clone)]
pub struct Server {
    state: Arc<State>,
}

struct State {
    stop: watch::Sender<Stop>,
    /// Whether it still listens.
    listens: AtomicBool,
    open: AtomicUsize,
    idle: Notify,
}

/// Where the ports of clients in memory begin, and how many there are.
const FIRST_PORT: u16 = 40_000;
const LAST_PORT: u16 = 20_000;
/// How long a client may take to agree on encryption.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// Accept no more; let the requests under way end.
    Drain,
    /// Break everything off.
    Now,
}

/// The client's address, in the extensions of every request: the real one over TCP, and in memory a
/// loopback address whose port counts the server's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// The same as text, which every request of the connection shows.
    pub text: Arc<str>,
}

/// Serves every connection of `listener` with `handler` until told to stop.
///
/// The handler finds a [`Breaker`] of its connection and a [`Peer`] in the request's extensions.
pub fn serve<H, F, B>(listener: Listener, handler: H) -> Server
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_all(listener, Speaks::Http1, handler)
}

/// As [`serve`], and HTTP/2 to clients that begin with it; but a handler cannot reset its connection.
pub fn serve_with_h2c<H, F, B>(listener: Listener, handler: H) -> Server
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_all(listener, Speaks::Http1AndH2c, handler)
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http1AndH2c,
}

fn serve_all<H, F, B>(mut listener: Listener, speaks: Speaks, handler: H) -> Server
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (stop, mut stopped) = watch::channel(Stop::No);
    let server = Server {
        state: Arc::new(State { stop, listens: AtomicBool::new(true), open: AtomicUsize::new(0), idle: Notify::new() }),
    };
    let state = server.state.clone();
    let (wrapper, lanes) = (listener.wrapper(), listener.lanes());
    tokio::spawn(async move {
        let mut port = 0u16;
        loop {
            let accepted = futures_util::select_biased! {
                _ = futures_util::FutureExt::fuse(Box::pin(stopped.wait_for(|stop| *stop != Stop::No))) => break,
                accepted = futures_util::FutureExt::fuse(Box::pin(listener.accept())) => accepted,
            };
            match accepted {
                Ok(stream) => {
                    state.open.fetch_add(1, Ordering::Relaxed);
                    port = port % LAST_PORT + 1;
                    let peer = Peer::new(stream.peer(), FIRST_PORT + port);
                    let (wrapper, handler, state) = (wrapper.clone(), handler.clone(), state.clone());
                    let is_moved = lanes.is_some();
                    let task = async move {
                        if let Some(stream) = ready(stream, is_moved, wrapper).await {
                            match speaks {
                                Speaks::Http1 => connection(stream, peer, handler, &state).await,
                                Speaks::Http1AndH2c => either::connection(stream, peer, handler, &state).await,
                            }
                        }
                        leave(&state);
                    };
                    match &lanes {
                        None => drop(tokio::spawn(task)),
                        Some(lanes) => lanes.spawn(task),
                    }
                }
                // Out of file descriptors or the like: let others finish first.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
        drop(listener);
        state.listens.store(false, Ordering::Release);
        state.idle.notify_waiters();
    });
    server
}

impl Peer {
    /// A client at this address, or in memory at this port.
    fn new(address: Option<SocketAddr>, port: u16) -> Self {
        let address = address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
        Self { address, text: address.to_string().into() }
    }
}

impl Server {
    /// Accepts no more connections, and returns once it listens no more and the requests under way have
    /// ended.
    pub async fn drain(&self) {
        self.state.stop.send_replace(Stop::Drain);
        loop {
            let idle = self.state.idle.notified();
            if !self.state.listens.load(Ordering::Acquire) && self.state.open.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Breaks off everything.
    pub fn stop(&self) {
        self.state.stop.send_replace(Stop::Now);
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }
}

/// The connection on the thread that serves it, with what goes around it; none where the client does not keep
/// to that.
async fn ready(stream: Stream, is_moved: bool, wrapper: Option<Arc<dyn Wrapper>>) -> Option<Stream> {
    let stream = if is_moved { stream.moved_here().ok()? } else { stream };
    match wrapper {
        None => Some(stream),
        Some(wrapper) => tokio::time::timeout(HANDSHAKE, wrapper.wrap(stream)).await.ok()?.ok(),
    }
}

async fn connection<H, F, B>(stream: Stream, peer: Peer, handler: H, state: &State)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let breaker = stream.breaker();
    let exchange = Arc::<Exchange>::default();
    let (of_requests, requests) = (breaker.clone(), exchange.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let under_way = requests.begin();
        request.extensions_mut().insert(of_requests.clone());
        request.extensions_mut().insert(peer.clone());
        let response = handler(request);
        async move { Ok::<_, Infallible>(response.await.map(|body| Answer::new(body, under_way))) }
    });
    let mut served = hyper::server::conn::http1::Builder::new()
        .auto_date_header(false)
        // Hyper's would close connections that rest.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(Watched::new(stream, exchange.clone())), service);
    let mut stopped = state.stop.subscribe();
    let mut draining = false;
    loop {
        let mut pinned = std::pin::Pin::new(&mut served);
        let next = tokio_select(&mut pinned, &mut stopped, &breaker, &exchange, draining).await;
        match next {
            Next::Ended | Next::Stop => break,
            Next::Drain => {
                draining = true;
                pinned.as_mut().graceful_shutdown();
            }
            Next::Reset => {
                served.into_parts().io.into_inner().into_stream().reset();
                return;
            }
            Next::Slow => return served.into_parts().io.into_inner().dismiss().await,
        }
    }
}

fn leave(state: &State) {
    if state.open.fetch_sub(1, Ordering::AcqRel) == 1 {
        state.idle.notify_waiters();
    }
}

enum Next {
    Ended,
    Drain,
    Stop,
    Reset,
    Slow,
}

async fn tokio_select<C: Future + Unpin>(
    connection: &mut C,
    stopped: &mut watch::Receiver<Stop>,
    breaker: &Breaker,
    exchange: &Exchange,
    draining: bool,
) -> Next {
    use futures_util::FutureExt as _;
    let broken = async {
        match breaker {
            Breaker::Tcp(notify) => notify.notified().await,
            Breaker::Memory(_) => std::future::pending().await,
        }
    };
    let told = async {
        let told = stopped.wait_for(|stop| *stop == Stop::Now || (*stop == Stop::Drain && !draining)).await;
        told.map_or(Next::Stop, |stop| if *stop == Stop::Drain { Next::Drain } else { Next::Stop })
    };
    futures_util::select_biased! {
        () = Box::pin(broken).fuse() => Next::Reset,
        next = Box::pin(told).fuse() => next,
        _ = connection.fuse() => Next::Ended,
        () = Box::pin(exchange.head_is_late()).fuse() => Next::Slow,
    }
}

#[cfg(test)]
mod tests;
