//! What every endpoint needs: the configuration, the counters, and the chance of one call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Config;
use super::auth::Caller;
use super::error::ApiError;
use super::latency::Pace;
use super::limits::{Demand, Limiter};
use super::models::Model;
use crate::world::{Random, Seed, World};

/// The state that all requests share.
pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) world: World,
    arrivals: AtomicU64,
    answers: Mutex<BTreeMap<&'static str, u64>>,
    limiter: Mutex<Limiter>,
    /// Tokens of the responses that later ones may go on with, the oldest first.
    stored: Mutex<VecDeque<(String, u64)>>,
    draining: AtomicBool,
}

impl Engine {
    pub(crate) fn new(config: Config, world: World) -> Self {
        Self {
            config,
            world,
            arrivals: AtomicU64::new(0),
            answers: Mutex::default(),
            limiter: Mutex::default(),
            stored: Mutex::default(),
            draining: AtomicBool::new(false),
        }
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The chance of the next request: its ids.
    pub(crate) fn arrive(&self) -> Ids {
        let number = self.arrivals.fetch_add(1, Ordering::Relaxed);
        Ids(self.world.seed.stream(&format!("openai/request/{number}")))
    }
}

/// Where the ids of one request come from.
pub(crate) struct Ids(Random);

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Ids {
    /// `prefix` and that many letters and digits.
    pub(crate) fn alphanumeric(&mut self, prefix: &str, length: usize) -> String {
        self.of(prefix, length, ALPHANUMERIC)
    }

    /// `prefix` and that many hexadecimal digits.
    pub(crate) fn hex(&mut self, prefix: &str, length: usize) -> String {
        self.of(prefix, length, b"0123456789abcdef")
    }

    fn of(&mut self, prefix: &str, length: usize, alphabet: &[u8]) -> String {
        let mut id = prefix.to_owned();
        id.extend((0..length).filter_map(|_| alphabet.get(self.0.index(alphabet.len())).copied().map(char::from)));
        id
    }
}

/// One accepted call: what an endpoint works with.
pub(crate) struct Call<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) ids: Ids,
    pub(crate) caller: Caller,
    /// What the rate limits add to the response, whatever it is.
    pub(crate) limit_headers: Vec<(&'static str, String)>,
}

impl Call<'_> {
    pub(crate) fn seed(&self) -> Seed {
        self.engine.world.seed
    }

    /// The time that `created` shows.
    pub(crate) fn created(&self) -> i64 {
        self.engine.world.clock.unix_seconds()
    }

    /// The times of the next answer of a model.
    pub(crate) fn pace(&self, model: &Model) -> Pace {
        let mut answers = lock(&self.engine.answers);
        let number = answers.entry(model.family).or_default();
        let pace = Pace::new(&self.engine.config.latency, self.seed(), model.family, *number, model.pace);
        *number += 1;
        pace
    }

    /// Takes the call's share from the rate limits. `characters` are those of the prompt.
    pub(crate) fn admit(&mut self, model: &Model, characters: usize, max_tokens: Option<u64>) -> Result<(), ApiError> {
        let Some(limits) = &self.engine.config.rate_limits else { return Ok(()) };
        let estimate = u64::try_from(characters.div_ceil(4)).unwrap_or(u64::MAX);
        let tokens = estimate.max(max_tokens.unwrap_or(DEFAULT_TOKENS));
        let demand = Demand { caller: &self.caller, family: model.family, model: model.id, tokens };
        let verdict = lock(&self.engine.limiter).admit(limits, &demand, self.engine.world.clock.now());
        self.limit_headers = verdict.headers;
        verdict.refusal.map_or(Ok(()), Err)
    }

    /// Keeps a response, so that a later one may go on with it.
    pub(crate) fn remember(&self, id: &str, tokens: u64) {
        let mut stored = lock(&self.engine.stored);
        if stored.len() >= MOST_STORED {
            stored.pop_front();
        }
        stored.push_back((id.to_owned(), tokens));
    }

    /// Tokens of a response that was kept.
    pub(crate) fn recall(&self, id: &str) -> Option<u64> {
        lock(&self.engine.stored).iter().rev().find(|(stored, _)| stored == id).map(|(_, tokens)| *tokens)
    }

    /// `fp_` and ten hexadecimal digits: the same for each answer of a dated model.
    pub(crate) fn fingerprint(&self, model: &Model) -> String {
        Ids(self.seed().stream(&format!("openai/fingerprint/{}", model.dated))).hex("fp_", 10)
    }
}

/// What a request counts as that does not say how long an answer may be.
const DEFAULT_TOKENS: u64 = 16;

/// Older responses are forgotten.
const MOST_STORED: usize = 1_000;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
