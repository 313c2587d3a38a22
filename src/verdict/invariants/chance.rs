//! What is left to chance, and how evenly: decided by one run where it has choices enough.

use std::collections::BTreeMap;

use super::super::frequency::chi_squared;
use super::evidence::{Breach, of_attempt};
use super::run::Run;
use crate::event::history::Attempt;
use crate::source::amount::counted;

/// How unlikely draws must be to be no chance: one sound run in a thousand million is blamed.
const LEVEL: f64 = 1e-9;
/// Choices for each pair that can be drawn, at least; the test knows nothing of fewer.
const FEWEST: usize = 10;

pub(super) fn even_draws(run: &Run<'_>) -> Vec<Breach> {
    let mut by_size: BTreeMap<usize, Vec<&Attempt>> = BTreeMap::new();
    for one in run.attempts().filter(|one| one.attempt.draws.len() == 2 && one.attempt.candidates.len() > 1) {
        by_size.entry(one.attempt.candidates.len()).or_default().push(one.attempt);
    }
    let uneven = by_size.into_iter().filter_map(|(size, choices)| {
        let pairs = size * size;
        if choices.len() < FEWEST * pairs {
            return None;
        }
        let mut drawn = vec![0_u64; pairs];
        for attempt in &choices {
            if let Some(count) = drawn.get_mut(attempt.draws[0] * size + attempt.draws[1]) {
                *count += 1;
            }
        }
        let share = 1.0 / f64::from(u32::try_from(pairs).ok()?);
        let test = chi_squared(&drawn, &vec![share; pairs]);
        (test.p_value < LEVEL).then(|| {
            let told: Vec<String> = (0..size).map(|one| often(one, &choices)).collect();
            let choices_in_words = counted(choices.len() as u64, "choice");
            format!("in {choices_in_words} among {size} were drawn: {}; {test}", told.join(", "))
        })
    });
    let last = || run.attempts().filter(|one| one.attempt.candidates.len() > 1).last();
    uneven
        .map(|what| Breach::new(what).with(last().map(|one| of_attempt(one.request, one.attempt)).unwrap_or_default()))
        .collect()
}

/// How often the candidate at a position was drawn.
fn often(position: usize, choices: &[&Attempt]) -> String {
    let times = choices.iter().flat_map(|one| &one.draws).filter(|drawn| **drawn == position).count();
    format!("number {} {}", position + 1, counted(times as u64, "time"))
}
