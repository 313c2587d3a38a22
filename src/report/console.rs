//! The lines of a run, as a person or a CI log reads them.
//!
//! [`Live`] turns each event into the lines that it adds; [`verdict`] and [`summary`] close the run;
//! [`frequencies`] shows what many seeds gave.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::load;
use super::style::{Meaning, Style};
use super::table;
use crate::event::history::Request;
use crate::event::log::Header;
use crate::event::{Event, History, Kind, Outcome};
use crate::lab::Run;
use crate::source::duration::{human, to_millis};
use crate::verdict::{About, Outcome as Verdict, PatternCounts, Verdict as Judged};

/// Turns events into lines as they come.
#[derive(Debug)]
pub struct Live {
    style: Style,
    detail: Detail,
    history: History,
    widths: Vec<usize>,
    /// Lines about evictions that wait for the line of the request that caused them.
    held: Vec<(String, String)>,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Only failures and the summary.
    Quiet,
    /// One line a request, evictions and returns, steps that are no request.
    #[default]
    Normal,
    /// Each attempt, with the candidates and their scores, as well.
    Verbose,
}

const HEADINGS: [&str; 7] = ["#", "time", "replica", "status", "endpoint", "model", "duration"];

impl Live {
    /// Lines for a lab with this header.
    #[must_use]
    pub fn new(header: &Header, style: Style, detail: Detail) -> Self {
        let providers = || header.backends.iter().flat_map(|backend| &backend.groups).flatten();
        let longest =
            |cell: &dyn Fn(&crate::event::log::ProviderRecord) -> usize| providers().map(cell).max().unwrap_or(0);
        let endpoint = longest(&|provider| provider.endpoint.chars().count()).max("gateway".len());
        // OpenAI answers with a dated name: eleven characters more.
        let model = longest(&|provider| provider.model.as_deref().map_or(0, str::len) + 11).max("model".len());
        let widths = vec![3, 9, HEADINGS[2].len(), HEADINGS[3].len(), endpoint, model, HEADINGS[6].len()];
        Self { style, detail, history: History::default(), widths, held: Vec::new() }
    }

