//! Secret: credentials by name and key. Their values go nowhere but into the topology.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::object::Object;
use crate::source::{Diagnostic, Node, Place, Spanned, Value};

/// A Secret.
pub(super) struct Secret {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its keys; a value that is not UTF-8 text is none.
    pub(super) values: BTreeMap<String, Option<String>>,
}

/// Reads a Secret. `stringData` wins over `data`, as it does in Kubernetes.
pub(super) fn read(object: Object<'_>) -> Secret {
    let Object { name, namespace, fields, .. } = object;
    let mut values = BTreeMap::new();
    for (key, encoded) in fields.labels("data") {
        let cleaned: String = encoded.value.split_ascii_whitespace().collect();
        match STANDARD.decode(cleaned) {
            Ok(bytes) => {
                values.insert(key, String::from_utf8(bytes).ok());
            }
            Err(_) => {
                fields.log().push(
                    Diagnostic::error(format!("the value of `{key}` is not base64"))
                        .at(encoded.place, "`data` holds base64")
                        .help("encode it, or write it as it is under `stringData`"),
                );
                values.insert(key, None);
            }
        }
    }
    for (key, value) in fields.labels("stringData") {
        values.insert(key, Some(value.value));
    }
    Secret { name, namespace, values }
}

/// The places of a manifest that may hold credentials: values of Secrets, inline keys of providers,
/// values of headers and variables whose names say so. Nothing there may be shown or recorded.
#[must_use]
pub fn secret_places(node: &Node) -> Vec<Place> {
    let mut places = Vec::new();
    for entry in node.entries() {
        match entry.key.as_str() {
            "data" | "stringData" => scalars(&entry.value, &mut places),
            _ => search(&entry.key, &entry.value, &mut places),
        }
    }
    places
}

/// Fields below `auth` that hold names and not credentials.
const NAMES_OF_AUTH: [&str; 8] =
    ["name", "namespace", "group", "kind", "secretRef", "passthrough", "location", "serviceName"];

/// Parts of the names of headers and variables that hold credentials.
const CREDENTIAL_NAMES: [&str; 7] = ["authorization", "api-key", "apikey", "token", "secret", "password", "cookie"];

fn search(key: &str, node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| search(key, item, places)),
        Value::Map(entries) => {
            let named = node.get("name").and_then(Node::as_str).is_some_and(names_a_credential);
            for entry in entries {
                match entry.key.as_str() {
                    "auth" => auth(&entry.value, places),
                    "stringData" => scalars(&entry.value, places),
                    "data" if node.get("kind").and_then(Node::as_str) != Some("ConfigMap") => {
                        scalars(&entry.value, places);
                    }
                    "value" if named => scalars(&entry.value, places),
                    "kubectl.kubernetes.io/last-applied-configuration" => scalars(&entry.value, places),
                    key => search(key, &entry.value, places),
                }
            }
        }
        _ => {}
    }
}

fn names_a_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    CREDENTIAL_NAMES.iter().any(|part| name.contains(part))
}

/// Everything below `auth` that is not the name of something.
fn auth(node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                match (entry.value.entries().is_empty(), NAMES_OF_AUTH.contains(&entry.key.as_str())) {
                    (true, true) if entry.key != "secretRef" && entry.key != "passthrough" => {}
                    (true, _) => scalars(&entry.value, places),
                    (false, _) => auth(&entry.value, places),
                }
            }
        }
        _ => scalars(node, places),
    }
}

fn scalars(node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Null => {}
        Value::Seq(items) => items.iter().for_each(|item| scalars(item, places)),
        Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, places)),
        _ => places.push(node.place),
    }
}
