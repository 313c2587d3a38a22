//! A stream that falls silent.

use std::time::Duration;

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, NEVER, Out};
use crate::fault::{Acts, frame};
use crate::source::Span;

fault! {
    /// A stream falls silent after some tokens, and the connection stays open.
    ///
    /// After the silence it goes on where it was, its gaps unchanged. Users met it as
    /// [requests that hang for minutes since nothing limits the silence][1].
    ///
    /// [1]: https://github.com/bitrouter/bitrouter/pull/394
    pub struct Stall = "stall" {
        /// How many tokens come first.
        pub after: u32 = 1,
        /// How long the silence lasts; until the fault is cleared where absent.
        pub r#for: Option<Span> = None,
    }
}

impl AnswerFault for Stall {
    const ACTS: Acts = Acts::OnStream;

    fn effect(&self, _asked: Asked<'_>) -> Effect {
        Effect::Events(Box::new(Stalling { left: self.after, silence: self.r#for, last: None, shift: None }))
    }
}

struct Stalling {
    left: u32,
    silence: Option<Span>,
    /// When the last thing before the silence went.
    last: Option<Duration>,
    /// How much later everything comes since the silence.
    shift: Option<Duration>,
}

impl Flow for Stalling {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        if self.left > 0 {
            self.last = Some(at);
            self.left -= u32::from(matches!(&item, Item::Bytes(bytes) if frame::is_token(bytes)));
            return out.send(at, item);
        }
        let Some(Span(silence)) = self.silence else { return out.send(NEVER, item) };
        let since = at.saturating_sub(self.last.unwrap_or(at));
        let shift = *self.shift.get_or_insert(silence.saturating_sub(since));
        out.send(at.saturating_add(shift), item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::events;
    use super::*;
    use crate::fault::flow::tests::through;
    use crate::fault::frame::tests::{seen, stream};

    #[test]
    fn the_silence_lasts_exactly_as_long_as_it_is_told() {
        let stall = Stall { after: 2, r#for: Some(Span(Duration::from_millis(300))) };
        let out = through(events(&stall), &stream(&["a", "b", "c", "d"], 10), 500);
        assert_eq!(seen(&out), ["10 a", "20 b", "320 c", "330 d", "350 [DONE]", "360 End"]);
    }

    #[test]
    fn without_a_length_it_lasts_for_ever() {
        let out = through(events(&Stall { after: 1, r#for: None }), &stream(&["a", "b"], 10), 10_000);
        assert_eq!(seen(&out), ["10 a"]);
    }
}
