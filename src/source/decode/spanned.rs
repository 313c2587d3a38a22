//! Values that know their places.

use std::fmt;
use std::ops::Deref;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::at::At;
use super::mistake::Mistake;
use crate::source::{FileId, Place};

/// A value together with its place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// The name by which the decoder knows a [`Spanned`].
pub(super) const SPANNED: &str = "$labsim::Spanned";
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

/// Feeds [`Spanned`]: file, start, end, then the value itself.
pub(super) struct PlaceThenValue<'d> {
    at: At<'d>,
    next: u8,
}

impl<'d> PlaceThenValue<'d> {
    pub(super) fn new(at: At<'d>) -> Self {
        Self { at, next: 0 }
    }
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
