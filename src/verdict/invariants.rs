//! What holds for every run, whether a scenario asks or not.
//!
//! Each invariant is a name, a statement and a check over the history: it returns a line of evidence
//! for every time that the statement is not so. What the gateway says of itself is never believed
//! alone: evictions are followed in the stream of events, and client, gateway and provider must tell
//! the same story (double entry).

mod bookkeeping;
mod failover;

use std::collections::BTreeMap;

use super::expectations::limited;
use super::{About, Finding, Outcome};
use crate::event::History;
use crate::event::history::{Attempt, Eviction, Request, Served};
use crate::scenario::Scenario;
use crate::topology::{Auth, Backend, Provider};

/// Something that holds for every run.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its name, for reports.
    pub name: &'static str,
    /// What holds, in one line.
    pub statement: &'static str,
    check: fn(&Run<'_>) -> Vec<String>,
}

/// All invariants, in the order of reports.
pub const INVARIANTS: [Invariant; 8] = [
    Invariant {
        name: "one-end",
        statement: "every request and every attempt ends exactly once",
        check: bookkeeping::one_end,
    },
    Invariant {
        name: "double-entry",
        statement: "client, gateway and provider saw the same requests, with the same answers",
        check: bookkeeping::double_entry,
    },
    Invariant {
        name: "credential-isolation",
        statement: "a provider is sent its own credential and no other",
        check: bookkeeping::credential_isolation,
    },
    Invariant {
        name: "evicted-stays-out",
        statement: "an evicted provider gets no request while another one is active",
        check: failover::evicted_stays_out,
    },
    Invariant {
        name: "priority",
        statement: "a group is used only while every provider of the groups before it is evicted",
        check: failover::priority,
    },
    Invariant {
        name: "no-early-return",
        statement: "an evicted provider comes back at its deadline and not before",
        check: failover::no_early_return,
    },
    Invariant {
        name: "one-eviction-at-a-time",
        statement: "a provider that is evicted is not evicted again, so that no deadline moves",
        check: failover::one_at_a_time,
    },
    Invariant {
        name: "eviction-cause",
        statement: "a provider is evicted only for a failure of its own",
        check: failover::eviction_cause,
    },
];

/// Judges all invariants.
pub(super) fn judge(scenario: &Scenario, history: &History) -> Vec<Finding> {
    let run = Run::of(scenario, history);
    INVARIANTS.iter().map(|invariant| invariant.judge(&run)).collect()
}

impl Invariant {
    fn judge(&self, run: &Run<'_>) -> Finding {
        let broken = (self.check)(run);
        let mut finding = Finding::new(About::Invariant(self.name), None, self.statement.to_owned(), None);
        if broken.is_empty() {
            return finding;
        }
        finding.outcome = Outcome::Fail;
        finding.actual = match broken.len() {
            1 => "broken once".to_owned(),
            count => format!("broken {count} times"),
        };
        finding.detail = limited(broken);
        finding
    }
}

/// A run, made easy to look things up in.
struct Run<'r> {
    history: &'r History,
    scenario: &'r Scenario,
    /// Whether every step was played to its end.
    finished: bool,
    /// Evictions by replica, backend and provider, in the order in which they began.
    evictions: BTreeMap<(u32, &'r str, &'r str), Vec<&'r Eviction>>,
    /// What providers saw of each request.
    served: BTreeMap<&'r str, Vec<&'r Served>>,
    /// References of equal credentials, each with the one that stands for all.
    same: BTreeMap<&'r str, &'r str>,
    /// Whether the gateway writes events; one that labsim only talks to does not.
    gateway_speaks: bool,
}

impl<'r> Run<'r> {
    fn of(scenario: &'r Scenario, history: &'r History) -> Self {
        let mut evictions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &history.evictions {
            evictions.entry((one.replica, one.backend.as_str(), one.provider.as_str())).or_default().push(one);
        }
        let mut served: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in &history.served {
            if let Some(request) = &one.request {
                served.entry(request.as_str()).or_default().push(one);
            }
        }
        Self {
            history,
            scenario,
            finished: (0..scenario.steps.len()).all(|step| step_ended(history, step)),
            evictions,
            served,
            same: equal_credentials(scenario),
            gateway_speaks: history.requests.iter().any(|request| request.gateway.is_some()),
        }
    }

