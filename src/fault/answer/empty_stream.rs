//! A stream without anything in it.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect, How};
use crate::fault::Acts;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::frame;

fault! {
    /// A stream is opened with 200 and ends before its first event.
    ///
    /// Users met it as [a silent end that reaches the client, failover never asked][1].
    ///
    /// [1]: https://github.com/ENTERPILOT/GoModel/pull/1015
    pub struct EmptyStream = "empty-stream" {
        /// Whether the terminator `data: [DONE]` comes nevertheless.
        pub done: bool = false,
        /// How the connection ends.
        pub how: How = How::End,
    }
}

impl AnswerFault for EmptyStream {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Empty(self.clone())))
    }
}

struct Empty(EmptyStream);

impl Flow for Empty {
    fn begin(&mut self, at: Duration, out: &mut Out<'_>) {
        if self.0.done {
            out.send(at, frame::done());
        }
        out.send(at, Item::from(self.0.how));
    }

    fn take(&mut self, _at: Duration, _item: Item, _out: &mut Out<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn nothing_comes_but_the_end() {
        assert_eq!(seen(&through(events(&EmptyStream::default()), &stream(&["a"], 10), 100)), ["0 End"]);
        let done = EmptyStream { done: true, how: How::Reset };
        assert_eq!(seen(&through(events(&done), &stream(&["a"], 10), 100)), ["0 [DONE]", "0 Reset"]);
    }
}
