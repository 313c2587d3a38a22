//! Local rate limits: a bucket that is refilled at once whenever an interval is over.
//!
//! Whoever takes more tokens than there are is let in and empties the bucket, since tokens are known
//! only when an answer is over.

use crate::event::At;
use crate::topology::RateLimit;

/// The bucket of a limit on one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    limit: RateLimit,
    available: u64,
    refill_at: At,
}

/// Why a request is not let in: what the answer's headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What the bucket holds at most.
    pub limit: u64,
    /// What is left in it.
    pub remaining: u64,
    /// Whole seconds until it is refilled.
    pub reset_seconds: u64,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(limit: RateLimit, now: At) -> Self {
        let mut bucket = Self { limit, available: limit.capacity, refill_at: now };
        bucket.refill_at = bucket.after(now);
        bucket
    }

    /// What it limits.
    #[must_use]
    pub fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes `count`, if there is as much.
    ///
    /// # Errors
    /// [`Exceeded`]; then nothing is taken.
    pub fn take(&mut self, count: u64, now: At) -> Result<(), Exceeded> {
        self.check(count, now)?;
        self.available -= count;
        Ok(())
    }

    /// Whether there is as much.
    ///
    /// # Errors
    /// [`Exceeded`]
    pub fn check(&mut self, count: u64, now: At) -> Result<(), Exceeded> {
        self.refill(now);
        if self.available >= count {
            return Ok(());
        }
        let reset_seconds = self.refill_at.since(now).as_secs();
        Err(Exceeded { limit: self.limit.capacity, remaining: self.available, reset_seconds })
    }

    /// Takes `count`, or what there is.
    pub fn drain(&mut self, count: u64, now: At) {
        self.refill(now);
        self.available = self.available.saturating_sub(count);
    }

    fn refill(&mut self, now: At) {
        if now < self.refill_at {
            return;
        }
        let interval = u64::try_from(self.limit.interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let intervals = (now.0 - self.refill_at.0) / interval + 1;
        let added = intervals.saturating_mul(self.limit.refill);
        self.available = self.available.saturating_add(added).min(self.limit.capacity);
        self.refill_at = At(self.refill_at.0.saturating_add(intervals.saturating_mul(interval)));
    }

    fn after(&self, moment: At) -> At {
        At(moment.0.saturating_add(u64::try_from(self.limit.interval.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::topology::RateUnit;

    const SECOND: u64 = 1_000_000;

    fn bucket(capacity: u64, refill: u64) -> Bucket {
        Bucket::new(RateLimit { unit: RateUnit::Requests, capacity, refill, interval: Duration::from_secs(1) }, At(0))
    }

    #[test]
    fn it_is_refilled_at_once_when_an_interval_is_over() {
        let mut bucket = bucket(3, 2);
        let mut taken = |at| (0..5).filter(|_| bucket.take(1, At(at)).is_ok()).count();
        assert_eq!([0, SECOND - 1, SECOND, 2 * SECOND - 1, 2 * SECOND, 9 * SECOND].map(&mut taken), [3, 0, 2, 0, 2, 3]);
    }

    #[test]
    fn who_is_not_let_in_is_told_when_to_come_back() {
        let mut bucket = bucket(1, 1);
        assert_eq!(bucket.take(1, At(0)), Ok(()));
        let exceeded = Exceeded { limit: 1, remaining: 0, reset_seconds: 0 };
        assert_eq!(bucket.take(1, At(1)), Err(exceeded), "less than a second is 0");
        let slow = RateLimit { interval: Duration::from_mins(1), ..bucket.limit() };
        let mut bucket = Bucket::new(slow, At(0));
        bucket.drain(9, At(0));
        assert_eq!(bucket.check(1, At(SECOND)), Err(Exceeded { reset_seconds: 59, ..exceeded }));
        assert_eq!(bucket.check(1, At(60 * SECOND)), Ok(()));
    }

    #[test]
    fn no_limit_is_too_odd() {
        for (capacity, refill, interval) in [(0, 0, 0), (u64::MAX, u64::MAX, 0), (1, 0, u64::MAX)] {
            let interval = Duration::from_micros(interval);
            let limit = RateLimit { unit: RateUnit::Tokens, capacity, refill, interval };
            let mut bucket = Bucket::new(limit, At(5));
            for at in [5, 6, u64::MAX] {
                let _ = bucket.take(1, At(at));
                bucket.drain(u64::MAX, At(at));
            }
        }
    }
}
