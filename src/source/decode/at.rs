//! A node as serde sees it: what it is made of, and where each part stands.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::mistake::Mistake;
use super::spanned::{PlaceThenValue, SPANNED};
use super::{Decoder, UnknownField, list};
use crate::source::{Entry, Node, Place, Value};

/// A node in the course of being decoded.
pub(super) struct At<'d> {
    pub(super) node: &'d Node,
    pub(super) decoder: &'d Decoder,
    pub(super) path: String,
}

impl<'d> At<'d> {
    fn child(&self, node: &'d Node, key: &str) -> At<'d> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        At { node, decoder: self.decoder, path }
    }

    pub(super) fn item(&self, node: &'d Node) -> At<'d> {
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
            return visitor.visit_seq(PlaceThenValue::new(self));
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