    /// What stands above the first line.
    #[must_use]
    pub fn head(&self, header: &Header) -> String {
        let style = self.style;
        let replicas =
            if header.replicas == 1 { "1 replica".to_owned() } else { format!("{} replicas", header.replicas) };
        let facts = format!("seed {} · {} · {replicas} · {} clock", header.seed, header.personality, header.clock);
        let mut out =
            format!("{}  {}\n", style.paint(Meaning::Strong, plain(&header.name)), style.paint(Meaning::Faint, facts));
        if self.detail > Detail::Quiet {
            let headings: Vec<String> = HEADINGS.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "\n{}", style.paint(Meaning::Faint, table::line(&headings, &self.widths)));
        }
        out
    }

    /// The lines that an event adds; mostly none.
    pub fn lines(&mut self, event: &Event) -> Vec<String> {
        if self.detail == Detail::Quiet {
            return Vec::new();
        }
        self.history.apply(event);
        match &event.kind {
            Kind::ClientRequestEnded { request, .. } => self.request_lines(request),
            Kind::GatewayRequestEnded { request, .. } if self.has_no_client(request) => self.request_lines(request),
            Kind::StepStarted { verb, summary, .. }
                if ["wait", "restart", "scale", "load", "apply", "delete"].contains(&verb.as_str()) =>
            {
                vec![self.aside(event, "·", Meaning::Faint, summary)]
            }
            Kind::Note { text } => vec![self.aside(event, "»", Meaning::Strong, text)],
            Kind::ProviderEvicted { replica, provider, until_us, source, request, .. } => {
                let lasts = human(to_millis(until_us.since(event.at_us)));
                let text = format!("{provider} evicted{} for {lasts} ({source})", self.on(*replica));
                let line = self.aside(event, "✗", Meaning::Doubtful, &text);
                self.held.push((request.clone(), line));
                Vec::new()
            }
            Kind::ProviderReturned { replica, provider, .. } => {
                vec![self.aside(event, "↩", Meaning::Good, &format!("{provider} is back{}", self.on(*replica)))]
            }
            Kind::ReplicaStopped { replica } => {
                vec![self.aside(
                    event,
                    "·",
                    Meaning::Faint,
                    &format!("replica {replica} stopped: its health state is gone"),
                )]
            }
            Kind::ReplicaConfigured { replica, reset, .. } => {
                let anew: Vec<&str> = reset.iter().map(|one| one.provider.as_str()).collect();
                let anew = if anew.is_empty() {
                    String::new()
                } else {
                    format!("; health is forgotten of {}", anew.join(", "))
                };
                let text = format!("replica {replica} has the new configuration{anew}");
                vec![self.aside(event, "·", Meaning::Faint, &text)]
            }
            Kind::ProviderSelected { .. } if self.detail == Detail::Verbose => {
                self.selection_line(event).into_iter().collect()
            }
            Kind::HealthChanged { replica, provider, health, latency_seconds, .. }
                if self.detail == Detail::Verbose =>
            {
                let text = format!("{provider} health {health:.3}, latency {latency_seconds:.3}s{}", self.on(*replica));
                vec![self.aside(event, "♥", Meaning::Faint, &text)]
            }
            Kind::FaultInjected { fault, target, .. } => {
                vec![self.aside(event, "!", Meaning::Doubtful, &format!("fault {fault} injected at {target}"))]
            }
            Kind::FaultCleared { fault_id, reason } => {
                let known = self.history.faults.iter().rev().find(|fault| fault.id == *fault_id);
                let what = known.map_or_else(|| fault_id.to_string(), |one| format!("{} at {}", one.fault, one.target));
                let why = if reason == "expired" { " by itself" } else { "" };
                vec![self.aside(event, "!", Meaning::Good, &format!("fault {what} is over{why}"))]
            }
            Kind::FaultStruck { fault, place, .. } if self.detail == Detail::Verbose => {
                vec![self.aside(event, "!", Meaning::Faint, &format!("fault {fault} struck {place}"))]
            }
            Kind::FaultStruck { .. }
            | Kind::StepStarted { .. }
            | Kind::StepEnded { .. }
            | Kind::ReplicaStarted { .. }
            | Kind::ClientRequestSent { .. }
            | Kind::ClientResponseStarted { .. }
            | Kind::ClientFirstToken { .. }
            | Kind::GatewayRequestReceived { .. }
            | Kind::GatewayRequestRouted { .. }
            | Kind::ProviderSelected { .. }
            | Kind::AttemptStarted { .. }
            | Kind::AttemptEnded { .. }
            | Kind::HealthChanged { .. }
            | Kind::GatewayRequestEnded { .. }
            | Kind::ProviderRequestReceived { .. }
            | Kind::ProviderRequestEnded { .. } => Vec::new(),
        }
    }

    fn on(&self, replica: u32) -> String {
        if self.history.replicas > 1 { format!(" on replica {replica}") } else { String::new() }
    }

    fn aside(&self, event: &Event, mark: &str, meaning: Meaning, text: &str) -> String {
        let text = self.style.paint(meaning, format!("{mark} {}", on_lines(text)));
        let time = event.at_us.to_string();
        format!("{:>3}  {time:<9}  {text}", "")
    }

    fn has_no_client(&self, request: &str) -> bool {
        self.history.request(request).is_some_and(|record| record.method.is_empty())
    }

    /// The request's line, and below it what it caused.
    fn request_lines(&mut self, id: &str) -> Vec<String> {
        let caused = self.held.extract_if(.., |(request, _)| request == id).map(|(_, line)| line);
        let caused: Vec<String> = caused.collect();
        self.request_line(id).into_iter().chain(caused).collect()
    }

    fn request_line(&self, id: &str) -> Option<String> {
        let request = self.history.request(id)?;
        let attempt = request.answer();
        let status = request.status.or(request.gateway.as_ref().and_then(|gateway| gateway.status));
        let broken = request.outcome.filter(|outcome| *outcome != Outcome::Complete);
        let shown = match (status, broken) {
            (Some(status), Some(outcome)) => format!("{status} {}", outcome.name()),
            (Some(status), None) => status.to_string(),
            (None, outcome) => outcome.map_or("?", Outcome::name).to_owned(),
        };
        let model = request.model.clone().or_else(|| attempt.and_then(|attempt| attempt.model.clone()));
        let duration = request.duration().or_else(|| request.gateway_duration());
        let row = [
            request.number.to_string(),
            request.sent.to_string(),
            request.replica.map_or_else(|| "-".to_owned(), |replica| replica.to_string()),
            shown,
            attempt.map_or_else(|| "gateway".to_owned(), |attempt| attempt.endpoint.clone()),
            model.unwrap_or_else(|| "-".to_owned()),
            duration.map_or_else(|| "-".to_owned(), whole_millis),
        ];
        let line = table::line(&row, &self.widths);
        let good = status.is_some_and(|status| status < 400) && broken.is_none();
        let painted = self.style.paint(if good { Meaning::Good } else { Meaning::Bad }, &row[3]).to_string();
        Some(paint_cell(&line, &row[3], &painted, row[0].len().max(3) + 2 + self.widths[1]))
    }

    fn selection_line(&self, event: &Event) -> Option<String> {
        let Kind::ProviderSelected { group, provider, candidates, draws, fallback, .. } = &event.kind else {
            return None;
        };
        let scored: Vec<String> = candidates.iter().map(|one| format!("{} {:.3}", one.provider, one.score)).collect();
        let drawn: Vec<&str> =
            draws.iter().filter_map(|index| candidates.get(*index)).map(|one| one.provider.as_str()).collect();
        let among = if *fallback { " (all are evicted)" } else { "" };
        let text =
            format!("group {group}: {} | drew {} | chose {provider}{among}", scored.join(", "), drawn.join(", "));
        Some(self.aside(event, "?", Meaning::Faint, &text))
    }
}

