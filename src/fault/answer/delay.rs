//! An answer that comes late.

use super::{AnswerFault, Asked, Effect};
use crate::fault::define::fault;
use crate::fault::{Acts, Distribution};

fault! {
    /// The whole answer comes later: its head, and every byte after it.
    ///
    /// The simulator is asked at once and answers as ever; what it sends is held for this time, the
    /// gaps between its tokens unchanged. For time on the way instead, see `latency`.
    pub struct Delay = "delay" {
        /// How much later.
        pub time: Distribution = Distribution::millis(3_000),
    }
}

impl AnswerFault for Delay {
    const ACTS: Acts = Acts::OnRequest;

    fn effect(&self, mut asked: Asked<'_>) -> Effect {
        Effect::Later(self.time.draw(asked.dice.as_mut()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::effect;
    use super::*;

    #[test]
    fn the_time_is_drawn_from_the_distribution() {
        let fault: Delay = serde_json::from_str(r#"{"time": {"uniform": {"from": "1s", "to": "2s"}}}"#).unwrap();
        assert!(matches!(effect(&fault, false), Effect::Later(time) if time == Duration::from_millis(1_500)));
    }
}
