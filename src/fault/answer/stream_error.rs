//! An error inside a stream that began with 200.

use std::time::Duration;

use serde_json::json;

use super::{AnswerFault, Asked, Effect, message};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, frame};

fault! {
    /// A stream that began with 200 turns into an error: an event that holds an error object.
    ///
    /// Then it ends. The status is long sent, so that only who reads the events sees the error. Users
    /// met it as [errors of model servers that came inside a 200 stream][1] and as
    /// [first events that hold a 429 which nothing failed over from][2].
    ///
    /// [1]: https://github.com/BerriAI/litellm/pull/32237
    /// [2]: https://github.com/ENTERPILOT/GoModel/pull/1015
    pub struct StreamError = "stream-error" {
        /// How many tokens come first; with 0 the error is the first event.
        pub after: u32 = 0,
        /// The `code` of the error object.
        pub code: u16 = 429,
        /// The `type` of the error object.
        pub kind: String = "rate_limit_exceeded".to_owned(),
        /// Its `message`; words for the code where absent.
        pub message: Option<String> = None,
        /// Whether the terminator `data: [DONE]` follows.
        pub done: bool = true,
    }
}

impl AnswerFault for StreamError {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Erring { left: self.after, fault: self.clone(), over: false }))
    }
}

struct Erring {
    left: u32,
    fault: StreamError,
    over: bool,
}

impl Flow for Erring {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if self.over {
            return;
        }
        if self.left > 0 {
            self.left -= u32::from(matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes)));
            return out.send(at, item);
        }
        self.over = true;
        let StreamError { code, kind, message: words, done, .. } = &self.fault;
        let words = words.as_deref().unwrap_or(message(*code));
        out.send(at, frame::event(&json!({"error": {"message": words, "type": kind, "param": null, "code": code}})));
        if *done {
            out.send(at, frame::done());
        }
        out.send(at, Item::End);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn the_error_takes_the_place_of_the_rest() {
        let first = through(events(&StreamError::default()), &stream(&["a", "b"], 10), 100);
        assert_eq!(seen(&first), ["0 error", "0 [DONE]", "0 End"]);
        let later = StreamError { after: 1, done: false, ..StreamError::default() };
        assert_eq!(seen(&through(events(&later), &stream(&["a", "b"], 10), 100)), ["10 a", "20 error", "20 End"]);
    }
}
