//! Events as bytes, each to be read by itself, and batches of them on their way to a screen.

use super::fact::Fact;
use super::pack;
use crate::event::{At, Event};

/// Events one after the other: when each happened, then the event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

/// Events in order, written down where they happened.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) kept: Kept,
    /// The events themselves, as many of the first as a judge wants to hear.
    pub(super) heard: Vec<Event>,
}

impl Kept {
    /// Nothing, with room for so many events.
    pub(super) fn with_room(events: usize) -> Self {
        Self { bytes: Vec::with_capacity(events * 192), ends: Vec::with_capacity(events) }
    }

    /// Nothing, in the room that others took.
    pub(super) fn in_place_of(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes, ends: Vec::new() }
    }

    /// Adds an event that happened at `at`.
    fn push(&mut self, event: &Event, at: At) {
        self.bytes.extend_from_slice(&at.0.to_le_bytes());
        pack::pack(event, &mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds others behind them.
    pub(super) fn append(&mut self, others: &Self) {
        let before = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&others.bytes);
        self.ends.extend(others.ends.iter().map(|end| end.saturating_add(before)));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn piece(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start as usize..*self.ends.get(index)? as usize)
    }

    /// When one happened.
    pub(super) fn at(&self, index: usize) -> Option<At> {
        self.packed(index).map(|(at, _)| at)
    }

    /// When one happened, and the rest of it.
    fn packed(&self, index: usize) -> Option<(At, &[u8])> {
        let (at, packed) = self.piece(index)?.split_first_chunk()?;
        Some((At(u64::from_le_bytes(*at)), packed))
    }

    /// Tells what one says and when it happened. No event is made of it unless it is a rare one.
    pub(super) fn tell(&self, index: usize, hear: impl FnOnce(Fact<'_>, At)) {
        let Some((at, packed)) = self.packed(index) else { return };
        match pack::parts(packed).and_then(|(tag, fields)| Fact::read(tag, fields)) {
            Some(fact) => hear(fact, at),
            None => hear(Fact::Rare(&pack::unpack(packed, at).kind), at),
        }
    }

    /// One of them, at the moment that it was given.
    pub(super) fn event(&self, index: usize) -> Option<Event> {
        self.packed(index).map(|(at, packed)| pack::unpack(packed, at))
    }

    /// How many happened up to a moment; their times never fall.
    pub(super) fn until(&self, at: At) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.at(middle).is_some_and(|one| one <= at) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// All of it in one piece.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.extend(self.ends.iter().flat_map(|end| end.to_le_bytes()));
        bytes.extend(u32::try_from(self.ends.len()).unwrap_or(0).to_le_bytes());
        bytes
    }

    /// What [`Kept::into_bytes`] gave; nothing where it is broken.
    pub(super) fn of_bytes(mut bytes: Vec<u8>) -> Self {
        let of = |piece: &[u8]| piece.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let Some(at) = bytes.len().checked_sub(4) else { return Self::default() };
        let count = of(&bytes[at..]) as usize;
        let Some(start) = at.checked_sub(count.saturating_mul(4)) else { return Self::default() };
        let ends = bytes[start..at].chunks_exact(4).map(of).collect();
        bytes.truncate(start);
        Self { bytes, ends }
    }
}

impl Batch {
    /// Nothing, with room for so many events.
    pub(super) fn with_room(events: usize) -> Self {
        Self { kept: Kept::with_room(events), heard: Vec::new() }
    }

    /// Forgets all of it but for the room that it took.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.heard.clear();
    }

    /// Writes down events that follow on `end`; a judge may hear them all.
    pub(super) fn of(events: Vec<Event>, end: At) -> Self {
        let mut batch = Self::with_room(events.len());
        let mut end = end;
        for event in &events {
            end = batch.push(event, end);
        }
        Self { heard: events, ..batch }
    }

    /// Writes an event down. One that claims to be earlier than `end` happens then; gives when it happened.
    pub(super) fn push(&mut self, event: &Event, end: At) -> At {
        let at = event.at_us.max(end);
        self.kept.push(event, at);
        at
    }

    /// What [`Kept::into_bytes`] gave of it, with as many of its first events to be heard.
    pub(super) fn of_bytes(bytes: Vec<u8>, heard: usize) -> Self {
        let kept = Kept::of_bytes(bytes);
        let heard = (0..heard).filter_map(|index| kept.event(index)).collect();
        Self { kept, heard }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    fn note(seq: u64, at: u64) -> Event {
        Event { seq, at_us: At(at), kind: Kind::Note { text: format!("note {seq}") } }
    }

    #[test]
    fn each_event_is_read_by_itself_also_after_a_way_through_a_file() {
        let batch = Batch::of(vec![note(0, 5), note(1, 3), note(2, 9)], At(4));
        let again = Batch::of_bytes(batch.kept.clone().into_bytes(), 2);
        assert_eq!(again.kept, batch.kept);
        assert_eq!(again.heard, [note(0, 5), note(1, 5)]);
        let mut all = again.kept;
        all.append(&Batch::of(vec![note(3, 9), note(4, 12)], At(9)).kept);
        let times: Vec<_> = (0..6).map(|index| all.at(index).map(|at| at.0)).collect();
        assert_eq!(times, [Some(5), Some(5), Some(9), Some(9), Some(12), None]);
        assert_eq!((all.event(4), all.event(5)), (Some(note(4, 12)), None));
        assert_eq!([4, 5, 8, 9, 11, 12].map(|at| all.until(At(at))), [0, 2, 2, 4, 4, 5]);
    }

    #[test]
    fn what_is_broken_is_empty() {
        for bytes in [vec![], vec![1], vec![255; 4], vec![255; 9]] {
            assert_eq!(Kept::of_bytes(bytes.clone()).event(0), None);
            assert_eq!(Batch::of_bytes(bytes, 3).heard, []);
        }
    }
}
