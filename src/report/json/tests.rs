//! The report against its schema.

use serde_json::Value as Json;

use super::*;
use crate::report::testing::{assert_snapshot, runs};

#[test]
fn runs_as_json() {
    assert_snapshot("report.json", &render(&runs()));
}

#[test]
fn the_report_is_what_its_schema_says() {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let report: Json = serde_json::from_str(&render(&runs())).unwrap();
    let mut wrong = Vec::new();
    check(&schema, &report, "$", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(schema["properties"]["labsim_report"]["const"], FORMAT);
}

#[test]
fn the_check_itself_finds_what_is_wrong() {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let mut report: Json = serde_json::from_str(&render(&runs())).unwrap();
    report["runs"][0]["outcome"] = "good".into();
    report["runs"][0]["requests"][0]["status"] = "429".into();
    report["runs"][0]["new"] = 1.into();
    report["runs"][1].as_object_mut().unwrap().remove("seed");
    let mut wrong = Vec::new();
    check(&schema, &report, "$", &mut wrong);
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
}

/// The part of JSON Schema that the schema uses. Stricter in one thing: what the schema does not
/// name, the report may not have.
fn check(schema: &Json, value: &Json, at: &str, wrong: &mut Vec<String>) {
    let allowed = match &schema["type"] {
        Json::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    if !allowed.iter().any(|name| is_of_type(name.as_str().unwrap(), value)) {
        return wrong.push(format!("{at} is {value}, not {allowed:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        wrong.push(format!("{at} is {value}"));
    }
    if schema["minimum"].as_f64().is_some_and(|least| value.as_f64().is_some_and(|number| number < least)) {
        wrong.push(format!("{at} is {value}, too small"));
    }
    if let (Some(values), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, inner) in values {
            match properties.get(name) {
                Some(schema) => check(schema, inner, &format!("{at}.{name}"), wrong),
                None => wrong.push(format!("{at}.{name} is not in the schema")),
            }
        }
        let required = schema["required"].as_array().unwrap();
        let absent = required.iter().filter(|name| !values.contains_key(name.as_str().unwrap()));
        wrong.extend(absent.map(|name| format!("{at} has no {name}")));
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], inner, &format!("{at}[{index}]"), wrong);
    }
}

fn is_of_type(name: &str, value: &Json) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has the type {other}"),
    }
}
