//! The space-time diagram: who spoke to whom, from the top to the bottom.
//!
//! A lifeline for the client, each replica of the gateway and each provider. Messages follow each
//! other at even distances, so that microseconds and minutes can be read alike; the time stands at
//! the left, and a long wait has a line of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::record::RunRecord;
use super::super::xml::escaped;
use super::axis::as_f64;
use super::requests;
use super::svg::{Anchor, Class, Svg};
use crate::event::{At, Event, Kind, Outcome};
use crate::source::duration::human;

/// Messages, at most.
const ROWS: usize = 240;
/// Those that are shown without a click.
const OPEN: usize = 60;
/// Pixels from one message to the next.
const STEP: f64 = 24.0;
/// A wait of this length has a line of its own.
const LONG: Duration = Duration::from_secs(5);

struct Row {
    at: At,
    what: What,
}

enum What {
    Message {
        from: usize,
        to: usize,
        label: String,
        class: &'static str,
        link: Option<String>,
    },
    /// `away`: on which replica a provider's eviction begins (true) or ends.
    Note {
        at: usize,
        text: String,
        class: &'static str,
        away: Option<(u32, bool)>,
    },
    Wait(Duration),
}

/// Who stands in which column.
struct Columns {
    names: Vec<String>,
    replicas: BTreeMap<u32, usize>,
    providers: BTreeMap<String, usize>,
}

pub(super) fn render(out: &mut String, number: usize, run: &RunRecord) {
    let columns = Columns::of(run);
    let (rows, complete) = rows(run, number, &columns);
    if rows.is_empty() {
        return;
    }
    let open = if rows.len() <= OPEN { " open" } else { "" };
    let _ = write!(
        out,
        "<details class=\"card spacetime\"{open}><summary><h3>Who spoke to whom</h3></summary>\n\
         <div class=\"across\" style=\"--columns:{}\">\n<div class=\"lifelines\"><span></span><ol>",
        columns.names.len()
    );
    for name in &columns.names {
        let _ = write!(out, "<li>{}</li>", escaped(name));
    }
    out.push_str("</ol></div>\n<div class=\"messages\">");
    let height = STEP * as_f64(rows.len() as u64 + 1);
    out.push_str(&times(&rows, height));
    out.push_str(&picture(&rows, &columns, height));
    out.push_str("</div>\n</div>\n");
    if !complete {
        let _ = writeln!(out, "<p class=\"notice\">The first {ROWS} messages; the recording has them all.</p>");
    }
    out.push_str("</details>\n");
}

impl Columns {
    fn of(run: &RunRecord) -> Self {
        let mut columns =
            Self { names: vec!["client".to_owned()], replicas: BTreeMap::new(), providers: BTreeMap::new() };
        let several = run.header.replicas > 1;
        for replica in 0..run.header.replicas.max(run.history.replicas) {
            columns.replicas.insert(replica, columns.names.len());
            columns.names.push(if several { format!("gateway {replica}") } else { "gateway".to_owned() });
        }
        let attempts = || run.history.requests.iter().flat_map(|request| &request.attempts);
        let named =
            run.header.backends.iter().flat_map(|backend| &backend.groups).flatten().map(|one| one.name.as_str());
        for name in named.chain(attempts().map(|attempt| attempt.provider.as_str())) {
            if attempts().any(|attempt| attempt.provider == name) && !columns.providers.contains_key(name) {
                columns.providers.insert(name.to_owned(), columns.names.len());
                columns.names.push(name.to_owned());
            }
        }
        columns
    }

    fn x(&self, column: usize) -> f64 {
        (as_f64(column as u64) + 0.5) / as_f64(self.names.len() as u64) * 100.0
    }

    /// The replica's name, where there are several.
    fn on(&self, replica: u32) -> String {
        if self.replicas.len() > 1 { format!(" on gateway {replica}") } else { String::new() }
    }

    fn replica(&self, replica: u32) -> usize {
        self.replicas.get(&replica).copied().unwrap_or(0)
    }

