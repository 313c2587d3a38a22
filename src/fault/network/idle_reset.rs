//! A connection that is forgotten while it is idle.

use std::time::Duration;

use super::{Begins, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::{Flow, Item, Out};
use crate::source::Span;

fault! {
    /// A connection over which nothing has passed for a while is forgotten, and nobody is told.
    ///
    /// So do load balancers and address translation on the way. Whoever asks over it again is reset,
    /// and what was asked has not arrived; a new connection is as good as ever. What has passed
    /// before the fault gets hold of the connection does not count.
    pub struct IdleReset = "idle-reset" {
        /// After how long.
        pub after: Span = Span(Duration::from_mins(1)),
    }
}

impl LinkFault for IdleReset {
    fn flow(&self, way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        (way == Way::Up).then(|| Box::new(Forgetting { after: self.after.0, forgotten: false }) as Box<dyn Flow>)
    }
}

struct Forgetting {
    after: Duration,
    forgotten: bool,
}

impl Flow for Forgetting {
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let lost = self.forgotten && matches!(item, Item::Bytes(_));
        out.send(at, if lost { Item::Reset } else { item });
    }

    fn exchange(&mut self, idle: Duration) {
        self.forgotten |= idle >= self.after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::amount::tests::Loaded;
    use crate::fault::flow::Chain;
    use crate::fault::flow::tests::bytes;

    /// What becomes of a second request after so many seconds without a byte.
    fn asked_again_after(idle: u64) -> Option<Item> {
        let flow = IdleReset::default().flow(Way::Up, Begins::Before, Box::new(Loaded(0.0))).unwrap();
        let mut chain = Chain::default();
        chain.add(1, flow, Duration::ZERO);
        chain.push(Duration::ZERO, bytes("POST"));
        assert_eq!(chain.pop(Duration::ZERO), Some(bytes("POST")));
        let idle = Duration::from_secs(idle);
        chain.exchange(idle);
        chain.push(idle, bytes("POST"));
        chain.pop(idle)
    }

    #[test]
    fn only_who_asks_after_the_time_is_reset() {
        assert_eq!(asked_again_after(59), Some(bytes("POST")));
        assert_eq!(asked_again_after(60), Some(Item::Reset));
    }
}
