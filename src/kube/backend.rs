//! `AgentgatewayBackend` and its Enterprise twin: AI providers by priority.

use std::time::Duration;

use super::fields::{Fields, Log, list, not_modelled};
use super::hosts::Hosts;
use super::object::{Object, dns_name};
use super::policy::BackendPart;
use super::secret::Secret;
use super::tls::{self, ConfigMap, Wish};
use super::{ENVIRONMENT, GivenSecrets, object, policy};
use crate::source::{Diagnostic, Entry, Place, Spanned};
use crate::topology::{self, Auth, Authority, Credential, Group, HealthPolicy, Own};

/// A backend.
pub(super) struct Backend {
    /// Its kind: two backends of the same name and different kinds are different.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Whether it is real and no AI backend.
    pub(super) is_other: bool,
    /// How long an attempt at one of its providers may take.
    pub(super) request_timeout: Option<Duration>,
    health: Option<HealthPolicy>,
    groups: Vec<Vec<Provider>>,
}

/// A provider of a backend.
pub(super) struct Provider {
    name: Spanned<String>,
    model: Option<String>,
    address: Option<Address>,
    path: String,
    keeps_query: bool,
    auth: Login,
    health: Option<HealthPolicy>,
    connect_timeout: Option<Duration>,
    http2: Option<bool>,
    tls: Option<Wish>,
}

/// Where a provider is.
struct Address {
    host: Spanned<String>,
    port: Spanned<u16>,
}

/// Which credential a provider is sent, as the manifest says it.
#[derive(Clone)]
pub(super) enum Login {
    /// None.
    None,
    /// The client's own.
    Passthrough,
    /// This one.
    Key(String),
    /// The one in this Secret.
    Secret(Spanned<String>),
    /// The one in this variable of the environment.
    Variable(Spanned<String>),
    /// The one in this file.
    File(Spanned<String>),
}

/// The path of chat completions where a provider names none.
const DEFAULT_PATH: &str = "/v1/chat/completions";
/// The key of a Secret that holds the credential.
const CREDENTIAL: &str = "Authorization";
/// The kinds of backend of which one must be there.
const TYPES: [&str; 6] = ["ai", "static", "dynamicForwardProxy", "mcp", "aws", "a2a"];
/// The kinds of provider of which one must be there.
const PROVIDERS: [&str; 8] = ["openai", "anthropic", "azure", "azureopenai", "bedrock", "custom", "gemini", "vertexai"];
/// The ways to log in of which one must be there.
const LOGINS: [&str; 6] = ["passthrough", "secretRef", "key", "aws", "azure", "gcp"];
/// At most so many groups, and providers in a group.
const MAX_GROUPS: usize = 8;
const MAX_PROVIDERS: usize = 16;

/// Reads a backend.
pub(super) fn read(object: Object<'_>) -> Backend {
    let Object { kind, name, namespace, fields } = object;
    let mut backend = Backend {
        kind: kind.name,
        name,
        namespace,
        is_other: false,
        request_timeout: None,
        health: None,
        groups: Vec::new(),
    };
    let Some(spec) = fields.need_map("spec") else { return backend };
    let Some(entry) = one_of(&spec, &TYPES, "backend") else { return backend };
    if entry.key != "ai" {
        let message = format!("labsim does not model `{}` backends; this one leads nowhere", entry.key);
        fields.log().push(Diagnostic::warning(message).at(entry.key_place, "not modelled"));
        spec.find("policies");
        backend.is_other = true;
        return backend;
    }
    let part = spec.map("policies").map(|policies| policy::backend_part(&policies)).unwrap_or_default();
    backend.health.clone_from(&part.health);
    backend.request_timeout = part.request_timeout;
    let Some(ai) = spec.map("ai") else { return backend };
    let Some(entry) = one_of(&ai, &["groups", "provider"], "AI backend") else { return backend };
    backend.groups = if entry.key == "provider" {
        let provider = ai.map("provider").and_then(|fields| provider(&fields, &part, Some(&backend.name)));
        vec![provider.into_iter().collect()]
    } else {
        groups(&ai, &part)
    };
    backend
}

/// `fallback` is what holds for providers that do not say it.
fn groups(ai: &Fields<'_>, fallback: &BackendPart) -> Vec<Vec<Provider>> {
    let mut groups: Vec<Vec<Provider>> = Vec::new();
    for group in ai.need_maps("groups", MAX_GROUPS) {
        let providers = group.need_maps("providers", MAX_PROVIDERS);
        groups.push(providers.iter().filter_map(|fields| provider(fields, fallback, None)).collect());
    }
    groups_are_sound(groups.iter().flatten().map(|provider| &provider.name), ai.log());
    groups
}

