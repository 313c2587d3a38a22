//! One page for a browser: verdicts, pictures of what happened, every request.
//!
//! A single file that loads nothing: no script, no font, no picture from elsewhere, and a content
//! policy that forbids them. Pictures are SVG whose horizontal positions are shares of the width, so
//! that they fit a phone and a projector without becoming smaller or larger; text keeps its size.
//! Light and dark follow the system, or the switch at the top.

mod axis;
mod charts;
mod findings;
mod requests;
mod spacetime;
mod svg;
mod timeline;

use std::fmt::Write as _;

use super::record::{RunRecord, Tally, mark, worst};
use super::xml::escaped;
use crate::verdict::Outcome;
use axis::Axis;

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
#[must_use]
pub fn render(runs: &[RunRecord]) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let words = Tally::of(runs).in_words();
    let title = match runs {
        [run] => format!("{} · labsim", run.header.name),
        _ => format!("{words} · labsim"),
    };
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    top(&mut out, runs, &words);
    out.push_str("<main>\n");
    if runs.len() > 1 {
        overview(&mut out, runs);
    }
    for (index, run) in runs.iter().enumerate() {
        section(&mut out, index + 1, run, runs.len() == 1);
    }
    let version = runs.first().map_or(env!("CARGO_PKG_VERSION"), |run| run.header.version.as_str());
    let _ = write!(out, "</main>\n<footer>labsim {}</footer>\n</body>\n</html>\n", escaped(version));
    out
}

fn top(out: &mut String, runs: &[RunRecord], words: &str) {
    let outcome = worst(runs);
    let _ = write!(
        out,
        "<header class=\"top {0}\">\n<p class=\"verdict\"><span class=\"mark\">{1}</span> <span>{2}</span></p>\n\
         <fieldset class=\"theme\"><legend>Theme</legend>",
        outcome.name(),
        mark(outcome),
        escaped(words)
    );
    for (name, checked) in [("auto", " checked"), ("light", ""), ("dark", "")] {
        let _ = write!(
            out,
            "<label><input type=\"radio\" name=\"theme\" id=\"theme-{name}\"{checked}><span>{name}</span></label>"
        );
    }
    out.push_str("</fieldset>\n</header>\n");
}

/// The list of runs.
fn overview(out: &mut String, runs: &[RunRecord]) {
    out.push_str(
        "<section class=\"card\"><h2>Runs</h2><div class=\"wide\"><table>\n<thead><tr><th></th><th>Scenario</th>\
         <th class=\"n\">Seed</th><th>Personality</th><th class=\"n\">Requests</th><th class=\"n\">Evictions</th>\
         </tr></thead>\n<tbody>\n",
    );
    for (index, run) in runs.iter().enumerate() {
        let outcome = run.outcome();
        let _ = writeln!(
            out,
            "<tr class=\"{}\"><td><span class=\"mark\" title=\"{0}\">{}</span></td><td><a href=\"#run-{}\">{}</a></td>\
             <td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            outcome.name(),
            mark(outcome),
            index + 1,
            escaped(&run.header.name),
            run.header.seed,
            escaped(&run.header.personality),
            run.history.requests.len(),
            run.history.evictions.len(),
        );
    }
    out.push_str("</tbody></table></div></section>\n");
}

/// Everything about one run. Of several, those that passed are folded.
fn section(out: &mut String, number: usize, run: &RunRecord, only: bool) {
    let outcome = run.outcome();
    let open = if only || outcome != Outcome::Pass { " open" } else { "" };
    let _ = write!(
        out,
        "<details class=\"run {0}\" id=\"run-{number}\"{open}>\n<summary><h2><span class=\"mark\" title=\"{0}\">{1}</span> {2}</h2>\
         <p class=\"facts\">{3}</p></summary>\n",
        outcome.name(),
        mark(outcome),
        escaped(&run.header.name),
        escaped(&run.facts().join(" · ")),
    );
    if run.interrupted {
        out.push_str("<p class=\"notice\">The run was broken off before its last step.</p>\n");
    }
    findings::render(out, run);
    let axis = Axis::of(&run.history);
    timeline::render(out, number, run, &axis);
    charts::render(out, run, &axis);
    spacetime::render(out, number, run);
    requests::render(out, number, run);
    sources(out, run);
    out.push_str("</details>\n");
}

fn sources(out: &mut String, run: &RunRecord) {
    out.push_str("<details class=\"card\"><summary><h3>Files</h3></summary>\n");
    for file in run.sources().files() {
        let _ = writeln!(
            out,
            "<h4>{}</h4><pre class=\"source\" tabindex=\"0\">{}</pre>",
            escaped(&file.name),
            escaped(&file.text)
        );
    }
    out.push_str("</details>\n");
}

#[cfg(test)]
mod tests;
