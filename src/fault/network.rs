//! Faults of the network: they act on links, one file each.
//!
//! A link leads from whoever connects to whoever listens. *Upstream* is the way of the request,
//! *downstream* that of the answer. Chance and counts are per connection.

mod bandwidth;
mod black_hole;
mod byte_limit;
mod dns_failure;
mod idle_reset;
mod latency;
mod refuse;
mod reset;
mod slice;
mod slow_close;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use bandwidth::Bandwidth;
pub use black_hole::BlackHole;
pub use byte_limit::ByteLimit;
pub use dns_failure::DnsFailure;
pub use idle_reset::IdleReset;
pub use latency::Latency;
pub use refuse::Refuse;
pub use reset::{Reset, When};
pub use slice::Slice;
pub use slow_close::SlowClose;

use super::Dice;
use super::define::kinds;
use super::flow::Flow;

/// A fault of the network.
pub trait LinkFault {
    /// What becomes of a new connection.
    fn connecting(&self, dice: &mut dyn Dice) -> Connecting {
        let _ = dice;
        Connecting::Goes(Duration::ZERO)
    }

    /// What becomes of the bytes that go this way on one connection; none where they are left alone.
    fn flow(&self, way: Way, begins: Begins, dice: Box<dyn Dice>) -> Option<Box<dyn Flow>>;
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// It is made, this much later.
    Goes(Duration),
    /// It is refused.
    Refused,
    /// The name is not found, after this time.
    Unresolved(Duration),
    /// Nothing comes back, until the fault is cleared.
    Hangs,
}

/// A way that bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From whoever connected.
    Up,
    /// Back.
    Down,
}

/// Where a connection is when a fault gets hold of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// Nothing of the exchange under way has gone this way yet.
    Before,
    /// In the middle of an exchange.
    Within,
}

/// Which ways a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// On the way of the request.
    Upstream,
    /// On the way of the answer.
    Downstream,
    /// On both.
    Both,
}

kinds! { Direction = "`upstream`, `downstream` or `both`", }

impl Direction {
    /// Whether it acts this way.
    #[must_use]
    pub fn is(self, way: Way) -> bool {
        match self {
            Self::Upstream => way == Way::Up,
            Self::Downstream => way == Way::Down,
            Self::Both => true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::amount::tests::Loaded;
    use super::super::flow::tests::through;
    use super::*;
    use crate::fault::flow::Item;

    /// What comes out downstream of what goes in, on a connection where nothing has gone yet.
    pub(crate) fn down(fault: &impl LinkFault, items: &[(u64, Item)], until: u64) -> Vec<(u64, Item)> {
        through(fault.flow(Way::Down, Begins::Before, Box::new(Loaded(0.5))).expect("it acts downstream"), items, until)
    }
}
