//! How often frames come over a lab in real time: thirty a second, and fewer where the lab wants the cores.
//!
//! What says so is how much of the machine's time the process takes, which a lab is nearly all of: a saturated
//! one lacks whatever the screen takes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// From a frame to the next one, thirty times a second and a little more often, since some come late.
pub(super) const FRAME: Duration = Duration::from_millis(31);
/// So many times as long where the lab is saturated, which makes ten frames a second.
const SLOWEST: f64 = 3.0;
/// The part of all cores from which on frames come less often, and from which on as seldom as they may.
const BUSY: f64 = 0.8;
const SATURATED: f64 = 0.95;
/// How much of a core the screen takes at most, while it shows ten frames a second.
const SHARE: f64 = 0.25;
/// How much the latest frame weighs against those before it.
const WEIGHT: f64 = 0.2;

/// A moment, and what the processor had done by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) at: Instant,
    /// For this thread.
    thread: Duration,
    /// For all threads of the process.
    process: Duration,
}

/// What frames have taken, on the average of the latest.
#[derive(Debug)]
pub(super) struct Frames {
    /// How many cores there are for the process.
    cores: u32,
    /// When the last one began.
    before: Option<Mark>,
    /// How long the processor worked at one, in seconds.
    work: f64,
    /// How much of all cores the process took.
    load: f64,
}

impl Mark {
    /// Now, on this thread.
    pub(super) fn now() -> Self {
        let clock = |which| Duration::try_from(clock_gettime(which)).unwrap_or_default();
        Self { at: Instant::now(), thread: clock(ClockId::ThreadCPUTime), process: clock(ClockId::ProcessCPUTime) }
    }
}

impl Default for Frames {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        Self { cores, before: None, work: 0.0, load: 0.0 }
    }
}

impl Frames {
    /// How long after the beginning of a frame, which is over now, the next one begins.
    pub(super) fn next(&mut self, begin: Mark) -> Duration {
        let work = Mark::now().thread.saturating_sub(begin.thread);
        let load = self.before.replace(begin).map_or(0.0, |before| {
            let elapsed = begin.at.saturating_duration_since(before.at).max(Duration::from_millis(1));
            let most = elapsed.saturating_mul(self.cores);
            begin.process.saturating_sub(before.process).div_duration_f64(most)
        });
        self.after(work, load)
    }

    /// The same after a frame that took so much work, while the process took such a part of all cores.
    fn after(&mut self, work: Duration, load: f64) -> Duration {
        let blend = |before: f64, latest: f64| before + WEIGHT * (latest - before);
        (self.work, self.load) = (blend(self.work, work.as_secs_f64()), blend(self.load, load));
        let busy = ((self.load - BUSY) / (SATURATED - BUSY)).clamp(0.0, 1.0);
        let for_the_lab = FRAME.mul_f64(1.0 + (SLOWEST - 1.0) * busy);
        let for_its_share = Duration::from_secs_f64(self.work / SHARE);
        for_the_lab.max(for_its_share).min(FRAME.mul_f64(SLOWEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time between frames once all have been like this, in milliseconds.
    fn settled(work_ms: u64, load: f64) -> u128 {
        let mut frames = Frames::default();
        let mut next = || frames.after(Duration::from_millis(work_ms), load);
        (0..60).map(|_| next()).last().unwrap_or_default().as_millis()
    }

    #[test]
    fn frames_come_less_often_where_a_lab_takes_the_machine() {
        assert_eq!(settled(4, 0.1), 31, "a lab that rests");
        assert_eq!(settled(4, 0.7), 31, "a lab at work");
        assert!((40..90).contains(&settled(4, 0.87)), "a lab that has little room");
        assert!((92..=93).contains(&settled(4, 1.0)), "a saturated one");
        assert!((47..=48).contains(&settled(12, 0.1)), "no more than a quarter of a core");
        assert_eq!(settled(300, 0.1), 93, "but ten frames in any case");
        assert_eq!(settled(0, 0.0), 31);
    }

    #[test]
    fn one_busy_moment_changes_little() {
        let mut frames = Frames::default();
        let work = Duration::from_millis(4);
        for _ in 0..50 {
            frames.after(work, 0.5);
        }
        assert_eq!(frames.after(work, 1.0), FRAME);
    }
}
