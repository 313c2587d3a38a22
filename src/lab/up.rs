//! Keeps a lab up on real ports, for people with `curl`.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::fronts::{Door, Front, Fronts};
use super::hosts::{Hosts, StartError};
use super::play::Player;
use super::{Lab, Mode};
use crate::event::Sink;

/// What a lab that stays up is told.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Where the gateway listens; port 0 lets the system pick.
    pub address: SocketAddr,
    /// Whether to play the scenario's steps once it is up.
    pub play: bool,
}

/// What a lab tells once it is up.
#[derive(Debug, Clone)]
pub struct Up {
    /// Where each port of the gateway can be reached: the first is the one that was asked for.
    pub gateway: Vec<SocketAddr>,
    /// Where each provider really listens, by the address in the configuration.
    pub providers: Vec<(String, SocketAddr)>,
}

impl Lab {
    /// Brings the lab up on real ports, calls `ready`, and stays until interrupted; then calls `leaving`
    /// and lets the requests under way end.
    ///
    /// # Errors
    /// [`StartError`], for example a port that is taken.
    pub fn up(
        &self,
        options: &UpOptions,
        sinks: Vec<Box<dyn Sink>>,
        ready: impl FnOnce(&Up) + Send,
        leaving: impl FnOnce() + Send,
    ) -> Result<(), StartError> {
        let mut lab = self.clone();
        lab.mode = Mode::Real;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Machine)?;
        let done = runtime.block_on(lab.stay_up(options, sinks, ready, leaving));
        runtime.shutdown_background();
        done
    }

    async fn stay_up(
        &self,
        options: &UpOptions,
        sinks: Vec<Box<dyn Sink>>,
        ready: impl FnOnce(&Up),
        leaving: impl FnOnce(),
    ) -> Result<(), StartError> {
        let mut sinks = sinks;
        let watch = self.watch(&mut sinks);
        let world = self.world(sinks);
        let hosts = Hosts::start(&world, &self.prepared).await?;
        hosts.scale_gateway(self.prepared.scenario.gateway.replicas).await?;
        let front = Front { world: world.clone(), pool: hosts.pool().clone(), spread: self.scenario().gateway.spread };
        let fronts = Fronts::open(front, &self.prepared.topology, Door::at(options.address)).await?;
        let gateway = fronts.addresses();
        let fronts = Arc::new(Mutex::new(fronts));
        let hosts = hosts.behind(fronts.clone());
        let endpoints = self.prepared.topology.backends.iter().flat_map(crate::topology::Backend::providers);
        let mut providers: Vec<_> = endpoints
            .filter_map(|(_, provider)| Some((provider.endpoint.to_string(), world.net.address(&provider.endpoint)?)))
            .collect();
        providers.sort();
        providers.dedup();
        ready(&Up { gateway, providers });
        let player = Player::new(&world, &self.prepared, hosts, watch);
        if options.play {
            self.interrupt.guard(player.play_all(self.commands.as_ref())).await.transpose()?;
        } else if let Some(commands) = &self.commands {
            self.interrupt.guard(player.play_acts(commands)).await.transpose()?;
        }
        self.interrupt.triggered().await;
        leaving();
        fronts.lock().await.drained().await;
        world.bus.flush();
        Ok(())
    }
}