/// Checks the names of a backend's providers: each has its own.
pub(super) fn groups_are_sound<'n>(names: impl Iterator<Item = &'n Spanned<String>>, log: &Log<'_>) {
    let all: Vec<_> = names.collect();
    for (index, name) in all.iter().enumerate() {
        if let Some(first) = all.iter().take(index).find(|other| other.value == name.value) {
            log.push(
                Diagnostic::error(format!("two providers are named `{}`", name.value))
                    .at(name.place, "again here")
                    .note_at(first.place, "first here")
                    .help("a name tells providers apart in a backend: give each its own"),
            );
        }
    }
}

/// The only field of `names` that is there; an error if there is none or more than one.
pub(super) fn one_of<'r>(fields: &Fields<'r>, names: &[&'static str], what: &str) -> Option<&'r Entry> {
    let found = fields.find_any(names);
    match found.as_slice() {
        [only] => Some(only),
        [] => {
            if let Some(entry) = names.iter().find_map(|name| fields.find_even_null(name)) {
                let message = format!("`{}` has no value, which is the same as not to write it", entry.key);
                let help = format!("write `{}: {{}}`", entry.key);
                fields.log().push(Diagnostic::error(message).at(entry.key_place, "needs a value").help(help));
            } else if !fields.is_any_misspelt(names) {
                fields.log().push(
                    Diagnostic::error(format!("this {what} says nothing of what it is"))
                        .at(fields.place(), "incomplete")
                        .help(format!("it needs one of {}", list(names))),
                );
            }
            None
        }
        [first, second, ..] => {
            fields.log().push(
                Diagnostic::error(format!("`{}` and `{}` exclude each other", first.key, second.key))
                    .at(second.key_place, "one too many")
                    .note_at(first.key_place, "the other one"),
            );
            None
        }
    }
}

fn provider(fields: &Fields<'_>, fallback: &BackendPart, only: Option<&Spanned<String>>) -> Option<Provider> {
    let name = match only {
        Some(backend) => Some(backend.clone()),
        None => dns_name(fields, "name"),
    };
    let model = one_of(fields, &PROVIDERS, "provider").and_then(|entry| {
        if entry.key == "openai" {
            return fields.map("openai")?.need_text_if_there("model").map(|model| model.value);
        }
        fields.log().push(
            Diagnostic::error(format!("labsim does not model `{}` providers", entry.key))
                .at(entry.key_place, "not modelled")
                .help("`openai` with `host` and `port` stands for any server that speaks OpenAI's API"),
        );
        None
    });
    let address = address(fields);
    let (path, keeps_query) = path(fields);
    let own = match only {
        Some(_) => None,
        None => fields.map("policies").map(|policies| policy::backend_part(&policies)),
    };
    let own = own.unwrap_or_default();
    Some(Provider {
        name: name?,
        model,
        address,
        path,
        keeps_query,
        auth: own.login.or_else(|| fallback.login.clone()).unwrap_or(Login::None),
        health: own.health,
        connect_timeout: own.connect_timeout.or(fallback.connect_timeout),
        http2: own.http2.or(fallback.http2),
        tls: own.tls.or_else(|| fallback.tls.clone()),
    })
}

/// Host and port: both or neither.
fn address(fields: &Fields<'_>) -> Option<Address> {
    let (host, port) = (fields.need_text_if_there("host"), fields.port("port"));
    match (fields.find("host"), fields.find("port")) {
        (Some(entry), None) => needs_twin(fields, entry, "port"),
        (None, Some(entry)) => needs_twin(fields, entry, "host"),
        _ => {}
    }
    Some(Address { host: host?, port: port? })
}

fn needs_twin(fields: &Fields<'_>, entry: &Entry, twin: &'static str) {
    if fields.is_any_misspelt(&[twin]) {
        return;
    }
    fields.log().push(
        Diagnostic::error(format!("`{}` needs `{twin}` beside it", entry.key))
            .at(entry.key_place, format!("`{twin}` is missing"))
            .help("give both, or neither for OpenAI itself"),
    );
}

/// The path of a provider, and whether the client's query stays behind it.
fn path(fields: &Fields<'_>) -> (String, bool) {
    let path = fields.need_text_if_there("path");
    let prefix = fields.need_text_if_there("pathPrefix");
    if let (Some(path), Some(prefix)) = (&path, &prefix) {
        fields.log().push(
            Diagnostic::error("`path` and `pathPrefix` exclude each other")
                .at(prefix.place, "one too many")
                .note_at(path.place, "the other one"),
        );
    }
    for path in [&path, &prefix].into_iter().flatten() {
        path_is_sound(path, fields.log());
    }
    if let Some(prefix) = &prefix
        && fields.find("host").is_none()
    {
        fields
            .log()
            .push(Diagnostic::error("`pathPrefix` needs `host` beside it").at(prefix.place, "`host` is missing"));
    }
    match (path, prefix) {
        (Some(path), _) => (path.value, false),
        (None, Some(prefix)) => (format!("{}/chat/completions", prefix.value.trim_end_matches('/')), true),
        (None, None) => (DEFAULT_PATH.to_owned(), true),
    }
}

/// Checks the path of a provider.
pub(super) fn path_is_sound(path: &Spanned<String>, log: &Log<'_>) {
    if !path.starts_with('/') || path.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        log.push(
            Diagnostic::error(format!("`{}` is not a path", path.value))
                .at(path.place, "a path begins with `/` and has no spaces"),
        );
    }
}

