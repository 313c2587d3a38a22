//! One request in full, or two beside each other.

use std::time::Duration;

use super::canvas::{Canvas, Pieces, cut_within, fitted, wrapped};
use crate::event::history::Attempt;
use crate::event::{At, Headers};
use crate::tui::action::Action;
use crate::tui::model::Model;
use crate::tui::row::Class;
use crate::tui::story::Story;
use crate::tui::text::{countdown, millis, moment};
use crate::tui::theme::Role;

type Lines = Vec<Pieces<'static>>;

/// Over the panels. Says how far it may be scrolled.
pub(super) fn draw(model: &Model, index: usize, canvas: &mut Canvas<'_>) -> usize {
    cover(canvas);
    let mut inside = canvas.framed(&format!("Request {}", index + 1), Role::Accent);
    told(model, index, model.scroll, &mut inside)
}

/// Empties the canvas; what lies below it takes no clicks.
fn cover(canvas: &mut Canvas<'_>) {
    canvas.clear();
    canvas.click(0, 0, canvas.width(), canvas.height(), Action::Nothing);
}

/// Beside the table, for the selected request.
pub(super) fn beside(model: &Model, canvas: &mut Canvas<'_>) {
    match model.selected() {
        Some(index) => {
            let mut inside = canvas.framed(&format!("Request {}", index + 1), Role::Border);
            told(model, index, 0, &mut inside);
        }
        None => {
            canvas.framed("Request", Role::Border).text(1, 0, "no request yet", Role::Faint);
        }
    }
}

/// Two requests side by side. Says how far they may be scrolled.
pub(super) fn compare(model: &Model, one: usize, two: usize, canvas: &mut Canvas<'_>) -> usize {
    cover(canvas);
    let (width, height) = (canvas.width(), canvas.height());
    let mut most = 0;
    for (x, index) in [(0, one), (width / 2, two)] {
        let mut part = canvas.part(x, 0, if x == 0 { width / 2 } else { width - width / 2 }, height);
        let mut inside = part.framed(&format!("Request {}", index + 1), Role::Accent);
        most = most.max(told(model, index, model.scroll, &mut inside));
    }
    most
}

fn told(model: &Model, index: usize, scroll: usize, canvas: &mut Canvas<'_>) -> usize {
    let Some(story) = model.story(index) else {
        canvas.text(1, 0, "at this moment it has not been sent yet", Role::Faint);
        return 0;
    };
    let lines = lines(model, &story, canvas.width().saturating_sub(2));
    let height = usize::from(canvas.height());
    let most = lines.len().saturating_sub(height);
    let top = scroll.min(most);
    for (y, pieces) in (0u16..).zip(lines.iter().skip(top).take(height)) {
        canvas.pieces(1, y, pieces);
    }
    if lines.len() > top + height {
        let (x, y) = (canvas.width().saturating_sub(9), canvas.height().saturating_sub(1));
        canvas.text(x, y, " ↓ more ", Role::Accent);
    }
    most
}

fn lines(model: &Model, story: &Story, width: u16) -> Lines {
    let mut lines = Lines::new();
    summary(story, model.at, width, &mut lines);
    trace(story, model.at, width, &mut lines);
    for attempt in &story.request.attempts {
        lines.push(Vec::new());
        attempt_lines(model, story, attempt, width, &mut lines);
    }
    gateway(story, width, &mut lines);
    if let Some((headers, body)) = &story.sent {
        header_lines("Request headers", headers, width, &mut lines);
        body_lines("Request body", body, width, &mut lines);
    }
    header_lines("Response headers", &story.request.headers, width, &mut lines);
    body_lines("Response body", &story.request.body, width, &mut lines);
    lines
}

fn piece(text: impl Into<String>, role: Role) -> (std::borrow::Cow<'static, str>, Role) {
    (text.into().into(), role)
}

/// Facts with dots between them, broken between facts sooner than inside one.
fn fact_lines(facts: &[String], indent: usize, width: u16, lines: &mut Lines) {
    let mut line = String::new();
    for fact in facts {
        if !line.is_empty() && super::canvas::width(&line) + super::canvas::width(fact) + 3 > width {
            lines.push(vec![piece(std::mem::take(&mut line), Role::Faint)]);
        }
        line.push_str(&if line.is_empty() { " ".repeat(indent) } else { " · ".to_owned() });
        line.push_str(&fitted(fact, width.saturating_sub(super::canvas::width(&line))));
    }
    lines.push(vec![piece(line, Role::Faint)]);
}

