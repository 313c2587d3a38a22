//! The pure core against a model of its own, written from the rules in sentences and sharing no
//! code with it: lists of who is out, sums of what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::At;
use crate::gateway::balance::choose;
use crate::gateway::group::{Observed, Pool, Seat};
use crate::gateway::personality::Behaviour;
use crate::gateway::wait::Wait;
use crate::topology::Personality;
use crate::world::{Random, Seed};

/// A provider as the model sees it: every ended response, in order, and until when it is out.
#[derive(Default, Clone)]
struct Known {
    /// Failed or not, with the seconds it took.
    ended: Vec<(bool, f64)>,
    under_way: u32,
    out_until: Option<u64>,
}

impl Known {
    fn score(&self) -> f64 {
        let mut health = 1.0;
        let mut latency = 0.0;
        for (failed, seconds) in &self.ended {
            let value = if *failed { 0.0 } else { 1.0 };
            health = if health == 0.0 { value } else { health * 0.7 + value * 0.3 };
            if !failed {
                latency = if latency == 0.0 { *seconds } else { latency * 0.7 + seconds * 0.3 };
            }
        }
        health / (1.0 + latency * (1.0 + f64::from(self.under_way) * 0.1))
    }
}

/// The rules of 0.11.
struct Model {
    known: BTreeMap<Seat, Known>,
}

impl Model {
    fn new(sizes: &[usize]) -> Self {
        let seats =
            sizes.iter().enumerate().flat_map(|(group, size)| (0..*size).map(move |index| Seat { group, index }));
        Self { known: seats.map(|seat| (seat, Known::default())).collect() }
    }

    /// While several are out, none comes back before the latest of their ends; then all do.
    fn come_back(&mut self, now: u64) {
        let latest = self.known.values().filter_map(|known| known.out_until).max();
        if latest.is_some_and(|latest| latest <= now) {
            self.known.values_mut().for_each(|known| known.out_until = None);
        }
    }

    /// Who may be drawn from, with the scores.
    fn eligible(&self) -> Vec<(Seat, f64)> {
        let group = self.known.iter().find(|(_, known)| known.out_until.is_none()).map(|(seat, _)| seat.group);
        self.known
            .iter()
            .filter(|(seat, known)| match group {
                Some(group) => seat.group == group && known.out_until.is_none(),
                None => seat.group == 0,
            })
            .map(|(seat, known)| (*seat, known.score()))
            .collect()
    }

    fn ends(&mut self, seat: Seat, status: Option<u16>, wait_us: Option<u64>, took: u64, now: u64) {
        let known = self.known.get_mut(&seat).unwrap();
        known.under_way -= 1;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        known.ended.push((status.is_none_or(|status| status >= 400), took as f64 / 1e6));
        if let (Some(429), Some(wait), None) = (status, wait_us, known.out_until) {
            known.out_until = Some(now.saturating_add(wait));
        }
    }
}

/// A request under way: who has it, since when, until when, and how it ends.
struct UnderWay {
    seat: Seat,
    began: u64,
    ends: u64,
    status: Option<u16>,
    wait_us: Option<u64>,
}

fn random_end(chance: &mut Random, seat: Seat, now: u64) -> UnderWay {
    let status = [Some(200), Some(200), Some(429), Some(429), Some(500), Some(404), None][chance.index(7)];
    let waits = [0, 1, 50_000, 1_000_000, 3_000_000, 20_000_000, u64::MAX];
    // Short spans, and often the same ones, so that ends and deadlines fall on one another.
    let took = [0, 10_000, 50_000, 1_000_000][chance.index(4)];
    let wait_us = if status == Some(429) && chance.chance(0.7) { Some(waits[chance.index(7)]) } else { None };
    UnderWay { seat, began: now, ends: now + took, status, wait_us }
}

