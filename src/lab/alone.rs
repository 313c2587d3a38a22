//! The gateway alone, in real time, in front of real providers.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use jiff::Timestamp;

use super::fronts::{Door, Front, Fronts};
use super::hosts::{Pool, StartError};
use super::{Interrupt, Mode, backends};
use crate::event::log::{FORMAT, Header};
use crate::event::{Bus, Kind, Sink};
use crate::gateway::Gateway;
use crate::scenario::Spread;
use crate::source::Sources;
use crate::topology::{Authority, Personality, Topology};
use crate::world::lanes::Lanes;
use crate::world::{Clock, Credentials, Net, Seed, World};

/// A gateway without simulators and clients.
#[derive(Debug, Clone)]
pub struct GatewayAlone {
    /// Its listeners, routes and backends.
    pub topology: Arc<Topology>,
    /// Which version of which gateway it is.
    pub personality: Personality,
    /// How many replicas stand behind its ports, each with its own health.
    pub replicas: u32,
    /// Which replica takes a request.
    pub spread: Spread,
    /// Seed of its choices.
    pub seed: u64,
    /// Where to listen.
    pub address: IpAddr,
    /// The first port, where it is another one than the configuration's; 0 lets the system pick.
    pub port: Option<u16>,
    /// Threads that requests are handled on; one for each core where absent.
    pub threads: Option<usize>,
    /// Where providers really are, by the address in the configuration. The others are looked up.
    pub resolved: Vec<(Authority, Authority)>,
    /// The wall-clock time at which it starts.
    pub start: Timestamp,
}

/// What a gateway tells once it listens.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Where each port can be reached, as URLs: the first is the one that was asked for.
    pub urls: Vec<String>,
}

impl GatewayAlone {
    /// The header for reports of what it does.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            labsim_recording: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: "gateway".to_owned(),
            seed: self.seed,
            patterns_counted: false,
            unplayed: false,
            batch: None,
            personality: self.personality.to_string(),
            json_log: self.topology.json_log,
            clock: Mode::Real.to_string(),
            start: self.start.to_string(),
            sources: Sources::default(),
            replicas: self.replicas,
            backends: backends([&*self.topology]),
        }
    }

    /// Listens, calls `ready`, and stays until interrupted; then lets the requests under way end.
    ///
    /// # Errors
    /// [`StartError`], for example a port that is taken.
    pub fn serve(
        &self,
        sinks: Vec<Box<dyn Sink>>,
        interrupt: &Interrupt,
        ready: impl FnOnce(&Opened),
    ) -> Result<(), StartError> {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let lanes = Lanes::start(self.threads.unwrap_or_else(cores)).map_err(StartError::Machine)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Machine)?;
        let done = runtime.block_on(self.stay(self.world(sinks, lanes), interrupt, ready));
        runtime.shutdown_background();
        done
    }

    async fn stay(&self, world: World, interrupt: &Interrupt, ready: impl FnOnce(&Opened)) -> Result<(), StartError> {
        let pool = Pool::default();
        for number in 0..self.replicas {
            pool.add(number, Gateway::new(world.clone(), self.topology.clone(), self.personality, number));
            world.bus.emit(Kind::ReplicaStarted { replica: number });
        }
        let front = Front { world: world.clone(), pool, spread: self.spread };
        let door = Door { ip: self.address, first: self.port };
        let fronts = Fronts::open(front, &self.topology, door).await?;
        ready(&Opened { urls: fronts.urls() });
        interrupt.triggered().await;
        fronts.drained().await;
        world.bus.flush();
        Ok(())
    }

    fn world(&self, sinks: Vec<Box<dyn Sink>>, lanes: Arc<Lanes>) -> World {
        let clock = Clock::starting_at(self.start);
        let net = Net::real(lanes);
        for (name, target) in &self.resolved {
            net.name(name.clone(), vec![target.clone()]);
        }
        World {
            clock,
            bus: Bus::new(move || clock.now(), sinks),
            credentials: Credentials::default(),
            seed: Seed(self.seed),
            net,
        }
    }
}
