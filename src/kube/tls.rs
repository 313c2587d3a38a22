//! TLS to providers: what policies say of it, under Kubernetes and in agentgateway's own configuration.
//!
//! Only a gateway that calls real hosts speaks it. In a lab everything is called in the clear, within
//! one process or on loopback, and a word of TLS is a warning.

use std::path::PathBuf;
use std::sync::Arc;

use super::backend::Links;
use super::fields::{Fields, Log};
use super::object::{self, Object};
use super::secret::Secret;
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology::{Identity, Pem, Provider, Tls, Verify};

/// What a policy says, before its references are followed.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    tls: Tls,
    /// ConfigMaps with the roots.
    roots: Vec<Spanned<String>>,
    /// A Secret with the gateway's own certificate.
    identity: Option<Spanned<String>>,
    /// The field that says it, and where.
    field: Spanned<&'static str>,
}

/// A ConfigMap: of use only where roots are in it.
pub(super) struct ConfigMap {
    name: Spanned<String>,
    namespace: String,
    roots: Option<String>,
    place: Place,
}

/// The key of a ConfigMap, and of a Secret, that holds roots.
const ROOTS: &str = "ca.crt";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// As many references to roots a policy has at most.
const MAX_ROOTS: usize = 8;
/// What can be spoken.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// Reads `tls`.
pub(super) fn read(fields: &Fields<'_>) -> Wish {
    let skip = fields.choice("insecureSkipVerify", &["All", "Hostname"]);
    let names = fields.texts("verifySubjectAltNames");
    let roots = only_name(fields, "caCertificateRefs");
    if let (Some(skip), Some(name)) = (&skip, names.first()) {
        exclude_each_other(fields.log(), ("insecureSkipVerify", skip.place), ("verifySubjectAltNames", name.place));
    }
    if let (Some(skip), Some(roots)) = (skip.as_ref().filter(|skip| skip.value == "All"), &roots) {
        exclude_each_other(fields.log(), ("insecureSkipVerify: All", skip.place), ("caCertificateRefs", roots.place));
    }
    let tls = Tls {
        server_name: fields.need_text_if_there("sni").and_then(|name| checked_name(&name, fields.log())),
        verify: match skip.map(|skip| skip.value) {
            None => Verify::All,
            Some("All") => Verify::Nothing,
            Some(_) => Verify::Issuer,
        },
        alternative_names: checked_names(&names, fields.log()),
        protocols: protocols(fields, "alpnProtocols"),
        origin: fields.place().into(),
        ..Tls::default()
    };
    let identity = only_name(fields, "mtlsCertificateRef");
    Wish { tls, roots: roots.into_iter().collect(), identity, field: Spanned::new("tls", fields.place()) }
}

/// Reads what a `BackendTLSPolicy` validates.
pub(super) fn read_validation(fields: &Fields<'_>) -> Wish {
    let log = fields.log();
    let name = fields.need_text("hostname").and_then(|name| checked_name(&name, log));
    let given = fields.find("caCertificateRefs");
    let known = fields.choice("wellKnownCACertificates", &["System"]);
    match (given, &known) {
        (Some(given), Some(known)) => {
            let (given, known) = (("caCertificateRefs", given.key_place), ("wellKnownCACertificates", known.place));
            exclude_each_other(log, given, known);
        }
        (None, None) if !fields.is_any_misspelt(&["caCertificateRefs", "wellKnownCACertificates"]) => {
            let diagnostic = Diagnostic::error("nothing says who may have signed the certificate");
            let diagnostic = diagnostic.at(fields.place(), "incomplete");
            log.push(
                diagnostic
                    .help("write `wellKnownCACertificates: System`, or name a ConfigMap under `caCertificateRefs`"),
            );
        }
        _ => {}
    }
    let references = given.map(|_| fields.need_maps("caCertificateRefs", MAX_ROOTS)).unwrap_or_default();
    let names = fields.maps("subjectAltNames");
    let tls = Tls {
        server_name: name,
        alternative_names: names.iter().filter_map(alternative_name).collect(),
        origin: fields.place().into(),
        ..Tls::default()
    };
    let roots = references.iter().filter_map(config_map_name).collect();
    Wish { tls, roots, identity: None, field: Spanned::new("validation", fields.place()) }
}

/// The ConfigMap that a reference with a kind names.
fn config_map_name(fields: &Fields<'_>) -> Option<Spanned<String>> {
    let (group, kind, name) = (fields.text("group"), fields.need_text("kind"), fields.need_text("name"));
    let is_core = group.is_none_or(|group| group.value.is_empty());
    let other = kind.filter(|kind| kind.value != "ConfigMap" || !is_core);
    let Some(other) = other else { return name };
    let message = format!("labsim does not read roots from the kind {}", other.value);
    fields.log().push(Diagnostic::error(message).at(other.place, "not modelled").help("it reads those in a ConfigMap"));
    None
}

