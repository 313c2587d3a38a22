//! Bytes that never arrive.

use std::time::Duration;

use super::{Begins, Connecting, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, NEVER, Out};

fault! {
    /// Bytes vanish on the way, and nobody is told.
    ///
    /// Connections are made and stay open, in silence. When the fault is cleared, what was held back
    /// arrives, as after a partition. Users met it as [a provider that accepts and says nothing, for
    /// which no timeout and no fallback came][1].
    ///
    /// [1]: https://github.com/maximhq/bifrost/issues/7034
    pub struct BlackHole = "black-hole" {
        /// Which ways bytes vanish.
        pub direction: Direction = Direction::Both,
        /// Whether new connections are not even made: connecting hangs until the fault is cleared.
        pub handshake: bool = false,
    }
}

impl LinkFault for BlackHole {
    fn connecting(&self, _dice: &mut dyn Dice) -> Connecting {
        if self.handshake { Connecting::Hangs } else { Connecting::Goes(Duration::ZERO) }
    }

    fn flow(&self, way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        self.direction.is(way).then(|| Box::new(Hole) as Box<dyn Flow>)
    }
}

struct Hole;

impl Flow for Hole {
    fn take(&mut self, _at: Duration, item: Item, out: &mut Out<'_>) {
        out.send(NEVER, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn nothing_arrives_not_even_the_end() {
        assert_eq!(down(&BlackHole::default(), &[(0, bytes("a")), (5, Item::End)], 10_000), []);
    }
}
