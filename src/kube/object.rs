//! What every manifest has: kind, name, namespace.

use std::collections::BTreeMap;

use super::fields::{Fields, Log, list};
use super::kinds::{KINDS, Kind, Role, split};
use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, Node, Place, Spanned, Value};

/// A manifest whose kind labsim models, before its `spec` is read.
pub(super) struct Object<'r> {
    /// What it is.
    pub(super) kind: &'static Kind,
    /// Its name; empty if that is missing, which no reference ever matches.
    pub(super) name: Spanned<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its fields at the top.
    pub(super) fields: Fields<'r>,
}

/// Where an object is that does not say.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

impl Object<'_> {
    /// Whether Kubernetes would take `other` for this object.
    pub(super) fn is_same(&self, other: &Object<'_>) -> bool {
        std::ptr::eq(self.kind, other.kind) && self.name.value == other.name.value && self.namespace == other.namespace
    }
}

/// Finds the objects in a document: one, or the items of a `List`.
pub(super) fn objects<'r>(log: &'r Log<'r>, node: &'r Node, found: &mut Vec<Object<'r>>) {
    let Some((kind, kind_place)) = kind_of(log, node) else { return };
    match kind.role {
        Role::NotModelled => log.push(not_modelled(kind.name, kind_place)),
        Role::List => match node.get("items").map(|items| &items.value) {
            Some(Value::Seq(items)) => items.iter().for_each(|item| objects(log, item, found)),
            None | Some(Value::Null) => {}
            Some(_) => log.push(Diagnostic::error("`items` must be a list").at(kind_place, "of this list")),
        },
        _ => found.push(object(log, node, kind, kind_place)),
    }
}

/// The warning for a manifest of a kind that has no effect.
pub(super) fn not_modelled(kind: &str, place: Place) -> Diagnostic {
    Diagnostic::warning(format!("labsim does not model the kind {kind}; this manifest has no effect"))
        .at(place, "not modelled")
}

/// The kind of a document, or an error that says why it has none.
fn kind_of(log: &Log<'_>, node: &Node) -> Option<(&'static Kind, Place)> {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("a manifest must be a map with `apiVersion` and `kind`, found {}", node.kind());
        log.push(Diagnostic::error(message).at(node.place, "not a manifest"));
        return None;
    }
    let api_version = header(log, node, "apiVersion");
    let (kind_text, kind_place) = header(log, node, "kind")?;
    let Some(kind) = KINDS.iter().find(|kind| kind.name == kind_text) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let diagnostic =
            Diagnostic::error(format!("unknown kind `{kind_text}`")).at(kind_place, "labsim knows no such kind");
        let near = nearest(kind_text, names.iter().copied());
        log.push(match near {
            Some(_) => diagnostic.suggest(kind_text, names),
            None => diagnostic.help(format!("labsim reads {}", list(&modelled()))),
        });
        // Reading on as what was meant finds its other mistakes, and no false ones about references to it.
        return Some((KINDS.iter().find(|kind| Some(kind.name) == near)?, kind_place));
    };
    if let Some((api_version, place)) = api_version
        && !kind.is_in(api_version)
    {
        log.push(wrong_version(kind, kind_place, api_version, place));
        if kind.role == Role::NotModelled {
            return None;
        }
        // A group that is far off belongs to somebody else's kind of the same name.
        let (group, _) = split(api_version);
        if group != kind.group && nearest(group, [kind.group]).is_none() && kind.group.contains('.') {
            return None;
        }
    }
    Some((kind, kind_place))
}

fn wrong_version(kind: &Kind, kind_place: Place, api_version: &str, place: Place) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("{} is not in `{api_version}`", kind.name))
        .at(place, format!("no {} here", kind.name))
        .note_at(kind_place, "this kind");
    match kind.api_versions().as_slice() {
        [] => diagnostic.help(format!("it is in the group `{}`", kind.group)),
        [first, ..] => diagnostic.help(format!("write `apiVersion: {first}`")),
    }
}

