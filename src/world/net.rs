//! The lab's network and its DNS: memory in a virtual run, loopback TCP in a real one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::lanes::Lanes;
use super::link::{LinkEnds, Linked, Links, NoConnection, Side};
use super::memory::{self, MemoryBreaker, MemoryStream};
use crate::topology::Authority;

/// How long a byte takes from host to host in memory.
pub const LINK_LATENCY: Duration = Duration::from_millis(1);

/// The network. Cheap to clone.
#[derive(Clone)]
pub struct Net {
    inner: Arc<Inner>,
    /// The host that connects; empty where it has no name.
    caller: Arc<str>,
}

struct Inner {
    transport: Transport,
    /// Whether hosts that are not of the lab are looked up and called as they are, without links.
    real: bool,
    names: Mutex<BTreeMap<Authority, Name>>,
    connections: AtomicU64,
    links: Arc<Links>,
    /// Threads for the connections that are accepted, where they are not the current runtime's.
    lanes: Option<Arc<Lanes>>,
}

enum Transport {
    Memory(Mutex<BTreeMap<Authority, mpsc::UnboundedSender<MemoryStream>>>),
    Tcp(Mutex<BTreeMap<Authority, SocketAddr>>),
}

/// What a DNS name leads to; several targets are taken in turn.
struct Name {
    targets: Vec<Authority>,
    next: usize,
}

/// Accepts connections to one authority.
pub struct Listener {
    authority: Authority,
    address: Option<SocketAddr>,
    source: Source,
    /// From whom connections come that nobody of the lab has made.
    outside: Option<Arc<str>>,
    wrapper: Option<Arc<dyn Wrapper>>,
    links: Arc<Links>,
    lanes: Option<Arc<Lanes>>,
}

enum Source {
    Memory(mpsc::UnboundedReceiver<MemoryStream>),
    Tcp(TcpListener),
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// In memory.
    Memory(MemoryStream),
    /// Loopback TCP.
    Tcp(TcpStream),
    /// Either, over a link that faults can act on.
    Linked(Box<Linked>),
    /// Any of these, with something around it: encryption.
    Wrapped(Box<dyn Wrapped>),
}

/// A connection with something around it.
pub trait Wrapped: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {
    /// What is inside.
    fn inner(&self) -> &Stream;

    /// What is inside, without what is around it.
    fn unwrap(self: Box<Self>) -> Stream;

    /// Whether both ends have agreed on HTTP/2.
    fn speaks_http2(&self) -> bool;
}

/// Puts something around connections that were accepted.
pub trait Wrapper: Send + Sync {
    /// Shakes hands over a connection.
    fn wrap(&self, stream: Stream) -> Pin<Box<dyn Future<Output = io::Result<Stream>> + Send + '_>>;
}

/// A handle on an accepted connection that can reset it.
#[derive(Debug, Clone)]
pub enum Breaker {
    /// In memory.
    Memory(MemoryBreaker),
    /// Over TCP the connection's own task resets it when it next runs.
    Tcp(Arc<tokio::sync::Notify>),
}

