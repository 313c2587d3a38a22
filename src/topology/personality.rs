//! The names of the gateways that the embedded one can be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose decisions the embedded gateway takes. What each of them does stands in one table, in
/// `gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Personality {
    /// agentgateway 0.11 and 0.12: a 429 with a wait evicts, without any configuration.
    #[serde(rename = "agentgateway-0.12")]
    Agentgateway012,
    /// agentgateway 1.0 to 1.2: only a health policy evicts, growing with every failed request.
    #[serde(rename = "agentgateway-1.2")]
    Agentgateway12,
    /// agentgateway 1.3 and 1.4: as 1.2, growing once a window, and each attempt counts.
    #[serde(rename = "agentgateway-1.4")]
    Agentgateway14,
    /// The gateway that one would want: the yardstick for the others.
    #[serde(rename = "reference")]
    Reference,
}

/// No personality has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no personality `{0}`; there are {names}", names = Personality::names())]
pub struct UnknownPersonality(pub String);

impl Personality {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [Self::Agentgateway012, Self::Agentgateway12, Self::Agentgateway14, Self::Reference];

    /// Its name in scenarios and recordings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agentgateway012 => "agentgateway-0.12",
            Self::Agentgateway12 => "agentgateway-1.2",
            Self::Agentgateway14 => "agentgateway-1.4",
            Self::Reference => "reference",
        }
    }

    /// The newest version of agentgateway: what a scenario gets that names none.
    #[must_use]
    pub fn newest() -> Self {
        Self::Agentgateway14
    }

    /// How often it tries a request again where no rule says so.
    #[must_use]
    pub fn own_retries(self) -> u32 {
        match self {
            Self::Agentgateway012 | Self::Agentgateway12 | Self::Agentgateway14 => 0,
            Self::Reference => 2,
        }
    }

    /// Whether the client's own credential is sent to a provider that has none.
    #[must_use]
    pub fn passes_credentials(self) -> bool {
        match self {
            Self::Agentgateway012 | Self::Agentgateway12 | Self::Agentgateway14 => true,
            Self::Reference => false,
        }
    }

    fn names() -> String {
        Self::ALL.map(|one| format!("`{one}`")).join(", ")
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Personality {
    type Err = UnknownPersonality;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| UnknownPersonality(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_personality() {
        for one in Personality::ALL {
            assert_eq!(one.name().parse(), Ok(one));
            assert_eq!(serde_json::to_string(&one).unwrap(), format!("\"{one}\""));
        }
        let error = "agentgateway-9".parse::<Personality>().unwrap_err();
        assert!(error.to_string().contains("`agentgateway-1.4`"), "{error}");
    }
}