/// Replaces the first `cell` at or after column `from` by its painted form.
fn paint_cell(line: &str, cell: &str, painted: &str, from: usize) -> String {
    let start = line.char_indices().nth(from).map_or(line.len(), |(at, _)| at);
    match line[start..].find(&format!(" {cell}")) {
        Some(at) => {
            let at = start + at + 1;
            format!("{}{painted}{}", &line[..at], &line[at + cell.len()..])
        }
        None => line.to_owned(),
    }
}

/// How far the text of a line beside the requests is from its beginning.
const ASIDE: usize = 16;

/// A text of several lines with all but the first below it, and without what would move a terminal's cursor.
fn on_lines(text: &str) -> String {
    let indent = format!("\n{:ASIDE$}", "");
    text.trim_end().lines().map(plain).collect::<Vec<_>>().join(&indent)
}

/// A text without letters that are none: control characters, and those that turn the direction of others.
fn plain(text: &str) -> String {
    let moves = |letter: &char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if moves(&letter) { ' ' } else { letter }).collect()
}

fn whole_millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Each expectation with its outcome, the invariants in one line while they hold, and an explanation
/// of what failed.
#[must_use]
pub fn verdict(run: &Run, style: Style, detail: Detail) -> String {
    let judged = &run.verdict;
    let mut out = String::new();
    let several = run.scenario.steps.len() > 1;
    for finding in &judged.findings {
        let is_invariant = finding.about != About::Expectation;
        let folded = is_invariant && (detail < Detail::Verbose || finding.exempt.is_some()) || detail == Detail::Quiet;
        if folded && finding.outcome == Verdict::Pass {
            continue;
        }
        let (mark, meaning) = mark(finding.outcome);
        let step = finding.step.filter(|_| several).map(|step| format!("step {}: ", step + 1)).unwrap_or_default();
        let _ = writeln!(out, "{} {step}{}", style.paint(meaning, mark), finding.statement);
    }
    if detail > Detail::Quiet {
        out.push_str(&exemptions(judged, style, detail));
    }
    let held = judged.invariants().filter(|finding| finding.outcome == Verdict::Pass && finding.exempt.is_none());
    if detail == Detail::Normal && held.count() > 0 {
        let all = judged.invariants().all(|finding| finding.outcome == Verdict::Pass && finding.exempt.is_none());
        let text = if all { "the invariants hold" } else { "the other invariants hold" };
        let _ = writeln!(out, "{} {text}", style.paint(Meaning::Good, "✓"));
    }
    if detail > Detail::Quiet {
        out.push_str(&loads(&run.history, style));
    }
    out.push_str(&explanations(run, judged, style));
    out
}

