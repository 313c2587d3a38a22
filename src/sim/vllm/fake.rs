//! Metrics that are made up: what a simulator reports instead of what it measures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::go::{self, GoDuration};
use super::json::kind;

/// Made-up metrics, checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct FakeMetrics {
    pub(crate) running: Option<Gauge>,
    pub(crate) waiting: Option<Gauge>,
    pub(crate) kv_usage: Option<Gauge>,
    pub(crate) loras: Vec<FakeLora>,
    /// Counts of each bucket, by the key that gives them.
    pub(crate) buckets: BTreeMap<&'static str, Vec<u64>>,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) generation_tokens: Option<u64>,
    pub(crate) success: Option<BTreeMap<String, u64>>,
    /// Hits and queries of the prefix cache.
    pub(crate) prefix_cache: Option<(u64, u64)>,
}

/// A value that stays, or moves with time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gauge {
    Fixed(f64),
    Moving { shape: Shape, start: f64, end: f64, period: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A sine between start and end.
    Oscillate,
    /// A line from start to end, which stays there.
    Ramp,
    /// A line from start to end, again and again.
    RampReset,
    /// Start for half the period, end for the other.
    SquareWave,
}

/// A state of the `LoRA` adapters at a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeLora {
    pub(crate) running: String,
    pub(crate) waiting: String,
    pub(crate) timestamp: f64,
}

/// Why a request ended, as the success counter names it.
pub(crate) const FINISH_REASONS: [&str; 5] = ["stop", "length", "tool_calls", "remote_decode", "cache_threshold"];

/// Keys of histograms with the bounds of time to first token, and what errors call them.
const TTFT: (&str, &str, usize) = ("ttft-buckets-values", "time-to-first-token", 22);
const TPOT: (&str, &str, usize) = ("tpot-buckets-values", "time-per-output-token", 19);
/// The other histograms.
const OTHERS: [&str; 10] = [
    "request-prompt-tokens",
    "request-generation-tokens",
    "request-params-max-tokens",
    "request-max-generation-tokens",
    "e2erl-buckets-values",
    "queue-time-buckets-values",
    "inf-time-buckets-values",
    "prefill-time-buckets-values",
    "decode-time-buckets-values",
    "request-tpot-buckets-values",
];

impl FakeMetrics {
    /// Reads the JSON object of `--fake-metrics`; the error is the original's text.
    pub(crate) fn read(map: &Map<String, Json>) -> Result<Self, String> {
        let get = |key: &str| map.get(key).filter(|value| !value.is_null());
        let mut fake = Self {
            running: get("running-requests").map(Gauge::read).transpose()?,
            waiting: get("waiting-requests").map(Gauge::read).transpose()?,
            kv_usage: get("kv-cache-usage").map(Gauge::read).transpose()?,
            ..Self::default()
        };
        let negative = |gauge: &Option<Gauge>| matches!(gauge, Some(Gauge::Fixed(value)) if *value < 0.0);
        if negative(&fake.running) || negative(&fake.waiting) {
            return Err("fake metrics request counters cannot be negative".to_owned());
        }
        match fake.kv_usage {
            Some(Gauge::Fixed(value)) if !(0.0..=1.0).contains(&value) => {
                return Err("fake metrics KV cache usage must be between 0 and 1".to_owned());
            }
            Some(Gauge::Moving { start, end, .. }) if [start, end].iter().any(|v| !(0.0..=1.0).contains(v)) => {
                return Err("fake metrics KV cache usage start and end must be between 0 and 1".to_owned());
            }
            _ => {}
        }
        fake.loras = get("loras").map(loras).transpose()?.unwrap_or_default();
        for (key, name, bounds) in [TTFT, TPOT] {
            let Some(value) = get(key) else { continue };
            let counts = integers(key, value)?;
            if counts.len() > bounds + 1 {
                return Err(format!("fake {name} array is too long"));
            }
            let negative = || format!("{name} fake metrics should contain only non-negative values");
            fake.buckets.insert(key, unsigned(&counts, negative)?);
        }
        fake.success = get("request-success-total").map(success).transpose()?;
        for key in OTHERS {
            let Some(value) = get(key) else { continue };
            let counts = integers(key, value)?;
            let negative = || format!("fake metrics {key} cannot contain negative values");
            fake.buckets.insert(key, unsigned(&counts, negative)?);
        }
        let total = |key: &'static str| -> Result<Option<u64>, String> {
            let Some(value) = get(key) else { return Ok(None) };
            let negative = || format!("fake metrics {key} cannot be negative");
            u64::try_from(integer(key, value)?).map(Some).map_err(|_| negative())
        };
        fake.prompt_tokens = total("total-prompt-tokens")?;
        fake.generation_tokens = total("total-generation-tokens")?;
        fake.prefix_cache = match (total("prefix-cache-hits")?, total("prefix-cache-queries")?) {
            (None, None) => None,
            (Some(hits), Some(queries)) if hits > queries => {
                return Err("fake metrics prefix-cache-hits cannot exceed prefix-cache-queries".to_owned());
            }
            (Some(hits), Some(queries)) => Some((hits, queries)),
            _ => {
                let text = "fake metrics prefix-cache-hits and prefix-cache-queries must be specified together";
                return Err(text.to_owned());
            }
        };
        Ok(fake)
    }
}

