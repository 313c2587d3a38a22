//! Nodes → what `apply` and `delete` steps make of the manifests.
//!
//! They are read before everything else, in the order of the file, so that all names are known that
//! the lab will ever have. The manifests after each of them are checked.

use std::path::Path;

use crate::kube::change::Manifest;
use crate::kube::{self, Change, Given, ObjectName};
use crate::scenario::fields::Reader;
use crate::scenario::load::{Files, beside};
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Diagnostics, Entry, FileId, Node, Place, Sources, Spanned, Value};
use crate::topology::Topology;

/// What stands under `delete`, where it is no file.
pub(in crate::scenario) const OBJECT: &[&str] = &["kind", "name", "namespace"];

/// Every change of a scenario, by the place of its verb.
#[derive(Debug, Default)]
pub(in crate::scenario) struct Changes(Vec<Made>);

/// One change, and what the lab is then.
#[derive(Debug)]
struct Made {
    place: Place,
    changes: Vec<Change<Manifest>>,
    topology: Topology,
}

impl Changes {
    /// What a step does, by the place of its verb, and what the lab is then.
    pub(in crate::scenario) fn at(&self, place: Place) -> Option<(&[Change<Manifest>], &Topology)> {
        let found = self.0.iter().find(|one| one.place == place);
        found.map(|one| (one.changes.as_slice(), &one.topology))
    }

    /// What the lab is after each of them.
    pub(in crate::scenario) fn topologies(&self) -> impl Iterator<Item = &Topology> {
        self.0.iter().map(|one| &one.topology)
    }
}

/// Reads them all. `begin` is what the lab is made from; where that is not sound, only files are looked for.
pub(in crate::scenario) fn changes(
    files: &dyn Files,
    reader: &Reader<'_>,
    root: &Node,
    begin: (&[FileId], &Given, Option<&Topology>),
    sources: &mut Sources,
) -> Changes {
    let (ids, given, topology) = begin;
    let mut reading =
        Reading { files, reader, sources, given, so_far: Vec::new(), known: Vec::new(), made: Changes::default() };
    reading.so_far.extend(ids.iter().copied().map(Change::Apply));
    // What is wrong with the lab itself has been said.
    let mut findings = Diagnostics::default();
    kube::load_changed(reading.sources, &reading.so_far, given, &mut findings);
    reading.known.extend(findings.all().iter().cloned());
    let mut topology = topology.cloned();
    for entry in verbs(root) {
        reading.change(entry, &mut topology);
    }
    reading.made
}

/// The entries of all `apply` and `delete` steps, in the order of the file.
fn verbs(root: &Node) -> Vec<&Entry> {
    let mut found = Vec::new();
    for key in ["steps", "schedule"] {
        within(root.get(key), &mut found);
    }
    found
}

fn within<'n>(steps: Option<&'n Node>, found: &mut Vec<&'n Entry>) {
    let Some(Node { value: Value::Seq(items), .. }) = steps else { return };
    for item in items {
        // A branch of `parallel` may be a sequence.
        within(Some(item), found);
        for entry in item.entries() {
            match entry.key.as_str() {
                "apply" | "delete" => found.push(entry),
                "parallel" => within(Some(&entry.value), found),
                "repeat" => within(entry.value.get("steps"), found),
                _ => {}
            }
        }
    }
}

struct Reading<'a> {
    files: &'a dyn Files,
    reader: &'a Reader<'a>,
    sources: &'a mut Sources,
    given: &'a Given,
    so_far: Vec<Change<FileId>>,
    /// What has been found so far, so that nothing is said twice.
    known: Vec<Diagnostic>,
    made: Changes,
}

impl Reading<'_> {
    fn change(&mut self, entry: &Entry, topology: &mut Option<Topology>) {
        let items = match &entry.value.value {
            Value::Seq(items) if !items.is_empty() => items.as_slice(),
            Value::Seq(_) | Value::Null => &[],
            _ => std::slice::from_ref(&entry.value),
        };
        if items.is_empty() {
            let diagnostic = Diagnostic::error(format!("there is nothing to {}", entry.key)).at(entry.key_place, "");
            self.reader.push(diagnostic.help(format!("such as `- {}: manifests/route.yaml`", entry.key)));
        }
        let read: Vec<Change<FileId>> = items.iter().filter_map(|item| self.item(&entry.key, item)).collect();
        self.so_far.extend(read.iter().cloned());
        if let Some(before) = topology {
            let mut findings = Diagnostics::default();
            let after = kube::load_changed(self.sources, &self.so_far, self.given, &mut findings);
            let sound = !findings.has_errors();
            let new: Vec<Diagnostic> = findings.all().iter().filter(|one| !self.known.contains(one)).cloned().collect();
            self.known.extend(new.iter().cloned());
            self.reader.extend(new);
            if sound && read.len() == items.len() {
                *before = after;
            }
        }
        let changes = read.iter().map(|one| one.map(|file| Manifest::of(self.sources, *file))).collect();
        self.made.0.push(Made { place: entry.key_place, changes, topology: topology.clone().unwrap_or_default() });
    }

    fn item(&mut self, verb: &str, node: &Node) -> Option<Change<FileId>> {
        if verb == "delete" && matches!(node.value, Value::Map(_)) {
            return self.object(node).map(Change::Delete);
        }
        let Value::String(_) = node.value else {
            let wanted = if verb == "apply" { "a file" } else { "a file, or `{ kind: …, name: … }`" };
            self.reader.push(self.reader.expected(node, wanted));
            return None;
        };
        let path: Spanned<String> = self.reader.decode(node)?;
        let file = self.file(&path)?;
        Some(if verb == "apply" { Change::Apply(file) } else { Change::DeleteFile(file) })
    }

    fn object(&self, node: &Node) -> Option<ObjectName> {
        let fields = self.reader.fields(node, "an object", OBJECT)?;
        let kind = fields.required_text("kind", "HTTPRoute");
        let name = fields.required_text("name", "openai");
        let namespace = fields.get("namespace").unwrap_or_else(|| "default".to_owned());
        let (kind, name) = (kind?, name?);
        Some(ObjectName { kind: kind.value, place: name.place, kind_place: kind.place, name: name.value, namespace })
    }

    /// The file at a path; each is read once.
    fn file(&mut self, path: &Spanned<String>) -> Option<FileId> {
        let full = beside(self.sources, path);
        let name = full.display().to_string();
        let known = self.sources.files().iter().zip(0..).find(|(file, _)| file.name == name);
        if let Some((_, index)) = known {
            return Some(FileId(index));
        }
        self.read(&full, path.place).map(|text| self.sources.add(name, text))
    }

    fn read(&self, full: &Path, place: Place) -> Option<String> {
        let failed = |error: std::io::Error| {
            let diagnostic = Diagnostic::error(unreadable(full, &error).message).at(place, "named here");
            self.reader.push(diagnostic.help("paths are relative to the scenario file"));
        };
        self.files.read(full).map_err(failed).ok()
    }
}
