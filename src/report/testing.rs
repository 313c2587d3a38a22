//! For the tests of reports: a run written out by hand, and texts kept in `tests/reports`.

use std::fs;
use std::path::PathBuf;

use crate::event::facts::TokenDetails;
use crate::event::log::{BackendRecord, FORMAT, Header, ProviderRecord};
use crate::event::{Answer, Arrival, At, Candidate, Event, Kind, Outcome, Parameters, Usage};
use crate::report::RunRecord;
use crate::scenario::Personality;
use crate::source::{FileId, Place, Sources};
use crate::verdict::{About, Exempt, Finding, Outcome as Verdict, Verdict as Judged};

const ROUTE: &str = "agentgateway-system/openai";
const BACKEND: &str = "agentgateway-system/openai-failover";
const MOCK: (&str, &str, &str) =
    ("mock-ratelimit-provider", "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000", "mock-gpt-4o");
const OPENAI: (&str, &str, &str) = ("openai-provider", "api.openai.com:443", "gpt-4o");
const SCENARIO: &str = "\
name: Inter-group failover
lab: { manifests: [lab.yaml] }
steps:
  - send: { path: /openai, times: 3, expect: { pattern: \"429 200 200\" } }
  - wait: 61s
  - send: { path: /openai, times: 3, expect: { pattern: \"200{3}\" } }
expect:
  evictions: { mock-ratelimit-provider: { count: 1 } }
";

/// Compares `text` with the file `name` in `tests/reports`; `LABSIM_BLESS=1` writes it anew.
pub(super) fn assert_snapshot(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reports").join(name);
    if std::env::var_os("LABSIM_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (want, have))) = expected.lines().zip(text.lines()).enumerate().find(|(_, (a, b))| a != b) {
        panic!("{name}, line {}:\nexpected {want}\nbut came {have}", line + 1);
    }
    assert!(expected == text, "{name} has {} bytes, {} came", expected.len(), text.len());
}

/// The header of the run.
pub(super) fn header() -> Header {
    let provider = |(name, endpoint, model): (&str, &str, &str)| ProviderRecord {
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        model: Some(model.to_owned()),
    };
    let mut sources = Sources::default();
    sources.add("scenarios/inter-group.yaml", SCENARIO);
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
            groups: vec![vec![provider(MOCK)], vec![provider(OPENAI)]],
            label: None,
        }],
    }
}

/// The events of the run: a 429 that evicts for a minute, answers by the lower group, one of them a
/// stream; after the minute a retried request in a client's trace, a refused connection, no route.
pub(super) fn events() -> Vec<Event> {
    let mut run = Script::default();
    run.at(0, Kind::ReplicaStarted { replica: 0 });
    run.at(0, step(0, "send", "POST /openai, 3 times"));
    run.rate_limited(0, "r1");
    run.answered(52_000, "r2", 861_000);
    run.streamed(963_000, "r3");
    run.at(2_163_000, Kind::StepEnded { step: 0, failed: None });
    run.at(2_163_000, step(1, "wait", "61s"));
    run.returned(60_002_000);
    run.at(63_163_000, Kind::StepEnded { step: 1, failed: None });
    run.at(63_163_000, step(2, "send", "POST /openai, 3 times"));
    run.retried(63_163_000, "r4");
    run.refused(63_763_000, "r5");
    run.without_route(63_814_000, "r6");
    run.at(63_815_000, Kind::StepEnded { step: 2, failed: None });
    run.at(63_815_000, Kind::Note { text: "That was <all> & \"done\"".to_owned() });
    let mut events = run.events;
    events.sort_by_key(|event| event.at_us);
    for (seq, event) in (0..).zip(&mut events) {
        event.seq = seq;
    }
    events
}

/// Two runs: the one above, where not all is well, and one that passed.
pub(super) fn runs() -> Vec<RunRecord> {
    let events = events();
    let findings = vec![
        finding(Some(0), "pattern: \"429 200 200\"", "the answers are 429 200 200", Verdict::Pass, ["", "429 200 200"]),
        Finding {
            detail: vec!["00:00.000 #1 429 <mock> & \"co\"".to_owned(), "01:03.763 #5 503 gateway".to_owned()],
            ..finding(
                Some(2),
                "pattern: \"200{3}\"",
                "the answers are 200{3}",
                Verdict::Fail,
                ["200{3}", "200 503 404"],
            )
        },
        finding(
            None,
            "count: 1",
            "1 eviction of mock-ratelimit-provider",
            Verdict::Unknown,
            ["1", "2, the second has not ended"],
        ),
        Finding {
            about: About::Invariant("priority"),
            place: None,
            ..finding(None, "name", "a group is used only while those before it are evicted", Verdict::Pass, ["", ""])
        },
        Finding {
            about: About::Invariant("one-probe"),
            place: None,
            detail: vec!["2 requests at once".to_owned()],
            exempt: Some(Exempt::Deviation {
                personality: Personality::Agentgateway012,
                why: "everybody returns at once",
            }),
            ..finding(None, "name", "one request at a time probes", Verdict::Pass, ["", "broken once"])
        },
    ];
    let first = RunRecord::new(header(), events.clone(), Judged { findings: findings.clone() }, false);
    let calm = events.into_iter().filter(|event| event.at_us.0 <= 2_163_000).collect();
    let mut header = header();
    header.seed = 8;
    "Calm | <b>8</b>".clone_into(&mut header.name);
    let second = RunRecord::new(header, calm, Judged { findings: findings.into_iter().take(1).collect() }, false);
    vec![first, second]
}

fn finding(step: Option<usize>, at: &str, statement: &str, outcome: Verdict, [expected, actual]: [&str; 2]) -> Finding {
    let start = u32::try_from(SCENARIO.find(at).unwrap()).unwrap();
    let end = start + u32::try_from(at.len()).unwrap();
    Finding {
        about: About::Expectation,
        place: Some(Place { file: FileId(0), start, end }),
        statement: statement.to_owned(),
        label: if outcome == Verdict::Pass { String::new() } else { "not met".to_owned() },
        outcome,
        expected: expected.to_owned(),
        actual: actual.to_owned(),
        detail: Vec::new(),
        exempt: None,
        step,
    }
}

fn step(step: usize, verb: &str, summary: &str) -> Kind {
    Kind::StepStarted { step, verb: verb.to_owned(), summary: summary.to_owned(), act: None, load: None }
}

/// A request that is being written down.
struct Ask<'a> {
    id: &'a str,
    step: usize,
    path: &'a str,
    stream: bool,
    source: &'a str,
    traceparent: Option<&'a str>,
    routed: bool,
}

