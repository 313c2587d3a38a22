//! Files → a checked scenario.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::fields::Reader;
use super::names::Names;
use super::redact::{self, Redacted};
use super::{Scenario, check, expand, read};
use crate::kube::{self, GivenSecrets};
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Diagnostics, FileId, Node, Place, Sources, Spanned, yaml};
use crate::topology::Topology;

/// Where files and variables come from: the disk, a recording, or a test.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
}

/// Files on disk, and the environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// Why there is no scenario.
#[derive(Debug, Clone)]
pub enum LoadError {
    /// The scenario file itself could not be read: a usage error.
    Unreadable(Diagnostic),
    /// It, or something that it names, is wrong.
    Invalid {
        /// The files that were read; secrets are asterisks.
        sources: Sources,
        /// Everything that is wrong, and the warnings.
        findings: Diagnostics,
    },
    /// The file holds Kubernetes manifests and no scenario.
    NotAScenario,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(finding) => f.write_str(&finding.render(&Sources::default(), false)),
            Self::Invalid { sources, findings } => f.write_str(findings.render(sources, false).trim_end()),
            Self::NotAScenario => {
                f.write_str("error: the file holds manifests and no scenario; name it under `lab: manifests:` of one")
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// The files of a recording, by the names under which they were read.
impl Files for Sources {
    fn read(&self, path: &Path) -> io::Result<String> {
        let name = path.display().to_string();
        let found = self.files().iter().find(|file| file.name == name);
        found.map(|file| file.text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Loads a scenario from disk.
///
/// # Errors
/// See [`LoadError`].
pub fn load(path: &Path) -> Result<Scenario, LoadError> {
    load_from(&Disk, path)
}

/// Loads a scenario from `files`.
///
/// # Errors
/// See [`LoadError`].
pub fn load_from(files: &dyn Files, path: &Path) -> Result<Scenario, LoadError> {
    let text = files.read(path).map_err(|error| LoadError::Unreadable(unreadable(path, &error)))?;
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text.clone());
    match loaded(files, path, &text, &mut sources, file) {
        Ok(scenario) => Ok(scenario),
        Err(Stop::NotAScenario) => Err(LoadError::NotAScenario),
        Err(Stop::Invalid(findings)) => {
            let sources = redact::redacted(&sources, file, &[]).shown;
            Err(LoadError::Invalid { sources, findings: in_order(&findings) })
        }
    }
}

enum Stop {
    NotAScenario,
    Invalid(Diagnostics),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut findings = Diagnostics::default();
        findings.push(diagnostic);
        Self::Invalid(findings)
    }
}

fn loaded(files: &dyn Files, path: &Path, text: &str, sources: &mut Sources, file: FileId) -> Result<Scenario, Stop> {
    let mut root = root(yaml::parse(sources, file)?, file)?;
    let mut reader = Reader::new(text);
    let part = |scalar: &str, place, range| reader.part(scalar, place, range);
    let variables = expand::expand(&mut root, text, &|name| files.variable(name), &part);
    let expansions = variables.values.clone();
    reader.expanded(variables);

    let Some(top) = read::top(&reader, &root) else { return Err(Stop::Invalid(reader.finish())) };
    let lab = read::lab(&reader, top);
    let topology = manifests(files, path, &reader, &lab.manifests, &lab.secrets, sources);
    if let Some(topology) = &topology {
        reader.know(Names::of(topology));
    }
    let topology = topology.unwrap_or_default();
    let head = read::head(top);
    let gateway = read::gateway(&reader, &lab, top, &topology);
    let mut steps = read::steps(&reader, top, &topology);
    let schedule = read::schedule(&reader, top, &topology, &mut steps);
    let expect = read::run_expectations(&reader, top, &steps);

    let mut findings = reader.finish();
    check::steps(&steps, gateway, &topology, &mut findings);
    if findings.has_errors() {
        return Err(Stop::Invalid(findings));
    }
    let Redacted { shown, recorded } = redact::redacted(sources, file, &expansions);
    Ok(Scenario {
        sources: shown,
        file,
        name: head.name,
        about: head.about,
        seed: head.seed,
        start: head.start,
        gateway,
        steps,
        schedule,
        expect,
        topology,
        warnings: in_order(&findings),
        recorded,
    })
}

/// The one document that is a scenario.
fn root(documents: Vec<Node>, file: FileId) -> Result<Node, Stop> {
    let (manifests, mut others): (Vec<_>, Vec<_>) = documents.into_iter().partition(kube::is_manifest);
    if others.is_empty() {
        if manifests.is_empty() {
            return Err(Diagnostic::error("this file is empty")
                .at(Place::start_of(file), "a scenario was expected")
                .into());
        }
        return Err(Stop::NotAScenario);
    }
    if let Some(manifest) = manifests.first() {
        let diagnostic = Diagnostic::error("a manifest stands in a scenario file").at(manifest.place, "this one");
        return Err(diagnostic.help("put it into a file of its own, and name that under `lab.manifests`").into());
    }
    if let Some(second) = others.get(1) {
        let diagnostic = Diagnostic::error("a file holds one scenario").at(second.place, "this is a second document");
        return Err(diagnostic.help("put it into a file of its own").into());
    }
    Ok(others.remove(0))
}

/// What the manifests describe; none where they are wrong, which has been reported.
fn manifests(
    files: &dyn Files,
    scenario: &Path,
    reader: &Reader<'_>,
    paths: &[Spanned<String>],
    secrets: &GivenSecrets,
    sources: &mut Sources,
) -> Option<Topology> {
    let folder = scenario.parent().unwrap_or(Path::new(""));
    let mut ids = Vec::new();
    let mut complete = !paths.is_empty();
    for path in paths {
        let full: PathBuf = folder.join(&path.value);
        match files.read(&full) {
            Ok(text) => ids.push(sources.add(full.display().to_string(), text)),
            Err(error) => {
                complete = false;
                let why = unreadable(&full, &error).message;
                let diagnostic = Diagnostic::error(why).at(path.place, "named here");
                reader.push(diagnostic.help("paths are relative to the scenario file"));
            }
        }
    }
    let mut findings = Diagnostics::default();
    let topology = kube::load(sources, &ids, secrets, &mut findings);
    // With a manifest missing, what refers to it cannot be found either.
    if !complete {
        return None;
    }
    let sound = !findings.has_errors();
    reader.extend(findings.all().iter().cloned());
    sound.then_some(topology)
}

/// The findings in the order of the files and of their lines.
fn in_order(findings: &Diagnostics) -> Diagnostics {
    let mut all = findings.all().to_vec();
    all.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|(place, _)| (place.file, place.start)));
    let mut sorted = Diagnostics::default();
    sorted.extend(all);
    sorted
}
