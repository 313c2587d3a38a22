//! What a configuration must hold, in the original's order and words: the first fault counts.

use super::command::Given;
use super::config::{Config, ConfigError, Warning};
use super::failure::Failure;
use super::fake::FakeMetrics;
use super::flags::{self, Origin};
use super::go::GoDuration;
use crate::fault::Injection;
use crate::sim::faults::alone;

/// What is wrong with the value of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    flag: &'static str,
    pub(crate) message: String,
}

impl Fault {
    /// The fault with its place on the command line.
    pub(crate) fn at(self, given: &Given) -> ConfigError {
        ConfigError::new(self.message, given.position(self.flag))
    }
}

fn require(holds: bool, flag: &'static str, message: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault { flag, message: message() }) }
}

fn demand(holds: bool, flag: &'static str, message: &str) -> Result<(), Fault> {
    require(holds, flag, || message.to_owned())
}

/// Checks everything, and reads the made-up metrics.
pub(crate) fn check(config: &mut Config) -> Result<(), Fault> {
    demand(!config.model.is_empty(), "model", "model parameter is empty")?;
    require(matches!(config.mode.as_str(), "random" | "echo"), "mode", || {
        format!("invalid mode '{}', valid values are 'random' and 'echo'", config.mode)
    })?;
    // The original has no upper bound; a port that cannot be is refused here in the same words.
    require((1..=65_535).contains(&config.port), "port", || format!("invalid port '{}'", config.port))?;
    latency(config)?;
    capacity(config)?;
    loras(config)?;
    tools(config)?;
    cache(config)?;
    failures(config)?;
    faults(config)?;
    fake_metrics(config)?;
    parallel(config)?;
    rest(config)
}

fn latency(config: &Config) -> Result<(), Fault> {
    let l = &config.latency;
    let spread = |mean: GoDuration, sigma: GoDuration, flags: [&'static str; 2], names: [&str; 3]| {
        let [mean_name, sigma_name, short_name] = names;
        require(mean.0 >= 0, flags[0], || format!("{mean_name} cannot be negative"))?;
        require(sigma.0 >= 0, flags[1], || format!("{sigma_name} cannot be negative"))?;
        require(i128::from(sigma.0) * 10 <= i128::from(mean.0) * 3, flags[1], || {
            let (what, of) =
                if short_name.is_empty() { (sigma_name, mean_name) } else { (short_name, "kv-cache transfer") };
            format!("{what} cannot be more than 30% of {of}")
        })
    };
    spread(
        l.inter_token,
        l.inter_token_sigma,
        ["inter-token-latency", "inter-token-latency-std-dev"],
        ["inter token latency", "inter token latency standard deviation", ""],
    )?;
    spread(
        l.first_token,
        l.first_token_sigma,
        ["time-to-first-token", "time-to-first-token-std-dev"],
        ["time to first token", "time to first token standard deviation", ""],
    )?;
    spread(
        l.image,
        l.image_sigma,
        ["time-to-generate-image", "time-to-generate-image-std-dev"],
        ["time to generate image", "time to generate image standard deviation", ""],
    )?;
    for (value, flag, name) in [
        (l.prefill_overhead, "prefill-overhead", "prefill overhead"),
        (l.prefill_per_token, "prefill-time-per-token", "prefill time per token"),
        (l.prefill_sigma, "prefill-time-std-dev", "prefill time standard deviation"),
        (l.transfer_per_token, "kv-cache-transfer-time-per-token", "kv-cache transfer time per token"),
        (l.transfer_time_sigma, "kv-cache-transfer-time-std-dev", "kv-cache transfer time standard deviation"),
    ] {
        require(value.0 >= 0, flag, || format!("{name} cannot be negative"))?;
    }
    spread(
        l.transfer,
        l.transfer_sigma,
        ["kv-cache-transfer-latency", "kv-cache-transfer-latency-std-dev"],
        ["kv-cache transfer time", "kv-cache transfer time standard deviation", "kv-cache transfer standard deviation"],
    )?;
    // Written so that not-a-number is refused as well.
    demand(l.load_factor >= 1.0, "time-factor-under-load", "time factor under load cannot be less than 1.0")
}