impl<'a> Ask<'a> {
    fn plain(id: &'a str, step: usize) -> Self {
        let source = "127.0.0.1:44676";
        Self { id, step, path: "/openai", stream: false, source, traceparent: None, routed: true }
    }
}

/// How an attempt goes.
struct Try {
    number: u32,
    provider: (&'static str, &'static str, &'static str),
    status: Option<u16>,
    lasts: u64,
    fallback: bool,
}

#[derive(Default)]
struct Script {
    events: Vec<Event>,
}

impl Script {
    fn at(&mut self, at: u64, kind: Kind) {
        let seq = self.events.len() as u64;
        self.events.push(Event { seq, at_us: At(at), kind });
    }

    fn rate_limited(&mut self, at: u64, id: &str) {
        self.asks(at, &Ask::plain(id, 0));
        self.tries(at, id, &Try { number: 0, provider: MOCK, status: Some(429), lasts: 2_000, fallback: false });
        self.evicts(at + 2_000, id);
        let answer = Answer {
            bytes: Some(42),
            retry_after: Some("60".to_owned()),
            body: Some("{\"error\":\"slow\"}".to_owned()),
            ..Answer::default()
        };
        self.ends(at + 2_000, id, 429, MOCK, 1, answer);
    }

    fn answered(&mut self, at: u64, id: &str, lasts: u64) {
        self.asks(at, &Ask::plain(id, 0));
        self.tries(at, id, &Try { number: 0, provider: OPENAI, status: Some(200), lasts, fallback: false });
        self.ends(at + lasts, id, 200, OPENAI, 1, Answer { bytes: Some(412), ..Answer::default() });
    }

    fn streamed(&mut self, at: u64, id: &str) {
        self.asks(at, &Ask { stream: true, ..Ask::plain(id, 0) });
        let token = at + 300_000;
        self.at(token, Kind::ClientFirstToken { request: id.to_owned() });
        self.tries(at, id, &Try { number: 0, provider: OPENAI, status: Some(200), lasts: 1_200_000, fallback: false });
        let parameters = Parameters { temperature: Some(0.2), max_tokens: Some(64), ..Parameters::default() };
        let details = TokenDetails { cached: Some(0), audio: Some(3) };
        let first_token_us = Some(At(token));
        let answer = Answer { parameters, details, first_token_us, bytes: Some(2_048), ..Answer::default() };
        self.ends(at + 1_200_000, id, 200, OPENAI, 1, answer);
    }

