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
mod expand;
pub mod expect;
mod fields;
mod load;
pub mod names;
pub mod pattern;
mod read;
mod redact;

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::source::{Diagnostics, FileId, Sources, Span, Spanned};
use crate::topology::{Credential, Topology};

pub use crate::topology::Personality;
pub use expect::{Check, Expectation};
pub use load::{Disk, Files, LoadError, load, load_from};
pub use names::{ProviderId, Target};
pub use pattern::Pattern;

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
    /// What it is about, for people.
    pub about: Option<String>,
    /// The seed that it pins. Without one a run chooses.
    pub seed: Option<Spanned<u64>>,
    /// Wall-clock time at which the lab starts; the lab has its own where this is absent.
    pub start: Option<Timestamp>,
    /// The gateway.
    pub gateway: GatewaySpec,
    /// What is done, in order.
    pub steps: Vec<Spanned<Step>>,
    /// What is expected of the run as a whole.
    pub expect: Vec<Expectation>,
    /// What the manifests describe.
    pub topology: Topology,
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
    /// Which replica takes a request.
    pub spread: Spread,
}

/// Replicas of the gateway, at most.
pub const MAX_REPLICAS: u32 = 64;
/// Requests of one step, at most.
pub const MAX_TIMES: u32 = 1_000_000;

/// Which replica takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// One after the other, from the first on.
    #[default]
    RoundRobin,
    /// Any, each as likely.
    Random,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Requests, one after the other.
    Send(Box<Send>),
    /// Time passes.
    Wait(Span),
    /// A sentence for the person watching.
    Note(String),
    /// A part of the lab is stopped and started again.
    Restart(Restart),
}

/// What is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Every replica of the gateway: `restart: gateway`.
    Gateway,
    /// One replica, from 0: `restart: gateway/1`.
    Replica(u32),
}

/// Requests that one step sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Send {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// What is asked.
    pub content: Content,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Headers beside those that the content needs, in the order of the file.
    pub headers: Vec<(String, String)>,
    /// The client's own key, sent as `Authorization: Bearer …`.
    pub key: Option<Credential>,
    /// How many requests, from 1 to [`MAX_TIMES`].
    pub times: u32,
    /// From the end of one answer to the next request.
    pub gap: Span,
    /// What is expected of these requests.
    pub expect: Vec<Expectation>,
}

/// What a request asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A chat with one message.
    Prompt {
        /// The message of the user.
        prompt: String,
        /// The model that the client names; empty where it leaves the choice to the gateway.
        model: String,
    },
    /// This JSON, unchanged.
    Body(Json),
    /// Nothing, as for a GET.
    Nothing,
}

/// The prompt of a request that names none.
pub const DEFAULT_PROMPT: &str = "What is 2+2?";

impl Scenario {
    /// The steps that send, with their positions.
    pub fn sends(&self) -> impl Iterator<Item = (usize, &Send)> {
        self.steps.iter().enumerate().filter_map(|(index, step)| match &step.value {
            Step::Send(send) => Some((index, send.as_ref())),
            Step::Wait(_) | Step::Note(_) | Step::Restart(_) => None,
        })
    }

    /// The files as a recording may hold them: variables expanded, and every secret replaced by a
    /// text that means the same and tells nothing. Lines stay where they are.
    #[must_use]
    pub fn redacted_sources(&self) -> Sources {
        self.recorded.clone()
    }
}

impl Step {
    /// Its verb, as the file has it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Wait(_) => "wait",
            Self::Note(_) => "note",
            Self::Restart(_) => "restart",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Send(send) => send.summary(),
            Self::Wait(span) => format!("wait {span}"),
            Self::Note(text) => text.clone(),
            Self::Restart(Restart::Gateway) => "restart the gateway".to_owned(),
            Self::Restart(Restart::Replica(replica)) => format!("restart replica {replica} of the gateway"),
        }
    }
}

impl Send {
    fn summary(&self) -> String {
        let Self { method, path, times, .. } = self;
        let stream = if self.stream { ", streamed" } else { "" };
        match times {
            1 => format!("send {method} {path}{stream}"),
            _ => format!("send {times} × {method} {path}{stream}"),
        }
    }

    /// The JSON that each of its requests carries, if any.
    #[must_use]
    pub fn body(&self) -> Option<Json> {
        match &self.content {
            Content::Nothing => None,
            Content::Body(json) => Some(json.clone()),
            Content::Prompt { prompt, model } => {
                let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": prompt }] });
                if self.stream {
                    body["stream"] = Json::Bool(true);
                }
                Some(body)
            }
        }
    }
}

impl Spread {
    /// Every way to spread, with its name in a file.
    pub const ALL: [(&'static str, Self); 2] = [("round-robin", Self::RoundRobin), ("random", Self::Random)];

    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
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
