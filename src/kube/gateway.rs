//! Gateway: the listeners that routes attach to.

use super::fields::{Fields, Log};
use super::object::Object;
use crate::source::{Diagnostic, Spanned};
use crate::topology;

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
    if let Some(protocol) = protocol.filter(|protocol| protocol.value != "HTTP") {
        let message = match protocol.value {
            "HTTPS" => "labsim does not model HTTPS; this listener serves plain HTTP".to_owned(),
            other => format!("labsim does not model {other}; this listener is not there"),
        };
        fields.log().push(Diagnostic::warning(message).at(protocol.place, "not modelled"));
        fields.find("tls");
    }
    Some(Listener { name: name?, port: port?.value, hostname, any_namespace, serves_http })
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
            self.listeners.push(Listener { name, port, hostname: None, any_namespace: true, serves_http: true });
        }
    }
}

/// All listeners in order, with the index of the first listener of each Gateway.
pub(super) fn link(gateways: &[Gateway], log: &Log<'_>) -> Vec<topology::Listener> {
    let mut listeners = Vec::new();
    for gateway in gateways {
        let own = gateway.listeners.iter().filter(|listener| listener.serves_http);
        let before = listeners.len();
        listeners.extend(own.map(|listener| topology::Listener {
            gateway: gateway.path(),
            name: listener.name.value.clone(),
            port: listener.port,
            hostname: listener.hostname.clone(),
        }));
        if before == listeners.len() && !gateway.listeners.is_empty() {
            let message = format!("the Gateway `{}` has no listener that serves HTTP", gateway.name.value);
            log.push(Diagnostic::error(message).at(gateway.name.place, "serves nothing"));
        }
    }
    listeners
}

/// The listener that is there when nothing describes one.
pub(super) fn implied() -> topology::Listener {
    topology::Listener {
        gateway: format!("{}/{IMPLIED_GATEWAY}", super::object::DEFAULT_NAMESPACE),
        name: IMPLIED_NAME.to_owned(),
        port: IMPLIED_PORT,
        hostname: None,
    }
}

impl Gateway {
    /// Namespace and name, as listeners speak of it.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name.value)
    }
}
