//! The steps in the schema: one entry a verb.

use serde_json::{Map, Value as Json, json};

use super::faults::{clear, inject, one_key};
use super::{
    Key, anything, between, count, described, duration, flag, headers_to_send, list, map, number_above, one_of, open,
    or_variable, path, reference, some, text,
};
use crate::scenario::step::{MAX_RETRIES, MAX_STEPS, MAX_USERS, Sdk};
use crate::scenario::{MAX_REPLICAS, MAX_TIMES, METHODS};

/// Every verb: what it does, and its value.
const VERBS: &[Key] = &[
    ("send", "Sends requests: one after the other, at once, or over a time", || request(SENDING)),
    ("load", "Sends many requests, from users who wait for their answers or at a rate", load),
    ("wait", "Lets time pass, or waits until something is so", || json!({ "anyOf": [duration(), map(WAIT)] })),
    ("note", "Tells the person watching", text),
    ("restart", "Replaces the replicas of the gateway, or one: `gateway`, `gateway/1`", gateway),
    ("scale", "Changes how many there are of a part: `{ gateway: 2 }`, or a Deployment and its pods", scale),
    ("configure", "Changes arguments of a simulator while it runs, as its `/admin/config` does", configure),
    ("inject", "Lets something fail from now on", inject),
    ("clear", "Ends faults: `all`, or those of a name, a kind or a target", clear),
    ("apply", "Applies manifests in mid-run, as `kubectl apply` does", super::one_or_more),
    ("delete", "Takes manifests away in mid-run: a file, or `{ kind: HTTPRoute, name: openai }`", delete),
    ("stop", "Ends the loads that are going on", || json!({ "const": "load" })),
    ("parallel", "Does steps, or lists of steps, at once, and waits for all", parallel),
    ("repeat", "Does steps several times", || required(map(REPEAT), &["times", "steps"])),
];

/// What a request is, under `send` as under `load`.
const REQUEST: &[Key] = &[
    ("path", "Path with query", path),
    ("prompt", "The message of the user", text),
    ("model", "The model that the client names; empty where it leaves the choice to the gateway", text),
    ("body", "JSON that is sent as it is", anything),
    ("headers", "Headers of the request", headers_to_send),
    ("key", "The client's own key", text),
    ("method", "HTTP method", || one_of(METHODS)),
    ("stream", "Whether a stream is asked for", flag),
    ("timeout", "How long the client waits for the end of an answer", duration),
    ("retries", "How often the client itself tries again, as OpenAI's official ones do", retries),
    ("expect", "What is expected of these requests", || reference("expect")),
];

/// When the requests of a `send` are sent.
const SENDING: &[Key] = &[
    ("times", "How many requests", times),
    ("gap", "From the end of one answer to the next request", duration),
    ("at-once", "All at the same moment", flag),
    ("over", "Evenly over this time, whatever becomes of them", duration),
];

/// When those of a `load` are, and what counts as good.
const LOADING: &[Key] = &[
    ("users", "A closed load: so many users, each of whom waits for the answer before asking again", users),
    ("think", "From the end of an answer to the next request of the same user", duration),
    ("rate", "An open load: requests a second, whatever becomes of them", rate),
    ("arrivals", "Whether requests come evenly, or by chance as independent users do", || {
        one_of(["constant", "poisson"])
    }),
    ("ramp", "An open load whose rate changes evenly while it lasts", || required(map(RAMP), &["from", "to"])),
    ("spike", "For a while the rate is another one", || required(map(SPIKE), &["to", "after", "for"])),
    ("for", "No request begins after this long", duration),
    ("times", "How many requests at most", times),
    ("objective", "What an answer must keep to count as good", || map(OBJECTIVE)),
];

const RETRIES: &[Key] = &[
    ("most", "How often at most, after the first request", || between(0, u64::from(MAX_RETRIES))),
    ("like", "Which client it is", || one_of(Sdk::TABLE.map(|(name, _)| name))),
];

const RAMP: &[Key] = &[("from", "The rate at its beginning", rate), ("to", "The rate at its end", rate)];

const SPIKE: &[Key] = &[
    ("to", "The rate meanwhile", rate),
    ("after", "When it begins", duration),
    ("for", "How long it lasts", duration),
];

const OBJECTIVE: &[Key] = &[
    ("ttft", "From the intended sending to the first token of a stream, at most", duration),
    ("latency", "From the intended sending to the end, at most", duration),
];

const WAIT: &[Key] = &[
    ("until", "What must be so", condition),
    ("at-most", "The step fails after this long; 5m where absent", duration),
];

