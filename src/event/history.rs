//! Events folded into what happened: requests with their attempts, evictions, steps.
//!
//! The fold that verdicts, reports and the screen share. It can be fed one event at a time.

mod carried;
mod pages;
mod records;

use std::collections::BTreeMap;

use super::{At, Event, Kind, Lookup, ProviderName, RequestId};

pub use pages::{Iter, Pages};
pub use records::*;

/// Positions of requests by their ids.
type Places = Lookup<RequestId, usize>;

/// What has happened so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Requests in the order in which the client sent them.
    pub requests: Pages<Request>,
    /// Evictions in the order in which they began.
    pub evictions: Vec<Eviction>,
    /// Steps that have begun.
    pub steps: Vec<StepRecord>,
    /// Requests that providers have seen, in order, also those without a client.
    pub served: Pages<Served>,
    /// Times at which a provider's count of evictions rose, in order.
    pub ejections: Vec<Ejection>,
    /// Faults in the order in which they were injected.
    pub faults: Vec<FaultRecord>,
    /// Replicas of the gateway that were started, counting restarts once.
    pub replicas: u32,
    /// Configurations that replicas have taken in mid-run, in order.
    pub configurations: Vec<Configuration>,
    /// Times at which a replica began anew with a provider, or with all.
    pub renewals: Vec<Renewal>,
    /// How often a replica was started, restarts too.
    pub starts: u32,
    /// The time of the latest event.
    pub now: At,
    /// How many events there were.
    pub events: u64,
    /// How many there were when it was carried on; evictions that began before have been judged.
    pub since: u64,
    by_id: Places,
    /// Faults that have struck a request of which its provider has not told yet.
    struck: BTreeMap<(RequestId, u32, String), String>,
    /// Requests that a provider is at, by position in `served`; kept once there was a fault.
    serving: BTreeMap<(RequestId, u32, String), usize>,
    /// How often each provider was evicted since its last success, as its replica counts.
    counts: Vec<(u32, String, String, u32)>,
}

/// A replica has forgotten what it knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The replica.
    pub replica: u32,
    /// Of whom; none where it was of everybody, since the replica was started.
    pub provider: Option<ProviderName>,
    /// Where in the stream.
    pub seq: u64,
}

impl Renewal {
    /// Whether it concerns a provider of a replica.
    #[must_use]
    pub fn concerns(&self, replica: u32, backend: &str, provider: &str) -> bool {
        let own = |one: &ProviderName| one.backend == backend && one.provider == provider;
        self.replica == replica && self.provider.as_ref().is_none_or(own)
    }
}

