//! A real rate limit: token buckets of requests and of tokens.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;

use super::{Answer, AnswerFault, Asked, Effect, Headers, error_body, header};
use crate::fault::Acts;
use crate::fault::define::fault;
use crate::source::Span;
use crate::source::duration::as_go;

fault! {
    /// The provider has a rate limit: requests above it get a 429 that says when to come back.
    ///
    /// Each simulator and model has a bucket of requests and one of tokens, which start full and fill
    /// up evenly. All answers carry `x-ratelimit-*` headers that count down; a 429 comes exactly when
    /// a bucket has too little, with `retry-after` and `retry-after-ms` until it has enough. A
    /// request costs its `max_tokens`, or a quarter of its characters where that is more.
    pub struct RateLimit = "rate-limit" {
        /// Requests that a full bucket holds.
        pub requests: NonZeroU64 = NonZeroU64::new(3).unwrap_or(NonZeroU64::MIN),
        /// Tokens that a full bucket holds; without limit where absent.
        pub tokens: Option<NonZeroU64> = None,
        /// In which time an empty bucket is full again.
        pub per: Span = Span(Duration::from_mins(1)),
    }
}

/// A bucket, exact to the nanosecond: it holds parts, of which a nanosecond adds `limit` and one
/// request takes as many as `per` has nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    level: u128,
    filled_at: Duration,
}

/// A limit: so many in such a time.
#[derive(Clone, Copy)]
struct Limit {
    count: u64,
    per: u128,
}

impl Limit {
    fn capacity(self) -> u128 {
        u128::from(self.count) * self.per
    }

    fn time_for(self, parts: u128) -> Duration {
        let nanos = parts.div_ceil(u128::from(self.count.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Bucket {
    fn full(limit: Limit, now: Duration) -> Self {
        Self { level: limit.capacity(), filled_at: now }
    }

    fn fill(&mut self, limit: Limit, now: Duration) {
        let elapsed = now.saturating_sub(self.filled_at).as_nanos();
        self.level = (self.level + elapsed.saturating_mul(u128::from(limit.count))).min(limit.capacity());
        self.filled_at = now.max(self.filled_at);
    }

    /// Time until it holds `amount`; zero if it does, none if it never will.
    fn wait_for(self, limit: Limit, amount: u64) -> Option<Duration> {
        let wanted = u128::from(amount) * limit.per;
        (wanted <= limit.capacity()).then(|| limit.time_for(wanted.saturating_sub(self.level)))
    }

    fn take(&mut self, limit: Limit, amount: u64) {
        self.level = self.level.saturating_sub(u128::from(amount) * limit.per);
    }
}

impl AnswerFault for RateLimit {
    const ACTS: Acts = Acts::OnRequest;

    fn effect(&self, asked: Asked<'_>) -> Effect {
        let per = self.per.0.as_nanos().max(1);
        let requests = Limit { count: self.requests.get(), per };
        let tokens = Limit { count: self.tokens.map_or(u64::MAX >> 1, NonZeroU64::get), per };
        let limits = [(requests, 1), (tokens, asked.tokens)];
        let key = (asked.host.to_owned(), asked.model.unwrap_or_default().to_owned());
        let new = [Bucket::full(requests, asked.now), Bucket::full(tokens, asked.now)];
        let buckets = asked.memory.buckets.entry(key).or_insert(new);
        let mut waits = Vec::new();
        for (bucket, (limit, amount)) in buckets.iter_mut().zip(limits) {
            bucket.fill(limit, asked.now);
            waits.push(bucket.wait_for(limit, amount));
        }
        let refused = waits.iter().position(|wait| *wait != Some(Duration::ZERO));
        if refused.is_none() {
            for (bucket, (limit, amount)) in buckets.iter_mut().zip(limits) {
                bucket.take(limit, amount);
            }
        }
        let mut headers = told("requests", requests, buckets[0]);
        if self.tokens.is_some() {
            headers.extend(told("tokens", tokens, buckets[1]));
        }
        match refused {
            None => Effect::Told(headers),
            Some(which) => {
                let what = if which == 0 { "requests" } else { "tokens" };
                refusal(
                    what,
                    limits.get(which).map_or(0, |(limit, _)| limit.count),
                    waits.into_iter().flatten().max(),
                    headers,
                )
            }
        }
    }
}

fn told(what: &str, limit: Limit, bucket: Bucket) -> Headers {
    let [limit_name, remaining, reset] = match what {
        "requests" => ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        _ => ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    };
    let missing = limit.capacity() - bucket.level;
    [
        header(limit_name, &limit.count.to_string()),
        header(remaining, &(bucket.level / limit.per).to_string()),
        header(reset, &as_go(limit.time_for(missing))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn refusal(what: &str, limit: u64, wait: Option<Duration>, mut headers: Headers) -> Effect {
    headers.extend(header("content-type", "application/json"));
    if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
        let millis = wait.as_nanos().div_ceil(1_000_000);
        headers.extend(header("retry-after-ms", &millis.to_string()));
        headers.extend(header("retry-after", &millis.div_ceil(1_000).to_string()));
    }
    let again = wait.map_or_else(String::new, |wait| format!(" Please try again in {}.", as_go(wait)));
    let body = error_body(429, &format!("Rate limit reached on {what}: limit {limit}.{again}"));
    Effect::Instead(Answer { status: 429, headers, body: Bytes::from(body) })
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;
    use crate::fault::amount::tests::Loaded;

    fn ask(fault: &RateLimit, memory: &mut Memory, millis: u64, tokens: u64) -> String {
        let asked = Asked {
            host: "h",
            model: None,
            tokens,
            stream: false,
            now: Duration::from_millis(millis),
            wall: jiff::Timestamp::UNIX_EPOCH,
            dice: Box::new(Loaded(0.0)),
            memory,
        };
        let value = |headers: &Headers, wanted: &str| {
            headers
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        match AnswerFault::effect(fault, asked) {
            Effect::Told(headers) => format!("{} left", value(&headers, "x-ratelimit-remaining-requests")),
            Effect::Instead(answer) => format!("{} in {}ms", answer.status, value(&answer.headers, "retry-after-ms")),
            _ => panic!("it answers or tells"),
        }
    }

    #[test]
    fn a_429_comes_exactly_while_the_bucket_is_empty() {
        let fault = RateLimit { requests: NonZeroU64::new(2).unwrap(), ..RateLimit::default() };
        let mut memory = Memory::default();
        let told: Vec<_> =
            [0, 0, 0, 29_999, 30_000, 30_001, 120_000].map(|at| ask(&fault, &mut memory, at, 1)).into_iter().collect();
        assert_eq!(told, ["1 left", "0 left", "429 in 30000ms", "429 in 1ms", "0 left", "429 in 29999ms", "1 left"]);
    }

    #[test]
    fn tokens_have_a_bucket_of_their_own() {
        let fault = RateLimit { tokens: NonZeroU64::new(60), ..RateLimit::default() };
        let mut memory = Memory::default();
        assert_eq!(ask(&fault, &mut memory, 0, 59), "2 left");
        assert_eq!(ask(&fault, &mut memory, 0, 31), "429 in 30000ms");
        assert_eq!(ask(&fault, &mut memory, 0, 61), "429 in ms", "it never will");
    }
}
