//! What strict mode asks of a schema: every object closed, every property required.

use serde_json::Value as Json;

/// Deeper than this nothing is checked; a real schema has at most ten levels.
const DEEPEST: usize = 40;

/// What is wrong with a schema in strict mode, in OpenAI's words after `In `.
pub(crate) fn check_strict(schema: &Json) -> Result<(), String> {
    check(schema, &mut Vec::new())
}

fn check(schema: &Json, path: &mut Vec<String>) -> Result<(), String> {
    let Json::Object(map) = schema else { return Ok(()) };
    if path.len() > DEEPEST {
        return Ok(());
    }
    let is_object = map.get("type").is_some_and(|kind| match kind {
        Json::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    });
    if is_object {
        check_object(map, path)?;
    }
    let mut into = |step: &[&str], schema: &Json| {
        path.extend(step.iter().map(|&part| part.to_owned()));
        let checked = check(schema, path);
        path.truncate(path.len() - step.len());
        checked
    };
    for group in ["properties", "$defs", "definitions"] {
        for (name, property) in map.get(group).and_then(Json::as_object).into_iter().flatten() {
            into(&[group, name], property)?;
        }
    }
    if let Some(items) = map.get("items") {
        into(&["items"], items)?;
    }
    for (index, branch) in map.get("anyOf").and_then(Json::as_array).into_iter().flatten().enumerate() {
        into(&["anyOf", &index.to_string()], branch)?;
    }
    Ok(())
}

fn check_object(map: &serde_json::Map<String, Json>, path: &[String]) -> Result<(), String> {
    let context = context(path);
    if map.get("additionalProperties") != Some(&Json::Bool(false)) {
        return Err(format!(
            "In context={context}, 'additionalProperties' is required to be supplied and to be false."
        ));
    }
    let required = map.get("required").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let properties = map.get("properties").and_then(Json::as_object);
    match properties.into_iter().flatten().find(|(name, _)| !required.iter().any(|one| one == name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "In context={context}, 'required' is required to be supplied and to be an array including every key in \
             properties. Missing '{name}'."
        )),
    }
}

/// A path as OpenAI writes it: `()`, `('properties', 'city')`.
fn context(path: &[String]) -> String {
    let parts: Vec<String> = path.iter().map(|part| format!("'{part}'")).collect();
    match parts.as_slice() {
        [one] => format!("({one},)"),
        parts => format!("({})", parts.join(", ")),
    }
}
