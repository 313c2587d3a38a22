//! What a history is made of: requests and their attempts, evictions, steps, faults, each as it was seen.

use std::time::Duration;

use serde_json::Value as Json;

use crate::event::{Aims, At, BODY_LIMIT, BackendRecord, Candidate, Digest, Headers, Outcome, RequestId, Usage};

/// A configuration that a replica has taken in mid-run.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The replica.
    pub replica: u32,
    /// The backends that it has since.
    pub backends: Vec<BackendRecord>,
    /// Where in the stream it was taken.
    pub seq: u64,
    /// When.
    pub at: At,
}

/// One request, as client, gateway and provider saw it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Its number, from 1, in the order of sending.
    pub number: usize,
    /// The step that it belongs to.
    pub step: Option<usize>,
    /// The replica that took it.
    pub replica: Option<u32>,
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// When it was sent.
    pub sent: At,
    /// When it should have been sent, where a load says so.
    pub intended: Option<At>,
    /// The first request of the question, where the client asks it again by itself.
    pub retry_of: Option<RequestId>,
    /// When the response's head came.
    pub started: Option<At>,
    /// When the first token of a stream came.
    pub first_token: Option<At>,
    /// When it was over for the client.
    pub ended: Option<At>,
    /// Where in the stream it was.
    pub ended_seq: Option<u64>,
    /// How often it ended for the client: once, unless something is wrong.
    pub ends: u32,
    /// How it ended for the client.
    pub outcome: Option<Outcome>,
    /// Status that the client saw.
    pub status: Option<u16>,
    /// Response headers that the client saw.
    pub headers: Headers,
    /// Response body, up to 4 KiB.
    pub body: String,
    /// The text of a stream that is longer, up to 64 KiB, where something asks for it.
    pub text: Option<String>,
    /// Whole length of the response body in bytes.
    pub body_bytes: u64,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens, as the response says.
    pub usage: Option<Usage>,
    /// The whole response body, to be compared.
    pub digest: Option<Digest>,
    /// Attempts at providers, in order.
    pub attempts: Vec<Attempt>,
    /// What the gateway's access log says, once it is over there.
    pub gateway: Option<GatewayRecord>,
}

/// One attempt at a provider, as the gateway saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number, from 0.
    pub attempt: u32,
    /// Backend as `namespace/name`.
    pub backend: String,
    /// Group, from 0.
    pub group: usize,
    /// Provider.
    pub provider: String,
    /// Address, as the configuration has it.
    pub endpoint: String,
    /// The model asked for.
    pub model: Option<String>,
    /// Reference of the credential sent.
    pub credential: Option<String>,
    /// Whether it was chosen among evicted providers, since none was active.
    pub fallback: bool,
    /// Whom the choice was among.
    pub candidates: Vec<Candidate>,
    /// Positions in `candidates` that were drawn.
    pub draws: Vec<usize>,
    /// When it was chosen.
    pub selected: At,
    /// Where in the stream it was chosen: what came before it at the same moment has a smaller number.
    pub selected_seq: u64,
    /// When it was over.
    pub ended: Option<At>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The provider's status.
    pub status: Option<u16>,
    /// What went wrong, in the gateway's words.
    pub error: Option<String>,
    /// The provider's own `Retry-After`.
    pub retry_after: Option<String>,
    /// Where in the stream it was over.
    pub ended_seq: Option<u64>,
    /// What it was taken for, once it has changed its provider's health.
    pub counted: Option<Counted>,
    /// When it was.
    pub counted_at: Option<At>,
    /// Where in the stream it was.
    pub counted_seq: Option<u64>,
}

/// What an attempt was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It speaks for its provider.
    Success,
    /// It speaks against its provider.
    Failure,
}

/// A provider's count of evictions on one replica, as it rose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// The replica.
    pub replica: u32,
    /// Backend as `namespace/name`.
    pub backend: String,
    /// Provider.
    pub provider: String,
    /// The request whose response did it.
    pub request: Option<RequestId>,
    /// When.
    pub at: At,
    /// What it rose to.
    pub count: u32,
    /// By how much.
    pub rise: u32,
}

/// A request as the gateway's access log has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GatewayRecord {
    /// When the gateway had read its head.
    pub received: At,
    /// Where in the stream it had.
    pub received_seq: u64,
    /// When it was over.
    pub ended: Option<At>,
    /// Where in the stream it was over.
    pub ended_seq: Option<u64>,
    /// How often it was over: once, unless something is wrong.
    pub ends: u32,
    /// Route as `namespace/name`.
    pub route: Option<String>,
    /// Position of the rule in the route, from 0.
    pub rule: Option<usize>,
    /// Backend as `namespace/name`.
    pub backend: Option<String>,
    /// Reference of the credential that came with it.
    pub credential: Option<String>,
    /// How it ended there.
    pub outcome: Option<Outcome>,
    /// Status sent to the client.
    pub status: Option<u16>,
    /// What went wrong, if the gateway itself answered.
    pub error: Option<String>,
    /// A word for it.
    pub reason: Option<String>,
    /// Tokens, as its access log has them.
    pub usage: Option<Usage>,
    /// Bytes of a stream that it had at once, and had not passed on, at most.
    pub held: Option<u64>,
}

