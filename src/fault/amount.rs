//! Times that vary, and the dice that they are drawn with.

use std::fmt;
use std::time::Duration;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::define::OneOf;
use crate::source::Span;

/// Where a fault's chance comes from.
pub trait Dice: Send {
    /// A number from 0 (inclusive) to 1 (exclusive).
    fn unit(&mut self) -> f64;

    /// A standard normal number.
    fn normal(&mut self) -> f64;
}

/// A time that may vary. In a file: `3s`, `uniform: { from: 1s, to: 5s }`, `normal: { mean: 3s, deviation: 1s }`,
/// `log-normal: { median: 3s, sigma: 0.5 }` or `exponential: { mean: 3s }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Fixed(Span),
    /// Anything between, each as likely.
    Uniform(Uniform),
    /// The bell curve, nothing below zero.
    Normal(Normal),
    /// A long tail: half of the times are longer than the median.
    LogNormal(LogNormal),
    /// As from one rare thing to the next.
    Exponential(Exponential),
}

/// Parameters of [`Distribution::Uniform`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Uniform {
    /// The shortest time.
    pub from: Span,
    /// The longest time.
    pub to: Span,
}

/// Parameters of [`Distribution::Normal`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Normal {
    /// The mean.
    pub mean: Span,
    /// The standard deviation.
    pub deviation: Span,
}

/// Parameters of [`Distribution::LogNormal`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogNormal {
    /// The median.
    pub median: Span,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
}

/// Parameters of [`Distribution::Exponential`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exponential {
    /// The mean.
    pub mean: Span,
}

/// No time drawn is longer than a day.
const LONGEST_SECONDS: f64 = 86_400.0;

const SHAPES: &[&str] = &["uniform", "normal", "log-normal", "exponential"];

impl Distribution {
    /// Always this many milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self::Fixed(Span(Duration::from_millis(millis)))
    }

    /// Draws a time. What is drawn is in whole microseconds: the last bit of a float may differ
    /// between machines.
    #[must_use]
    pub fn draw(&self, dice: &mut dyn Dice) -> Duration {
        let seconds = |span: Span| span.0.as_secs_f64();
        let drawn = match *self {
            Self::Fixed(span) => return span.0,
            Self::Uniform(Uniform { from, to }) => seconds(from) + (seconds(to) - seconds(from)) * dice.unit(),
            Self::Normal(Normal { mean, deviation }) => seconds(mean) + seconds(deviation) * dice.normal(),
            Self::LogNormal(LogNormal { median, sigma }) => seconds(median) * (sigma * dice.normal()).exp(),
            Self::Exponential(Exponential { mean }) => -seconds(mean) * (1.0 - dice.unit()).ln(),
        };
        let micros = (drawn.clamp(0.0, LONGEST_SECONDS) * 1e6).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a day")]
        Duration::from_micros(micros as u64)
    }
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Fixed(span) = self {
            return span.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Fixed(_) => {}
            Self::Uniform(shape) => map.serialize_entry("uniform", shape)?,
            Self::Normal(shape) => map.serialize_entry("normal", shape)?,
            Self::LogNormal(shape) => map.serialize_entry("log-normal", shape)?,
            Self::Exponential(shape) => map.serialize_entry("exponential", shape)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DistributionVisitor;

        impl<'de> Visitor<'de> for DistributionVisitor {
            type Value = Distribution;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a duration with its unit, such as `3s`, or a distribution, such as `uniform: {from: 1s, to: 5s}`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Distribution, E> {
                Span::parse(text).map(Distribution::Fixed).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distribution, A::Error> {
                let shape = map
                    .next_key_seed(OneOf("distribution", SHAPES))?
                    .ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let drawn = map.next_value_seed(Shape(&shape))?;
                match map.next_key::<String>()? {
                    None => Ok(drawn),
                    Some(other) => {
                        Err(de::Error::custom(format!("one distribution at a time: `{other}` does not belong here")))
                    }
                }
            }
        }

        deserializer.deserialize_any(DistributionVisitor)
    }
}

/// Reads the parameters of the distribution of this name.
struct Shape<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Distribution;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Distribution, D::Error> {
        match self.0 {
            "uniform" => {
                let shape = Uniform::deserialize(deserializer)?;
                if shape.from > shape.to {
                    let (from, to) = (shape.from, shape.to);
                    return Err(de::Error::custom(format!(
                        "`uniform` goes from {from} down to {to}; the shorter time comes first"
                    )));
                }
                Ok(Distribution::Uniform(shape))
            }
            "normal" => Normal::deserialize(deserializer).map(Distribution::Normal),
            "log-normal" => LogNormal::deserialize(deserializer).map(Distribution::LogNormal),
            "exponential" => Exponential::deserialize(deserializer).map(Distribution::Exponential),
            other => Err(de::Error::unknown_variant(other, SHAPES)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Dice that always fall alike.
    pub(crate) struct Loaded(pub(crate) f64);

    impl Dice for Loaded {
        fn unit(&mut self) -> f64 {
            self.0
        }

        fn normal(&mut self) -> f64 {
            self.0
        }
    }

    #[test]
    fn times_are_drawn_from_their_distribution() {
        let draw = |json: &str, dice: f64| {
            let shape: Distribution = serde_json::from_str(json).expect(json);
            assert_eq!(serde_json::to_string(&shape).unwrap(), json);
            shape.draw(&mut Loaded(dice)).as_micros()
        };
        assert_eq!(draw(r#""3s""#, 0.7), 3_000_000);
        assert_eq!(draw(r#"{"uniform":{"from":"1s","to":"5s"}}"#, 0.25), 2_000_000);
        assert_eq!(draw(r#"{"normal":{"mean":"3s","deviation":"1s"}}"#, -5.0), 0);
        assert_eq!(draw(r#"{"log-normal":{"median":"2s","sigma":0.5}}"#, 0.0), 2_000_000);
        assert_eq!(draw(r#"{"exponential":{"mean":"1s"}}"#, 0.0), 0);
    }
}
