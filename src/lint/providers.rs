//! Providers that are no alternative, or that get the wrong credential; backends that nobody uses.

use super::Lint;
use super::view::View;
use crate::source::{Diagnostic, Severity};
use crate::topology::{Auth, Backend, Provider};

pub(super) const LINTS: [Lint; 4] = [
    Lint {
        code: "same-upstream",
        severity: Severity::Warning,
        finds: "two providers of a backend with the same address, model and credential: what fails one fails the other",
        fix: "another address, model or account for one of them",
        check: same_upstream,
    },
    Lint {
        code: "no-credential",
        severity: Severity::Warning,
        finds: "OpenAI without a credential: it answers 401, unless each client brings a key of OpenAI's that is passed on",
        fix: "`policies: { auth: { secretRef: { name: … } } }`",
        check: no_credential,
    },
    Lint {
        code: "key-shared",
        severity: Severity::Warning,
        finds: "the client's key goes to several hosts of one backend, with `passthrough` or, to agentgateway, without a credential: after a failover to the other",
        fix: "a credential of its own for each provider",
        check: key_shared,
    },
    Lint {
        code: "unrouted-backend",
        severity: Severity::Warning,
        finds: "a backend to which no rule leads, or only with weight 0",
        fix: "a `backendRefs` entry in an HTTPRoute",
        check: unrouted,
    },
];

fn same_upstream(view: &View<'_>) -> Vec<Diagnostic> {
    view.with_alternatives().flat_map(|(_, backend)| twins(backend)).collect()
}

fn twins(backend: &Backend) -> Vec<Diagnostic> {
    let all: Vec<&Provider> = backend.providers().map(|(_, provider)| provider).collect();
    let same = |one: &Provider, two: &Provider| {
        (&one.endpoint, &one.model, &one.auth, &one.path) == (&two.endpoint, &two.model, &two.auth, &two.path)
    };
    let mut found = Vec::new();
    for (index, provider) in all.iter().enumerate() {
        if let Some(twin) = all[..index].iter().find(|other| same(provider, other)) {
            let message = format!("`{}` is the same upstream as `{}`", provider.name.value, twin.name.value);
            let diagnostic = Diagnostic::warning(message).at(provider.name.place, "no alternative");
            let diagnostic = diagnostic.note_at(twin.name.place, "same address, model and credential");
            found.push(diagnostic.help("give one of them another address, model or account"));
        }
    }
    found
}

fn no_credential(view: &View<'_>) -> Vec<Diagnostic> {
    let bare = |provider: &&Provider| provider.is_openai && provider.auth == Auth::None;
    let (sent, so) = if view.personality.passes_credentials() {
        ("no credential but the client's", "answers 401, unless each client brings its key")
    } else {
        ("no credential", "answers 401")
    };
    let tell = |provider: &Provider| {
        let message = format!("`{}` is OpenAI, and is sent {sent}", provider.name.value);
        let diagnostic = Diagnostic::warning(message).at(provider.name.place, so);
        let credential = view.words(&diagnostic).credential;
        diagnostic.help(format!("write `policies: {{ {credential} }}` for it"))
    };
    view.backends().flat_map(|(_, backend)| backend.providers()).map(|(_, one)| one).filter(bare).map(tell).collect()
}

fn key_shared(view: &View<'_>) -> Vec<Diagnostic> {
    let passes = view.personality.passes_credentials();
    let is_sent_it = |one: &&Provider| one.auth == Auth::Passthrough || (passes && one.auth == Auth::None);
    let tell = |backend: &Backend| {
        let all = || backend.providers().map(|(_, one)| one).filter(is_sent_it);
        // Where nobody is meant to have it, clients will hardly bring one.
        all().find(|one| one.auth == Auth::Passthrough || one.is_openai)?;
        let mut passing = all();
        let first = passing.next()?;
        let other = passing.find(|one| one.endpoint.host != first.endpoint.host)?;
        let message = format!("the client's key goes to both `{}` and `{}`", first.name.value, other.name.value);
        let diagnostic = Diagnostic::warning(message).at(other.name.place, "gets it after a failover");
        let diagnostic = diagnostic.note_at(first.name.place, "gets it first");
        let credential = view.words(&diagnostic).credential;
        Some(diagnostic.help(format!("give each provider a credential of its own: `{credential}`")))
    };
    view.with_alternatives().filter_map(|(_, backend)| tell(backend)).collect()
}

fn unrouted(view: &View<'_>) -> Vec<Diagnostic> {
    let unused = view.backends().filter(|(index, _)| view.rules_to(*index).is_empty());
    let tell = |backend: &Backend| {
        let message = format!("no request comes to the backend `{}`", backend.name);
        let diagnostic = Diagnostic::warning(message).at(backend.place, "no rule leads here");
        let in_a_route = view.words(&diagnostic).in_a_route;
        diagnostic.help(format!("name it {in_a_route}, with a weight above 0"))
    };
    unused.map(|(_, backend)| tell(backend)).collect()
}
