//! Ends a run early, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use tokio::sync::Notify;

/// A switch that ends a run. Cheap to clone; all clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    triggered: AtomicBool,
    notify: Notify,
}

impl Interrupt {
    /// Ends every run that has this switch, now and later.
    pub fn trigger(&self) {
        self.0.triggered.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
        self.0.notify.notify_one();
    }

    /// Whether it was triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.triggered.load(Ordering::Acquire)
    }

    /// Returns once it is triggered.
    pub async fn triggered(&self) {
        loop {
            let notified = self.0.notify.notified();
            if self.is_triggered() {
                return;
            }
            notified.await;
        }
    }

    /// Runs `work` to its end, or gives `None` once the switch is triggered.
    pub(super) async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        futures_util::select_biased! {
            () = Box::pin(self.triggered()).fuse() => None,
            done = Box::pin(work).fuse() => Some(done),
        }
    }
}
