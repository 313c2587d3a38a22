//! What happened: the one stream of facts that comes out of a lab.
//!
//! Events are plain data with a virtual time and a sequence number. Console lines, reports, the
//! screen and every verdict are folds over them. Secrets never enter an event: a credential appears
//! as its reference. `docs/events.md` lists the kinds.

pub mod bus;
pub mod facts;
pub mod history;
mod ids;
pub mod log;
mod lookup;
pub mod measured;
pub mod trace;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use bus::{Bus, Sink, WithBodies};
pub use facts::{Answer, Arrival, Digest, OwnRule, Parameters};
pub use history::History;
pub use ids::Taken;
pub use log::{BackendRecord, ProviderRecord};
pub(crate) use lookup::Lookup;
pub use measured::{Aims, Measured};

/// A moment: microseconds since the lab's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub u64);

/// The name under which client, gateway and provider speak of one request: its `x-request-id`, unless
/// another request goes by that.
pub type RequestId = String;

/// One fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the stream, from 0, without gaps.
    pub seq: u64,
    /// When it happened.
    pub at_us: At,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Headers in the order in which they were sent; credentials as their references.
pub type Headers = Vec<(String, String)>;

/// What happened. Consumers match exhaustively, so that each decides what a new kind means to it.
///
/// What is long and rare to read is in a box: events are copied on their way to those who listen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Kind {
    /// A step of the scenario begins.
    StepStarted {
        /// Position of the step in the scenario, from 0.
        step: usize,
        /// Its verb: `send`, `wait`, …
        verb: String,
        /// What it does, for people.
        summary: String,
        /// The step as a scenario would have it, where a person asked for it in mid-run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        act: Option<Json>,
        /// What counts as good, where it is a load.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        load: Option<Aims>,
    },
    /// A step of the scenario is over.
    StepEnded {
        /// Position of the step in the scenario, from 0.
        step: usize,
        /// Why it did not do what it should: what it waited for never came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// A replica of the gateway is ready. Its health state is empty.
    ReplicaStarted {
        /// Number of the replica, from 0.
        replica: u32,
    },
    /// A replica of the gateway is gone, and its health state with it.
    ReplicaStopped {
        /// Number of the replica, from 0.
        replica: u32,
    },

    /// A replica of the gateway has taken another configuration, since manifests were applied or
    /// deleted. Requests under way finish with the one before.
    ReplicaConfigured {
        /// Number of the replica, from 0.
        replica: u32,
        /// The backends that it has from now on.
        backends: Vec<BackendRecord>,
        /// Providers whose health state ends here: they are gone, or begin anew.
        reset: Vec<ProviderName>,
    },

    /// The client sends a request.
    ClientRequestSent {
        /// The request.
        request: RequestId,
        /// The step that it belongs to; none where a person sent it.
        step: Option<usize>,
        /// The replica that it is sent to; none where something else decides.
        replica: Option<u32>,
        /// HTTP method.
        method: String,
        /// Path with query.
        path: String,
        /// Whether a stream was asked for.
        stream: bool,
        /// Request headers.
        headers: Headers,
        /// Request body, up to 4 KiB.
        body: String,
        /// When it should have been sent, where a load says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        intended_us: Option<At>,
        /// The first request of the question, where a client asks it again by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_of: Option<RequestId>,
    },
    /// The client has the response's head.
    ClientResponseStarted {
        /// The request.
        request: RequestId,
        /// Status code.
        status: u16,
        /// Response headers.
        headers: Headers,
    },
    /// The client has the first token of a stream.
    ClientFirstToken {
        /// The request.
        request: RequestId,
    },
    /// The request is over for the client. Exactly one for each request.
    ClientRequestEnded {
        /// The request.
        request: RequestId,
        /// How it ended.
        outcome: Outcome,
        /// Status code, if a head came.
        status: Option<u16>,
        /// The model that answered, as the response says.
        model: Option<String>,
        /// Tokens, as the response says.
        usage: Option<Usage>,
        /// Response body, up to 4 KiB.
        body: String,
        /// The text of a stream, its pieces joined, up to 64 KiB; where `body` does not hold all of the stream, and
        /// something asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Whole length of the response body in bytes.
        body_bytes: u64,
        /// The whole response body, to be compared with what its provider sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },

    /// The gateway has read a request's head.
    GatewayRequestReceived {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// HTTP method.
        method: String,
        /// Path with query.
        path: String,
        /// Reference of the credential that came with it.
        credential: Option<String>,
        /// What else is known of its coming; reports show it.
        #[serde(default, skip_serializing_if = "facts::is_default")]
        arrival: Box<Arrival>,
    },
    /// The gateway has found the route and chosen the backend.
    GatewayRequestRouted {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// Route as `namespace/name`.
        route: String,
        /// Position of the rule in the route, from 0.
        rule: usize,
        /// Backend as `namespace/name`.
        backend: String,
        /// The path match of the rule as agentgateway names spans: `/*`, `/openai/*`, `/exact`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path_match: Option<String>,
        /// The rule's own name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule_name: Option<String>,
    },
    /// The gateway has chosen a provider for an attempt.
    ProviderSelected {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// The attempt, from 0.
        attempt: u32,
        /// Backend as `namespace/name`.
        backend: String,
        /// Group of the provider, from 0.
        group: usize,
        /// The provider.
        provider: String,
        /// Whether evicted providers were chosen from, since none was active anywhere.
        fallback: bool,
        /// Whom the choice was among.
        candidates: Vec<Candidate>,
        /// Positions in `candidates` that were drawn.
        draws: Vec<usize>,
    },
    /// The gateway sends an attempt to its provider.
    AttemptStarted {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// The attempt, from 0.
        attempt: u32,
        /// The provider.
        provider: String,
        /// The provider's address, as the configuration has it.
        endpoint: String,
        /// The model that is asked for.
        model: Option<String>,
        /// Reference of the credential that is sent along.
        credential: Option<String>,
    },
    /// An attempt is over: its response's body has ended, or it failed.
    AttemptEnded {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// The attempt, from 0.
        attempt: u32,
        /// The provider.
        provider: String,
        /// How it ended.
        outcome: Outcome,
        /// The provider's status code, if a head came.
        status: Option<u16>,
        /// What went wrong, if the gateway has words for it.
        error: Option<String>,
        /// The provider's own `Retry-After`, before any filter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
    },
    /// A provider's health has changed on one replica.
    HealthChanged {
        /// The replica.
        replica: u32,
        /// Backend as `namespace/name`.
        backend: String,
        /// The provider.
        provider: String,
        /// The request whose response changed it; none where the end of an eviction did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Moving average of success, 0 to 1.
        health: f64,
        /// Moving average of latency in seconds; 0 while unknown.
        latency_seconds: f64,
        /// Failures since the last success.
        consecutive_failures: u32,
        /// Evictions since the last success.
        times_ejected: u32,
    },
    /// A provider is evicted on one replica.
    ProviderEvicted {
        /// The replica.
        replica: u32,
        /// Backend as `namespace/name`.
        backend: String,
        /// Group of the provider, from 0.
        group: usize,
        /// The provider.
        provider: String,
        /// The request whose response caused it.
        request: RequestId,
        /// When it ends, by its own deadline.
        until_us: At,
        /// Where the duration was taken from: `retry-after`, `x-ratelimit-reset`, …
        source: String,
        /// Status code that caused it.
        status: u16,
    },
    /// A provider may be chosen again on one replica.
    ProviderReturned {
        /// The replica.
        replica: u32,
        /// Backend as `namespace/name`.
        backend: String,
        /// Group of the provider, from 0.
        group: usize,
        /// The provider.
        provider: String,
    },
    /// The request is over for the gateway: what its access log says.
    GatewayRequestEnded {
        /// The request.
        request: RequestId,
        /// The replica.
        replica: u32,
        /// Status code sent to the client.
        status: u16,
        /// How the response to the client ended.
        outcome: Outcome,
        /// The provider of the last attempt.
        provider: Option<String>,
        /// Its group, from 0.
        group: Option<usize>,
        /// Its address.
        endpoint: Option<String>,
        /// The model asked for.
        request_model: Option<String>,
        /// The model that answered.
        response_model: Option<String>,
        /// Tokens, as the response says.
        usage: Option<Usage>,
        /// How many attempts there were.
        attempts: u32,
        /// What went wrong, if the gateway itself answered.
        error: Option<String>,
        /// A word for it: `Timeout`, `UpstreamFailure`, …
        reason: Option<String>,
        /// What else is known of the answer; reports show it.
        #[serde(default, skip_serializing_if = "facts::is_default")]
        answer: Box<Answer>,
    },

    /// A provider has read a request.
    ProviderRequestReceived {
        /// The request, if it came with an id.
        request: Option<RequestId>,
        /// The attempt, from 0.
        attempt: u32,
        /// The simulator: a pod's name, or `api.openai.com`.
        host: String,
        /// Path with query.
        path: String,
        /// The model asked for.
        model: Option<String>,
        /// Whether a stream was asked for.
        stream: bool,
        /// Reference of the credential that came with it; `unknown` for one that the lab does not know.
        credential: Option<String>,
        /// Headers among its own that concern one connection only, and should not have come this far.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hop_by_hop: Vec<String>,
    },
    /// A provider is done with a request.
    ProviderRequestEnded {
        /// The request, if it came with an id.
        request: Option<RequestId>,
        /// The attempt, from 0.
        attempt: u32,
        /// The simulator: a pod's name, or `api.openai.com`.
        host: String,
        /// Status code sent.
        status: u16,
        /// How it ended.
        outcome: Outcome,
        /// The failure that was injected, if one was.
        injected: Option<String>,
        /// Tokens of the answer.
        usage: Option<Usage>,
        /// The body as the simulator wrote it, before any fault; none where it did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// A fault is injected.
    FaultInjected {
        /// Its number, from 1.
        fault_id: u64,
        /// Its kind: `stall`, `reset`, …
        fault: String,
        /// Whom it meets, as it was written.
        target: String,
        /// Everything about it, as an `inject` step would have it.
        injection: Json,
        /// When it begins to act.
        from_us: At,
        /// When it is cleared by itself, if it is.
        until_us: Option<At>,
    },
    /// A fault has struck: a request, or a connection where the network is faulty.
    FaultStruck {
        /// Its number.
        fault_id: u64,
        /// Its kind.
        fault: String,
        /// The request, where that is known.
        request: Option<RequestId>,
        /// The attempt, from 0.
        attempt: u32,
        /// Where: the simulator, or the link as `from -> to`.
        place: String,
    },
    /// A fault is over.
    FaultCleared {
        /// Its number.
        fault_id: u64,
        /// Why: `asked`, or `expired`.
        reason: String,
    },
    /// A sentence for the person watching.
    Note {
        /// The sentence.
        text: String,
    },
}

/// How a request or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The response came whole, whatever its status.
    Complete,
    /// The body ended early without an error on the connection: a stream without its terminator.
    Truncated,
    /// The connection broke inside the body.
    Cut,
    /// The connection was reset, or closed before the head.
    Reset,
    /// The connection was refused.
    Refused,
    /// The name could not be resolved.
    Unresolved,
    /// It took too long.
    Timeout,
    /// The client gave up.
    Cancelled,
    /// Something else went wrong.
    Failed,
}

/// A provider of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderName {
    /// Backend as `namespace/name`.
    pub backend: String,
    /// The provider.
    pub provider: String,
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// A provider that could have been chosen, as it was seen at that moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The provider.
    pub provider: String,
    /// Its score: the higher wins.
    pub score: f64,
    /// Moving average of success, 0 to 1.
    pub health: f64,
    /// Moving average of latency in seconds; 0 while unknown.
    pub latency_seconds: f64,
    /// Requests under way.
    pub pending: u32,
}

impl At {
    /// The moment after `elapsed` of the lab's time.
    #[must_use]
    pub fn after(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Time since the lab's start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// Time from `earlier` to here; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000;
        write!(f, "{:02}:{:02}.{:03}", millis / 60_000, millis / 1_000 % 60, millis % 1_000)
    }
}

impl Outcome {
    /// Its name in patterns and reports: `timeout`, `cut`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl Usage {
    /// Reads the `usage` object of an OpenAI answer or of a stream's chunk.
    #[must_use]
    pub fn of_json(json: &Json) -> Option<Self> {
        let usage = json.get("usage")?;
        let count = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name)?.as_u64());
        Some(Self {
            input: count(["prompt_tokens", "input_tokens"])?,
            output: count(["completion_tokens", "output_tokens"]).unwrap_or(0),
        })
    }
}

/// The longest body that an event keeps, in bytes.
pub const BODY_LIMIT: usize = 4096;

/// The longest text of a stream that an event keeps, in bytes.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// The part of a body that an event keeps: text, at most [`BODY_LIMIT`] bytes.
#[must_use]
pub fn clip_body(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(BODY_LIMIT)]);
    text.trim_end_matches('\u{fffd}').to_owned()
}
