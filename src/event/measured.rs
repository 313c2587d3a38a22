//! What a load gave: latencies, their percentiles, rates, goodput. A fold over requests that are over,
//! shared by reports and by the load generator.
//!
//! **Latency** counts from the moment at which a request should have been sent, so that a client that is
//! late hides nothing (no coordinated omission). **Service time** counts from the moment at which it was
//! sent. How late requests were sent is told apart.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Outcome;
use super::history::{History, StepRecord};

/// What an answer must keep to count as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Aims {
    /// To the first token of a stream, at most, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_us: Option<u64>,
    /// To the end, at most, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Status, if a head came.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the intended sending to the end.
    pub latency: Duration,
    /// From the sending to the end.
    pub service: Duration,
    /// From the intended sending to the first token of a stream.
    pub first_token: Option<Duration>,
    /// Between the tokens of a stream, on average.
    pub inter_token: Option<Duration>,
    /// How late it was sent, where something says when it should have been.
    pub late: Option<Duration>,
}

/// Durations as a histogram with three digits, in microseconds.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

/// Figures over many requests.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// What counts as good.
    pub aims: Aims,
    /// How many ended how: by status, or by outcome where the answer was not whole.
    pub ends: BTreeMap<String, u64>,
    /// How many are over.
    pub requests: u64,
    /// How many had a whole 2xx within the aims.
    pub good: u64,
    /// See [`Sample::latency`].
    pub latency: Times,
    /// See [`Sample::service`].
    pub service: Times,
    /// See [`Sample::first_token`].
    pub first_token: Times,
    /// See [`Sample::inter_token`].
    pub inter_token: Times,
    /// See [`Sample::late`].
    pub late: Times,
}

/// The percentiles that are told, with their names.
pub const PERCENTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed")))
    }
}

impl Times {
    /// Takes in a duration.
    pub fn record(&mut self, duration: Duration) {
        // It grows as it must, but not for ever: a time beyond a day counts as one.
        let most = 86_400_000_000;
        let _ = self.0.record(u64::try_from(duration.as_micros()).unwrap_or(most).min(most));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration that such a share does not exceed, 0 to 1.
    #[must_use]
    pub fn at(&self, quantile: f64) -> Duration {
        // A value stands for all that the histogram cannot tell from it; none is beyond the greatest.
        Duration::from_micros(self.0.value_at_quantile(quantile).min(self.0.max()))
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::try_from_secs_f64(self.0.mean() / 1e6).unwrap_or_default()
    }

    /// The least.
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_micros(self.0.min())
    }

    /// The greatest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// Its figures in milliseconds; null where there are none.
    #[must_use]
    pub fn as_json(&self) -> Json {
        if self.is_empty() {
            return Json::Null;
        }
        let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        let mut out = json!({ "count": self.len(), "min": millis(self.min()), "mean": millis(self.mean()) });
        for (name, quantile) in PERCENTILES {
            out[name] = json!(millis(self.at(quantile)));
        }
        out["max"] = json!(millis(self.max()));
        out
    }
}

impl Measured {
    /// Nothing yet.
    #[must_use]
    pub fn new(aims: Aims) -> Self {
        Self { aims, ..Self::default() }
    }

    /// What the requests of a load of a lab gave; none where the step is no load.
    #[must_use]
    pub fn of_step(history: &History, step: &StepRecord) -> Option<Self> {
        let mut measured = Self::new(step.load?);
        for request in history.requests_of(step.step).filter(|request| request.sent >= step.began) {
            let (Some(ended), Some(outcome)) = (request.ended, request.outcome) else { continue };
            let intended = request.intended();
            measured.add(&Sample {
                status: request.status,
                outcome,
                latency: ended.since(intended),
                service: ended.since(request.sent),
                first_token: request.first_token.map(|first| first.since(intended)),
                inter_token: request.inter_token(),
                late: request.lateness(),
            });
        }
        Some(measured)
    }

    /// Takes in a request.
    pub fn add(&mut self, sample: &Sample) {
        self.requests += 1;
        *self.ends.entry(ended_as(sample)).or_default() += 1;
        self.latency.record(sample.latency);
        self.service.record(sample.service);
        for (times, value) in [
            (&mut self.first_token, sample.first_token),
            (&mut self.inter_token, sample.inter_token),
            (&mut self.late, sample.late),
        ] {
            if let Some(value) = value {
                times.record(value);
            }
        }
        self.good += u64::from(self.aims.are_kept(sample));
    }

