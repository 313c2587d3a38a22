//! The files of a lab without their secrets: for people who look, and for recordings.
//!
//! What is shown keeps every byte in its place, so that findings still point at the right one; a
//! secret is asterisks. What is recorded can be loaded again: a secret is its reference, equal secrets
//! have equal references, variables are expanded, and every line stays where it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::compose::COMMAND_LINE;
use super::expand::Expansion;
use crate::kube;
use crate::source::{FileId, Node, Place, Sources, Value, yaml};

/// The files of a lab in two forms.
#[derive(Debug, Clone, Default)]
pub(super) struct Redacted {
    /// Secrets are asterisks, and every byte stands where it stood.
    pub(super) shown: Sources,
    /// Secrets are references, and every line stands where it stood.
    pub(super) recorded: Sources,
}

/// Headers whose values are credentials.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "x-api-key", "api-key", "cookie", "set-cookie"];

/// A secret shorter than this is hidden where it stands, and not looked for elsewhere.
const TELLING: usize = 6;

/// A scalar that holds a secret.
struct Secret {
    place: Place,
    /// The secret as a gateway would use it.
    value: String,
    /// Whether the file has it in base64.
    encoded: bool,
    /// What it is called, unless an equal secret already has a name.
    name: String,
}

/// Hides the secrets of a lab's files.
pub(super) fn redacted(sources: &Sources, variables: &Expansion) -> Redacted {
    let mut secrets = Vec::new();
    let mut hidden = Vec::new();
    for (file, text) in files(sources) {
        if sources.file(file).name == COMMAND_LINE {
            // A path of keys is long, and no key of a lock.
            let values = text.split('\n').map(|line| line.split_once('=').map_or(line, |(_, value)| value));
            hidden.extend(values.flat_map(|value| words(value, like_a_key)).map(|word| place_in(text, file, word)));
            of_settings(text, file, &mut secrets);
            continue;
        }
        match yaml::parse_on(text, file) {
            // What is not YAML has no values, but words that look like keys.
            Err(_) => hidden.extend(places_of(text, file, like_a_key)),
            Ok(parsed) => {
                for document in &parsed.documents {
                    if !kube::is_manifest(document) {
                        of_scenario(document, &variables.values, &mut secrets);
                    }
                    of_manifest(document, &mut secrets);
                }
            }
        }
    }
    secrets.sort_by_key(|secret| (secret.place.file, secret.place.start));
    secrets.dedup_by_key(|secret| secret.place);
    let vault = Vault::of(&secrets);
    hidden.extend(secrets.iter().map(|secret| secret.place));
    // A variable that is a part of a secret is none of its own, and is not looked for elsewhere.
    let parts = variables.used.iter().filter(|one| secrets.iter().any(|secret| secret.place == one.place));
    let parts: Vec<Place> = parts.filter_map(|one| one.origin).collect();
    hidden.extend(&parts);
    let mut recorded = Sources::default();
    for (file, text) in files(sources) {
        hidden.extend(vault.elsewhere(text, file));
        let own: Vec<&Secret> = secrets.iter().filter(|secret| secret.place.file == file).collect();
        let left_out = variables.spent.iter().map(|place| (*place, String::new()));
        let parts = parts
            .iter()
            .filter(|place| !variables.spent.iter().any(|spent| spent.end == place.end && spent.file == place.file));
        let edits = left_out.chain(parts.map(|place| (*place, quoted("hidden"))));
        let edits = edits.filter(|(place, _)| place.file == file).collect();
        let values: Vec<_> = variables.values.iter().filter(|(place, _)| place.file == file).cloned().collect();
        recorded.add(sources.file(file).name.clone(), vault.replaced(text, &own, &values, edits));
    }
    Redacted { shown: sources.without(&hidden), recorded }
}

/// The secrets among what the command line sets.
fn of_settings(text: &str, file: FileId, found: &mut Vec<Secret>) {
    for line in text.split('\n') {
        let Some((path, value)) = line.split_once('=') else { continue };
        let mut parts = path.split('.');
        let name = match (parts.next(), parts.next(), path.rsplit('.').next()) {
            (Some("lab"), Some("secrets"), Some(key)) => format!("secret:set/{}", key.trim_matches('"')),
            (Some("steps"), _, Some(key)) if is_secret_key(key.trim_matches('"')) => "client".to_owned(),
            _ => continue,
        };
        let bare = value.trim().trim_matches(['"', '\'']);
        found.push(Secret { place: place_in(text, file, value), value: bare.to_owned(), encoded: false, name });
    }
}

fn is_secret_key(key: &str) -> bool {
    key == "key" || SECRET_HEADERS.contains(&key.to_ascii_lowercase().as_str())
}

fn files(sources: &Sources) -> impl Iterator<Item = (FileId, &str)> {
    sources.files().iter().zip(0..).map(|(source, index)| (FileId(index), source.text.as_str()))
}

