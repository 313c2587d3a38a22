//! The models that the fake has: their dated names, sizes and uses.

use serde_json::{Value as Json, json};

use super::error::ApiError;

/// A model, under the name that requests use or under its dated one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Model {
    /// The name in the request.
    pub(crate) id: &'static str,
    /// The dated name that answers carry.
    pub(crate) dated: &'static str,
    /// Which models share one rate limit: the undated name.
    pub(crate) family: &'static str,
    /// When it was made, in seconds since 1970.
    created: i64,
    owner: &'static str,
    /// Most tokens of prompt and answer together.
    pub(crate) context: u64,
    /// Most tokens of an answer; for embeddings, the length of a vector.
    pub(crate) output: u64,
    pub(crate) usage: ModelUse,
    /// How long it takes, compared with `gpt-4o`.
    pub(crate) pace: f64,
}

/// Which endpoint a model serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelUse {
    Chat,
    /// Chat, after thinking: no `max_tokens`, no temperature but 1.
    Reasoning,
    Completion,
    Embedding,
    /// Embeddings of one length only.
    FixedEmbedding,
    Moderation,
}

/// Family, dated name, when each was made, owner, context, output, use, pace.
type Row = (&'static str, &'static str, i64, i64, &'static str, u64, u64, ModelUse, f64);

/// A family's first row says what its undated name stands for.
const ROWS: &[Row] = {
    use ModelUse::{Chat, Completion, Embedding, FixedEmbedding, Moderation, Reasoning};
    const INTERNAL: &str = "openai-internal";
    &[
        ("gpt-4o", "gpt-4o-2024-08-06", 1_715_367_049, 1_722_814_719, "system", 128_000, 16_384, Chat, 1.0),
        ("gpt-4o", "gpt-4o-2024-05-13", 1_715_367_049, 1_715_368_132, "system", 128_000, 4_096, Chat, 1.1),
        ("gpt-4o", "gpt-4o-2024-11-20", 1_715_367_049, 1_739_331_543, "system", 128_000, 16_384, Chat, 1.0),
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 1_721_172_741, 1_721_172_717, "system", 128_000, 16_384, Chat, 0.75),
        ("gpt-4.1", "gpt-4.1-2025-04-14", 1_744_316_542, 1_744_315_746, "system", 1_047_576, 32_768, Chat, 1.1),
        (
            "gpt-4.1-mini",
            "gpt-4.1-mini-2025-04-14",
            1_744_318_173,
            1_744_317_547,
            "system",
            1_047_576,
            32_768,
            Chat,
            0.8,
        ),
        (
            "gpt-4.1-nano",
            "gpt-4.1-nano-2025-04-14",
            1_744_321_707,
            1_744_321_025,
            "system",
            1_047_576,
            32_768,
            Chat,
            0.6,
        ),
        ("gpt-4-turbo", "gpt-4-turbo-2024-04-09", 1_712_361_441, 1_712_601_677, "system", 128_000, 4_096, Chat, 1.6),
        ("gpt-4", "gpt-4-0613", 1_687_882_411, 1_686_588_896, "openai", 8_192, 8_192, Chat, 1.8),
        ("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 1_677_610_602, 1_706_048_358, "openai", 16_385, 4_096, Chat, 0.8),
        ("gpt-5", "gpt-5-2025-08-07", 1_754_425_777, 1_754_075_360, "system", 400_000, 128_000, Reasoning, 3.0),
        (
            "gpt-5-mini",
            "gpt-5-mini-2025-08-07",
            1_754_425_928,
            1_754_425_867,
            "system",
            400_000,
            128_000,
            Reasoning,
            2.0,
        ),
        (
            "gpt-5-nano",
            "gpt-5-nano-2025-08-07",
            1_754_426_384,
            1_754_426_303,
            "system",
            400_000,
            128_000,
            Reasoning,
            1.5,
        ),
        ("o3", "o3-2025-04-16", 1_744_225_308, 1_744_133_301, "system", 200_000, 100_000, Reasoning, 3.0),
        ("o3-mini", "o3-mini-2025-01-31", 1_737_146_383, 1_738_010_200, "system", 200_000, 100_000, Reasoning, 2.0),
        ("o4-mini", "o4-mini-2025-04-16", 1_744_225_351, 1_744_133_506, "system", 200_000, 100_000, Reasoning, 2.0),
        (
            "gpt-3.5-turbo-instruct",
            "gpt-3.5-turbo-instruct:20230824-v2",
            1_692_901_427,
            1_692_901_427,
            "system",
            4_097,
            4_096,
            Completion,
            0.8,
        ),
        ("davinci-002", "davinci-002", 1_692_634_301, 1_692_634_301, "system", 16_384, 16_384, Completion, 1.0),
        ("babbage-002", "babbage-002", 1_692_634_615, 1_692_634_615, "system", 16_384, 16_384, Completion, 0.6),
        (
            "text-embedding-3-small",
            "text-embedding-3-small",
            1_705_948_997,
            1_705_948_997,
            "system",
            8_192,
            1_536,
            Embedding,
            0.4,
        ),
        (
            "text-embedding-3-large",
            "text-embedding-3-large",
            1_705_953_180,
            1_705_953_180,
            "system",
            8_192,
            3_072,
            Embedding,
            0.5,
        ),
        (
            "text-embedding-ada-002",
            "text-embedding-ada-002-v2",
            1_671_217_299,
            1_671_217_299,
            INTERNAL,
            8_192,
            1_536,
            FixedEmbedding,
            0.4,
        ),
        (
            "omni-moderation-latest",
            "omni-moderation-2024-09-26",
            1_731_689_265,
            1_732_734_466,
            "system",
            32_768,
            0,
            Moderation,
            0.4,
        ),
        (
            "text-moderation-latest",
            "text-moderation-007",
            1_686_400_000,
            1_686_400_000,
            INTERNAL,
            32_768,
            0,
            Moderation,
            0.3,
        ),
    ]
};

/// Every model, in the order in which the list has them: each family's undated name, then its dated ones.
pub(crate) fn all() -> Vec<Model> {
    let mut models: Vec<Model> = Vec::new();
    for row in ROWS {
        let (family, dated, ..) = *row;
        if !models.iter().any(|model| model.id == family) {
            models.push(model(row, family));
        }
        // A name with a colon is of a version that cannot be asked for.
        if dated != family && !dated.contains(':') && !dated.ends_with("-v2") {
            models.push(model(row, dated));
        }
    }
    models
}

/// The model called `id`.
pub(crate) fn find(id: &str) -> Option<Model> {
    all().into_iter().find(|model| model.id == id)
}

/// The model that a request asks for.
pub(crate) fn asked(id: Option<&Json>) -> Result<Model, ApiError> {
    match id {
        None => Err(ApiError::no_model()),
        Some(Json::String(id)) if id.is_empty() => Err(ApiError::no_model()),
        Some(Json::String(id)) => find(id).ok_or_else(|| ApiError::unknown_model(id)),
        Some(_) => Err(ApiError::front_door(http::StatusCode::BAD_REQUEST, "invalid model ID")),
    }
}

fn model(row: &Row, id: &'static str) -> Model {
    let (family, dated, undated_since, dated_since, owner, context, output, usage, pace) = *row;
    let created = if id == family { undated_since } else { dated_since };
    Model { id, dated, family, created, owner, context, output, usage, pace }
}

impl Model {
    pub(crate) fn is_chat(&self) -> bool {
        matches!(self.usage, ModelUse::Chat | ModelUse::Reasoning)
    }

    pub(crate) fn is_embedding(&self) -> bool {
        matches!(self.usage, ModelUse::Embedding | ModelUse::FixedEmbedding)
    }

    pub(crate) fn reasons(&self) -> bool {
        self.usage == ModelUse::Reasoning
    }

    /// What `/v1/models` says of it.
    pub(crate) fn json(&self) -> Json {
        json!({"id": self.id, "object": "model", "created": self.created, "owned_by": self.owner})
    }
}
