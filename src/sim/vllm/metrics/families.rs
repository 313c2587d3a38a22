//! The histograms by name, with their bounds and what sets them when metrics are made up.

use std::sync::{Arc, LazyLock};

/// A histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    PromptTokens,
    GenerationTokens,
    MaxGenerationTokens,
    MaxTokensParameter,
    FirstToken,
    OutputToken,
    InterToken,
    OutputTokenOfRequest,
    EndToEnd,
    Queue,
    Inference,
    Prefill,
    Decode,
}

impl Which {
    /// Whether it is not observed while metrics are made up.
    pub(super) fn is_latency(self) -> bool {
        !matches!(
            self,
            Self::PromptTokens | Self::GenerationTokens | Self::MaxGenerationTokens | Self::MaxTokensParameter
        )
    }
}

/// The upper bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    FirstToken,
    OutputToken,
    Request,
    /// 1, 2, 5, 10, … up to the model's length.
    Tokens,
}

/// A histogram's name and nature.
pub(super) struct Family {
    pub(super) which: Which,
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) bounds: Bounds,
    pub(super) fake_key: Option<&'static str>,
}

const fn family(
    which: Which,
    name: &'static str,
    help: &'static str,
    bounds: Bounds,
    fake_key: &'static str,
) -> Family {
    Family { which, name, help, bounds, fake_key: Some(fake_key) }
}

/// All histograms, in the order of [`Which`].
pub(super) const HISTOGRAMS: [Family; 13] = [
    family(
        Which::PromptTokens,
        "vllm:request_prompt_tokens",
        "Number of prefill tokens processed.",
        Bounds::Tokens,
        "request-prompt-tokens",
    ),
    family(
        Which::GenerationTokens,
        "vllm:request_generation_tokens",
        "Number of generation tokens processed.",
        Bounds::Tokens,
        "request-generation-tokens",
    ),
    family(
        Which::MaxGenerationTokens,
        "vllm:max_num_generation_tokens",
        "Histogram of maximum number of requested generation tokens.",
        Bounds::Tokens,
        "request-max-generation-tokens",
    ),
    family(
        Which::MaxTokensParameter,
        "vllm:request_params_max_tokens",
        "Histogram of the max_tokens request parameter.",
        Bounds::Tokens,
        "request-params-max-tokens",
    ),
    family(
        Which::FirstToken,
        "vllm:time_to_first_token_seconds",
        "Histogram of time to first token in seconds.",
        Bounds::FirstToken,
        "ttft-buckets-values",
    ),
    family(
        Which::OutputToken,
        "vllm:time_per_output_token_seconds",
        "Histogram of time per output token in seconds.",
        Bounds::OutputToken,
        "tpot-buckets-values",
    ),
    family(
        Which::InterToken,
        "vllm:inter_token_latency_seconds",
        "Histogram of inter-token latency in seconds.",
        Bounds::OutputToken,
        "tpot-buckets-values",
    ),
    family(
        Which::OutputTokenOfRequest,
        "vllm:request_time_per_output_token_seconds",
        "Histogram of time_per_output_token_seconds per request.",
        Bounds::OutputToken,
        "request-tpot-buckets-values",
    ),
    family(
        Which::EndToEnd,
        "vllm:e2e_request_latency_seconds",
        "Histogram of end to end request latency in seconds.",
        Bounds::Request,
        "e2erl-buckets-values",
    ),
    family(
        Which::Queue,
        "vllm:request_queue_time_seconds",
        "Histogram of time spent in WAITING phase for request.",
        Bounds::Request,
        "queue-time-buckets-values",
    ),
    family(
        Which::Inference,
        "vllm:request_inference_time_seconds",
        "Histogram of time spent in RUNNING phase for request.",
        Bounds::Request,
        "inf-time-buckets-values",
    ),
    family(
        Which::Prefill,
        "vllm:request_prefill_time_seconds",
        "Histogram of time spent in PREFILL phase for request.",
        Bounds::Request,
        "prefill-time-buckets-values",
    ),
    family(
        Which::Decode,
        "vllm:request_decode_time_seconds",
        "Histogram of time spent in DECODE phase for request.",
        Bounds::Request,
        "decode-time-buckets-values",
    ),
];

static FIRST_TOKEN: LazyLock<Arc<[f64]>> = LazyLock::new(|| {
    Arc::from([
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
        160.0, 640.0, 2560.0,
    ])
});
static OUTPUT_TOKEN: LazyLock<Arc<[f64]>> = LazyLock::new(|| {
    Arc::from([
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    ])
});
static REQUEST: LazyLock<Arc<[f64]>> = LazyLock::new(|| {
    Arc::from([
        0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
        1920.0, 7680.0,
    ])
});

impl Bounds {
    /// The bounds, for a model of this length.
    pub(super) fn values(self, max_model_len: i64) -> Arc<[f64]> {
        match self {
            Self::FirstToken => FIRST_TOKEN.clone(),
            Self::OutputToken => OUTPUT_TOKEN.clone(),
            Self::Request => REQUEST.clone(),
            Self::Tokens => one_two_five(max_model_len).into(),
        }
    }
}

/// 1, 2, 5, 10, 20, 50, … up to `most`.
pub(super) fn one_two_five(most: i64) -> Vec<f64> {
    let powers = std::iter::successors(Some(1_i64), |power| power.checked_mul(10));
    let steps = powers.flat_map(|power| [1, 2, 5].map(|digit| power.saturating_mul(digit)));
    #[expect(clippy::cast_precision_loss, reason = "bounds of token counts")]
    steps.take_while(|bound| *bound <= most).map(|bound| bound as f64).collect()
}
