//! The pure core against a model of its own, written from the rules in sentences and sharing no
//! code with it: lists of who is out, sums of what was seen. The versions are here, the reference has
//! a model of its own in [`reference`].
//!
//! Schedules are random: statuses, waits, delays that fall on one another, requests under way at once,
//! attempts that are not accounted, clients that leave, streams that break off. A failure names its seed.

mod reference;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::At;
use crate::gateway::balance::choose;
use crate::gateway::eviction::Rules;
use crate::gateway::group::{Ended, Observed, Pool, Seat};
use crate::gateway::personality::Behaviour;
use crate::gateway::wait::Wait;
use crate::topology::{EvictionPolicy, Personality};
use crate::world::{Random, Seed};

/// A health policy as the model has it: plain numbers, microseconds.
#[derive(Debug, Clone, Copy)]
struct Policy {
    has_eviction: bool,
    duration: Option<u64>,
    failures: Option<u32>,
    threshold: Option<f64>,
    restore: Option<f64>,
}

/// What happened to a provider, in order.
#[derive(Debug, Clone, Copy)]
enum Past {
    Success(f64),
    Failure,
    /// Back with this health.
    Restored(f64),
}

/// A provider as the model sees it: all that ever happened to it, and until when it is out.
#[derive(Default, Clone)]
struct Known {
    past: Vec<Past>,
    /// How often evictions were counted since the last success.
    ejected: u32,
    under_way: u32,
    /// End of its eviction, and whether it is in effect.
    out_until: Option<(u64, bool)>,
    restore: Option<f64>,
}

impl Known {
    fn health(&self) -> f64 {
        self.past.iter().fold(1.0, |health, past| {
            let value = match past {
                Past::Restored(health) => return *health,
                Past::Success(_) => 1.0,
                Past::Failure => 0.0,
            };
            if health == 0.0 { value } else { health * 0.7 + value * 0.3 }
        })
    }

    fn score(&self) -> f64 {
        let latency = self.past.iter().fold(0.0, |latency, past| match past {
            Past::Success(seconds) if latency == 0.0 => *seconds,
            Past::Success(seconds) => latency * 0.7 + seconds * 0.3,
            Past::Failure | Past::Restored(_) => latency,
        });
        self.health() / (1.0 + latency * (1.0 + f64::from(self.under_way) * 0.1))
    }

    fn failures_in_a_row(&self) -> usize {
        let since = self.past.iter().rev().take_while(|past| !matches!(past, Past::Success(_)));
        since.filter(|past| matches!(past, Past::Failure)).count()
    }

    fn is_out(&self) -> bool {
        matches!(self.out_until, Some((_, true)))
    }
}

/// The rules of one version.
struct Model {
    version: Personality,
    known: BTreeMap<Seat, Known>,
}

/// The end of a request.
#[derive(Debug, Clone, Copy)]
struct End {
    status: Option<u16>,
    unhealthy: Option<bool>,
    policy: Option<Policy>,
    wait: Option<u64>,
    backoff: Option<u64>,
    took: u64,
    /// Up to 1.2, whether another attempt follows: then nothing is accounted.
    followed: bool,
    /// How it ended. To the versions it makes no difference: what has a status is judged by it.
    ended: Ended,
}

impl Model {
    fn new(version: Personality, sizes: &[usize]) -> Self {
        let seats =
            sizes.iter().enumerate().flat_map(|(group, size)| (0..*size).map(move |index| Seat { group, index }));
        Self { version, known: seats.map(|seat| (seat, Known::default())).collect() }
    }

    /// In 0.11, while several are out, none comes back before the latest of their ends; then all do.
    /// Later each comes back at its own.
    fn come_back(&mut self, now: u64) {
        let ends = |known: &Known| known.out_until.filter(|(_, in_effect)| *in_effect).map(|(until, _)| until);
        let latest = self.known.values().filter_map(ends).max();
        for known in self.known.values_mut() {
            let Some(own) = ends(known) else { continue };
            let end = if self.version == Personality::Agentgateway012 { latest.unwrap() } else { own };
            if end <= now {
                known.out_until = None;
                known.past.extend(known.restore.take().map(Past::Restored));
            }
        }
    }