/// Reads how to log in from `policies`; none where nothing is said.
pub(super) fn login(policies: &Fields<'_>) -> Option<Login> {
    let auth = policies.map("auth")?;
    let entry = one_of(&auth, &LOGINS, "auth")?;
    match entry.key.as_str() {
        "passthrough" => {
            drop(auth.map("passthrough"));
            Some(Login::Passthrough)
        }
        "key" => auth.need_text("key").map(|key| Login::Key(key.value)),
        "secretRef" => {
            let secret = auth.map("secretRef")?;
            let other = secret.text("kind").filter(|kind| !matches!(kind.as_str(), "" | "Secret"));
            if let Some(other) = other {
                auth.log().push(not_modelled(&other.value, other.place));
            }
            secret.text("group");
            secret.need_text("name").map(Login::Secret)
        }
        _ => {
            let message = format!("labsim does not model `{}` credentials; none is sent", entry.key);
            auth.log().push(Diagnostic::warning(message).at(entry.key_place, "not modelled"));
            None
        }
    }
}

/// The credential that a way to log in means for a provider.
pub(super) fn auth(login: &Login, provider: &str, namespace: &str, links: &Links<'_>) -> Auth {
    match login {
        Login::None => Auth::None,
        Login::Passthrough => Auth::Passthrough,
        Login::Key(key) => Auth::Credential(Credential::new(format!("key:{provider}"), key)),
        Login::Secret(name) => links.credential(name, namespace).map_or(Auth::None, Auth::Credential),
        Login::Variable(name) => links.variable(name).map_or(Auth::None, Auth::Credential),
        Login::File(path) => {
            let message = format!("labsim does not read the key in `{}`; it sends another one", path.value);
            links.log.push(Diagnostic::warning(message).at(path.place, "not modelled"));
            Auth::Credential(Credential::new(format!("file:{}", path.value), "labsim-key"))
        }
    }
}

impl Backend {
    /// Its namespace and its name.
    pub(super) fn path(&self) -> (&str, &str) {
        (&self.namespace, &self.name.value)
    }
}

/// What backends refer to.
pub(super) struct Links<'l> {
    /// The hosts of the lab.
    pub(super) hosts: Hosts<'l>,
    /// The Secrets of the manifests.
    pub(super) secrets: &'l [Secret],
    /// The ConfigMaps of the manifests.
    pub(super) config_maps: &'l [ConfigMap],
    /// The Secrets of the scenario.
    pub(super) given: &'l GivenSecrets,
    /// Where findings go.
    pub(super) log: &'l Log<'l>,
}

/// Resolves hosts and Secrets. A backend that is not modelled gets no groups, so that indices stay.
pub(super) fn link(backends: &[Backend], links: &Links<'_>) -> Vec<topology::Backend> {
    let groups = |backend: &Backend| {
        let groups = backend.groups.iter();
        groups
            .map(|providers| Group { providers: providers.iter().map(|one| resolve(one, backend, links)).collect() })
            .collect()
    };
    backends
        .iter()
        .map(|backend| topology::Backend {
            name: backend.name.value.clone(),
            namespace: backend.namespace.clone(),
            groups: groups(backend),
            health: backend.health.clone(),
            own_health: backend.health.clone(),
            label: None,
            place: backend.name.place,
        })
        .collect()
}

