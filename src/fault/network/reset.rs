//! A connection that is reset.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Begins, Direction, LinkFault, Way};
use crate::fault::Dice;
use crate::fault::define::{fault, kinds};
use crate::fault::flow::{Flow, Item, Out};

/// When a connection is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// As soon as the fault gets hold of it, also while it is idle.
    AtOnce,
    /// When the first bytes come; none of them passes.
    #[default]
    BeforeHeaders,
    /// In the middle of the head.
    DuringHeaders,
}

kinds! { When = "`at-once`, `before-headers` or `during-headers`", }

fault! {
    /// The connection is reset, before or during the head of an answer, or at once.
    ///
    /// Downstream it is the answer's head, so that the provider has done its work; upstream the
    /// request's, so that it has not. A connection that is kept alive is reset in its next exchange.
    pub struct Reset = "reset" {
        /// When it is reset.
        pub when: When = When::BeforeHeaders,
        /// Whose head it is.
        pub direction: Direction = Direction::Downstream,
    }
}

/// So many bytes of a head pass: `HTTP/1.1 200`, or `POST /v1/cha`.
const PART: usize = 12;

impl LinkFault for Reset {
    fn flow(&self, way: Way, begins: Begins, _dice: Box<dyn Dice>) -> Option<Box<dyn Flow>> {
        let allowed = match self.when {
            When::AtOnce | When::BeforeHeaders => 0,
            When::DuringHeaders => PART,
        };
        let left = (begins == Begins::Before).then_some(allowed);
        let flow = Resetting { at_once: self.when == When::AtOnce, allowed, left };
        self.direction.is(way).then(|| Box::new(flow) as Box<dyn Flow>)
    }
}

struct Resetting {
    at_once: bool,
    /// Bytes of a head that pass.
    allowed: usize,
    /// How many still may; none in the middle of an exchange that was under way before.
    left: Option<usize>,
}

impl Flow for Resetting {
    fn begin(&mut self, at: Duration, out: &mut Out<'_>) {
        if self.at_once {
            out.send(at, Item::Reset);
        }
    }

    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
        let (Some(left), Item::Bytes(bytes)) = (&mut self.left, &item) else { return out.send(at, item) };
        if bytes.len() <= *left {
            *left -= bytes.len();
            return out.send(at, item);
        }
        let part: Bytes = bytes.slice(..*left);
        *left = 0;
        if !part.is_empty() {
            out.send(at, part);
        }
        out.send(at, Item::Reset);
    }

    fn exchange(&mut self, _idle: Duration) {
        self.left = Some(self.allowed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::down;
    use super::*;
    use crate::fault::amount::tests::Loaded;
    use crate::fault::flow::Chain;
    use crate::fault::flow::tests::bytes;

    #[test]
    fn it_comes_before_or_during_the_head() {
        let head = [(3, bytes("HTTP/1.1 200 OK\r\n"))];
        let reset = |when| down(&Reset { when, ..Reset::default() }, &head, 10);
        assert_eq!(reset(When::BeforeHeaders), [(3, Item::Reset)]);
        assert_eq!(reset(When::DuringHeaders), [(3, bytes("HTTP/1.1 200")), (3, Item::Reset)]);
        assert_eq!(reset(When::AtOnce)[0], (0, Item::Reset));
    }

    #[test]
    fn an_exchange_under_way_is_let_be() {
        let mut chain = Chain::default();
        let flow = Reset::default().flow(Way::Down, Begins::Within, Box::new(Loaded(0.0))).unwrap();
        chain.add(1, flow, Duration::ZERO);
        chain.push(Duration::ZERO, bytes("the rest of an answer"));
        assert_eq!(chain.pop(Duration::ZERO), Some(bytes("the rest of an answer")));
        chain.exchange(Duration::ZERO);
        chain.push(Duration::ZERO, bytes("HTTP/1.1 200 OK"));
        assert_eq!(chain.pop(Duration::ZERO), Some(Item::Reset));
    }
}
