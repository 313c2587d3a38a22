//! The table and its document, and what each version is told of the same configuration.

use std::fs;

use super::*;
use crate::kube::{self, Given};
use crate::source::{Diagnostics, Sources};
use crate::topology::Personality::{self, Agentgateway012, Agentgateway12, Agentgateway14, Reference};

#[test]
fn codes_are_unlike_and_in_the_style_of_the_rest() {
    let codes: Vec<&str> = lints().map(|lint| lint.code).collect();
    for (index, code) in codes.iter().enumerate() {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        assert!(!codes[..index].contains(code), "{code} stands twice");
    }
    assert!(codes.len() > 20 && is_code("no-failover") && is_code("invalid") && !is_code("no-failure"));
}

#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check.md");
    if std::env::var_os("LABSIM_BLESS").is_some() {
        fs::write(path, document()).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == document(),
        "docs/check.md is stale: run this test with LABSIM_BLESS=1"
    );
}

/// Each code has a folder in which it is found, and only a few have company there.
#[test]
fn every_code_is_found_in_a_case() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    for code in lints().map(|lint| lint.code).chain(["invalid", "secret-key", "service-port", "personality-unnamed"]) {
        let told = fs::read_to_string(format!("{cases}/check-{code}/stdout"))
            .unwrap_or_else(|_| panic!("tests/cases/check-{code} is missing"));
        let titles: Vec<&str> = told.lines().filter(|line| line.contains("]: ")).collect();
        assert!(
            !titles.is_empty() && titles.iter().all(|title| title.contains(&format!("[{code}]"))),
            "{code}:\n{told}"
        );
    }
}

const MOCK: &str = include_str!("../../scenarios/manifests/mock-429.yaml");
const INTER: &str = include_str!("../../scenarios/manifests/inter-group.yaml");

/// The codes for the lab between the groups with a policy of this `backend`, by version.
fn codes(target: &str, backend: Option<&str>, retry: &str) -> [String; 4] {
    let policy = backend.map(|backend| {
        format!(
            "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {{ name: it, namespace: \
             agentgateway-system }}\nspec:\n  targetRefs: [{{ group: agentgateway.dev, kind: AgentgatewayBackend, name: \
             mock-ratelimit-backend{target} }}]\n  backend: {backend}\n"
        )
    });
    let route = INTER.replace("      backendRefs:", &format!("{retry}      backendRefs:"));
    let mut sources = Sources::default();
    let file = sources.add("all.yaml", [MOCK, "---", &route, policy.as_deref().unwrap_or_default()].join("\n"));
    let key = [("Authorization".to_owned(), "Bearer sk-labsim".to_owned())].into();
    let given = Given { secrets: [("openai-secret".to_owned(), key)].into(), ..Given::default() };
    let mut findings = Diagnostics::default();
    let topology = kube::load(&sources, &[file], &given, &mut findings);
    assert!(!findings.has_errors(), "{}", findings.render(&sources, false));
    Personality::ALL.map(|personality| {
        let found = check(&Subject { topology: &topology, personality, scenario: None });
        found.iter().filter_map(|finding| finding.code).collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn each_version_is_told_what_it_does_with_the_same_files() {
    assert_eq!(Personality::ALL, [Agentgateway012, Agentgateway12, Agentgateway14, Reference]);
    let no_policy = "no-failover retry-after-ignored";
    assert_eq!(codes("", None, ""), ["", no_policy, no_policy, ""]);
    let whole = "{ health: { unhealthyCondition: 'response.code == 429 || response.code >= 500', eviction: { duration: 3m } } }";
    assert_eq!(
        codes("", Some(whole), ""),
        ["health-policy-ignored", "retry-after-overruled", "retry-after-overruled", ""]
    );
    assert_eq!(
        codes(", sectionName: mock-ratelimit-provider", Some(whole), ""),
        [
            "health-policy-ignored",
            "no-failover provider-policy-ignored retry-after-ignored",
            "retry-after-overruled",
            ""
        ]
    );
    let bare = "{ health: { unhealthyCondition: 'response.code == 429 || response.code >= 500' } }";
    assert_eq!(codes("", Some(bare), ""), ["health-policy-ignored", "", "", ""]);
    assert_eq!(
        codes("", Some("{ health: {} }"), ""),
        ["health-policy-ignored", "rate-limit-no-failure", "never-evicts rate-limit-no-failure", ""]
    );
    let retry = "      retry: { attempts: 1, codes: [429] }\n";
    assert_eq!(
        codes("", Some(bare), retry),
        [
            "health-policy-ignored retry-same-provider timeout-not-retried",
            "retry-same-provider timeout-not-retried",
            "retry-without-backoff timeout-not-retried",
            "timeout-not-retried"
        ]
    );
}

/// What is asked of a status is asked of the policy's own expression.
#[test]
fn a_policy_is_tried_on_statuses() {
    for (condition, expected) in [
        ("response.code == 429 || response.code >= 500", ""),
        ("response.code == 429", "outage-no-failure"),
        ("response.code >= 500", "rate-limit-no-failure"),
        ("response.code in [400, 429, 503]", "client-error-evicts"),
        ("response.code >= 401 && response.code < 404", "rate-limit-no-failure outage-no-failure"),
        ("response.code > 0", "success-evicts"),
        ("response.code >= 500 && 'x-mine' in response.headers", ""),
        ("request.path == '/x' && response.code == 200", ""),
    ] {
        let policy = format!("{{ health: {{ unhealthyCondition: \"{condition}\", eviction: {{ duration: 3m }} }} }}");
        let found = &codes("", Some(&policy), "")[2];
        let found = found.strip_prefix("retry-after-overruled").unwrap_or(found).trim();
        assert_eq!(found, expected, "{condition}");
    }
}

/// Shipped scenarios have no errors; one that shows a mistake says so in a comment.
#[test]
fn shipped_scenarios_do_what_their_files_are_for() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(scenario) = crate::scenario::load(&path) {
                seen += 1;
                let mut allowed = Allowed::default();
                let misspelt = allowed.read(&scenario.sources, Some(scenario.file));
                assert!(misspelt.is_empty(), "{}: {misspelt:?}", path.display());
                let found = check(&Subject::of(&scenario));
                let errors = found.iter().filter(|one| one.severity == Severity::Error && !allowed.allows(one));
                let told: String = errors.map(|error| error.render(&scenario.sources, false)).collect();
                assert!(told.is_empty(), "{told}\nif it is meant: `# labsim: allow CODE`");
            }
        }
    }
    assert!(seen > 6, "{seen}");
}

/// The version that nobody chose is warned of, the one that somebody chose is not.
#[test]
fn only_a_version_that_nobody_chose_is_warned_of() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/inter-group.yaml"));
    let named = crate::scenario::load(root).unwrap();
    assert!(unasked(&named).is_empty());
    let mut unnamed = named.clone();
    unnamed.gateway.named = false;
    assert!(unasked(&unnamed).is_empty(), "0.12 fails over");
    unnamed.gateway.personality = Personality::newest();
    let found = unasked(&unnamed);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].severity), (Some("no-failover"), Severity::Warning));
}
