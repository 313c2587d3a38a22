//! agentgateway's own configuration: what comes of it, and what is told of mistakes.

use std::time::Duration;

use super::*;
use crate::kube::tests::{edit, load_with};
use crate::kube::{Answering, Given, GivenSimulator, load};
use crate::source::{Diagnostics, FileId, Place, Severity, Sources, Spanned};
use crate::topology::{
    Auth, Authority, Filter, HeaderChange, PathMatch, PathRewrite, RateLimit, RateUnit, Retry, Sampling, TextMatch,
};

/// Everything that labsim reads.
const WHOLE: &str = r#"
config: { adminAddr: 127.0.0.1:15000, logging: { format: json } }
frontendPolicies: { tracing: { host: 127.0.0.1:4318, protocol: http, randomSampling: true } }
backends:
- name: shared
  ai: { name: only, hostOverride: 127.0.0.1:4103, provider: { openAI: {} } }
binds:
- port: 3000
  listeners:
  - name: llm
    hostname: "*.Example.com"
    routes:
    - name: chat
      hostnames: [chat.example.com]
      matches:
      - path: { pathPrefix: /openai }
        method: POST
        headers: [{ name: x-team, value: { exact: red } }]
        query: [{ name: v, value: { regex: "[12]" } }]
      policies:
        requestHeaderModifier: { set: { x-a: "1" }, remove: [x-b] }
        responseHeaderModifier: { add: { retry-after: "3" } }
        urlRewrite: { authority: { full: "other:81" }, path: { prefix: /v1 } }
        timeout: { requestTimeout: 1.5s, backendRequestTimeout: 500ms }
        retry: { attempts: 2, codes: [429, 503], backoff: 10ms }
        localRateLimit: [{ maxTokens: 10, tokensPerFill: 5, fillInterval: 1s, type: tokens }]
        backendAuth: { key: sk-of-the-route }
      backends:
      - weight: 3
        ai:
          groups:
          - providers:
            - name: primary
              hostOverride: 127.0.0.1:4101
              pathOverride: /v1/chat/completions
              provider: { openAI: { model: mock-gpt-4o } }
              policies:
                backendAuth: { key: { value: sk-primary } }
                health: { unhealthyExpression: "response.code >= 500" }
          - providers:
            - name: secondary
              provider: { openAI: {} }
            - name: third
              hostOverride: 127.0.0.1:4102
              pathPrefix: /api/
              provider: { openAI: {} }
              policies: { backendAuth: { passthrough: {} } }
        policies:
          health:
            unhealthyExpression: "response.code == 429"
            eviction: { duration: 3s, consecutiveFailures: 1, healthThreshold: 0.5, restoreHealth: 1 }
          tcp: { connectTimeout: 2s, keepalives: {} }
          responseHeaderModifier: { add: { x-by: backend } }
    - matches: [{ path: { exact: /gone } }]
      policies: { directResponse: { status: 410, body: Gone } }
    - matches: [{ path: { regex: "/old.*" } }]
      policies: { requestRedirect: { scheme: https, authority: { host: new }, path: { full: /new }, status: 301 } }
    - backends: [{ backend: shared }]
"#;

pub(in crate::kube) fn at_ports(ports: &[u16]) -> Given {
    let place = Place::start_of(FileId(0));
    let one = |port: &u16| GivenSimulator {
        authority: Spanned::new(Authority::new("127.0.0.1", *port), place),
        answers: Answering::Openai,
    };
    Given { simulators: ports.iter().map(one).collect(), ..Given::default() }
}

/// What comes of one file, with servers at three ports, and what a person is told.
fn read_with(text: &str, given: &Given) -> (Topology, String, Vec<Severity>) {
    let mut sources = Sources::default();
    let file = sources.add("gateway.yaml", text);
    let mut findings = Diagnostics::default();
    let topology = load(&sources, &[file], given, &mut findings);
    let severities = findings.all().iter().map(|finding| finding.severity).collect();
    (topology, findings.render(&sources, false), severities)
}

fn read(text: &str) -> (Topology, String, Vec<Severity>) {
    read_with(text, &at_ports(&[4101, 4102, 4103]))
}

#[test]
fn which_requests_are_traced_is_a_switch_or_a_share() {
    for (written, random, warning) in [
        ("", 0, ""),
        (", randomSampling: true", 1_000_000, ""),
        (", randomSampling: '0.25'", 250_000, ""),
        (", randomSampling: 1", 1_000_000, ""),
        (", randomSampling: 'request.path == \"/a\"'", 0, "does not model"),
    ] {
        let text = WHOLE.replace(", randomSampling: true", written);
        let (topology, told, _) = read(&text);
        let tracing = topology.tracing.unwrap();
        assert_eq!((tracing.random, tracing.client), (Sampling(random), Sampling::ALL), "{written}");
        assert!(told.is_empty() == warning.is_empty() && told.contains(warning), "{written}: {told}");
    }
}

