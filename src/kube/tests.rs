//! What comes of manifests that are right, and how the tests beside this file load those that are not.

mod mistakes;
mod mutations;
mod references;
mod secrets;
mod tls;

use std::time::Duration;

use super::*;
use crate::source::Severity;
use crate::topology::{Auth, Authority, Filter, HeaderChange, POD_NAME_PLACEHOLDER, PathMatch, PathRewrite};

pub(super) const MOCK: &str = include_str!("../../scenarios/manifests/mock-429.yaml");
pub(super) const INTER: &str = include_str!("../../scenarios/manifests/inter-group.yaml");
pub(super) const INTRA: &str = include_str!("../../scenarios/manifests/intra-group.yaml");

/// What came of some files, named `0.yaml`, `1.yaml`, …
pub(super) struct Loaded {
    pub(super) topology: Topology,
    /// All findings as a person sees them.
    pub(super) text: String,
    pub(super) findings: Diagnostics,
}

pub(super) fn lab_secrets() -> GivenSecrets {
    let keys = BTreeMap::from([("Authorization".to_owned(), "Bearer sk-lab-key".to_owned())]);
    GivenSecrets::from([("openai-secret".to_owned(), keys)])
}

pub(super) fn load_with(files: &[&str], secrets: &GivenSecrets) -> Loaded {
    let mut sources = Sources::default();
    let add = |(index, text): (usize, &&str)| sources.add(format!("{index}.yaml"), *text);
    let ids: Vec<FileId> = files.iter().enumerate().map(add).collect();
    let mut findings = Diagnostics::default();
    let given = Given { secrets: secrets.clone(), ..Given::default() };
    let topology = load(&sources, &ids, &given, &mut findings);
    Loaded { topology, text: findings.render(&sources, false), findings }
}

pub(super) fn load_all(files: &[&str]) -> Loaded {
    load_with(files, &lab_secrets())
}

impl Loaded {
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.findings.all().iter().filter(|finding| finding.severity == severity).count()
    }

    /// All of `parts` are in what a person sees.
    pub(super) fn expect(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.text.contains(part), "`{part}` is not in\n{}", self.text);
        }
    }

    /// There is exactly one finding, and all of `parts` are in it.
    pub(super) fn expect_one(&self, severity: Severity, parts: &[&str]) {
        let severities: Vec<Severity> = self.findings.all().iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [severity], "{}", self.text);
        self.expect(parts);
    }

    /// The topology of files that load without any finding.
    pub(super) fn clean(self) -> Topology {
        assert_eq!(self.text, "");
        self.topology
    }
}

