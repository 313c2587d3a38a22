//! What a scenario does: its steps.

use std::fmt;
use std::ops::Range;

use serde_json::{Value as Json, json};

use super::names::Target;
use super::pattern::Answer;
use super::{Expectation, MAX_REPLICAS};
use crate::fault::{Aim, Clear, Injection};
use crate::kube::Change;
use crate::kube::change::Manifest;
use crate::source::{Place, Span};
use crate::topology::Credential;

/// Requests of one step, at most.
pub const MAX_TIMES: u32 = 1_000_000;
/// Users of one load, at most.
pub const MAX_USERS: u32 = 10_000;
/// Retries of a client, at most.
pub const MAX_RETRIES: u32 = 100;
/// Steps of a scenario, at most, with those of `repeat` counted each time.
pub const MAX_STEPS: usize = 10_000;
/// How long `wait: { until: … }` waits where it does not say.
pub const AT_MOST: Span = Span(std::time::Duration::from_mins(5));

/// One thing that is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Requests.
    Send(Box<Send>),
    /// Many requests, from several users or at a rate.
    Load(Box<Load>),
    /// Time passes.
    Wait(Span),
    /// Time passes until something is so.
    Until(Until),
    /// A sentence for the person watching.
    Note(String),
    /// A part of the lab is stopped and started again.
    Restart(Restart),
    /// There are more or fewer of a part of the lab.
    Scale(Scale),
    /// A simulator behaves in another way from now on.
    Configure(Box<Configure>),
    /// Something begins to fail.
    Inject(Box<Inject>),
    /// Something no longer fails.
    Clear(Clear),
    /// Manifests are there from now on, in place of those of the same name.
    Apply(Vec<Change<Manifest>>),
    /// Manifests are gone.
    Delete(Vec<Change<Manifest>>),
    /// No load sends any more: `stop: load`.
    Stop,
    /// Several sequences of steps at once: each a range of positions in [`super::Scenario::steps`],
    /// one after the other, right behind this step.
    Parallel(Vec<Range<usize>>),
}

/// What is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Every replica of the gateway: `restart: gateway`.
    Gateway,
    /// One replica, from 0: `restart: gateway/1`.
    Replica(u32),
}

/// How many there shall be of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// Of what.
    pub what: Scaled,
    /// How many: for the gateway from 1 to [`MAX_REPLICAS`], for a simulator also none.
    pub count: u32,
}

/// Of what there may be more or fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scaled {
    /// Replicas of the gateway.
    Gateway,
    /// Pods of a simulator, by the name of its Deployment.
    Simulator {
        /// The Deployment.
        name: String,
        /// Its index in the topology.
        index: usize,
    },
}

/// What changes of a simulator's configuration while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Configure {
    /// Its Deployment.
    pub name: String,
    /// Its arguments with their new values, as `POST /admin/config` takes them.
    pub changes: serde_json::Map<String, Json>,
    /// Where each argument stands, and where its value does; nowhere where no file says it.
    pub places: Vec<(Place, Place)>,
}

/// A fault, and what its target means in this lab.
#[derive(Debug, Clone, PartialEq)]
pub struct Inject {
    /// The fault with all that goes around it.
    pub injection: Injection,
    /// Whom it meets.
    pub aim: Aim,
}

/// Until when time passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Until {
    /// What must be so.
    pub condition: Condition,
    /// How long at most; the step fails then.
    pub at_most: Span,
}

/// What may be waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A provider is evicted, on any replica: `evicted: mock`.
    Evicted(Target),
    /// A provider is evicted on no replica: `active: mock`.
    Active(Target),
    /// No request is under way: `idle`.
    Idle,
    /// So many requests, of the whole run, have ended so: `answers: { 429: 3 }`.
    Answers(Answer, u64),
    /// A provider was tried so often, in the whole run: `reached: { mock: 3 }`.
    Reached(Target, u64),
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
    /// When each of them is sent.
    pub order: Order,
    /// How long the client waits for the end of an answer.
    pub timeout: Option<Span>,
    /// How the client tries again by itself, if it does.
    pub retries: Option<Retries>,
    /// What is expected of these requests.
    pub expect: Vec<Expectation>,
}

