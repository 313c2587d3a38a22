//! What GitHub Actions shows: annotations at the scenario's lines, and a job summary.
//!
//! Annotations go to standard output, where the runner reads them; the summary is appended to the
//! file that `GITHUB_STEP_SUMMARY` names.

use std::fmt::Write as _;

use super::markdown;
use super::record::{RunRecord, title};
use crate::verdict::{Finding, Outcome};

/// One workflow command a line, for each finding that did not pass.
#[must_use]
pub fn annotations(runs: &[RunRecord]) -> String {
    let mut out = String::new();
    for run in runs {
        for finding in run.troubles() {
            annotation(&mut out, run, finding);
        }
        if run.interrupted {
            let _ = writeln!(out, "::warning file={}::the run was interrupted", property(run.file()));
        }
    }
    out
}

/// The job summary, in Markdown.
#[must_use]
pub fn summary(runs: &[RunRecord]) -> String {
    markdown::render(runs)
}

fn annotation(out: &mut String, run: &RunRecord, finding: &Finding) {
    let level = if finding.outcome == Outcome::Fail { "error" } else { "warning" };
    let place = match run.position(finding) {
        Some((file, at)) => format!("file={},line={},col={}", property(file), at.line, at.column),
        None => format!("file={},line=1", property(run.file())),
    };
    let mut lines = vec![title(finding)];
    if !finding.expected.is_empty() {
        lines.push(format!("expected: {}", finding.expected));
    }
    if !finding.actual.is_empty() {
        lines.push(format!("actual: {}", finding.actual));
    }
    lines.extend(finding.detail.iter().cloned());
    lines.push(format!("seed {}, {}", run.header.seed, run.header.personality));
    let name = property(&format!("{}: {}", run.header.name, finding.outcome.name()));
    let _ = writeln!(out, "::{level} {place},title={name}::{}", data(&lines.join("\n")));
}

/// The part of a workflow command behind the second pair of colons.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{assert_snapshot, runs};

    #[test]
    fn runs_as_annotations() {
        assert_snapshot("github.txt", &annotations(&runs()));
    }

    #[test]
    fn a_finding_cannot_give_commands() {
        let mut run = runs().remove(1);
        run.verdict.findings.truncate(1);
        "100%\n::set-env name=a::b".clone_into(&mut run.verdict.findings[0].actual);
        run.verdict.findings[0].outcome = Outcome::Fail;
        let text = annotations(&[run]);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("100%25%0A::set-env"), "{text}");
    }
}
