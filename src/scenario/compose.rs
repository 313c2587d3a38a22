//! One scenario from several places: the file, those that it extends, and the command line.
//!
//! `extends: base.yaml` begins with another scenario. Maps are merged key by key, everything else is
//! replaced; a list under `+key` is appended to the list under `key`. What the command line sets
//! (`lab.gateway.replicas=2`) replaces whatever stands at that path, and has its place there.

use std::path::{Path, PathBuf};

use super::expand::{Named, is_name};
use super::load::{Files, Stop, root_of};
use super::read::TOP;
use crate::source::diagnostic::unreadable;
use crate::source::{Diagnostic, Entry, FileId, Node, Place, Sources, Spanned, Value, yaml};

/// The name under which settings of the command line stand among the files.
pub(super) const COMMAND_LINE: &str = "command line";

/// How many files may extend one another.
const DEEPEST: usize = 16;

/// A scenario before its variables are expanded.
pub(super) struct Composed {
    pub(super) root: Node,
    /// Variables that the command line sets.
    pub(super) set: Named,
    /// Keys that stand twice.
    pub(super) repeated: Vec<Diagnostic>,
}

/// Reads what the scenario in `file` extends, and applies the settings of the command line.
pub(super) fn compose(files: &dyn Files, path: &Path, sources: &mut Sources, file: FileId) -> Result<Composed, Stop> {
    let mut chain = Chain { files, sources, seen: vec![(plain_path(path), None)], repeated: Vec::new() };
    let mut root = chain.extended(path, file)?;
    let repeated = chain.repeated;
    let set = settings(files, sources, &mut root)?;
    Ok(Composed { root, set, repeated })
}

/// Files that extend one another.
struct Chain<'c> {
    files: &'c dyn Files,
    sources: &'c mut Sources,
    /// Each file, and where it is named.
    seen: Vec<(PathBuf, Option<Place>)>,
    repeated: Vec<Diagnostic>,
}

impl Chain<'_> {
    /// The scenario of a file on top of the one that it extends.
    fn extended(&mut self, path: &Path, file: FileId) -> Result<Node, Stop> {
        let parsed = yaml::parse_on(&self.sources.file(file).text, file)?;
        self.repeated.extend(parsed.repeated);
        let mut own = root_of(parsed.documents, file)?;
        let Value::Map(entries) = &mut own.value else { return Ok(own) };
        let Some(at) = entries.iter().position(|entry| entry.key == "extends") else { return Ok(own) };
        let entry = entries.remove(at);
        let Value::String(name) = &entry.value.value else {
            let diagnostic = Diagnostic::error("expected the path of a scenario file").at(entry.key_place, "");
            return Err(diagnostic.help("such as `extends: base.yaml`").into());
        };
        let base_path = plain_path(&path.parent().unwrap_or(Path::new("")).join(name));
        self.once(&base_path, entry.value.place)?;
        let text = self.files.read(&base_path).map_err(|error| {
            let diagnostic = Diagnostic::error(unreadable(&base_path, &error).message);
            diagnostic.at(entry.value.place, "named here").help("paths are relative to the scenario file")
        })?;
        let base_file = self.sources.add(base_path.display().to_string(), text);
        let base = self.extended(&base_path, base_file).map_err(|stop| match stop {
            Stop::NotAScenario => {
                let diagnostic = Diagnostic::error(format!("`{name}` holds manifests and no scenario"));
                diagnostic.at(entry.value.place, "").help("manifests stand under `lab.manifests`").into()
            }
            stop @ Stop::Invalid(..) => stop,
        })?;
        Ok(merged(base, own))
    }

    /// Notes a file, which must be a new one.
    fn once(&mut self, path: &Path, place: Place) -> Result<(), Diagnostic> {
        let path = plain_path(path);
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == path) {
            let diagnostic = Diagnostic::error("this scenario extends itself").at(place, "and so on, in a circle");
            return Err(match first {
                Some(first) => diagnostic.note_at(*first, "the same file is extended here"),
                None => diagnostic,
            });
        }
        if self.seen.len() >= DEEPEST {
            return Err(Diagnostic::error(format!("more than {DEEPEST} files extend one another")).at(place, ""));
        }
        self.seen.push((path, Some(place)));
        Ok(())
    }
}

/// A path without `.` and `..`, as far as its text tells.
pub(super) fn plain_path(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
        plain
    })
}

/// `own` on top of `base`.
pub(super) fn merged(base: Node, own: Node) -> Node {
    let place = own.place;
    match (base.value, own.value) {
        (Value::Map(base), Value::Map(own)) => Node { value: Value::Map(merged_entries(base, own)), place },
        (_, own) => Node { value: own, place },
    }
}

