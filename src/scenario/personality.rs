//! As which gateway the embedded one behaves: the names that a scenario may use.

use std::fmt;

/// A version of a gateway whose behaviour the embedded gateway takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personality {
    /// agentgateway 0.12 and earlier: a 429 with a wait time evicts, nothing else does.
    Agentgateway012,
    /// agentgateway 1.2: evictions by health policy.
    Agentgateway12,
    /// agentgateway 1.4: as 1.2, and every attempt of a request counts.
    Agentgateway14,
    /// The gateway that one would want.
    Reference,
}

/// One line of the table of personalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The personality.
    pub personality: Personality,
    /// Its name in a file.
    pub name: &'static str,
    /// Whether this labsim has it.
    pub implemented: bool,
}

/// All personalities, the oldest version first; what stands last among the versions is the newest.
pub const TABLE: [Known; 4] = [
    Known { personality: Personality::Agentgateway012, name: "agentgateway-0.12", implemented: true },
    Known { personality: Personality::Agentgateway12, name: "agentgateway-1.2", implemented: false },
    Known { personality: Personality::Agentgateway14, name: "agentgateway-1.4", implemented: false },
    Known { personality: Personality::Reference, name: "reference", implemented: false },
];

impl Personality {
    /// Its name in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|known| known.personality == self).map_or("", |known| known.name)
    }

    /// The newest version that this labsim has, which stands where a scenario names none.
    #[must_use]
    pub fn newest() -> Self {
        TABLE
            .iter()
            .rev()
            .find(|known| known.implemented && known.personality != Self::Reference)
            .map_or(Self::Agentgateway012, |known| known.personality)
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