    /// Takes in what another one has.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.good += other.good;
        for (end, count) in &other.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
        for (mine, its) in [
            (&mut self.latency, &other.latency),
            (&mut self.service, &other.service),
            (&mut self.first_token, &other.first_token),
            (&mut self.inter_token, &other.inter_token),
            (&mut self.late, &other.late),
        ] {
            // Both grow as they must.
            let _ = mine.0.add(&its.0);
        }
    }

    /// All figures for programs, over this time.
    #[must_use]
    pub fn as_json(&self, elapsed: Duration) -> Json {
        json!({
            "requests": self.requests,
            "elapsed_ms": elapsed.as_secs_f64() * 1_000.0,
            "rate": per_second(self.requests, elapsed),
            "ends": self.ends,
            "goodput": {
                "ttft_ms": self.aims.ttft_us.map(in_millis),
                "latency_ms": self.aims.latency_us.map(in_millis),
                "good": self.good,
                "share": if self.requests == 0 { Json::Null } else { json!(share(self.good, self.requests)) },
                "rate": per_second(self.good, elapsed),
            },
            "latency_ms": self.latency.as_json(),
            "service_ms": self.service.as_json(),
            "first_token_ms": self.first_token.as_json(),
            "inter_token_ms": self.inter_token.as_json(),
            "late_ms": self.late.as_json(),
        })
    }
}

impl Aims {
    fn are_kept(&self, sample: &Sample) -> bool {
        let within = |most: Option<u64>, value: Option<Duration>| {
            most.is_none_or(|most| value.is_some_and(|value| value <= Duration::from_micros(most)))
        };
        sample.outcome == Outcome::Complete
            && sample.status.is_some_and(|status| (200..300).contains(&status))
            && within(self.latency_us, Some(sample.latency))
            // What is no stream has no first token to wait for.
            && (sample.first_token.is_none() || within(self.ttft_us, sample.first_token))
    }
}

fn ended_as(sample: &Sample) -> String {
    match (sample.status, sample.outcome) {
        (Some(status), Outcome::Complete) => status.to_string(),
        (_, outcome) => outcome.name().to_owned(),
    }
}

/// How many a second.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { as_f64(count) / elapsed.as_secs_f64() }
}

/// Which share, 0 to 1.
#[must_use]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { as_f64(part) / as_f64(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn in_millis(micros: u64) -> f64 {
    as_f64(micros) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(status: u16, millis: u64) -> Sample {
        let took = Duration::from_millis(millis);
        Sample {
            status: Some(status),
            outcome: Outcome::Complete,
            latency: took,
            service: took / 2,
            first_token: None,
            inter_token: None,
            late: Some(took / 2),
        }
    }

    #[test]
    fn good_is_a_whole_2xx_within_the_aims() {
        let aims = Aims { ttft_us: Some(5_000), latency_us: Some(100_000) };
        let kept = |sample: Sample| aims.are_kept(&sample);
        assert!(kept(sample(200, 100)));
        assert!(!kept(sample(200, 101)));
        assert!(!kept(sample(429, 1)));
        assert!(!kept(Sample { outcome: Outcome::Cut, ..sample(200, 1) }));
        let stream = |millis| Sample { first_token: Some(Duration::from_millis(millis)), ..sample(200, 50) };
        assert!(kept(stream(5)) && !kept(stream(6)));
    }

    #[test]
    fn figures_of_two_are_those_of_both() {
        let (mut one, mut two) = (Measured::default(), Measured::default());
        (1..=50).for_each(|millis| one.add(&sample(200, millis)));
        (51..=100).for_each(|millis| two.add(&sample(if millis > 98 { 503 } else { 200 }, millis)));
        one.merge(&two);
        assert_eq!((one.requests, one.good), (100, 98));
        assert_eq!(one.ends, BTreeMap::from([("200".to_owned(), 98), ("503".to_owned(), 2)]));
        // Three digits: a thousandth is as near as it gets.
        let near = |found: Duration, millis: f64| (found.as_secs_f64() * 1_000.0 - millis).abs() <= millis / 1_000.0;
        for (quantile, millis) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!(near(one.latency.at(quantile), millis), "{quantile}: {:?}", one.latency.at(quantile));
            assert!(near(one.service.at(quantile), millis / 2.0));
        }
        let json = one.as_json(Duration::from_secs(10));
        assert_eq!((json["rate"].as_f64(), json["goodput"]["rate"].as_f64()), (Some(10.0), Some(9.8)));
        assert!(json["first_token_ms"].is_null());
    }
}
