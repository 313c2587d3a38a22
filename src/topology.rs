//! What stands where: the simulators, the names, the gateway's routes and backends.
//!
//! Plain data, made by `kube` from manifests and used by `lab` to build the world and by `gateway`
//! to decide. Nothing here knows a network or a clock.

pub mod bug;
pub mod cel;
pub mod personality;
pub mod policy;
pub mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::source::{FileId, Origin, Place, Spanned};
pub use bug::{BUGS, Bug};
pub use cel::Condition;
pub use personality::{Personality, UnknownPersonality};
pub use policy::{EvictionPolicy, HealthPolicy, RateLimit, RateUnit, Retry};
pub use tls::{Identity, Pem, Tls, Verify};

/// A host name and a port, such as `api.openai.com:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Authority {
    /// Host name, lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Everything that a lab's manifests describe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// Simulators, in the order of the manifests.
    pub simulators: Vec<Simulator>,
    /// Names of the lab's DNS.
    pub services: Vec<Service>,
    /// Listeners of the gateway; never empty once manifests are loaded.
    pub listeners: Vec<Listener>,
    /// Routes, in the order of the manifests.
    pub routes: Vec<Route>,
    /// Backends, in the order of the manifests.
    pub backends: Vec<Backend>,
    /// Replicas of the gateway, where a manifest says how many.
    pub replicas: Option<Spanned<u32>>,
    /// Where the fake OpenAI answers besides its own address.
    pub openai: Vec<Authority>,
    /// Where traces go, if the configuration says so.
    pub tracing: Option<Tracing>,
    /// Where the configuration turns the access log off and nothing else looks at requests: some versions
    /// then account none.
    pub unlogged: Option<Place>,
    /// Whether the access log is JSON, where such a configuration says so.
    pub json_log: bool,
    /// The files that are agentgateway's own configuration, and no manifests.
    pub own_files: Vec<FileId>,
}

/// Where the gateway sends its traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// A collector that takes them.
    pub collector: Authority,
    /// Whether it is spoken to in gRPC, rather than over plain HTTP.
    pub grpc: bool,
    /// Which of the requests that begin a trace are traced.
    pub random: Sampling,
    /// Which of the requests of a client's trace are.
    pub client: Sampling,
}

/// How many of a million requests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling(pub u32);

impl Sampling {
    /// Every request.
    pub const ALL: Self = Self(1_000_000);
    /// No request.
    pub const NONE: Self = Self(0);
}

/// A deployment of the vLLM simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulator {
    /// Name of the deployment.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// How many pods.
    pub replicas: u32,
    /// The container's command line, unchanged.
    pub args: Vec<Spanned<String>>,
    /// The container's environment. The downward API's `metadata.name` is [`POD_NAME_PLACEHOLDER`]
    /// here, since each pod has its own.
    pub env: BTreeMap<String, String>,
    /// Where the deployment stands.
    pub place: Place,
}

/// Stands for the pod's own name in a simulator's environment until the pod is named.
pub const POD_NAME_PLACEHOLDER: &str = "$(pod-name)";

/// One port of a Kubernetes Service: a name that leads to a simulator's pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Name of the Service, or a host by its full name or address.
    pub name: String,
    /// Namespace; empty for a host that is no Kubernetes Service.
    pub namespace: String,
    /// The Service's port.
    pub port: u16,
    /// Index of the simulator that its selector picks.
    pub simulator: usize,
    /// The pods' port.
    pub target_port: u16,
    /// Where the port stands in the manifest.
    pub place: Place,
}

/// A listener of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Name of the Gateway that has it, as `namespace/name`.
    pub gateway: String,
    /// Name of the listener.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// Host that it serves, possibly with a leading `*.`; all where absent.
    pub hostname: Option<String>,
    /// The certificate with which it serves TLS, if it does; never in a lab, whose gateway speaks none.
    pub tls: Option<Identity>,
}

/// An HTTP route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Name of the route.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Indices of the listeners that it is attached to.
    pub listeners: Vec<usize>,
    /// Hosts that it serves; all where empty.
    pub hostnames: Vec<String>,
    /// Rules, in order.
    pub rules: Vec<Rule>,
    /// Where its name stands.
    pub place: Place,
}

