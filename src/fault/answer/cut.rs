//! An answer that breaks off.

use std::time::Duration;

use bytes::Bytes;

use super::{AnswerFault, Asked, Effect, How};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

fault! {
    /// An answer breaks off: a stream after some tokens, any other body in its middle.
    ///
    /// Nothing says that it was not whole, but for the missing rest. Users met it as
    /// [a truncated stream that is passed on as a clean 200][1] and as
    /// [a route that breaks off again and again and is tried again and again][2].
    ///
    /// [1]: https://github.com/BerriAI/litellm/pull/33222
    /// [2]: https://github.com/tashfeenahmed/freellmapi/pull/1221
    pub struct Cut = "cut" {
        /// How many tokens of a stream come first.
        pub after: u32 = 1,
        /// How the connection ends.
        pub how: How = How::Close,
    }
}

impl AnswerFault for Cut {
    const ACTS: Acts = Acts::OnAnswer;

    fn effect(&self, asked: Asked<'_>) -> Effect {
        let how = self.how;
        if asked.stream {
            return Effect::Events(Box::new(Cutting { left: self.after, how, done: false }));
        }
        Effect::Body(Box::new(move |body: Bytes| vec![Item::Bytes(body.slice(..body.len() / 2)), how.into()]))
    }
}

struct Cutting {
    left: u32,
    how: How,
    done: bool,
}

impl Flow for Cutting {
    fn begin(&mut self, at: Duration, out: &mut Out<'_>) {
        self.maybe_cut(at, out);
    }

    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if self.done {
            return;
        }
        self.left = self.left.saturating_sub(u32::from(matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes))));
        out.send(at, item);
        self.maybe_cut(at, out);
    }
}

impl Cutting {
    fn maybe_cut(&mut self, at: Duration, out: &mut Out<'_>) {
        if self.left == 0 {
            self.done = true;
            out.send(at, Item::from(self.how));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, events};
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn a_stream_breaks_off_after_its_tokens() {
        for (how, end) in [(How::End, "End"), (How::Close, "Close"), (How::Reset, "Reset")] {
            let out = through(events(&Cut { after: 2, how }), &stream(&["a", "b", "c"], 10), 100);
            assert_eq!(seen(&out), ["10 a".to_owned(), "20 b".to_owned(), format!("20 {end}")]);
        }
        assert_eq!(seen(&through(events(&Cut { after: 0, how: How::End }), &stream(&["a"], 10), 100)), ["0 End"]);
    }

    #[test]
    fn another_body_breaks_off_in_its_middle() {
        let Effect::Body(change) = effect(&Cut::default(), false) else { panic!("it acts on bodies") };
        assert_eq!(change(Bytes::from_static(b"12345678")), [Item::Bytes(Bytes::from_static(b"1234")), Item::Close]);
    }
}
