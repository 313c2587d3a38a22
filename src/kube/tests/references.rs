//! References that lead nowhere, and those that do.

use super::*;

const HOST: &str = "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local";

fn host(name: &str) -> Loaded {
    load_all(&[MOCK, &edit(INTER, HOST, name)])
}

#[test]
fn a_service_that_picks_no_deployment() {
    let selector = |text: &str| {
        let from = "  selector:\n    app: mock-gpt-4o\n  ports";
        load_all(&[&edit(MOCK, from, &format!("  selector:\n    {text}\n  ports"))])
    };
    selector("app: mock-gpt4o").expect_one(
        Severity::Error,
        &["0.yaml:60:10", "picks no Deployment in namespace `agentgateway-system`", "did you mean `mock-gpt-4o`?"],
    );
    selector("appp: mock-gpt-4o").expect_one(Severity::Error, &["0.yaml:60:11", "did you mean the label `app`?"]);
    selector("team: red")
        .expect_one(Severity::Error, &["0.yaml:60:11", "the labels of pods there: `app: mock-gpt-4o`"]);
    let elsewhere = edit(MOCK, "  name: mock-gpt-4o-svc\n  namespace: agentgateway-system", "  name: mock-gpt-4o-svc");
    load_all(&[&elsewhere]).expect_one(
        Severity::Error,
        &["picks no Deployment in namespace `default`", "in namespace `agentgateway-system`"],
    );
}

#[test]
fn a_service_that_picks_two_deployments() {
    let twin =
        MOCK.split("---").next().map(|text| edit(text, "name: mock-gpt-4o\n  namespace", "name: twin\n  namespace"));
    load_all(&[MOCK, &twin.expect("a Deployment")])
        .expect_one(Severity::Error, &["0.yaml:59:3", "picks the pods of `mock-gpt-4o`, `twin`"]);
}

#[test]
fn ports_that_lead_nowhere() {
    let named = edit(MOCK, "targetPort: 8000", "targetPort: htpp");
    load_all(&[&named]).expect_one(Severity::Error, &["0.yaml:64:19", "a port named `htpp`", "did you mean `http`?"]);
    let closed = edit(MOCK, "targetPort: 8000", "targetPort: 8001");
    load_all(&[&closed])
        .expect_one(Severity::Warning, &["0.yaml:64:19", "has the port 8001", "its containers list `8000`"]);
    let right = edit(MOCK, "targetPort: 8000", "targetPort: http");
    assert_eq!(load_all(&[&right]).clean().services[0].target_port, 8000);
    let default = edit(MOCK, "      targetPort: 8000\n", "");
    assert_eq!(load_all(&[&default]).clean().services[0].target_port, 8000);
    let other = edit(INTER, "port: 8000\n", "port: 8001\n");
    load_all(&[MOCK, &other]).expect_one(
        Severity::Error,
        &["1.yaml:44:19", "the Service `mock-gpt-4o-svc` has no port 8001", "0.yaml:54:9", "it has 8000 (http)"],
    );
}

#[test]
fn a_host_by_any_of_its_names() {
    for name in [
        "mock-gpt-4o-svc",
        "mock-gpt-4o-svc.agentgateway-system",
        "mock-gpt-4o-svc.agentgateway-system.svc",
        "MOCK-gpt-4o-svc",
    ] {
        let topology = host(name).clean();
        let (_, provider) = topology.backends[0].providers().next().expect("a provider");
        assert!(topology.services[0].names().contains(&provider.endpoint), "{name}");
    }
    let text = edit(&edit(INTER, HOST, "api.openai.com"), "port: 8000", "port: 443");
    let topology = load_all(&[&text]).clean();
    assert!(topology.backends[0].providers().all(|(_, provider)| provider.is_openai));
}

#[test]
fn a_host_that_is_none() {
    for (name, help) in [
        (
            "mock-gpt4o-svc.agentgateway-system.svc.cluster.local",
            "did you mean `mock-gpt-4o-svc.agentgateway-system.svc.cluster.local`?",
        ),
        ("mock-gpt4o-svc", "did you mean `mock-gpt-4o-svc`?"),
        ("mock-gpt-4o-svc.default", "is in namespace `agentgateway-system`, not in `default`"),
        (
            "mock-gpt-4o-svc.agentgateway-sytem.svc",
            "did you mean `mock-gpt-4o-svc.agentgateway-system.svc.cluster.local`?",
        ),
        (
            "mock-gpt-4o-svc.agentgateway-system.svc.cluster.locl",
            "did you mean `mock-gpt-4o-svc.agentgateway-system.svc.cluster.local`?",
        ),
        (
            "api.example.com",
            "hosts of this lab: `mock-gpt-4o-svc.agentgateway-system.svc.cluster.local`, `api.openai.com`",
        ),
        ("api.opnai.com", "did you mean `api.openai.com`?"),
        ("10.0.0.1", "hosts of this lab"),
        ("http://mock-gpt-4o-svc", "write the host alone"),
        ("mock-gpt-4o-svc:8000", "write the host alone"),
    ] {
        let message = format!("the lab has no host `{name}`");
        host(&format!("\"{name}\"")).expect_one(Severity::Error, &["1.yaml:43:19", &message, help]);
    }
    host("api.openai.com").expect_one(Severity::Error, &["1.yaml:44:19", "the lab's OpenAI does not listen on 8000"]);
}

