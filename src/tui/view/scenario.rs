//! What is being played: the steps with the current one marked, what is expected and whether it came,
//! and the file itself.
//!
//! ```text
//! ▌ The first request meets the rate limit
//!  ✓ 1 note  The first request meets …
//!  ▶ 2 send  /openai × 3                1.4s
//!    ✓ pattern 429@mock 200@openai{2}
//!  · 3 wait  61s
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::canvas::{Canvas, wrapped};
use super::note;
use crate::source::Span;
use crate::tui::model::{Model, Source};
use crate::tui::text::{countdown, moment};
use crate::tui::theme::Role;
use crate::tui::timeline::Findings;
use crate::tui::{Decision, Finding};

/// A line of the panel.
struct Line {
    sign: &'static str,
    sign_role: Role,
    indent: u16,
    text: String,
    role: Role,
    right: String,
    current: bool,
}

/// The panel beside others.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) {
    let mut inside = canvas.framed(&title(model, canvas.width()), Role::Border);
    let (width, height) = (inside.width(), inside.height());
    let said = note::small(model, &mut inside.part(0, 0, width, (height / 3).max(1)));
    let mut below = inside.part(0, said, width, height - said);
    draw(&lines(model, width, false), &mut below, |wanted, _| wanted);
}

/// Where a title has no room for both, what became of the run counts.
fn title(model: &Model, room: u16) -> String {
    let count = steps(model);
    let verdict = match model.verdict() {
        Some(Decision::Pass | Decision::Exempt) => " · PASS",
        Some(Decision::Fail) => " · FAIL",
        Some(Decision::Unknown) => " · UNKNOWN",
        Some(Decision::Open) | None => "",
    };
    let whole = steps_title(model, count) + verdict;
    if verdict.is_empty() || super::canvas::width(&whole) + 6 <= room { whole } else { format!("Scenario{verdict}") }
}

fn steps_title(model: &Model, count: usize) -> String {
    let planned = model.fold.steps.iter().rev().find(|(_, state)| !state.act);
    match planned.map(|(step, _)| *step) {
        _ if count == 0 && model.plan.played => "Scenario".to_owned(),
        None if !model.plan.played => "Scenario · not played".to_owned(),
        None if count == 1 => "Scenario · 1 step".to_owned(),
        None => format!("Scenario · {count} steps"),
        Some(0) if model.is_at_end() && count == 1 => "Scenario · its one step".to_owned(),
        Some(step) if model.is_at_end() => {
            format!("Scenario · all {} steps", count.max(step + 1))
        }
        Some(step) => format!("Scenario · step {} of {count}", step + 1),
    }
}

fn steps(model: &Model) -> usize {
    let planned = model.fold.steps.iter().rev().find(|(_, state)| !state.act);
    let to_come = if model.plan.played { model.plan.steps.len() } else { 0 };
    to_come.max(planned.map_or(0, |(last, _)| last + 1))
}

fn lines(model: &Model, width: u16, explain: bool) -> Vec<Line> {
    let findings = model.timeline.findings(model.fold.position);
    let mut lines = Vec::new();
    for step in 0..steps(model) {
        lines.push(step_line(model, step));
        let own = findings.iter().filter(|finding| finding.step == Some(step));
        for finding in own {
            finding_lines(finding, 3, width, explain, &mut lines);
        }
    }
    if !model.plan.played {
        let text = match model.source {
            Source::Replay => "the lab stayed up, and played none of the file's steps",
            _ => "the steps of the file are left to you: i sends, b breaks",
        };
        let text = wrapped(text, width.saturating_sub(5));
        lines.extend(text.into_iter().map(|text| faint(1, text)));
    }
    act_lines(model, width, &mut lines);
    let whole: Vec<_> = findings.iter().filter(|finding| finding.step.is_none() && !finding.invariant).collect();
    if !whole.is_empty() {
        lines.push(faint(1, "the whole run".to_owned()));
        for finding in whole {
            finding_lines(finding, 1, width, explain, &mut lines);
        }
    }
    invariant_lines(&findings, width, explain, &mut lines);
    lines
}

