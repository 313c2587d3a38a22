//! Failures that are injected: which requests get one, and what they are told.

use std::sync::{Mutex, PoisonError};

use super::config::Failures;
use super::error::ApiError;
use crate::world::Random;

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    RateLimit,
    InvalidApiKey,
    ContextLength,
    ServerError,
    InvalidRequest,
    ModelNotFound,
}

impl Failure {
    /// All of them, in the order in which the original names them.
    pub(crate) const ALL: [Self; 6] = [
        Self::RateLimit,
        Self::InvalidApiKey,
        Self::ContextLength,
        Self::ServerError,
        Self::InvalidRequest,
        Self::ModelNotFound,
    ];

    /// The failure that `--failure-types` calls `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }

    /// Its name in `--failure-types`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::InvalidApiKey => "invalid_api_key",
            Self::ContextLength => "context_length",
            Self::ServerError => "server_error",
            Self::InvalidRequest => "invalid_request",
            Self::ModelNotFound => "model_not_found",
        }
    }

    /// What the client is told; `model` is the value of `--model`.
    pub(crate) fn error(self, model: &str) -> ApiError {
        let (status, param, message) = match self {
            Self::RateLimit => (
                429,
                None,
                format!(
                    "Rate limit reached for {model} in organization org-xxx on requests per min (RPM): \
                     Limit 3, Used 3, Requested 1."
                ),
            ),
            Self::InvalidApiKey => (401, None, "Incorrect API key provided.".to_owned()),
            Self::ContextLength => (
                400,
                Some("messages"),
                "This model's maximum context length is 4096 tokens. However, your messages resulted in 4500 tokens."
                    .to_owned(),
            ),
            Self::ServerError => (503, None, "The server is overloaded or not ready yet.".to_owned()),
            Self::InvalidRequest => {
                (400, Some("model"), "Invalid request: missing required parameter 'model'.".to_owned())
            }
            Self::ModelNotFound => (404, Some("model"), format!("The model '{model}-nonexistent' does not exist")),
        };
        ApiError { param, ..ApiError::new(status, message) }
    }

    /// Whether `--failure-retry-after` goes with it.
    pub(crate) fn may_retry(self) -> bool {
        matches!(self, Self::RateLimit | Self::ServerError)
    }
}

/// Decides which requests fail.
#[derive(Debug)]
pub(crate) struct Injector(Mutex<State>);

#[derive(Debug)]
struct State {
    chance: Random,
    /// Requests that failed on account of the count.
    counted: i64,
}

impl Injector {
    pub(crate) fn new(chance: Random) -> Self {
        Self(Mutex::new(State { chance, counted: 0 }))
    }

    /// The failure of the next request, if it is to fail.
    pub(crate) fn roll(&self, failures: &Failures) -> Option<Failure> {
        if failures.rate == 0 && failures.count == 0 {
            return None;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.counted < failures.count {
            state.counted += 1;
        } else if failures.rate == 0 || i64::try_from(state.chance.below(100)).unwrap_or(0) >= failures.rate {
            return None;
        }
        match failures.types.len() {
            0 => Failure::ALL.get(state.chance.index(Failure::ALL.len())).copied(),
            len => failures.types.get(state.chance.index(len)).and_then(|name| Failure::named(name)),
        }
    }

    /// Counts the first failures anew.
    pub(crate) fn restart_count(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Seed;

    fn rolls(failures: &Failures, n: usize) -> Vec<Option<Failure>> {
        let injector = Injector::new(Seed(7).stream("failures"));
        (0..n).map(|_| injector.roll(failures)).collect()
    }

    #[test]
    fn the_rate_is_kept() {
        let at = |rate| Failures { rate, ..Failures::default() };
        assert!(rolls(&at(0), 100).iter().all(Option::is_none));
        assert!(rolls(&at(100), 100).iter().all(Option::is_some));
        let failed = rolls(&at(30), 10_000).iter().flatten().count();
        assert!((2_800..3_200).contains(&failed), "{failed}");
    }

    #[test]
    fn a_type_named_twice_weighs_double() {
        let types = ["rate_limit", "server_error", "rate_limit"].map(str::to_owned).to_vec();
        let all = rolls(&Failures { rate: 100, types, ..Failures::default() }, 9_000);
        let limits = all.iter().filter(|failure| **failure == Some(Failure::RateLimit)).count();
        assert!((5_700..6_300).contains(&limits), "{limits}");
        assert!(all.iter().all(|failure| matches!(failure, Some(Failure::RateLimit | Failure::ServerError))));
    }

    #[test]
    fn the_first_so_many_fail_whatever_the_rate() {
        let types = vec!["server_error".to_owned()];
        let all = rolls(&Failures { count: 2, types, ..Failures::default() }, 4);
        assert_eq!(all, [Some(Failure::ServerError), Some(Failure::ServerError), None, None]);
    }
}
