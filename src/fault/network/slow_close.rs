//! An end that comes late.

use std::time::Duration;

use super::{Begins, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::amount::Distribution;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};

fault! {
    /// The end of a connection arrives late; its bytes come in time.
    ///
    /// Whoever waits for the end to know that an answer is whole waits longer.
    pub struct SlowClose = "slow-close" {
        /// How much later.
        pub time: Distribution = Distribution::millis(5_000),
        /// Which way.
        pub direction: Direction = Direction::Downstream,
    }
}

impl LinkFault for SlowClose {
    fn flow(&self, way: Way, _begins: Begins, dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        self.direction.is(way).then(|| Box::new(Closing { time: self.time, dice }) as Box<dyn Flow>)
    }
}

struct Closing {
    time: Distribution,
    dice: Box<dyn Dice>,
}

impl Flow for Closing {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let late = if item == Item::End { self.time.draw(self.dice.as_mut()) } else { Duration::ZERO };
        out.send(at + late, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn only_the_end_is_late() {
        let out = down(&SlowClose::default(), &[(1, bytes("a")), (2, Item::End)], 6_000);
        assert_eq!(out, [(1, bytes("a")), (5_002, Item::End)]);
    }
}
