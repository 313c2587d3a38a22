//! What every manifest has: kind, name, namespace. And which kinds there are.

use std::collections::BTreeMap;

use super::fields::{Fields, Log, did_you_mean, list};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Node, Place, Spanned, Value};

/// A manifest whose kind labsim models, before its `spec` is read.
pub(super) struct Object<'r> {
    /// What it is.
    pub(super) kind: &'static Kind,
    /// Its name; empty if that is missing, which no reference ever matches.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its fields at the top.
    pub(super) fields: Fields<'r>,
}

/// A kind of Kubernetes object.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name.
    pub(super) name: &'static str,
    /// The group of its API; empty for the core.
    pub(super) group: &'static str,
    /// The versions that labsim reads; any where there are none.
    versions: &'static [&'static str],
    /// What labsim makes of it.
    pub(super) role: Role,
}

/// What labsim makes of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Pods: a simulator, perhaps.
    Deployment,
    /// A name for pods.
    Service,
    /// Credentials.
    Secret,
    /// Listeners.
    Gateway,
    /// Routes.
    HttpRoute,
    /// Providers by priority.
    Backend,
    /// How the gateway is deployed.
    Parameters,
    /// A list of objects.
    List,
    /// Nothing.
    NotModelled,
}

/// The group of the gateway's own API.
pub(super) const AGENTGATEWAY: &str = "agentgateway.dev";
/// The group of its enterprise edition.
pub(super) const ENTERPRISE: &str = "enterpriseagentgateway.solo.io";
/// The group of the Gateway API.
pub(super) const GATEWAY_API: &str = "gateway.networking.k8s.io";
/// Where an object is that does not say.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

const fn kind(name: &'static str, group: &'static str, versions: &'static [&'static str], role: Role) -> Kind {
    Kind { name, group, versions, role }
}

const fn other(name: &'static str, group: &'static str) -> Kind {
    kind(name, group, &[], Role::NotModelled)
}

/// Every kind that labsim knows.
pub(super) static KINDS: &[Kind] = &[
    kind("Deployment", "apps", &["v1"], Role::Deployment),
    kind("Service", "", &["v1"], Role::Service),
    kind("Secret", "", &["v1"], Role::Secret),
    kind("List", "", &["v1"], Role::List),
    kind("Gateway", GATEWAY_API, &["v1", "v1beta1"], Role::Gateway),
    kind("HTTPRoute", GATEWAY_API, &["v1", "v1beta1"], Role::HttpRoute),
    kind("AgentgatewayBackend", AGENTGATEWAY, &["v1alpha1"], Role::Backend),
    kind("EnterpriseAgentgatewayBackend", ENTERPRISE, &["v1alpha1"], Role::Backend),
    kind("AgentgatewayParameters", AGENTGATEWAY, &["v1alpha1"], Role::Parameters),
    kind("EnterpriseAgentgatewayParameters", ENTERPRISE, &["v1alpha1"], Role::Parameters),
    other("AgentgatewayPolicy", AGENTGATEWAY),
    other("EnterpriseAgentgatewayPolicy", ENTERPRISE),
    other("ConfigMap", ""),
    other("Endpoints", ""),
    other("Event", ""),
    other("LimitRange", ""),
    other("Namespace", ""),
    other("Node", ""),
    other("PersistentVolume", ""),
    other("PersistentVolumeClaim", ""),
    other("Pod", ""),
    other("ResourceQuota", ""),
    other("ServiceAccount", ""),
    other("DaemonSet", "apps"),
    other("ReplicaSet", "apps"),
    other("StatefulSet", "apps"),
    other("HorizontalPodAutoscaler", "autoscaling"),
    other("CronJob", "batch"),
    other("Job", "batch"),
    other("EndpointSlice", "discovery.k8s.io"),
    other("Ingress", "networking.k8s.io"),
    other("NetworkPolicy", "networking.k8s.io"),
    other("PodDisruptionBudget", "policy"),
    other("ClusterRole", "rbac.authorization.k8s.io"),
    other("ClusterRoleBinding", "rbac.authorization.k8s.io"),
    other("Role", "rbac.authorization.k8s.io"),
    other("RoleBinding", "rbac.authorization.k8s.io"),
    other("PriorityClass", "scheduling.k8s.io"),
    other("CustomResourceDefinition", "apiextensions.k8s.io"),
    other("BackendTLSPolicy", GATEWAY_API),
    other("GRPCRoute", GATEWAY_API),
    other("GatewayClass", GATEWAY_API),
    other("ListenerSet", GATEWAY_API),
    other("ReferenceGrant", GATEWAY_API),
    other("TCPRoute", GATEWAY_API),
    other("TLSRoute", GATEWAY_API),
    other("UDPRoute", GATEWAY_API),
    other("InferencePool", "inference.networking.k8s.io"),
    other("Backend", "gateway.kgateway.dev"),
    other("DirectResponse", "gateway.kgateway.dev"),
    other("GatewayExtension", "gateway.kgateway.dev"),
    other("GatewayParameters", "gateway.kgateway.dev"),
    other("HTTPListenerPolicy", "gateway.kgateway.dev"),
    other("TrafficPolicy", "gateway.kgateway.dev"),
    other("PodMonitor", "monitoring.coreos.com"),
    other("PrometheusRule", "monitoring.coreos.com"),
    other("ServiceMonitor", "monitoring.coreos.com"),
];