/// How a client tries again by itself: each time with a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often at most, from 0 to [`MAX_RETRIES`].
    pub most: u32,
    /// Which client it is: what it takes for a reason, and how long it waits.
    pub like: Sdk,
}

/// An official client of OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sdk {
    /// openai-python 2 and 3: waits up to two minutes when told to, and gives up on more.
    #[default]
    OpenaiPython,
    /// openai-python 1: waits up to a minute when told to, and its own time on more.
    OpenaiPython1,
    /// openai-node 6: waits as long as it is told.
    OpenaiNode,
}

impl Sdk {
    /// All of them, by the names that files have for them.
    pub const TABLE: [(&'static str, Self); 3] = [
        ("openai-python", Self::OpenaiPython),
        ("openai-python-1", Self::OpenaiPython1),
        ("openai-node", Self::OpenaiNode),
    ];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE.iter().find(|(_, sdk)| *sdk == self).map_or("", |(name, _)| name)
    }
}

/// When the requests of a step are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// One after the other, this long after the end of the answer before.
    InOrder {
        /// From the end of one answer to the next request.
        gap: Span,
    },
    /// All at the same moment.
    AtOnce,
    /// Evenly over this time, whatever becomes of them.
    Over(Span),
}

/// Many requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Each of them; its `times` is how many there are at most.
    pub request: Send,
    /// Who sends them, and when.
    pub pace: Pace,
    /// When it is over: no request begins after this long.
    pub lasts: Option<Span>,
    /// What counts as good.
    pub objective: Objective,
}

/// Who sends a load, and when.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// A closed load: so many users, each of whom waits for the answer before asking again.
    Users {
        /// How many.
        count: u32,
        /// From the end of an answer to the next request of the same user.
        think: Span,
    },
    /// An open load: requests come at a rate, whatever becomes of them.
    Rate {
        /// The rate over time.
        profile: Vec<Stretch>,
        /// Whether they come evenly, or by chance as independent users do (a Poisson process).
        poisson: bool,
    },
}

/// A stretch of time over which a rate changes evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// How long it lasts; the last one may last for ever.
    pub lasts: Option<Span>,
    /// Requests a second at its beginning.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
}

/// What an answer must keep to count as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Objective {
    /// From the intended sending to the first token of a stream, at most.
    pub ttft: Option<Span>,
    /// From the intended sending to the end, at most.
    pub latency: Option<Span>,
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
/// How often a client tries again where `retries` says only which one it is: as the official ones do.
pub const DEFAULT_RETRIES: u32 = 2;
/// From the end of one answer to the next request, where a step does not say.
pub const DEFAULT_GAP: Span = Span(std::time::Duration::from_millis(50));

