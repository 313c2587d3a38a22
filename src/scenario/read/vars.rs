//! Variables that a scenario names.

use crate::scenario::expand::{Named, is_name};
use crate::scenario::fields::Reader;
use crate::source::{Diagnostic, Entry, Value};

/// The variables under `vars`.
pub(in crate::scenario) fn vars(reader: &Reader<'_>, entry: &Entry) -> Named {
    let mut named = Named::default();
    for one in reader.entries(&entry.value, "from a variable's name to its value") {
        if !is_name(&one.key) {
            let diagnostic = Diagnostic::error(format!("`{}` is not the name of a variable", one.key));
            let help = "a name has letters, digits, `-` and `_`, and begins with a letter";
            reader.push(diagnostic.at(one.key_place, "").help(help));
        }
        let value = match &one.value.value {
            Value::Bool(value) => Some(value.to_string()),
            _ => reader.scalar(&one.value),
        };
        match value {
            Some(value) => {
                named.0.insert(one.key.clone(), (value, one.value.place));
            }
            None if one.value.is_null() => {
                let diagnostic = Diagnostic::error(format!("`{}` has no value", one.key));
                reader.push(diagnostic.at(one.key_place, "a value is missing").help("an empty one is `\"\"`"));
            }
            None => reader.push(reader.expected(&one.value, "text or a number")),
        }
    }
    named
}
