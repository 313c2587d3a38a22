//! Where chance decides, what was recorded is a distribution: 10,000 seeds of the pure core against the
//! closed form of each, by a chi-squared test.
//!
//! P fails with 429 at once, S answers, both in the first of two groups. The first draw is a tie; after
//! it whoever has answered has a known latency and so the lower score than whoever is untried, and whoever has failed
//! the lower health. The worse of two wins when both draws are its own: a quarter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::At;
use crate::gateway::eviction::Rules;
use crate::gateway::group::{Observed, Pool, Seat};
use crate::gateway::personality::Behaviour;
use crate::gateway::wait::Wait;
use crate::topology::EvictionPolicy;
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14};
use crate::world::{Random, Seed};

const SEEDS: u64 = 10_000;
/// A power of two, so that an average of equal latencies is the same to the last bit, and ties stay ties.
const LATENCY: Duration = Duration::from_nanos(7_812_500);

/// What a version is told of P's failures.
#[derive(Clone, Copy)]
enum Told {
    /// Nothing but a 429.
    Bare,
    /// A wait of three seconds.
    Wait,
    /// A policy that evicts for three seconds.
    Policy,
}

fn observed(told: Told, fails: bool) -> Observed {
    let eviction = EvictionPolicy { duration: Some(Duration::from_secs(3)), ..EvictionPolicy::default() };
    let wait = Wait { duration: Duration::from_secs(3), source: "retry-after" };
    Observed {
        status: Some(if fails { 429 } else { 200 }),
        unhealthy: matches!(told, Told::Policy).then_some(fails),
        rules: matches!(told, Told::Policy).then_some(Rules { eviction: Some(eviction) }),
        wait: (fails && matches!(told, Told::Wait)).then_some(wait),
        latency: LATENCY,
        ..Observed::default()
    }
}

/// Which of `requests` requests P got, from one seed.
fn failures(version: Personality, told: Told, seed: u64, requests: u64, gap: Duration) -> Vec<bool> {
    let mut balancer = Seed(seed).stream("gateway/0/balancer");
    let mut pool = Pool::new(Behaviour::of(version), [2, 1]);
    let gap = u64::try_from(gap.as_micros()).unwrap();
    let mut ask = |number: u64| {
        let now = At(number * gap);
        pool.release_due(now);
        let seat = pool.select(&mut balancer, now).unwrap().seat;
        assert_eq!(seat.group, 0, "group 2 is never used while one of group 1 lives");
        let fails = seat.index == 0;
        pool.finish(seat, &observed(told, fails), now);
        pool.carry_out(seat);
        fails
    };
    (0..requests).map(&mut ask).collect()
}

/// Counts what `of` makes of each seed.
fn counted(of: impl Fn(u64) -> usize) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for seed in 0..SEEDS {
        *counts.entry(of(seed)).or_default() += 1;
    }
    counts
}

/// Compares counts with probabilities. What is expected fewer than five times goes together.
#[expect(clippy::cast_precision_loss, reason = "small")]
fn agree(counts: &BTreeMap<usize, u64>, expected: &[f64], what: &str) {
    assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{what}: {expected:?}");
    let (mut chi_squared, mut classes, mut rest) = (0.0, 0, (0.0, 0.0));
    for (value, probability) in expected.iter().enumerate() {
        let (wanted, came) = (probability * SEEDS as f64, counts.get(&value).copied().unwrap_or(0) as f64);
        if wanted < 5.0 {
            rest = (rest.0 + wanted, rest.1 + came);
            assert!(*probability > 0.0 || came == 0.0, "{what}: {value} cannot come: {counts:?}");
            continue;
        }
        chi_squared += (came - wanted).powi(2) / wanted;
        classes += 1;
    }
    if rest.0 >= 5.0 {
        chi_squared += (rest.1 - rest.0).powi(2) / rest.0;
        classes += 1;
    }
    assert!(counts.keys().all(|value| *value < expected.len()), "{what}: {counts:?}");
    // Wilson and Hilferty's approximation of the point that is exceeded once in a thousand times.
    let degrees = f64::from(classes - 1).max(1.0);
    let limit = degrees * (1.0 - 2.0 / (9.0 * degrees) + 3.09 * (2.0 / (9.0 * degrees)).sqrt()).powi(3);
    assert!(chi_squared < limit, "{what}: {chi_squared} of {limit}: {counts:?}, expected {expected:?}");
}

/// The distribution of how many of `requests` requests P gets, where its chance depends on a state that
/// its successes and failures move: `(chance, after P, after S)`.
fn spread<S: Copy + Ord>(start: S, requests: usize, step: impl Fn(S) -> (f64, S, S)) -> Vec<f64> {
    let mut states = BTreeMap::from([((start, 0), 1.0)]);
    for _ in 0..requests {
        let mut next: BTreeMap<(S, usize), f64> = BTreeMap::new();
        for ((state, count), weight) in states {
            let (chance, after_p, after_s) = step(state);
            *next.entry((after_p, count + 1)).or_default() += weight * chance;
            *next.entry((after_s, count)).or_default() += weight * (1.0 - chance);
        }
        states = next;
    }
    let mut all = vec![0.0; requests + 1];
    for ((_, count), weight) in states {
        all[count] += weight;
    }
    all
}

fn mean(counts: &BTreeMap<usize, u64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let sum: f64 = counts.iter().map(|(value, count)| *value as f64 * *count as f64).sum();
    sum / 10_000.0
}

