//! `labsim list`: names and describes scenarios.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::Exit;
use super::files;
use super::terminal::{Colour, Stream};
use crate::report::style::{Meaning, Style};
use crate::scenario::{self, LoadError, Scenario};
use crate::source::{Sources, diagnostic};

/// What `labsim list` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or folders to search for them (manifests are passed over)
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    paths: Vec<PathBuf>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// File, name and description
    Text,
    /// A list of objects
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let colour = args.color.for_stderr().colour;
    let candidates = match files::expand(&args.paths) {
        Ok(candidates) => candidates,
        Err((path, error)) => {
            eprintln!("{}", diagnostic::unreadable(&path, &error).render(&Sources::default(), colour));
            return Ok(Exit::Usage);
        }
    };
    let mut worst = Exit::Passed;
    let mut found = Vec::new();
    for candidate in candidates {
        match scenario::load(&candidate.path) {
            Ok(scenario) => found.push((candidate.path, scenario)),
            Err(LoadError::NotAScenario) if !candidate.named => {}
            Err(LoadError::Invalid { sources, findings }) => {
                eprint!("{}", findings.render(&sources, colour));
                worst = worst.max(Exit::Invalid);
            }
            Err(error) => {
                eprintln!("{}: {error}", candidate.path.display());
                worst = worst.max(if matches!(error, LoadError::Unreadable(_)) { Exit::Usage } else { Exit::Invalid });
            }
        }
    }
    match args.format {
        Format::Text => Stream::Out.tell(text(&found, args.color.on(Stream::Out))),
        Format::Json => Stream::Out.line(serde_json::to_string_pretty(&listed(&found))?),
    }
    Ok(worst)
}

fn text(found: &[(PathBuf, Scenario)], style: Style) -> String {
    let entry = |(path, scenario): &(PathBuf, Scenario)| {
        let about = scenario.about.as_deref().map(|about| format!("    {}\n", about.trim())).unwrap_or_default();
        format!("{}  {}\n{about}", path.display(), style.paint(Meaning::Strong, &scenario.name))
    };
    found.iter().map(entry).collect()
}

fn listed(found: &[(PathBuf, Scenario)]) -> Json {
    let entry = |(path, scenario): &(PathBuf, Scenario)| {
        json!({
            "file": path.display().to_string(),
            "name": scenario.name,
            "about": scenario.about.as_deref().map(str::trim),
            "seed": scenario.seed.as_ref().map(|seed| seed.value),
            "personality": scenario.gateway.personality.name(),
            "replicas": scenario.gateway.replicas,
            "steps": scenario.steps.iter().map(|step| step.verb()).collect::<Vec<_>>(),
        })
    };
    found.iter().map(entry).collect()
}
