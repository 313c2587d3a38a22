//! A history that goes on where another was judged, so that a run of any length is judged stretch by
//! stretch.

use std::collections::{BTreeMap, BTreeSet};

use super::{Eviction, History, Pages, Places, Request, Served};
use crate::event::RequestId;

impl History {
    /// The history of what follows, as far as it hangs together with this one: requests that are under
    /// way, evictions that are in effect or were when those requests were sent somewhere, faults that act,
    /// the steps.
    #[must_use]
    pub fn carried(&self) -> Self {
        let requests = self.requests_under_way();
        let by_id: Places = requests.iter().enumerate().map(|(index, request)| (request.id.clone(), index)).collect();
        let known = |id: &RequestId| by_id.contains_key(id);
        let served = self.served.iter().filter(|one| one.ended.is_none() || one.request.as_ref().is_some_and(known));
        let served: Pages<Served> = served.cloned().collect();
        let struck = self.struck.iter().filter(|((id, ..), _)| known(id));
        Self {
            serving: at_work(&served),
            struck: struck.map(|(key, fault)| (key.clone(), fault.clone())).collect(),
            faults: self.faults.iter().filter(|one| one.cleared.is_none()).cloned().collect(),
            steps: self.steps.clone(),
            replicas: self.replicas,
            starts: self.starts,
            now: self.now,
            events: self.events,
            since: self.events,
            configurations: self.configurations.clone(),
            renewals: self.renewals.clone(),
            counts: self.counts.clone(),
            ejections: Vec::new(),
            evictions: self.evictions_that_matter(&requests),
            requests,
            served,
            by_id,
        }
    }

    fn requests_under_way(&self) -> Pages<Request> {
        let open = self.served.iter().filter(|one| one.ended.is_none());
        let at_work: BTreeSet<&str> = open.filter_map(|one| one.request.as_deref()).collect();
        let under_way = |one: &&Request| !one.is_over() || at_work.contains(one.id.as_str());
        self.requests.iter().filter(under_way).cloned().collect()
    }

    /// Those in effect, and those that were when one of these requests was sent somewhere.
    fn evictions_that_matter(&self, requests: &Pages<Request>) -> Vec<Eviction> {
        let first = requests.iter().flat_map(|one| &one.attempts).map(|attempt| attempt.selected_seq).min();
        let matters =
            |one: &&Eviction| one.returned_seq.is_none_or(|returned| first.is_some_and(|first| returned > first));
        self.evictions.iter().filter(matters).cloned().collect()
    }
}

/// Requests that a provider is at, by their positions.
fn at_work(served: &Pages<Served>) -> BTreeMap<(RequestId, u32, String), usize> {
    let open = served.iter().enumerate().filter(|(_, one)| one.ended.is_none());
    open.filter_map(|(index, one)| Some(((one.request.clone()?, one.attempt, one.host.clone()), index))).collect()
}

impl Request {
    /// Whether nobody is at it any more: client, gateway, attempts.
    fn is_over(&self) -> bool {
        let gateway = self.gateway.as_ref().is_none_or(|gateway| gateway.ends > 0);
        self.ends > 0 && gateway && self.attempts.iter().all(|attempt| attempt.ended.is_some())
    }
}
