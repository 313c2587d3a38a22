//! How a fault is written down: its parameters once, with their words and their defaults.

use serde::de::{self, DeserializeSeed};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use super::amount::Distribution;
use crate::source::Span;
use crate::source::diagnostic::nearest_or_all;

/// A fault as catalogues, menus and documents show it.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Position in the catalogue, from 0.
    pub position: usize,
    /// Its name, as files have it.
    pub name: &'static str,
    /// What it does and where it was met, in paragraphs of Markdown.
    pub text: String,
    /// What can be set.
    pub parameters: Vec<Parameter>,
}

/// Something that can be set of a fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name, as files have it.
    pub name: String,
    /// What may stand there: `a duration`, `a whole number`, …
    pub kind: &'static str,
    /// What stands there where nobody sets it; null where nothing does.
    pub default: Json,
    /// What it means, a sentence.
    pub about: String,
}

impl About {
    /// What it does, in one line.
    #[must_use]
    pub fn line(&self) -> &str {
        self.text.lines().next().unwrap_or_default().trim_end_matches('.')
    }
}

impl Parameter {
    /// The default as a file would have it; empty where there is none.
    #[must_use]
    pub fn default_text(&self) -> String {
        if self.default.is_null() { String::new() } else { flow_yaml(&self.default) }
    }
}

/// Reads a key that is one of these, so that a wrong one is reported where it stands. First, what they are.
pub(crate) struct OneOf(pub(crate) &'static str, pub(crate) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for OneOf {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let name = String::deserialize(deserializer)?;
        if self.1.contains(&name.as_str()) { Ok(name) } else { Err(unknown(self.0, &name, self.1)) }
    }
}

/// That there is no `what` of this name.
pub(crate) fn unknown<E: de::Error>(what: &str, name: &str, known: &[&str]) -> E {
    E::custom(format!("unknown {what} `{name}`; {}", nearest_or_all(name, known)))
}

/// A value as YAML on one line: `{seconds: 60s}`.
pub(crate) fn flow_yaml(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(flow_yaml).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key}: {}", flow_yaml(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a text can stand without quotes.
fn is_plain(text: &str) -> bool {
    let safe = |one: char| one.is_alphanumeric() || !one.is_ascii() || "-_./ ;=".contains(one);
    text.starts_with(|first: char| first.is_alphabetic() || !first.is_ascii()) && text.chars().all(safe)
        || Span::parse(text).is_ok()
}

/// What may stand where a value of this type is read.
pub(crate) trait Kind {
    const WORDS: &'static str;
}

macro_rules! kinds {
    ($($Type:ty = $words:literal,)+) => { $(impl $crate::fault::define::Kind for $Type { const WORDS: &'static str = $words; })+ };
}
pub(crate) use kinds;

kinds! {
    u16 = "a whole number",
    u32 = "a whole number",
    u64 = "a whole number",
    std::num::NonZeroU64 = "a whole number from 1",
    bool = "`true` or `false`",
    f64 = "a number",
    String = "text",
    Span = "a duration",
    Distribution = "a duration or a distribution",
    std::collections::BTreeMap<String, String> = "a map of texts",
}

impl<T: Kind> Kind for Option<T> {
    const WORDS: &'static str = T::WORDS;
}

/// One parameter, its default taken from the serialised defaults of its fault.
pub(crate) fn parameter(ident: &str, kind: &'static str, about: &str, defaults: &Json) -> Parameter {
    let name = ident.trim_start_matches("r#").replace('_', "-");
    let default = defaults.get(&name).cloned().unwrap_or(Json::Null);
    Parameter { name, kind, default, about: unindented(about).replace('\n', " ") }
}

/// The parameters of a fault as JSON.
pub(crate) fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

/// The lines of a doc comment without the space that each begins with.
pub(crate) fn unindented(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim().to_owned()
}

/// Defines a fault: the struct of its parameters with their defaults, and what catalogues say of it.
macro_rules! fault {
    (
        $(#[doc = $doc:literal])+
        pub struct $Name:ident = $name:literal {
            $( $(#[doc = $about:literal])+ pub $field:ident: $Type:ty = $default:expr, )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $Name {
            $( $(#[doc = $about])+ pub $field: $Type, )*
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $Name {
            /// Its name, as files have it.
            pub const NAME: &'static str = $name;

            pub(crate) fn about(position: usize) -> $crate::fault::define::About {
                let defaults = $crate::fault::define::json(&Self::default());
                let _ = &defaults;
                $crate::fault::define::About {
                    position,
                    name: $name,
                    text: $crate::fault::define::unindented(concat!($($doc, "\n"),+)),
                    parameters: vec![$(
                        $crate::fault::define::parameter(
                            stringify!($field),
                            <$Type as $crate::fault::define::Kind>::WORDS,
                            concat!($($about, "\n"),+),
                            &defaults,
                        ),
                    )*],
                }
            }
        }
    };
}
pub(crate) use fault;
