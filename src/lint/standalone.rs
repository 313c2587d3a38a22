//! agentgateway's own configuration under 0.11 and 0.12: where it undoes failover, and where it mixes backends up.

use super::Lint;
use super::view::View;
use crate::gateway::personality::Unlogged;
use crate::source::{Diagnostic, Severity};
use crate::topology::{Listener, Personality, Route};

pub(super) const LINTS: [Lint; 2] = [
    Lint {
        code: "nothing-accounted",
        severity: Severity::Error,
        finds: "an access log that is turned off, under 0.11 or 0.12: they then account no answer, and evict nobody",
        fix: "`config: { logging: { level: info } }`, traces, or 1.0 and later",
        check: nothing_accounted,
    },
    Lint {
        code: "backend-shared",
        severity: Severity::Error,
        finds: "routes of one name at two ports, under 0.11 or 0.12: they then have one backend between them",
        fix: "names for listeners or routes that differ from port to port",
        check: shared,
    },
];

fn nothing_accounted(view: &View<'_>) -> Vec<Diagnostic> {
    let off = view.topology.unlogged.filter(|_| view.behaviour.unlogged == Unlogged::NotAccounted);
    let told = off.map(|place| {
        Diagnostic::error(format!("{} accounts nothing without an access log", view.personality))
            .at(place, "turns it off")
            .note("there the line of the log is what an answer is accounted by: nobody is ever evicted")
            .help("write `level: info`, or have traces made, or run 1.0 or later")
    });
    told.into_iter().collect()
}

fn shared(view: &View<'_>) -> Vec<Diagnostic> {
    if view.personality != Personality::Agentgateway012 {
        return Vec::new();
    }
    let routes = &view.topology.routes;
    let listeners = |route: &Route| -> Vec<&Listener> {
        route.listeners.iter().filter_map(|index| view.topology.listeners.get(*index)).collect()
    };
    let mut found = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let mixed_up = |one: &&Listener, other: &&Listener| {
            one.port != other.port && (&one.gateway, &one.name) == (&other.gateway, &other.name)
        };
        let meets = |other: &&Route| {
            (&other.name, &other.namespace) == (&route.name, &route.namespace)
                && listeners(other).iter().any(|one| listeners(route).iter().any(|two| mixed_up(one, two)))
        };
        if let Some(twin) = routes[..index].iter().find(meets) {
            let message = format!("{} takes one backend for two routes `{}`", view.personality, route.name);
            let diagnostic = Diagnostic::error(message).at(route.place, "at another port, by the same names");
            let diagnostic = diagnostic.note_at(twin.place, "the other one");
            found.push(diagnostic.help("give the listeners, or the routes, names that differ from port to port"));
        }
    }
    found
}