    fn retried(&mut self, at: u64, id: &str) {
        let traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        self.asks(at, &Ask { traceparent, ..Ask::plain(id, 2) });
        self.tries(at, id, &Try { number: 0, provider: MOCK, status: Some(429), lasts: 2_000, fallback: false });
        self.evicts(at + 2_000, id);
        self.tries(
            at + 12_000,
            id,
            &Try { number: 1, provider: OPENAI, status: Some(200), lasts: 490_000, fallback: false },
        );
        self.ends(at + 502_000, id, 200, OPENAI, 2, Answer { bytes: Some(412), ..Answer::default() });
    }

    fn refused(&mut self, at: u64, id: &str) {
        self.asks(at, &Ask { source: "[2001:db8:1:2::3]:51000", ..Ask::plain(id, 2) });
        self.tries(at, id, &Try { number: 0, provider: OPENAI, status: None, lasts: 0, fallback: false });
        self.ends(at + 1_000, id, 503, OPENAI, 1, Answer { bytes: Some(70), ..Answer::default() });
    }

    fn without_route(&mut self, at: u64, id: &str) {
        self.asks(at, &Ask { path: "/nowhere?q=1", routed: false, ..Ask::plain(id, 2) });
        self.at(
            at + 1_000,
            Kind::GatewayRequestEnded {
                request: id.to_owned(),
                replica: 0,
                status: 404,
                outcome: Outcome::Complete,
                provider: None,
                group: None,
                endpoint: None,
                request_model: None,
                response_model: None,
                usage: None,
                attempts: 0,
                error: Some("route not found".to_owned()),
                reason: Some("NotFound".to_owned()),
                answer: Box::new(Answer { bytes: Some(15), ..Answer::default() }),
            },
        );
        self.client_ends(at + 1_000, id, 404, None);
    }

    fn asks(&mut self, at: u64, ask: &Ask<'_>) {
        let request = ask.id.to_owned();
        self.at(
            at,
            Kind::ClientRequestSent {
                request: request.clone(),
                step: Some(ask.step),
                replica: Some(0),
                method: "POST".to_owned(),
                path: ask.path.to_owned(),
                stream: ask.stream,
                headers: vec![("host".to_owned(), "gateway:8080".to_owned())],
                body: "{\"messages\":[]}".to_owned(),
                intended_us: None,
                retry_of: None,
            },
        );
        self.at(
            at,
            Kind::GatewayRequestReceived {
                request: request.clone(),
                replica: 0,
                method: "POST".to_owned(),
                path: ask.path.to_owned(),
                credential: Some("client".to_owned()),
                arrival: Box::new(Arrival {
                    source: Some(ask.source.to_owned()),
                    host: Some("gateway:8080".to_owned()),
                    version: Some("HTTP/1.1".to_owned()),
                    port: Some(8080),
                    gateway: Some("agentgateway-system/agentgateway-proxy".to_owned()),
                    listener: Some("http".to_owned()),
                    secure: false,
                    traceparent: ask.traceparent.map(str::to_owned),
                    traced: None,
                }),
            },
        );
        if ask.routed {
            self.at(
                at,
                Kind::GatewayRequestRouted {
                    request,
                    replica: 0,
                    route: ROUTE.to_owned(),
                    rule: 0,
                    backend: BACKEND.to_owned(),
                    path_match: Some("/openai*".to_owned()),
                    rule_name: None,
                },
            );
        }
    }

