//! `parentRefs` → listeners, by the rules of the Gateway API.

use super::{HttpRoute, Parent};
use crate::kube::fields::{Log, did_you_mean, list};
use crate::kube::gateway::{Gateway, Listener};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Place};
use crate::topology;

/// Adds the Gateways that routes refer to and no manifest describes.
pub(in crate::kube) fn imply(routes: &[HttpRoute], gateways: &mut Vec<Gateway>, log: &Log<'_>) {
    let described = gateways.len();
    for parent in routes.iter().flat_map(|route| &route.parents) {
        let index = gateways.iter().position(|gateway| parent.means(gateway));
        if index.is_some_and(|index| index < described) {
            continue;
        }
        let index = index.unwrap_or_else(|| {
            warn_of_near_name(parent, gateways.get(..described).unwrap_or_default(), log);
            gateways.push(Gateway::implied(parent.name.clone(), parent.namespace.clone()));
            gateways.len() - 1
        });
        if let Some(gateway) = gateways.get_mut(index) {
            gateway.imply(parent.section.as_ref(), parent.port.as_ref().map(|port| port.value));
        }
    }
}

fn warn_of_near_name(parent: &Parent, described: &[Gateway], log: &Log<'_>) {
    let name = &parent.name.value;
    let message = format!("no manifest has the Gateway `{name}` in namespace `{}`; one is implied", parent.namespace);
    let diagnostic = Diagnostic::warning(message).at(parent.name.place, "implied");
    if let Some(elsewhere) = described.iter().find(|gateway| gateway.name.value == *name) {
        log.push(diagnostic.help(format!("there is one in namespace `{}`", elsewhere.namespace)));
    } else if let Some(near) = nearest(name, described.iter().map(|gateway| gateway.name.as_str())) {
        log.push(diagnostic.help(format!("did you mean `{near}`?")));
    }
}

/// The indices of the listeners that serve a route.
pub(super) fn attach(
    route: &HttpRoute,
    gateways: &[Gateway],
    listeners: &[topology::Listener],
    log: &Log<'_>,
) -> Vec<usize> {
    let mut attached = Vec::new();
    for parent in &route.parents {
        let Some(gateway) = gateways.iter().find(|gateway| parent.means(gateway)) else { continue };
        // What is wrong with the Gateway itself has been said already.
        if !gateway.listeners.iter().any(|listener| listener.serves_http) {
            continue;
        }
        match parent.listeners(gateway, route) {
            Ok(chosen) => attached.extend(chosen.iter().filter_map(|listener| {
                listeners.iter().position(|one| one.gateway == gateway.path() && one.name == listener.name.value)
            })),
            Err(_) if gateway.unsure => {}
            Err(diagnostic) => log.push(*diagnostic),
        }
    }
    attached.sort_unstable();
    attached.dedup();
    attached
}

impl Parent {
    fn means(&self, gateway: &Gateway) -> bool {
        self.name.value == gateway.name.value && self.namespace == gateway.namespace
    }

    /// The listeners of `gateway` that this reference attaches `route` to, or why there are none.
    fn listeners<'g>(&self, gateway: &'g Gateway, route: &HttpRoute) -> Result<Vec<&'g Listener>, Box<Diagnostic>> {
        let named = |listener: &Listener| self.section.as_ref().is_none_or(|name| name.value == listener.name.value);
        let numbered = |listener: &Listener| self.port.as_ref().is_none_or(|port| port.value == listener.port);
        let allowed = |listener: &Listener| listener.any_namespace || route.namespace == gateway.namespace;
        let left = narrow(gateway.listeners.iter().collect(), named, || self.no_section(gateway))?;
        let left = narrow(left, numbered, || self.no_port(gateway))?;
        let left = narrow(
            left,
            |listener| listener.serves_http,
            || Diagnostic::error("this listener does not serve HTTP").at(self.place(), "no HTTPRoute can attach here"),
        )?;
        let left = narrow(left, allowed, || self.not_allowed(gateway, route))?;
        narrow(left, |listener| serves_a_host_of(listener, route), || self.no_host(gateway))
    }

    fn place(&self) -> Place {
        self.section.as_ref().map_or(self.name.place, |section| section.place)
    }

    fn no_section(&self, gateway: &Gateway) -> Diagnostic {
        let wrong = self.section.as_ref().map_or("", |section| section.value.as_str());
        let names: Vec<&str> = gateway.listeners.iter().map(|listener| listener.name.as_str()).collect();
        let message = format!("the Gateway `{}` has no listener `{wrong}`", gateway.name.value);
        did_you_mean(Diagnostic::error(message).at(self.place(), "dangling reference"), wrong, &names)
    }

    fn no_port(&self, gateway: &Gateway) -> Diagnostic {
        let known: Vec<String> = gateway.listeners.iter().map(|one| format!("{} ({})", one.port, one.name)).collect();
        let place = self.port.as_ref().map_or(self.place(), |port| port.place);
        Diagnostic::error(format!("the Gateway `{}` has no such listener on this port", gateway.name.value))
            .at(place, "dangling reference")
            .help(format!("it listens on {}", known.join(", ")))
    }

    fn not_allowed(&self, gateway: &Gateway, route: &HttpRoute) -> Diagnostic {
        let (name, namespace) = (&gateway.name.value, &route.namespace);
        Diagnostic::error(format!("the Gateway `{name}` takes no routes of namespace `{namespace}`"))
            .at(self.place(), "the route is not allowed here")
            .help("allow it in the listener: `allowedRoutes: {namespaces: {from: All}}`")
    }

    fn no_host(&self, gateway: &Gateway) -> Diagnostic {
        Diagnostic::error(format!("no listener of the Gateway `{}` serves a host of this route", gateway.name.value))
            .at(self.place(), "nothing would reach the route")
            .help(format!("compare `hostnames` with the `hostname` of {}", names_of(gateway)))
    }
}

/// The listeners that `keep` keeps; where none is left, why.
fn narrow(
    listeners: Vec<&Listener>,
    keep: impl Fn(&Listener) -> bool,
    why: impl FnOnce() -> Diagnostic,
) -> Result<Vec<&Listener>, Box<Diagnostic>> {
    let left: Vec<&Listener> = listeners.into_iter().filter(|listener| keep(listener)).collect();
    if left.is_empty() { Err(Box::new(why())) } else { Ok(left) }
}

/// Names of listeners in a sentence.
fn names_of(gateway: &Gateway) -> String {
    list(&gateway.listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>())
}

fn serves_a_host_of(listener: &Listener, route: &HttpRoute) -> bool {
    let Some(own) = &listener.hostname else { return true };
    route.hostnames.is_empty() || route.hostnames.iter().any(|host| covers(own, host) || covers(host, own))
}

/// Whether every name that `host` stands for is one of `pattern`'s.
fn covers(pattern: &str, host: &str) -> bool {
    let within = |suffix: &str| host.strip_prefix('*').unwrap_or(host).ends_with(suffix) && host.len() > suffix.len();
    pattern == host || pattern.strip_prefix('*').is_some_and(within)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_covers_names_below_it_and_not_itself() {
        for (pattern, host, covered) in [
            ("*.a.com", "x.a.com", true),
            ("*.a.com", "x.y.a.com", true),
            ("*.a.com", "*.y.a.com", true),
            ("*.a.com", "a.com", false),
            ("*.a.com", "xa.com", false),
            ("x.a.com", "*.a.com", false),
        ] {
            assert_eq!(covers(pattern, host), covered, "{pattern} {host}");
        }
    }
}
