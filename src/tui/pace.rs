//! How fast virtual time goes for a person who watches.
//!
//! [`Pacer`] is pure: it is told how much wall time has gone by and what the lab is doing, and says
//! up to which virtual moment the lab may go. The same pacer moves a live virtual run and a replay.

use std::fmt;
use std::time::Duration;

use crate::event::At;

/// How fast virtual time goes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Pace {
    /// Slow motion where a request begins or ends, real pace while one is under way, and waits ever
    /// faster.
    #[default]
    Follow,
    /// This many virtual seconds in one second.
    Times(f64),
    /// As fast as possible.
    Max,
}

/// The fixed paces, slowest first, between which a person moves.
const STEPS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 10.0, 30.0, 100.0, 1000.0];

/// Pace around the beginning and the end of a request when following.
const SLOW: f64 = 0.12;
/// How long slow motion lasts, in virtual time.
const SLOW_FOR: Duration = Duration::from_millis(70);
/// With more requests under way than this there is no slow motion: single requests cannot be told apart.
const SLOW_UP_TO: usize = 3;
/// How long the pace stays real after the last request has ended, in wall time.
const LINGER: f64 = 0.35;
/// The pace of a wait doubles about six times a second, up to this ...
const FAST: f64 = 60.0;
/// ... and slower from there on, so that an hour too is over within ten seconds.
const FAST_GROWTH: f64 = 0.6;

/// Says up to which virtual moment the lab may go.
#[derive(Debug, Clone)]
pub struct Pacer {
    pace: Pace,
    paused: bool,
    wall: Duration,
    limit: f64,
    in_flight: usize,
    activity: At,
    idle: f64,
}

impl Pacer {
    /// A pacer that starts at the beginning of a run.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, paused: false, wall: Duration::ZERO, limit: 0.0, in_flight: 0, activity: At::default(), idle: 0.0 }
    }

    /// The pace.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Changes the pace from now on.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        self.idle = 0.0;
    }

    /// Whether time stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Lets time stand still, or go on.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// How many virtual seconds go by in one second just now; infinite where nothing holds it back.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match self.pace {
            _ if self.paused => 0.0,
            Pace::Times(times) => times,
            Pace::Max => f64::INFINITY,
            Pace::Follow => self.follow_rate(),
        }
    }

    fn follow_rate(&self) -> f64 {
        let since = Duration::from_micros((self.limit as u64).saturating_sub(self.activity.0));
        if self.in_flight <= SLOW_UP_TO && self.activity > At(0) && since < SLOW_FOR {
            return SLOW;
        }
        if self.in_flight > 0 || self.idle < LINGER {
            return 1.0;
        }
        let waited = self.idle - LINGER;
        let reaches_fast = FAST.ln() / 4.0;
        if waited < reaches_fast { (4.0 * waited).exp() } else { FAST * (FAST_GROWTH * (waited - reaches_fast)).exp() }
    }

    /// The moment up to which the lab may go.
    ///
    /// `now` is where the lab is, `in_flight` how many requests are under way there, `wall` the wall
    /// time since the pacer was made. Time that the lab did not use is not saved up.
    pub fn allow(&mut self, now: At, in_flight: usize, wall: Duration) -> At {
        let passed = wall.saturating_sub(self.wall).as_secs_f64();
        self.wall = wall;
        if in_flight != self.in_flight {
            self.activity = now;
            self.in_flight = in_flight;
        }
        self.limit = self.limit.max(now.0 as f64);
        let rate = self.rate();
        self.idle = if in_flight > 0 { 0.0 } else { self.idle + if self.paused { 0.0 } else { passed } };
        if rate.is_infinite() {
            return At(u64::MAX);
        }
        let moved = rate * passed.min(0.1) * 1e6;
        // A lab that lags behind must not be sent racing once it has caught its breath.
        let most = now.0 as f64 + moved + (rate * 1e5).max(1_000.0);
        self.limit = (self.limit + moved).min(most);
        At(self.limit as u64)
    }

    /// Tells that the lab, or the watcher, has been put somewhere else.
    pub fn jumped_to(&mut self, now: At) {
        self.limit = now.0 as f64;
        self.activity = now;
        self.idle = 0.0;
    }
}

impl Pace {
    /// The next faster pace.
    #[must_use]
    pub fn faster(self) -> Self {
        match self {
            Self::Follow => Self::Times(2.0),
            Self::Max => Self::Max,
            Self::Times(times) => STEPS.into_iter().find(|step| *step > times * 1.001).map_or(Self::Max, Self::Times),
        }
    }

