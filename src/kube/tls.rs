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
use crate::topology::{Identity, Pem, Tls, Verify};

/// What a policy says, before its references are followed.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    tls: Tls,
    /// A ConfigMap with the roots.
    roots: Option<Spanned<String>>,
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
    Wish { tls, roots, identity, field: Spanned::new("tls", fields.place()) }
}

/// Reads `backendTLS`. Its files are where they are for agentgateway: beside where the program is started.
pub(super) fn read_own(fields: &Fields<'_>) -> Wish {
    let file = |name| fields.need_text_if_there(name).map(|path| path.map(|path| Pem::File(PathBuf::from(path))));
    let identity = match (file("cert"), file("key")) {
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.value, key: key.value }),
        (Some(one), None) | (None, Some(one)) => {
            let diagnostic = Diagnostic::error("`cert` and `key` belong together").at(one.place, "alone");
            fields.log().push(diagnostic.help("give both, or neither"));
            None
        }
        (None, None) => None,
    };
    let names = fields.texts("subjectAltNames");
    let tls = Tls {
        server_name: fields.need_text_if_there("hostname").and_then(|name| checked_name(&name, fields.log())),
        roots: file("root").map(|root| root.value),
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
    Wish { tls, roots: None, identity: None, field: Spanned::new("backendTLS", fields.place()) }
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
        let secret = secret(name, namespace, links)?;
        let value = |key| value(secret, key, name, links.log);
        let (certificate, key) = (value(CERTIFICATE), value(KEY));
        tls.identity = Some(Identity { certificate: Pem::Text(certificate?), key: Pem::Text(key?) });
        // What signs both may stand beside them.
        tls.roots = secret.values.get(ROOTS).cloned().flatten().map(Pem::Text);
    }
    if let Some(name) = &wish.roots {
        tls.roots = Some(Pem::Text(roots(name, namespace, links)?));
    }
    Some(Arc::new(tls))
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
