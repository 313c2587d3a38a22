//! The Test Anything Protocol, version 14: a line for each expectation and invariant.
//!
//! Unknown is `not ok`, with `severity: unknown` in its diagnosis.

use std::fmt::Write as _;

use super::record::{RunRecord, title};
use crate::verdict::{Finding, Outcome};

/// The whole text.
#[must_use]
pub fn render(runs: &[RunRecord]) -> String {
    let points: usize = runs.iter().map(|run| run.verdict.findings.len()).sum();
    let broken_off = runs.iter().any(|run| run.interrupted);
    let mut out = format!("TAP version 14\n1..{points}\n");
    let mut number = 0;
    for run in runs {
        let _ = writeln!(out, "# {}: {}", one_line(&run.header.name), run.facts().join(", "));
        for finding in &run.verdict.findings {
            number += 1;
            point(&mut out, number, run, finding);
        }
    }
    if broken_off {
        out.push_str("Bail out! interrupted\n");
    }
    out
}

fn point(out: &mut String, number: usize, run: &RunRecord, finding: &Finding) {
    let ok = if finding.outcome == Outcome::Pass { "ok" } else { "not ok" };
    let description = escaped(&format!("{}: {}", run.header.name, title(finding)));
    let _ = writeln!(out, "{ok} {number} - {description}");
    if finding.outcome == Outcome::Pass {
        return;
    }
    out.push_str("  ---\n");
    let _ = writeln!(out, "  severity: {}", finding.outcome.name());
    for (key, value) in [("expected", &finding.expected), ("actual", &finding.actual)] {
        // JSON strings are YAML strings.
        let _ = writeln!(out, "  {key}: {}", serde_json::Value::from(value.as_str()));
    }
    if let Some((file, at)) = run.position(finding) {
        let _ = writeln!(out, "  at: {}", serde_json::Value::from(format!("{file}:{at}")));
    }
    if !finding.detail.is_empty() {
        out.push_str("  detail:\n");
        for line in &finding.detail {
            let _ = writeln!(out, "    - {}", serde_json::Value::from(line.as_str()));
        }
    }
    out.push_str("  ...\n");
}

/// A `#` in a description would begin a directive.
fn escaped(description: &str) -> String {
    one_line(description).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{assert_snapshot, runs};

    #[test]
    fn runs_as_tap() {
        assert_snapshot("report.tap", &render(&runs()));
    }

    #[test]
    fn a_description_is_no_directive() {
        assert_eq!(escaped("a # TODO\nnot ok"), "a \\# TODO not ok");
    }
}