    /// Decided evictions take effect.
    fn take_effect(&mut self) {
        self.known.values_mut().for_each(|known| known.out_until = known.out_until.map(|(until, _)| (until, true)));
    }

    /// Who may be drawn from, with the scores.
    fn eligible(&self) -> Vec<(Seat, f64)> {
        let group = self.known.iter().find(|(_, known)| !known.is_out()).map(|(seat, _)| seat.group);
        self.known
            .iter()
            .filter(|(seat, known)| match group {
                Some(group) => seat.group == group && !known.is_out(),
                None => seat.group == 0,
            })
            .map(|(seat, known)| (*seat, known.score()))
            .collect()
    }

    fn ends(&mut self, seat: Seat, end: &End, now: u64) {
        let old = self.version == Personality::Agentgateway012;
        let known = self.known.get_mut(&seat).unwrap();
        known.under_way -= 1;
        let first = if old { 400 } else { 500 };
        let failed = end.unhealthy.unwrap_or(end.status.is_none_or(|status| status >= first));
        let (health, failures) = (known.health(), known.failures_in_a_row());
        #[expect(clippy::cast_precision_loss, reason = "small")]
        known.past.push(if failed { Past::Failure } else { Past::Success(end.took as f64 / 1e6) });
        if !failed {
            known.ejected = 0;
            return;
        }
        let lasts = if old { end.wait } else { self.sentence(end, health, failures, seat) };
        let Some(lasts) = lasts else { return };
        let known = self.known.get_mut(&seat).unwrap();
        let begins = known.out_until.is_none();
        if begins || self.version == Personality::Agentgateway12 {
            known.ejected += 1;
        }
        if begins {
            known.out_until = Some((now.saturating_add(lasts), self.version != Personality::Agentgateway14));
            known.restore = end.policy.and_then(|policy| policy.restore);
        }
    }

    /// How long a failure evicts in 1.x, by the record before it.
    fn sentence(&self, end: &End, health: f64, failures: usize, seat: Seat) -> Option<u64> {
        let policy = end.policy?;
        let by_count = policy.failures.is_some_and(|count| count > 0 && failures + 1 >= count as usize);
        let by_health = policy.threshold.is_some_and(|threshold| health < threshold);
        let always = policy.failures.is_none() && policy.threshold.is_none();
        if !(always || by_count || by_health) {
            return None;
        }
        let default = (policy.has_eviction || self.version == Personality::Agentgateway12).then_some(3_000_000);
        let base = policy.duration.or(end.wait).or(end.backoff).or(default)?;
        Some(base.saturating_mul(u64::from(self.known[&seat].ejected) + 1))
    }
}

/// A request under way: who has it, since when, until when, and how it ends.
struct UnderWay {
    seat: Seat,
    began: u64,
    ends: u64,
    end: End,
}

fn one_of<T: Copy>(chance: &mut Random, all: &[T]) -> T {
    all[chance.index(all.len())]
}

fn random_policy(chance: &mut Random) -> Option<Policy> {
    if chance.chance(0.2) {
        return None;
    }
    if chance.chance(0.2) {
        return Some(Policy { has_eviction: false, duration: None, failures: None, threshold: None, restore: None });
    }
    Some(Policy {
        has_eviction: true,
        duration: one_of(chance, &[None, Some(50_000), Some(1_000_000), Some(3_000_000)]),
        failures: one_of(chance, &[None, None, Some(0), Some(1), Some(3)]),
        threshold: one_of(chance, &[None, None, Some(0.5), Some(1.0), Some(0.0)]),
        restore: one_of(chance, &[None, None, Some(0.0), Some(0.2), Some(1.0)]),
    })
}

