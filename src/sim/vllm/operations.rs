//! The endpoints beside inference: health, models, adapters, metrics, sleep.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use uuid::Uuid;

use super::error::ApiError;
use super::http::{JSON, Reply};
use super::metrics::{self, Gauges};
use super::routes::Route;
use super::{Inner, admin, tokenize};

/// Answers a `GET`.
pub(crate) fn get(sim: &Arc<Inner>, route: Route) -> Reply {
    match route {
        Route::Models => Reply::json(&sim.models.list(sim.world.clock.unix_seconds())),
        Route::Metrics => Reply::new(metrics::CONTENT_TYPE, sim.metrics.render(&gauges(sim))),
        Route::HealthReady if sim.started.elapsed() < sim.config().startup.wait() => {
            Reply::new(JSON, "").with_status(StatusCode::SERVICE_UNAVAILABLE)
        }
        Route::IsSleeping => Reply::json(&json!({"is_sleeping": sim.sleeping.load(Ordering::Relaxed)})),
        Route::Query => Reply::json(&json!({"0": {"engine_id": engine_id(sim)}})),
        Route::Version => Reply::json(&json!({"version": env!("CARGO_PKG_VERSION")})),
        Route::ReadConfig => Reply::json(&admin::show(&sim.config())),
        _ => Reply::new(JSON, ""),
    }
}

/// Answers a `POST` to anything but inference.
pub(crate) fn post(sim: &Arc<Inner>, route: Route, parts: &Parts, body: &[u8]) -> Reply {
    let done = |result: Result<(), ApiError>| match result {
        Ok(()) => Reply::empty(),
        Err(error) => Reply::error(&error),
    };
    match route {
        Route::LoadLora => done(sim.models.load(body)),
        Route::UnloadLora => done(sim.models.unload(body)),
        Route::Tokenize => tokenize::answer(sim, body).unwrap_or_else(|error| Reply::error(&error)),
        Route::Detokenize => tokenize::text_of(sim, body).unwrap_or_else(|error| Reply::error(&error)),
        Route::RenderChat | Route::RenderCompletions => {
            tokenize::render(sim, route, &parts.headers, body).unwrap_or_else(|error| Reply::error(&error))
        }
        Route::ChangeConfig => match admin::change(sim, body) {
            Ok(config) => Reply::json(&admin::show(&config)),
            Err(error) => Reply::error(&error),
        },
        Route::FakeMetrics => match admin::change_fake_metrics(sim, body) {
            Ok(()) => Reply::empty().with_status(StatusCode::NO_CONTENT),
            Err(error) => Reply::error(&error),
        },
        Route::Sleep => {
            let config = sim.config();
            if config.sleep_mode && config.pod.dev_mode {
                sim.sleeping.store(true, Ordering::Relaxed);
            }
            Reply::empty()
        }
        Route::WakeUp => {
            sim.sleeping.store(false, Ordering::Relaxed);
            Reply::empty()
        }
        _ => Reply::empty(),
    }
}

fn engine_id(sim: &Inner) -> String {
    let name = format!("{}-{}-engine", sim.ids.seed, sim.ids.port);
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// What is true now, or what is made up instead.
#[expect(clippy::cast_precision_loss, reason = "counts and seconds, far below 2^53")]
fn gauges(sim: &Inner) -> Gauges {
    let config = sim.config();
    let mut gauges = Gauges {
        running: sim.engine.running() as f64,
        waiting: sim.engine.waiting() as f64,
        kv_usage: 0.0,
        block_size: config.accepted.block_size,
        blocks: config.accepted.kv_cache_size,
        max_loras: config.max_loras,
        loras: sim.engine.lora_states().into_iter().map(|(state, at)| (state, at as f64)).collect(),
    };
    if let Some(fake) = &config.fake {
        let refresh = config.fake_refresh.wait().as_nanos().max(1);
        let elapsed = sim.started.elapsed().as_nanos() / refresh * refresh;
        let elapsed = std::time::Duration::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX));
        let at = |gauge: Option<super::fake::Gauge>| gauge.map_or(0.0, |gauge| gauge.at(elapsed));
        gauges.running = at(fake.running).trunc();
        gauges.waiting = at(fake.waiting).trunc();
        gauges.kv_usage = at(fake.kv_usage);
        gauges.loras =
            fake.loras.iter().map(|lora| ((lora.running.clone(), lora.waiting.clone()), lora.timestamp)).collect();
    }
    gauges
}