impl Kind {
    /// The kind whose fields the schema table has: the Enterprise kinds have the shape of the others.
    fn schema(&self) -> &'static str {
        match self.role {
            Role::Backend => "AgentgatewayBackend",
            Role::Parameters => "AgentgatewayParameters",
            _ => self.name,
        }
    }

    fn api_version(&self) -> String {
        match (self.group, self.versions.first().copied().unwrap_or("v1")) {
            ("", version) => version.to_owned(),
            (group, version) => format!("{group}/{version}"),
        }
    }

    fn has(&self, api_version: &str) -> bool {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        group == self.group && (self.versions.is_empty() || self.versions.contains(&version))
    }
}

impl Object<'_> {
    /// Whether Kubernetes would take `other` for this object.
    pub(super) fn is_same(&self, other: &Object<'_>) -> bool {
        std::ptr::eq(self.kind, other.kind) && self.name.value == other.name.value && self.namespace == other.namespace
    }
}

/// Finds the objects in a document: one, or the items of a `List`.
pub(super) fn objects<'r>(log: &'r Log<'r>, node: &'r Node, found: &mut Vec<Object<'r>>) {
    let Some((kind, kind_place)) = kind_of(log, node) else { return };
    match kind.role {
        Role::NotModelled => log.push(
            Diagnostic::warning(format!("labsim does not model the kind {}; this manifest has no effect", kind.name))
                .at(kind_place, "not modelled"),
        ),
        Role::List => match node.get("items").map(|items| &items.value) {
            Some(Value::Seq(items)) => items.iter().for_each(|item| objects(log, item, found)),
            None | Some(Value::Null) => {}
            Some(_) => log.push(Diagnostic::error("`items` must be a list").at(kind_place, "of this list")),
        },
        _ => found.push(object(log, node, kind, kind_place)),
    }
}

/// The kind of a document, or an error that says why it has none.
fn kind_of(log: &Log<'_>, node: &Node) -> Option<(&'static Kind, Place)> {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("a manifest must be a map with `apiVersion` and `kind`, found {}", node.kind());
        log.push(Diagnostic::error(message).at(node.place, "not a manifest"));
        return None;
    }
    let api_version = header(log, node, "apiVersion");
    let (kind_text, kind_place) = header(log, node, "kind")?;
    let Some(kind) = KINDS.iter().find(|kind| kind.name == kind_text) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let diagnostic =
            Diagnostic::error(format!("unknown kind `{kind_text}`")).at(kind_place, "labsim knows no such kind");
        log.push(match nearest(kind_text, names.iter().copied()) {
            Some(_) => diagnostic.suggest(kind_text, names),
            None => diagnostic.help(format!("labsim reads {}", list(&modelled()))),
        });
        return None;
    };
    let (api_version, api_place) = api_version?;
    if !kind.has(api_version) {
        let known: Vec<String> = match kind.versions {
            [] => vec![kind.api_version()],
            versions => versions.iter().map(|version| kind_version(kind, version)).collect(),
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let diagnostic = Diagnostic::error(format!("{} is not in `{api_version}`", kind.name))
            .at(api_place, format!("no {} here", kind.name))
            .note_at(kind_place, "this kind");
        log.push(match known.as_slice() {
            [only] => diagnostic.help(format!("write `apiVersion: {only}`")),
            several => did_you_mean(diagnostic, api_version, several),
        });
        return None;
    }
    Some((kind, kind_place))
}

