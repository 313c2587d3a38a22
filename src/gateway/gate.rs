//! Whether a provider may be chosen.
//!
//! ```text
//!          evict(until)
//!   Open ───────────────▶ Evicted { until }
//!     ▲                        │
//!     └────────────────────────┘
//!          release, at `until` or later
//! ```
//!
//! Nothing else moves it: a failure that ends while the provider is out does not prolong its
//! eviction, and a success does not shorten it. A deadline is inclusive: an eviction that ends at t
//! is over for a choice at t.

use super::personality::Release;
use crate::event::At;

/// The gate of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// It may be chosen.
    #[default]
    Open,
    /// It may not, unless every provider is out.
    Evicted {
        /// Its own deadline.
        until: At,
    },
}

impl Gate {
    /// Whether the provider may be chosen.
    #[must_use]
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// The deadline of an eviction.
    #[must_use]
    pub fn until(self) -> Option<At> {
        match self {
            Self::Open => None,
            Self::Evicted { until } => Some(until),
        }
    }

    /// Evicts an open provider; says whether it was open.
    pub fn evict(&mut self, until: At) -> bool {
        let was_open = self.is_open();
        if was_open {
            *self = Self::Evicted { until };
        }
        was_open
    }

    /// Lets a provider back in; says whether it was out.
    pub fn release(&mut self) -> bool {
        !std::mem::take(self).is_open()
    }
}

impl Release {
    /// When an eviction with the deadline `own` really ends, where `latest` is the latest deadline
    /// among the evicted providers of its backend.
    #[must_use]
    pub fn ends(self, own: At, latest: At) -> At {
        match self {
            Self::TogetherAtTheLatest => latest.max(own),
            Self::EachAtItsOwn => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eviction_is_neither_prolonged_nor_shortened() {
        let mut gate = Gate::default();
        assert!(gate.evict(At(5)));
        assert!(!gate.evict(At(9)));
        assert!(!gate.evict(At(1)));
        assert_eq!(gate.until(), Some(At(5)));
        assert!(gate.release());
        assert!(gate.is_open() && !gate.release());
    }
}
