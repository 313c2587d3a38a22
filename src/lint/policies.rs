//! Health policies that the version does not heed.

use super::Lint;
use super::view::View;
use crate::gateway::personality::Policies;
use crate::source::{Diagnostic, Severity};
use crate::topology::HealthPolicy;

pub(super) const LINTS: [Lint; 2] = [
    Lint {
        code: "provider-policy-ignored",
        severity: Severity::Error,
        finds: "a health policy of a single provider, which versions up to 1.2 accept and ignore",
        fix: "the policy on the whole backend, or 1.3 and later",
        check: of_providers,
    },
    Lint {
        code: "health-policy-ignored",
        severity: Severity::Error,
        finds: "a health policy under 0.11 or 0.12, which have none",
        fix: "1.0 or later, or no policy: there a 429 with a wait evicts",
        check: of_anybody,
    },
];

fn of_providers(view: &View<'_>) -> Vec<Diagnostic> {
    let heeded = |policies| policies == Policies::BackendsAndProviders;
    if view.behaviour.policies != Policies::Backends || view.is_also_for(heeded) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (_, backend) in view.backends() {
        for (_, provider) in backend.providers() {
            let Some(policy) = &provider.health else { continue };
            let name = &provider.name.value;
            let message = format!("{} ignores the health policy of the provider `{name}`", view.personality);
            let diagnostic = View::at(Diagnostic::error(message), policy.origin, provider.name.place, "has no effect");
            let instead = match &backend.health {
                Some(_) => format!("the policy of the backend `{}` counts in its place", backend.name),
                None => "it is accepted without a word; the provider is never evicted by it".to_owned(),
            };
            let for_the_whole = (view.words(&diagnostic).for_the_whole)(&backend.name);
            found.push(diagnostic.note(instead).help(format!("{for_the_whole}, or run 1.3 or later")));
        }
    }
    found
}

fn of_anybody(view: &View<'_>) -> Vec<Diagnostic> {
    if view.behaviour.policies != Policies::None || view.is_also_for(|policies| policies != Policies::None) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut tell = |policy: &HealthPolicy, otherwise| {
        let message = format!("{} has no health policies", view.personality);
        let diagnostic = View::at(Diagnostic::error(message), policy.origin, otherwise, "has no effect");
        let diagnostic =
            diagnostic.note("there a 429 whose final headers say how long to wait evicts, and nothing else");
        found.push(diagnostic.help("run 1.0 or later, or take the policy away"));
    };
    for (index, backend) in view.backends() {
        let own = backend.providers().filter_map(|(_, provider)| provider.health.as_ref());
        let rules = view.rules_to(index);
        let above = backend.health.iter().chain(rules.iter().filter_map(|rule| rule.health.as_ref()));
        above.chain(own).for_each(|policy| tell(policy, backend.place));
    }
    found
}
