//! Policies: read, applied, and refused.

use std::time::Duration;

use crate::kube::tests::{INTER, Loaded, MOCK, edit, load_all};
use crate::source::Severity;
use crate::topology::{Auth, Condition, EvictionPolicy, Filter, HeaderChange, RateLimit, RateUnit, Retry};

const BACKEND: &str =
    "targetRefs: [{ group: agentgateway.dev, kind: AgentgatewayBackend, name: mock-ratelimit-backend }]";
const ROUTE: &str =
    "targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: mock-ratelimit-failover }]";

/// The lab between the groups with a policy of this `spec`.
fn with(spec: &[&str]) -> Loaded {
    let head = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\n\
                metadata: { name: it, namespace: agentgateway-system }\nspec:\n";
    let lines: Vec<&str> = spec.iter().flat_map(|part| part.lines()).collect();
    let spec = format!("  {}\n", lines.join("\n  "));
    load_all(&[MOCK, INTER, &format!("{head}{spec}")])
}

fn sound(spec: &[&str]) -> Loaded {
    let loaded = with(spec);
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    loaded
}

#[test]
fn a_backend_gets_its_health_policy() {
    let loaded = sound(&[
        BACKEND,
        "backend:\n  health:\n    unhealthyCondition: response.code == 429\n    eviction: { duration: 30s, \
         consecutiveFailures: 2, healthThreshold: 50, restoreHealth: 20 }",
    ]);
    let health = loaded.topology.backends[0].health.clone().unwrap();
    assert_eq!(loaded.topology.backends[0].own_health, None, "it is aimed at the backend, and no part of it");
    assert_eq!(health.unhealthy.unwrap().source(), "response.code == 429");
    let expected = EvictionPolicy {
        duration: Some(Duration::from_secs(30)),
        consecutive_failures: Some(2),
        health_threshold: Some(0.5),
        restore_health: Some(0.2),
        ..EvictionPolicy::default()
    };
    assert_eq!(health.eviction, Some(expected));
    assert!(loaded.topology.backends[0].providers().all(|(_, provider)| provider.health.is_none()));
}

/// Kubernetes fills in what the published schema says, so that a block is never without a duration.
#[test]
fn an_eviction_without_a_duration_has_the_schemas() {
    let eviction = |text: &str| {
        let health = sound(&[BACKEND, &format!("backend: {{ health: {{ {text} }} }}")]);
        health.topology.backends[0].health.clone().unwrap().eviction
    };
    let duration = |text: &str| eviction(text).unwrap().duration;
    assert_eq!(duration("eviction: {}"), Some(Duration::from_secs(3)));
    assert_eq!(duration("eviction: { consecutiveFailures: 2 }"), Some(Duration::from_secs(3)));
    assert_eq!(duration("eviction: { duration: 9s }"), Some(Duration::from_secs(9)));
    assert_eq!(eviction("unhealthyCondition: response.code == 429"), None);
}

#[test]
fn retries_have_conditions() {
    let text = "traffic: { retry: { attempts: 1, condition: \"response.code == 418\", precondition: \"request.method == 'POST'\" } }";
    let loaded = sound(&[ROUTE, text]);
    let retry = loaded.topology.routes[0].rules[0].retry.clone().unwrap();
    let source = |condition: Option<Condition>| condition.map(|one| one.source().to_owned()).unwrap_or_default();
    assert_eq!(
        [source(retry.condition), source(retry.precondition)],
        ["response.code == 418", "request.method == 'POST'"]
    );
    with(&[ROUTE, "traffic: { retry: { attempts: 1, condition: \"request.method == 'POST'\" } }"])
        .expect_one(Severity::Warning, &["`condition` does not ask about the response"]);
}

#[test]
fn timeouts_that_the_schema_would_not_have_are_told() {
    with(&[ROUTE, "traffic: { timeouts: { request: 50ms } }"])
        .expect_one(Severity::Error, &["a policy's timeout is at least 100 ms"]);
    let target = "targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: agentgateway-proxy }]";
    with(&[target, "traffic: { timeouts: { request: 5s } }"])
        .expect_one(Severity::Warning, &["the published schema has `timeouts` for an HTTPRoute"]);
}

