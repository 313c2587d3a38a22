//! Requests that are over, by number: a million of them in little memory.
//!
//! They stand in pages of [`PAGE`]. Pages whose requests are not all over, and the newest that are full,
//! are held; the others lie in a [`Spill`], each row in [`ROW`] bytes, and are read when somebody looks.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::row::{NameId, Row};
use super::spill::{Cache, Packed, Spill};
use crate::event::{At, Outcome};

/// Rows of a page.
pub(super) const PAGE: usize = 512;
/// Pages that are held, the newest ones.
const HELD: usize = 64;
/// Old pages that are held after they were looked at.
const CACHED: usize = 16;
/// Bytes of a packed row.
const ROW: usize = 92;

type Page = Vec<Option<Row>>;

/// Requests that are over, by index.
pub(super) struct Rows {
    held: BTreeMap<usize, Page>,
    packed: BTreeMap<usize, Packed>,
    hold: usize,
    spill: Spill,
    cache: RefCell<Cache<Page>>,
}

impl Default for Rows {
    fn default() -> Self {
        Self::new(HELD)
    }
}

impl Rows {
    /// Rows of which `hold` pages are held.
    pub(super) fn new(hold: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            packed: BTreeMap::new(),
            hold: hold.max(1),
            spill: Spill::default(),
            cache: RefCell::new(Cache::new(CACHED)),
        }
    }

    /// Keeps a request that is over.
    pub(super) fn close(&mut self, row: Row) {
        let (page, place) = (row.index as usize / PAGE, row.index as usize % PAGE);
        if !self.held.contains_key(&page) {
            let rows = self.take_back(page);
            self.held.insert(page, rows);
            if self.held.len() > self.hold {
                self.pack_oldest(page);
            }
        }
        if let Some(slot) = self.held.get_mut(&page).and_then(|rows| rows.get_mut(place)) {
            *slot = Some(row);
        }
    }

    /// A page that was packed before the last of its requests was over, or a new one.
    fn take_back(&mut self, page: usize) -> Page {
        self.cache.borrow_mut().forget(page);
        let packed = self.packed.remove(&page);
        packed.map_or_else(|| vec![None; PAGE], |packed| self.read(packed))
    }

    fn pack_oldest(&mut self, except: usize) {
        let Some(oldest) = self.held.keys().copied().find(|page| *page != except) else { return };
        let Some(rows) = self.held.remove(&oldest) else { return };
        let mut bytes = Vec::with_capacity(PAGE * ROW);
        for row in &rows {
            pack(row.as_ref(), &mut bytes);
        }
        self.packed.insert(oldest, self.spill.append(&bytes));
    }

    fn read(&self, packed: Packed) -> Page {
        let bytes = self.spill.read(packed).unwrap_or_default();
        let mut rows: Page = bytes.chunks_exact(ROW).map(unpacked).collect();
        rows.resize(PAGE, None);
        rows
    }

    /// A request that is over.
    pub(super) fn get(&self, index: usize) -> Option<Row> {
        let (page, place) = (index / PAGE, index % PAGE);
        if let Some(rows) = self.held.get(&page) {
            return *rows.get(place)?;
        }
        let packed = *self.packed.get(&page)?;
        let rows = self.cache.borrow_mut().get(page, || self.read(packed));
        *rows.get(place)?
    }
}

/// Stands for a number that is absent. 0 as an outcome stands for a row that is absent.
const NONE: u64 = u64::MAX;
const NONE_32: u32 = u32::MAX;
const NONE_16: u16 = u16::MAX;

/// How a request may end, by number.
pub(super) const OUTCOMES: [Outcome; 9] = [
    Outcome::Complete,
    Outcome::Truncated,
    Outcome::Cut,
    Outcome::Reset,
    Outcome::Refused,
    Outcome::Unresolved,
    Outcome::Timeout,
    Outcome::Cancelled,
    Outcome::Failed,
];