fn random_end(chance: &mut Random, version: Personality, policy: Option<Policy>, has_expression: bool) -> End {
    let status = one_of(chance, &[Some(200), Some(200), Some(429), Some(429), Some(500), Some(404), None]);
    let waits = [0, 1, 50_000, 1_000_000, 3_000_000, 20_000_000, u64::MAX];
    let wait = if status == Some(429) && chance.chance(0.7) { Some(one_of(chance, &waits)) } else { None };
    let unhealthy = (has_expression && version != Personality::Agentgateway012).then_some(status == Some(429));
    let followed = matches!(version, Personality::Agentgateway012 | Personality::Agentgateway12) && chance.chance(0.1);
    let ended = one_of(chance, &[Ended::Whole, Ended::Whole, Ended::Whole, Ended::Cut, Ended::ClientGone]);
    // Short spans, and often the same ones, so that ends and deadlines fall on one another.
    let took = one_of(chance, &[0, 10_000, 50_000, 1_000_000]);
    let backoff = one_of(chance, &[None, None, Some(10_000)]);
    End { status, unhealthy, policy, wait, backoff, took, followed, ended }
}

fn observed(end: &End) -> Observed {
    let micros = Duration::from_micros;
    let eviction = |policy: Policy| EvictionPolicy {
        duration: policy.duration.map(micros),
        consecutive_failures: policy.failures,
        health_threshold: policy.threshold,
        restore_health: policy.restore,
        ..EvictionPolicy::default()
    };
    Observed {
        status: end.status,
        unhealthy: end.unhealthy,
        rules: end.policy.map(|policy| Rules { eviction: policy.has_eviction.then(|| eviction(policy)) }),
        wait: end.wait.map(|wait| Wait { duration: micros(wait), source: "test" }),
        backoff: end.backoff.map(micros),
        latency: micros(end.took),
        ended: end.ended,
        probe: false,
    }
}

/// Plays one random schedule through both and compares every choice and every eviction.
fn play(version: Personality, seed: u64) {
    let mut chance = Seed(seed).stream("schedule");
    let sizes: Vec<usize> = (0..=chance.index(3)).map(|_| 1 + chance.index(3)).collect();
    let (policy, has_expression) = (random_policy(&mut chance), chance.chance(0.5));
    let policy = policy.filter(|_| version != Personality::Agentgateway012);
    let mut pool = Pool::new(Behaviour::of(version), sizes.iter().copied());
    let mut model = Model::new(version, &sizes);
    let mut balancer = Seed(seed).stream("balancer");
    let mut under_way: Vec<UnderWay> = Vec::new();
    let mut now = 0u64;
    for step in 0..300 {
        now += one_of(&mut chance, &[0, 0, 10_000, 50_000, 1_000_000]);
        under_way.sort_by_key(|one| one.ends);
        while under_way.first().is_some_and(|one| one.ends <= now) {
            let UnderWay { seat, began, ends, mut end } = under_way.remove(0);
            end.took = ends - began;
            model.come_back(ends);
            pool.release_due(At(ends));
            if end.followed {
                model.known.get_mut(&seat).unwrap().under_way -= 1;
                pool.leave(seat, false);
                continue;
            }
            model.ends(seat, &end, ends);
            pool.finish(seat, &observed(&end), At(ends));
            // Sometimes an attempt follows before an eviction is in effect.
            if chance.chance(0.7) {
                model.take_effect();
                for seat in seats(&sizes) {
                    pool.carry_out(seat);
                }
            }
            // The core lets an eviction of no length end at once; the model, at the next question.
            pool.release_due(At(ends));
        }
        model.come_back(now);
        pool.release_due(At(now));

        let eligible = model.eligible();
        let mut same_draws = balancer.clone();
        let selection = pool.select(&mut balancer, At(now)).unwrap();
        let chosen_from: Vec<_> = selection.candidates.iter().map(|(seat, _)| *seat).collect();
        let told = format!("{version}, seed {seed}, step {step}");
        assert_eq!(chosen_from, eligible.iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), "{told}");
        for ((_, standing), (_, score)) in selection.candidates.iter().zip(&eligible) {
            assert!((standing.score() - score).abs() < 1e-12, "{told}");
        }
        let (first, second) = (same_draws.index(eligible.len()), same_draws.index(eligible.len()));
        let better = if eligible[first].1 > eligible[second].1 { first } else { second };
        assert_eq!(selection.seat, eligible[better].0, "{told}");
        assert_eq!(selection.fallback, model.known.values().all(Known::is_out), "{told}");
        for (seat, known) in &model.known {
            let member = pool.member(*seat).unwrap();
            assert_eq!(member.health.times_ejected, known.ejected, "{told}");
            assert_eq!(member.health.consecutive_failures as usize, known.failures_in_a_row(), "{told}");
        }

        model.known.get_mut(&selection.seat).unwrap().under_way += 1;
        let end = random_end(&mut chance, version, policy, has_expression);
        under_way.push(UnderWay { seat: selection.seat, began: now, ends: now + end.took, end });
    }
}