fn kind_version(kind: &Kind, version: &str) -> String {
    if kind.group.is_empty() { version.to_owned() } else { format!("{}/{version}", kind.group) }
}

fn modelled() -> Vec<&'static str> {
    KINDS.iter().filter(|kind| kind.role != Role::NotModelled).map(|kind| kind.name).collect()
}

/// `apiVersion` or `kind`.
fn header<'n>(log: &Log<'_>, node: &'n Node, name: &str) -> Option<(&'n str, Place)> {
    let entries = node.entries();
    let Some(entry) = entries.iter().find(|entry| entry.key == name) else {
        let place = entries.first().map_or(node.place, |entry| entry.key_place);
        let diagnostic = Diagnostic::error(format!("`{name}` is missing here")).at(place, "this manifest");
        let near = entries.iter().find(|entry| nearest(&entry.key, [name]).is_some());
        log.push(match near {
            None => diagnostic.help(format!("every Kubernetes manifest has `{name}`")),
            Some(entry) => Diagnostic::error(format!("unknown field `{}`", entry.key))
                .at(entry.key_place, "there is no such field")
                .suggest(&entry.key, [name]),
        });
        return None;
    };
    match entry.value.as_str() {
        Some(text) => Some((text, entry.value.place)),
        None => {
            let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
            let message = format!("`{name}` must be text, found {}", entry.value.kind());
            log.push(Diagnostic::error(message).at(place, "expected text"));
            None
        }
    }
}

fn object<'r>(log: &'r Log<'r>, node: &'r Node, kind: &'static Kind, kind_place: Place) -> Object<'r> {
    let fields = Fields::document(log, node, kind_place, kind.schema());
    let metadata = fields.need_map("metadata");
    let name = metadata.as_ref().and_then(|metadata| dns_name(metadata, "name"));
    let namespace = metadata
        .as_ref()
        .filter(|metadata| metadata.find("namespace").is_some())
        .and_then(|metadata| dns_name(metadata, "namespace"))
        .map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |namespace| namespace.value);
    let name = name.unwrap_or_else(|| Spanned::new(String::new(), kind_place));
    Object { kind, name, namespace, fields }
}

/// A name that must be there and be one that Kubernetes takes.
pub(super) fn dns_name(fields: &Fields<'_>, field: &'static str) -> Option<Spanned<String>> {
    let name = fields.need_text(field)?;
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    if !(ends(bytes.first().copied()) && ends(bytes.last().copied()) && bytes.iter().copied().all(inside)) {
        fields.log().push(
            Diagnostic::error(format!("`{}` is not a name that Kubernetes takes", name.value))
                .at(name.place, "not a name")
                .help("lower-case letters, digits, `-` and `.`, with a letter or digit at both ends"),
        );
    }
    Some(name)
}

/// The error for a reference to an object that is not there.
pub(super) fn dangling<'a>(
    what: &str,
    name: &Spanned<String>,
    namespace: &str,
    known: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Diagnostic {
    let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (namespace, name) in known {
        by_namespace.entry(namespace).or_default().push(name);
    }
    let diagnostic = Diagnostic::error(format!("there is no {what} `{}` in namespace `{namespace}`", name.value))
        .at(name.place, "dangling reference");
    let here = by_namespace.remove(namespace).unwrap_or_default();
    if nearest(&name.value, here.iter().copied()).is_some() {
        return diagnostic.suggest(&name.value, here);
    }
    if let Some((elsewhere, _)) = by_namespace.iter().find(|(_, names)| names.contains(&name.value.as_str())) {
        return diagnostic.help(format!("there is one in namespace `{elsewhere}`"));
    }
    let all =
        by_namespace.iter().flat_map(|(namespace, names)| names.iter().map(move |name| format!("{namespace}/{name}")));
    let all: Vec<String> = here.iter().map(|name| (*name).to_owned()).chain(all).collect();
    if all.is_empty() {
        return diagnostic.help(format!("no manifest has the kind {what}"));
    }
    diagnostic.help(format!("known here: {}", list(&all)))
}
