//! Markdown, for a pull request's comment or a job's summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::load;
use super::record::{RunRecord, Tally, counted, mark, title};
use crate::event::history::Request;
use crate::source::duration::human;
use crate::verdict::{Finding, Outcome};

/// Requests of one run that are listed, at most.
const LISTED: usize = 50;

/// Runs that are explained, at most: a job summary may have a mebibyte.
const EXPLAINED: usize = 50;

/// Runs that are named for an invariant that did not count, at most.
const NAMED: usize = 3;

/// The whole text.
#[must_use]
pub fn render(runs: &[RunRecord]) -> String {
    let mut out = format!("## labsim: {}\n\n", Tally::of(runs).in_words());
    if runs.is_empty() {
        return out;
    }
    out.push_str("| | scenario | seed | personality | requests | evictions | lab time |\n");
    out.push_str("| --- | --- | ---: | --- | ---: | ---: | ---: |\n");
    for run in runs {
        overview(&mut out, run);
    }
    exempted(&mut out, runs);
    let troubled: Vec<&RunRecord> = runs.iter().filter(|run| run.outcome() != Outcome::Pass).collect();
    for run in troubled.iter().take(EXPLAINED) {
        explained(&mut out, run);
    }
    if troubled.len() > EXPLAINED {
        let _ = writeln!(out, "\n… and {} more that did not pass", counted(troubled.len() - EXPLAINED, "run"));
    }
    out
}

fn overview(out: &mut String, run: &RunRecord) {
    let header = &run.header;
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} |",
        mark(run.outcome()),
        cell(&header.name),
        header.seed,
        cell(&header.personality),
        run.history.requests.len(),
        run.history.evictions.len(),
        human(Duration::from_millis(run.history.now.0 / 1_000)),
    );
}

/// Invariants that were broken, or not looked at, and fail no run: each with the runs in which it was so.
fn exempted(out: &mut String, runs: &[RunRecord]) {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for run in runs {
        for exemption in run.verdict.exemptions().filter_map(Finding::exemption) {
            found.entry(exemption).or_default().push(&run.header.name);
        }
    }
    if found.is_empty() {
        return;
    }
    out.push_str("\n### Invariants that did not count\n\n");
    for (exemption, runs) in found {
        let _ = writeln!(out, "- {} ({})", inline(&exemption), inline(&named(&runs)));
    }
}

/// The first few names, and how many more there are.
fn named(runs: &[&str]) -> String {
    let mut names: Vec<String> = runs.iter().take(NAMED).map(|name| (*name).to_owned()).collect();
    if runs.len() > NAMED {
        names.push(format!("and {} more", counted(runs.len() - NAMED, "run")));
    }
    names.join(", ")
}

fn explained(out: &mut String, run: &RunRecord) {
    let _ = writeln!(out, "\n### {} {}\n\n{}", mark(run.outcome()), inline(&run.header.name), run.facts().join(" · "));
    if run.interrupted {
        out.push_str("\nThe run was interrupted.\n");
    }
    for finding in run.troubles() {
        let _ = writeln!(out, "\n{} {}\n", mark(finding.outcome), inline(&title(finding)));
        fenced(out, &run.explained(finding));
    }
    loads(out, run);
    let requests = &run.history.requests;
    let _ = writeln!(out, "\n<details><summary>{}</summary>\n", counted(requests.len(), "request"));
    out.push_str("| # | time | status | provider | endpoint | duration |\n| ---: | --- | --- | --- | --- | ---: |\n");
    for request in requests.iter().take(LISTED) {
        row(out, request);
    }
    if requests.len() > LISTED {
        let _ = writeln!(out, "\n… and {} more", requests.len() - LISTED);
    }
    out.push_str("\n</details>\n");
}

fn loads(out: &mut String, run: &RunRecord) {
    for one in load::of(&run.history) {
        let _ = writeln!(out, "\n{}: {}\n", inline(&one.summary), inline(&load::overview(&one.measured, one.elapsed)));
        for (index, cells) in load::rows(&one.measured).iter().enumerate() {
            let _ = writeln!(out, "| {} |", cells.join(" | "));
            if index == 0 {
                let _ = writeln!(out, "| --- {}|", "| ---: ".repeat(cells.len() - 1));
            }
        }
    }
}

fn row(out: &mut String, request: &Request) {
    let status = request
        .status
        .map_or_else(|| request.outcome.map_or("?", |one| one.name()).to_owned(), |status| status.to_string());
    let endpoint = request.answer().map_or("gateway", |attempt| attempt.endpoint.as_str());
    let took = request.duration().map_or_else(|| "-".to_owned(), |took| format!("{}ms", took.as_millis()));
    let provider = cell(request.provider().unwrap_or("-"));
    let _ = writeln!(
        out,
        "| {} | {} | {status} | {provider} | {} | {took} |",
        request.number,
        request.sent,
        cell(endpoint)
    );
}

/// A block that no text can end: its fence is longer than any run of backticks in it.
fn fenced(out: &mut String, text: &str) {
    let longest = text.split(|one| one != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}text\n{}\n{fence}", text.trim_end());
}

/// Text inside a table's cell.
fn cell(text: &str) -> String {
    inline(text).replace('|', "\\|")
}

/// Text that is no markup.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for one in text.chars() {
        match one {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' => {
                out.push('\\');
                out.push(one);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{assert_snapshot, runs};

    #[test]
    fn runs_as_markdown() {
        assert_snapshot("report.md", &render(&runs()));
    }

    #[test]
    fn text_is_no_markup_and_ends_no_block() {
        assert_eq!(cell("a|b <c> [d](e)\n*f*"), "a\\|b &lt;c> \\[d\\](e) \\*f\\*");
        let mut out = String::new();
        fenced(&mut out, "a\n```\nb");
        assert_eq!(out, "````text\na\n```\nb\n````\n");
    }
}
