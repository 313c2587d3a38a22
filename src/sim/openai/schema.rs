//! Makes a value that satisfies a JSON Schema: what a model writes as structured output or as the
//! arguments of a tool.

mod numbers;
mod pattern;
mod strict;
mod strings;

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::world::Random;

pub(crate) use strict::check_strict;

/// Deeper than this, what need not be there is left out.
const DEEP: u32 = 5;
/// Deeper than this, or beyond so many parts, nothing is made at all.
const DEEPEST: u32 = 30;
const MOST_PARTS: u32 = 3_000;
const MANY_PARTS: u32 = 300;
const MOST_ITEMS: u64 = 1_000;

/// A value that satisfies `schema`; its texts speak of `topic`. What no value could satisfy gets `null`.
pub(crate) fn value(schema: &Json, topic: &str, random: &mut Random) -> Json {
    Maker { root: schema, topic, random, parts: 0 }.make(schema, "", 0)
}

struct Maker<'a> {
    root: &'a Json,
    topic: &'a str,
    random: &'a mut Random,
    parts: u32,
}

impl Maker<'_> {
    /// A value for the property `name`, which is empty for anything else.
    fn make(&mut self, schema: &Json, name: &str, depth: u32) -> Json {
        self.parts += 1;
        if depth > DEEPEST || self.parts > MOST_PARTS {
            return Json::Null;
        }
        let Json::Object(schema) = schema else {
            return if schema == &Json::Bool(false) { Json::Null } else { self.text(&Map::new(), name).into() };
        };
        if let Some(target) = self.referred(schema) {
            return self.make(&target, name, depth + 1);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(Json::Array(choices)) = schema.get("enum") {
            return choices.get(self.random.index(choices.len())).cloned().unwrap_or_default();
        }
        match self.merged(schema, depth) {
            Some(merged) => self.make(&merged, name, depth + 1),
            None => self.of_type(schema, name, depth),
        }
    }

    fn is_short(&self, depth: u32) -> bool {
        depth >= DEEP || self.parts > MANY_PARTS
    }

    fn referred(&self, schema: &Map<String, Json>) -> Option<Json> {
        let reference = schema.get("$ref")?.as_str()?;
        let target = self.root.pointer(reference.strip_prefix('#')?)?;
        Some(target.clone())
    }

    /// The schema with its `allOf`, or one branch of its `anyOf` or `oneOf`, merged in.
    fn merged(&mut self, schema: &Map<String, Json>, depth: u32) -> Option<Json> {
        for name in ["allOf", "anyOf", "oneOf"] {
            let Some(Json::Array(branches)) = schema.get(name) else { continue };
            let mut merged = schema.clone();
            merged.shift_remove(name);
            if name == "allOf" {
                for branch in branches {
                    merge(&mut merged, &self.resolved(branch));
                }
            } else if let Some(branch) = self.branch(branches, depth) {
                merge(&mut merged, &self.resolved(branch));
            }
            return Some(Json::Object(merged));
        }
        None
    }

    fn resolved<'b>(&self, branch: &'b Json) -> Cow<'b, Json> {
        let target = branch.as_object().and_then(|schema| self.referred(schema));
        target.map_or(Cow::Borrowed(branch), Cow::Owned)
    }

    /// One of several schemas: any but `null`, and in the deep the first that ends soon.
    fn branch<'b>(&mut self, branches: &'b [Json], depth: u32) -> Option<&'b Json> {
        let kind = |branch: &Json| branch.get("type").and_then(Json::as_str).map(str::to_owned);
        if self.is_short(depth) {
            let ends = |branch: &&Json| {
                kind(branch).is_some_and(|kind| kind != "object" && kind != "array") || branch.get("enum").is_some()
            };
            let null = branches.iter().find(|branch| kind(branch).as_deref() == Some("null"));
            return null.or_else(|| branches.iter().find(ends)).or(branches.first());
        }
        let full: Vec<&Json> = branches.iter().filter(|branch| kind(branch).as_deref() != Some("null")).collect();
        full.get(self.random.index(full.len())).copied().or(branches.first())
    }

    fn of_type(&mut self, schema: &Map<String, Json>, name: &str, depth: u32) -> Json {
        match self.type_of(schema, depth) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => numbers::integer(schema, name, self.random),
            "number" => numbers::number(schema, name, self.random),
            "boolean" => Json::Bool(self.random.chance(0.5)),
            "null" => Json::Null,
            _ => self.text(schema, name).into(),
        }
    }

    fn type_of<'b>(&self, schema: &'b Map<String, Json>, depth: u32) -> &'b str {
        match schema.get("type") {
            Some(Json::String(one)) => one,
            Some(Json::Array(several)) => {
                let names = || several.iter().filter_map(Json::as_str);
                let null = names().find(|&name| name == "null").filter(|_| self.is_short(depth));
                null.or_else(|| names().find(|&name| name != "null")).or_else(|| names().next()).unwrap_or("string")
            }
            _ if schema.contains_key("properties") || schema.contains_key("required") => "object",
            _ if schema.contains_key("items") || schema.contains_key("prefixItems") => "array",
            _ if ["minimum", "maximum", "multipleOf"].iter().any(|name| schema.contains_key(*name)) => "number",
            _ => "string",
        }
    }

    fn object(&mut self, schema: &Map<String, Json>, depth: u32) -> Json {
        let required: Vec<&str> =
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            if required.contains(&name.as_str()) || !self.is_short(depth) {
                object.insert(name.clone(), self.make(property, name, depth + 1));
            }
        }
        let others = schema.get("additionalProperties").unwrap_or(&Json::Bool(true));
        for name in required {
            if !object.contains_key(name) {
                let value = self.make(others, name, depth + 1);
                object.insert(name.to_owned(), value);
            }
        }
        let fewest = schema.get("minProperties").and_then(Json::as_u64).unwrap_or(0).min(MOST_ITEMS);
        for number in 1..=fewest {
            if (object.len() as u64) < fewest && others != &Json::Bool(false) {
                let value = self.make(others, "", depth + 1);
                object.entry(format!("key_{number}")).or_insert(value);
            }
        }
        Json::Object(object)
    }

    fn array(&mut self, schema: &Map<String, Json>, name: &str, depth: u32) -> Json {
        let limit = |name: &str| schema.get(name).and_then(Json::as_u64);
        let fewest = limit("minItems").unwrap_or(0).min(MOST_ITEMS);
        let wanted = if self.is_short(depth) { 0 } else { 1 + self.random.below(3) };
        let length = wanted.min(limit("maxItems").unwrap_or(u64::MAX)).max(fewest);
        let first = schema.get("prefixItems").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let rest = schema.get("items").unwrap_or(&Json::Bool(true));
        let length = if rest == &Json::Bool(false) { length.min(first.len() as u64) } else { length };
        let is_set = schema.get("uniqueItems") == Some(&Json::Bool(true));
        let mut items: Vec<Json> = Vec::new();
        for position in 0..usize::try_from(length).unwrap_or(0) {
            let schema = first.get(position).unwrap_or(rest);
            let mut item = self.make(schema, name, depth + 1);
            let mut tries = 0;
            while is_set && items.contains(&item) && tries < 40 {
                item = self.make(schema, name, depth + 1);
                tries += 1;
            }
            if !is_set || !items.contains(&item) {
                items.push(item);
            }
        }
        Json::Array(items)
    }

    fn text(&mut self, schema: &Map<String, Json>, name: &str) -> String {
        strings::string(schema, name, self.topic, self.random)
    }
}

/// Adds `other` to `schema`: properties and required names are joined, the rest is replaced.
fn merge(schema: &mut Map<String, Json>, other: &Json) {
    let Json::Object(other) = other else { return };
    for (name, value) in other {
        match (schema.get_mut(name), value) {
            (Some(Json::Object(mine)), Json::Object(more)) if name == "properties" => {
                mine.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            (Some(Json::Array(mine)), Json::Array(more)) if name == "required" => {
                mine.extend(more.iter().cloned());
            }
            _ => {
                schema.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
