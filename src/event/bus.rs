//! Carries each event to everyone who listens, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::ids::{Ids, Taken};
use super::{At, Event, Kind};

/// Somebody who listens to events.
pub trait Sink: Send {
    /// Takes the next event.
    fn event(&mut self, event: &Event);

    /// Takes the next event for good: the last listener need not copy what it keeps.
    fn own(&mut self, event: Event) {
        self.event(&event);
    }

    /// Whether it wants the bodies of answers as the gateway sent them.
    fn wants_bodies(&self) -> bool {
        false
    }

    /// Writes out what is held back. Called when the run ends, however it ends.
    fn flush(&mut self) {}
}

impl<F: FnMut(&Event) + Send> Sink for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

/// A listener that wants the bodies of answers, too.
pub struct WithBodies(pub Box<dyn Sink>);

impl Sink for WithBodies {
    fn event(&mut self, event: &Event) {
        self.0.event(event);
    }

    fn own(&mut self, event: Event) {
        self.0.own(event);
    }

    fn wants_bodies(&self) -> bool {
        true
    }

    fn flush(&mut self) {
        self.0.flush();
    }
}

/// Where the lab's parts put their events. Cheap to clone.
///
/// Whoever tells an event while nobody delivers any hands it to the listeners, and after it those that others
/// tell meanwhile; these go on with their work at once. So listeners hear one event at a time, in order, and where
/// there is one thread each has been heard when [`Bus::emit`] returns.
#[derive(Clone)]
pub struct Bus {
    /// Whether there is any sink; there are no more than at the beginning.
    heard: bool,
    /// Whether a sink wants bodies.
    bodies: bool,
    now: Arc<dyn Fn() -> At + Send + Sync>,
    inner: Arc<Inner>,
}

/// Who holds `sinks` lets go of them only while it holds `queue` and nothing waits there; so nothing is left behind.
struct Inner {
    queue: Mutex<Queue>,
    sinks: Mutex<Vec<Box<dyn Sink>>>,
    ids: Mutex<Ids>,
}

#[derive(Default)]
struct Queue {
    next: u64,
    /// Told while others were being delivered.
    waiting: VecDeque<Event>,
}

/// Events that may wait; whoever tells more waits, too.
const MOST: usize = 4096;

type Sinks<'b> = MutexGuard<'b, Vec<Box<dyn Sink>>>;

impl Bus {
    /// A bus that stamps events with the time that `now` tells.
    pub fn new(now: impl Fn() -> At + Send + Sync + 'static, sinks: Vec<Box<dyn Sink>>) -> Self {
        let heard = !sinks.is_empty();
        let bodies = sinks.iter().any(|sink| sink.wants_bodies());
        let inner = Inner { queue: Mutex::default(), sinks: Mutex::new(sinks), ids: Mutex::default() };
        Self { heard, bodies, now: Arc::new(now), inner: Arc::new(inner) }
    }