fn resolve(provider: &Provider, backend: &Backend, links: &Links<'_>) -> topology::Provider {
    let endpoint = match &provider.address {
        None => Authority::openai(),
        Some(Address { host, port }) => links.hosts.resolve(host, port, &backend.namespace, links.log),
    };
    let auth = auth(&provider.auth, &provider.name.value, &backend.namespace, links);
    let said = provider.tls.as_ref().and_then(|wish| tls::link(wish, &backend.namespace, links));
    let own = Own {
        health: provider.health.clone(),
        auth: auth.clone(),
        connect_timeout: provider.connect_timeout,
        tls: said.clone(),
    };
    topology::Provider {
        own,
        tls: said.or_else(|| links.hosts.implied_tls(provider.address.is_none())),
        name: provider.name.clone(),
        model: provider.model.clone(),
        is_openai: endpoint == Authority::openai(),
        h2c: links.hosts.is_h2c(&endpoint, &backend.namespace),
        http2: provider.http2,
        endpoint,
        path: provider.path.clone(),
        keeps_query: provider.keeps_query,
        auth,
        health: provider.health.clone(),
        connect_timeout: provider.connect_timeout,
    }
}

impl Links<'_> {
    /// The credential of a Secret: the scenario's, or else the one of the backend's namespace.
    fn credential(&self, name: &Spanned<String>, namespace: &str) -> Option<Credential> {
        let reference = format!("secret:{}/{CREDENTIAL}", name.value);
        let make = |value: &str| {
            let credential = Credential::new(reference.as_str(), value);
            if ["", "bearer"].contains(&value.trim().to_ascii_lowercase().as_str()) {
                self.log.push(
                    Diagnostic::warning(format!("the credential in the Secret `{}` is empty", name.value))
                        .at(name.place, "a provider will refuse it"),
                );
            }
            credential
        };
        if let Some(given) = self.given.get(&name.value) {
            let value = given.get(CREDENTIAL);
            if value.is_none() {
                self.log.push(no_key(name, given.keys().map(String::as_str), None));
            }
            return value.map(|value| make(value));
        }
        if object::is_one_nameless(namespace, self.secrets.iter().map(Secret::path)) {
            return None;
        }
        let mut here = self.secrets.iter().filter(|secret| secret.namespace == namespace);
        let Some(secret) = here.find(|secret| secret.name.value == name.value) else {
            self.log.push(self.no_secret(name, namespace));
            return None;
        };
        match secret.values.get(CREDENTIAL) {
            None => {
                self.log.push(no_key(name, secret.values.keys().map(String::as_str), Some(secret.name.place)));
                None
            }
            // That it is not base64 has been said already.
            Some(None) => None,
            Some(Some(value)) => Some(make(value)),
        }
    }

    /// The credential in a variable of the environment: where that is not at hand, one that stands for it.
    fn variable(&self, name: &Spanned<String>) -> Option<Credential> {
        let reference = format!("{ENVIRONMENT}:{}", name.value);
        let Some(variables) = self.given.get(ENVIRONMENT) else {
            return Some(Credential::new(reference, &format!("labsim-{}", name.value)));
        };
        let value = variables.get(&name.value);
        if value.is_none() {
            let message = format!("the variable `{}` is not set", name.value);
            self.log.push(Diagnostic::error(message).at(name.place, "a provider's key"));
        }
        value.map(|value| Credential::new(reference, value))
    }

    fn no_secret(&self, name: &Spanned<String>, namespace: &str) -> Diagnostic {
        let known = self.secrets.iter().map(Secret::path);
        let given = self.given.keys().map(|given| (namespace, given.as_str()));
        let diagnostic = object::dangling("Secret", name, namespace, known.chain(given));
        let name = &name.value;
        diagnostic
            .help(format!(
                "a Secret in a manifest:\n  apiVersion: v1\n  kind: Secret\n  \
                 metadata: {{name: {name}, namespace: {namespace}}}\n  stringData: {{{CREDENTIAL}: Bearer sk-...}}"
            ))
            .help(format!("or one in the scenario:\n  secrets:\n    {name}: {{{CREDENTIAL}: Bearer sk-...}}"))
    }
}

fn no_key<'a>(name: &Spanned<String>, keys: impl Iterator<Item = &'a str>, secret: Option<Place>) -> Diagnostic {
    let keys: Vec<&str> = keys.collect();
    let mut diagnostic = Diagnostic::error(format!("the Secret `{}` has no key `{CREDENTIAL}`", name.value))
        .at(name.place, format!("needs `{CREDENTIAL}`"));
    if let Some(place) = secret {
        diagnostic = diagnostic.note_at(place, "this Secret");
    }
    let diagnostic = match crate::source::diagnostic::nearest(CREDENTIAL, keys.iter().copied()) {
        Some(near) => diagnostic.help(format!("it has `{near}`; did you mean `{CREDENTIAL}`?")),
        None if keys.is_empty() => diagnostic.help("it has no keys at all"),
        None => diagnostic.help(format!("it has {}", list(&keys))),
    };
    let diagnostic = diagnostic.code("secret-key");
    diagnostic.help(format!("a provider's credential stands under `{CREDENTIAL}`, with or without `Bearer` before it"))
}