#[test]
fn a_host_that_labsim_does_not_simulate() {
    let image = edit(MOCK, "llm-d/llm-d-inference-sim:latest", "vllm/vllm-openai:latest");
    let loaded = load_all(&[&image, INTER]);
    loaded.expect(&[
        "1.yaml:43:19",
        "nothing answers at",
        "leads to the Deployment `mock-gpt-4o`, which labsim does not simulate",
    ]);
    let headless = edit(MOCK, "  selector:\n    app: mock-gpt-4o\n  ports", "  ports");
    load_all(&[&headless, INTER]).expect(&["0.yaml:54:9", "has no selector; it leads nowhere", "1.yaml:43:19"]);
}

#[test]
fn the_same_short_name_in_two_namespaces() {
    let elsewhere = MOCK.replace("agentgateway-system", "other");
    let topology = load_all(&[MOCK, &elsewhere, &edit(INTER, HOST, "mock-gpt-4o-svc")]).clean();
    let (_, provider) = topology.backends[0].providers().next().expect("a provider");
    assert_eq!(provider.endpoint.host, HOST);
    assert_eq!(topology.services.iter().map(|service| service.simulator).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_backend_that_is_not_there() {
    let reference =
        |text: &str| load_all(&[MOCK, &edit(INTER, "- name: mock-ratelimit-backend\n", &format!("- {text}\n"))]);
    reference("name: mock-ratelimt-backend").expect_one(
        Severity::Error,
        &[
            "1.yaml:24:17",
            "no AgentgatewayBackend `mock-ratelimt-backend` in namespace",
            "did you mean `mock-ratelimit-backend`?",
        ],
    );
    reference("name: zzz").expect_one(Severity::Error, &["1.yaml:24:17", "known here: `mock-ratelimit-backend`"]);
    reference("name: mock-ratelimit-backend\n          namespace: default")
        .expect_one(Severity::Error, &["1.yaml:24:17", "there is one in namespace `agentgateway-system`"]);
    let enterprise = INTER.replace(
        "agentgateway.dev/v1alpha1\nkind: Agentg",
        "enterpriseagentgateway.solo.io/v1alpha1\nkind: EnterpriseAgentg",
    );
    load_all(&[MOCK, &enterprise])
        .expect_one(Severity::Error, &["1.yaml:24:17", "a EnterpriseAgentgatewayBackend of that name"]);
    let both = enterprise.replace(
        "group: agentgateway.dev\n          kind: Agentg",
        "group: enterpriseagentgateway.solo.io\n          kind: EnterpriseAgentg",
    );
    assert_eq!(load_all(&[MOCK, &both]).clean().routes[0].rules[0].backends.len(), 1);
}

#[test]
fn a_backend_of_another_namespace() {
    let (route, backend) = INTER.split_once("---").expect("two documents");
    let route = edit(
        &route.replace("namespace: agentgateway-system", "namespace: edge"),
        "          kind: AgentgatewayBackend",
        "          kind: AgentgatewayBackend\n          namespace: agentgateway-system",
    );
    assert_eq!(load_all(&[MOCK, &route, backend]).clean().routes[0].rules[0].backends[0].backend, 0);
}

#[test]
fn a_reference_to_another_kind_of_backend() {
    let reference = |from: &str, to: &str| load_all(&[MOCK, &edit(INTER, from, to)]);
    reference("          kind: AgentgatewayBackend\n", "          kind: AgentGatewayBackend\n")
        .expect_one(Severity::Error, &["1.yaml:26:17", "did you mean `AgentgatewayBackend`?"]);
    reference("          group: agentgateway.dev\n", "")
        .expect_one(Severity::Error, &["1.yaml:25:17", "write `group: agentgateway.dev`"]);
    reference("          group: agentgateway.dev\n", "          group: agentgateway.io\n")
        .expect_one(Severity::Error, &["1.yaml:25:18", "write `group: agentgateway.dev`"]);
    reference("          group: agentgateway.dev\n          kind: AgentgatewayBackend\n", "          port: 8000\n")
        .expect_one(Severity::Error, &["1.yaml:24:11", "labsim routes to AI backends only"]);
    let other = reference("  ai:\n", "  mcp:\n");
    other.expect(&["1.yaml:36:3", "labsim does not model `mcp` backends", "1.yaml:24:17", "is not an AI backend"]);
}

fn gateway(listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: agentgateway-proxy, namespace: agentgateway-system}}\n\
         spec:\n  gatewayClassName: agentgateway\n  listeners: [{listeners}]\n"
    )
}