impl Step {
    /// Its verb, as the file has it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Load(_) => "load",
            Self::Wait(_) | Self::Until(_) => "wait",
            Self::Note(_) => "note",
            Self::Restart(_) => "restart",
            Self::Scale(_) => "scale",
            Self::Configure(_) => "configure",
            Self::Inject(_) => "inject",
            Self::Clear(_) => "clear",
            Self::Apply(_) => "apply",
            Self::Delete(_) => "delete",
            Self::Stop => "stop",
            Self::Parallel(_) => "parallel",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Send(send) => send.summary(),
            Self::Load(load) => load.summary(),
            Self::Wait(span) => format!("wait {span}"),
            Self::Until(until) => format!("wait until {}, {} at most", until.condition, until.at_most),
            Self::Note(text) => text.clone(),
            Self::Restart(Restart::Gateway) => "restart the gateway".to_owned(),
            Self::Restart(Restart::Replica(replica)) => format!("restart replica {replica} of the gateway"),
            Self::Scale(Scale { what: Scaled::Gateway, count }) => format!("scale the gateway to {count}"),
            Self::Scale(Scale { what: Scaled::Simulator { name, .. }, count }) => format!("scale {name} to {count}"),
            Self::Configure(one) => {
                let changes = one.changes.iter().map(|(key, value)| format!("{key} {value}"));
                format!("configure {}: {}", one.name, changes.collect::<Vec<_>>().join(", "))
            }
            Self::Inject(inject) => format!("inject {} at {}", inject.injection.fault, inject.injection.target),
            Self::Clear(which) => match which {
                Clear::All => "clear all faults".to_owned(),
                Clear::Id(id) => format!("clear fault {id}"),
                Clear::Name(name) => format!("clear {name}"),
                Clear::Fault(fault) => format!("clear {fault}"),
                Clear::Target(target) => format!("clear the faults at {target}"),
            },
            Self::Apply(changes) => format!("apply {}", listed(changes)),
            Self::Delete(changes) => format!("delete {}", listed(changes)),
            Self::Stop => "stop the load".to_owned(),
            Self::Parallel(branches) => format!("{} at once", branches.len()),
        }
    }

    /// The requests that it sends, if it does.
    #[must_use]
    pub fn request(&self) -> Option<&Send> {
        match self {
            Self::Send(send) => Some(send),
            Self::Load(load) => Some(&load.request),
            _ => None,
        }
    }

    /// The step as a scenario has it: a map with one verb. None for what a person at the screen
    /// cannot do.
    #[must_use]
    pub fn as_written(&self) -> Option<Json> {
        match self {
            Self::Send(send) => Some(json!({ "send": send.as_written() })),
            Self::Load(load) => load.as_written().map(|load| json!({ "load": load })),
            Self::Wait(span) => Some(json!({ "wait": span })),
            Self::Note(text) => Some(json!({ "note": text })),
            Self::Restart(Restart::Gateway) => Some(json!({ "restart": "gateway" })),
            Self::Restart(Restart::Replica(replica)) => Some(json!({ "restart": format!("gateway/{replica}") })),
            Self::Scale(Scale { what: Scaled::Gateway, count }) => Some(json!({ "scale": { "gateway": count } })),
            Self::Scale(Scale { what: Scaled::Simulator { name, .. }, count }) => {
                Some(json!({ "scale": { name: count } }))
            }
            Self::Configure(one) => Some(json!({ "configure": { &one.name: one.changes } })),
            Self::Inject(inject) => Some(json!({ "inject": inject.injection })),
            Self::Clear(which) => Some(json!({ "clear": which })),
            Self::Apply(changes) => Some(json!({ "apply": changes.iter().map(written).collect::<Vec<_>>() })),
            Self::Delete(changes) => Some(json!({ "delete": changes.iter().map(written).collect::<Vec<_>>() })),
            Self::Stop => Some(json!({ "stop": "load" })),
            Self::Until(_) | Self::Parallel(_) => None,
        }
    }
}