fn merged_entries(mut entries: Vec<Entry>, own: Vec<Entry>) -> Vec<Entry> {
    for entry in own {
        let appended = entry.key.strip_prefix('+').filter(|_| matches!(entry.value.value, Value::Seq(_)));
        let key = appended.unwrap_or(&entry.key);
        let same = entries.iter_mut().find(|one| one.key == key);
        match same {
            Some(same) if appended.is_some() => {
                let place = entry.value.place;
                let before = std::mem::replace(&mut same.value, Node { value: Value::Null, place });
                same.key_place = entry.key_place;
                same.value = Node { value: Value::Seq(joined(before, entry.value)), place };
            }
            Some(same) => {
                let before = std::mem::replace(&mut same.value, Node { value: Value::Null, place: entry.value.place });
                same.key_place = entry.key_place;
                same.value = merged(before, entry.value);
            }
            None => {
                let key = key.to_owned();
                entries.push(Entry { key, ..entry });
            }
        }
    }
    entries
}

fn joined(before: Node, after: Node) -> Vec<Node> {
    let items = |node: Node| match node.value {
        Value::Seq(items) => items,
        Value::Null => Vec::new(),
        _ => vec![node],
    };
    let mut all = items(before);
    all.extend(items(after));
    all
}

/// Applies what the command line sets; gives the variables among it.
fn settings(files: &dyn Files, sources: &mut Sources, root: &mut Node) -> Result<Named, Stop> {
    let given = files.settings();
    let mut named = Named::default();
    if given.iter().all(String::is_empty) {
        return Ok(named);
    }
    let lines: Vec<String> = given.iter().map(|one| one.replace(['\n', '\r'], " ")).collect();
    let text = lines.join("\n");
    let file = sources.add(COMMAND_LINE, text.clone());
    let mut start = 0;
    for (line, original) in lines.iter().zip(&given) {
        let place = place_of(file, start, start + line.len());
        if !line.is_empty() {
            let equals = line.find('=').ok_or_else(|| {
                Diagnostic::error("a setting has a name and a value").at(place, "").help("such as `--set replicas=2`")
            })?;
            let (name, value) = (&line[..equals], original.get(equals + 1..).unwrap_or(""));
            let value_place = place_of(file, start + equals + 1, start + line.len());
            let declared = root.get("vars").is_some_and(|vars| vars.get(name).is_some());
            if is_name(name) && (declared || !TOP.contains(&name)) {
                named.0.insert(name.to_owned(), (value.to_owned(), value_place));
            } else if name == "extends" {
                let diagnostic = Diagnostic::error("`extends` stands in the scenario file").at(place, "");
                return Err(diagnostic.help("run the other file instead").into());
            } else {
                let node = value_at(&text, value_place)?;
                set(root, &segments(name, place), node)?;
            }
        }
        start += line.len() + 1;
    }
    Ok(named)
}

fn place_of(file: FileId, start: usize, end: usize) -> Place {
    let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Place { file, start: at(start), end: at(end) }
}

/// The YAML value that stands at a place.
fn value_at(text: &str, place: Place) -> Result<Node, Diagnostic> {
    let (start, end) = (place.start as usize, place.end as usize);
    // Blanks before it keep its place.
    let padded = format!("{}{}", " ".repeat(start), text.get(start..end).unwrap_or(""));
    let mut documents = yaml::parse_text(&padded, place.file)?;
    Ok(if documents.is_empty() { Node { value: Value::Null, place } } else { documents.remove(0) })
}

/// The parts of a path, `lab.gateway.replicas`. A part with a point in it stands in quotes.
fn segments(path: &str, place: Place) -> Vec<Spanned<String>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in path.char_indices().chain([(path.len(), '.')]) {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted || at == path.len() => {
                let text = path[start..at].trim_matches('"').to_owned();
                parts.push(Spanned::new(text, place.part(start..at)));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// Puts a value at a path; maps on the way are made where they are missing.
fn set(node: &mut Node, path: &[Spanned<String>], value: Node) -> Result<(), Diagnostic> {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    let place = first.place;
    if node.is_null() {
        *node = Node { value: Value::Map(Vec::new()), place };
    }
    match &mut node.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|entry| entry.key == first.value).unwrap_or_else(|| {
                let value = Node { value: Value::Null, place };
                entries.push(Entry { key: first.value.clone(), key_place: place, value });
                entries.len() - 1
            });
            if rest.is_empty() {
                entries[at].key_place = place;
            }
            set(&mut entries[at].value, rest, value)
        }
        Value::Seq(items) => {
            let count = items.len();
            let item = first.value.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            let Some(item) = item else {
                let diagnostic = Diagnostic::error(format!("there is no item `{}` in this list", first.value));
                let known = match count {
                    0 => "it is empty".to_owned(),
                    _ => format!("they are numbered from 0 to {}", count - 1),
                };
                return Err(diagnostic.at(place, known));
            };
            set(item, rest, value)
        }
        _ => {
            let diagnostic = Diagnostic::error(format!("`{}` leads into {}", first.value, node.kind()));
            Err(diagnostic.at(place, "only maps and lists have parts").note_at(node.place, "this value"))
        }
    }
}
