//! What the lab's parts stand on: one clock, one seed, one network.
//!
//! A run is *virtual* (tokio's clock paused, hosts joined by memory) or *real* (the clock running,
//! loopback TCP). The parts do not know which: they wait with `tokio::time`, draw from named
//! streams of the seed, and connect through [`Net`].

pub(crate) mod bell;
pub mod caller;
pub mod clock;
pub mod connector;
pub mod credentials;
pub(crate) mod drain;
pub mod faults;
pub mod lanes;
pub mod link;
mod memory;
pub mod net;
pub(crate) mod pool;
#[cfg(feature = "tls")]
pub(crate) mod secure;
#[cfg(not(feature = "tls"))]
#[path = "world/secure/absent.rs"]
pub(crate) mod secure;
pub mod seed;
pub mod serve;
#[cfg(feature = "tls")]
pub mod tls;

pub use clock::Clock;
pub use credentials::Credentials;
pub use faults::FaultBoard;
pub use net::{Listener, Net, Stream};
pub use seed::{Random, Seed};

use crate::event::Bus;

/// What every part is given: time, events, names of credentials, chance, and the network.
#[derive(Clone)]
pub struct World {
    /// The clock.
    pub clock: Clock,
    /// Where events go.
    pub bus: Bus,
    /// Which credential goes by which reference.
    pub credentials: Credentials,
    /// The source of chance.
    pub seed: Seed,
    /// The network.
    pub net: Net,
}