fn summary(story: &Story, now: At, width: u16, lines: &mut Lines) {
    let request = &story.request;
    let class = Class::of(request.status, request.outcome);
    let ended = match (class, request.status, request.outcome) {
        (Class::Open, ..) => "under way".to_owned(),
        (Class::Broken, Some(status), Some(outcome)) => format!("{status} {}", outcome.name()),
        (_, Some(status), _) => status.to_string(),
        (_, None, Some(outcome)) => outcome.name().to_owned(),
        (_, None, None) => String::new(),
    };
    let took = request.ended.map_or_else(|| now.since(request.sent), |ended| ended.since(request.sent));
    lines.push(vec![
        piece(format!("{} {}", request.method, request.path), Role::Strong),
        piece("  ", Role::Text),
        piece(ended, class.role()),
        piece(format!("  {}", millis(took)), Role::Text),
    ]);
    let mut facts = vec![format!("sent {}", moment(request.sent))];
    facts.extend(request.step.map(|step| format!("step {}", step.saturating_add(1))));
    facts.extend(request.replica.map(|replica| format!("replica {replica}")));
    facts.extend(request.model.clone());
    facts.extend(request.usage.map(|usage| format!("{} + {} tokens", usage.input, usage.output)));
    facts.extend(request.first_token.map(|first| format!("first token {}", millis(first.since(request.sent)))));
    facts.push(request.id.clone());
    fact_lines(&facts, 0, width, lines);
}

/// Who was busy when, from the client's first moment to the last of anyone.
fn trace(story: &Story, now: At, width: u16, lines: &mut Lines) {
    let request = &story.request;
    let mut spans: Vec<(String, At, Option<At>, Role)> = Vec::new();
    let asker = if story.is_whole() { "client" } else { "from outside" };
    spans.push((asker.to_owned(), request.sent, request.ended, Class::of(request.status, request.outcome).role()));
    if let Some(gateway) = &request.gateway {
        spans.push(("gateway".to_owned(), gateway.received, gateway.ended, Role::Accent));
    }
    for attempt in &request.attempts {
        let role = Class::of(attempt.status, attempt.outcome).role();
        spans.push((format!("attempt {}", attempt.attempt.saturating_add(1)), attempt.selected, attempt.ended, role));
        for served in story.served.iter().filter(|served| served.attempt == attempt.attempt) {
            spans.push((
                format!("  {}", served.host),
                served.received,
                served.ended,
                Class::of(served.status, served.outcome).role(),
            ));
        }
    }
    let from = spans.iter().map(|(_, from, ..)| *from).min().unwrap_or_default();
    let to = spans.iter().map(|(_, from, to, _)| to.unwrap_or(now).max(*from)).max().unwrap_or_default();
    let name_room = 22u16.min(width / 3);
    let room = u64::from(width.saturating_sub(name_room + 9).max(8));
    let whole = to.since(from).as_micros().max(1);
    let column = |at: At| {
        let along = at.since(from).as_micros() * u128::from(room - 1) / whole;
        usize::try_from(along.min(u128::from(room - 1))).unwrap_or(0)
    };
    lines.push(Vec::new());
    for (name, began, ended, role) in spans {
        let (first, last) = (column(began), column(ended.unwrap_or(now).max(began)));
        let bar = if ended.is_some() { "━".repeat(last - first + 1) } else { "╍".repeat(last - first + 1) };
        let took = ended.map_or_else(|| "…".to_owned(), |ended| millis(ended.since(began)));
        let name = fitted(&name, name_room.saturating_sub(1));
        let pad = usize::from(name_room - super::canvas::width(&name));
        lines.push(vec![
            piece(format!("{name}{}", " ".repeat(pad)), Role::Faint),
            piece(" ".repeat(first), Role::Text),
            piece(bar, role),
            piece(" ".repeat(usize::try_from(room).unwrap_or(0).saturating_sub(last + 1)), Role::Text),
            piece(format!(" {took:>7}"), Role::Text),
        ]);
    }
}

fn attempt_lines(model: &Model, story: &Story, attempt: &Attempt, width: u16, lines: &mut Lines) {
    let class = Class::of(attempt.status, attempt.outcome);
    let ended = match (attempt.status, attempt.outcome) {
        (_, None) => "under way".to_owned(),
        (Some(status), Some(crate::event::Outcome::Complete)) => status.to_string(),
        (Some(status), Some(outcome)) => format!("{status} {}", outcome.name()),
        (None, Some(outcome)) => outcome.name().to_owned(),
    };
    let took = attempt.ended.map(|ended| format!("  {}", millis(ended.since(attempt.selected)))).unwrap_or_default();
    let number = format!("Attempt {} → ", attempt.attempt.saturating_add(1));
    let group = format!(" group {}  ", attempt.group);
    let others = [&number, &group, &ended, &took].map(|text| super::canvas::width(text)).iter().sum();
    lines.push(vec![
        piece(number, Role::Title),
        piece(cut_within(&attempt.provider, width.saturating_sub(others)), Role::Strong),
        piece(group, Role::Faint),
        piece(ended, class.role()),
        piece(took, Role::Text),
    ]);
    let mut facts = vec![attempt.endpoint.clone()];
    facts.extend(attempt.model.clone());
    facts.push(
        attempt
            .credential
            .clone()
            .map_or_else(|| "no credential".to_owned(), |reference| format!("credential {reference}")),
    );
    fact_lines(&facts, 2, width, lines);
    candidates(model, attempt, width, lines);
    if let Some(error) = &attempt.error {
        lines.extend(
            wrapped(error, width.saturating_sub(2)).into_iter().map(|line| vec![piece(format!("  {line}"), Role::Bad)]),
        );
    }
    for eviction in story.evictions.iter().filter(|eviction| eviction.provider == attempt.provider) {
        let lasts = countdown(eviction.until.since(eviction.began));
        let text = format!(
            "{} evicted it for {lasts}, until {} ({})",
            eviction.status,
            moment(eviction.until),
            eviction.source
        );
        let wrapped = wrapped(&text, width.saturating_sub(2)).into_iter();
        lines.extend(wrapped.map(|line| vec![piece(format!("  {line}"), Role::Evicted)]));
    }
}

