//! Events as bytes: a tag, and `MessagePack` in which the fields of structs go by their positions.
//!
//! A lab in real time has hundreds of thousands of events a second written down for its screen, and the names of
//! fields were a quarter of them. What serde derives reads a position as well as a name.

use rmp::encode;
use serde::Serialize;
use serde::ser::{self, Serializer};

use crate::event::{At, Event, Kind};

macro_rules! tags {
    ($($kind:ident $name:literal,)*) => {
        /// Which kind of event stands in bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Tag {
            $($kind,)*
        }

        impl Tag {
            const ALL: &[Self] = &[$(Self::$kind,)*];

            fn of(kind: &Kind) -> Self {
                match kind {
                    $(Kind::$kind { .. } => Self::$kind,)*
                }
            }

            /// The kind's name in a recording.
            fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

tags! {
    StepStarted "step-started",
    StepEnded "step-ended",
    Note "note",
    ReplicaStarted "replica-started",
    ReplicaStopped "replica-stopped",
    ReplicaConfigured "replica-configured",
    ClientRequestSent "client-request-sent",
    ClientResponseStarted "client-response-started",
    ClientFirstToken "client-first-token",
    ClientRequestEnded "client-request-ended",
    GatewayRequestReceived "gateway-request-received",
    GatewayRequestRouted "gateway-request-routed",
    ProviderSelected "provider-selected",
    AttemptStarted "attempt-started",
    AttemptEnded "attempt-ended",
    HealthChanged "health-changed",
    ProviderEvicted "provider-evicted",
    ProviderReturned "provider-returned",
    GatewayRequestEnded "gateway-request-ended",
    ProviderRequestReceived "provider-request-received",
    ProviderRequestEnded "provider-request-ended",
    FaultInjected "fault-injected",
    FaultStruck "fault-struck",
    FaultCleared "fault-cleared",
}

/// Adds an event to bytes, but for when it happened: its tag, its number, its fields. No fields where that cannot be.
pub(super) fn pack(event: &Event, bytes: &mut Vec<u8>) {
    bytes.push(Tag::of(&event.kind) as u8);
    bytes.extend_from_slice(&event.seq.to_le_bytes());
    let fields = bytes.len();
    if event.kind.serialize(&mut Packer(bytes)).is_err() {
        bytes.truncate(fields);
    }
}

/// The tag of an event in bytes, and its fields.
pub(super) fn parts(bytes: &[u8]) -> Option<(Tag, &[u8])> {
    let (tag, _, fields) = split(bytes)?;
    Some((tag, fields))
}

fn split(bytes: &[u8]) -> Option<(Tag, u64, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (seq, fields) = rest.split_first_chunk()?;
    Some((*Tag::ALL.get(usize::from(*tag))?, u64::from_le_bytes(*seq), fields))
}

/// An event from bytes, which happened then. What cannot be read is a note that says so.
pub(super) fn unpack(bytes: &[u8], at_us: At) -> Event {
    let read = split(bytes).and_then(|(tag, seq, fields)| Some((seq, kind_of(tag, fields)?)));
    let unreadable = || (0, Kind::Note { text: "this event could not be read back".to_owned() });
    let (seq, kind) = read.unwrap_or_else(unreadable);
    Event { seq, at_us, kind }
}

fn kind_of(tag: Tag, mut fields: &[u8]) -> Option<Kind> {
    // With the tag among them, by its name.
    let count = rmp::decode::read_map_len(&mut fields).ok()?;
    let mut whole = Vec::with_capacity(fields.len() + 64);
    encode::write_map_len(&mut whole, count + 1).ok()?;
    encode::write_str(&mut whole, "kind").ok()?;
    encode::write_str(&mut whole, tag.name()).ok()?;
    whole.extend_from_slice(fields);
    rmp_serde::from_slice(&whole).ok()
}

/// The enum whose structs begin with a field that says which they are; that one stands before them.
const TAGGED: &str = "Kind";

/// Writes `MessagePack` behind what is there.
struct Packer<'b>(&'b mut Vec<u8>);

/// A struct in the course of being written.
struct Fields<'p, 'b> {
    packer: &'p mut Packer<'b>,
    /// The position of the next field, below 128; none for the tag, which is left out.
    next: Option<u8>,
}

/// Why something cannot be written: it is of a type that no event has.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unpackable(String);

impl ser::Error for Unpackable {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// What writing into memory gives, which does not fail.
fn written<T, E>(done: Result<T, E>) -> Result<(), Unpackable> {
    done.map(drop).map_err(|_| Unpackable("no room".to_owned()))
}

fn unknown<T>(what: &str) -> Result<T, Unpackable> {
    Err(Unpackable(format!("{what} is in no event")))
}

/// A length that has to be known beforehand, as it is of all that events have.
fn length(length: Option<usize>) -> Result<u32, Unpackable> {
    length.and_then(|length| u32::try_from(length).ok()).map_or_else(|| unknown("so long a list"), Ok)
}

impl Packer<'_> {
    fn map(&mut self, size: usize) -> Result<(), Unpackable> {
        written(encode::write_map_len(self.0, length(Some(size))?))
    }

    fn list(&mut self, size: Option<usize>) -> Result<(), Unpackable> {
        written(encode::write_array_len(self.0, length(size)?))
    }
}

impl<'p, 'b> Serializer for &'p mut Packer<'b> {
    type Ok = ();
    type Error = Unpackable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = ser::Impossible<(), Unpackable>;
    type SerializeTupleVariant = ser::Impossible<(), Unpackable>;
    type SerializeMap = Self;
    type SerializeStruct = Fields<'p, 'b>;
    type SerializeStructVariant = ser::Impossible<(), Unpackable>;

    fn serialize_bool(self, value: bool) -> Result<(), Unpackable> {
        written(encode::write_bool(self.0, value))
    }

    fn serialize_i8(self, value: i8) -> Result<(), Unpackable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Unpackable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Unpackable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Unpackable> {
        written(encode::write_sint(self.0, value))
    }

    fn serialize_u8(self, value: u8) -> Result<(), Unpackable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Unpackable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Unpackable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unpackable> {
        written(encode::write_uint(self.0, value))
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unpackable> {
        written(encode::write_f32(self.0, value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unpackable> {
        written(encode::write_f64(self.0, value))
    }

    fn serialize_char(self, value: char) -> Result<(), Unpackable> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Unpackable> {
        written(encode::write_str(self.0, text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unpackable> {
        written(encode::write_bin(self.0, bytes))
    }

    fn serialize_none(self) -> Result<(), Unpackable> {
        written(encode::write_nil(self.0))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unpackable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unpackable> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unpackable> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unpackable> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unpackable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unpackable> {
        self.map(1)?;
        self.serialize_str(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, size: Option<usize>) -> Result<Self, Unpackable> {
        self.list(size)?;
        Ok(self)
    }

    fn serialize_tuple(self, size: usize) -> Result<Self, Unpackable> {
        self.list(Some(size))?;
        Ok(self)
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unpackable> {
        unknown(name)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unpackable> {
        unknown(name)
    }

    fn serialize_map(self, size: Option<usize>) -> Result<Self, Unpackable> {
        self.map(length(size)? as usize)?;
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, size: usize) -> Result<Fields<'p, 'b>, Unpackable> {
        let is_tagged = name == TAGGED;
        self.map(size - usize::from(is_tagged))?;
        Ok(Fields { packer: self, next: (!is_tagged).then_some(0) })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unpackable> {
        unknown(name)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl ser::SerializeSeq for &mut Packer<'_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpackable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

impl ser::SerializeTuple for &mut Packer<'_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpackable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

impl ser::SerializeMap for &mut Packer<'_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unpackable> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unpackable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

impl ser::SerializeStruct for Fields<'_, '_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unpackable> {
        if let Some(position) = self.next {
            // A number below 128 is a byte.
            self.packer.0.push(position);
            value.serialize(&mut *self.packer)?;
        }
        self.skip_field(name)
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), Unpackable> {
        self.next = Some(self.next.map_or(0, |position| position + 1));
        Ok(())
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::Lab;

    /// What happens in a scenario that labsim comes with.
    fn events_of(scenario: &str) -> Vec<Event> {
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let listener = heard.clone();
        let lab = Lab::from_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario)).unwrap();
        lab.on_event(move |event| listener.lock().unwrap().push(event.clone())).run().unwrap();
        std::mem::take(&mut *heard.lock().unwrap())
    }

    #[test]
    fn events_are_read_back_as_they_were_and_are_shorter_than_with_names() {
        let (mut packed, mut named, mut kinds) = (0, 0, BTreeSet::new());
        for event in ["intra-group.yaml", "apply-in-mid-run.yaml", "streaming/cut.yaml", "lab/probe-cadence.yaml"]
            .map(events_of)
            .concat()
        {
            let mut bytes = b"before".to_vec();
            pack(&event, &mut bytes);
            assert_eq!(unpack(&bytes[6..], event.at_us), event);
            packed += bytes.len() - 6;
            named += rmp_serde::to_vec_named(&(event.seq, &event.kind)).unwrap().len();
            kinds.insert(serde_json::to_value(&event).unwrap()["kind"].to_string());
        }
        assert!(packed * 4 < named * 3, "{packed} bytes, and {named} with names");
        assert!(kinds.len() >= 20, "{kinds:?}");
    }
}
