//! `labsim check`: what will go wrong with scenarios and manifests, before anything runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::Exit;
use super::files;
use super::init::missing_secrets;
use super::set;
use super::terminal::{Colour, Stream};
use crate::kube::{self, Given, GivenSecrets, RealHosts};
use crate::lab::Lab;
use crate::lint::{self, Allowed, Subject};
use crate::report::check::{self as report, Checked, Found};
use crate::scenario::{LoadError, Scenario};
use crate::source::{Diagnostic, Diagnostics, FileId, Severity, Sources, diagnostic, yaml};
use crate::topology::Personality;

/// What `labsim check` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenarios and manifests, or folders to search for them. Manifests that no scenario names are
    /// taken together
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// As which version of which gateway: the scenario's, or the newest, where absent
    #[arg(long, value_name = "NAME", value_parser = clap::value_parser!(Personality))]
    personality: Option<Personality>,
    /// How findings are told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Let findings of this code pass; docs/check.md lists them. May be given several times
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<String>,
    /// Let warnings fail as errors do
    #[arg(long)]
    strict: bool,
    /// What is set in the scenarios
    #[command(flatten)]
    set: set::Args,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, each finding at its line
    Text,
    /// For programs
    Json,
    /// Annotations of GitHub Actions
    Github,
}

fn code(text: &str) -> Result<String, String> {
    if lint::is_code(text) { Ok(text.to_owned()) } else { Err("there is no such finding".to_owned()) }
}

/// What was found, and whether a file was invalid.
#[derive(Default)]
struct All {
    checked: Vec<Checked>,
    /// What has been told, as it was: manifests that several scenarios share are told of once.
    told: BTreeSet<String>,
    invalid: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let candidates = match files::expand(&args.paths) {
        Ok(candidates) => candidates,
        Err((path, error)) => {
            let finding = diagnostic::unreadable(&path, &error);
            eprintln!("{}", finding.render(&Sources::default(), args.color.for_stderr().colour));
            return Exit::Usage;
        }
    };
    let mut found = All::default();
    let mut manifests: Vec<PathBuf> = Vec::new();
    for candidate in candidates {
        match args.set.lab(&candidate.path) {
            Ok(lab) => found.scenario(args, &lab),
            Err(LoadError::Invalid { sources, findings, .. }) => found.invalid(args, sources, &findings),
            Err(LoadError::NotAScenario) => manifests.push(candidate.path),
            Err(error @ LoadError::Unreadable(_)) => {
                eprintln!("{error}");
                return Exit::Usage;
            }
        }
    }
    let named = found.named();
    manifests.retain(|path| !path.canonicalize().is_ok_and(|path| named.contains(&path)));
    if !manifests.is_empty() {
        found.manifests(args, &manifests);
    }
    if found.checked.is_empty() {
        eprintln!("error: no scenario and no manifest found");
        return Exit::Usage;
    }
    Stream::Out.tell(args.told(&found.checked));
    args.exit(&found)
}

impl Args {
    fn told(&self, checked: &[Checked]) -> String {
        match self.format {
            Format::Text => report::text(checked, self.color.on(Stream::Out).colour),
            Format::Json => report::json(checked),
            Format::Github => report::github(checked),
        }
    }

    fn exit(&self, found: &All) -> Exit {
        match report::counts(&found.checked) {
            _ if found.invalid => Exit::Invalid,
            (0, 0) => Exit::Passed,
            (0, _) if !self.strict => Exit::Passed,
            _ => Exit::Failed,
        }
    }

    /// The versions as which a scenario is checked: those under which it holds, its own first.
    fn personalities(&self, scenario: &Scenario) -> Vec<Personality> {
        let own = self.personality.unwrap_or(scenario.gateway.personality);
        let others = scenario.personalities.iter().copied().filter(|one| *one != own);
        let holds = self.personality.is_none() && scenario.personalities.contains(&own);
        std::iter::once(own).chain(others.filter(|_| holds)).collect()
    }

    /// Findings without those that are let pass, in order.
    fn kept(&self, sources: &Sources, scenario: Option<FileId>, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut allowed = Allowed::everywhere(&self.allow);
        let mut all = allowed.read(sources, scenario);
        all.extend(findings.into_iter().filter(|finding| !allowed.allows(finding)));
        lint::sorted(all)
    }
}

impl All {
    fn scenario(&mut self, args: &Args, lab: &Lab) {
        let scenario = lab.scenario();
        let personalities = args.personalities(scenario);
        let unnamed = |finding: &&Diagnostic| finding.code == Some("personality-unnamed");
        let said = lab.warnings().filter(|finding| args.personality.is_none() || !unnamed(finding));
        let linted = linted(scenario, &personalities);
        let findings = said.cloned().chain(linted.iter().map(|(finding, _)| finding.clone())).collect();
        let kept = args.kept(&scenario.sources, Some(scenario.file), findings).into_iter();
        let found = kept.map(|diagnostic| so_under(diagnostic, &linted, &personalities)).collect();
        self.add(scenario.sources.clone(), names(&personalities), found);
    }

