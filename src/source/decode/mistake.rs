//! What serde finds wrong, in the words of people who write YAML.

use std::fmt;

use serde::de;

use crate::source::diagnostic::nearest_or_all;
use crate::source::{Diagnostic, Place};

/// A mistake on its way out of serde; the innermost place wins.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) place: Option<Place>,
    pub(super) help: Vec<String>,
}

impl Mistake {
    pub(super) fn or_at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(super) fn into_diagnostic(self, fallback: Place) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.message).at(self.place.unwrap_or(fallback), "");
        diagnostic.help = self.help;
        diagnostic
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // What to do about it stands on a line of its own.
        let advice = ["; did you mean ", "; known here: "].iter().find_map(|words| message.find(words));
        match advice {
            Some(at) => {
                Self { message: message[..at].to_owned(), place: None, help: vec![message[at + 2..].to_owned()] }
            }
            None => Self { message, place: None, help: Vec::new() },
        }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Bool(value) => format!("`{value}`"),
            de::Unexpected::Unsigned(value) => format!("the number `{value}`"),
            de::Unexpected::Signed(value) => format!("the number `{value}`"),
            de::Unexpected::Float(value) => format!("the number `{value}`"),
            de::Unexpected::Str(text) => format!("the text `{text}`"),
            de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        let mut mistake = Self::custom(format!("expected {}, found {found}", in_words(expected)));
        let scalar = matches!(
            unexpected,
            de::Unexpected::Bool(_)
                | de::Unexpected::Unsigned(_)
                | de::Unexpected::Signed(_)
                | de::Unexpected::Float(_)
        );
        if scalar && expected.to_string() == "a string" {
            mistake.help.push("put it in quotes".to_owned());
        }
        mistake
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown `{variant}`; {}", nearest_or_all(variant, expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("`{field}` is missing here"))
    }
}

fn in_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        text if text.starts_with("a nonzero u") => "a whole number from 1".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        other if other.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}
