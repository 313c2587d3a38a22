//! A stream whose first token is late.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, Distribution, frame};

fault! {
    /// The head of a stream comes in time, its first token late.
    ///
    /// What comes after the first token keeps its distance to it. A gateway that waits for headers
    /// only sees nothing wrong; users ask for [a limit on the time to the first token][1] instead.
    ///
    /// [1]: https://github.com/BerriAI/litellm/issues/17991
    pub struct SlowFirstToken = "slow-first-token" {
        /// How much later.
        pub time: Distribution = Distribution::millis(10_000),
    }
}

impl AnswerFault for SlowFirstToken {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, mut asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Late { time: self.time.draw(asked.dice.as_mut()), begun: false }))
    }
}

struct Late {
    time: Duration,
    begun: bool,
}

impl Flow for Late {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        self.begun |= matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes));
        out.send(if self.begun { at + self.time } else { at }, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn the_role_comes_in_time_and_the_tokens_keep_their_gaps() {
        let late = SlowFirstToken { time: Distribution::millis(100) };
        let out = through(events(&late), &stream(&["a", "b"], 10), 200);
        assert_eq!(out[0].0, 0);
        assert_eq!(seen(&out), ["110 a", "120 b", "140 [DONE]", "150 End"]);
    }
}
