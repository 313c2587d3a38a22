//! Who takes part: the replicas and providers of a header, numbered, and those who join them later.

use std::collections::BTreeMap;

use crate::event::log::{BackendRecord, Header};

/// The providers of a lab. Their numbers stay: who joins in mid-run is the last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lineup {
    /// Backends by name.
    pub(super) backends: Vec<String>,
    /// All providers, those of the header backend by backend, the preferred group first.
    pub(super) providers: Vec<Provider>,
    /// Replicas at the start.
    pub(super) replicas: u32,
}

/// Providers at most, whatever a recording says.
const MOST_PROVIDERS: usize = 1_000;

/// A provider with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Provider {
    pub(super) backend: usize,
    pub(super) group: usize,
    pub(super) name: String,
    pub(super) endpoint: String,
    pub(super) model: Option<String>,
}

impl Lineup {
    pub(super) fn of(header: &Header) -> Self {
        // A header from elsewhere may say anything; nobody looks at more replicas than this.
        let replicas = header.replicas.min(256);
        let mut lineup = Self { backends: Vec::new(), providers: Vec::new(), replicas };
        lineup.join(&header.backends);
        lineup
    }

    /// Numbers the providers of a configuration that have none yet.
    pub(super) fn join(&mut self, backends: &[BackendRecord]) {
        for record in backends {
            let backend = self.backend(&record.name);
            for (group, members) in record.groups.iter().enumerate() {
                for provider in members {
                    if self.find(&record.name, &provider.name).is_none() && self.providers.len() < MOST_PROVIDERS {
                        self.providers.push(Provider {
                            backend,
                            group,
                            name: provider.name.clone(),
                            endpoint: provider.endpoint.clone(),
                            model: provider.model.clone(),
                        });
                    }
                }
            }
        }
    }

    fn backend(&mut self, name: &str) -> usize {
        self.backends.iter().position(|known| known == name).unwrap_or_else(|| {
            self.backends.push(name.to_owned());
            self.backends.len() - 1
        })
    }

    /// How many providers there are once a replica has these backends, at least.
    pub(super) fn upto(&self, backends: &[BackendRecord]) -> usize {
        let members = backends.iter().flat_map(|record| record.groups.iter().flatten().map(move |one| (record, one)));
        let numbers = members.filter_map(|(record, one)| self.find(&record.name, &one.name));
        numbers.max().map_or(0, |last| last + 1)
    }

    /// The number of a provider.
    pub(super) fn find(&self, backend: &str, name: &str) -> Option<usize> {
        let same = |provider: &Provider| provider.name == name && self.backends[provider.backend] == backend;
        self.providers.iter().position(same)
    }

    /// Groups of the first `count` providers, backend by backend, the preferred one first: backend, group,
    /// numbers of the providers.
    pub(super) fn groups(&self, count: usize) -> Vec<(usize, usize, Vec<usize>)> {
        let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (number, provider) in self.providers.iter().enumerate().take(count) {
            groups.entry((provider.backend, provider.group)).or_default().push(number);
        }
        groups.into_iter().map(|((backend, group), members)| (backend, group, members)).collect()
    }
}