/// Plays one random schedule through both and compares every choice and every eviction.
fn play(seed: u64) {
    let mut chance = Seed(seed).stream("schedule");
    let sizes: Vec<usize> = (0..=chance.index(3)).map(|_| 1 + chance.index(3)).collect();
    let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), sizes.iter().copied());
    let mut model = Model::new(&sizes);
    let mut balancer = Seed(seed).stream("balancer");
    let mut under_way: Vec<UnderWay> = Vec::new();
    let mut now = 0u64;
    for step in 0..300 {
        now += [0, 0, 10_000, 50_000, 1_000_000][chance.index(5)];
        under_way.sort_by_key(|one| one.ends);
        while under_way.first().is_some_and(|one| one.ends <= now) {
            let UnderWay { seat, began, ends, status, wait_us } = under_way.remove(0);
            model.come_back(ends);
            model.ends(seat, status, wait_us, ends - began, ends);
            pool.release_due(At(ends));
            let wait = wait_us.map(|wait| Wait { duration: Duration::from_micros(wait), source: "test" });
            let latency = Duration::from_micros(ends - began);
            pool.finish(seat, &Observed { status, wait, latency }, At(ends));
            // The core lets an eviction of no length end at once; the model, at the next question.
            pool.release_due(At(ends));
        }
        model.come_back(now);
        pool.release_due(At(now));

        let eligible = model.eligible();
        let mut same_draws = balancer.clone();
        let selection = pool.select(&mut balancer).unwrap();
        let seats: Vec<_> = selection.candidates.iter().map(|(seat, _)| *seat).collect();
        assert_eq!(seats, eligible.iter().map(|(seat, _)| *seat).collect::<Vec<_>>(), "seed {seed}, step {step}");
        for ((_, standing), (_, score)) in selection.candidates.iter().zip(&eligible) {
            assert!((standing.score() - score).abs() < 1e-12, "seed {seed}, step {step}");
        }
        let (first, second) = (same_draws.index(eligible.len()), same_draws.index(eligible.len()));
        let better = if eligible[first].1 > eligible[second].1 { first } else { second };
        assert_eq!(selection.seat, eligible[better].0, "seed {seed}, step {step}");
        assert_eq!(selection.fallback, model.known.values().all(|known| known.out_until.is_some()));

        model.known.get_mut(&selection.seat).unwrap().under_way += 1;
        under_way.push(random_end(&mut chance, selection.seat, now));
    }
}

#[test]
fn the_core_agrees_with_the_sentences_over_random_schedules() {
    for seed in 0..400 {
        play(seed);
    }
}

/// One fails and one is good, the first draw is a tie, and after it the good one scores lower,
/// since its latency is known: the four patterns of three requests.
#[test]
fn the_four_patterns_come_with_their_probabilities() {
    const SEEDS: u32 = 10_000;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..u64::from(SEEDS) {
        let mut balancer = Seed(seed).stream("gateway/0/balancer");
        let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), [2, 1]);
        let mut pattern = String::new();
        for number in 0..3u64 {
            let now = At(number * 1_000_000);
            pool.release_due(now);
            let seat = pool.select(&mut balancer).unwrap().seat;
            assert_eq!(seat.group, 0);
            let fails = seat.index == 0;
            pattern.push_str(if fails { "429 " } else { "200 " });
            let wait = fails.then_some(Wait { duration: Duration::from_mins(1), source: "retry-after" });
            let status = Some(if fails { 429 } else { 200 });
            pool.finish(seat, &Observed { status, wait, latency: Duration::from_millis(800) }, now);
        }
        *counts.entry(pattern).or_default() += 1;
    }
    let expected =
        [("429 200 200 ", 0.5), ("200 429 200 ", 0.375), ("200 200 429 ", 0.09375), ("200 200 200 ", 0.03125)];
    let chi_squared: f64 = expected
        .iter()
        .map(|(pattern, probability)| {
            let expected = f64::from(SEEDS) * probability;
            (f64::from(counts.get(*pattern).copied().unwrap_or(0)) - expected).powi(2) / expected
        })
        .sum();
    // Three degrees of freedom, p = 0.001.
    assert!(chi_squared < 16.27, "{chi_squared}: {counts:?}");
    assert_eq!(counts.len(), expected.len(), "{counts:?}");
}

#[test]
fn a_choice_from_nobody_is_none() {
    let mut balancer = Seed(1).stream("test");
    let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), [0, 0]);
    assert!(pool.select(&mut balancer).is_none());
    assert!(choose(&[], &mut balancer).is_none());
    // A group that is empty gives way to the next.
    let mut pool = Pool::new(Behaviour::of(Personality::Agentgateway012), [0, 1]);
    assert_eq!(pool.select(&mut balancer).unwrap().seat, Seat { group: 1, index: 0 });
}
