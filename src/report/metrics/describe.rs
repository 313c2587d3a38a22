//! The families: names, what they say, and bounds of buckets.

use super::super::prometheus::{self, Description};

/// The `Content-Type` under which metrics are served.
pub const CONTENT_TYPE: &str = prometheus::CONTENT_TYPE;

const REQUEST_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 80.0];
const GEN_AI_SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const EACH_TOKEN_SECONDS: &[f64] = &[0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
/// Powers of four.
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

pub(super) const REQUESTS: Description =
    Description::counter("agentgateway_requests_total", "Requests that the gateway has ended");
pub(super) const REQUEST_DURATION: Description = Description::histogram(
    "agentgateway_request_duration_seconds",
    "From reading a request's head to the end of the answer",
    REQUEST_SECONDS,
);
pub(super) const RESPONSE_BYTES: Description =
    Description::counter("agentgateway_response_bytes_total", "Bytes of answers");
pub(super) const RETRIES: Description =
    Description::counter("agentgateway_retries_total", "Attempts after the first, by the final status");
pub(super) const GEN_AI_TOKENS: Description =
    Description::histogram("agentgateway_gen_ai_client_token_usage", "Tokens of a request by type", TOKENS);
pub(super) const GEN_AI_DURATION: Description = Description::histogram(
    "agentgateway_gen_ai_server_request_duration",
    "Duration of a model's answer in seconds",
    GEN_AI_SECONDS,
);
pub(super) const GEN_AI_FIRST_TOKEN: Description = Description::histogram(
    "agentgateway_gen_ai_server_time_to_first_token",
    "Seconds to the first token of a stream",
    FIRST_TOKEN_SECONDS,
);
pub(super) const GEN_AI_EACH_TOKEN: Description = Description::histogram(
    "agentgateway_gen_ai_server_time_per_output_token",
    "Seconds for each token of a stream after its first",
    EACH_TOKEN_SECONDS,
);

pub(super) const BUILD: Description =
    Description::gauge("labsim_build_info", "Version of labsim and personality of its gateway");
pub(super) const HEALTH: Description =
    Description::gauge("labsim_provider_health", "Moving average of success, 0 to 1");
pub(super) const LATENCY: Description =
    Description::gauge("labsim_provider_latency_seconds", "Moving average of latency; 0 while unknown");
pub(super) const FAILURES: Description =
    Description::gauge("labsim_provider_consecutive_failures", "Failures since the last success");
pub(super) const TIMES_EJECTED: Description =
    Description::gauge("labsim_provider_times_ejected", "Evictions since the last success");
pub(super) const IN_FLIGHT: Description =
    Description::gauge("labsim_provider_in_flight_requests", "Attempts under way at a provider");
pub(super) const ACTIVE: Description =
    Description::gauge("labsim_provider_active", "1 while a provider may be chosen, 0 while it is evicted");
pub(super) const EVICTION_REMAINING: Description = Description::gauge(
    "labsim_provider_eviction_remaining_seconds",
    "Time until an eviction ends by its own deadline; 0 while a provider may be chosen",
);
pub(super) const EVICTIONS: Description =
    Description::counter("labsim_provider_evictions_total", "Evictions of a provider");
pub(super) const PROVIDER_REQUESTS: Description = Description::counter(
    "labsim_provider_requests_total",
    "Attempts at a provider by its status, or by how they broke",
);
pub(super) const SELECTED_GROUP: Description =
    Description::gauge("labsim_backend_selected_group", "Group, from 0, that was chosen from last");
pub(super) const GATEWAY_IN_FLIGHT: Description =
    Description::gauge("labsim_gateway_in_flight_requests", "Requests under way at a replica");
