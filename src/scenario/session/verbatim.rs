//! A tree as text that looks like the files that it came from: what means the same there is copied,
//! with its comments, and the rest is written anew.

use crate::source::{Entry, FileId, Node, Sources, Value, emit, yaml};

/// The text of a tree.
pub(super) fn text(root: &Node, sources: &Sources) -> String {
    let entries = root.entries().iter();
    let copied: String = entries.map(|entry| copy(entry, sources).unwrap_or_else(|| written(entry, sources))).collect();
    let means_the_same = yaml::parse_text(&copied, FileId(0)).is_ok_and(|read| read.len() == 1 && same(&read[0], root));
    if means_the_same { copied } else { emit::block(root, 0, sources) }
}

/// An entry of the top with its comments, and a blank line above what is long.
fn written(entry: &Entry, sources: &Sources) -> String {
    let text = emit::entry_text(&entry.key, &entry.value, 0, sources);
    let place = entry.key_place;
    let file = sources.files().get(place.file.0 as usize);
    let above = file.and_then(|file| file.text.get(..place.start as usize)).filter(|above| above.ends_with('\n'));
    let above: String = above.map(comments_above).unwrap_or_default().into_iter().collect();
    let long = text.lines().count() > 1 && entry.key != "about";
    let space = if long && !above.starts_with('\n') { "\n" } else { "" };
    format!("{space}{above}{text}")
}

/// The lines of a file that mean just this entry, with the comments above them.
fn copy(entry: &Entry, sources: &Sources) -> Option<String> {
    let file = sources.files().get(entry.key_place.file.0 as usize)?;
    let start = entry.key_place.start as usize;
    if !(start == 0 || file.text.get(..start)?.ends_with('\n')) {
        return None;
    }
    let own: Vec<&str> = lines_of_entry(file.text.get(start..)?);
    let above = comments_above(file.text.get(..start)?);
    let text: String = above.into_iter().chain(own).collect();
    let text = if text.ends_with('\n') { text } else { text + "\n" };
    let read = yaml::parse_text(&text, FileId(0)).ok()?;
    match read.as_slice() {
        [Node { value: Value::Map(entries), .. }] => {
            let [one] = entries.as_slice() else { return None };
            (one.key == entry.key && same(&one.value, &entry.value)).then_some(text)
        }
        _ => None,
    }
}

/// The lines up to the next entry at the left edge, without the comments above that.
fn lines_of_entry(text: &str) -> Vec<&str> {
    let begins_another = |line: &&str| !line.starts_with([' ', '\t', '#', '\n', '\r', '-', ']', '}']);
    let mut lines = text.split_inclusive('\n');
    let mut own: Vec<&str> = lines.next().into_iter().collect();
    own.extend(lines.take_while(|line| !begins_another(line)));
    let said = own.iter().rposition(|line| !line.starts_with('#') && !line.trim().is_empty());
    own.truncate(said.map_or(0, |last| last + 1));
    own
}

/// The comments and blank lines right above; what speaks to editors speaks of another file.
fn comments_above(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_comment = |line: &&&str| line.starts_with('#') || line.trim().is_empty();
    let count = lines.iter().rev().take_while(is_comment).count();
    let above = lines[lines.len() - count..].iter().copied();
    above.filter(|line| !line.contains("yaml-language-server")).collect()
}

/// Whether two trees mean the same, wherever they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Seq(ones), Value::Seq(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Value::Map(ones), Value::Map(others)) => {
            let each = ones.iter().zip(others);
            ones.len() == others.len()
                && each.into_iter().all(|(one, other)| one.key == other.key && same(&one.value, &other.value))
        }
        (one, other) => one == other,
    }
}
