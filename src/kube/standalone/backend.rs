//! Backends of agentgateway's own configuration: AI providers by priority.

use super::policies::{self, OfBackend};
use super::{NAMESPACE, Target};
use crate::kube::backend::{Login, auth, groups_are_sound, one_of, path_is_sound};
use crate::kube::fields::{Fields, Log, PORTS, did_you_mean};
use crate::kube::policy::BackendPart;
use crate::kube::tls;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{Authority, Backend, Group, Own, Provider};

/// The kinds of provider of which one must be there.
const PROVIDERS: [&str; 9] =
    ["openAI", "anthropic", "azure", "azureOpenAI", "bedrock", "copilot", "custom", "gemini", "vertex"];
/// The kinds of backend of which one must be there.
const TYPES: [&str; 10] =
    ["ai", "backend", "host", "service", "dynamic", "mcp", "aws", "internal", "routeGroup", "invalid"];
const DEFAULT_PATH: &str = "/v1/chat/completions";
const MAX_GROUPS: usize = 64;

/// A backend of a route: which of the topology's it is, and what its policies say of requests.
pub(super) struct Led {
    /// Index into the topology's backends.
    pub(super) backend: usize,
    /// Its policies, as far as they are not the backend's own.
    pub(super) policies: OfBackend,
}

/// Adds a backend of the top, to which routes refer by its name.
pub(super) fn shared(fields: &Fields<'_>, target: &mut Target<'_, '_>) {
    let name = fields.need_text("name");
    let kind = one_of(fields, &["ai", "host", "mcp", "aws", "internal"], "backend");
    let policies = fields.map("policies").map(|fields| policies::of_backend(&fields)).unwrap_or_default();
    let (Some(name), Some(kind)) = (name, kind) else { return };
    if kind.key != "ai" {
        let message = format!("labsim does not model `{}` backends; this one leads nowhere", kind.key);
        fields.log().push(Diagnostic::warning(message).at(kind.key_place, "not modelled"));
        return;
    }
    let Some(ai) = fields.map("ai") else { return };
    let label = Some(format!("/{}", name.value));
    let backend = Backend { label, ..backend(&ai, name.clone(), &policies, &BackendPart::default(), target) };
    target.topology.backends.push(backend);
    target.shared.push((name.value, target.topology.backends.len() - 1));
}

/// Reads one of a route's backends and adds it. `name` is its name where it stands in the route itself, with what
/// metrics call it then, `above` what its route says of the way to providers where neither it nor a provider does.
pub(super) fn of_route(
    fields: &Fields<'_>,
    (name, label): (String, Option<String>),
    above: &BackendPart,
    target: &mut Target<'_, '_>,
) -> Option<Led> {
    let kind = one_of(fields, &TYPES, "backend");
    let mut policies = fields.map("policies").map(|fields| policies::of_backend(&fields)).unwrap_or_default();
    let kind = kind?;
    match kind.key.as_str() {
        "ai" => {
            let ai = fields.map("ai")?;
            let name = Spanned::new(name, kind.key_place);
            let backend = Backend { label, ..backend(&ai, name, &policies, above, target) };
            target.topology.backends.push(backend);
            policies.part.health = None;
            Some(Led { backend: target.topology.backends.len() - 1, policies })
        }
        "backend" => {
            let name = fields.need_text("backend")?;
            let plain = name.trim_start_matches('/');
            let found =
                target.shared.iter().find(|(known, _)| known == plain || format!("{NAMESPACE}/{known}") == plain);
            if let Some((_, backend)) = found {
                return Some(Led { backend: *backend, policies });
            }
            let known: Vec<&str> = target.shared.iter().map(|(name, _)| name.as_str()).collect();
            let diagnostic = Diagnostic::error(format!("there is no backend `{plain}`"));
            fields.log().push(did_you_mean(diagnostic.at(name.place, "dangling reference"), plain, &known));
            None
        }
        other => {
            let message = format!("labsim routes to AI backends only, not to `{other}`");
            fields.log().push(Diagnostic::error(message).at(kind.key_place, "not modelled"));
            None
        }
    }
}

