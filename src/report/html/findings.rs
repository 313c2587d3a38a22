//! Verdicts: what did not hold with its lines of the scenario underlined, what held in a list.

use std::fmt::Write as _;

use super::super::record::{RunRecord, counted, mark, title};
use super::super::xml::escaped;
use crate::source::{Place, floor_char_boundary};
use crate::verdict::{Finding, Outcome};

/// Lines that are shown before and behind the underlined ones.
const AROUND: usize = 2;

pub(super) fn render(out: &mut String, run: &RunRecord) {
    for finding in run.troubles() {
        trouble(out, run, finding);
    }
    let passed: Vec<&Finding> =
        run.verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Pass).collect();
    if passed.is_empty() {
        return;
    }
    let open = if passed.len() == run.verdict.findings.len() && passed.len() <= 5 { " open" } else { "" };
    let what = counted(passed.len(), "finding");
    let _ = writeln!(
        out,
        "<details class=\"card passed\"{open}><summary><h3>{what} passed</h3></summary>\n<ul class=\"findings\">"
    );
    for finding in passed {
        let actual = if finding.actual.is_empty() {
            String::new()
        } else {
            format!(" <small>{}</small>", escaped(&finding.actual))
        };
        let _ = writeln!(
            out,
            "<li class=\"pass\"><span class=\"mark\">{}</span> {}{actual}</li>",
            mark(Outcome::Pass),
            escaped(&title(finding))
        );
    }
    out.push_str("</ul></details>\n");
}

fn trouble(out: &mut String, run: &RunRecord, finding: &Finding) {
    let outcome = finding.outcome;
    let _ = writeln!(
        out,
        "<article class=\"card finding {0}\">\n<h3><span class=\"mark\" title=\"{0}\">{1}</span> {2}</h3>",
        outcome.name(),
        mark(outcome),
        escaped(&title(finding))
    );
    if let Some(place) = finding.place {
        snippet(out, run, finding, place);
    }
    out.push_str("<dl>\n");
    for (name, text) in [("expected", &finding.expected), ("actual", &finding.actual)] {
        if !text.is_empty() {
            let _ = writeln!(out, "<dt>{name}</dt><dd><code>{}</code></dd>", escaped(text));
        }
    }
    out.push_str("</dl>\n");
    if !finding.detail.is_empty() {
        let lines: Vec<_> = finding.detail.iter().map(|line| escaped(line)).collect();
        let _ = writeln!(out, "<pre class=\"evidence\" tabindex=\"0\">{}</pre>", lines.join("\n"));
    }
    out.push_str("</article>\n");
}

/// The lines around a place, the place underlined.
fn snippet(out: &mut String, run: &RunRecord, finding: &Finding, place: Place) {
    let Some((name, at)) = run.position(finding) else { return };
    let text = &run.sources().file(place.file).text;
    let start = floor_char_boundary(text, place.start as usize);
    let end = floor_char_boundary(text, place.end as usize).max(start);
    let _ = write!(out, "<figure><figcaption>{}:{at}</figcaption><pre class=\"source\" tabindex=\"0\">", escaped(name));
    let mut offset = 0;
    let last_line = at.line + text[start..end].trim_end().matches('\n').count();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let range = offset..offset + line.len();
        offset += line.len();
        if number + AROUND < at.line || number > last_line + AROUND {
            continue;
        }
        let class = if (at.line..=last_line).contains(&number) { " class=\"at\"" } else { "" };
        let _ = write!(out, "<span{class}><i>{number}</i>");
        let line = line.trim_end_matches(['\n', '\r']);
        let cut = |at: usize| at.clamp(range.start, range.start + line.len()) - range.start;
        let (from, to) = (cut(start), cut(end));
        let _ = write!(out, "{}", escaped(&line[..from]));
        if from < to {
            let _ = write!(out, "<mark>{}</mark>", escaped(&line[from..to]));
        }
        let _ = write!(out, "{}</span>", escaped(&line[to..]));
    }
    out.push_str("</pre></figure>\n");
}
