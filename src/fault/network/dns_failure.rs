//! A name that is not found.

use super::{Begins, Connecting, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::amount::Distribution;
use crate::fault::define::fault;
use crate::fault::flow::Flow;

fault! {
    /// The name of the host is not found, at once or after a while.
    ///
    /// Connections that are open stay open. Users met it as
    /// [failover that does not happen, after a minute of waiting for the resolver][1].
    ///
    /// [1]: https://github.com/agentgateway/agentgateway/issues/2979
    pub struct DnsFailure = "dns-failure" {
        /// How long the resolver takes to say so.
        pub time: Distribution = Distribution::millis(0),
    }
}

impl LinkFault for DnsFailure {
    fn connecting(&self, dice: &mut dyn Dice) -> Connecting {
        Connecting::Unresolved(self.time.draw(dice))
    }

    fn flow(&self, _way: Way, _begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::amount::tests::Loaded;

    #[test]
    fn the_name_is_not_found_after_the_time() {
        let fault = DnsFailure { time: Distribution::millis(60_000) };
        assert_eq!(fault.connecting(&mut Loaded(0.0)), Connecting::Unresolved(Duration::from_mins(1)));
    }
}
