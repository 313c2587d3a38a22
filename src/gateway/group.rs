//! The providers of one backend on one replica: which group serves, who of it, and what becomes of
//! them. State in, event in, decision out; no network and no clock.
//!
//! The first group with an active provider serves. If there is none anywhere, the evicted providers
//! of the first group do: better their answer than none.

use std::time::Duration;

use super::accrue::{Average, Health};
use super::balance::{self, Standing};
use super::classify::{self, Verdict};
use super::eviction::{self, Rules, Sentence};
use super::gate::{Gate, Term};
use super::personality::{AllOut, Behaviour, Comeback, Growth, Handover};
use super::wait::Wait;
use crate::event::At;
use crate::world::Random;

/// A backend's providers, by group.
#[derive(Debug, Clone)]
pub struct Pool {
    behaviour: Behaviour,
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
    /// Whether the request is the one that may try a provider whose eviction is over.
    pub probe: bool,
    /// Whom the choice was among, as they stood before it.
    pub candidates: Vec<(Seat, Standing)>,
    /// Positions in `candidates` that were drawn.
    pub drawn: [usize; 2],
}

/// A response that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observed {
    /// Status that the client got, or would have got; none where there was none.
    pub status: Option<u16>,
    /// How it ended.
    pub ended: Ended,
    /// What the policy's expression says of it, where there is one.
    pub unhealthy: Option<bool>,
    /// The health policy that it is under.
    pub rules: Option<Rules>,
    /// Wait that its headers ask for.
    pub wait: Option<Wait>,
    /// Pause between the rule's retries.
    pub backoff: Option<Duration>,
    /// From the client's request to the end of the response.
    pub latency: Duration,
    /// Whether it was a probe.
    pub probe: bool,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ended {
    /// As it should.
    #[default]
    Whole,
    /// The provider broke it off.
    Cut,
    /// The client left before.
    ClientGone,
}

