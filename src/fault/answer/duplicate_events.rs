//! A stream that says things twice.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

fault! {
    /// Every event of a stream comes several times, the terminator once.
    pub struct DuplicateEvents = "duplicate-events" {
        /// How often each comes.
        pub times: u32 = 2,
    }
}

impl AnswerFault for DuplicateEvents {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        // More would only fill the memory.
        Effect::Events(Box::new(Stutter(self.times.clamp(1, 1_000))))
    }
}

struct Stutter(u32);

impl Flow for Stutter {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let times = if matches!(&item, Item::Bytes(bytes) if !frame::is_done(bytes)) { self.0 } else { 1 };
        for _ in 0..times {
            out.send(at, item.clone());
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
    fn every_event_comes_twice() {
        let out = through(events(&DuplicateEvents::default()), &stream(&["a", "b"], 10), 100);
        assert_eq!(seen(&out), ["10 a", "10 a", "20 b", "20 b", "40 [DONE]", "50 End"]);
    }
}
