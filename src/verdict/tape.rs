//! Histories made by hand, for tests: what a sound gateway would have written.

use std::time::Duration;

use crate::event::{At, Event, History, Kind, Outcome};

/// The backend of the intra-group lab.
pub(super) const BACKEND: &str = "agentgateway-system/mock-ratelimit-backend";
/// The provider that fails, in group 0.
pub(super) const MOCK: &str = "mock-ratelimit-provider";
/// The provider that works, in group 0.
pub(super) const PRIMARY: &str = "openai-provider-primary";
/// The provider of group 1.
pub(super) const FALLBACK: &str = "openai-provider-fallback";

/// Events in the course of being written.
#[derive(Default, Clone)]
pub(super) struct Tape {
    pub(super) events: Vec<Event>,
    now: Duration,
    requests: u32,
}

impl Tape {
    pub(super) fn history(&self) -> History {
        History::of(&self.events)
    }

    pub(super) fn emit(&mut self, kind: Kind) {
        self.events.push(Event { seq: self.events.len() as u64, at_us: At::after(self.now), kind });
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Plays a step whose events `inside` writes.
    pub(super) fn step(&mut self, step: usize, inside: impl FnOnce(&mut Self)) {
        self.emit(Kind::StepStarted { step, verb: "send".into(), summary: String::new(), act: None, load: None });
        inside(self);
        self.emit(Kind::StepEnded { step, failed: None });
    }

    /// A request of `step` that the failing provider answers with 429, and is evicted for a minute.
    pub(super) fn failure(&mut self, step: usize) {
        let id = self.exchange(step, 0, MOCK, 429);
        let until_us = At::after(self.now + Duration::from_mins(1));
        self.evict(MOCK, &id, until_us);
    }

    pub(super) fn evict(&mut self, provider: &str, request: &str, until_us: At) {
        self.emit(Kind::ProviderEvicted {
            replica: 0,
            backend: BACKEND.into(),
            group: 0,
            provider: provider.into(),
            request: request.into(),
            until_us,
            source: "retry-after".into(),
            status: 429,
        });
    }

    pub(super) fn comes_back(&mut self, provider: &str) {
        self.emit(Kind::ProviderReturned { replica: 0, backend: BACKEND.into(), group: 0, provider: provider.into() });
    }

    /// A request of `step` that the working provider of the first group answers.
    pub(super) fn success(&mut self, step: usize) {
        self.exchange(step, 0, PRIMARY, 200);
    }

    /// A whole request, seen by client, gateway and provider; returns its id.
    pub(super) fn exchange(&mut self, step: usize, group: usize, provider: &str, status: u16) -> String {
        let id = self.begins(step);
        self.attempt(&id, 0, group, provider, status);
        self.answered(&id, status, None, &format!("{{\"from\":\"{provider}\"}}"));
        self.pass(50);
        id
    }

    /// The same, and its answer is accounted.
    pub(super) fn accounted(&mut self, step: usize, provider: &str, status: u16) -> String {
        let id = self.begins(step);
        self.attempt(&id, 0, 0, provider, status);
        self.account(&id, provider, status);
        self.answered(&id, status, None, "");
        self.pass(50);
        id
    }

    /// The answer to a request is accounted.
    fn account(&mut self, id: &str, provider: &str, status: u16) {
        let failed = status >= 500 || status == 429;
        self.emit(Kind::HealthChanged {
            replica: 0,
            backend: BACKEND.into(),
            provider: provider.into(),
            request: Some(id.to_owned()),
            health: 1.0,
            latency_seconds: 0.0,
            consecutive_failures: failed.into(),
            times_ejected: 0,
        });
    }

    /// A request of `step` that is tried twice, at a group, a provider and with a status each; the client gets
    /// `told`.
    pub(super) fn retried(
        &mut self,
        step: usize,
        first: (usize, &str, u16),
        second: (usize, &str, u16),
        told: u16,
    ) -> String {
        self.retried_after(step, first, |_| {}, second, told)
    }

    /// The same, with what `meanwhile` writes in the pause between the two.
    pub(super) fn retried_after(
        &mut self,
        step: usize,
        first: (usize, &str, u16),
        meanwhile: impl FnOnce(&mut Self),
        second: (usize, &str, u16),
        told: u16,
    ) -> String {
        let id = self.begins(step);
        self.attempt(&id, 0, first.0, first.1, first.2);
        self.account(&id, first.1, first.2);
        meanwhile(self);
        self.attempt(&id, 1, second.0, second.1, second.2);
        self.answered(&id, told, None, "");
        self.pass(50);
        id
    }

    /// A request comes, and takes the route to the backend.
    fn begins(&mut self, step: usize) -> String {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        self.asked(step, &id);
        self.emit(Kind::GatewayRequestRouted {
            request: id.clone(),
            replica: 0,
            route: "agentgateway-system/mock-ratelimit-failover".into(),
            rule: 0,
            backend: BACKEND.into(),
            path_match: None,
            rule_name: None,
        });
        id
    }

    /// One attempt, from the choice to the end.
    fn attempt(&mut self, id: &str, attempt: u32, group: usize, provider: &str, status: u16) {
        let id = id.to_owned();
        let own = (provider != MOCK).then(|| "secret:openai-secret/Authorization".to_owned());
        let (host, model) = match provider {
            MOCK => ("mock-gpt-4o-0", "mock-gpt-4o"),
            PRIMARY => ("api.openai.com", "gpt-4o"),
            _ => ("api.openai.com", "gpt-4o-mini"),
        };
        self.emit(Kind::ProviderSelected {
            request: id.clone(),
            replica: 0,
            attempt,
            backend: BACKEND.into(),
            group,
            provider: provider.into(),
            fallback: false,
            candidates: Vec::new(),
            draws: Vec::new(),
        });
        self.emit(Kind::AttemptStarted {
            request: id.clone(),
            replica: 0,
            attempt,
            provider: provider.into(),
            endpoint: format!("{host}:443"),
            model: Some(model.into()),
            credential: own.clone(),
        });
        self.emit(Kind::ProviderRequestReceived {
            request: Some(id.clone()),
            attempt,
            host: host.into(),
            path: "/v1/chat/completions".into(),
            model: Some(model.into()),
            stream: false,
            credential: own,
            hop_by_hop: Vec::new(),
        });
        self.pass(5);
        self.emit(Kind::ProviderRequestEnded {
            request: Some(id.clone()),
            attempt,
            host: host.into(),
            status,
            outcome: Outcome::Complete,
            injected: None,
            usage: None,
            digest: None,
        });
        self.emit(Kind::AttemptEnded {
            request: id.clone(),
            replica: 0,
            attempt,
            provider: provider.into(),
            outcome: Outcome::Complete,
            status: Some(status),
            error: None,
            retry_after: None,
        });
    }

    /// A request that the gateway itself answers, since it has nobody to ask.
    pub(super) fn nobody_left(&mut self, step: usize) {
        let id = self.begins(step);
        self.answered(&id, 503, Some("all providers are evicted"), "");
        self.pass(50);
    }

    /// A request that the gateway itself answers, since nothing leads anywhere.
    pub(super) fn refused_by_gateway(&mut self, step: usize, status: u16) {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        self.asked(step, &id);
        self.answered(&id, status, Some("route not found"), "");
        self.pass(50);
    }

    fn asked(&mut self, step: usize, id: &str) {
        self.emit(Kind::ClientRequestSent {
            request: id.into(),
            step: Some(step),
            replica: Some(0),
            method: "POST".into(),
            path: "/openai".into(),
            stream: false,
            headers: Vec::new(),
            body: String::new(),
            intended_us: None,
            retry_of: None,
        });
        self.emit(Kind::GatewayRequestReceived {
            request: id.into(),
            replica: 0,
            method: "POST".into(),
            path: "/openai".into(),
            credential: None,
            arrival: Box::default(),
        });
    }

    fn answered(&mut self, id: &str, status: u16, error: Option<&str>, body: &str) {
        self.emit(Kind::GatewayRequestEnded {
            request: id.into(),
            replica: 0,
            status,
            outcome: Outcome::Complete,
            provider: None,
            group: None,
            endpoint: None,
            request_model: None,
            response_model: None,
            usage: None,
            attempts: 1,
            error: error.map(Into::into),
            reason: None,
            answer: Box::default(),
        });
        self.emit(Kind::ClientResponseStarted {
            request: id.into(),
            status,
            headers: vec![("retry-after".into(), "60".into())],
        });
        self.emit(Kind::ClientRequestEnded {
            request: id.into(),
            outcome: Outcome::Complete,
            status: Some(status),
            model: Some("gpt-4o-2024-08-06".into()),
            usage: None,
            body: body.into(),
            text: None,
            body_bytes: body.len() as u64,
            digest: None,
        });
    }

    /// The tape without the events that `unwanted` picks, numbered anew.
    pub(super) fn without(&self, unwanted: impl Fn(&Kind) -> bool) -> Self {
        let mut tape = self.clone();
        tape.events.retain(|event| !unwanted(&event.kind));
        tape.renumbered()
    }

    /// The tape with every event that `change` changes.
    pub(super) fn changed(&self, change: impl Fn(&mut Kind)) -> Self {
        let mut tape = self.clone();
        tape.events.iter_mut().for_each(|event| change(&mut event.kind));
        tape
    }

    pub(super) fn renumbered(mut self) -> Self {
        for (seq, event) in self.events.iter_mut().enumerate() {
            event.seq = seq as u64;
        }
        self
    }
}