/// A line that stands above others.
fn faint(indent: u16, text: String) -> Line {
    Line { sign: "", sign_role: Role::Faint, indent, text, role: Role::Faint, right: String::new(), current: false }
}

/// Invariants are many and hold: one line for all that do, and the others in full.
fn invariant_lines(findings: &Findings, width: u16, explain: bool, lines: &mut Vec<Line>) {
    let invariants = || findings.iter().filter(|finding| finding.invariant);
    let broken = |finding: &&Arc<Finding>| matches!(finding.decision, Decision::Fail | Decision::Unknown);
    let exempt = || invariants().filter(|finding| finding.decision == Decision::Exempt);
    let holding = invariants().count() - invariants().filter(broken).count() - exempt().count();
    if holding > 0 {
        let decided = invariants().all(|finding| finding.decision != Decision::Open);
        let (sign, sign_role) = decision(if decided { Decision::Pass } else { Decision::Open });
        let other = if exempt().next().is_some() { "other " } else { "" };
        let hold = if holding == 1 { "invariant holds" } else { "invariants hold" };
        let text = format!("{holding} {other}{hold}{}", if decided { "" } else { " so far" });
        let role = if decided { Role::Text } else { Role::Faint };
        lines.push(Line { sign, sign_role, indent: 1, text, role, right: String::new(), current: false });
    }
    for finding in invariants().filter(broken).chain(exempt()) {
        finding_lines(finding, 1, width, explain, lines);
    }
}

/// What a person has done, with its moments.
fn act_lines(model: &Model, width: u16, lines: &mut Vec<Line>) {
    let acts: Vec<usize> = model.fold.steps.iter().filter(|(_, state)| state.act).map(|(step, _)| *step).collect();
    if acts.is_empty() {
        return;
    }
    lines.push(faint(1, "done at the screen".to_owned()));
    for step in &acts {
        let mut line = step_line(model, *step);
        if let Some(state) = model.fold.steps.get(step) {
            let said = line.text.split_once(' ').map_or("", |(_, said)| said);
            line.text = format!("{} {said}", moment(state.began));
        }
        lines.push(line);
        let failed = model.fold.steps.get(step).and_then(|state| state.failed.as_deref());
        let failed = failed.map(|why| why.find("error: ").and_then(|at| why.get(at..)).unwrap_or(why));
        for text in failed.iter().flat_map(|why| wrapped(why, width.saturating_sub(4))).take(4) {
            lines.push(Line { indent: 1, role: Role::Bad, ..faint(1, text) });
        }
    }
}

fn step_line(model: &Model, step: usize) -> Line {
    let signs = model.theme.signs;
    let planned = model.plan.steps.get(step);
    let begun = model.fold.steps.get(&step);
    let (verb, summary) = match (begun, planned) {
        (Some(state), _) => (state.verb.to_string(), state.summary.to_string()),
        (None, Some(planned)) => (planned.verb.clone(), planned.summary.clone()),
        (None, None) => (String::new(), String::new()),
    };
    // What a step does often begins with its verb.
    let summary = summary.strip_prefix(verb.as_str()).unwrap_or(&summary).trim_start().to_owned();
    let text = format!("{} {verb} {summary}", step + 1);
    let (sign, sign_role, role, right) = match begun {
        None => (signs.undecided, Role::Faint, Role::Faint, String::new()),
        Some(state) => match state.ended {
            Some(_) if state.failed.is_some() => ("✗", Role::Bad, Role::Text, String::new()),
            Some(ended) => (signs.pass, Role::Faint, Role::Text, lasted(ended.since(state.began))),
            None => {
                (signs.current, Role::Accent, Role::Strong, time_left(&verb, &summary, model.at.since(state.began)))
            }
        },
    };
    let current = model.fold.step == Some(step) && begun.is_some_and(|state| state.ended.is_none());
    Line { sign, sign_role, indent: 0, text, role, right, current }
}

