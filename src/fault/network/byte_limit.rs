//! A connection that ends after so many bytes.

use std::time::Duration;

use super::{Begins, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};

fault! {
    /// The connection is closed after so many bytes.
    ///
    /// They are counted from when the fault gets hold of the connection, over all its exchanges.
    pub struct ByteLimit = "byte-limit" {
        /// How many bytes pass.
        pub bytes: u64 = 1_024,
        /// Which way they are counted.
        pub direction: Direction = Direction::Downstream,
    }
}

impl LinkFault for ByteLimit {
    fn flow(&self, way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        self.direction.is(way).then(|| Box::new(Limited { left: self.bytes }) as Box<dyn Flow>)
    }
}

struct Limited {
    left: u64,
}

impl Flow for Limited {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let Item::Bytes(bytes) = item else { return out.send(at, item) };
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        if bytes.len() < left {
            self.left -= bytes.len() as u64;
            return out.send(at, bytes);
        }
        self.left = 0;
        if left > 0 {
            out.send(at, bytes.slice(..left));
        }
        out.send(at, Item::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn so_many_bytes_come_and_then_the_end() {
        let out =
            down(&ByteLimit { bytes: 7, ..ByteLimit::default() }, &[(0, bytes("hello")), (3, bytes("world"))], 10);
        assert_eq!(out, [(0, bytes("hello")), (3, bytes("wo")), (3, Item::Close)]);
    }
}
