//! What a simulator counts, and how Prometheus is told.

mod families;
mod text;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::engine::LoraState;
use super::fake::FakeMetrics;
use families::{HISTOGRAMS, Which};
pub(crate) use text::CONTENT_TYPE;

/// The counters and histograms of a simulator.
pub(crate) struct Metrics {
    model: String,
    max_model_len: i64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    success: BTreeMap<String, u64>,
    prompt_tokens: Option<u64>,
    generation_tokens: Option<u64>,
    histograms: [Option<Histogram>; HISTOGRAMS.len()],
    prefix_cache: Option<(u64, u64)>,
    injected: BTreeMap<&'static str, u64>,
    /// Whether latencies are made up, and so not observed.
    faked: bool,
}

/// Observations, counted by bucket.
#[derive(Debug, Clone)]
struct Histogram {
    bounds: std::sync::Arc<[f64]>,
    /// One more than there are bounds: the last is for what exceeds them all.
    counts: Vec<u64>,
    sum: f64,
}

/// What a request looked like when it was over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished {
    pub(crate) reason: &'static str,
    pub(crate) prompt_tokens: usize,
    pub(crate) generated: usize,
    pub(crate) max_tokens: Option<i64>,
    /// Simulated milliseconds to the first token.
    pub(crate) first_token_ms: u64,
    /// Simulated milliseconds between tokens, and how often each.
    pub(crate) between_ms: Vec<(u64, u64)>,
    pub(crate) end_to_end: Duration,
    /// None for a request that did not wait.
    pub(crate) queued: Option<Duration>,
    pub(crate) inference: Duration,
    pub(crate) prefill: Duration,
    pub(crate) decode: Duration,
}

/// The values that are true at the moment of a scrape.
pub(crate) struct Gauges {
    pub(crate) running: f64,
    pub(crate) waiting: f64,
    pub(crate) kv_usage: f64,
    pub(crate) block_size: i64,
    pub(crate) blocks: i64,
    pub(crate) max_loras: i64,
    pub(crate) loras: Vec<(LoraState, f64)>,
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds, far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Metrics {
    pub(crate) fn new(model: &str, max_model_len: i64, fake: Option<&FakeMetrics>) -> Self {
        let this = Self { model: model.to_owned(), max_model_len, counts: Mutex::default() };
        if let Some(fake) = fake {
            this.replace(fake);
        }
        this
    }

    /// Counts a request that was answered.
    pub(crate) fn finished(&self, request: &Finished) {
        let mut counts = self.lock();
        let faked = counts.faked;
        let mut observe = |which: Which, value: f64, times: u64| {
            if !(faked && which.is_latency()) {
                counts.histogram(which, self.max_model_len).observe(value, times);
            }
        };
        let generated = float(wide(request.generated));
        observe(Which::PromptTokens, float(wide(request.prompt_tokens)), 1);
        observe(Which::GenerationTokens, generated, 1);
        observe(Which::MaxGenerationTokens, generated, 1);
        if let Some(most) = request.max_tokens {
            observe(Which::MaxTokensParameter, float(u64::try_from(most).unwrap_or(0)), 1);
        }
        observe(Which::FirstToken, seconds(request.first_token_ms), 1);
        for (millis, times) in &request.between_ms {
            observe(Which::OutputToken, seconds(*millis), *times);
            observe(Which::InterToken, seconds(*millis), *times);
        }
        let per_token = match request.generated {
            0 | 1 => 0.0,
            tokens => request.decode.as_secs_f64() / float(wide(tokens - 1)),
        };
        observe(Which::OutputTokenOfRequest, per_token, 1);
        observe(Which::EndToEnd, request.end_to_end.as_secs_f64(), 1);
        if let Some(queued) = request.queued {
            observe(Which::Queue, queued.as_secs_f64(), 1);
        }
        observe(Which::Inference, request.inference.as_secs_f64(), 1);
        observe(Which::Prefill, request.prefill.as_secs_f64(), 1);
        observe(Which::Decode, request.decode.as_secs_f64(), 1);
        *counts.prompt_tokens.get_or_insert(0) += wide(request.prompt_tokens);
        *counts.generation_tokens.get_or_insert(0) += wide(request.generated);
        match counts.success.get_mut(request.reason) {
            Some(count) => *count += 1,
            None => drop(counts.success.insert(request.reason.to_owned(), 1)),
        }
    }

    /// Counts a failure that was injected.
    pub(crate) fn injected(&self, failure: &'static str) {
        *self.lock().injected.entry(failure).or_default() += 1;
    }

    /// Puts made-up values in the place of what was counted.
    pub(crate) fn replace(&self, fake: &FakeMetrics) {
        let mut counts = self.lock();
        counts.faked = true;
        for family in &HISTOGRAMS {
            let Some(buckets) = family.fake_key.and_then(|key| fake.buckets.get(key)) else { continue };
            let mut made = Histogram::new(family.bounds.values(self.max_model_len));
            made.fill(buckets);
            let slot = family.which as usize;
            counts.histograms[slot] = Some(made);
        }
        let implied = |counts: &Counts, which: Which| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of small whole numbers")]
            let sum = counts.histograms[which as usize].as_ref().map(|made| made.sum as u64);
            sum
        };
        if fake.prompt_tokens.is_some() || fake.buckets.contains_key("request-prompt-tokens") {
            counts.prompt_tokens = fake.prompt_tokens.or(implied(&counts, Which::PromptTokens));
        }
        if fake.generation_tokens.is_some() || fake.buckets.contains_key("request-generation-tokens") {
            counts.generation_tokens = fake.generation_tokens.or(implied(&counts, Which::GenerationTokens));
        }
        if let Some(success) = &fake.success {
            counts.success.clone_from(success);
        }
        if fake.prefix_cache.is_some() {
            counts.prefix_cache = fake.prefix_cache;
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        text::render(&self.model, &self.lock(), gauges)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(millis: u64) -> f64 {
    float(millis) / 1_000.0
}

impl Counts {
    fn histogram(&mut self, which: Which, max_model_len: i64) -> &mut Histogram {
        let bounds = HISTOGRAMS[which as usize].bounds;
        self.histograms[which as usize].get_or_insert_with(|| Histogram::new(bounds.values(max_model_len)))
    }
}

impl Histogram {
    fn new(bounds: std::sync::Arc<[f64]>) -> Self {
        Self { counts: vec![0; bounds.len() + 1], bounds, sum: 0.0 }
    }

    fn observe(&mut self, value: f64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += times;
        }
        self.sum += value * float(times);
    }

    /// Observes each bucket's upper bound as often as `buckets` says, and one more than the last bound beyond it.
    fn fill(&mut self, buckets: &[u64]) {
        let beyond = self.bounds.last().map_or(1.0, |last| last + 1.0);
        let values: Vec<f64> = self.bounds.iter().copied().chain([beyond]).collect();
        for (value, times) in values.into_iter().zip(buckets) {
            if *times > 0 {
                self.observe(value, *times);
            }
        }
    }
}

#[cfg(test)]
mod tests;
