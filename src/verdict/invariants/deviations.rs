//! What a personality is known for: invariants that it breaks, and why.
//!
//! One table. A deviation is told with its evidence and does not fail a run. Each follows from a row
//! of the table of personalities, `docs/personalities.md`.

use crate::topology::Personality::{self, Agentgateway012 as V012, Agentgateway12 as V12, Agentgateway14 as V14};

/// An invariant that a personality breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deviation {
    /// Who.
    pub personality: Personality,
    /// The invariant's name.
    pub invariant: &'static str,
    /// What it does instead, in a sentence.
    pub why: &'static str,
    /// The row of `docs/personalities.md` that it follows from.
    pub row: &'static str,
}

/// Several personalities that break one invariant alike.
type Alike = (&'static [Personality], &'static str, &'static str, &'static str);

const TABLE: &[Alike] = &[
    (
        &[V012, V12, V14],
        "one-probe",
        "when an eviction is over the provider takes its whole share of the load at once",
        "A provider returns",
    ),
    (
        &[V012, V12, V14],
        "refuses-when-all-out",
        "while everyone is evicted the providers of the first group take all requests",
        "While everyone is evicted",
    ),
    (
        &[V012, V12, V14],
        "blameless",
        "a client that leaves before the answer, or whose request cannot be read, counts as a failure of the provider that was chosen",
        "Client errors and clients that leave",
    ),
    (&[V012], "blameless", "every 4xx counts as a failure", "A provider fails when (no policy)"),
    (
        &[V012],
        "eviction-threshold",
        "a 429 that names a wait evicts at once, whatever a health policy asks for",
        "Health policies that are heeded",
    ),
    (
        &[V12],
        "eviction-threshold",
        "a provider's own health policy is ignored, and its backend's decides",
        "Health policies that are heeded",
    ),
    (
        &[V12, V14],
        "eviction-cause",
        "a client that leaves before the answer, or whose request cannot be read, evicts the provider that was chosen",
        "Client errors and clients that leave",
    ),
    (
        &[V012, V12, V14],
        "failures-count",
        "a stream that breaks off counts by its status, as a success",
        "A stream that breaks off",
    ),
    (
        &[V12, V14],
        "retry-after-kept",
        "the policy's `duration` comes before the wait, and only a 429 is asked for one",
        "An eviction lasts",
    ),
    (
        &[V12],
        "counts-once",
        "every failure counts as an eviction, also those that end while the provider is evicted, and makes the next one longer",
        "A further eviction lasts",
    ),
    (
        &[V012, V12],
        "retries-learn",
        "only the last attempt is accounted, so a retry sees the same state as the attempt before it",
        "Attempts that are accounted",
    ),
    (&[V012, V12, V14], "retry-budget", "every request is tried as often as configured", "Retries"),
    (
        &[V012, V12, V14],
        "no-turning-back",
        "each attempt chooses anew, also a group that the request has left",
        "Retries",
    ),
    (
        &[V012, V12, V14],
        "root-cause",
        "the client gets the answer of the last attempt, whatever the ones before it met",
        "Of several failures the client is told",
    ),
    (&[V012], "evicts-in-time", "only a 429 that names a wait evicts", "A provider is evicted by"),
    (
        &[V12, V14],
        "evicts-in-time",
        "without a health policy nothing evicts, and a stream that breaks off is no failure",
        "A provider is evicted by",
    ),
    (&[V012], "tries-everyone", "only a 429 that names a wait evicts", "A provider is evicted by"),
    (&[V12, V14], "tries-everyone", "without a health policy nothing evicts", "A provider is evicted by"),
    (
        &[V012],
        "comes-back",
        "evicted providers of one backend come back together, at the latest of their deadlines",
        "Several evicted providers return",
    ),
    (&[V012], "retries-learn", NOBODY_ACCOUNTS, UNLOGGED),
    (&[V012], "evicts-in-time", NOBODY_ACCOUNTS, UNLOGGED),
    (&[V012], "tries-everyone", NOBODY_ACCOUNTS, UNLOGGED),
];

/// The row of what becomes of accounting without an access log.
const UNLOGGED: &str = "Where no access log is written";
const NOBODY_ACCOUNTS: &str = "without an access log nothing is accounted, and nobody is evicted";

/// All deviations.
pub fn all() -> impl Iterator<Item = Deviation> {
    TABLE.iter().flat_map(|(personalities, invariant, why, row)| {
        let one = |personality: &Personality| Deviation { personality: *personality, invariant, why, row };
        personalities.iter().map(one)
    })
}

/// The first deviation of a personality from an invariant, if it is known for one: of those that it has
/// without an access log, where it writes none.
#[must_use]
pub fn of(personality: Personality, invariant: &str, unlogged: bool) -> Option<Deviation> {
    let own = all().filter(|one| one.personality == personality && one.invariant == invariant);
    let (silent, other): (Vec<_>, Vec<_>) = own.partition(|one| one.row == UNLOGGED);
    silent.into_iter().filter(|_| unlogged).chain(other).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::INVARIANTS;

    #[test]
    fn each_deviation_is_from_an_invariant_and_follows_from_a_row() {
        let rows = include_str!("../../../docs/personalities.md");
        for one in all() {
            assert!(INVARIANTS.iter().any(|invariant| invariant.name == one.invariant), "{one:?}");
            assert!(rows.contains(&format!("\n| {} |", one.row)), "no such row: {one:?}");
        }
    }

    #[test]
    fn without_an_access_log_the_reason_is_that() {
        let why = |unlogged| of(Personality::Agentgateway012, "evicts-in-time", unlogged).unwrap().why;
        assert_eq!((why(true), why(false)), (NOBODY_ACCOUNTS, "only a 429 that names a wait evicts"));
        let elsewhere = of(Personality::Agentgateway14, "evicts-in-time", true).unwrap().why;
        assert_eq!(elsewhere, of(Personality::Agentgateway14, "evicts-in-time", false).unwrap().why);
    }

    #[test]
    fn the_reference_has_none() {
        assert!(all().all(|one| one.personality != Personality::Reference));
    }
}