fn integer(key: &str, value: &Json) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| {
        format!("json: cannot unmarshal {} into Go struct field Metrics.{key} of type int64", kind(value))
    })
}

fn integers(key: &str, value: &Json) -> Result<Vec<i64>, String> {
    let list = value.as_array().ok_or_else(|| {
        format!("json: cannot unmarshal {} into Go struct field Metrics.{key} of type []int", kind(value))
    })?;
    list.iter().map(|item| integer(key, item)).collect()
}

fn unsigned(counts: &[i64], error: impl Fn() -> String) -> Result<Vec<u64>, String> {
    counts.iter().map(|count| u64::try_from(*count).map_err(|_| error())).collect()
}

fn success(value: &Json) -> Result<BTreeMap<String, u64>, String> {
    let map = value.as_object().ok_or_else(|| {
        format!("json: cannot unmarshal {} into Go struct field Metrics.request-success-total", kind(value))
    })?;
    let mut counts: BTreeMap<String, u64> = FINISH_REASONS.iter().map(|reason| ((*reason).to_owned(), 0)).collect();
    for (reason, count) in map {
        let count = integer("request-success-total", count)?;
        let count = u64::try_from(count)
            .map_err(|_| format!("fake metrics request-success-total.{reason} cannot be negative, got {count}"))?;
        let slot = counts.get_mut(reason).ok_or_else(|| {
            let valid = FINISH_REASONS.join(" ");
            format!("invalid finish reason in request-success-total: {reason} (valid reasons: [{valid}])")
        })?;
        *slot = count;
    }
    Ok(counts)
}

/// Objects, or the same as JSON texts, as a YAML file has them.
fn loras(value: &Json) -> Result<Vec<FakeLora>, String> {
    let items = value.as_array().ok_or_else(|| {
        format!("json: cannot unmarshal {} into Go struct field Metrics.loras of type []LorasMetrics", kind(value))
    })?;
    let read = |item: &Json| {
        let parsed;
        let item = match item {
            Json::String(text) => {
                parsed = Json::Object(super::command::object(text)?);
                &parsed
            }
            other => other,
        };
        let text = |key: &str| item.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        Ok(FakeLora {
            running: text("running"),
            waiting: text("waiting"),
            timestamp: item.get("timestamp").and_then(Json::as_f64).unwrap_or_default(),
        })
    };
    items.iter().map(read).collect()
}

impl Gauge {
    /// Reads a number, or `function:start:end:period`.
    fn read(value: &Json) -> Result<Self, String> {
        if let Some(number) = value.as_f64() {
            return Ok(Self::Fixed(number));
        }
        let text = value.as_str().unwrap_or_default();
        let parts: Vec<&str> = text.split(':').collect();
        let [name, start, end, period] = parts.as_slice() else {
            return Err("unknown format in fake metric generation function: need func:start:end:period \
                        in fake metric generation function"
                .to_owned());
        };
        let (start, end) = (go::parse_float(start)?, go::parse_float(end)?);
        let period = GoDuration::parse(period)?;
        let shape = match *name {
            "oscillate" => Shape::Oscillate,
            "ramp" => Shape::Ramp,
            "rampreset" => Shape::RampReset,
            "squarewave" => Shape::SquareWave,
            other => {
                return Err(format!(
                    "invalid fake metrics generation function {other}, must be one of the following: \
                     oscillate, ramp, rampreset, squarewave"
                ));
            }
        };
        let invalid = |what: &str| Err(format!("invalid fake metrics generation parameter: {what}"));
        if !(start >= 0.0 && end >= 0.0) {
            return invalid("start and end must not be negative");
        }
        if period.0 <= 0 {
            return invalid("period must be positive");
        }
        Ok(Self::Moving { shape, start, end, period: period.wait() })
    }

