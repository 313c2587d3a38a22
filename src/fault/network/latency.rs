//! A link that takes its time.

use std::time::Duration;

use super::{Begins, Connecting, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::amount::{Distribution, Uniform};
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::source::Span;

fault! {
    /// Bytes take longer, each by the same time or by one that varies.
    ///
    /// Their order stays. A handshake takes longer too: once for each way. It comes on top of what
    /// the link takes anyhow.
    pub struct Latency = "latency" {
        /// How much longer.
        pub time: Distribution = Distribution::millis(100),
        /// How much the time varies, to either side, each as likely.
        pub jitter: Span = Span(Duration::ZERO),
        /// Which way.
        pub direction: Direction = Direction::Downstream,
    }
}

impl Latency {
    fn draw(&self, dice: &mut dyn Dice) -> Duration {
        let time = self.time.draw(dice);
        if self.jitter.0.is_zero() {
            return time;
        }
        let twice = Uniform { from: Span(Duration::ZERO), to: Span(self.jitter.0.saturating_mul(2)) };
        (time + Distribution::Uniform(twice).draw(dice)).saturating_sub(self.jitter.0)
    }
}

impl LinkFault for Latency {
    fn connecting(&self, dice: &mut dyn Dice) -> Connecting {
        let ways = [Way::Up, Way::Down].into_iter().filter(|way| self.direction.is(*way));
        Connecting::Goes(ways.map(|_| self.draw(dice)).sum())
    }

    fn flow(&self, way: Way, _begins: Begins, dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        self.direction.is(way).then(|| Box::new(Later { fault: self.clone(), dice }) as Box<dyn Flow>)
    }
}

struct Later {
    fault: Latency,
    dice: Box<dyn Dice>,
}

impl Flow for Later {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        out.send(at + self.fault.draw(self.dice.as_mut()), item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::amount::tests::Loaded;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn everything_comes_later_by_the_same_time() {
        let out = down(&Latency::default(), &[(0, bytes("a")), (7, bytes("b")), (8, Item::End)], 200);
        assert_eq!(out, [(100, bytes("a")), (107, bytes("b")), (108, Item::End)]);
    }

    #[test]
    fn jitter_goes_to_either_side() {
        let fault = Latency { jitter: Span(Duration::from_millis(40)), ..Latency::default() };
        for (dice, millis) in [(0.0, 60), (0.5, 100), (0.75, 120)] {
            assert_eq!(fault.draw(&mut Loaded(dice)), Duration::from_millis(millis));
        }
        let both = Latency { direction: Direction::Both, ..Latency::default() };
        assert_eq!(both.connecting(&mut Loaded(0.5)), Connecting::Goes(Duration::from_millis(200)));
    }
}
