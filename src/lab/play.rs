//! Plays the steps of a scenario: in order, at their moments, and as a person asks for them.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::acts::Commands;
use super::hosts::{Hosts, StartError, replica_host};
use super::load;
use super::prepare::Prepared;
use super::watch::Watch;
use crate::event::{Aims, At, Kind, RequestId};
use crate::fault::target::CLIENT_HOST;
use crate::scenario::step::{Objective, Order, Retries, Scaled, Sdk, Until};
use crate::scenario::{Restart, Send, Spread, Step};
use crate::source::Span;
use crate::topology::Authority;
use crate::traffic::retry::{self, COUNT};
use crate::traffic::{Answered, Ask, Client};
use crate::world::{Random, World};

/// How long the lab goes on after its last step, so that every host has told its end of it.
const SETTLE: Duration = Duration::from_millis(20);

/// Everything that plays steps needs. Cheap to clone; all clones play in one lab.
#[derive(Clone)]
pub(super) struct Player(Arc<Inner>);

struct Inner {
    world: World,
    prepared: Arc<Prepared>,
    hosts: Hosts,
    client: Client,
    watch: Watch,
    state: Mutex<State>,
    /// Counts how often loads were stopped: those that began before end.
    stopped: watch::Sender<u64>,
}

struct State {
    sent: u64,
    turn: usize,
    chance: Random,
    /// Of the waits before retries.
    jitter: Random,
}

/// One request of a step, beside what all of them have in common.
struct Asked {
    id: RequestId,
    step: usize,
    intended: Option<At>,
    /// The first request of its question, and the how manieth retry of it this is.
    retry: Option<(RequestId, u32)>,
}

type Played<'p> = LocalBoxFuture<'p, Result<(), StartError>>;

/// Builds the lab and plays all steps.
pub(super) async fn play(
    world: &World,
    prepared: &Arc<Prepared>,
    watch: Watch,
    commands: Option<&Commands>,
) -> Result<(), StartError> {
    let hosts = Hosts::start(world, prepared).await?;
    hosts.scale_gateway(prepared.scenario.gateway.replicas).await?;
    Player::new(world, prepared, hosts, watch).play_all(commands).await
}

impl Player {
    pub(super) fn new(world: &World, prepared: &Arc<Prepared>, hosts: Hosts, watch: Watch) -> Self {
        let stream = |name| world.seed.stream(name);
        let (chance, jitter) = (stream("client/spread"), stream("client/retries"));
        let state = State { sent: 0, turn: 0, chance, jitter };
        Self(Arc::new(Inner {
            world: world.clone(),
            prepared: prepared.clone(),
            hosts,
            client: Client::new(World { net: world.net.of(CLIENT_HOST), ..world.clone() }),
            watch,
            state: Mutex::new(state),
            stopped: watch::Sender::new(0),
        }))
    }

    /// Plays the steps and the schedule, and what a person asks for, until all is done and no more
    /// will come.
    pub(super) async fn play_all(&self, commands: Option<&Commands>) -> Result<(), StartError> {
        let scenario = &self.0.prepared.scenario;
        let in_order = self.sequence(scenario.in_order()).boxed_local();
        self.with_acts(in_order, commands).await
    }

    /// Plays only what a person asks for.
    pub(super) async fn play_acts(&self, commands: &Commands) -> Result<(), StartError> {
        self.with_acts(async { Ok(()) }.boxed_local(), Some(commands)).await
    }

    async fn with_acts(&self, in_order: Played<'_>, commands: Option<&Commands>) -> Result<(), StartError> {
        let mut under_way = FuturesUnordered::new();
        let mut acts = Acts::new(self, commands);
        let mut in_order = Some(in_order);
        let mut settled = None;
        loop {
            // What is due comes before everything else of the same moment.
            while let Some(act) = acts.due() {
                under_way.push(act);
                settled = None;
            }
            if in_order.is_none() && under_way.is_empty() && acts.are_over() {
                let settled = *settled.get_or_insert_with(|| Instant::now() + SETTLE);
                if Instant::now() >= settled && !acts.rest() {
                    return Ok(());
                }
            }
            futures_util::select_biased! {
                () = acts.next().fuse() => {}
                () = until(settled).fuse() => {}
                done = next(&mut under_way).fuse() => done?,
                done = all(&mut in_order).fuse() => {
                    done?;
                    in_order = None;
                }
            }
        }
    }

