//! The paths of manifests, seen from another file.

use std::path::{Component, Path, PathBuf};

use crate::scenario::compose::COMMAND_LINE;
use crate::source::{Node, Sources, Value};

/// Rewrites the manifests' paths so that they are right in a file at `to`.
pub(super) fn rewrite(root: &mut Node, sources: &Sources, to: &Path) {
    let Value::Map(top) = &mut root.value else { return };
    let Some(lab) = top.iter_mut().find(|entry| entry.key == "lab") else { return };
    let Value::Map(parts) = &mut lab.value.value else { return };
    let Some(manifests) = parts.iter_mut().find(|entry| entry.key == "manifests") else { return };
    let Value::Seq(items) = &mut manifests.value.value else { return };
    for item in items {
        let Some(named_in) = sources.files().get(item.place.file.0 as usize) else { continue };
        let Value::String(path) = &mut item.value else { continue };
        // One that begins with a variable may be absolute.
        if path.starts_with(['/', '$']) {
            continue;
        }
        let folder = if named_in.name == COMMAND_LINE { Path::new("") } else { folder_of(Path::new(&named_in.name)) };
        *path = seen_from(&folder.join(&*path), folder_of(to)).display().to_string();
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
