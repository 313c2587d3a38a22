//! Which models there are: the served names and the `LoRA` adapters, which come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value as Json, json};

use super::config::Config;
use super::error::ApiError;
use super::json::{self, Fields};

/// The models of a simulator.
pub(crate) struct Models {
    root: String,
    served: Vec<Arc<str>>,
    max_model_len: i64,
    /// Path of each adapter.
    loras: RwLock<BTreeMap<Arc<str>, String>>,
}

/// The model that a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name that the response shows.
    pub(crate) shown: Arc<str>,
    /// The adapter, if it is one.
    pub(crate) lora: Option<Arc<str>>,
}

impl Models {
    pub(crate) fn new(config: &Config) -> Self {
        let loras = config.lora_modules.iter().map(|one| (one.name.as_str().into(), one.path.clone()));
        Self {
            root: config.model.clone(),
            served: config.served_names.iter().map(|name| name.as_str().into()).collect(),
            max_model_len: config.max_model_len,
            loras: RwLock::new(loras.collect()),
        }
    }

    /// The model called `name`.
    pub(crate) fn find(&self, name: &str) -> Result<Found, ApiError> {
        if self.served.iter().any(|served| **served == *name) {
            let shown = self.served.first().cloned().unwrap_or_else(|| name.into());
            return Ok(Found { shown, lora: None });
        }
        let loras = self.loras.read().unwrap_or_else(PoisonError::into_inner);
        let (name, _) = loras.get_key_value(name).ok_or_else(|| ApiError::no_model(name))?;
        Ok(Found { shown: name.clone(), lora: Some(name.clone()) })
    }

    /// The list of `GET /v1/models`: the served names, then the adapters by name.
    pub(crate) fn list(&self, created: i64) -> Json {
        let parent = self.served.first();
        let entry = |id: &str, root: &str, parent: Option<&Arc<str>>| {
            json!({
                "id": id, "object": "model", "created": created, "owned_by": "vllm",
                "root": root, "parent": parent.map(|name| &**name), "max_model_len": self.max_model_len,
            })
        };
        let mut data: Vec<Json> = self.served.iter().map(|name| entry(name, &self.root, None)).collect();
        for (name, path) in self.loras.read().unwrap_or_else(PoisonError::into_inner).iter() {
            data.push(entry(name, if path.is_empty() { name } else { path }, parent));
        }
        json!({"object": "list", "data": data})
    }

    /// `POST /v1/load_lora_adapter`.
    pub(crate) fn load(&self, body: &[u8]) -> Result<(), ApiError> {
        let (name, path) = adapter(body)
            .map_err(|cause| ApiError::bad(format!("failed to read and parse load lora request body, {cause}")))?;
        self.loras.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), path);
        Ok(())
    }

    /// `POST /v1/unload_lora_adapter`.
    pub(crate) fn unload(&self, body: &[u8]) -> Result<(), ApiError> {
        let (name, _) = adapter(body)
            .map_err(|cause| ApiError::bad(format!("failed to read and parse unload lora request body, {cause}")))?;
        self.loras.write().unwrap_or_else(PoisonError::into_inner).remove(name.as_str());
        Ok(())
    }
}

fn adapter(body: &[u8]) -> Result<(String, String), String> {
    let body = json::parse(body)?;
    let fields = Fields::of_body(&body, "LoadLoraRequest")?;
    Ok((fields.text("lora_name")?, fields.text("lora_path")?))
}
