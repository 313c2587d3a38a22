//! Makes streams of events as a lab would tell them.

use crate::event::log::{BackendRecord, FORMAT, Header, ProviderRecord};
use crate::event::{At, Candidate, Event, Kind, Outcome, Usage};
use crate::source::Sources;

pub(super) const BACKEND: &str = "agentgateway-system/mock-ratelimit-backend";
pub(super) const BAD: &str = "mock-ratelimit-provider";
pub(super) const GOOD: &str = "openai-provider";
/// Joins in mid-run.
pub(super) const NEWCOMER: &str = "vllm-provider-that-came-later";

const SCENARIO: &str = r#"name: Inter-group failover
about: The preferred provider is rate limited; the lower group takes over for a minute.
seed: 7
lab:
  manifests: [manifests/mock-429.yaml, manifests/inter-group.yaml]
steps:
  - note: The first request meets the rate limit
  - send:
      path: /openai
      times: 3
      expect:
        pattern: "429@mock-ratelimit-provider 200@openai-provider{2}"
  - wait: 61s
  - send: { path: /openai }
expect:
  evictions: { mock-ratelimit-provider: { count: 2, lasts: 60s } }
"#;

/// A stream under construction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) events: Vec<Event>,
    now: u64,
    sent: usize,
}

pub(super) fn header() -> Header {
    let mut sources = Sources::default();
    sources.add("scenarios/inter-group.yaml", SCENARIO);
    let provider = |name: &str, endpoint: &str, model: &str| ProviderRecord {
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        model: Some(model.to_owned()),
    };
    Header {
        labsim_recording: FORMAT,
        version: "0.1.0".to_owned(),
        name: "Inter-group failover".to_owned(),
        seed: 7,
        patterns_counted: false,
        unplayed: false,
        batch: None,
        personality: "agentgateway-1.4".to_owned(),
        json_log: false,
        clock: "virtual".to_owned(),
        start: "2026-01-01T00:00:00Z".to_owned(),
        sources,
        replicas: 1,
        backends: vec![BackendRecord {
            name: BACKEND.to_owned(),
            groups: vec![
                vec![provider(BAD, "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000", "mock-gpt-4o")],
                vec![provider(GOOD, "api.openai.com:443", "gpt-4o-mini")],
            ],
            label: None,
        }],
    }
}

impl Stream {
    pub(super) fn emit(&mut self, kind: Kind) -> &mut Self {
        let event = Event { seq: self.events.len() as u64, at_us: At(self.now), kind };
        self.events.push(event);
        self
    }

