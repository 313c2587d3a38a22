//! Secret: credentials by name and key. Their values go nowhere but into the topology.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::object::Object;
use crate::source::{Diagnostic, Spanned};

/// A Secret.
pub(super) struct Secret {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its keys; a value that is not UTF-8 text is none.
    pub(super) values: BTreeMap<String, Option<String>>,
}

impl Secret {
    /// Its namespace and its name.
    pub(super) fn path(&self) -> (&str, &str) {
        (&self.namespace, &self.name.value)
    }
}

/// Reads a Secret. `stringData` wins over `data`, as it does in Kubernetes.
pub(super) fn read(object: Object<'_>) -> Secret {
    let Object { name, namespace, fields, .. } = object;
    let mut values = BTreeMap::new();
    for (key, encoded) in fields.labels("data") {
        let cleaned: String = encoded.value.split_ascii_whitespace().collect();
        let decoded = STANDARD.decode(cleaned);
        if decoded.is_err() {
            fields.log().push(
                Diagnostic::error(format!("the value of `{key}` is not base64"))
                    .at(encoded.place, "`data` holds base64")
                    .help("encode it, or write it as it is under `stringData`"),
            );
        }
        values.insert(key, decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    for (key, value) in fields.labels("stringData") {
        values.insert(key, Some(value.value));
    }
    Secret { name, namespace, values }
}
