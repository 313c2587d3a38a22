//! Which scenario files a command line means.

use std::io;
use std::path::{Path, PathBuf};

use crate::source::{FileId, yaml};

/// A scenario file, and whether it was named itself or found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The file.
    pub(super) path: PathBuf,
    /// Whether it stood on the command line: then it must be a scenario.
    pub(super) named: bool,
}

impl Candidate {
    /// Whether it may be a scenario: it was named, or has what scenarios are made of, or cannot be read as YAML, which
    /// somebody should know. Folders hold other files as well.
    pub(super) fn may_be_a_scenario(&self) -> bool {
        if self.named {
            return true;
        }
        let Ok(text) = std::fs::read_to_string(&self.path) else { return true };
        let Ok(parsed) = yaml::parse_on(&text, FileId(0)) else { return true };
        parsed.documents.iter().any(|one| ["steps", "lab", "extends"].iter().any(|key| one.get(key).is_some()))
    }
}

/// How deep folders are searched.
const DEPTH: usize = 8;

/// The files behind the paths of a command line, in order; folders are searched for YAML files.
///
/// # Errors
/// The path that cannot be read, with the system's reason.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<Candidate>, (PathBuf, io::Error)> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path).map_err(|error| (path.clone(), error))?;
        if meta.is_dir() {
            search(path, DEPTH, &mut found).map_err(|error| (path.clone(), error))?;
        } else {
            found.push(Candidate { path: path.clone(), named: true });
        }
    }
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<Candidate>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 && !entry.file_name().to_string_lossy().starts_with('.') {
                search(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(Candidate { path, named: false });
        }
    }
    Ok(())
}
