//! How long requests took: figures over what the client saw.

use std::time::Duration;

use super::answers::observed;
use super::expectations::{Came, Scope};
use crate::event::history::Request;
use crate::scenario::expect::{Bounds, Figure, Timed};
use crate::source::Span;
use crate::source::amount::counted;
use crate::source::duration::human;

/// How many requests are named as evidence.
const NAMED: usize = 3;

/// Whether a figure over the requests lies within its bounds. Without a value it is unknown.
pub(super) fn judge(scope: &Scope<'_>, of: Timed, figure: Figure, within: &Bounds<Span>) -> Came {
    let mut values: Vec<(Duration, &Request)> =
        scope.requests.iter().filter_map(|request| Some((value(of, request)?, *request))).collect();
    values.sort_by_key(|(value, request)| (*value, request.number));
    let expected = format!("{figure} is {within}");
    let Some(found) = over(&values, figure) else { return Came::unknown(expected, nothing(of)) };
    let told = format!("{figure} is {}, of {}", human(found), counted(values.len() as u64, "request"));
    if within.contain(Span(found)) {
        return Came::pass(told);
    }
    let too_long = within.most.is_some_and(|most| found > most.0);
    let named: Vec<&(Duration, &Request)> =
        if too_long { values.iter().rev().take(NAMED).collect() } else { values.iter().take(NAMED).collect() };
    let lines = named.into_iter().map(|(value, request)| {
        format!("request {} at {}: {}, {of} {}", request.number, request.intended(), observed(request), human(*value))
    });
    let certain = match figure {
        Figure::Max => too_long,
        Figure::Min => !too_long,
        Figure::Mean | Figure::PerMille(_) => false,
    };
    Came::fail(expected, told).because(lines).certain(certain)
}

fn nothing(of: Timed) -> String {
    match of {
        Timed::Latency => "no request ended".to_owned(),
        Timed::FirstToken => "no stream had a first token".to_owned(),
        Timed::InterToken => "no stream tells of two tokens".to_owned(),
    }
}

/// A figure over values in ascending order.
fn over(values: &[(Duration, &Request)], figure: Figure) -> Option<Duration> {
    let count = values.len();
    let index = match figure {
        Figure::Mean => {
            let sum: Duration = values.iter().map(|(value, _)| *value).sum();
            return sum.checked_div(u32::try_from(count).ok()?);
        }
        Figure::Min => 0,
        Figure::Max => count.checked_sub(1)?,
        // The nearest rank, from 1.
        Figure::PerMille(mille) => (count * usize::from(mille)).div_ceil(1_000).saturating_sub(1),
    };
    values.get(index).map(|(value, _)| *value)
}

fn value(of: Timed, request: &Request) -> Option<Duration> {
    match of {
        Timed::Latency => request.duration(),
        Timed::FirstToken => request.time_to_first_token(),
        Timed::InterToken => request.inter_token(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{At, Usage};

    fn took(millis: u64) -> Request {
        Request { sent: At(1_000), ended: Some(At(1_000 + millis * 1_000)), ..Request::default() }
    }

    /// The figure over requests that took these milliseconds.
    fn figure(figure: Figure, millis: &[u64]) -> Option<u128> {
        let requests: Vec<Request> = millis.iter().copied().map(took).collect();
        let values: Vec<_> = requests.iter().map(|one| (value(Timed::Latency, one).unwrap(), one)).collect();
        over(&values, figure).map(|value| value.as_millis())
    }

    #[test]
    fn percentiles_are_values_that_came() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (wanted, of_hundred, of_three) in [
            (Figure::Min, 1, 10),
            (Figure::PerMille(500), 50, 20),
            (Figure::PerMille(750), 75, 30),
            (Figure::PerMille(990), 99, 30),
            (Figure::PerMille(999), 100, 30),
            (Figure::Max, 100, 30),
            (Figure::Mean, 50, 20),
        ] {
            assert_eq!(figure(wanted, &hundred), Some(of_hundred), "{wanted}");
            assert_eq!(figure(wanted, &[10, 20, 30]), Some(of_three), "{wanted}");
            assert_eq!(figure(wanted, &[]), None, "{wanted}");
            assert_eq!(figure(wanted, &[7]), Some(7), "{wanted}");
        }
    }

    #[test]
    fn the_time_between_tokens_needs_two_of_them() {
        let stream =
            |usage, body: &str| Request { first_token: Some(At(11_000)), usage, body: body.to_owned(), ..took(50) };
        let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        let output = |output| Some(Usage { input: 3, output });
        let between = |request: &Request| value(Timed::InterToken, request).map(|value| value.as_millis());
        assert_eq!(between(&stream(output(5), "")), Some(10), "40 ms after the first of five");
        assert_eq!(between(&stream(None, &chunk.repeat(3))), Some(20));
        assert_eq!(between(&stream(output(1), "")), None);
        assert_eq!(between(&stream(None, chunk)), None);
        assert_eq!(between(&stream(None, &chunk.repeat(100))), None, "only a part of the body is kept");
        assert_eq!(between(&took(50)), None);
        assert_eq!(value(Timed::FirstToken, &stream(None, "")), Some(Duration::from_millis(10)));
    }
}
