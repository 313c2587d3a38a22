//! Every flag, as data: its name, what it is for, and the field that it fills.
//!
//! The command line, the YAML file, `/admin/config` and `--help` all read this one table.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::config::{Config, LoraModule};
use super::go::{self, GoDuration};

/// One flag.
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) slot: fn(&mut Config) -> Slot<'_>,
    /// Whether `/admin/config` may change it.
    pub(crate) admin: bool,
    pub(crate) origin: Origin,
}

/// Where a flag comes from, and what it does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The original's, with its effect.
    Modelled,
    /// The original's, without its effect here.
    Accepted,
    /// The original's, without effect there either.
    Ignored,
    /// Not the original's.
    Extension,
}

/// The field of a flag, with the type that its values have.
pub(crate) enum Slot<'c> {
    Text(&'c mut String),
    Int(&'c mut i64),
    Seed(&'c mut Option<i64>),
    Float(&'c mut f64),
    Bool(&'c mut bool),
    /// A pair of flags, `--name` and `--no-name`, whose value is ignored.
    Toggle(&'c mut bool),
    Duration(&'c mut GoDuration),
    List(&'c mut Vec<String>),
    /// One value each time that it is given.
    Each(&'c mut Vec<String>),
    Loras(&'c mut Vec<LoraModule>),
    Fake(&'c mut Option<Map<String, Json>>),
}

const fn flag(name: &'static str, help: &'static str, slot: fn(&mut Config) -> Slot<'_>) -> Flag {
    Flag { name, help, slot, admin: false, origin: Origin::Modelled }
}

impl Flag {
    const fn admin(mut self) -> Self {
        self.admin = true;
        self
    }

    const fn of(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    const fn accepted(self) -> Self {
        self.of(Origin::Accepted)
    }

    const fn ignored(self) -> Self {
        self.of(Origin::Ignored)
    }

    const fn extension(self) -> Self {
        self.of(Origin::Extension)
    }
}

/// The flag called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

use Slot::{Bool, Duration, Each, Fake, Float, Int, List, Loras, Seed, Text, Toggle};

/// Every flag, in the order in which `--help` shows them.
pub(crate) static FLAGS: &[Flag] = &[
    flag("model", "Name of the model that is served", |c| Text(&mut c.model)),
    flag("served-model-name", "Names that the model is served under (default: its own)", |c| List(&mut c.served_names)),
    flag("mode", "What answers say: `random` sentences, or the last message (`echo`)", |c| Text(&mut c.mode)),
    flag("port", "Port to listen on", |c| Int(&mut c.port)),
    flag("seed", "Seed of everything random", |c| Seed(&mut c.seed)),
    flag("max-model-len", "Longest prompt and answer together, in tokens", |c| Int(&mut c.max_model_len)),
    flag("max-num-seqs", "Requests that run at once", |c| Int(&mut c.max_num_seqs)),
    flag("max-waiting-queue-length", "Requests that may wait", |c| Int(&mut c.max_waiting)),
    flag("max-loras", "LoRA adapters in memory at once", |c| Int(&mut c.max_loras)),
    flag("max-cpu-loras", "LoRA adapters in main memory (default: max-loras)", |c| Int(&mut c.max_cpu_loras)),
    flag("lora-modules", "LoRA adapters, each as JSON with name, path and base_model_name", |c| {
        Loras(&mut c.lora_modules)
    }),
    flag("max-request-body-size-mb", "Largest request body in MB", |c| Int(&mut c.max_body_mb)),
    flag("startup-duration", "How long /health/ready says 503", |c| Duration(&mut c.startup)),
    flag("ssl-certfile", "Certificate for TLS (PEM), read anew when it changes", |c| Text(&mut c.tls.certificate)),
    flag("ssl-keyfile", "Its key (PEM)", |c| Text(&mut c.tls.key)),
    flag("self-signed-certs", "Serve TLS with a certificate that is made at the start", |c| {
        Bool(&mut c.tls.self_signed)
    }),
    flag("enable-request-id-headers", "Answer with the X-Request-Id of the request", |c| Bool(&mut c.request_ids)),
    flag("enable-sleep-mode", "Let /sleep take effect", |c| Toggle(&mut c.sleep_mode)),
    flag("default-embedding-dimensions", "Length of an embedding unless the request says", |c| {
        Int(&mut c.embedding_dimensions)
    }),
    flag("mm-encoder-only", "Run the encoder only", |c| Toggle(&mut c.encoder_only)),
    flag("log-http", "Log requests and responses, without the data of streams", |c| Bool(&mut c.log_http)),
    // How long answers take.
    flag("time-to-first-token", "Time to the first token", |c| Duration(&mut c.latency.first_token)).admin(),
    flag("time-to-first-token-std-dev", "Its standard deviation, at most 30 %", |c| {
        Duration(&mut c.latency.first_token_sigma)
    })
    .admin(),
    flag("inter-token-latency", "Time from token to token", |c| Duration(&mut c.latency.inter_token)).admin(),
    flag("inter-token-latency-std-dev", "Its standard deviation, at most 30 %", |c| {
        Duration(&mut c.latency.inter_token_sigma)
    })
    .admin(),
    flag("prefill-overhead", "Time to the first token that no prompt token adds to", |c| {
        Duration(&mut c.latency.prefill_overhead)
    })
    .admin(),
    flag("prefill-time-per-token", "Time to the first token that each prompt token adds", |c| {
        Duration(&mut c.latency.prefill_per_token)
    })
    .admin(),
    flag("prefill-time-std-dev", "Standard deviation of the prefill time", |c| Duration(&mut c.latency.prefill_sigma))
        .admin(),
    flag("kv-cache-transfer-latency", "Time to the first token after a remote prefill", |c| {
        Duration(&mut c.latency.transfer)
    })
    .admin(),
    flag("kv-cache-transfer-latency-std-dev", "Its standard deviation, at most 30 %", |c| {
        Duration(&mut c.latency.transfer_sigma)
    })
    .admin(),
    flag("kv-cache-transfer-time-per-token", "Time that each prompt token adds after a remote prefill", |c| {
        Duration(&mut c.latency.transfer_per_token)
    })
    .admin(),
    flag("kv-cache-transfer-time-std-dev", "Standard deviation of the transfer time", |c| {
        Duration(&mut c.latency.transfer_time_sigma)
    })
    .admin(),
    flag("time-factor-under-load", "How much slower a fully loaded server is", |c| Float(&mut c.latency.load_factor))
        .admin(),
    flag("latency-calculator", "`constant`, `per-token`, or whichever fits (default)", |c| {
        Text(&mut c.latency.calculator)
    })
    .admin(),
    flag("time-to-generate-image", "Time to make an image", |c| Duration(&mut c.latency.image)).admin().accepted(),
    flag("time-to-generate-image-std-dev", "Its standard deviation, at most 30 %", |c| {
        Duration(&mut c.latency.image_sigma)
    })
    .admin()
    .accepted(),
    // Which requests fail.
    flag("failure-injection-rate", "Per cent of the requests that fail", |c| Int(&mut c.failures.rate)).admin(),
    flag("failure-types", "Failures to choose from (default: all)", |c| List(&mut c.failures.types)).admin(),
    flag("failure-count", "The first so many requests fail, whatever the rate", |c| Int(&mut c.failures.count))
        .admin()
        .extension(),
    flag("failure-retry-after", "Retry-After of injected 429 and 503, sent as it is", |c| {
        Text(&mut c.failures.retry_after)
    })
    .admin()
    .extension(),
    flag("labsim-fault", "A fault of answers, as docs/faults.md has them; may be given several times", |c| {
        Each(&mut c.faults)
    })
    .extension(),
    // What made-up tool calls look like.
    flag("max-tool-call-integer-param", "Largest integer argument", |c| Int(&mut c.tools.max_integer)),
    flag("min-tool-call-integer-param", "Smallest integer argument", |c| Int(&mut c.tools.min_integer)),
    flag("max-tool-call-number-param", "Largest number argument", |c| Float(&mut c.tools.max_number)),
    flag("min-tool-call-number-param", "Smallest number argument", |c| Float(&mut c.tools.min_number)),
    flag("max-tool-call-array-param-length", "Longest array argument", |c| Int(&mut c.tools.max_array)),
    flag("min-tool-call-array-param-length", "Shortest array argument", |c| Int(&mut c.tools.min_array)),
    flag("tool-call-not-required-param-probability", "Per cent of the optional arguments that are given", |c| {
        Int(&mut c.tools.optional_parameter)
    }),
    flag("object-tool-call-not-required-field-probability", "Per cent of the optional fields that are given", |c| {
        Int(&mut c.tools.optional_field)
    }),
    flag("tool-call-extra-call-probability", "Per cent of the calls that another follows", |c| {
        Int(&mut c.tools.extra_call)
    }),
    flag("skip-tool-validation", "Take tools whatever their schemas look like", |c| Bool(&mut c.tools.skip_validation)),
    // Metrics that are made up.
    flag("fake-metrics", "Metrics to report instead of the real ones, as JSON", |c| Fake(&mut c.fake_metrics)).admin(),
    flag("fake-metrics-refresh-interval", "How often made-up metrics move", |c| Duration(&mut c.fake_refresh)),
    // Taken without effect.
    flag("block-size", "Tokens in a block of the KV cache", |c| Int(&mut c.accepted.block_size)).accepted(),
    flag("kv-cache-size", "Blocks of the KV cache", |c| Int(&mut c.accepted.kv_cache_size)).accepted(),
    flag("enable-kvcache", "Simulate the KV cache", |c| Bool(&mut c.accepted.enable_kvcache)).accepted(),
    flag("event-batch-size", "KV-cache events in a batch", |c| Int(&mut c.accepted.event_batch_size)).accepted(),
    flag("zmq-endpoint", "Where KV-cache events go", |c| Text(&mut c.accepted.zmq_endpoint)).accepted(),
    flag("kv-events-replay-endpoint", "Where KV-cache events are replayed", |c| Text(&mut c.accepted.replay_endpoint))
        .accepted(),
    flag("kv-events-replay-queue-size", "KV-cache events kept for replay", |c| Int(&mut c.accepted.replay_queue))
        .accepted(),
    flag("use-vllm-map-event-format", "Write KV-cache events as maps", |c| Bool(&mut c.accepted.map_events)).accepted(),
    flag("hash-seed", "Seed of the KV cache's hashes", |c| Text(&mut c.accepted.hash_seed)).accepted(),
    flag("global-cache-hit-threshold", "Cache hits below which a request is refused", |c| {
        Float(&mut c.accepted.cache_threshold)
    })
    .accepted(),
    flag("image-emission-rate", "Per cent of the answers with an image", |c| Int(&mut c.accepted.image_rate))
        .admin()
        .accepted(),
    flag("omni", "Answer with images", |c| Toggle(&mut c.accepted.omni)).accepted(),
    flag("data-parallel-size", "Simulators on ports in a row", |c| Int(&mut c.accepted.data_parallel_size)).accepted(),
    flag("data-parallel-rank", "Number of this simulator among them", |c| Int(&mut c.accepted.data_parallel_rank))
        .accepted(),
    flag("dataset-path", "Answers to choose from, in a file", |c| Text(&mut c.accepted.dataset_path)).accepted(),
    flag("dataset-url", "Where that file is fetched from", |c| Text(&mut c.accepted.dataset_url)).accepted(),
    flag("dataset-in-memory", "Keep that file in memory", |c| Bool(&mut c.accepted.dataset_in_memory)).accepted(),
    flag("dataset-table-name", "Its table", |c| Text(&mut c.accepted.dataset_table)).accepted(),
    flag("force-dummy-tokenizer", "Use the built-in tokenizer: always so here", |c| {
        Bool(&mut c.accepted.dummy_tokenizer)
    }),
    flag("render-url", "A service that tokenizes: never called here", |c| Text(&mut c.accepted.render_url)).accepted(),
    flag("render-timeout", "Its timeout", |c| Duration(&mut c.accepted.render_timeout)).accepted(),
    flag("mm-render-timeout", "Its timeout with images", |c| Duration(&mut c.accepted.image_render_timeout)).accepted(),
    // Without effect in the original.
    flag("mm-processor-kwargs", "No effect", |c| List(&mut c.accepted.ignored.list)).ignored(),
    flag("ec-transfer-config", "No effect", |c| List(&mut c.accepted.ignored.list)).ignored(),
    flag("enforce-eager", "No effect", |c| Toggle(&mut c.accepted.ignored.flag)).ignored(),
    flag("enable-prefix-caching", "No effect", |c| Toggle(&mut c.accepted.ignored.flag)).ignored(),
    flag("tensor-parallel-size", "No effect", |c| Int(&mut c.accepted.ignored.int)).ignored(),
];

impl Slot<'_> {
    /// The type as `--help` shows it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Text(_) | Each(_) => "string",
            Int(_) => "int",
            Seed(_) => "int64",
            Float(_) => "float",
            Bool(_) | Toggle(_) => "",
            Duration(_) => "duration",
            List(_) | Loras(_) | Fake(_) => "strings",
        }
    }

    /// The value as `/admin/config` shows it.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Text(value) => json!(value),
            Int(value) => json!(value),
            Seed(value) => json!(value),
            Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number within range")]
                let whole = **value as i64;
                json!(whole)
            }
            Float(value) => json!(value),
            Bool(value) | Toggle(value) => json!(value),
            Duration(value) => json!(value.to_string()),
            List(values) | Each(values) if values.is_empty() => Json::Null,
            List(values) | Each(values) => json!(values),
            Loras(modules) => modules
                .iter()
                .map(|one| json!({"base_model_name": one.base, "name": one.name, "path": one.path}))
                .collect(),
            Fake(value) => value.as_ref().map_or(Json::Null, |map| Json::Object(map.clone())),
        }
    }

    /// The value that `--help` shows as the default; empty where there is none to show.
    fn default_text(&self) -> String {
        match self {
            Text(value) if value.is_empty() => String::new(),
            Text(value) => go::quote(value),
            Int(value) if **value == 0 => String::new(),
            Int(value) => value.to_string(),
            Float(value) if **value == 0.0 => String::new(),
            Float(value) => go::number(**value),
            Duration(value) if value.0 == 0 => String::new(),
            Duration(value) => value.to_string(),
            _ => String::new(),
        }
    }
}

/// The text of `--help`: the original's flags, then the ones that it lacks.
pub(crate) fn usage() -> String {
    let mut defaults = Config::default();
    let mut out = String::from("Usage of llm-d-inference-sim flags:\n");
    let mut section = |title: &str, wanted: &dyn Fn(Origin) -> bool| {
        out.push_str(title);
        for flag in FLAGS.iter().filter(|flag| wanted(flag.origin)) {
            let slot = (flag.slot)(&mut defaults);
            let default = match slot.default_text() {
                text if text.is_empty() => text,
                text => format!(" (default {text})"),
            };
            let name = format!("--{} {}", flag.name, slot.kind());
            let _ = writeln!(out, "      {name:<56} {}{default}", flag.help);
            if matches!(slot, Toggle(_)) {
                let _ = writeln!(out, "      --no-{:<51} The opposite of --{}", flag.name, flag.name);
            }
        }
    };
    section("", &|origin| origin == Origin::Modelled);
    section("\nAccepted, without effect here:\n", &|origin| matches!(origin, Origin::Accepted | Origin::Ignored));
    section("\nBeyond the original:\n", &|origin| origin == Origin::Extension);
    out.push_str("\nElsewhere:\n");
    for (name, help) in [
        ("--config string", "YAML file with the same names as keys"),
        ("-v, --v level", "Log level"),
        ("-h, --help", "Show this text"),
    ] {
        let _ = writeln!(out, "      {name:<56} {help}");
    }
    out
}