impl History {
    /// Folds a whole stream.
    pub fn of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut history = Self::default();
        events.into_iter().for_each(|event| history.apply(event));
        history
    }

    /// The request with this id.
    #[must_use]
    pub fn request(&self, id: &str) -> Option<&Request> {
        self.by_id.get(id).map(|index| &self.requests[*index])
    }

    /// Requests of one step, in order.
    pub fn requests_of(&self, step: usize) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.step == Some(step))
    }

    /// Takes in the next event.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event, so that none is forgotten")]
    pub fn apply(&mut self, event: &Event) {
        let at = event.at_us;
        self.now = at;
        self.events += 1;
        match &event.kind {
            Kind::StepStarted { step, verb, summary, act, load } => self.steps.push(StepRecord {
                step: *step,
                verb: verb.clone(),
                summary: summary.clone(),
                began: at,
                ended: None,
                act: act.clone(),
                load: *load,
                failed: None,
            }),
            Kind::StepEnded { step, failed } => {
                if let Some(record) = self.steps.iter_mut().rev().find(|record| record.step == *step) {
                    record.ended = Some(at);
                    record.failed.clone_from(failed);
                }
            }
            Kind::ReplicaStarted { replica } => {
                self.replicas = self.replicas.max(replica.saturating_add(1));
                self.starts = self.starts.saturating_add(1);
                self.renewals.push(Renewal { replica: *replica, provider: None, seq: event.seq });
            }
            Kind::ReplicaStopped { replica } => {
                self.forget(event, |one| one.replica == *replica);
                self.counts.retain(|(one, ..)| one != replica);
            }
            Kind::ReplicaConfigured { replica, backends, reset } => {
                let gone = |of: u32, backend: &str, provider: &str| {
                    of == *replica && reset.iter().any(|one| one.backend == backend && one.provider == provider)
                };
                self.forget(event, |one| gone(one.replica, &one.backend, &one.provider));
                self.counts.retain(|(of, backend, provider, _)| !gone(*of, backend, provider));
                let (replica, backends) = (*replica, backends.clone());
                self.renewals.extend(reset.iter().map(|one| Renewal {
                    replica,
                    provider: Some(one.clone()),
                    seq: event.seq,
                }));
                self.configurations.push(Configuration { replica, backends, seq: event.seq, at });
            }
            Kind::ClientRequestSent {
                request,
                step,
                replica,
                method,
                path,
                stream,
                headers: _,
                body: _,
                intended_us,
                retry_of,
            } => {
                let record = self.entry(request);
                record.step = *step;
                record.replica = *replica;
                record.method.clone_from(method);
                record.path.clone_from(path);
                record.stream = *stream;
                record.sent = at;
                record.intended = *intended_us;
                record.retry_of.clone_from(retry_of);
            }
            Kind::ClientResponseStarted { request, status, headers } => {
                let record = self.entry(request);
                record.started = Some(at);
                record.status = Some(*status);
                record.headers.clone_from(headers);
            }
            Kind::ClientFirstToken { request } => self.entry(request).first_token = Some(at),
            Kind::ClientRequestEnded { request, outcome, status, model, usage, body, text, body_bytes, digest } => {
                let record = self.entry(request);
                record.ended = Some(at);
                record.ended_seq = Some(event.seq);
                record.ends += 1;
                record.outcome = Some(*outcome);
                record.status = *status;
                record.model.clone_from(model);
                record.usage = *usage;
                record.digest = *digest;
                record.body.clone_from(body);
                record.text.clone_from(text);
                record.body_bytes = *body_bytes;
            }
            Kind::GatewayRequestReceived { request, replica, method: _, path: _, credential, arrival: _ } => {
                let record = self.entry(request);
                record.replica = Some(*replica);
                record.gateway = Some(GatewayRecord {
                    received: at,
                    received_seq: event.seq,
                    credential: credential.clone(),
                    ..GatewayRecord::default()
                });
            }
            Kind::GatewayRequestRouted { request, replica: _, route, rule, backend, path_match: _, rule_name: _ } => {
                let gateway = self.entry(request).gateway.get_or_insert_default();
                gateway.route = Some(route.clone());
                gateway.rule = Some(*rule);
                gateway.backend = Some(backend.clone());
            }
            Kind::ProviderSelected {
                request,
                replica: _,
                attempt,
                backend,
                group,
                provider,
                fallback,
                candidates,
                draws,
            } => self.entry(request).attempts.push(Attempt {
                attempt: *attempt,
                backend: backend.clone(),
                group: *group,
                provider: provider.clone(),
                endpoint: String::new(),
                model: None,
                credential: None,
                fallback: *fallback,
                candidates: candidates.clone(),
                draws: draws.clone(),
                selected: at,
                selected_seq: event.seq,
                ended: None,
                outcome: None,
                status: None,
                error: None,
                retry_after: None,
                ended_seq: None,
                counted: None,
                counted_at: None,
                counted_seq: None,
            }),
            Kind::AttemptStarted { request, replica: _, attempt, provider: _, endpoint, model, credential } => {
                if let Some(record) = self.attempt(request, *attempt) {
                    record.endpoint.clone_from(endpoint);
                    record.model.clone_from(model);
                    record.credential.clone_from(credential);
                }
            }
            Kind::AttemptEnded { request, replica: _, attempt, provider: _, outcome, status, error, retry_after } => {
                if let Some(record) = self.attempt(request, *attempt) {
                    record.ended = Some(at);
                    record.outcome = Some(*outcome);
                    record.status = *status;
                    record.error.clone_from(error);
                    record.retry_after.clone_from(retry_after);
                    record.ended_seq = Some(event.seq);
                }
            }
            Kind::HealthChanged {
                replica,
                backend,
                provider,
                request,
                health: _,
                latency_seconds: _,
                consecutive_failures,
                times_ejected,
            } => {
                let counted = if *consecutive_failures == 0 { Counted::Success } else { Counted::Failure };
                self.mark_counted(event, request.as_deref(), (backend, provider), counted);
                let rise = self.rise_of_ejections(*replica, backend, provider, *times_ejected);
                if rise > 0 {
                    self.ejections.push(Ejection {
                        replica: *replica,
                        backend: backend.clone(),
                        provider: provider.clone(),
                        request: request.clone(),
                        at,
                        count: *times_ejected,
                        rise,
                    });
                }
            }
            Kind::Note { .. } => {}
            Kind::FaultInjected { fault_id, fault, target, injection, from_us, until_us } => {
                self.faults.push(FaultRecord {
                    id: *fault_id,
                    fault: fault.clone(),
                    target: target.clone(),
                    injection: injection.clone(),
                    injected: at,
                    from: *from_us,
                    until: *until_us,
                    cleared: None,
                    strikes: 0,
                    last_strike: None,
                });
            }
            Kind::FaultStruck { fault_id, fault, request, attempt, place } => {
                if let Some(record) = self.fault(*fault_id) {
                    record.strikes += 1;
                    record.last_strike = Some(at);
                }
                self.mark_struck(request.as_deref(), *attempt, place, fault);
            }
            Kind::FaultCleared { fault_id, reason: _ } => {
                if let Some(record) = self.fault(*fault_id) {
                    record.cleared.get_or_insert(at);
                }
            }
            Kind::ProviderEvicted { replica, backend, group, provider, request, until_us, source, status } => {
                self.evictions.push(Eviction {
                    replica: *replica,
                    backend: backend.clone(),
                    group: *group,
                    provider: provider.clone(),
                    request: request.clone(),
                    status: *status,
                    source: source.clone(),
                    began: at,
                    until: *until_us,
                    returned: None,
                    began_seq: event.seq,
                    returned_seq: None,
                    forgotten: false,
                });
            }
            Kind::ProviderReturned { replica, backend, group: _, provider } => {
                for eviction in &mut self.evictions {
                    let same =
                        eviction.replica == *replica && eviction.backend == *backend && eviction.provider == *provider;
                    if same && eviction.returned.is_none() {
                        eviction.returned = Some(at);
                        eviction.returned_seq = Some(event.seq);
                    }
                }
            }
            Kind::GatewayRequestEnded { request, outcome, status, error, reason, usage, answer, .. } => {
                let gateway = self.entry(request).gateway.get_or_insert_default();
                gateway.ended = Some(at);
                gateway.ended_seq = Some(event.seq);
                gateway.ends += 1;
                gateway.outcome = Some(*outcome);
                gateway.status = Some(*status);
                gateway.error.clone_from(error);
                gateway.reason.clone_from(reason);
                gateway.usage = *usage;
                gateway.held = answer.held_bytes;
            }
            Kind::ProviderRequestReceived {
                request,
                attempt,
                host,
                path: _,
                model,
                stream: _,
                credential,
                hop_by_hop,
            } => {
                let mut injected = None;
                if let (Some(request), false) = (request, self.faults.is_empty()) {
                    let key = (request.clone(), *attempt, host.clone());
                    injected = self.struck.remove(&key);
                    self.serving.insert(key, self.served.len());
                }
                self.served.push(Served {
                    request: request.clone(),
                    attempt: *attempt,
                    host: host.clone(),
                    model: model.clone(),
                    credential: credential.clone(),
                    received: at,
                    ended: None,
                    status: None,
                    outcome: None,
                    injected,
                    usage: None,
                    digest: None,
                    hop_by_hop: hop_by_hop.clone(),
                });
            }
            Kind::ProviderRequestEnded { request, attempt, host, status, outcome, injected, usage, digest } => {
                let same = |served: &&mut Served| {
                    served.request == *request
                        && served.attempt == *attempt
                        && served.host == *host
                        && served.ended.is_none()
                };
                if let Some(served) = self.served.iter_mut().rev().find(same) {
                    served.ended = Some(at);
                    served.status = Some(*status);
                    served.outcome = Some(*outcome);
                    served.usage = *usage;
                    served.digest = *digest;
                    if injected.is_some() {
                        served.injected.clone_from(injected);
                    }
                }
                if let (Some(request), false) = (request, self.serving.is_empty()) {
                    self.serving.remove(&(request.clone(), *attempt, host.clone()));
                }
            }
        }
    }

    /// The configuration that a replica has at an event; none where it is still the first one.
    #[must_use]
    pub fn configuration(&self, replica: u32, seq: u64) -> Option<&Configuration> {
        self.configurations.iter().rev().find(|one| one.replica == replica && one.seq < seq)
    }

    /// Evictions end since the health state that had them is gone.
    fn forget(&mut self, event: &Event, which: impl Fn(&Eviction) -> bool) {
        for eviction in self.evictions.iter_mut().filter(|one| one.returned.is_none()) {
            if which(eviction) {
                eviction.returned = Some(event.at_us);
                eviction.returned_seq = Some(event.seq);
                eviction.forgotten = true;
            }
        }
    }

    fn fault(&mut self, id: u64) -> Option<&mut FaultRecord> {
        self.faults.iter_mut().rev().find(|record| record.id == id)
    }

    /// Notes that a fault has struck a request at a provider, which may tell of the request later.
    fn mark_struck(&mut self, request: Option<&str>, attempt: u32, host: &str, fault: &str) {
        let Some(request) = request else { return };
        let key = (request.to_owned(), attempt, host.to_owned());
        match self.serving.get(&key).and_then(|index| self.served.get_mut(*index)) {
            Some(served) => served.injected = Some(fault.to_owned()),
            None => drop(self.struck.insert(key, fault.to_owned())),
        }
    }

    /// Notes what the last attempt of a request at a provider was taken for. The first word counts.
    fn mark_counted(
        &mut self,
        event: &Event,
        request: Option<&str>,
        (backend, provider): (&str, &str),
        counted: Counted,
    ) {
        let Some(index) = request.and_then(|request| self.by_id.get(request)) else { return };
        let mut attempts = self.requests[*index].attempts.iter_mut().rev();
        let own = attempts.find(|one| one.provider == provider && one.backend == backend);
        if let Some(attempt) = own.filter(|one| one.counted.is_none()) {
            attempt.counted = Some(counted);
            attempt.counted_at = Some(event.at_us);
            attempt.counted_seq = Some(event.seq);
        }
    }

    /// Notes a provider's count of evictions, and says by how much it rose.
    fn rise_of_ejections(&mut self, replica: u32, backend: &str, provider: &str, count: u32) -> u32 {
        let same =
            |(on, of, at, _): &&mut (u32, String, String, u32)| *on == replica && at == provider && of == backend;
        if let Some((.., known)) = self.counts.iter_mut().find(same) {
            let before = std::mem::replace(known, count);
            return count.saturating_sub(before);
        }
        self.counts.push((replica, backend.to_owned(), provider.to_owned(), count));
        count
    }

    fn entry(&mut self, id: &str) -> &mut Request {
        let index = if let Some(index) = self.by_id.get(id) {
            *index
        } else {
            let index = self.requests.len();
            // Where nobody is the client, the gateway is the first to see a request.
            let request = Request { id: id.to_owned(), number: index + 1, sent: self.now, ..Request::default() };
            self.requests.push(request);
            self.by_id.insert(id.to_owned(), index);
            index
        };
        &mut self.requests[index]
    }

    fn attempt(&mut self, id: &str, attempt: u32) -> Option<&mut Attempt> {
        self.entry(id).attempts.iter_mut().rev().find(|record| record.attempt == attempt)
    }
}
