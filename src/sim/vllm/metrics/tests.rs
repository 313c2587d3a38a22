use super::families::one_two_five;
use super::*;
use serde_json::json;

fn gauges() -> Gauges {
    Gauges {
        running: 2.0,
        waiting: 1.0,
        kv_usage: 0.0,
        block_size: 16,
        blocks: 1024,
        max_loras: 1,
        loras: vec![((String::new(), String::new()), 1_767_225_600.0)],
    }
}

fn fresh(fake: Option<&FakeMetrics>) -> Metrics {
    Metrics::new("testmodel", 1024, fake)
}

#[test]
fn token_buckets_go_up_to_the_models_length() {
    for (most, last, len) in
        [(0, None, 0), (1, Some(1.0), 1), (5, Some(5.0), 3), (999, Some(500.0), 9), (1024, Some(1000.0), 10)]
    {
        let bounds = one_two_five(most);
        assert_eq!((bounds.last().copied(), bounds.len()), (last, len), "{most}");
    }
}

#[test]
fn histograms_are_in_the_order_of_their_names() {
    for (at, family) in HISTOGRAMS.iter().enumerate() {
        assert_eq!(family.which as usize, at);
    }
}

#[test]
fn at_the_start_there_are_five_gauges() {
    let text = fresh(None).render(&gauges());
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(
        names,
        [
            "vllm:cache_config_info gauge",
            "vllm:kv_cache_usage_perc gauge",
            "vllm:lora_requests_info gauge",
            "vllm:num_requests_running gauge",
            "vllm:num_requests_waiting gauge",
        ]
    );
    for line in [
        "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"1024\"} 1",
        "vllm:lora_requests_info{max_lora=\"1\",running_lora_adapters=\"\",waiting_lora_adapters=\"\"} 1.7672256e+09",
        "vllm:num_requests_running{model_name=\"testmodel\"} 2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}

#[test]
fn a_request_falls_into_its_buckets() {
    let metrics = fresh(None);
    metrics.finished(&Finished {
        reason: "stop",
        prompt_tokens: 30,
        generated: 5,
        max_tokens: Some(25),
        first_token_ms: 200,
        between_ms: vec![(80, 4)],
        end_to_end: Duration::from_millis(520),
        ..Finished::default()
    });
    let text = metrics.render(&gauges());
    for line in [
        "vllm:time_to_first_token_seconds_bucket{model_name=\"testmodel\",le=\"0.1\"} 0",
        "vllm:time_to_first_token_seconds_bucket{model_name=\"testmodel\",le=\"0.25\"} 1",
        "vllm:inter_token_latency_seconds_bucket{model_name=\"testmodel\",le=\"0.075\"} 0",
        "vllm:time_per_output_token_seconds_bucket{model_name=\"testmodel\",le=\"0.1\"} 4",
        "vllm:request_prompt_tokens_bucket{model_name=\"testmodel\",le=\"20\"} 0",
        "vllm:request_prompt_tokens_bucket{model_name=\"testmodel\",le=\"50\"} 1",
        "vllm:request_params_max_tokens_bucket{model_name=\"testmodel\",le=\"1000\"} 1",
        "vllm:e2e_request_latency_seconds_bucket{model_name=\"testmodel\",le=\"0.5\"} 0",
        "vllm:e2e_request_latency_seconds_sum{model_name=\"testmodel\"} 0.52",
        "vllm:request_success_total{finish_reason=\"stop\",model_name=\"testmodel\"} 1",
        "vllm:prompt_tokens_total{model_name=\"testmodel\"} 30",
        "vllm:generation_tokens_total{model_name=\"testmodel\"} 5",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(!text.contains("request_queue_time_seconds"), "it did not wait");
}

#[test]
fn made_up_values_take_the_place_of_counted_ones() {
    let json = json!({
        "ttft-buckets-values": [1, 2],
        "tpot-buckets-values": [0, 3],
        "request-prompt-tokens": [0, 4],
        "request-success-total": {"stop": 7},
        "prefix-cache-hits": 2, "prefix-cache-queries": 5,
    });
    let fake = FakeMetrics::read(json.as_object().unwrap()).unwrap();
    let metrics = fresh(Some(&fake));
    metrics.finished(&Finished { reason: "stop", prompt_tokens: 10, first_token_ms: 900, ..Finished::default() });
    let text = metrics.render(&gauges());
    for line in [
        "vllm:time_to_first_token_seconds_bucket{model_name=\"testmodel\",le=\"0.001\"} 1",
        "vllm:time_to_first_token_seconds_count{model_name=\"testmodel\"} 3",
        "vllm:time_to_first_token_seconds_sum{model_name=\"testmodel\"} 0.011",
        "vllm:inter_token_latency_seconds_bucket{model_name=\"testmodel\",le=\"0.025\"} 3",
        "vllm:prompt_tokens_total{model_name=\"testmodel\"} 18",
        "vllm:request_prompt_tokens_count{model_name=\"testmodel\"} 5",
        "vllm:request_success_total{finish_reason=\"stop\",model_name=\"testmodel\"} 8",
        "vllm:request_success_total{finish_reason=\"length\",model_name=\"testmodel\"} 0",
        "vllm:prefix_cache_hits_total{model_name=\"testmodel\"} 2",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(!text.contains("e2e_request_latency"), "latencies are not observed");
}
