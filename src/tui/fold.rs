//! Everything that the screen shows of one moment, folded from the events up to it.
//!
//! A fold is small whatever the length of the run: requests that are over live in [`Rows`](super::rows::Rows), which
//! never change, and only those under way live here. So it can be kept for many moments.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::fact::{End, Fact};
use super::faults::{self, Active};
use super::health::{Eviction, Health};
use super::lineup::Lineup;
use super::row::{Names, Row};
use super::tally::Tally;
use crate::event::{At, Kind, Lookup, Outcome, ProviderName};

/// What is known by a request's id.
type ById<T> = Lookup<Arc<str>, T>;

/// The state of a moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fold {
    /// How many events it holds.
    pub(super) position: usize,
    /// When the latest of them happened.
    pub(super) now: At,
    /// How many requests have begun.
    pub(super) begun: usize,
    /// Replicas of the gateway, also those that are gone.
    pub(super) replicas: Vec<Replica>,
    /// Steps that have begun, by number: when, and when they ended.
    pub(super) steps: BTreeMap<usize, StepState>,
    /// The scenario's own step that began last.
    pub(super) step: Option<usize>,
    /// The sentence for the person watching, and when it came.
    pub(super) note: Option<(At, Arc<str>)>,
    /// Requests that ended a moment ago, for those who see them travel back.
    pub(super) recent: VecDeque<Arc<Row>>,
    pub(super) tally: Tally,
    /// Faults that are injected and not cleared.
    pub(super) faults: Vec<Active>,
    /// Attempts per provider, for as many as there are at this moment.
    pub(super) chosen: Vec<u32>,
    open: BTreeMap<u32, Arc<Row>>,
    ids: ById<u32>,
    /// Those under way, by request.
    attempts: ById<Vec<Attempt>>,
    closed: VecDeque<Arc<str>>,
}

/// An attempt under way.
#[derive(Debug, Clone, PartialEq)]
struct Attempt {
    number: u32,
    replica: usize,
    provider: usize,
}

/// A replica of the gateway.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Replica {
    /// Whether it is ready.
    pub(super) up: bool,
    /// How often it was started.
    pub(super) starts: u32,
    /// Requests that it took.
    pub(super) taken: u32,
    /// Requests under way there.
    pub(super) pending: u32,
    /// Its view of every provider, in the order of the lineup.
    pub(super) health: Vec<Health>,
}

/// A step that has begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepState {
    pub(super) began: At,
    pub(super) ended: Option<At>,
    pub(super) verb: Arc<str>,
    pub(super) summary: Arc<str>,
    /// Whether a person asked for it.
    pub(super) act: bool,
    /// Why it did not do what it should.
    pub(super) failed: Option<Arc<str>>,
}

/// How long a request is still seen after its end.
const RECENT_FOR: Duration = Duration::from_millis(400);
const MOST_RECENT: usize = 64;
/// How many ids of requests that are over are remembered, since hosts may still speak of them.
const MOST_CLOSED: usize = 64;
/// Replicas at most, whatever a recording says.
const MOST_REPLICAS: u32 = 256;
/// Steps at most, whatever a recording says.
const MOST_STEPS: usize = 10_000;

impl Fold {
    /// The moment before the first event.
    pub(super) fn new(lineup: &Lineup) -> Self {
        let replica = Replica { health: vec![Health::default(); lineup.providers.len()], ..Replica::default() };
        Self {
            position: 0,
            now: At::default(),
            begun: 0,
            replicas: vec![replica; lineup.replicas as usize],
            steps: BTreeMap::new(),
            step: None,
            note: None,
            recent: VecDeque::new(),
            tally: Tally::default(),
            faults: Vec::new(),
            chosen: vec![0; lineup.providers.len()],
            open: BTreeMap::new(),
            ids: ById::default(),
            attempts: ById::default(),
            closed: VecDeque::new(),
        }
    }

    /// Requests under way, the oldest first.
    pub(super) fn open(&self) -> impl DoubleEndedIterator<Item = &Arc<Row>> {
        self.open.values()
    }

