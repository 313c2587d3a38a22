//! A time axis that does not waste its width on waiting.
//!
//! A failover lab is a few busy seconds, a minute of waiting, and a few busy seconds more. Long
//! stretches in which no request is under way become short breaks; the rest is to scale.

use std::time::Duration;

use super::svg::{Anchor, Svg};
use crate::event::{At, History};
use crate::source::duration::human;

/// Width of a break in percent, and of all breaks together at most.
const BREAK: f64 = 7.0;
const BREAKS: f64 = 40.0;
/// A stretch that is to scale has at least this width.
const NARROWEST: f64 = 5.0;
/// Room at both ends, so that marks are not cut off.
const MARGIN: f64 = 1.5;
/// Distance of labels at least, in a picture as wide as the page.
pub(super) const WIDE: f64 = 9.0;
/// The same in one of several side by side.
pub(super) const NARROW: f64 = 18.0;
/// Breaks and moments may stand so much closer to each other: one of two labels is short.
const CLOSER: f64 = 0.7;

/// Where moments stand, in percent of the width.
pub(super) struct Axis {
    stretches: Vec<Stretch>,
}

struct Stretch {
    from: u64,
    to: u64,
    left: f64,
    width: f64,
    idle: bool,
}

impl Axis {
    /// The axis of a run.
    pub(super) fn of(history: &History) -> Self {
        let end = history.now.0.max(1);
        let of_requests = history.requests.iter().map(|one| (one.sent.0, one.ended.unwrap_or(history.now).0));
        let of_evictions = history.evictions.iter().filter_map(|one| one.returned).map(|at| (at.0, at.0));
        Self::new(end, of_requests.chain(of_evictions).chain([(0, 0), (end, end)]).collect())
    }

    fn new(end: u64, mut busy: Vec<(u64, u64)>) -> Self {
        busy.sort_unstable();
        let at_work = merged(&busy).iter().map(|(from, to)| to - from).sum::<u64>();
        let long = (end / 8).min(at_work).max(1_000_000);
        let mut bounds: Vec<(u64, u64, bool)> = Vec::new();
        let (mut from, mut upto) = (0, 0);
        for (start, stop) in busy {
            if start > upto && start - upto >= long {
                // A little of the waiting stays, so that what happens at its ends is seen to end.
                let pad = ((start - upto) / 50).min(500_000);
                bounds.push((from, upto + pad, false));
                bounds.push((upto + pad, start - pad, true));
                from = start - pad;
            }
            upto = upto.max(stop);
        }
        bounds.push((from, end.max(upto), false));
        Self { stretches: laid_out(&bounds) }
    }

    /// The position of a moment in percent.
    pub(super) fn x(&self, at: At) -> f64 {
        let stretch = self.stretches.iter().find(|stretch| at.0 <= stretch.to).or(self.stretches.last());
        stretch.map_or(MARGIN, |stretch| {
            let share = ratio(at.0.saturating_sub(stretch.from), stretch.to - stretch.from).min(1.0);
            stretch.left + stretch.width * share
        })
    }

    /// Draws lines and labels of the axis over a picture of this height; labels stand below, [`WIDE`] or [`NARROW`]
    /// apart.
    pub(super) fn draw(&self, svg: &mut Svg, height: f64, apart: f64) {
        for stretch in self.breaks() {
            let told = format!("{} without a request", stretch.waited());
            svg.rect("idle", stretch.left, stretch.width, 0.0, height, &told);
        }
        let breaks = self.labelled_breaks(apart);
        for stretch in &breaks {
            let label = format!("⋯{}", stretch.waited());
            svg.text("tick faint", stretch.middle(), height + 13.0, Anchor::Middle, &label);
        }
        for (index, (at, label)) in self.ticks(&breaks, apart).into_iter().enumerate() {
            let x = self.x(at);
            svg.line("grid", (x, 0.0), (x, height));
            // Every second label gives way on a narrow screen.
            let class = if index % 2 == 0 { "tick" } else { "tick minor" };
            let anchor = if x < 4.0 {
                Anchor::Start
            } else if x > 96.0 {
                Anchor::End
            } else {
                Anchor::Middle
            };
            svg.text(class, x, height + 13.0, anchor, &label);
        }
    }

    fn breaks(&self) -> impl Iterator<Item = &Stretch> {
        self.stretches.iter().filter(|stretch| stretch.idle)
    }

    /// The breaks that say how long they are; the others do where the mouse is.
    fn labelled_breaks(&self, apart: f64) -> Vec<&Stretch> {
        let mut labelled: Vec<&Stretch> = Vec::new();
        for stretch in self.breaks() {
            if labelled.last().is_none_or(|last| stretch.middle() - last.middle() >= apart) {
                labelled.push(stretch);
            }
        }
        labelled
    }

    fn ticks(&self, breaks: &[&Stretch], apart: f64) -> Vec<(At, String)> {
        let mut ticks: Vec<(At, String)> = Vec::new();
        let free = |ticks: &[(At, String)], x: f64| {
            let is_apart = |(at, _): &(At, String)| (self.x(*at) - x).abs() >= apart;
            let beside = |stretch: &&Stretch| (stretch.middle() - x).abs() >= apart * CLOSER;
            ticks.last().is_none_or(is_apart) && breaks.iter().all(beside)
        };
        for stretch in self.stretches.iter().filter(|stretch| !stretch.idle) {
            let count = (stretch.width / (apart * 1.4)).max(1.0);
            let wanted = ratio(stretch.to - stretch.from, 1) / count;
            let before = ticks.len();
            // A short stretch may have no round moment: finer steps are tried until one fits.
            for finer in [1.0, 0.4, 0.1] {
                let step = nice_step(wanted * finer);
                let mut at = stretch.from.div_ceil(step) * step;
                while at <= stretch.to {
                    if free(&ticks, self.x(At(at))) {
                        ticks.push((At(at), label(at, step)));
                    }
                    at += step;
                }
                if ticks.len() > before {
                    break;
                }
            }
        }
        ticks
    }
}

