//! What happened to a response, as far as its provider's health is concerned.

use super::personality::Failures;

/// Good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks for the provider.
    Success,
    /// It speaks against the provider.
    Failure,
}

/// Judges a response by the status that the client got; none where the client left before.
#[must_use]
pub fn by_status(failures: Failures, status: Option<u16>) -> Verdict {
    let failed = match (failures, status) {
        (_, None) => true,
        (Failures::ClientAndServerErrors, Some(status)) => status >= 400,
        (Failures::ServerErrors, Some(status)) => status >= 500,
    };
    if failed { Verdict::Failure } else { Verdict::Success }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_differs() {
        let failing = |failures| {
            [None, Some(200), Some(302), Some(400), Some(429), Some(499), Some(500), Some(503)]
                .into_iter()
                .filter(|status| by_status(failures, *status) == Verdict::Failure)
                .collect::<Vec<_>>()
        };
        let server = [None, Some(500), Some(503)];
        assert_eq!(failing(Failures::ServerErrors), server);
        assert_eq!(
            failing(Failures::ClientAndServerErrors),
            [None, Some(400), Some(429), Some(499), Some(500), Some(503)]
        );
    }
}
