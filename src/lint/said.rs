//! What is said about findings besides the lints: codes of what the loader finds, and comments by
//! which the author of a file lets findings pass.

use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, FileId, Place, Severity, Sources};

use super::lints;

/// What is found while files are read: code, severity, what it is, what to do.
pub(super) const LOADER: [(&str, Severity, &str, &str); 5] = [
    ("invalid", Severity::Error, "whatever else keeps a file from being used", "as the finding says"),
    ("secret-key", Severity::Error, "a Secret without the key `Authorization`", "the credential under that key"),
    (
        "service-port",
        Severity::Error,
        "a Service without the port that a provider names, or whose port leads to a closed one",
        "the port that the finding lists",
    ),
    (
        "personality-unnamed",
        Severity::Warning,
        "a scenario that names no version, and so changes its meaning with labsim's",
        "`lab: { gateway: { personality: … } }`",
    ),
    (
        "doubtful",
        Severity::Warning,
        "whatever else is worth knowing about a file: a field that is not modelled, a port that is closed",
        "as the finding says",
    ),
];

/// What introduces a comment that lets findings pass.
const ALLOW: &str = "# labsim: allow ";

/// Codes that pass, everywhere or in one file.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    everywhere: Vec<String>,
    in_files: Vec<(FileId, String)>,
}

impl Allowed {
    /// Lets these codes pass everywhere.
    #[must_use]
    pub fn everywhere(codes: &[String]) -> Self {
        Self { everywhere: codes.to_vec(), in_files: Vec::new() }
    }

    /// Lets pass what the comments of files say: `# labsim: allow no-failover`. Those of `whole`, a
    /// scenario, hold for all its files. Gives a warning for each code that there is not.
    pub fn read(&mut self, sources: &Sources, whole: Option<FileId>) -> Vec<Diagnostic> {
        let mut wrong = Vec::new();
        for (index, file) in sources.files().iter().enumerate() {
            let id = FileId(u32::try_from(index).unwrap_or(u32::MAX));
            for (place, code) in comments(&file.text, id) {
                if !is_code(code) {
                    wrong.push(no_such_code(code, place));
                } else if whole == Some(id) {
                    self.everywhere.push(code.to_owned());
                } else {
                    self.in_files.push((id, code.to_owned()));
                }
            }
        }
        wrong
    }

    /// Whether a finding passes. What keeps a file from being used never does.
    #[must_use]
    pub fn allows(&self, finding: &Diagnostic) -> bool {
        let code = code_of(finding);
        let file = finding.primary.as_ref().map(|(place, _)| place.file);
        self.everywhere.iter().any(|one| one == code)
            || self.in_files.iter().any(|(id, one)| Some(*id) == file && one == code)
    }
}

/// The code of a finding; those of the loader without one have one for all.
fn code_of(finding: &Diagnostic) -> &'static str {
    finding.code.unwrap_or(match finding.severity {
        Severity::Error => "invalid",
        Severity::Warning => "doubtful",
    })
}

/// Whether there is such a code.
#[must_use]
pub fn is_code(code: &str) -> bool {
    codes().any(|known| known == code)
}

fn codes() -> impl Iterator<Item = &'static str> {
    lints().map(|lint| lint.code).chain(LOADER.map(|(code, ..)| code))
}

/// Findings in the order of the files and their lines, each with a code.
#[must_use]
pub fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    for finding in &mut findings {
        let code = code_of(finding);
        finding.code = Some(code);
        // A lint's severity holds also for what the loader finds in its stead.
        if let Some(lint) = lints().find(|lint| lint.code == code) {
            finding.severity = lint.severity;
        }
    }
    findings.sort_by_key(|finding| finding.primary.as_ref().map(|(place, _)| (place.file, place.start)));
    findings
}

/// The codes that comments of a text let pass, with their places.
fn comments(text: &str, file: FileId) -> impl Iterator<Item = (Place, &str)> {
    text.match_indices(ALLOW).flat_map(move |(at, _)| {
        let start = at + ALLOW.len();
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        line.split([' ', ',']).filter(|word| !word.is_empty()).map(move |word| {
            let offset = start + word.as_ptr().addr() - line.as_ptr().addr();
            let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            (Place { file, start: byte(offset), end: byte(offset + word.len()) }, word)
        })
    })
}

fn no_such_code(code: &str, place: Place) -> Diagnostic {
    let diagnostic = Diagnostic::warning(format!("there is no finding `{code}`")).at(place, "allows nothing");
    match nearest(code, codes()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("docs/check.md lists them"),
    }
}
