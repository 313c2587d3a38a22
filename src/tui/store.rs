//! Keeps every event of a session in bounded memory.
//!
//! Events stand as bytes in chunks of [`CHUNK`]. The newest chunks are held; older ones are written to a
//! [`Spill`] and read back when somebody looks at their time. Of each chunk the time of its first event is
//! known, so that the way to a moment reads one chunk.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::kept::Kept;
use super::spill::{Cache, Packed, Spill};
use crate::event::{At, Event};

/// Events in a chunk.
pub(super) const CHUNK: usize = 1024;
/// Chunks that are held.
const HELD: usize = 32;
/// Old chunks that are held after they were looked at.
const CACHED: usize = 8;

/// Every event so far, by position. Their times never fall.
pub(super) struct Store {
    chunk: usize,
    hold: usize,
    /// How many chunks are packed; the next ones are held.
    packed: Vec<Packed>,
    held: VecDeque<Arc<Kept>>,
    open: Kept,
    /// When the first event of each chunk happened.
    firsts: Vec<At>,
    end: At,
    spill: Spill,
    cache: RefCell<Cache<Kept>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(CHUNK, HELD)
    }
}

impl Store {
    /// A store with chunks of `chunk` events, of which `hold` are held.
    pub(super) fn new(chunk: usize, hold: usize) -> Self {
        Self {
            chunk: chunk.max(1),
            hold,
            packed: Vec::new(),
            held: VecDeque::new(),
            open: Kept::default(),
            firsts: Vec::new(),
            end: At::default(),
            spill: Spill::default(),
            cache: RefCell::new(Cache::new(CACHED)),
        }
    }

    /// Events in a chunk.
    pub(super) fn chunk_size(&self) -> usize {
        self.chunk
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        (self.packed.len() + self.held.len()) * self.chunk + self.open.len()
    }

    /// The time of the last event.
    pub(super) fn end(&self) -> At {
        self.end
    }

    /// How many events the open chunk still takes.
    pub(super) fn room(&self) -> usize {
        self.chunk - self.open.len()
    }

    /// Adds the next events, as many as there is [`Store::room`] for at most.
    pub(super) fn extend(&mut self, events: &Kept) {
        let Some(last) = events.len().checked_sub(1).and_then(|last| events.at(last)) else { return };
        if self.open.is_empty() {
            self.firsts.extend(events.at(0));
        }
        self.end = last;
        self.open.append(events);
        if self.open.len() >= self.chunk {
            self.held.push_back(Arc::new(std::mem::take(&mut self.open)));
            if self.held.len() > self.hold {
                self.pack_oldest();
            }
        }
    }

    fn pack_oldest(&mut self) {
        let Some(oldest) = self.held.pop_front() else { return };
        let bytes = Arc::unwrap_or_clone(oldest).into_bytes();
        self.packed.push(self.spill.append(&bytes));
        // Memory that is new costs more than what is copied into it.
        self.open = Kept::in_place_of(bytes);
    }

    /// The event at a position.
    pub(super) fn get(&self, position: usize) -> Option<Event> {
        self.within(position, Kept::event)
    }

    /// When the event at a position happened.
    pub(super) fn time_of(&self, position: usize) -> Option<At> {
        self.within(position, Kept::at)
    }

    /// How many events had happened at a moment.
    pub(super) fn position_at(&self, at: At) -> usize {
        let begun = self.firsts.partition_point(|first| *first <= at);
        let Some(chunk) = begun.checked_sub(1) else { return 0 };
        let held = self.chunk(chunk);
        chunk * self.chunk + held.as_deref().unwrap_or(&self.open).until(at)
    }

    /// Looks for the event at a position in its chunk.
    fn within<T>(&self, position: usize, look: impl FnOnce(&Kept, usize) -> Option<T>) -> Option<T> {
        let (chunk, index) = (position / self.chunk, position % self.chunk);
        match self.chunk(chunk) {
            Some(events) => look(&events, index),
            None if chunk == self.packed.len() + self.held.len() => look(&self.open, index),
            None => None,
        }
    }

    /// Calls `look` with each event of a range, in order, until it returns false.
    pub(super) fn scan(&self, range: Range<usize>, mut look: impl FnMut(usize, &Event) -> bool) {
        self.scan_kept(range, |position, kept, index| kept.event(index).is_some_and(|event| look(position, &event)));
    }

    /// Calls `look` with each position of a range, in order, and where its event is kept, until it returns false.
    pub(super) fn scan_kept(&self, range: Range<usize>, mut look: impl FnMut(usize, &Kept, usize) -> bool) {
        let mut position = range.start;
        let end = range.end.min(self.len());
        while position < end {
            let chunk = position / self.chunk;
            let held = self.chunk(chunk);
            let events = held.as_deref().unwrap_or(&self.open);
            let stop = end.min((chunk + 1) * self.chunk);
            for at in position..stop {
                if !look(at, events, at % self.chunk) {
                    return;
                }
            }
            position = stop;
        }
    }

    /// A full chunk; none for the one that is still open.
    fn chunk(&self, index: usize) -> Option<Arc<Kept>> {
        match index.checked_sub(self.packed.len()) {
            Some(held) => self.held.get(held).cloned(),
            None => Some(self.unpacked(index)),
        }
    }

    fn unpacked(&self, index: usize) -> Arc<Kept> {
        let read = || {
            let bytes = self.packed.get(index).and_then(|packed| self.spill.read(*packed).ok());
            Kept::of_bytes(bytes.unwrap_or_default())
        };
        self.cache.borrow_mut().get(index, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::tui::kept::Batch;

    fn event(seq: u64) -> Event {
        Event { seq, at_us: At(seq * 10), kind: Kind::Note { text: format!("event {seq}") } }
    }

    fn add(store: &mut Store, event: Event) {
        store.extend(&Batch::of(vec![event], store.end()).kept);
    }

    #[test]
    fn events_come_back_from_the_file_as_they_were() {
        let mut store = Store::default();
        let count = CHUNK * (HELD + 3) + 17;
        for seq in 0..count {
            add(&mut store, event(seq as u64));
        }
        assert_eq!(store.len(), count);
        assert_eq!(store.packed.len(), 3);
        for position in [0, 1, CHUNK - 1, CHUNK, 3 * CHUNK - 1, 3 * CHUNK, count - 18, count - 1] {
            assert_eq!(store.get(position), Some(event(position as u64)), "{position}");
        }
        assert_eq!(store.get(count), None);
        let mut seen = Vec::new();
        store.scan(CHUNK * 2 - 1..CHUNK * 3 + 2, |position, event| {
            assert_eq!(position as u64, event.seq);
            seen.push(position);
            true
        });
        assert_eq!(seen, (CHUNK * 2 - 1..CHUNK * 3 + 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_moment_is_found_on_either_side_of_a_chunk() {
        let mut store = Store::new(4, 1);
        assert_eq!(store.position_at(At(5)), 0);
        // Six events at once, across the border of the first chunk.
        for at in [0, 10, 20, 20, 20, 20, 20, 20, 30, 5, 40] {
            add(&mut store, Event { at_us: At(at), ..event(0) });
        }
        let found: Vec<_> =
            [0, 9, 10, 19, 20, 29, 30, 39, 40, 99].iter().map(|at| store.position_at(At(*at))).collect();
        assert_eq!(found, [1, 1, 2, 2, 8, 8, 10, 10, 11, 11]);
        assert_eq!(store.get(9).map(|event| event.at_us), Some(At(30)), "time does not run back");
    }
}
