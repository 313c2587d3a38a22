//! The requests as a table.
//!
//! ```text
//!    #  time       r  endpoint                 status  latency     ttft   tokens  att
//!    3  00:00.100  0  openai-provider             200   1372ms    210ms   13+7     1
//! ```

use std::fmt::Write as _;

use super::canvas::{Canvas, Pieces, cut_within, fitted, width};
use super::letters;
use crate::tui::action::Action;
use crate::tui::listing::Column;
use crate::tui::model::Model;
use crate::tui::row::{Class, Row};
use crate::tui::text::{millis, moment};
use crate::tui::theme::Role;

/// A column of the table: what it needs and when it is left out.
struct Field {
    title: &'static str,
    width: u16,
    /// Takes part of what is left over.
    grows: u16,
    left: bool,
    sort: Option<Column>,
    /// The higher, the sooner it is left out.
    rank: u8,
    cell: fn(&Model, &Row) -> (String, Role),
}

const FIELDS: [Field; 11] = [
    Field { title: "#", width: 5, grows: 0, left: false, sort: Some(Column::Number), rank: 0, cell: number },
    Field { title: "time", width: 9, grows: 0, left: true, sort: None, rank: 2, cell: time },
    Field { title: "r", width: 2, grows: 0, left: false, sort: None, rank: 5, cell: replica },
    Field { title: "status", width: 7, grows: 0, left: true, sort: Some(Column::Status), rank: 0, cell: status },
    Field { title: "provider", width: 12, grows: 0, left: true, sort: None, rank: 0, cell: provider },
    Field { title: "latency", width: 7, grows: 0, left: false, sort: Some(Column::Latency), rank: 1, cell: latency },
    Field { title: "ttft", width: 7, grows: 0, left: false, sort: Some(Column::Ttft), rank: 6, cell: ttft },
    Field { title: "tokens", width: 8, grows: 0, left: false, sort: Some(Column::Tokens), rank: 7, cell: tokens },
    Field { title: "tries", width: 5, grows: 0, left: false, sort: Some(Column::Attempts), rank: 3, cell: attempts },
    Field { title: "model", width: 11, grows: 24, left: true, sort: None, rank: 4, cell: model_name },
    Field { title: "endpoint", width: 20, grows: 40, left: true, sort: None, rank: 8, cell: endpoint },
];

fn number(model: &Model, row: &Row) -> (String, Role) {
    let marked = model.marks.contains(&(row.index as usize));
    (format!("{}{}", if marked { "•" } else { "" }, row.index + 1), if marked { Role::Marked } else { Role::Faint })
}

fn time(_: &Model, row: &Row) -> (String, Role) {
    (moment(row.sent), Role::Text)
}

fn replica(_: &Model, row: &Row) -> (String, Role) {
    (row.replica.map_or_else(|| "–".to_owned(), |replica| replica.to_string()), Role::Faint)
}

fn status(model: &Model, row: &Row) -> (String, Role) {
    let class = row.class();
    let text = match (class, row.status, row.outcome) {
        (Class::Open, _, _) => format!(
            "{} {}",
            model.theme.signs.dot,
            row.status.map_or_else(|| "…".to_owned(), |status| status.to_string())
        ),
        (Class::Broken, _, Some(outcome)) => outcome.name().to_owned(),
        (_, Some(status), _) => status.to_string(),
        (_, None, _) => "?".to_owned(),
    };
    (text, class.role())
}

fn provider(model: &Model, row: &Row) -> (String, Role) {
    let provider = row.provider.and_then(|provider| model.timeline.lineup.providers.get(usize::from(provider)));
    match provider {
        Some(provider) => (provider.name.clone(), Role::Text),
        None if row.is_over() && !row.arrived => ("gateway not reached".to_owned(), Role::Faint),
        None if row.is_over() => ("gateway itself".to_owned(), Role::Faint),
        None => (String::new(), Role::Faint),
    }
}

fn endpoint(model: &Model, row: &Row) -> (String, Role) {
    (model.timeline.names.text(row.endpoint).to_owned(), Role::Faint)
}

