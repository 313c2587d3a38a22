//! The reference, in sentences:
//!
//! 1. A 5xx, a 429, no status and an answer that breaks off are failures; where a policy has an
//!    expression, it decides instead, except for what breaks off. A client that leaves says nothing.
//! 2. A failure evicts, unless a policy has thresholds that it does not meet. It does so for the policy's
//!    duration or 3 s, times the evictions since the last success and one, up to a minute; never for less
//!    than the duration, nor than the longest wait that was asked for.
//! 3. When that is over, one request may try the provider, and the others go elsewhere. Its success
//!    brings the provider back, with the health that the policy gives it; its failure evicts again,
//!    whatever the thresholds; if its client leaves, another may try.
//! 4. A failure of any other request that ends while the provider is out changes its record, and no more.
//! 5. If everyone is out, nobody is chosen.

use super::{End, Known, Past, Policy, UnderWay, observed, one_of, random_policy, seats};
use crate::event::At;
use crate::gateway::group::{Ended, Observed, Pool, Seat};
use crate::gateway::personality::Behaviour;
use crate::topology::Personality;
use crate::world::{Random, Seed};
use std::collections::BTreeMap;

const MINUTE: u64 = 60_000_000;

/// Who is out, until when, and whether somebody is trying.
struct Model {
    known: BTreeMap<Seat, Known>,
    trying: BTreeMap<Seat, bool>,
}

impl Model {
    fn new(sizes: &[usize]) -> Self {
        Self { known: seats(sizes).map(|seat| (seat, Known::default())).collect(), trying: BTreeMap::new() }
    }

    fn may_be_chosen(&self, seat: Seat, now: u64) -> bool {
        match self.known[&seat].out_until {
            None => true,
            Some((until, _)) => until <= now && !self.trying.contains_key(&seat),
        }
    }

    fn eligible(&self, now: u64) -> Vec<(Seat, f64)> {
        let free: Vec<Seat> = self.known.keys().copied().filter(|seat| self.may_be_chosen(*seat, now)).collect();
        let first = free.first().map(|seat| seat.group);
        let own = free.into_iter().filter(|seat| Some(seat.group) == first);
        own.map(|seat| (seat, self.known[&seat].score())).collect()
    }

    /// Whether the request that was given to this provider tries it out.
    fn give(&mut self, seat: Seat) -> bool {
        let known = self.known.get_mut(&seat).unwrap();
        known.under_way += 1;
        let tries = known.out_until.is_some();
        if tries {
            self.trying.insert(seat, true);
        }
        tries
    }

    fn ends(&mut self, seat: Seat, end: &End, tries: bool, now: u64) {
        let known = self.known.get_mut(&seat).unwrap();
        known.under_way -= 1;
        if tries {
            self.trying.remove(&seat);
        }
        if end.ended == Ended::ClientGone {
            return;
        }
        let by_status = end.status.is_none_or(|status| status >= 500 || status == 429);
        let failed = end.ended == Ended::Cut || end.unhealthy.unwrap_or(by_status);
        let (health, failures) = (known.health(), known.failures_in_a_row());
        #[expect(clippy::cast_precision_loss, reason = "small")]
        known.past.push(if failed { Past::Failure } else { Past::Success(end.took as f64 / 1e6) });
        if !failed {
            known.ejected = 0;
            if tries {
                known.out_until = None;
                known.past.extend(known.restore.take().map(Past::Restored));
            }
            return;
        }
        let may = known.out_until.is_none() || tries;
        if !may || !(tries || meets(end.policy, health, failures)) {
            return;
        }
        let base = end.policy.and_then(|policy| policy.duration).unwrap_or(3_000_000);
        let grown = base.saturating_mul(u64::from(known.ejected) + 1).min(MINUTE).max(base);
        known.out_until = Some((now.saturating_add(grown.max(end.wait.unwrap_or(0))), true));
        known.restore = end.policy.and_then(|policy| policy.restore);
        known.ejected += 1;
    }
}

