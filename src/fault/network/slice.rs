//! A link that hands bytes over in little pieces.

use std::num::NonZeroU64;
use std::time::Duration;

use super::{Begins, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::source::Span;

fault! {
    /// Bytes arrive in little pieces, with a pause between them.
    ///
    /// Whoever takes one read for one message sees that it is not so.
    pub struct Slice = "slice" {
        /// Bytes of a piece.
        pub bytes: NonZeroU64 = NonZeroU64::new(16).unwrap_or(NonZeroU64::MIN),
        /// How much that varies, to either side.
        pub variation: u64 = 0,
        /// From one piece to the next.
        pub gap: Span = Span(Duration::from_millis(1)),
        /// Which way.
        pub direction: Direction = Direction::Downstream,
    }
}

impl LinkFault for Slice {
    fn flow(&self, way: Way, _begins: Begins, dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        let flow = Slicing { fault: self.clone(), dice, free: Duration::ZERO };
        self.direction.is(way).then(|| Box::new(flow) as Box<dyn Flow>)
    }
}

struct Slicing {
    fault: Slice,
    dice: Box<dyn Dice>,
    /// When the next piece may go.
    free: Duration,
}

impl Slicing {
    fn size(&mut self) -> usize {
        let Slice { bytes, variation, .. } = &self.fault;
        if *variation == 0 {
            return usize::try_from(bytes.get()).unwrap_or(usize::MAX);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of bytes"
        )]
        let size = (bytes.get() as f64 + *variation as f64 * (2.0 * self.dice.unit() - 1.0)).round().max(1.0) as usize;
        size
    }
}

impl Flow for Slicing {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let mut when = at.max(self.free);
        let Item::Bytes(mut bytes) = item else { return out.send(when, item) };
        while !bytes.is_empty() {
            let part = bytes.split_to(self.size().min(bytes.len()));
            out.send(when, part);
            when += self.fault.gap.0;
        }
        self.free = when;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn pieces_come_one_by_one() {
        let fault =
            Slice { bytes: NonZeroU64::new(2).unwrap(), gap: Span(Duration::from_millis(10)), ..Slice::default() };
        let out = down(&fault, &[(0, bytes("hello"))], 100);
        assert_eq!(out, [(0, bytes("he")), (10, bytes("ll")), (20, bytes("o"))]);
    }
}
