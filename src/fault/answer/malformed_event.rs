//! A broken event in the middle of a stream.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::{fault, kinds};
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformation {
    /// The JSON breaks off: `data: {"id":"chatcmpl-`.
    #[default]
    BrokenJson,
    /// It is no JSON: `data: null pointer`.
    NotJson,
    /// It is JSON of another shape: `data: {"choices":"none"}`.
    WrongShape,
    /// It is no UTF-8.
    NotUtf8,
    /// Its line has no field name.
    NoField,
    /// It is HTML, as from a proxy in between.
    Html,
}

kinds! { Malformation = "`broken-json`, `not-json`, `wrong-shape`, `not-utf8`, `no-field` or `html`", }

fault! {
    /// One event of a stream is broken; the stream goes on after it.
    ///
    /// It takes the place of a token's event.
    pub struct MalformedEvent = "malformed-event" {
        /// How many tokens come first.
        pub after: u32 = 1,
        /// What is wrong with it.
        pub kind: Malformation = Malformation::BrokenJson,
        /// How many events in a row are broken.
        pub times: u32 = 1,
    }
}

impl AnswerFault for MalformedEvent {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Breaking { left: self.after, times: self.times, kind: self.kind }))
    }
}

impl Malformation {
    fn event(self) -> Bytes {
        Bytes::from_static(match self {
            Self::BrokenJson => b"data: {\"id\":\"chatcmpl-\n\n",
            Self::NotJson => b"data: null pointer\n\n",
            Self::WrongShape => b"data: {\"choices\":\"none\"}\n\n",
            Self::NotUtf8 => b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n",
            Self::NoField => b"{\"choices\":[]}\n\n",
            Self::Html => b"<html><body><h1>502 Bad Gateway</h1></body></html>\n\n",
        })
    }
}

struct Breaking {
    left: u32,
    times: u32,
    kind: Malformation,
}

impl Flow for Breaking {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if !matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes)) {
            return out.send(at, item);
        }
        if self.left > 0 {
            self.left -= 1;
            out.send(at, item);
        } else if self.times > 0 {
            self.times -= 1;
            out.send(at, self.kind.event());
        } else {
            out.send(at, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn one_event_is_broken_and_the_others_are_not() {
        let broken = MalformedEvent { after: 1, kind: Malformation::NotJson, times: 1 };
        let out = through(events(&broken), &stream(&["a", "b", "c"], 10), 100);
        assert_eq!(seen(&out), ["10 a", "20 data: null pointer\n\n", "30 c", "50 [DONE]", "60 End"]);
    }
}
