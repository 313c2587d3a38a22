//! Puts the hosts on the network: simulators, the fake OpenAI, the gateway's replicas, their names.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::fronts::Fronts;
use super::prepare::{Pod, Prepared};
use crate::event::Kind;
use crate::gateway::{Broken, Gateway};
use crate::scenario::{Change, MAX_REPLICAS, Manifest, Manifests};
use crate::sim;
use crate::sim::openai::{self, FakeOpenai};
use crate::sim::vllm;
use crate::topology::{Auth, Authority, Backend, Service, Simulator, Topology};
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
    /// The bug that the gateway has, if any.
    broken: Broken,
    pool: Pool,
    /// By number. Whoever changes them holds the lock until that is done.
    replicas: tokio::sync::Mutex<Vec<Replica>>,
    /// What the manifests have made. Whoever changes it holds the lock until that is done.
    made: tokio::sync::Mutex<Made>,
    /// What the manifests describe now.
    topology: Mutex<Arc<Topology>>,
    /// The gateway's doors to programs outside the lab, if there are any.
    fronts: Option<Arc<tokio::sync::Mutex<Fronts>>>,
}

/// What was made of the manifests.
struct Made {
    manifests: Manifests,
    /// The pods of each simulator of the topology, by number.
    pods: Vec<Vec<RunningPod>>,
}

