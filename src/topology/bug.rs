//! Bugs that the embedded gateway can be given: one table.
//!
//! A broken gateway is there to test the checker, and to teach. Each bug is one that gateways have
//! had; where it acts stands in `gateway::broken`. A thread is named only where it tells of this bug.

use std::fmt;
use std::str::FromStr;

use crate::source::diagnostic::nearest;

/// A bug of the gateway. One at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described in the table below")]
pub enum Bug {
    StaleTimer,
    LongestFirst,
    NeverReturns,
    ReturnsEarly,
    Shrinks,
    HalfOpenHerd,
    ProbeLeaks,
    StaysOpen,
    CountsInFlight,
    EvictsAgain,
    SharedEvictions,
    KeepsHealth,
    MissesChanges,
    AnyRetryAfter,
    IgnoresRetryAfter,
    NeedsRetryAfter,
    HairTrigger,
    OwnLimitEvicts,
    PoisonEvicts,
    ClientLeftCounts,
    CutIsSuccess,
    HealthAtHead,
    AllOutFirstGroup,
    LowerGroupEarly,
    FirstGroupOnly,
    IgnoresScores,
    LoadedDice,
    TurnsBack,
    RetriesTheSame,
    BlindRetries,
    OneTooMany,
    NoRetryBudget,
    IgnoresDeadline,
    LeavesAttempts,
    KeyOfTheFirst,
    EmptyRetry,
    UnmarkedRetry,
    LeaksHeaders,
    TruncatedAsWhole,
    LosesDone,
    RepeatsToken,
    RepeatsFirst,
    LosesToken,
    SwapsTokens,
    CrossTalk,
    MixesAnswers,
    HoldsStreams,
    KeepsLines,
    WorksOn,
    ErrorAsSuccess,
    MasksCause,
    HidesFirst,
    LosesRequest,
    LosesLogLine,
    LogsTwice,
    CountsTokensTwice,
}

/// What is known of a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The bug.
    pub bug: Bug,
    /// Its name, for `--break`.
    pub name: &'static str,
    /// What it does, in a line.
    pub line: &'static str,
    /// A thread that tells of it.
    pub thread: Option<&'static str>,
}

const fn row(bug: Bug, name: &'static str, line: &'static str, thread: Option<&'static str>) -> About {
    About { bug, name, line, thread }
}

