//! Which of several eligible providers takes a request: the better of two draws.

use crate::world::Random;

/// What a provider is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Moving average of success.
    pub health: f64,
    /// Moving average of latency in seconds.
    pub latency_seconds: f64,
    /// Requests under way.
    pub pending: u32,
}

/// Two draws, and the one that won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Positions that were drawn, in order.
    pub drawn: [usize; 2],
    /// The position that won.
    pub winner: usize,
}

impl Standing {
    /// The higher, the better. Latency is in seconds, so below one second health dominates.
    #[must_use]
    pub fn score(&self) -> f64 {
        let penalty = self.latency_seconds * (1.0 + f64::from(self.pending) * 0.1);
        self.health / (1.0 + penalty)
    }
}

/// Draws twice, *with replacement*, so that the worst of two still gets a quarter; the higher score
/// wins, and a tie goes to the second draw. None where there is nothing to draw from.
pub fn choose(scores: &[f64], random: &mut Random) -> Option<Draw> {
    if scores.is_empty() {
        return None;
    }
    let drawn @ [first, second] = [random.index(scores.len()), random.index(scores.len())];
    let winner = match scores[first].total_cmp(&scores[second]) {
        std::cmp::Ordering::Greater => first,
        std::cmp::Ordering::Less | std::cmp::Ordering::Equal => second,
    };
    Some(Draw { drawn, winner })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Seed;

    fn standing(health: f64, latency_seconds: f64, pending: u32) -> f64 {
        Standing { health, latency_seconds, pending }.score()
    }

    #[test]
    fn the_score_is_health_over_latency_and_load() {
        assert!((standing(1.0, 0.0, 100) - 1.0).abs() < 1e-12);
        assert!((standing(1.0, 0.8, 0) - 1.0 / 1.8).abs() < 1e-12);
        assert!((standing(0.7, 0.5, 4) - 0.7 / 1.7).abs() < 1e-12);
    }

    #[test]
    fn the_worse_of_two_gets_a_quarter_and_a_tie_is_even() {
        let mut random = Seed(3).stream("test");
        let mut wins = |scores: &[f64]| {
            let won = (0..20_000).filter(|_| choose(scores, &mut random).unwrap().winner == 0).count();
            f64::from(u32::try_from(won).unwrap()) / 20_000.0
        };
        assert!((wins(&[0.4, 0.9]) - 0.25).abs() < 0.015);
        assert!((wins(&[0.9, 0.4]) - 0.75).abs() < 0.015);
        assert!((wins(&[0.5, 0.5]) - 0.5).abs() < 0.015);
        assert!((wins(&[0.5]) - 1.0).abs() < f64::EPSILON);
        assert_eq!(choose(&[], &mut random), None);
    }

    #[test]
    fn a_tie_goes_to_the_second_draw() {
        let mut random = Seed(4).stream("test");
        for _ in 0..100 {
            let draw = choose(&[1.0, 1.0, 1.0], &mut random).unwrap();
            assert_eq!(draw.winner, draw.drawn[1]);
        }
    }
}
