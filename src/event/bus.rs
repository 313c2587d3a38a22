//! Carries each event to everyone who listens, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{At, Event, Kind};

/// Somebody who listens to events.
pub trait Sink: Send {
    /// Takes the next event.
    fn event(&mut self, event: &Event);

    /// Takes the next event for good: the last listener need not copy what it keeps.
    fn own(&mut self, event: Event) {
        self.event(&event);
    }

    /// Writes out what is held back. Called when the run ends, however it ends.
    fn flush(&mut self) {}
}

impl<F: FnMut(&Event) + Send> Sink for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

/// Where the lab's parts put their events. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    /// Whether there is any sink; there are no more than at the beginning.
    heard: bool,
    now: Arc<dyn Fn() -> At + Send + Sync>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    next: u64,
    sinks: Vec<Box<dyn Sink>>,
}

impl Bus {
    /// A bus that stamps events with the time that `now` tells.
    pub fn new(now: impl Fn() -> At + Send + Sync + 'static, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { heard: !sinks.is_empty(), now: Arc::new(now), inner: Arc::new(Mutex::new(Inner { next: 0, sinks })) }
    }

    /// A bus that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(At::default, Vec::new())
    }

    /// Stamps a fact and hands it to every listener.
    pub fn emit(&self, kind: Kind) {
        let mut inner = self.lock();
        let event = Event { seq: inner.next, at_us: (self.now)(), kind };
        inner.next += 1;
        let Some((last, others)) = inner.sinks.split_last_mut() else { return };
        for sink in others {
            sink.event(&event);
        }
        last.own(event);
    }

    /// Whether anyone listens; a caller may save itself the making of an event.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.heard
    }

    /// The moment that an event would be stamped with now.
    #[must_use]
    pub fn now(&self) -> At {
        (self.now)()
    }

    /// Has every listener write out what it holds back.
    pub fn flush(&self) {
        for sink in &mut self.lock().sinks {
            sink.flush();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A listener that panicked must not silence the others.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
