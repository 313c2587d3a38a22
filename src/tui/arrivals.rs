//! Events on their way from a lab to its screen.
//!
//! The lab never waits for the screen: its thread writes an event down, under a lock that is held for no
//! longer. What the screen has not taken yet is bounded in memory: from [`MOST`] batches on they wait in a
//! [`Spill`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kept::Batch;
use super::spill::{Packed, Spill};
use super::store::CHUNK;
use crate::event::{At, Event};

/// Batches that wait in memory: some 130,000 events, 25 MB at most.
const MOST: usize = 128;
/// Batches that are kept to be filled again: what comes between two frames at full load.
const SPARE: usize = 16;

/// A queue with a lab at one end and a screen at the other.
pub(super) struct Arrivals {
    most: usize,
    /// Whether somebody wants to hear the events themselves.
    heard: AtomicBool,
    queue: Mutex<Queue>,
}

struct Queue {
    open: Batch,
    /// How many events the open batch takes, so that batches end where chunks of the store do.
    room: usize,
    end: At,
    full: VecDeque<Waiting>,
    /// Empty ones that were given back.
    spare: Vec<Batch>,
    spill: Spill,
}

enum Waiting {
    Held(Batch),
    /// With how many of its events are to be heard.
    Packed(Packed, usize),
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Arrivals {
    /// A queue of which `most` batches wait in memory.
    fn new(most: usize) -> Self {
        let open = Batch::with_room(CHUNK);
        let queue = Queue {
            open,
            room: CHUNK,
            end: At::default(),
            full: VecDeque::new(),
            spare: Vec::new(),
            spill: Spill::default(),
        };
        Self { most, heard: AtomicBool::new(true), queue: Mutex::new(queue) }
    }

    /// Says whether somebody wants to hear the events themselves from now on.
    pub(super) fn hear(&self, wanted: bool) {
        self.heard.store(wanted, Ordering::Relaxed);
    }

    /// Puts an event at the end.
    pub(super) fn push(&self, event: &Event) {
        let heard = self.heard.load(Ordering::Relaxed).then(|| event.clone());
        let mut queue = self.lock();
        queue.end = {
            let end = queue.end;
            queue.open.push(event, end)
        };
        // What is heard are the first events of a batch, without a gap.
        if queue.open.heard.len() + 1 == queue.open.kept.len() {
            queue.open.heard.extend(heard);
        }
        if queue.open.kept.len() >= queue.room {
            let full = queue.close();
            queue.room = CHUNK;
            let waiting = if queue.full.len() < self.most { Waiting::Held(full) } else { queue.pack(full) };
            queue.full.push_back(waiting);
        }
    }

    /// Takes the oldest events. None when there are none.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut queue = self.lock();
        match queue.full.pop_front() {
            Some(Waiting::Held(batch)) => Some(batch),
            Some(Waiting::Packed(packed, heard)) => {
                let bytes = queue.spill.read(packed).unwrap_or_default();
                drop(queue);
                Some(Batch::of_bytes(bytes, heard))
            }
            None if queue.open.kept.is_empty() => None,
            None => {
                queue.room -= queue.open.kept.len();
                Some(queue.close())
            }
        }
    }

    /// Takes a batch back that has been read, for the room that it has: the lab need not ask for new memory.
    pub(super) fn give_back(&self, mut batch: Batch) {
        batch.clear();
        let mut queue = self.lock();
        if queue.spare.len() < SPARE {
            queue.spare.push(batch);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes what is open away and begins anew.
    fn close(&mut self) -> Batch {
        let fresh = self.spare.pop().unwrap_or_else(|| Batch::with_room(CHUNK));
        std::mem::replace(&mut self.open, fresh)
    }

    fn pack(&mut self, batch: Batch) -> Waiting {
        let heard = batch.heard.len();
        Waiting::Packed(self.spill.append(&batch.kept.into_bytes()), heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    #[test]
    fn events_come_out_in_order_also_those_that_had_to_wait_on_disk() {
        let arrivals = Arrivals::new(2);
        let note = |seq| Event { seq, at_us: At(seq), kind: Kind::Note { text: "a note".to_owned() } };
        let count = CHUNK as u64 * 5 + 7;
        (0..3).for_each(|seq| arrivals.push(&note(seq)));
        let first = arrivals.take().expect("what is there");
        (3..count).for_each(|seq| arrivals.push(&note(seq)));
        let packed = arrivals.lock().full.iter().filter(|one| matches!(one, Waiting::Packed(..))).count();
        assert_eq!(packed, 3);
        arrivals.hear(false);
        arrivals.push(&note(count));
        let batches: Vec<Batch> = std::iter::once(first).chain(std::iter::from_fn(|| arrivals.take())).collect();
        assert_eq!(
            batches.iter().map(|batch| batch.kept.len()).collect::<Vec<_>>(),
            [3, 1021, 1024, 1024, 1024, 1024, 8]
        );
        let kept =
            |batch: &Batch| (0..batch.kept.len()).filter_map(|index| batch.kept.event(index)).collect::<Vec<_>>();
        assert!(batches.iter().flat_map(kept).eq((0..=count).map(note)));
        assert!(batches.iter().flat_map(|batch| batch.heard.clone()).eq((0..count).map(note)), "heard");
        assert_eq!(arrivals.take(), None);
    }

    #[test]
    fn a_batch_that_was_given_back_is_filled_anew() {
        let arrivals = Arrivals::default();
        let note = |seq| Event { seq, at_us: At(seq), kind: Kind::Note { text: "a note".to_owned() } };
        for round in 0..4 {
            arrivals.push(&note(round));
            let batch = arrivals.take().expect("what is there");
            assert_eq!(batch, Batch::of(vec![note(round)], At(0)));
            arrivals.give_back(batch);
        }
        assert_eq!(arrivals.lock().spare.len(), 1, "two take turns");
    }
}
