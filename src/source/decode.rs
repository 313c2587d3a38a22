//! YAML nodes → typed values, through serde, keeping places and finding all mistakes.
//!
//! Fields that a struct does not have are collected rather than raised, so that one pass finds them
//! all. Any other mistake ends the value that is being decoded (a step, a manifest); its caller
//! goes on with the next one.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::diagnostic::nearest;
use super::{Diagnostic, Diagnostics, Entry, FileId, Node, Place, Value};

/// A value together with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// A field that the type being decoded does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// The path from the decoded value to the field, list positions left out: `spec.rules.filters`.
    pub path: String,
    /// The field's name.
    pub name: String,
    /// Where its key stands.
    pub place: Place,
    /// The fields that the type has.
    pub known: &'static [&'static str],
}

/// Decodes nodes and keeps what it finds wrong.
#[derive(Debug, Default)]
pub struct Decoder {
    findings: RefCell<Diagnostics>,
    unknown: RefCell<Vec<UnknownField>>,
}

const SPANNED: &str = "$labsim::Spanned";
const SPANNED_FIELDS: &[&str] = &["file", "start", "end", "value"];

impl<T> Spanned<T> {
    /// Puts a value at a place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), place: self.place }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl Decoder {
    /// Decodes `node`; a mistake is kept and gives `None`.
    pub fn decode<T: DeserializeOwned>(&self, node: &Node) -> Option<T> {
        self.decode_at(node, "")
    }

    /// Decodes `node`, which stands at `path` of a larger value.
    pub fn decode_at<T: DeserializeOwned>(&self, node: &Node, path: &str) -> Option<T> {
        match T::deserialize(At { node, decoder: self, path: path.to_owned() }) {
            Ok(value) => Some(value),
            Err(error) => {
                self.findings.borrow_mut().push(error.into_diagnostic(node.place));
                None
            }
        }
    }

    /// Keeps a finding.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.findings.borrow_mut().push(diagnostic);
    }

    /// Ends the decoding, judging each unknown field with `judge`.
    pub fn finish(self, mut judge: impl FnMut(&UnknownField) -> Diagnostic) -> Diagnostics {
        let mut findings = self.findings.into_inner();
        for field in self.unknown.into_inner() {
            findings.push(judge(&field));
        }
        findings
    }

    /// Ends the decoding; every unknown field is an error.
    pub fn finish_strict(self) -> Diagnostics {
        self.finish(UnknownField::error)
    }
}

impl UnknownField {
    /// The error for a field that does not exist, with "did you mean".
    pub fn error(&self) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(format!("unknown field `{}`", self.name)).at(self.place, "there is no such field");
        if nearest(&self.name, self.known.iter().copied()).is_some() {
            return diagnostic.suggest(&self.name, self.known.iter().copied());
        }
        diagnostic.help(format!("known here: {}", list(self.known)))
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A mistake on its way out of serde; the innermost place wins.
#[derive(Debug)]
struct Mistake {
    message: String,
    place: Option<Place>,
    help: Vec<String>,
}

impl Mistake {
    fn or_at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn into_diagnostic(self, fallback: Place) -> Diagnostic {
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
        Self { message: message.to_string(), place: None, help: Vec::new() }
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

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut mistake = Self::custom(format!("unknown `{variant}`"));
        match nearest(variant, expected.iter().copied()) {
            Some(near) => mistake.help.push(format!("did you mean `{near}`?")),
            None => mistake.help.push(format!("known here: {}", list(expected))),
        }
        mistake
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
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        other if other.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}

/// A node in the course of being decoded.
struct At<'d> {
    node: &'d Node,
    decoder: &'d Decoder,
    path: String,
}

impl<'d> At<'d> {
    fn child(&self, node: &'d Node, key: &str) -> At<'d> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        At { node, decoder: self.decoder, path }
    }

    fn item(&self, node: &'d Node) -> At<'d> {
        At { node, decoder: self.decoder, path: self.path.clone() }
    }

    /// Reports the keys that `fields` does not have and returns the others.
    fn known_entries(&self, fields: &'static [&'static str]) -> Vec<&'d Entry> {
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.node.entries().iter().partition(|entry| fields.contains(&entry.key.as_str()));
        self.decoder.unknown.borrow_mut().extend(unknown.into_iter().map(|entry| UnknownField {
            path: self.path.clone(),
            name: entry.key.clone(),
            place: entry.key_place,
            known: fields,
        }));
        known
    }

