//! Puts the hosts on the network: simulators, the fake OpenAI, the gateway's replicas, their names.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::prepare::Prepared;
use crate::event::Kind;
use crate::gateway::Gateway;
use crate::sim;
use crate::sim::openai::{self, FakeOpenai};
use crate::sim::vllm;
use crate::topology::{Auth, Authority, Topology};
use crate::world::net::LINK_LATENCY;
use crate::world::serve::{Server, serve};
use crate::world::{FaultBoard, World};

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
    board: FaultBoard,
    pool: Pool,
    /// By number. Whoever changes them holds the lock until that is done.
    replicas: tokio::sync::Mutex<Vec<Replica>>,
    /// The pods of each simulator of the topology, by number.
    pods: tokio::sync::Mutex<Vec<Vec<RunningPod>>>,
}

/// One replica of the gateway with its servers.
struct Replica {
    servers: Vec<Server>,
}

/// One pod of a simulator.
struct RunningPod {
    name: String,
    simulator: vllm::Simulator,
    server: Server,
}

/// The gateway's replicas that take requests now. Cheap to clone; all clones are one pool.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Live>);

#[derive(Default)]
struct Live {
    /// In the order of their numbers.
    gateways: Mutex<Vec<(u32, Gateway)>>,
    changed: Notify,
}

