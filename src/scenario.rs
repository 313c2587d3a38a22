//! What should happen: scenario files, read and checked.
//!
//! The second part of the flow. A scenario names the manifests that make the lab, the steps to play
//! and what is expected of them:
//!
//! ```yaml
//! name: Inter-group failover
//! about: The preferred provider is rate limited; the lower group takes over for a minute.
//! seed: 7                                  # optional: one outcome of chance
//! lab:
//!   manifests: [manifests/mock-429.yaml, manifests/inter-group.yaml]
//!   secrets: { openai-secret: { Authorization: "Bearer sk-labsim" } }
//!   gateway: { replicas: 1, personality: agentgateway-0.12, spread: round-robin }
//! steps:
//!   - note: The first request meets the rate limit
//!   - send: { path: /openai, times: 3, expect: { pattern: "429@mock-ratelimit-provider 200@openai-provider{2}" } }
//!   - wait: 61s
//!   - restart: gateway
//! expect:
//!   evictions: { mock-ratelimit-provider: { count: 1, lasts: 60s } }
//! ```
//!
//! A step is a map with one verb. What may stand under `expect`, on a step or on the whole run, is
//! told in [`expect`]; the patterns of answers in [`pattern`]. Every mistake of a file is found
//! before anything starts, all at once, with its place. Names in expectations are checked against
//! the manifests.

mod check;
mod compose;
mod expand;
pub mod expect;
mod fields;
pub mod invariants;
mod load;
pub mod names;
pub mod pattern;
mod read;
mod redact;
pub mod schema;
pub mod session;
pub mod step;
mod under;

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;

use crate::source::{Diagnostics, FileId, Sources, Span, Spanned};
use crate::topology::{Bug, Topology};

pub use crate::kube::change::{Change, Manifest, Manifests};
pub use crate::topology::Personality;
pub use expect::{Check, Expectation};
pub use load::{Disk, Draft, Files, LoadError, Overridden, load, load_from};
pub use names::{ProviderId, Target};
pub use pattern::Pattern;
pub use step::{Content, DEFAULT_PROMPT, MAX_TIMES, Restart, Send, Step};

/// A scenario that was read and found sound.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario file first, then its manifests; for people: secrets are asterisks, every byte
    /// in its place.
    pub sources: Sources,
    /// The scenario file.
    pub file: FileId,
    /// Its name, for reports.
    pub name: String,
    /// Its number in a catalogue.
    pub id: Option<String>,
    /// What it is about, for people.
    pub about: Option<String>,
    /// Why that matters, for people.
    pub why: Option<String>,
    /// Where people met it: addresses on the web.
    pub links: Vec<String>,
    /// The seed that it pins. Without one a run chooses.
    pub seed: Option<Spanned<u64>>,
    /// Wall-clock time at which the lab starts; the lab has its own where this is absent.
    pub start: Option<Timestamp>,
    /// The gateway.
    pub gateway: GatewaySpec,
    /// The personalities under which it holds; the gateway has one of them, unless the command line says
    /// otherwise.
    pub personalities: Vec<Personality>,
    /// What the tokens of models cost.
    pub prices: Vec<Price>,
    /// What is done: first the steps of the file in their order, those within another step right
    /// behind it, then those of the schedule. See [`Scenario::sequence`].
    pub steps: Vec<Spanned<Step>>,
    /// What is done at certain moments of the run beside its steps: when, and which of `steps`.
    pub schedule: Vec<(Span, usize)>,
    /// What is expected of the run as a whole.
    pub expect: Vec<Expectation>,
    /// Invariants that do not count here.
    pub invariants_off: Vec<invariants::TurnedOff>,
    /// What the manifests describe.
    pub topology: Topology,
    /// What they describe after each step that applies or deletes some, in the order of the file.
    pub later: Vec<Topology>,
    /// The manifests themselves.
    pub manifests: Manifests,
    /// What the author should know though the lab runs.
    pub warnings: Diagnostics,
    /// See [`Scenario::redacted_sources`].
    recorded: Sources,
}

/// The gateway that a scenario wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewaySpec {
    /// How many replicas: the scenario's, else the manifests', else one. From 1 to [`MAX_REPLICAS`].
    pub replicas: u32,
    /// As which version of which gateway it behaves.
    pub personality: Personality,
    /// Whether the scenario names it; else it is the newest.
    pub named: bool,
    /// Which replica takes a request.
    pub spread: Spread,
    /// The bug that it has.
    pub broken: Option<Bug>,
}

/// What the tokens of a model cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// The model; a dated name has the price of the bare one.
    pub model: String,
    /// A million tokens of prompts.
    pub input: f64,
    /// A million tokens of answers.
    pub output: f64,
}

/// Replicas of the gateway, at most.
pub const MAX_REPLICAS: u32 = 64;
/// HTTP methods that a step may send with.
pub const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Which replica takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// One after the other, from the first on.
    #[default]
    RoundRobin,
    /// Any, each as likely.
    Random,
    /// The same for all requests with the same key.
    Sticky,
}

impl Scenario {
    /// What the manifests describe, at first and after each change.
    pub fn topologies(&self) -> impl Iterator<Item = &Topology> {
        std::iter::once(&self.topology).chain(&self.later)
    }

    /// Whether an expectation asks for the text of the answers to these requests.
    #[must_use]
    pub fn asks_for_text(&self, send: &Send) -> bool {
        let of_body =
            |one: &Expectation| matches!(&one.check, Check::Answers { that: expect::Trait::BodyContains(_), .. });
        send.expect.iter().chain(&self.expect).any(of_body)
    }

    /// The steps that send, with their positions.
    pub fn sends(&self) -> impl Iterator<Item = (usize, &Send)> {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(index, step)| Some((index, step.value.request()?)))
    }

    /// The positions of the steps that are done in order, one after the other.
    #[must_use]
    pub fn in_order(&self) -> Vec<usize> {
        let end = self.schedule.first().map_or(self.steps.len(), |(_, first)| *first);
        self.sequence(0..end)
    }

    /// The positions within a range of steps that are done one after the other; what stands within one
    /// of them is done by it.
    #[must_use]
    pub fn sequence(&self, range: Range<usize>) -> Vec<usize> {
        let mut positions = Vec::new();
        let mut next = range.start;
        while next < range.end {
            positions.push(next);
            next = match self.steps.get(next).map(|step| &step.value) {
                Some(Step::Parallel(branches)) => branches.last().map_or(next + 1, |last| last.end.max(next + 1)),
                _ => next + 1,
            };
        }
        positions
    }

    /// The files as a recording may hold them: variables expanded, and every secret replaced by a
    /// text that means the same and tells nothing. Lines stay where they are.
    #[must_use]
    pub fn redacted_sources(&self) -> Sources {
        self.recorded.clone()
    }
}

impl Spread {
    /// Every way to spread, with its name in a file.
    pub const ALL: [(&'static str, Self); 3] =
        [("round-robin", Self::RoundRobin), ("random", Self::Random), ("sticky", Self::Sticky)];

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::Sticky => "sticky",
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
pub(crate) mod tests;
