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
//!   cancelled: { mock: 1 }                   # how many of them the provider saw given up
//!   model: gpt-4o                            # every answer comes from this model
//!   headers: { content-type: { contains: json } }
//!   body: { contains: "Four." }              # or `json: {…}`, a subset
//!   answers:                                 # the same three, of certain answers only
//!     429@mock: { headers: { retry-after: "60" } }
//!   provider: openai                         # or `endpoint: api.openai.com:443`
//!   group: { 0: 3, 1: ">=1" }                # how many requests each group answered
//!   shares: { openai: "40%..60%" }           # of all attempts
//!   success: ">=99%"                         # of requests, with a whole 2xx
//!   amplification: "<=1.5"                   # attempts for each request
//!   latency: { p50: "<=100ms", p99: "<=2s" } # from the intended start to the end; also mean, min, max
//!   ttft: { p99: "<=1s" }                    # to the first token of a stream
//!   inter-token: { mean: "<=50ms" }          # between the tokens of a stream
//!   tokens: { total: "<=1000" }              # also prompt, completion; what the providers spent
//!   cost: "<=0.01"                           # of those, by the scenario's `prices`
//!   evictions: { mock: { count: 1, lasts: 60s, ends: 60s..61s } }
//!   exercises: [eviction, { reached: mock }]
//!   frequencies: { "429 200{2}": 50%, "200 429 200": 37.5%, tolerance: 2% }
//! ```
//!
//! A **count** is `3`, `">=1"`, `"<=1"` or `0..1`; a **time** is `60s`, `">=60s"`, `"<=3s"` or `59s..61s`; a
//! **share** is `40%`, `">=99%"` or `40%..60%`.
//!
//! **Figures** are of the requests that have them, and *unknown* where none has: a time to first token
//! takes a stream that began. A percentile is the smallest value that at least so many do not exceed.
//!
//! **Frequencies** are judged over many seeds, within a `tolerance` or by a chi-squared test at a
//! `level`. A single run only shows whether what came may come at all.
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

mod bounds;
mod words;

use jsonpath_rust::parser::model::JpQuery;
use serde_json::Value as Json;

use super::names::Target;
use super::pattern::{Answer, Item, Pattern};
use crate::source::{Place, Span};

pub use bounds::{Bounds, Money, Ratio, Share};

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
    /// So many attempts at a provider are given up before their end, and the provider hears of it.
    Cancelled {
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
        /// When each ends: time since the lab's start.
        ends: Option<Bounds<Span>>,
    },
    /// So many requests are answered by a provider of this group.
    Group {
        /// The group, from 0.
        group: usize,
        /// How many.
        count: Bounds<u64>,
    },
    /// A provider gets such a share of all attempts.
    Share {
        /// Who.
        target: Target,
        /// How much.
        share: Bounds<Share>,
    },
    /// Such a share of requests ends with a whole answer of class 2xx.
    Success(Bounds<Share>),
    /// So many attempts are made for each request.
    Amplification(Bounds<Ratio>),
    /// A figure over what the requests took.
    Timing {
        /// What they took.
        of: Timed,
        /// Which figure.
        figure: Figure,
        /// What it is.
        within: Bounds<Span>,
    },
    /// So many tokens are spent.
    Tokens {
        /// Which.
        of: TokenKind,
        /// How many.
        count: Bounds<u64>,
    },
    /// The tokens cost so much.
    Cost(Bounds<Money>),
    /// Over many seeds, patterns come so often.
    Frequencies(Frequencies),
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
    /// Its body is JSON in which a path leads to this.
    BodyPath {
        /// The path (RFC 9535).
        path: JsonPath,
        /// What it leads to; with several values, one of them.
        value: PathValue,
    },
    /// A provider answered it: any of those whom the target means.
    Provider(Target),
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

/// A path into JSON, as RFC 9535 has it.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    /// As the file has it.
    pub text: String,
    /// The path that was read.
    pub query: JpQuery,
}