fn capacity(config: &Config) -> Result<(), Fault> {
    demand(config.max_loras >= 1, "max-loras", "max LoRAs cannot be less than 1")?;
    demand(config.max_cpu_loras >= config.max_loras, "max-cpu-loras", "max CPU LoRAs cannot be less than max LoRAs")?;
    demand(config.max_model_len >= 1, "max-model-len", "max model len cannot be less than 1")?;
    demand(config.max_num_seqs >= 1, "max-num-seqs", "max num seqs cannot be less than 1")?;
    demand(config.max_waiting >= 0, "max-waiting-queue-length", "max waiting queue size cannot be less than 0")
}

fn loras(config: &Config) -> Result<(), Fault> {
    for module in &config.lora_modules {
        demand(!module.name.is_empty(), "lora-modules", "empty LoRA name")?;
        let known = module.base.is_empty() || config.served_names.contains(&module.base);
        require(known, "lora-modules", || format!("unknown base model '{}' for LoRA '{}'", module.base, module.name))?;
    }
    Ok(())
}

fn tools(config: &Config) -> Result<(), Fault> {
    let t = &config.tools;
    for (holds, flag, message) in [
        (
            t.max_integer >= t.min_integer,
            "max-tool-call-integer-param",
            "MaxToolCallIntegerParam cannot be less than MinToolCallIntegerParam",
        ),
        (
            t.max_number >= t.min_number,
            "max-tool-call-number-param",
            "MaxToolCallNumberParam cannot be less than MinToolCallNumberParam",
        ),
        (
            t.max_array >= t.min_array,
            "max-tool-call-array-param-length",
            "MaxToolCallArrayParamLength cannot be less than MinToolCallArrayParamLength",
        ),
        (t.min_array >= 0, "min-tool-call-array-param-length", "MinToolCallArrayParamLength cannot be negative"),
        (
            percentage(t.optional_parameter),
            "tool-call-not-required-param-probability",
            "ToolCallNotRequiredParamProbability should be between 0 and 100",
        ),
        (
            percentage(t.optional_field),
            "object-tool-call-not-required-field-probability",
            "ObjectToolCallNotRequiredParamProbability should be between 0 and 100",
        ),
        (
            percentage(t.extra_call),
            "tool-call-extra-call-probability",
            "ToolCallExtraCallProbability should be between 0 and 100",
        ),
    ] {
        demand(holds, flag, message)?;
    }
    Ok(())
}

fn percentage(value: i64) -> bool {
    (0..=100).contains(&value)
}

fn cache(config: &Config) -> Result<(), Fault> {
    let a = &config.accepted;
    demand(
        [8, 16, 32, 64, 128].contains(&a.block_size),
        "block-size",
        "token block size should be one of the following: 8, 16, 32, 64, 128",
    )?;
    demand(a.kv_cache_size >= 0, "kv-cache-size", "KV cache size cannot be negative")?;
    demand(
        !a.enable_kvcache || config.encoder_only || !config.pod.ip.is_empty(),
        "enable-kvcache",
        "IP should be defined in the environment (POD_IP) for KV cache to work",
    )?;
    demand(a.event_batch_size >= 1, "event-batch-size", "event batch size cannot less than 1")?;
    demand(
        a.replay_endpoint.is_empty() || a.replay_queue >= 1,
        "kv-events-replay-queue-size",
        "kv-events-replay-queue-size cannot be less than 1",
    )
}

fn failures(config: &Config) -> Result<(), Fault> {
    let f = &config.failures;
    demand(percentage(f.rate), "failure-injection-rate", "failure injection rate should be between 0 and 100")?;
    demand(
        percentage(config.accepted.image_rate),
        "image-emission-rate",
        "image emission rate should be between 0 and 100",
    )?;
    for name in &f.types {
        require(Failure::named(name).is_some(), "failure-types", || {
            let valid: Vec<&str> = Failure::ALL.iter().map(|failure| failure.name()).collect();
            format!("invalid failure type '{name}', valid types are: {}", valid.join(", "))
        })?;
    }
    demand(f.count >= 0, "failure-count", "failure count cannot be negative")?;
    demand(
        http::HeaderValue::from_str(&f.retry_after).is_ok(),
        "failure-retry-after",
        "failure retry after cannot be sent in a header",
    )
}