/// Whom the choice was among, with their scores and the draws. What scores are made of needs room.
fn candidates(model: &Model, attempt: &Attempt, width: u16, lines: &mut Lines) {
    if attempt.candidates.is_empty() {
        return;
    }
    let wide = width >= 60;
    let room = width.saturating_sub(if wide { 42 } else { 25 }).clamp(8, 28);
    let made_of = |latency: &str, pending: &str| {
        if wide { format!("{latency:>9}{pending:>8}") } else { String::new() }
    };
    let padded = |name: &str| {
        let name = cut_within(name, room - 1);
        let pad = usize::from(room.saturating_sub(super::canvas::width(&name)));
        name + &" ".repeat(pad)
    };
    let made = made_of("latency", "pending");
    let heading = format!("  {}{:>8}{:>8}{made}  drawn", padded("candidates"), "score", "health");
    lines.push(vec![piece(heading, Role::Faint)]);
    for (place, one) in attempt.candidates.iter().enumerate() {
        let draws: Vec<_> = attempt
            .draws
            .iter()
            .enumerate()
            .filter(|(_, drawn)| **drawn == place)
            .map(|(turn, _)| (turn + 1).to_string())
            .collect();
        let chosen = one.provider == attempt.provider;
        let latency = if one.latency_seconds > 0.0 {
            millis(Duration::try_from_secs_f64(one.latency_seconds).unwrap_or_default())
        } else {
            "–".to_owned()
        };
        let sign = if chosen { model.theme.signs.current } else { " " };
        let made = made_of(&latency, &one.pending.to_string());
        let name = padded(&one.provider);
        let text = format!("{sign} {name}{:>8.4}{:>8.3}{made}  {}", one.score, one.health, draws.join(", "));
        lines.push(vec![piece(text, if chosen { Role::Text } else { Role::Faint })]);
    }
    if attempt.fallback {
        lines.push(vec![piece("  all of them were evicted: the gateway had nobody else", Role::Evicted)]);
    }
}

/// That a credential came, by the reference that it has in events.
fn came(reference: &String) -> String {
    if reference == "client" { "a credential came".to_owned() } else { format!("credential {reference} came") }
}

fn gateway(story: &Story, width: u16, lines: &mut Lines) {
    if story.request.gateway.is_none() && story.request.ended.is_none() {
        return;
    }
    lines.push(Vec::new());
    lines.push(vec![piece("Gateway", Role::Title)]);
    let Some(gateway) = &story.request.gateway else {
        lines.push(vec![piece("  it never came there", Role::Faint)]);
        return;
    };
    let mut facts = Vec::new();
    facts.extend(gateway.route.as_ref().map(|route| format!("route {route}")));
    facts.extend(gateway.backend.as_ref().map(|backend| format!("backend {backend}")));
    facts.push(gateway.credential.as_ref().map_or_else(|| "no credential came".to_owned(), came));
    let answered = |status| if status == 0 { "answered nothing".to_owned() } else { format!("answered {status}") };
    facts.extend(gateway.status.map(answered));
    fact_lines(&facts, 2, width, lines);
    let why: Vec<_> = [&gateway.reason, &gateway.error].into_iter().flatten().cloned().collect();
    if !why.is_empty() {
        lines.extend(
            wrapped(&why.join(": "), width.saturating_sub(2))
                .into_iter()
                .map(|line| vec![piece(format!("  {line}"), Role::Bad)]),
        );
    }
}

fn header_lines(title: &str, headers: &Headers, width: u16, lines: &mut Lines) {
    if headers.is_empty() {
        return;
    }
    lines.push(Vec::new());
    lines.push(vec![piece(title.to_owned(), Role::Title)]);
    for (name, value) in headers {
        let value = fitted(value, width.saturating_sub(super::canvas::width(name) + 4));
        lines.push(vec![piece(format!("  {name}: "), Role::Faint), piece(value, Role::Text)]);
    }
}

fn body_lines(title: &str, body: &str, width: u16, lines: &mut Lines) {
    if body.is_empty() {
        return;
    }
    lines.push(Vec::new());
    lines.push(vec![piece(title.to_owned(), Role::Title)]);
    let shown = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_else(|_| body.to_owned()),
        Err(_) => body.to_owned(),
    };
    lines.extend(
        wrapped(&shown, width.saturating_sub(2)).into_iter().map(|line| vec![piece(format!("  {line}"), Role::Text)]),
    );
}