#[test]
fn everything_that_is_read_comes_into_the_topology() {
    let (topology, text, _) = read(WHOLE);
    assert_eq!(text, "");
    let [listener] = topology.listeners.as_slice() else { panic!("{topology:?}") };
    assert_eq!((listener.gateway.as_str(), listener.name.as_str(), listener.port), ("default/default", "llm", 3000));
    assert_eq!(listener.hostname.as_deref(), Some("*.example.com"));
    let collector = Authority::new("127.0.0.1", 4318);
    assert_eq!(
        topology.tracing,
        Some(Tracing { collector, grpc: false, random: Sampling::ALL, client: Sampling::ALL })
    );

    let names: Vec<_> = topology.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["chat", "route1", "route2", "route3"]);
    let chat = &topology.routes[0];
    assert_eq!((&chat.hostnames[..], &chat.listeners[..]), (&["chat.example.com".to_owned()][..], &[0][..]));
    let rule = &chat.rules[0];
    assert_eq!(rule.matches[0].path, Some(PathMatch::Prefix("/openai".to_owned())));
    assert_eq!(rule.matches[0].method.as_deref(), Some("POST"));
    assert_eq!(rule.matches[0].headers, [("x-team".to_owned(), TextMatch::Exact("red".to_owned()))]);
    assert!(rule.matches[0].query[0].1.matches("2") && !rule.matches[0].query[0].1.matches("3"));
    let timeouts = (rule.request_timeout, rule.backend_request_timeout);
    assert_eq!(timeouts, (Some(Duration::from_millis(1_500)), Some(Duration::from_millis(500))));
    let backoff = Some(Duration::from_millis(10));
    assert_eq!(rule.retry, Some(Retry { attempts: 2, codes: vec![429, 503], backoff, ..Retry::default() }));
    let interval = Duration::from_secs(1);
    assert_eq!(rule.rate_limits, [RateLimit { unit: RateUnit::Tokens, capacity: 10, refill: 5, interval }]);
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let request = HeaderChange {
        set: pair("x-a", "1"),
        add: Vec::new(),
        remove: vec!["x-b".to_owned()],
        ..HeaderChange::default()
    };
    let add = |name, value| Filter::ResponseHeaders(HeaderChange { add: pair(name, value), ..HeaderChange::default() });
    let path = Some(PathRewrite::Prefix("/v1".to_owned()));
    assert_eq!(
        rule.filters,
        [
            add("x-by", "backend"),
            Filter::RequestHeaders(request),
            add("retry-after", "3"),
            Filter::UrlRewrite { hostname: Some("other".to_owned()), path }
        ]
    );
    assert_eq!(topology.routes[1].rules[0].filters, [Filter::DirectResponse { status: 410, body: "Gone".to_owned() }]);
    let [Filter::Redirect { scheme, hostname, port, path, status }] = topology.routes[2].rules[0].filters.as_slice()
    else {
        panic!("{topology:?}")
    };
    assert_eq!((scheme.as_deref(), hostname.as_deref(), *port, *status), (Some("https"), Some("new"), None, 301));
    assert_eq!(*path, Some(PathRewrite::Full("/new".to_owned())));
    assert_eq!(topology.routes[3].rules[0].backends[0].backend, 0, "the one of the top");
}

#[test]
fn providers_have_their_own_or_what_stands_above() {
    let (topology, _, _) = read(WHOLE);
    let backend = &topology.backends[1];
    assert_eq!((backend.namespace.as_str(), backend.name.as_str()), ("default", "chat/backend0"));
    let eviction = backend.health.as_ref().and_then(|health| health.eviction).expect("an eviction");
    assert_eq!((eviction.duration, eviction.consecutive_failures), (Some(Duration::from_secs(3)), Some(1)));
    assert_eq!((eviction.health_threshold, eviction.restore_health), (Some(0.5), Some(1.0)));
    let told: Vec<_> = backend
        .providers()
        .map(|(group, one)| {
            let auth = match &one.auth {
                Auth::None => "none".to_owned(),
                Auth::Passthrough => "passthrough".to_owned(),
                Auth::Credential(credential) => format!("{}={}", credential.reference, credential.key()),
            };
            (group, one.name.as_str(), one.endpoint.to_string(), one.path.as_str(), one.is_openai, auth)
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "primary", "127.0.0.1:4101".into(), "/v1/chat/completions", false, "key:primary=sk-primary".into()),
            (
                1,
                "secondary",
                "api.openai.com:443".into(),
                "/v1/chat/completions",
                true,
                "key:secondary=sk-of-the-route".into()
            ),
            (1, "third", "127.0.0.1:4102".into(), "/api/chat/completions", false, "passthrough".into()),
        ]
    );
    let own: Vec<_> = backend.providers().map(|(_, one)| (one.health.is_some(), one.connect_timeout)).collect();
    let timeout = Some(Duration::from_secs(2));
    assert_eq!(own, [(true, timeout), (false, timeout), (false, timeout)]);
}

