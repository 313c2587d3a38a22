//! Moments worth jumping to, by what happened at them.

use std::collections::BTreeMap;

use super::row::Class;
use crate::event::{At, Kind};

/// A moment worth jumping to. A million of them take 16 megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Landmark {
    position: u32,
    at: At,
}

/// What is worth jumping to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A provider is evicted.
    Eviction,
    /// A provider comes back.
    Return,
    /// A request ends without a good answer.
    Failure,
    /// A step begins.
    Step,
}

/// All landmarks so far, each kind in order.
#[derive(Debug, Default)]
pub(super) struct Landmarks(BTreeMap<Sort, Vec<Landmark>>);

impl Sort {
    /// What an event is as a landmark, by itself. How a request ended that only the gateway tells of is known by
    /// more than one.
    pub(super) fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::ProviderEvicted { .. } => Self::Eviction,
            Kind::ProviderReturned { .. } => Self::Return,
            Kind::StepStarted { .. } => Self::Step,
            Kind::ClientRequestEnded { status, outcome, .. } if Class::of(*status, Some(*outcome)) != Class::Good => {
                Self::Failure
            }
            _ => return None,
        })
    }

    /// Whether it is wanted by somebody who wants this one, or any but steps.
    pub(super) fn is_wanted(self, sort: Option<Self>) -> bool {
        sort.map_or(self != Self::Step, |sort| self == sort)
    }
}

impl Landmark {
    /// Position of its event.
    pub(super) fn position(self) -> usize {
        self.position as usize
    }
}

impl Landmarks {
    /// Adds one, which is later than all before.
    pub(super) fn push(&mut self, position: usize, at: At, sort: Sort) {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.0.entry(sort).or_default().push(Landmark { position, at });
    }

    /// The next one at `position` or after it, or the last before it.
    pub(super) fn near(&self, position: usize, forward: bool, which: impl Fn(Sort) -> bool) -> Option<Landmark> {
        let found = self.0.iter().filter(|(sort, _)| which(**sort)).filter_map(|(_, all)| {
            let split = all.partition_point(|landmark| landmark.position() < position);
            let place = if forward { Some(split) } else { split.checked_sub(1) };
            all.get(place?).copied()
        });
        if forward { found.min_by_key(|one| one.position) } else { found.max_by_key(|one| one.position) }
    }

    /// Whether there is one of a kind in a part of time.
    pub(super) fn any(&self, sort: Sort, from: At, to: At) -> bool {
        let Some(all) = self.0.get(&sort) else { return false };
        let first = all.partition_point(|landmark| landmark.at < from);
        all.get(first).is_some_and(|landmark| landmark.at < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_kinds_that_are_wanted_is_found() {
        let mut all = Landmarks::default();
        for (position, sort) in [(3, Sort::Failure), (4, Sort::Eviction), (9, Sort::Return), (12, Sort::Failure)] {
            all.push(position, At(position as u64 * 10), sort);
        }
        let near = |position, forward, which: &dyn Fn(Sort) -> bool| {
            all.near(position, forward, which).map(Landmark::position)
        };
        assert_eq!(near(4, true, &|_| true), Some(4));
        assert_eq!(near(5, true, &|_| true), Some(9));
        assert_eq!(near(5, true, &|sort| sort == Sort::Failure), Some(12));
        assert_eq!(near(5, true, &|sort| sort == Sort::Eviction), None);
        assert_eq!(near(4, false, &|_| true), Some(3));
        assert_eq!(near(3, false, &|_| true), None);
        assert!(all.any(Sort::Failure, At(120), At(121)));
        assert!(!all.any(Sort::Failure, At(31), At(120)));
    }
}
