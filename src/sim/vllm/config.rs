//! What a simulator is told: the original's flags, environment and file, in its order of precedence.
//!
//! Built-in values, then the YAML file, then the environment, then the command line, which wins.

use std::collections::BTreeMap;
use std::{fmt, io};

use serde_json::{Map, Value as Json};

use super::checks;
use super::command::{self, Given};
use super::fake::FakeMetrics;
use super::file;
use super::flags;
use super::go::GoDuration;
use crate::fault::Injection;

/// The configuration of one simulator, checked.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub(crate) model: String,
    pub(crate) served_names: Vec<String>,
    pub(crate) mode: String,
    pub(crate) port: i64,
    pub(crate) latency: Latency,
    pub(crate) max_loras: i64,
    pub(crate) max_cpu_loras: i64,
    pub(crate) lora_modules: Vec<LoraModule>,
    pub(crate) max_model_len: i64,
    pub(crate) max_num_seqs: i64,
    pub(crate) max_waiting: i64,
    pub(crate) tools: ToolRanges,
    pub(crate) failures: Failures,
    /// Faults from the start, as they were written, and as they were read.
    pub(crate) faults: Vec<String>,
    pub(crate) injections: Vec<Injection>,
    pub(crate) fake_metrics: Option<Map<String, Json>>,
    pub(crate) fake: Option<FakeMetrics>,
    pub(crate) fake_refresh: GoDuration,
    pub(crate) seed: Option<i64>,
    pub(crate) startup: GoDuration,
    pub(crate) request_ids: bool,
    pub(crate) sleep_mode: bool,
    pub(crate) encoder_only: bool,
    pub(crate) max_body_mb: i64,
    pub(crate) embedding_dimensions: i64,
    pub(crate) log_http: bool,
    pub(crate) tls: TlsFlags,
    pub(crate) accepted: Accepted,
    pub(crate) pod: Pod,
}

/// How long answers take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latency {
    pub(crate) inter_token: GoDuration,
    pub(crate) inter_token_sigma: GoDuration,
    pub(crate) first_token: GoDuration,
    pub(crate) first_token_sigma: GoDuration,
    pub(crate) image: GoDuration,
    pub(crate) image_sigma: GoDuration,
    pub(crate) prefill_overhead: GoDuration,
    pub(crate) prefill_per_token: GoDuration,
    pub(crate) prefill_sigma: GoDuration,
    pub(crate) transfer_per_token: GoDuration,
    pub(crate) transfer_time_sigma: GoDuration,
    pub(crate) transfer: GoDuration,
    pub(crate) transfer_sigma: GoDuration,
    pub(crate) load_factor: f64,
    pub(crate) calculator: String,
}

/// What made-up tool calls look like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolRanges {
    pub(crate) max_integer: i64,
    pub(crate) min_integer: i64,
    pub(crate) max_number: f64,
    pub(crate) min_number: f64,
    pub(crate) max_array: i64,
    pub(crate) min_array: i64,
    pub(crate) optional_parameter: i64,
    pub(crate) optional_field: i64,
    pub(crate) extra_call: i64,
    pub(crate) skip_validation: bool,
}

/// Which requests fail, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Failures {
    /// Per cent of the requests.
    pub(crate) rate: i64,
    /// Names of the failures; empty for all of them.
    pub(crate) types: Vec<String>,
    /// The first so many requests fail, whatever the rate.
    pub(crate) count: i64,
    /// Sent as `Retry-After` with an injected 429 or 503.
    pub(crate) retry_after: String,
}

/// What stands on the command line about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsFlags {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) self_signed: bool,
}

/// With which certificate TLS is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// One that signs itself.
    SelfSigned,
    /// The one in these files.
    Files {
        /// The certificate.
        certificate: String,
        /// Its key.
        key: String,
    },
}