#[test]
fn a_section_is_one_provider() {
    let target = BACKEND.replace(" }]", ", sectionName: openai-provider }]");
    let loaded = sound(&[&target, "backend: { health: { eviction: { duration: 5s } }, tcp: { connectTimeout: 2s } }"]);
    let backend = &loaded.topology.backends[0];
    assert!(backend.health.is_none());
    let of: Vec<_> = backend.providers().map(|(_, one)| (one.health.is_some(), one.connect_timeout)).collect();
    assert_eq!(of, [(false, None), (true, Some(Duration::from_secs(2)))]);
    with(&[&target.replace("openai-provider", "openai-provder"), "backend: { health: {} }"])
        .expect_one(Severity::Error, &["has no provider `openai-provder`", "did you mean `openai-provider`?"]);
}

#[test]
fn what_a_manifest_says_itself_goes_first() {
    let own = INTER.replace(
        "spec:\n  ai:",
        "spec:\n  policies: { health: { eviction: { duration: 9s } }, auth: { key: sk-inline-key-1 } }\n  ai:",
    );
    let policy = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\n\
                  metadata: { name: it, namespace: agentgateway-system }\n\
                  spec:\n  targetRefs: [{ group: agentgateway.dev, kind: AgentgatewayBackend, name: mock-ratelimit-backend }]\n  \
                  backend: { health: { eviction: { duration: 5s } }, auth: { key: sk-policy-key-2 } }\n";
    let loaded = load_all(&[MOCK, &own, policy]);
    assert_eq!(loaded.count(Severity::Error), 0, "{}", loaded.text);
    let health = loaded.topology.backends[0].health.clone().unwrap();
    assert_eq!(loaded.topology.backends[0].own_health.as_ref(), Some(&health));
    assert_eq!(health.eviction.unwrap().duration, Some(Duration::from_secs(9)));
    let loaded = load_all(&[
        MOCK,
        &INTER.replace("passthrough: {}", "{}").replace("auth:\n                {}", "tcp: {}"),
        policy,
    ]);
    let auths: Vec<_> = loaded.topology.backends[0].providers().map(|(_, provider)| provider.auth.clone()).collect();
    let Auth::Credential(credential) = &auths[0] else { panic!("{auths:?}\n{}", loaded.text) };
    assert_eq!(credential.key(), "sk-policy-key-2");
    assert!(!loaded.text.contains("sk-policy-key-2"));
}

#[test]
fn a_route_gets_retries_limits_timeouts_and_headers() {
    let loaded = sound(&[
        ROUTE,
        "traffic:\n  retry: { attempts: 2, codes: [429, 503], backoff: 10ms }\n  timeouts: { request: 7s }\n  \
         headerModifiers: { request: { set: [{ name: x-a, value: b }] } }\n  \
         rateLimit: { local: [{ requests: 10, burst: 5, unit: Minutes }, { tokens: 100, unit: Seconds }] }\n\
         backend: { health: {} }",
    ]);
    let rule = &loaded.topology.routes[0].rules[0];
    let backoff = Some(Duration::from_millis(10));
    let retry = Retry { attempts: 2, codes: vec![429, 503], backoff, ..Retry::default() };
    assert_eq!(rule.retry, Some(retry));
    assert_eq!(rule.request_timeout, Some(Duration::from_mins(2)), "the route's own");
    assert!(rule.filters.iter().any(|filter| matches!(filter, Filter::RequestHeaders(_))));
    let limit =
        |unit, capacity, refill, seconds| RateLimit { unit, capacity, refill, interval: Duration::from_secs(seconds) };
    assert_eq!(rule.rate_limits, [limit(RateUnit::Requests, 15, 10, 60), limit(RateUnit::Tokens, 100, 100, 1)]);
    assert!(rule.health.is_some());
}

#[test]
fn a_gateways_policy_reaches_all_its_routes() {
    let target = "targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: agentgateway-proxy }]";
    let loaded = sound(&[target, "traffic: { directResponse: { status: 418, body: tea } }"]);
    let expected = Filter::DirectResponse { status: 418, body: "tea".to_owned() };
    assert!(loaded.topology.routes[0].rules[0].filters.contains(&expected));
}

