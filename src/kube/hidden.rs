//! What must never be shown: where credentials stand in a file, and how findings pass over them.

use crate::source::diagnostic::nearest;
use crate::source::{Diagnostic, FileId, Node, Place, Sources, Value};

/// The credentials of some files.
#[derive(Default)]
pub(super) struct Hidden {
    /// Where they stand, in order.
    places: Vec<Place>,
    /// Those long enough to be found again elsewhere.
    values: Vec<String>,
}

/// Credentials are shorter than this only in jest; shorter texts are not searched for elsewhere.
const MIN_CREDENTIAL: usize = 12;

impl Hidden {
    /// Every place where a credential stands: where the manifests say it, and wherever the same
    /// text stands again.
    pub(super) fn find<'n>(sources: &Sources, files: &[FileId], documents: impl IntoIterator<Item = &'n Node>) -> Self {
        let mut places: Vec<Place> = documents.into_iter().flat_map(secret_places).collect();
        let values = places.iter().map(|place| bare(text_at(sources, *place)).to_owned());
        let mut values: Vec<String> = values.filter(|value| value.len() >= MIN_CREDENTIAL).collect();
        values.sort_unstable();
        values.dedup();
        for value in &values {
            for file in files {
                let found = sources.file(*file).text.match_indices(value.as_str());
                places.extend(found.filter_map(|(start, _)| place_at(*file, start, value.len())));
            }
        }
        places.sort_unstable();
        places.dedup();
        Self { places, values }
    }

    /// Whether a credential stands exactly here.
    pub(super) fn is_at(&self, place: Place) -> bool {
        self.places.binary_search(&place).is_ok()
    }

    /// The same finding without any credential in it.
    pub(super) fn keep_out_of(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let labels = diagnostic.primary.iter_mut().chain(&mut diagnostic.related).map(|(_, label)| label);
        let texts =
            labels.chain(&mut diagnostic.help).chain([&mut diagnostic.message]).chain(&mut diagnostic.replacement);
        for text in texts {
            for value in self.values.iter().filter(|value| !value.contains('\n')) {
                if text.contains(value.as_str()) {
                    *text = text.replace(value.as_str(), "…");
                }
            }
        }
        let shown: Vec<FileId> =
            diagnostic.primary.iter().chain(&diagnostic.related).map(|(place, _)| place.file).collect();
        diagnostic.hide(self.places.iter().copied().filter(|place| shown.contains(&place.file)))
    }
}

fn place_at(file: FileId, start: usize, length: usize) -> Option<Place> {
    Some(Place { file, start: u32::try_from(start).ok()?, end: u32::try_from(start + length).ok()? })
}

fn text_at(sources: &Sources, place: Place) -> &str {
    sources.file(place.file).text.get(place.start as usize..place.end as usize).unwrap_or_default()
}

/// A credential without quotes and scheme.
fn bare(text: &str) -> &str {
    let text = text.trim_matches(|letter: char| letter == '"' || letter == '\'' || letter.is_whitespace());
    text.strip_prefix("Bearer ").unwrap_or(text).trim()
}

/// Words that stand near credentials, in small letters.
const TELLING: [&str; 8] = ["key", "auth", "token", "secret", "passw", "bearer", "credential", "cookie"];

/// Hides what may be a credential on the lines that a diagnostic shows of a file that is not YAML, where no node
/// says what is one: all values of a Secret, and those of lines that speak of credentials.
pub(super) fn hide_values(diagnostic: Diagnostic, sources: &Sources) -> Diagnostic {
    let shown: Vec<Place> = diagnostic.primary.iter().chain(&diagnostic.related).map(|(place, _)| *place).collect();
    let Some(file) = shown.first().map(|place| place.file) else { return diagnostic };
    let text = &sources.file(file).text;
    let first = shown.iter().map(|place| place.start as usize).min().unwrap_or_default();
    let last = shown.iter().map(|place| place.end as usize).max().unwrap_or_default();
    let mut start = 0;
    let mut hidden = Vec::new();
    // The key that a line without one belongs to, as far as lines tell.
    let mut is_below_a_telling_key = false;
    let mut is_in_a_secret = begins_with_a_secret(text);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            is_in_a_secret = begins_with_a_secret(&text[start + line.len()..]);
        }
        let colon = line.find(':');
        let small = line.to_ascii_lowercase();
        let is_telling = TELLING.iter().any(|word| small.contains(word));
        if colon.is_some() {
            is_below_a_telling_key = is_telling;
        }
        let end = start + line.len();
        let is_hidden = is_in_a_secret || is_telling || (colon.is_none() && is_below_a_telling_key);
        if start <= last && first <= end && is_hidden {
            let value = colon.map_or(0, |colon| colon + 1);
            hidden.extend(place_at(file, start + value, line.len() - value));
        }
        start = end;
    }
    diagnostic.hide(hidden)
}