    fn tries(&mut self, at: u64, id: &str, one: &Try) {
        let (name, endpoint, model) = one.provider;
        let (request, provider) = (id.to_owned(), name.to_owned());
        let group = usize::from(name == OPENAI.0);
        self.at(
            at,
            Kind::ProviderSelected {
                request: request.clone(),
                replica: 0,
                attempt: one.number,
                backend: BACKEND.to_owned(),
                group,
                provider: provider.clone(),
                fallback: one.fallback,
                candidates: vec![Candidate {
                    provider: provider.clone(),
                    score: 1.0,
                    health: 1.0,
                    latency_seconds: 0.0,
                    pending: 0,
                }],
                draws: vec![0, 0],
            },
        );
        self.at(
            at,
            Kind::AttemptStarted {
                request: request.clone(),
                replica: 0,
                attempt: one.number,
                provider: provider.clone(),
                endpoint: endpoint.to_owned(),
                model: Some(model.to_owned()),
                credential: Some(format!("secret:{name}/Authorization")),
            },
        );
        if let Some(status) = one.status {
            self.serves(at, id, one, status);
        }
        let refused = "upstream call failed: Connect: Connection refused (os error 111)";
        self.at(
            at + one.lasts,
            Kind::AttemptEnded {
                request,
                replica: 0,
                attempt: one.number,
                provider: provider.clone(),
                outcome: if one.status.is_some() { Outcome::Complete } else { Outcome::Refused },
                status: one.status,
                error: one.status.is_none().then(|| refused.to_owned()),
                retry_after: (one.status == Some(429)).then(|| "60".to_owned()),
            },
        );
        let good = one.status == Some(200);
        self.at(
            at + one.lasts,
            Kind::HealthChanged {
                replica: 0,
                backend: BACKEND.to_owned(),
                provider,
                health: if good { 1.0 } else { 0.7 },
                latency_seconds: if good { 0.5 } else { 0.0 },
                consecutive_failures: u32::from(!good),
                times_ejected: u32::from(one.status == Some(429)),
                request: None,
            },
        );
    }

    fn serves(&mut self, at: u64, id: &str, one: &Try, status: u16) {
        let host = if one.provider == MOCK { "mock-gpt-4o-5d9c" } else { "api.openai.com" };
        self.at(
            at + 500,
            Kind::ProviderRequestReceived {
                request: Some(id.to_owned()),
                attempt: one.number,
                host: host.to_owned(),
                path: "/v1/chat/completions".to_owned(),
                model: Some(one.provider.2.to_owned()),
                stream: false,
                credential: Some(format!("secret:{}/Authorization", one.provider.0)),
                hop_by_hop: Vec::new(),
            },
        );
        self.at(
            at + one.lasts,
            Kind::ProviderRequestEnded {
                request: Some(id.to_owned()),
                attempt: one.number,
                host: host.to_owned(),
                status,
                outcome: Outcome::Complete,
                injected: (status == 429).then(|| "rate_limit".to_owned()),
                usage: None,
                digest: None,
            },
        );
    }

    fn evicts(&mut self, at: u64, id: &str) {
        self.at(
            at,
            Kind::ProviderEvicted {
                replica: 0,
                backend: BACKEND.to_owned(),
                group: 0,
                provider: MOCK.0.to_owned(),
                request: id.to_owned(),
                until_us: At(at + 60_000_000),
                source: "retry-after".to_owned(),
                status: 429,
            },
        );
    }

    fn returned(&mut self, at: u64) {
        self.at(
            at,
            Kind::ProviderReturned { replica: 0, backend: BACKEND.to_owned(), group: 0, provider: MOCK.0.to_owned() },
        );
    }

    fn ends(&mut self, at: u64, id: &str, status: u16, provider: (&str, &str, &str), attempts: u32, answer: Answer) {
        let good = status == 200;
        let failed = status == 503;
        let (name, endpoint, model) = provider;
        let usage = good.then_some(Usage { input: 14, output: 8 });
        self.at(
            at,
            Kind::GatewayRequestEnded {
                request: id.to_owned(),
                replica: 0,
                status,
                outcome: Outcome::Complete,
                provider: Some(name.to_owned()),
                group: Some(usize::from(name == OPENAI.0)),
                endpoint: Some(endpoint.to_owned()),
                request_model: Some(model.to_owned()),
                response_model: good.then(|| "gpt-4o-2024-08-06".to_owned()),
                usage,
                attempts,
                error: failed.then(|| "upstream call failed: Connect: Connection refused (os error 111)".to_owned()),
                reason: failed.then(|| "UpstreamFailure".to_owned()),
                answer: Box::new(answer),
            },
        );
        self.client_ends(at, id, status, usage);
    }

    fn client_ends(&mut self, at: u64, id: &str, status: u16, usage: Option<Usage>) {
        let headers = if status == 429 { vec![("retry-after".to_owned(), "60".to_owned())] } else { Vec::new() };
        self.at(at, Kind::ClientResponseStarted { request: id.to_owned(), status, headers });
        self.at(
            at,
            Kind::ClientRequestEnded {
                request: id.to_owned(),
                outcome: Outcome::Complete,
                status: Some(status),
                model: usage.map(|_| "gpt-4o-2024-08-06".to_owned()),
                usage,
                body: "{\"choices\":[]}".to_owned(),
                text: None,
                body_bytes: 14,
                digest: None,
            },
        );
    }
}
