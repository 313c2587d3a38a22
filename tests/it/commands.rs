//! `list`, `init`, `schema`, `completions`, `man`, and what `run` does with several files.

use std::fs;
use std::path::{Path, PathBuf};

use labsim::source::{Decoder, Sources, yaml};
use serde_json::{Value as Json, json};

use crate::support::{labsim, root, run, stderr, stdout};

/// A folder of its own for a test, emptied.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The shipped scenarios with their text.
fn shipped() -> Vec<(PathBuf, String)> {
    let output = run(&["list", "scenarios", "--format", "json"]);
    let listed: Vec<Json> = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert!(listed.len() >= 8, "{listed:?}");
    let files = listed.iter().map(|one| root().join(one["file"].as_str().expect("a file")));
    files.map(|file| (file.clone(), fs::read_to_string(file).expect("a scenario"))).collect()
}

fn to_json(text: &str) -> Json {
    let mut sources = Sources::default();
    let file = sources.add("scenario.yaml", text);
    let nodes = yaml::parse(&sources, file).expect("YAML");
    Decoder::default().decode(&nodes[0]).expect("JSON")
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_that_is_printed() {
    let file = root().join("schemas/scenario.schema.json");
    let printed = stdout(&run(&["schema"]));
    if std::env::var_os("LABSIM_BLESS").is_some() {
        fs::write(&file, &printed).expect("the schema can be written");
    }
    assert_eq!(fs::read_to_string(&file).expect("the schema"), printed, "`just bless` writes it anew");
}

#[test]
fn every_shipped_scenario_follows_the_schema_and_refers_to_it() {
    let schema: Json = serde_json::from_str(&stdout(&run(&["schema"]))).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a sound schema");
    for (file, text) in shipped() {
        let wrong: Vec<String> =
            validator.iter_errors(&to_json(&text)).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
        let first = text.lines().next().unwrap_or_default();
        let schema = first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| {
            panic!("{}: the first line should be `# yaml-language-server: $schema=…`", file.display())
        });
        let schema = file.parent().expect("a folder").join(schema);
        assert_eq!(schema.canonicalize().ok(), root().join("schemas/scenario.schema.json").canonicalize().ok());
    }
}

#[test]
fn the_schema_finds_what_an_editor_should_underline() {
    let schema: Json = serde_json::from_str(&stdout(&run(&["schema"]))).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a sound schema");
    let head = "name: x\nlab: { manifests: [a.yaml], gateway: { replicas: 2 } }\n";
    for sound in [
        "steps: [{ send: { path: /a, times: 3, expect: { pattern: 200+ } } }, { wait: 1s }]",
        "seed: ${SEED:-1}\nvars: { a: 1 }",
        "steps: [{ send: { path: /a, times: 3, at-once: true, timeout: 1s } }, { stop: load }, { scale: { gateway: 2 } }]",
        "steps: [{ load: { path: /a, rate: 300/m, arrivals: poisson, spike: { to: 50, after: 10s, for: 5s }, for: 30s } }]",
        "steps: [{ wait: { until: { answers: { 429: 3 } }, at-most: 90s } }, { wait: { until: idle } }]",
        "steps: [{ inject: { fault: { delay: { time: 3s } }, target: mock, window: { first: 3 }, name: a } }, { clear: { name: a } }]",
        "steps: [{ parallel: [{ wait: 1s }, [{ wait: 1s }, { clear: all }]] }, { repeat: { times: 3, steps: [{ wait: 1s }] } }]",
        "schedule: [{ at: 30s, restart: gateway/1 }, { at: 40s, inject: stall }]",
        "expect: { evictions: { x: 1, y: { count: 0..1, lasts: 60s } }, exercises: [eviction, { reached: x }] }",
        "expect: { latency: { p99.9: \"<=1s\" }, body: { path: { \"$.a\": 4 } }, frequencies: { 429 200: 0.5, level: 0.01 } }",
    ] {
        let json = to_json(&format!("{head}{sound}"));
        assert!(
            validator.is_valid(&json),
            "{sound}: {:?}",
            validator.iter_errors(&json).map(|e| e.to_string()).collect::<Vec<_>>()
        );
    }
    for broken in [
        "stps: []",
        "seed: -1",
        "steps: [{ send: { pth: /a } }]",
        "steps: [{ send: { path: /a }, wait: 1s }]",
        "steps: [{ wait: 61 }]",
        "steps: [{}]",
        "expect: { latency: { p98: 1s } }",
        "expect: { exercises: [evicton] }",
        "steps: [{ inject: { fault: stal } }]",
        "steps: [{ inject: { fault: { status: { code: 5000 } } } }]",
        "steps: [{ inject: { fault: { delay: { tim: 3s } } } }]",
        "steps: [{ load: { path: /a, for: 30s } }]",
        "steps: [{ load: { path: /a, rate: 3, users: 3, for: 30s } }]",
        "steps: [{ load: { path: /a, rate: 3 } }]",
        "steps: [{ send: { prompt: a } }]",
        "steps: [{ stop: gateway }]",
        "steps: [{ wait: { until: { evictd: mock } } }]",
        "steps: [{ repeat: { steps: [] } }]",
        "steps: [{ parallel: [{ wate: 1s }] }]",
        "schedule: [{ restart: gateway }]",
        "schedule: [{ at: 3, restart: gateway }]",
        "expect: { exercises: [{ retry: x }] }",
        "prices: { a: { inputs: 1 } }",
    ] {
        assert!(!validator.is_valid(&to_json(&format!("{head}{broken}"))), "{broken}");
    }
    assert!(!validator.is_valid(&json!({ "name": "x" })), "a lab is missing");
    assert!(validator.is_valid(&json!({ "extends": "base.yaml", "+steps": [{ "wait": "1s" }] })));
}

