//! What is expected of a step, or of the run as a whole.
//!
//! The same keys may stand under `expect` in both places; on a step they speak of its requests.
//!
//! ```yaml
//! expect:
//!   pattern: "429@mock 200@openai{2}"        # the answers, in order
//!   status: { 200: 8, 4xx: "<=1" }           # how many requests ended so
//!   reached: { mock: "0..1", openai: ">=1" } # how many attempts each provider got
//!   never-reached: [fallback]                # none at all
//!   model: gpt-4o                            # every answer comes from this model
//!   headers: { content-type: { contains: json } }
//!   body: { contains: "Four." }              # or `json: {…}`, a subset
//!   answers:                                 # the same three, of certain answers only
//!     429@mock: { headers: { retry-after: "60" } }
//!   evictions: { mock: { count: 1, lasts: 60s } }
//!   exercises: [eviction, { reached: mock }]
//! ```
//!
//! A **count** is `3`, `">=1"`, `"<=1"` or `0..1`; a **time** is `60s`, `">=60s"`, `"<=3s"` or `59s..61s`.
//!
//! **Unknown, not green.** `exercises` says what must have happened for a run to mean anything. If it
//! did not, nothing has failed, but the verdict is *unknown*. So "the failing provider is hit at most
//! once, and a run that never hit it says nothing" is written
//!
//! ```yaml
//! expect:
//!   reached: { mock: "<=1" }
//!   exercises: [{ reached: mock }]
//! ```
//!
//! Some expectations imply it: evictions that were expected of a provider that got no request at
//! all, and answers of a kind that never came, are unknown.

use std::fmt;

use serde_json::Value as Json;

use super::names::Target;
use super::pattern::{Answer, Item, Pattern};
use crate::source::{Place, Span};

/// One expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where it stands.
    pub place: Place,
    /// What is expected.
    pub check: Check,
}

/// What is expected. On a step it speaks of the step's requests, on a run of all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The answers follow this pattern.
    Pattern(Pattern),
    /// So many requests end so.
    Status {
        /// How they end.
        answer: Answer,
        /// How many.
        count: Bounds<u64>,
    },
    /// So many attempts are made at a provider; or so many requests are answered by the gateway itself.
    Reached {
        /// Who.
        target: Target,
        /// How many.
        count: Bounds<u64>,
    },
    /// Something holds for every answer, or for every one of a kind.
    Answers {
        /// The kind; all where absent.
        of: Option<Item>,
        /// What holds.
        that: Trait,
    },
    /// A provider is evicted so many times, each time for so long.
    Evictions {
        /// Who.
        target: Target,
        /// How many times, over all replicas.
        count: Bounds<u64>,
        /// How long each lasts, by its deadline.
        lasts: Option<Bounds<Span>>,
    },
    /// The run must have exercised this, or else it says nothing.
    Exercises(Exercise),
}

/// What an answer may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Trait {
    /// It says that this model answered. A dated name matches the bare one: `gpt-4o-2024-08-06`, `gpt-4o`.
    Model(String),
    /// Its body contains this text.
    BodyContains(String),
    /// Its body is JSON that has at least this.
    BodyJson(Json),
    /// It has a header like this.
    Header {
        /// The header's name, in lower case.
        name: String,
        /// Its value.
        value: HeaderValue,
    },
}

/// What a header's value is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// Exactly this. With several headers of the name, one of them.
    Is(String),
    /// It contains this text.
    Contains(String),
    /// The header is there.
    Present,
    /// The header is not there.
    Absent,
}

/// Something that a run must have exercised.
#[derive(Debug, Clone, PartialEq)]
pub struct Exercise {
    /// What.
    pub what: Feat,
    /// Of whom; anybody where absent.
    pub target: Option<Target>,
}

/// What can be exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feat {
    /// A provider was tried.
    Reached,
    /// A provider was evicted.
    Eviction,
    /// An evicted provider came back at its deadline.
    Return,
    /// A provider that had come back was tried again.
    Probe,
    /// A provider that had come back was tried again, and evicted again.
    FailedProbe,
    /// A request was answered by a group below the first.
    LowerGroup,
    /// A request was served while every provider was evicted.
    AllEvicted,
    /// A request took more than one attempt.
    Retry,
}

/// From where to where, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds<T> {
    /// At least.
    pub least: Option<T>,
    /// At most.
    pub most: Option<T>,
}

impl Feat {
    /// Everything that can be exercised: its name in a file, who does it, and what.
    pub const TABLE: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Reached, "reached", "a provider", "is tried"),
        (Self::Eviction, "eviction", "a provider", "is evicted"),
        (Self::Return, "return", "a provider", "comes back when its eviction ends"),
        (Self::Probe, "probe", "a provider", "is tried again after it came back"),
        (Self::FailedProbe, "failed-probe", "a provider", "is evicted again after it came back"),
        (Self::LowerGroup, "lower-group", "a group below the first", "answers"),
        (Self::AllEvicted, "all-evicted", "a request", "is served while every provider is evicted"),
        (Self::Retry, "retry", "a request", "takes more than one attempt"),
    ];

    fn line(self) -> (&'static str, &'static str, &'static str) {
        let line = Self::TABLE.iter().find(|(feat, ..)| *feat == self);
        line.map_or(("", "", ""), |(_, name, who, what)| (name, who, what))
    }

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.line().0
    }

    /// Whether it may be asked of one provider.
    #[must_use]
    pub fn is_of_a_provider(self) -> bool {
        self.line().1 == "a provider"
    }
}

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

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "answers follow {pattern}"),
            Self::Status { answer, count } => match count.times().as_str() {
                "never" => write!(f, "{answer} never comes"),
                times => write!(f, "{answer} comes {times}"),
            },
            Self::Reached { target, count } => match count.times().as_str() {
                "never" => write!(f, "{target} is never reached"),
                times => write!(f, "{target} is reached {times}"),
            },
            Self::Answers { of: None, that } => write!(f, "every answer {that}"),
            Self::Answers { of: Some(item), that } => write!(f, "every {item} {that}"),
            Self::Evictions { target, count, lasts } => match (count.times().as_str(), lasts) {
                ("never", _) => write!(f, "{target} is never evicted"),
                (times, None) => write!(f, "{target} is evicted {times}"),
                (times, Some(lasts)) => write!(f, "{target} is evicted {times}, for {lasts}"),
            },
            Self::Exercises(exercise) => exercise.fmt(f),
        }
    }
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(model) => write!(f, "comes from model {model}"),
            Self::BodyContains(text) => write!(f, "contains {text:?}"),
            Self::BodyJson(json) => write!(f, "has {json}"),
            Self::Header { name, value } => match value {
                HeaderValue::Is(value) => write!(f, "has {name}: {value}"),
                HeaderValue::Contains(part) => write!(f, "has {name} with {part:?}"),
                HeaderValue::Present => write!(f, "has {name}"),
                HeaderValue::Absent => write!(f, "has no {name}"),
            },
        }
    }
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, who, what) = self.what.line();
        match &self.target {
            None => write!(f, "{who} {what}"),
            Some(target) => write!(f, "{target} {what}"),
        }
    }
}