/// The lab with two routes to its backend, at two listeners, and a second rule that has a name; and
/// policies of these targets and specs, in order.
fn beside(policies: &[(&str, &str)]) -> Loaded {
    let route = |name: &str, listener: &str, rules: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: {name}, namespace: \
             agentgateway-system }}\nspec:\n  parentRefs: [{{ name: door, sectionName: {listener} }}]\n  rules:\n{rules}"
        )
    };
    let rule = |name: &str| {
        format!(
            "    - name: {name}\n      matches: [{{ path: {{ value: /{name} }} }}]\n      backendRefs: [{{ group: \
             agentgateway.dev, kind: AgentgatewayBackend, name: mock-ratelimit-backend }}]\n"
        )
    };
    let mut text = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: door, namespace: \
                    agentgateway-system }\nspec:\n  gatewayClassName: agentgateway\n  listeners: [{ name: in, port: 81, \
                    protocol: HTTP }, { name: out, port: 82, protocol: HTTP }]\n"
        .to_owned();
    text.push_str(&route("first", "in", &(rule("one") + &rule("two"))));
    text.push_str(&route("second", "out", &rule("three")));
    let policies = policies.iter().enumerate().map(|(number, (target, spec))| {
        format!(
            "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{ name: p{number}, namespace: \
             agentgateway-system }}\nspec:\n  targetRefs: [{{ {target} }}]\n  {spec}\n"
        )
    });
    text.extend(policies);
    let (_, backend) = INTER.split_once("---").unwrap();
    load_all(&[MOCK, backend, &text])
}

const ROUTES: &str = "group: gateway.networking.k8s.io, kind: HTTPRoute, name: first";
const DOOR: &str = "group: gateway.networking.k8s.io, kind: Gateway, name: door";
const BEHIND: &str = "group: agentgateway.dev, kind: AgentgatewayBackend, name: mock-ratelimit-backend";

/// The timeout of each rule, in seconds.
fn timeouts(loaded: &Loaded) -> Vec<u64> {
    let rules = loaded.topology.routes.iter().flat_map(|route| &route.rules);
    rules.map(|rule| rule.request_timeout.map_or(0, |timeout| timeout.as_secs())).collect()
}

#[test]
fn a_section_of_a_route_is_a_rule_and_one_of_a_gateway_a_listener() {
    let timeout = |seconds: u32| format!("traffic: {{ timeouts: {{ request: {seconds}s }} }}");
    for (target, expected) in [
        (ROUTES.to_owned(), [5, 5, 0]),
        (format!("{ROUTES}, sectionName: two"), [0, 5, 0]),
        (DOOR.to_owned(), [5, 5, 5]),
        (format!("{DOOR}, sectionName: out"), [0, 0, 5]),
    ] {
        let loaded = beside(&[(&target, &timeout(5))]);
        assert_eq!(loaded.count(Severity::Error), 0, "{}", loaded.text);
        assert_eq!(timeouts(&loaded), expected, "{target}");
    }
    for (target, parts) in [
        (format!("{ROUTES}, sectionName: tow"), ["the route `first` has no rule `tow`", "did you mean `two`?"]),
        (format!("{DOOR}, sectionName: up"), ["Gateway", "dangling reference"]),
    ] {
        beside(&[(&target, &timeout(5))]).expect(&parts);
    }
}

#[test]
fn the_closest_policy_counts_and_of_two_for_the_same_the_first() {
    let timeout = |seconds: u32| format!("traffic: {{ timeouts: {{ request: {seconds}s }} }}");
    let (section, listener) = (format!("{ROUTES}, sectionName: two"), format!("{DOOR}, sectionName: in"));
    let all = [
        (DOOR, timeout(9)),
        (&listener, timeout(8)),
        (ROUTES, timeout(7)),
        (ROUTES, timeout(6)),
        (&section, timeout(5)),
    ];
    let all: Vec<(&str, &str)> = all.iter().map(|(target, spec)| (*target, spec.as_str())).collect();
    assert_eq!(timeouts(&beside(&all)), [7, 5, 9]);
    assert_eq!(timeouts(&beside(&all[..2])), [8, 8, 9]);
}

