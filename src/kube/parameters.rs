//! `AgentgatewayParameters` and its Enterprise twin: how many replicas the gateway has.

use super::fields::Log;
use super::object::Object;
use crate::source::{Diagnostic, Spanned};

/// More replicas than this are no lab.
const MAX_REPLICAS: u64 = 100;

/// Reads the number of replicas, if the manifest says it. What `kubectl patch` takes is enough.
pub(super) fn read(object: &Object<'_>) -> Option<Spanned<u32>> {
    let spec = object.fields.map("spec")?;
    let deployment = spec.map("deployment")?;
    let replicas = deployment.map("spec")?.number("replicas", 1..=MAX_REPLICAS)?;
    u32::try_from(replicas.value).ok().map(|number| Spanned::new(number, replicas.place))
}

/// The number that counts: the last.
pub(super) fn link(given: Vec<Spanned<u32>>, log: &Log<'_>) -> Option<Spanned<u32>> {
    let mut given = given.into_iter().rev();
    let last = given.next()?;
    if let Some(earlier) = given.find(|earlier| earlier.value != last.value) {
        log.push(
            Diagnostic::warning("two manifests say how many replicas the gateway has; the last one counts")
                .at(earlier.place, "has no effect")
                .note_at(last.place, "counts"),
        );
    }
    Some(last)
}