fn listed(changes: &[Change<Manifest>]) -> String {
    let name = |change: &Change<Manifest>| match change {
        Change::Apply(file) | Change::DeleteFile(file) => file.name.clone(),
        Change::Delete(object) => format!("{} {}", object.kind, object.name),
    };
    changes.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A change as it stands under its verb.
fn written(change: &Change<Manifest>) -> Json {
    match change {
        Change::Apply(file) | Change::DeleteFile(file) => json!(file.name),
        Change::Delete(object) => {
            json!({ "kind": object.kind, "name": object.name, "namespace": object.namespace })
        }
    }
}

impl Send {
    /// One chat at this path, as `send: { path: … }` would have it.
    #[must_use]
    pub fn to(path: impl Into<String>) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.into(),
            content: Content::Prompt { prompt: DEFAULT_PROMPT.to_owned(), model: String::new() },
            stream: false,
            headers: Vec::new(),
            key: None,
            times: 1,
            order: Order::InOrder { gap: DEFAULT_GAP },
            timeout: None,
            retries: None,
            expect: Vec::new(),
        }
    }

    fn summary(&self) -> String {
        let Self { method, path, times, .. } = self;
        let stream = if self.stream { ", streamed" } else { "" };
        let order = match self.order {
            Order::InOrder { .. } => String::new(),
            Order::AtOnce => ", at once".to_owned(),
            Order::Over(span) => format!(", over {span}"),
        };
        let retries = self.retries.map(Retries::summary).unwrap_or_default();
        match times {
            1 => format!("send {method} {path}{stream}{retries}"),
            _ => format!("send {times} × {method} {path}{stream}{order}{retries}"),
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

    /// What stands under its verb; a client's own key is left out.
    fn as_written(&self) -> Json {
        let mut out = json!({ "path": self.path });
        if self.method != "POST" {
            out["method"] = json!(self.method);
        }
        match &self.content {
            Content::Nothing => {}
            Content::Body(body) => out["body"] = body.clone(),
            Content::Prompt { prompt, model } => {
                if prompt != DEFAULT_PROMPT {
                    out["prompt"] = json!(prompt);
                }
                if !model.is_empty() {
                    out["model"] = json!(model);
                }
                if self.stream {
                    out["stream"] = json!(true);
                }
            }
        }
        if self.times != 1 {
            out["times"] = json!(self.times);
        }
        match self.order {
            Order::InOrder { gap } if gap != DEFAULT_GAP => out["gap"] = json!(gap),
            Order::InOrder { .. } => {}
            Order::AtOnce => out["at-once"] = json!(true),
            Order::Over(span) => out["over"] = json!(span),
        }
        if let Some(Retries { most, like }) = self.retries {
            out["retries"] = json!({ "most": most, "like": like.name() });
        }
        out
    }
}

impl Retries {
    fn summary(self) -> String {
        match self.most {
            1 => ", 1 retry at most".to_owned(),
            most => format!(", {most} retries each at most"),
        }
    }
}

impl Load {
    /// So many requests a second to this path, for so long.
    #[must_use]
    pub fn at_rate(path: impl Into<String>, per_second: f64, lasts: Span) -> Self {
        let request = Send { times: MAX_TIMES, ..Send::to(path) };
        let profile = vec![Stretch { lasts: None, from: per_second, to: per_second }];
        Self {
            request,
            pace: Pace::Rate { profile, poisson: false },
            lasts: Some(lasts),
            objective: Objective::default(),
        }
    }

    fn summary(&self) -> String {
        let Send { method, path, times, .. } = &self.request;
        let stream = if self.request.stream { ", streamed" } else { "" };
        let pace = match &self.pace {
            Pace::Users { count: 1, .. } => "1 user".to_owned(),
            Pace::Users { count, .. } => format!("{count} users"),
            Pace::Rate { profile, poisson } => {
                let rates: Vec<f64> = profile.iter().flat_map(|one| [one.from, one.to]).collect();
                let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
                let most = rates.iter().copied().fold(0.0, f64::max);
                let chance = if *poisson { ", by chance" } else { "" };
                if least < most {
                    format!("{least} to {most} a second{chance}")
                } else {
                    format!("{most} a second{chance}")
                }
            }
        };
        let until = match (self.lasts, *times) {
            (Some(span), MAX_TIMES) => format!("for {span}"),
            (Some(span), times) => format!("for {span}, {times} at most"),
            (None, times) => format!("{times} requests"),
        };
        let retries = self.request.retries.map(Retries::summary).unwrap_or_default();
        format!("load {method} {path}{stream}: {pace}, {until}{retries}")
    }

    fn as_written(&self) -> Option<Json> {
        let mut out = self.request.as_written();
        let keys = out.as_object_mut()?;
        keys.remove("times");
        keys.remove("gap");
        match &self.pace {
            Pace::Users { count, think } => {
                out["users"] = json!(count);
                out["think"] = json!(think);
            }
            Pace::Rate { profile, poisson } => {
                let [Stretch { lasts: None, from, to }] = profile.as_slice() else { return None };
                if from < to || to < from {
                    return None;
                }
                out["rate"] = json!(from);
                if *poisson {
                    out["arrivals"] = json!("poisson");
                }
            }
        }
        if self.request.times != MAX_TIMES {
            out["times"] = json!(self.request.times);
        }
        if let Some(lasts) = self.lasts {
            out["for"] = json!(lasts);
        }
        Some(out)
    }
}

impl Scaled {
    /// From how many to how many there may be.
    #[must_use]
    pub fn bounds(&self) -> Range<u32> {
        match self {
            Self::Gateway => 1..MAX_REPLICAS + 1,
            Self::Simulator { .. } => 0..MAX_REPLICAS + 1,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicted(target) => write!(f, "{target} is evicted"),
            Self::Active(target) => write!(f, "{target} is active"),
            Self::Idle => f.write_str("no request is under way"),
            Self::Answers(answer, 1) => write!(f, "{answer} has come"),
            Self::Answers(answer, count) => write!(f, "{answer} has come {count} times"),
            Self::Reached(target, 1) => write!(f, "{target} was tried"),
            Self::Reached(target, count) => write!(f, "{target} was tried {count} times"),
        }
    }
}