const CONDITION: &[Key] = &[
    ("evicted", "This provider is evicted, on any replica", text),
    ("active", "This provider is evicted on no replica", text),
    ("answers", "So many requests of the run have ended so: `{ 429: 3 }`", || one_key(open(&count()))),
    ("reached", "This provider was tried so often in the run: `{ mock: 3 }`", || one_key(open(&count()))),
];

const OBJECT: &[Key] = &[
    ("kind", "Its kind, such as `HTTPRoute`", text),
    ("name", "Its name", text),
    ("namespace", "Its namespace; `default` where absent", text),
];

const REPEAT: &[Key] = &[
    ("times", "How often", || between(1, MAX_STEPS as u64)),
    ("steps", "What is done, in order", || some(&reference("step"))),
];

/// A step: a map with one verb.
pub(super) fn step() -> Json {
    one_key(map(VERBS))
}

/// A step of the schedule: a verb, and its moment.
pub(super) fn scheduled() -> Json {
    let verbs = VERBS.iter().map(|(verb, ..)| *verb);
    let mut properties: Map<String, Json> =
        verbs.map(|verb| (verb.to_owned(), reference(&format!("step/properties/{verb}")))).collect();
    properties.insert("at".to_owned(), described(duration(), "When: time since the lab's start"));
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": ["at"],
        "minProperties": 2, "maxProperties": 2 })
}

fn required(mut map: Json, keys: &[&str]) -> Json {
    map["required"] = json!(keys);
    map
}

/// A request, and when it is sent.
fn request(when: &[Key]) -> Json {
    let mut request = required(map(&[REQUEST, when].concat()), &["path"]);
    request["not"] = json!({ "required": ["prompt", "body"] });
    request
}

fn retries() -> Json {
    json!({ "anyOf": [between(0, u64::from(MAX_RETRIES)), map(RETRIES)] })
}

/// A load has one pace, and an end.
fn load() -> Json {
    let mut load = request(LOADING);
    let one = |key: &str| json!({ "required": [key] });
    load["oneOf"] = json!([one("users"), one("rate"), one("ramp")]);
    load["anyOf"] = json!([one("for"), one("times")]);
    load
}

fn condition() -> Json {
    json!({ "anyOf": [{ "const": "idle" }, one_key(map(CONDITION))] })
}

fn delete() -> Json {
    let one = json!({ "anyOf": [text(), required(map(OBJECT), &["kind", "name"])] });
    json!({ "anyOf": [one, list(&one)] })
}

fn gateway() -> Json {
    json!({ "type": "string", "pattern": "^gateway(/[0-9]+)?$|\\$\\{" })
}

fn scale() -> Json {
    one_key(open(&between(0, u64::from(MAX_REPLICAS))))
}

fn configure() -> Json {
    one_key(open(&open(&anything())))
}

fn parallel() -> Json {
    let one = reference("step");
    list(&json!({ "anyOf": [one, list(&one)] }))
}

fn times() -> Json {
    between(1, u64::from(MAX_TIMES))
}

fn users() -> Json {
    between(1, u64::from(MAX_USERS))
}

/// Requests a second: `50`, `0.5`, `300/m`.
fn rate() -> Json {
    let text = json!({ "type": "string", "pattern": "^[0-9.]+(/[smh])?$|\\$\\{", "examples": ["50/s", "300/m"] });
    json!({ "anyOf": [number_above(0), or_variable(&text)] })
}

/// The verbs.
#[cfg(test)]
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(verb, ..)| *verb)
}

/// The tables beside what the reader takes.
#[cfg(test)]
pub(super) fn known() -> Vec<(Vec<Key>, &'static [&'static str])> {
    use crate::scenario::read::{load, steps};
    vec![
        ([REQUEST, SENDING].concat(), steps::SEND),
        ([REQUEST, LOADING].concat(), load::LOAD),
        (RETRIES.to_vec(), steps::RETRIES),
        (RAMP.to_vec(), load::RAMP),
        (SPIKE.to_vec(), load::SPIKE),
        (OBJECTIVE.to_vec(), load::OBJECTIVE),
        (WAIT.to_vec(), steps::WAIT),
        (REPEAT.to_vec(), steps::REPEAT),
        (super::faults::INJECT.to_vec(), steps::INJECT),
        (super::faults::WINDOW.to_vec(), steps::WINDOW),
        (OBJECT.to_vec(), crate::scenario::read::OBJECT),
    ]
}