fn backend(
    ai: &Fields<'_>,
    name: Spanned<String>,
    policies: &OfBackend,
    above: &BackendPart,
    target: &Target<'_, '_>,
) -> Backend {
    let fallback = Fallback { policies, above };
    let mut groups: Vec<Vec<Provider>> = Vec::new();
    if ai.find("groups").is_some() {
        for group in ai.need_maps("groups", MAX_GROUPS) {
            let providers = group.need_maps("providers", usize::MAX);
            groups.push(providers.iter().filter_map(|fields| provider(fields, &fallback, target)).collect());
        }
    } else {
        groups.push(provider(ai, &fallback, target).into_iter().collect());
    }
    groups_are_sound(groups.iter().flatten().map(|provider| &provider.name), ai.log());
    Backend {
        name: name.value,
        namespace: NAMESPACE.to_owned(),
        groups: groups.into_iter().map(|providers| Group { providers }).collect(),
        health: policies.part.health.clone(),
        own_health: policies.part.health.clone(),
        label: None,
        place: name.place,
    }
}

/// What holds for providers that do not say it.
struct Fallback<'f> {
    policies: &'f OfBackend,
    above: &'f BackendPart,
}

fn provider(fields: &Fields<'_>, fallback: &Fallback<'_>, target: &Target<'_, '_>) -> Option<Provider> {
    let name = fields.need_text("name");
    let model = fields.need_map("provider").and_then(|kind| model(&kind));
    let host = fields.need_text_if_there("hostOverride");
    let (path, keeps_query) = path(fields);
    let own = fields.map("policies").map(|fields| policies::of_provider(&fields)).unwrap_or_default();
    let endpoint = match &host {
        None => Authority::openai(),
        Some(host) => {
            let authority = authority(host, fields.log())?;
            if target.links.hosts.are_free() {
                authority
            } else {
                let port = Spanned::new(authority.port, host.place);
                let name = Spanned::new(authority.host, host.place);
                target.links.hosts.resolve(&name, &port, NAMESPACE, target.links.log)
            }
        }
    };
    let name = name?;
    let Fallback { policies: OfBackend { part, .. }, above } = fallback;
    let said = [&own.login, &part.login].into_iter().find_map(Option::as_ref);
    let login = said.or(above.login.as_ref()).unwrap_or(&Login::None);
    let auth = auth(login, &name.value, NAMESPACE, target.links);
    let wished = [&own.tls, &part.tls].into_iter().find_map(Option::as_ref);
    let tls = wished.or(above.tls.as_ref()).and_then(|wish| tls::link(wish, NAMESPACE, target.links));
    let connect_timeout = own.connect_timeout.or(part.connect_timeout);
    let its_own = Own {
        health: own.health.clone(),
        auth: said.map(|_| auth.clone()).unwrap_or_default(),
        connect_timeout,
        tls: wished.and(tls.clone()),
    };
    let tls = tls.or_else(|| target.links.hosts.implied_tls(host.is_none()));
    let mut provider = Provider {
        own: its_own,
        auth,
        name,
        model,
        is_openai: host.is_none(),
        endpoint,
        path,
        keeps_query,
        health: own.health,
        connect_timeout,
        h2c: false,
        http2: part.http2,
        tls,
    };
    tls::settle(&mut provider);
    Some(provider)
}

/// The model that a provider asks for in place of the client's.
fn model(kind: &Fields<'_>) -> Option<String> {
    let entry = one_of(kind, &PROVIDERS, "provider")?;
    if entry.key == "openAI" {
        return kind.map("openAI")?.need_text_if_there("model").map(|model| model.value);
    }
    kind.log().push(
        Diagnostic::error(format!("labsim does not model `{}` providers", entry.key))
            .at(entry.key_place, "not modelled")
            .help("`openAI` with a `hostOverride` stands for any server that speaks OpenAI's API"),
    );
    None
}

/// The path of a provider, and whether the client's query stays behind it.
fn path(fields: &Fields<'_>) -> (String, bool) {
    let (path, prefix) = (fields.need_text_if_there("pathOverride"), fields.need_text_if_there("pathPrefix"));
    for path in [&path, &prefix].into_iter().flatten() {
        path_is_sound(path, fields.log());
    }
    match (path, prefix) {
        (Some(path), _) => (path.value, false),
        (None, Some(prefix)) => (format!("{}/chat/completions", prefix.value.trim_end_matches('/')), true),
        (None, None) => (DEFAULT_PATH.to_owned(), true),
    }
}

/// Reads `host:port`.
pub(super) fn authority(text: &Spanned<String>, log: &Log<'_>) -> Option<Authority> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let port: u16 = port.parse().ok().filter(|port| PORTS.contains(&u64::from(*port)))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        (is_address || is_name).then(|| Authority::new(host, port))
    });
    if parsed.is_none() {
        let diagnostic = Diagnostic::error(format!("`{}` is not a host with its port", text.value));
        log.push(diagnostic.at(text.place, "expected `host:port`").help("such as `127.0.0.1:4101`"));
    }
    parsed
}