/// A rule of a route: what it matches, what it changes, where it leads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// Its own name, if it has one.
    pub name: Option<String>,
    /// Any of these must match; empty means everything.
    pub matches: Vec<RouteMatch>,
    /// Filters, in order.
    pub filters: Vec<Filter>,
    /// Backends with their weights.
    pub backends: Vec<WeightedBackend>,
    /// From the request's arrival to the end of the response.
    pub request_timeout: Option<Duration>,
    /// One attempt at a backend.
    pub backend_request_timeout: Option<Duration>,
    /// When a request is tried again; never where absent.
    pub retry: Option<Retry>,
    /// Limits that a request must pass, in order.
    pub rate_limits: Vec<RateLimit>,
    /// Health policy of its backends that have none of their own.
    pub health: Option<HealthPolicy>,
    /// Where the rule stands.
    pub origin: Origin,
    /// Where its timeouts stand.
    pub timeout_origin: Origin,
}

/// A reference to a backend from a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedBackend {
    /// Index into [`Topology::backends`].
    pub backend: usize,
    /// Share among the rule's backends; 0 takes none.
    pub weight: u32,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default)]
pub struct RouteMatch {
    /// Path; any where absent.
    pub path: Option<PathMatch>,
    /// Headers, all of which must match.
    pub headers: Vec<(String, TextMatch)>,
    /// Query parameters, all of which must match.
    pub query: Vec<(String, TextMatch)>,
    /// Method; any where absent.
    pub method: Option<String>,
}

/// How a path is matched.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// A prefix of whole path segments.
    Prefix(String),
    /// A regular expression over the whole path.
    Regex(regex::Regex),
}

/// How a header or query parameter is matched.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// The whole value.
    Exact(String),
    /// A regular expression over the whole value.
    Regex(regex::Regex),
}

/// A change to a request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Changes the request's headers.
    RequestHeaders(HeaderChange),
    /// Changes the response's headers, whatever its status.
    ResponseHeaders(HeaderChange),
    /// Rewrites host and path.
    UrlRewrite {
        /// The new host.
        hostname: Option<String>,
        /// The new path.
        path: Option<PathRewrite>,
    },
    /// Answers in place of a backend, with a status and a body.
    DirectResponse {
        /// The status, 200 to 599.
        status: u16,
        /// The body.
        body: String,
    },
    /// Answers in place of a backend, with another address.
    Redirect {
        /// `http` or `https`; the request's where absent.
        scheme: Option<String>,
        /// The new host; the request's where absent.
        hostname: Option<String>,
        /// The new port.
        port: Option<u16>,
        /// The new path; the request's where absent.
        path: Option<PathRewrite>,
        /// The status: 301, 302, 303, 307 or 308.
        status: u16,
    },
}

/// How a path is rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path becomes this.
    Full(String),
    /// The matched prefix becomes this.
    Prefix(String),
}

/// Header changes. The Gateway API leaves their order open; agentgateway adds, then sets, then removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChange {
    /// Replaces all values.
    pub set: Vec<(String, String)>,
    /// Adds one more value after those that are there.
    pub add: Vec<(String, String)>,
    /// Removes all values.
    pub remove: Vec<String>,
    /// Where it stands.
    pub origin: Origin,
}

/// An AI backend: groups of providers by priority.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Name of the backend.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Groups, the preferred one first.
    pub groups: Vec<Group>,
    /// When its providers are evicted.
    pub health: Option<HealthPolicy>,
    /// The part of that which stands in the backend itself, and not in a policy aimed at it.
    pub own_health: Option<HealthPolicy>,
    /// What metrics call it since 1.2, where that is not its full name.
    pub label: Option<String>,
    /// Where its name stands.
    pub place: Place,
}

/// Providers of equal priority.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// The providers.
    pub providers: Vec<Provider>,
}

/// One provider of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its name, unique in its backend.
    pub name: Spanned<String>,
    /// The model that takes the place of the client's.
    pub model: Option<String>,
    /// Where it is.
    pub endpoint: Authority,
    /// The path that takes the place of the client's.
    pub path: String,
    /// Whether the client's query stays behind it: where only the path's beginning is said, or nothing of it.
    pub keeps_query: bool,
    /// Which credential it is sent.
    pub auth: Auth,
    /// Whether it is OpenAI itself, since no host is given.
    pub is_openai: bool,
    /// When it is evicted, in place of its backend's policy; not every version heeds it.
    pub health: Option<HealthPolicy>,
    /// How long connecting to it may take.
    pub connect_timeout: Option<Duration>,
    /// Whether it is spoken to in HTTP/2 without TLS (h2c), rather than in HTTP/1.1.
    pub h2c: bool,
    /// Whether policies have it spoken to in HTTP/2, or in HTTP/1.1; where absent, it is as its Service or TLS has it.
    pub http2: Option<bool>,
    /// How it is called over TLS, if it is; never in a lab, whose hosts speak none.
    pub tls: Option<Arc<Tls>>,
    /// The part of this that stands in the backend itself.
    pub own: Own,
}

