//! A stream without its terminator.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect, How};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

fault! {
    /// A stream ends without its terminator, `data: [DONE]`.
    ///
    /// All else is there, the finish reason included. Users met streams that end so
    /// [that fail hard at their readers][1], and cut ones taken for whole.
    ///
    /// [1]: https://github.com/gethnet/litellm-connector-copilot/issues/97
    pub struct NoDone = "no-done" {
        /// How the connection ends.
        pub how: How = How::End,
    }
}

impl AnswerFault for NoDone {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Endless(self.how)))
    }
}

struct Endless(How);

impl Flow for Endless {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        match item {
            Item::Bytes(bytes) if frame::is_done(&bytes) => {}
            Item::End => out.send(at, Item::from(self.0)),
            other => out.send(at, other),
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
    fn all_but_the_terminator_comes() {
        let out = through(events(&NoDone::default()), &stream(&["a"], 10), 100);
        assert_eq!((seen(&out), out.len()), (vec!["10 a".to_owned(), "40 End".to_owned()], 4));
    }
}
