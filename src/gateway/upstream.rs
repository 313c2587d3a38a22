//! The last layer: one HTTP exchange with a provider, over connections that are kept.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::error::Error;
use crate::event::Outcome;
use crate::topology::Authority;
use crate::world::{Net, Stream};

/// Calls providers.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
}

/// Connects through the lab's network.
#[derive(Clone)]
struct Connector {
    net: Net,
}

impl Upstream {
    /// A caller on this network.
    pub(crate) fn new(net: Net) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(Connector { net });
        Self { client }
    }

    /// Sends a request and waits for the response's head. Dropping the future breaks it off.
    ///
    /// # Errors
    /// [`Error::Unresolved`] or [`Error::Call`].
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.client.request(request).await.map_err(|error| call_error(&error))
    }
}

fn call_error(error: &legacy::Error) -> Error {
    let phase = if error.is_connect() { "Connect" } else { "SendRequest" };
    let io = io_cause(error);
    let outcome = match (error.is_connect(), io.map(io::Error::kind)) {
        (true, Some(io::ErrorKind::NotFound)) => return Error::Unresolved,
        (true, Some(io::ErrorKind::ConnectionRefused)) => Outcome::Refused,
        (true, _) => Outcome::Failed,
        // Whatever breaks a connection before the head: a reset, or an end too early.
        (false, _) => Outcome::Reset,
    };
    let cause = match (error.is_connect(), io, error.source()) {
        (true, Some(io), _) => io_text(io),
        (_, _, Some(source)) => source.to_string(),
        (_, _, None) => error.to_string(),
    };
    Error::Call { text: format!("{phase}: {cause}"), outcome }
}

fn io_cause(error: &legacy::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref() {
            return Some(io);
        }
        source = cause.source();
    }
    None
}

/// The text of the system's error, so that it is the same in memory and over TCP.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "Connection refused (os error 111)".to_owned(),
        io::ErrorKind::ConnectionReset => "Connection reset by peer (os error 104)".to_owned(),
        io::ErrorKind::TimedOut => "Connection timed out (os error 110)".to_owned(),
        _ => error.to_string(),
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
        let net = self.net.clone();
        Box::pin(async move {
            let host = uri.host().ok_or(io::ErrorKind::InvalidInput)?;
            let to = Authority::new(host, uri.port_u16().unwrap_or(80));
            net.connect(&to).await.map(TokioIo::new)
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
