//! Which tool definitions are taken: a short list of JSON Schema's words, and nothing else.

use serde_json::{Map, Value as Json};

/// Words that a parameter's schema may use.
const WORDS: [&str; 17] = [
    "type",
    "description",
    "enum",
    "properties",
    "items",
    "required",
    "additionalProperties",
    "minItems",
    "maxItems",
    "default",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
];
const MORE_WORDS: [&str; 2] = ["format", "title"];

/// How deep schemas may nest.
const MAX_DEPTH: usize = 64;

/// Checks a definition; the error is a text after `Tool validation failed: `.
pub(crate) fn check(definition: &Json) -> Result<(), String> {
    let fail = |at: &str, cause: String| format!("jsonschema: '{at}' does not validate: {cause}");
    let Some(map) = definition.as_object() else {
        return Err(fail("", "expected object".to_owned()));
    };
    for name in ["name", "description", "parameters"] {
        if !map.contains_key(name) {
            return Err(fail("", format!("missing properties: '{name}'")));
        }
    }
    for (name, value) in map {
        match name.as_str() {
            "name" | "description" if !value.is_string() => {
                return Err(fail(&format!("/{name}"), "expected string".to_owned()));
            }
            "name" | "description" => {}
            "parameters" => parameter(value, "/parameters", 0).map_err(|(at, cause)| fail(&at, cause))?,
            other => return Err(fail("", format!("additionalProperties '{other}' not allowed"))),
        }
    }
    Ok(())
}

type Fault = (String, String);

fn parameter(schema: &Json, at: &str, depth: usize) -> Result<(), Fault> {
    let fail = |cause: String| Err((at.to_owned(), cause));
    if depth > MAX_DEPTH {
        return fail("nested too deep".to_owned());
    }
    let Some(map) = schema.as_object() else { return fail("expected object".to_owned()) };
    if let Some(word) = map.keys().find(|word| !WORDS.contains(&word.as_str()) && !MORE_WORDS.contains(&word.as_str()))
    {
        return fail(format!("additionalProperties '{word}' not allowed"));
    }
    let Some(kind) = map.get("type") else { return fail("missing properties: 'type'".to_owned()) };
    let Some(kind) = kind.as_str() else { return fail("expected string for 'type'".to_owned()) };
    if !["string", "number", "integer", "boolean", "array", "object", "null"].contains(&kind) {
        return fail(format!("unknown type '{kind}'"));
    }
    if let Some(text) = wrong_word(map) {
        return fail(text);
    }
    members(map, kind).map_err(|cause| (at.to_owned(), cause))?;
    match kind {
        "array" => match map.get("items") {
            Some(items) => parameter(items, &format!("{at}/items"), depth + 1),
            None => fail("missing properties: 'items'".to_owned()),
        },
        "object" => match map.get("properties").and_then(Json::as_object) {
            Some(properties) => properties
                .iter()
                .try_for_each(|(name, schema)| parameter(schema, &format!("{at}/properties/{name}"), depth + 1)),
            None => fail("missing properties: 'properties'".to_owned()),
        },
        _ => Ok(()),
    }
}

/// A word whose value has the wrong type.
fn wrong_word(map: &Map<String, Json>) -> Option<String> {
    map.iter().find_map(|(word, value)| {
        let (fits, wanted) = match word.as_str() {
            "description" | "pattern" | "format" | "title" => (value.is_string(), "string"),
            "additionalProperties" => (value.is_boolean(), "boolean"),
            "minItems" | "maxItems" | "minLength" | "maxLength" => (value.is_u64(), "integer"),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => (value.is_number(), "number"),
            "enum" => (value.is_array(), "array"),
            "properties" => (value.is_object(), "object"),
            "required" => (value.as_array().is_some_and(|list| list.iter().all(Json::is_string)), "array of strings"),
            _ => (true, ""),
        };
        (!fits).then(|| format!("expected {wanted} for '{word}'"))
    })
}

/// The members of an `enum` must be of the type beside it.
fn members(map: &Map<String, Json>, kind: &str) -> Result<(), String> {
    let Some(members) = map.get("enum").and_then(Json::as_array) else { return Ok(()) };
    let fits: fn(&Json) -> bool = match kind {
        "string" => Json::is_string,
        "number" => Json::is_number,
        "integer" => Json::is_i64,
        "boolean" => Json::is_boolean,
        _ => return Err(format!("'enum' not allowed for type '{kind}'")),
    };
    if members.iter().all(fits) { Ok(()) } else { Err(format!("'enum' has a member that is no {kind}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(parameters: &Json) -> Result<(), String> {
        check(&json!({"name": "f", "description": "d", "parameters": parameters}))
    }

    #[test]
    fn ordinary_tools_pass() {
        let nested = json!({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
            "a": {"type": "array", "minItems": 1, "items": {"type": "integer", "enum": [1, 2]}},
            "b": {"type": "object", "properties": {"c": {"type": "null"}}}}});
        assert_eq!(with(&nested), Ok(()));
    }

    #[test]
    fn what_the_original_refuses_is_refused() {
        assert!(
            check(&json!({"name": "f", "description": "d"})).unwrap_err().contains("missing properties: 'parameters'")
        );
        assert!(check(&json!({"name": "f", "description": "d", "parameters": {}, "strict": true})).is_err());
        for parameters in [
            json!({"type": "object", "properties": {}, "$comment": "x"}),
            json!({"type": "object"}),
            json!({"type": ["object", "null"], "properties": {}}),
            json!({"properties": {}}),
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["x", 1]}}}),
            json!({"type": "object", "properties": {"a": {"type": "null", "enum": []}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "minLength": -1}}}),
        ] {
            assert!(with(&parameters).is_err(), "{parameters}");
        }
    }
}
