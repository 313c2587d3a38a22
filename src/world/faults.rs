//! The faults of a running lab: who is struck, and when.
//!
//! The board is where faults are injected and cleared. Those of answers are asked for by the layer in
//! front of each simulator (`sim::faults`), those of the network stand in the table that every
//! connection looks at ([`super::link`]). Each draws its chance from a stream of its own.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use super::bell::Bell;
use super::{Random, World};
use crate::event::{At, Kind};
use crate::fault::answer::{Asked, Effect, Memory};
use crate::fault::{Aim, Clear, Dice, Injection};

/// Where faults are injected and cleared. Cheap to clone; all clones are one board.
#[derive(Clone)]
pub struct FaultBoard(Arc<Inner>);

struct Inner {
    world: World,
    next: AtomicU64,
    /// How many faults of answers there are: while there are none, nothing else is looked at.
    answers: AtomicUsize,
    active: Mutex<Vec<Arc<Active>>>,
    /// Rings when a fault of answers is over: answers under way may be held back by it.
    bell: Bell,
}

/// A fault that was injected and is not over.
pub struct Active {
    id: u64,
    injection: Injection,
    aim: Aim,
    from: At,
    until: Option<At>,
    world: World,
    state: Mutex<State>,
}

struct State {
    chance: Random,
    met: u64,
    struck: u64,
    memory: Memory,
    timer: Option<AbortHandle>,
}

/// A fault as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveFault {
    /// Its number.
    pub id: u64,
    /// Everything about it.
    pub injection: Injection,
    /// When it begins, or began, to act.
    pub from: At,
    /// When it ends by itself.
    pub until: Option<At>,
    /// How many requests or connections it has met.
    pub met: u64,
    /// How many of them it has struck.
    pub struck: u64,
}

/// A request as the layer in front of a simulator sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meeting<'a> {
    pub(crate) host: &'a str,
    pub(crate) model: Option<&'a str>,
    pub(crate) tokens: u64,
    pub(crate) stream: bool,
}

impl Dice for Random {
    fn unit(&mut self) -> f64 {
        Random::unit(self)
    }

    fn normal(&mut self) -> f64 {
        Random::normal(self)
    }
}

impl FaultBoard {
    /// A board for this world. A lab has one.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self(Arc::new(Inner {
            world: world.clone(),
            next: AtomicU64::new(0),
            answers: AtomicUsize::new(0),
            active: Mutex::default(),
            bell: Bell::default(),
        }))
    }

    /// Injects a fault at those whom `aim` means (see [`Injection::aim`]), and gives its number.
    #[expect(clippy::must_use_candidate, reason = "most do not ask for the number")]
    pub fn inject(&self, injection: Injection, aim: Aim) -> u64 {
        let Inner { world, next, .. } = &*self.0;
        let id = next.fetch_add(1, Ordering::Relaxed) + 1;
        let now = world.clock.now();
        let later = |at: At, span: Duration| At::after(at.elapsed().saturating_add(span));
        let from = injection.window.after.map_or(now, |span| later(now, span.0));
        let until = injection.window.r#for.map(|span| later(from, span.0));
        world.bus.emit(Kind::FaultInjected {
            fault_id: id,
            fault: injection.fault.name().to_owned(),
            target: injection.target.to_string(),
            injection: self.shown(&injection),
            from_us: from,
            until_us: until,
        });
        let state = State {
            chance: world.seed.stream(&format!("fault/{id}")),
            met: 0,
            struck: 0,
            memory: Memory::default(),
            timer: None,
        };
        let on_link = injection.fault.acts().on_link();
        let active =
            Arc::new(Active { id, injection, aim, from, until, world: world.clone(), state: Mutex::new(state) });
        lock(&self.0.active).push(active.clone());
        if on_link {
            world.net.links().add(active.clone());
        } else {
            self.0.answers.fetch_add(1, Ordering::Relaxed);
        }
        if from > now || until.is_some() {
            active.lock().timer = self.watch(&active);
        }
        id
    }

    /// Takes faults back, and gives the numbers of those that were.
    #[expect(clippy::must_use_candidate, reason = "most do not ask for the numbers")]
    pub fn clear(&self, which: &Clear) -> Vec<u64> {
        let chosen: Vec<u64> = {
            let active = lock(&self.0.active);
            active.iter().filter(|one| which.means(one.id, &one.injection)).map(|one| one.id).collect()
        };
        for id in &chosen {
            self.end(*id, "asked");
        }
        chosen
    }

    /// The faults that are not over, in the order in which they were injected.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveFault> {
        lock(&self.0.active).iter().map(|active| active.shown()).collect()
    }

    /// Faults of answers that mean this request, in the order in which they were injected.
    pub(crate) fn of_answers(&self, meeting: Meeting<'_>) -> Vec<Arc<Active>> {
        let active = lock(&self.0.active);
        let meant = active
            .iter()
            .filter(|one| !one.injection.fault.acts().on_link() && one.aim.meets_answer(meeting.host, meeting.model));
        meant.cloned().collect()
    }

    /// Whether no fault of answers is injected: the only thing that a request costs then.
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.answers.load(Ordering::Relaxed) == 0
    }

    /// Whether a fault is not over.
    pub(crate) fn has(&self, id: u64) -> bool {
        lock(&self.0.active).iter().any(|active| active.id == id)
    }

    /// Rings when a fault of answers is over.
    pub(crate) fn bell(&self) -> &Bell {
        &self.0.bell
    }

    /// The world that it stands in.
    pub(crate) fn world(&self) -> &World {
        &self.0.world
    }

    /// Tells links when a fault begins, and ends it when its time is over.
    fn watch(&self, active: &Arc<Active>) -> Option<AbortHandle> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (board, active) = (self.clone(), active.clone());
        let task = runtime.spawn(async move {
            let Inner { world, .. } = &*board.0;
            sleep_until(world.clock.instant(active.from)).await;
            world.net.links().changed();
            let Some(until) = active.until else { return };
            sleep_until(world.clock.instant(until)).await;
            board.end(active.id, "expired");
        });
        Some(task.abort_handle())
    }

    fn end(&self, id: u64, reason: &str) {
        let ended = {
            let mut active = lock(&self.0.active);
            active.iter().position(|one| one.id == id).map(|at| active.remove(at))
        };
        let Some(ended) = ended else { return };
        self.0.world.bus.emit(Kind::FaultCleared { fault_id: id, reason: reason.to_owned() });
        if ended.injection.fault.acts().on_link() {
            self.0.world.net.links().remove(id);
        } else {
            self.0.answers.fetch_sub(1, Ordering::Relaxed);
            self.0.bell.ring();
        }
        // Last: a fault that expires is ended by the very task that this stops.
        if let Some(timer) = ended.lock().timer.take() {
            timer.abort();
        }
    }

    /// An injection as events show it: without credentials.
    fn shown(&self, injection: &Injection) -> Json {
        let text = serde_json::to_string(injection).unwrap_or_default();
        serde_json::from_str(&self.0.world.credentials.scrub(&text)).unwrap_or(Json::Null)
    }
}

