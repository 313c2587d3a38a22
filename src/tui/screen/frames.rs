//! How often frames come over a lab in real time: thirty a second, and fewer where the lab wants the cores.
//!
//! The screen's thread stands back for the lab's. So where a frame takes much longer than the processor works
//! at it, the machine is busy: what the screen took then, the lab would lack.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// From a frame to the next one, thirty times a second and a little more often, since some come late.
pub(super) const FRAME: Duration = Duration::from_millis(31);
/// The same where the machine is busy, ten times a second.
const SLOW_FRAME: Duration = Duration::from_millis(95);
/// How many times as long as the processor works at it a frame may take while the machine has room.
const ROOM: f64 = 2.0;
/// How much of the time the screen works at most, while it shows ten frames a second.
const SHARE: f64 = 0.25;
/// How much the latest frame weighs against those before it.
const WEIGHT: f64 = 0.2;

/// What a piece of work takes, from its beginning on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    began: Instant,
    before: Duration,
}

/// What frames have taken, on the average of the latest.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// In seconds.
    took: f64,
    /// For how much of that the processor worked at them.
    worked: f64,
}

impl Effort {
    /// Begins now, on this thread.
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), before: worked() }
    }

    /// How long it is since then.
    pub(super) fn took(self) -> Duration {
        self.began.elapsed()
    }

    /// How long the processor has worked since then for this thread.
    pub(super) fn worked(self) -> Duration {
        worked().saturating_sub(self.before)
    }
}

/// The processor's time that this thread has had.
fn worked() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl Frames {
    /// How long after a frame's beginning the next one begins. This one took so long, and so much work.
    pub(super) fn next(&mut self, took: Duration, worked: Duration) -> Duration {
        let blend = |before: f64, latest: Duration| before + WEIGHT * (latest.as_secs_f64() - before);
        (self.took, self.worked) = (blend(self.took, took), blend(self.worked, worked));
        let crowded = self.took / (self.worked * ROOM).max(f64::MIN_POSITIVE);
        let for_the_lab = FRAME.mul_f64(crowded.powi(2).clamp(1.0, 10.0));
        let for_its_share = Duration::from_secs_f64(self.worked / SHARE);
        for_the_lab.max(for_its_share).clamp(FRAME, SLOW_FRAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time between frames once all have been like this, in milliseconds.
    fn settled(took_ms: u64, worked_ms: u64) -> u128 {
        let mut frames = Frames::default();
        let mut next = || frames.next(Duration::from_millis(took_ms), Duration::from_millis(worked_ms));
        (0..50).map(|_| next()).last().unwrap_or_default().as_millis()
    }

    #[test]
    fn frames_come_less_often_where_the_machine_is_busy() {
        assert_eq!(settled(4, 4), 31, "nobody else");
        assert_eq!(settled(7, 4), 31, "somebody else now and then");
        assert!((40..90).contains(&settled(9, 3)), "somebody else most of the time");
        assert_eq!(settled(40, 3), 95, "there is hardly any room");
        assert!((47..=48).contains(&settled(12, 12)), "no more than a quarter of a core");
        assert_eq!(settled(300, 300), 95, "but ten frames in any case");
        assert_eq!(settled(0, 0), 31);
    }

    #[test]
    fn one_late_frame_changes_little() {
        let mut frames = Frames::default();
        let (took, worked) = (Duration::from_millis(4), Duration::from_millis(4));
        for _ in 0..50 {
            frames.next(took, worked);
        }
        assert_eq!(frames.next(2 * took, worked), FRAME);
    }
}
