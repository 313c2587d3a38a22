//! How many retries a replica may make: a share of its requests, so that a retry storm cannot build.

/// Fifths of a retry that are saved: each request brings one, each retry costs five.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(u32);

/// Fifths that a retry costs.
const RETRY: u32 = 5;
/// The most that is saved, and what there is at the start: ten retries.
const MOST: u32 = 10 * RETRY;

impl Default for Budget {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Budget {
    /// A request has come.
    pub fn request(&mut self) {
        self.0 = (self.0 + 1).min(MOST);
    }

    /// Pays for a retry; says whether there was enough.
    pub fn retry(&mut self) -> bool {
        let left = self.0.checked_sub(RETRY);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_may_be_tried_again_and_ten_more() {
        let mut budget = Budget::default();
        let retries = (0..1_000).filter(|_| {
            budget.request();
            budget.retry()
        });
        assert_eq!(retries.count(), 209);
    }
}