    fn visit_fields<'de, V: Visitor<'de>>(
        &self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.node.value {
            Value::Map(_) => visitor.visit_map(MapAccess { at: self, entries: self.known_entries(fields), next: 0 }),
            // A key without a value is an empty map: `gateway:` alone.
            Value::Null => visitor.visit_map(MapAccess { at: self, entries: Vec::new(), next: 0 }),
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn unexpected(&self) -> de::Unexpected<'_> {
        match &self.node.value {
            Value::Null => de::Unexpected::Unit,
            Value::Bool(value) => de::Unexpected::Bool(*value),
            Value::Int(value) => {
                i64::try_from(*value).map_or(de::Unexpected::Other("a very large number"), de::Unexpected::Signed)
            }
            Value::Float(value) => de::Unexpected::Float(*value),
            Value::String(text) => de::Unexpected::Str(text),
            Value::Seq(_) => de::Unexpected::Seq,
            Value::Map(_) => de::Unexpected::Map,
        }
    }
}

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let place = self.node.place;
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_i128(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::Seq(items) => visitor.visit_seq(SeqAccess { at: &self, items, next: 0 }),
            Value::Map(entries) => {
                visitor.visit_map(MapAccess { at: &self, entries: entries.iter().collect(), next: 0 })
            }
        }
        .map_err(|mistake| mistake.or_at(place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        if name == SPANNED {
            return visitor.visit_seq(PlaceThenValue { at: self, next: 0 });
        }
        self.visit_fields(fields, visitor).map_err(|mistake| mistake.or_at(self.node.place))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.node.is_null() {
            return visitor.visit_seq(SeqAccess { at: &self, items: &[], next: 0 });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        if self.node.is_null() {
            return visitor.visit_map(MapAccess { at: &self, entries: Vec::new(), next: 0 });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let place = self.node.place;
        let tagged = match &self.node.value {
            Value::String(name) => Tagged { name, name_place: place, at: None },
            Value::Map(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                Tagged { name: &entry.key, name_place: entry.key_place, at: Some(self.child(&entry.value, &entry.key)) }
            }
            Value::Map(entries) if entries.len() > 1 => {
                // The first key that is none of the variants is the one that does not belong.
                let wrong = entries.iter().find(|entry| !variants.contains(&entry.key.as_str())).unwrap_or(&entries[1]);
                let mut mistake: Mistake = de::Error::custom(format!(
                    "expected one key, found {}: `{}` does not belong here",
                    entries.len(),
                    wrong.key
                ));
                mistake.place = Some(wrong.key_place);
                mistake.help.push(format!("one of {}, and nothing beside it", list(variants)));
                return Err(mistake);
            }
            _ => {
                let mut mistake: Mistake =
                    de::Error::custom(format!("expected one of {}, found {}", list(variants), self.node.kind()));
                mistake.place = Some(place);
                return Err(mistake);
            }
        };
        visitor.visit_enum(tagged).map_err(|mistake| mistake.or_at(place))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct identifier
    }
}

struct SeqAccess<'a, 'd> {
    at: &'a At<'d>,
    items: &'d [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for SeqAccess<'_, '_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(self.at.item(item)).map(Some).map_err(|mistake| mistake.or_at(item.place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct MapAccess<'a, 'd> {
    at: &'a At<'d>,
    entries: Vec<&'d Entry>,
    next: usize,
}

impl<'de> de::MapAccess<'de> for MapAccess<'_, '_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        let key = Node { value: Value::String(entry.key.clone()), place: entry.key_place };
        seed.deserialize(At { node: &key, decoder: self.at.decoder, path: String::new() })
            .map(Some)
            .map_err(|mistake| mistake.or_at(entry.key_place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let entry = self.entries[self.next];
        self.next += 1;
        let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
        seed.deserialize(self.at.child(&entry.value, &entry.key)).map_err(|mistake| mistake.or_at(place))
    }
}

struct Tagged<'d> {
    name: &'d str,
    name_place: Place,
    at: Option<At<'d>>,
}

impl<'de, 'd> de::EnumAccess<'de> for Tagged<'d> {
    type Error = Mistake;
    type Variant = Content<'d>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'d>), Mistake> {
        let name: de::value::StrDeserializer<'_, Mistake> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|mistake| mistake.or_at(self.name_place))?;
        Ok((variant, Content { name: self.name, place: self.name_place, at: self.at }))
    }
}

struct Content<'d> {
    name: &'d str,
    place: Place,
    at: Option<At<'d>>,
}

