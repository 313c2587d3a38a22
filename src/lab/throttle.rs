//! Holds a virtual run back so that a person can follow it. The events do not depend on it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::event::{At, Event, Kind};
use crate::world::Clock;

/// Somebody who says how far a virtual run may go.
pub trait Throttle: Send + Sync {
    /// The moment up to which a run may go that stands at `now`, with so many requests under way
    /// and so many events told. Where it may not go on, this waits a little and returns `now`.
    fn turn(&self, now: At, in_flight: usize, events: u64) -> At;
}

/// What a throttle is told about a run: counted from its events.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Counts>);

#[derive(Default)]
struct Counts {
    in_flight: AtomicUsize,
    events: AtomicU64,
    changed: Notify,
}

impl Pulse {
    /// Takes in an event.
    pub(super) fn count(&self, event: &Event) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        match event.kind {
            Kind::ClientRequestSent { .. } => drop(self.0.in_flight.fetch_add(1, Ordering::Relaxed)),
            Kind::ClientRequestEnded { .. } => drop(self.0.in_flight.fetch_sub(1, Ordering::Relaxed)),
            _ => return,
        }
        // Whoever races through a wait stops where a request begins.
        self.0.changed.notify_one();
    }
}

/// Drives `work` to its end, never further than the throttle allows.
pub(super) fn drive<T>(
    runtime: &Runtime,
    throttle: &dyn Throttle,
    pulse: &Pulse,
    clock: Clock,
    mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> T {
    loop {
        let now = runtime.block_on(async { clock.now() });
        let counts = &pulse.0;
        let allowed =
            throttle.turn(now, counts.in_flight.load(Ordering::Relaxed), counts.events.load(Ordering::Relaxed));
        if allowed <= now {
            continue;
        }
        let until = clock.instant(allowed);
        let done = runtime.block_on(async {
            let mut changed = std::pin::pin!(counts.changed.notified().fuse());
            let mut passed = std::pin::pin!(tokio::time::sleep_until(until).fuse());
            futures_util::select_biased! {
                done = work.as_mut().fuse() => Some(done),
                () = changed => None,
                () = passed => None,
            }
        });
        if let Some(done) = done {
            return done;
        }
    }
}
