//! Which rule a request takes: the Gateway API's precedence over the rules of all routes.
//!
//! Of the rules whose host name fits most closely, the first that matches in this order: exact path,
//! longest prefix, longest regular expression; then with a method; then more headers; then more
//! query parameters; then the order of the manifests. Where none of the closest host name matches,
//! the next host name has its turn. The Gateway API leaves the rank of regular expressions open;
//! agentgateway puts them last, by length.

use std::cmp::Reverse;

use http::request::Parts;

use super::listener::{self, Closeness};
use crate::topology::{PathMatch, RouteMatch, Rule, TextMatch, Topology, WeightedBackend};
use crate::world::Random;

/// All rules of all routes, each listener's in the order of precedence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    of_listener: Vec<Vec<Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    hostname: Option<String>,
    matches: Option<RouteMatch>,
    found: Found,
}

/// The rule that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Index of the route.
    pub(crate) route: usize,
    /// Index of the rule in it.
    pub(crate) rule: usize,
    /// Index of the match in that; none where the rule has none and takes everything.
    pub(crate) matched: Option<usize>,
}

/// Greater takes precedence.
type Rank = (u8, usize, bool, usize, usize);

impl Routes {
    /// Sorts the rules of a topology.
    #[must_use]
    pub(crate) fn new(topology: &Topology) -> Self {
        let of_listener = (0..topology.listeners.len()).map(|listener| entries(topology, listener)).collect();
        Self { of_listener }
    }

    /// The rule for a request to `host` at a listener.
    #[must_use]
    pub(crate) fn find(&self, listener: usize, host: &str, request: &Parts) -> Option<Found> {
        let entries = self.of_listener.get(listener)?;
        let mut best: Option<(Closeness, Found)> = None;
        for entry in entries {
            let Some(closeness) = listener::closeness(entry.hostname.as_deref(), host) else { continue };
            let closer = best.is_none_or(|(so_far, _)| closeness > so_far);
            if closer && entry.matches.as_ref().is_none_or(|wanted| matches(wanted, request)) {
                best = Some((closeness, entry.found));
            }
        }
        best.map(|(_, found)| found)
    }
}

fn entries(topology: &Topology, listener: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (route_index, route) in topology.routes.iter().enumerate() {
        if !route.listeners.contains(&listener) {
            continue;
        }
        for hostname in hostnames(&route.hostnames) {
            for (rule_index, rule) in route.rules.iter().enumerate() {
                for (matched, matches) in alternatives(rule) {
                    let found = Found { route: route_index, rule: rule_index, matched };
                    entries.push(Entry { hostname: hostname.clone(), matches, found });
                }
            }
        }
    }
    // A stable sort: equals stay in the order of the manifests.
    entries.sort_by_key(|entry| Reverse(rank(entry.matches.as_ref())));
    entries
}

fn hostnames(names: &[String]) -> Vec<Option<String>> {
    if names.is_empty() { vec![None] } else { names.iter().cloned().map(Some).collect() }
}

fn alternatives(rule: &Rule) -> Vec<(Option<usize>, Option<RouteMatch>)> {
    if rule.matches.is_empty() {
        return vec![(None, None)];
    }
    rule.matches.iter().cloned().enumerate().map(|(index, one)| (Some(index), Some(one))).collect()
}

fn rank(wanted: Option<&RouteMatch>) -> Rank {
    // No path is the prefix `/`.
    let (kind, length) = match wanted.and_then(|wanted| wanted.path.as_ref()) {
        None => (2, 1),
        Some(PathMatch::Exact(path)) => (3, path.len()),
        Some(PathMatch::Prefix(prefix)) => (2, prefix.len()),
        Some(PathMatch::Regex(regex)) => (1, regex.as_str().len()),
    };
    let Some(wanted) = wanted else { return (kind, length, false, 0, 0) };
    (kind, length, wanted.method.is_some(), wanted.headers.len(), wanted.query.len())
}

fn matches(wanted: &RouteMatch, request: &Parts) -> bool {
    wanted.path.as_ref().is_none_or(|path| path_matches(path, request.uri.path()))
        && wanted.method.as_deref().is_none_or(|method| method == request.method.as_str())
        && wanted.headers.iter().all(|(name, value)| {
            let found = request.headers.get(name.as_str()).and_then(|found| found.to_str().ok());
            found.is_some_and(|found| value.matches(found))
        })
        && query_matches(&wanted.query, request.uri.query().unwrap_or_default())
}

fn path_matches(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => path == exact,
        PathMatch::Prefix(prefix) => {
            let rest = path.trim_end_matches('/').strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Regex(regex) => regex.find(path).is_some_and(|found| found.range() == (0..path.len())),
    }
}

fn query_matches(wanted: &[(String, TextMatch)], query: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let pairs: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    wanted.iter().all(|(name, value)| {
        // Of two of a name the last counts (source: `matches_request` in agentgateway's `http/route.rs`).
        let found = pairs.iter().rfind(|(key, _)| key == name);
        found.is_some_and(|(_, found)| value.matches(found))
    })
}

/// A part of a query without its escapes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Picks one of a rule's backends by weight. None where no backend has any.
pub(crate) fn pick(backends: &[WeightedBackend], random: &mut Random) -> Option<usize> {
    let weighted: Vec<_> = backends.iter().filter(|one| one.weight > 0).collect();
    if let [only] = weighted[..] {
        return Some(only.backend);
    }
    let mut draw = random.below(weighted.iter().map(|one| u64::from(one.weight)).sum());
    for one in weighted {
        match draw.checked_sub(u64::from(one.weight)) {
            Some(left) => draw = left,
            None => return Some(one.backend),
        }
    }
    None
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