impl Content<'_> {
    fn needs_value(&self) -> Mistake {
        let mistake: Mistake = de::Error::custom(format!("`{}` needs a value: write `{}: …`", self.name, self.name));
        mistake.or_at(self.place)
    }
}

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.at {
            Some(at) if !at.node.is_null() => {
                let mistake: Mistake = de::Error::custom(format!("`{}` takes no value", self.name));
                Err(mistake.or_at(at.node.place))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        let missing = self.needs_value();
        seed.deserialize(self.at.ok_or(missing)?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Mistake> {
        let missing = self.needs_value();
        de::Deserializer::deserialize_seq(self.at.ok_or(missing)?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Mistake> {
        let missing = self.needs_value();
        let at = self.at.ok_or(missing)?;
        at.visit_fields(fields, visitor).map_err(|mistake| mistake.or_at(at.node.place))
    }
}

/// Feeds [`Spanned`]: file, start, end, then the value itself.
struct PlaceThenValue<'d> {
    at: At<'d>,
    next: u8,
}

impl<'de> de::SeqAccess<'de> for PlaceThenValue<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let place = self.at.node.place;
        self.next += 1;
        let number = match self.next {
            1 => place.file.0,
            2 => place.start,
            3 => place.end,
            _ => return seed.deserialize(self.at.item(self.at.node)).map(Some).map_err(|mistake| mistake.or_at(place)),
        };
        seed.deserialize(number.into_deserializer()).map(Some)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut number =
                    || seq.next_element::<u32>()?.ok_or_else(|| de::Error::custom("a place is incomplete"));
                let place = Place { file: FileId(number()?), start: number()?, end: number()? };
                let value = seq.next_element()?.ok_or_else(|| de::Error::custom("a value is missing"))?;
                Ok(Spanned { value, place })
            }
        }

        deserializer.deserialize_struct(SPANNED, SPANNED_FIELDS, SpannedVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Sources, yaml};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    struct Lab {
        name: Spanned<String>,
        #[serde(default)]
        seed: u64,
        #[serde(default)]
        steps: Vec<Spanned<Step>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Step {
        Send { times: Option<u32> },
        Wait(super::super::Span),
        Stop,
    }

    fn decode(text: &str) -> (Option<Lab>, String) {
        let mut sources = Sources::default();
        let file = sources.add("lab.yaml", text);
        let nodes = yaml::parse(&sources, file).expect("YAML");
        let decoder = Decoder::default();
        let lab = decoder.decode(&nodes[0]);
        (lab, decoder.finish_strict().render(&sources, false))
    }

    #[test]
    fn values_come_with_their_places() {
        let (lab, problems) = decode("name: x\nseed: 7\nsteps:\n  - send: {times: 3}\n  - wait: 61s\n  - stop\n");
        assert_eq!(problems, "");
        let lab = lab.unwrap();
        assert_eq!((lab.name.place.start, lab.name.place.end), (6, 7));
        assert_eq!(lab.seed, 7);
        assert_eq!(lab.steps[0].value, Step::Send { times: Some(3) });
        assert_eq!(lab.steps[2].value, Step::Stop);
    }

    #[test]
    fn every_unknown_field_is_found_in_one_pass() {
        let (lab, problems) = decode("name: x\nsede: 7\nsteps:\n  - send: {tiems: 3}\n");
        assert!(lab.is_some());
        assert!(problems.contains("lab.yaml:2:1") && problems.contains("did you mean `seed`?"), "{problems}");
        assert!(problems.contains("lab.yaml:4:12") && problems.contains("did you mean `times`?"), "{problems}");
    }

    #[test]
    fn wrong_values_say_what_was_expected_and_what_was_found() {
        for (text, place, message) in [
            ("name: 5", "1:7", "expected text, found the number `5`"),
            ("name: x\nseed: no", "2:7", "expected a whole number from 0, found the text `no`"),
            ("name: x\nsteps: [{wait: 61}]", "2:16", "with its unit"),
            ("name: x\nsteps: [{wait: 61 parsecs}]", "2:16", "is not a duration"),
            ("name: x\nsteps: [{sned: {}}]", "2:10", "did you mean `send`?"),
            ("name: x\nsteps: [wait]", "2:9", "`wait` needs a value"),
            ("name: x\nsteps: [{send: {}, wait: 1s}]", "2:20", "expected one key"),
            ("seed: 4", "1:1", "`name` is missing"),
        ] {
            let (lab, problems) = decode(text);
            assert!(lab.is_none(), "{text}");
            assert!(problems.contains(&format!("lab.yaml:{place}")), "{text}\n{problems}");
            assert!(problems.contains(message), "{text}\n{problems}");
        }
    }
}
