//! From where to where: counts, times, shares, ratios and costs.

use std::fmt;

use crate::source::Span;

/// From where to where, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds<T> {
    /// At least.
    pub least: Option<T>,
    /// At most.
    pub most: Option<T>,
}

/// A part of a whole, from 0 to 1. Written `40%`, or `0.4`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// So many of one thing for each of another.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

/// An amount of money, in the currency of the scenario's prices.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Money(pub f64);

impl<T> Bounds<T> {
    /// Exactly this.
    pub fn exactly(value: T) -> Self
    where
        T: Clone,
    {
        Self { least: Some(value.clone()), most: Some(value) }
    }
}

impl<T: PartialOrd + Copy> Bounds<T> {
    /// Whether `value` lies within.
    pub fn contain(&self, value: T) -> bool {
        self.least.is_none_or(|least| value >= least) && self.most.is_none_or(|most| value <= most)
    }

    /// Reads `3`, `>=1`, `<=1` or `0..1`, with `one` reading a single value.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let text = text.trim();
        if let Some(least) = text.strip_prefix(">=") {
            return Ok(Self { least: Some(one(least.trim())?), most: None });
        }
        if let Some(most) = text.strip_prefix("<=") {
            return Ok(Self { least: None, most: Some(one(most.trim())?) });
        }
        if let Some((least, most)) = text.split_once("..") {
            let bound = |text: &str| if text.trim().is_empty() { Ok(None) } else { one(text.trim()).map(Some) };
            let (least, most) = (bound(least)?, bound(most.trim_start_matches('='))?);
            return match (least, most) {
                (None, None) => Err("`..` says nothing; write a number on one side at least".to_owned()),
                (Some(low), Some(high)) if low > high => Err(format!("`{text}` is empty; the smaller one comes first")),
                (least, most) => Ok(Self { least, most }),
            };
        }
        if text.starts_with(['>', '<', '=']) {
            return Err(format!("`{text}` is not understood; write `>=` or `<=`"));
        }
        one(text).map(Self::exactly)
    }
}

impl Bounds<u64> {
    /// How often, in words: `3 times`, `once`, `at least once`, `never`.
    #[must_use]
    pub fn times(&self) -> String {
        match (self.least, self.most) {
            (Some(0) | None, Some(0)) => "never".to_owned(),
            (Some(1), Some(1)) => "once".to_owned(),
            (Some(1), None) => "at least once".to_owned(),
            (Some(0) | None, Some(1)) => "at most once".to_owned(),
            _ => format!("{self} times"),
        }
    }

    /// Reads a count.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn count(text: &str) -> Result<Self, String> {
        Self::parse(text, |one| {
            one.parse().map_err(|_| format!("`{one}` is not a count; write `3`, `\">=1\"`, `\"<=1\"` or `0..1`"))
        })
    }
}

impl Bounds<Span> {
    /// Reads a length of time.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn time(text: &str) -> Result<Self, String> {
        Self::parse(text, Span::parse)
    }
}

impl Bounds<Share> {
    /// Reads a share.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn share(text: &str) -> Result<Self, String> {
        Self::parse(text, Share::parse)
    }
}

impl Bounds<Ratio> {
    /// Reads a ratio.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn ratio(text: &str) -> Result<Self, String> {
        Self::parse(text, |one| {
            let wrong = || format!("`{one}` is not a ratio; write `1.5`, `\"<=1.5\"` or `1..1.5`");
            positive(one).map(|ratio| Ratio(exact(ratio))).ok_or_else(wrong)
        })
    }
}

impl Bounds<Money> {
    /// Reads a cost.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn money(text: &str) -> Result<Self, String> {
        Self::parse(text, |one| {
            let wrong = || format!("`{one}` is not a cost; write it as `\"<=0.01\"`, in the currency of the prices");
            positive(one).map(Money).ok_or_else(wrong)
        })
    }
}

impl Share {
    /// Reads `40%` or `0.4`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let share = match text.strip_suffix('%') {
            Some(percent) => positive(percent.trim_end()).map(|percent| percent / 100.0),
            None => positive(text),
        };
        match share {
            Some(share) if share <= 1.0 => Ok(Self(exact(share))),
            Some(_) if text.ends_with('%') => Err(format!("`{text}` is more than the whole")),
            Some(_) => Err(format!("`{text}` is more than the whole; write `{text}%` if that is meant")),
            None => Err(format!("`{text}` is not a share; write `40%`, `\">=99%\"` or `40%..60%`")),
        }
    }

    /// The share that `part` is of `whole`; none of nothing.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        Ratio::of(part, whole).map(|ratio| Self(ratio.0))
    }
}

impl Ratio {
    /// How many of `part` come to one of `whole`; none of nothing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self(exact(part as f64 / whole as f64)))
    }
}

/// The nearest number with nine digits after the point, so that `99.9%` is 999 of 1000.
fn exact(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// A number from 0 on.
fn positive(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", short(self.0 * 100.0, 2))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(self.0, 3))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(self.0, 8))
    }
}

/// A number with at most so many digits after the point.
fn short(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl<T: fmt::Display + PartialEq> fmt::Display for Bounds<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.least, &self.most) {
            (Some(least), Some(most)) if least == most => write!(f, "{least}"),
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("any number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_or_parts_of_one() {
        let read = |text: &str| Bounds::share(text).map(|bounds| bounds.to_string());
        for (text, said) in [
            ("40%..60%", "40% to 60%"),
            (">=99.9%", "at least 99.9%"),
            ("0.5", "50%"),
            ("<=0.125", "at most 12.5%"),
            ("..5%", "at most 5%"),
            ("100%", "100%"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(said), "{text}");
        }
        for text in ["40", "101%", "-1%", "nan", "inf%", "60%..40%", "%", "", ">5%", "half"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("40").unwrap_err().contains("`40%`"));
    }

    #[test]
    fn ratios_and_costs_are_numbers_from_0() {
        assert_eq!(Bounds::ratio("<=1.5").unwrap().to_string(), "at most 1.5");
        assert_eq!(Bounds::ratio("1..1.25").unwrap().to_string(), "1 to 1.25");
        assert_eq!(Bounds::money("<=0.01").unwrap().to_string(), "at most 0.01");
        assert_eq!(Money(0.000_012_5).to_string(), "0.0000125");
        for text in ["-1", "<=x", "1e999", "NaN", "$5"] {
            assert!(Bounds::ratio(text).is_err() && Bounds::money(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!(Share::of(1, 4), Some(Share(0.25)));
        assert_eq!(Share::of(0, 0), None);
    }

    #[test]
    fn a_bound_holds_what_is_just_on_it() {
        for (part, whole, bounds) in
            [(999, 1000, ">=99.9%"), (29, 100, "29%"), (7, 1000, "<=0.7%"), (1, 3, "<=0.333333334")]
        {
            assert!(
                Bounds::share(bounds).unwrap().contain(Share::of(part, whole).unwrap()),
                "{part} of {whole} {bounds}"
            );
        }
        assert!(!Bounds::share(">=99.9%").unwrap().contain(Share::of(998, 1000).unwrap()));
    }
}
