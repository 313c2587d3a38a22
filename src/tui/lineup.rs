//! Who takes part: the replicas and providers of a header, numbered.

use crate::event::log::Header;

/// The providers of a lab in the order in which they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lineup {
    /// Backends by name.
    pub(super) backends: Vec<String>,
    /// All providers, backend by backend, the preferred group first.
    pub(super) providers: Vec<Provider>,
    /// Replicas at the start.
    pub(super) replicas: u32,
}

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
        let mut providers = Vec::new();
        for (backend, record) in header.backends.iter().enumerate() {
            for (group, members) in record.groups.iter().enumerate() {
                providers.extend(members.iter().map(|provider| Provider {
                    backend,
                    group,
                    name: provider.name.clone(),
                    endpoint: provider.endpoint.clone(),
                    model: provider.model.clone(),
                }));
            }
        }
        let backends = header.backends.iter().map(|backend| backend.name.clone()).collect();
        // A header from elsewhere may say anything; nobody looks at more replicas than this.
        Self { backends, providers, replicas: header.replicas.min(256) }
    }

    /// The number of a provider.
    pub(super) fn find(&self, backend: &str, name: &str) -> Option<usize> {
        let same = |provider: &Provider| provider.name == name && self.backends[provider.backend] == backend;
        self.providers.iter().position(same)
    }

    /// Groups of all backends in order: backend, group, numbers of the providers.
    pub(super) fn groups(&self) -> Vec<(usize, usize, Vec<usize>)> {
        let mut groups: Vec<(usize, usize, Vec<usize>)> = Vec::new();
        for (number, provider) in self.providers.iter().enumerate() {
            match groups.last_mut() {
                Some((backend, group, members)) if (*backend, *group) == (provider.backend, provider.group) => {
                    members.push(number);
                }
                _ => groups.push((provider.backend, provider.group, vec![number])),
            }
        }
        groups
    }
}
