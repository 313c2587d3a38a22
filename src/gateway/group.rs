//! The providers of one backend on one replica: which group serves, who of it, and what becomes of
//! them. State in, event in, decision out; no network and no clock.
//!
//! The first group with an active provider serves. If there is none anywhere, the evicted providers
//! of the first group do: better their answer than none.

use std::time::Duration;

use super::accrue::Health;
use super::balance::{self, Standing};
use super::classify::{self, Verdict};
use super::eviction;
use super::gate::Gate;
use super::personality::Behaviour;
use super::wait::Wait;
use crate::event::At;
use crate::world::Random;

/// A backend's providers, by group.
#[derive(Debug, Clone)]
pub struct Pool {
    behaviour: &'static Behaviour,
    groups: Vec<Vec<Member>>,
}

/// One provider.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Member {
    /// Its record.
    pub health: Health,
    /// Whether it may be chosen.
    pub gate: Gate,
    /// Requests under way.
    pub pending: u32,
    /// Requests that it was ever chosen for.
    pub total: u64,
}

/// The position of a provider in its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    /// Its group, from 0.
    pub group: usize,
    /// Its position in the group, from 0.
    pub index: usize,
}

/// A choice, and what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Who was chosen.
    pub seat: Seat,
    /// Whether evicted providers were chosen from.
    pub fallback: bool,
    /// Whom the choice was among, as they stood before it.
    pub candidates: Vec<(Seat, Standing)>,
    /// Positions in `candidates` that were drawn.
    pub drawn: [usize; 2],
}

/// A response that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Status that the client got; none where it left before.
    pub status: Option<u16>,
    /// Wait that the final headers ask for.
    pub wait: Option<Wait>,
    /// From the client's request to the end of the response.
    pub latency: Duration,
}

/// What a response has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// The provider's record is another.
    pub changed: bool,
    /// The provider was evicted.
    pub evicted: Option<Eviction>,
}

/// An eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// Its deadline.
    pub until: At,
    /// Where the duration was taken from.
    pub source: &'static str,
}

impl Pool {
    /// Groups of these sizes, everyone active and in perfect health.
    pub fn new(behaviour: &'static Behaviour, sizes: impl IntoIterator<Item = usize>) -> Self {
        let groups = sizes.into_iter().map(|size| vec![Member::default(); size]).collect();
        Self { behaviour, groups }
    }

    /// Chooses a provider and counts the request as under way there. Whoever is due must have been
    /// released before. None where the first group is empty and nobody is active.
    pub fn select(&mut self, random: &mut Random) -> Option<Selection> {
        let (group, fallback) = self.serving_group();
        let members = self.groups.get(group)?;
        let candidates: Vec<_> = members
            .iter()
            .enumerate()
            .filter(|(_, member)| fallback || member.gate.is_open())
            .map(|(index, member)| (Seat { group, index }, member.standing()))
            .collect();
        let scores: Vec<_> = candidates.iter().map(|(_, standing)| standing.score()).collect();
        let draw = balance::choose(&scores, random)?;
        let (seat, _) = candidates[draw.winner];
        let member = &mut self.groups[seat.group][seat.index];
        member.pending += 1;
        member.total += 1;
        Some(Selection { seat, fallback, candidates, drawn: draw.drawn })
    }

    /// The group that serves now, and whether it does so with evicted providers.
    #[must_use]
    pub fn serving_group(&self) -> (usize, bool) {
        let active = |group: &Vec<Member>| group.iter().any(|member| member.gate.is_open());
        self.groups.iter().position(active).map_or((0, true), |group| (group, false))
    }

    /// A request is no longer under way, and nothing is learnt from it.
    pub fn leave(&mut self, seat: Seat) {
        if let Some(member) = self.member_mut(seat) {
            member.pending = member.pending.saturating_sub(1);
        }
    }

    /// A request is no longer under way, and its response is accounted at `now`. Whoever is due must
    /// have been released before. Decisions use the record before this response.
    pub fn finish(&mut self, seat: Seat, observed: &Observed, now: At) -> Effect {
        self.leave(seat);
        let behaviour = self.behaviour;
        let Some(member) = self.member_mut(seat) else { return Effect::default() };
        let before = member.health;
        let verdict = classify::by_status(behaviour.failures, observed.status);
        let sentence = match verdict {
            Verdict::Success => None,
            Verdict::Failure => eviction::decide(behaviour, observed.wait),
        };
        member.health.record(verdict, observed.latency);
        let evicted = sentence.and_then(|sentence| {
            let until = later(now, sentence.duration);
            member.gate.evict(until).then(|| {
                member.health.record_eviction();
                Eviction { until, source: sentence.source }
            })
        });
        Effect { changed: member.health != before, evicted }
    }

    /// Lets back in whose eviction is over at `now`, and says who that is, in order.
    pub fn release_due(&mut self, now: At) -> Vec<Seat> {
        let Some(latest) = self.deadlines().map(|(_, until)| until).max() else { return Vec::new() };
        let release = self.behaviour.release;
        let due: Vec<_> =
            self.deadlines().filter(|(_, until)| release.ends(*until, latest) <= now).map(|(seat, _)| seat).collect();
        for seat in &due {
            if let Some(member) = self.member_mut(*seat) {
                member.gate.release();
            }
        }
        due
    }

    /// When the eviction of a provider really ends; none where it is not out.
    #[must_use]
    pub fn evicted_until(&self, seat: Seat) -> Option<At> {
        let own = self.member(seat)?.gate.until()?;
        let latest = self.deadlines().map(|(_, until)| until).max()?;
        Some(self.behaviour.release.ends(own, latest))
    }

    /// A provider's state.
    #[must_use]
    pub fn member(&self, seat: Seat) -> Option<&Member> {
        self.groups.get(seat.group)?.get(seat.index)
    }

    fn member_mut(&mut self, seat: Seat) -> Option<&mut Member> {
        self.groups.get_mut(seat.group)?.get_mut(seat.index)
    }

    /// Everyone who is out, with the deadline.
    fn deadlines(&self) -> impl Iterator<Item = (Seat, At)> {
        self.groups.iter().enumerate().flat_map(|(group, members)| {
            members
                .iter()
                .enumerate()
                .filter_map(move |(index, member)| Some((Seat { group, index }, member.gate.until()?)))
        })
    }
}

impl Member {
    /// What it is judged by now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            health: self.health.success.value(),
            latency_seconds: self.health.latency.value(),
            pending: self.pending,
        }
    }
}

/// A moment `duration` later, or the end of time.
fn later(now: At, duration: Duration) -> At {
    At(u64::try_from(duration.as_micros()).map_or(u64::MAX, |micros| now.0.saturating_add(micros)))
}
