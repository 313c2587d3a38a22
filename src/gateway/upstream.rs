//! The last layer: one HTTP exchange with a provider, over connections that are kept.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper_util::client::legacy;

use super::error::Error;
use crate::event::Outcome;
use crate::topology::{Backend, Provider, Tls, Topology};
use crate::world::Net;
use crate::world::caller::{CallError, Caller, Reply};
use crate::world::connector::{Connector, HttpClient};

/// Calls providers.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client,
    /// Callers for providers that are reached in another way.
    own: Vec<(Way, Client)>,
}

/// Who keeps the connections.
#[derive(Clone)]
enum Client {
    /// HTTP/1.1 in the clear.
    Plain(Caller),
    /// HTTP/2, and TLS.
    Hyper(Box<HttpClient<Full<Bytes>>>),
}

/// How a provider is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// How long connecting may take, if it is said.
    pub(crate) connect_timeout: Option<Duration>,
    /// Whether in HTTP/2.
    pub(crate) h2c: bool,
    /// How TLS is spoken, if it is.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// How long connecting may take where nothing says so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Upstream {
    /// A caller on this network, for the providers of this topology.
    pub(crate) fn new(net: &Net, topology: &Topology) -> Self {
        let upstream = Self { client: client(net, &Way::default()), own: Vec::new() };
        upstream.also_for(net, topology)
    }

    /// The same caller, with the connections that it has, for the providers of this topology too.
    pub(crate) fn also_for(&self, net: &Net, topology: &Topology) -> Self {
        let mut upstream = self.clone();
        let ways = topology.backends.iter().flat_map(Backend::providers).map(|(_, provider)| Way::to(provider));
        for way in ways.filter(|way| *way != Way::default()) {
            if !upstream.own.iter().any(|(own, _)| *own == way) {
                let client = client(net, &way);
                upstream.own.push((way, client));
            }
        }
        upstream
    }

    /// Sends a request and waits for the response's head. Dropping the future breaks it off.
    ///
    /// # Errors
    /// [`Error::Unresolved`] or [`Error::Call`].
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>, way: &Way) -> Result<Response<Reply>, Error> {
        let own = self.own.iter().find(|(own, _)| own == way);
        let mut response = match own.map_or(&self.client, |(_, client)| client) {
            Client::Hyper(client) => {
                client.request(request).await.map_err(|error| legacy_error(&error))?.map(Reply::from)
            }
            Client::Plain(caller) => caller.call(request).await.map_err(|error| match error {
                CallError::Connect(error) => call_error(true, &error),
                CallError::Send(error) => call_error(false, &error),
            })?,
        };
        // In which protocol the client gets it is another matter.
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }
}

impl Way {
    /// How a provider is reached.
    pub(crate) fn to(provider: &Provider) -> Self {
        Self { connect_timeout: provider.connect_timeout, h2c: provider.h2c, tls: provider.tls.clone() }
    }
}

fn client(net: &Net, way: &Way) -> Client {
    let mut connector = Connector::new(net.clone()).within(way.connect_timeout.unwrap_or(CONNECT_TIMEOUT));
    if let Some(tls) = &way.tls {
        connector = connector.over(tls);
    }
    let in_the_clear = way.tls.is_none();
    match (in_the_clear, way.h2c) {
        (true, true) => Client::Hyper(Box::new(connector.client_of_h2c())),
        (true, false) if net.is_real() => Client::Plain(Caller::new(connector)),
        // Faults can strike a connection at any time.
        (true, false) => Client::Plain(Caller::new(connector).with_tasks()),
        (false, _) => Client::Hyper(Box::new(connector.client())),
    }
}

fn legacy_error(error: &legacy::Error) -> Error {
    call_error(error.is_connect(), error.source().unwrap_or(error))
}

fn call_error(is_connect: bool, cause: &(dyn std::error::Error + 'static)) -> Error {
    let phase = if is_connect { "Connect" } else { "SendRequest" };
    let io = io_cause(cause);
    let outcome = match (is_connect, io.map(io::Error::kind)) {
        (true, Some(io::ErrorKind::NotFound)) => return Error::Unresolved,
        (true, Some(io::ErrorKind::ConnectionRefused)) => Outcome::Refused,
        (true, Some(io::ErrorKind::TimedOut)) => Outcome::Timeout,
        (true, _) => Outcome::Failed,
        // Whatever breaks a connection before the head: a reset, or an end too early.
        (false, _) => Outcome::Reset,
    };
    let cause = io.filter(|_| is_connect).map_or_else(|| cause.to_string(), io_text);
    Error::Call { text: format!("{phase}: {cause}"), outcome }
}

/// The system's error in a chain of causes.
fn io_cause<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e io::Error> {
    std::iter::successors(Some(cause), |&cause| cause.source()).find_map(|cause| cause.downcast_ref())
}

/// The text of the system's error, so that it is the same in memory and over TCP.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "Connection refused (os error 111)".to_owned(),
        io::ErrorKind::ConnectionReset => "Connection reset by peer (os error 104)".to_owned(),
        io::ErrorKind::TimedOut => "deadline has elapsed".to_owned(),
        _ => error.to_string(),
    }
}