impl Active {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Everything about it.
    #[must_use]
    pub fn injection(&self) -> &Injection {
        &self.injection
    }

    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }

    /// Whether it is its time. A deadline is inclusive: at its end a fault is over.
    pub(crate) fn is_on(&self) -> bool {
        let now = self.world.clock.now();
        now >= self.from && self.until.is_none_or(|until| now < until)
    }

    /// Meets one request or connection, and says whether it strikes.
    pub(crate) fn strikes(&self) -> bool {
        if !self.is_on() {
            return false;
        }
        let mut state = self.lock();
        let window = &self.injection.window;
        state.met += 1;
        if window.every.is_some_and(|every| !state.met.is_multiple_of(every.get()))
            || window.first.is_some_and(|first| state.struck >= first)
            || !state.chance.chance(self.injection.probability)
        {
            return false;
        }
        state.struck += 1;
        true
    }

    /// Chance for what it does now.
    pub(crate) fn dice(&self) -> Random {
        let struck = self.lock().struck;
        self.world.seed.stream(&format!("fault/{}/{struck}", self.id))
    }

    /// What it does to an answer that it strikes.
    pub(crate) fn effect(&self, meeting: Meeting<'_>) -> Effect {
        let Some(fault) = self.injection.fault.of_answers() else { return Effect::Nothing };
        let dice = Box::new(self.dice());
        let now = self.world.clock.now();
        fault.effect(Asked {
            host: meeting.host,
            model: meeting.model,
            tokens: meeting.tokens,
            stream: meeting.stream,
            now: now.elapsed(),
            wall: self.world.clock.wall_at(now),
            dice,
            memory: &mut self.lock().memory,
        })
    }

    /// Tells that it has struck.
    pub(crate) fn tell(&self, request: Option<&str>, attempt: u32, place: &str) {
        self.world.bus.emit(Kind::FaultStruck {
            fault_id: self.id,
            fault: self.injection.fault.name().to_owned(),
            request: request.map(str::to_owned),
            attempt,
            place: place.to_owned(),
        });
    }

    fn shown(&self) -> ActiveFault {
        let state = self.lock();
        ActiveFault {
            id: self.id,
            injection: self.injection.clone(),
            from: self.from,
            until: self.until,
            met: state.met,
            struck: state.struck,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} ({})", self.id, self.injection.fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
