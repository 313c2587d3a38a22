//! Expectations of who answered, and of what a path leads to in a body.

use jsonpath_rust::parser::parse_json_path;
use serde_json::Value as Json;

use super::{Fields, Read, nothing_expected};
use crate::scenario::expect::{JsonPath, PathValue, Trait};
use crate::scenario::fields::whole_entry;
use crate::source::{Diagnostic, Entry, Place, Spanned, Value};

/// The longest path into a body, in bytes.
const LONGEST: usize = 1_000;

impl Read<'_> {
    /// `provider` and `endpoint`.
    pub(super) fn who(&self, fields: Fields<'_>) -> Vec<(Place, Trait)> {
        let mut found = Vec::new();
        for key in ["provider", "endpoint"] {
            let Some(name) = fields.get::<Spanned<String>>(key) else { continue };
            if key == "endpoint" && !name.value.contains(':') {
                let diagnostic = Diagnostic::error(format!("`{}` is not an address", name.value)).at(name.place, "");
                self.reader.push(diagnostic.help("write it as `host:port`; a provider's name stands under `provider`"));
                continue;
            }
            let target = self.provider(&name.value, name.place);
            found.extend(target.map(|target| (name.place, Trait::Provider(target))));
        }
        found
    }

    /// From paths into a body to what they lead to.
    pub(super) fn paths(&self, entry: &Entry) -> Vec<(Place, Trait)> {
        if entry.value.entries().is_empty() {
            self.reader.push(nothing_expected(entry, "{ \"$.choices[0].message.content\": \"Four.\" }"));
        }
        let entries = self.reader.entries(&entry.value, "from a JSONPath to what it leads to");
        let found = entries.iter().filter_map(|one| {
            let (path, value) = (self.path(one), self.path_value(one));
            Some((whole_entry(one), Trait::BodyPath { path: path?, value: value? }))
        });
        found.collect()
    }

    fn path(&self, one: &Entry) -> Option<JsonPath> {
        let text = one.key.clone();
        // The library's own message is of its grammar, and longer than most paths.
        let query = Some(&text).filter(|text| text.len() <= LONGEST).and_then(|text| parse_json_path(text).ok());
        if query.is_none() {
            let diagnostic = Diagnostic::error("this is not a JSONPath").at(one.key_place, "");
            self.reader.push(diagnostic.help("such as `$.choices[0].message.content`, as RFC 9535 has it"));
        }
        query.map(|query| JsonPath { text, query })
    }

    fn path_value(&self, one: &Entry) -> Option<PathValue> {
        if !matches!(one.value.value, Value::Map(_)) {
            return self.reader.decode::<Json>(&one.value).map(PathValue::Is);
        }
        let fields = self.reader.fields(&one.value, "what stands there", &["contains", "present"])?;
        if one.value.entries().is_empty() {
            self.reader.push(nothing_expected(one, "{ present: true }"));
        }
        if let Some(part) = fields.get::<String>("contains") {
            return Some(PathValue::Contains(part));
        }
        let present: bool = fields.get("present")?;
        Some(if present { PathValue::Present } else { PathValue::Absent })
    }
}