/// Whether the first document of a text is a Secret.
fn begins_with_a_secret(text: &str) -> bool {
    let mut lines = text.lines().take_while(|line| line.trim_end() != "---");
    lines.any(|line| line.replace([' ', '"', '\''], "").contains("kind:Secret"))
}

/// The places of a manifest that may hold credentials: values of Secrets, inline keys of providers,
/// values of headers and variables whose names say so. Nothing there may be shown or recorded.
#[must_use]
pub fn secret_places(node: &Node) -> Vec<Place> {
    let mut places = Vec::new();
    search(node, &mut places);
    places
}

/// Fields of a Secret that hold nothing secret.
const PUBLIC: [&str; 5] = ["apiVersion", "kind", "metadata", "type", "immutable"];

/// Fields below `auth` that hold names and not credentials.
const NAMES_OF_AUTH: [&str; 9] =
    ["name", "namespace", "group", "kind", "secretRef", "passthrough", "location", "serviceName", "file"];

/// Words in the names of headers and variables that hold credentials.
const CREDENTIAL_WORDS: [&str; 8] =
    ["authorization", "apikey", "token", "secret", "password", "passwd", "cookie", "credentials"];

/// What stands before `token` where a time or a price of what a model says is meant: `time-to-first-token`.
const WORDS_BEFORE_A_MODELS_TOKEN: [&str; 5] = ["first", "inter", "per", "output", "input"];

fn search(node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| search(item, places)),
        Value::Map(entries) => {
            let named = node.get("name").and_then(Node::as_str).is_some_and(names_a_credential);
            let is_secret = is_secret(node);
            for entry in entries {
                match entry.key.as_str() {
                    key if is_secret && !PUBLIC.contains(&key) => scalars(&entry.value, places),
                    "auth" | "backendAuth" => auth(&entry.value, places),
                    "stringData" | "kubectl.kubernetes.io/last-applied-configuration" => scalars(&entry.value, places),
                    "value" if named => scalars(&entry.value, places),
                    key if entry.value.entries().is_empty() && names_a_credential(key) => scalars(&entry.value, places),
                    _ => search(&entry.value, places),
                }
            }
        }
        Value::String(text) if ["Bearer ", "sk-"].iter().any(|start| text.starts_with(start)) => {
            places.push(node.place);
        }
        _ => {}
    }
}

/// Whether an object is a Secret, or would be if its author could spell.
fn is_secret(node: &Node) -> bool {
    let is_object = node.get("apiVersion").is_some() || node.get("metadata").is_some();
    let kind = node.get("kind").and_then(Node::as_str);
    is_object && kind.is_some_and(|kind| nearest(kind, ["Secret"]).is_some())
}

fn names_a_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let mut before = "";
    name.ends_with("-key")
        || name.split('-').any(|word| {
            let token_of_a_model = word == "token" && WORDS_BEFORE_A_MODELS_TOKEN.contains(&before);
            before = word;
            CREDENTIAL_WORDS.contains(&word) && !token_of_a_model
        })
}

/// Everything below `auth` that is not the name of something.
fn auth(node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                match (entry.value.entries().is_empty(), NAMES_OF_AUTH.contains(&entry.key.as_str())) {
                    (true, true) if entry.key != "secretRef" && entry.key != "passthrough" => {}
                    (_, true) if entry.key == "location" => {}
                    (true, _) if is_variable(&entry.value) => {}
                    (true, _) => scalars(&entry.value, places),
                    (false, _) => auth(&entry.value, places),
                }
            }
        }
        _ => scalars(node, places),
    }
}

/// Whether a value is the name of a variable, such as `$OPENAI_API_KEY`.
fn is_variable(node: &Node) -> bool {
    let name = node.as_str().and_then(|text| text.strip_prefix('$'));
    let name = name.map(|name| name.trim_start_matches('{').trim_end_matches('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

fn scalars(node: &Node, places: &mut Vec<Place>) {
    match &node.value {
        Value::Null => {}
        Value::Seq(items) => items.iter().for_each(|item| scalars(item, places)),
        Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, places)),
        _ => places.push(node.place),
    }
}
