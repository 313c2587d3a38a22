//! Manifests that come and go in mid-run, as `kubectl apply` and `kubectl delete` would have it.

use std::fmt;

use super::fields::Log;
use super::kinds::{KINDS, Kind, Role};
use super::object::{self, Object};
use super::{Given, load_changed};
use crate::source::{Diagnostic, Diagnostics, FileId, Node, Place, Sources};
use crate::topology::Topology;

/// A change of the objects that there are. `F` is a file: a [`FileId`] while files are checked, a
/// [`Manifest`] when the change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<F> {
    /// The objects of a file are there, in place of those of the same name.
    Apply(F),
    /// The objects of a file are gone.
    DeleteFile(F),
    /// An object is gone.
    Delete(ObjectName),
}

/// The text of a manifest file. Its debug output shows the name only, since there may be secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The file's name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// How a person calls an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind, such as `HTTPRoute`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where its name stands.
    pub place: Place,
    /// Where its kind stands.
    pub kind_place: Place,
}

/// The manifests of a lab at one moment, and the changes that made them.
#[derive(Clone, Default)]
pub struct Manifests {
    changes: Vec<Change<Manifest>>,
    given: Given,
}

impl<F> Change<F> {
    /// The file that it is about.
    pub fn file(&self) -> Option<&F> {
        match self {
            Self::Apply(file) | Self::DeleteFile(file) => Some(file),
            Self::Delete(_) => None,
        }
    }

    /// The same change of another sort of file.
    pub fn map<G>(&self, file: impl FnOnce(&F) -> G) -> Change<G> {
        match self {
            Self::Apply(one) => Change::Apply(file(one)),
            Self::DeleteFile(one) => Change::DeleteFile(file(one)),
            Self::Delete(name) => Change::Delete(name.clone()),
        }
    }
}

impl Change<Manifest> {
    /// The same change with its file among `sources`. A name stands in a file of its own there.
    fn among(&self, sources: &mut Sources) -> Change<FileId> {
        let mut change = self.map(|file| sources.add(file.name.clone(), file.text.clone()));
        if let Change::Delete(object) = &mut change {
            let text = format!("{}/{}", object.kind, object.name);
            let [slash, end] = [object.kind.len(), text.len()].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
            let file = sources.add("delete", text);
            object.place = Place { file, start: 0, end };
            object.kind_place = Place { file, start: 0, end: slash };
        }
        change
    }
}

impl Manifests {
    /// The manifests that a lab begins with.
    #[must_use]
    pub fn new(sources: &Sources, files: &[FileId], given: Given) -> Self {
        Self { changes: files.iter().map(|file| Change::Apply(Manifest::of(sources, *file))).collect(), given }
    }

    /// The manifests after further changes, and what they describe.
    ///
    /// # Errors
    /// What is wrong with them, rendered with the places.
    pub fn changed(&self, changes: &[Change<Manifest>]) -> Result<(Self, Topology), String> {
        let mut next = self.clone();
        next.changes.extend_from_slice(changes);
        let mut sources = Sources::default();
        let files: Vec<Change<FileId>> = next.changes.iter().map(|one| one.among(&mut sources)).collect();
        let mut findings = Diagnostics::default();
        let topology = load_changed(&sources, &files, &next.given, &mut findings);
        if findings.has_errors() {
            return Err(findings.render(&sources, false).trim_end().to_owned());
        }
        Ok((next, topology))
    }
}

impl Manifest {
    /// A file that was read.
    #[must_use]
    pub fn of(sources: &Sources, file: FileId) -> Self {
        let file = sources.file(file);
        Self { name: file.name.clone(), text: file.text.clone() }
    }
}

/// Makes a change of objects. Those that are gone are kept apart, to be read for their mistakes.
pub(super) fn make<'r>(
    change: &Change<FileId>,
    documents: &[&'r Node],
    log: &'r Log<'r>,
    objects: &mut Vec<Object<'r>>,
    gone: &mut Vec<Object<'r>>,
) {
    let mut its = Vec::new();
    for document in documents {
        object::objects(log, document, &mut its);
    }
    match change {
        Change::Apply(_) => objects.append(&mut its),
        Change::DeleteFile(_) => {
            for one in its {
                let place = one.name.place;
                gone.extend(remove(log, objects, one.kind, &one.name.value, &one.namespace, place));
                gone.push(one);
            }
        }
        Change::Delete(object) => {
            let known = KINDS.iter().filter(|kind| !matches!(kind.role, Role::List | Role::NotModelled));
            if let Some(kind) = known.clone().find(|kind| kind.name.eq_ignore_ascii_case(&object.kind)) {
                gone.extend(remove(log, objects, kind, &object.name, &object.namespace, object.place));
                return;
            }
            let diagnostic = Diagnostic::error(format!("unknown kind `{}`", object.kind)).at(object.kind_place, "");
            log.push(diagnostic.suggest(&object.kind, known.map(|kind| kind.name)));
        }
    }
}

/// Makes a change of agentgateway's own configurations, each with the file that it stands in. A file that
/// is applied again takes the place of what it was.
pub(super) fn configure<'r>(change: &Change<FileId>, own: Vec<&'r Node>, configs: &mut Vec<(FileId, &'r Node)>) {
    let Some(file) = change.file() else { return };
    configs.retain(|(one, _)| one != file);
    if let Change::Apply(_) = change {
        configs.extend(own.into_iter().map(|config| (*file, config)));
    }
}

/// Takes an object away; it must have been there.
fn remove<'r>(
    log: &Log<'_>,
    objects: &mut Vec<Object<'r>>,
    kind: &Kind,
    name: &str,
    namespace: &str,
    place: Place,
) -> Vec<Object<'r>> {
    let is = |one: &Object<'r>| std::ptr::eq(one.kind, kind) && one.name.value == name && one.namespace == namespace;
    let gone: Vec<Object<'r>> = objects.extract_if(.., |one| is(one)).collect();
    if gone.is_empty() && !name.is_empty() {
        let same = objects.iter().filter(|one| std::ptr::eq(one.kind, kind));
        let known: Vec<(&str, &str)> = same.map(|one| (one.namespace.as_str(), one.name.value.as_str())).collect();
        let name = crate::source::Spanned::new(name.to_owned(), place);
        log.push(object::dangling(kind.name, &name, namespace, known));
    }
    gone
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({})", self.name)
    }
}

impl fmt::Debug for Manifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.changes).finish()
    }
}