/// What took no time has nothing to say about it.
fn lasted(time: Duration) -> String {
    if time < Duration::from_millis(10) { String::new() } else { countdown(time) }
}

/// A wait says how long it still lasts, anything else how long it has lasted.
fn time_left(verb: &str, summary: &str, gone: Duration) -> String {
    let whole = summary.split_whitespace().find_map(|word| Span::parse(word).ok());
    match whole {
        Some(Span(whole)) if verb == "wait" => format!("{} left", countdown(whole.saturating_sub(gone))),
        _ => lasted(gone),
    }
}

fn finding_lines(finding: &Finding, indent: u16, width: u16, explain: bool, lines: &mut Vec<Line>) {
    let (sign, role) = decision(finding.decision);
    let room = width.saturating_sub(indent + 3);
    for (number, text) in wrapped(&finding.statement, room).into_iter().enumerate() {
        let sign = if number == 0 { sign } else { "" };
        let text_role = if finding.decision == Decision::Open { Role::Faint } else { Role::Text };
        lines.push(Line { sign, sign_role: role, indent, text, role: text_role, right: String::new(), current: false });
    }
    if explain && finding.decision != Decision::Pass {
        for text in finding.explanation.iter().flat_map(|text| wrapped(text, room)) {
            lines.push(Line { sign: "", sign_role: role, indent, text, role, right: String::new(), current: false });
        }
    }
}

fn decision(decision: Decision) -> (&'static str, Role) {
    match decision {
        Decision::Open => ("·", Role::Faint),
        Decision::Pass => ("✓", Role::Good),
        Decision::Fail => ("✗", Role::Bad),
        Decision::Unknown => ("?", Role::Degraded),
        Decision::Exempt => ("≈", Role::Degraded),
    }
}

/// Draws lines so that the current one is in sight. `scrolled` has another line at the top than the one that
/// is wanted there, of so many at most.
fn draw(lines: &[Line], canvas: &mut Canvas<'_>, scrolled: impl FnOnce(usize, usize) -> usize) {
    let height = usize::from(canvas.height());
    let current = lines.iter().position(|line| line.current);
    let latest = lines.iter().rposition(|line| line.role == Role::Text).map_or(0, |line| line + 1);
    let most = lines.len().saturating_sub(height);
    let top = scrolled(current.unwrap_or(latest).saturating_sub(height / 2).min(most), most);
    for (y, line) in lines.iter().skip(top).take(height).enumerate() {
        let Ok(y) = u16::try_from(y) else { break };
        let width = canvas.width();
        canvas.text(1 + line.indent, y, line.sign, line.sign_role);
        let end = if line.right.is_empty() {
            width
        } else {
            canvas.right(width.saturating_sub(1), y, &line.right, Role::Faint)
        };
        let start = line.indent + 3;
        canvas.field(start, y, end.saturating_sub(start + u16::from(!line.right.is_empty())), &line.text, line.role);
        if line.current {
            canvas.dress(0, y, width, 1, Role::Selected);
        }
    }
}

/// The whole tab: steps on the left, the file on the right. They are scrolled together: where one has come
/// to an end, so has the other. Tells in `scroll` how far.
pub(super) fn full(model: &Model, canvas: &mut Canvas<'_>, scroll: &mut (isize, isize)) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let left = if width >= 76 { width / 2 } else { width };
    let laid = laid(model, (width - left).saturating_sub(7).max(20));
    let (wanted, most) = file_rests(model, &laid, usize::from(height.saturating_sub(2)));
    let by = Scrolled { by: model.scenario_scroll, up: wanted.max(20), down: (most - wanted).max(20) };
    *scroll = (-by.up.cast_signed(), by.down.cast_signed());
    {
        let mut part = canvas.part(0, 0, left, height);
        let mut inside = part.framed(&title(model, left), Role::Border);
        let (width, height) = (inside.width(), inside.height());
        let about =
            model.plan.about.as_deref().map(|about| wrapped(about, width.saturating_sub(3))).unwrap_or_default();
        let mut y = 0;
        for line in about.iter().take(usize::from(height / 4)) {
            let end = inside.text(1, y, line, Role::Faint);
            y += 1;
            if y == height / 4 && about.len() > usize::from(y) {
                inside.text(end, y - 1, "…", Role::Faint);
            }
        }
        y += note::small(model, &mut inside.part(0, y, width, height / 4));
        let mut below = inside.part(0, y, width, height - y);
        draw(&lines(model, width, true), &mut below, |wanted, most| by.of(wanted, most));
    }
    if left < width {
        file(model, &laid, by.of(wanted, most), &mut canvas.part(left, 0, width - left, height));
    }
    usize::from(height.saturating_sub(2))
}