/// Writes a row in [`ROW`] bytes; all of them are 0 where there is none.
fn pack(row: Option<&Row>, bytes: &mut Vec<u8>) {
    let Some(row) = row else { return bytes.extend_from_slice(&[0; ROW]) };
    let time = |at: Option<At>| at.map_or(NONE, |at| at.0);
    let times = [Some(row.sent), row.started, row.first_token, row.ended, row.selected, row.intended].map(time);
    let (input, output) = row.tokens.unwrap_or((NONE_32, NONE_32));
    let numbers = [
        row.index,
        row.position,
        row.step.unwrap_or(NONE_32),
        row.replica.unwrap_or(NONE_32),
        row.path.0,
        row.endpoint.0,
        row.model.0,
        input,
        output,
    ];
    let shorts = [row.provider.unwrap_or(NONE_16), row.status.unwrap_or(NONE_16), row.attempts];
    let outcome = row.outcome.and_then(|outcome| OUTCOMES.iter().position(|one| *one == outcome));
    let outcome = outcome.and_then(|outcome| u8::try_from(outcome + 2).ok()).unwrap_or(1);
    let flags = u8::from(row.stream) | u8::from(row.has_client) << 1 | u8::from(row.arrived) << 2;
    for time in times {
        bytes.extend_from_slice(&time.to_le_bytes());
    }
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for short in shorts {
        bytes.extend_from_slice(&short.to_le_bytes());
    }
    bytes.extend_from_slice(&[outcome, flags]);
}

fn unpacked(bytes: &[u8]) -> Option<Row> {
    let mut rest = bytes;
    let mut number = |length: usize| {
        let (taken, left) = rest.split_at_checked(length).unwrap_or_default();
        rest = left;
        taken.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let times: [u64; 6] = std::array::from_fn(|_| number(8));
    let numbers: [u64; 9] = std::array::from_fn(|_| number(4));
    let [provider, status, attempts] = std::array::from_fn(|_| number(2));
    let (outcome, flags) = (number(1), number(1));
    let at = |place: usize| Some(times[place]).filter(|micros| *micros != NONE).map(At);
    let whole = |place: usize| u32::try_from(numbers[place]).unwrap_or(NONE_32);
    let some = |place: usize| Some(whole(place)).filter(|number| *number != NONE_32);
    let short = |number: u64| u16::try_from(number).ok().filter(|number| *number != NONE_16);
    (outcome > 0).then(|| Row {
        index: whole(0),
        position: whole(1),
        sent: at(0).unwrap_or_default(),
        started: at(1),
        first_token: at(2),
        ended: at(3),
        selected: at(4),
        intended: at(5),
        step: some(2),
        replica: some(3),
        path: NameId(whole(4)),
        endpoint: NameId(whole(5)),
        model: NameId(whole(6)),
        tokens: some(7).zip(some(8)),
        provider: short(provider),
        status: short(status),
        attempts: u16::try_from(attempts).unwrap_or(0),
        outcome: usize::try_from(outcome).ok().and_then(|outcome| OUTCOMES.get(outcome.checked_sub(2)?).copied()),
        stream: flags & 1 > 0,
        has_client: flags & 2 > 0,
        arrived: flags & 4 > 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(row: Option<&Row>) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(row, &mut bytes);
        assert_eq!(bytes.len(), ROW);
        bytes
    }

    fn row(index: u32) -> Row {
        Row { status: Some(200), outcome: Some(Outcome::Complete), ..Row::new(index, index * 3, At(u64::from(index))) }
    }

    #[test]
    fn rows_come_back_from_the_file_as_they_were() {
        let full = Row {
            started: Some(At(1)),
            first_token: Some(At(2)),
            ended: Some(At(u64::MAX - 1)),
            selected: Some(At(3)),
            intended: Some(At(4)),
            step: Some(5),
            replica: Some(6),
            path: NameId(7),
            provider: Some(8),
            endpoint: NameId(9),
            model: NameId(10),
            status: Some(599),
            tokens: Some((11, 12)),
            attempts: 13,
            stream: true,
            has_client: true,
            ..row(14)
        };
        for outcome in OUTCOMES {
            let row = Row { outcome: Some(outcome), ..full };
            assert_eq!(unpacked(&packed(Some(&row))), Some(row));
        }
        let bare = Row { outcome: None, ..Row::new(0, 0, At(0)) };
        assert_eq!(unpacked(&packed(Some(&bare))), Some(bare));
        assert_eq!(unpacked(&packed(None)), None);
    }

    #[test]
    fn a_request_that_ends_long_after_its_neighbours_finds_its_page() {
        let mut rows = Rows::new(2);
        let count = 6 * PAGE;
        for index in (0..count).filter(|index| *index != 3) {
            rows.close(row(u32::try_from(index).unwrap()));
        }
        assert_eq!((rows.get(3), rows.packed.len()), (None, 4));
        rows.close(row(3));
        for index in [0, 3, PAGE - 1, PAGE, count - 1] {
            assert_eq!(rows.get(index), Some(row(u32::try_from(index).unwrap())), "{index}");
        }
        assert_eq!(rows.get(count), None);
        assert!(rows.held.len() <= 2);
    }
}