    /// How many requests are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.open.len()
    }

    /// The request under way with this index.
    pub(super) fn open_row(&self, index: usize) -> Option<&Arc<Row>> {
        self.open.get(&u32::try_from(index).ok()?)
    }

    /// Roughly how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        24_000 + self.open.len() * 400 + self.replicas.len() * self.chosen.len() * 120
    }

    /// Takes in what the next event says, which happened at `at`. Returns the request that it ended.
    pub(super) fn apply(&mut self, fact: Fact<'_>, at: At, lineup: &Lineup, names: &mut Names) -> Option<Arc<Row>> {
        self.now = at;
        let position = u32::try_from(self.position).unwrap_or(u32::MAX);
        self.position += 1;
        while self.recent.front().is_some_and(|row| row.ended.is_some_and(|ended| at.since(ended) > RECENT_FOR)) {
            self.recent.pop_front();
        }
        match fact {
            Fact::Nothing => {}
            Fact::Rare(kind) => self.rare(kind, lineup),
            Fact::Sent { .. } | Fact::Started { .. } | Fact::FirstToken { .. } | Fact::Ended { .. } => {
                return self.client(fact, position, names);
            }
            Fact::Health { replica, backend, provider, score, latency_seconds, failures } => {
                if let Some(known) = self.known(replica, lineup.find(backend, provider)) {
                    known.changed(score, latency_seconds, failures);
                }
            }
            Fact::Received { .. }
            | Fact::Selected { .. }
            | Fact::Attempted { .. }
            | Fact::AttemptEnded { .. }
            | Fact::GatewayEnded { .. } => return self.gateway(fact, position, lineup, names),
        }
        None
    }

    /// What happens seldom.
    fn rare(&mut self, kind: &Kind, lineup: &Lineup) {
        let at = self.now;
        match kind {
            Kind::StepStarted { step, verb, summary, act, .. } => self.step_began(*step, verb, summary, act.is_some()),
            Kind::StepEnded { step, failed } => {
                if let Some(state) = self.steps.get_mut(step) {
                    state.ended = Some(at);
                    state.failed = failed.as_deref().map(Arc::from);
                }
            }
            Kind::Note { text } => self.note = Some((at, Arc::from(text.as_str()))),
            Kind::ReplicaStarted { replica } => self.replica_is(*replica, true),
            Kind::ReplicaStopped { replica } => self.replica_is(*replica, false),
            Kind::ReplicaConfigured { replica, backends, reset } => {
                self.widen(lineup.upto(backends));
                self.forget(*replica, reset, lineup);
            }
            Kind::ProviderEvicted { replica, backend, provider, until_us, source, status, .. } => {
                if let Some(known) = self.known(*replica, lineup.find(backend, provider)) {
                    known.evicted(Eviction { began: at, until: *until_us, status: *status, source: source.clone() });
                }
            }
            Kind::ProviderReturned { replica, backend, provider, .. } => {
                if let Some(known) = self.known(*replica, lineup.find(backend, provider)) {
                    known.returned();
                }
            }
            _ => faults::apply(&mut self.faults, kind),
        }
    }

    /// What the client tells of its requests.
    fn client(&mut self, fact: Fact<'_>, position: u32, names: &mut Names) -> Option<Arc<Row>> {
        let at = self.now;
        match fact {
            Fact::Sent { request, step, replica, path, stream, intended } => {
                let row = self.entry(request, position);
                row.has_client = true;
                row.step = step;
                row.replica = replica;
                row.path = names.id(path);
                row.stream = stream;
                row.intended = intended;
            }
            Fact::Started { request, status } => {
                if let Some(row) = self.find(request) {
                    row.started = Some(at);
                    row.status = Some(status);
                }
            }
            Fact::FirstToken { request } => {
                if let Some(row) = self.find(request) {
                    row.first_token = Some(at);
                }
            }
            Fact::Ended { request, end } => {
                let row = self.entry(request, position);
                row.has_client = true;
                ended(row, at, &end, names);
                return self.close(request);
            }
            _ => {}
        }
        None
    }

    /// What the gateway tells of its requests.
    fn gateway(&mut self, fact: Fact<'_>, position: u32, lineup: &Lineup, names: &mut Names) -> Option<Arc<Row>> {
        match fact {
            Fact::Received { request, replica, path } => {
                self.received(request, replica, path, position, names);
            }
            Fact::Selected { request, replica, attempt, backend, provider } => {
                let provider = lineup.find(backend, provider);
                self.selected(request, (replica, attempt), provider, lineup, names);
            }
            Fact::Attempted { request, endpoint, model } => {
                if let Some(row) = self.find(request) {
                    row.endpoint = names.id(endpoint);
                    if let Some(model) = model {
                        row.model = names.id(model);
                    }
                }
            }
            Fact::AttemptEnded { request, attempt, outcome, status } => {
                let good = outcome == Outcome::Complete && status.is_some_and(|status| status < 400);
                self.attempt_ended(request, attempt, good);
            }
            Fact::GatewayEnded { request, replica, end } => {
                if let Some(replica) = self.replica(replica) {
                    replica.pending = replica.pending.saturating_sub(1);
                }
                let at = self.now;
                let row = self.find(request).filter(|row| !row.has_client)?;
                ended(row, at, &end, names);
                return self.close(request);
            }
            _ => {}
        }
        None
    }

    /// What a replica knows dies with it.
    fn replica_is(&mut self, number: u32, up: bool) {
        if let Some(replica) = self.replica(number) {
            replica.up = up;
            replica.starts += u32::from(up);
            replica.health.iter_mut().for_each(Health::forget);
        }
    }

    /// There are so many providers from now on.
    fn widen(&mut self, providers: usize) {
        if providers > self.chosen.len() {
            self.chosen.resize(providers, 0);
            for replica in &mut self.replicas {
                replica.health.resize(providers, Health::default());
            }
        }
    }

    /// The health state of some providers is gone.
    fn forget(&mut self, number: u32, reset: &[ProviderName], lineup: &Lineup) {
        let gone: Vec<usize> = reset.iter().filter_map(|one| lineup.find(&one.backend, &one.provider)).collect();
        let Some(replica) = self.replica(number) else { return };
        for provider in gone {
            if let Some(health) = replica.health.get_mut(provider) {
                health.forget();
            }
        }
    }

    fn attempt_ended(&mut self, request: &str, attempt: u32, good: bool) {
        let at = self.now;
        let Some(under_way) = self.attempts.get_mut(request) else { return };
        let Some(place) = under_way.iter().position(|one| one.number == attempt) else { return };
        let Attempt { replica, provider, .. } = under_way.swap_remove(place);
        if under_way.is_empty() {
            self.attempts.remove(request);
        }
        if let Some(health) = self.replicas.get_mut(replica).and_then(|replica| replica.health.get_mut(provider)) {
            health.answered(at, good);
        }
    }

    fn step_began(&mut self, step: usize, verb: &str, summary: &str, act: bool) {
        if step >= MOST_STEPS {
            return;
        }
        let (verb, summary) = (Arc::from(verb), Arc::from(summary));
        let state = StepState { began: self.now, ended: None, verb, summary, act, failed: None };
        self.steps.insert(step, state);
        if !act {
            self.step = Some(step);
        }
    }

    fn received(&mut self, request: &str, replica: u32, path: &str, position: u32, names: &mut Names) {
        if let Some(replica) = self.replica(replica) {
            replica.taken += 1;
            replica.pending += 1;
        }
        // What a client has given up may reach the gateway after its end.
        if !self.ids.contains_key(request) && self.closed.iter().any(|id| &**id == request) {
            return;
        }
        let path = names.id(path);
        let row = self.entry(request, position);
        row.replica = Some(replica);
        row.arrived = true;
        if !row.has_client {
            row.path = path;
        }
    }

    fn selected(
        &mut self,
        request: &str,
        (replica, attempt): (u32, u32),
        provider: Option<usize>,
        lineup: &Lineup,
        names: &mut Names,
    ) {
        let at = self.now;
        if let Some(row) = self.find(request) {
            row.selected = Some(at);
            row.attempts = row.attempts.saturating_add(1);
            row.provider = provider.and_then(|provider| u16::try_from(provider).ok());
            if let Some(provider) = provider {
                row.endpoint = names.id(&lineup.providers[provider].endpoint);
            }
        }
        let Some(provider) = provider.filter(|provider| *provider < self.chosen.len()) else { return };
        self.chosen[provider] += 1;
        if let Some(health) = self.known(replica, Some(provider)) {
            health.selected();
            let one = Attempt { number: attempt, replica: replica as usize, provider };
            match self.attempts.get_mut(request) {
                Some(under_way) => under_way.push(one),
                None => drop(self.attempts.insert(Arc::from(request), vec![one])),
            }
        }
    }

    fn replica(&mut self, number: u32) -> Option<&mut Replica> {
        if number >= MOST_REPLICAS {
            return None;
        }
        let index = number as usize;
        if index >= self.replicas.len() {
            let health = vec![Health::default(); self.chosen.len()];
            self.replicas.resize(index + 1, Replica { health, ..Replica::default() });
        }
        self.replicas.get_mut(index)
    }

    fn known(&mut self, replica: u32, provider: Option<usize>) -> Option<&mut Health> {
        self.replica(replica)?.health.get_mut(provider?)
    }

    fn find(&mut self, id: &str) -> Option<&mut Row> {
        let index = self.ids.get(id)?;
        self.open.get_mut(index).map(Arc::make_mut)
    }

    fn entry(&mut self, id: &str, position: u32) -> &mut Row {
        let index = self.ids.get(id).copied().unwrap_or_else(|| {
            let index = u32::try_from(self.begun).unwrap_or(u32::MAX);
            self.begun += 1;
            self.ids.insert(Arc::from(id), index);
            index
        });
        let sent = self.now;
        Arc::make_mut(self.open.entry(index).or_insert_with(|| Arc::new(Row::new(index, position, sent))))
    }

    fn close(&mut self, id: &str) -> Option<Arc<Row>> {
        let (id, index) = self.ids.remove_entry(id)?;
        let row = self.open.remove(&index)?;
        self.tally.add(&row);
        if self.recent.len() == MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(row.clone());
        if self.closed.len() == MOST_CLOSED {
            self.closed.pop_front();
        }
        self.closed.push_back(id);
        Some(row)
    }
}

fn ended(row: &mut Row, at: At, end: &End<'_>, names: &mut Names) {
    row.ended = Some(at);
    row.outcome = Some(end.outcome);
    row.status = end.status.or(row.status);
    let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
    row.tokens = end.usage.map(|usage| (count(usage.input), count(usage.output)));
    if let Some(model) = end.model {
        row.model = names.id(model);
    }
}
