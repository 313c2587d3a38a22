//! The gateway's doors to programs outside the lab: one listener a port, and all replicas behind it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use hyper::body::Incoming;

use super::hosts::{Pool, StartError, ports};
use super::play::sticky;
use crate::scenario::Spread;
use crate::topology::{Authority, Topology};
use crate::world::World;
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
pub(super) struct Front<'f> {
    pub(super) world: &'f World,
    pub(super) pool: &'f Pool,
    pub(super) spread: Spread,
}

impl Door {
    /// The first door at this address, the others beside it.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { ip: address.ip(), first: Some(address.port()) }
    }
}

impl Front<'_> {
    /// Opens a listener for each port of the gateway; gives where they really are, in order.
    pub(super) async fn open(
        &self,
        topology: &Topology,
        door: &Door,
    ) -> Result<(Vec<Server>, Vec<SocketAddr>), StartError> {
        let turn = Arc::new(AtomicUsize::new(0));
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for (position, port) in ports(topology).into_iter().enumerate() {
            let own = door.first.filter(|_| position == 0).unwrap_or(port);
            let address = SocketAddr::new(door.ip, own);
            let authority = Authority::new("agentgateway-proxy", port);
            let listener = self.world.net.listen_on(&authority, address).await.map_err(|error| StartError::Listen {
                address: address.to_string(),
                what: "the gateway".to_owned(),
                error,
            })?;
            addresses.extend(listener.address());
            let (pool, turn, spread) = (self.pool.clone(), turn.clone(), self.spread);
            let chance = Arc::new(Mutex::new(self.world.seed.stream("up/spread")));
            servers.push(serve_with_h2c(listener, move |request| {
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
            }));
        }
        Ok((servers, addresses))
    }
}

/// Returns once the requests under way have ended, or too much time has passed. Idle connections end at
/// once.
pub(super) async fn drained(fronts: &[Server]) {
    let all = async {
        for front in fronts {
            front.drain().await;
        }
    };
    let _ = tokio::time::timeout(GRACE, all).await;
}

/// Who asks, as far as a request tells: by its key, else by the address that it comes from.
fn client_of(request: &Request<Incoming>) -> String {
    let key = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let peer = || request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_string());
    key.map(str::to_owned).or_else(peer).unwrap_or_default()
}