#[test]
fn list_names_and_describes() {
    let output = run(&["list", "scenarios/intra-group.yaml", "scenarios/manifests"]);
    let text = stdout(&output);
    assert!(
        text.starts_with("scenarios/intra-group.yaml  A02  Intra-group failover\n    One of two providers"),
        "{text}"
    );
    assert!(text.trim_end().ends_with("agentgateway-0.12"), "{text}");
    let named = text.lines().filter(|line| line.starts_with("scenarios/")).count();
    assert_eq!((named, output.status.code()), (1, Some(0)), "manifests are passed over");
    let json: Json =
        serde_json::from_str(&stdout(&run(&["list", "scenarios/reprobe.yaml", "--format", "json"]))).expect("JSON");
    assert_eq!(json[0]["name"], "Probe after each minute");
    assert_eq!(json[0]["personality"], "agentgateway-0.12");
    let broken = run(&["list", "tests/cases/unknown-step", "scenarios/reprobe.yaml"]);
    assert_eq!(broken.status.code(), Some(65));
    assert!(stdout(&broken).contains("Probe after each minute") && stderr(&broken).contains("error:"));
    assert_eq!(run(&["list", "nowhere"]).status.code(), Some(64));
}

#[test]
fn init_writes_a_scenario_that_passes() {
    let folder = folder("init");
    for name in ["mock-503.yaml", "health-503.yaml", "mock-429.yaml"] {
        fs::copy(root().join("scenarios/manifests").join(name), folder.join(name)).expect("a manifest");
    }
    fs::write(folder.join("notes.yaml"), "just: notes\n").expect("a file that is no manifest");
    let here = |args: &[&str]| labsim().args(args).current_dir(&folder).output().expect("labsim runs");
    let written = here(&["init"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let text = fs::read_to_string(folder.join("scenario.yaml")).expect("the scenario");
    assert!(text.contains("manifests: [\"health-503.yaml\", \"mock-429.yaml\", \"mock-503.yaml\"]"), "{text}");
    assert!(text.contains("- wait: ") && text.contains("evictions:"), "evictions are waited out\n{text}");
    let played = here(&["run", "scenario.yaml"]);
    assert_eq!(played.status.code(), Some(0), "{}{}", stdout(&played), stderr(&played));
    assert_eq!(stderr(&played), "", "without a warning");
    let again = here(&["init"]);
    assert_eq!(again.status.code(), Some(64));
    assert!(stderr(&again).contains("`--force` writes over it"), "{}", stderr(&again));
    assert_eq!(here(&["init", "--force"]).status.code(), Some(0));
    fs::create_dir(folder.join("deep")).expect("a folder");
    assert_eq!(here(&["init", "health-503.yaml", "mock-503.yaml", "-o", "deep/x.yaml"]).status.code(), Some(0));
    assert_eq!(here(&["run", "--quiet", "deep/x.yaml"]).status.code(), Some(0));
    fs::write(folder.join("broken.yaml"), "apiVersion: v1\nkind: Servce\nmetadata: { name: x }\n").expect("a manifest");
    let broken = here(&["init", "broken.yaml", "-o", "y.yaml"]);
    assert_eq!((broken.status.code(), folder.join("y.yaml").exists()), (Some(65), false), "{}", stderr(&broken));
    fs::create_dir(folder.join("empty")).expect("a folder");
    assert_eq!(here(&["init", "empty", "-o", "y.yaml"]).status.code(), Some(64));
}

/// Where nothing fails by itself a provider is made to, so that there is a failover to see.
#[test]
fn init_tries_the_failover_of_a_lab_that_is_well() {
    let folder = folder("init-well");
    for name in ["simulator.yaml", "route.yaml", "pair.yaml", "health.yaml"] {
        fs::copy(root().join("scenarios/manifests").join(name), folder.join(name)).expect("a manifest");
    }
    let here = |args: &[&str]| labsim().args(args).current_dir(&folder).output().expect("labsim runs");
    assert_eq!(here(&["init"]).status.code(), Some(0));
    let text = fs::read_to_string(folder.join("scenario.yaml")).expect("the scenario");
    for part in ["200@primary{3}", "target: \"primary\"", "503@primary 200@fallback{2}", "- clear: "] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.trim_end().ends_with("\"primary\": 1"), "{text}");
    let played = here(&["run", "scenario.yaml"]);
    assert_eq!(played.status.code(), Some(0), "{}{}", stdout(&played), stderr(&played));
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&run(&["completions", shell]));
        assert!(script.contains("fail-fast") && script.contains("vllm-sim"), "{shell}");
    }
    assert_eq!(run(&["completions", "csh"]).status.code(), Some(64));
    assert!(stdout(&run(&["man"])).contains(".TH labsim 1"));
    let folder = folder("man");
    assert_eq!(run(&["man", "--dir", folder.to_str().expect("UTF-8")]).status.code(), Some(0));
    let page = fs::read_to_string(folder.join("labsim-run.1")).expect("a page for `run`");
    assert!(page.contains("fail\\-fast"), "{page}");
}