    /// The next slower pace.
    #[must_use]
    pub fn slower(self) -> Self {
        match self {
            Self::Follow => Self::Times(0.5),
            Self::Max => Self::Times(STEPS[STEPS.len() - 1]),
            Self::Times(times) => {
                Self::Times(STEPS.into_iter().rev().find(|step| *step < times * 0.999).unwrap_or(STEPS[0]))
            }
        }
    }

    /// Reads what `--speed` takes: `follow`, `max`, or a number such as `10` or `0.5`.
    ///
    /// # Errors
    /// A sentence that says what is taken.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim_start_matches('×').trim_start_matches('x') {
            "follow" => Ok(Self::Follow),
            "max" => Ok(Self::Max),
            number => match number.parse::<f64>() {
                Ok(times) if (0.01..=100_000.0).contains(&times) => Ok(Self::Times(times)),
                _ => {
                    Err("write `follow`, `max`, or how many virtual seconds go by in one: `1`, `10`, `0.5`".to_owned())
                }
            },
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Follow => f.write_str("follow"),
            Self::Times(times) => write!(f, "×{times}"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches from `from` to `to` in frames of 20 ms; `busy` says how many requests are under way.
    fn watch(pacer: &mut Pacer, from: u64, to: u64, busy: impl Fn(u64) -> usize) -> Duration {
        let (mut now, mut wall) = (from, Duration::ZERO);
        while now < to && wall < Duration::from_secs(60) {
            wall += Duration::from_millis(20);
            now = pacer.allow(At(now), busy(now), wall).0.min(to);
        }
        wall
    }

    #[test]
    fn a_fixed_pace_is_kept_to_the_frame() {
        for (times, expected) in [(1.0, 3_000), (10.0, 300), (0.5, 6_000)] {
            let took = watch(&mut Pacer::new(Pace::Times(times)), 0, 3_000_000, |_| 1);
            assert!(took.as_millis().abs_diff(expected) <= 40, "×{times} took {took:?}");
        }
    }

    #[test]
    fn a_wait_of_a_minute_races_and_a_request_takes_its_time() {
        let wait = watch(&mut Pacer::new(Pace::Follow), 0, 61_000_000, |_| 0);
        assert!((1_500..4_000).contains(&wait.as_millis()), "{wait:?}");
        let hour = watch(&mut Pacer::new(Pace::Follow), 0, 3_600_000_000, |_| 0);
        assert!(hour < Duration::from_secs(12), "{hour:?}");
        let request = watch(&mut Pacer::new(Pace::Follow), 1, 1_372_001, |_| 1);
        assert!((1_372..2_500).contains(&request.as_millis()), "{request:?}");
    }

    #[test]
    fn a_request_of_a_few_milliseconds_can_be_seen() {
        let took = watch(&mut Pacer::new(Pace::Follow), 1, 50_001, |_| 1);
        assert!(took > Duration::from_millis(300), "{took:?}");
        let crowd = watch(&mut Pacer::new(Pace::Follow), 1, 50_001, |_| 40);
        assert!(crowd < Duration::from_millis(100), "{crowd:?}");
    }

    #[test]
    fn a_pause_holds_and_saves_nothing_up() {
        let mut pacer = Pacer::new(Pace::Times(1.0));
        pacer.allow(At(0), 0, Duration::from_millis(10));
        pacer.set_paused(true);
        let held = pacer.allow(At(10_000), 0, Duration::from_secs(5));
        assert!(held <= At(11_000), "{held:?}");
        pacer.set_paused(false);
        let next = pacer.allow(At(10_000), 0, Duration::from_millis(5_010));
        assert!(next <= At(21_000), "{next:?}");
    }

    #[test]
    fn a_lab_that_lags_is_not_sent_racing() {
        let mut pacer = Pacer::new(Pace::Times(10.0));
        for frame in 1..100 {
            let allowed = pacer.allow(At(1_000), 1, Duration::from_millis(frame * 100));
            assert!(allowed <= At(2_100_000), "{allowed:?}");
        }
    }

    #[test]
    fn paces_are_stepped_through_and_read_back() {
        let mut pace = Pace::Times(0.1);
        let mut seen = vec![pace.to_string()];
        while pace != Pace::Max {
            pace = pace.faster();
            seen.push(pace.to_string());
        }
        assert_eq!(seen, ["×0.1", "×0.25", "×0.5", "×1", "×2", "×10", "×30", "×100", "×1000", "max"]);
        for text in seen {
            assert_eq!(Pace::parse(&text).map(|pace| pace.to_string()), Ok(text));
        }
        assert!(Pace::parse("fast").is_err());
        assert!(Pace::parse("-1").is_err());
    }
}
