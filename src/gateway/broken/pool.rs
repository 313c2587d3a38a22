//! What bugs do to the providers of a backend.

use super::super::gate::{Gate, Term};
use super::super::group::{Pool, Seat, Selection};
use crate::event::At;

/// Of two that were drawn the one that did not win.
pub(super) fn loser(selection: &Selection) -> Option<Seat> {
    let drawn = selection.drawn.iter().filter_map(|index| selection.candidates.get(*index));
    drawn.map(|(seat, _)| *seat).find(|seat| *seat != selection.seat)
}

impl Pool {
    /// Gives a request that was sent to one provider to another; one of those that were drawn, or else
    /// one that nobody asked for.
    pub(super) fn redirect(&mut self, selection: &Selection, to: Seat) -> Selection {
        if let Some(member) = self.member_mut(selection.seat) {
            member.pending = member.pending.saturating_sub(1);
            member.total = member.total.saturating_sub(1);
            if selection.probe {
                member.gate.leave();
            }
        }
        let taken = self.take(to);
        if selection.candidates.iter().any(|(seat, _)| *seat == to) {
            return Selection { candidates: selection.candidates.clone(), drawn: selection.drawn, ..taken };
        }
        taken
    }

    /// Takes one provider, whatever speaks against it.
    pub(super) fn take(&mut self, seat: Seat) -> Selection {
        let standing = self.member(seat).map(super::super::group::Member::standing);
        if let Some(member) = self.member_mut(seat) {
            member.pending += 1;
            member.total += 1;
        }
        let candidates = standing.into_iter().map(|standing| (seat, standing)).collect();
        Selection { seat, fallback: false, probe: false, candidates, drawn: [0, 0] }
    }

    /// A provider of the next group, where somebody of this one is out.
    pub(super) fn below_a_gap(&self, seat: Seat) -> Option<Seat> {
        let group = |index: usize, group: usize| self.member(Seat { group, index });
        let gap = (0..).map_while(|index| group(index, seat.group)).any(|member| !member.gate.is_open());
        let below = Seat { group: seat.group + 1, index: 0 };
        (gap && self.member(below).is_some()).then_some(below)
    }

    /// The first provider of the first two groups in turn.
    pub(super) fn seat_in_a_circle(&self, attempt: u32) -> Option<Seat> {
        let seat = Seat { group: attempt as usize % 2, index: 0 };
        self.member(seat).map(|_| seat)
    }

    /// Lets all who are out come back when the last of them does.
    pub(super) fn hold_until_the_last(&mut self) {
        let seats = self.seats();
        let ends = seats.iter().filter_map(|seat| self.evicted_until(*seat));
        let Some(last) = ends.max() else { return };
        for seat in seats {
            self.set_end(seat, |_| last);
        }
    }

    /// Sets when an eviction really ends.
    pub(super) fn set_end(&mut self, seat: Seat, end: impl Fn(At) -> At) {
        if let Some(member) = self.member_mut(seat)
            && let Gate::Evicted(term) = member.gate
        {
            member.gate = Gate::Evicted(Term { until: end(term.until), ..term });
        }
    }

    fn seats(&self) -> Vec<Seat> {
        let of_group = |group: usize| {
            (0..).map(move |index| Seat { group, index }).take_while(|seat| self.member(*seat).is_some())
        };
        (0..).map(|group| of_group(group).collect::<Vec<_>>()).take_while(|seats| !seats.is_empty()).flatten().collect()
    }
}
