//! Prometheus' classic text format, version 0.0.4: families of counters, gauges and histograms.
//!
//! Families stand in the order of their names and series in the order of their labels, so that the
//! same run gives the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The `Content-Type` of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Series of one family, at most. A client chooses models and methods; it must not choose how much
/// memory is used. What comes beyond is counted in one series more, labelled `labsim_overflow`.
const SERIES_LIMIT: usize = 2_000;

/// So much room labels are given at first.
const USUAL_LENGTH: usize = 512;

/// Labels with their values, as they are written: what tells one series of a family from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels(String);

/// What a family counts, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Description {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: FamilyKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets, in order, without the last one, which is infinite.
    Histogram(&'static [f64]),
}

/// All families with their series.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    /// Where each family is, by its name.
    names: BTreeMap<&'static str, usize>,
    families: Vec<Family>,
}

/// Where a series is in its registry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    family: usize,
    series: usize,
}

#[derive(Debug, Clone)]
struct Family {
    description: Description,
    /// Where among the series the one with these labels is.
    known: BTreeMap<Labels, usize>,
    series: Vec<Series>,
}

#[derive(Debug, Clone)]
enum Series {
    Number(f64),
    Histogram { counts: Vec<u64>, sum: f64 },
}

impl Description {
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: FamilyKind::Counter }
    }

    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: FamilyKind::Gauge }
    }

    pub(super) const fn histogram(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Self {
        Self { name, help, kind: FamilyKind::Histogram(bounds) }
    }
}

impl Registry {
    /// Adds to a counter, or to a gauge.
    pub(super) fn add(&mut self, what: &Description, labels: &Labels, amount: f64) {
        let place = self.place(what, labels);
        self.add_at(place, amount);
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, what: &Description, labels: &Labels, to: f64) {
        let place = self.place(what, labels);
        if let Series::Number(value) = &mut self.families[place.family].series[place.series] {
            *value = to;
        }
    }

    /// Adds to the counter or gauge at this place.
    pub(super) fn add_at(&mut self, place: Place, amount: f64) {
        if let Series::Number(value) = &mut self.families[place.family].series[place.series] {
            *value += amount;
        }
    }

    /// Counts a value in the histogram at this place.
    pub(super) fn observe_at(&mut self, place: Place, value: f64) {
        let family = &mut self.families[place.family];
        let FamilyKind::Histogram(bounds) = family.description.kind else { return };
        if let Series::Histogram { counts, sum } = &mut family.series[place.series] {
            let bucket = bounds.partition_point(|bound| *bound < value);
            if let Some(count) = counts.get_mut(bucket) {
                *count += 1;
            }
            *sum += value;
        }
    }

    /// Where the series with these labels is; it begins here if there is none.
    pub(super) fn place(&mut self, what: &Description, labels: &Labels) -> Place {
        let family = *self.names.entry(what.name).or_insert_with(|| {
            self.families.push(Family::new(what));
            self.families.len() - 1
        });
        let of_family = &mut self.families[family];
        let series = of_family.known.get(labels).copied().unwrap_or_else(|| of_family.begin(labels));
        Place { family, series }
    }

    /// The whole text, with the families of another registry in it.
    pub(super) fn render_with(&self, other: &Self) -> String {
        let mut out = String::new();
        let all =
            [self, other].into_iter().flat_map(|one| one.names.iter().map(|(name, at)| (name, &one.families[*at])));
        for family in all.collect::<BTreeMap<_, _>>().into_values() {
            family.render(&mut out);
        }
        out
    }
}

impl Family {
    fn new(description: &Description) -> Self {
        Self { description: *description, known: BTreeMap::new(), series: Vec::new() }
    }

    /// Begins a series with these labels, unless there are too many; gives its place.
    fn begin(&mut self, labels: &Labels) -> usize {
        let overflows = self.series.len() >= SERIES_LIMIT;
        let labels = if overflows { Labels::of(&[("labsim_overflow", "true")]) } else { labels.clone() };
        *self.known.entry(labels).or_insert_with(|| {
            self.series.push(match self.description.kind {
                FamilyKind::Counter | FamilyKind::Gauge => Series::Number(0.0),
                FamilyKind::Histogram(bounds) => Series::Histogram { counts: vec![0; bounds.len() + 1], sum: 0.0 },
            });
            self.series.len() - 1
        })
    }

