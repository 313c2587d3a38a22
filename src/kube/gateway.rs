//! Gateway: the listeners that routes attach to.

use super::backend::Links;
use super::fields::Fields;
use super::object::Object;
use super::tls;
use crate::source::{Diagnostic, Place, Spanned};
use crate::topology::{self, Identity};

/// A Gateway.
pub(super) struct Gateway {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its listeners.
    pub(super) listeners: Vec<Listener>,
    /// Whether listeners may be missing here, because of mistakes that have been reported.
    pub(super) unsure: bool,
}

/// A listener of a Gateway.
pub(super) struct Listener {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its port.
    pub(super) port: u16,
    /// Host that it serves; all where absent.
    pub(super) hostname: Option<String>,
    /// Whether routes of any namespace may attach, or those of the Gateway's own only.
    pub(super) any_namespace: bool,
    /// Whether it serves HTTP.
    pub(super) serves_http: bool,
    /// How it serves HTTPS, if it does.
    secure: Option<Secure>,
}

/// How a listener serves HTTPS.
struct Secure {
    /// The Secret with its certificate.
    secret: Option<Spanned<String>>,
    /// That Secret's namespace, where it is not the Gateway's.
    namespace: Option<String>,
    /// Where HTTPS is asked for.
    place: Place,
}

/// The listener of a Gateway that no manifest describes.
const IMPLIED_NAME: &str = "http";
/// Its port.
const IMPLIED_PORT: u16 = 8080;
/// The Gateway that is there when nothing names one.
const IMPLIED_GATEWAY: &str = "gateway";

/// Reads a Gateway.
pub(super) fn read(object: Object<'_>) -> Gateway {
    let Object { name, namespace, fields, .. } = object;
    let mut gateway = Gateway { name, namespace, listeners: Vec::new(), unsure: false };
    let Some(spec) = fields.need_map("spec") else { return gateway };
    let errors = fields.log().errors();
    for fields in &spec.need_maps("listeners", 64) {
        let Some(listener) = listener(fields) else { continue };
        if let Some(first) = gateway.listeners.iter().find(|other| other.name.value == listener.name.value) {
            fields.log().push(
                Diagnostic::error(format!("two listeners are named `{}`", listener.name.value))
                    .at(listener.name.place, "again here")
                    .note_at(first.name.place, "first here"),
            );
        }
        gateway.listeners.push(listener);
    }
    gateway.unsure = fields.log().errors() > errors;
    gateway
}

fn listener(fields: &Fields<'_>) -> Option<Listener> {
    let name = super::object::dns_name(fields, "name");
    let port = fields.need("port", fields.port("port"));
    let protocols = ["HTTP", "HTTPS", "TLS", "TCP", "UDP"];
    let protocol = fields.need("protocol", fields.choice("protocol", &protocols));
    let hostname = fields.text("hostname").map(|host| host.value.to_ascii_lowercase());
    let any_namespace = allows_any_namespace(fields);
    let serves_http = protocol.as_ref().is_none_or(|protocol| matches!(protocol.value, "HTTP" | "HTTPS"));
    let secure = match protocol {
        Some(protocol) if protocol.value == "HTTPS" => Some(secure(fields, protocol.place)),
        Some(protocol) if protocol.value != "HTTP" => {
            let message = format!("labsim does not model {}; this listener is not there", protocol.value);
            fields.log().push(Diagnostic::warning(message).at(protocol.place, "not modelled"));
            fields.find("tls");
            None
        }
        _ => None,
    };
    Some(Listener { name: name?, port: port?.value, hostname, any_namespace, serves_http, secure })
}

/// Reads `tls` of a listener that serves HTTPS.
fn secure(listener: &Fields<'_>, place: Place) -> Secure {
    let mut secure = Secure { secret: None, namespace: None, place };
    let Some(tls) = listener.map("tls") else { return secure };
    if let Some(mode) = tls.choice("mode", &["Terminate", "Passthrough"])
        && mode.value == "Passthrough"
    {
        let diagnostic =
            Diagnostic::error("a listener for HTTPS ends TLS itself").at(mode.place, "`Terminate` is meant");
        tls.log().push(diagnostic.help("`Passthrough` is for listeners with the protocol TLS"));
    }
    let references = tls.maps("certificateRefs");
    for (index, reference) in references.iter().enumerate() {
        let (group, kind) = (reference.text("group"), reference.text("kind"));
        let (name, namespace) = (reference.need_text("name"), reference.text("namespace"));
        let is_core = group.is_none_or(|group| group.value.is_empty());
        if let Some(kind) = kind.filter(|kind| kind.value != "Secret" || !is_core) {
            let message = format!("labsim does not read certificates from the kind {}", kind.value);
            tls.log().push(Diagnostic::error(message).at(kind.place, "not modelled"));
        } else if index == 0 {
            secure.secret = name;
            secure.namespace = namespace.map(|namespace| namespace.value);
        } else if let Some(name) = name {
            let diagnostic = Diagnostic::warning("labsim shows clients the first certificate of a listener only");
            tls.log().push(diagnostic.at(name.place, "no effect here"));
        }
    }
    secure
}

