//! Events on their way from a lab to its screen.
//!
//! The lab never waits for the screen: an event is handed over as it is, under a lock that is held for no
//! longer. What the screen has not taken yet is bounded in memory: from [`MOST`] batches on they
//! wait in a [`Spill`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::spill::{self, Packed, Spill};
use super::store::CHUNK;
use crate::event::Event;

/// Events that are taken in one go.
const BATCH: usize = CHUNK;
/// Batches that wait in memory: some 50,000 events.
const MOST: usize = 48;

/// A queue with a lab at one end and a screen at the other.
pub(super) struct Arrivals {
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    open: Vec<Event>,
    full: VecDeque<Batch>,
    spill: Spill,
}

enum Batch {
    Held(Vec<Event>),
    Packed(Packed),
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Arrivals {
    /// A queue of which `most` batches wait in memory.
    fn new(most: usize) -> Self {
        Self { most, queue: Mutex::default() }
    }

    /// Puts an event at the end.
    pub(super) fn push(&self, event: Event) {
        let mut queue = self.lock();
        queue.open.push(event);
        if queue.open.len() >= BATCH {
            let full = std::mem::replace(&mut queue.open, Vec::with_capacity(BATCH));
            let batch = if queue.full.len() < self.most { Batch::Held(full) } else { Batch::Packed(queue.pack(&full)) };
            queue.full.push_back(batch);
        }
    }

    /// Takes the oldest events. None when there are none.
    pub(super) fn take(&self) -> Option<Vec<Event>> {
        let mut queue = self.lock();
        match queue.full.pop_front() {
            Some(Batch::Held(events)) => Some(events),
            Some(Batch::Packed(packed)) => {
                let bytes = queue.spill.read(packed).unwrap_or_default();
                drop(queue);
                Some(spill::unpack(&bytes))
            }
            None => Some(std::mem::take(&mut queue.open)).filter(|events| !events.is_empty()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn pack(&mut self, events: &[Event]) -> Packed {
        self.spill.append(&spill::pack(events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{At, Kind};

    #[test]
    fn events_come_out_in_order_also_those_that_had_to_wait_on_disk() {
        let arrivals = Arrivals::new(2);
        let note = |seq| Event { seq, at_us: At(seq), kind: Kind::Note { text: "a note".to_owned() } };
        let count = BATCH as u64 * 5 + 7;
        (0..count).for_each(|seq| arrivals.push(note(seq)));
        let packed = arrivals.lock().full.iter().filter(|batch| matches!(batch, Batch::Packed(_))).count();
        assert_eq!(packed, 3);
        let taken: Vec<Event> = std::iter::from_fn(|| arrivals.take()).flatten().collect();
        assert_eq!(taken, (0..count).map(note).collect::<Vec<_>>());
        assert_eq!(arrivals.take(), None);
    }
}