/// The places of the words of a text that `wanted` picks.
fn places_of(text: &str, file: FileId, wanted: fn(&str) -> bool) -> Vec<Place> {
    words(text, wanted).map(|word| place_in(text, file, word)).collect()
}

fn words(text: &str, wanted: fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let within = |c: char| c.is_ascii_alphanumeric() || "-_./+=".contains(c);
    text.split(move |c| !within(c)).filter(move |word| wanted(word))
}

/// The place of a part of a text.
fn place_in(text: &str, file: FileId, part: &str) -> Place {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Place { file, start: at(start), end: at(start + part.len()) }
}

/// Whether a word is one that only a key would be.
fn like_a_key(word: &str) -> bool {
    let is_file = [".yaml", ".yml", ".json", ".jsonl"].iter().any(|end| word.ends_with(end));
    word.starts_with("sk-") || (word.len() >= 20 && word.bytes().any(|byte| byte.is_ascii_digit()) && !is_file)
}

/// The secrets of a scenario: those of the lab, the clients' keys, and headers that hold credentials.
fn of_scenario(root: &Node, expansions: &[(Place, String)], found: &mut Vec<Secret>) {
    let mut add = |node: &Node, name: String| {
        let expanded = expansions.iter().find(|(place, _)| *place == node.place).map(|(_, value)| value.clone());
        if let Some(value) = expanded.or_else(|| scalar(node)) {
            found.push(Secret { place: node.place, value, encoded: false, name });
        }
    };
    let secrets = root.get("lab").and_then(|lab| lab.get("secrets")).map_or(&[][..], Node::entries);
    for secret in secrets {
        // A secret in the wrong shape is one nonetheless.
        each_scalar(&secret.value, &mut |key, node| add(node, format!("secret:{}/{key}", secret.key)));
    }
    let vars = root.get("vars").map_or(&[][..], Node::entries);
    for one in vars
        .iter()
        .filter(|one| one.value.as_str().is_some_and(|text| places_of(text, FileId(0), like_a_key).len() == 1))
    {
        add(&one.value, format!("secret:vars/{}", one.key));
    }
    for steps in ["steps", "+steps"].into_iter().filter_map(|key| root.get(key)) {
        each_entry(steps, &mut |key, node| match key {
            "key" => add(node, "client".to_owned()),
            "headers" => {
                let headers = node.entries().iter();
                let secret =
                    headers.filter(|header| SECRET_HEADERS.contains(&header.key.to_ascii_lowercase().as_str()));
                secret.for_each(|header| add(&header.value, "client".to_owned()));
            }
            _ => {}
        });
    }
}

/// The secrets of a manifest. Those of a Secret bear its name and key.
fn of_manifest(root: &Node, found: &mut Vec<Secret>) {
    let places = kube::secret_places(root);
    if places.is_empty() {
        return;
    }
    let name = root.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str).unwrap_or("");
    let data = root.get("data").map(|node| node.place);
    each_scalar(root, &mut |key, node| {
        let Some(text) = scalar(node).filter(|_| places.contains(&node.place)) else { return };
        let encoded = data.is_some_and(|data| data.start <= node.place.start && node.place.end <= data.end);
        let decoded = STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok();
        let decoded = decoded.filter(|_| encoded).and_then(|bytes| String::from_utf8(bytes).ok());
        found.push(Secret {
            place: node.place,
            encoded: decoded.is_some(),
            value: decoded.unwrap_or(text),
            name: format!("secret:{name}/{key}"),
        });
    });
}

fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
    }
}

/// Every scalar below `node`, with the key that it stands under.
fn each_scalar(node: &Node, visit: &mut impl FnMut(&str, &Node)) {
    fn walk(key: &str, node: &Node, visit: &mut impl FnMut(&str, &Node)) {
        match &node.value {
            Value::Seq(items) => items.iter().for_each(|item| walk(key, item, visit)),
            Value::Map(entries) => entries.iter().for_each(|entry| walk(&entry.key, &entry.value, visit)),
            _ => visit(key, node),
        }
    }
    walk("", node, visit);
}

/// Every entry of every map below `node`.
fn each_entry(node: &Node, visit: &mut impl FnMut(&str, &Node)) {
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| each_entry(item, visit)),
        Value::Map(entries) => entries.iter().for_each(|entry| {
            visit(&entry.key, &entry.value);
            each_entry(&entry.value, visit);
        }),
        _ => {}
    }
}

/// Secrets with the references that stand for them.
struct Vault {
    known: Vec<(String, String)>,
}

