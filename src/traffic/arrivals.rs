//! When the requests of an open load are due.
//!
//! A rate over time is a list of stretches over which it changes evenly. The time of the next request
//! is where the area under the rate has grown by one, or, where requests come by chance, by a draw
//! from the exponential distribution of mean one: a Poisson process of that rate.

use std::time::Duration;

/// A stretch of time over which a rate changes evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// How long it lasts; for ever where absent.
    pub lasts: Option<Duration>,
    /// Requests a second at its beginning.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
}

/// The moments at which requests are due, since the load's beginning, in order.
#[derive(Debug)]
pub struct Arrivals<D> {
    profile: Vec<Stretch>,
    /// How much area lies between one request and the next.
    step: D,
    area: f64,
    first: bool,
}

impl<D: FnMut() -> f64> Arrivals<D> {
    /// Requests at the rate of `profile`; `step` draws the area between two of them: 1, or by chance
    /// with mean 1. With a constant step the first is due at once.
    pub fn new(profile: Vec<Stretch>, step: D) -> Self {
        Self { profile, step, area: 0.0, first: true }
    }

    /// Where the area under the rate reaches `area`; never, if the rate stays zero before.
    fn moment(&self, mut area: f64) -> Option<Duration> {
        let mut begin = 0.0;
        for stretch in &self.profile {
            let lasts = stretch.lasts.map_or(f64::INFINITY, |lasts| lasts.as_secs_f64());
            let whole = if lasts.is_finite() { lasts * f64::midpoint(stretch.from, stretch.to) } else { f64::INFINITY };
            if area < whole || (whole.is_infinite() && stretch.from > 0.0) {
                return Duration::try_from_secs_f64(begin + stretch.reaches(area, lasts)?).ok();
            }
            area -= whole;
            begin += lasts;
        }
        None
    }
}

impl Stretch {
    /// After how many seconds the area since its beginning is `area`.
    fn reaches(&self, area: f64, lasts: f64) -> Option<f64> {
        let slope = if lasts.is_finite() { (self.to - self.from) / lasts } else { 0.0 };
        let seconds = if slope.abs() < 1e-12 {
            area / self.from
        } else {
            // The positive root of slope/2 t² + from t = area.
            let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
            2.0 * area / (self.from + root)
        };
        if area <= 0.0 { Some(0.0) } else { seconds.is_finite().then_some(seconds) }
    }
}

impl<D: FnMut() -> f64> Iterator for Arrivals<D> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let step = (self.step)();
        // Evenly spaced requests begin with the load, those by chance after their first wait.
        let evenly = (step - 1.0).abs() < f64::EPSILON;
        if !(self.first && evenly) {
            self.area += step;
        }
        self.first = false;
        self.moment(self.area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(lasts: u64, from: f64, to: f64) -> Stretch {
        Stretch { lasts: Some(Duration::from_secs(lasts)), from, to }
    }

    fn within(profile: Vec<Stretch>, from: u64, to: u64) -> usize {
        let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
        Arrivals::new(profile, || 1.0).skip_while(|at| *at < from).take_while(|at| *at < to).count()
    }

    #[test]
    fn a_steady_rate_comes_evenly_from_the_first_moment_on() {
        let steady = vec![Stretch { lasts: None, from: 4.0, to: 4.0 }];
        let millis: Vec<u128> = Arrivals::new(steady, || 1.0).take(4).map(|at| at.as_millis()).collect();
        assert_eq!(millis, [0, 250, 500, 750]);
    }

    #[test]
    fn a_ramp_has_the_area_under_its_line() {
        let ramp = || vec![stretch(10, 0.0, 100.0), Stretch { lasts: None, from: 100.0, to: 100.0 }];
        assert_eq!(within(ramp(), 0, 10), 500);
        assert_eq!(within(ramp(), 0, 5), 125);
        assert_eq!(within(ramp(), 10, 12), 200);
    }

    #[test]
    fn a_falling_rate_and_a_spike_are_followed() {
        assert_eq!(within(vec![stretch(10, 20.0, 0.0)], 0, 10), 100);
        let spike = vec![stretch(10, 1.0, 1.0), stretch(5, 50.0, 50.0), Stretch { lasts: None, from: 1.0, to: 1.0 }];
        assert_eq!(within(spike.clone(), 0, 10), 10);
        assert_eq!(within(spike.clone(), 10, 15), 250);
        assert_eq!(within(spike, 15, 20), 5);
    }

    #[test]
    fn a_rate_of_nothing_never_comes() {
        assert_eq!(Arrivals::new(vec![Stretch { lasts: None, from: 0.0, to: 0.0 }], || 0.5).next(), None);
    }
}
