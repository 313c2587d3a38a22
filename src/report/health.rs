//! What `GET /health/providers` answers: who may be chosen, how well each provider stands, and how
//! long the others stay out.
//!
//! The same data as on the live screen, for scripts: one list of replicas, in each its backends with
//! their groups in the order of preference. Field names stay; new ones may come.

use jiff::Timestamp;
use serde::Serialize;

use super::access_log::rfc3339;
use super::providers::{Key, Providers, State};
use crate::event::At;

/// The health of all providers of a lab whose first moment was `start`.
struct Health<'p> {
    start: Timestamp,
    providers: &'p Providers,
}

#[derive(Serialize)]
struct Answer<'a> {
    /// Wall-clock time of the lab.
    time: String,
    replicas: Vec<Replica<'a>>,
}

#[derive(Serialize)]
struct Replica<'a> {
    #[serde(rename = "replica")]
    number: u32,
    backends: Vec<Backend<'a>>,
}

#[derive(Serialize)]
struct Backend<'a> {
    #[serde(rename = "backend")]
    name: &'a str,
    /// The group that was chosen from last; null before the first request.
    selected_group: Option<usize>,
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    #[serde(rename = "group")]
    number: usize,
    /// How many of its providers may be chosen.
    active: usize,
    providers: Vec<Provider<'a>>,
}

#[derive(Serialize)]
struct Provider<'a> {
    #[serde(rename = "provider")]
    name: &'a str,
    endpoint: &'a str,
    model: Option<&'a str>,
    active: bool,
    /// Within a group the higher score is preferred.
    score: f64,
    health: f64,
    latency_seconds: f64,
    in_flight: u32,
    requests: u64,
    consecutive_failures: u32,
    times_ejected: u32,
    /// By its own deadline; null while it may be chosen.
    evicted_until: Option<String>,
    evicted_for_seconds: f64,
}

/// The answer at `now`, as JSON with a line end, in a lab whose first moment was `start`.
#[must_use]
pub fn render(providers: &Providers, start: Timestamp, now: At) -> String {
    Health { start, providers }.render(now)
}

impl<'p> Health<'p> {
    fn render(&self, now: At) -> String {
        let mut replicas: Vec<Replica<'_>> = Vec::new();
        for (key, state) in self.providers.states() {
            let replica = last_or_new(&mut replicas, |one| one.number == key.replica, || Replica::new(key));
            let backend = last_or_new(&mut replica.backends, |one| *one.name == *key.backend, || self.backend(key));
            let wanted = |one: &Group<'_>| one.number == state.group;
            let index = backend.groups.iter().position(wanted).unwrap_or_else(|| {
                backend.groups.push(Group { number: state.group, active: 0, providers: Vec::new() });
                backend.groups.len() - 1
            });
            backend.groups[index].providers.push(self.provider(key, state, now));
        }
        for group in replicas.iter_mut().flat_map(|one| &mut one.backends).flat_map(|one| &mut one.groups) {
            group.active = group.providers.iter().filter(|provider| provider.active).count();
        }
        for backend in replicas.iter_mut().flat_map(|one| &mut one.backends) {
            backend.groups.sort_by_key(|group| group.number);
        }
        let answer = Answer { time: rfc3339(self.start, now), replicas };
        serde_json::to_string_pretty(&answer).unwrap_or_default() + "\n"
    }

    fn backend(&self, key: &'p Key) -> Backend<'p> {
        let of_this = |(replica, backend, group): (_, &str, _)| {
            (replica == key.replica && *backend == *key.backend).then_some(group)
        };
        let selected_group = self.providers.selected().find_map(of_this);
        Backend { name: &key.backend, selected_group, groups: Vec::new() }
    }

    fn provider(&self, key: &'p Key, state: &'p State, now: At) -> Provider<'p> {
        Provider {
            name: &key.provider,
            endpoint: &state.endpoint,
            model: state.model.as_deref(),
            active: state.evicted_until.is_none(),
            score: rounded(state.score()),
            health: rounded(state.health),
            latency_seconds: rounded(state.latency_seconds),
            in_flight: state.in_flight,
            requests: state.requests,
            consecutive_failures: state.consecutive_failures,
            times_ejected: state.times_ejected,
            evicted_until: state.evicted_until.map(|until| rfc3339(self.start, until)),
            evicted_for_seconds: rounded(state.eviction_remaining(now)),
        }
    }
}

impl Replica<'_> {
    fn new(key: &Key) -> Self {
        Self { number: key.replica, backends: Vec::new() }
    }
}

/// The last element if it is the one that is looked for, else a new one behind it. For lists that
/// come sorted.
fn last_or_new<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    if !list.last().is_some_and(is_it) {
        list.push(new());
    }
    let end = list.len() - 1;
    &mut list[end]
}

/// To a millionth: what lies behind it is noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000_000.0).round() / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::report::testing::{assert_snapshot, events, header};

    fn at(now: u64) -> String {
        let header = header();
        let mut providers = Providers::new(&header);
        events().iter().take_while(|event| event.at_us.0 <= now).for_each(|event| providers.apply(event));
        render(&providers, header.start.parse().unwrap(), At(now))
    }

    #[test]
    fn the_health_of_providers_as_json() {
        assert_snapshot("health.json", &at(30_002_000));
    }

    #[test]
    fn an_evicted_provider_says_until_when() {
        let provider =
            |now| serde_json::from_str::<Json>(&at(now)).unwrap()["replicas"][0]["backends"][0]["groups"][0].clone();
        let during = provider(30_002_000);
        assert_eq!(during["active"], 0);
        assert_eq!(during["providers"][0]["evicted_until"], "2026-01-01T00:01:00.002000Z");
        assert_eq!(during["providers"][0]["evicted_for_seconds"], 30.0);
        let after = provider(60_002_000);
        assert_eq!(after["active"], 1);
        assert_eq!(after["providers"][0]["evicted_until"], Json::Null);
    }
}
