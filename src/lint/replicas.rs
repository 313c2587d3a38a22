//! Several replicas of the gateway, and a test that assumes one: each learns of a failure for itself.

use super::Lint;
use super::view::View;
use crate::scenario::expect::Check;
use crate::scenario::pattern::{Answer, Item, Pattern, Piece, What};
use crate::scenario::step::{Order, Scale, Scaled, Send};
use crate::scenario::{Scenario, Spread, Step};
use crate::source::{Diagnostic, Place, Severity};

pub(super) const LINTS: [Lint; 1] = [Lint {
    code: "one-replica-assumed",
    severity: Severity::Warning,
    finds: "a pattern or a count that allows fewer failures than there are replicas, each of which learns for itself",
    fix: "`lab: { gateway: { replicas: 1 } }`, or room for a failure on each replica",
    check: one_assumed,
}];

fn one_assumed(view: &View<'_>) -> Vec<Diagnostic> {
    let Some(scenario) = view.scenario.filter(|scenario| scenario.gateway.spread != Spread::Sticky) else {
        return Vec::new();
    };
    let replicas = most_replicas(scenario);
    if replicas < 2 {
        return Vec::new();
    }
    let of_steps = scenario.sends().filter(|(_, send)| u64::from(send.times) >= replicas && in_order(send));
    let mut found: Vec<Diagnostic> =
        of_steps.flat_map(|(_, send)| &send.expect).filter_map(|one| pattern(&one.check, replicas)).collect();
    found.extend(scenario.expect.iter().filter_map(|one| evictions(&one.check, one.place, replicas)));
    found
}

/// How many replicas there are at most.
fn most_replicas(scenario: &Scenario) -> u64 {
    let scaled = scenario.steps.iter().filter_map(|step| match &step.value {
        Step::Scale(Scale { what: Scaled::Gateway, count }) => Some(*count),
        _ => None,
    });
    u64::from(scaled.chain([scenario.gateway.replicas]).max().unwrap_or(1))
}

fn in_order(send: &Send) -> bool {
    matches!(send.order, Order::InOrder { .. })
}

fn pattern(check: &Check, replicas: u64) -> Option<Diagnostic> {
    let Check::Pattern(pattern) = check else { return None };
    let most = most_failures(pattern)?;
    let fails_over = most > 0 && any(&pattern.pieces, &is_success);
    (fails_over && most < replicas).then(|| {
        let failures = if most == 1 { "1 failure".to_owned() } else { format!("{most} failures") };
        told(format!("the pattern allows {failures}, and there are {replicas} replicas"), pattern.place)
    })
}

fn evictions(check: &Check, place: Place, replicas: u64) -> Option<Diagnostic> {
    let Check::Evictions { target, count, .. } = check else { return None };
    let most = count.most?;
    (most > 0 && most < replicas).then(|| {
        told(format!("at most {most} evictions of {target} are expected, and there are {replicas} replicas"), place)
    })
}

fn told(message: String, place: Place) -> Diagnostic {
    Diagnostic::warning(message)
        .at(place, "assumes fewer replicas")
        .note("health is each replica's own: a client may meet the same failure once on each")
        .help("write `lab: { gateway: { replicas: 1 } }`, or allow a failure for each replica")
}

/// How many failures a pattern allows; none where any number.
fn most_failures(pattern: &Pattern) -> Option<u64> {
    failures_in(&pattern.pieces)
}

fn failures_in(pieces: &[Piece]) -> Option<u64> {
    pieces.iter().try_fold(0u64, |sum, piece| Some(sum.saturating_add(failures_of(piece)?)))
}

fn failures_of(piece: &Piece) -> Option<u64> {
    let once = match &piece.what {
        What::One(item) => u64::from(is_failure(item)),
        What::Group(pieces) => failures_in(pieces)?,
        What::Any(items) => items
            .iter()
            .filter(|one| is_failure(&one.item))
            .try_fold(0u64, |sum, one| Some(sum.saturating_add(u64::from(one.max?))))?,
    };
    if once == 0 { Some(0) } else { Some(once.saturating_mul(u64::from(piece.max?))) }
}

fn any(pieces: &[Piece], wanted: &impl Fn(&Item) -> bool) -> bool {
    pieces.iter().any(|piece| match &piece.what {
        What::One(item) => wanted(item),
        What::Group(pieces) => any(pieces, wanted),
        What::Any(items) => items.iter().any(|one| wanted(&one.item)),
    })
}

fn is_failure(item: &Item) -> bool {
    match item.answer {
        Answer::Status(status) => status == 429 || status >= 500,
        Answer::Class(class) => class >= 4,
        Answer::Ending(_) => true,
    }
}

fn is_success(item: &Item) -> bool {
    matches!(item.answer, Answer::Status(200..=299) | Answer::Class(2))
}
