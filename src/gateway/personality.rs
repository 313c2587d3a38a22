//! What the personalities do differently: one table.
//!
//! Everything that is not here, all of them do alike. Sources are the rules in sentences of what
//! was measured on agentgateway 0.11.1, 1.2.1 and 1.3.1; 0.12 decides as 0.11, and 1.4 as 1.3.
//! `docs/personalities.md` is this table in words, written by [`document`].

mod document;

pub use document::document;

use crate::topology::Personality;

/// The row of a personality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Which responses speak against a provider where no policy says so.
    pub failures: Failures,
    /// What evicts a provider.
    pub trigger: Trigger,
    /// Which health policies are heeded.
    pub policies: Policies,
    /// Where the length of an eviction comes from if neither policy, wait nor back-off says it.
    pub default_duration: DefaultDuration,
    /// Which failures make the next eviction longer.
    pub growth: Growth,
    /// When an eviction takes effect.
    pub handover: Handover,
    /// When evicted providers of one backend come back.
    pub release: Release,
    /// How a provider comes back.
    pub comeback: Comeback,
    /// What becomes of the health state when the configuration changes.
    pub reload: Reload,
    /// What becomes of a request while everyone is evicted.
    pub all_out: AllOut,
    /// Which attempts of a request are accounted.
    pub accounting: Accounting,
    /// What becomes of accounting where no access log is written.
    pub unlogged: Unlogged,
    /// What a retry is, and what it does with its back-off.
    pub retries: Retries,
    /// What becomes of a retry's `condition` and `precondition`.
    pub conditions: Conditions,
    /// Which of several failures the client is told of.
    pub told: Told,
    /// Which timeout is tried again.
    pub retried_timeout: RetriedTimeout,
    /// What becomes of a request that the client gets wrong, and of one that it leaves.
    pub client_errors: ClientErrors,
    /// What a stream is that breaks off in the middle.
    pub cut_stream: CutStream,
    /// What becomes of the client's credential where a provider has none.
    pub credentials: Credentials,
    /// What requests and answers must be.
    pub schema: Schema,
    /// What becomes of a request with the method `CONNECT`.
    pub connect: Connect,
    /// The form of the gateway's own errors.
    pub errors: Errors,
    /// Whose headers a refusal by a limit has.
    pub refusals: Refusals,
    /// Which answers are decoded that a provider has compressed.
    pub compressed: Compressed,
    /// What is said of a response whose body broke before its end; of one that is too long all say the same.
    pub broken_body: &'static str,
}

/// Which statuses are failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// Every 4xx and 5xx, and no status at all.
    ClientAndServerErrors,
    /// Every 5xx, and no status at all.
    ServerErrors,
    /// Every 5xx, 429, and no status at all.
    ServerErrorsAndRateLimits,
}

/// What evicts a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A 429 from whose final headers a wait can be read, for just that long.
    RateLimitWait,
    /// A failure, as a health policy says. Without one nothing does.
    HealthPolicy,
    /// A failure: as a health policy says, or each one where there is none.
    Failure,
}

/// Which health policies are heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    /// None: there are none.
    None,
    /// Those of backends and of what stands above them; a provider's own is ignored.
    Backends,
    /// A provider's own, or else its backend's.
    BackendsAndProviders,
}

/// The length of an eviction of which nothing says how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultDuration {
    /// There is no such eviction.
    None,
    /// 3 seconds.
    Always,
    /// 3 seconds with an `eviction` block in the policy, else no eviction.
    WithEvictionBlock,
}

/// Which failures make the next eviction longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// None: each eviction is as long as the wait.
    None,
    /// Each that meets the policy's trigger, also while the provider is evicted.
    EveryFailure,
    /// The one that begins an eviction.
    OncePerWindow,
    /// The one that begins an eviction, up to a minute; a wait that the provider asks for is kept as
    /// it is, and the longest of what is asked for counts.
    UpToAMinute,
}

