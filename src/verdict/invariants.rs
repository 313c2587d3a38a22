//! What holds for every run, whether a scenario asks or not.
//!
//! Each invariant is a name, a statement and a check over the history: it finds every time that the
//! statement is not so, with the events that show it. What the gateway says of itself is never
//! believed alone: evictions are followed in the stream of events, and client, gateway and provider
//! must tell the same story (double entry).
//!
//! A personality may be known for breaking one ([`deviations`]): then that is told, and the run does
//! not fail by it. A scenario may turn one off, with a reason. `docs/invariants.md` is written from
//! these tables by [`document`].

mod attempts;
mod bookkeeping;
mod chance;
pub mod deviations;
mod document;
mod evidence;
mod failover;
mod health;
mod limits;
mod liveness;
mod recovery;
mod run;
mod streams;

pub use document::document;

use super::{About, Exempt, Finding, Outcome};
use crate::event::History;
use crate::scenario::Scenario;
use evidence::Breach;
use run::Run;

/// Something that holds for every run.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its name, for reports and for turning it off.
    pub name: &'static str,
    /// Of which kind it is.
    pub class: Class,
    /// What holds, in one line.
    pub statement: &'static str,
    check: fn(&Run<'_>) -> Vec<Breach>,
}

/// Kinds of invariants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Something bad never happens.
    Safety,
    /// Something good comes in time.
    Liveness,
    /// Everybody tells the same story.
    Bookkeeping,
}