#[test]
fn a_log_that_is_off_is_told_unless_something_else_looks_at_requests() {
    let with = |config: &str| {
        read(&format!("{config}\n{}", WHOLE.split_once("\nbackends:").unwrap().1.replacen('\n', "backends:\n", 1))).0
    };
    let is_off = |config: &str| with(config).unlogged.is_some();
    for level in ["warn", "error", "'off'", "WARN"] {
        assert!(is_off(&format!("config: {{ logging: {{ level: {level} }} }}")), "{level}");
    }
    for config in [
        "config: {}",
        "config: { logging: { level: info } }",
        "config: { logging: { level: warn }, tracing: { otlpEndpoint: http://h:1 } }",
        "config: { logging: { level: warn }, metrics: { fields: { add: { a: b } } } }",
        "config: { logging: { level: warn } }\nfrontendPolicies: { tracing: { host: h:1 } }",
    ] {
        assert!(!is_off(config), "{config}");
    }
}

#[test]
fn gateways_with_routes_say_the_same_as_binds() {
    let text = "
gateways:
  default: { port: 3000 }
  inner: { port: 3001, listeners: [{ name: a, hostname: a.example.com }, { name: b }] }
routes:
- backends: [{ ai: { name: p, hostOverride: 127.0.0.1:4101, provider: { openAI: {} } } }]
- gateways: inner
  name: both
  backends: [{ ai: { name: p, hostOverride: 127.0.0.1:4101, provider: { openAI: {} } } }]
- gateways: [inner/b]
  name: one
  backends: [{ ai: { name: p, hostOverride: 127.0.0.1:4101, provider: { openAI: {} } } }]
";
    let (topology, told, _) = read(text);
    assert_eq!(told, "");
    let listeners: Vec<_> = topology.listeners.iter().map(|one| (one.name.as_str(), one.port)).collect();
    assert_eq!(listeners, [("default", 3000), ("inner/a", 3001), ("inner/b", 3001)]);
    let attached: Vec<_> = topology.routes.iter().map(|one| &one.listeners[..]).collect();
    assert_eq!(attached, [[0], [1], [2], [2]]);
    let backends: Vec<_> = topology.backends.iter().map(|one| one.name.as_str()).collect();
    let expected = ["default/route0", "inner/a/both", "inner/b/both", "inner/b/one"];
    assert_eq!(backends, expected.map(|name| format!("gateway/{name}/backend0")), "each has a health of its own");
    let labels: Vec<_> = topology.backends.iter().filter_map(|one| one.label.as_deref()).collect();
    let expected = ["default/default/route0", "inner/a/default/both", "inner/b/default/both", "inner/b/default/one"];
    assert_eq!(labels, expected.map(|name| format!("/gateway/{name}/backend0")));
    let wrong = text.replace("inner/b", "inner/c");
    assert!(
        read(&wrong).1.contains("did you mean `inner/a`?") || read(&wrong).1.contains("inner/b"),
        "{}",
        read(&wrong).1
    );
}

/// As agentgateway's metrics were seen to name one.
#[test]
fn metrics_name_a_backend_by_its_way() {
    let ai = "ai: { name: p, hostOverride: 127.0.0.1:4101, provider: { openAI: {} } }";
    let text = format!(
        "backends:\n- {{ name: shared, {ai} }}\nbinds:\n- port: 3000\n  listeners:\n  - routes:\n    - backends: [{{ {ai} }}]\n    \
         - {{ name: rt, namespace: rns, backends: [{{ {ai} }}, {{ backend: /shared }}] }}\n"
    );
    let (topology, told, _) = read(&text);
    assert_eq!(told, "");
    let labels: Vec<_> = topology.backends.iter().filter_map(|one| one.label.as_deref()).collect();
    let own = ["default/route0/backend0", "rns/rt/backend0"];
    let own = own.map(|name| format!("/default/default/bind/3000/listener0/{name}"));
    assert_eq!(labels, ["/shared", own[0].as_str(), own[1].as_str()]);
}

