//! Who runs and who waits: slots, the waiting queue, and the `LoRA` adapters in memory.
//!
//! ```text
//! admit ─▶ running ─▶ released        a slot is free and the request's LoRA can be in memory
//!   │         ▲
//!   ├──▶ waiting                      there is room in the queue
//!   └──▶ refused
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::config::Config;
use crate::world::Clock;

/// The slots of a simulator.
pub(crate) struct Engine {
    state: Mutex<State>,
    clock: Clock,
}

struct State {
    slots: usize,
    running: usize,
    queue_limit: usize,
    queue: VecDeque<Waiter>,
    max_loras: usize,
    /// The adapters in memory, and how many requests run on each.
    loaded: BTreeMap<String, usize>,
    /// When each state of the adapters was last seen, in seconds since 1970.
    series: BTreeMap<LoraState, i64>,
}

/// Running and waiting adapters, each as a list with commas.
pub(crate) type LoraState = (String, String);

struct Waiter {
    lora: Option<Arc<str>>,
    go: oneshot::Sender<Slot>,
}

/// What becomes of a request that wants to run.
pub(crate) enum Admission {
    /// It runs.
    Running(Slot),
    /// It gets its slot later.
    Waiting(oneshot::Receiver<Slot>),
    /// The queue is full.
    Refused,
}

/// A slot in which a request runs. Dropping it lets the next one run.
pub(crate) struct Slot {
    engine: Arc<Engine>,
    lora: Option<Arc<str>>,
}

impl Engine {
    pub(crate) fn new(config: &Config, clock: Clock) -> Arc<Self> {
        let size = |value: i64| usize::try_from(value).unwrap_or(0);
        let mut state = State {
            slots: size(config.max_num_seqs),
            running: 0,
            queue_limit: size(config.max_waiting),
            queue: VecDeque::new(),
            max_loras: size(config.max_loras),
            loaded: BTreeMap::new(),
            series: BTreeMap::new(),
        };
        state.note_loras(clock.unix_seconds());
        Arc::new(Self { state: Mutex::new(state), clock })
    }

    /// Asks for a slot, for the base model or for an adapter.
    pub(crate) fn admit(self: &Arc<Self>, lora: Option<&Arc<str>>) -> Admission {
        if let Some(slot) = self.admit_now(lora) {
            return Admission::Running(slot);
        }
        let mut state = self.lock();
        if state.queue.len() >= state.queue_limit {
            return Admission::Refused;
        }
        let (go, waiting) = oneshot::channel();
        state.queue.push_back(Waiter { lora: lora.cloned(), go });
        if lora.is_some() {
            state.note_loras(self.clock.unix_seconds());
        }
        Admission::Waiting(waiting)
    }

    /// Asks for a slot that is free; none where the request would have to wait.
    pub(crate) fn admit_now(self: &Arc<Self>, lora: Option<&Arc<str>>) -> Option<Slot> {
        let mut state = self.lock();
        if state.running >= state.slots || !state.can_load(lora.map(|name| &**name)) {
            return None;
        }
        state.start(lora.map(|name| &**name));
        if lora.is_some() {
            state.note_loras(self.clock.unix_seconds());
        }
        Some(Slot { engine: self.clone(), lora: lora.cloned() })
    }

    /// How many requests run and wait at most.
    pub(crate) fn capacity(&self) -> usize {
        let state = self.lock();
        state.slots.saturating_add(state.queue_limit)
    }

