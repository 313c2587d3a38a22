//! Holds a virtual run back so that a person can follow it. The events do not depend on it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::acts::Commands;
use crate::event::{At, Event, Kind};
use crate::world::Clock;

/// Somebody who says how far a virtual run may go.
pub trait Throttle: Send + Sync {
    /// The moment up to which a run may go that stands at `now`, with so many requests under way
    /// and so many events told. Where it may not go on, this waits a little and returns `now`.
    fn turn(&self, now: At, in_flight: usize, events: u64) -> At;
}

/// How long a run that rests goes without looking up.
const REST: Duration = Duration::from_millis(50);

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
    commands: Option<&Commands>,
    clock: Clock,
    mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> T {
    loop {
        let now = runtime.block_on(async { clock.now() });
        let counts = &pulse.0;
        // A run that rests does so at one moment, whatever the throttle allows.
        let resting = commands.filter(|commands| commands.is_idle() && !commands.has_more() && !commands.is_closed());
        if let Some(commands) = resting {
            commands.block_for(REST);
        }
        let allowed = match resting {
            Some(_) => now,
            None => throttle.turn(now, counts.in_flight.load(Ordering::Relaxed), counts.events.load(Ordering::Relaxed)),
        };
        // What was asked for in the meantime begins within what is allowed.
        if let Some(commands) = commands {
            commands.settle(now, true);
        }
        // Also where time stands still the work is asked: it may have been interrupted.
        let until = clock.instant(allowed.max(now));
        let done = runtime.block_on(async {
            let mut changed = std::pin::pin!(counts.changed.notified().fuse());
            // A run that comes to rest does so there, however far it might have gone.
            let at_rest = async {
                match commands {
                    Some(commands) => commands.at_rest().await,
                    None => std::future::pending().await,
                }
            };
            let mut at_rest = std::pin::pin!(at_rest.fuse());
            let mut passed = std::pin::pin!(tokio::time::sleep_until(until).fuse());
            futures_util::select_biased! {
                done = work.as_mut().fuse() => Some(done),
                () = changed => None,
                () = at_rest => None,
                () = passed => None,
            }
        });
        if let Some(done) = done {
            return done;
        }
    }
}
