//! Counts in words: `1 request`, `2 requests`, `3 retries`.

/// A count and what it counts, in the singular or in the plural.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "run")), ["0 runs", "1 run", "2 runs"]);
        assert_eq!([1, 3].map(|count| counted(count, "retry")), ["1 retry", "3 retries"]);
    }
}
