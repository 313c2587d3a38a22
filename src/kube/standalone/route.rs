//! Routes of agentgateway's own configuration.

use super::backend::{self, Led};
use super::policies::{self, OfRoute};
use super::{NAMESPACE, Target};
use crate::kube::backend::one_of;
use crate::kube::fields::Fields;
use crate::kube::route::{METHODS, check_path, every_path, header_name, hostname, regex};
use crate::source::{Diagnostic, Spanned};
use crate::topology::{PathMatch, Route, RouteMatch, Rule, TextMatch, WeightedBackend};

/// Where a route is.
#[derive(Clone, Copy, Default)]
pub(super) struct Spot<'a> {
    /// Its listeners.
    pub(super) listeners: &'a [usize],
    /// What tells its backends from those of routes of the same name elsewhere.
    pub(super) scope: &'a str,
    /// What metrics call the listener.
    pub(super) label: Option<&'a str>,
}

/// Adds a route, the `index`th of its listener.
pub(super) fn add(fields: &Fields<'_>, index: usize, spot: Spot<'_>, target: &mut Target<'_, '_>) {
    let Spot { listeners, scope, label } = spot;
    let name =
        fields.need_text_if_there("name").unwrap_or_else(|| Spanned::new(format!("route{index}"), fields.place()));
    let namespace = fields.need_text_if_there("namespace").map_or_else(|| NAMESPACE.to_owned(), |one| one.value);
    fields.text("ruleName");
    let hostnames = fields.texts("hostnames").into_iter().map(|host| hostname(&host, fields.log())).collect();
    let mut matches: Vec<RouteMatch> = fields.maps("matches").iter().map(|one| read_match(one)).collect();
    if matches.is_empty() {
        matches.push(every_path());
    }
    let own = fields.map("policies").map(|fields| policies::of_route(&fields, &matches)).unwrap_or_default();
    let given = fields.maps("backends");
    let led: Vec<(Led, u32)> = given
        .iter()
        .enumerate()
        .filter_map(|(position, fields)| {
            let weight = fields.number("weight", 0..=u64::from(u32::MAX)).map_or(1, |weight| weight.value);
            let label = label.map(|label| format!("/{label}/{namespace}/{}/backend{position}", name.value));
            let name = format!("{scope}{}/backend{position}", name.value);
            let led = backend::of_route(fields, (name, label), &own.part, target)?;
            Some((led, u32::try_from(weight).unwrap_or(u32::MAX)))
        })
        .collect();
    let answers = own.filters.iter().any(policies::answers_itself);
    if given.is_empty() && !answers && !fields.is_any_misspelt(&["backends"]) {
        fields.log().push(Diagnostic::warning("this route has no `backends`").at(fields.place(), "leads nowhere"));
    }
    let place = name.place;
    let rules = vec![rule(matches, own, led, fields)];
    target.topology.routes.push(Route {
        name: name.value,
        namespace,
        listeners: listeners.to_vec(),
        hostnames,
        rules,
        place,
    });
}

/// The rule of a route: with what its only backend says of requests, where it has only one.
fn rule(matches: Vec<RouteMatch>, own: OfRoute, led: Vec<(Led, u32)>, fields: &Fields<'_>) -> Rule {
    let OfRoute { filters, request_timeout, timeout_origin, backend_request_timeout, retry, rate_limits, .. } = own;
    let backends = led.iter().map(|(led, weight)| WeightedBackend { backend: led.backend, weight: *weight }).collect();
    let mut rule = Rule {
        // agentgateway reads `ruleName`, and forgets it.
        name: None,
        matches,
        filters,
        backends,
        request_timeout,
        backend_request_timeout,
        retry,
        rate_limits,
        health: None,
        origin: fields.place().into(),
        timeout_origin,
    };
    let several = led.len() > 1;
    for (Led { policies, .. }, _) in led {
        if several && policies.changes_requests() {
            let message = "labsim models these policies of a backend only where its route has no other one";
            fields.log().push(Diagnostic::warning(message).at(fields.place(), "not modelled"));
            continue;
        }
        policies.add_to(&mut rule);
    }
    rule
}

/// Reads one match. Where a part is wrong, the match has none.
fn read_match(fields: &Fields<'_>) -> RouteMatch {
    RouteMatch {
        path: match fields.map("path") {
            Some(path) => read_path(&path),
            None => every_path().path,
        },
        headers: pairs(fields, "headers", true),
        query: pairs(fields, "query", false),
        method: fields.choice("method", &METHODS).map(|method| method.value.to_owned()),
    }
}

fn read_path(fields: &Fields<'_>) -> Option<PathMatch> {
    let entry = one_of(fields, &["exact", "pathPrefix", "regex"], "path")?;
    match entry.key.as_str() {
        "regex" => regex(fields, &fields.text("regex")?).map(PathMatch::Regex),
        "exact" => {
            let path = fields.text("exact")?;
            check_path(fields, &path);
            Some(PathMatch::Exact(path.value))
        }
        _ => {
            let path = fields.text("pathPrefix")?;
            check_path(fields, &path);
            Some(PathMatch::Prefix(path.value))
        }
    }
}

fn pairs(fields: &Fields<'_>, name: &'static str, of_headers: bool) -> Vec<(String, TextMatch)> {
    let mut pairs = Vec::new();
    for pair in fields.maps(name) {
        let name = pair.need_text("name");
        let name =
            if of_headers { name.and_then(|name| header_name(&pair, name)) } else { name.map(|name| name.value) };
        let wanted = pair.need_map("value").and_then(|value| {
            let entry = one_of(&value, &["exact", "regex"], "value")?;
            if entry.key == "exact" {
                return value.text("exact").map(|text| TextMatch::Exact(text.value));
            }
            regex(&value, &value.text("regex")?).map(TextMatch::Regex)
        });
        pairs.extend(name.zip(wanted));
    }
    pairs
}
