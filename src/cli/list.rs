//! `labsim list`: names and describes scenarios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::Exit;
use super::files::{self, Candidate};
use super::terminal::{Colour, Stream};
use crate::report::style::{Meaning, Style};
use crate::scenario::{self, LoadError, Personality, Scenario};
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
    /// Tables, one a folder
    Markdown,
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
    for candidate in candidates.into_iter().filter(Candidate::may_be_a_scenario) {
        match scenario::load(&candidate.path) {
            Ok(scenario) => found.push((candidate.path, scenario)),
            Err(LoadError::NotAScenario) if !candidate.named => {}
            Err(LoadError::Invalid { sources, findings, .. }) => {
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
        Format::Markdown => Stream::Out.tell(markdown(&found)),
        Format::Json => Stream::Out.line(serde_json::to_string_pretty(&listed(&found))?),
    }
    Ok(worst)
}

/// How wide descriptions are.
const WIDTH: usize = 100;

fn text(found: &[(PathBuf, Scenario)], style: Style) -> String {
    let entry = |(path, scenario): &(PathBuf, Scenario)| {
        let id = scenario.id.as_deref().map(|id| format!("{id}  ")).unwrap_or_default();
        let name = style.paint(Meaning::Strong, &scenario.name);
        let about = scenario.about.as_deref().map(|about| filled(about, "    ")).unwrap_or_default();
        let personalities = style.paint(Meaning::Faint, personalities(scenario));
        format!("{}  {id}{name}\n{about}    {personalities}\n", path.display())
    };
    found.iter().map(entry).collect::<Vec<_>>().join("\n")
}

/// A text in lines that are not too long, each after an indent.
fn filled(text: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + word.chars().count() < WIDTH) {
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(format!("{indent}{word}")),
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn personalities(scenario: &Scenario) -> String {
    scenario.personalities.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
}

/// A table for each folder, the scenarios in the order of their numbers.
fn markdown(found: &[(PathBuf, Scenario)]) -> String {
    let mut folders: BTreeMap<&Path, Vec<&(PathBuf, Scenario)>> = BTreeMap::new();
    for one in found {
        folders.entry(one.0.parent().unwrap_or(Path::new(""))).or_default().push(one);
    }
    let table = |(folder, mut rows): (&Path, Vec<&(PathBuf, Scenario)>)| {
        rows.sort_by(|(path, one), (other_path, other)| (&one.id, path).cmp(&(&other.id, other_path)));
        let rows: String = rows.into_iter().map(|(path, scenario)| row(path, scenario)).collect();
        format!(
            "## {}\n\n| | scenario | why | personalities | met in |\n| --- | --- | --- | --- | --- |\n{rows}",
            folder.display()
        )
    };
    folders.into_iter().map(table).collect::<Vec<_>>().join("\n")
}

fn row(path: &Path, scenario: &Scenario) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let personalities = match scenario.personalities.len() {
        all if all == Personality::ALL.len() => "all".to_owned(),
        _ => personalities(scenario),
    };
    let why = scenario.why.as_deref().or(scenario.about.as_deref()).unwrap_or_default();
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let links: Vec<String> = scenario.links.iter().map(|link| format!("[{}]({link})", shortened(link))).collect();
    format!(
        "| {} | {} <br> `{file}` | {why} | {personalities} | {} |\n",
        scenario.id.as_deref().unwrap_or_default(),
        scenario.name.replace('|', "\\|"),
        links.join(", ")
    )
}

/// What a link is called: `owner/name#12` for a thread.
fn shortened(link: &str) -> String {
    let path = link.strip_prefix("https://github.com/").unwrap_or_else(|| link.trim_start_matches("https://"));
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [owner, name, "issues" | "pull" | "discussions", number] => format!("{owner}/{name}#{number}"),
        _ => path.to_owned(),
    }
}

fn listed(found: &[(PathBuf, Scenario)]) -> Json {
    let entry = |(path, scenario): &(PathBuf, Scenario)| {
        json!({
            "file": path.display().to_string(),
            "id": scenario.id,
            "name": scenario.name,
            "about": scenario.about.as_deref().map(str::trim),
            "why": scenario.why.as_deref().map(str::trim),
            "links": scenario.links,
            "seed": scenario.seed.as_ref().map(|seed| seed.value),
            "personality": scenario.gateway.personality.name(),
            "personalities": scenario.personalities,
            "replicas": scenario.gateway.replicas,
            "steps": scenario.steps.iter().map(|step| step.verb()).collect::<Vec<_>>(),
        })
    };
    found.iter().map(entry).collect()
}
