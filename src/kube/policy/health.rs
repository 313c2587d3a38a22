//! When a provider is unhealthy and evicted.

use std::time::Duration;

use super::condition;
use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Origin, Spanned};
use crate::topology::{EvictionPolicy, HealthPolicy};

/// What the published schema makes of a block without a `duration`: Kubernetes fills it in, and so no wait of a
/// provider's counts beside a block.
const DEFAULT_DURATION: Duration = Duration::from_secs(3);

/// Reads `health`.
pub(in crate::kube) fn health(fields: &Fields<'_>) -> HealthPolicy {
    HealthPolicy {
        unhealthy: condition(fields, "unhealthyCondition"),
        eviction: fields.map("eviction").map(|fields| eviction(&fields)),
        origin: fields.place().into(),
        unhealthy_origin: Origin(fields.find("unhealthyCondition").map(|entry| entry.value.place)),
    }
}

fn eviction(fields: &Fields<'_>) -> EvictionPolicy {
    let duration = fields.gateway_duration("duration");
    if let Some(short) = duration.as_ref().filter(|duration| duration.value.as_secs() < 1) {
        let diagnostic = Diagnostic::error("an eviction lasts at least a second").at(short.place, "too short");
        fields.log().push(diagnostic);
    }
    let failures = fields.number("consecutiveFailures", 0..=i32::MAX.unsigned_abs().into());
    if let Some(zero) = failures.as_ref().filter(|failures| failures.value == 0)
        && fields.find("healthThreshold").is_none()
    {
        let diagnostic = Diagnostic::warning("`consecutiveFailures: 0` never evicts").at(zero.place, "evicts nobody");
        fields.log().push(diagnostic.help("leave it out, and every failure evicts").code("never-evicts"));
    }
    EvictionPolicy {
        duration: Some(duration.as_ref().map_or(DEFAULT_DURATION, |duration| duration.value)),
        consecutive_failures: failures.and_then(|failures| u32::try_from(failures.value).ok()),
        health_threshold: share(fields, "healthThreshold"),
        restore_health: share(fields, "restoreHealth"),
        origin: duration.map_or(fields.place(), |duration| duration.place).into(),
    }
}

/// A number from 0 to 100 as a share of 1.
fn share(fields: &Fields<'_>, name: &'static str) -> Option<f64> {
    let Spanned { value, .. } = fields.number(name, 0..=100)?;
    u32::try_from(value).ok().map(|percent| f64::from(percent) / 100.0)
}
