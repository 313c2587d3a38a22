//! Bytes with their times: what a fault makes of them.
//!
//! A [`Flow`] turns each thing that comes into things that go, each at its time, and knows nothing of
//! clocks. A [`Chain`] is a row of flows: what leaves one enters the next. Whoever drives it pushes
//! what comes, pops what is due, and sleeps until [`Chain::next`].

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

/// A time that does not come; what leaves then is held until its fault is cleared.
pub const NEVER: Duration = Duration::MAX;

/// What passes: of a stream one event at a time, on a link whatever was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Bytes.
    Bytes(Bytes),
    /// The orderly end of this body, or of this direction of a link.
    End,
    /// The connection is closed, whatever was to come.
    Close,
    /// The connection is reset.
    Reset,
}

/// What a fault makes of what passes. Times are since any one moment.
pub trait Flow: Send {
    /// Begins at `at`; most wait for something to pass.
    fn begin(&mut self, at: Duration, out: &mut Out<'_>) {
        let _ = (at, out);
    }

    /// Takes `item`, which comes at `at`, and sends on what becomes of it.
    fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>);

    /// A new exchange begins on the link: the caller writes after it has read, and nothing has passed
    /// for the time `idle`, either way.
    fn exchange(&mut self, idle: Duration) {
        let _ = idle;
    }
}

/// Where a flow sends things.
pub struct Out<'q> {
    queue: &'q mut Queue,
    held: &'q mut usize,
}

/// Things on their way, in order.
#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<(Duration, Item)>,
    /// When the last thing that was sent leaves: nothing overtakes it.
    last: Duration,
}

/// A row of flows. What has left the last one is due.
#[derive(Default)]
pub struct Chain {
    stages: Vec<Stage>,
    due: Queue,
    held: usize,
}

struct Stage {
    id: u64,
    flow: Box<dyn Flow>,
    queue: Queue,
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::End | Self::Close | Self::Reset => 0,
        }
    }
}

impl From<Bytes> for Item {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Out<'_> {
    /// Sends an item that leaves at `at`, or after what was sent before it.
    pub fn send(&mut self, at: Duration, item: impl Into<Item>) {
        let item = item.into();
        let at = at.max(self.queue.last);
        self.queue.last = at;
        *self.held += item.len();
        self.queue.items.push_back((at, item));
    }
}

impl Chain {
    /// Adds a flow at the end. `id` is its fault's.
    pub fn add(&mut self, id: u64, mut flow: Box<dyn Flow>, now: Duration) {
        let mut queue = Queue::default();
        flow.begin(now, &mut Out { queue: &mut queue, held: &mut self.held });
        self.stages.push(Stage { id, flow, queue });
    }

    /// Takes the flow of a fault out; what it held back goes on at once.
    pub fn remove(&mut self, id: u64, now: Duration) {
        while let Some(at) = self.stages.iter().position(|stage| stage.id == id) {
            self.advance(now);
            let stage = self.stages.remove(at);
            for (_, item) in stage.queue.items {
                self.held = self.held.saturating_sub(item.len());
                self.feed(at, now, item);
            }
        }
    }

    /// The faults whose flows are here.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.stages.iter().map(|stage| stage.id)
    }

    /// Lets something in.
    pub fn push(&mut self, now: Duration, item: Item) {
        self.feed(0, now, item);
    }

    /// What is due by `now`, in order.
    pub fn pop(&mut self, now: Duration) -> Option<Item> {
        self.advance(now);
        let (_, item) = self.due.items.pop_front()?;
        self.held = self.held.saturating_sub(item.len());
        Some(item)
    }

    /// When the next thing moves; none where nothing will by itself.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let fronts = self.stages.iter().filter_map(|stage| stage.queue.items.front());
        fronts.chain(self.due.items.front()).map(|(at, _)| *at).filter(|at| *at != NEVER).min()
    }

    /// How many bytes are under way.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.items.is_empty() && self.stages.iter().all(|stage| stage.queue.items.is_empty())
    }

    /// Whether there is no flow.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.stages.is_empty()
    }

    /// Tells every flow that a new exchange begins, after nothing had passed for the time `idle`.
    pub fn exchange(&mut self, idle: Duration) {
        for stage in &mut self.stages {
            stage.flow.exchange(idle);
        }
    }

    fn advance(&mut self, now: Duration) {
        for at in 0..self.stages.len() {
            while let Some(stage) = self.stages.get_mut(at)
                && let Some((left, _)) = stage.queue.items.front()
                && *left <= now
                && let Some((left, item)) = stage.queue.items.pop_front()
            {
                self.held = self.held.saturating_sub(item.len());
                self.feed(at + 1, left, item);
            }
        }
    }

    fn feed(&mut self, stage: usize, at: Duration, item: Item) {
        let held = &mut self.held;
        match self.stages.get_mut(stage) {
            Some(Stage { flow, queue, .. }) => flow.take(at, item, &mut Out { queue, held }),
            None => Out { queue: &mut self.due, held }.send(at, item),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Everything that comes out of `flow` for `items`, with its time in milliseconds, up to `until`.
    pub(crate) fn through(flow: Box<dyn Flow>, items: &[(u64, Item)], until: u64) -> Vec<(u64, Item)> {
        let mut chain = Chain::default();
        chain.add(1, flow, Duration::ZERO);
        let mut out = Vec::new();
        let mut coming = items.iter().peekable();
        for now in 0..=until {
            let at = Duration::from_millis(now);
            while let Some((_, item)) = coming.next_if(|(comes, _)| *comes == now) {
                chain.push(at, item.clone());
            }
            while let Some(item) = chain.pop(at) {
                out.push((now, item));
            }
        }
        out
    }

    pub(crate) fn bytes(text: &'static str) -> Item {
        Item::Bytes(Bytes::from_static(text.as_bytes()))
    }

    struct Late(u64);

    impl Flow for Late {
        fn take(&mut self, at: Duration, item: Item, out: &mut Out<'_>) {
            out.send(if self.0 == u64::MAX { NEVER } else { at + Duration::from_millis(self.0) }, item);
        }
    }

    #[test]
    fn flows_add_up_and_nothing_overtakes() {
        let mut chain = Chain::default();
        chain.add(1, Box::new(Late(10)), Duration::ZERO);
        chain.add(2, Box::new(Late(5)), Duration::ZERO);
        chain.push(Duration::ZERO, bytes("a"));
        assert_eq!((chain.next(), chain.held()), (Some(Duration::from_millis(10)), 1));
        assert_eq!(chain.pop(Duration::from_millis(14)), None);
        assert_eq!(chain.pop(Duration::from_millis(15)), Some(bytes("a")));
        assert_eq!((chain.next(), chain.held()), (None, 0));
    }

    #[test]
    fn what_a_fault_held_back_goes_through_the_others_when_it_is_cleared() {
        let mut chain = Chain::default();
        chain.add(1, Box::new(Late(u64::MAX)), Duration::ZERO);
        chain.add(2, Box::new(Late(5)), Duration::ZERO);
        chain.push(Duration::ZERO, bytes("a"));
        chain.push(Duration::ZERO, Item::End);
        assert_eq!(chain.next(), None);
        chain.remove(1, Duration::from_millis(100));
        assert_eq!(chain.pop(Duration::from_millis(104)), None);
        assert_eq!(chain.pop(Duration::from_millis(105)), Some(bytes("a")));
        assert_eq!(chain.pop(Duration::from_millis(105)), Some(Item::End));
        assert!(chain.is_empty());
    }
}
