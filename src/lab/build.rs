//! Puts the hosts on the network: simulators, the fake OpenAI, the gateway's replicas, their names.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::prepare::Prepared;
use crate::event::Kind;
use crate::gateway::Gateway;
use crate::sim;
use crate::sim::openai::{self, FakeOpenai};
use crate::sim::vllm;
use crate::topology::{Auth, Authority};
use crate::world::World;
use crate::world::serve::{Server, serve};

/// Why a lab could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be had.
    #[error("cannot listen at {address} for {what}: {error}")]
    Listen {
        /// The address asked for.
        address: String,
        /// Who wanted it.
        what: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The machine would not give a thread or a runtime.
    #[error("cannot start: {0}")]
    Machine(io::Error),
}

/// The hosts of a running lab.
pub(super) struct Hosts {
    world: World,
    prepared: Arc<Prepared>,
    replicas: Vec<Replica>,
    pool: Option<Pool>,
}

/// One replica of the gateway with its servers.
struct Replica {
    gateway: Gateway,
    servers: Vec<Server>,
}

/// The gateway's replicas as they are now, for a front that spreads requests over them.
#[derive(Clone)]
pub(super) struct Pool(Arc<Mutex<(Gateway, Vec<Gateway>)>>);

impl Pool {
    /// The replica whose turn it is.
    pub(super) fn take(&self, turn: usize) -> Gateway {
        let gateways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, others) = &*gateways;
        let index = turn % (1 + others.len());
        others.get(index.wrapping_sub(1)).unwrap_or(first).clone()
    }
}

/// Host name of a replica of the gateway.
pub(super) fn replica_host(replica: u32) -> String {
    format!("agentgateway-proxy-{replica}")
}

impl Hosts {
    /// Starts the providers and the names under which they are found; the gateway comes next.
    pub(super) async fn start(world: &World, prepared: &Arc<Prepared>) -> Result<Self, StartError> {
        learn_credentials(world, prepared);
        for pod in &prepared.pods {
            let simulator = vllm::Simulator::new(pod.config.clone(), world.clone(), &pod.name);
            listen(world, &pod.authority(), simulator.router()).await?;
        }
        let openai = FakeOpenai::new(openai::Config::accepting(openai_keys(prepared)), world.clone());
        listen(world, &Authority::openai(), openai.router()).await?;
        name_services(world, prepared);
        Ok(Self { world: world.clone(), prepared: prepared.clone(), replicas: Vec::new(), pool: None })
    }

    /// Starts `count` replicas of the gateway, each with its own listeners.
    pub(super) async fn start_gateway(&mut self, count: u32) -> Result<(), StartError> {
        for number in 0..count {
            let replica = self.start_replica(number).await?;
            self.replicas.push(replica);
        }
        self.fill_pool();
        Ok(())
    }

    /// How many replicas there are.
    pub(super) fn replicas(&self) -> u32 {
        u32::try_from(self.replicas.len()).unwrap_or(u32::MAX)
    }

    /// The replicas, also after they are replaced; none before the gateway is started.
    pub(super) fn pool(&self) -> Option<Pool> {
        self.pool.clone()
    }

    fn fill_pool(&mut self) {
        let mut gateways = self.replicas.iter().map(|replica| replica.gateway.clone());
        let Some(first) = gateways.next() else { return };
        let all = (first, gateways.collect());
        match &self.pool {
            Some(pool) => *pool.0.lock().unwrap_or_else(PoisonError::into_inner) = all,
            None => self.pool = Some(Pool(Arc::new(Mutex::new(all)))),
        }
    }

    async fn start_replica(&self, number: u32) -> Result<Replica, StartError> {
        let personality = self.prepared.scenario.gateway.personality;
        let gateway = Gateway::new(self.world.clone(), self.prepared.topology.clone(), personality, number);
        let mut servers = Vec::new();
        for (index, port) in ports(&self.prepared) {
            let authority = Authority::new(replica_host(number), port);
            let listener = self.world.net.listen(&authority).await.map_err(|error| StartError::Listen {
                address: authority.to_string(),
                what: "a replica of the gateway".to_owned(),
                error,
            })?;
            let gateway = gateway.clone();
            servers.push(serve(listener, move |request| {
                let gateway = gateway.clone();
                async move { gateway.handle(index, request).await }
            }));
        }
        self.world.bus.emit(Kind::ReplicaStarted { replica: number });
        Ok(Replica { gateway, servers })
    }

    /// Replaces every replica by a new one, one after the other, as a rollout does.
    pub(super) async fn restart_gateway(&mut self) -> Result<(), StartError> {
        for replica in 0..self.replicas() {
            self.restart_replica(replica).await?;
        }
        Ok(())
    }

    /// Replaces a replica by a new one once the requests under way have ended.
    pub(super) async fn restart_replica(&mut self, number: u32) -> Result<(), StartError> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(replica) = self.replicas.get(index) else { return Ok(()) };
        for server in &replica.servers {
            server.drain().await;
        }
        self.world.bus.emit(Kind::ReplicaStopped { replica: number });
        let started = self.start_replica(number).await?;
        self.replicas[index] = started;
        self.fill_pool();
        Ok(())
    }
}

/// The ports of the gateway, each with the first listener that has it.
pub(super) fn ports(prepared: &Prepared) -> Vec<(usize, u16)> {
    let mut ports: BTreeMap<u16, usize> = BTreeMap::new();
    for (index, listener) in prepared.topology.listeners.iter().enumerate() {
        ports.entry(listener.port).or_insert(index);
    }
    let mut found: Vec<_> = ports.into_iter().map(|(port, index)| (index, port)).collect();
    found.sort_unstable();
    found
}

async fn listen(world: &World, authority: &Authority, router: axum::Router) -> Result<Server, StartError> {
    let listener = world.net.listen(authority).await.map_err(|error| StartError::Listen {
        address: authority.to_string(),
        what: "a simulator".to_owned(),
        error,
    })?;
    Ok(sim::serve(listener, router))
}

fn name_services(world: &World, prepared: &Prepared) {
    for service in &prepared.topology.services {
        let pods = prepared.pods.iter().filter(|pod| pod.simulator == service.simulator);
        let targets: Vec<_> = pods.map(|pod| Authority::new(pod.name.clone(), service.target_port)).collect();
        for name in service.names() {
            world.net.name(name, targets.clone());
        }
    }
}

fn learn_credentials(world: &World, prepared: &Prepared) {
    for (_, provider) in prepared.topology.backends.iter().flat_map(crate::topology::Backend::providers) {
        if let Auth::Credential(credential) = &provider.auth {
            world.credentials.learn(credential.key(), &credential.reference);
        }
    }
    for (_, send) in prepared.scenario.sends() {
        if let Some(key) = &send.key {
            world.credentials.learn(key.key(), "client");
        }
    }
}

/// The keys that the lab gives to providers without a host: just these are accepted.
fn openai_keys(prepared: &Prepared) -> Vec<String> {
    let providers = prepared.topology.backends.iter().flat_map(crate::topology::Backend::providers);
    providers
        .filter(|(_, provider)| provider.is_openai)
        .filter_map(|(_, provider)| match &provider.auth {
            Auth::Credential(credential) => Some(credential.key().to_owned()),
            Auth::None | Auth::Passthrough => None,
        })
        .collect()
}

impl StartError {
    /// Whether another program has the port.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse)
    }
}
