//! Faults in the schema: each with the parameters that its own definition has.

use serde_json::{Map, Value as Json, json};

use super::{Key, between, described, duration, flag, list, map, number, or_variable, text, whole};
use crate::fault::{self, About, Fault, Parameter};

/// What stands under `inject`.
pub(super) const INJECT: &[Key] = &[
    ("fault", "What happens", fault),
    ("target", "Whom it meets: a provider, a model, a link such as `gateway/1 -> mock`; everything where absent", text),
    ("probability", "How likely each request, or connection, is struck: 0 to 1", share_of_one),
    ("window", "When it strikes", || map(WINDOW)),
    ("name", "A name by which it can be cleared", text),
];

/// What stands under `window`.
pub(super) const WINDOW: &[Key] = &[
    ("after", "How long after its injection it begins", duration),
    ("for", "How long it lasts from there", duration),
    ("first", "How often it strikes at most", from_one),
    ("every", "Of those that it meets it strikes only every Nth", from_one),
];

/// What stands under `clear`, where it is not `all`.
pub(super) const CLEAR: &[Key] = &[
    ("name", "Those of this name", text),
    ("fault", "Those of this kind", names),
    ("target", "Those with this target", text),
    ("id", "The one with this number, as `fault-injected` events tell it", whole),
];

/// The value of an `inject` step: an injection, or a fault that meets everything.
pub(super) fn inject() -> Json {
    let mut injection = map(INJECT);
    injection["required"] = json!(["fault"]);
    json!({ "anyOf": [names(), injection] })
}

/// The value of a `clear` step.
pub(super) fn clear() -> Json {
    json!({ "anyOf": [{ "const": "all" }, one_key(map(CLEAR))] })
}

/// A fault: its name, or a map from its name to its parameters.
fn fault() -> Json {
    json!({ "anyOf": [names(), { "$ref": "#/$defs/fault" }] })
}

/// A map from the name of a fault to its parameters.
pub(super) fn parameters() -> Json {
    let properties: Map<String, Json> =
        fault::catalogue().iter().map(|about| (about.name.to_owned(), of_fault(about))).collect();
    one_key(json!({ "type": "object", "additionalProperties": false, "properties": properties }))
}

fn of_fault(about: &About) -> Json {
    let properties: Map<String, Json> =
        about.parameters.iter().map(|one| (one.name.clone(), of_parameter(one))).collect();
    let schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    described(schema, about.line())
}

fn of_parameter(parameter: &Parameter) -> Json {
    let mut schema = described(of_kind(parameter.kind), &parameter.about);
    if !parameter.default.is_null() {
        schema["default"] = parameter.default.clone();
    }
    schema
}

/// What may stand where a parameter of this kind is read.
fn of_kind(kind: &str) -> Json {
    match kind {
        "a whole number" => whole(),
        "a whole number from 1" => from_one(),
        "a status code from 200 to 599" => between(200, 599),
        "`true` or `false`" => flag(),
        "a number" => number(),
        "text" => text(),
        "a duration" => duration(),
        "a duration or a distribution" => json!({ "anyOf": [duration(), { "$ref": "#/$defs/distribution" }] }),
        "a map of texts" => json!({ "type": "object", "additionalProperties": text() }),
        words if words.contains("with a duration") => json!({ "$ref": "#/$defs/spelling" }),
        words => or_variable(&json!({ "enum": quoted(words) })),
    }
}

/// The words between backticks.
fn quoted(words: &str) -> Vec<&str> {
    words.split('`').skip(1).step_by(2).collect()
}

/// The spellings of `Retry-After`.
pub(super) fn spelling() -> Json {
    let with_duration =
        ["seconds", "http-date", "past-date", "milliseconds", "reset", "reset-epoch", "reset-requests", "reset-tokens"];
    let mut properties: Map<String, Json> = with_duration.iter().map(|name| ((*name).to_owned(), duration())).collect();
    properties.insert("duplicate".to_owned(), list(&duration()));
    properties.insert("several".to_owned(), list(&json!({ "$ref": "#/$defs/spelling" })));
    properties.insert("text".to_owned(), text());
    let map = one_key(json!({ "type": "object", "additionalProperties": false, "properties": properties }));
    let words = ["zero", "negative", "fractional", "garbage", "empty", "huge", "absent"];
    json!({ "anyOf": [{ "enum": words }, map] })
}