impl Vault {
    fn of(secrets: &[Secret]) -> Self {
        let mut known: Vec<(String, String)> = Vec::new();
        for secret in secrets {
            let value = bare(&secret.value);
            if value.is_empty() || known.iter().any(|(one, _)| one == value) {
                continue;
            }
            // A reference stands in YAML of any style, also in a comment.
            let plain = |c: char| if c.is_ascii_alphanumeric() || ":/._-".contains(c) { c } else { '-' };
            let name: String = secret.name.chars().map(plain).collect();
            let taken =
                known.iter().filter(|(_, other)| *other == name || other.starts_with(&format!("{name}-"))).count();
            let reference = if taken == 0 { name } else { format!("{name}-{}", taken + 1) };
            known.push((value.to_owned(), reference));
        }
        // A secret may contain another one: the longer is looked for first.
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self { known }
    }

    fn reference(&self, value: &str) -> &str {
        let value = bare(value);
        self.known.iter().find(|(one, _)| one == value).map_or("", |(_, reference)| reference)
    }

    /// Where secrets stand besides their own places, such as in a comment.
    fn elsewhere(&self, text: &str, file: FileId) -> Vec<Place> {
        let telling = self.known.iter().filter(|(value, _)| value.len() >= TELLING);
        telling
            .flat_map(|(value, _)| text.match_indices(value.as_str()))
            .map(|(_, part)| place_in(text, file, part))
            .collect()
    }

    /// The text with references for secrets and values for variables, in as many lines as it had.
    fn replaced(
        &self,
        text: &str,
        secrets: &[&Secret],
        expansions: &[(Place, String)],
        mut edits: Vec<(Place, String)>,
    ) -> String {
        for secret in secrets {
            let reference = self.reference(&secret.value);
            let value = match secret.value.trim().get(..7) {
                Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => format!("Bearer {reference}"),
                _ => reference.to_owned(),
            };
            let value = if secret.encoded { STANDARD.encode(value) } else { value };
            edits.push((secret.place, Scalar::at(secret.place, text).written(&value, true)));
        }
        for (place, value) in expansions.iter().filter(|(place, _)| !secrets.iter().any(|one| one.place == *place)) {
            let scalar = Scalar::at(*place, text);
            let quotes = scalar.before.starts_with(['"', '\'']) || !is_simple(value);
            edits.push((*place, scalar.written(&value.replace('$', "$$"), quotes)));
        }
        edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        edits.dedup_by_key(|(place, _)| place.start);
        let mut out = text.to_owned();
        for (place, new) in edits {
            let (start, end) = (place.start as usize, place.end as usize);
            if text.get(start..end).is_some() {
                out.replace_range(start..end, &new);
            }
        }
        self.known.iter().filter(|(value, _)| value.len() >= TELLING).fold(out, |out, (value, reference)| {
            if out.contains(value.as_str()) { out.replace(value.as_str(), reference) } else { out }
        })
    }
}

/// A scalar that gets another value.
struct Scalar<'t> {
    /// What is written there now.
    before: &'t str,
    /// The indentation and the line separator of a block (`|`, `>`).
    block: Option<(&'t str, &'static str)>,
}

impl<'t> Scalar<'t> {
    fn at(place: Place, text: &'t str) -> Self {
        let (start, end) = (place.start as usize, place.end as usize);
        let above = text.get(..start).unwrap_or("");
        let (head, indent) = above.rsplit_once('\n').unwrap_or(("", above));
        let header = head.trim_end().rsplit('\n').next().unwrap_or("");
        let header = header.split(" #").next().unwrap_or("").trim_end();
        let indicator = header.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
        let separator = match indicator.chars().next_back() {
            Some('|') => Some("\n"),
            Some('>') => Some("\n\n"),
            _ => None,
        };
        let separator = separator.filter(|_| indent.trim().is_empty());
        Self { before: text.get(start..end).unwrap_or(""), block: separator.map(|separator| (indent, separator)) }
    }

    /// The scalar with another value, in as many lines as it has.
    fn written(&self, value: &str, quotes: bool) -> String {
        let content = self.before.trim_end();
        let new = match self.block {
            None if quotes => quoted(value),
            None => value.to_owned(),
            Some((indent, separator)) => value.trim_end().replace('\n', &format!("{separator}{indent}")),
        };
        let lines = |text: &str| text.matches('\n').count();
        let padding = "\n".repeat(lines(content).saturating_sub(lines(&new)));
        format!("{new}{padding}{}", &self.before[content.len()..])
    }
}

/// A key without its scheme: `Bearer x` and `x` are the same secret.
fn bare(value: &str) -> &str {
    let trimmed = value.trim();
    match trimmed.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => trimmed[7..].trim(),
        _ => trimmed,
    }
}

/// A YAML scalar on one line. JSON's strings are YAML's.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Whether a value stands for itself without quotes, wherever it stands.
fn is_simple(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    !value.is_empty() && value.chars().all(plain) && !value.starts_with('-')
}