/// What a path into a body leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum PathValue {
    /// Exactly this.
    Is(Json),
    /// Text that contains this.
    Contains(String),
    /// Something.
    Present,
    /// Nothing.
    Absent,
}

/// What can be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// From the intended start to the end of the answer.
    Latency,
    /// From the intended start to the first token of a stream.
    FirstToken,
    /// From one token of a stream to the next, on average over the stream.
    InterToken,
}

/// A figure over many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The smallest.
    Min,
    /// The mean.
    Mean,
    /// The greatest.
    Max,
    /// The smallest that at least so many of a thousand do not exceed.
    PerMille(u16),
}

/// Which tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Those of the prompts.
    Prompt,
    /// Those of the answers.
    Completion,
    /// Both.
    Total,
}

/// How often patterns come over many seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies {
    /// Patterns with their shares; a run counts for the first that it follows.
    pub patterns: Vec<(Pattern, Share)>,
    /// How far off they may be.
    pub agreement: Agreement,
}

/// How far counts may be from their shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agreement {
    /// Each share is at most so far off.
    Tolerance(Share),
    /// A chi-squared test does not reject them at this level.
    Level(f64),
}

/// The level of a chi-squared test where a scenario names none.
pub const DEFAULT_LEVEL: f64 = 0.001;

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
    /// A provider was tried again once its eviction had ended.
    Probe,
    /// A provider was tried again once its eviction had ended, and evicted again.
    FailedProbe,
    /// A request was answered by a group below the first.
    LowerGroup,
    /// A request was served while every provider was evicted.
    AllEvicted,
    /// A request took more than one attempt.
    Retry,
}

impl Feat {
    /// Everything that can be exercised: its name in a file, who does it, and what.
    pub const TABLE: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Reached, "reached", "a provider", "is tried"),
        (Self::Eviction, "eviction", "a provider", "is evicted"),
        (Self::Return, "return", "a provider", "comes back when its eviction ends"),
        (Self::Probe, "probe", "a provider", "is tried again after its eviction"),
        (Self::FailedProbe, "failed-probe", "a provider", "is evicted again after its eviction"),
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

impl Timed {
    /// Everything that can be timed: its name in a file, and in words.
    pub const TABLE: [(Self, &'static str, &'static str); 3] = [
        (Self::Latency, "latency", "latency"),
        (Self::FirstToken, "ttft", "time to first token"),
        (Self::InterToken, "inter-token", "time between tokens"),
    ];
}

impl Figure {
    /// Every figure with its name in a file.
    pub const TABLE: [(&'static str, Self); 9] = [
        ("min", Self::Min),
        ("mean", Self::Mean),
        ("p50", Self::PerMille(500)),
        ("p75", Self::PerMille(750)),
        ("p90", Self::PerMille(900)),
        ("p95", Self::PerMille(950)),
        ("p99", Self::PerMille(990)),
        ("p99.9", Self::PerMille(999)),
        ("max", Self::Max),
    ];
    /// The names of all figures.
    pub const NAMES: &'static [&'static str] = &["p50", "p99", "max", "mean", "min", "p75", "p90", "p95", "p99.9"];
}

impl TokenKind {
    /// Every kind with its name in a file.
    pub const TABLE: [(&'static str, Self); 3] =
        [("prompt", Self::Prompt), ("completion", Self::Completion), ("total", Self::Total)];
    /// The names of all kinds.
    pub const NAMES: &'static [&'static str] = &["prompt", "completion", "total"];
}

impl Frequencies {
    /// The shares together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.patterns.iter().map(|(_, share)| share.0).sum()
    }

    /// Whether they leave room for what follows none of the patterns.
    #[must_use]
    pub fn leave_room(&self) -> bool {
        self.total() < 1.0 - ROUNDING
    }
}

/// How far shares that were rounded may be from the whole.
pub const ROUNDING: f64 = 1e-6;