/// When an eviction takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// At once.
    AtOnce,
    /// A moment after its cause is accounted, so that a retry without a back-off still finds the
    /// provider active.
    AMomentLater,
}

/// When evicted providers of one backend come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// All together at the latest of their deadlines.
    TogetherAtTheLatest,
    /// Each at its own deadline.
    EachAtItsOwn,
}

/// How a provider comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comeback {
    /// For everyone at once.
    Fully,
    /// For one request; once that has succeeded, for everyone.
    AfterOneProbe,
}

/// What becomes of the health state when the configuration changes.
///
/// agentgateway makes a backend anew from each resource that it is sent, and its endpoints with it
/// (source: `insert_backend` in `store/binds.rs` replaces it; policies are kept apart from it). This
/// was read and not exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// All providers of a backend begin anew when any of them is changed, added or removed; a backend
    /// whose providers stay as they are keeps its state, also under another policy.
    ChangedBackendsAnew,
    /// A provider keeps its state while its address, its model and its path stay as they are.
    ProvidersKept,
}

/// What becomes of a request while everyone is evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllOut {
    /// The evicted providers of the first group take it.
    FirstGroup,
    /// It is answered with 503 and the time until the first of them may be tried.
    Refuse,
}

/// Which attempts of a request are accounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounting {
    /// The last one.
    LastAttempt,
    /// Every one: an earlier one by the provider's own headers, and as a success where a policy has
    /// an expression and there was no response.
    EveryAttempt,
    /// Every one, by the headers that the client would get, and as a failure without a response.
    EveryAttemptAlike,
}

/// What becomes of accounting where no access log is written, and nothing else looks at requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlogged {
    /// There is none: nobody is ever evicted.
    NotAccounted,
    /// It is as always.
    Accounted,
}

/// What a retry is, and what it does with its back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// As configured, but without a pause.
    WithoutBackoff,
    /// As configured.
    AsConfigured,
    /// To whoever is active, as often as configured or twice, and within a budget: one retry for
    /// five requests.
    Failover,
}

/// What becomes of a retry's expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// They are not known.
    Ignored,
    /// `condition` has further answers tried again; without `precondition` nothing is.
    Heeded,
}

/// Which of several failures the client is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The last attempt's.
    Last,
    /// The last attempt's; but where that is a refusal of what was sent (a 4xx besides 429), the first.
    FirstBeforeRefusal,
}

/// Which timeout is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetriedTimeout {
    /// The request's; but that retry has no time left and is never sent.
    Request,
    /// One attempt's. The request's is final.
    Attempt,
}

/// What becomes of a request that the client gets wrong, and of one that it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientErrors {
    /// The provider that was chosen is blamed.
    BlameTheProvider,
    /// Nobody is blamed: it is read before a provider is chosen.
    BlameNobody,
}

/// What a stream is that breaks off in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutStream {
    /// What its status says: a success, mostly.
    ByItsStatus,
    /// A failure.
    Failure,
}

/// The form of the gateway's own errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// A sentence, 503 for nearly everything.
    PlainText,
    /// OpenAI's error object: 400, 413, 502, 503, 504.
    OpenAi,
}

/// What becomes of a request with the method `CONNECT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// It is a request like any other.
    Routed,
    /// It is refused, before a route is looked for (source: `ConnectMode::Deny` in `proxy/httpproxy.rs`).
    Refused,
}

/// What becomes of the client's `Authorization` where the configuration says nothing of a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// The provider is sent it.
    PassedOn,
    /// It goes no further than to a provider that is to have it.
    Removed,
}

/// The types of what requests and answers say: what they must be, and what answers may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// As in 0.11: an answer may lack its usage.
    Of011,
    /// As in 1.2: more fields of requests have a type, and answers may lack more; `max_tokens` is
    /// `max_completion_tokens` to OpenAI's models.
    Of12,
}

/// Whose headers the answer has of a limit that lets no more requests in; a limit of tokens comes later, and has the
/// rule's in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// What the rule does to responses is done to it too.
    AsTheRuleSays,
    /// Its own.
    Bare,
}

