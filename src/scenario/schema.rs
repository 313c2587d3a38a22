//! The JSON Schema of scenario files, for editors that complete and check while one types.
//!
//! Each map of a scenario is a table of its keys here: what each means, and what may stand there. A
//! test holds the tables against what the reader takes. The schema is the more lenient of the two: it
//! knows no names of the lab.

mod faults;
mod steps;

use serde_json::{Map, Value as Json, json};

use super::expect::{Feat, Figure, TokenKind};
use super::{MAX_REPLICAS, Spread, invariants, under};
use crate::topology::{BUGS, Personality};

/// A key of a map: its name, what it means, and what may stand there.
type Key = (&'static str, &'static str, fn() -> Json);

const TOP: &[Key] = &[
    ("name", "What the scenario is called in reports", text),
    ("id", "Its number in a catalogue", text),
    ("about", "What it is about, for people", text),
    ("why", "Why that matters, for people", text),
    ("links", "Where people met it: addresses on the web", || list(&text())),
    (
        "extends",
        "Another scenario that this one begins with: maps are merged, all else is replaced, and a list under `+key` is appended",
        text,
    ),
    ("seed", "Pins one outcome of chance", whole),
    ("start", "Wall-clock time of the lab's start, such as 2026-01-01T00:00:00Z", moment),
    ("vars", "Variables: `${name}` in any value stands for them", variables),
    ("lab", "What the lab is made from", lab),
    ("prices", "What a million tokens of each model cost", || open(&map(PRICE))),
    ("steps", "What is done, in order", || list(&reference("step"))),
    ("schedule", "What is done at certain moments of the run, beside the steps", || list(&steps::scheduled())),
    ("expect", "What is expected of the run as a whole", || reference("expect")),
    ("invariants", "What holds in every run, and does not have to here", || map(INVARIANTS)),
];

const LAB: &[Key] = &[
    ("manifests", "Kubernetes manifests, or configurations of agentgateway; relative to this file", || list(&text())),
    ("secrets", "Secrets by name, each with its keys; they stand for a Secret of that name in any namespace", || {
        open(&open(&text()))
    }),
    ("simulators", "What answers at addresses that no manifest describes, by `host:port`", simulators),
    ("gateway", "The gateway", || map(GATEWAY)),
];

const SIMULATOR: &[Key] = &[
    ("name", "What it is called in faults; else the host, or `simulator-PORT`", text),
    ("args", "The command line of a vLLM simulator, without its port", || {
        list(&json!({ "type": ["string", "number", "boolean"] }))
    }),
    ("replicas", "How many pods stand behind the address", || between(0, 1_000)),
];

const GATEWAY: &[Key] = &[
    ("replicas", "Replicas, each with its own health state", || between(1, u64::from(MAX_REPLICAS))),
    ("personality", "Which version of which gateway it is", || one_of(Personality::ALL.map(Personality::name))),
    ("break", "A bug that it has, to see what becomes of it", || one_of(BUGS.map(|about| about.name))),
    ("personalities", "Those under which the scenario holds; the first is its own", personalities),
    ("spread", "Which replica takes a request", || one_of(Spread::ALL.map(|(name, _)| name))),
];

const INVARIANTS: &[Key] =
    &[("off", "Invariants that are turned off, each with a reason", || keyed(&invariants::NAMES, text))];

const PRICE: &[Key] =
    &[("input", "A million tokens of prompts", number), ("output", "A million tokens of answers", number)];

const EXPECT: &[Key] = &[
    ("pattern", "The answers in order, such as `429@mock 200@openai{2}`", pattern),
    ("status", "How many requests ended so, by status, class or ending", || open(&count())),
    ("reached", "How many attempts each provider got", || open(&count())),
    ("never-reached", "Providers that get no attempt at all", one_or_more),
    ("cancelled", "How many requests were given up at each provider before their end, and it heard of it", || {
        open(&count())
    }),
    ("model", "Every answer comes from this model", text),
    ("provider", "Every answer comes from this provider", text),
    ("endpoint", "Every answer comes from this address, `host:port`", text),
    ("headers", "Headers of every answer", headers),
    ("body", "The body of every answer", || map(BODY)),
    ("answers", "The same of certain answers only, such as `429@mock`", || open(&map(ANSWER))),
    ("group", "How many requests each group answered; the preferred one is 0", || open(&count())),
    ("shares", "Which share of all attempts each provider got", || open(&share())),
    ("success", "Which share of requests got a whole 2xx", share),
    ("amplification", "Attempts for each request", bounds),
    ("latency", "From the intended start to the end of an answer", times),
    ("ttft", "From the intended start to the first token of a stream", times),
    ("inter-token", "From one token of a stream to the next", times),
    ("tokens", "Tokens that the providers spent", || keyed(TokenKind::NAMES, count)),
    ("cost", "What those tokens cost, by `prices`", bounds),
    ("evictions", "How many evictions of each provider, how long, and when they end", evictions),
    ("exercises", "What must have happened for the run to mean anything", exercises),
    ("under", "What is expected otherwise under a personality", under_personalities),
    (
        "frequencies",
        "How often patterns come over many seeds, and within which `tolerance` or at which `level`",
        || open(&share()),
    ),
];

