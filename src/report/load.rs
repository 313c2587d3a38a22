//! What the loads of a run gave, in figures.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::style::{Meaning, Style};
use super::table;
use crate::event::measured::{PERCENTILES, Times, per_second, share};
use crate::event::{History, Measured};

/// A load and its figures.
#[derive(Debug, Clone)]
pub struct Load {
    /// Position of its step, from 0.
    pub step: usize,
    /// What it did, for people.
    pub summary: String,
    /// From its beginning to the end of its last request.
    pub elapsed: Duration,
    /// Its figures.
    pub measured: Measured,
}

/// The loads of a run that have had a request, in the order in which they began.
#[must_use]
pub fn of(history: &History) -> Vec<Load> {
    let mut loads = Vec::new();
    for step in &history.steps {
        let Some(measured) = Measured::of_step(history, step).filter(|one| one.requests > 0) else { continue };
        let last = history.requests_of(step.step).filter_map(|request| request.ended).max();
        let elapsed = last.unwrap_or(history.now).since(step.began);
        loads.push(Load { step: step.step, summary: step.summary.clone(), elapsed, measured });
    }
    loads
}

impl Load {
    /// The load for programs.
    #[must_use]
    pub fn as_json(&self) -> Json {
        let mut out = json!({ "step": self.step, "summary": self.summary });
        if let (Some(out), Json::Object(figures)) = (out.as_object_mut(), self.measured.as_json(self.elapsed)) {
            out.extend(figures);
        }
        out
    }
}

/// The figures as lines for people: how many, how fast, how well, and a table of times.
#[must_use]
pub fn lines(measured: &Measured, elapsed: Duration, style: Style) -> Vec<String> {
    let mut lines = vec![overview(measured, elapsed)];
    let ends: Vec<String> = measured.ends.iter().map(|(end, count)| format!("{end} {count}×")).collect();
    lines.push(ends.join(" · "));
    let rows = rows(measured);
    let mut table = table::columns(&rows).into_iter();
    lines.extend(table.next().map(|heading| style.paint(Meaning::Faint, heading).to_string()));
    lines.extend(table);
    lines
}

/// `1200 requests in 60.1s, 19.97/s · good 98.3%, 19.6/s`.
#[must_use]
pub fn overview(measured: &Measured, elapsed: Duration) -> String {
    let good = share(measured.good, measured.requests) * 100.0;
    let aims = aims(measured);
    format!(
        "{} in {:.2}s, {:.2}/s · goodput {:.2}/s, {good:.2}%{aims}",
        super::record::counted(usize::try_from(measured.requests).unwrap_or(usize::MAX), "request"),
        elapsed.as_secs_f64(),
        per_second(measured.requests, elapsed),
        per_second(measured.good, elapsed),
    )
}

fn aims(measured: &Measured) -> String {
    let aim =
        |name: &str, most: Option<u64>| most.map(|most| format!("{name} ≤ {}", short(Duration::from_micros(most))));
    let aims = [aim("first token", measured.aims.ttft_us), aim("latency", measured.aims.latency_us)];
    let aims: Vec<String> = aims.into_iter().flatten().collect();
    if aims.is_empty() { String::new() } else { format!(" ({})", aims.join(", ")) }
}

/// The table of times, its heading first. What never came has no row.
#[must_use]
pub fn rows(measured: &Measured) -> Vec<Vec<String>> {
    let mut heading = vec![String::new(), "mean".to_owned()];
    heading.extend(PERCENTILES.iter().map(|(name, _)| (*name).to_owned()));
    heading.push("max".to_owned());
    let named: [(&str, &Times); 5] = [
        ("latency", &measured.latency),
        ("service time", &measured.service),
        ("first token", &measured.first_token),
        ("between tokens", &measured.inter_token),
        ("sent late by", &measured.late),
    ];
    let with_values = named.into_iter().filter(|(_, times)| !times.is_empty());
    std::iter::once(heading).chain(with_values.map(|(name, times)| row(name, times))).collect()
}

fn row(name: &str, times: &Times) -> Vec<String> {
    let mut row = vec![name.to_owned(), short(times.mean())];
    row.extend(PERCENTILES.iter().map(|(_, quantile)| short(times.at(*quantile))));
    row.push(short(times.max()));
    row
}

/// Three digits and a unit: `120µs`, `4.21ms`, `1.5s`.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match duration.as_micros() {
        0..1_000 => return format!("{}µs", duration.as_micros()),
        1_000..1_000_000 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let texts = [0, 7, 999, 1_000, 4_210, 42_160, 421_000, 1_500_000, 61_000_000]
            .map(|micros| short(Duration::from_micros(micros)));
        assert_eq!(texts, ["0µs", "7µs", "999µs", "1.00ms", "4.21ms", "42.2ms", "421ms", "1.50s", "61.0s"]);
    }
}