    /// Plays steps one after the other.
    async fn sequence(&self, positions: Vec<usize>) -> Result<(), StartError> {
        let scenario = self.0.prepared.scenario.clone();
        for position in positions {
            if let Some(step) = scenario.steps.get(position) {
                self.step(position, step, false).await?;
            }
        }
        Ok(())
    }

    /// Plays one step; `act` where a person asked for it.
    async fn step(&self, index: usize, step: &Step, act: bool) -> Result<(), StartError> {
        let (verb, summary) = (step.verb().to_owned(), step.summary());
        let act = act.then(|| step.as_written()).flatten();
        let load = match step {
            Step::Load(load) => Some(aims(load.objective)),
            _ => None,
        };
        self.0.world.bus.emit(Kind::StepStarted { step: index, verb, summary, act, load });
        let failed = self.done(index, step).await?;
        self.0.world.bus.emit(Kind::StepEnded { step: index, failed });
        Ok(())
    }

    /// Does what a step says; what it gives is why it did not come about.
    async fn done(&self, index: usize, step: &Step) -> Result<Option<String>, StartError> {
        let Inner { world, hosts, .. } = &*self.0;
        match step {
            Step::Send(send) => self.send(index, send).await,
            Step::Load(load) => load::play(self, index, load).await.map_err(StartError::Machine)?,
            Step::Wait(span) => sleep(span.0).await,
            Step::Until(until) => return Ok(self.until(until).await),
            Step::Note(text) => world.bus.emit(Kind::Note { text: text.clone() }),
            Step::Restart(Restart::Gateway) => hosts.restart_gateway().await?,
            Step::Restart(Restart::Replica(replica)) => hosts.restart_replica(*replica).await?,
            Step::Scale(scale) => match &scale.what {
                Scaled::Gateway => hosts.scale_gateway(scale.count).await?,
                Scaled::Simulator { name, .. } => hosts.scale_simulator(name, scale.count).await?,
            },
            Step::Configure(one) => return Ok(hosts.configure(&one.name, &one.changes).await.err()),
            Step::Inject(inject) => {
                hosts.board().inject(inject.injection.clone(), inject.aim.clone());
            }
            Step::Clear(which) => {
                hosts.board().clear(which);
            }
            Step::Apply(changes) | Step::Delete(changes) => return hosts.change(changes).await,
            Step::Stop => self.0.stopped.send_modify(|count| *count += 1),
            Step::Parallel(branches) => self.parallel(branches).await?,
        }
        Ok(None)
    }

    async fn until(&self, until: &Until) -> Option<String> {
        // What the steps before have done has to be known.
        self.0.world.bus.settle();
        let holds = tokio::time::timeout(until.at_most.0, self.0.watch.until(&until.condition)).await;
        holds.err().map(|_| format!("{} did not come about within {}", until.condition, until.at_most))
    }

    async fn parallel(&self, branches: &[Range<usize>]) -> Result<(), StartError> {
        let scenario = &self.0.prepared.scenario;
        let mut under_way = FuturesUnordered::new();
        for branch in branches {
            under_way.push(self.sequence(scenario.sequence(branch.clone())).boxed_local());
        }
        while let Some(done) = under_way.next().await {
            done?;
        }
        Ok(())
    }

