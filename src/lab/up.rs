//! Keeps a lab up on real ports, for people with `curl`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use http::header::AUTHORIZATION;
use hyper::body::Incoming;

use super::hosts::{Hosts, StartError, ports};
use super::play::{Player, sticky};
use super::{Lab, Mode};
use crate::event::Sink;
use crate::scenario::Spread;
use crate::topology::Authority;
use crate::world::serve::{Peer, Server, serve};

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
    /// Brings the lab up on real ports, calls `ready`, and stays until interrupted; then lets the
    /// requests under way end.
    ///
    /// # Errors
    /// [`StartError`], for example a port that is taken.
    pub fn up(
        &self,
        options: &UpOptions,
        sinks: Vec<Box<dyn Sink>>,
        ready: impl FnOnce(&Up) + Send,
    ) -> Result<(), StartError> {
        let mut lab = self.clone();
        lab.mode = Mode::Real;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Machine)?;
        let done = runtime.block_on(lab.stay_up(options, sinks, ready));
        runtime.shutdown_background();
        done
    }

    async fn stay_up(
        &self,
        options: &UpOptions,
        sinks: Vec<Box<dyn Sink>>,
        ready: impl FnOnce(&Up),
    ) -> Result<(), StartError> {
        let mut sinks = sinks;
        let watch = self.watch(&mut sinks);
        let world = self.world(sinks);
        let hosts = Hosts::start(&world, &self.prepared).await?;
        hosts.scale_gateway(self.prepared.scenario.gateway.replicas).await?;
        let (fronts, addresses) = self.fronts(&world, &hosts, options).await?;
        let endpoints = self.prepared.topology.backends.iter().flat_map(crate::topology::Backend::providers);
        let mut providers: Vec<_> = endpoints
            .filter_map(|(_, provider)| Some((provider.endpoint.to_string(), world.net.address(&provider.endpoint)?)))
            .collect();
        providers.sort();
        providers.dedup();
        ready(&Up { gateway: addresses, providers });
        let player = Player::new(&world, &self.prepared, hosts, watch);
        if options.play {
            self.interrupt.guard(player.play_all(self.commands.as_ref())).await.transpose()?;
        } else if let Some(commands) = &self.commands {
            self.interrupt.guard(player.play_acts(commands)).await.transpose()?;
        }
        self.interrupt.triggered().await;
        let drained = async {
            for front in &fronts {
                front.drain().await;
            }
        };
        // Idle keep-alive connections end at once, requests under way within this time.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(30), drained).await;
        world.bus.flush();
        Ok(())
    }

    /// One listener a port of the gateway; requests are spread over all replicas behind it.
    async fn fronts(
        &self,
        world: &crate::world::World,
        hosts: &Hosts,
        options: &UpOptions,
    ) -> Result<(Vec<Server>, Vec<SocketAddr>), StartError> {
        let turn = Arc::new(AtomicUsize::new(0));
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for (position, port) in ports(&self.prepared.topology).into_iter().enumerate() {
            let address = if position == 0 { options.address } else { SocketAddr::new(options.address.ip(), port) };
            let authority = Authority::new("agentgateway-proxy", port);
            let listener = world.net.listen_on(&authority, address).await.map_err(|error| StartError::Listen {
                address: address.to_string(),
                what: "the gateway".to_owned(),
                error,
            })?;
            addresses.extend(listener.address());
            let (pool, turn, spread) = (hosts.pool().clone(), turn.clone(), self.scenario().gateway.spread);
            let chance = Arc::new(Mutex::new(world.seed.stream("up/spread")));
            servers.push(serve(listener, move |request| {
                let (pool, turn) = (pool.clone(), turn.clone());
                let chance = chance.clone();
                async move {
                    let choose = |count| match spread {
                        Spread::RoundRobin => turn.fetch_add(1, Ordering::Relaxed) % count,
                        Spread::Random => chance.lock().unwrap_or_else(PoisonError::into_inner).index(count),
                        Spread::Sticky => sticky(&client_of(&request), count),
                    };
                    let (_, gateway) = pool.take(choose).await;
                    gateway.handle_at(port, request).await
                }
            }));
        }
        Ok((servers, addresses))
    }
}

/// Who asks, as far as a request tells: by its key, else by the address that it comes from.
fn client_of(request: &Request<Incoming>) -> String {
    let key = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let peer = || request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_string());
    key.map(str::to_owned).or_else(peer).unwrap_or_default()
}
