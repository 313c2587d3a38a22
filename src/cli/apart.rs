//! Listeners of events on a thread of their own, so that they hold up no request.
//!
//! ```text
//!  bus ──▶ queue ──▶ thread ──▶ access log, metrics, health
//! ```
//!
//! They hear everything, in order, some milliseconds later; whoever asks the bus to flush waits for them.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::{Event, Sink};

/// How long the thread rests between two looks at the queue: events come in heaps, and a heap is cheaper
/// than as many events one by one.
const REST: Duration = Duration::from_millis(5);
/// With more events than this in the queue, whoever has another one waits.
const MOST: usize = 200_000;

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Rings when the thread has taken or heard what there was.
    heard: Condvar,
    /// Rings when the thread should not rest any longer.
    wanted: Condvar,
}

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    /// Whether the thread is at events that it has taken.
    busy: bool,
    /// Whether somebody waits for the thread.
    hurry: bool,
}

/// What stands on the bus.
struct Door {
    shared: Arc<Shared>,
    bodies: bool,
}

/// Moves `sinks` to a thread of their own; the sink that is given takes their place.
///
/// # Errors
/// The machine's, if it gives no thread.
pub(super) fn on_a_thread(mut sinks: Vec<Box<dyn Sink>>) -> io::Result<Box<dyn Sink>> {
    let shared = Arc::<Shared>::default();
    let door = Door { shared: shared.clone(), bodies: sinks.iter().any(|sink| sink.wants_bodies()) };
    std::thread::Builder::new().name("listeners".to_owned()).spawn(move || {
        let mut heap = Vec::new();
        loop {
            shared.take(&mut heap);
            for event in heap.drain(..) {
                for sink in &mut sinks {
                    sink.event(&event);
                }
            }
        }
    })?;
    Ok(Box::new(door))
}

impl Shared {
    /// Waits for events, and swaps them for an empty heap.
    fn take(&self, heap: &mut Vec<Event>) {
        let mut queue = self.lock();
        queue.busy = false;
        self.heard.notify_all();
        loop {
            if !queue.hurry {
                queue = self.wanted.wait_timeout(queue, REST).unwrap_or_else(PoisonError::into_inner).0;
            }
            if !queue.events.is_empty() {
                break;
            }
            queue.hurry = false;
        }
        std::mem::swap(&mut queue.events, heap);
        queue.busy = true;
        self.heard.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while `so` holds.
    fn wait_while(&self, so: impl Fn(&Queue) -> bool) -> MutexGuard<'_, Queue> {
        let mut queue = self.lock();
        while so(&queue) {
            queue.hurry = true;
            self.wanted.notify_one();
            queue = self.heard.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue
    }
}

impl Sink for Door {
    fn event(&mut self, event: &Event) {
        self.own(event.clone());
    }

    fn own(&mut self, event: Event) {
        self.shared.wait_while(|queue| queue.events.len() >= MOST).events.push(event);
    }

    fn wants_bodies(&self) -> bool {
        self.bodies
    }

    fn flush(&mut self) {
        drop(self.shared.wait_while(|queue| queue.busy || !queue.events.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{At, Kind};

    fn event(seq: u64) -> Event {
        Event { seq, at_us: At(seq), kind: Kind::ReplicaStarted { replica: 0 } }
    }

    #[test]
    fn everything_is_heard_in_order_before_a_flush_returns() {
        let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
        let listener = heard.clone();
        let sink = move |event: &Event| listener.lock().unwrap().push(event.seq);
        let mut door = on_a_thread(vec![Box::new(sink)]).unwrap();
        for round in 0..3 {
            for seq in 0..10_000 {
                door.own(event(round * 10_000 + seq));
            }
            door.flush();
            assert_eq!(heard.lock().unwrap().len() as u64, (round + 1) * 10_000);
        }
        assert!(heard.lock().unwrap().iter().copied().eq(0..30_000));
        door.flush();
    }
}