/// Flags that the original has and the simulator takes without modelling them.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) block_size: i64,
    pub(crate) kv_cache_size: i64,
    pub(crate) enable_kvcache: bool,
    pub(crate) event_batch_size: i64,
    pub(crate) zmq_endpoint: String,
    pub(crate) replay_endpoint: String,
    pub(crate) replay_queue: i64,
    pub(crate) map_events: bool,
    pub(crate) hash_seed: String,
    pub(crate) image_rate: i64,
    pub(crate) omni: bool,
    pub(crate) data_parallel_size: i64,
    pub(crate) data_parallel_rank: i64,
    pub(crate) dataset_path: String,
    pub(crate) dataset_url: String,
    pub(crate) dataset_in_memory: bool,
    pub(crate) dataset_table: String,
    pub(crate) cache_threshold: f64,
    pub(crate) dummy_tokenizer: bool,
    pub(crate) render_url: String,
    pub(crate) render_timeout: GoDuration,
    pub(crate) image_render_timeout: GoDuration,
    pub(crate) ignored: Ignored,
}

/// Where flags go that the original ignores too.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ignored {
    pub(crate) text: String,
    pub(crate) int: i64,
    pub(crate) flag: bool,
    pub(crate) list: Vec<String>,
}

/// What the environment says about the pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) ip: String,
    pub(crate) dev_mode: bool,
}

/// A `LoRA` adapter that is there from the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LoraModule {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) base: String,
}

/// Something that is accepted but has no effect here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A sentence for people.
    pub message: String,
    /// Position in the arguments of what it is about, where it is about one.
    pub argument: Option<usize>,
}

