//! Where things are counted that are alike: to write labels, and to look for them among all others, would be the
//! larger part of counting a request.

use std::collections::BTreeMap;

use super::super::prometheus::{Description, Labels, Place, Registry};

/// So many kinds are kept, at most. Clients choose models: they must not choose how much memory is used.
const MOST_KINDS: usize = 1_000;

/// The places of each kind of request, and of each kind of attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Alike {
    known: BTreeMap<Vec<u8>, usize>,
    kinds: Vec<Places>,
    /// The key that was last asked for.
    key: Vec<u8>,
}

/// Where things of one kind are counted, by the family's name, and by what else the family tells apart.
pub(super) type Places = Vec<((&'static str, &'static str), Place)>;

/// Counts for things of one kind.
pub(super) struct Count<'c> {
    pub(super) registry: &'c mut Registry,
    pub(super) places: &'c mut Places,
}

impl Alike {
    /// The places of a kind; `write` writes what tells it from others.
    pub(super) fn of(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Places {
        self.key.clear();
        write(&mut self.key);
        let at = self.known.get(&self.key).copied().unwrap_or_else(|| self.begin());
        &mut self.kinds[at]
    }

    fn begin(&mut self) -> usize {
        if self.kinds.len() == MOST_KINDS {
            self.known.clear();
            self.kinds.clear();
        }
        self.known.insert(self.key.clone(), self.kinds.len());
        self.kinds.push(Places::new());
        self.kinds.len() - 1
    }
}

impl Count<'_> {
    /// Adds to a counter.
    pub(super) fn add(&mut self, what: &Description, labels: impl FnOnce() -> Labels, amount: f64) {
        let place = self.place((what, ""), labels);
        self.registry.add_at(place, amount);
    }

    /// Counts a value in a histogram: of these the family has one for each word.
    pub(super) fn observe(&mut self, what: (&Description, &'static str), labels: impl FnOnce() -> Labels, value: f64) {
        let place = self.place(what, labels);
        self.registry.observe_at(place, value);
    }

    fn place(&mut self, (what, word): (&Description, &'static str), labels: impl FnOnce() -> Labels) -> Place {
        let known = self.places.iter().find(|(of, _)| *of == (what.name, word)).map(|(_, place)| *place);
        known.unwrap_or_else(|| {
            let place = self.registry.place(what, &labels());
            self.places.push(((what.name, word), place));
            place
        })
    }
}

/// Writes a part of a key, so that no two keys are the same whose parts are not.
pub(super) fn put(key: &mut Vec<u8>, part: &str) {
    key.extend_from_slice(&part.len().to_ne_bytes());
    key.extend_from_slice(part.as_bytes());
}
