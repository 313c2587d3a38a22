//! The gateway's doors to programs outside the lab: one listener a port, and all replicas behind it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use http::uri::Scheme;
use hyper::body::Incoming;

use super::hosts::{Pool, StartError, ports};
use super::play::sticky;
use crate::scenario::Spread;
use crate::topology::{Authority, Topology};
use crate::world::World;
use crate::world::net::Wrapper;
use crate::world::secure::Certificates;
use crate::world::serve::{Peer, Server, serve_with_h2c};

/// How long requests under way may take once the lab is told to end.
const GRACE: Duration = Duration::from_secs(30);

/// Where the doors are.
pub(super) struct Door {
    /// The address to listen at.
    pub(super) ip: IpAddr,
    /// The first port, where it is another one than the configuration's; 0 lets the system pick.
    pub(super) first: Option<u16>,
}

/// What stands behind the doors.
pub(super) struct Front {
    pub(super) world: World,
    pub(super) pool: Pool,
    pub(super) spread: Spread,
}

/// The doors that are open, in the order in which they were opened.
pub(super) struct Fronts {
    front: Front,
    door: Door,
    /// The port of the configuration that the first door stands for.
    first: Option<u16>,
    /// What shakes hands over the connections at the ports that have certificates.
    secure: BTreeMap<u16, Arc<dyn Wrapper>>,
    /// Whose turn it is, at all doors.
    turn: Arc<AtomicUsize>,
    open: Vec<Opening>,
}

/// One door.
struct Opening {
    /// The port in the configuration.
    port: u16,
    /// Where it really is.
    address: SocketAddr,
    server: Server,
}

/// What has become of the doors.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Doors that are new.
    pub(super) opened: Vec<SocketAddr>,
    /// Doors that are shut.
    pub(super) closed: Vec<SocketAddr>,
}

impl Door {
    /// The first door at this address, the others beside it.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { ip: address.ip(), first: Some(address.port()) }
    }
}

impl Fronts {
    /// Opens a listener for each port of the gateway.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(super) async fn open(front: Front, topology: &Topology, door: Door) -> Result<Self, StartError> {
        let ports = ports(topology);
        let first = ports.first().copied();
        let secure = certificates(topology)?;
        let mut fronts = Self { front, door, first, secure, turn: Arc::default(), open: Vec::new() };
        fronts.follow(&ports).await?;
        Ok(fronts)
    }

    /// Where the doors really are.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|one| one.address).collect()
    }

    /// The same as URLs.
    pub(super) fn urls(&self) -> Vec<String> {
        let scheme = |one: &Opening| if self.secure.contains_key(&one.port) { "https" } else { "http" };
        self.open.iter().map(|one| format!("{}://{}", scheme(one), one.address)).collect()
    }

    /// Opens the doors for ports that are new, and shuts those for ports that are gone once their
    /// requests have ended.
    ///
    /// # Errors
    /// [`StartError::Listen`], at the first door that could not be opened.
    pub(super) async fn follow(&mut self, ports: &[u16]) -> Result<Moved, StartError> {
        let mut moved = Moved::default();
        let gone: Vec<Opening> = self.open.extract_if(.., |one| !ports.contains(&one.port)).collect();
        for one in gone {
            one.server.drain().await;
            moved.closed.push(one.address);
        }
        for port in ports {
            if !self.open.iter().any(|one| one.port == *port) {
                let opening = self.door(*port).await?;
                moved.opened.push(opening.address);
                self.open.push(opening);
            }
        }
        Ok(moved)
    }

    /// Opens the door for a port.
    async fn door(&self, port: u16) -> Result<Opening, StartError> {
        let Front { world, pool, spread } = &self.front;
        let own = self.door.first.filter(|_| self.first == Some(port)).unwrap_or(port);
        let address = SocketAddr::new(self.door.ip, own);
        let authority = Authority::new("agentgateway-proxy", port);
        let listener = world.net.listen_on(&authority, address).await.map_err(|error| StartError::Listen {
            address: address.to_string(),
            what: "the gateway".to_owned(),
            error,
        })?;
        let wrapper = self.secure.get(&port).cloned();
        let is_secure = wrapper.is_some();
        let listener = listener.wrapped(wrapper);
        let address = listener.address().unwrap_or(address);
        let (pool, turn, spread) = (pool.clone(), self.turn.clone(), *spread);
        let chance = Arc::new(Mutex::new(world.seed.stream("up/spread")));
        let server = serve_with_h2c(listener, move |mut request| {
            if is_secure {
                request.extensions_mut().insert(Scheme::HTTPS);
            }
            let (pool, turn) = (pool.clone(), turn.clone());
            let chance = chance.clone();
            // In a box: a future is copied whole each time that it is handed on, and this is a large one.
            Box::pin(async move {
                let choose = |count| match spread {
                    Spread::RoundRobin => turn.fetch_add(1, Ordering::Relaxed) % count,
                    Spread::Random => chance.lock().unwrap_or_else(PoisonError::into_inner).index(count),
                    Spread::Sticky => sticky(&client_of(&request), count),
                };
                let (_, gateway) = pool.take(choose).await;
                gateway.handle_at(port, request).await
            })
        });
        Ok(Opening { port, address, server })
    }

    /// Returns once the requests under way have ended, or too much time has passed. Idle connections end
    /// at once.
    pub(super) async fn drained(&self) {
        let all = async {
            for one in &self.open {
                one.server.drain().await;
            }
        };
        let _ = tokio::time::timeout(GRACE, all).await;
    }
}

/// What shakes hands at each port whose listeners have certificates.
fn certificates(topology: &Topology) -> Result<BTreeMap<u16, Arc<dyn Wrapper>>, StartError> {
    let mut secure = BTreeMap::new();
    for port in ports(topology) {
        let listeners = topology.listeners.iter().filter(|listener| listener.port == port);
        let found = Certificates::of(listeners).map_err(|why| StartError::Machine(io::Error::other(why)))?;
        secure.extend(found.map(|wrapper| (port, wrapper)));
    }
    Ok(secure)
}

/// Who asks, as far as a request tells: by its key, else by the address that it comes from.
fn client_of(request: &Request<Incoming>) -> String {
    let key = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let peer = || request.extensions().get::<Peer>().map(|peer| peer.address.ip().to_string());
    key.map(str::to_owned).or_else(peer).unwrap_or_default()
}