/// From 1.0 on, without a policy, a 429 is a success: each provider scores alike once both are known,
/// and half of all requests fail, with or without a wait. Recorded: means of 8.0 to 11.4 of 20.
#[test]
fn without_a_policy_half_of_all_requests_fail_for_ever() {
    // Who is known: nobody, P, S, both. The unknown one wins unless both draws are the known one's.
    let step = |known: (bool, bool)| {
        let chance = match known {
            (false, false) | (true, true) => 0.5,
            (true, false) => 0.25,
            (false, true) => 0.75,
        };
        (chance, (true, known.1), (known.0, true))
    };
    let expected = spread((false, false), 20, step);
    for version in [Agentgateway12, Agentgateway14] {
        for told in [Told::Bare, Told::Wait] {
            let fails = |seed| failures(version, told, seed, 20, Duration::from_millis(50));
            let counts = counted(|seed| fails(seed).iter().filter(|fails| **fails).count());
            agree(&counts, &expected, &format!("{version} without a policy"));
            assert!((mean(&counts) - 10.0).abs() < 0.2, "{counts:?}");
        }
    }
}

/// In 0.11 a 429 without a wait evicts nobody, but costs health: P keeps its quarter. Recorded: a mean of
/// 5.4 of 20, from 4 to 7.
#[test]
fn in_0_11_without_a_wait_a_quarter_of_all_requests_fail() {
    // Whether P has failed, and whether S is known.
    let step = |(failed, known): (bool, bool)| {
        let chance = match (failed, known) {
            (true, _) => 0.25,
            (false, true) => 0.75,
            (false, false) => 0.5,
        };
        (chance, (true, known), (failed, true))
    };
    let expected = spread((false, false), 20, step);
    let fails = |seed| failures(Agentgateway012, Told::Bare, seed, 20, Duration::from_millis(50));
    let counts = counted(|seed| fails(seed).iter().filter(|fails| **fails).count());
    agree(&counts, &expected, "0.11 without a wait");
    assert!((5.0..5.8).contains(&mean(&counts)), "{}", mean(&counts));
}

/// With an eviction exactly one of 20 requests in the window fails: the first with probability 1/2, each
/// further one with 3/4 if none before it has. Recorded: at request 1, 2 or 3.
#[test]
fn with_an_eviction_one_request_fails_and_early() {
    let mut expected = vec![0.5];
    expected.extend((0..19).map(|further| 0.5 * 0.25f64.powi(further) * 0.75));
    expected.push(0.5 * 0.25f64.powi(19));
    for (version, told) in [
        (Agentgateway012, Told::Wait),
        (Agentgateway12, Told::Policy),
        (Agentgateway14, Told::Policy),
        (Personality::Reference, Told::Policy),
    ] {
        let counts = counted(|seed| {
            let all = failures(version, told, seed, 20, Duration::from_millis(20));
            assert!(all.iter().filter(|fails| **fails).count() <= 1, "{version}, seed {seed}: {all:?}");
            all.iter().position(|fails| *fails).unwrap_or(20)
        });
        agree(&counts, &expected, &format!("{version}: when the failure comes"));
    }
}

/// Half a second apart, evictions of 3, 6, 9 s: P has a quarter of the requests while it is in.
/// Recorded: three failures of 30 in each of three runs.
#[test]
fn evictions_that_grow_leave_a_few_failures_in_thirty() {
    /// Requests until P is in again, evictions so far, whether S is known.
    type State = (usize, usize, bool);
    let step = |(out, evicted, known): State| {
        if out > 0 {
            return (0.0, (0, 0, false), (out - 1, evicted, true));
        }
        let chance = match (evicted, known) {
            (0, false) => 0.5,
            (0, true) => 0.75,
            _ => 0.25,
        };
        // Out from now until three seconds times the evictions later, when it is in again: the requests between.
        (chance, (6 * (evicted + 1) - 1, evicted + 1, known), (0, evicted, true))
    };
    let expected = spread((0, 0, false), 30, step);
    for version in [Agentgateway12, Agentgateway14] {
        let fails = |seed| failures(version, Told::Policy, seed, 30, Duration::from_millis(500));
        let counts = counted(|seed| fails(seed).iter().filter(|fails| **fails).count());
        agree(&counts, &expected, &format!("{version}: failures of 30"));
    }
}

/// One request with a retry in 1.2 and 0.11: the second attempt finds everything as it was, so the dice
/// decide. S at once 1/2, P and then S 1/4, P twice 1/4.
#[test]
fn a_retry_within_a_group_is_decided_by_the_dice() {
    for (version, told) in [(Agentgateway012, Told::Wait), (Agentgateway12, Told::Policy)] {
        let counts = counted(|seed| {
            let mut balancer = Seed(seed).stream("gateway/0/balancer");
            let mut pool = Pool::new(Behaviour::of(version), [2, 1]);
            let first = attempt(&mut pool, &mut balancer);
            if first.index == 1 {
                return 0;
            }
            // What is followed by another attempt is not accounted.
            pool.leave(first, false);
            let second = attempt(&mut pool, &mut balancer);
            pool.finish(second, &observed(told, second.index == 0), At(0));
            pool.carry_out(second);
            let out = pool.evicted_until(Seat { group: 0, index: 0 }).is_some();
            assert_eq!(out, second.index == 0, "what is rescued evicts nobody");
            if second.index == 1 { 1 } else { 2 }
        });
        agree(&counts, &[0.5, 0.25, 0.25], &format!("{version}: one retry"));
    }
}

fn attempt(pool: &mut Pool, balancer: &mut Random) -> Seat {
    pool.select(balancer, At(0)).unwrap().seat
}
