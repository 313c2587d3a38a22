//! Scenario files as people write them, sound and broken.

mod composed;
mod mutations;
mod personalities;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::scenario::step::Order;
use crate::source::{Severity, Span};
use crate::topology::Credential;

/// Files in memory, and variables.
#[derive(Default, Clone)]
struct Memory {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
    settings: Vec<String>,
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn settings(&self) -> Vec<String> {
        self.settings.clone()
    }
}

const MOCK: &str = include_str!("../../scenarios/manifests/mock-429.yaml");
const INTRA: &str = include_str!("../../scenarios/manifests/intra-group.yaml");

/// A lab of the intra-group manifests with this scenario file.
fn files(scenario: &str) -> Memory {
    let mut memory = Memory::default();
    memory.files.insert("lab/scenario.yaml".into(), scenario.to_owned());
    memory.files.insert("lab/mock.yaml".into(), MOCK.to_owned());
    memory.files.insert("lab/intra.yaml".into(), INTRA.to_owned());
    memory
}

fn loaded(scenario: &str) -> Result<Scenario, LoadError> {
    load_from(&files(scenario), Path::new("lab/scenario.yaml"))
}

const HEAD: &str = "\
name: Test
lab:
  manifests: [mock.yaml, intra.yaml]
  secrets: { openai-secret: { Authorization: \"Bearer sk-labsim\" } }
  gateway: { personality: agentgateway-0.12 }
";

/// A sound scenario with these steps and expectations, on the intra-group lab.
pub(crate) fn sound(rest: &str) -> Scenario {
    match loaded(&format!("{HEAD}{rest}")) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{rest}\n{}", told(&error)),
    }
}

/// The errors of a scenario with these steps and expectations, as a person sees them.
fn wrong(rest: &str) -> String {
    wrong_file(&format!("{HEAD}{rest}"))
}

fn wrong_file(text: &str) -> String {
    match loaded(text) {
        Ok(_) => panic!("no error in\n{text}"),
        Err(error) => told(&error),
    }
}

fn told(error: &LoadError) -> String {
    match error {
        LoadError::Invalid { sources, findings, .. } => {
            assert!(findings.has_errors());
            for finding in findings.all() {
                assert!(finding.primary.is_some(), "without a place: {}", finding.message);
            }
            findings.render(sources, false)
        }
        LoadError::Unreadable(diagnostic) => diagnostic.message.clone(),
        LoadError::NotAScenario => "not a scenario".to_owned(),
    }
}

fn warnings(scenario: &Scenario) -> String {
    assert!(scenario.warnings.all().iter().all(|one| one.severity == Severity::Warning));
    scenario.warnings.render(&scenario.sources, false)
}

#[test]
fn a_file_becomes_a_model() {
    let scenario = sound(
        r#"seed: 7
start: 2026-02-03T04:05:06Z
steps:
  - note: Watch
  - send: { path: /openai, times: 3, gap: 10ms, key: sk-client, headers: { X-Team: blue },
            expect: { pattern: "429@mock-ratelimit-provider 200@openai-provider-primary{2}" } }
  - send: { path: /openai, stream: true, prompt: Hello, model: gpt-4o }
  - send: { path: /openai/models, method: GET }
  - send: { path: /openai, body: { model: x, stream: true } }
  - wait: 1m1s
  - restart: gateway/0
expect: { never-reached: [openai-provider-fallback] }
"#,
    );
    assert_eq!(scenario.seed.as_ref().map(|seed| seed.value), Some(7));
    assert_eq!(scenario.start.map(|start| start.to_string()).as_deref(), Some("2026-02-03T04:05:06Z"));
    assert_eq!(
        scenario.gateway,
        GatewaySpec {
            replicas: 1,
            personality: Personality::Agentgateway012,
            named: true,
            spread: Spread::RoundRobin,
            broken: None
        }
    );
    let verbs: Vec<_> = scenario.steps.iter().map(|step| step.verb()).collect();
    assert_eq!(verbs, ["note", "send", "send", "send", "send", "wait", "restart"]);
    let sends: Vec<&Send> = scenario.sends().map(|(_, send)| send).collect();
    let gap = |text| Order::InOrder { gap: Span::parse(text).unwrap() };
    assert_eq!((sends[0].times, sends[0].order), (3, gap("10ms")));
    assert_eq!(sends[0].key.as_ref().map(Credential::authorization).as_deref(), Some("Bearer sk-client"));
    assert_eq!(sends[0].headers, [("x-team".to_owned(), "blue".to_owned())]);
    assert_eq!(
        sends[0].body().unwrap().to_string(),
        r#"{"model":"","messages":[{"role":"user","content":"What is 2+2?"}]}"#
    );
    assert_eq!(
        sends[1].body().unwrap().to_string(),
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"stream":true}"#
    );
    assert_eq!((sends[2].method.as_str(), sends[2].body()), ("GET", None));
    assert!(sends[3].stream, "the body asks for a stream");
    assert_eq!(sends[1].order, gap("50ms"));
    assert_eq!(scenario.steps[6].value, Step::Restart(Restart::Replica(0)));
    assert_eq!(scenario.topology.backends.len(), 1);
    assert_eq!(warnings(&scenario), "");
}