/// A row of the table.
const fn row(
    name: &'static str,
    class: Class,
    statement: &'static str,
    check: fn(&Run<'_>) -> Vec<Breach>,
) -> Invariant {
    Invariant { name, class, statement, check }
}

use Class::{Bookkeeping, Liveness, Safety};

/// All invariants, in the order of reports.
pub const INVARIANTS: [Invariant; 37] = [
    row("one-end", Bookkeeping, "every request and every attempt ends exactly once", bookkeeping::one_end),
    row(
        "double-entry",
        Bookkeeping,
        "client, gateway and provider saw the same requests, with the same answers",
        bookkeeping::double_entry,
    ),
    row(
        "honest-status",
        Bookkeeping,
        "the client gets the status of the last attempt, unless the gateway says why not",
        bookkeeping::honest_status,
    ),
    row(
        "root-cause",
        Bookkeeping,
        "a refusal that only a retry met does not hide the failure before it",
        bookkeeping::root_cause,
    ),
    row(
        "usage",
        Bookkeeping,
        "the tokens of an answer are those that its provider spent, once, for the client and in the access log",
        bookkeeping::usage,
    ),
    row(
        "credential-isolation",
        Safety,
        "a provider is sent its own credential and no other",
        bookkeeping::credential_isolation,
    ),
    row("hop-by-hop", Safety, "headers that concern one connection go no further", bookkeeping::hop_by_hop),
    row(
        "whole-success",
        Safety,
        "a success that the client got whole was sent whole by its provider",
        streams::whole_success,
    ),
    row(
        "same-bytes",
        Safety,
        "a stream, or an error, reaches the client byte for byte as its provider sent it",
        streams::same_bytes,
    ),
    row(
        "same-answer",
        Safety,
        "a success that is no stream says to the client what its provider said to this request",
        streams::same_answer,
    ),
    row("bounded-memory", Safety, "of a stream the gateway holds back at most 1 MiB at once", limits::bounded_memory),
    row(
        "evicted-stays-out",
        Safety,
        "an evicted provider gets no request while another one is active",
        failover::evicted_stays_out,
    ),
    row(
        "priority",
        Safety,
        "a group is used only while every provider of the groups before it is evicted",
        failover::priority,
    ),
    row(
        "refuses-when-all-out",
        Safety,
        "while every provider is evicted, none of them is asked",
        recovery::refuses_when_all_out,
    ),
    row(
        "better-of-two",
        Safety,
        "of the providers that were drawn the one with the best score is chosen",
        health::better_of_two,
    ),
    row(
        "even-draws",
        Safety,
        "two providers are drawn for each choice, independently, and each as likely as the others",
        chance::even_draws,
    ),
    row(
        "no-early-return",
        Safety,
        "an evicted provider comes back at its deadline and not before",
        failover::no_early_return,
    ),
    row(
        "one-eviction-at-a-time",
        Safety,
        "a provider that is evicted is not evicted again, so that no deadline moves",
        failover::one_at_a_time,
    ),
    row(
        "one-probe",
        Safety,
        "a provider whose eviction is over gets one request at a time until one has succeeded",
        recovery::one_probe,
    ),
    row("eviction-cause", Safety, "a provider is evicted only for a failure of its own", failover::eviction_cause),
    row(
        "eviction-threshold",
        Safety,
        "a provider is not evicted before it has failed as often in a row as its policy says",
        failover::eviction_threshold,
    ),
    row(
        "retry-after-kept",
        Safety,
        "an eviction lasts at least as long as the Retry-After of its cause",
        health::retry_after_kept,
    ),
    row("counts-once", Safety, "a provider's count of evictions rises once for each eviction", health::counts_once),
    row("blameless", Safety, "what a client breaks off or gets wrong counts against no provider", health::blameless),
    row(
        "failures-count",
        Safety,
        "an answer that breaks off, or never comes, counts against its provider",
        health::failures_count,
    ),
    row(
        "retries-learn",
        Safety,
        "an attempt that is followed by another has been accounted before",
        health::retries_learn,
    ),
    row("attempt-budget", Safety, "a request gets no more attempts than it is allowed", attempts::attempt_budget),
    row(
        "retry-budget",
        Safety,
        "there is one retry for five requests at most, and ten more for each replica",
        attempts::retry_budget,
    ),
    row(
        "no-turning-back",
        Safety,
        "a request does not come back to a group that it has left",
        attempts::no_turning_back,
    ),
    row("deadline", Liveness, "no request is tried for longer than its timeout", attempts::deadline),
    row(
        "upstream-cancelled",
        Liveness,
        "when a client leaves, its provider's work ends within a second",
        attempts::upstream_cancelled,
    ),
    row(
        "attempt-cancelled",
        Liveness,
        "when the gateway is done with an attempt, its provider's work on it ends within a second",
        limits::attempt_cancelled,
    ),
    row(
        "evicts-in-time",
        Liveness,
        "a provider that has failed as often in a row as its policy says is out before its replica's next choice",
        liveness::evicts_in_time,
    ),
    row(
        "tries-everyone",
        Liveness,
        "requests do not go on failing while an active provider is left that none of them was sent to",
        liveness::tries_everyone,
    ),
    row(
        "replicas-agree",
        Liveness,
        "a second after manifests have changed every replica goes by the new ones",
        liveness::replicas_agree,
    ),
    row(
        "comes-back",
        Liveness,
        "a provider whose eviction is over is tried before a lower group is used",
        recovery::comes_back,
    ),
    row(
        "breaker-closes",
        Liveness,
        "a provider that was proved well after its eviction is back for everyone",
        recovery::breaker_closes,
    ),
];

/// Judges all invariants.
pub(super) fn judge(scenario: &Scenario, history: &History) -> Vec<Finding> {
    let run = Run::of(scenario, history);
    INVARIANTS.iter().map(|invariant| invariant.judge(scenario, &run)).collect()
}

impl Invariant {
    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        INVARIANTS.iter().find(|one| one.name == name)
    }

    fn judge(&self, scenario: &Scenario, run: &Run<'_>) -> Finding {
        let broken = (self.check)(run);
        let mut finding = Finding::new(About::Invariant(self.name), None, self.statement.to_owned(), None);
        let off = scenario.invariants_off.iter().find(|off| off.name == self.name);
        if broken.is_empty() && off.is_none() {
            return finding;
        }
        finding.actual = match broken.len() {
            0 => "not broken".to_owned(),
            1 => "broken once".to_owned(),
            count => format!("broken {count} times"),
        };
        finding.detail = evidence::told(broken);
        let deviation = deviations::of(run.personality, self.name, scenario.topology.unlogged.is_some());
        finding.exempt = match (off, deviation) {
            (Some(off), _) => Some(Exempt::Off { reason: off.reason.clone() }),
            (None, Some(known)) => Some(Exempt::Deviation { personality: known.personality, why: known.why }),
            (None, None) => None,
        };
        if finding.exempt.is_none() {
            finding.outcome = Outcome::Fail;
        }
        finding
    }
}

impl Class {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Bookkeeping => "bookkeeping",
        }
    }
}

fn step_ended(history: &History, step: usize) -> bool {
    history.steps.iter().any(|one| one.step == step && one.ended.is_some())
}

#[cfg(test)]
mod tests;