#[test]
fn of_the_log_the_format_is_heeded_and_what_else_is_asked_for_is_told() {
    let with = |config: &str| {
        read(&format!("{config}\n{}", WHOLE.split_once("\nbackends:").unwrap().1.replacen('\n', "backends:\n", 1)))
    };
    let (topology, told, _) = with("config: { logging: { format: json, level: info } }");
    assert!(topology.json_log && !told.contains("logging") && !told.contains("format"), "{told}");
    assert!(!with("config: { logging: { level: info } }").0.json_log);
    for (config, name) in [
        ("config: { logging: { fields: { add: { a: 'request.path' } } } }", "fields"),
        ("config: { logging: { filter: 'true' } }", "filter"),
        ("frontendPolicies: { accessLog: { filter: 'true' } }", "accessLog"),
    ] {
        let told = with(config).1;
        assert!(told.contains(&format!("does not model `{name}`")), "{config}: {told}");
    }
}

#[test]
fn a_mistake_is_told_at_its_place() {
    for (from, to, parts) in [
        (
            "hostOverride: 127.0.0.1:4101",
            "hostOverrid: 127.0.0.1:4101",
            &["unknown field `hostOverrid`", "did you mean `hostOverride`?"][..],
        ),
        (
            "unhealthyExpression: \"response.code == 429\"",
            "unhealthyCondition: \"response.code == 429\"",
            &["unknown field `unhealthyCondition`"],
        ),
        (
            "unhealthyExpression: \"response.code == 429\"",
            "unhealthyExpression: \"response.code = 429\"",
            &["gateway.yaml:50:49", "is not a CEL expression"],
        ),
        ("hostOverride: 127.0.0.1:4101", "hostOverride: 127.0.0.1", &["`127.0.0.1` is not a host with its port"]),
        (
            "hostOverride: 127.0.0.1:4101",
            "hostOverride: 127.0.0.1:4109",
            &["the lab has no host `127.0.0.1`", "did you mean `127.0.0.1:4101`?"],
        ),
        ("duration: 3s", "duration: 3", &["`duration` has no unit", "write `3s`"]),
        ("healthThreshold: 0.5", "healthThreshold: 50", &["a number from 0 to 1"]),
        ("codes: [429, 503], ", "", &["`codes` is missing here"]),
        (
            "provider: { openAI: { model: mock-gpt-4o } }",
            "provider: { anthropic: {} }",
            &["labsim does not model `anthropic` providers"],
        ),
        ("backend: shared", "backend: sharde", &["there is no backend `sharde`", "did you mean `shared`?"]),
        ("binds:\n", "bindz:\n", &["unknown field `bindz`", "did you mean `binds`?"]),
        ("- name: third", "- name: secondary", &["two providers are named `secondary`"]),
        ("port: 3000", "prot: 3000", &["did you mean `port`?"]),
        ("path: { prefix: /v1 }", "path: { prefix: /v1 }, query: {}", &["unknown field `query`"]),
        ("fillInterval: 1s, ", "", &["`fillInterval` is missing here"]),
        ("codes: [429,", "codes: [99,", &["a number from 100 to 999"]),
        (
            "fillInterval: 1s",
            "fillInterval: 0s",
            &["an interval is longer than nothing", "fillInterval: 0s", "^^ is zero"],
        ),
        ("config: {", "llm: { models: [] }\nconfig: {", &["does not read the `llm` form", "write it as `binds`"]),
    ] {
        let (_, text, severities) = read(&edit(WHOLE, from, to));
        assert!(severities.contains(&Severity::Error), "{to}\n{text}");
        for part in parts {
            assert!(text.contains(part), "{to}: `{part}` is not in\n{text}");
        }
    }
}

#[test]
fn what_is_not_modelled_is_warned_of() {
    for (from, to, part) in [
        (
            "backendAuth: { key: sk-of-the-route }",
            "backendAuth: { key: sk-of-the-route }\n        cors: { allowOrigins: ['*'] }",
            "`cors`",
        ),
        (
            "backendAuth: { key: sk-of-the-route }",
            "backendAuth: { key: { file: key.txt } }",
            "does not read the key in `key.txt`",
        ),
        ("retry: { attempts: 2,", "retry: { condition: 'true', attempts: 2,", "`condition`"),
        ("name: llm\n", "name: llm\n    protocol: HTTPS\n", "a lab speaks no TLS"),
        ("maxTokens: 10", "maxTokens: 0", "this limit lets nothing through"),
    ] {
        let (_, text, severities) = read(&edit(WHOLE, from, to));
        assert!(!severities.is_empty() && !severities.contains(&Severity::Error), "{to}\n{text}");
        assert!(text.contains(part), "{to}\n{text}");
    }
}