/// Connects to an address outside a lab.
///
/// # Errors
/// The system's.
#[expect(clippy::disallowed_methods, reason = "this file owns the sockets")]
pub async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Net {
    /// A network in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Transport::Memory(Mutex::default()))
    }

    /// A network over loopback TCP; every host listens on a port of its own.
    #[must_use]
    pub fn tcp() -> Self {
        Self::new(Transport::Tcp(Mutex::default()))
    }

    /// The real network: what is not known by a name is called where it is, and no faults act on it.
    /// Connections that are accepted are shared out to `lanes`.
    #[must_use]
    pub fn real(lanes: Arc<Lanes>) -> Self {
        Self::with(Transport::Tcp(Mutex::default()), true, Some(lanes))
    }

    /// The same for somebody who only calls.
    #[must_use]
    pub fn calling() -> Self {
        Self::with(Transport::Tcp(Mutex::default()), true, None)
    }

    fn new(transport: Transport) -> Self {
        Self::with(transport, false, None)
    }

    fn with(transport: Transport, real: bool, lanes: Option<Arc<Lanes>>) -> Self {
        let (names, connections, links) = (Mutex::default(), AtomicU64::new(0), Arc::default());
        let inner = Inner { transport, real, names, connections, links, lanes };
        Self { inner: Arc::new(inner), caller: "".into() }
    }

    /// The same network, as the host `caller` sees it: what connects through it comes from there.
    #[must_use]
    pub fn of(&self, caller: &str) -> Self {
        Self { inner: self.inner.clone(), caller: caller.into() }
    }

    /// The links between hosts.
    pub(crate) fn links(&self) -> &Arc<Links> {
        &self.inner.links
    }

    /// Whether it is a network in memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.inner.transport, Transport::Memory(_))
    }

    /// Whether it is the real network, on which no faults act.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.inner.real
    }

    /// How many threads handle the connections that are accepted, if they are lanes; else 1.
    pub(super) fn lanes(&self) -> usize {
        self.inner.lanes.as_ref().map_or(1, |lanes| lanes.count())
    }

    /// Adds a DNS name. Several targets are taken in turn.
    pub fn name(&self, name: Authority, targets: Vec<Authority>) {
        let mut names = lock(&self.inner.names);
        // One that leads where it led keeps its turn.
        if names.get(&name).is_none_or(|known| known.targets != targets) {
            names.insert(name, Name { targets, next: 0 });
        }
    }

    /// Takes a DNS name away.
    pub fn unname(&self, name: &Authority) {
        lock(&self.inner.names).remove(name);
    }

    /// Listens at an authority: in memory, or on a loopback port that the system picks.
    ///
    /// # Errors
    /// The system's, if no port can be had.
    pub async fn listen(&self, authority: &Authority) -> io::Result<Listener> {
        self.listen_on(authority, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens at an authority, on the given address where the network is TCP.
    ///
    /// # Errors
    /// The system's, for example that the port is taken.
    #[expect(clippy::disallowed_methods, reason = "this file owns the lab's sockets")]
    pub async fn listen_on(&self, authority: &Authority, address: SocketAddr) -> io::Result<Listener> {
        let (source, address) = match &self.inner.transport {
            Transport::Memory(hosts) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                lock(hosts).insert(authority.clone(), sender);
                (Source::Memory(receiver), None)
            }
            Transport::Tcp(hosts) => {
                let listener = TcpListener::bind(address).await?;
                let local = listener.local_addr()?;
                let reachable = if local.ip().is_unspecified() {
                    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), local.port())
                } else {
                    local
                };
                lock(hosts).insert(authority.clone(), reachable);
                (Source::Tcp(listener), Some(local))
            }
        };
        let (authority, links, lanes) = (authority.clone(), self.inner.links.clone(), self.inner.lanes.clone());
        Ok(Listener { authority, address, source, outside: None, wrapper: None, links, lanes })
    }

    /// Connects to an authority by its DNS name, or by its own.
    ///
    /// # Errors
    /// `NotFound` where no such name is known, `ConnectionRefused` where nobody listens, else the
    /// system's.
    pub async fn connect(&self, to: &Authority) -> io::Result<Stream> {
        self.connect_from(&self.caller, to).await
    }

    /// Connects to an authority as the host `from`, over the link between the two.
    ///
    /// # Errors
    /// As [`Net::connect`].
    pub async fn connect_from(&self, from: &str, to: &Authority) -> io::Result<Stream> {
        self.inner.connections.fetch_add(1, Ordering::Relaxed);
        let target = self.resolve(to)?;
        if self.inner.real {
            return self.connect_plain(&target).await;
        }
        let ends = LinkEnds::new(from, to, &target);
        let links = &self.inner.links;
        let greeting = match links.greet(&ends).await {
            Ok(greeting) => greeting,
            Err(NoConnection::Unresolved) => return Err(no_such_host(to)),
            Err(NoConnection::Refused) => {
                self.handshake().await;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
        };
        let stream = self.connect_plain(&target).await?;
        Ok(Stream::Linked(Box::new(Linked::new(stream, Side::Caller, ends, links.clone(), greeting))))
    }

    /// In memory a handshake takes a round trip, also when it is refused; over TCP it takes its time.
    async fn handshake(&self) {
        if self.is_memory() {
            tokio::time::sleep(2 * LINK_LATENCY).await;
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this file owns the lab's sockets")]
    async fn connect_plain(&self, target: &Authority) -> io::Result<Stream> {
        match &self.inner.transport {
            Transport::Memory(hosts) => {
                let sender = lock(hosts).get(target).cloned();
                self.handshake().await;
                let (client, server) = memory::pair(LINK_LATENCY);
                match sender.map(|sender| sender.send(server)) {
                    Some(Ok(())) => Ok(Stream::Memory(client)),
                    _ => Err(io::ErrorKind::ConnectionRefused.into()),
                }
            }
            Transport::Tcp(hosts) => {
                let address = lock(hosts).get(target).copied();
                let stream = match address {
                    Some(address) => TcpStream::connect(address).await?,
                    None if self.inner.real => connect_outside(target).await?,
                    None => return Err(io::ErrorKind::ConnectionRefused.into()),
                };
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    /// Takes a host off the network: nobody listens there any more.
    pub fn forget(&self, authority: &Authority) {
        match &self.inner.transport {
            Transport::Memory(hosts) => drop(lock(hosts).remove(authority)),
            Transport::Tcp(hosts) => drop(lock(hosts).remove(authority)),
        }
    }

    /// How many connections were asked for.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// The real address of a host, where the network is TCP.
    #[must_use]
    pub fn address(&self, authority: &Authority) -> Option<SocketAddr> {
        let target = self.resolve(authority).ok()?;
        match &self.inner.transport {
            Transport::Memory(_) => None,
            Transport::Tcp(hosts) => lock(hosts).get(&target).copied(),
        }
    }

    fn resolve(&self, to: &Authority) -> io::Result<Authority> {
        if let Some(name) = lock(&self.inner.names).get_mut(to) {
            let target = name.targets.get(name.next % name.targets.len().max(1)).cloned();
            name.next = name.next.wrapping_add(1);
            return target.ok_or_else(|| io::ErrorKind::ConnectionRefused.into());
        }
        let listening = match &self.inner.transport {
            Transport::Memory(hosts) => lock(hosts).contains_key(to),
            Transport::Tcp(hosts) => lock(hosts).contains_key(to),
        };
        if listening || self.inner.real { Ok(to.clone()) } else { Err(no_such_host(to)) }
    }
}

/// Connects to a host of the world, by its address or its name in the system's DNS.
#[expect(clippy::disallowed_methods, reason = "this file owns the lab's sockets")]
async fn connect_outside(target: &Authority) -> io::Result<TcpStream> {
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    // Whatever the resolver says, the name leads nowhere.
    let addresses = found.map_err(|_| no_such_host(target))?;
    let mut last = no_such_host(target);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn no_such_host(name: &Authority) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no such host: {name}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// Takes every connection as one over the link from the host `from`, for listeners that are open
    /// to programs outside the lab: those do not connect through [`Net`], yet faults shall meet them.
    #[must_use]
    pub fn outside(mut self, from: &str) -> Self {
        self.outside = Some(from.into());
        self
    }

    /// Puts something around every connection, once it is served.
    #[must_use]
    pub fn wrapped(mut self, wrapper: Option<Arc<dyn Wrapper>>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// What shakes hands over its connections, where something does.
    pub(crate) fn wrapper(&self) -> Option<Arc<dyn Wrapper>> {
        self.wrapper.clone()
    }

    /// Where its connections are handled, if not by the runtime that accepts them.
    pub(super) fn lanes(&self) -> Option<Arc<Lanes>> {
        self.lanes.clone()
    }

    /// The next connection. In memory it never comes once the host is forgotten.
    ///
    /// # Errors
    /// The system's; the caller may go on accepting.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            let stream = self.accept_plain().await?;
            let Some(from) = &self.outside else { return Ok(stream) };
            let ends = LinkEnds::new(from, &self.authority, &self.authority);
            match self.links.greet_accepted(&ends) {
                Ok(greeting) => {
                    let links = self.links.clone();
                    return Ok(Stream::Linked(Box::new(Linked::new(stream, Side::Callee, ends, links, greeting))));
                }
                Err(_) => stream.reset(),
            }
        }
    }

    async fn accept_plain(&mut self) -> io::Result<Stream> {
        match &mut self.source {
            Source::Memory(receiver) => match receiver.recv().await {
                Some(stream) => Ok(Stream::Memory(stream)),
                None => std::future::pending().await,
            },
            Source::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    /// The authority that it listens at.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The real address, where the network is TCP.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Stream {
    /// A handle that can reset this connection; over TCP whoever drives it must obey the handle.
    #[must_use]
    pub fn breaker(&self) -> Breaker {
        match self {
            Self::Memory(stream) => Breaker::Memory(stream.breaker()),
            Self::Tcp(_) => Breaker::Tcp(Arc::default()),
            Self::Linked(linked) => linked.breaker(),
            Self::Wrapped(wrapped) => wrapped.inner().breaker(),
        }
    }

    /// The other end's real address, where the network is TCP.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Memory(_) => None,
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Linked(linked) => linked.peer(),
            Self::Wrapped(wrapped) => wrapped.inner().peer(),
        }
    }

    /// Whether both ends have agreed on HTTP/2 when they shook hands.
    pub(super) fn speaks_http2(&self) -> bool {
        matches!(self, Self::Wrapped(wrapped) if wrapped.speaks_http2())
    }

    /// The connection, waited for by the runtime that this is called on from now on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn moved_here(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => Ok(Self::Tcp(TcpStream::from_std(stream.into_std()?)?)),
            other => Ok(other),
        }
    }

    /// Resets the connection.
    pub fn reset(self) {
        match self {
            Self::Memory(stream) => stream.breaker().reset(),
            Self::Tcp(stream) => drop(stream.set_zero_linger()),
            Self::Linked(mut linked) => linked.reset(),
            Self::Wrapped(wrapped) => wrapped.unwrap().reset(),
        }
    }
}

impl Breaker {
    /// Resets the connection.
    pub fn reset(&self) {
        match self {
            Self::Memory(breaker) => breaker.reset(),
            Self::Tcp(notify) => notify.notify_one(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Memory(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Linked(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
            Self::Wrapped(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Memory(stream) => Pin::new(stream).poll_write(context, data),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, data),
            Self::Linked(stream) => Pin::new(stream.as_mut()).poll_write(context, data),
            Self::Wrapped(stream) => Pin::new(stream.as_mut()).poll_write(context, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Memory(stream) => Pin::new(stream).poll_flush(context),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Linked(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            Self::Wrapped(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Linked(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            Self::Wrapped(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
            Self::Linked(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, bufs),
            Self::Wrapped(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Linked(stream) => stream.is_write_vectored(),
            Self::Wrapped(stream) => stream.is_write_vectored(),
        }
    }
}