/// Which answers are decoded that a provider has compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressed {
    /// Those that come whole. A stream passes as it is, and nobody reads along.
    Whole,
    /// All; a stream goes on in the clear.
    WholeAndStreams,
}

const AGENTGATEWAY_012: Behaviour = Behaviour {
    failures: Failures::ClientAndServerErrors,
    trigger: Trigger::RateLimitWait,
    policies: Policies::None,
    default_duration: DefaultDuration::None,
    growth: Growth::None,
    handover: Handover::AtOnce,
    release: Release::TogetherAtTheLatest,
    comeback: Comeback::Fully,
    reload: Reload::ChangedBackendsAnew,
    all_out: AllOut::FirstGroup,
    accounting: Accounting::LastAttempt,
    unlogged: Unlogged::NotAccounted,
    retries: Retries::WithoutBackoff,
    conditions: Conditions::Ignored,
    told: Told::Last,
    retried_timeout: RetriedTimeout::Request,
    client_errors: ClientErrors::BlameTheProvider,
    cut_stream: CutStream::ByItsStatus,
    credentials: Credentials::PassedOn,
    schema: Schema::Of011,
    connect: Connect::Routed,
    errors: Errors::PlainText,
    refusals: Refusals::AsTheRuleSays,
    compressed: Compressed::Whole,
    broken_body: "response was too large",
};

const AGENTGATEWAY_12: Behaviour = Behaviour {
    failures: Failures::ServerErrors,
    trigger: Trigger::HealthPolicy,
    policies: Policies::Backends,
    default_duration: DefaultDuration::Always,
    growth: Growth::EveryFailure,
    release: Release::EachAtItsOwn,
    unlogged: Unlogged::Accounted,
    retries: Retries::AsConfigured,
    schema: Schema::Of12,
    refusals: Refusals::Bare,
    compressed: Compressed::WholeAndStreams,
    broken_body: "failed to encode response: error reading a body from connection",
    ..AGENTGATEWAY_012
};

const AGENTGATEWAY_14: Behaviour = Behaviour {
    policies: Policies::BackendsAndProviders,
    default_duration: DefaultDuration::WithEvictionBlock,
    growth: Growth::OncePerWindow,
    handover: Handover::AMomentLater,
    accounting: Accounting::EveryAttempt,
    retried_timeout: RetriedTimeout::Attempt,
    conditions: Conditions::Heeded,
    connect: Connect::Refused,
    ..AGENTGATEWAY_12
};

const REFERENCE: Behaviour = Behaviour {
    failures: Failures::ServerErrorsAndRateLimits,
    trigger: Trigger::Failure,
    default_duration: DefaultDuration::Always,
    growth: Growth::UpToAMinute,
    handover: Handover::AtOnce,
    comeback: Comeback::AfterOneProbe,
    reload: Reload::ProvidersKept,
    all_out: AllOut::Refuse,
    accounting: Accounting::EveryAttemptAlike,
    retries: Retries::Failover,
    told: Told::FirstBeforeRefusal,
    client_errors: ClientErrors::BlameNobody,
    cut_stream: CutStream::Failure,
    credentials: Credentials::Removed,
    errors: Errors::OpenAi,
    ..AGENTGATEWAY_14
};

impl Behaviour {
    /// The row of a personality.
    #[must_use]
    pub fn of(personality: Personality) -> &'static Self {
        match personality {
            Personality::Agentgateway012 => &AGENTGATEWAY_012,
            Personality::Agentgateway12 => &AGENTGATEWAY_12,
            Personality::Agentgateway14 => &AGENTGATEWAY_14,
            Personality::Reference => &REFERENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_judges_a_run_knows_of_credentials_what_the_table_says() {
        for personality in Personality::ALL {
            let passes = Behaviour::of(personality).credentials == Credentials::PassedOn;
            assert_eq!(personality.passes_credentials(), passes, "{personality}");
        }
    }
}
