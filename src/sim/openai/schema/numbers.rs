//! Numbers within a schema's bounds.

use serde_json::{Map, Value as Json};

use crate::world::Random;

/// What a number of this name usually lies between.
fn usual(name: &str) -> (i64, i64) {
    let name = name.to_ascii_lowercase();
    let about = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if about(&["year"]) {
        (1990, 2026)
    } else if about(&["month"]) {
        (1, 12)
    } else if about(&["day"]) {
        (1, 28)
    } else if about(&["age"]) {
        (18, 80)
    } else if about(&["temperature", "temp"]) {
        (-5, 32)
    } else if about(&["confidence", "probability", "ratio"]) {
        (0, 1)
    } else if about(&["latitude", "lat"]) {
        (-60, 60)
    } else {
        (1, 100)
    }
}

/// The lowest and the highest whole number that a schema allows.
fn bounds(schema: &Map<String, Json>) -> (Option<i64>, Option<i64>) {
    let number = |name: &str| schema.get(name).and_then(Json::as_f64);
    // An early draft writes `exclusiveMinimum: true` beside `minimum`.
    let strict = |exclusive: &str, inclusive: &str| {
        number(exclusive).or_else(|| number(inclusive).filter(|_| schema.get(exclusive) == Some(&Json::Bool(true))))
    };
    let above = strict("exclusiveMinimum", "minimum").map(|bound| to_whole(bound.floor()).saturating_add(1));
    let below = strict("exclusiveMaximum", "maximum").map(|bound| to_whole(bound.ceil()).saturating_sub(1));
    let low = number("minimum").map(|bound| to_whole(bound.ceil()));
    let high = number("maximum").map(|bound| to_whole(bound.floor()));
    (low.max(above), [high, below].into_iter().flatten().min())
}

/// The whole numbers that a schema allows, both ends included: the usual ones where they fit.
fn range(schema: &Map<String, Json>, name: &str) -> (i64, i64) {
    let (usual_low, usual_high) = usual(name);
    match bounds(schema) {
        (Some(low), Some(high)) if usual_low.max(low) <= usual_high.min(high) => {
            (usual_low.max(low), usual_high.min(high))
        }
        (Some(low), Some(high)) => (low, high),
        (Some(low), None) => (low.max(usual_low), low.saturating_add(99).max(usual_high)),
        (None, Some(high)) => (high.saturating_sub(99).min(usual_low), high.min(usual_high)),
        (None, None) => (usual_low, usual_high),
    }
}

/// How many times `step` a number is that a schema allows.
fn steps(schema: &Map<String, Json>, step: f64, random: &mut Random) -> i64 {
    const MORE: i64 = 20;
    let (low, high) = bounds(schema);
    let low = low.map(|low| to_whole((to_float(low) / step).ceil()));
    let high = high.map(|high| to_whole((to_float(high) / step).floor()));
    let first = low.or(high.map(|high| high.saturating_sub(MORE).min(1))).unwrap_or(1);
    let last = first.saturating_add(MORE);
    between(first, high.map_or(last, |high| high.min(last)), random)
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and that is what is wanted")]
fn to_whole(number: f64) -> i64 {
    number as i64
}

fn between(low: i64, high: i64, random: &mut Random) -> i64 {
    let span = high.saturating_sub(low).max(0).unsigned_abs();
    low.saturating_add_unsigned(random.below(span.saturating_add(1)))
}

/// A whole number that `schema` allows.
pub(super) fn integer(schema: &Map<String, Json>, name: &str, random: &mut Random) -> Json {
    if let Some(step) = schema.get("multipleOf").and_then(Json::as_i64).filter(|step| *step > 1) {
        return steps(schema, to_float(step), random).saturating_mul(step).into();
    }
    let (low, high) = range(schema, name);
    between(low, high, random).into()
}

/// A number that `schema` allows, with up to two decimals where there is room for them.
pub(super) fn number(schema: &Map<String, Json>, name: &str, random: &mut Random) -> Json {
    if let Some(step) = schema.get("multipleOf").and_then(Json::as_f64).filter(|step| *step > 0.0) {
        return finite(tidy(to_float(steps(schema, step, random)) * step));
    }
    let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
    let low_bound = bound("exclusiveMinimum").or(bound("minimum"));
    let high_bound = bound("exclusiveMaximum").or(bound("maximum"));
    if let (Some(low), Some(high)) = (low_bound, high_bound)
        && high - low <= 2.0
    {
        // Hundredths strictly inside, or else the middle.
        let hundredths = tidy(low + (high - low) * (to_float(between(1, 98, random)) / 100.0));
        let inside = low < hundredths && hundredths < high;
        let middle = f64::midpoint(low, high);
        return finite(if inside { hundredths } else { middle });
    }
    let (low, high) = range(schema, name);
    let whole = between(low, high, random);
    if whole < high {
        return finite(tidy(to_float(whole) + to_float(between(0, 99, random)) / 100.0));
    }
    whole.into()
}

#[expect(clippy::cast_precision_loss, reason = "a lost last digit does no harm here")]
fn to_float(number: i64) -> f64 {
    number as f64
}

/// Without the noise of binary fractions.
fn tidy(number: f64) -> f64 {
    format!("{number:.6}").parse().unwrap_or(number)
}

fn finite(number: f64) -> Json {
    serde_json::Number::from_f64(number).map_or(Json::from(0), Json::Number)
}
