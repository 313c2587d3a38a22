//! What a step means only together with the lab.

use super::GatewaySpec;
use super::expect::Check;
use super::names::{Target, Who};
use super::pattern::{Answer, Item, Piece, What};
use super::step::{Restart, Scale, Scaled, Send, Step};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Diagnostics, Place, Spanned};
use crate::topology::{PathMatch, Topology};

/// Checks the steps against the lab.
pub(super) fn steps(
    steps: &[Spanned<Step>],
    gateway: GatewaySpec,
    topology: &Topology,
    later: &[Topology],
    findings: &mut Diagnostics,
) {
    let topologies: Vec<&Topology> = std::iter::once(topology).chain(later).collect();
    let most = steps.iter().filter_map(|step| replicas(&step.value)).chain([gateway.replicas]).max().unwrap_or(1);
    for step in steps {
        if let Some(send) = step.value.request() {
            findings.extend(no_route(send, step.place, &topologies));
        }
        if let Step::Restart(Restart::Replica(replica)) = &step.value
            && *replica >= most
        {
            let diagnostic = Diagnostic::error(format!("the gateway has no replica {replica}"));
            findings.push(diagnostic.at(step.place, format!("they are numbered from 0 to {}", most.saturating_sub(1))));
        }
    }
}

/// How many replicas of the gateway a step makes.
fn replicas(step: &Step) -> Option<u32> {
    match step {
        Step::Scale(Scale { what: Scaled::Gateway, count }) => Some(*count),
        _ => None,
    }
}

/// A warning for a request that no route takes, unless that is what its step is about.
fn no_route(send: &Send, place: Place, topologies: &[&Topology]) -> Option<Diagnostic> {
    let path = send.path.split('?').next().unwrap_or("");
    let routes = || topologies.iter().flat_map(|topology| &topology.routes);
    let rules = || routes().flat_map(|route| &route.rules);
    let taken = rules().any(|rule| {
        rule.matches.is_empty() || rule.matches.iter().any(|one| one.path.as_ref().is_none_or(|one| takes(one, path)))
    });
    if taken || routes().next().is_none() || is_about_the_gateway(send) {
        return None;
    }
    let mut known: Vec<&str> =
        rules().flat_map(|rule| &rule.matches).filter_map(|one| written(one.path.as_ref()?)).collect();
    known.sort_unstable();
    known.dedup();
    let diagnostic = Diagnostic::warning(format!("no route takes the path `{path}`"));
    let diagnostic = diagnostic.at(place, "the gateway will answer 404");
    Some(match nearest(path, known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("routes take: {}", known.join(", "))),
    })
}

fn takes(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => exact == path,
        PathMatch::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Regex(regex) => regex.find(path).is_some_and(|found| found.range() == (0..path.len())),
    }
}

fn written(path: &PathMatch) -> Option<&str> {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => Some(path),
        PathMatch::Regex(_) => None,
    }
}

/// Whether a step expects an answer of the gateway itself, or a 404.
fn is_about_the_gateway(send: &Send) -> bool {
    let gateway = |target: &Target| target.who == Who::Gateway;
    let own = |item: &Item| item.answer == Answer::Status(404) || item.target.as_ref().is_some_and(gateway);
    send.expect.iter().any(|one| match &one.check {
        Check::Pattern(pattern) => pattern.pieces.iter().any(|piece| any_item(piece, &own)),
        Check::Status { answer, .. } => *answer == Answer::Status(404),
        Check::Reached { target, .. } => gateway(target),
        Check::Answers { of, .. } => of.as_ref().is_some_and(own),
        Check::Frequencies(frequencies) => {
            frequencies.patterns.iter().any(|(pattern, _)| pattern.pieces.iter().any(|piece| any_item(piece, &own)))
        }
        Check::Cancelled { .. }
        | Check::Evictions { .. }
        | Check::Exercises(_)
        | Check::Group { .. }
        | Check::Share { .. }
        | Check::Success(_)
        | Check::Amplification(_)
        | Check::Timing { .. }
        | Check::Tokens { .. }
        | Check::Cost(_) => false,
    })
}

fn any_item(piece: &Piece, wanted: &impl Fn(&Item) -> bool) -> bool {
    match &piece.what {
        What::One(item) => wanted(item),
        What::Group(pieces) => pieces.iter().any(|piece| any_item(piece, wanted)),
        What::Any(items) => items.iter().any(|counted| wanted(&counted.item)),
    }
}
