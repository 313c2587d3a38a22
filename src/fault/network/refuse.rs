//! Nobody listens.

use super::{Begins, Connecting, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::fault;
use crate::fault::flow::Flow;

fault! {
    /// New connections are refused, as where nobody listens.
    ///
    /// Connections that are open stay open.
    pub struct Refuse = "refuse" {}
}

impl LinkFault for Refuse {
    fn connecting(&self, _dice: &mut dyn Dice) -> Connecting {
        Connecting::Refused
    }

    fn flow(&self, _way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::amount::tests::Loaded;

    #[test]
    fn connections_are_refused() {
        assert_eq!(Refuse {}.connecting(&mut Loaded(0.0)), Connecting::Refused);
    }
}