const ANSWER: &[Key] = &[
    ("model", "They come from this model", text),
    ("provider", "They come from this provider", text),
    ("endpoint", "They come from this address, `host:port`", text),
    ("headers", "Their headers", headers),
    ("body", "Their body", || map(BODY)),
];

const BODY: &[Key] = &[
    ("contains", "Text in it, or in the text of a stream", text),
    ("json", "JSON that it has at least", anything),
    ("path", "What a JSONPath (RFC 9535) leads to", || open(&anything())),
];

const EVICTION: &[Key] = &[
    ("count", "How many, over all replicas", count),
    ("lasts", "How long each lasts, by its deadline", time),
    ("ends", "When each ends: time since the lab's start", time),
];

/// The schema.
#[must_use]
pub fn schema() -> Json {
    let mut schema = map(TOP);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A labsim scenario");
    schema["patternProperties"] = appended();
    schema["anyOf"] = json!([{ "required": ["name", "lab"] }, { "required": ["extends"] }]);
    schema["$defs"] = json!({
        "step": steps::step(),
        "expect": map(EXPECT),
        "fault": faults::parameters(),
        "spelling": faults::spelling(),
        "distribution": faults::distribution(),
    });
    schema
}

/// The schema as the file that is checked in.
#[must_use]
pub fn file() -> String {
    format!("{:#}\n", schema())
}

/// Lists under a key with a plus sign.
fn appended() -> Json {
    json!({ "^\\+": { "type": "array", "description": "Appended to the list of the scenario that this one extends" } })
}

fn lab() -> Json {
    let mut lab = map(LAB);
    lab["patternProperties"] = appended();
    lab
}

/// A map with these keys and no others.
fn map(keys: &[Key]) -> Json {
    let properties: Map<String, Json> =
        keys.iter().map(|(name, about, schema)| ((*name).to_owned(), described(schema(), about))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn described(mut schema: Json, about: &str) -> Json {
    if schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    }
    schema["description"] = json!(about);
    schema
}

/// A map with these keys, all of the same kind.
fn keyed(names: &[&str], value: fn() -> Json) -> Json {
    let properties: Map<String, Json> = names.iter().map(|name| ((*name).to_owned(), value())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A map whose keys are free.
fn open(value: &Json) -> Json {
    json!({ "type": "object", "additionalProperties": value })
}

fn list(items: &Json) -> Json {
    json!({ "type": "array", "items": items })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn anything() -> Json {
    json!({})
}

/// A value, or a variable that stands for one.
fn or_variable(schema: &Json) -> Json {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }] })
}

fn whole() -> Json {
    or_variable(&json!({ "type": "integer", "minimum": 0 }))
}

fn between(least: u64, most: u64) -> Json {
    or_variable(&json!({ "type": "integer", "minimum": least, "maximum": most }))
}

fn number() -> Json {
    or_variable(&number_above(0))
}

fn number_above(least: u64) -> Json {
    json!({ "type": "number", "minimum": least })
}

fn flag() -> Json {
    or_variable(&json!({ "type": "boolean" }))
}

