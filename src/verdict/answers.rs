//! How a request ended and who answered it, as patterns name it.
//!
//! A request that got a whole answer is named by its status, whoever sent it; any other by the way it
//! ended. The provider is the one whose answer the client got, and `gateway` answered where there was no attempt
//! or where it says that the answer is its own. So an attempt that timed out at `slow` is both
//! `504@gateway` and `504@slow`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::event::history::Request;
use crate::event::{History, Outcome};
use crate::scenario::Scenario;
use crate::scenario::names::{GATEWAY, Target, Who};
use crate::scenario::pattern::{Answer, Item};

/// The answers to `requests` as a pattern, runs of equal ones compressed:
/// `429@mock-ratelimit-provider 200@openai-provider-primary{2}`.
#[must_use]
pub fn observed_pattern<'h>(requests: impl IntoIterator<Item = &'h Request>) -> String {
    let mut runs: Vec<(String, u64)> = Vec::new();
    for request in requests {
        let item = observed(request);
        match runs.last_mut() {
            Some((last, count)) if *last == item => *count += 1,
            _ => runs.push((item, 1)),
        }
    }
    let mut out = String::new();
    for (item, count) in runs {
        let space = if out.is_empty() { "" } else { " " };
        let _ = match count {
            1 => write!(out, "{space}{item}"),
            _ => write!(out, "{space}{item}{{{count}}}"),
        };
    }
    out
}

/// The answers of each step that sends, by the step's position.
#[must_use]
pub fn observed_patterns(scenario: &Scenario, history: &History) -> BTreeMap<usize, String> {
    scenario.sends().map(|(step, _)| (step, observed_pattern(history.requests_of(step)))).collect()
}

/// One request as an item of a pattern: `429@mock`.
#[must_use]
pub fn observed(request: &Request) -> String {
    let answer = match (request.outcome, request.status) {
        (None, _) => "unfinished".to_owned(),
        (Some(Outcome::Complete), Some(status)) => status.to_string(),
        (Some(outcome), _) => outcome.name().to_owned(),
    };
    match who(request) {
        None => answer,
        Some(who) => format!("{answer}@{who}"),
    }
}

/// Who answered: the gateway itself, a provider, or nobody that is known.
fn who(request: &Request) -> Option<&str> {
    if by_gateway(request) { Some(GATEWAY) } else { request.provider() }
}

/// Whether the gateway itself answered.
#[must_use]
pub fn by_gateway(request: &Request) -> bool {
    let Some(gateway) = &request.gateway else { return false };
    gateway.error.is_some() || (request.attempts.is_empty() && gateway.ended.is_some())
}

/// Whether a request ended so.
#[must_use]
pub fn ended_with(answer: &Answer, request: &Request) -> bool {
    let whole = request.outcome == Some(Outcome::Complete);
    match answer {
        Answer::Status(status) => whole && request.status == Some(*status),
        Answer::Class(class) => whole && request.status.is_some_and(|status| status / 100 == u16::from(*class)),
        Answer::Ending(ending) => !whole && request.outcome.is_some_and(|outcome| outcome.name() == *ending),
    }
}

/// Whether `target` answered a request.
#[must_use]
pub fn answered_by(target: &Target, request: &Request) -> bool {
    match target.who {
        Who::Gateway => by_gateway(request),
        Who::Providers(_) => {
            request.answer().is_some_and(|attempt| target.is_provider(&attempt.backend, &attempt.provider))
        }
    }
}

/// Whether an item of a pattern means this request.
#[must_use]
pub fn matches(item: &Item, request: &Request) -> bool {
    ended_with(&item.answer, request) && item.target.as_ref().is_none_or(|target| answered_by(target, request))
}