    pub(super) fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * 1_000;
        self
    }

    pub(super) fn step(&mut self, step: usize, verb: &str, summary: &str) -> &mut Self {
        self.emit(Kind::StepStarted { step, verb: verb.to_owned(), summary: summary.to_owned(), act: None, load: None })
    }

    pub(super) fn step_over(&mut self, step: usize) -> &mut Self {
        self.emit(Kind::StepEnded { step, failed: None })
    }

    /// A request to its end, answered by `provider` of `group` with `status` after `millis`.
    pub(super) fn ask(
        &mut self,
        step: usize,
        replica: u32,
        (group, provider): (usize, &str),
        status: u16,
        millis: u64,
    ) -> &mut Self {
        self.begin(step, replica, (group, provider));
        self.wait(millis / 3);
        let request = format!("req-{}", self.sent);
        if status < 400 {
            self.emit(Kind::ClientResponseStarted {
                request: request.clone(),
                status,
                headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
            });
            self.emit(Kind::ClientFirstToken { request: request.clone() });
        }
        self.wait(millis - millis / 3);
        self.finish(&request, replica, (group, provider), status)
    }

    /// A request up to where its provider has it.
    pub(super) fn begin(&mut self, step: usize, replica: u32, (group, provider): (usize, &str)) -> &mut Self {
        self.sent += 1;
        let request = format!("req-{}", self.sent);
        let path = "/openai".to_owned();
        let record = with_newcomer()[0].groups[group].iter().find(|one| one.name == provider).cloned().unwrap();
        self.emit(Kind::ClientRequestSent {
            request: request.clone(),
            step: Some(step),
            replica: Some(replica),
            method: "POST".to_owned(),
            path: path.clone(),
            stream: true,
            headers: vec![
                ("host".to_owned(), "localhost:8080".to_owned()),
                ("content-type".to_owned(), "application/json".to_owned()),
                ("authorization".to_owned(), "client".to_owned()),
            ],
            body: r#"{"model":"","messages":[{"role":"user","content":"What is 2+2?"}]}"#.to_owned(),
            intended_us: None,
            retry_of: None,
        });
        self.emit(Kind::GatewayRequestReceived {
            request: request.clone(),
            replica,
            method: "POST".to_owned(),
            path: path.clone(),
            credential: Some("client".to_owned()),
            arrival: Box::default(),
        });
        self.emit(Kind::GatewayRequestRouted {
            request: request.clone(),
            replica,
            route: "agentgateway-system/mock-ratelimit-failover".to_owned(),
            rule: 0,
            backend: BACKEND.to_owned(),
            path_match: None,
            rule_name: None,
        });
        let candidate = |name: &str, score: f64| Candidate {
            provider: name.to_owned(),
            score,
            health: score,
            latency_seconds: 0.0,
            pending: 0,
        };
        self.emit(Kind::ProviderSelected {
            request: request.clone(),
            replica,
            attempt: 0,
            backend: BACKEND.to_owned(),
            group,
            provider: provider.to_owned(),
            fallback: false,
            candidates: vec![candidate(provider, 1.0)],
            draws: vec![0, 0],
        });
        self.emit(Kind::AttemptStarted {
            request: request.clone(),
            replica,
            attempt: 0,
            provider: provider.to_owned(),
            endpoint: record.endpoint.clone(),
            model: record.model.clone(),
            credential: Some("secret:openai-secret/Authorization".to_owned()),
        });
        self.emit(Kind::ProviderRequestReceived {
            request: Some(request),
            attempt: 0,
            host: "mock-gpt-4o-0".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            model: record.model,
            stream: true,
            credential: Some("client".to_owned()),
            hop_by_hop: Vec::new(),
        })
    }

    pub(super) fn finish(
        &mut self,
        request: &str,
        replica: u32,
        (group, provider): (usize, &str),
        status: u16,
    ) -> &mut Self {
        let request = request.to_owned();
        let usage = (status < 400).then_some(Usage { input: 13, output: 7 });
        let model = (status < 400).then(|| "gpt-4o-mini-2024-07-18".to_owned());
        let body = if status < 400 {
            "Four."
        } else {
            r#"{"error":{"message":"Rate limit reached for mock-gpt-4o in organization org-xxx on requests per min (RPM): Limit 3, Used 3, Requested 1.","type":"RateLimitError","param":null,"code":429}}"#
        };
        self.emit(Kind::ProviderRequestEnded {
            request: Some(request.clone()),
            attempt: 0,
            host: "mock-gpt-4o-0".to_owned(),
            status,
            outcome: Outcome::Complete,
            injected: (status == 429).then(|| "rate_limit".to_owned()),
            usage,
            digest: None,
        });
        self.emit(Kind::AttemptEnded {
            request: request.clone(),
            replica,
            attempt: 0,
            provider: provider.to_owned(),
            outcome: Outcome::Complete,
            status: Some(status),
            error: None,
            retry_after: None,
        });
        let (health, failures) = if status < 400 { (1.0, 0) } else { (0.7, 1) };
        self.emit(Kind::HealthChanged {
            replica,
            backend: BACKEND.to_owned(),
            provider: provider.to_owned(),
            health,
            latency_seconds: 0.2,
            consecutive_failures: failures,
            times_ejected: 0,
            request: None,
        });
        if status == 429 {
            let until_us = At(self.now + 60_000_000);
            self.emit(Kind::ProviderEvicted {
                replica,
                backend: BACKEND.to_owned(),
                group,
                provider: provider.to_owned(),
                request: request.clone(),
                until_us,
                source: "retry-after".to_owned(),
                status,
            });
        }
        self.emit(Kind::GatewayRequestEnded {
            request: request.clone(),
            replica,
            status,
            outcome: Outcome::Complete,
            provider: Some(provider.to_owned()),
            group: Some(group),
            endpoint: None,
            request_model: None,
            response_model: model.clone(),
            usage,
            attempts: 1,
            error: None,
            reason: None,
            answer: Box::default(),
        });
        self.emit(Kind::ClientRequestEnded {
            request,
            outcome: Outcome::Complete,
            status: Some(status),
            model,
            usage,
            body: body.to_owned(),
            text: None,
            body_bytes: body.len() as u64,
            digest: None,
        })
    }

    /// Every replica takes a configuration with a provider more.
    pub(super) fn newcomer(&mut self) -> &mut Self {
        self.emit(Kind::ReplicaConfigured { replica: 0, backends: with_newcomer(), reset: Vec::new() })
    }

    pub(super) fn back(&mut self, replica: u32, group: usize, provider: &str) -> &mut Self {
        self.emit(Kind::ProviderReturned { replica, backend: BACKEND.to_owned(), group, provider: provider.to_owned() })
    }
}

/// The header's backends with a provider more, in a group below the others.
pub(super) fn with_newcomer() -> Vec<BackendRecord> {
    let mut backends = header().backends;
    let (name, endpoint) = (NEWCOMER.to_owned(), "vllm-svc.agentgateway-system.svc.cluster.local:8000".to_owned());
    backends[0].groups.push(vec![ProviderRecord { name, endpoint, model: Some("qwen3".to_owned()) }]);
    backends
}

/// The lab's first part: a failure, an eviction, two answers from the lower group, a minute, and again.
pub(super) fn failover() -> Vec<Event> {
    let mut stream = Stream::default();
    stream.emit(Kind::ReplicaStarted { replica: 0 });
    stream.step(0, "note", "The first request meets the rate limit");
    stream.emit(Kind::Note { text: "The first request meets the rate limit".to_owned() }).step_over(0);
    stream.step(1, "send", "send 3 requests to /openai");
    stream.ask(1, 0, (0, BAD), 429, 50).wait(50);
    stream.ask(1, 0, (1, GOOD), 200, 1_372).wait(50);
    stream.ask(1, 0, (1, GOOD), 200, 1_207).step_over(1);
    stream.step(2, "wait", "wait 61s").wait(57_371);
    stream.back(0, 0, BAD).wait(3_629).step_over(2);
    stream.step(3, "send", "send a request to /openai");
    stream.ask(3, 0, (0, BAD), 429, 48).step_over(3).wait(20);
    stream.events.clone()
}
