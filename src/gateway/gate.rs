//! Whether a provider may be chosen.
//!
//! ```text
//!          sentence              carry_out
//!   Open ────────────▶ Sentenced ──────────▶ Evicted { until } ◀───────┐
//!     ▲                                        │          │ probe      │ sentence, leave
//!     │          release, at `until` or later  │          ▼            │
//!     ├────────────────────────────────────────┘       Probing ────────┘
//!     └───────────────────────────────────────────────────┘ release
//! ```
//!
//! Nothing else moves it: a failure that ends while the provider is out does not prolong its
//! eviction, and a success does not shorten it. A deadline is inclusive: an eviction that ends at t
//! is over for a choice at t. Which of the ways a provider goes, its personality says: `Sentenced`
//! lasts a moment or none, and `Probing` is there only where one request has to prove the provider.

use super::personality::Release;
use crate::event::At;

/// The gate of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Gate {
    /// It may be chosen.
    #[default]
    Open,
    /// Its eviction is decided and not yet in effect: it may still be chosen.
    Sentenced(Term),
    /// It may not be chosen, unless every provider is out.
    Evicted(Term),
    /// Its eviction is over, and one request tries it.
    Probing(Term),
}

/// An eviction's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Its own deadline.
    pub until: At,
    /// Health on return; it stays where absent.
    pub restore: Option<f64>,
}

impl Gate {
    /// Whether the provider may be chosen by everyone.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Sentenced(_))
    }

    /// Whether the provider may be probed at `now`.
    #[must_use]
    pub fn is_due(self, now: At) -> bool {
        matches!(self, Self::Evicted(term) if term.until <= now)
    }

    /// The deadline of an eviction that is decided.
    #[must_use]
    pub fn until(self) -> Option<At> {
        match self {
            Self::Open => None,
            Self::Sentenced(term) | Self::Evicted(term) | Self::Probing(term) => Some(term.until),
        }
    }

    /// Decides an eviction of an open provider, or of one whose probe has failed; says whether it
    /// was one.
    pub fn sentence(&mut self, term: Term, probe: bool) -> bool {
        let fits = matches!(self, Self::Open) || (probe && matches!(self, Self::Probing(_)));
        if fits {
            *self = Self::Sentenced(term);
        }
        fits
    }

    /// Has a decided eviction take effect; says whether there was one.
    pub fn carry_out(&mut self) -> bool {
        let Self::Sentenced(term) = *self else { return false };
        *self = Self::Evicted(term);
        true
    }

    /// Lets one request try a provider whose eviction is over; says whether it is over.
    pub fn probe(&mut self, now: At) -> bool {
        match *self {
            Self::Evicted(term) if term.until <= now => {
                *self = Self::Probing(term);
                true
            }
            _ => false,
        }
    }

    /// A probe has told nothing: another may follow.
    pub fn leave(&mut self) {
        if let Self::Probing(term) = *self {
            *self = Self::Evicted(term);
        }
    }

    /// Lets a provider back in; says how its eviction had been, if it was out.
    pub fn release(&mut self) -> Option<Term> {
        match *self {
            Self::Evicted(term) | Self::Probing(term) => {
                *self = Self::Open;
                Some(term)
            }
            Self::Open | Self::Sentenced(_) => None,
        }
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

    fn term(until: u64) -> Term {
        Term { until: At(until), restore: None }
    }

    #[test]
    fn an_eviction_is_neither_prolonged_nor_shortened() {
        let mut gate = Gate::default();
        assert!(gate.sentence(term(5), false) && gate.carry_out());
        for other in [9, 1] {
            assert!(!gate.sentence(term(other), false) && !gate.carry_out());
        }
        assert_eq!(gate.until(), Some(At(5)));
        assert_eq!(gate.release(), Some(term(5)));
        assert!(gate.is_open() && gate.release().is_none());
    }

    #[test]
    fn until_it_is_carried_out_a_sentenced_provider_may_be_chosen() {
        let mut gate = Gate::default();
        gate.sentence(term(5), false);
        assert!(gate.is_open() && gate.release().is_none());
        assert!(!gate.sentence(term(9), false), "and is not sentenced twice");
        gate.carry_out();
        assert!(!gate.is_open());
    }

    #[test]
    fn one_request_probes_and_its_end_decides() {
        let evicted = Gate::Evicted(term(5));
        let mut gate = evicted;
        assert!(!gate.probe(At(4)) && gate.probe(At(5)) && !gate.probe(At(6)));
        assert!(!gate.is_open());
        assert!(!gate.sentence(term(9), false), "an older request's failure is none of the probe's");
        gate.leave();
        assert_eq!(gate, evicted, "a probe that tells nothing gives its place back");
        assert!(gate.probe(At(6)) && gate.sentence(term(9), true) && gate.carry_out());
        assert_eq!(gate, Gate::Evicted(term(9)));
        assert!(gate.probe(At(9)) && gate.release().is_some());
        assert!(gate.is_open());
    }
}
