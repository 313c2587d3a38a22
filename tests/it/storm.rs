//! Every fault at once, at random: whatever happens, each request ends once, everybody counts the
//! same, and nothing is left over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http_body_util::{BodyExt as _, Empty};
use labsim::event::{Event, Kind, Outcome};
use labsim::fault::{Clear, Fault, Injection};
use labsim::sim::openai;
use labsim::topology::Authority;
use labsim::world::connector::Connector;
use labsim::world::serve::Server;
use labsim::world::{Net, Random, Seed};

use crate::rig::{Parts, Rig, SIMULATOR};

/// Requests under way at once.
const TOGETHER: usize = 200;
const PATIENCE: Duration = Duration::from_secs(20);
/// A person who breaks things does so this often.
const TOGGLE: Duration = Duration::from_millis(500);
/// After this long, pools have closed what nobody uses.
const QUIET: Duration = Duration::from_mins(10);

/// What was told, counted as it comes: too much to keep.
#[derive(Default)]
struct Counts {
    sent: u64,
    /// How often each request that was sent has ended for its client.
    ended: BTreeMap<String, u32>,
    outcomes: BTreeMap<String, u64>,
    /// Requests that the gateway has read, and that it has ended.
    gateway: [u64; 2],
    attempts: [u64; 2],
    /// By host: read, ended.
    provider: BTreeMap<String, [u64; 2]>,
    /// Answers of the simulator that no fault has given in its place, to bodies that came whole.
    by_simulator: u64,
    /// Requests that the simulator has read whole and that are under way, by request and attempt.
    whole: BTreeMap<(Option<String>, u32), u64>,
    struck: BTreeMap<String, u64>,
}

impl Counts {
    fn take(&mut self, event: &Event) {
        match &event.kind {
            Kind::ClientRequestSent { request, .. } => {
                self.sent += 1;
                self.ended.insert(request.clone(), 0);
            }
            Kind::ClientRequestEnded { request, outcome, .. } => {
                *self.ended.get_mut(request).expect("it was sent") += 1;
                *self.outcomes.entry(format!("{outcome:?}")).or_default() += 1;
            }
            Kind::GatewayRequestReceived { .. } => self.gateway[0] += 1,
            Kind::GatewayRequestEnded { .. } => self.gateway[1] += 1,
            Kind::AttemptStarted { .. } => self.attempts[0] += 1,
            Kind::AttemptEnded { .. } => self.attempts[1] += 1,
            Kind::ProviderRequestReceived { host, request, attempt, model, .. } => {
                self.provider.entry(host.clone()).or_default()[0] += 1;
                if host == SIMULATOR && model.is_some() {
                    *self.whole.entry((request.clone(), *attempt)).or_default() += 1;
                }
            }
            Kind::ProviderRequestEnded { host, request, attempt, injected, .. } => {
                self.provider.entry(host.clone()).or_default()[1] += 1;
                let key = (request.clone(), *attempt);
                if host == SIMULATOR && self.whole.remove(&key).is_some() && injected.is_none() {
                    self.by_simulator += 1;
                }
            }
            Kind::FaultStruck { fault, .. } => *self.struck.entry(fault.clone()).or_default() += 1,
            _ => {}
        }
    }
}

/// A fault at random: where it acts, how often, and for how long.
fn any_fault(chance: &mut Random, name: &str) -> Injection {
    let mut injection = Injection::parse(name).unwrap();
    let places: &[&str] = if injection.fault.acts().on_link() {
        &["client -> gateway", "gateway -> mock", "gateway -> openai", "client", "*"]
    } else {
        &["mock", "openai", "*"]
    };
    injection.target = Rig::target(places[chance.index(places.len())]);
    injection.probability = 0.05 + 0.4 * chance.unit();
    injection
}

