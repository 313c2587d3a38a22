//! A map for what is asked for by a request's id, or another name, many times a second.

#[expect(clippy::disallowed_types, reason = "it is looked up in, and never gone through")]
use std::collections::HashMap;

/// Looked up in, and never gone through: its order differs from process to process.
#[expect(clippy::disallowed_types, reason = "it is looked up in, and never gone through")]
pub(crate) type Lookup<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