/// What a backend itself says of one of its providers, without what policies say that are aimed at it from elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Own {
    /// When it is evicted.
    pub health: Option<HealthPolicy>,
    /// Which credential it is sent.
    pub auth: Auth,
    /// How long connecting to it may take.
    pub connect_timeout: Option<Duration>,
    /// How it is called over TLS.
    pub tls: Option<Arc<Tls>>,
}

/// Which credential a provider is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// None of its own: the client's, where the personality passes it on, or else none at all.
    #[default]
    None,
    /// The client's own `Authorization`.
    Passthrough,
    /// A credential of the provider's.
    Credential(Credential),
}

/// A credential with the reference by which events speak of it. Neither `Debug` nor any
/// serialisation shows the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name: `secret:openai-secret/Authorization`.
    pub reference: String,
    value: String,
}

impl Authority {
    /// A host and a port; the host becomes lower case.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into().to_ascii_lowercase(), port }
    }

    /// OpenAI's own address, which in a lab is only a label.
    #[must_use]
    pub fn openai() -> Self {
        Self::new("api.openai.com", 443)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Credential {
    /// A credential from what a Secret or a manifest holds: `Bearer sk-…` or the bare key.
    #[must_use]
    pub fn new(reference: impl Into<String>, value: &str) -> Self {
        let trimmed = value.trim();
        let bare = match trimmed.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => trimmed[7..].trim(),
            _ => trimmed,
        };
        Self { reference: reference.into(), value: bare.to_owned() }
    }

    /// The bare key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.value
    }

    /// The value of the `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.value)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.reference)
    }
}

impl Simulator {
    /// The name of its `index`th pod.
    #[must_use]
    pub fn pod_name(&self, index: u32) -> String {
        format!("{}-{index}", self.name)
    }
}

impl Simulator {
    /// Whether the two are the same pods with the same command line.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let args = |one: &Self| one.args.iter().map(|arg| arg.value.clone()).collect::<Vec<_>>();
        self.replicas == other.replicas && args(self) == args(other) && self.env == other.env
    }
}

impl Service {
    /// Every name under which the Service is found: short, with namespace, and fully qualified.
    #[must_use]
    pub fn names(&self) -> Vec<Authority> {
        let Self { name, namespace, port, .. } = self;
        if namespace.is_empty() {
            return vec![Authority::new(name.clone(), *port)];
        }
        [
            name.clone(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ]
        .into_iter()
        .map(|host| Authority::new(host, *port))
        .collect()
    }
}

impl Backend {
    /// All providers with the index of their group, the preferred group first.
    pub fn providers(&self) -> impl Iterator<Item = (usize, &Provider)> {
        self.groups
            .iter()
            .enumerate()
            .flat_map(|(index, group)| group.providers.iter().map(move |provider| (index, provider)))
    }
}

impl Backend {
    /// Its name as `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the two go by one name.
    #[must_use]
    pub fn is_named(&self, other: &Self) -> bool {
        (&self.namespace, &self.name) == (&other.namespace, &other.name)
    }

    /// Whether the two are written alike: the same providers in the same groups, with the same policies of
    /// their own. Policies that are aimed at them from elsewhere do not count.
    #[must_use]
    pub fn is_unchanged(&self, other: &Self) -> bool {
        let same = |(one, two): (&Group, &Group)| {
            one.providers.len() == two.providers.len()
                && one
                    .providers
                    .iter()
                    .zip(&two.providers)
                    .all(|(one, two)| one.name.value == two.name.value && one.is_same(two) && one.own == two.own)
        };
        let alike = self.groups.len() == other.groups.len() && self.own_health == other.own_health;
        alike && self.groups.iter().zip(&other.groups).all(same)
    }
}

impl Provider {
    /// Whether the two are asked the same way at the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.endpoint, &self.model, &self.path) == (&other.endpoint, &other.model, &other.path)
    }
}

impl PartialEq for RouteMatch {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.headers, &self.query, &self.method)
            == (&other.path, &other.headers, &other.query, &other.method)
    }
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(two)) | (Self::Prefix(one), Self::Prefix(two)) => one == two,
            (Self::Regex(one), Self::Regex(two)) => one.as_str() == two.as_str(),
            _ => false,
        }
    }
}

impl TextMatch {
    /// Whether `value` matches as a whole.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == value,
            Self::Regex(regex) => regex.find(value).is_some_and(|found| found.range() == (0..value.len())),
        }
    }
}

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(two)) => one == two,
            (Self::Regex(one), Self::Regex(two)) => one.as_str() == two.as_str(),
            _ => false,
        }
    }
}
