//! What several tests need.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `labsim` command, without colours and without what the caller's environment would change.
pub(crate) fn labsim() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labsim"));
    command.current_dir(root()).stdin(Stdio::null());
    for variable in ["NO_COLOR", "OPENAI_API_KEY", "POD_NAME", "POD_NAMESPACE", "SIM_MODEL", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    labsim().args(args).output().expect("labsim runs")
}

/// What it printed, as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complained about, as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of the test's own, which goes when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder; `name` must be the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("labsim-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// A path inside it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that is ended when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Sends a signal, by its name for `kill`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill {signal}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The shipped scenarios, in order.
pub(crate) fn shipped() -> Vec<PathBuf> {
    let mut found = Vec::new();
    search(&root().join("scenarios"), &mut found);
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("manifests") {
                search(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}
