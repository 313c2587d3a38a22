//! Times and numbers as the screen writes them.

use std::time::Duration;

use crate::event::At;

/// A moment: `01:02.345`, from an hour on `1:01:02.345`.
pub(super) fn moment(at: At) -> String {
    let millis = at.0 / 1_000;
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let rest = format!("{:02}.{:03}", millis / 1_000 % 60, millis % 1_000);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest}") } else { format!("{minutes:02}:{rest}") }
}

/// How long something took: `50ms`, `1372ms`, `61.0s`, `0.4ms`.
pub(super) fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0 => "0ms".to_owned(),
        1..10_000 => format!("{}.{}ms", micros / 1_000, micros / 100 % 10),
        10_000..10_000_000 => format!("{}ms", micros / 1_000),
        10_000_000..600_000_000 => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
        _ => format!("{}m", micros / 60_000_000),
    }
}

/// How long something still lasts: `43.2s`, `12:07`, `3:05:00`.
pub(super) fn countdown(left: Duration) -> String {
    let tenths = left.as_millis().div_ceil(100);
    let seconds = tenths / 10;
    match seconds {
        0..100 => format!("{seconds}.{}s", tenths % 10),
        100..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// `1st`, `2nd`, `3rd`, `11th`.
pub(super) fn nth(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A number that stays short: `950`, `12.3k`, `4.5M`.
#[expect(clippy::cast_precision_loss, reason = "for eyes")]
pub(super) fn short(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well_at_every_size() {
        assert_eq!(moment(At(62_345_678)), "01:02.345");
        assert_eq!(moment(At(3_662_345_678)), "1:01:02.345");
        let took = |micros: u64| millis(Duration::from_micros(micros));
        assert_eq!([took(400), took(50_000), took(1_372_000), took(61_040_000)], ["0.4ms", "50ms", "1372ms", "61.0s"]);
        let left = |millis: u64| countdown(Duration::from_millis(millis));
        assert_eq!(
            [left(0), left(1), left(43_150), left(727_000), left(11_100_000)],
            ["0.0s", "0.1s", "43.2s", "12:07", "3:05:00"]
        );
        assert_eq!([nth(1), nth(2), nth(3), nth(11), nth(22)], ["1st", "2nd", "3rd", "11th", "22nd"]);
        assert_eq!([short(9_999), short(12_345), short(4_500_000)], ["9999", "12.3k", "4.5M"]);
    }
}