/// A request as a provider saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The request, if it came with an id.
    pub request: Option<RequestId>,
    /// The attempt, from 0.
    pub attempt: u32,
    /// The simulator.
    pub host: String,
    /// The model asked for.
    pub model: Option<String>,
    /// Reference of the credential that came with it.
    pub credential: Option<String>,
    /// When it came.
    pub received: At,
    /// When it was over.
    pub ended: Option<At>,
    /// Status sent.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The failure that was injected.
    pub injected: Option<String>,
    /// Tokens of the answer.
    pub usage: Option<Usage>,
    /// The body as the simulator wrote it, before any fault.
    pub digest: Option<Digest>,
    /// Headers that concern one connection only.
    pub hop_by_hop: Vec<String>,
}

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRecord {
    /// Its number.
    pub id: u64,
    /// Its kind.
    pub fault: String,
    /// Whom it meets, as it was written.
    pub target: String,
    /// Everything about it.
    pub injection: Json,
    /// When it was injected.
    pub injected: At,
    /// When it begins to act.
    pub from: At,
    /// When it ends by itself, if it does.
    pub until: Option<At>,
    /// When it was over.
    pub cleared: Option<At>,
    /// How often it has struck.
    pub strikes: u64,
    /// When it struck last.
    pub last_strike: Option<At>,
}

/// A provider's time out on one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Eviction {
    /// The replica.
    pub replica: u32,
    /// Backend as `namespace/name`.
    pub backend: String,
    /// Group, from 0.
    pub group: usize,
    /// Provider.
    pub provider: String,
    /// The request whose response caused it.
    pub request: RequestId,
    /// The status that caused it.
    pub status: u16,
    /// Where the duration was taken from.
    pub source: String,
    /// When it began.
    pub began: At,
    /// When it ends, by its own deadline.
    pub until: At,
    /// When the provider was back.
    pub returned: Option<At>,
    /// Where in the stream it began.
    pub began_seq: u64,
    /// Where in the stream the provider was back.
    pub returned_seq: Option<u64>,
    /// Whether it ended since its health state was gone: the replica was stopped, or has another
    /// configuration.
    pub forgotten: bool,
}

/// A step that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Position in the scenario, from 0.
    pub step: usize,
    /// Its verb.
    pub verb: String,
    /// What it does, for people.
    pub summary: String,
    /// When it began.
    pub began: At,
    /// When it was over.
    pub ended: Option<At>,
    /// The step as a scenario would have it, where a person asked for it in mid-run.
    pub act: Option<Json>,
    /// Why it did not do what it should.
    pub failed: Option<String>,
    /// What counts as good, where it is a load.
    pub load: Option<Aims>,
}

impl Request {
    /// The last attempt.
    #[must_use]
    pub fn last_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The attempt whose answer the client got: the last one with that status. Where there is none with it, the
    /// last one.
    #[must_use]
    pub fn answer(&self) -> Option<&Attempt> {
        let same = |attempt: &&Attempt| attempt.status.is_some() && attempt.status == self.status;
        self.attempts.iter().rfind(same).or(self.last_attempt())
    }

    /// The provider whose answer the client got; none where nobody was asked.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.answer().map(|attempt| attempt.provider.as_str())
    }

    /// From sending to the end, as the client saw it; of a load from the moment at which it should
    /// have been sent, so that a late client hides nothing (no coordinated omission).
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.since(self.intended()))
    }

    /// How late it was sent, where a load says when it should have been.
    #[must_use]
    pub fn lateness(&self) -> Option<Duration> {
        self.intended.map(|intended| self.sent.since(intended))
    }

    /// From the gateway's reading the head to its end: the `duration` of its access log.
    #[must_use]
    pub fn gateway_duration(&self) -> Option<Duration> {
        let gateway = self.gateway.as_ref()?;
        gateway.ended.map(|ended| ended.since(gateway.received))
    }

    /// When it should have begun: when a load says, else when it was sent.
    #[must_use]
    pub fn intended(&self) -> At {
        self.intended.unwrap_or(self.sent)
    }

    /// Between the tokens of a stream, on average; none where there are not two that are known of.
    #[must_use]
    pub fn inter_token(&self) -> Option<Duration> {
        let gaps = self.tokens()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
        self.ended?.since(self.first_token?).checked_div(u32::try_from(gaps).ok()?)
    }

    /// How many tokens a stream had: by its own account, else by the pieces of text in it.
    fn tokens(&self) -> Option<u64> {
        if let Some(usage) = self.usage {
            return Some(usage.output);
        }
        // A character that the limit would have cut is left out whole.
        if self.body.len() + 4 > BODY_LIMIT {
            return None;
        }
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let chunks = data.filter_map(|data| serde_json::from_str::<Json>(data.trim()).ok());
        let with_text = chunks.filter(|chunk| {
            let text =
                ["/choices/0/delta/content", "/choices/0/text"].iter().find_map(|path| chunk.pointer(path)?.as_str());
            text.is_some_and(|text| !text.is_empty())
        });
        Some(with_text.count() as u64)
    }

    /// From sending to the first token of a stream.
    #[must_use]
    pub fn time_to_first_token(&self) -> Option<Duration> {
        self.first_token.map(|first| first.since(self.intended()))
    }
}

impl Eviction {
    /// Whether the provider was out when the event with this number happened.
    #[must_use]
    pub fn covers_seq(&self, seq: u64) -> bool {
        seq > self.began_seq && self.returned_seq.is_none_or(|returned| seq < returned)
    }

    /// Whether the provider is out at this moment.
    #[must_use]
    pub fn covers(&self, at: At) -> bool {
        at >= self.began && self.returned.is_none_or(|returned| at < returned)
    }
}