/// The figures of each load.
fn loads(history: &History, style: Style) -> String {
    let mut out = String::new();
    for one in load::of(history) {
        let _ = writeln!(out, "\n{}", style.paint(Meaning::Strong, &one.summary));
        for line in load::lines(&one.measured, one.elapsed, style) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

/// What is broken and does not count: known deviations, and what the scenario turns off.
fn exemptions(judged: &Judged, style: Style, detail: Detail) -> String {
    let mut out = String::new();
    for finding in judged.exemptions() {
        let Some(exemption) = finding.exemption() else { continue };
        let _ = writeln!(out, "{} {exemption} ({})", style.paint(Meaning::Doubtful, "≈"), finding.actual);
        if detail == Detail::Verbose {
            for line in &finding.detail {
                let _ = writeln!(out, "    {}", style.paint(Meaning::Faint, line));
            }
        }
    }
    out
}

fn explanations(run: &Run, judged: &Judged, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in judged.findings.iter().filter_map(crate::verdict::Finding::diagnostic) {
        let _ = writeln!(out, "\n{}", diagnostic.render(&run.scenario.sources, style.colour));
    }
    out
}

fn mark(outcome: Verdict) -> (&'static str, Meaning) {
    match outcome {
        Verdict::Pass => ("✓", Meaning::Good),
        Verdict::Fail => ("✗", Meaning::Bad),
        Verdict::Unknown => ("?", Meaning::Doubtful),
    }
}

/// The last line of a run: the verdict and the numbers behind it.
#[must_use]
pub fn summary(run: &Run, style: Style) -> String {
    let history = &run.history;
    let (word, meaning) = match (run.interrupted, run.verdict.outcome()) {
        (true, _) => ("INTERRUPTED", Meaning::Doubtful),
        (false, Verdict::Pass) => ("PASS", Meaning::Good),
        (false, Verdict::Fail) => ("FAIL", Meaning::Bad),
        (false, Verdict::Unknown) => ("UNKNOWN", Meaning::Doubtful),
    };
    let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut facts = vec![
        counted(history.requests.len(), "request", "requests"),
        counted(history.evictions.len(), "eviction", "evictions"),
        format!("{} of lab time", human(Duration::from_millis(history.now.0 / 1_000))),
    ];
    let latencies = latencies(history);
    if let [_, .., longest] = latencies.as_slice() {
        let median = latencies[(latencies.len() - 1) / 2];
        facts.push(format!("latency p50 {median}ms, max {longest}ms"));
    }
    format!("{}  {} · {}", style.paint(meaning, word), plain(&run.scenario.name), facts.join(" · "))
}

/// Latencies in milliseconds, as the client saw them, the shortest first.
fn latencies(history: &History) -> Vec<u128> {
    let took = history.requests.iter().filter_map(Request::duration);
    let mut latencies: Vec<u128> = took.map(|took| took.as_millis()).collect();
    latencies.sort_unstable();
    latencies
}

/// How often each pattern came over many seeds, step by step.
#[must_use]
pub fn frequencies(steps: &[(String, PatternCounts)], style: Style) -> String {
    let mut out = String::new();
    for (title, counts) in steps {
        let _ = writeln!(out, "{}", style.paint(Meaning::Strong, title));
        let mut rows = vec![vec!["share".to_owned(), "count".to_owned(), "e.g. seed".to_owned(), "pattern".to_owned()]];
        for (pattern, tally) in counts.by_frequency() {
            let share = counts.share(pattern) * 100.0;
            rows.push(vec![
                format!("{share:.2}%"),
                tally.count.to_string(),
                tally.seed.to_string(),
                pattern.to_owned(),
            ]);
        }
        for line in table::columns(&rows) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

/// A whole run as plain text: requests, verdict, summary.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for request in &self.history.requests {
            let status = request.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let endpoint = request.answer().map_or("gateway", |attempt| attempt.endpoint.as_str());
            writeln!(f, "{} {} {status} {endpoint}", request.number, request.sent)?;
        }
        f.write_str(&verdict(self, Style::PLAIN, Detail::Normal))?;
        f.write_str(&summary(self, Style::PLAIN))
    }
}