impl Pool {
    /// Waits until there is a replica, and lets `choose` take one of so many.
    pub(super) async fn take(&self, choose: impl FnOnce(usize) -> usize) -> (u32, Gateway) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            {
                let gateways = self.lock();
                if !gateways.is_empty() {
                    return gateways[choose(gateways.len()) % gateways.len()].clone();
                }
            }
            changed.await;
        }
    }

    pub(super) fn add(&self, number: u32, gateway: Gateway) {
        let mut gateways = self.lock();
        let at = gateways.partition_point(|(other, _)| *other < number);
        gateways.insert(at, (number, gateway));
        drop(gateways);
        self.0.changed.notify_waiters();
    }

    fn remove(&self, number: u32) {
        self.lock().retain(|(other, _)| *other != number);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u32, Gateway)>> {
        self.0.gateways.lock().unwrap_or_else(PoisonError::into_inner)
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
        let hosts = Self {
            world: world.clone(),
            prepared: prepared.clone(),
            board: FaultBoard::new(world),
            pool: Pool::default(),
            replicas: tokio::sync::Mutex::default(),
            pods: tokio::sync::Mutex::new(prepared.topology.simulators.iter().map(|_| Vec::new()).collect()),
        };
        for (simulator, one) in prepared.topology.simulators.iter().enumerate() {
            hosts.scale_simulator(simulator, one.replicas).await?;
        }
        let openai = FakeOpenai::new(openai::Config::accepting(openai_keys(prepared)), world.clone());
        hosts.listen(&Authority::openai(), openai.router()).await?;
        for authority in &prepared.topology.openai {
            world.net.name(authority.clone(), vec![Authority::openai()]);
        }
        Ok(hosts)
    }

    /// The faults of this lab.
    pub(super) fn board(&self) -> &FaultBoard {
        &self.board
    }

    /// The replicas that take requests.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Lets the gateway have `count` replicas, each with its own listeners. Those that go end the
    /// requests that they are at.
    pub(super) async fn scale_gateway(&self, count: u32) -> Result<(), StartError> {
        let mut replicas = self.replicas.lock().await;
        while replicas.len() < count as usize {
            let number = number(replicas.len());
            let replica = self.start_replica(number).await?;
            replicas.push(replica);
        }
        while replicas.len() > count as usize {
            let Some(replica) = replicas.pop() else { break };
            self.stop_replica(number(replicas.len()), &replica).await;
        }
        Ok(())
    }

    async fn start_replica(&self, number: u32) -> Result<Replica, StartError> {
        let personality = self.prepared.scenario.gateway.personality;
        let gateway = Gateway::new(self.world.clone(), self.prepared.topology.clone(), personality, number);
        let mut servers = Vec::new();
        for (index, port) in ports(&self.prepared.topology) {
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
        self.pool.add(number, gateway);
        Ok(Replica { servers })
    }

    /// Stops a replica once the requests under way have ended; new ones go elsewhere.
    async fn stop_replica(&self, number: u32, replica: &Replica) {
        self.pool.remove(number);
        for server in &replica.servers {
            server.drain().await;
        }
        // Clients hear a hop later that their idle connections are closed; a request sent into one would
        // be lost.
        tokio::time::sleep(2 * LINK_LATENCY).await;
        self.world.bus.emit(Kind::ReplicaStopped { replica: number });
    }

    /// Replaces every replica by a new one, one after the other, as a rollout does.
    pub(super) async fn restart_gateway(&self) -> Result<(), StartError> {
        let count = number(self.replicas.lock().await.len());
        for replica in 0..count {
            self.restart_replica(replica).await?;
        }
        Ok(())
    }

    /// Replaces a replica by a new one once the requests under way have ended.
    pub(super) async fn restart_replica(&self, number: u32) -> Result<(), StartError> {
        let mut replicas = self.replicas.lock().await;
        let Some(replica) = replicas.get_mut(number as usize) else { return Ok(()) };
        self.stop_replica(number, replica).await;
        *replica = self.start_replica(number).await?;
        Ok(())
    }

    /// Lets a simulator, by its index in the topology, have `count` pods.
    pub(super) async fn scale_simulator(&self, simulator: usize, count: u32) -> Result<(), StartError> {
        let mut all = self.pods.lock().await;
        let Some(pods) = all.get_mut(simulator) else { return Ok(()) };
        while pods.len() < count as usize {
            let Some(pod) = self.prepared.pod(simulator, number(pods.len())) else { break };
            let authority = pod.authority();
            let running = vllm::Simulator::new(pod.config, self.world.clone(), &pod.name);
            let server = self.listen(&authority, running.router()).await?;
            pods.push(RunningPod { name: pod.name, simulator: running, server });
        }
        let surplus = pods.split_off(pods.len().min(count as usize));
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        self.name_services(simulator, &names);
        for pod in surplus {
            pod.server.drain().await;
        }
        Ok(())
    }

    /// Changes the configuration of every pod of a simulator, by its index in the topology. Pods that come
    /// later begin as their manifest says.
    ///
    /// # Errors
    /// What is wrong with the changes, in the simulator's own words.
    pub(super) async fn configure(
        &self,
        simulator: usize,
        changes: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), String> {
        let all = self.pods.lock().await;
        all.get(simulator).map_or(&[][..], Vec::as_slice).iter().try_for_each(|pod| pod.simulator.change(changes))
    }

    /// Serves a simulator, with the faults of the lab before it.
    async fn listen(&self, authority: &Authority, router: axum::Router) -> Result<Server, StartError> {
        let listener = self.world.net.listen(authority).await.map_err(|error| StartError::Listen {
            address: authority.to_string(),
            what: "a simulator".to_owned(),
            error,
        })?;
        Ok(sim::serve(listener, sim::faults::layer(router, &self.board, &authority.host)))
    }

    /// Lets the Services of a simulator lead to these pods.
    fn name_services(&self, simulator: usize, pods: &[&str]) {
        let services = self.prepared.topology.services.iter().filter(|service| service.simulator == simulator);
        for service in services {
            let targets: Vec<_> = pods.iter().map(|pod| Authority::new(*pod, service.target_port)).collect();
            for name in service.names() {
                self.world.net.name(name, targets.clone());
            }
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The ports of the gateway, each with the first listener that has it.
pub(super) fn ports(topology: &Topology) -> Vec<(usize, u16)> {
    let mut ports: BTreeMap<u16, usize> = BTreeMap::new();
    for (index, listener) in topology.listeners.iter().enumerate() {
        ports.entry(listener.port).or_insert(index);
    }
    let mut found: Vec<_> = ports.into_iter().map(|(port, index)| (index, port)).collect();
    found.sort_unstable();
    found
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

/// The keys that the lab gives to providers without a host, or where the fake OpenAI answers too: just
/// these are accepted.
fn openai_keys(prepared: &Prepared) -> Vec<String> {
    let providers = prepared.topology.backends.iter().flat_map(crate::topology::Backend::providers);
    providers
        .filter(|(_, provider)| provider.is_openai || prepared.topology.openai.contains(&provider.endpoint))
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
