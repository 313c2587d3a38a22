//! Connects hyper's client to the lab's network.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::net::{Net, Stream};
use crate::topology::Authority;

/// Opens connections for hyper's client through [`Net`].
#[derive(Clone)]
pub struct Connector {
    net: Net,
    timeout: Option<Duration>,
}

/// A pooling client over the lab's network.
pub type HttpClient<B> = Client<Connector, B>;

impl Connector {
    /// Connects through `net`.
    #[must_use]
    pub fn new(net: Net) -> Self {
        Self { net, timeout: None }
    }

    /// Gives up connecting after `timeout`, with [`io::ErrorKind::TimedOut`].
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// A pooling HTTP/1.1 client whose idle connections age by the lab's clock.
    #[must_use]
    pub fn client<B>(self) -> HttpClient<B>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
    {
        Builder::new(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(self)
    }

    /// The same for servers that speak HTTP/2 without TLS (h2c), and nothing else.
    #[must_use]
    pub fn client_of_h2c<B>(self) -> HttpClient<B>
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
    {
        Builder::new(TokioExecutor::new()).pool_timer(TokioTimer::new()).http2_only(true).build(self)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { net, timeout } = self.clone();
        Box::pin(async move {
            let host =
                uri.host().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the address has no host"))?;
            let authority = Authority::new(host, uri.port_u16().unwrap_or(80));
            let connected = net.connect(&authority);
            let stream = match timeout {
                None => connected.await,
                Some(timeout) => match tokio::time::timeout(timeout, connected).await {
                    Ok(connected) => connected,
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                },
            };
            stream.map(TokioIo::new)
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