#[test]
fn a_rule_may_have_a_name() {
    let named = edit(INTER, "  rules:\n    - ", "  rules:\n    - name: chat\n      ");
    let of_rules = |topology: &Topology| {
        topology.routes.iter().flat_map(|route| &route.rules).map(|rule| rule.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_rules(&load_all(&[MOCK, &named]).clean()), [Some("chat".to_owned())]);
    assert_eq!(of_rules(&load_all(&[MOCK, INTER]).clean()), [None]);
}

#[test]
fn a_listener_that_takes_no_such_route() {
    let parent = |gateway: &str, parent: &str| {
        let from = "- name: agentgateway-proxy\n";
        load_all(&[MOCK, &edit(INTER, from, &format!("{from}      {parent}\n")), gateway])
    };
    let http = gateway("{name: http, port: 8080, protocol: HTTP}, {name: alt, port: 9090, protocol: HTTP}");
    assert_eq!(parent(&http, "sectionName: alt").clean().routes[0].listeners, [1]);
    assert_eq!(parent(&http, "port: 9090").clean().routes[0].listeners, [1]);
    parent(&http, "sectionName: htpp").expect_one(Severity::Error, &["1.yaml:11:20", "did you mean `http`?"]);
    parent(&http, "port: 80").expect_one(Severity::Error, &["1.yaml:11:13", "it listens on 8080 (http), 9090 (alt)"]);
    parent(&http, "kind: Service\n      group: \"\"")
        .expect_one(Severity::Error, &["1.yaml:10:13", "not to `Service`"]);
    let host = gateway("{name: http, port: 80, protocol: HTTP, hostname: '*.example.com'}");
    let route = edit(INTER, "spec:\n  parentRefs", "spec:\n  hostnames: [llm.example.org]\n  parentRefs");
    load_all(&[MOCK, &route, &host]).expect_one(Severity::Error, &["1.yaml:11:13", "serves a host of this route"]);
    let tls = gateway("{name: http, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: TLS}");
    parent(&tls, "sectionName: tls").expect(&[
        "2.yaml:6:",
        "does not model TLS",
        "1.yaml:11:20",
        "does not serve HTTP",
    ]);
    let elsewhere =
        INTER.replacen("  namespace: agentgateway-system", "  namespace: agentgateway-system\n  labels: {}", 1);
    assert_eq!(load_all(&[MOCK, &elsewhere, &http]).clean().routes[0].listeners, [0, 1]);
}

#[test]
fn a_route_of_a_namespace_that_the_gateway_does_not_take() {
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: team}\n\
                 spec:\n  parentRefs: [{name: agentgateway-proxy, namespace: agentgateway-system}]\n  \
                 rules:\n  - backendRefs:\n    - name: mock-ratelimit-backend\n      namespace: agentgateway-system\n      \
                 group: agentgateway.dev\n      kind: AgentgatewayBackend\n";
    let same = gateway("{name: http, port: 8080, protocol: HTTP}");
    load_all(&[MOCK, INTER, route, &same])
        .expect_one(Severity::Error, &["2.yaml:5:23", "takes no routes of namespace `team`", "from: All"]);
    let all = gateway("{name: http, port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}");
    assert_eq!(load_all(&[MOCK, INTER, route, &all]).clean().routes[1].listeners, [0]);
}

#[test]
fn a_gateway_whose_name_is_nearly_right() {
    let near = gateway("{name: http, port: 9000, protocol: HTTP}").replace("agentgateway-proxy", "agentgateway-proxi");
    let loaded = load_all(&[MOCK, INTER, &near]);
    loaded.expect_one(Severity::Warning, &["1.yaml:10:13", "one is implied", "did you mean `agentgateway-proxi`?"]);
    assert_eq!(loaded.topology.listeners.iter().map(|one| one.port).collect::<Vec<_>>(), [9000, 8080]);
}

#[test]
fn a_route_that_leads_nowhere() {
    let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {}\n";
    let loaded = load_all(&[text]);
    assert_eq!(loaded.count(Severity::Error), 0, "{}", loaded.text);
    loaded.expect(&["0.yaml:3:18", "has no `parentRefs`", "has no `rules`"]);
    assert_eq!(loaded.topology.routes[0].rules[0].matches[0].path, Some(PathMatch::Prefix("/".to_owned())));
}
