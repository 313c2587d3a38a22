//! Numbers over time and their distributions: status, share of the providers, latency, first token.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::load;
use super::super::record::RunRecord;
use super::super::xml::escaped;
use super::axis::{Axis, NARROW, as_f64};
use super::requests;
use super::svg::{Anchor, Class, Svg, legend};
use super::timeline::column;
use crate::event::history::{Pages, Request};

const COLUMNS: usize = 48;
const HEIGHT: f64 = 110.0;
/// Colours for providers; further ones begin again.
const COLOURS: usize = 6;

pub(super) fn render(out: &mut String, run: &RunRecord, axis: &Axis) {
    let requests = &run.history.requests;
    if requests.is_empty() {
        return;
    }
    out.push_str("<div class=\"charts\">\n");
    statuses(out, requests, axis);
    providers(out, requests, axis);
    let latencies: Vec<Duration> = requests.iter().filter_map(Request::duration).collect();
    histogram(out, "Latency", "from sending a request to the end of its answer", latencies);
    let first_tokens: Vec<Duration> = requests.iter().filter_map(Request::time_to_first_token).collect();
    histogram(out, "Time to first token", "streams only", first_tokens);
    out.push_str("</div>\n");
    loads(out, run);
}

/// The figures of each load.
fn loads(out: &mut String, run: &RunRecord) {
    for one in load::of(&run.history) {
        let overview = load::overview(&one.measured, one.elapsed);
        let _ = writeln!(
            out,
            "<section class=\"card\"><h3>{}</h3><p class=\"hint\">{}</p><div class=\"wide\"><table>",
            escaped(&one.summary),
            escaped(&overview)
        );
        for (index, row) in load::rows(&one.measured).iter().enumerate() {
            let tag = if index == 0 { "th" } else { "td" };
            let cells: Vec<String> =
                row.iter().map(|cell| format!("<{tag} class=\"n\">{}</{tag}>", escaped(cell))).collect();
            let _ = writeln!(out, "<tr>{}</tr>", cells.concat());
        }
        out.push_str("</table></div></section>\n");
    }
}

fn statuses(out: &mut String, requests: &Pages<Request>, axis: &Axis) {
    let series = Class::ALL.map(|class| (class.css().to_owned(), class.name().to_owned()));
    let class_of = |request: &Request| Class::ALL.iter().position(|class| *class == requests::class(request));
    let counts = counted_over_time(requests, axis, series.len(), class_of);
    let occurring =
        Class::ALL.into_iter().enumerate().filter(|(index, _)| counts.iter().any(|column| column[*index] > 0));
    card(
        out,
        "Status over time",
        &legend(occurring.map(|(_, class)| class), ""),
        &stacked(&series, &counts, axis, "requests by status"),
    );
}

fn providers(out: &mut String, requests: &Pages<Request>, axis: &Axis) {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for request in requests {
        *totals.entry(provider(request)).or_default() += 1;
    }
    let names: Vec<&str> = totals.keys().copied().collect();
    let colour = |index: usize| format!("c{}", index % COLOURS);
    let series: Vec<(String, String)> =
        names.iter().enumerate().map(|(index, name)| (colour(index), (*name).to_owned())).collect();
    let counts = counted_over_time(requests, axis, names.len(), |request| {
        names.iter().position(|name| *name == provider(request))
    });
    let mut key = String::from("<ul class=\"legend\">");
    for (index, (name, total)) in totals.iter().enumerate() {
        let share = as_f64(*total) / as_f64(requests.len() as u64) * 100.0;
        let _ = write!(
            key,
            "<li><span class=\"swatch {}\"></span>{} <small>{share:.0}%</small></li>",
            colour(index),
            escaped(name)
        );
    }
    key.push_str("</ul>\n");
    card(out, "Who answered", &key, &stacked(&series, &counts, axis, "requests by provider"));
}

fn provider(request: &Request) -> &str {
    request.provider().unwrap_or("gateway")
}

fn card(out: &mut String, title: &str, key: &str, picture: &str) {
    let _ = writeln!(out, "<section class=\"card\"><h3>{title}</h3>{key}{picture}</section>");
}

/// How many requests of each series were sent in every column of the axis.
fn counted_over_time(
    requests: &Pages<Request>,
    axis: &Axis,
    series: usize,
    of: impl Fn(&Request) -> Option<usize>,
) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; series]; COLUMNS];
    for request in requests {
        if let Some(count) = of(request).and_then(|index| counts[column(axis.x(request.sent), COLUMNS)].get_mut(index))
        {
            *count += 1;
        }
    }
    counts
}

