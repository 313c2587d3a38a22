//! `labsim init`: a first scenario for a person's own manifests.
//!
//! It sends to every route; where nothing fails by itself it lets a provider fail and sends again; it
//! waits out the evictions that follow, and sends once more. What is expected is what came when it was written: a run of the file passes, and its author changes the patterns to
//! what should come.

mod draft;

use std::path::{Component, Path, PathBuf};

use super::Exit;
use super::files;
use super::terminal::Stream;
use crate::kube;
use crate::lab::{Lab, RunError};
use crate::scenario::{Disk, Files, LoadError, load_from};
use crate::source::{Sources, yaml};
use crate::topology::Personality;

use draft::Draft;

pub(super) use draft::missing_secrets;

/// What `labsim init` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Kubernetes manifests, configurations of agentgateway, or folders to search for them; those of this
    /// folder where absent
    #[arg(value_name = "MANIFEST|DIR")]
    manifests: Vec<PathBuf>,
    /// Which version of which gateway they are for; the newest version of agentgateway where absent
    #[arg(long, value_name = "NAME", value_parser = clap::value_parser!(Personality))]
    personality: Option<Personality>,
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "scenario.yaml")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// A file that is not written yet, beside those on disk.
struct Unwritten<'d> {
    path: &'d Path,
    text: &'d str,
}

impl Files for Unwritten<'_> {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        if path == self.path { Ok(self.text.to_owned()) } else { Disk.read(path) }
    }

    fn variable(&self, name: &str) -> Option<String> {
        Disk.variable(name)
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    if args.output.exists() && !args.force {
        eprintln!(
            "error: {} is there already; `--force` writes over it, `--output` names another",
            args.output.display()
        );
        return Exit::Usage;
    }
    let manifests = match manifests(args) {
        Ok(manifests) => manifests,
        Err(exit) => return exit,
    };
    let folder = args.output.parent().unwrap_or(Path::new(""));
    let named = manifests.iter().map(|path| relative(folder, path)).collect();
    let draft = Draft::new(named, &manifests, args.personality.unwrap_or(Personality::newest()));
    let draft = match drafted(draft, &args.output) {
        Ok(draft) => draft,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Invalid;
        }
    };
    if let Err(error) = std::fs::write(&args.output, draft.text()) {
        eprintln!("error: cannot write {}: {error}", args.output.display());
        return Exit::Unavailable;
    }
    for why in draft.never_fails_over() {
        eprintln!("warning: {why}");
        eprintln!("  = help: `labsim check` tells what it needs; `--personality` names the version that you run");
    }
    Stream::Out.line(format!("{} is written; `labsim run {0}` plays it", args.output.display()));
    Exit::Passed
}

/// The manifests of the command line, or of this folder.
fn manifests(args: &Args) -> Result<Vec<PathBuf>, Exit> {
    let here = [PathBuf::from(".")];
    let paths = if args.manifests.is_empty() { &here[..] } else { &args.manifests };
    let candidates = files::expand(paths).map_err(|(path, error)| {
        eprintln!("error: cannot read {}: {error}", path.display());
        Exit::Usage
    })?;
    let wanted = candidates.into_iter().filter(|candidate| candidate.named || holds_manifests(&candidate.path));
    let found: Vec<PathBuf> =
        wanted.map(|candidate| candidate.path.strip_prefix(".").unwrap_or(&candidate.path).to_owned()).collect();
    if found.is_empty() {
        eprintln!("error: no manifests found; name them: `labsim init gateway.yaml simulators.yaml`");
        return Err(Exit::Usage);
    }
    Ok(found)
}

fn holds_manifests(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text);
    yaml::parse(&sources, file).is_ok_and(|documents| documents.iter().any(kube::is_manifest))
}

/// A path as a file in `folder` would name it.
fn relative(folder: &Path, path: &Path) -> String {
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let relative = if path.is_absolute() || folder.as_os_str().is_empty() {
        path.to_owned()
    } else if folder.is_absolute() || !plain(folder) {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    } else if let Ok(inside) = path.strip_prefix(folder) {
        inside.to_owned()
    } else {
        let up = folder.components().filter(|part| matches!(part, Component::Normal(_)));
        up.map(|_| Path::new("..")).collect::<PathBuf>().join(path)
    };
    relative.display().to_string()
}

/// Why there is no scenario to write.
#[derive(Debug, thiserror::Error)]
enum Unwritable {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("error: {0}")]
    Run(#[from] RunError),
    #[error("error: the manifests have no route that a request could be sent to")]
    NoRoute,
}

/// The scenario: drafted, played, and drafted again with what came.
fn drafted(mut draft: Draft, output: &Path) -> Result<Draft, Unwritable> {
    let load = |draft: &Draft| {
        let text = draft.text();
        load_from(&Unwritten { path: output, text: &text }, output)
    };
    let scenario = load(&draft)?;
    draft.route(&scenario.topology);
    if draft.is_empty() {
        return Err(Unwritable::NoRoute);
    }
    let mut run = Lab::new(load(&draft)?)?.run()?;
    if draft.outage(&scenario.topology, &run.history) {
        run = Lab::new(load(&draft)?)?.run()?;
    }
    draft.wait_out(&run.history);
    run = Lab::new(load(&draft)?)?.run()?;
    draft.expect(&run);
    load(&draft)?;
    Ok(draft)
}
