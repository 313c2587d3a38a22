//! When a provider is unhealthy and evicted.

use super::condition;
use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Spanned};
use crate::topology::{EvictionPolicy, HealthPolicy};

/// Reads `health`.
pub(in crate::kube) fn health(fields: &Fields<'_>) -> HealthPolicy {
    HealthPolicy {
        unhealthy: condition(fields, "unhealthyCondition"),
        eviction: fields.map("eviction").map(|fields| eviction(&fields)),
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
        fields.log().push(diagnostic.help("leave it out, and every failure evicts"));
    }
    EvictionPolicy {
        duration: duration.map(|duration| duration.value),
        consecutive_failures: failures.and_then(|failures| u32::try_from(failures.value).ok()),
        health_threshold: share(fields, "healthThreshold"),
        restore_health: share(fields, "restoreHealth"),
    }
}

/// A number from 0 to 100 as a share of 1.
fn share(fields: &Fields<'_>, name: &'static str) -> Option<f64> {
    let Spanned { value, .. } = fields.number(name, 0..=100)?;
    u32::try_from(value).ok().map(|percent| f64::from(percent) / 100.0)
}