fn model_name(model: &Model, row: &Row) -> (String, Role) {
    (model.timeline.names.text(row.model).to_owned(), Role::Text)
}

fn latency(model: &Model, row: &Row) -> (String, Role) {
    match row.latency() {
        Some(latency) => (millis(latency), Role::Text),
        None => (millis(model.at.since(row.due())), Role::Accent),
    }
}

fn ttft(_: &Model, row: &Row) -> (String, Role) {
    (row.ttft().map(millis).unwrap_or_default(), Role::Text)
}

fn tokens(_: &Model, row: &Row) -> (String, Role) {
    (row.tokens.map(|(input, output)| format!("{input}+{output}")).unwrap_or_default(), Role::Faint)
}

fn attempts(_: &Model, row: &Row) -> (String, Role) {
    let role = if row.attempts > 1 { Role::Degraded } else { Role::Faint };
    (row.attempts.to_string(), role)
}

/// The panel, and below it what the table has no column for, of the request that is selected.
pub(super) fn full(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    let seen = chosen(model, width.saturating_sub(2));
    let is_hidden = |field: &&Field| field.rank > 0 && seen.iter().all(|(one, _)| one.title != field.title);
    let row = model.selected().and_then(|selected| model.row(selected));
    let Some(row) = row.filter(|_| height >= 8) else { return panel(model, canvas) };
    let mut facts = vec![format!("request {}", row.index + 1)];
    for field in FIELDS.iter().filter(is_hidden) {
        let (text, _) = (field.cell)(model, &row);
        if !text.is_empty() && text != "–" {
            let name = if field.title == "r" { "replica" } else { field.title };
            facts.push(format!("{name} {text}"));
        }
    }
    if facts.len() == 1 {
        return panel(model, canvas);
    }
    canvas.field(1, height - 1, width.saturating_sub(2), &facts.join(" · "), Role::Faint);
    panel(model, &mut canvas.part(0, 0, width, height - 1))
}

/// The panel; returns how many requests it shows.
pub(super) fn panel(model: &Model, canvas: &mut Canvas<'_>) -> usize {
    let listing = model.listing();
    let mut title = "Requests".to_owned();
    if !model.filter.is_empty() {
        let _ = write!(title, " · {} of {} fit “{}”", listing.len(), listing.all(), model.filter_text);
    }
    if listing.searching {
        title.push_str(" · searching …");
    }
    let lines = usize::from(canvas.height().saturating_sub(3));
    let selected = model.selected();
    let line = selected.and_then(|selected| listing.line_of(selected)).unwrap_or(0);
    let top = top_line(line, listing.len(), lines, model);
    if model.table.selected.is_some() && model.table.sort == Column::Number {
        let (newer, sign) = match model.newest_on_top() {
            true => (top, "↑"),
            false => (listing.len().saturating_sub(top + lines), "↓"),
        };
        if newer > 0 {
            let _ = write!(title, " · {sign} {newer} newer");
        }
    }
    let mut inside = canvas.framed(&title, Role::Border);
    let fields = chosen(model, inside.width());
    heading(model, &fields, &mut inside);
    if listing.len() == 0 {
        let text = if listing.all() == 0 { "no request yet" } else { "no request fits the filter; esc clears it" };
        inside.text(2, 2, text, Role::Faint);
        if listing.all() > 0 && model.filter.is_text() {
            inside.text(2, 3, "the ids of requests are found among Events", Role::Faint);
        }
        return lines;
    }
    for offset in 0..lines {
        let Some(index) = listing.index_at(top + offset) else { break };
        let Some(row) = model.row(index) else { continue };
        let y = u16::try_from(offset + 1).unwrap_or(u16::MAX);
        line_of(model, &row, &fields, y, &mut inside);
        let wide = inside.width();
        inside.click(0, y, wide, 1, Action::Select(index));
        if model.table.selected == Some(index) {
            inside.dress(0, y, wide, 1, Role::Selected);
        }
    }
    lines
}