fn alternative_name(fields: &Fields<'_>) -> Option<String> {
    let kind = fields.need("type", fields.choice("type", &["Hostname", "URI"]))?;
    if kind.value == "URI" {
        fields.find("uri");
        let diagnostic = Diagnostic::error("labsim does not model URIs in certificates");
        fields.log().push(diagnostic.at(kind.place, "not modelled"));
        return None;
    }
    checked_name(&fields.need_text("hostname")?, fields.log())
}

/// Reads `backendTLS`. Its files are where they are for agentgateway: beside where the program is started.
pub(super) fn read_own(fields: &Fields<'_>) -> Wish {
    let identity = own_identity(fields);
    let names = fields.texts("subjectAltNames");
    let tls = Tls {
        server_name: fields.need_text_if_there("hostname").and_then(|name| checked_name(&name, fields.log())),
        roots: file(fields, "root").map(|root| root.value),
        // As agentgateway has it, the milder of the two counts.
        verify: match (fields.flag("insecure"), fields.flag("insecureHost")) {
            (_, true) => Verify::Issuer,
            (true, false) => Verify::Nothing,
            (false, false) => Verify::All,
        },
        alternative_names: checked_names(&names, fields.log()),
        protocols: protocols(fields, "alpn"),
        identity,
        origin: fields.place().into(),
    };
    if let Some(entry) = fields.find("spiffe") {
        let message = "labsim does not model certificates from SPIFFE";
        fields.log().push(Diagnostic::error(message).at(entry.key_place, "not modelled"));
    }
    Wish { tls, roots: Vec::new(), identity: None, field: Spanned::new("backendTLS", fields.place()) }
}

fn file(fields: &Fields<'_>, name: &'static str) -> Option<Spanned<Pem>> {
    fields.need_text_if_there(name).map(|path| path.map(|path| Pem::File(PathBuf::from(path))))
}

/// Reads `cert` and `key`.
pub(super) fn own_identity(fields: &Fields<'_>) -> Option<Identity> {
    match (file(fields, "cert"), file(fields, "key")) {
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.value, key: key.value }),
        (Some(one), None) | (None, Some(one)) => {
            let diagnostic = Diagnostic::error("`cert` and `key` belong together").at(one.place, "alone");
            fields.log().push(diagnostic.help("give both, or neither"));
            None
        }
        (None, None) => None,
    }
}

/// Reads a ConfigMap.
pub(super) fn config_map(object: Object<'_>) -> ConfigMap {
    let Object { name, namespace, fields, .. } = object;
    let place = fields.place();
    let roots = fields.find("data").and_then(|data| data.value.get(ROOTS)).and_then(|roots| roots.as_str());
    let roots = roots.map(str::to_owned);
    fields.pass_over();
    ConfigMap { name, namespace, roots, place }
}

/// Warns of the ConfigMaps that nothing refers to for roots: the rest of what they hold is not modelled.
pub(super) fn pass_over(maps: &[ConfigMap], log: &Log<'_>) {
    for map in maps.iter().filter(|map| map.roots.is_none()) {
        log.push(object::not_modelled("ConfigMap", map.place));
    }
}

fn exclude_each_other(log: &Log<'_>, one: (&str, Place), other: (&str, Place)) {
    log.push(
        Diagnostic::error(format!("`{}` and `{}` exclude each other", one.0, other.0))
            .at(other.1, "one too many")
            .note_at(one.1, "the other one"),
    );
}

/// The name in a list of references that has one at most.
fn only_name(fields: &Fields<'_>, list: &'static str) -> Option<Spanned<String>> {
    fields.find(list)?;
    let references = fields.need_maps(list, 1);
    let name = references.first()?.need_text("name");
    let kind = references.first()?.text("kind").filter(|kind| !matches!(kind.value.as_str(), "" | "Secret"));
    references.first()?.text("group");
    if let Some(kind) = kind {
        let message = format!("labsim does not read certificates from the kind {}", kind.value);
        fields.log().push(Diagnostic::error(message).at(kind.place, "not modelled"));
        return None;
    }
    name
}

/// The protocols that are offered, of those that can be spoken.
fn protocols(fields: &Fields<'_>, list: &'static str) -> Vec<String> {
    let named = fields.texts(list);
    for other in named.iter().filter(|name| !PROTOCOLS.contains(&name.value.as_str())) {
        let message = format!("labsim does not speak `{}`, and so does not offer it", other.value);
        fields.log().push(Diagnostic::warning(message).at(other.place, "not modelled"));
    }
    named.into_iter().map(|name| name.value).filter(|name| PROTOCOLS.contains(&name.as_str())).collect()
}