/// One replica of the gateway with its servers, by port.
struct Replica {
    servers: Vec<(u16, Server)>,
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
        let mut choose = Some(choose);
        loop {
            // Mostly somebody is there, and nobody has to be listened to.
            if let Some(taken) = self.take_now(&mut choose) {
                return taken;
            }
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(taken) = self.take_now(&mut choose) {
                return taken;
            }
            changed.await;
        }
    }

    fn take_now(&self, choose: &mut Option<impl FnOnce(usize) -> usize>) -> Option<(u32, Gateway)> {
        let gateways = self.lock();
        let choose = choose.take_if(|_| !gateways.is_empty())?;
        Some(gateways[choose(gateways.len()) % gateways.len()].clone())
    }

    pub(super) fn add(&self, number: u32, gateway: Gateway) {
        let mut gateways = self.lock();
        let at = gateways.partition_point(|(other, _)| *other < number);
        gateways.insert(at, (number, gateway));
        drop(gateways);
        self.0.changed.notify_waiters();
    }

    /// The replicas that take requests now.
    fn all(&self) -> Vec<(u32, Gateway)> {
        self.lock().clone()
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
        let topology = prepared.topology.clone();
        let manifests = prepared.scenario.manifests.clone();
        let pods = topology.simulators.iter().map(|_| Vec::new()).collect();
        let hosts = Self {
            world: world.clone(),
            prepared: prepared.clone(),
            board: FaultBoard::new(world),
            broken: Broken::new(prepared.scenario.gateway.broken),
            pool: Pool::default(),
            replicas: tokio::sync::Mutex::default(),
            made: tokio::sync::Mutex::new(Made { manifests, pods }),
            topology: Mutex::new(topology.clone()),
            fronts: None,
        };
        for simulator in &topology.simulators {
            hosts.scale_simulator(&simulator.name, simulator.replicas).await?;
        }
        let openai = FakeOpenai::new(openai::Config::accepting(openai_keys(prepared)), world.clone());
        hosts.listen(&Authority::openai(), openai.router()).await?;
        for authority in &prepared.topology.openai {
            world.net.name(authority.clone(), vec![Authority::openai()]);
        }
        Ok(hosts)
    }

    /// The same hosts behind these doors, which follow the gateway's ports.
    pub(super) fn behind(self, fronts: Arc<tokio::sync::Mutex<Fronts>>) -> Self {
        Self { fronts: Some(fronts), ..self }
    }

    /// What the manifests describe now.
    pub(super) fn topology(&self) -> Arc<Topology> {
        self.topology.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first port of the gateway.
    pub(super) fn first_port(&self) -> u16 {
        ports(&self.topology()).first().copied().unwrap_or(8080)
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
        let (world, topology) = (self.world.clone(), self.topology());
        let gateway = Gateway::broken(world, topology.clone(), personality, number, self.broken.clone());
        let mut servers = Vec::new();
        for port in ports(&topology) {
            servers.push((port, self.front(number, port, &gateway).await?));
        }
        self.world.bus.emit(Kind::ReplicaStarted { replica: number });
        if !Arc::ptr_eq(&topology, &self.prepared.topology) {
            gateway.tell_configuration();
        }
        self.pool.add(number, gateway);
        Ok(Replica { servers })
    }

    /// Serves a port of a replica.
    async fn front(&self, number: u32, port: u16, gateway: &Gateway) -> Result<Server, StartError> {
        let authority = Authority::new(replica_host(number), port);
        let listener = self.world.net.listen(&authority).await.map_err(|error| StartError::Listen {
            address: authority.to_string(),
            what: "a replica of the gateway".to_owned(),
            error,
        })?;
        let gateway = gateway.clone();
        Ok(serve(listener, move |request| {
            let gateway = gateway.clone();
            async move { gateway.handle_at(port, request).await }
        }))
    }

    /// Stops a replica once the requests under way have ended; new ones go elsewhere.
    async fn stop_replica(&self, number: u32, replica: &Replica) {
        self.pool.remove(number);
        for (_, server) in &replica.servers {
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

    /// Lets a simulator, by the name of its Deployment, have `count` pods.
    pub(super) async fn scale_simulator(&self, name: &str, count: u32) -> Result<(), StartError> {
        let topology = self.topology();
        let mut made = self.made.lock().await;
        // One that is deleted has no pods.
        let Some(index) = topology.simulators.iter().position(|one| one.name == name) else { return Ok(()) };
        let Some(pods) = made.pods.get_mut(index) else { return Ok(()) };
        self.grow(&topology.simulators[index], pods, count).await?;
        let surplus = pods.split_off(pods.len().min(count as usize));
        self.name_services(&topology, index, pods);
        for pod in surplus {
            pod.server.drain().await;
        }
        Ok(())
    }

    /// Starts the pods of a simulator that are missing.
    async fn grow(&self, simulator: &Simulator, pods: &mut Vec<RunningPod>, count: u32) -> Result<(), StartError> {
        while pods.len() < count as usize {
            let Ok(pod) = Pod::of(simulator, number(pods.len())) else { break };
            let authority = pod.authority();
            let running = vllm::Simulator::new(pod.config, self.world.clone(), &pod.name);
            let server = self.listen(&authority, running.router()).await?;
            pods.push(RunningPod { name: pod.name, simulator: running, server });
        }
        Ok(())
    }

    /// Makes of changed manifests what a cluster would: pods and names that are new come, the gateway
    /// takes the new configuration, and what is gone ends once its requests have. What it gives is why
    /// nothing was changed.
    pub(super) async fn change(&self, changes: &[Change<Manifest>]) -> Result<Option<String>, StartError> {
        let mut made = self.made.lock().await;
        let before = self.topology();
        let (manifests, after) = match made.manifests.changed(changes) {
            Ok(next) => next,
            Err(why) => return Ok(Some(why)),
        };
        let failed = after.simulators.iter().find_map(|simulator| Pod::of(simulator, 0).err());
        if failed.is_some() {
            return Ok(failed);
        }
        let after = Arc::new(after);
        made.manifests = manifests;
        let leaving = self.roll_out(&before, &after, &mut made.pods).await?;
        *self.topology.lock().unwrap_or_else(PoisonError::into_inner) = after.clone();
        let mut replicas = self.replicas.lock().await;
        for (number, gateway) in self.pool.all() {
            gateway.configure(after.clone());
            if let Some(replica) = replicas.get_mut(number as usize) {
                self.open(number, replica, &gateway, &ports(&after)).await?;
            }
        }
        for replica in replicas.iter_mut() {
            close(replica, &ports(&after)).await;
        }
        drop(replicas);
        for pod in leaving {
            pod.server.drain().await;
        }
        drop(made);
        let count = |topology: &Topology| topology.replicas.as_ref().map(|count| count.value);
        if let Some(count) = count(&after).filter(|_| count(&after) != count(&before)) {
            self.scale_gateway(count.clamp(1, MAX_REPLICAS)).await?;
        }
        Ok(self.move_doors(&ports(&after)).await.err())
    }

    /// Opens and shuts doors, so that these ports can be reached from outside. Those who watch are told
    /// where.
    ///
    /// # Errors
    /// Why a door could not be opened.
    async fn move_doors(&self, ports: &[u16]) -> Result<(), String> {
        let Some(fronts) = &self.fronts else { return Ok(()) };
        let moved = fronts.lock().await.follow(ports).await.map_err(|error| error.to_string())?;
        let opened = moved.opened.iter().map(|address| format!("the gateway listens at http://{address} as well"));
        let closed = moved.closed.iter().map(|address| format!("the gateway listens no more at http://{address}"));
        opened.chain(closed).for_each(|text| self.world.bus.emit(Kind::Note { text }));
        Ok(())
    }

    /// Starts pods that are new or have changed, and gives those that are to go.
    async fn roll_out(
        &self,
        before: &Topology,
        after: &Topology,
        pods: &mut Vec<Vec<RunningPod>>,
    ) -> Result<Vec<RunningPod>, StartError> {
        let mut old: Vec<Option<Vec<RunningPod>>> = std::mem::take(pods).into_iter().map(Some).collect();
        for simulator in &after.simulators {
            let same = |one: &Simulator| (&one.namespace, &one.name) == (&simulator.namespace, &simulator.name);
            let position =
                before.simulators.iter().position(same).filter(|at| before.simulators[*at].is_same(simulator));
            let kept = position.and_then(|at| old.get_mut(at)?.take());
            let mut running = kept.unwrap_or_default();
            if position.is_none() {
                self.grow(simulator, &mut running, simulator.replicas).await?;
            }
            pods.push(running);
        }
        let kept: Vec<Authority> = after.services.iter().flat_map(Service::names).collect();
        let gone = before.services.iter().flat_map(Service::names).filter(|name| !kept.contains(name));
        gone.for_each(|name| self.world.net.unname(&name));
        for (index, running) in pods.iter().enumerate() {
            self.name_services(after, index, running);
        }
        Ok(old.into_iter().flatten().flatten().collect())
    }

    /// Opens the ports that a replica does not have yet.
    async fn open(
        &self,
        number: u32,
        replica: &mut Replica,
        gateway: &Gateway,
        ports: &[u16],
    ) -> Result<(), StartError> {
        for port in ports {
            if !replica.servers.iter().any(|(one, _)| one == port) {
                replica.servers.push((*port, self.front(number, *port, gateway).await?));
            }
        }
        Ok(())
    }

    /// Changes the configuration of every pod of a simulator, by the name of its Deployment. Pods that come
    /// later begin as their manifest says.
    ///
    /// # Errors
    /// What is wrong with the changes, in the simulator's own words.
    pub(super) async fn configure(
        &self,
        name: &str,
        changes: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), String> {
        let topology = self.topology();
        let made = self.made.lock().await;
        // One that is deleted has no pods.
        let index = topology.simulators.iter().position(|one| one.name == name);
        let pods = index.and_then(|index| made.pods.get(index)).map_or(&[][..], Vec::as_slice);
        pods.iter().try_for_each(|pod| pod.simulator.change(changes))
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
    fn name_services(&self, topology: &Topology, simulator: usize, pods: &[RunningPod]) {
        let services = topology.services.iter().filter(|service| service.simulator == simulator);
        for service in services {
            let targets: Vec<_> =
                pods.iter().map(|pod| Authority::new(pod.name.as_str(), service.target_port)).collect();
            for name in service.names() {
                self.world.net.name(name, targets.clone());
            }
        }
    }
}

/// Closes the ports that a replica has no more, once their requests have ended.
async fn close(replica: &mut Replica, ports: &[u16]) {
    let gone: Vec<_> = replica.servers.extract_if(.., |(port, _)| !ports.contains(port)).collect();
    for (_, server) in gone {
        server.drain().await;
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The ports of the gateway, in the order of its listeners.
pub(super) fn ports(topology: &Topology) -> Vec<u16> {
    let mut ports = Vec::new();
    for listener in &topology.listeners {
        if !ports.contains(&listener.port) {
            ports.push(listener.port);
        }
    }
    ports
}

fn learn_credentials(world: &World, prepared: &Prepared) {
    let backends = prepared.scenario.topologies().flat_map(|topology| &topology.backends);
    for (_, provider) in backends.flat_map(Backend::providers) {
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
    let backends = prepared.scenario.topologies().flat_map(|topology| &topology.backends);
    let providers = backends.flat_map(Backend::providers);
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