    async fn send(&self, index: usize, send: &Send) {
        match send.order {
            Order::InOrder { gap } => {
                for time in 0..send.times {
                    if time > 0 {
                        sleep(gap.0).await;
                    }
                    self.ask(index, send, None).await;
                }
            }
            Order::AtOnce => {
                let all = (0..send.times).map(|_| self.ask(index, send, None));
                all.collect::<FuturesUnordered<_>>().for_each(|()| async {}).await;
            }
            Order::Over(span) => {
                let interval = span.0 / send.times;
                let all = (0..send.times).map(|time| async move {
                    sleep(interval * time).await;
                    self.ask(index, send, None).await;
                });
                all.collect::<FuturesUnordered<_>>().for_each(|()| async {}).await;
            }
        }
    }

    /// Asks one thing and waits for the end, with all the retries of the client. `intended` is when it
    /// should have been sent, where a load says so.
    pub(super) async fn ask(&self, step: usize, send: &Send, intended: Option<At>) {
        let first = self.next_id();
        let mut answered = self.request(send, Asked { id: first.clone(), step, intended, retry: None }).await;
        let Some(Retries { most, like }) = send.retries else { return };
        for count in 1..=most {
            let draw = self.lock().jitter.unit();
            let Some(wait) = sdk(like).again(&answered, count - 1, self.0.world.clock.wall(), draw) else { return };
            sleep(wait).await;
            let retry = Some((first.clone(), count));
            answered = self.request(send, Asked { id: self.next_id(), step, intended: None, retry }).await;
        }
    }

    /// Sends one request and waits for its end.
    async fn request(&self, send: &Send, asked: Asked) -> Answered {
        let Inner { hosts, client, .. } = &*self.0;
        let (replica, _) = hosts.pool().take(|count| self.choose(send, count)).await;
        let port = hosts.first_port();
        let count = asked.retry.as_ref().map(|(_, count)| *count);
        let ask = Ask {
            id: asked.id,
            step: Some(asked.step),
            replica: Some(replica),
            target: Authority::new(replica_host(replica), port),
            host: format!("localhost:{port}"),
            method: send.method.parse().unwrap_or_default(),
            path: send.path.clone(),
            headers: headers(send, count.unwrap_or(0)),
            body: send.body().map(|json| json.to_string().into()).unwrap_or_default(),
            stream: send.stream,
            timeout: send.timeout.map(|timeout| timeout.0),
            intended: asked.intended,
            retry_of: asked.retry.map(|(first, _)| first),
            keeps_text: self.0.prepared.scenario.asks_for_text(send),
        };
        client.send(ask).await
    }

    fn next_id(&self) -> RequestId {
        format!("req-{}", self.next_number())
    }

    fn next_number(&self) -> u64 {
        let mut state = self.lock();
        state.sent += 1;
        state.sent
    }

    /// Which of so many replicas takes a request.
    fn choose(&self, send: &Send, count: usize) -> usize {
        let mut state = self.lock();
        match self.0.prepared.scenario.gateway.spread {
            Spread::RoundRobin => {
                let turn = state.turn;
                state.turn = turn.wrapping_add(1);
                turn % count
            }
            Spread::Random => state.chance.index(count),
            Spread::Sticky => sticky(send.key.as_ref().map_or("", |key| key.key()), count),
        }
    }

    pub(super) fn world(&self) -> &World {
        &self.0.world
    }

    /// Changes when loads are stopped.
    pub(super) fn stopped(&self) -> watch::Receiver<u64> {
        self.0.stopped.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The replica for a client: always the same while their number is.
pub(super) fn sticky(client: &str, count: usize) -> usize {
    // FNV-1a: short, and the same in every process.
    let hash = client
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % (count as u64).max(1)).unwrap_or(0)
}

/// What is done at its moment: by the schedule, and as a person asks.
struct Acts<'p> {
    player: &'p Player,
    /// What the schedule has left, in order.
    schedule: std::vec::IntoIter<(At, usize)>,
    next: Option<(At, usize)>,
    commands: Option<&'p Commands>,
    /// How many acts a person has asked for.
    asked: usize,
}

