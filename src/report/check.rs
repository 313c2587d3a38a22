//! What `labsim check` found: as text, as JSON, as annotations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::github::{data, property};
use crate::source::{Diagnostic, Place, Severity, Sources};

/// What was found in files that belong together.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The files; credentials are asterisks.
    pub sources: Sources,
    /// The versions as which they were checked; none where they could not be.
    pub personalities: Vec<String>,
    /// What was found.
    pub findings: Vec<Found>,
}

/// Something that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it is, with a code.
    pub diagnostic: Diagnostic,
    /// The versions under which it is so.
    pub under: Vec<String>,
}

impl Checked {
    /// What was found, for people; where it is not so under each of the versions, it says under which.
    fn said(&self, found: &Found) -> Diagnostic {
        let diagnostic = found.diagnostic.clone();
        if found.under.len() == self.personalities.len() {
            return diagnostic;
        }
        diagnostic.note(format!("so only under {}", found.under.join(" and ")))
    }
}

/// Version of the JSON.
const FORMAT: u32 = 2;

/// How many errors and warnings there are.
#[must_use]
pub fn counts(all: &[Checked]) -> (usize, usize) {
    let findings = || all.iter().flat_map(|one| &one.findings);
    let errors = findings().filter(|one| one.diagnostic.severity == Severity::Error).count();
    (errors, findings().count() - errors)
}

/// For people: each finding at its line, and a closing count.
#[must_use]
pub fn text(all: &[Checked], colour: bool) -> String {
    let mut out = String::new();
    for one in all {
        for finding in &one.findings {
            let _ = writeln!(out, "{}\n", one.said(finding).render(&one.sources, colour));
        }
    }
    let (errors, warnings) = counts(all);
    let files: BTreeSet<&str> = all.iter().flat_map(|one| one.sources.files()).map(|file| file.name.as_str()).collect();
    let found = match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    let _ = writeln!(out, "{}: {found}{}", count(files.len(), "file"), versions(all));
    out
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn versions(all: &[Checked]) -> String {
    let names: BTreeSet<&str> = all.iter().flat_map(|one| &one.personalities).map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { String::new() } else { format!(" (as {})", names.join(", ")) }
}

/// For programs.
#[must_use]
pub fn json(all: &[Checked]) -> String {
    let findings: Vec<Json> =
        all.iter().flat_map(|one| one.findings.iter().map(move |finding| finding_json(one, finding))).collect();
    let (errors, warnings) = counts(all);
    let document = json!({ "format": FORMAT, "findings": findings, "errors": errors, "warnings": warnings });
    format!("{document:#}\n")
}

fn finding_json(one: &Checked, found: &Found) -> Json {
    let finding = &found.diagnostic;
    let mut out = json!({
        "code": finding.code,
        "severity": name(finding.severity),
        "personalities": found.under,
        "message": finding.message,
        "reason": finding.notes,
        "fix": finding.help,
        "related": finding.related.iter().map(|(place, label)| place_json(one, *place, label)).collect::<Vec<_>>(),
    });
    if let (Some((place, label)), Some(fields)) = (&finding.primary, out.as_object_mut())
        && let Json::Object(place) = place_json(one, *place, label)
    {
        fields.extend(place);
    }
    out
}

fn place_json(one: &Checked, place: Place, label: &str) -> Json {
    let at = one.sources.line_column(place);
    json!({ "file": one.sources.file(place.file).name, "line": at.line, "column": at.column, "label": label })
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// One workflow command a line.
#[must_use]
pub fn github(all: &[Checked]) -> String {
    let mut out = String::new();
    for one in all {
        for finding in one.findings.iter().map(|found| one.said(found)) {
            let place = finding.primary.as_ref().map_or(String::new(), |(place, _)| {
                let at = one.sources.line_column(*place);
                let file = property(&one.sources.file(place.file).name);
                format!("file={file},line={},col={},", at.line, at.column)
            });
            let lines: Vec<&str> = [finding.message.as_str()]
                .into_iter()
                .chain(finding.notes.iter().chain(&finding.help).map(String::as_str))
                .collect();
            let title = property(&format!("labsim: {}", finding.code.unwrap_or_default()));
            let _ = writeln!(out, "::{} {place}title={title}::{}", name(finding.severity), data(&lines.join("\n")));
        }
    }
    out
}
