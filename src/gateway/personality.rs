//! What the personalities do differently: one table.
//!
//! Everything that is not here, all of them do alike. Sources are the rules in sentences of what
//! was measured on agentgateway 0.11.1, 1.2.1 and 1.3.1; 0.12 decides as 0.11, and 1.4 as 1.3.

use crate::topology::Personality;

/// The row of a personality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Which responses lower a provider's health where no policy says so.
    pub failures: Failures,
    /// What evicts a provider.
    pub trigger: Trigger,
    /// When evicted providers of one backend come back.
    pub release: Release,
    /// What is said of a response whose body broke before its end.
    pub broken_body: &'static str,
}

/// Which statuses are failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// Every 4xx and 5xx, and no status at all.
    ClientAndServerErrors,
    /// Every 5xx, and no status at all.
    ServerErrors,
}

/// What evicts a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A 429 from whose final headers a wait can be read, for just that long.
    RateLimitWait,
    /// A health policy. Without one nothing does.
    HealthPolicy,
}

/// When evicted providers of one backend come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// All together at the latest of their deadlines.
    TogetherAtTheLatest,
    /// Each at its own deadline.
    EachAtItsOwn,
}

const AGENTGATEWAY_012: Behaviour = Behaviour {
    failures: Failures::ClientAndServerErrors,
    trigger: Trigger::RateLimitWait,
    release: Release::TogetherAtTheLatest,
    broken_body: "response was too large",
};

const AGENTGATEWAY_12: Behaviour = Behaviour {
    failures: Failures::ServerErrors,
    trigger: Trigger::HealthPolicy,
    release: Release::EachAtItsOwn,
    broken_body: "failed to encode response: error reading a body from connection",
};

const AGENTGATEWAY_14: Behaviour = Behaviour { ..AGENTGATEWAY_12 };

const REFERENCE: Behaviour = Behaviour { trigger: Trigger::RateLimitWait, ..AGENTGATEWAY_14 };

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