/// One error, and none of what follows from it.
#[test]
fn the_form_that_is_not_read_is_told_of_once() {
    let (_, text, severities) = read("llm:\n  models: [{ name: '*', provider: openAI }]\n");
    assert_eq!(severities, [Severity::Error], "{text}");
    assert!(text.contains("`llm` form"), "{text}");
}

#[test]
fn any_status_may_be_tried_again() {
    let (topology, text, severities) = read(&edit(WHOLE, "codes: [429, 503]", "codes: [200, 302, 429]"));
    assert!(!severities.contains(&Severity::Error), "{text}");
    let retried = topology.routes[0].rules[0].retry.as_ref().map(|retry| retry.codes.clone());
    assert_eq!(retried, Some(vec![200, 302, 429]));
}

/// Where only the beginning of a path is said, the client's query stays behind it.
#[test]
fn a_query_stays_unless_the_whole_path_is_said() {
    let (topology, ..) = read(WHOLE);
    let keeps: Vec<(String, bool)> = topology.backends[1]
        .providers()
        .map(|(_, provider)| (provider.name.value.clone(), provider.keeps_query))
        .collect();
    let expected = [("primary", false), ("secondary", true), ("third", true)];
    assert_eq!(keeps, expected.map(|(name, keeps)| (name.to_owned(), keeps)));
}

#[test]
fn a_key_may_come_from_the_environment_and_is_never_shown() {
    let text = edit(WHOLE, "key: sk-of-the-route", "key: $OPENAI_API_KEY");
    let key_of = |given: &Given| match read_with(&text, given).0.backends[1].groups[1].providers[0].auth.clone() {
        Auth::Credential(credential) => Some((credential.reference.clone(), credential.key().to_owned())),
        _ => None,
    };
    let mut given = at_ports(&[4101, 4102, 4103]);
    let reference = "env:OPENAI_API_KEY".to_owned();
    assert_eq!(key_of(&given), Some((reference.clone(), "labsim-OPENAI_API_KEY".to_owned())));
    given.secrets.insert("env".to_owned(), [("OPENAI_API_KEY".to_owned(), "sk-env".to_owned())].into());
    assert_eq!(key_of(&given), Some((reference, "sk-env".to_owned())));
    given.secrets.insert("env".to_owned(), [].into());
    assert!(read_with(&text, &given).1.contains("the variable `OPENAI_API_KEY` is not set"));

    let broken =
        WHOLE.replace("key: sk-of-the-route", "kee: sk-of-the-route").replace("value: sk-primary", "valeu: sk-primary");
    let told = read(&broken).1;
    assert!(told.contains("did you mean `key`?") && told.contains("did you mean `value`?"), "{told}");
    assert!(!told.contains("sk-of") && !told.contains("sk-primary"), "{told}");
}

#[test]
fn a_host_may_be_a_service_of_other_manifests() {
    let config = "
binds: [{ port: 3000, listeners: [{ routes: [{ backends: [{ ai: { name: p, provider: { openAI: {} },
  hostOverride: mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000 } }] }] }] }]
";
    let loaded = load_with(&[crate::kube::tests::MOCK, config], &std::collections::BTreeMap::new());
    assert_eq!(loaded.text, "");
    assert_eq!(loaded.topology.simulators.len(), 1);
    assert_eq!(loaded.topology.listeners.len(), 1, "none is implied");
}

#[test]
fn damaged_configurations_are_reported_and_never_panic() {
    let lines: Vec<&str> = WHOLE.lines().collect();
    for cut in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(cut);
        let (topology, ..) = read(&rest.join("\n"));
        assert!(!topology.listeners.is_empty());
        let stub = lines[..cut].join("\n");
        drop(read(&stub));
    }
    for (at, _) in WHOLE.char_indices().filter(|(at, _)| at % 11 == 0) {
        drop(read(&WHOLE[..at]));
        drop(read(&format!(
            "{}[{}",
            &WHOLE[..at],
            &WHOLE[at + WHOLE[at..].chars().next().map_or(1, char::len_utf8)..]
        )));
    }
}
