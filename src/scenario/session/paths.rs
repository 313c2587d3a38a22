//! The paths of manifests, seen from another file.

use std::path::{Component, Path, PathBuf};

use crate::scenario::compose::COMMAND_LINE;
use crate::source::{Node, Sources, Value};

/// Rewrites the manifests' paths so that they are right in a file at `to`: those of the lab, and those
/// that steps apply and delete.
pub(super) fn rewrite(root: &mut Node, sources: &Sources, to: &Path) {
    let Value::Map(top) = &mut root.value else { return };
    for entry in top {
        match (entry.key.as_str(), &mut entry.value.value) {
            ("lab", Value::Map(parts)) => {
                let manifests = parts.iter_mut().filter(|part| part.key == "manifests");
                manifests.for_each(|part| each(&mut part.value, sources, to));
            }
            ("steps" | "schedule", _) => of_steps(&mut entry.value, sources, to),
            _ => {}
        }
    }
}

/// The paths of `apply` and `delete`, however deep they stand.
pub(super) fn of_steps(node: &mut Node, sources: &Sources, to: &Path) {
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| of_steps(item, sources, to)),
        Value::Map(entries) => {
            for entry in entries {
                match entry.key.as_str() {
                    "apply" | "delete" => each(&mut entry.value, sources, to),
                    "parallel" | "repeat" | "steps" => of_steps(&mut entry.value, sources, to),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// A path, or each of a list.
fn each(node: &mut Node, sources: &Sources, to: &Path) {
    let place = node.place;
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| each(item, sources, to)),
        // One that begins with a variable may be absolute.
        Value::String(path) if !path.starts_with(['/', '$']) => {
            // What stands in no file was named from where we are.
            let named_in = sources.files().get(place.file.0 as usize).map_or(COMMAND_LINE, |file| &file.name);
            let named_in = if named_in == COMMAND_LINE { "" } else { named_in };
            *path = seen_from(&folder_of(Path::new(named_in)).join(&*path), folder_of(to)).display().to_string();
        }
        _ => {}
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The way from a folder to a path, both relative to where we are, or absolute.
fn seen_from(path: &Path, folder: &Path) -> PathBuf {
    let (path, folder) = (plain(path), plain(folder));
    let common = path.components().zip(folder.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let absolute = absolute.unwrap_or_else(|_| path.to_owned());
    absolute.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_right_from_elsewhere() {
        for (path, folder, wanted) in [
            ("scenarios/manifests/a.yaml", "scenarios", "manifests/a.yaml"),
            ("scenarios/manifests/a.yaml", "", "scenarios/manifests/a.yaml"),
            ("scenarios/manifests/a.yaml", "other/deep", "../../scenarios/manifests/a.yaml"),
            ("scenarios/../a.yaml", "./scenarios", "../a.yaml"),
            ("/a/b.yaml", "/a/c", "../b.yaml"),
        ] {
            assert_eq!(seen_from(Path::new(path), Path::new(folder)), Path::new(wanted), "{path} from {folder}");
        }
    }
}
