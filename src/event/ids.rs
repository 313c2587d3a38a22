//! Which ids requests go by, so that no two that are told of at the same time share one.

use std::collections::{BTreeSet, VecDeque};

use super::facts::fnv_of;

/// Ids that came with requests: of those under way, and of the latest that have ended.
///
/// An id is kept as its checksum, since it is only asked whether it is there.
#[derive(Default)]
pub(super) struct Ids {
    taken: BTreeSet<u64>,
    ended: VecDeque<u64>,
}

/// An id that a request goes by until it is given back.
#[derive(Debug)]
pub struct Taken(u64);

/// So many requests that have ended keep their ids: some is told of them later, and a person who asks again by
/// the same id has asked twice.
const KEPT: usize = 1024;

impl Ids {
    /// Takes an id; none where another request goes by it.
    pub(super) fn take(&mut self, id: &str) -> Option<Taken> {
        let sum = fnv_of(id.as_bytes());
        self.taken.insert(sum).then_some(Taken(sum))
    }

    /// A request is over.
    pub(super) fn ended(&mut self, Taken(sum): Taken) {
        self.ended.push_back(sum);
        if self.ended.len() > KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.taken.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_long_after_its_request() {
        let mut ids = Ids::default();
        let first = ids.take("abc").unwrap();
        for number in 0..2 * KEPT {
            let other = ids.take(&number.to_string()).unwrap();
            ids.ended(other);
        }
        assert!(ids.take("abc").is_none(), "it is under way");
        ids.ended(first);
        assert!(ids.take("abc").is_none(), "it has just ended");
        for number in 2 * KEPT..3 * KEPT {
            let other = ids.take(&number.to_string()).unwrap();
            ids.ended(other);
        }
        assert!(ids.take("abc").is_some());
        assert_eq!((ids.taken.len(), ids.ended.len()), (KEPT + 1, KEPT));
    }
}