/// Whether a failure meets the thresholds, if there are any.
fn meets(policy: Option<Policy>, health: f64, failures: usize) -> bool {
    let Some(Policy { failures: count, threshold, .. }) = policy else { return true };
    let by_count = count.is_some_and(|count| count > 0 && failures + 1 >= count as usize);
    let by_health = threshold.is_some_and(|threshold| health < threshold);
    (count.is_none() && threshold.is_none()) || by_count || by_health
}

fn random_end(chance: &mut Random, policy: Option<Policy>, has_expression: bool) -> End {
    let status = one_of(chance, &[Some(200), Some(200), Some(429), Some(503), Some(500), Some(404), None]);
    let waits = [0, 1, 50_000, 1_000_000, 20_000_000, 100_000_000, u64::MAX];
    let asks = matches!(status, Some(429 | 503)) && chance.chance(0.5);
    End {
        status,
        unhealthy: has_expression.then_some(status == Some(429)),
        policy,
        wait: asks.then(|| one_of(chance, &waits)),
        backoff: one_of(chance, &[None, Some(10_000)]),
        took: one_of(chance, &[0, 10_000, 50_000, 1_000_000]),
        followed: false,
        ended: one_of(chance, &[Ended::Whole, Ended::Whole, Ended::Whole, Ended::Cut, Ended::ClientGone]),
    }
}

fn play(seed: u64) {
    let mut chance = Seed(seed).stream("schedule");
    let sizes: Vec<usize> = (0..=chance.index(3)).map(|_| 1 + chance.index(3)).collect();
    let policy = random_policy(&mut chance);
    let has_expression = policy.is_some() && chance.chance(0.5);
    let mut pool = Pool::new(Behaviour::of(Personality::Reference), sizes.iter().copied());
    let mut model = Model::new(&sizes);
    let mut balancer = Seed(seed).stream("balancer");
    let mut under_way: Vec<(UnderWay, bool)> = Vec::new();
    let mut now = 0u64;
    for step in 0..300 {
        now += one_of(&mut chance, &[0, 0, 10_000, 50_000, 1_000_000]);
        under_way.sort_by_key(|(one, _)| one.ends);
        while under_way.first().is_some_and(|(one, _)| one.ends <= now) {
            let (UnderWay { seat, began, ends, mut end }, tries) = under_way.remove(0);
            end.took = ends - began;
            model.ends(seat, &end, tries, ends);
            pool.release_due(At(ends));
            pool.finish(seat, &Observed { probe: tries, ..observed(&end) }, At(ends));
        }
        let told = format!("the reference, seed {seed}, step {step}");
        let eligible = model.eligible(now);
        let mut same_draws = balancer.clone();
        pool.release_due(At(now));
        let Some(selection) = pool.select(&mut balancer, At(now)) else {
            assert!(eligible.is_empty(), "{told}: {eligible:?}");
            continue;
        };
        let from: Vec<Seat> = selection.candidates.iter().map(|(seat, _)| *seat).collect();
        assert_eq!(from, eligible.iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), "{told}");
        for ((_, standing), (_, score)) in selection.candidates.iter().zip(&eligible) {
            assert!((standing.score() - score).abs() < 1e-12, "{told}");
        }
        let (first, second) = (same_draws.index(eligible.len()), same_draws.index(eligible.len()));
        let better = if eligible[first].1 > eligible[second].1 { first } else { second };
        assert_eq!(selection.seat, eligible[better].0, "{told}");
        let tries = model.give(selection.seat);
        assert_eq!((selection.probe, selection.fallback), (tries, false), "{told}");
        for (seat, known) in &model.known {
            let member = pool.member(*seat).unwrap();
            assert_eq!(member.health.times_ejected, known.ejected, "{told}");
            assert_eq!(member.health.consecutive_failures as usize, known.failures_in_a_row(), "{told}");
        }
        let end = random_end(&mut chance, policy, has_expression);
        under_way.push((UnderWay { seat: selection.seat, began: now, ends: now + end.took, end }, tries));
    }
}

#[test]
fn the_reference_agrees_with_its_sentences_over_random_schedules() {
    (0..400).for_each(play);
}