/// All bugs.
pub const BUGS: [About; 56] = [
    row(Bug::StaleTimer, "stale-timer", "the timer of an eviction that is over ends the next one", None),
    row(
        Bug::LongestFirst,
        "longest-first",
        "evicted providers come back when the longest eviction ends, not each at its own end",
        None,
    ),
    row(
        Bug::NeverReturns,
        "never-returns",
        "who was evicted once is never tried again",
        Some("https://github.com/NousResearch/hermes-agent/issues/57582"),
    ),
    row(Bug::ReturnsEarly, "returns-early", "an eviction ends at half of its time", None),
    row(
        Bug::Shrinks,
        "shrinks",
        "a failure that ends while its provider is out cuts the eviction short",
        Some("https://github.com/BerriAI/litellm/pull/42149"),
    ),
    row(
        Bug::HalfOpenHerd,
        "half-open-herd",
        "everyone is let through to a provider whose eviction is over, and not one request first",
        Some("https://github.com/future-agi/future-agi/issues/2693"),
    ),
    row(
        Bug::ProbeLeaks,
        "probe-leaks",
        "a probe whose client leaves never gives its place back",
        Some("https://github.com/sgl-project/sglang/pull/40603"),
    ),
    row(
        Bug::StaysOpen,
        "stays-open",
        "a provider that has passed its probe is not let back in",
        Some("https://github.com/zentinelproxy/zentinel/issues/261"),
    ),
    row(
        Bug::CountsInFlight,
        "counts-in-flight",
        "failures that end while their provider is out count as further evictions",
        Some("https://github.com/agentgateway/agentgateway/issues/1810"),
    ),
    row(
        Bug::EvictsAgain,
        "evicts-again",
        "a failure that ends while its provider is out evicts it anew, and moves its deadline",
        None,
    ),
    row(Bug::SharedEvictions, "shared-evictions", "an eviction on one replica holds on all of them", None),
    row(Bug::KeepsHealth, "keeps-health", "a restarted replica goes on with the health state of the one before", None),
    row(Bug::MissesChanges, "misses-changes", "manifests that are applied in mid-run reach one replica only", None),
    row(Bug::AnyRetryAfter, "any-retry-after", "an answer with Retry-After evicts its provider, also a 200", None),
    row(
        Bug::IgnoresRetryAfter,
        "ignores-retry-after",
        "an eviction does not ask how long the provider wants to be left alone",
        None,
    ),
    row(
        Bug::NeedsRetryAfter,
        "needs-retry-after",
        "a failure that names no wait does not fail over",
        Some("https://github.com/agentgateway/agentgateway/issues/1500"),
    ),
    row(Bug::HairTrigger, "hair-trigger", "the first failure evicts, however many the policy asks for", None),
    row(Bug::OwnLimitEvicts, "own-limit-evicts", "a 429 of the gateway's own limit evicts a provider", None),
    row(
        Bug::PoisonEvicts,
        "poison-evicts",
        "a request that every provider refuses evicts them one after the other",
        None,
    ),
    row(
        Bug::ClientLeftCounts,
        "client-left-counts",
        "a client that leaves counts as a failure of the provider",
        Some("https://github.com/BerriAI/litellm/issues/41223"),
    ),
    row(Bug::CutIsSuccess, "cut-is-success", "a stream that breaks off counts by its status, as a success", None),
    row(Bug::HealthAtHead, "health-at-head", "an answer is accounted when its head has come, and not at its end", None),
    row(
        Bug::AllOutFirstGroup,
        "all-out-first-group",
        "while everyone is evicted all requests go to the first group",
        None,
    ),
    row(
        Bug::LowerGroupEarly,
        "lower-group-early",
        "a lower group is used as soon as one provider of a better one is out",
        None,
    ),
    row(Bug::FirstGroupOnly, "first-group-only", "where the first group is out requests are refused", None),
    row(Bug::IgnoresScores, "ignores-scores", "of two providers the worse one is chosen as gladly", None),
    row(Bug::LoadedDice, "loaded-dice", "the first provider of a group is drawn more often than the others", None),
    row(
        Bug::TurnsBack,
        "turns-back",
        "retries go round the groups in a circle",
        Some("https://github.com/BerriAI/litellm/pull/36148"),
    ),
    row(
        Bug::RetriesTheSame,
        "retries-the-same",
        "every retry goes to the provider that has just failed",
        Some("https://github.com/kgateway-dev/kgateway/issues/11116"),
    ),
    row(Bug::BlindRetries, "blind-retries", "a failed attempt that is retried is never accounted", None),
    row(Bug::OneTooMany, "one-too-many", "a request gets one attempt more than it is allowed", None),
    row(
        Bug::NoRetryBudget,
        "no-retry-budget",
        "retries are not held to a share of the requests",
        Some("https://github.com/HKUDS/nanobot/issues/2760"),
    ),
    row(Bug::IgnoresDeadline, "ignores-deadline", "a request's timeout is not looked at", None),
    row(Bug::LeavesAttempts, "leaves-attempts", "an attempt that took too long is left running at its provider", None),
    row(
        Bug::KeyOfTheFirst,
        "key-of-the-first",
        "a retry is sent with the credential of the first provider",
        Some("https://github.com/BerriAI/litellm/issues/16667"),
    ),
    row(Bug::EmptyRetry, "empty-retry", "the body was read by the first attempt, and a retry has none", None),
    row(Bug::UnmarkedRetry, "unmarked-retry", "a retry cannot be told from the first attempt", None),
    row(Bug::LeaksHeaders, "leaks-headers", "headers that concern the client's connection reach the provider", None),
    row(
        Bug::TruncatedAsWhole,
        "truncated-as-whole",
        "a stream that breaks off gets a clean end",
        Some("https://github.com/Wei-Shaw/sub2api/pull/6063"),
    ),
    row(Bug::LosesDone, "loses-done", "the event that ends a stream does not reach the client", None),
    row(
        Bug::RepeatsToken,
        "repeats-token",
        "a piece of a stream is sent twice",
        Some("https://github.com/BerriAI/litellm/pull/32835"),
    ),
    row(Bug::RepeatsFirst, "repeats-first", "the first event of a stream is sent twice", None),
    row(Bug::LosesToken, "loses-token", "a piece of a stream is lost", None),
    row(Bug::SwapsTokens, "swaps-tokens", "two pieces of a stream change places", None),
    row(Bug::CrossTalk, "cross-talk", "a piece of another client's stream is sent", None),
    row(Bug::MixesAnswers, "mixes-answers", "every third answer is the one to the request before", None),
    row(Bug::HoldsStreams, "holds-streams", "a stream is held back until it is whole", None),
    row(
        Bug::KeepsLines,
        "keeps-lines",
        "a line of a stream is kept until its end, however long it is",
        Some("https://github.com/KarpelesLab/teamclaude/issues/341"),
    ),
    row(
        Bug::WorksOn,
        "works-on",
        "when the client of a stream leaves, the provider is not told",
        Some("https://github.com/BerriAI/litellm/issues/13774"),
    ),
    row(Bug::ErrorAsSuccess, "error-as-success", "an error of the provider is passed on with status 200", None),
    row(
        Bug::MasksCause,
        "masks-cause",
        "after a failed retry the client gets another error than the one that was met",
        Some("https://github.com/BerriAI/litellm/issues/27967"),
    ),
    row(
        Bug::HidesFirst,
        "hides-first",
        "the client is told what a retry was refused for, and not what had failed before",
        Some("https://github.com/BerriAI/litellm/pull/36267"),
    ),
    row(Bug::LosesRequest, "loses-request", "every third request is dropped without an answer or a trace", None),
    row(Bug::LosesLogLine, "loses-log-line", "every third request is missing in the access log", None),
    row(Bug::LogsTwice, "logs-twice", "every third request is in the access log twice", None),
    row(Bug::CountsTokensTwice, "counts-tokens-twice", "the access log has twice the tokens of an answer", None),
];

/// No bug has this name; the nearest one that there is, if any is near.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such break; `labsim breaks` lists them{}", .0.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct UnknownBug(pub Option<&'static str>);

impl Bug {
    /// What is known of it.
    #[must_use]
    pub fn about(self) -> &'static About {
        // The order of the enum is that of the table; a test holds it.
        &BUGS[self as usize]
    }

    /// Its name, for `--break`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.about().name
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = UnknownBug;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = BUGS.iter().find(|about| about.name == text).map(|about| about.bug);
        found.ok_or_else(|| UnknownBug(nearest(text, BUGS.iter().map(|about| about.name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_row_and_a_name_of_its_own() {
        for (index, about) in BUGS.iter().enumerate() {
            assert_eq!(about.bug as usize, index, "{about:?}");
            assert_eq!(about.name.parse(), Ok(about.bug));
            assert!(BUGS.iter().filter(|other| other.line == about.line).count() == 1, "{about:?}");
        }
        assert_eq!("none".parse::<Bug>(), Err(UnknownBug(None)));
        assert_eq!("stale-timr".parse::<Bug>(), Err(UnknownBug(Some("stale-timer"))));
    }
}
