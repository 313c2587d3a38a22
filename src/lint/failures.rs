//! What a health policy takes for a failure: asked by trying its expression on statuses.

use http::{HeaderMap, StatusCode};

use super::Lint;
use super::view::{InForce, View};
use crate::gateway::personality::Failures;
use crate::source::{Diagnostic, Severity};
use crate::topology::HealthPolicy;
use crate::topology::cel::Subject;

pub(super) const LINTS: [Lint; 4] = [
    Lint {
        code: "success-evicts",
        severity: Severity::Error,
        finds: "an `unhealthyCondition` that holds for a 200",
        fix: "`response.code >= 500`, or whatever was meant",
        check: success,
    },
    Lint {
        code: "client-error-evicts",
        severity: Severity::Warning,
        finds: "an `unhealthyCondition` that holds for what a client gets wrong: 400, 404, 413, 415, 422",
        fix: "`response.code == 429 || response.code >= 500`",
        check: client_errors,
    },
    Lint {
        code: "rate-limit-no-failure",
        severity: Severity::Warning,
        finds: "a health policy to which a 429 is no failure: a provider that is rate limited stays in",
        fix: "`unhealthyCondition: \"response.code == 429 || response.code >= 500\"`",
        check: rate_limit,
    },
    Lint {
        code: "outage-no-failure",
        severity: Severity::Warning,
        finds: "a health policy to which a 503 is no failure: a provider that is down stays in",
        fix: "`unhealthyCondition: \"response.code == 429 || response.code >= 500\"`",
        check: outage,
    },
];

/// What clients get wrong; credentials are the gateway's.
const CLIENT_ERRORS: [u16; 5] = [400, 404, 413, 415, 422];

/// Whether a policy takes a status for a failure; none where that depends on more than the status.
pub(super) fn holds(view: &View<'_>, policy: &HealthPolicy, status: u16) -> Option<bool> {
    let Some(condition) = &policy.unhealthy else {
        return Some(match view.behaviour.failures {
            Failures::ClientAndServerErrors => status >= 400,
            Failures::ServerErrors => status >= 500,
            Failures::ServerErrorsAndRateLimits => status >= 500 || status == 429,
        });
    };
    let depends = condition.needs_request() || condition.source().contains("headers");
    if depends || !condition.doubts().is_empty() {
        return None;
    }
    let headers = HeaderMap::new();
    let response = Some((StatusCode::from_u16(status).ok()?, &headers));
    Some(condition.holds(&Subject { request: None, response }))
}

/// A finding for every policy in force that takes a status as `wrong`.
fn each(view: &View<'_>, tell: impl Fn(&InForce<'_>) -> Option<(String, &'static str, String)>) -> Vec<Diagnostic> {
    let told = view.in_force().into_iter().filter_map(|one| {
        let (message, label, note) = tell(&one)?;
        let expression = one.policy.unhealthy_origin;
        let origin = if expression.0.is_some() { expression } else { one.policy.origin };
        let diagnostic = View::at(Diagnostic::warning(message), origin, one.backend.place, label);
        let condition = view.words(&diagnostic).condition;
        let help = format!("write `{condition}: \"response.code == 429 || response.code >= 500\"`");
        Some(diagnostic.note(note).help(help))
    });
    told.collect()
}

fn success(view: &View<'_>) -> Vec<Diagnostic> {
    each(view, |one| {
        (holds(view, one.policy, 200)?).then(|| {
            let message = "this condition holds for a 200".to_owned();
            (
                message,
                "evicts whoever answers",
                "each answer is then a failure, and everyone is evicted in turn".to_owned(),
            )
        })
    })
}

fn client_errors(view: &View<'_>) -> Vec<Diagnostic> {
    each(view, |one| {
        if holds(view, one.policy, 200)? {
            return None;
        }
        let wrong: Vec<u16> =
            CLIENT_ERRORS.into_iter().filter(|code| holds(view, one.policy, *code) == Some(true)).collect();
        if wrong.is_empty() {
            return None;
        }
        let codes = wrong.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let note =
            "one client that sends nonsense then takes a healthy provider from everybody, and the next one after it";
        Some((
            format!("a client's own mistake evicts the provider: {codes}"),
            "holds for client errors",
            note.to_owned(),
        ))
    })
}

fn rate_limit(view: &View<'_>) -> Vec<Diagnostic> {
    each(view, |one| {
        (!holds(view, one.policy, 429)?).then(|| {
            let note = "it even counts as a success: the counters are reset, and being fast it scores well".to_owned();
            ("to this policy a 429 is no failure".to_owned(), "who is rate limited stays in", note)
        })
    })
}

fn outage(view: &View<'_>) -> Vec<Diagnostic> {
    each(view, |one| {
        (!holds(view, one.policy, 503)?).then(|| {
            let note = "a provider that cannot be reached is a 503 of the gateway's own, which the condition sees too"
                .to_owned();
            ("to this policy a 503 is no failure".to_owned(), "who is down stays in", note)
        })
    })
}
