//! A stream that trickles.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::fault::{Acts, Dice, Distribution, frame};

fault! {
    /// Tokens of a stream come slowly: no token sooner than this after the one before it.
    ///
    /// The stream never stops, so that a limit on silence does not help; one on the whole time does.
    pub struct SlowTokens = "slow-tokens" {
        /// From one token to the next.
        pub gap: Distribution = Distribution::millis(1_000),
    }
}

impl AnswerFault for SlowTokens {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Trickle { gap: self.gap, dice: asked.dice, next: Duration::ZERO }))
    }
}

struct Trickle {
    gap: Distribution,
    dice: Box<dyn Dice>,
    /// When the next token may come.
    next: Duration,
}

impl Flow for Trickle {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if !matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes)) {
            return out.send(at, item);
        }
        let at = at.max(self.next);
        self.next = at + self.gap.draw(self.dice.as_mut());
        out.send(at, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn no_token_comes_sooner_than_the_gap_after_the_last() {
        let slow = SlowTokens { gap: Distribution::millis(100) };
        let out = through(events(&slow), &stream(&["a", "b", "c"], 10), 300);
        assert_eq!(seen(&out), ["10 a", "110 b", "210 c", "210 [DONE]", "210 End"]);
    }
}