/// The Gateway API lets only routes of the Gateway's own namespace attach unless told otherwise.
fn allows_any_namespace(listener: &Fields<'_>) -> bool {
    let Some(routes) = listener.map("allowedRoutes") else { return false };
    for kind in routes.maps("kinds") {
        kind.text("group");
        kind.text("kind");
    }
    let Some(namespaces) = routes.map("namespaces") else { return false };
    let from = namespaces.choice("from", &["Same", "All", "Selector", "None"]).map(|from| from.value);
    if let Some(entry) = namespaces.find("selector")
        && from == Some("Selector")
    {
        namespaces.log().push(
            Diagnostic::warning("labsim does not model the selector of namespaces; all of them may attach here")
                .at(entry.key_place, "not modelled"),
        );
    }
    matches!(from, Some("All" | "Selector"))
}

impl Gateway {
    /// The Gateway that a reference implies where no manifest describes it.
    pub(super) fn implied(name: Spanned<String>, namespace: String) -> Self {
        Self { name, namespace, listeners: Vec::new(), unsure: false }
    }

    /// Adds the listener that a reference implies, unless it is there.
    pub(super) fn imply(&mut self, section: Option<&Spanned<String>>, port: Option<u16>) {
        let name = section.cloned().unwrap_or_else(|| self.name.clone().map(|_| IMPLIED_NAME.to_owned()));
        if !self.listeners.iter().any(|listener| listener.name.value == name.value) {
            let port = port.unwrap_or(IMPLIED_PORT);
            self.listeners.push(Listener {
                name,
                port,
                hostname: None,
                any_namespace: true,
                serves_http: true,
                secure: None,
            });
        }
    }
}

/// All listeners in order, with the index of the first listener of each Gateway.
pub(super) fn link(gateways: &[Gateway], links: &Links<'_>) -> Vec<topology::Listener> {
    let mut listeners = Vec::new();
    for gateway in gateways {
        let own = gateway.listeners.iter().filter(|listener| listener.serves_http);
        let before = listeners.len();
        listeners.extend(own.map(|listener| topology::Listener {
            gateway: gateway.path(),
            name: listener.name.value.clone(),
            port: listener.port,
            hostname: listener.hostname.clone(),
            tls: listener.secure.as_ref().and_then(|secure| certificate(secure, gateway, links)),
        }));
        if before == listeners.len() && !gateway.listeners.is_empty() {
            let message = format!("the Gateway `{}` has no listener that serves HTTP", gateway.name.value);
            links.log.push(Diagnostic::error(message).at(gateway.name.place, "serves nothing"));
        }
    }
    one_protocol_a_port(gateways, links);
    listeners
}

/// The certificate of a listener that serves HTTPS. None in a lab, and where its reference leads nowhere.
fn certificate(secure: &Secure, gateway: &Gateway, links: &Links<'_>) -> Option<Identity> {
    if !links.hosts.are_called() {
        links.log.push(no_tls_in_a_lab(secure.place));
        return None;
    }
    let Some(secret) = &secure.secret else {
        let diagnostic = Diagnostic::error("a listener for HTTPS needs a certificate").at(secure.place, "has none");
        links.log.push(diagnostic.help("write `tls: { certificateRefs: [{ name: SECRET }] }` beside it"));
        return None;
    };
    tls::identity(secret, secure.namespace.as_deref().unwrap_or(&gateway.namespace), links)
}

/// The warning for a listener that would serve TLS.
pub(super) fn no_tls_in_a_lab(place: Place) -> Diagnostic {
    let diagnostic = Diagnostic::warning("a lab speaks no TLS: this listener serves plain HTTP");
    diagnostic.at(place, "not modelled").help("`labsim gateway`, which is called for real, serves HTTPS")
}

/// A port is either encrypted or not.
fn one_protocol_a_port(gateways: &[Gateway], links: &Links<'_>) {
    let all: Vec<&Listener> = gateways.iter().flat_map(|one| &one.listeners).filter(|one| one.serves_http).collect();
    for (index, secure) in all.iter().enumerate().filter(|(_, listener)| listener.secure.is_some()) {
        let plain = all.iter().enumerate().find(|(_, other)| other.port == secure.port && other.secure.is_none());
        if let Some((other_index, plain)) = plain {
            let later = if index > other_index { secure } else { plain };
            links.log.push(
                Diagnostic::error(format!("HTTP and HTTPS are both to be served at the port {}", secure.port))
                    .at(later.name.place, "give it a port of its own"),
            );
        }
    }
}

/// The listener that is there when nothing describes one.
pub(super) fn implied() -> topology::Listener {
    topology::Listener {
        gateway: format!("{}/{IMPLIED_GATEWAY}", super::object::DEFAULT_NAMESPACE),
        name: IMPLIED_NAME.to_owned(),
        port: IMPLIED_PORT,
        hostname: None,
        tls: None,
    }
}

impl Gateway {
    /// Namespace and name, as listeners speak of it.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name.value)
    }
}
