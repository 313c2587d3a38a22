//! `--report`: files and annotations about all runs of a command line, written when they are over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Exit;
use super::exit::Unwritable;
use super::outputs::{self, Output, is_stdout};
use super::terminal::Stream;
use crate::report::{RunRecord, github, html, json, junit, markdown, tap};

/// Which reports are asked for.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "reports")]
pub(super) struct Args {
    /// Write a report when all runs are over: `junit`, `json`, `tap`, `md` or `html` to a file (`-` is
    /// standard output), or `github` for annotations and a job summary. May be given several times
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = Wanted::parse)]
    wanted: Vec<Wanted>,
}

/// A report that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// A document and where it goes.
    Document(Document, PathBuf),
    /// Annotations on the stream for people, and a job summary.
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Junit,
    Json,
    Tap,
    Markdown,
    Html,
}

/// The variable that names the file for a job summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

const DOCUMENTS: [(&str, Document); 5] = [
    ("junit", Document::Junit),
    ("json", Document::Json),
    ("tap", Document::Tap),
    ("md", Document::Markdown),
    ("html", Document::Html),
];

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        let (kind, path) = text.split_once('=').map_or((text, None), |(kind, path)| (kind, Some(path)));
        if kind == "github" {
            return path.map_or(Ok(Self::Github), |_| Err("`github` takes no file".to_owned()));
        }
        let document = DOCUMENTS.iter().find(|(name, _)| *name == kind).map(|(_, document)| *document);
        match (document, path) {
            (None, _) => Err(format!("there is no report `{kind}`; write junit, json, tap, md, html or github")),
            (Some(_), None | Some("")) => Err(format!("where to? write {kind}=FILE")),
            (Some(document), Some(path)) => Ok(Self::Document(document, path.into())),
        }
    }
}

impl Document {
    fn render(self, runs: &[RunRecord]) -> String {
        match self {
            Self::Junit => junit::render(runs),
            Self::Json => json::render(runs),
            Self::Tap => tap::render(runs),
            Self::Markdown => markdown::render(runs),
            Self::Html => html::render(runs),
        }
    }
}

impl Args {
    /// Whether any is asked for: then runs are kept.
    pub(super) fn any(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Whether one goes to standard output.
    pub(super) fn take_stdout(&self) -> bool {
        self.wanted.iter().any(|wanted| matches!(wanted, Wanted::Document(_, path) if is_stdout(path)))
    }

    /// The files that reports go to.
    pub(super) fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Document(document, path) => {
                let name = DOCUMENTS.iter().find(|(_, one)| one == document).map_or("", |(name, _)| name);
                Some(Output::of_all(format!("--report {name}={}", path.display()), path))
            }
            Wanted::Github => None,
        })
    }

    /// Makes the files, so that one that cannot be written is known before anything runs.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(super) fn open(&self) -> Result<Open, Unwritable> {
        let mut files = Vec::new();
        for wanted in &self.wanted {
            let Wanted::Document(document, path) = wanted else { continue };
            files.push((*document, path.clone(), outputs::create_for("report", path)?));
        }
        Ok(Open { files, github: self.wanted.contains(&Wanted::Github) })
    }
}

/// Reports whose files are open.
pub(super) struct Open {
    files: Vec<(Document, PathBuf, File)>,
    github: bool,
}

impl Open {
    /// Writes all reports.
    ///
    /// # Errors
    /// [`Exit::Unavailable`], after telling why; the other reports are written all the same.
    pub(super) fn write(self, runs: &[RunRecord], people: Stream) -> Result<(), Exit> {
        let mut done = Ok(());
        for (document, path, mut file) in self.files {
            let written = file.write_all(document.render(runs).as_bytes());
            done = done.and(written.map_err(|error| unwritable("report", &path, &error)));
        }
        if self.github {
            people.tell(github::annotations(runs));
            done = done.and(summarize(runs));
        }
        done
    }
}

/// Adds the job summary to the file that GitHub names.
fn summarize(runs: &[RunRecord]) -> Result<(), Exit> {
    let Some(path) = std::env::var_os(SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(github::summary(runs).as_bytes()));
    written.map_err(|error| unwritable("job summary", &path, &error))
}

/// Tells that a file could not be written.
pub(super) fn unwritable(what: &str, path: &Path, error: &io::Error) -> Exit {
    eprintln!("error: {}", Unwritable::new(what, path, error));
    Exit::Unavailable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_kind_and_a_file() {
        assert_eq!(Wanted::parse("junit=a=b.xml"), Ok(Wanted::Document(Document::Junit, "a=b.xml".into())));
        assert_eq!(Wanted::parse("github"), Ok(Wanted::Github));
        for wrong in ["xml=a", "junit", "junit=", "github=a", "", "=a"] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
    }
}