#[test]
fn several_files_are_told_in_their_order_however_many_run_at_once() {
    let folder = folder("several");
    let written = |jobs: &str| {
        let reports = ["junit", "json", "md", "tap"].map(|kind| format!("{kind}={}/{jobs}.{kind}", folder.display()));
        let mut args = vec!["run", "scenarios", "tests/cases/fails-pattern", "--jobs", jobs];
        args.extend(reports.iter().flat_map(|report| ["--report", report.as_str()]));
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "one of them fails");
        let reports = ["junit", "json", "md", "tap"]
            .map(|kind| fs::read_to_string(folder.join(format!("{jobs}.{kind}"))).expect("a report"));
        (stdout(&output), stderr(&output), reports)
    };
    let one_by_one = written("1");
    assert_eq!(written("2"), one_by_one);
    assert_eq!(written("5"), one_by_one);
    assert!(one_by_one.0.matches("PASS  ").count() >= 8, "{}", one_by_one.0);
}

#[test]
fn fail_fast_ends_after_the_first_that_does_not_pass() {
    let files = ["scenarios/inter-group.yaml", "tests/cases/fails-pattern/scenario.yaml", "scenarios/reprobe.yaml"];
    let told = |jobs: &str| {
        let output = run(&[&["run", "--quiet", "--fail-fast", "--jobs", jobs], &files[..]].concat());
        assert_eq!(output.status.code(), Some(1));
        stdout(&output)
    };
    let one_by_one = told("1");
    assert!(one_by_one.contains("PASS  Inter-group failover") && one_by_one.contains("FAIL  A case"), "{one_by_one}");
    assert!(!one_by_one.contains("Probe after each minute"), "{one_by_one}");
    assert_eq!(told("3"), one_by_one);
    assert!(stdout(&run(&[&["run", "--quiet"], &files[..]].concat())).contains("PASS  Probe after each minute"));
}

#[test]
fn a_recording_of_one_of_many_seeds_is_judged_as_the_run_was() {
    let folder = folder("seeds");
    let at = folder.to_str().expect("UTF-8");
    let scenario = "tests/cases/seeds-are-counted/scenario.yaml";
    // Other seeds than the pinned one give other patterns, which are counted.
    let output = run(&["run", scenario, "--seeds", "8", "--record", at]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let mut replayed = 0;
    for entry in fs::read_dir(&folder).expect("recordings").flatten() {
        let output = run(&["replay", "--quiet", entry.path().to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", entry.path().display(), stdout(&output));
        replayed += 1;
    }
    assert_eq!(replayed, 8);
}

#[test]
fn what_the_command_line_sets_is_recorded() {
    let folder = folder("set");
    let recording = folder.join("run.jsonl");
    let recording = recording.to_str().expect("UTF-8");
    let args = [
        "run",
        "scenarios/two-replicas.yaml",
        "--set",
        "name=With a new name",
        "--set",
        "steps.0.note=Hello",
        "--record",
        recording,
    ];
    let output = run(&args);
    assert!(stdout(&output).contains("With a new name") && stdout(&output).contains("Hello"), "{}", stdout(&output));
    let replayed = run(&["replay", "--quiet", recording]);
    assert!(stdout(&replayed).contains("With a new name"), "{}", stdout(&replayed));
    assert_eq!(replayed.status.code(), output.status.code());
    let wrong = run(&["run", "scenarios/two-replicas.yaml", "--set", "lab.gateway.replicas=none"]);
    assert_eq!(wrong.status.code(), Some(65));
    assert!(stderr(&wrong).contains("--> command line:1:22"), "{}", stderr(&wrong));
}