fn checked_names(names: &[Spanned<String>], log: &Log<'_>) -> Vec<String> {
    names.iter().filter_map(|name| checked_name(name, log)).collect()
}

/// A name that a certificate can be for: of a host, or an address.
fn checked_name(name: &Spanned<String>, log: &Log<'_>) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = name.bytes().all(plain) && !name.starts_with(['.', '-']);
    if is_host || name.parse::<std::net::IpAddr>().is_ok() {
        return Some(name.value.clone());
    }
    let message = format!("`{}` is not the name of a host", name.value);
    let diagnostic = Diagnostic::error(message).at(name.place, "no certificate is compared with it");
    log.push(if name.contains("://") {
        diagnostic.help("labsim does not model URIs in certificates")
    } else {
        diagnostic
    });
    None
}

/// Follows the references of a wish. None in a lab, and where one leads nowhere.
pub(super) fn link(wish: &Wish, namespace: &str, links: &Links<'_>) -> Option<Arc<Tls>> {
    if !links.hosts.are_called() {
        let message = format!("a lab speaks no TLS: `{}` has no effect here", wish.field.value);
        let diagnostic = Diagnostic::warning(message).at(wish.field.place, "not modelled");
        links.log.push(diagnostic.help("`labsim gateway`, which calls real hosts, heeds it"));
        return None;
    }
    let mut tls = wish.tls.clone();
    if let Some(name) = &wish.identity {
        tls.identity = Some(identity(name, namespace, links)?);
        // What signs both may stand beside them.
        tls.roots = secret(name, namespace, links)?.values.get(ROOTS).cloned().flatten().map(Pem::Text);
    }
    if !wish.roots.is_empty() {
        let texts: Option<Vec<String>> = wish.roots.iter().map(|name| roots(name, namespace, links)).collect();
        tls.roots = Some(Pem::Text(texts?.join("\n")));
    }
    Some(Arc::new(tls))
}

/// The certificate and the key in a Secret.
pub(super) fn identity(name: &Spanned<String>, namespace: &str, links: &Links<'_>) -> Option<Identity> {
    let secret = secret(name, namespace, links)?;
    let value = |key| value(secret, key, name, links.log);
    let (certificate, key) = (value(CERTIFICATE), value(KEY));
    Some(Identity { certificate: Pem::Text(certificate?), key: Pem::Text(key?) })
}

fn secret<'l>(name: &Spanned<String>, namespace: &str, links: &Links<'l>) -> Option<&'l Secret> {
    let found = links.secrets.iter().find(|secret| secret.path() == (namespace, &name.value));
    if found.is_none() {
        let known = links.secrets.iter().map(Secret::path);
        links.log.push(object::dangling("Secret", name, namespace, known));
    }
    found
}

fn value(secret: &Secret, key: &str, name: &Spanned<String>, log: &Log<'_>) -> Option<String> {
    let value = secret.values.get(key).cloned().flatten();
    if value.is_none() {
        log.push(lacks("Secret", name, key, secret.name.place));
    }
    value
}

fn roots(name: &Spanned<String>, namespace: &str, links: &Links<'_>) -> Option<String> {
    let found =
        links.config_maps.iter().find(|map| (map.namespace.as_str(), &map.name.value) == (namespace, &name.value));
    let Some(map) = found else {
        let known = links.config_maps.iter().map(|map| (map.namespace.as_str(), map.name.value.as_str()));
        links.log.push(object::dangling("ConfigMap", name, namespace, known));
        return None;
    };
    if map.roots.is_none() {
        links.log.push(lacks("ConfigMap", name, ROOTS, map.name.place));
    }
    map.roots.clone()
}

fn lacks(kind: &str, name: &Spanned<String>, key: &str, place: Place) -> Diagnostic {
    Diagnostic::error(format!("the {kind} `{}` has no key `{key}`", name.value))
        .at(name.place, format!("needs `{key}`"))
        .note_at(place, format!("this {kind}"))
}

/// Has a provider be spoken to in the version of HTTP that policies say: over TLS it is the only protocol that is
/// offered, unless they say that too.
pub(super) fn settle(provider: &mut Provider) {
    let Some(http2) = provider.http2 else { return };
    provider.h2c = http2 && provider.tls.is_none();
    if let Some(tls) = provider.tls.as_mut().filter(|tls| tls.protocols.is_empty()) {
        let protocol = if http2 { "h2" } else { "http/1.1" };
        *tls = Arc::new(Tls { protocols: vec![protocol.to_owned()], ..(**tls).clone() });
    }
}
