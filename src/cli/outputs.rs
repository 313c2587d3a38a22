//! Files that a command writes: opened before anything runs, and none of them twice.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::exit::{Misuse, Unwritable};

/// A file that a command is to write, and the option that says so.
#[derive(Debug)]
pub(super) struct Output<'p> {
    /// The option with its value, as it was written.
    pub(super) option: String,
    /// Where it goes; `-` is standard output.
    pub(super) path: &'p Path,
    /// Whether each run has one of its own.
    pub(super) is_of_one_run: bool,
}

impl<'p> Output<'p> {
    /// What an option is given that all runs write to.
    pub(super) fn of_all(option: String, path: &'p Path) -> Self {
        Self { option, path, is_of_one_run: false }
    }

    /// What an option of this name is given, and each run has a file of.
    pub(super) fn of_one(option: &str, path: &'p Path) -> Self {
        Self { option: format!("{option} {}", path.display()), path, is_of_one_run: true }
    }
}

/// Whether a path on the command line means standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Makes a file, or takes standard output for one.
///
/// # Errors
/// The system's.
pub(super) fn create(path: &Path) -> io::Result<File> {
    if is_stdout(path) { io::stdout().as_fd().try_clone_to_owned().map(File::from) } else { File::create(path) }
}

/// The same, with the error in words. `what` is what is written: `recording`, `report`.
///
/// # Errors
/// [`Unwritable`].
pub(super) fn create_for(what: &str, path: &Path) -> Result<File, Unwritable> {
    create(path).map_err(|error| Unwritable::new(what, path, &error))
}

/// Makes a folder for several files.
///
/// # Errors
/// [`Unwritable`].
pub(super) fn create_folder(path: &Path) -> Result<(), Unwritable> {
    std::fs::create_dir_all(path)
        .map_err(|error| Unwritable(format!("cannot make the folder {}: {error}", path.display())))
}

/// Sees to it that nothing that is read is written over, and that no two outputs go to one file.
///
/// # Errors
/// [`Misuse`].
pub(super) fn check<'p>(inputs: impl IntoIterator<Item = &'p Path>, outputs: &[Output<'_>]) -> Result<(), Misuse> {
    let inputs: Vec<PathBuf> = inputs.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut taken: Vec<(PathBuf, &str)> = Vec::new();
    for Output { option, path, .. } in outputs {
        let Some(file) = identity(path) else { continue };
        if inputs.contains(&file) {
            return Err(Misuse(format!("`{option}` would write over a file that is read")));
        }
        if let Some((_, other)) = taken.iter().find(|(one, _)| *one == file) {
            return Err(Misuse(format!("`{other}` and `{option}` are one file")));
        }
        taken.push((file, option));
    }
    Ok(())
}

/// What tells a file from others; none for folders, in which each output has a file of its own, and for devices.
fn identity(path: &Path) -> Option<PathBuf> {
    if is_stdout(path) {
        return Some(path.to_owned());
    }
    if let Ok(whole) = path.canonicalize() {
        return whole.is_file().then_some(whole);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_written_twice_and_none_that_is_read() {
        let folder = std::env::temp_dir().join(format!("labsim-outputs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (read, other) = (folder.join("read.yaml"), folder.join("other"));
        std::fs::write(&read, "").unwrap();
        let again = folder.join(".").join("other");
        let told = |paths: &[&Path]| {
            let outputs: Vec<Output<'_>> = paths.iter().map(|path| Output::of_one("--x", path)).collect();
            check([read.as_path()], &outputs).map_err(|Misuse(why)| why.replace(&*folder.to_string_lossy(), "DIR"))
        };
        assert_eq!(
            told(&[&other, Path::new("-"), &folder, &folder, Path::new("/dev/null"), Path::new("/dev/null")]),
            Ok(())
        );
        assert_eq!(told(&[&other, &again]).unwrap_err(), "`--x DIR/other` and `--x DIR/./other` are one file");
        assert_eq!(told(&[Path::new("-"), Path::new("-")]).unwrap_err(), "`--x -` and `--x -` are one file");
        assert_eq!(told(&[&read]).unwrap_err(), "`--x DIR/read.yaml` would write over a file that is read");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
