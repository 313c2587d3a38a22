//! What is wrong, where, and what to do about it.

use std::fmt::Write as _;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Patch, Renderer, Snippet};

use super::{Place, Sources};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The lab runs; the author should know.
    Warning,
    /// The lab cannot run.
    Error,
}

/// One finding: a statement, the place it is about, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable name, where it has one: `labsim check` tells findings apart by it.
    pub code: Option<&'static str>,
    /// The statement, a sentence without a full stop.
    pub message: String,
    /// The place that it is about and a short label for it.
    pub primary: Option<(Place, String)>,
    /// Other places that explain it.
    pub related: Vec<(Place, String)>,
    /// What else is to know, such as what was expected and what came, one line each.
    pub notes: Vec<String>,
    /// What to do, one line each.
    pub help: Vec<String>,
    /// A replacement for the primary place that would mend it.
    pub replacement: Option<String>,
    /// Places whose text is never shown: credentials.
    pub hidden: Vec<Place>,
}

impl Diagnostic {
    /// A new error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// A new warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: None,
            message: message.into(),
            primary: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            replacement: None,
            hidden: Vec::new(),
        }
    }

    /// Gives it a stable name.
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// Points at the place that it is about.
    pub fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.primary = Some((place, label.into()));
        self
    }

    /// Points at a place that explains it.
    pub fn note_at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }

    /// Adds a line that is good to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a line that says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a "did you mean" for `wrong`, where one of `known` is near.
    pub fn suggest<'a>(mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(near) = nearest(wrong, known) {
            self.help.push(format!("did you mean `{near}`?"));
            self.replacement = Some(near.to_owned());
        }
        self
    }

    /// Keeps the text at these places from ever being shown.
    pub fn hide(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.hidden.extend(places);
        self
    }

    /// Renders it as rustc would: the source line underlined, then notes and help.
    #[must_use]
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        if self.hidden.is_empty() {
            return self.render_shown(sources, colour);
        }
        self.render_shown(&sources.without(&self.hidden), colour)
    }

    fn render_shown(&self, sources: &Sources, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let title = match self.code {
            Some(code) => title.id(code),
            None => title,
        };
        let mut group = match &self.primary {
            None => annotate_snippets::Group::with_title(title),
            Some((place, label)) => self
                .snippets(sources, *place, label)
                .into_iter()
                .fold(annotate_snippets::Group::with_title(title), annotate_snippets::Group::element),
        };
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut report = vec![group];
        if let (Some(replacement), Some((place, _))) = (&self.replacement, &self.primary)
            && self.help.is_empty()
        {
            let file = sources.file(place.file);
            report.push(
                Level::HELP.secondary_title("write instead").element(
                    Snippet::source(file.text.as_str())
                        .path(file.name.as_str())
                        .patch(Patch::new(place.start as usize..place.end as usize, replacement.as_str())),
                ),
            );
        }
        renderer.render(&report)
    }

    fn snippets<'s>(
        &'s self,
        sources: &'s Sources,
        place: Place,
        label: &'s str,
    ) -> Vec<Snippet<'s, annotate_snippets::Annotation<'s>>> {
        let mut snippets = Vec::new();
        let range = |place: Place| {
            let text = &sources.file(place.file).text;
            let start = super::floor_char_boundary(text, place.start as usize);
            let end = super::floor_char_boundary(text, place.end as usize);
            // Only the first line of a long place is underlined.
            let line_end = text[start..end].find('\n').map_or(end, |at| start + at);
            start..line_end
        };
        let file = sources.file(place.file);
        let mut first = Snippet::source(file.text.as_str())
            .path(file.name.as_str())
            .annotation(AnnotationKind::Primary.span(range(place)).label(label));
        for (other, text) in self.related.iter().filter(|(other, _)| other.file == place.file) {
            first = first.annotation(AnnotationKind::Context.span(range(*other)).label(text.as_str()));
        }
        snippets.push(first);
        for (other, text) in self.related.iter().filter(|(other, _)| other.file != place.file) {
            let file = sources.file(other.file);
            snippets.push(
                Snippet::source(file.text.as_str())
                    .path(file.name.as_str())
                    .annotation(AnnotationKind::Context.span(range(*other)).label(text.as_str())),
            );
        }
        snippets
    }
}

/// All findings about a lab's files, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// All findings.
    pub fn all(&self) -> &[Diagnostic] {
        &self.found
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Renders all findings, errors last, with a closing count.
    #[must_use]
    pub fn render(&self, sources: &Sources, colour: bool) -> String {
        let mut out = String::new();
        let mut sorted: Vec<_> = self.found.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.severity);
        for diagnostic in sorted {
            let _ = writeln!(out, "{}\n", diagnostic.render(sources, colour));
        }
        out
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, iter: T) {
        iter.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}

/// The name among `known` that `wrong` most likely stands for, if any is near enough.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (wrong.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to write in place of a word that is none of the known ones: the nearest of them, or any.
#[must_use]
pub fn nearest_or_all(wrong: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(wrong, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("known here: {}", known.join(", "))
}

/// A diagnostic for a file that could not be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::error(format!("cannot read {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["send", "wait", "inject", "restart"];
        assert_eq!(nearest("sned", known), Some("send"));
        assert_eq!(nearest("Wait", known), Some("wait"));
        assert_eq!(nearest("frobnicate", known), None);
    }

    #[test]
    fn what_is_hidden_is_not_shown_and_moves_nothing() {
        let mut sources = Sources::default();
        let file = sources.add("lab.yaml", "key: sk-secret, kee: 1\n");
        let secret = Place { file, start: 5, end: 14 };
        let text = Diagnostic::error("unknown field `kee`")
            .at(Place { file, start: 16, end: 19 }, "not a field")
            .hide([secret])
            .render(&sources, false);
        assert!(text.contains("lab.yaml:1:17") && text.contains("key: *********, kee: 1"), "{text}");
    }

    #[test]
    fn a_rendered_diagnostic_has_place_underline_and_help() {
        let mut sources = Sources::default();
        let file = sources.add("lab.yaml", "steps:\n  - sned: {}\n");
        let place = Place { file, start: 11, end: 15 };
        let text = Diagnostic::error("unknown step `sned`")
            .at(place, "not a step")
            .suggest("sned", ["send"])
            .render(&sources, false);
        assert!(text.contains("lab.yaml:2:5"), "{text}");
        assert!(text.contains("^^^^ not a step"), "{text}");
        assert!(text.contains("did you mean `send`?"), "{text}");
    }
}
