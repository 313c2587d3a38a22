//! Sessions are written down and read again.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;

/// The scenario folder of this repository, with one scenario in it that is not on disk.
struct Folder(&'static str);

const FILE: &str = "scenarios/made-up.yaml";

impl Files for Folder {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == Path::new(FILE) { Ok(self.0.to_owned()) } else { crate::scenario::Disk.read(path) }
    }

    fn settings(&self) -> Vec<String> {
        vec!["count=3".to_owned(), "lab.gateway.replicas=2".to_owned()]
    }
}

const SCENARIO: &str = r#"# yaml-language-server: $schema=../schemas/scenario.schema.json
# About this file.
name: Made up
about: >-
  A scenario
  of several lines.
vars: { count: 1, key: sk-client }
lab:
  # The lab.
  manifests: [manifests/mock-429.yaml, manifests/intra-group.yaml]
  secrets: { openai-secret: { Authorization: "Bearer sk-labsim" } }

# What is done.
steps:
  - send: { path: /openai, times: "${count}", key: "${key}", headers: { x-team: a } } # the first
  - wait: 61s
schedule:
  - { at: 10s, restart: gateway }
expect:
  never-reached: [openai-provider-fallback]
"#;

fn session(acts: Vec<(u64, Json)>, like: Option<Place>) -> Session {
    let performed = |(millis, step)| Performed { at: Duration::from_millis(millis), step, like };
    Session {
        seed: 5,
        personality: "agentgateway-1.2".to_owned(),
        start: Some(USUAL_START.to_owned()),
        played: true,
        acts: acts.into_iter().map(performed).collect(),
        until: Duration::from_secs(90),
    }
}

fn written(session: &Session, to: &str) -> String {
    let original = Original::read(&Folder(SCENARIO), Path::new(FILE)).unwrap_or_else(|error| panic!("{error}"));
    original.with(session, Path::new(to)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn comments_stay_and_what_a_run_depends_on_is_pinned() {
    let inject =
        json!({ "inject": { "fault": { "stall": { "after": 5, "for": "3s" } }, "target": "openai-provider-primary" } });
    let text = written(&session(vec![(12_345, inject)], None), "scenarios/session.yaml");
    assert_eq!(
        text,
        r#"# Written by labsim from a session at the screen. What was done there stands under `schedule`;
# `labsim run` of this file does it all again.

# About this file.
name: "Made up, improvised"
about: >-
  A scenario
  of several lines.
seed: 5
vars: { count: "3", key: sk-client }

lab:
  manifests: [manifests/mock-429.yaml, manifests/intra-group.yaml]
  secrets: { openai-secret: { Authorization: Bearer sk-labsim } }
  gateway: { replicas: 2, personality: agentgateway-1.2 }

# What is done.
steps:
  - send: { path: /openai, times: "${count}", key: "${key}", headers: { x-team: a } } # the first
  - wait: 61s

schedule:
  - { at: 10s, restart: gateway }
  - at: 12.345s
    inject: { fault: { stall: { after: 5, for: 3s } }, target: openai-provider-primary }
expect:
  never-reached: [openai-provider-fallback]
"#
    );
}

#[test]
fn a_scenario_that_extends_another_is_written_in_the_order_of_scenarios() {
    let path = Path::new("scenarios/streaming/cut.yaml");
    let original = Original::read(&crate::scenario::Disk, path).unwrap_or_else(|error| panic!("{error}"));
    let to = Path::new("scenarios/streaming/session.yaml");
    let text = original.with(&session(Vec::new(), None), to).unwrap_or_else(|error| panic!("{error}"));
    let is_key = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let keys = text.lines().filter(is_key).filter_map(|line| line.split_once(':')).map(|(key, _)| key);
    assert_eq!(
        keys.collect::<Vec<_>>(),
        ["name", "id", "about", "why", "links", "seed", "vars", "lab", "steps", "expect"]
    );
    assert!(text.contains("target: primary, window: { first: 1 } }"), "{text}");
}

#[test]
fn a_request_keeps_its_key_as_a_variable_and_a_load_ends_with_the_session() {
    let scenario = load_from(&Folder(SCENARIO), Path::new(FILE)).unwrap_or_else(|error| panic!("{error}"));
    let like = Some(scenario.steps[0].place);
    let acts = vec![
        (70_001, json!({ "send": { "path": "/openai" } })),
        (71_000, json!({ "load": { "path": "/openai", "rate": 20.0, "for": "1h" } })),
    ];
    let text = written(&session(acts, like), "docs/session.yaml");
    for wanted in [
        r#"  - { at: 70.001s, send: { path: /openai, key: "${key}", headers: { x-team: a } } }"#,
        "load:",
        "  - { at: 90s, stop: load }",
        "../scenarios/manifests/intra-group.yaml",
    ] {
        assert!(text.contains(wanted), "no {wanted} in\n{text}");
    }
}

#[test]
fn an_act_is_written_as_an_author_would() {
    let inject = json!({ "inject": {
        "fault": { "status": { "code": 503, "body": null, "bytes": null, "headers": {} } },
        "target": "openai-provider-primary",
        "probability": 1.0,
    } });
    let load = json!({ "load": { "path": "/openai", "rate": 20.0, "for": "1h0m0s" } });
    let text = written(&session(vec![(1_000, inject), (2_000, load)], None), "scenarios/session.yaml");
    assert!(text.contains("inject: { fault: { status: { code: 503 } }, target: openai-provider-primary }"), "{text}");
    assert!(text.contains("for: 1h }"), "{text}");
}

#[test]
fn a_session_of_acts_alone_is_no_scenario_without_steps() {
    let acts = vec![(1_000, json!({ "send": { "path": "/openai" } }))];
    let text = written(&Session { played: false, ..session(acts, None) }, "scenarios/session.yaml");
    let path = Path::new("scenarios/session.yaml");
    let warnings = |text: &str| {
        let read = load_from(&Written { path, text }, path).unwrap_or_else(|error| panic!("{error}"));
        read.warnings.all().iter().filter(|one| one.message == "the scenario has no steps").count()
    };
    assert!(text.contains("steps: []"), "{text}");
    assert_eq!(warnings(&text), 0, "{text}");
    let (before, _) = text.split_once("schedule:").expect("a schedule");
    assert_eq!(warnings(before), 1, "{before}");
}

#[test]
fn a_session_that_would_not_run_is_not_written() {
    let original = Original::read(&Folder(SCENARIO), Path::new(FILE)).unwrap_or_else(|error| panic!("{error}"));
    let wrong = session(vec![(1, json!({ "restart": "nobody" }))], None);
    let error = original.with(&wrong, Path::new("scenarios/x.yaml")).expect_err("it is wrong");
    assert!(error.contains("cannot be restarted"), "{error}");
}
