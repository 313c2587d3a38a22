//! Timeouts of a rule.

use std::time::Duration;

use crate::kube::fields::Fields;
use crate::source::{Diagnostic, Spanned};

/// Reads `timeouts`: for the request, and for one attempt at a backend. Zero means none.
pub(super) fn read(fields: &Fields<'_>) -> (Option<Duration>, Option<Duration>) {
    let (request, attempt) = (fields.gateway_duration("request"), fields.gateway_duration("backendRequest"));
    if let (Some(request), Some(attempt)) = (&request, &attempt)
        && !request.value.is_zero()
        && attempt.value > request.value
    {
        fields.log().push(
            Diagnostic::error("`backendRequest` is longer than `request`")
                .at(attempt.place, "longer")
                .note_at(request.place, "than the whole request"),
        );
    }
    let some = |duration: Option<Spanned<Duration>>| duration.map(|one| one.value).filter(|one| !one.is_zero());
    (some(request), some(attempt))
}