/// The first line shown: the selected one stays in sight, and who follows the newest sees the end.
fn top_line(line: usize, count: usize, lines: usize, model: &Model) -> usize {
    if model.table.selected.is_none() {
        return if line == 0 { 0 } else { count.saturating_sub(lines) };
    }
    line.saturating_sub(lines / 2).min(count.saturating_sub(lines))
}

/// The columns that there is room for, with their widths: a provider's name is shown whole, sooner than
/// another column.
fn chosen(model: &Model, room: u16) -> Vec<(&'static Field, u16)> {
    let single = model.fold.replicas.len() < 2;
    let mut fields: Vec<&Field> = FIELDS.iter().filter(|field| !(single && field.title == "r")).collect();
    let longest = model.timeline.lineup.providers[..model.fold.chosen.len()]
        .iter()
        .map(|provider| width(&provider.name))
        .max()
        .unwrap_or(0);
    let own = |field: &Field| if field.title == "provider" { longest.clamp(field.width, 28) } else { field.width };
    let needs = |fields: &[&Field]| fields.iter().map(|field| own(field) + 1).sum::<u16>();
    while needs(&fields) > room + 1 {
        let Some(worst) = fields.iter().map(|field| field.rank).max().filter(|rank| *rank > 0) else { break };
        fields.retain(|field| field.rank != worst);
    }
    // A name that is longer still gets what it lacks, before the columns that follow.
    let lacks =
        |field: &Field| if field.title == "provider" { longest.saturating_sub(own(field)) } else { field.grows };
    let mut spare = (room + 1).saturating_sub(needs(&fields));
    let mut chosen = Vec::new();
    for field in fields {
        let extra = lacks(field).min(spare);
        spare -= extra;
        chosen.push((field, own(field) + extra));
    }
    chosen
}

fn heading(model: &Model, fields: &[(&Field, u16)], canvas: &mut Canvas<'_>) {
    let mut x = 0;
    for (field, room) in fields {
        let sorted =
            field.sort == Some(model.table.sort) && (model.table.sort != Column::Number || model.table.reverse);
        let arrow = if model.table.reverse { "▲" } else { "▼" };
        let title = if sorted { format!("{}{arrow}", field.title) } else { field.title.to_owned() };
        // The arrow may stand in the gap before the column.
        let gap = u16::from(sorted && !field.left && x > 0);
        place(canvas, x - gap, 0, *room + gap, field.left, &title, Role::Faint);
        if let Some(column) = field.sort {
            canvas.click(x, 0, *room, 1, Action::SortOn(column));
        }
        x += room + 1;
    }
}

fn line_of(model: &Model, row: &Row, fields: &[(&Field, u16)], y: u16, canvas: &mut Canvas<'_>) {
    let mut x = 0;
    for (field, room) in fields {
        let (text, role) = (field.cell)(model, row);
        let text = if field.title == "provider" { cut_within(&text, *room) } else { text };
        place(canvas, x, y, *room, field.left, &text, role);
        x += room + 1;
    }
}

fn place(canvas: &mut Canvas<'_>, x: u16, y: u16, room: u16, left: bool, text: &str, role: Role) {
    let text = fitted(text, room);
    let start = if left { x } else { x + room - width(&text) };
    canvas.text(start, y, text, role);
}

/// The latest request in letters of three lines, for the back row.
pub(super) fn large(model: &Model, canvas: &mut Canvas<'_>) {
    let Some(row) = model.fold.begun.checked_sub(1).and_then(|index| model.row(index)) else { return };
    let (text, role) = status(model, &row);
    let (name, _) = provider(model, &row);
    let pieces: Pieces<'_> = vec![
        (format!("#{} ", row.index + 1).into(), Role::Faint),
        (format!("{} ", text.trim_start_matches(model.theme.signs.dot).trim()).into(), role),
        (name.into(), Role::Strong),
    ];
    let mut x = 1;
    for (text, role) in &pieces {
        let room = canvas.width().saturating_sub(x) / letters::WIDTH;
        x = letters::draw(canvas, x, 0, &cut_within(text, room), *role);
    }
}
