//! Tells many who wait that something has changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::task::AtomicWaker;

/// Rings for everyone who listens. Whoever does not wait asks how often it has rung: a relaxed load.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicU64,
    ears: Mutex<Ears>,
}

#[derive(Debug, Default)]
struct Ears {
    all: Vec<Weak<Ear>>,
    /// How many there may be before those that are gone are thrown out.
    limit: usize,
}

/// Somebody who listens, with up to two tasks that wait.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    pub(crate) reader: AtomicWaker,
    pub(crate) writer: AtomicWaker,
}

impl Bell {
    /// Wakes all who wait.
    pub(crate) fn ring(&self) {
        self.rung.fetch_add(1, Ordering::Release);
        let all: Vec<_> = self.lock().all.iter().filter_map(Weak::upgrade).collect();
        for ear in all {
            ear.reader.wake();
            ear.writer.wake();
        }
    }

    /// How often it has rung.
    pub(crate) fn rung(&self) -> u64 {
        self.rung.load(Ordering::Relaxed)
    }

    /// Somebody new who listens.
    pub(crate) fn ear(&self) -> Arc<Ear> {
        let ear = Arc::new(Ear::default());
        let mut ears = self.lock();
        if ears.all.len() >= ears.limit {
            ears.all.retain(|one| one.strong_count() > 0);
            ears.limit = (ears.all.len() * 2).max(64);
        }
        ears.all.push(Arc::downgrade(&ear));
        ear
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ears> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
