//! `GET` and `POST /admin/config`: the configuration, and the part of it that may change while running.

use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value as Json, json};

use super::config::Config;
use super::error::ApiError;
use super::flags::{self, Flag, Origin, Slot};
use super::go::GoDuration;
use super::json::{self, kind};
use super::{Inner, checks};

const REAL: &str = "the simulator is reporting real metrics; fake metrics cannot be updated";

/// The configuration as JSON: keys sorted, those with capitals first.
pub(crate) fn show(config: &Config) -> Json {
    let mut shown = vec![
        ("DisplayModelName".to_owned(), json!(config.display_name())),
        ("IP".to_owned(), json!(config.pod.ip)),
        ("PodName".to_owned(), json!(config.pod.name)),
        ("PodNameSpace".to_owned(), json!(config.pod.namespace)),
        ("VllmDevMode".to_owned(), json!(config.pod.dev_mode)),
    ];
    let mut config = config.clone();
    for flag in flags::FLAGS.iter().filter(|flag| flag.origin != Origin::Ignored) {
        let value = match (flag.name, (flag.slot)(&mut config).to_json()) {
            // Unset is -1 on the command line, and shown as 0.
            ("data-parallel-rank", Json::Number(rank)) if rank.as_i64() == Some(-1) => json!(0),
            ("served-model-name", Json::Null) => json!([]),
            (_, value) => value,
        };
        shown.push((flag.name.to_owned(), value));
    }
    shown.sort_by(|(left, _), (right, _)| left.cmp(right));
    Json::Object(shown.into_iter().collect())
}

/// Takes over a partial configuration, all of it or nothing.
pub(crate) fn change(sim: &Arc<Inner>, body: &[u8]) -> Result<Arc<Config>, ApiError> {
    let unreadable = |cause: String| ApiError::bad(format!("failed to unmarshal payload: {cause}"));
    let parsed = json::parse(body).map_err(unreadable)?;
    let Json::Object(changes) = parsed else {
        return Err(unreadable(format!("json: cannot unmarshal {} into Go value of type map", kind(&parsed))));
    };
    apply(sim, &changes)
}

/// `POST /fake_metrics`: the same for made-up metrics alone.
pub(crate) fn change_fake_metrics(sim: &Arc<Inner>, body: &[u8]) -> Result<(), ApiError> {
    let failed = |status, cause: &str| ApiError::new(status, format!("Failed to update fake metrics: {cause}"));
    let parsed = json::parse(body).map_err(|cause| failed(400, &cause))?;
    if sim.config().fake_metrics.is_none() {
        return Err(failed(500, REAL));
    }
    let changes = Map::from_iter([("fake-metrics".to_owned(), parsed)]);
    apply(sim, &changes).map(drop).map_err(|error| failed(error.status, &error.message))
}

/// Takes over some values, all of them or none.
pub(crate) fn apply(sim: &Arc<Inner>, changes: &Map<String, Json>) -> Result<Arc<Config>, ApiError> {
    let mut current = sim.config.write().unwrap_or_else(PoisonError::into_inner);
    let config = changed(&current, changes)?;
    if changes.contains_key("failure-count") {
        sim.injector.restart_count();
    }
    if let (Some(changed), Some(_)) = (changes.get("fake-metrics").and_then(Json::as_object), &config.fake) {
        // Only what the request names starts anew.
        if let Ok(fake) = super::fake::FakeMetrics::read(changed) {
            sim.metrics.replace(&fake);
        }
    }
    *current = Arc::new(config);
    Ok(current.clone())
}

impl Config {
    /// The arguments that may change while a simulator runs.
    pub fn changeable() -> impl Iterator<Item = &'static str> {
        flags::FLAGS.iter().filter(|flag| flag.admin).map(|flag| flag.name)
    }

    /// What [`Simulator::change`](super::Simulator::change) would make of it.
    ///
    /// # Errors
    /// The original's text for what is wrong.
    pub fn changed(&self, changes: &Map<String, Json>) -> Result<Self, String> {
        changed(self, changes).map_err(|error| error.message)
    }
}

/// The configuration with some values changed.
fn changed(config: &Config, changes: &Map<String, Json>) -> Result<Config, ApiError> {
    let mut config = config.clone();
    for (name, value) in changes {
        let flag = flags::find(name).filter(|flag| flag.admin);
        let flag = flag.ok_or_else(|| ApiError::bad(format!("field '{name}' is not admin-configurable")))?;
        if name == "fake-metrics" && config.fake_metrics.is_none() {
            return Err(ApiError::bad(REAL));
        }
        set(flag, &mut config, value).map_err(ApiError::bad)?;
    }
    checks::check(&mut config).map_err(|fault| ApiError::bad(fault.message))?;
    Ok(config)
}

fn set(flag: &Flag, config: &mut Config, value: &Json) -> Result<(), String> {
    let name = flag.name;
    let mismatch =
        |wanted: &str| format!("field {name:?}: json: cannot unmarshal {} into Go value of type {wanted}", kind(value));
    match (flag.slot)(config) {
        Slot::Text(field) => value.as_str().ok_or_else(|| mismatch("string"))?.clone_into(field),
        Slot::Int(field) => *field = value.as_i64().ok_or_else(|| mismatch("int"))?,
        Slot::Float(field) => *field = value.as_f64().ok_or_else(|| mismatch("float64"))?,
        Slot::Duration(field) => {
            *field = match value {
                // Whole numbers are nanoseconds.
                Json::Number(number) => GoDuration(number.as_i64().ok_or_else(|| mismatch("time.Duration"))?),
                Json::String(text) => GoDuration::parse(text).map_err(|cause| format!("field {name:?}: {cause}"))?,
                _ => return Err(mismatch("time.Duration")),
            };
        }
        Slot::List(field) => {
            let items = match value {
                Json::Null => &Vec::new(),
                Json::Array(items) => items,
                _ => return Err(mismatch("[]string")),
            };
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>();
            *field = texts.ok_or_else(|| mismatch("[]string"))?;
        }
        Slot::Fake(field) => {
            let changes = value.as_object().ok_or_else(|| mismatch("common.Metrics"))?;
            let merged = field.get_or_insert_with(Map::new);
            merged.extend(changes.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Slot::Bool(_) | Slot::Toggle(_) | Slot::Each(_) | Slot::Seed(_) | Slot::Loras(_) => {}
    }
    Ok(())
}