    fn provider(&self, provider: &str) -> usize {
        self.providers.get(provider).copied().unwrap_or(0)
    }
}

/// The messages, and whether these are all.
fn rows(run: &RunRecord, number: usize, columns: &Columns) -> (Vec<Row>, bool) {
    let mut rows: Vec<Row> = Vec::new();
    for event in &run.events {
        let Some(what) = what(run, number, columns, event) else { continue };
        if rows.len() >= ROWS {
            return (rows, false);
        }
        if let Some(last) = rows.last().filter(|last| event.at_us.since(last.at) >= LONG) {
            let (at, waited) = (last.at, event.at_us.since(last.at));
            rows.push(Row { at, what: What::Wait(waited) });
        }
        rows.push(Row { at: event.at_us, what });
    }
    (rows, true)
}

fn what(run: &RunRecord, number: usize, columns: &Columns, event: &Event) -> Option<What> {
    let name = |id: &str| run.history.request(id).map_or_else(String::new, |request| format!("#{}", request.number));
    let link = |id: &str| run.history.request(id).map(|request| requests::anchor(number, request));
    let message = |from, to, label, class, id: &str| Some(What::Message { from, to, label, class, link: link(id) });
    match &event.kind {
        Kind::ClientRequestSent { request, replica: Some(replica), method, path, .. } => {
            let label = shortened(&format!("{} {method} {path}", name(request)));
            message(0, columns.replica(*replica), label, "ask", request)
        }
        Kind::AttemptStarted { request, replica, attempt, provider, .. } => {
            let again = if *attempt > 0 { format!(" attempt {}", attempt + 1) } else { String::new() };
            let label = format!("{}{again}", name(request));
            message(columns.replica(*replica), columns.provider(provider), label, "ask", request)
        }
        Kind::AttemptEnded { request, replica, provider, outcome, status, .. } => {
            let (label, class) = answer(&name(request), *status, *outcome);
            message(columns.provider(provider), columns.replica(*replica), label, class, request)
        }
        Kind::ClientRequestEnded { request, outcome, status, .. } => {
            let replica = run.history.request(request).and_then(|request| request.replica);
            let (label, class) = answer(&name(request), *status, *outcome);
            message(replica.map_or(0, |replica| columns.replica(replica)), 0, label, class, request)
        }
        Kind::ProviderEvicted { replica, provider, until_us, .. } => {
            let text = format!("evicted for {}{}", human(until_us.since(event.at_us)), columns.on(*replica));
            let away = Some((*replica, true));
            Some(What::Note { at: columns.provider(provider), text, class: "note out", away })
        }
        Kind::ProviderReturned { replica, provider, .. } => {
            let text = format!("back{}", columns.on(*replica));
            Some(What::Note { at: columns.provider(provider), text, class: "note", away: Some((*replica, false)) })
        }
        Kind::ReplicaStopped { replica } => {
            let text = "stopped: health is forgotten".to_owned();
            Some(What::Note { at: columns.replica(*replica), text, class: "note out", away: None })
        }
        Kind::ReplicaConfigured { replica, .. } => {
            let text = "takes the new configuration".to_owned();
            Some(What::Note { at: columns.replica(*replica), text, class: "note", away: None })
        }
        Kind::ReplicaStarted { replica } if event.at_us.0 > 0 => {
            Some(What::Note { at: columns.replica(*replica), text: "started".to_owned(), class: "note", away: None })
        }
        Kind::Note { text } => Some(What::Note { at: 0, text: text.clone(), class: "note said", away: None }),
        // The rest is inside one of them.
        _ => None,
    }
}

fn answer(name: &str, status: Option<u16>, outcome: Outcome) -> (String, &'static str) {
    let class = Class::of(status, outcome == Outcome::Complete).css();
    let words = match (status, outcome) {
        (Some(status), Outcome::Complete) => status.to_string(),
        (Some(status), broken) => format!("{status} {}", broken.name()),
        (None, broken) => broken.name().to_owned(),
    };
    (format!("{name} {words}"), class)
}