#[test]
fn what_a_policy_for_routes_says_of_providers_reaches_those_behind_them() {
    let ways = |loaded: &Loaded| -> Vec<_> {
        let key = |auth: &Auth| match auth {
            Auth::Credential(credential) => credential.key().to_owned(),
            other => format!("{other:?}"),
        };
        let all = loaded.topology.backends[0].providers();
        all.map(|(_, one)| (key(&one.auth), one.connect_timeout.map_or(0, |one| one.as_secs()))).collect()
    };
    let said = |seconds: u32| {
        format!("backend: {{ auth: {{ key: sk-{seconds}-of-a-policy }}, tcp: {{ connectTimeout: {seconds}s }} }}")
    };
    // Both providers say themselves how to log in.
    let of_all = beside(&[(DOOR, &said(2))]);
    assert_eq!(of_all.count(Severity::Warning), 0, "{}", of_all.text);
    assert_eq!(ways(&of_all), [("Passthrough".to_owned(), 2), ("sk-lab-key".to_owned(), 2)]);
    assert_eq!(ways(&beside(&[(DOOR, &said(2)), (ROUTES, &said(3)), (BEHIND, &said(4))]))[0].1, 4);
    let of_one = beside(&[(DOOR, &said(2)), (ROUTES, &said(3))]);
    assert_eq!(ways(&of_one)[0].1, 3);
    of_one.expect(&["this policy reaches the backend `mock-ratelimit-backend` from other routes too"]);
}

#[test]
fn a_rule_without_timeouts_and_headers_gets_those_of_its_policy() {
    let loaded = beside(&[(
        ROUTES,
        "traffic:\n    timeouts: { request: 7s }\n    rateLimit: { local: [{ requests: 3, unit: Hours }] }\n    \
         headerModifiers:\n      request: { add: [{ name: x-a, value: '1' }], remove: [x-b] }\n      \
         response: { set: [{ name: retry-after, value: '60' }] }",
    )]);
    assert_eq!(loaded.count(Severity::Error), 0, "{}", loaded.text);
    let rule = &loaded.topology.routes[0].rules[0];
    assert_eq!(rule.request_timeout, Some(Duration::from_secs(7)));
    let hour = RateLimit { unit: RateUnit::Requests, capacity: 3, refill: 3, interval: Duration::from_hours(1) };
    assert_eq!(rule.rate_limits, [hour]);
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let request = HeaderChange { add: pair("x-a", "1"), remove: vec!["x-b".to_owned()], ..HeaderChange::default() };
    let response = HeaderChange { set: pair("retry-after", "60"), ..HeaderChange::default() };
    assert_eq!(rule.filters, [Filter::RequestHeaders(request), Filter::ResponseHeaders(response)]);
}

#[test]
fn what_a_rule_says_itself_goes_before_a_policy() {
    let retry = "      retry: { attempts: 3, codes: [503], backoff: 20ms }\n      backendRefs:";
    let policy = "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: { name: it, namespace: \
                  agentgateway-system }\nspec:\n  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: \
                  mock-ratelimit-failover }]\n  traffic: { retry: { attempts: 1, codes: [429] } }\n";
    let own = INTER.replace("      backendRefs:", retry);
    let loaded = load_all(&[MOCK, &(own + policy)]);
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    let backoff = Some(Duration::from_millis(20));
    let expected = Retry { attempts: 3, codes: vec![503], backoff, ..Retry::default() };
    assert_eq!(loaded.topology.routes[0].rules[0].retry, Some(expected));
}