/// What a response has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// The provider's record is another.
    pub changed: bool,
    /// The provider is evicted: now, or when [`Pool::carry_out`] is called if `later`.
    pub evicted: Option<Eviction>,
    /// The eviction is yet to be carried out.
    pub later: bool,
    /// The provider has passed its probe.
    pub returned: bool,
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
    pub fn new(behaviour: &Behaviour, sizes: impl IntoIterator<Item = usize>) -> Self {
        let groups = sizes.into_iter().map(|size| vec![Member::default(); size]).collect();
        Self { behaviour: *behaviour, groups }
    }

    /// Chooses a provider at `now` and counts the request as under way there. Whoever is due must have
    /// been released before. None where nobody may be chosen.
    pub fn select(&mut self, random: &mut Random, now: At) -> Option<Selection> {
        let (group, fallback) = self.serving_group(now);
        if fallback && self.behaviour.all_out == AllOut::Refuse {
            return None;
        }
        let members = self.groups.get(group)?;
        let candidates: Vec<_> = members
            .iter()
            .enumerate()
            .filter(|(_, member)| fallback || self.is_eligible(member, now))
            .map(|(index, member)| (Seat { group, index }, member.standing()))
            .collect();
        let scores: Vec<_> = candidates.iter().map(|(_, standing)| standing.score()).collect();
        let draw = balance::choose(&scores, random)?;
        let (seat, _) = candidates[draw.winner];
        let member = &mut self.groups[seat.group][seat.index];
        member.pending += 1;
        member.total += 1;
        let probe = self.behaviour.comeback == Comeback::AfterOneProbe && member.gate.probe(now);
        Some(Selection { seat, fallback, probe, candidates, drawn: draw.drawn })
    }

    /// A request that was chosen elsewhere is under way at a provider.
    pub fn enter(&mut self, seat: Seat) {
        if let Some(member) = self.member_mut(seat) {
            member.pending += 1;
            member.total += 1;
        }
    }

    /// Puts a provider's state in its place.
    pub fn seat(&mut self, seat: Seat, state: Member) {
        if let Some(member) = self.member_mut(seat) {
            *member = state;
        }
    }

    /// The group that serves at `now`, and whether it does so with evicted providers.
    #[must_use]
    pub fn serving_group(&self, now: At) -> (usize, bool) {
        let active = |group: &Vec<Member>| group.iter().any(|member| self.is_eligible(member, now));
        self.groups.iter().position(active).map_or((0, true), |group| (group, false))
    }

    fn is_eligible(&self, member: &Member, now: At) -> bool {
        member.gate.is_open() || (self.behaviour.comeback == Comeback::AfterOneProbe && member.gate.is_due(now))
    }

    /// A request is no longer under way, and nothing is learnt from it.
    pub fn leave(&mut self, seat: Seat, probe: bool) {
        if let Some(member) = self.member_mut(seat) {
            member.pending = member.pending.saturating_sub(1);
            if probe {
                member.gate.leave();
            }
        }
    }

    /// A request is no longer under way, and its response is accounted at `now`. Whoever is due must
    /// have been released before. Decisions use the record before this response.
    pub fn finish(&mut self, seat: Seat, observed: &Observed, now: At) -> Effect {
        let behaviour = self.behaviour;
        let Some(verdict) = classify::judge(&behaviour, observed) else {
            self.leave(seat, observed.probe);
            return Effect::default();
        };
        let Some(member) = self.member_mut(seat) else { return Effect::default() };
        member.pending = member.pending.saturating_sub(1);
        let before = member.health;
        member.health.record(verdict, observed.latency);
        let mut effect = Effect::default();
        match verdict {
            Verdict::Success if observed.probe => effect.returned = member.release().is_some(),
            Verdict::Success => {}
            Verdict::Failure => {
                let sentence = eviction::decide(&behaviour, &before, observed);
                effect.evicted = sentence.and_then(|sentence| member.sentence(&behaviour, &sentence, observed, now));
                match (effect.evicted, behaviour.handover) {
                    (Some(_), Handover::AMomentLater) => effect.later = true,
                    (Some(_), Handover::AtOnce) => drop(member.gate.carry_out()),
                    (None, _) if observed.probe => member.gate.leave(),
                    (None, _) => {}
                }
            }
        }
        effect.changed = member.health != before;
        effect
    }

    /// Has a decided eviction take effect; says whether there was one.
    pub fn carry_out(&mut self, seat: Seat) -> bool {
        self.member_mut(seat).is_some_and(|member| member.gate.carry_out())
    }

    /// The earliest deadline among those who are out.
    #[must_use]
    pub fn soonest(&self) -> Option<At> {
        self.deadlines().map(|(_, until)| until).min()
    }

    /// Lets back in whose eviction is over at `now`, and says who that is, in order, and whose health
    /// is another for it.
    pub fn release_due(&mut self, now: At) -> Vec<(Seat, bool)> {
        if self.behaviour.comeback == Comeback::AfterOneProbe {
            return Vec::new();
        }
        let Some(latest) = self.deadlines().map(|(_, until)| until).max() else { return Vec::new() };
        let release = self.behaviour.release;
        let due: Vec<_> =
            self.deadlines().filter(|(_, until)| release.ends(*until, latest) <= now).map(|(seat, _)| seat).collect();
        due.into_iter().filter_map(|seat| Some((seat, self.member_mut(seat)?.release()?))).collect()
    }

    /// When the eviction of a provider really ends; none where it is not out.
    #[must_use]
    pub fn evicted_until(&self, seat: Seat) -> Option<At> {
        let gate = self.member(seat)?.gate;
        let own = gate.until().filter(|_| !gate.is_open())?;
        let latest = self.deadlines().map(|(_, until)| until).max()?;
        Some(self.behaviour.release.ends(own, latest))
    }

    /// A provider's state.
    #[must_use]
    pub fn member(&self, seat: Seat) -> Option<&Member> {
        self.groups.get(seat.group)?.get(seat.index)
    }

    pub(super) fn member_mut(&mut self, seat: Seat) -> Option<&mut Member> {
        self.groups.get_mut(seat.group)?.get_mut(seat.index)
    }

    /// Everyone who is out, with the deadline.
    fn deadlines(&self) -> impl Iterator<Item = (Seat, At)> {
        self.groups.iter().enumerate().flat_map(|(group, members)| {
            members
                .iter()
                .enumerate()
                .filter(|(_, member)| !member.gate.is_open())
                .filter_map(move |(index, member)| Some((Seat { group, index }, member.gate.until()?)))
        })
    }
}

impl Member {
    /// Decides an eviction, and counts it as the version does.
    fn sentence(
        &mut self,
        behaviour: &Behaviour,
        sentence: &Sentence,
        observed: &Observed,
        now: At,
    ) -> Option<Eviction> {
        let term = Term { until: later(now, sentence.duration), restore: sentence.restore };
        let begins = self.gate.sentence(term, observed.probe);
        if begins || behaviour.growth == Growth::EveryFailure {
            self.health.record_eviction();
        }
        begins.then_some(Eviction { until: term.until, source: sentence.source })
    }

    /// Lets it back in, with the health that its policy gives it. None where it was not out; else
    /// whether its health is another for it.
    fn release(&mut self) -> Option<bool> {
        let term = self.gate.release()?;
        let before = self.health;
        if let Some(health) = term.restore {
            self.health.success = Average::starting_at(health);
        }
        Some(self.health != before)
    }

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