/// Each fault is there from the start at a low rate; others come and go.
async fn break_things(rig: &Rig) {
    let mut chance = Seed(7).stream("storm");
    for name in Fault::NAMES {
        let injection = any_fault(&mut chance, name);
        // Connections are few, since they are kept.
        let probability = if injection.fault.acts().on_link() { 0.05 } else { 0.01 };
        rig.inject(Injection { probability, ..injection });
    }
    loop {
        tokio::time::sleep(TOGGLE).await;
        let name = Fault::NAMES[chance.index(Fault::NAMES.len())];
        let mut injection = any_fault(&mut chance, name);
        injection.name = Some("passing".to_owned());
        rig.inject(injection);
        if rig.board.active().len() > 2 * Fault::NAMES.len() {
            rig.board.clear(&Clear::Name("passing".to_owned()));
        }
    }
}

async fn send_all(rig: &Rig, requests: usize) {
    let mut chance = Seed(7).stream("arrivals");
    let asks = (0..requests).map(|number| {
        let (stream, pause) = (chance.chance(0.5), Duration::from_micros(chance.below(40_000)));
        async move {
            tokio::time::sleep(pause).await;
            rig.ask(&format!("req-{number}"), stream, PATIENCE).await
        }
    });
    stream::iter(asks).buffer_unordered(TOGETHER).for_each(|_: Outcome| async {}).await;
}

/// A sum of the simulator's own metrics.
async fn metric(net: &Net, name: &str) -> u64 {
    let client = Connector::new(net.of("operator")).client::<Empty<Bytes>>();
    let url = format!("http://{}/metrics", Authority::new(SIMULATOR, 8000)).parse().unwrap();
    let body = client.get(url).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let values = text.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

fn storm(requests: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let heard = counts.clone();
    runtime.block_on(async {
        let sink = move |event: &Event| heard.lock().unwrap().take(event);
        let parts = Parts {
            net: Net::memory(),
            sinks: vec![Box::new(sink)],
            args: "--mode echo --max-num-seqs 100000 --max-model-len 100000 --time-to-first-token 20ms --inter-token-latency 1ms",
            openai: true,
        };
        let rig = Rig::new(parts).await;
        futures_util::future::select(Box::pin(send_all(&rig, requests)), Box::pin(break_things(&rig))).await;
        rig.board.clear(&Clear::All);
        tokio::time::sleep(QUIET).await;
        let answered = metric(&rig.world.net, "vllm:request_success_total").await;
        tokio::time::sleep(QUIET).await;
        let open: Vec<usize> = rig.servers.iter().map(Server::open_connections).collect();
        assert_eq!(open, vec![0; open.len()], "connections that are left over");
        for server in &rig.servers {
            server.stop();
        }
        drop(rig);
        tokio::time::sleep(QUIET).await;
        let counts = counts.lock().unwrap();
        let whole = counts.whole.len();
        assert_eq!((counts.sent, whole), (requests as u64, 0));
        assert!(counts.ended.values().all(|times| *times == 1), "each request ends once: {:?}", counts.outcomes);
        assert_eq!(counts.gateway[0], counts.gateway[1], "what the gateway reads it ends");
        assert_eq!(counts.attempts[0], counts.attempts[1], "what the gateway tries it ends");
        for host in [SIMULATOR, openai::HOST] {
            let [received, ended] = counts.provider[host];
            assert_eq!(received, ended, "what {host} reads it ends");
            assert!(received > requests as u64 / 10, "{host} was hardly asked");
        }
        assert_eq!(counts.by_simulator, answered, "the simulator and the events count the same");
        for name in Fault::NAMES {
            assert!(counts.struck.contains_key(*name), "{name} never struck: {:?}", counts.struck);
        }
        for outcome in ["Complete", "Truncated", "Cut", "Reset", "Refused", "Timeout", "Unresolved"] {
            assert!(counts.outcomes.contains_key(outcome), "no request ended with {outcome}: {:?}", counts.outcomes);
        }
    });
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "tasks that are left over");
}

#[test]
fn ten_thousand_requests_in_a_storm_of_faults() {
    storm(10_000);
}

#[test]
#[ignore = "some minutes; `just storm` runs it"]
fn a_hundred_thousand_requests_in_a_storm_of_faults() {
    storm(100_000);
}
