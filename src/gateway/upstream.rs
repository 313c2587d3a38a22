//! The last layer: one HTTP exchange with a provider, over connections that are kept.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;

use super::error::Error;
use crate::event::Outcome;
use crate::topology::{Backend, Provider, Topology};
use crate::world::Net;
use crate::world::connector::{Connector, HttpClient};

/// Calls providers.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: HttpClient<Full<Bytes>>,
    /// Callers for providers that are reached in another way.
    own: BTreeMap<Way, HttpClient<Full<Bytes>>>,
}

/// How a provider is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    /// How long connecting may take, if it is said.
    pub(crate) connect_timeout: Option<Duration>,
    /// Whether in HTTP/2.
    pub(crate) h2c: bool,
}

/// How long connecting may take where nothing says so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Upstream {
    /// A caller on this network, for the providers of this topology.
    pub(crate) fn new(net: &Net, topology: &Topology) -> Self {
        let upstream = Self { client: client(net, Way::default()), own: BTreeMap::new() };
        upstream.also_for(net, topology)
    }

    /// The same caller, with the connections that it has, for the providers of this topology too.
    pub(crate) fn also_for(&self, net: &Net, topology: &Topology) -> Self {
        let mut upstream = self.clone();
        let ways = topology.backends.iter().flat_map(Backend::providers).map(|(_, provider)| Way::to(provider));
        for way in ways.filter(|way| *way != Way::default()) {
            upstream.own.entry(way).or_insert_with(|| client(net, way));
        }
        upstream
    }

    /// Sends a request and waits for the response's head. Dropping the future breaks it off.
    ///
    /// # Errors
    /// [`Error::Unresolved`] or [`Error::Call`].
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>, way: Way) -> Result<Response<Incoming>, Error> {
        let client = self.own.get(&way).unwrap_or(&self.client);
        let mut response = client.request(request).await.map_err(|error| call_error(&error))?;
        // In which protocol the client gets it is another matter.
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }
}

impl Way {
    /// How a provider is reached.
    pub(crate) fn to(provider: &Provider) -> Self {
        Self { connect_timeout: provider.connect_timeout, h2c: provider.h2c }
    }
}

fn client(net: &Net, way: Way) -> HttpClient<Full<Bytes>> {
    let connector = Connector::new(net.clone()).within(way.connect_timeout.unwrap_or(CONNECT_TIMEOUT));
    if way.h2c { connector.client_of_h2c() } else { connector.client() }
}

fn call_error(error: &legacy::Error) -> Error {
    let phase = if error.is_connect() { "Connect" } else { "SendRequest" };
    let io = io_cause(error);
    let outcome = match (error.is_connect(), io.map(io::Error::kind)) {
        (true, Some(io::ErrorKind::NotFound)) => return Error::Unresolved,
        (true, Some(io::ErrorKind::ConnectionRefused)) => Outcome::Refused,
        (true, Some(io::ErrorKind::TimedOut)) => Outcome::Timeout,
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
        io::ErrorKind::TimedOut => "deadline has elapsed".to_owned(),
        _ => error.to_string(),
    }
}