/// Why a configuration is refused. It displays the original's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
    argument: Option<usize>,
    help: bool,
    hint: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>, argument: Option<usize>) -> Self {
        Self { message: message.into(), argument, help: false, hint: None }
    }

    pub(crate) fn asks_for_help() -> Self {
        Self { help: true, ..Self::new("pflag: help requested", None) }
    }

    pub(crate) fn with_hint(self, hint: String) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// What to do about it, where that is known: a sentence that the original does not have.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Position in the arguments of what is wrong, where it came from there.
    #[must_use]
    pub fn argument(&self) -> Option<usize> {
        self.argument
    }

    /// Whether nothing is wrong and [`Config::usage`] was asked for.
    #[must_use]
    pub fn is_help(&self) -> bool {
        self.help
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the command line, the environment, and the file that `--config` names.
    ///
    /// # Errors
    /// The original's text for what is wrong, and where in `args` it stands.
    pub fn parse(args: &[String], env: &BTreeMap<String, String>) -> Result<(Self, Vec<Warning>), ConfigError> {
        Self::parse_with(args, env, |path| std::fs::read_to_string(path))
    }

    /// Like [`parse`](Self::parse), with files read through `read`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_with(
        args: &[String],
        env: &BTreeMap<String, String>,
        read: impl FnOnce(&str) -> io::Result<String>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let given = command::scan(args)?;
        let mut config = Self::default();
        let mut warnings = Vec::new();
        if let Some(path) = given.config_file() {
            let at = given.position("config");
            let unknown = file::apply(&mut config, path, read).map_err(|text| ConfigError::new(text, at))?;
            warnings.extend(unknown.into_iter().map(|message| Warning { message, argument: at }));
        }
        config.apply_environment(env);
        given.apply(&mut config)?;
        config.complete(&given);
        checks::check(&mut config).map_err(|fault| fault.at(&given))?;
        warnings.extend(checks::warnings(&config, &given));
        Ok((config, warnings))
    }

    /// The text of `--help`.
    #[must_use]
    pub fn usage() -> String {
        flags::usage()
    }

    /// The configuration that is in effect, as the original logs it when it starts.
    #[must_use]
    pub fn to_json(&self) -> Json {
        super::admin::show(self)
    }

    /// The model that `--model` names.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The port that it would listen on.
    #[must_use]
    pub fn port(&self) -> u16 {
        u16::try_from(self.port).unwrap_or(u16::MAX)
    }

    /// The certificate with which it is to serve TLS, if it is.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let TlsFlags { certificate, key, self_signed } = &self.tls;
        match (self_signed, certificate.is_empty()) {
            (true, _) => Some(Certificate::SelfSigned),
            (false, false) => Some(Certificate::Files { certificate: certificate.clone(), key: key.clone() }),
            (false, true) => None,
        }
    }

    /// Whether requests and responses are to be shown.
    #[must_use]
    pub fn logs_http(&self) -> bool {
        self.log_http
    }

    /// The faults that it has from the start.
    #[must_use]
    pub fn faults(&self) -> &[Injection] {
        &self.injections
    }

    /// The pod's name, where the environment tells it.
    #[must_use]
    pub fn pod_name(&self) -> Option<&str> {
        Some(self.pod.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The name that answers show: the first of the served ones.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.served_names.first().unwrap_or(&self.model)
    }

    pub(crate) fn is_echo(&self) -> bool {
        self.mode == "echo"
    }

    fn apply_environment(&mut self, env: &BTreeMap<String, String>) {
        let get = |name: &str| env.get(name).cloned().unwrap_or_default();
        self.pod = Pod {
            name: get("POD_NAME"),
            namespace: get("POD_NAMESPACE"),
            ip: get("POD_IP"),
            dev_mode: get("VLLM_SERVER_DEV_MODE") == "1",
        };
        for (name, field) in [("SIM_MODEL", &mut self.model), ("PYTHONHASHSEED", &mut self.accepted.hash_seed)] {
            if let Some(value) = env.get(name).filter(|value| !value.is_empty()) {
                field.clone_from(value);
            }
        }
    }

    /// Fills in what follows from other values.
    fn complete(&mut self, given: &Given) {
        if self.served_names.is_empty() {
            self.served_names.push(self.model.clone());
        }
        if self.max_cpu_loras == 0 {
            self.max_cpu_loras = self.max_loras;
        }
        // The flag's own default overwrites what the file says.
        if given.position("global-cache-hit-threshold").is_none() {
            self.accepted.cache_threshold = 0.0;
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: String::new(),
            served_names: Vec::new(),
            mode: "random".to_owned(),
            port: 8000,
            latency: Latency::default(),
            max_loras: 1,
            max_cpu_loras: 0,
            lora_modules: Vec::new(),
            max_model_len: 1024,
            max_num_seqs: 5,
            max_waiting: 1000,
            tools: ToolRanges::default(),
            failures: Failures::default(),
            faults: Vec::new(),
            injections: Vec::new(),
            fake_metrics: None,
            fake: None,
            fake_refresh: GoDuration::millis(100),
            seed: None,
            startup: GoDuration::default(),
            request_ids: false,
            sleep_mode: false,
            encoder_only: false,
            max_body_mb: 4,
            embedding_dimensions: 384,
            log_http: false,
            tls: TlsFlags::default(),
            accepted: Accepted::default(),
            pod: Pod::default(),
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        let none = GoDuration::default();
        Self {
            inter_token: none,
            inter_token_sigma: none,
            first_token: none,
            first_token_sigma: none,
            image: none,
            image_sigma: none,
            prefill_overhead: none,
            prefill_per_token: none,
            prefill_sigma: none,
            transfer_per_token: none,
            transfer_time_sigma: none,
            transfer: none,
            transfer_sigma: none,
            load_factor: 1.0,
            calculator: String::new(),
        }
    }
}

impl Default for ToolRanges {
    fn default() -> Self {
        Self {
            max_integer: 100,
            min_integer: 0,
            max_number: 100.0,
            min_number: 0.0,
            max_array: 5,
            min_array: 1,
            optional_parameter: 50,
            optional_field: 50,
            extra_call: 45,
            skip_validation: false,
        }
    }
}

impl Default for Accepted {
    fn default() -> Self {
        Self {
            block_size: 16,
            kv_cache_size: 1024,
            enable_kvcache: false,
            event_batch_size: 16,
            zmq_endpoint: "tcp://127.0.0.1:5557".to_owned(),
            replay_endpoint: String::new(),
            replay_queue: 1024,
            map_events: false,
            hash_seed: String::new(),
            image_rate: 0,
            omni: false,
            data_parallel_size: 1,
            data_parallel_rank: -1,
            dataset_path: String::new(),
            dataset_url: String::new(),
            dataset_in_memory: false,
            dataset_table: "llmd".to_owned(),
            cache_threshold: 0.0,
            dummy_tokenizer: false,
            render_url: "http://localhost:8082".to_owned(),
            render_timeout: GoDuration::millis(30_000),
            image_render_timeout: GoDuration::millis(60_000),
            ignored: Ignored::default(),
        }
    }
}

#[cfg(test)]
mod tests;