/// Reads the faults that it has from the start.
fn faults(config: &mut Config) -> Result<(), Fault> {
    let read = |text: &String| {
        let injection = Injection::parse(text)?;
        alone::aim(&injection).map(|_| injection)
    };
    let injections = config.faults.iter().map(read).collect::<Result<_, _>>();
    config.injections = injections.map_err(|message| Fault { flag: "labsim-fault", message })?;
    Ok(())
}

fn fake_metrics(config: &mut Config) -> Result<(), Fault> {
    let fault = |message| Fault { flag: "fake-metrics", message };
    config.fake = config.fake_metrics.as_ref().map(FakeMetrics::read).transpose().map_err(fault)?;
    demand(config.fake_refresh.0 > 0, "fake-metrics-refresh-interval", "fake metrics refresh interval must be positive")
}

fn parallel(config: &Config) -> Result<(), Fault> {
    let a = &config.accepted;
    demand(
        (1..=8).contains(&a.data_parallel_size),
        "data-parallel-size",
        "data parallel size must be between 1 and 8",
    )?;
    demand(a.data_parallel_rank <= 7, "data-parallel-rank", "data parallel rank must be between 0 and 7")?;
    let port = |endpoint: &str| endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<i64>().ok());
    let collides = match (port(&a.zmq_endpoint), port(&a.replay_endpoint)) {
        (Some(events), Some(replay)) => (events - replay).abs() < a.data_parallel_size.max(1),
        _ => false,
    };
    require(!collides, "kv-events-replay-endpoint", || {
        format!(
            "zmq-endpoint ({}) and kv-events-replay-endpoint ({}) ports collide once offset by data-parallel rank",
            a.zmq_endpoint, a.replay_endpoint
        )
    })
}

fn rest(config: &Config) -> Result<(), Fault> {
    let a = &config.accepted;
    let (certificate, key) = (!config.tls.certificate.is_empty(), !config.tls.key.is_empty());
    demand(certificate == key, "ssl-certfile", "both ssl-certfile and ssl-keyfile must be provided together")?;
    demand(
        !(config.tls.self_signed && certificate),
        "self-signed-certs",
        "cannot use both self-signed-certs and explicit ssl-certfile/ssl-keyfile",
    )?;
    demand(
        a.dataset_url.is_empty() || !a.dataset_path.is_empty(),
        "dataset-url",
        "dataset-path is required when dataset-url is set",
    )?;
    demand(a.dataset_path.is_empty() || !config.is_echo(), "dataset-path", "dataset cannot be defined in echo mode")?;
    let calculator = &config.latency.calculator;
    require(matches!(calculator.as_str(), "" | "constant" | "per-token"), "latency-calculator", || {
        format!("unknown latency-calculator {calculator}, supported calculators are: constant and per-token")
    })?;
    demand(
        (0.0..=1.0).contains(&a.cache_threshold),
        "global-cache-hit-threshold",
        "global cache hit threshold must be between in range [0, 1]",
    )?;
    demand(
        config.embedding_dimensions >= 1,
        "default-embedding-dimensions",
        "default embedding dimensions must be at least 1",
    )?;
    require((1..=512).contains(&config.max_body_mb), "max-request-body-size-mb", || {
        format!("max-request-body-size-mb must be between 1 MB and 512 MB, got {}", config.max_body_mb)
    })
}

/// Flags that were given and have no effect here.
pub(crate) fn warnings(config: &Config, given: &Given) -> Vec<Warning> {
    let (mut config, mut defaults) = (config.clone(), Config::default());
    let mut found = Vec::new();
    for flag in flags::FLAGS.iter().filter(|flag| flag.origin == Origin::Accepted) {
        let changed = (flag.slot)(&mut config).to_json() != (flag.slot)(&mut defaults).to_json();
        if changed {
            let message = format!("--{} is accepted and has no effect here", flag.name);
            found.push(Warning { message, argument: given.position(flag.name) });
        }
    }
    found.extend(given.former().iter().map(|(name, at)| Warning {
        message: format!("--{name} is no flag of the original any more; it is accepted and has no effect"),
        argument: Some(*at),
    }));
    found
}