fn modelled() -> Vec<&'static str> {
    KINDS.iter().filter(|kind| kind.role != Role::NotModelled).map(|kind| kind.name).collect()
}

/// `apiVersion` or `kind`.
fn header<'n>(log: &Log<'_>, node: &'n Node, name: &str) -> Option<(&'n str, Place)> {
    let entries = node.entries();
    let Some(entry) = entries.iter().find(|entry| entry.key == name) else {
        let place = entries.first().map_or(node.place, |entry| entry.key_place);
        let diagnostic = Diagnostic::error(format!("`{name}` is missing here")).at(place, "this manifest");
        let near = entries.iter().find(|entry| nearest(&entry.key, [name]).is_some());
        log.push(match near {
            None => diagnostic.help(format!("every Kubernetes manifest has `{name}`")),
            Some(entry) => Diagnostic::error(format!("unknown field `{}`", entry.key))
                .at(entry.key_place, "there is no such field")
                .suggest(&entry.key, [name]),
        });
        return None;
    };
    if let Some(text) = entry.value.as_str() {
        return Some((text, entry.value.place));
    }
    let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
    let message = format!("`{name}` must be text, found {}", entry.value.kind());
    log.push(Diagnostic::error(message).at(place, "expected text"));
    None
}

fn object<'r>(log: &'r Log<'r>, node: &'r Node, kind: &'static Kind, kind_place: Place) -> Object<'r> {
    let fields = Fields::document(log, node, kind_place, kind.schema());
    let metadata = fields.need_map("metadata");
    let name = metadata.as_ref().and_then(|metadata| dns_name(metadata, "name"));
    let namespace = metadata
        .as_ref()
        .filter(|metadata| metadata.find("namespace").is_some())
        .and_then(|metadata| dns_name(metadata, "namespace"))
        .map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |namespace| namespace.value);
    let name = name.unwrap_or_else(|| Spanned::new(String::new(), kind_place));
    Object { kind, name, namespace, fields }
}

/// A name that must be there and be one that Kubernetes takes.
pub(super) fn dns_name(fields: &Fields<'_>, field: &'static str) -> Option<Spanned<String>> {
    let name = fields.need_text(field)?;
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    if !(ends(bytes.first().copied()) && ends(bytes.last().copied()) && bytes.iter().copied().all(inside)) {
        fields.log().push(
            Diagnostic::error(format!("`{}` is not a name that Kubernetes takes", name.value))
                .at(name.place, "not a name")
                .help("lower-case letters, digits, `-` and `.`, with a letter or digit at both ends"),
        );
    }
    Some(name)
}

/// Whether an object of this namespace has no name that could be read: a reference that leads nowhere
/// may mean it, and what is wrong has been said.
pub(super) fn is_one_nameless<'a>(namespace: &str, known: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    known.into_iter().any(|(where_, name)| where_ == namespace && name.is_empty())
}

/// The error for a reference to an object that is not there.
pub(super) fn dangling<'a>(
    what: &str,
    name: &Spanned<String>,
    namespace: &str,
    known: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Diagnostic {
    let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (namespace, name) in known {
        by_namespace.entry(namespace).or_default().push(name);
    }
    let diagnostic = Diagnostic::error(format!("there is no {what} `{}` in namespace `{namespace}`", name.value))
        .at(name.place, "dangling reference");
    let here = by_namespace.remove(namespace).unwrap_or_default();
    if nearest(&name.value, here.iter().copied()).is_some() {
        return diagnostic.suggest(&name.value, here);
    }
    if let Some((elsewhere, _)) = by_namespace.iter().find(|(_, names)| names.contains(&name.value.as_str())) {
        return diagnostic.help(format!("there is one in namespace `{elsewhere}`"));
    }
    let all =
        by_namespace.iter().flat_map(|(namespace, names)| names.iter().map(move |name| format!("{namespace}/{name}")));
    let all: Vec<String> = here.iter().map(|name| (*name).to_owned()).chain(all).collect();
    if all.is_empty() {
        return diagnostic.help(format!("no manifest has the kind {what}"));
    }
    diagnostic.help(format!("known here: {}", list(&all)))
}
