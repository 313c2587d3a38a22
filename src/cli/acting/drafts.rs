//! A fault as a person filled it in → an injection, or what is wrong with which field.

use crate::fault::Injection;
use crate::source::{Decoder, Diagnostic, Sources, yaml};
use crate::tui::{Complaint, Draft};

/// Lines of YAML, each with the field that it is for.
#[derive(Default)]
struct Lines(Vec<(Option<String>, String)>);

impl Lines {
    fn of(draft: &Draft) -> Self {
        let mut lines = Self::default();
        lines.push(None, "fault:");
        if draft.parameters.is_empty() {
            lines.push(None, format!("  {}: {{}}", draft.fault));
        } else {
            lines.push(None, format!("  {}:", draft.fault));
        }
        for (name, value) in &draft.parameters {
            lines.push(Some(name.as_str()), format!("    {name}: {value}"));
        }
        lines.push(None, format!("target: {}", serde_json::Value::from(draft.target.as_str())));
        if !draft.probability.is_empty() {
            lines.push(Some("probability"), format!("probability: {}", draft.probability));
        }
        if !draft.window.is_empty() {
            lines.push(None, "window:");
        }
        for (name, value) in &draft.window {
            lines.push(Some(&format!("window.{name}")), format!("  {name}: {value}"));
        }
        lines
    }

    fn push(&mut self, field: Option<&str>, line: impl AsRef<str>) {
        self.0.push((field.map(str::to_owned), line.as_ref().replace(['\n', '\r'], " ")));
    }

    fn text(&self) -> String {
        self.0.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect()
    }

    /// What is wrong, at the field of the line where it stands.
    fn complaint(&self, finding: &Diagnostic, sources: &Sources) -> Complaint {
        let line = finding.primary.as_ref().map(|(place, _)| sources.line_column(*place).line);
        let field = line.and_then(|line| self.0.get(line - 1)).and_then(|(field, _)| field.clone());
        let label = finding.primary.as_ref().map_or("", |(_, label)| label.as_str());
        let parts = [finding.message.as_str(), label];
        let message = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        Complaint { field, message }
    }
}

/// The injection that a draft describes.
///
/// # Errors
/// What is wrong with it.
pub(super) fn injection(draft: &Draft) -> Result<Injection, Vec<Complaint>> {
    let lines = Lines::of(draft);
    let mut sources = Sources::default();
    let file = sources.add("fault", lines.text());
    let told = |findings: &[Diagnostic]| findings.iter().map(|one| lines.complaint(one, &sources)).collect();
    let nodes = yaml::parse(&sources, file).map_err(|error| told(&[error]))?;
    let decoder = Decoder::default();
    let read = nodes.first().and_then(|node| decoder.decode::<Injection>(node));
    let findings = decoder.finish_strict();
    match read {
        Some(injection) if !findings.has_errors() => match injection.check() {
            Ok(()) => Ok(injection),
            Err(error) if error.message.contains("`probability`") => {
                Err(vec![Complaint { field: Some("probability".to_owned()), message: error.message }])
            }
            Err(error) => Err(told(&[error])),
        },
        _ => Err(told(findings.all())),
    }
}

/// Complaints as one sentence.
pub(super) fn in_a_line(complaints: &[Complaint]) -> String {
    let told = complaints.iter().map(|complaint| match &complaint.field {
        Some(field) => format!("{field}: {}", complaint.message),
        None => complaint.message.clone(),
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(parameters: &[(&str, &str)], probability: &str, window: &[(&str, &str)]) -> Draft {
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Draft {
            target: "one".to_owned(),
            fault: "stall".to_owned(),
            parameters: pairs(parameters),
            probability: probability.to_owned(),
            window: pairs(window),
        }
    }

    #[test]
    fn a_draft_is_what_a_file_would_have() {
        let built = injection(&draft(&[("after", "3")], "0.5", &[("for", "60s"), ("every", "2")])).expect("sound");
        let read = Injection::parse(
            "{fault: {stall: {after: 3}}, target: one, probability: 0.5, window: {for: 60s, every: 2}}",
        );
        assert_eq!(Ok(built), read);
        assert!(injection(&draft(&[], "", &[])).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        for (wrong, field, word) in [
            (draft(&[("after", "x")], "", &[]), "after", "number"),
            (draft(&[("for", "3")], "", &[]), "for", "unit"),
            (draft(&[], "2", &[]), "probability", "0 (never) to 1"),
            (draft(&[], "", &[("every", "0")]), "window.every", ""),
            (draft(&[], "", &[("for", "{")]), "window.for", ""),
        ] {
            let complaints = injection(&wrong).expect_err("it is wrong");
            assert_eq!(complaints[0].field.as_deref(), Some(field), "{complaints:?}");
            assert!(complaints[0].message.contains(word), "{complaints:?}");
        }
    }
}