    /// A bus that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(At::default, Vec::new())
    }

    /// Stamps a fact and has every listener hear of it.
    pub fn emit(&self, kind: Kind) {
        if !self.heard {
            return;
        }
        let mut queue = lock(&self.inner.queue);
        let event = Event { seq: queue.next, at_us: (self.now)(), kind };
        queue.next += 1;
        if let Some(mut sinks) = self.free_sinks() {
            drop(queue);
            deliver(&mut sinks, event);
            return self.deliver_rest(sinks);
        }
        queue.waiting.push_back(event);
        let too_many = queue.waiting.len() >= MOST;
        drop(queue);
        if too_many {
            self.settle();
        }
    }

    /// Returns once everything that has been told was heard.
    pub fn settle(&self) {
        self.deliver_rest(lock(&self.inner.sinks));
    }

    /// Whether anyone listens; a caller may save itself the making of an event.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.heard
    }

    /// Whether anyone wants the bodies of answers.
    #[must_use]
    pub fn wants_bodies(&self) -> bool {
        self.bodies
    }

    /// Takes an id that came with a request, for its events; none where another request goes by it, or did a
    /// moment ago.
    #[must_use]
    pub fn take_id(&self, id: &str) -> Option<Taken> {
        lock(&self.inner.ids).take(id)
    }

    /// The request that had this id is over.
    pub fn give_back_id(&self, id: Taken) {
        lock(&self.inner.ids).ended(id);
    }

    /// The moment that an event would be stamped with now.
    #[must_use]
    pub fn now(&self) -> At {
        (self.now)()
    }

    /// Has every listener write out what it holds back.
    pub fn flush(&self) {
        let mut sinks = lock(&self.inner.sinks);
        while let Some(event) = self.next() {
            deliver(&mut sinks, event);
        }
        for sink in sinks.iter_mut() {
            sink.flush();
        }
        self.deliver_rest(sinks);
    }

    /// The listeners, if nobody is delivering.
    fn free_sinks(&self) -> Option<Sinks<'_>> {
        match self.inner.sinks.try_lock() {
            Ok(sinks) => Some(sinks),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Delivers what waits until nothing does, then lets go.
    fn deliver_rest(&self, mut sinks: Sinks<'_>) {
        loop {
            let mut queue = lock(&self.inner.queue);
            let Some(event) = queue.waiting.pop_front() else {
                drop(sinks);
                return;
            };
            drop(queue);
            deliver(&mut sinks, event);
        }
    }

    fn next(&self) -> Option<Event> {
        lock(&self.inner.queue).waiting.pop_front()
    }
}

fn deliver(sinks: &mut [Box<dyn Sink>], event: Event) {
    let Some((last, others)) = sinks.split_last_mut() else { return };
    for sink in others {
        sink.event(&event);
    }
    last.own(event);
}

/// A listener that panicked must not silence the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &impl ToString) -> Kind {
        Kind::Note { text: text.to_string() }
    }

    /// A bus whose events are kept, each with what its sink waits for before.
    fn kept(before: impl Fn() + Send + 'static) -> (Bus, Arc<Mutex<Vec<Event>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let heard = heard.clone();
            move |event: &Event| {
                before();
                heard.lock().unwrap().push(event.clone());
            }
        };
        (Bus::new(At::default, vec![Box::new(sink)]), heard)
    }

    #[test]
    fn on_one_thread_an_event_is_heard_at_once() {
        let (bus, heard) = kept(|| {});
        for number in 0..3 {
            bus.emit(note(&number));
            assert_eq!(heard.lock().unwrap().len(), number + 1);
        }
    }

    #[test]
    fn from_many_threads_each_event_is_heard_once_and_in_order() {
        const EACH: usize = 5_000;
        let (bus, heard) = kept(|| {});
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..EACH).for_each(|number| bus.emit(note(&number))));
            }
        });
        bus.settle();
        let seqs: Vec<u64> = heard.lock().unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (0..4 * EACH as u64).collect::<Vec<_>>());
    }

    #[test]
    fn who_tells_an_event_does_not_wait_for_a_slow_listener() {
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (arrive, arrived) = std::sync::mpsc::channel::<()>();
        let (bus, heard) = kept(move || {
            arrive.send(()).unwrap();
            gate.recv().unwrap();
        });
        std::thread::scope(|scope| {
            // The first one is at the gate, and whoever told it with it.
            scope.spawn(|| bus.emit(note(&"first")));
            arrived.recv().unwrap();
            bus.emit(note(&"second"));
            assert_eq!(heard.lock().unwrap().len(), 0);
            (0..2).for_each(|_| go.send(()).unwrap());
            bus.settle();
            assert_eq!(heard.lock().unwrap().len(), 2);
        });
    }

    #[test]
    fn a_listener_may_tell_of_something_itself() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let own: Arc<Mutex<Option<Bus>>> = Arc::default();
        let sink = {
            let (heard, own) = (heard.clone(), own.clone());
            move |event: &Event| {
                if event.seq == 0 {
                    own.lock().unwrap().as_ref().unwrap().emit(note(&"told by the listener"));
                }
                heard.lock().unwrap().push(event.seq);
            }
        };
        let bus = Bus::new(At::default, vec![Box::new(sink)]);
        *own.lock().unwrap() = Some(bus.clone());
        bus.emit(note(&"told"));
        assert_eq!(*heard.lock().unwrap(), [0, 1]);
        *own.lock().unwrap() = None;
    }
}
