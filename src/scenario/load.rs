//! Files → a checked scenario.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::compose::{self, COMMAND_LINE, Composed};
use super::expand::{Expansion, Named};
use super::fields::Reader;
use super::names::Names;
use super::redact::{self, Redacted};
use super::{Scenario, Step, check, expand, read, under};
use crate::kube::{self, Given, Manifests};
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Diagnostics, FileId, Node, Place, Sources, Spanned, Value};
use crate::topology::{Personality, Topology};

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

    /// What the command line sets, one `name=value` or `path=value` each.
    fn settings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Files on disk, and the environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// Files on disk, the environment, and what the command line sets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overridden<'s> {
    /// Settings: `name=value` for a variable, `lab.gateway.replicas=2` for what stands at a path.
    pub settings: &'s [String],
}

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
        /// What of it could be read.
        draft: Box<Draft>,
    },
    /// The file holds Kubernetes manifests and no scenario.
    NotAScenario,
}

/// The parts of a scenario with mistakes that somebody further down the flow can check all the same.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The steps that could be read.
    pub steps: Vec<Spanned<Step>>,
    /// What the manifests describe at one time or another, where they are sound.
    pub topologies: Vec<Topology>,
}

impl LoadError {
    /// The same with what else is wrong.
    #[must_use]
    pub fn and(self, more: impl IntoIterator<Item = Diagnostic>) -> Self {
        match self {
            Self::Invalid { sources, mut findings, draft } => {
                findings.extend(more);
                Self::Invalid { sources, findings: in_order(&findings), draft }
            }
            other => other,
        }
    }
}

impl LoadError {
    /// Of a file that could not be read. What is no text is invalid.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let finding = unreadable(path, error);
        if error.kind() != io::ErrorKind::InvalidData {
            return Self::Unreadable(finding);
        }
        let mut findings = Diagnostics::default();
        findings.push(finding);
        Self::Invalid { sources: Sources::default(), findings, draft: Box::default() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(finding) => f.write_str(&finding.render(&Sources::default(), false)),
            Self::Invalid { sources, findings, .. } => f.write_str(findings.render(sources, false).trim_end()),
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

impl Files for Overridden<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        Disk.read(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        Disk.variable(name)
    }

    fn settings(&self) -> Vec<String> {
        self.settings.to_vec()
    }
}

/// The files of a recording, by the names under which they were read.
impl Files for Sources {
    fn read(&self, path: &Path) -> io::Result<String> {
        let name = path.display().to_string();
        let found = self.files().iter().find(|file| file.name == name);
        found.map(|file| file.text.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn settings(&self) -> Vec<String> {
        let found = self.files().iter().find(|file| file.name == COMMAND_LINE);
        found.map(|file| file.text.split('\n').map(str::to_owned).collect()).unwrap_or_default()
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
    let text = files.read(path).map_err(|error| LoadError::unreadable(path, &error))?;
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text);
    match loaded(files, path, &mut sources, file) {
        Ok(scenario) => Ok(scenario),
        Err(Stop::NotAScenario) => Err(LoadError::NotAScenario),
        Err(Stop::Invalid(findings, draft)) => {
            let sources = redact::redacted(&sources, &Expansion::default()).shown;
            Err(LoadError::Invalid { sources, findings: in_order(&findings), draft })
        }
    }
}

pub(super) enum Stop {
    NotAScenario,
    Invalid(Diagnostics, Box<Draft>),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut findings = Diagnostics::default();
        findings.push(diagnostic);
        findings.into()
    }
}

impl From<Diagnostics> for Stop {
    fn from(findings: Diagnostics) -> Self {
        Self::Invalid(findings, Box::default())
    }
}

fn loaded(files: &dyn Files, path: &Path, sources: &mut Sources, file: FileId) -> Result<Scenario, Stop> {
    let Composed { mut root, set, repeated } = compose::compose(files, path, sources, file)?;
    let texts = sources.clone();
    let mut reader = Reader::new(&texts);
    for finding in repeated {
        reader.push(finding);
    }
    let variables = variables(files, &reader, &texts, &mut root, &set);
    reader.expanded(&variables);
    let reader = reader;
    let personalities = under::named(&root);
    let others = Others::of(&root, &reader, &personalities);
    under::resolve(&mut root, &reader, personalities[0], &personalities);

    let Some(top) = read::top(&reader, &root) else { return Err(reader.finish().into()) };
    let lab = read::lab(&reader, top);
    let (ids, topology) = manifests(files, &reader, &lab.manifests, &lab.given, sources);
    let manifests = Manifests::new(sources, &ids, lab.given.clone());
    let changes = read::changes(files, &reader, &root, (&ids, &lab.given, topology.as_ref()), sources);
    let later: Vec<Topology> = changes.topologies().cloned().collect();
    if let Some(topology) = &topology {
        reader.know(Names::of(std::iter::once(topology).chain(&later)));
    }
    reader.know_changes(changes);
    let topology = topology.unwrap_or_default();
    let head = read::head(top);
    let gateway = read::gateway(&reader, &lab, top, &topology);
    let mut steps = read::steps(&reader, top, &topology);
    let schedule = read::schedule(&reader, top, &topology, &mut steps);
    let all: Vec<&Topology> = std::iter::once(&topology).chain(&later).collect();
    let prices = read::prices(top, &all, &steps);
    others.check(&reader, &topology);
    let expect = read::run_expectations(&reader, top, &steps);
    let invariants_off = read::invariants_off(top);

    let mut findings = reader.finish();
    check::steps(&steps, gateway, &topology, &later, &mut findings);
    if findings.has_errors() {
        let topologies = std::iter::once(topology).chain(later).collect();
        return Err(Stop::Invalid(findings, Box::new(Draft { steps, topologies })));
    }
    let Redacted { shown, recorded } = redact::redacted(sources, &variables);
    Ok(Scenario {
        sources: shown,
        file,
        name: head.name,
        id: head.id,
        about: head.about,
        why: head.why,
        links: head.links,
        seed: head.seed,
        start: head.start,
        gateway,
        personalities,
        prices,
        steps,
        schedule,
        expect,
        invariants_off,
        topology,
        later,
        manifests,
        warnings: in_order(&findings),
        recorded,
    })
}

/// The scenario under its other personalities, where it expects something else then: only for what is
/// wrong with it.
struct Others(Vec<Node>);

impl Others {
    fn of(root: &Node, reader: &Reader<'_>, personalities: &[Personality]) -> Self {
        if !under::is_anywhere(root) {
            return Self(Vec::new());
        }
        let other = |personality: &Personality| {
            let mut root = root.clone();
            under::resolve(&mut root, reader, *personality, personalities);
            root
        };
        Self(personalities.iter().skip(1).map(other).collect())
    }

