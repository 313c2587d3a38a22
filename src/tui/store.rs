//! Keeps every event of a session in bounded memory.
//!
//! Events stand in chunks of [`CHUNK`]. The newest chunks are held as they are; older ones are
//! written as JSON to a file without a name and read back when somebody looks at their time.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::event::{At, Event, Kind};

/// Events in a chunk.
pub(super) const CHUNK: usize = 1024;
/// Chunks that are held as they are.
const HELD: usize = 64;
/// Old chunks that are held after they were looked at.
const CACHED: usize = 8;

/// Every event so far, by position.
#[derive(Default)]
pub(super) struct Store {
    /// How many chunks are packed; the next ones are held.
    packed: Vec<Packed>,
    held: std::collections::VecDeque<Arc<Vec<Event>>>,
    open: Vec<Event>,
    spill: Spill,
    cache: RefCell<Vec<(usize, Arc<Vec<Event>>)>>,
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    offset: u64,
    bytes: usize,
}

#[derive(Default)]
struct Spill {
    file: Option<File>,
    memory: Vec<u8>,
    end: u64,
}

impl Store {
    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        (self.packed.len() + self.held.len()) * CHUNK + self.open.len()
    }

    /// Adds the next event.
    pub(super) fn push(&mut self, event: Event) {
        self.open.push(event);
        if self.open.len() == CHUNK {
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(CHUNK));
            self.held.push_back(Arc::new(full));
            if self.held.len() > HELD {
                self.pack_oldest();
            }
        }
    }

    fn pack_oldest(&mut self) {
        let Some(oldest) = self.held.pop_front() else { return };
        let mut bytes = Vec::with_capacity(CHUNK * 400);
        for event in oldest.iter() {
            // An event that could not be written would shift those after it; an empty line keeps its place.
            let whole = bytes.len();
            if serde_json::to_writer(&mut bytes, event).is_err() {
                bytes.truncate(whole);
            }
            bytes.push(b'\n');
        }
        self.packed.push(Packed { offset: self.spill.end, bytes: bytes.len() });
        self.spill.append(&bytes);
    }

    /// The event at a position.
    pub(super) fn get(&self, position: usize) -> Option<Event> {
        self.with(position, Event::clone)
    }

    /// Looks at the event at a position.
    pub(super) fn with<T>(&self, position: usize, look: impl FnOnce(&Event) -> T) -> Option<T> {
        let (chunk, index) = (position / CHUNK, position % CHUNK);
        match self.chunk(chunk) {
            Some(events) => events.get(index).map(look),
            None if chunk == self.packed.len() + self.held.len() => self.open.get(index).map(look),
            None => None,
        }
    }

    /// Calls `look` with each event of a range, in order, until it returns false.
    pub(super) fn scan(&self, range: std::ops::Range<usize>, mut look: impl FnMut(usize, &Event) -> bool) {
        let mut position = range.start;
        let end = range.end.min(self.len());
        while position < end {
            let chunk = position / CHUNK;
            let held = self.chunk(chunk);
            let events: &[Event] = held.as_ref().map_or(&self.open, |events| events.as_slice());
            let stop = end.min((chunk + 1) * CHUNK);
            for at in position..stop {
                let Some(event) = events.get(at % CHUNK) else { return };
                if !look(at, event) {
                    return;
                }
            }
            position = stop;
        }
    }

    /// A full chunk; none for the one that is still open.
    fn chunk(&self, index: usize) -> Option<Arc<Vec<Event>>> {
        match index.checked_sub(self.packed.len()) {
            Some(held) => self.held.get(held).cloned(),
            None => Some(self.unpacked(index)),
        }
    }

    fn unpacked(&self, index: usize) -> Arc<Vec<Event>> {
        let mut cache = self.cache.borrow_mut();
        if let Some(at) = cache.iter().position(|(cached, _)| *cached == index) {
            let found = cache.remove(at);
            cache.push(found);
        } else {
            let bytes = self.packed.get(index).and_then(|packed| self.spill.read(*packed).ok()).unwrap_or_default();
            let lines = bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|byte| *byte == b'\n');
            let events =
                Arc::new(lines.map(|line| serde_json::from_slice(line).unwrap_or_else(|_| unreadable())).collect());
            if cache.len() == CACHED {
                cache.remove(0);
            }
            cache.push((index, events));
        }
        cache.last().map(|(_, events)| events.clone()).unwrap_or_default()
    }
}

impl Spill {
    fn append(&mut self, bytes: &[u8]) {
        if self.file.is_none() && self.end == 0 {
            self.file = nameless_file().ok();
        }
        let written = self.file.as_mut().is_some_and(|file| file.write_all(bytes).is_ok());
        if !written {
            self.fall_back();
            self.memory.extend_from_slice(bytes);
        }
        self.end += bytes.len() as u64;
    }

    /// A full disk must not lose what happened: everything moves into memory.
    fn fall_back(&mut self) {
        let Some(file) = self.file.take() else { return };
        let mut memory = vec![0; usize::try_from(self.end).unwrap_or(0)];
        if file.read_exact_at(&mut memory, 0).is_ok() {
            self.memory = memory;
        }
    }

    fn read(&self, packed: Packed) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; packed.bytes];
        match &self.file {
            Some(file) => file.read_exact_at(&mut bytes, packed.offset)?,
            None => {
                let start = usize::try_from(packed.offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(packed.bytes);
                let kept = self.memory.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
                bytes.copy_from_slice(kept);
            }
        }
        Ok(bytes)
    }
}

fn unreadable() -> Event {
    let kind = Kind::Note { text: "this event could not be read back".to_owned() };
    Event { seq: 0, at_us: At::default(), kind }
}

/// A file that goes away with the process, however it ends.
fn nameless_file() -> io::Result<File> {
    for attempt in 0..16 {
        let path = std::env::temp_dir().join(format!("labsim-{}-{attempt}.events", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> Event {
        Event { seq, at_us: At(seq * 10), kind: Kind::Note { text: format!("event {seq}") } }
    }

    #[test]
    fn events_come_back_from_the_file_as_they_were() {
        let mut store = Store::default();
        let count = CHUNK * (HELD + 3) + 17;
        for seq in 0..count {
            store.push(event(seq as u64));
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
    fn a_disk_that_fails_loses_nothing() {
        let mut spill = Spill::default();
        spill.append(b"first ");
        spill.fall_back();
        spill.append(b"second");
        assert_eq!(spill.read(Packed { offset: 0, bytes: 12 }).unwrap(), b"first second");
    }
}