/// How far two halves are scrolled that come to their ends together.
struct Scrolled {
    by: isize,
    /// How far up and down it goes.
    up: usize,
    down: usize,
}

impl Scrolled {
    /// The line at the top of a part where `wanted` would stand there, of `most` at most.
    fn of(&self, wanted: usize, most: usize) -> usize {
        let by = self.by.unsigned_abs();
        if self.by < 0 {
            wanted - wanted * by.min(self.up) / self.up.max(1)
        } else {
            wanted + (most - wanted) * by.min(self.down) / self.down.max(1)
        }
    }
}

/// The lines of the step that is being played, in the file.
fn current_lines(model: &Model) -> Option<(usize, usize)> {
    model.fold.step.and_then(|step| model.plan.steps.get(step)).map(|step| step.lines)
}

/// A line of the pane with the file: the file's line, whether it begins there, and what is seen of it.
type Laid = (usize, bool, String);

/// The file in lines that fit: one that is too long goes on below.
fn laid(model: &Model, room: u16) -> Vec<Laid> {
    let mut laid = Vec::new();
    for (number, text) in model.plan.lines.iter().enumerate() {
        let text = text.replace('\t', "    ");
        if super::canvas::width(&text) <= room {
            laid.push((number, true, text));
            continue;
        }
        let bare = text.trim_start();
        let indent = (text.len() - bare.len()).min(usize::from(room / 3));
        let pieces = wrapped(bare, room.saturating_sub(u16::try_from(indent).unwrap_or(0) + 2)).into_iter().enumerate();
        laid.extend(pieces.map(|(place, piece)| {
            let indent = if place == 0 { indent } else { indent + 2 };
            (number, place == 0, " ".repeat(indent) + &piece)
        }));
    }
    laid
}

/// The line that stands at the top by itself, and the last one that can.
fn file_rests(model: &Model, laid: &[Laid], height: usize) -> (usize, usize) {
    let most = laid.len().saturating_sub(height);
    let first = current_lines(model).and_then(|(first, _)| laid.iter().position(|(number, ..)| *number == first));
    (first.map_or(0, |first| first.saturating_sub(height / 3)).min(most), most)
}

/// The scenario file from a line on, with the current step's lines marked.
fn file(model: &Model, laid: &[Laid], top: usize, canvas: &mut Canvas<'_>) {
    let mut inside = canvas.framed(&model.plan.file, Role::Border);
    let (width, height) = (inside.width(), usize::from(inside.height()));
    let current = current_lines(model);
    for (y, (number, begins, text)) in (0u16..).zip(laid.iter().skip(top).take(height)) {
        let here = current.is_some_and(|(first, last)| (first..=last).contains(number));
        if *begins {
            inside.right(4, y, (number + 1).to_string(), Role::Faint);
        }
        let is_comment = model.plan.lines.get(*number).is_some_and(|line| line.trim_start().starts_with('#'));
        let role = match (is_comment, here) {
            (true, _) => Role::Faint,
            (false, true) => Role::Strong,
            (false, false) => Role::Text,
        };
        inside.field(5, y, width.saturating_sub(5), text, role);
        if here {
            inside.dress(0, y, width, 1, Role::Selected);
        }
    }
}
