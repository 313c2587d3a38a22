//! The steps in the schema: one entry a verb.

use serde_json::{Value as Json, json};

use super::{Key, anything, between, duration, flag, headers_to_send, map, one_of, reference, text};
use crate::scenario::{MAX_TIMES, METHODS};

/// Every verb: what it does, and its value.
const VERBS: &[Key] = &[
    ("send", "Sends requests one after the other", || map(SEND)),
    ("wait", "Lets time pass", duration),
    ("note", "Tells the person watching", text),
    ("restart", "Replaces the replicas of the gateway, or one: `gateway`, `gateway/1`", text),
];

const SEND: &[Key] = &[
    ("path", "Path with query", text),
    ("prompt", "The message of the user", text),
    ("model", "The model that the client names; empty where it leaves the choice to the gateway", text),
    ("body", "JSON that is sent as it is", anything),
    ("headers", "Headers of the request", headers_to_send),
    ("key", "The client's own key", text),
    ("method", "HTTP method", || one_of(METHODS)),
    ("stream", "Whether a stream is asked for", flag),
    ("times", "How many requests", || between(1, u64::from(MAX_TIMES))),
    ("gap", "From the end of one answer to the next request", duration),
    ("expect", "What is expected of these requests", || reference("expect")),
];

/// A step: a map with one verb.
pub(super) fn step() -> Json {
    let mut step = map(VERBS);
    step["minProperties"] = json!(1);
    step["maxProperties"] = json!(1);
    step
}

/// The verbs.
#[cfg(test)]
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(verb, ..)| *verb)
}

/// The tables beside what the reader takes.
#[cfg(test)]
pub(super) fn known() -> Vec<(&'static [Key], &'static [&'static str])> {
    vec![(SEND, crate::scenario::read::steps::SEND)]
}
