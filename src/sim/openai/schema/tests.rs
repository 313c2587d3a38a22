use serde_json::json;

use super::*;
use crate::world::Seed;

/// Values for many seeds.
fn values(schema: &Json) -> Vec<Json> {
    (0..50).map(|seed| value(schema, "rivers", &mut Seed(seed).stream("test"))).collect()
}

#[test]
fn objects_have_what_is_required_and_nothing_else() {
    let schema = json!({
        "type": "object",
        "properties": {
            "location": {"type": "string"},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
            "exact": {"type": ["boolean", "null"]},
        },
        "required": ["location", "unit", "days", "exact"],
        "additionalProperties": false,
    });
    for value in values(&schema) {
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["location", "unit", "days", "exact"]);
        assert!(value["location"].as_str().unwrap().contains(','), "{value}");
        assert!(["c", "f"].contains(&value["unit"].as_str().unwrap()));
        assert!((1..=7).contains(&value["days"].as_i64().unwrap()), "{value}");
        assert!(value["exact"].is_boolean());
    }
}

#[test]
fn numbers_keep_their_bounds() {
    for value in values(&json!({"type": "integer", "exclusiveMinimum": 3, "maximum": 5})) {
        assert!([4, 5].contains(&value.as_i64().unwrap()), "{value}");
    }
    for value in values(&json!({"type": "integer", "minimum": 100, "maximum": 200, "multipleOf": 7})) {
        let number = value.as_i64().unwrap();
        assert!((100..=200).contains(&number) && number % 7 == 0, "{value}");
    }
    for value in values(&json!({"type": "number", "minimum": 0, "maximum": 1})) {
        assert!((0.0..=1.0).contains(&value.as_f64().unwrap()), "{value}");
    }
    for value in values(&json!({"type": "number", "minimum": -1e300, "maximum": 1e300})) {
        assert!(value.is_number(), "{value}");
    }
    for value in values(&json!({"type": "integer", "maximum": -1_000})) {
        assert!(value.as_i64().unwrap() <= -1_000, "{value}");
    }
}

#[test]
fn texts_keep_their_form() {
    for (schema, pattern) in [
        (json!({"type": "string", "pattern": "^[A-Z]{3}-\\d{2,4}$"}), "^[A-Z]{3}-[0-9]{2,4}$"),
        (json!({"type": "string", "pattern": "^(red|green|blue)(,(red|green|blue))*$"}), "^[a-z,]+$"),
        (json!({"type": "string", "pattern": "^[^@\\s]+@[a-z]+\\.(?:com|org)$"}), "@[a-z]+\\.(com|org)$"),
        (json!({"type": "string", "format": "date"}), "^2026-[0-9]{2}-[0-9]{2}$"),
        (
            json!({"type": "string", "format": "uuid"}),
            "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        ),
        (json!({"type": "string", "minLength": 20, "maxLength": 25}), "^.{20,25}$"),
        (json!({"type": "string", "maxLength": 3}), "^.{1,3}$"),
    ] {
        let pattern = regex::Regex::new(pattern).unwrap();
        for value in values(&schema) {
            assert!(pattern.is_match(value.as_str().unwrap()), "{schema}: {value}");
        }
    }
}

#[test]
fn arrays_keep_their_lengths() {
    for value in values(&json!({"type": "array", "minItems": 5, "items": {"type": "boolean"}})) {
        assert_eq!(value.as_array().unwrap().len(), 5);
    }
    let set = json!({"type": "array", "minItems": 3, "maxItems": 3, "uniqueItems": true, "items": {"enum": [1, 2, 3]}});
    for value in values(&set) {
        let mut items: Vec<i64> = value.as_array().unwrap().iter().map(|item| item.as_i64().unwrap()).collect();
        items.sort_unstable();
        assert_eq!(items, [1, 2, 3]);
    }
}

/// A list whose end is `null`.
fn check_list(value: &Json) {
    assert!(value["value"].is_string() && value["children"].is_array(), "{value}");
    if !value["next"].is_null() {
        check_list(&value["next"]);
    }
}

#[test]
fn references_and_recursion_end() {
    let list = json!({
        "type": "object",
        "properties": {
            "value": {"type": "string"},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        },
        "required": ["value", "next", "children"],
        "additionalProperties": false,
        "$defs": {"node": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["children"]}},
    });
    values(&list).iter().for_each(check_list);
    for endless in [
        json!({"$ref": "#"}),
        json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"type": "array", "minItems": 1_000_000_000, "items": {"$ref": "#"}}),
    ] {
        values(&endless);
    }
}

#[test]
fn all_of_joins_and_any_of_chooses() {
    let schema = json!({
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"const": 4}}, "required": ["b"]},
        ],
    });
    for value in values(&schema) {
        assert!(value["a"].is_i64() && value["b"] == 4, "{value}");
    }
    let either = json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}]});
    let values = values(&either);
    assert!(values.iter().all(|value| value.is_i64() || value.is_boolean()));
    assert!(values.iter().any(Json::is_i64) && values.iter().any(Json::is_boolean));
}

#[test]
fn strict_mode_wants_closed_objects() {
    let open = json!({"type": "object", "properties": {}});
    assert_eq!(
        check_strict(&open).unwrap_err(),
        "In context=(), 'additionalProperties' is required to be supplied and to be false."
    );
    let lax = json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {"a": {"type": "object", "additionalProperties": false, "properties": {"b": {}}, "required": []}},
    });
    assert_eq!(
        check_strict(&lax).unwrap_err(),
        "In context=('properties', 'a'), 'required' is required to be supplied and to be an array including every key in \
         properties. Missing 'b'."
    );
}