#[test]
fn every_shipped_scenario_loads_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let scenario = load(&path).unwrap_or_else(|error| panic!("{}\n{}", path.display(), told(&error)));
            assert_eq!(warnings(&scenario), "", "{}", path.display());
            assert!(scenario.about.is_some());
            count += 1;
        }
    }
    assert!(count >= 5);
}

#[test]
fn all_mistakes_are_found_at_once_each_with_its_place() {
    let text = wrong_file(
        r"name: 5
sede: 7
lab:
  manifests: [mock.yaml, intra.yaml, gone.yaml]
  gateway: { replicas: 0, personality: agentgateway-1.3, spread: randm }
steps:
  - sned: { path: /openai }
  - send: { path: openai, times: 0, gap: 50, tiems: 3 }
  - wait: 61
  - note: a
    wait: 1s
  - wait
expect:
  never-reeched: [x]
  status: { 2000: 1, 200: many }
",
    );
    for expected in [
        "scenario.yaml:1:7",
        "expected text, found the number `5`",
        "did you mean `seed`?",
        "cannot read lab/gone.yaml: there is no such file",
        "expected a whole number from 1 to 64, found `0`",
        "unknown personality `agentgateway-1.3`",
        "did you mean `random`?",
        "unknown step `sned`",
        "did you mean `send`?",
        "`openai` is not a path",
        "expected a whole number from 1 to 1000000, found `0`",
        "did you mean `times`?",
        "scenario.yaml:9:11",
        "with its unit",
        "a step has one verb",
        "`wait` needs a value",
        "did you mean `never-reached`?",
        "`2000` is not a status",
        "`many` is not a count",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn names_are_looked_up_in_the_manifests() {
    let text = wrong("steps: [{ send: { path: / } }]\nexpect: { never-reached: [openai-provider-fallbck, nobody] }");
    assert!(text.contains("the lab has no `openai-provider-fallbck`"), "{text}");
    assert!(text.contains("did you mean `openai-provider-fallback`?"), "{text}");
    assert!(text.contains("providers here: `mock-ratelimit-provider`, `openai-provider-primary`"), "{text}");
    let scenario = sound(
        "steps: [{ send: { path: / } }]
expect: { reached: { 'api.openai.com:443': 1, gpt-4o-mini: 0, mock-ratelimit-backend/openai-provider-primary: 1, gateway: 0 } }",
    );
    let whom: Vec<String> = scenario
        .expect
        .iter()
        .map(|one| match &one.check {
            Check::Reached { target, .. } => match &target.who {
                names::Who::Gateway => "gateway".to_owned(),
                names::Who::Providers(ids) => ids.iter().map(|id| id.provider.as_str()).collect::<Vec<_>>().join("+"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        whom,
        [
            "openai-provider-primary+openai-provider-fallback",
            "openai-provider-fallback",
            "openai-provider-primary",
            "gateway"
        ]
    );
}

#[test]
fn an_ambiguous_name_says_what_it_could_be() {
    let mut files = files(&format!("{HEAD}steps: [{{ send: {{ path: / }} }}]\nexpect: {{ never-reached: [gpt-4o] }}"));
    let named = INTRA.replace("- name: openai-provider-fallback", "- name: gpt-4o");
    files.files.insert("lab/intra.yaml".into(), named);
    let text = told(&load_from(&files, Path::new("lab/scenario.yaml")).unwrap_err());
    assert!(text.contains("`gpt-4o` could mean several things"), "{text}");
    assert!(text.contains("it is the provider `agentgateway-system/mock-ratelimit-backend/gpt-4o`"), "{text}");
    assert!(
        text.contains("it is the model of `agentgateway-system/mock-ratelimit-backend/openai-provider-primary`"),
        "{text}"
    );
}

#[test]
fn a_wrong_pattern_is_underlined_where_it_is_wrong() {
    let column = |pattern: &str| {
        let text = wrong(&format!("steps:\n  - send: {{ path: /openai, expect: {{ pattern: \"{pattern}\" }} }}\n"));
        let line = text.lines().find(|line| line.contains("scenario.yaml:7:")).unwrap_or_else(|| panic!("{text}"));
        let column: usize = line.rsplit(':').next().unwrap().trim().parse().unwrap();
        (column - "  - send: { path: /openai, expect: { pattern: \"".len(), text)
    };
    for (pattern, at, message) in [
        ("200 timout", 5, "did you mean `timeout`?"),
        ("200@mock", 5, "the lab has no `mock`"),
        ("200 (429", 5, "never closed"),
        ("200 )", 5, "never opened"),
        ("200{3,1}", 4, "the smaller number comes first"),
        ("200{0}", 4, "zero times is never"),
        ("200{x}", 4, "not a number of times"),
        ("200{2", 4, "never closed"),
        ("200+*", 4, "one quantifier"),
        ("200, 429", 4, "separated by spaces"),
        ("(200)429", 6, "a space is missing"),
        ("200 @x", 5, "the answer comes first"),
        ("200@", 4, "a name is missing"),
        ("*", 1, "a quantifier stands right behind"),
        ("any((200))", 5, "takes single items"),
        ("any()", 1, "is empty"),
        ("()", 1, "this group is empty"),
        ("20", 1, "not a status"),
        ("2XX", 1, "did you mean `2xx`?"),
        ("", 1, "this pattern is empty"),
    ] {
        let (column, text) = column(pattern);
        assert_eq!(column, at, "{pattern}\n{text}");
        assert!(text.contains(message), "{pattern}\n{text}");
    }
}

#[test]
fn what_no_run_could_give_is_found_before_it_starts() {
    for (expect, message) in [
        ("pattern: \"429 200{3}\"", "it takes at least 4 requests"),
        ("pattern: \"429 200?\"", "it takes at most 2 requests"),
        ("pattern: \"any(429 200){2}\"", "it takes at least 4 requests"),
        ("status: { 200: 4 }", "it takes at least 4 requests"),
        ("status: { 200: 2, 429: \">=2\" }", "it takes at least 4 requests"),
        ("pattern: \"(200{200}){200}\"", "this pattern is too large"),
        ("evictions: { gateway: 1 }", "the gateway is no provider"),
        ("exercises: [reached]", "`reached` needs a provider"),
        ("exercises: [evicton]", "did you mean `eviction`?"),
        ("reached: { mock-ratelimit-provider: 3..1 }", "the smaller one comes first"),
        ("reached: { mock-ratelimit-provider: \">3\" }", "write `>=` or `<=`"),
        ("evictions: { mock-ratelimit-provider: { lasts: 60 } }", "has no unit"),
        ("evictions: { mock-ratelimit-provider: { count: 1, last: 60s } }", "did you mean `lasts`?"),
        ("body: {}", "`body` expects nothing"),
        ("latency: { p98: \"<=1s\" }", "did you mean `p99`?"),
        ("latency: { p99: \"<=2\" }", "has no unit"),
        ("ttft: {}", "`ttft` expects nothing"),
        ("shares: { openai-provider-primary: 40 }", "write `40%` if that is meant"),
        ("shares: { mock-ratelimit-provider: 60%, openai-provider-primary: 50% }", "together it is at least 110%"),
        ("shares: { gateway: 40% }", "the gateway is no provider"),
        ("success: \">=101%\"", "is more than the whole"),
        ("amplification: fast", "is not a ratio"),
        ("group: { 2: 1 }", "they are numbered from 0 to 1"),
        ("group: { first: 1 }", "groups are numbered"),
        ("endpoint: openai-provider-primary", "write it as `host:port`"),
        ("tokens: { totl: 5 }", "did you mean `total`?"),
        ("cost: \"<=0.01\"", "a cost needs prices"),
        ("body: { path: { \"choices[0]\": x } }", "this is not a JSONPath"),
        ("body: { path: { \"$.a\": {} } }", "`$.a` expects nothing"),
        ("frequencies: { \"200{3}\": 60%, \"429 200{2}\": 50% }", "together it is 110%"),
        ("frequencies: { \"200{2}\": 50% }", "it takes at most 2 requests"),
        ("frequencies: { \"200{3} timout\": 50% }", "did you mean `timeout`?"),
        ("frequencies: { \"200{3}\": 50%, tolerance: 2%, level: 0.1 }", "a tolerance or a level, not both"),
        ("frequencies: { \"200{3}\": 50%, level: 2 }", "is not a level"),
        ("frequencies: { level: 0.01 }", "`frequencies` expects nothing"),
        ("headers: { \"a b\": x }", "not the name of a header"),
    ] {
        let text = wrong(&format!("steps:\n  - send: {{ path: /, times: 3, expect: {{ {expect} }} }}\n"));
        assert!(text.contains(message), "{expect}\n{text}");
        assert!(text.contains("scenario.yaml:7:"), "{expect}\n{text}");
    }
    sound(
        "steps: [{ send: { path: /, times: 3, expect: { pattern: '429* 200+', status: { 2xx: '>=1', 200: 1..3 } } } }]",
    );
}

#[test]
fn prices_are_for_a_million_tokens_of_each_kind() {
    let text = "prices: { gpt-4o: { input: 2.50, output: 10 } }\nsteps: [{ send: { path: /openai } }]\nexpect: { cost: \"<=0.1\" }";
    let price = Price { model: "gpt-4o".to_owned(), input: 2.5, output: 10.0 };
    assert_eq!(sound(text).prices, [price]);
    for (prices, message) in [
        ("{ gpt-4o: { input: 2.50 } }", "`output` is missing here"),
        ("{ gpt-4o: { input: cheap, output: 1 } }", "expected a price for a million tokens"),
        ("{ gpt-4o: { input: -1, output: 1 } }", "expected a price"),
        ("{ gpt-4o: { input: 1, outputs: 1 } }", "did you mean `output`?"),
    ] {
        let text = wrong(&format!("prices: {prices}\nsteps: []"));
        assert!(text.contains(message) && text.contains("scenario.yaml:6:"), "{prices}\n{text}");
    }
}

#[test]
fn a_scenario_that_says_little_is_warned_about() {
    let text = warnings(&sound("steps: []\n"));
    assert!(text.contains("the scenario has no steps") && text.contains("expects nothing"), "{text}");
    let bare = HEAD.replace("  gateway: { personality: agentgateway-0.12 }\n", "");
    let scenario = loaded(&format!("{bare}steps: [{{ send: {{ path: / }} }}]")).unwrap();
    let text = warnings(&scenario);
    assert!(text.contains("no personality is named, so the gateway behaves as agentgateway-1.4"), "{text}");
    assert!(!scenario.gateway.named);
}

#[test]
fn a_path_that_no_route_takes_is_warned_about_unless_it_is_meant() {
    let with = |step: &str| {
        warnings(&sound(&format!("steps: [{{ send: {{ {step} }} }}]\nexpect: {{ status: {{ 200: 0..1 }} }}")))
    };
    let text = with("path: /opnai/x");
    assert!(text.contains("no route takes the path `/opnai/x`"), "{text}");
    assert!(with("path: /opnai").contains("did you mean `/openai`?"));
    assert!(with("path: /openaix").contains("no route takes"));
    for sound in
        ["path: /openai", "path: /openai/", "path: /openai/v1?x=/y", "path: /other, expect: { status: { 404: 1 } }"]
    {
        assert_eq!(with(sound), "", "{sound}");
    }
    let wrong = wrong("steps: [{ restart: gateway/1 }]");
    assert!(wrong.contains("the gateway has no replica 1"), "{wrong}");
}

#[test]
fn variables_are_expanded_and_keep_their_kind() {
    let text = format!(
        "{HEAD}steps:\n  - send: {{ path: \"/${{ROUTE}}\", times: \"${{TIMES:-3}}\", prompt: \"${{TIMES:-3}} costs $$5\" }}\nexpect:\n  status:\n    2xx: ${{COUNT}}\n    429: ${{NONE:-0}}\n"
    );
    let mut files = files(&text);
    let path = Path::new("lab/scenario.yaml");
    let missing = told(&load_from(&files, path).unwrap_err());
    assert!(missing.contains("the variable `ROUTE` is not set and has no default"), "{missing}");
    assert!(missing.contains("scenario.yaml:7:21"), "{missing}");
    assert_eq!(missing.matches("error:").count(), 2, "{missing}");
    files.variables.insert("ROUTE".into(), "openai".into());
    files.variables.insert("COUNT".into(), ">=1".into());
    let scenario = load_from(&files, path).unwrap();
    let send = scenario.sends().next().unwrap().1;
    assert_eq!((send.path.as_str(), send.times), ("/openai", 3));
    assert_eq!(scenario.expect[1].check.to_string(), "429 never comes");
    assert_eq!(send.content, Content::Prompt { prompt: "3 costs $5".into(), model: String::new() });
}

#[test]
fn what_is_not_a_scenario_is_told_apart() {
    let path = Path::new("lab/scenario.yaml");
    assert!(matches!(load_from(&files(MOCK), path), Err(LoadError::NotAScenario)));
    assert!(matches!(load_from(&Memory::default(), path), Err(LoadError::Unreadable(_))));
    assert!(wrong_file("").contains("this file is empty"));
    assert!(wrong_file("- 1\n").contains("expected a map, a scenario with `name`"));
    assert!(wrong_file("a: [").contains("not valid YAML"));
    assert!(wrong_file(&format!("{HEAD}\n---\n{MOCK}")).contains("a manifest stands in a scenario file"));
    assert!(wrong_file("name: a\n---\nname: b\n").contains("a file holds one scenario"));
    assert!(wrong_file("name: a\n").contains("the scenario names no manifests"));
    assert!(wrong_file("name: a\nlab: { manifests: [] }\n").contains("the scenario names no manifests"));
}

#[test]
fn what_is_wrong_in_a_manifest_is_told_with_its_place_there() {
    let mut files = files(&format!("{HEAD}steps: []"));
    files.files.insert("lab/intra.yaml".into(), INTRA.replace("providers:", "provders:"));
    let text = told(&load_from(&files, Path::new("lab/scenario.yaml")).unwrap_err());
    assert!(text.contains("lab/intra.yaml:"), "{text}");
    assert!(text.contains("did you mean `providers`?"), "{text}");
}

#[test]
fn a_recording_loads_from_its_own_sources() {
    let scenario = sound("steps: [{ send: { path: /openai, expect: { status: { 2xx: 1 } } } }]");
    let again = load_from(&scenario.redacted_sources(), Path::new("lab/scenario.yaml")).unwrap();
    assert_eq!(again.steps.len(), scenario.steps.len());
    assert_eq!(again.topology.backends.len(), 1);
}

const TELLTALE: &str = "\
name: Test # sk-given-1234 is a secret
lab:
  manifests: [mock.yaml, intra.yaml, keys.yaml]
  secrets: { openai-secret: { Authorization: \"Bearer sk-given-1234\" } }
  gateway: { personality: agentgateway-0.12 }
steps:
  - send: { path: /openai, key: sk-client-5678, times: \"${TIMES:-2}\", expect: { status: { 200: 2 } } }
  - send:
      path: /openai
      key: |
        sk-given-1234
      prompt: ${PROMPT}
      headers: { X-Api-Key: '${KEY}', x-team: blue }
";

const KEYS: &str = "\
apiVersion: v1
kind: Secret
metadata: { name: other, namespace: agentgateway-system }
data: { Authorization: c2stZW5jb2RlZC05OTk5 }
stringData: { again: sk-given-1234 }
";

fn telltale() -> Memory {
    let mut files = files(TELLTALE);
    files.files.insert("lab/keys.yaml".into(), KEYS.to_owned());
    files.variables.insert("KEY".into(), "sk-variable-4321".into());
    files.variables.insert("PROMPT".into(), "two: $lines".into());
    files
}

fn tells_nothing(sources: &Sources) {
    for file in sources.files() {
        for secret in ["sk-given-1234", "sk-client-5678", "sk-variable-4321", "sk-encoded-9999", "c2stZW5jb2RlZC05OTk5"]
        {
            assert!(!file.text.contains(secret), "{secret} in\n{}", file.text);
        }
    }
}

#[test]
fn neither_a_report_nor_a_recording_tells_a_secret() {
    let path = Path::new("lab/scenario.yaml");
    let scenario = load_from(&telltale(), path).unwrap_or_else(|error| panic!("{}", told(&error)));
    tells_nothing(&scenario.sources);
    let original = scenario.sources.file(scenario.file);
    assert_eq!(original.text.len(), TELLTALE.len());

    let recorded = scenario.redacted_sources();
    tells_nothing(&recorded);
    for (before, after) in scenario.sources.files().iter().zip(recorded.files()) {
        assert_eq!(before.name, after.name);
        assert_eq!(before.text.lines().count(), after.text.lines().count(), "{}", after.text);
    }
    let text = &recorded.file(FileId(0)).text;
    assert!(text.contains(r#"Authorization: "Bearer secret:openai-secret/Authorization""#), "{text}");
    assert!(text.contains("times: \"2\"") && text.contains("two: $$lines"), "{text}");

    // It is the same scenario: the same keys are equal, and the others are not.
    let again = load_from(&recorded, path).unwrap_or_else(|error| panic!("{}", told(&error)));
    let keys = |scenario: &Scenario| -> Vec<String> {
        scenario.sends().filter_map(|(_, send)| Some(send.key.as_ref()?.key().to_owned())).collect()
    };
    assert_eq!(keys(&scenario), ["sk-client-5678", "sk-given-1234"]);
    assert_eq!(keys(&again), ["client", "secret:openai-secret/Authorization"]);
    let prompt = |scenario: &Scenario| scenario.sends().nth(1).map(|(_, send)| send.content.clone());
    assert_eq!(prompt(&again), prompt(&scenario));
    assert_eq!(again.steps.len(), scenario.steps.len());
    assert_eq!(again.redacted_sources(), recorded, "a recording of a recording is the same");
}

#[test]
fn no_error_tells_a_secret() {
    let path = Path::new("lab/scenario.yaml");
    for (from, to) in [
        ("status: { 200: 2 }", "status: { 200: 9 }"),
        ("key: sk-client-5678", "kye: x, key: sk-client-5678"),
        ("{ Authorization: \"Bearer sk-given-1234\" }", "\"Bearer sk-given-1234\""),
        ("{ Authorization: \"Bearer sk-given-1234\" }", "[sk-given-1234]"),
        ("key: sk-client-5678,", "key: sk-client-5678 ]"),
        ("key: sk-client-5678", "key: { sk-client-5678: 1 }, key: sk-client-5678"),
    ] {
        let mut files = telltale();
        files.files.insert(path.into(), TELLTALE.replace(from, to));
        let text = told(&load_from(&files, path).unwrap_err());
        assert!(!text.contains("sk-given-1234") && !text.contains("sk-client-5678"), "{to}\n{text}");
    }
    let numeric = wrong(r"steps: [{ send: { path: /, key: 123456789 } }]");
    assert!(numeric.contains("expected text under `key`") && !numeric.contains("123456789"), "{numeric}");
}
