//! The classic text format: families by name, labels by name with `le` last.

use std::fmt::Write as _;

use super::families::HISTOGRAMS;
use super::{Counts, Gauges, Histogram, float};
use crate::sim::vllm::go::number;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// All families, sorted by name.
pub(super) fn render(model: &str, counts: &Counts, gauges: &Gauges) -> String {
    let model_label = format!("model_name=\"{}\"", escape(model));
    let mut families: Vec<(&str, String)> = Vec::new();
    let mut add = |name: &'static str, kind: &str, help: &str, lines: &[(String, f64)]| {
        if lines.is_empty() {
            return;
        }
        let mut block = head(name, kind, help);
        for (labels, value) in lines {
            let _ = writeln!(block, "{name}{{{labels}}} {}", number(*value));
        }
        families.push((name, block));
    };
    let of_model = |value: f64| vec![(model_label.clone(), value)];
    let counted = |value: Option<u64>| value.map_or_else(Vec::new, |value| of_model(float(value)));
    add(
        "vllm:cache_config_info",
        "gauge",
        "Information of the LLMEngine CacheConfig.",
        &[(format!("block_size=\"{}\",num_gpu_blocks=\"{}\"", gauges.block_size, gauges.blocks), 1.0)],
    );
    add(
        "vllm:num_requests_running",
        "gauge",
        "Number of requests currently running on GPU.",
        &of_model(gauges.running),
    );
    add(
        "vllm:num_requests_waiting",
        "gauge",
        "Prometheus metric for the number of queued requests.",
        &of_model(gauges.waiting),
    );
    add(
        "vllm:kv_cache_usage_perc",
        "gauge",
        "Prometheus metric for the fraction of KV-cache blocks currently in use (from 0 to 1).",
        &of_model(gauges.kv_usage),
    );
    let loras: Vec<(String, f64)> = gauges
        .loras
        .iter()
        .map(|((running, waiting), at)| {
            let (running, waiting) = (escape(running), escape(waiting));
            let labels = format!(
                "max_lora=\"{}\",running_lora_adapters=\"{running}\",waiting_lora_adapters=\"{waiting}\"",
                gauges.max_loras
            );
            (labels, *at)
        })
        .collect();
    add("vllm:lora_requests_info", "gauge", "Running stats on lora requests.", &loras);
    let success: Vec<(String, f64)> = counts
        .success
        .iter()
        .map(|(reason, count)| (format!("finish_reason=\"{}\",{model_label}", escape(reason)), float(*count)))
        .collect();
    add("vllm:request_success_total", "counter", "Count of successfully processed requests.", &success);
    add(
        "vllm:prompt_tokens_total",
        "counter",
        "Total number of prompt tokens processed.",
        &counted(counts.prompt_tokens),
    );
    add(
        "vllm:generation_tokens_total",
        "counter",
        "Total number of generated tokens.",
        &counted(counts.generation_tokens),
    );
    add(
        "vllm:prefix_cache_hits_total",
        "counter",
        "Prefix cache hits, in terms of number of cached tokens.",
        &counted(counts.prefix_cache.map(|(hits, _)| hits)),
    );
    add(
        "vllm:prefix_cache_queries_total",
        "counter",
        "Prefix cache queries, in terms of number of queried tokens.",
        &counted(counts.prefix_cache.map(|(_, queries)| queries)),
    );
    let injected: Vec<(String, f64)> =
        counts.injected.iter().map(|(failure, count)| (format!("type=\"{failure}\""), float(*count))).collect();
    add("labsim_injected_failures_total", "counter", "Failures that were injected.", &injected);
    for (family, histogram) in HISTOGRAMS.iter().zip(&counts.histograms) {
        let Some(histogram) = histogram else { continue };
        let block = head(family.name, "histogram", family.help) + &buckets(family.name, &model_label, histogram);
        families.push((family.name, block));
    }
    families.sort_by_key(|(name, _)| *name);
    families.into_iter().map(|(_, block)| block).collect()
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn buckets(name: &str, labels: &str, histogram: &Histogram) -> String {
    let mut out = String::new();
    let mut total = 0;
    let bounds = histogram.bounds.iter().copied().chain([f64::INFINITY]);
    for (bound, count) in bounds.zip(&histogram.counts) {
        total += count;
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {total}", number(bound));
    }
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", number(histogram.sum));
    let _ = writeln!(out, "{name}_count{{{labels}}} {total}");
    out
}

/// A label's value as it stands between quotes.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
