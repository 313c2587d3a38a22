//! Which requests the table lists, and in what order.
//!
//! Without a filter and in the order of sending that is every number up to the last. Otherwise a
//! [`Chooser`] keeps those that are over and fit, sorted, and takes in only what has come since; the few
//! under way at a moment are looked at anew. So a table of a million costs a pass over small numbers a
//! frame, and not a million rows.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::fold::Fold;
use super::row::Row;
use super::timeline::Timeline;

/// A column that requests can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Column {
    #[default]
    Number,
    Status,
    Latency,
    Ttft,
    Tokens,
    Attempts,
}

/// What is listed and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    pub(super) sort: Column,
    pub(super) reverse: bool,
}

/// Rows that are looked at in one go: some milliseconds, so that the screen stays alive.
const AT_ONCE: u32 = 20_000;

/// Where a request stands: by its value, then by its number.
type Key = (Reverse<u64>, u32);

/// Chooses and sorts.
#[derive(Debug)]
pub(super) struct Chooser {
    at_once: u32,
    wanted: Wanted,
    /// Requests that were looked at.
    seen: u32,
    /// Those among them that were under way then.
    waiting: BTreeSet<u32>,
    /// Those that are over and fit.
    fits: Vec<Key>,
    latest: Option<(usize, Listing)>,
}

/// Requests in the order of their lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    all: usize,
    chosen: Option<Arc<Vec<u32>>>,
    backwards: bool,
    /// Whether there are requests that nobody has looked at yet.
    pub(super) searching: bool,
}

impl Default for Chooser {
    fn default() -> Self {
        Self::new(AT_ONCE)
    }
}

impl Chooser {
    /// One that looks at so many rows in one go.
    pub(super) fn new(at_once: u32) -> Self {
        let (waiting, fits) = (BTreeSet::new(), Vec::new());
        Self { at_once, wanted: Wanted::default(), seen: 0, waiting, fits, latest: None }
    }

    /// The listing of a moment.
    pub(super) fn listing(&mut self, wanted: &Wanted, timeline: &Timeline, fold: &Fold) -> Listing {
        if self.wanted != *wanted {
            *self = Self { wanted: wanted.clone(), ..Self::new(self.at_once) };
        }
        match &self.latest {
            Some((position, listing)) if *position == fold.position && !listing.searching => return listing.clone(),
            _ => {}
        }
        let searching = self.look(timeline, fold.begun);
        let chosen = Arc::new(self.at(timeline, fold));
        let listing = Listing { all: fold.begun, chosen: Some(chosen), backwards: false, searching };
        self.latest = Some((fold.position, listing.clone()));
        listing
    }

    /// Looks at requests that are new or have ended since. True while some are left.
    fn look(&mut self, timeline: &Timeline, begun: usize) -> bool {
        let begun = u32::try_from(begun).unwrap_or(u32::MAX);
        let until = begun.min(self.seen.saturating_add(self.at_once));
        let candidates: Vec<u32> = std::mem::take(&mut self.waiting).into_iter().chain(self.seen..until).collect();
        let mut fresh: Vec<Key> = Vec::new();
        for index in candidates {
            match timeline.rows.get(index as usize) {
                Some(row) => fresh.extend(self.key(&row, timeline)),
                None => drop(self.waiting.insert(index)),
            }
        }
        self.seen = self.seen.max(until);
        fresh.sort_unstable();
        self.fits = merged(&self.fits, &fresh);
        self.seen < begun
    }

    fn key(&self, row: &Row, timeline: &Timeline) -> Option<Key> {
        let fits = self.wanted.filter.takes(row, &timeline.names, &timeline.lineup);
        fits.then(|| (Reverse(self.wanted.sort.value(row)), row.index))
    }

    /// Those that fit as they are at a moment.
    fn at(&self, timeline: &Timeline, fold: &Fold) -> Vec<u32> {
        let mut open: Vec<Key> = fold.open().filter_map(|row| self.key(row, timeline)).collect();
        open.sort_unstable();
        let over = |key: &&Key| (key.1 as usize) < fold.begun && fold.open_row(key.1 as usize).is_none();
        let over: Vec<Key> = self.fits.iter().filter(over).copied().collect();
        let mut chosen: Vec<u32> = merged(&over, &open).into_iter().map(|(_, index)| index).collect();
        if self.wanted.reverse && self.wanted.sort != Column::Number {
            chosen.reverse();
        }
        chosen
    }
}

/// Two sorted lists as one.
fn merged(one: &[Key], other: &[Key]) -> Vec<Key> {
    if other.is_empty() {
        return one.to_vec();
    }
    let mut all = Vec::with_capacity(one.len() + other.len());
    let mut rest = other;
    for key in one {
        let before = rest.partition_point(|other| other < key);
        all.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        all.push(*key);
    }
    all.extend_from_slice(rest);
    all
}

impl Listing {
    /// Every request in the order of sending.
    pub(super) fn of_all(count: usize) -> Self {
        Self { all: count, ..Self::default() }
    }

    /// The same, from its end.
    pub(super) fn turned(self, backwards: bool) -> Self {
        Self { backwards, ..self }
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.all, |chosen| chosen.len())
    }

    /// How many requests there are, shown or not.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// The request of a line.
    pub(super) fn index_at(&self, line: usize) -> Option<usize> {
        let count = self.len();
        let place = if self.backwards { count.checked_sub(line + 1)? } else { line };
        match &self.chosen {
            Some(chosen) => chosen.get(place).map(|index| *index as usize),
            None => (place < count).then_some(place),
        }
    }

    /// The line of a request.
    pub(super) fn line_of(&self, index: usize) -> Option<usize> {
        let place = match &self.chosen {
            Some(chosen) => chosen.iter().position(|chosen| *chosen as usize == index)?,
            None => Some(index).filter(|index| *index < self.all)?,
        };
        Some(if self.backwards { self.len() - 1 - place } else { place })
    }
}

impl Column {
    /// The next column that one can sort by.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Number => Self::Status,
            Self::Status => Self::Latency,
            Self::Latency => Self::Ttft,
            Self::Ttft => Self::Tokens,
            Self::Tokens => Self::Attempts,
            Self::Attempts => Self::Number,
        }
    }

    /// What it sorts by, the highest first; requests alike stand in the order of sending.
    fn value(self, row: &Row) -> u64 {
        let micros =
            |duration: Option<Duration>| duration.map_or(0, |it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX));
        match self {
            Self::Number => 0,
            Self::Status => row.status.map_or(0, u64::from),
            Self::Latency => micros(row.latency()),
            Self::Ttft => micros(row.ttft()),
            Self::Tokens => row.tokens.map_or(0, |(input, output)| u64::from(input) + u64::from(output)),
            Self::Attempts => u64::from(row.attempts),
        }
    }
}
