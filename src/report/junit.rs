//! `JUnit`'s XML, which every CI reads: a suite for each run, a case for each expectation and
//! invariant.
//!
//! A failure is a `failure`, with the scenario's line underlined. Unknown is an `error`: it is not
//! green, as its exit code is not. Times are the lab's own, also where they are virtual.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::record::{RunRecord, title};
use super::xml::escaped;
use crate::event::history::Request;
use crate::verdict::{Exempt, Finding, Outcome};

/// The whole document.
#[must_use]
pub fn render(runs: &[RunRecord]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures, errors) =
        runs.iter().map(counts).fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    let seconds: f64 = runs.iter().map(|run| run.duration().as_secs_f64()).sum();
    let _ = writeln!(
        out,
        "<testsuites name=\"labsim\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">"
    );
    let mut personalities: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for run in runs {
        personalities.entry(run.file()).or_default().insert(&run.header.personality);
    }
    for run in runs {
        let several = personalities.get(run.file()).is_some_and(|all| all.len() > 1);
        suite(&mut out, run, &class(run, several));
    }
    out.push_str("</testsuites>\n");
    out
}

/// Cases, failures and errors.
fn counts(run: &RunRecord) -> (usize, usize, usize) {
    let with = |outcome| run.verdict.findings.iter().filter(|finding| finding.outcome == outcome).count();
    let broken_off = usize::from(run.interrupted);
    (run.verdict.findings.len() + broken_off, with(Outcome::Fail), with(Outcome::Unknown) + broken_off)
}

fn suite(out: &mut String, run: &RunRecord, class: &str) {
    let header = &run.header;
    let (tests, failures, errors) = counts(run);
    let skipped = run.verdict.findings.iter().filter(|finding| is_skipped(finding)).count();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{:.3}\" timestamp=\"{}\" file=\"{}\">",
        escaped(&suite_name(run)),
        run.duration().as_secs_f64(),
        escaped(header.start.trim_end_matches('Z')),
        escaped(run.file()),
    );
    let seed = header.seed.to_string();
    let replicas = header.replicas.to_string();
    let facts = [
        ("seed", seed.as_str()),
        ("personality", &header.personality),
        ("clock", &header.clock),
        ("replicas", &replicas),
        ("labsim", &header.version),
    ];
    out.push_str("    <properties>\n");
    for (name, value) in facts {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escaped(value));
    }
    out.push_str("    </properties>\n");
    let mut names = BTreeMap::new();
    for finding in &run.verdict.findings {
        case(out, run, class, finding, &mut names);
    }
    if run.interrupted {
        let _ = writeln!(
            out,
            "    <testcase classname=\"{}\" name=\"the run reaches its end\" time=\"0.000\">\n      <error message=\"interrupted\" type=\"interrupted\"/>\n    </testcase>",
            escaped(class),
        );
    }
    let lines: Vec<String> = run.history.requests.iter().map(line).collect();
    let _ = writeln!(out, "    <system-out>{}</system-out>", escaped(&lines.concat()));
    out.push_str("  </testsuite>\n");
}

fn case(out: &mut String, run: &RunRecord, class: &str, finding: &Finding, names: &mut BTreeMap<String, usize>) {
    let title = title(finding);
    let count = names.entry(title.clone()).or_insert(0);
    *count += 1;
    // Readers tell cases apart by their names.
    let name = if *count > 1 { format!("{title} ({count})") } else { title };
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(class),
        escaped(&name),
        seconds(run, finding)
    );
    if let Some((file, at)) = run.position(finding) {
        let _ = write!(out, " file=\"{}\" line=\"{}\"", escaped(file), at.line);
    }
    let element = match finding.outcome {
        Outcome::Pass if is_skipped(finding) => {
            let why = finding.exemption().unwrap_or_default();
            let _ = writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(&why));
            return;
        }
        Outcome::Pass => {
            out.push_str("/>\n");
            return;
        }
        Outcome::Fail => "failure",
        Outcome::Unknown => "error",
    };
    let message = if finding.expected.is_empty() {
        finding.actual.clone()
    } else {
        format!("expected {}, but came {}", finding.expected, finding.actual)
    };
    let _ = writeln!(
        out,
        ">\n      <{element} message=\"{}\" type=\"{}\">{}</{element}>\n    </testcase>",
        escaped(&message),
        finding.outcome.name(),
        escaped(&run.explained(finding)),
    );
}

/// Whether nobody looks at it: an invariant that the scenario turns off.
fn is_skipped(finding: &Finding) -> bool {
    matches!(finding.exempt, Some(Exempt::Off { .. }))
}

/// How long the step took that a finding is about.
fn seconds(run: &RunRecord, finding: &Finding) -> f64 {
    let step = finding.step.and_then(|step| run.history.steps.iter().find(|record| record.step == step));
    step.map_or(0.0, |step| step.ended.unwrap_or(run.history.now).since(step.began).as_secs_f64())
}

/// `scenarios/retry-after/zero.yaml` is `scenarios.retry-after.zero`, as readers make folders of it. A scenario
/// that is played as several personalities has a folder for each.
fn class(run: &RunRecord, several: bool) -> String {
    let file = run.file().trim_start_matches("./");
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
    let class = stem.replace(['/', '\\'], ".");
    let class = if class.is_empty() { "labsim".to_owned() } else { class };
    let class = if several { format!("{class}.{}", run.header.personality.replace('.', "_")) } else { class };
    seed(run).map_or(class.clone(), |seed| format!("{class}.seed_{seed}"))
}

fn suite_name(run: &RunRecord) -> String {
    let name = &run.header.name;
    seed(run).map_or(name.clone(), |seed| format!("{name}, seed {seed}"))
}

/// The seed, where the run is one of many of its scenario.
fn seed(run: &RunRecord) -> Option<u64> {
    run.header.batch.and_then(|batch| batch.seeds).map(|_| run.header.seed)
}

fn line(request: &Request) -> String {
    let status = request.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let endpoint = request.answer().map_or("gateway", |attempt| attempt.endpoint.as_str());
    let millis = request.duration().map_or_else(|| "-".to_owned(), |took| format!("{}ms", took.as_millis()));
    format!("{} {} {status} {endpoint} {millis}\n", request.number, request.sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{assert_snapshot, runs};

    #[test]
    fn runs_as_junit() {
        assert_snapshot("junit.xml", &render(&runs()));
    }

    #[test]
    fn cases_have_names_of_their_own() {
        let mut run = runs().remove(0);
        let twice = run.verdict.findings[0].clone();
        run.verdict.findings.push(twice);
        let text = render(&[run]);
        let mut names: Vec<&str> =
            text.split("<testcase ").skip(1).filter_map(|case| case.split(" time=").next()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn personalities_of_one_scenario_are_classes_of_their_own() {
        let run = runs().remove(0);
        let mut reference = run.clone();
        "reference".clone_into(&mut reference.header.personality);
        let one = render(std::slice::from_ref(&run));
        let both = render(&[run, reference]);
        let has = |text: &str, end: &str| text.contains(&format!("inter-group{end}\" name="));
        assert!(has(&one, "") && !has(&one, ".agentgateway-1_4"), "{one}");
        assert!(has(&both, ".agentgateway-1_4") && has(&both, ".reference") && !has(&both, ""), "{both}");
    }
}
