//! Which kinds of Kubernetes objects there are, and what labsim makes of each.

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
    /// Settings; roots of certificates among them.
    ConfigMap,
    /// Listeners.
    Gateway,
    /// Routes.
    HttpRoute,
    /// Providers by priority.
    Backend,
    /// What is changed about others.
    Policy,
    /// How TLS is spoken to Services.
    BackendTls,
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
    kind("ConfigMap", "", &["v1"], Role::ConfigMap),
    kind("List", "", &["v1"], Role::List),
    kind("Gateway", GATEWAY_API, &["v1", "v1beta1"], Role::Gateway),
    kind("HTTPRoute", GATEWAY_API, &["v1", "v1beta1"], Role::HttpRoute),
    kind("BackendTLSPolicy", GATEWAY_API, &["v1", "v1alpha3"], Role::BackendTls),
    kind("AgentgatewayBackend", AGENTGATEWAY, &["v1alpha1"], Role::Backend),
    kind("EnterpriseAgentgatewayBackend", ENTERPRISE, &["v1alpha1"], Role::Backend),
    kind("AgentgatewayParameters", AGENTGATEWAY, &["v1alpha1"], Role::Parameters),
    kind("EnterpriseAgentgatewayParameters", ENTERPRISE, &["v1alpha1"], Role::Parameters),
    kind("AgentgatewayPolicy", AGENTGATEWAY, &["v1alpha1"], Role::Policy),
    kind("EnterpriseAgentgatewayPolicy", ENTERPRISE, &["v1alpha1"], Role::Policy),
    other("Endpoints", ""),
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
    pub(super) fn schema(&self) -> &'static str {
        match self.role {
            Role::Backend => "AgentgatewayBackend",
            Role::Policy => "AgentgatewayPolicy",
            Role::Parameters => "AgentgatewayParameters",
            _ => self.name,
        }
    }

    /// Every `apiVersion` in which labsim reads it; none where the group alone counts.
    pub(super) fn api_versions(&self) -> Vec<String> {
        let join = |version: &&str| match self.group {
            "" => (*version).to_owned(),
            group => format!("{group}/{version}"),
        };
        self.versions.iter().map(join).collect()
    }

    /// Whether it is in this `apiVersion`.
    pub(super) fn is_in(&self, api_version: &str) -> bool {
        let (group, version) = split(api_version);
        group == self.group && (self.versions.is_empty() || self.versions.contains(&version))
    }
}

/// Group and version of an `apiVersion`; the core's group is empty.
pub(super) fn split(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}