/// On the way to the provider after the rule's own filters, on the way back before them.
#[test]
fn a_reference_to_a_backend_has_filters_of_its_own() {
    let own = "          kind: AgentgatewayBackend\n          filters:\n            \
               - { type: ResponseHeaderModifier, responseHeaderModifier: { set: [{ name: retry-after, value: '9' }] } }\n            \
               - { type: RequestHeaderModifier, requestHeaderModifier: { remove: [x-a] } }\n";
    let with = |more: &str| {
        load_all(&[MOCK, &INTER.replacen("          kind: AgentgatewayBackend\n", &format!("{own}{more}"), 1)])
    };
    let loaded = with("");
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    let kinds: Vec<String> = loaded.topology.routes[0].rules[0]
        .filters
        .iter()
        .map(|filter| match filter {
            Filter::ResponseHeaders(change) if change.set.is_empty() => "the rule's".to_owned(),
            Filter::ResponseHeaders(change) => format!("back {}", change.set[0].1),
            Filter::RequestHeaders(change) => format!("there {}", change.remove[0]),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["back 9", "the rule's", "there x-a"]);
    with("            - { type: URLRewrite, urlRewrite: { hostname: x } }\n")
        .expect(&["URLRewrite filters of one backend"]);
    let twice = "        - { name: mock-ratelimit-backend, group: agentgateway.dev, kind: AgentgatewayBackend }\n";
    with(twice).expect(&["filters of a backend only where its rule has no other one"]);
}

#[test]
fn what_keeps_a_session_at_a_backend_is_not_modelled() {
    let rule = INTER.replace("      backendRefs:", "      sessionPersistence: { type: Cookie }\n      backendRefs:");
    load_all(&[MOCK, &rule]).expect_one(Severity::Warning, &["`sessionPersistence`"]);
}

#[test]
fn a_rule_has_retries_of_its_own() {
    let retry = "      retry: { attempts: 1, codes: [503] }\n      backendRefs:";
    let loaded = load_all(&[MOCK, &INTER.replace("      backendRefs:", retry)]);
    assert_eq!(loaded.findings.all().len(), 0, "{}", loaded.text);
    let rule = &loaded.topology.routes[0].rules[0];
    assert_eq!(rule.retry, Some(Retry { attempts: 1, codes: vec![503], ..Retry::default() }));
}

/// The caret stands under the very character, however the YAML quotes the expression.
#[test]
fn a_bad_expression_is_shown_at_its_column() {
    for (written, marked) in [
        ("response.code = 429", "unhealthyCondition: response.code = 429\n"),
        ("\"response.code = 429\"", "unhealthyCondition: \"response.code = 429\"\n"),
        ("'response.code = 429'", "unhealthyCondition: 'response.code = 429'\n"),
        ("|\n      response.code == 500 ||\n      response.code = 429", "      response.code = 429\n"),
        (">-\n      response.code == 500 ||\n      response.code = 429", "      response.code = 429\n"),
        ("response.code == 500 ||\n      response.code = 429", "      response.code = 429\n"),
        ("\"response.code == 500 ||\n      response.code = 429\"", "      response.code = 429\"\n"),
    ] {
        let loaded = with(&[BACKEND, &format!("backend:\n  health:\n    unhealthyCondition: {written}\n")]);
        assert_eq!(loaded.count(Severity::Error), 1, "{}", loaded.text);
        let lines: Vec<&str> = loaded.text.lines().collect();
        let shown = lines.iter().position(|line| line.ends_with(marked.trim_end())).unwrap_or_else(|| {
            panic!("`{marked}` is not in\n{}", loaded.text);
        });
        let column = lines[shown].rfind("= 429").unwrap();
        assert_eq!(lines[shown + 1].find('^'), Some(column), "{}", loaded.text);
    }
    with(&[BACKEND, "backend: { health: { unhealthyCondition: \"response.code == 429 &&\\tresponse.x = 1\" } }"])
        .expect(&["at its character"]);
}

/// What is no condition is told of in one finding.
#[test]
fn an_expression_that_is_a_value_is_told_of_once() {
    for (written, gives) in [("'\"abc\"'", "text"), ("\"null\"", "null"), ("\"1\"", "a number")] {
        let loaded = with(&[BACKEND, &format!("backend:\n  health:\n    unhealthyCondition: {written}\n")]);
        assert_eq!(loaded.findings.all().len(), 1, "{}", loaded.text);
        loaded.expect(&[&format!("this gives {gives}, and never holds")]);
    }
}

/// What standalone configurations have under a backend's `policies` stands here too.
#[test]
fn attempts_have_a_timeout_and_a_protocol() {
    let two = Some(Duration::from_secs(2));
    for (target, reaches) in [(BACKEND, two), (ROUTE, two)] {
        let loaded = sound(&[target, "backend: { http: { requestTimeout: 2s, version: HTTP2 } }"]);
        assert_eq!(loaded.topology.routes[0].rules[0].backend_request_timeout, reaches, "{target}");
        assert!(loaded.topology.backends[0].providers().all(|(_, provider)| provider.h2c), "{target}");
    }
    let section = BACKEND.replace(
        "name: mock-ratelimit-backend }",
        "name: mock-ratelimit-backend, sectionName: mock-ratelimit-provider }",
    );
    let loaded = sound(&[&section, "backend: { http: { version: HTTP2 } }"]);
    let spoken: Vec<bool> = loaded.topology.backends[0].providers().map(|(_, provider)| provider.h2c).collect();
    assert_eq!(spoken.iter().filter(|h2c| **h2c).count(), 1, "{spoken:?}");
    let rule = edit(INTER, "      timeouts:\n", "      timeouts:\n        backendRequest: 1s\n");
    let policy = format!(
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{ name: it, namespace: \
         agentgateway-system }}\nspec:\n  {BACKEND}\n  backend: {{ http: {{ requestTimeout: 2s }} }}\n"
    );
    let loaded = load_all(&[MOCK, &rule, &policy]);
    let timeout = loaded.topology.routes[0].rules[0].backend_request_timeout;
    assert_eq!(timeout, Some(Duration::from_secs(1)), "the rule's own goes first: {}", loaded.text);
}