fn one_of<const N: usize>(words: [&'static str; N]) -> Json {
    or_variable(&json!({ "enum": words.to_vec() }))
}

/// A text that bounds something: there is a number in it, or a variable.
const NUMBERED: &str = "[0-9]|\\$\\{";

/// A list with something in it.
fn some(items: &Json) -> Json {
    json!({ "type": "array", "items": items, "minItems": 1 })
}

/// Where a request goes.
fn path() -> Json {
    json!({ "type": "string", "pattern": "^/|\\$\\{" })
}

/// A moment of the calendar.
fn moment() -> Json {
    json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|\\$\\{" })
}

/// A length of time with its unit.
fn duration() -> Json {
    let units = "h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|ms|msecs?|millis?|milliseconds?|us|µs|usecs?|micros?|microseconds?";
    let pattern = format!("^\\s*([0-9]+([.,][0-9]+)?\\s*({units}),?\\s*)+$|\\$\\{{");
    json!({ "type": "string", "pattern": pattern, "examples": ["250ms", "61s", "1m30s"] })
}

/// A number, or `>=1`, `<=1`, `0..1`.
fn bounds() -> Json {
    json!({ "type": ["number", "string"], "pattern": NUMBERED, "examples": [1, ">=1", "<=1", "0..1"] })
}

fn count() -> Json {
    json!({ "type": ["integer", "string"], "pattern": NUMBERED, "examples": [3, ">=1", "<=1", "0..1"] })
}

fn share() -> Json {
    json!({ "type": ["number", "string"], "pattern": NUMBERED, "examples": ["40%", ">=99%", "40%..60%"] })
}

fn time() -> Json {
    json!({ "type": "string", "pattern": NUMBERED, "examples": ["60s", ">=60s", "<=3s", "59s..61s"] })
}

fn times() -> Json {
    keyed(Figure::NAMES, time)
}

fn pattern() -> Json {
    json!({ "type": ["string", "integer"], "examples": ["429@mock 200@openai{2}", "any(429? 200{2})"] })
}

fn variables() -> Json {
    open(&json!({ "type": ["string", "number", "boolean"] }))
}

fn simulators() -> Json {
    open(&json!({ "anyOf": [{ "enum": ["openai"] }, map(SIMULATOR)] }))
}

fn one_or_more() -> Json {
    json!({ "anyOf": [text(), list(&text())] })
}

fn headers() -> Json {
    let presence = json!({ "type": "object", "additionalProperties": false,
        "properties": { "contains": text(), "present": { "type": "boolean" } } });
    open(&json!({ "anyOf": [{ "type": ["string", "number"] }, presence] }))
}

fn headers_to_send() -> Json {
    open(&text())
}

fn personalities() -> Json {
    let names = json!({ "enum": Personality::ALL.map(Personality::name) });
    json!({ "anyOf": [{ "const": under::ALL }, list(&names)] })
}

fn under_personalities() -> Json {
    keyed(&Personality::ALL.map(Personality::name), || reference("expect"))
}

fn evictions() -> Json {
    open(&json!({ "anyOf": [count(), map(EVICTION)] }))
}

fn exercises() -> Json {
    let words = Feat::TABLE.map(|(_, name, ..)| name);
    let of_provider: Vec<&str> =
        Feat::TABLE.iter().filter(|(feat, ..)| feat.is_of_a_provider()).map(|(_, name, ..)| *name).collect();
    let mut named = keyed(&of_provider, text);
    named["minProperties"] = json!(1);
    named["maxProperties"] = json!(1);
    let one = json!({ "anyOf": [{ "enum": words.to_vec() }, named] });
    json!({ "anyOf": [one, list(&one)] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::read;

    fn names(keys: &[Key]) -> Vec<&'static str> {
        sorted(keys.iter().map(|(name, ..)| *name))
    }

    fn sorted(names: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_schema_has_the_keys_that_the_reader_takes() {
        let of = |known: &[&'static str]| sorted(known.iter().copied());
        assert_eq!(names(TOP), of(read::TOP));
        assert_eq!(names(LAB), of(read::OF_LAB));
        assert_eq!(names(SIMULATOR), of(read::OF_SIMULATOR));
        assert_eq!(names(GATEWAY), of(read::OF_GATEWAY));
        assert_eq!(names(INVARIANTS), of(read::OF_INVARIANTS));
        assert_eq!(names(PRICE), of(read::OF_PRICE));
        let expected = [read::expectations::KNOWN, &[under::UNDER]].concat();
        assert_eq!(names(EXPECT), of(&expected));
        assert_eq!(names(ANSWER), of(read::expectations::OF_ANSWERS));
        assert_eq!(names(BODY), of(read::expectations::OF_BODY));
        assert_eq!(names(EVICTION), of(read::expectations::OF_EVICTIONS));
        for (mine, known) in steps::known() {
            assert_eq!(names(&mine), of(known));
        }
        assert_eq!(sorted(steps::verbs()), sorted(read::steps::verbs()));
        assert_eq!(sorted(Figure::TABLE.map(|(name, _)| name)), of(Figure::NAMES));
        assert_eq!(sorted(TokenKind::TABLE.map(|(name, _)| name)), of(TokenKind::NAMES));
    }
}