/// A time that varies.
pub(super) fn distribution() -> Json {
    let of = |keys: &[&str]| {
        let value = |key: &str| if key == "sigma" { number() } else { duration() };
        let properties: Map<String, Json> = keys.iter().map(|key| ((*key).to_owned(), value(key))).collect();
        json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": keys })
    };
    one_key(json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "uniform": of(&["from", "to"]),
            "normal": of(&["mean", "deviation"]),
            "log-normal": of(&["median", "sigma"]),
            "exponential": of(&["mean"]),
        },
    }))
}

fn names() -> Json {
    or_variable(&json!({ "enum": Fault::NAMES }))
}

fn share_of_one() -> Json {
    or_variable(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))
}

fn from_one() -> Json {
    or_variable(&json!({ "type": "integer", "minimum": 1 }))
}

/// The map with exactly one of its keys.
pub(super) fn one_key(mut map: Json) -> Json {
    map["minProperties"] = json!(1);
    map["maxProperties"] = json!(1);
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Injection;

    fn validator() -> jsonschema::Validator {
        let mut schema = inject();
        schema["$defs"] = json!({ "fault": parameters(), "spelling": spelling(), "distribution": distribution() });
        jsonschema::validator_for(&schema).expect("a sound schema")
    }

    #[test]
    fn every_fault_is_sound_with_the_parameters_that_it_has_by_default() {
        let validator = validator();
        for fault in Fault::all() {
            let json = serde_json::to_value(Injection::new(fault)).expect("JSON");
            // What is absent is null there, and left out in files.
            let mut json = json;
            let parameters = json["fault"].as_object_mut().and_then(|one| one.values_mut().next());
            if let Some(Json::Object(parameters)) = parameters {
                parameters.retain(|_, value| !value.is_null());
            }
            assert!(validator.is_valid(&json), "{json}");
        }
    }

    #[test]
    fn every_kind_of_parameter_has_its_schema() {
        let parameters = fault::catalogue().into_iter().flat_map(|about| about.parameters);
        for parameter in parameters {
            let schema = of_kind(parameter.kind);
            let choices = schema.pointer("/anyOf/0/enum").and_then(Json::as_array);
            assert!(choices.is_none_or(|words| words.len() > 1), "`{}` is no list of words", parameter.kind);
        }
    }

    #[test]
    fn what_the_reader_takes_and_refuses_so_does_the_schema() {
        let validator = validator();
        for (json, sound) in [
            (json!("stall"), true),
            (json!({ "fault": { "status": { "code": 503 } }, "target": "mock", "probability": 0.5 }), true),
            (json!({ "fault": { "stall": {} }, "window": { "after": "5s", "for": "1m", "first": 3 } }), true),
            (json!({ "fault": { "delay": { "time": { "uniform": { "from": "1s", "to": "5s" } } } } }), true),
            (json!({ "fault": { "retry-after": { "value": { "several": ["zero", { "text": "a" }] } } } }), true),
            (json!({ "fault": { "retry-after": { "value": "soon" } } }), false),
            (json!({ "fault": { "status": { "code": 99 } } }), false),
            (json!({ "fault": { "status": { "cod": 503 } } }), false),
            (json!({ "fault": "stal" }), false),
            (json!({ "target": "mock" }), false),
            (json!({ "fault": "stall", "window": { "every": 0 } }), false),
            (json!({ "fault": { "stall": {}, "cut": {} } }), false),
        ] {
            assert_eq!(validator.is_valid(&json), sound, "{json}");
            let read = match &json {
                Json::String(name) => Injection::parse(name).is_ok(),
                other => serde_json::from_value::<Injection>(other.clone()).is_ok(),
            };
            assert_eq!(read, sound, "the reader on {json}");
        }
    }
}