    fn check(&self, reader: &Reader<'_>, topology: &Topology) {
        for root in &self.0 {
            let Some(top) = read::top(reader, root) else { continue };
            let mut steps = read::steps(reader, top, topology);
            read::schedule(reader, top, topology, &mut steps);
            read::run_expectations(reader, top, &steps);
        }
    }
}

/// Expands the variables of a scenario: those of the command line, then its own, then the environment's.
fn variables(files: &dyn Files, reader: &Reader<'_>, texts: &Sources, root: &mut Node, set: &Named) -> Expansion {
    let environment = |name: &str| files.variable(name);
    let part = |scalar: &str, place, range| reader.part(scalar, place, range);
    let mut own = Expansion::default();
    let mut named = Named::default();
    if let Value::Map(entries) = &mut root.value
        && let Some(vars) = entries.iter_mut().find(|entry| entry.key == "vars")
    {
        own = expand::expand(&mut vars.value, texts, set, &environment, &part);
        reader.extend(own.findings.drain(..));
        named = read::vars(reader, vars);
    }
    let declared = named.clone();
    named.0.extend(set.0.clone());
    let mut all = expand::expand(root, texts, &named, &environment, &part);
    for (name, (_, place)) in &set.0 {
        let used = all.used.iter().chain(&own.used).any(|one| one.name == *name) || declared.0.contains_key(name);
        if !used {
            let known = declared.0.keys().map(String::as_str).chain(all.used.iter().map(|one| one.name.as_str()));
            let known = known.chain(read::TOP.iter().copied());
            let name_place =
                Place { start: place.start.saturating_sub(u32::try_from(name.len() + 1).unwrap_or(0)), ..*place };
            let diagnostic =
                Diagnostic::error(format!("nothing uses the variable `{name}`")).at(name_place, "set here");
            all.findings.push(diagnostic.suggest(name, known));
        }
        all.spent
            .push(Place { start: place.start.saturating_sub(u32::try_from(name.len() + 1).unwrap_or(0)), ..*place });
    }
    all.values.append(&mut own.values);
    all.broken.append(&mut own.broken);
    all.used.append(&mut own.used);
    all
}

/// The one document that is a scenario.
pub(super) fn root_of(documents: Vec<Node>, file: FileId) -> Result<Node, Stop> {
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

/// The manifests' files, and what they describe; none where they are wrong, which has been reported.
fn manifests(
    files: &dyn Files,
    reader: &Reader<'_>,
    paths: &[Spanned<String>],
    given: &Given,
    sources: &mut Sources,
) -> (Vec<FileId>, Option<Topology>) {
    let mut ids = Vec::new();
    let mut complete = !paths.is_empty();
    for path in paths {
        let full = beside(sources, path);
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
    let topology = kube::load(sources, &ids, given, &mut findings);
    // With a manifest missing, what refers to it cannot be found either.
    if !complete {
        return (ids, None);
    }
    let sound = !findings.has_errors();
    reader.extend(findings.all().iter().cloned());
    (ids, sound.then_some(topology))
}

/// A path relative to the file that names it; one on the command line is as it stands.
pub(super) fn beside(sources: &Sources, path: &Spanned<String>) -> PathBuf {
    let names = &sources.file(path.place.file).name;
    let folder = Path::new(names).parent().filter(|_| names != COMMAND_LINE);
    compose::plain_path(&folder.unwrap_or(Path::new("")).join(&path.value))
}

/// The findings in the order of the files and of their lines.
fn in_order(findings: &Diagnostics) -> Diagnostics {
    let mut all = findings.all().to_vec();
    all.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|(place, _)| (place.file, place.start)));
    let mut sorted = Diagnostics::default();
    sorted.extend(all);
    sorted
}