fn stacked(series: &[(String, String)], counts: &[Vec<u64>], axis: &Axis, label: &str) -> String {
    let mut svg = Svg::new();
    axis.draw(&mut svg, HEIGHT, NARROW);
    let most = counts.iter().map(|column| column.iter().sum::<u64>()).max().unwrap_or(1).max(1);
    let width = 100.0 / as_f64(COLUMNS as u64);
    for (index, column) in counts.iter().enumerate() {
        let mut y = HEIGHT;
        for ((class, name), count) in series.iter().zip(column).filter(|(_, count)| **count > 0) {
            let height = pixels(*count, most);
            y -= height;
            svg.rect(class, width * as_f64(index as u64), width * 0.86, y, height, &format!("{count} {name}"));
        }
    }
    svg.text("tick faint", 100.0, 10.0, Anchor::End, &format!("most: {most}"));
    svg.finish("plot", HEIGHT + 18.0, label)
}

/// Height of a bar, leaving room for the label above.
fn pixels(count: u64, most: u64) -> f64 {
    ((HEIGHT - 16.0) * as_f64(count) / as_f64(most) * 100.0).round() / 100.0
}

/// A histogram over bounds that grow as 1, 2, 5, 10, …
fn histogram(out: &mut String, title: &str, what: &str, mut values: Vec<Duration>) {
    if values.is_empty() {
        return;
    }
    values.sort_unstable();
    let bounds = bounds(&values);
    let mut counts = vec![0_u64; bounds.len()];
    for value in &values {
        let index = bounds.partition_point(|bound| bound < value);
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let width = 100.0 / as_f64(bounds.len() as u64);
    let mut svg = Svg::new();
    for (index, (bound, count)) in bounds.iter().zip(&counts).enumerate() {
        let left = width * as_f64(index as u64);
        let height = pixels(*count, most);
        svg.rect(
            "bar",
            left + width * 0.06,
            width * 0.88,
            HEIGHT - height,
            height,
            &format!("{count} up to {}", short(*bound)),
        );
        if *count > 0 {
            svg.text("tick", left + width / 2.0, HEIGHT - height - 4.0, Anchor::Middle, &count.to_string());
        }
        // Six labels fit a narrow picture; of more, every second or third has one.
        if (bounds.len() - 1 - index).is_multiple_of(bounds.len().div_ceil(6)) {
            svg.text("tick", left + width / 2.0, HEIGHT + 13.0, Anchor::Middle, &format!("≤{}", short(*bound)));
        }
    }
    svg.line("lane", (0.0, HEIGHT), (100.0, HEIGHT));
    let key = format!("<p class=\"hint\">{what}: {}</p>\n", quantiles(&values));
    card(out, title, &key, &svg.finish("plot", HEIGHT + 18.0, title));
}

fn quantiles(sorted: &[Duration]) -> String {
    let at = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        requests::millis(sorted.get(rank).copied())
    };
    format!("p50 {} · p90 {} · p99 {} · max {}", at(50), at(90), at(99), at(100))
}

/// Bounds from the one that holds the least value to the one that holds the greatest.
fn bounds(sorted: &[Duration]) -> Vec<Duration> {
    let (Some(least), Some(greatest)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let mut bounds = Vec::new();
    let mut decade = 1_u64;
    while decade < 1_000_000_000_000 {
        for factor in [1, 2, 5] {
            let bound = Duration::from_micros(decade * 1_000 * factor);
            if bound >= *least {
                bounds.push(bound);
            }
            if bound >= *greatest {
                return bounds;
            }
        }
        decade *= 10;
    }
    bounds
}

/// `5ms`, `2s`, `500s`
fn short(bound: Duration) -> String {
    let millis = bound.as_millis();
    if millis < 1_000 { format!("{millis}ms") } else { format!("{}s", millis / 1_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_all_values() {
        let values = [3, 40, 1_200].map(Duration::from_millis);
        let texts: Vec<String> = bounds(&values).into_iter().map(short).collect();
        assert_eq!(texts, ["5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s"]);
        assert_eq!(bounds(&[Duration::ZERO]).len(), 1);
    }

    #[test]
    fn quantiles_are_values_that_came() {
        let values: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantiles(&values), "p50 50ms · p90 90ms · p99 99ms · max 100ms");
        assert_eq!(quantiles(&values[..1]), "p50 1ms · p90 1ms · p99 1ms · max 1ms");
    }
}