/// `text` with its one `from` replaced.
pub(super) fn edit(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` must stand there once");
    text.replacen(from, to, 1)
}

#[test]
fn the_labs_simulator_has_its_arguments_and_its_environment() {
    let topology = load_all(&[MOCK]).clean();
    let [simulator] = topology.simulators.as_slice() else { panic!("{topology:?}") };
    assert_eq!((simulator.name.as_str(), simulator.namespace.as_str()), ("mock-gpt-4o", "agentgateway-system"));
    assert_eq!(simulator.replicas, 1);
    let args: Vec<&str> = simulator.args.iter().map(|arg| arg.value.as_str()).collect();
    assert_eq!(args.len(), 12);
    assert_eq!(args[..4], ["--model", "mock-gpt-4o", "--port", "8000"]);
    assert_eq!(args[7], r#"{"name": "food-review-1"}"#);
    assert_eq!(simulator.env["POD_NAME"], POD_NAME_PLACEHOLDER);
    assert_eq!(simulator.env["POD_NAMESPACE"], "agentgateway-system");
    let [service] = topology.services.as_slice() else { panic!("{topology:?}") };
    assert_eq!((service.port, service.target_port, service.simulator), (8000, 8000, 0));
    let fully_qualified = Authority::new("mock-gpt-4o-svc.agentgateway-system.svc.cluster.local", 8000);
    assert!(service.names().contains(&fully_qualified));
}

#[test]
fn the_labs_route_leads_to_two_groups_by_priority() {
    let topology = load_all(&[MOCK, INTER]).clean();
    let [listener] = topology.listeners.as_slice() else { panic!("{topology:?}") };
    assert_eq!((listener.gateway.as_str(), listener.port), ("agentgateway-system/agentgateway-proxy", 8080));
    let [route] = topology.routes.as_slice() else { panic!("{topology:?}") };
    assert_eq!(route.listeners, [0]);
    let [rule] = route.rules.as_slice() else { panic!("{topology:?}") };
    assert_eq!(rule.matches[0].path, Some(PathMatch::Prefix("/openai".to_owned())));
    assert_eq!(rule.request_timeout, Some(Duration::from_mins(2)));
    let add = vec![("Retry-After".to_owned(), "60".to_owned())];
    assert_eq!(rule.filters, [Filter::ResponseHeaders(HeaderChange { add, ..HeaderChange::default() })]);
    assert_eq!((rule.backends[0].backend, rule.backends[0].weight), (0, 1));
    let providers: Vec<_> = topology.backends[0].providers().collect();
    let (group, mock) = providers[0];
    assert_eq!((group, mock.name.as_str(), mock.model.as_deref()), (0, "mock-ratelimit-provider", Some("mock-gpt-4o")));
    assert_eq!(mock.endpoint.to_string(), "mock-gpt-4o-svc.agentgateway-system.svc.cluster.local:8000");
    assert_eq!((&mock.auth, mock.is_openai), (&Auth::Passthrough, false));
    let (group, openai) = providers[1];
    assert_eq!((group, openai.name.as_str(), openai.path.as_str()), (1, "openai-provider", "/v1/chat/completions"));
    assert_eq!((openai.endpoint.to_string().as_str(), openai.is_openai), ("api.openai.com:443", true));
    let Auth::Credential(credential) = &openai.auth else { panic!("{openai:?}") };
    assert_eq!(credential.reference, "secret:openai-secret/Authorization");
    assert_eq!(credential.authorization(), "Bearer sk-lab-key");
}

#[test]
fn the_labs_second_part_has_two_providers_in_the_first_group() {
    let topology = load_all(&[MOCK, INTRA]).clean();
    let names: Vec<_> = topology.backends[0].providers().map(|(group, one)| (group, one.name.as_str())).collect();
    assert_eq!(
        names,
        [(0, "mock-ratelimit-provider"), (0, "openai-provider-primary"), (1, "openai-provider-fallback")]
    );
}

#[test]
fn a_later_manifest_replaces_an_earlier_one() {
    let topology = load_all(&[MOCK, INTER, INTRA]).clean();
    assert_eq!((topology.routes.len(), topology.backends.len()), (1, 1));
    assert_eq!(topology.backends[0].providers().count(), 3);
    let twice = format!("{INTER}---\n{INTRA}");
    let loaded = load_all(&[MOCK, &twice]);
    assert_eq!(loaded.count(Severity::Error), 0, "{}", loaded.text);
    assert_eq!(loaded.count(Severity::Warning), 2, "{}", loaded.text);
    assert!(loaded.text.contains("`mock-ratelimit-failover` stands twice in this file"), "{}", loaded.text);
    assert_eq!(loaded.topology.backends[0].providers().count(), 3);
}

#[test]
fn what_kubectl_get_prints_loads_without_a_finding() {
    let topology = load_with(&[include_str!("tests/exported.yaml")], &GivenSecrets::new()).clean();
    let simulator = &topology.simulators[0];
    assert_eq!(simulator.replicas, 2);
    assert_eq!(simulator.args.iter().map(|arg| arg.value.as_str()).collect::<Vec<_>>(), ["--model", "tiny"]);
    assert_eq!((simulator.env["POD_IP"].as_str(), simulator.env["TIER"].as_str()), ("127.0.0.1", "mock"));
    assert_eq!((topology.services[0].port, topology.services[0].target_port), (80, 8001));
    assert_eq!(topology.listeners.len(), 2);
    assert_eq!(topology.listeners[0].hostname.as_deref(), Some("*.example.com"));
    let route = &topology.routes[0];
    assert_eq!(
        (route.listeners.as_slice(), route.hostnames.as_slice()),
        ([0].as_slice(), ["llm.example.com".to_owned()].as_slice())
    );
    let rule = &route.rules[0];
    assert_eq!(rule.backends[0].weight, 3);
    assert_eq!(rule.request_timeout, Some(Duration::from_secs(90)));
    assert_eq!(rule.backend_request_timeout, Some(Duration::from_millis(500)));
    assert!(rule.matches[0].query[0].1.matches("aaa") && !rule.matches[0].query[0].1.matches("ab"));
    assert!(
        matches!(&rule.filters[1], Filter::UrlRewrite { path: Some(PathRewrite::Full(path)), .. } if path == "/v1")
    );
    let (_, provider) = topology.backends[0].providers().next().expect("a provider");
    assert_eq!((provider.name.as_str(), provider.path.as_str()), ("llm", "/api/chat/completions"));
    assert_eq!(provider.endpoint.to_string(), "sim:80");
    assert!(matches!(&provider.auth, Auth::Credential(credential) if credential.key() == "sk-123"));
    assert_eq!(topology.replicas.map(|replicas| replicas.value), Some(2));
}

#[test]
fn a_parent_that_no_manifest_describes_is_implied_with_what_the_reference_says() {
    let route = |name: &str, parent: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\n\
             spec:\n  parentRefs: [{{name: {parent}}}]\n  rules:\n  - backendRefs:\n    \
             - {{group: agentgateway.dev, kind: AgentgatewayBackend, name: b}}\n---\n"
        )
    };
    let backend = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\n\
                   metadata: {name: b}\nspec: {ai: {provider: {openai: {}}}}\n";
    let text = format!(
        "{}{}{}{backend}",
        route("a", "edge"),
        route("b", "edge, sectionName: alt, port: 9000"),
        route("c", "other")
    );
    let topology = load_all(&[&text]).clean();
    let listeners: Vec<_> =
        topology.listeners.iter().map(|one| (one.gateway.as_str(), one.name.as_str(), one.port)).collect();
    assert_eq!(
        listeners,
        [("default/edge", "http", 8080), ("default/edge", "alt", 9000), ("default/other", "http", 8080)]
    );
    let attached: Vec<_> = topology.routes.iter().map(|route| route.listeners.clone()).collect();
    assert_eq!(attached, [vec![0, 1], vec![1], vec![2]]);
    assert_eq!(topology.routes[0].rules[0].matches[0].path, Some(PathMatch::Prefix("/".to_owned())));
}

#[test]
fn a_lab_without_routes_still_has_a_listener() {
    assert_eq!(load_all(&[]).clean().listeners[0].port, 8080);
}

#[test]
fn a_manifest_is_a_document_with_an_api_version() {
    let mut sources = Sources::default();
    let file = sources.add("x.yaml", "apiVersion: v1\n---\nname: x\n---\n[1]\n");
    let nodes = yaml::parse(&sources, file).expect("YAML");
    assert_eq!(nodes.iter().map(is_manifest).collect::<Vec<_>>(), [true, false, false]);
}
