//! `--report`, and recordings that give the same again.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{Scratch, labsim, run, stderr, stdout};

const KINDS: [&str; 5] = ["junit", "json", "tap", "md", "html"];

/// Runs labsim with a report of every kind into a folder.
fn with_reports(args: &[&str], folder: &Path) -> Output {
    fs::create_dir_all(folder).expect("a folder for reports");
    let mut command = labsim();
    command.args(args);
    for kind in KINDS {
        command.arg("--report").arg(format!("{kind}={}", folder.join(kind).display()));
    }
    command.output().expect("labsim runs")
}

fn report(folder: &Path, kind: &str) -> String {
    fs::read_to_string(folder.join(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[test]
fn a_replay_gives_what_the_run_gave() {
    let scratch = Scratch::new("replay");
    for scenario in [
        "scenarios/intra-group.yaml",
        "tests/cases/fails-pattern/scenario.yaml",
        "tests/cases/unknown-nothing-evicted/scenario.yaml",
    ] {
        for detail in [None, Some("--quiet"), Some("--verbose")] {
            let recording = scratch.path("run.jsonl");
            let recorded = recording.to_str().expect("a plain path");
            let (of_run, of_replay) = (scratch.path("run"), scratch.path("replay"));
            let mut args = vec!["run", scenario, "--record", recorded];
            args.extend(detail);
            let original = with_reports(&args, &of_run);
            let mut args = vec!["replay", recorded];
            args.extend(detail);
            let again = with_reports(&args, &of_replay);
            assert_eq!(stdout(&again), stdout(&original), "{scenario} {detail:?}");
            assert_eq!(again.status.code(), original.status.code(), "{scenario} {detail:?}");
            for kind in KINDS {
                assert_eq!(report(&of_replay, kind), report(&of_run, kind), "{scenario} {kind}");
            }
        }
    }
}

#[test]
fn a_report_covers_all_runs_of_a_command_line() {
    let scratch = Scratch::new("all-runs");
    let both = ["run", "tests/cases/passes/scenario.yaml", "tests/cases/fails-pattern/scenario.yaml", "--quiet"];
    let output = with_reports(&both, &scratch.path("both"));
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_str(&report(&scratch.path("both"), "json")).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &1.into()));
    let files: Vec<_> = json["runs"].as_array().unwrap().iter().map(|run| run["file"].as_str().unwrap()).collect();
    assert_eq!(files, both[1..3]);

    let seeds = with_reports(&["run", both[1], "--seeds", "5", "-j", "3"], &scratch.path("seeds"));
    assert_eq!(seeds.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_str(&report(&scratch.path("seeds"), "json")).unwrap();
    let seeds: Vec<_> = json["runs"].as_array().unwrap().iter().map(|run| run["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [1, 2, 3, 4, 5]);
}

#[test]
fn a_folder_of_recordings_gives_the_reports_of_all_runs() {
    let scratch = Scratch::new("folders");
    let seeds = ["tests/cases/seeds-are-counted/scenario.yaml", "tests/cases/frequencies-hold/scenario.yaml"];
    let files = ["tests/cases/passes/scenario.yaml", "tests/cases/fails-pattern/scenario.yaml"];
    for (name, scenarios, args) in [("seeds", seeds, &["--seeds", "6"][..]), ("files", files, &["--quiet"][..])] {
        let folder = scratch.path(&format!("{name}-recordings"));
        let at = folder.to_str().expect("a plain path");
        let (of_run, of_replay) = (scratch.path(&format!("{name}-run")), scratch.path(&format!("{name}-replay")));
        let original = with_reports(&[&["run"], &scenarios[..], args, &["--record", at]].concat(), &of_run);
        let again = with_reports(&["replay", "--quiet", at], &of_replay);
        assert!(stderr(&again).is_empty(), "{}", stderr(&again));
        if name == "files" {
            assert_eq!(stdout(&again), stdout(&original));
            assert_eq!(again.status.code(), original.status.code());
        }
        for kind in KINDS {
            assert_eq!(report(&of_replay, kind), report(&of_run, kind), "{name} {kind}");
        }
    }
    assert_eq!(run(&["replay", "tests/cases/passes"]).status.code(), Some(64), "a folder without recordings");
}

#[test]
fn the_job_summary_is_added_to_what_stands_there() {
    let scratch = Scratch::new("github");
    let summary = scratch.path("summary.md");
    fs::write(&summary, "before\n").expect("a summary");
    let mut command = labsim();
    command.args(["run", "tests/cases/fails-pattern/scenario.yaml", "--quiet", "--report", "github"]);
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().expect("labsim runs");
    assert!(stdout(&output).contains("::error file=tests/cases/fails-pattern/scenario.yaml,line="), "{output:?}");
    let text = fs::read_to_string(&summary).expect("the summary");
    assert!(text.starts_with("before\n") && text.len() > 50, "{text}");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_runs() {
    let output = run(&["run", "tests/cases/passes/scenario.yaml", "--report", "json=nowhere/at/all.json"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr(&output).contains("cannot write the report nowhere/at/all.json"), "{output:?}");
    assert_eq!(stdout(&output), "");
}

#[test]
fn no_credential_is_in_what_is_told_of_a_failure() {
    let scratch = Scratch::new("telltale");
    let manifests = crate::support::root().join("scenarios/manifests");
    let scenario = scratch.path("scenario.yaml");
    let text = "\
name: Fails beside a credential
lab:
  manifests: [MANIFESTS/mock-429.yaml, MANIFESTS/inter-group.yaml]
  secrets: { openai-secret: { Authorization: \"Bearer sk-tell-tale\" } }
  gateway: { personality: agentgateway-0.12 }
steps:
  - send: { path: /openai, key: sk-tell-tale-too, expect: { pattern: \"500@openai-provider\" } }
";
    fs::write(&scenario, text.replace("MANIFESTS", manifests.to_str().expect("a plain path"))).expect("a scenario");
    let output = with_reports(&["run", scenario.to_str().expect("a plain path")], &scratch.path("reports"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = stdout(&output) + &stderr(&output) + &KINDS.map(|kind| report(&scratch.path("reports"), kind)).concat();
    assert!(told.contains("secret") || told.contains("500@openai-provider"), "{told}");
    assert!(!told.contains("sk-tell-tale"), "{told}");
}