impl<'p> Acts<'p> {
    fn new(player: &'p Player, commands: Option<&'p Commands>) -> Self {
        let scenario = &player.0.prepared.scenario;
        let mut schedule: Vec<_> = scenario.schedule.iter().map(|(at, step)| (At::after(at.0), *step)).collect();
        schedule.sort_by_key(|(at, _)| *at);
        let mut schedule = schedule.into_iter();
        let next = schedule.next();
        Self { player, schedule, next, commands, asked: 0 }
    }

    /// The next act that is due now.
    fn due(&mut self) -> Option<Played<'p>> {
        let player = self.player;
        let now = player.0.world.clock.now();
        if let Some((_, position)) = self.next.filter(|(at, _)| *at <= now) {
            self.next = self.schedule.next();
            return Some(player.sequence(vec![position]).boxed_local());
        }
        let commands = self.commands?;
        if !player.0.world.net.is_memory() {
            commands.settle(now, false);
        }
        let step = commands.take_due(now)?;
        commands.set_idle(false);
        let index = player.0.prepared.scenario.steps.len() + self.asked;
        self.asked += 1;
        Some(async move { player.step(index, &step, true).await }.boxed_local())
    }

    /// Returns when an act is due, or something has changed.
    async fn next(&mut self) {
        let asked = self.commands.and_then(Commands::next_due);
        let scheduled = self.next.map(|(at, _)| at);
        let due = asked.into_iter().chain(scheduled).min();
        let clock = self.player.0.world.clock;
        let passed = async {
            match due {
                Some(at) => sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            match self.commands {
                Some(commands) => commands.changed().await,
                None => std::future::pending().await,
            }
        };
        futures_util::select_biased! {
            () = passed.boxed_local().fuse() => {}
            () = changed.boxed_local().fuse() => {}
        }
    }

    /// Whether the schedule is done, and a person has asked for nothing that is not.
    fn are_over(&self) -> bool {
        self.next.is_none() && self.commands.is_none_or(|commands| !commands.has_more())
    }

    /// Rests until a person asks for more; false if nobody will.
    fn rest(&self) -> bool {
        let Some(commands) = self.commands.filter(|commands| !commands.is_closed()) else { return false };
        self.player.0.world.bus.flush();
        commands.set_idle(true);
        true
    }
}

/// This moment, if it is still to come; never, otherwise.
async fn until(moment: Option<Instant>) {
    match moment.filter(|moment| *moment > Instant::now()) {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The end of whichever is over next; never, where there is none.
async fn next(under_way: &mut FuturesUnordered<Played<'_>>) -> Result<(), StartError> {
    match under_way.next().await {
        Some(done) => done,
        None => std::future::pending().await,
    }
}

/// The end of the steps; never, where they are over.
async fn all(in_order: &mut Option<Played<'_>>) -> Result<(), StartError> {
    match in_order {
        Some(steps) => Pin::new(steps).await,
        None => std::future::pending().await,
    }
}

/// What a load counts as good.
fn aims(objective: Objective) -> Aims {
    let micros = |span: Option<Span>| span.map(|span| At::after(span.0).0);
    Aims { ttft_us: micros(objective.ttft), latency_us: micros(objective.latency) }
}

/// The client whose ways a step takes.
fn sdk(like: Sdk) -> retry::Sdk {
    match like {
        Sdk::OpenaiPython => retry::Sdk::OpenaiPython,
        Sdk::OpenaiPython1 => retry::Sdk::OpenaiPython1,
        Sdk::OpenaiNode => retry::Sdk::OpenaiNode,
    }
}

/// The headers of a request: those that its content needs, the key, then the scenario's own.
fn headers(send: &Send, retry: u32) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if send.body().is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(key) = &send.key
        && let Ok(value) = HeaderValue::from_str(&key.authorization())
    {
        headers.insert(AUTHORIZATION, value);
    }
    if send.retries.is_some() {
        headers.insert(COUNT, retry.into());
    }
    for (name, value) in &send.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}