    /// The value after `elapsed` since the start.
    pub(crate) fn at(self, elapsed: Duration) -> f64 {
        let Self::Moving { shape, start, end, period } = self else {
            let Self::Fixed(value) = self else { return 0.0 };
            return value;
        };
        let turns = elapsed.as_secs_f64() / period.as_secs_f64();
        let turn = turns.fract();
        let part = match shape {
            Shape::Oscillate => f64::midpoint(1.0, (std::f64::consts::TAU * turn - std::f64::consts::FRAC_PI_2).sin()),
            Shape::Ramp => turns.min(1.0),
            Shape::RampReset => turn,
            Shape::SquareWave => f64::from(u8::from(turn >= 0.5)),
        };
        start + (end - start) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &Json) -> Result<FakeMetrics, String> {
        FakeMetrics::read(json.as_object().unwrap())
    }

    #[test]
    fn wrong_metrics_are_refused_in_the_words_of_the_original() {
        for (json, text) in [
            (json!({"running-requests": -1}), "fake metrics request counters cannot be negative"),
            (json!({"waiting-requests": -1}), "fake metrics request counters cannot be negative"),
            (json!({"kv-cache-usage": 1.5}), "fake metrics KV cache usage must be between 0 and 1"),
            (
                json!({"kv-cache-usage": "ramp:0:2:1s"}),
                "fake metrics KV cache usage start and end must be between 0 and 1",
            ),
            (json!({"running-requests": "ramp:0:2"}), "need func:start:end:period"),
            (json!({"running-requests": "ramp:0:2:170"}), "time: missing unit in duration \"170\""),
            (json!({"running-requests": "foo:0:2:1s"}), "invalid fake metrics generation function foo, must be"),
            (json!({"running-requests": "ramp:-1:2:1s"}), "start and end must not be negative"),
            (json!({"running-requests": "ramp:1:2:0s"}), "period must be positive"),
            (json!({"ttft-buckets-values": vec![1; 24]}), "fake time-to-first-token array is too long"),
            (
                json!({"tpot-buckets-values": [-1]}),
                "time-per-output-token fake metrics should contain only non-negative",
            ),
            (json!({"request-success-total": {"stop": -2}}), "request-success-total.stop cannot be negative, got -2"),
            (
                json!({"request-success-total": {"x": 1}}),
                "(valid reasons: [stop length tool_calls remote_decode cache_threshold])",
            ),
            (json!({"e2erl-buckets-values": [-1]}), "fake metrics e2erl-buckets-values cannot contain negative values"),
            (json!({"prefix-cache-hits": 1}), "must be specified together"),
            (json!({"prefix-cache-hits": 3, "prefix-cache-queries": 2}), "prefix-cache-hits cannot exceed"),
        ] {
            let error = read(&json).unwrap_err();
            assert!(error.contains(text), "{json}: {error}");
        }
    }

    #[test]
    fn functions_move_as_they_say() {
        let at = |text: &str, millis| Gauge::read(&json!(text)).unwrap().at(Duration::from_millis(millis));
        for (text, millis, value) in [
            ("oscillate:0:10:4s", 0, 0.0),
            ("oscillate:0:10:4s", 1000, 5.0),
            ("oscillate:0:10:4s", 2000, 10.0),
            ("ramp:0:10:10s", 5000, 5.0),
            ("ramp:0:10:10s", 50_000, 10.0),
            ("rampreset:0:10:10s", 15_000, 5.0),
            ("squarewave:1:3:2s", 500, 1.0),
            ("squarewave:1:3:2s", 1500, 3.0),
        ] {
            assert!((at(text, millis) - value).abs() < 1e-9, "{text} at {millis} ms: {}", at(text, millis));
        }
    }
}