impl Stretch {
    fn middle(&self) -> f64 {
        self.left + self.width / 2.0
    }

    fn waited(&self) -> String {
        human(Duration::from_secs((self.to - self.from).div_ceil(1_000_000)))
    }
}

/// Sorted ranges as ranges that do not meet.
fn merged(sorted: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut out: Vec<(u64, u64)> = Vec::new();
    for &(from, to) in sorted {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// Gives every stretch its width: breaks a fixed one, the others by their length.
fn laid_out(bounds: &[(u64, u64, bool)]) -> Vec<Stretch> {
    let idle = bounds.iter().filter(|(_, _, idle)| *idle).count();
    let room = 100.0 - 2.0 * MARGIN;
    let all_breaks = (BREAK * as_f64(idle as u64)).min(BREAKS);
    let one_break = if idle == 0 { 0.0 } else { all_breaks / as_f64(idle as u64) };
    let scaled = room - all_breaks;
    let lengths = bounds.iter().filter(|(_, _, idle)| !idle).map(|(from, to, _)| to - from);
    let total: u64 = lengths.clone().sum::<u64>().max(1);
    let weight = |length: u64| (ratio(length, total) * scaled).max(NARROWEST);
    let weights: f64 = lengths.map(weight).sum();
    let mut left = MARGIN;
    let mut stretches = Vec::new();
    for &(from, to, idle) in bounds {
        let width = if idle { one_break } else { weight(to - from) / weights * scaled };
        stretches.push(Stretch { from, to: to.max(from), left, width, idle });
        left += width;
    }
    stretches
}

/// The next of 1, 2, 5, 10, … microseconds; from a second on 1, 2, 5, 10, 15, 30 s, 1, 2, 5, 10 min, ….
fn nice_step(micros: f64) -> u64 {
    const STEPS: [u64; 26] = [
        1,
        10,
        100,
        1_000,
        2_000,
        5_000,
        10_000,
        20_000,
        50_000,
        100_000,
        200_000,
        500_000,
        1_000_000,
        2_000_000,
        5_000_000,
        10_000_000,
        15_000_000,
        30_000_000,
        60_000_000,
        120_000_000,
        300_000_000,
        600_000_000,
        1_800_000_000,
        3_600_000_000,
        10_800_000_000,
        43_200_000_000,
    ];
    STEPS.into_iter().find(|step| as_f64(*step) >= micros).unwrap_or(86_400_000_000)
}

/// `1:03`, or `1:03.25` where the steps are parts of a second; `2:00:00` from an hour on.
fn label(at: u64, step: u64) -> String {
    let seconds = at / 1_000_000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let whole = if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") };
    if step >= 1_000_000 {
        return whole;
    }
    let fraction = format!("{:06}", at % 1_000_000);
    let digits = fraction.trim_end_matches('0');
    if digits.is_empty() { whole } else { format!("{whole}.{digits}") }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { as_f64(part) / as_f64(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "a picture has no use for the last bits")]
pub(super) fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn waiting_becomes_a_break_and_the_rest_keeps_its_scale() {
        let axis = Axis::new(64 * SECOND, vec![(0, 2 * SECOND), (62 * SECOND, 64 * SECOND)]);
        let x = |seconds: u64| axis.x(At(seconds * SECOND));
        assert!(x(2) - x(1) > 10.0, "a busy second is wide: {}", x(2) - x(1));
        assert!(x(60) - x(5) < 10.0, "a minute of waiting is narrow");
        let mut last = -1.0;
        for second in 0..=64 {
            assert!(x(second) > last, "time goes to the right");
            last = x(second);
        }
        assert!(x(64) <= 100.0);
    }

    #[test]
    fn a_run_without_waiting_has_no_break() {
        let axis = Axis::new(10 * SECOND, (0..10).map(|second| (second * SECOND, (second + 1) * SECOND)).collect());
        let x = |seconds: u64| axis.x(At(seconds * SECOND));
        assert!((x(6) - x(5) - (x(2) - x(1))).abs() < 1e-9);
    }

    #[test]
    fn labels_do_not_run_into_one_another_however_often_a_run_waits() {
        let asked = |wait: u64| (wait * 30 * SECOND, (wait * 30 + 1) * SECOND);
        let axis = Axis::new(241 * SECOND, (0..9).map(asked).collect());
        assert_eq!(axis.breaks().count(), 8);
        for apart in [WIDE, NARROW] {
            let breaks = axis.labelled_breaks(apart);
            let ticks = axis.ticks(&breaks, apart);
            let mut places: Vec<f64> = ticks.iter().map(|(at, _)| axis.x(*at)).collect();
            places.extend(breaks.iter().map(|stretch| stretch.middle()));
            places.sort_by(f64::total_cmp);
            assert!(places.len() >= 3, "{places:?}");
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= apart * CLOSER), "{apart}: {places:?}");
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(label(63 * SECOND, SECOND), "1:03");
        assert_eq!(label(63_250_000, 50_000), "1:03.25");
        assert_eq!(label(7_200 * SECOND, SECOND), "2:00:00");
        assert_eq!(nice_step(300_000.0), 500_000);
    }

    #[test]
    fn an_empty_run_has_an_axis() {
        let axis = Axis::of(&History::default());
        assert!(axis.x(At(0)).is_finite());
    }
}
