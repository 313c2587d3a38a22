//! Rate limits: for each key, organisation and model a bucket of requests and one of tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use super::auth::Caller;
use super::error::ApiError;
use crate::event::At;
use crate::source::duration::as_go;

/// What may be asked of each model with one key, for one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// For models that are not named below.
    pub default: Limit,
    /// For single models, by their undated name.
    pub models: BTreeMap<String, Limit>,
}

/// What may be asked of one model. A bucket starts full and fills up evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// Tokens a minute; a request takes the larger of its `max_tokens` and a quarter of its characters.
    pub tokens_per_minute: u64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { requests_per_minute: 500, tokens_per_minute: 30_000 }
    }
}

/// A bucket, exact to the microsecond: it holds parts of a sixty-millionth, of which each
/// microsecond adds as many as the limit is.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: u64,
    level: u128,
    filled_at: At,
}

const PARTS: u128 = 60_000_000;

impl Bucket {
    fn full(limit: u64, now: At) -> Self {
        Self { limit, level: u128::from(limit) * PARTS, filled_at: now }
    }

    fn capacity(&self) -> u128 {
        u128::from(self.limit) * PARTS
    }

    fn fill(&mut self, now: At) {
        let elapsed = now.since(self.filled_at).as_micros();
        self.level = self.level.saturating_add(elapsed.saturating_mul(u128::from(self.limit))).min(self.capacity());
        self.filled_at = self.filled_at.max(now);
    }

    fn take(&mut self, amount: u64) {
        self.level = self.level.saturating_sub(u128::from(amount) * PARTS);
    }

    /// Time until the bucket holds `amount`; zero if it does.
    fn wait_for(&self, amount: u64) -> Duration {
        let missing = (u128::from(amount) * PARTS).saturating_sub(self.level);
        self.time_for(missing)
    }

    /// Time until the bucket is full.
    fn reset(&self) -> Duration {
        self.time_for(self.capacity() - self.level)
    }

    fn time_for(&self, parts: u128) -> Duration {
        match parts
            .checked_add(u128::from(self.limit).saturating_sub(1))
            .and_then(|sum| sum.checked_div(self.limit.into()))
        {
            Some(micros) => Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)),
            None if parts == 0 => Duration::ZERO,
            // A limit of zero never fills.
            None => Duration::from_hours(24),
        }
    }

    fn remaining(&self) -> u64 {
        u64::try_from(self.level / PARTS).unwrap_or(u64::MAX)
    }
}

/// The two buckets of one key, organisation and model.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    requests: Bucket,
    tokens: Bucket,
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// By the number of the key, the organisation, and the model's undated name.
    buckets: BTreeMap<(usize, String, &'static str), Buckets>,
}

/// What the limits say of a request: whether it may pass, and the headers that tell how much is left.
pub(crate) struct Verdict {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) refusal: Option<ApiError>,
}

/// A request, as the limits see it.
pub(crate) struct Demand<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) family: &'static str,
    pub(crate) model: &'a str,
    pub(crate) tokens: u64,
}

impl Limiter {
    /// Takes a request's share from both buckets, or refuses it and takes nothing.
    pub(crate) fn admit(&mut self, limits: &RateLimits, demand: &Demand<'_>, now: At) -> Verdict {
        let limit = limits.models.get(demand.family).copied().unwrap_or(limits.default);
        let key = (demand.caller.key, demand.caller.organization.clone(), demand.family);
        let buckets = self.buckets.entry(key).or_insert_with(|| Buckets {
            requests: Bucket::full(limit.requests_per_minute, now),
            tokens: Bucket::full(limit.tokens_per_minute, now),
        });
        buckets.requests.fill(now);
        buckets.tokens.fill(now);
        let refusal = refusal(&buckets.requests, 1, demand, "requests")
            .or_else(|| refusal(&buckets.tokens, demand.tokens, demand, "tokens"));
        if refusal.is_none() {
            buckets.requests.take(1);
            buckets.tokens.take(demand.tokens);
        }
        Verdict { headers: headers(buckets), refusal }
    }
}

fn refusal(bucket: &Bucket, amount: u64, demand: &Demand<'_>, kind: &'static str) -> Option<ApiError> {
    let wait = bucket.wait_for(amount);
    if wait.is_zero() {
        return None;
    }
    let Demand { caller: Caller { organization, .. }, model, .. } = demand;
    let short = if kind == "tokens" { "TPM" } else { "RPM" };
    let limit = bucket.limit;
    let error = |message: String| {
        ApiError::front_door(StatusCode::TOO_MANY_REQUESTS, message).with_kind(kind).with_code("rate_limit_exceeded")
    };
    if amount > limit {
        return Some(error(format!(
            "Request too large for {model} in organization {organization} on {kind} per min ({short}): Limit {limit}, \
             Requested {amount}. The input or output tokens must be reduced in order to run successfully. Visit \
             https://platform.openai.com/account/rate-limits to learn more."
        )));
    }
    let used = limit - bucket.remaining();
    let again = as_go(wait);
    Some(ApiError {
        retry_after: Some(wait),
        ..error(format!(
            "Rate limit reached for {model} in organization {organization} on {kind} per min ({short}): Limit {limit}, \
             Used {used}, Requested {amount}. Please try again in {again}. Visit \
             https://platform.openai.com/account/rate-limits to learn more."
        ))
    })
}

fn headers(buckets: &Buckets) -> Vec<(&'static str, String)> {
    let Buckets { requests, tokens } = buckets;
    vec![
        ("x-ratelimit-limit-requests", requests.limit.to_string()),
        ("x-ratelimit-limit-tokens", tokens.limit.to_string()),
        ("x-ratelimit-remaining-requests", requests.remaining().to_string()),
        ("x-ratelimit-remaining-tokens", tokens.remaining().to_string()),
        ("x-ratelimit-reset-requests", as_go(requests.reset())),
        ("x-ratelimit-reset-tokens", as_go(tokens.reset())),
    ]
}

/// The `retry-after` headers of a refusal, both rounded up.
pub(crate) fn retry_headers(wait: Duration) -> [(&'static str, String); 2] {
    let millis = millis_up(wait);
    [("retry-after-ms", millis.to_string()), ("retry-after", millis.div_ceil(1_000).to_string())]
}

fn millis_up(time: Duration) -> u128 {
    time.as_micros().div_ceil(1_000)
}
