//! The lab's clock: virtual or real, always through tokio.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::event::At;

/// Tells the time since the lab's start, and the wall-clock time that goes with it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    start: Timestamp,
}

/// When a virtual run starts unless it is told otherwise: 2026-01-01T00:00:00Z.
pub const VIRTUAL_START: Timestamp = Timestamp::constant(1_767_225_600, 0);

impl Clock {
    /// A clock that starts now, at the wall-clock time `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { origin: Instant::now(), start }
    }

    /// A clock that starts now and shows the real wall-clock time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn real() -> Self {
        let start = Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(VIRTUAL_START);
        Self::starting_at(start)
    }

    /// The moment, as events are stamped.
    #[must_use]
    pub fn now(&self) -> At {
        self.at(Instant::now())
    }

    /// The moment of an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> At {
        At::after(instant.saturating_duration_since(self.origin))
    }

    /// The instant of a moment; one that is too far away to say is some thirty years off.
    #[must_use]
    pub fn instant(&self, at: At) -> Instant {
        let far = std::time::Duration::from_hours(30 * 365 * 24);
        self.origin.checked_add(at.elapsed()).unwrap_or_else(|| self.origin + far)
    }

    /// The wall-clock time of a moment.
    #[must_use]
    pub fn wall_at(&self, at: At) -> Timestamp {
        self.start.checked_add(at.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// The wall-clock time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.wall_at(self.now())
    }

    /// The wall-clock time in whole seconds since 1970, as in an answer's `created`.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.wall().as_second()
    }

    /// The wall-clock time of the lab's start.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The value of a `Date` header now.
    #[must_use]
    pub fn http_date(&self) -> String {
        let time = self.wall().to_zoned(jiff::tz::TimeZone::UTC);
        time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}