fn seats(sizes: &[usize]) -> impl Iterator<Item = Seat> {
    sizes.iter().enumerate().flat_map(|(group, size)| (0..*size).map(move |index| Seat { group, index }))
}

#[test]
fn the_core_agrees_with_the_sentences_over_random_schedules() {
    for version in [Personality::Agentgateway012, Personality::Agentgateway12, Personality::Agentgateway14] {
        for seed in 0..400 {
            play(version, seed);
        }
    }
}

/// How often each pattern of three requests comes, where the first of two providers of a group fails.
fn patterns(version: Personality, failure: &Observed, seeds: u32) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..u64::from(seeds) {
        let mut balancer = Seed(seed).stream("gateway/0/balancer");
        let mut pool = Pool::new(Behaviour::of(version), [2, 1]);
        let mut pattern = String::new();
        for number in 0..3u64 {
            let now = At(number * 1_000_000);
            pool.release_due(now);
            let seat = pool.select(&mut balancer, now).unwrap().seat;
            assert_eq!(seat.group, 0);
            let fails = seat.index == 0;
            pattern.push_str(if fails { "429 " } else { "200 " });
            let good = Observed { status: Some(200), unhealthy: failure.unhealthy.map(|_| false), ..*failure };
            let seen = if fails { *failure } else { Observed { wait: None, ..good } };
            pool.finish(seat, &Observed { latency: Duration::from_millis(800), ..seen }, now);
            pool.carry_out(seat);
        }
        *counts.entry(pattern).or_default() += 1;
    }
    counts
}

fn chi_squared(counts: &BTreeMap<String, u32>, expected: &[(&str, f64)], seeds: u32) -> f64 {
    let part = |(pattern, probability): &(&str, f64)| {
        let expected = f64::from(seeds) * probability;
        (f64::from(counts.get(*pattern).copied().unwrap_or(0)) - expected).powi(2) / expected
    };
    expected.iter().map(part).sum()
}

/// One fails and one is good, the first draw is a tie, and after it the good one scores lower,
/// since its latency is known: the four patterns of three requests, alike in every version.
#[test]
fn the_four_patterns_come_with_their_probabilities() {
    const SEEDS: u32 = 10_000;
    let expected =
        [("429 200 200 ", 0.5), ("200 429 200 ", 0.375), ("200 200 429 ", 0.09375), ("200 200 200 ", 0.03125)];
    let wait = Some(Wait { duration: Duration::from_mins(1), source: "retry-after" });
    let policy = Rules {
        eviction: Some(EvictionPolicy { duration: Some(Duration::from_mins(1)), ..EvictionPolicy::default() }),
    };
    let old = Observed { status: Some(429), wait, ..Observed::default() };
    let new = Observed { status: Some(429), unhealthy: Some(true), rules: Some(policy), ..Observed::default() };
    for (version, failure) in [
        (Personality::Agentgateway012, old),
        (Personality::Agentgateway12, new),
        (Personality::Agentgateway14, new),
        (Personality::Reference, new),
    ] {
        let counts = patterns(version, &failure, SEEDS);
        let chi_squared = chi_squared(&counts, &expected, SEEDS);
        // Three degrees of freedom, p = 0.001.
        assert!(chi_squared < 16.27, "{version}: {chi_squared}: {counts:?}");
        assert_eq!(counts.len(), expected.len(), "{version}: {counts:?}");
    }
}

#[test]
fn a_choice_from_nobody_is_none() {
    let mut balancer = Seed(1).stream("test");
    let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), [0, 0]);
    assert!(pool.select(&mut balancer, At(0)).is_none());
    assert!(choose(&[], &mut balancer).is_none());
    // A group that is empty gives way to the next.
    let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), [0, 1]);
    assert_eq!(pool.select(&mut balancer, At(0)).unwrap().seat, Seat { group: 1, index: 0 });
}
