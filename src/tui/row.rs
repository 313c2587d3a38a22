//! Requests as lines of a table: small, and final once the request is over.

use std::time::Duration;

use crate::event::{At, Lookup, Outcome};

/// A text that many rows share. 0 is the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct NameId(pub(super) u32);

/// Texts by number. Only ever grows, so that a number means the same at every moment.
#[derive(Debug, Clone)]
pub(super) struct Names {
    texts: Vec<String>,
    ids: Lookup<String, NameId>,
}

/// More different texts than this become one: a table must stay small whatever models are named.
const MOST_NAMES: usize = 65_536;

/// One request, as the table shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    /// Position in the order of sending, from 0.
    pub(super) index: u32,
    /// Position of the event that it began with.
    pub(super) position: u32,
    pub(super) sent: At,
    /// When it should have been sent, where a load says so.
    pub(super) intended: Option<At>,
    pub(super) started: Option<At>,
    pub(super) first_token: Option<At>,
    pub(super) ended: Option<At>,
    /// When its latest attempt got its provider.
    pub(super) selected: Option<At>,
    pub(super) step: Option<u32>,
    pub(super) replica: Option<u32>,
    pub(super) path: NameId,
    /// Number of the provider of the latest attempt.
    pub(super) provider: Option<u16>,
    pub(super) endpoint: NameId,
    pub(super) model: NameId,
    pub(super) status: Option<u16>,
    pub(super) outcome: Option<Outcome>,
    pub(super) tokens: Option<(u32, u32)>,
    pub(super) attempts: u16,
    pub(super) stream: bool,
    /// Whether the lab's own client sent it; else the gateway is the first to see it.
    pub(super) has_client: bool,
    /// Whether the gateway has seen it.
    pub(super) arrived: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self { texts: vec![String::new()], ids: [(String::new(), NameId(0))].into_iter().collect() }
    }
}

impl Names {
    /// The number of a text.
    pub(super) fn id(&mut self, text: &str) -> NameId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        if self.texts.len() >= MOST_NAMES {
            return NameId(0);
        }
        let id = NameId(u32::try_from(self.texts.len()).unwrap_or(0));
        self.texts.push(text.to_owned());
        self.ids.insert(text.to_owned(), id);
        id
    }

    /// The text of a number.
    pub(super) fn text(&self, id: NameId) -> &str {
        self.texts.get(id.0 as usize).map_or("", String::as_str)
    }
}

impl Row {
    /// A request that begins.
    pub(super) fn new(index: u32, position: u32, sent: At) -> Self {
        Self {
            index,
            position,
            sent,
            intended: None,
            started: None,
            first_token: None,
            ended: None,
            selected: None,
            step: None,
            replica: None,
            path: NameId(0),
            provider: None,
            endpoint: NameId(0),
            model: NameId(0),
            status: None,
            outcome: None,
            tokens: None,
            attempts: 0,
            stream: false,
            has_client: false,
            arrived: false,
        }
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// How long it took; of a load from the moment at which it should have been sent, as reports have it.
    pub(super) fn latency(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.since(self.due()))
    }

    /// How long the first token took.
    pub(super) fn ttft(&self) -> Option<Duration> {
        self.first_token.map(|first| first.since(self.due()))
    }

    /// When it should have been sent.
    pub(super) fn due(&self) -> At {
        self.intended.unwrap_or(self.sent)
    }

    /// Whether it is over and went wrong.
    pub(super) fn failed(&self) -> bool {
        self.is_over() && self.class() != Class::Good
    }

    /// What it came to.
    pub(super) fn class(&self) -> Class {
        Class::of(self.status, self.outcome)
    }
}

/// What a request came to, in the few kinds that have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Under way.
    Open,
    /// A whole answer below 400.
    Good,
    /// 429.
    Limited,
    /// Another 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// No whole answer: reset, cut, timeout, …
    Broken,
}

impl Class {
    /// The kind of an answer.
    pub(super) fn of(status: Option<u16>, outcome: Option<Outcome>) -> Self {
        match (outcome, status) {
            (None, _) => Self::Open,
            (Some(Outcome::Complete), Some(429)) => Self::Limited,
            (Some(Outcome::Complete), Some(status)) if status < 400 => Self::Good,
            (Some(Outcome::Complete), Some(status)) if status < 500 => Self::ClientError,
            (Some(Outcome::Complete), Some(_)) => Self::ServerError,
            (Some(_), _) => Self::Broken,
        }
    }
}
