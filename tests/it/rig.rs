//! Client, gateway and providers with faults between them, put together by hand: a lab in which a
//! test may do anything.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use labsim::event::{Bus, Outcome, Sink};
use labsim::fault::target::{CLIENT_HOST, GATEWAY_HOST};
use labsim::fault::{Aim, Injection, Target};
use labsim::gateway::Gateway;
use labsim::sim::faults::layer;
use labsim::sim::openai::{self, FakeOpenai, LatencyModel};
use labsim::sim::{self, vllm};
use labsim::source::{FileId, Place, Spanned};
use labsim::topology::{
    Auth, Authority, Backend, Credential, Group, Listener, Personality, Provider, Route, Rule, Topology,
    WeightedBackend,
};
use labsim::traffic::client::{Ask, Client};
use labsim::world::clock::VIRTUAL_START;
use labsim::world::serve::{Server, serve};
use labsim::world::{Clock, Credentials, FaultBoard, Net, Seed, World};
use serde_json::json;

pub(crate) const SIMULATOR: &str = "mock-0";
pub(crate) const MODEL: &str = "m";
const PLACE: Place = Place { file: FileId(0), start: 0, end: 0 };

pub(crate) struct Rig {
    pub(crate) board: FaultBoard,
    pub(crate) topology: Arc<Topology>,
    pub(crate) servers: Vec<Server>,
    pub(crate) client: Client,
    pub(crate) world: World,
}

/// What a rig is made of.
pub(crate) struct Parts<'a> {
    pub(crate) net: Net,
    pub(crate) sinks: Vec<Box<dyn Sink>>,
    /// The simulator's arguments beside the model.
    pub(crate) args: &'a str,
    /// Whether the fake OpenAI stands beside the simulator, in its group.
    pub(crate) openai: bool,
}

impl Rig {
    pub(crate) async fn new(parts: Parts<'_>) -> Self {
        let clock = if parts.net.is_memory() { Clock::starting_at(VIRTUAL_START) } else { Clock::real() };
        let bus = Bus::new(move || clock.now(), parts.sinks);
        let world = World { clock, bus, credentials: Credentials::default(), seed: Seed(7), net: parts.net };
        world.credentials.learn("sk-lab", "secret:lab");
        let board = FaultBoard::new(&world);
        let topology = Arc::new(topology(parts.openai));
        let args: Vec<String> =
            format!("--model {MODEL} {}", parts.args).split_whitespace().map(str::to_owned).collect();
        let (config, _) = vllm::Config::parse(&args, &std::collections::BTreeMap::new()).unwrap();
        let mut rig = Self {
            board,
            topology: topology.clone(),
            servers: Vec::new(),
            client: Client::new(World { net: world.net.of(CLIENT_HOST), ..world.clone() }),
            world: world.clone(),
        };
        let simulator = vllm::Simulator::new(config, world.clone(), SIMULATOR);
        rig.host(&Authority::new(SIMULATOR, 8000), simulator.router(), SIMULATOR).await;
        let config =
            openai::Config { latency: LatencyModel::none(), ..openai::Config::accepting(["sk-lab".to_owned()]) };
        let fake = FakeOpenai::new(config, world.clone());
        rig.host(&Authority::openai(), fake.router(), openai::HOST).await;
        let host = format!("{GATEWAY_HOST}-0");
        let inside = World { net: world.net.of(&host), ..world.clone() };
        let gateway = Gateway::new(inside, topology, Personality::newest(), 0);
        let listener = world.net.listen(&front()).await.unwrap();
        rig.servers.push(serve(listener, move |request| {
            let gateway = gateway.clone();
            async move { gateway.handle(0, request).await }
        }));
        rig
    }

    async fn host(&mut self, at: &Authority, router: axum::Router, name: &str) {
        let listener = self.world.net.listen(at).await.unwrap();
        self.servers.push(sim::serve(listener, layer(router, &self.board, name)));
    }

    pub(crate) fn inject(&self, injection: Injection) -> u64 {
        let aim: Aim = injection.aim(&self.topology).unwrap_or_else(|error| panic!("{}", error.message));
        self.board.inject(injection, aim)
    }

    pub(crate) fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    /// Asks through the gateway.
    pub(crate) async fn ask(&self, id: &str, stream: bool, timeout: Duration) -> Outcome {
        self.client.send(ask(id, stream, timeout)).await.outcome
    }
}

/// Where the gateway listens.
fn front() -> Authority {
    Authority::new(format!("{GATEWAY_HOST}-0"), 8080)
}

/// A chat request to the gateway.
pub(crate) fn ask(id: &str, stream: bool, timeout: Duration) -> Ask {
    let body = json!({
        "model": "", "stream": stream, "max_tokens": 16,
        "messages": [{"role": "user", "content": "One, two, three. What comes next?"}],
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ask {
        id: id.to_owned(),
        step: None,
        replica: Some(0),
        target: front(),
        host: "gateway".to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        headers,
        body: body.to_string().into(),
        stream,
        timeout: Some(timeout),
        intended: None,
        retry_of: None,
        keeps_text: false,
    }
}

fn topology(openai: bool) -> Topology {
    let provider = |name: &str, model: &str, endpoint, auth, is_openai| Provider {
        name: Spanned::new(name.to_owned(), PLACE),
        model: Some(model.to_owned()),
        endpoint,
        path: "/v1/chat/completions".to_owned(),
        auth,
        keeps_query: is_openai,
        is_openai,
        health: None,
        own: labsim::topology::Own::default(),
        connect_timeout: None,
        h2c: false,
        http2: None,
        tls: None,
    };
    let mut providers = vec![provider("mock", MODEL, Authority::new(SIMULATOR, 8000), Auth::None, false)];
    if openai {
        let key = Auth::Credential(Credential::new("secret:lab", "Bearer sk-lab"));
        providers.push(provider("openai", "gpt-4o", Authority::openai(), key, true));
    }
    let rule = Rule { backends: vec![WeightedBackend { backend: 0, weight: 1 }], ..Rule::default() };
    Topology {
        listeners: vec![Listener {
            tls: None,
            gateway: "ns/gateway".to_owned(),
            name: "http".to_owned(),
            port: 8080,
            hostname: None,
        }],
        routes: vec![Route {
            name: "route".to_owned(),
            namespace: "ns".to_owned(),
            listeners: vec![0],
            hostnames: Vec::new(),
            rules: vec![rule],
            place: PLACE,
        }],
        backends: vec![Backend {
            name: "backend".to_owned(),
            namespace: "ns".to_owned(),
            groups: vec![Group { providers }],
            health: None,
            own_health: None,
            label: None,
            place: PLACE,
        }],
        ..Topology::default()
    }
}