fn times(rows: &[Row], height: f64) -> String {
    let mut svg = Svg::new();
    let mut last = None;
    for (index, row) in rows.iter().enumerate() {
        let y = STEP * (as_f64(index as u64) + 0.8);
        match row.what {
            What::Wait(waited) => svg.text(
                "tick faint",
                100.0,
                y,
                Anchor::End,
                &format!("⋮ {}", human(Duration::from_secs(waited.as_secs()))),
            ),
            _ if last != Some(row.at) => svg.text("tick", 100.0, y, Anchor::End, &row.at.to_string()),
            _ => {}
        }
        last = Some(row.at);
    }
    svg.finish("times", height, "times of the messages")
}

fn picture(rows: &[Row], columns: &Columns, height: f64) -> String {
    let mut svg = Svg::new();
    for column in 0..columns.names.len() {
        let x = columns.x(column);
        svg.line("lifeline", (x, 0.0), (x, height));
    }
    absences(&mut svg, rows, columns);
    for (index, row) in rows.iter().enumerate() {
        let y = STEP * (as_f64(index as u64) + 0.8);
        match &row.what {
            What::Message { from, to, label, class, link } => {
                let (from, to) = (columns.x(*from), columns.x(*to));
                match link {
                    Some(id) => svg.link(id, |svg| message(svg, from, to, y, label, class)),
                    None => message(&mut svg, from, to, y, label, class),
                }
            }
            What::Note { at, text, class, away: _ } => {
                let x = columns.x(*at);
                // A note must not leave the picture on either side.
                let (anchor, dx) = if x > 60.0 { (Anchor::End, -1.5) } else { (Anchor::Start, 1.5) };
                svg.shape("dot", x, y - 4.0, "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z", "");
                svg.text(class, x + dx, y, anchor, text);
            }
            What::Wait(_) => svg.line("wait", (0.0, y - 4.0), (100.0, y - 4.0)),
        }
    }
    svg.finish("plot", height, "messages between client, gateway and providers")
}

/// Marks on the lifelines of providers where a replica has evicted them. A replica that stops
/// forgets.
fn absences(svg: &mut Svg, rows: &[Row], columns: &Columns) {
    let mut begun: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    let mut draw = |(at, replica): (usize, u32), from: usize, to: usize| {
        let dx = 5 * i64::from(replica % 8) - if columns.replicas.len() > 1 { 5 } else { 0 };
        let path = format!("M{dx},0V{}", STEP * as_f64((to - from) as u64));
        svg.shape("away", columns.x(at), STEP * (as_f64(from as u64) + 0.6), &path, "evicted");
    };
    for (index, row) in rows.iter().enumerate() {
        match &row.what {
            What::Note { at, away: Some((replica, true)), .. } => {
                begun.entry((*at, *replica)).or_insert(index);
            }
            What::Note { at, away: Some((replica, false)), .. } => {
                if let Some(from) = begun.remove(&(*at, *replica)) {
                    draw((*at, *replica), from, index);
                }
            }
            What::Note { .. } | What::Message { .. } | What::Wait(_) => {}
        }
    }
    for (key, from) in begun {
        draw(key, from, rows.len());
    }
}

/// A label that two lifelines have room for.
fn shortened(label: &str) -> String {
    if label.chars().count() <= 28 { label.to_owned() } else { label.chars().take(27).chain(['…']).collect() }
}

fn message(svg: &mut Svg, from: f64, to: f64, y: f64, label: &str, class: &str) {
    let class = format!("message {class}");
    svg.line(&class, (from, y), (to, y));
    let head = if to > from { "M0,0L-7,-4V4z" } else { "M0,0L7,-4V4z" };
    svg.shape(&class, to, y, head, "");
    svg.text(&class, f64::midpoint(from, to), y - 4.0, Anchor::Middle, label);
}