    /// Keeps what was not told before.
    fn add(&mut self, sources: Sources, personalities: Vec<String>, mut findings: Vec<Found>) {
        findings.retain(|found| {
            let text = found.diagnostic.render(&sources, false);
            self.told.insert(format!("{text}{:?}", found.under))
        });
        self.checked.push(Checked { sources, personalities, findings });
    }

    fn invalid(&mut self, args: &Args, sources: Sources, findings: &Diagnostics) {
        self.invalid = true;
        let errors = findings.all().iter().cloned().partition(|finding| finding.severity == Severity::Error);
        let (mut all, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) = errors;
        all.extend(args.kept(&sources, None, warnings));
        let findings = lint::sorted(all).into_iter().map(|diagnostic| Found { diagnostic, under: Vec::new() });
        self.add(sources, Vec::new(), findings.collect());
    }

    fn manifests(&mut self, args: &Args, paths: &[PathBuf]) {
        let mut sources = Sources::default();
        // What cannot be read here was read a moment ago, and is as good as empty.
        let ids: Vec<FileId> = paths.iter().map(|path| sources.add(path.display().to_string(), read(path))).collect();
        let key = |name: String| (name, [("Authorization".to_owned(), "Bearer sk-labsim".to_owned())].into());
        let secrets: GivenSecrets = missing_secrets(paths).into_iter().map(key).collect();
        let load = |real_hosts, findings: &mut Diagnostics| {
            let given = Given { secrets: secrets.clone(), real_hosts, ..Given::default() };
            kube::load(&sources, &ids, &given, findings)
        };
        // Manifests without a simulator are not a whole lab: what they call is somewhere else.
        let all = load(RealHosts::All, &mut Diagnostics::default());
        let real_hosts = if all.simulators.is_empty() { RealHosts::All } else { RealHosts::OfConfigurations };
        let mut findings = Diagnostics::default();
        let topology = load(real_hosts, &mut findings);
        let shown = masked(&sources, &ids);
        if findings.has_errors() {
            return self.invalid(args, shown, &findings);
        }
        let personality = args.personality.unwrap_or(Personality::newest());
        let subject = Subject { topology: &topology, personality, scenario: None };
        let all = findings.all().iter().cloned().chain(lint::check(&subject)).collect();
        let under = vec![personality.to_string()];
        let kept = args.kept(&shown, None, all).into_iter();
        let findings = kept.map(|diagnostic| Found { diagnostic, under: under.clone() }).collect();
        self.add(shown, under, findings);
    }

    /// The files that were checked already.
    fn named(&self) -> BTreeSet<PathBuf> {
        let files = self.checked.iter().flat_map(|one| one.sources.files());
        files.filter_map(|file| Path::new(&file.name).canonicalize().ok()).collect()
    }
}

/// What will go wrong with a scenario as each of these versions, and as which. What is about its
/// expectations is asked of the first alone, whose they are.
fn linted(scenario: &Scenario, personalities: &[Personality]) -> Vec<(Diagnostic, Vec<Personality>)> {
    let mut all: Vec<(Diagnostic, Vec<Personality>)> = Vec::new();
    for personality in personalities {
        let subject = Subject { topology: &scenario.topology, personality: *personality, scenario: None };
        for finding in lint::check(&subject) {
            match all.iter_mut().find(|(known, _)| told_alike(known, &finding)) {
                Some((_, under)) => under.push(*personality),
                None => all.push((finding, vec![*personality])),
            }
        }
    }
    let own = personalities.first().map(|personality| Subject { personality: *personality, ..Subject::of(scenario) });
    for finding in own.iter().flat_map(lint::check) {
        if !all.iter().any(|(known, _)| told_alike(known, &finding)) {
            all.push((finding, personalities.to_vec()));
        }
    }
    all
}

/// A finding with the versions under which it is so. Under others than the scenario's own it is a
/// warning: the scenario says what becomes of it there.
fn so_under(
    mut diagnostic: Diagnostic,
    linted: &[(Diagnostic, Vec<Personality>)],
    personalities: &[Personality],
) -> Found {
    let under = linted.iter().find(|(finding, _)| told_alike(finding, &diagnostic));
    let under = under.map_or(personalities, |(_, under)| under);
    if !personalities.first().is_some_and(|own| under.contains(own)) {
        diagnostic.severity = Severity::Warning;
    }
    Found { diagnostic, under: names(under) }
}

fn names(personalities: &[Personality]) -> Vec<String> {
    personalities.iter().map(ToString::to_string).collect()
}

/// Whether two versions have the same to say, if perhaps for other reasons.
fn told_alike(one: &Diagnostic, other: &Diagnostic) -> bool {
    (&one.code, &one.message, &one.primary) == (&other.code, &other.message, &other.primary)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The same files with asterisks for credentials.
fn masked(sources: &Sources, ids: &[FileId]) -> Sources {
    let documents = ids.iter().flat_map(|id| yaml::parse(sources, *id).unwrap_or_default());
    let places: Vec<_> = documents.flat_map(|document| kube::secret_places(&document)).collect();
    sources.without(&places)
}
