//! What happened to a response, as far as its provider's health is concerned.

use super::group::{Ended, Observed};
use super::personality::{Behaviour, ClientErrors, CutStream, Failures};

/// Good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks for the provider.
    Success,
    /// It speaks against the provider.
    Failure,
}

/// Judges a response. None where it says nothing of its provider.
#[must_use]
pub fn judge(behaviour: &Behaviour, observed: &Observed) -> Option<Verdict> {
    let failed = match observed.ended {
        Ended::ClientGone if behaviour.client_errors == ClientErrors::BlameNobody => return None,
        Ended::Cut if behaviour.cut_stream == CutStream::Failure => true,
        _ => observed.unhealthy.unwrap_or_else(|| fails(behaviour.failures, observed.status)),
    };
    Some(if failed { Verdict::Failure } else { Verdict::Success })
}

/// Judges by the status that the client got; none where there was none.
fn fails(failures: Failures, status: Option<u16>) -> bool {
    match (failures, status) {
        (_, None) => true,
        (Failures::ClientAndServerErrors, Some(status)) => status >= 400,
        (Failures::ServerErrors, Some(status)) => status >= 500,
        (Failures::ServerErrorsAndRateLimits, Some(status)) => status >= 500 || status == 429,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Personality;

    #[test]
    fn what_fails_differs() {
        let failing = |failures| {
            [None, Some(200), Some(302), Some(400), Some(429), Some(499), Some(500), Some(503)]
                .into_iter()
                .filter(|status| fails(failures, *status))
                .collect::<Vec<_>>()
        };
        let server = [None, Some(500), Some(503)];
        assert_eq!(failing(Failures::ServerErrors), server);
        assert_eq!(failing(Failures::ServerErrorsAndRateLimits), [None, Some(429), Some(500), Some(503)]);
        assert_eq!(
            failing(Failures::ClientAndServerErrors),
            [None, Some(400), Some(429), Some(499), Some(500), Some(503)]
        );
    }

    #[test]
    fn an_expression_alone_decides() {
        for personality in Personality::ALL {
            let judged = |status, unhealthy| {
                judge(Behaviour::of(personality), &Observed { status, unhealthy, ..Observed::default() })
            };
            assert_eq!(judged(Some(200), Some(true)), Some(Verdict::Failure), "{personality}");
            assert_eq!(judged(Some(503), Some(false)), Some(Verdict::Success), "{personality}");
            assert_eq!(judged(None, Some(false)), Some(Verdict::Success), "{personality}");
        }
    }

    #[test]
    fn who_leaves_and_what_is_cut_differ() {
        let judged = |personality, ended, status| {
            judge(Behaviour::of(personality), &Observed { status, ended, ..Observed::default() })
        };
        let versions = [Personality::Agentgateway012, Personality::Agentgateway12, Personality::Agentgateway14];
        for personality in versions {
            assert_eq!(judged(personality, Ended::ClientGone, None), Some(Verdict::Failure), "{personality}");
            assert_eq!(judged(personality, Ended::ClientGone, Some(200)), Some(Verdict::Success), "{personality}");
            assert_eq!(judged(personality, Ended::Cut, Some(200)), Some(Verdict::Success), "{personality}");
        }
        assert_eq!(judged(Personality::Reference, Ended::ClientGone, None), None);
        assert_eq!(judged(Personality::Reference, Ended::Cut, Some(200)), Some(Verdict::Failure));
    }
}
