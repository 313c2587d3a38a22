//! A link that takes only so many bytes a second.

use std::num::NonZeroU64;
use std::time::Duration;

use super::{Begins, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};

fault! {
    /// Bytes arrive at so many a second and no faster.
    ///
    /// They arrive in slices of a twentieth of a second.
    pub struct Bandwidth = "bandwidth" {
        /// How many bytes arrive in a second.
        pub bytes_per_second: NonZeroU64 = NonZeroU64::new(10_240).unwrap_or(NonZeroU64::MIN),
        /// Which way.
        pub direction: Direction = Direction::Downstream,
    }
}

impl LinkFault for Bandwidth {
    fn flow(&self, way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        let flow = Narrow { rate: self.bytes_per_second, free: Duration::ZERO };
        self.direction.is(way).then(|| Box::new(flow) as Box<dyn Flow>)
    }
}

struct Narrow {
    rate: NonZeroU64,
    /// When all that has come will have gone.
    free: Duration,
}

impl Flow for Narrow {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        self.free = self.free.max(at);
        let Item::Bytes(mut bytes) = item else { return out.send(self.free, item) };
        let slice = usize::try_from(self.rate.get() / 20).unwrap_or(usize::MAX).max(1);
        while !bytes.is_empty() {
            let part = bytes.split_to(slice.min(bytes.len()));
            let nanos = u128::from(part.len() as u64) * 1_000_000_000 / u128::from(self.rate.get());
            self.free += Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            out.send(self.free, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::tests::down;
    use super::*;

    #[test]
    fn a_second_brings_so_many_bytes() {
        let fault = Bandwidth { bytes_per_second: NonZeroU64::new(1_000).unwrap(), ..Bandwidth::default() };
        let out = down(&fault, &[(0, Item::Bytes(Bytes::from(vec![0; 1_500]))), (1, Item::End)], 2_000);
        let by = |until: u64| -> usize {
            let come = out.iter().filter(|(at, _)| *at <= until);
            come.map(|(_, item)| if let Item::Bytes(bytes) = item { bytes.len() } else { 0 }).sum()
        };
        assert_eq!((by(49), by(50), by(1_000), by(1_500)), (0, 50, 1_000, 1_500));
        assert_eq!(out.last(), Some(&(1_500, Item::End)));
    }
}
