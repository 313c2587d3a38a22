//! What a configuration calls the things that findings speak of: Kubernetes' manifests and agentgateway's own
//! configuration have other words for some.

/// The words of one of them.
pub(super) struct Words {
    /// The expression of a health policy.
    pub(super) condition: &'static str,
    /// Where the policy of a backend stands.
    pub(super) in_a_policy: &'static str,
    /// What has a policy be for the whole of this backend.
    pub(super) for_the_whole: fn(&str) -> String,
    /// Both timeouts of a rule, as an example.
    pub(super) timeouts: &'static str,
    /// The timeout of a request.
    pub(super) request_timeout: &'static str,
    /// The timeout of an attempt.
    pub(super) attempt_timeout: &'static str,
    /// A provider's credential, as an example.
    pub(super) credential: &'static str,
    /// Where the rule of a route names a backend.
    pub(super) in_a_route: &'static str,
    /// What adds a header to responses.
    pub(super) response_filter: &'static str,
}

/// Those of Kubernetes' manifests.
pub(super) const KUBERNETES: Words = Words {
    condition: "unhealthyCondition",
    in_a_policy: "in an AgentgatewayPolicy",
    for_the_whole: |backend| format!("let the policy be for the whole backend `{backend}` (no `sectionName`)"),
    timeouts: "timeouts: { request: 60s, backendRequest: 20s }",
    request_timeout: "request",
    attempt_timeout: "backendRequest",
    credential: "auth: { secretRef: { name: … } }",
    in_a_route: "under `backendRefs` of an HTTPRoute",
    response_filter: "a ResponseHeaderModifier",
};

/// Those of agentgateway's own configuration.
pub(super) const STANDALONE: Words = Words {
    condition: "unhealthyExpression",
    in_a_policy: "under its `policies`",
    for_the_whole: |backend| format!("let the policy stand under the `policies` of the whole backend `{backend}`"),
    timeouts: "timeout: { requestTimeout: 60s, backendRequestTimeout: 20s }",
    request_timeout: "requestTimeout",
    attempt_timeout: "backendRequestTimeout",
    credential: "backendAuth: { key: … }",
    in_a_route: "under the `backends` of a route",
    response_filter: "`responseHeaderModifier`",
};
