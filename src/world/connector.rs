//! Connects hyper's client to the lab's network.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::net::{Net, Stream};
use super::secure::Secure;
use crate::topology::{Authority, Tls};

/// Opens connections for hyper's client through [`Net`].
#[derive(Clone)]
pub struct Connector {
    net: Net,
    timeout: Option<Duration>,
    /// For servers that are called by `https`; or why none can be.
    secure: Option<Result<Secure, String>>,
}

/// A pooling client over the lab's network.
pub type HttpClient<B> = Client<Connector, B>;

impl Connector {
    /// Connects through `net`.
    #[must_use]
    pub fn new(net: Net) -> Self {
        Self { net, timeout: None, secure: None }
    }

    /// Gives up connecting after `timeout`, with [`io::ErrorKind::TimedOut`].
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Shakes hands like this with servers that are called by `https`. The time for connecting holds for
    /// both.
    #[must_use]
    pub(crate) fn over(self, tls: &Tls) -> Self {
        Self { secure: Some(Secure::new(tls)), ..self }
    }

    /// Whom a request in the clear to this address is for.
    ///
    /// # Errors
    /// There is no host, or it is not to be called in the clear.
    pub(super) fn in_the_clear(uri: &Uri) -> io::Result<http::uri::Authority> {
        if is_secure(uri) { Err(no_tls()) } else { uri.authority().cloned().ok_or_else(no_host) }
    }

    /// How many threads call, each of which keeps connections of its own.
    pub(super) fn lanes(&self) -> usize {
        self.net.lanes()
    }

    /// Opens a connection in the clear.
    pub(super) async fn connect(&self, to: &http::uri::Authority) -> io::Result<Stream> {
        let to = Authority::new(to.host(), to.port_u16().unwrap_or(80));
        self.in_time(self.net.connect(&to)).await
    }

    async fn in_time<T>(&self, ready: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match self.timeout {
            None => ready.await,
            Some(timeout) => match tokio::time::timeout(timeout, ready).await {
                Ok(ready) => ready,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        }
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

/// Where a request to this address goes.
fn authority(uri: &Uri) -> io::Result<Authority> {
    let host = uri.host().ok_or_else(no_host)?;
    Ok(Authority::new(host, uri.port_u16().unwrap_or(if is_secure(uri) { 443 } else { 80 })))
}

fn is_secure(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

fn no_host() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the address has no host")
}

fn no_tls() -> io::Error {
    io::Error::other("TLS is not spoken here")
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.in_time(this.open(&uri)).await.map(TokioIo::new) })
    }
}

impl Connector {
    /// Opens a connection. One that is to be secure is, or there is none.
    async fn open(&self, uri: &Uri) -> io::Result<Stream> {
        let to = authority(uri)?;
        let secure = match (is_secure(uri), &self.secure) {
            (false, _) => return self.net.connect(&to).await,
            (true, Some(Ok(secure))) => secure,
            (true, Some(Err(why))) => return Err(io::Error::other(format!("TLS: {why}"))),
            (true, None) => return Err(no_tls()),
        };
        secure.shake_hands(&to.host, self.net.connect(&to).await?).await
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        if self.speaks_http2() { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}