#[test]
fn mistakes_are_told_and_what_is_not_modelled_is_warned_of() {
    for (spec, parts) in [
        (vec![BACKEND], &["this policy changes nothing"][..]),
        (vec!["backend: { health: {} }"], &["`targetRefs` is missing here"]),
        (vec![BACKEND, "traffic: { retry: { attempts: 1, codes: [429] } }"], &["`traffic` has no effect in a policy"]),
        (vec![BACKEND, "backend: { health: { eviction: { duration: 500ms } } }"], &["at least a second"]),
        (vec![BACKEND, "backend: { health: { eviction: { healthThreshold: 101 } } }"], &["from 0 to 100"]),
        (vec![BACKEND, "backend: { health: { unhealthyExpression: 'true' } }"], &["unknown field"]),
        (vec![ROUTE, "traffic: { retry: { attempts: 0, codes: [429] } }"], &["from 1 to 255"]),
        (vec![ROUTE, "traffic: { retry: { attempts: 1, codes: [200] } }"], &["from 400 to 599"]),
        (vec![ROUTE, "traffic: { rateLimit: { local: [{ unit: Seconds }] } }"], &["one of `requests` and `tokens`"]),
        (vec![&BACKEND.replace("mock-", "mok-"), "backend: { health: {} }"], &["mock-ratelimit-backend"]),
        (vec![&BACKEND.replace("agentgateway.dev", "x.dev"), "backend: { health: {} }"], &["the group is wrong"]),
        (vec![&ROUTE.replace("HTTPRoute", "HTTPRout"), "backend: { health: {} }"], &["did you mean `HTTPRoute`?"]),
        (
            vec![
                "targetRefs: [{ group: agentgateway.dev, kind: AgentgatewayBackend, name: mock-ratelimit-backend }, { group: \
                 gateway.networking.k8s.io, kind: HTTPRoute, name: mock-ratelimit-failover }]",
                "backend: { health: {} }",
            ],
            &["of one kind"],
        ),
    ] {
        let loaded = with(&spec);
        assert!(loaded.count(Severity::Error) > 0, "{spec:?}\n{}", loaded.text);
        loaded.expect(parts);
    }
    for (spec, parts) in [
        (vec![BACKEND, "backend: { health: { unhealthyCondition: 'llm.x == 1' } }"], &["gives `llm` no value"][..]),
        (vec![BACKEND, "backend: { health: { eviction: { consecutiveFailures: 0 } } }"], &["never evicts"]),
        (vec![ROUTE, "traffic: { retry: { attempts: 1 } }"], &["no `codes` are retried"]),
        (vec![BACKEND, "frontend: {}"], &["`frontend`"]),
        (vec!["targetSelectors: []", "backend: { health: {} }"], &["`targetSelectors`"]),
        (vec![&ROUTE.replace("HTTPRoute", "GRPCRoute"), "backend: { health: {} }"], &["the kind GRPCRoute"]),
        (vec![ROUTE, "traffic: { jwtAuthentication: {} }"], &["`jwtAuthentication`"]),
    ] {
        let loaded = with(&spec);
        assert_eq!(loaded.count(Severity::Error), 0, "{spec:?}\n{}", loaded.text);
        assert!(loaded.count(Severity::Warning) > 0, "{spec:?}");
        loaded.expect(parts);
    }
}
