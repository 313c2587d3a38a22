//! What can go wrong: one small value a fault.
//!
//! A fault says what happens; an [`Injection`] says to whom, how likely, and when. Faults of answers
//! act in the simulators (`sim::faults`), faults of the network on the links between hosts
//! (`world::link`), and so also between client and gateway. Nothing here knows a clock or a socket:
//! a fault turns bytes with their times into other bytes with other times ([`flow`]), so that it
//! does the same in virtual and in real time. `docs/faults.md` is written from this module.

pub mod amount;
pub mod answer;
mod define;
pub mod flow;
pub mod frame;
pub mod guide;
pub mod injection;
pub mod network;
pub mod target;

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use amount::{Dice, Distribution};
pub use answer::AnswerFault;
pub use define::{About, Parameter};
pub use injection::{Clear, Injection, Window};
pub use network::LinkFault;
pub use target::{Aim, Ends, Target};

use answer as a;
use define::{OneOf, unknown};
use network as n;

/// Where a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// In a simulator, when a request has come: it may answer in its place.
    OnRequest,
    /// In a simulator, on any answer.
    OnAnswer,
    /// In a simulator, on answers that are streams.
    OnStream,
    /// In a simulator, on answers that are not streams.
    OnBody,
    /// On a link between two hosts.
    OnLink,
}

impl Acts {
    /// Whether it is the network that is faulty.
    #[must_use]
    pub fn on_link(self) -> bool {
        self == Self::OnLink
    }
}

/// Makes the enum of all faults, and what goes by their names.
macro_rules! catalogue {
    (answers { $($Answer:ident($answer:path),)+ } network { $($Link:ident($link:path),)+ }) => {
        /// Every fault there is. In a file: `stall`, or `stall: { after: 5, for: 3s }`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Fault {
            $(#[doc = concat!("See [`", stringify!($answer), "`].")] $Answer($answer),)+
            $(#[doc = concat!("See [`", stringify!($link), "`].")] $Link($link),)+
        }

        impl Fault {
            /// The names of all faults, those of answers first.
            pub const NAMES: &'static [&'static str] = &[$(<$answer>::NAME,)+ $(<$link>::NAME,)+];

            /// Every fault with its parameters as they are where nobody sets them.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Answer(<$answer>::default()),)+ $(Self::$Link(<$link>::default()),)+]
            }

            /// Its name, as files have it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Answer(_) => <$answer>::NAME,)+
                    $(Self::$Link(_) => <$link>::NAME,)+
                }
            }

            /// Where it acts.
            #[must_use]
            pub fn acts(&self) -> Acts {
                match self {
                    $(Self::$Answer(_) => <$answer as AnswerFault>::ACTS,)+
                    $(Self::$Link(_) => Acts::OnLink,)+
                }
            }

            /// The fault as one of answers.
            #[must_use]
            pub fn of_answers(&self) -> Option<&dyn a::Effective> {
                match self {
                    $(Self::$Answer(fault) => Some(fault),)+
                    $(Self::$Link(_) => None,)+
                }
            }

            /// The fault as one of the network.
            #[must_use]
            pub fn of_links(&self) -> Option<&dyn LinkFault> {
                match self {
                    $(Self::$Answer(_) => None,)+
                    $(Self::$Link(fault) => Some(fault),)+
                }
            }

            /// What it does and what can be set.
            #[must_use]
            pub fn about(&self) -> About {
                match self {
                    $(Self::$Answer(_) => <$answer>::about(Self::ordinal(<$answer>::NAME)),)+
                    $(Self::$Link(_) => <$link>::about(Self::ordinal(<$link>::NAME)),)+
                }
            }

            fn decode<'de, D: Deserializer<'de>>(name: &str, parameters: D) -> Result<Self, D::Error> {
                match name {
                    $(<$answer>::NAME => <$answer>::deserialize(parameters).map(Self::$Answer),)+
                    $(<$link>::NAME => <$link>::deserialize(parameters).map(Self::$Link),)+
                    _ => Err(de::Error::unknown_variant(name, Self::NAMES)),
                }
            }

            fn encode<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $(Self::$Answer(fault) => map.serialize_entry(<$answer>::NAME, fault),)+
                    $(Self::$Link(fault) => map.serialize_entry(<$link>::NAME, fault),)+
                }
            }
        }
    };
}

catalogue! {
    answers {
        Status(a::Status),
        RetryAfter(a::RetryAfter),
        RateLimit(a::RateLimit),
        Delay(a::Delay),
        SlowFirstToken(a::SlowFirstToken),
        SlowTokens(a::SlowTokens),
        Stall(a::Stall),
        Cut(a::Cut),
        NoDone(a::NoDone),
        EmptyStream(a::EmptyStream),
        StreamError(a::StreamError),
        MalformedEvent(a::MalformedEvent),
        DuplicateEvents(a::DuplicateEvents),
        SplitUtf8(a::SplitUtf8),
        OversizeLine(a::OversizeLine),
        HalfToolCall(a::HalfToolCall),
        TruncatedJson(a::TruncatedJson),
        WrongContentType(a::WrongContentType),
    }
    network {
        Refuse(n::Refuse),
        DnsFailure(n::DnsFailure),
        BlackHole(n::BlackHole),
        Reset(n::Reset),
        IdleReset(n::IdleReset),
        Latency(n::Latency),
        Bandwidth(n::Bandwidth),
        Slice(n::Slice),
        SlowClose(n::SlowClose),
        ByteLimit(n::ByteLimit),
    }
}

impl Fault {
    /// The fault of this name, with its parameters as they are where nobody sets them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|fault| fault.name() == name)
    }

    fn ordinal(name: &str) -> usize {
        Self::NAMES.iter().position(|known| *known == name).unwrap_or(usize::MAX)
    }
}

/// What can be injected: each fault with its description and its parameters.
#[must_use]
pub fn catalogue() -> Vec<About> {
    Fault::all().iter().map(Fault::about).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        self.encode(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FaultVisitor;

        impl<'de> Visitor<'de> for FaultVisitor {
            type Value = Fault;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fault: its name, or a map from its name to its parameters")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Fault, E> {
                Fault::named(name).ok_or_else(|| unknown("fault", name, Fault::NAMES))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fault, A::Error> {
                let name = map
                    .next_key_seed(OneOf("fault", Fault::NAMES))?
                    .ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let fault = map.next_value_seed(Parameters(&name))?;
                match map.next_key::<String>()? {
                    None => Ok(fault),
                    Some(other) => {
                        Err(de::Error::custom(format!("one fault at a time: `{other}` does not belong here")))
                    }
                }
            }
        }

        deserializer.deserialize_any(FaultVisitor)
    }
}

/// Reads the parameters of the fault of this name.
struct Parameters<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Parameters<'_> {
    type Value = Fault;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fault, D::Error> {
        Fault::decode(self.0, deserializer)
    }
}

#[cfg(test)]
mod tests;
