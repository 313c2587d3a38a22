//! Steps aside for a lab in real time, many times a frame.
//!
//! Whoever holds a core keeps it from a lab's thread that wakes meanwhile, until the scheduler looks again, which is
//! after a millisecond or more. The screen offers its core so often that the slowest of the lab's requests are hardly
//! slower for it, however much it has to do. Figures are in `docs/performance.md`.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// How long the core is held at a time, where it comes back soon.
const SHORTEST: Duration = Duration::from_micros(100);
/// The same at most.
const LONGEST: Duration = Duration::from_millis(1);
/// For such a part of the time that it takes to have it back the core is held, where that is longer: whoever leaves
/// nothing must not stop the screen.
const SHARE: f64 = 0.1;
/// How much the latest wait for the core weighs against those before it.
const WEIGHT: f64 = 0.1;

thread_local! {
    /// This thread's; none where it steps aside for nobody.
    static BREATH: Cell<Option<Breath>> = const { Cell::new(None) };
}

/// When a thread steps aside.
#[derive(Debug, Clone, Copy)]
struct Breath {
    /// Since when it has had its core.
    since: Instant,
    /// How long it takes to have it back, in seconds, on the average of the latest.
    away: f64,
}

/// Has this thread step aside from now on.
pub(super) fn begin() {
    BREATH.set(Some(Breath { since: Instant::now(), away: 0.0 }));
}

/// Lets others have the core, if this thread has had it for long enough. Costs little, to be asked often.
pub(super) fn breathe() {
    let Some(breath) = BREATH.get() else { return };
    let now = Instant::now();
    if now.saturating_duration_since(breath.since) >= breath.piece() {
        rustix::thread::sched_yield();
        let back = Instant::now();
        BREATH.set(Some(breath.after(back.saturating_duration_since(now), back)));
    }
}

impl Breath {
    /// How long the core is held.
    fn piece(self) -> Duration {
        Duration::from_secs_f64(SHARE * self.away).clamp(SHORTEST, LONGEST)
    }

    /// Once the core is back after so long.
    fn after(self, away: Duration, since: Instant) -> Self {
        Self { since, away: self.away + WEIGHT * (away.as_secs_f64() - self.away) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the core is held, in microseconds, once it has always been away for so long.
    fn settled(away_us: u64) -> u128 {
        let since = Instant::now();
        let away = Duration::from_micros(away_us);
        let breath = (0..100).fold(Breath { since, away: 0.0 }, |breath, _| breath.after(away, since));
        breath.piece().as_micros()
    }

    #[test]
    fn a_core_that_comes_back_late_is_held_for_longer() {
        assert_eq!(settled(5), 100, "nobody wants it");
        assert_eq!(settled(300), 100, "a lab has room");
        assert!((290..=300).contains(&settled(3_000)), "another program takes what it can");
        assert_eq!(settled(200_000), 1_000, "many of them");
    }
}