    fn render(&self, out: &mut String) {
        let Description { name, help, kind } = self.description;
        let word = match kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram(_) => "histogram",
        };
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {word}");
        for (Labels(labels), index) in &self.known {
            match (&self.series[*index], kind) {
                (Series::Histogram { counts, sum }, FamilyKind::Histogram(bounds)) => {
                    histogram(out, name, labels, bounds, counts, *sum);
                }
                (Series::Number(value), _) => sample(out, name, labels, &number(*value)),
                (Series::Histogram { .. }, _) => {}
            }
        }
    }
}

fn histogram(out: &mut String, name: &str, labels: &str, bounds: &[f64], counts: &[u64], sum: f64) {
    let mut total = 0;
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    for (bound, count) in bounds.zip(counts) {
        total += count;
        let comma = if labels.is_empty() { "" } else { "," };
        let with_bound = format!("{labels}{comma}le=\"{}\"", number(bound));
        sample(out, &format!("{name}_bucket"), &with_bound, &total.to_string());
    }
    sample(out, &format!("{name}_sum"), labels, &number(sum));
    sample(out, &format!("{name}_count"), labels, &total.to_string());
}

fn sample(out: &mut String, name: &str, labels: &str, value: &str) {
    let _ =
        if labels.is_empty() { writeln!(out, "{name} {value}") } else { writeln!(out, "{name}{{{labels}}} {value}") };
}

/// A sample's value. Sums of microseconds are told to the microsecond, not to the last bit.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    short.to_owned()
}

impl Labels {
    /// These labels with these values, in this order.
    pub(super) fn of(pairs: &[(&'static str, &str)]) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.push(name, value);
        }
        labels
    }

    /// The same behind one label more.
    pub(super) fn behind(&self, name: &'static str, value: &str) -> Self {
        let mut labels = Self::of(&[(name, value)]);
        labels.0.push(',');
        labels.0.push_str(&self.0);
        labels
    }

    /// One label more.
    pub(super) fn push(&mut self, name: &'static str, value: &str) {
        let Self(text) = self;
        if text.is_empty() {
            text.reserve(USUAL_LENGTH);
        } else {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        if value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
            push_escaped(text, value);
        } else {
            text.push_str(value);
        }
        text.push('"');
    }
}

fn push_escaped(text: &mut String, value: &str) {
    for one in value.chars() {
        match one {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HITS: Description = Description::counter("hits_total", "Hits");
    const WAIT: Description = Description::histogram("wait_seconds", "Waits", &[0.1, 1.0]);

    #[test]
    fn families_and_series_are_sorted_and_buckets_add_up() {
        let mut registry = Registry::default();
        for value in [0.1, 0.5, 7.0] {
            let place = registry.place(&WAIT, &Labels::of(&[("a", "x")]));
            registry.observe_at(place, value);
        }
        registry.add(&HITS, &Labels::of(&[("path", "b")]), 2.0);
        registry.add(&HITS, &Labels::of(&[("path", "a\"\\\n")]), 1.0);
        let expected = r#"# HELP hits_total Hits
# TYPE hits_total counter
hits_total{path="a\"\\\n"} 1
hits_total{path="b"} 2
# HELP wait_seconds Waits
# TYPE wait_seconds histogram
wait_seconds_bucket{a="x",le="0.1"} 1
wait_seconds_bucket{a="x",le="1"} 2
wait_seconds_bucket{a="x",le="+Inf"} 3
wait_seconds_sum{a="x"} 7.6
wait_seconds_count{a="x"} 3
"#;
        assert_eq!(registry.render_with(&Registry::default()), expected);
    }

    #[test]
    fn a_client_cannot_make_series_without_end() {
        let mut registry = Registry::default();
        for model in 0..SERIES_LIMIT + 50 {
            registry.add(&HITS, &Labels::of(&[("model", &model.to_string())]), 1.0);
        }
        let text = registry.render_with(&Registry::default());
        assert!(text.contains("hits_total{labsim_overflow=\"true\"} 50\n"));
        assert_eq!(text.lines().count(), SERIES_LIMIT + 1 + 2);
    }
}