    /// All attempts, with their requests and the replica that made them.
    fn attempts(&self) -> impl Iterator<Item = (&'r Request, u32, &'r Attempt)> {
        let with_replica = self.history.requests.iter().filter_map(|request| Some((request, request.replica?)));
        with_replica
            .flat_map(|(request, replica)| request.attempts.iter().map(move |attempt| (request, replica, attempt)))
    }

    /// The eviction under which a provider was out when event `seq` happened.
    fn out(&self, replica: u32, backend: &str, provider: &str, seq: u64) -> Option<&'r Eviction> {
        let all = self.evictions.get(&(replica, backend, provider))?;
        let before = all.partition_point(|one| one.began_seq < seq);
        let last = all.get(before.checked_sub(1)?)?;
        last.covers_seq(seq).then_some(*last)
    }

    /// Whom a replica could have chosen for an attempt, each with its group. Nobody where the request
    /// began under a configuration that has been replaced since: its health state is not told of.
    fn members(&self, replica: u32, request: &Request, attempt: &'r Attempt) -> Vec<(usize, &'r str)> {
        let began = request.gateway.as_ref().map_or(0, |gateway| gateway.received_seq);
        let now = self.history.configuration(replica, attempt.selected_seq);
        if now.is_some_and(|one| one.seq > began) {
            return Vec::new();
        }
        if let Some(backend) = now.and_then(|one| one.backends.iter().find(|one| one.name == attempt.backend)) {
            let groups = backend.groups.iter().enumerate();
            return groups.flat_map(|(group, all)| all.iter().map(move |one| (group, one.name.as_str()))).collect();
        }
        let backend = self.backend(&attempt.backend);
        backend.iter().flat_map(|one| one.providers()).map(|(group, one)| (group, one.name.value.as_str())).collect()
    }

    /// A backend, by `namespace/name`.
    fn backend(&self, name: &str) -> Option<&'r Backend> {
        let (namespace, name) = name.split_once('/')?;
        let mut all = self.scenario.topologies().flat_map(|topology| &topology.backends);
        all.find(|backend| backend.namespace == namespace && backend.name == name)
    }

    fn provider(&self, backend: &str, provider: &str) -> Option<&'r Provider> {
        let all = self.scenario.topologies().flat_map(|topology| &topology.backends);
        let mut providers = all.filter(|one| one.full_name() == backend).flat_map(Backend::providers);
        providers.find(|(_, one)| one.name.value == provider).map(|(_, provider)| provider)
    }

    /// The reference that stands for all credentials equal to this one.
    fn credential<'c>(&'c self, reference: &'c str) -> &'c str {
        self.same.get(reference).copied().unwrap_or(reference)
    }

    /// Whether a request had all the time that it needed.
    fn over(&self, request: &Request) -> bool {
        request.step.is_some_and(|step| step_ended(self.history, step))
    }
}

fn step_ended(history: &History, step: usize) -> bool {
    history.steps.iter().any(|one| one.step == step && one.ended.is_some())
}

/// Two names for one key are the same credential: events call it by the first that was learned.
fn equal_credentials(scenario: &Scenario) -> BTreeMap<&str, &str> {
    let mut by_key: BTreeMap<&str, &str> = BTreeMap::new();
    let mut same = BTreeMap::new();
    let backends = scenario.topologies().flat_map(|topology| &topology.backends);
    let providers = backends.flat_map(Backend::providers);
    let own = providers.filter_map(|(_, provider)| match &provider.auth {
        Auth::Credential(credential) => Some(credential),
        Auth::None | Auth::Passthrough => None,
    });
    for credential in own.chain(scenario.sends().filter_map(|(_, send)| send.key.as_ref())) {
        let first = *by_key.entry(credential.key()).or_insert(&credential.reference);
        same.insert(credential.reference.as_str(), first);
    }
    same
}

#[cfg(test)]
mod tests;
