//! Plays the steps of a scenario, one after the other.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::sleep;

use super::build::{Hosts, StartError, ports, replica_host};
use super::prepare::Prepared;
use crate::event::Kind;
use crate::scenario::{Restart, Send, Spread, Step};
use crate::topology::Authority;
use crate::traffic::{Ask, Client};
use crate::world::{Random, World};

/// How long the lab goes on after its last step, so that every host has told its end of it.
const SETTLE: Duration = Duration::from_millis(20);

pub(super) struct Player {
    world: World,
    prepared: Arc<Prepared>,
    hosts: Hosts,
    client: Client,
    sent: u64,
    turn: u32,
    chance: Random,
}

/// Builds the lab and plays all steps.
pub(super) async fn play(world: &World, prepared: &Arc<Prepared>) -> Result<(), StartError> {
    let mut hosts = Hosts::start(world, prepared).await?;
    hosts.start_gateway(prepared.scenario.gateway.replicas).await?;
    Player::new(world, prepared, hosts).play_all().await
}

impl Player {
    pub(super) fn new(world: &World, prepared: &Arc<Prepared>, hosts: Hosts) -> Self {
        Self {
            world: world.clone(),
            prepared: prepared.clone(),
            hosts,
            client: Client::new(world.clone()),
            sent: 0,
            turn: 0,
            chance: world.seed.stream("client/spread"),
        }
    }

    pub(super) async fn play_all(&mut self) -> Result<(), StartError> {
        let scenario = self.prepared.scenario.clone();
        for (index, step) in scenario.steps.iter().enumerate() {
            let (verb, summary) = (step.verb().to_owned(), step.summary());
            self.world.bus.emit(Kind::StepStarted { step: index, verb, summary });
            self.step(index, step).await?;
            self.world.bus.emit(Kind::StepEnded { step: index });
        }
        sleep(SETTLE).await;
        Ok(())
    }

    async fn step(&mut self, index: usize, step: &Step) -> Result<(), StartError> {
        match step {
            Step::Send(send) => self.send(index, send).await,
            Step::Wait(span) => sleep(span.0).await,
            Step::Note(text) => self.world.bus.emit(Kind::Note { text: text.clone() }),
            Step::Restart(Restart::Gateway) => self.hosts.restart_gateway().await?,
            Step::Restart(Restart::Replica(replica)) => self.hosts.restart_replica(*replica).await?,
        }
        Ok(())
    }

    async fn send(&mut self, index: usize, send: &Send) {
        for time in 0..send.times {
            if time > 0 {
                sleep(send.gap.0).await;
            }
            let ask = self.ask(index, send);
            self.client.send(ask).await;
        }
    }

    fn ask(&mut self, step: usize, send: &Send) -> Ask {
        self.sent += 1;
        let replica = self.next_replica();
        let port = ports(&self.prepared).first().map_or(8080, |(_, port)| *port);
        Ask {
            id: format!("req-{}", self.sent),
            step: Some(step),
            replica: Some(replica),
            target: Authority::new(replica_host(replica), port),
            host: format!("localhost:{port}"),
            method: send.method.parse().unwrap_or_default(),
            path: send.path.clone(),
            headers: headers(send),
            body: send.body().map(|json| json.to_string().into()).unwrap_or_default(),
            stream: send.stream,
            timeout: None,
        }
    }

    fn next_replica(&mut self) -> u32 {
        let count = self.hosts.replicas().max(1);
        match self.prepared.scenario.gateway.spread {
            Spread::RoundRobin => {
                let replica = self.turn % count;
                self.turn = self.turn.wrapping_add(1);
                replica
            }
            Spread::Random => u32::try_from(self.chance.below(u64::from(count))).unwrap_or(0),
        }
    }
}

/// The headers of a request: those that its content needs, the key, then the scenario's own.
fn headers(send: &Send) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if send.body().is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(key) = &send.key
        && let Ok(value) = HeaderValue::from_str(&key.authorization())
    {
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &send.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}
