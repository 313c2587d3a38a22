//! Links between hosts, and the faults on them.
//!
//! Every connection that is made through [`super::Net`] looks at one table. While the table does not
//! change, that is one relaxed load for each read and write; when it does, each connection asks which
//! faults concern it, also one that is open and idle.

mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use stream::Linked;
pub(crate) use stream::Side;

use super::bell::Bell;
use super::faults::Active;
use crate::fault::network::Connecting;
use crate::topology::Authority;

/// The faults of the network, for the connections that look at them.
#[derive(Debug, Default)]
pub(crate) struct Links {
    bell: Bell,
    active: Mutex<Vec<Arc<Active>>>,
    changes: Notify,
}

/// The two ends of a link.
#[derive(Debug, Clone)]
pub(crate) struct LinkEnds {
    from: Arc<str>,
    /// Where it leads: the name that was asked for, and the host that it led to.
    to: [Arc<str>; 2],
    label: String,
}

impl LinkEnds {
    pub(crate) fn new(from: &str, asked: &Authority, found: &Authority) -> Self {
        let to = [asked.host.as_str().into(), found.host.as_str().into()];
        let from: Arc<str> = from.into();
        let label = format!("{} -> {found}", if from.is_empty() { "?" } else { &from });
        Self { from, to, label }
    }

    fn meets(&self, active: &Active) -> bool {
        active.aim().meets_link(&self.from, &[&self.to[0], &self.to[1]])
    }
}

/// What becomes of a connection that is being made.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// Faults that have made up their mind about it.
    met: Vec<u64>,
    /// Those that strike it.
    struck: Vec<Arc<Active>>,
}

/// Why a connection is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoConnection {
    Refused,
    Unresolved,
}

impl Links {
    /// Puts a fault on the table.
    pub(super) fn add(&self, active: Arc<Active>) {
        lock(&self.active).push(active);
        self.changed();
    }

    /// Takes a fault off the table.
    pub(super) fn remove(&self, id: u64) {
        lock(&self.active).retain(|active| active.id() != id);
        self.changed();
    }

    /// Has every connection look at the table again.
    pub(super) fn changed(&self) {
        self.bell.ring();
        self.changes.notify_waiters();
    }

    /// Which faults strike a new connection, and what they do to its making.
    pub(crate) async fn greet(&self, ends: &LinkEnds) -> Result<Greeting, NoConnection> {
        let mut greeting = Greeting::default();
        if self.bell.rung() == 0 {
            return Ok(greeting);
        }
        let mut late = Duration::ZERO;
        for active in self.meeting(ends) {
            greeting.met.push(active.id());
            let Some(fault) = active.injection().fault.of_links().filter(|_| active.strikes()) else { continue };
            active.tell(None, 0, &ends.label);
            match fault.connecting(&mut active.dice()) {
                Connecting::Goes(time) => late += time,
                Connecting::Refused => return Err(NoConnection::Refused),
                Connecting::Unresolved(time) => {
                    tokio::time::sleep(time).await;
                    return Err(NoConnection::Unresolved);
                }
                Connecting::Hangs => self.over(active.id()).await,
            }
            greeting.struck.push(active);
        }
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        Ok(greeting)
    }

    /// Which faults strike a connection that has come from outside; none may be made where it is refused.
    pub(crate) fn greet_accepted(&self, ends: &LinkEnds) -> Result<Greeting, NoConnection> {
        let mut greeting = Greeting::default();
        if self.bell.rung() == 0 {
            return Ok(greeting);
        }
        for active in self.meeting(ends) {
            greeting.met.push(active.id());
            let Some(fault) = active.injection().fault.of_links().filter(|_| active.strikes()) else { continue };
            active.tell(None, 0, &ends.label);
            match fault.connecting(&mut active.dice()) {
                Connecting::Refused | Connecting::Unresolved(_) => return Err(NoConnection::Refused),
                Connecting::Goes(_) | Connecting::Hangs => greeting.struck.push(active),
            }
        }
        Ok(greeting)
    }

    /// Returns once a fault is off the table.
    async fn over(&self, id: u64) {
        loop {
            let changed = self.changes.notified();
            if !lock(&self.active).iter().any(|active| active.id() == id && active.is_on()) {
                return;
            }
            changed.await;
        }
    }

    /// The faults whose time it is and that mean this link.
    fn meeting(&self, ends: &LinkEnds) -> Vec<Arc<Active>> {
        let active = lock(&self.active);
        active.iter().filter(|one| one.is_on() && ends.meets(one)).cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