    /// How many requests run.
    pub(crate) fn running(&self) -> usize {
        self.lock().running
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    /// Every state that the adapters were in, and when last.
    pub(crate) fn lora_states(&self) -> Vec<(LoraState, i64)> {
        self.lock().series.iter().map(|(state, at)| (state.clone(), *at)).collect()
    }

    fn release(self: &Arc<Self>, lora: Option<&str>) {
        let mut state = self.lock();
        let mut loras_changed = lora.is_some();
        state.stop(lora);
        let mut started = Vec::new();
        while state.running < state.slots
            && let Some(next) = state.next()
        {
            state.start(next.lora.as_deref());
            loras_changed |= next.lora.is_some();
            started.push(next);
        }
        if loras_changed {
            state.note_loras(self.clock.unix_seconds());
        }
        drop(state);
        for Waiter { lora, go } in started {
            // Nobody may be left to run: the slot comes back by being dropped, which locks again.
            drop(go.send(Slot { engine: self.clone(), lora }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_loaded(&self, lora: Option<&str>) -> bool {
        lora.is_none_or(|name| self.loaded.contains_key(name))
    }

    fn can_load(&self, lora: Option<&str>) -> bool {
        self.is_loaded(lora)
            || self.loaded.len() < self.max_loras
            || self.loaded.values().any(|requests| *requests == 0)
    }

    fn start(&mut self, lora: Option<&str>) {
        self.running += 1;
        let Some(name) = lora else { return };
        if !self.loaded.contains_key(name) && self.loaded.len() >= self.max_loras {
            let unused = self.loaded.iter().find(|(_, requests)| **requests == 0).map(|(name, _)| name.clone());
            if let Some(unused) = unused {
                self.loaded.remove(&unused);
            }
        }
        *self.loaded.entry(name.to_owned()).or_default() += 1;
    }

    fn stop(&mut self, lora: Option<&str>) {
        self.running = self.running.saturating_sub(1);
        if let Some(requests) = lora.and_then(|name| self.loaded.get_mut(name)) {
            *requests = requests.saturating_sub(1);
        }
    }

    /// The first in the queue that needs no loading, else the first that can be loaded.
    fn next(&mut self) -> Option<Waiter> {
        let ready = self.queue.iter().position(|waiter| self.is_loaded(waiter.lora.as_deref()));
        let found = ready.or_else(|| self.queue.iter().position(|waiter| self.can_load(waiter.lora.as_deref())));
        self.queue.remove(found?)
    }

    fn note_loras(&mut self, now: i64) {
        let running: Vec<&str> =
            self.loaded.iter().filter(|(_, requests)| **requests > 0).map(|(name, _)| name.as_str()).collect();
        let mut waiting: Vec<&str> = self.queue.iter().filter_map(|waiter| waiter.lora.as_deref()).collect();
        waiting.sort_unstable();
        waiting.dedup();
        let key = (running.join(","), waiting.join(","));
        self.series.insert(key, now);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.engine.clone().release(self.lora.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::VIRTUAL_START;

    fn engine(slots: i64, queue: i64, loras: i64) -> Arc<Engine> {
        let config = Config { max_num_seqs: slots, max_waiting: queue, max_loras: loras, ..Config::default() };
        Engine::new(&config, Clock::starting_at(VIRTUAL_START))
    }

    fn running(admission: Admission) -> Slot {
        match admission {
            Admission::Running(slot) => slot,
            _ => panic!("it does not run"),
        }
    }

    fn waiting(admission: Admission) -> oneshot::Receiver<Slot> {
        match admission {
            Admission::Waiting(receiver) => receiver,
            _ => panic!("it does not wait"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_then_queue_then_refusal() {
        let engine = engine(1, 1, 1);
        let first = running(engine.admit(None));
        let mut second = waiting(engine.admit(None));
        assert!(matches!(engine.admit(None), Admission::Refused));
        assert_eq!((engine.running(), engine.waiting()), (1, 1));
        drop(first);
        let second = second.try_recv().unwrap();
        assert_eq!((engine.running(), engine.waiting()), (1, 0));
        drop(second);
        assert_eq!(engine.running(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_who_left_does_not_keep_the_slot() {
        let engine = engine(1, 5, 1);
        let first = running(engine.admit(None));
        drop(waiting(engine.admit(None)));
        let mut third = waiting(engine.admit(None));
        drop(first);
        assert!(third.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_the_loaded_adapter_go_first() {
        let engine = engine(1, 5, 1);
        let [one, two]: [Arc<str>; 2] = ["one".into(), "two".into()];
        let first = running(engine.admit(Some(&one)));
        let mut other = waiting(engine.admit(Some(&two)));
        let mut same = waiting(engine.admit(Some(&one)));
        drop(first);
        let same = same.try_recv().unwrap();
        assert!(other.try_recv().is_err());
        drop(same);
        assert!(other.try_recv().is_ok());
        let states: Vec<_> = engine.lora_states().into_iter().map(|(state, _)| state).collect();
        let expected = [("", ""), ("one", ""), ("one", "one,two"), ("one", "two"), ("two", "")];
        assert_eq!(states, expected.map(|(running, waiting)| (running.to_owned(), waiting.to_owned())));
    }
}
